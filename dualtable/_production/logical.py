"""Two tables as one, to write to: what builds on what was seen goes through only if it is still so.

The rule: a phase says where a write goes. To `new`, under a condition on what `new` had (I4); what
builds on an `old` that may still move goes together with a check of it, in one transaction. To
`old`, in the entry phases only (I5), as its way back (I9), and together with a check that `new`
lacks the key, as soon as somebody may write there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import attrs

from dualtable._dynamodb.gateway import (
    ConditionFailed,
    TransactCheck,
    TransactionCancelled,
    TransactPut,
    Verdict,
)
from dualtable._expressions.texts import Condition
from dualtable._production.old_writes import OldWrite, OldWrites, send
from dualtable._production.overlay import Origin, Seen
from dualtable._production.reads import Found, Keys, LogicalReads
from dualtable._tasks import run_all
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import DualTableError

__all__ = ["Found", "Keys", "LogicalTable"]


@attrs.frozen
class LogicalTable(LogicalReads):
    """The two tables of a migration, and how one operation reads and writes them."""

    @property
    def old_writes(self) -> OldWrites:
        # Whoever steps back to ROLLING_OUT may start old code there while others go by the phase
        # after it; so these count with it, too.
        return OldWrites(self.lineage, old_code=self.route.writes_old)

    def _fence(self, seen: Seen) -> AbstractContextManager[None]:
        """Let nothing be sent in the block that builds on `old` when that is not believed."""
        return self.fence() if seen.in_old else nullcontext()

    async def put(self, key: WireKey, stamped: WireItem) -> None:
        """Put an item, whatever is there."""
        if not self.route.writes_old or not await self._to_old(
            key, self.old_writes.put(stamped), stamped
        ):
            await self.gateway.put(self.new.table, stamped)

    def check(self, items: Iterable[WireItem]) -> None:
        """Check that items may be written in this phase, before the first one is.

        Raises:
            TransformError: One does not come back as it is (I9).
        """
        if self.route.writes_old:
            for stamped in items:
                self.old_writes.put(stamped)

    async def batch_put(self, batch: Sequence[tuple[WireKey, WireItem]]) -> None:
        """Put up to 25 items with different keys, whatever is there."""
        if not self.route.writes_old:
            await self.gateway.batch_put(self.new.table, [stamped for _, stamped in batch])
        elif self.route.asks_new:  # a batch knows no conditions
            await run_all(self.put(key, stamped) for key, stamped in batch)
        else:
            writes = [self.old_writes.put(stamped) for _, stamped in batch]
            await self.confirm()
            with self.fence():
                await self.gateway.batch_put(self.old.table, [w.item for w in writes])

    async def batch_bury(self, keys: Sequence[WireKey]) -> None:
        """Delete up to 25 different keys in `new`, whatever is there."""
        if self.route.buries:
            tombstones = [self.marks.bury(key) for key in keys]
            await self.gateway.batch_put(self.new.table, tombstones)
        else:
            await run_all(self.bury(key, None) for key in keys)

    async def bury(
        self, key: WireKey, guard: Condition | None, *, return_old: bool = False
    ) -> WireItem | None:
        """Delete in `new`: leave a tombstone, as long as a phase wants that."""
        table = self.new.table
        if not self.route.buries:
            return await self.gateway.delete(table, key, guard, return_old=return_old)
        tombstone = self.marks.bury(key)
        return await self.gateway.put(table, tombstone, guard, return_old=return_old)

    async def replace(self, key: WireKey, seen: Seen, stamped: WireItem) -> WireItem:
        """Put in place of what was seen, unless somebody has written the key since (I4).

        Return what is there then: `old` may have got more in the meantime.

        Raises:
            ConditionFailed: Somebody has.
            StalePhaseError: It was seen in `old`, and what is known of the phase is too old now.
        """
        origin = seen.origin
        if seen.in_old or origin is not None:
            await self.confirm()
        if origin is not None and self.route.writes_old:
            write = self.old_writes.write(origin, seen.item, stamped)
            return await self._over_old(key, write, stamped) or stamped
        put = TransactPut(self.new.table, stamped, seen.unchanged)
        if origin is None or origin.key is None:
            with self._fence(seen):
                await self.put_once(stamped, seen.unchanged)
        else:
            await self._beside_old(put, origin, stamped)
        return stamped

    async def remove(self, key: WireKey, seen: Seen) -> WireItem | None:
        """Delete what was seen, unless somebody has written the key since (I4).

        Return what is deleted: `old` may have got more in the meantime.

        Raises:
            ConditionFailed: Somebody has.
            StalePhaseError: It was seen in `old`, and what is known of the phase is too old now.
        """
        origin = seen.origin
        if origin is None or origin.key is None:
            with self._fence(seen):
                await self.bury(key, seen.unchanged)
        elif not self.route.writes_old:
            tombstone = self.marks.bury(key)
            put = TransactPut(self.new.table, tombstone, seen.unchanged)
            await self._beside_old(put, origin, None)
        elif seen.item is not None:
            return await self._over_old(key, self.old_writes.delete(origin), None) or seen.item
        return seen.item

    async def _over_old(
        self, key: WireKey, write: OldWrite, stamped: WireItem | None
    ) -> WireItem | None:
        """Write over what was seen in `old`; return what a key has then, or had where it goes."""
        if not self.route.asks_new:
            with self.fence():
                found = await self._send(write, stamped)
            return self._came_of(found, key) or stamped
        if not await self._to_old(key, write, stamped):
            raise ConditionFailed(None)  # the key has moved to `new`: look again
        return stamped

    async def _send(self, write: OldWrite, stamped: WireItem | None) -> WireItem | None:
        """Send a write to `old`; a retry that finds what its first try wrote has succeeded."""
        try:
            return await send(self.gateway, write)
        except ConditionFailed as failure:
            if not self._is_ours(failure.item, stamped):
                raise
            return failure.item

    def _came_of(self, old_item: WireItem | None, key: WireKey) -> WireItem | None:
        """Return what an old item that has just been written yields, if old code lets it."""
        if old_item is None:
            return None
        try:
            item = self.lineage.new_item(old_item, key)
        except DualTableError:  # it was all right when it was written
            return None
        token = self.marks.token_of(old_item)
        return item if item is None or token is None else self.marks.stamp(item, token)

    async def _to_old(self, key: WireKey, write: OldWrite, stamped: WireItem | None = None) -> bool:
        """Write to `old`, unless `new` has the key; tell whether it was done.

        Raises:
            ConditionFailed: `old` is not as it was read.
            StalePhaseError: What is known of the phase is too old.
        """
        await self.confirm()
        with self.fence():
            if not self.route.asks_new:
                await self._send(write, stamped)
                return True
            lacking = TransactCheck(self.new.table, key, self.overlay.absent())
            try:
                await self.gateway.transact_write([lacking, write])
            except TransactionCancelled as cancelled:
                in_new, in_old = cancelled.reasons
                if in_new.verdict is Verdict.CONDITION_FAILED:
                    return False
                if not self._is_ours(in_old.item, stamped):
                    raise ConditionFailed(in_old.item) from None
            return True

    async def _beside_old(self, put: TransactPut, origin: Origin, stamped: WireItem | None) -> None:
        """Write to `new` what builds on `old`, if that is still as it was read."""
        await self.confirm()
        with self.fence():
            try:
                await self.gateway.transact_write([put, self.old_writes.check(origin)])
            except TransactionCancelled as cancelled:
                found = cancelled.reasons[0].item
                if not self._is_ours(found, stamped):
                    raise ConditionFailed(found) from None

    def _is_ours(self, found: WireItem | None, stamped: WireItem | None) -> bool:
        """Tell whether what is there has been written by the try before this one."""
        if found is None or stamped is None:
            return False
        return self.marks.token_of(found) == self.marks.token_of(stamped)

    async def put_once(self, stamped: WireItem, guard: Condition) -> None:
        """Put under a condition; a retry that finds what its first try wrote has succeeded.

        Raises:
            ConditionFailed: The guard does not hold.
        """
        try:
            await self.gateway.put(self.new.table, stamped, guard)
        except ConditionFailed as failure:
            if not self._is_ours(failure.item, stamped):
                raise
