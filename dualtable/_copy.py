"""Copy one page: transform its items, put them if absent, say what became of each.

The rule: every old item of the page is accounted for exactly once, as copied, already there,
dropped, or a dead letter (I6).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from dualtable import _items
from dualtable._capacity import TokenBucket
from dualtable._dead_letters import DeadLetter
from dualtable._gateway import MAX_BATCH_WRITE, Gateway, Insert, Outcome, Page, batches
from dualtable._lineage import Lineage
from dualtable._segments import Progress
from dualtable._types import WireItem, WireKey
from dualtable.errors import DualTableError


@attrs.frozen
class _Copy:
    """A new item on its way, with the key of the old item that it comes from."""

    old_key: WireKey
    item: WireItem


@attrs.define
class _Tally:
    """What became of the items of one page so far."""

    written: int = 0
    already_present: int = 0
    dropped: int = 0
    write_units: float = 0.0
    failures: dict[object, DeadLetter] = attrs.field(factory=dict)  # by old key: one letter each


@attrs.frozen
class PageCopy:
    """Copies pages from one table to another; without a gateway it only tries the transform."""

    lineage: Lineage
    writes: TokenBucket
    gateway: Gateway | None

    async def copy(self, page: Page, segment: int) -> tuple[Progress, Sequence[DeadLetter]]:
        """Settle every item of a page; return the counts and the items that failed."""
        tally = _Tally()
        items = [item for item in page.items if not self.lineage.marks.is_tombstone(item)]
        copies = [copy for item in items for copy in self._transformed(item, segment, tally)]
        for batch in batches(copies, MAX_BATCH_WRITE):
            await self._insert(batch, segment, tally)
        progress = Progress(
            scanned=len(items),
            written=tally.written,
            already_present=tally.already_present,
            dropped=tally.dropped,
            failed=len(tally.failures),
            pages=1,
            empty_pages=not page.items,
            read_units=page.read_units,
            write_units=tally.write_units,
        )
        return progress, list(tally.failures.values())

    def _transformed(self, item: WireItem, segment: int, tally: _Tally) -> list[_Copy]:
        old_key = _items.key_of(item, self.lineage.old.key, self.lineage.old.table)
        try:
            outputs = self.lineage.new_items(item)
        except DualTableError as error:
            _fail(tally, old_key, type(error).__name__, str(error), segment)
            return []
        tally.dropped += not outputs
        return [_Copy(old_key, output) for _, output in outputs]

    async def _insert(self, batch: Sequence[_Copy], segment: int, tally: _Tally) -> None:
        if self.gateway is None:
            tally.written += len(batch)
            tally.write_units += sum(
                _items.write_units(_items.item_bytes(copy.item)) for copy in batch
            )
            return
        await self.writes.admit()
        new = self.lineage.new
        result = await self.gateway.insert(
            new.table, [copy.item for copy in batch], key_name=new.key.partition.name
        )
        self.writes.spend(result.write_units)
        tally.write_units += result.write_units
        for copy, answer in zip(batch, result.outcomes, strict=True):
            _settle(tally, copy, answer, segment)


def _settle(tally: _Tally, copy: _Copy, answer: Insert, segment: int) -> None:
    if answer.outcome is Outcome.WRITTEN:
        tally.written += 1
    elif answer.outcome is Outcome.PRESENT:
        tally.already_present += 1
    else:
        _fail(tally, copy.old_key, "RequestRefusedError", answer.reason, segment)


def _fail(tally: _Tally, key: WireKey, error: str, reason: str, segment: int) -> None:
    tally.failures[_items.identity(key)] = DeadLetter(key, error, reason, segment)
