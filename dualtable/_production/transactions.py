"""Several logical items at one moment: written all or none, or read together.

The rule: what `new` has is judged and written by the server. What it does not have is judged here
on what is seen, and the transaction goes through only if that is still so; what only `old` has is
thereby carried along in the same transaction. If others were quicker anywhere, all is seen anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from dualtable._dynamodb.gateway import (
    MAX_TRANSACTION,
    TransactAction,
    TransactCheck,
    TransactDelete,
    TransactGet,
    TransactionCancelled,
    TransactPut,
    TransactUpdate,
    Verdict,
)
from dualtable._dynamodb.retry import OVERTAKEN, retried
from dualtable._expressions.requests import Changes, CheckStep, PutStep, Step, UpdateStep
from dualtable._expressions.texts import Condition
from dualtable._production.logical import Keys, LogicalTable
from dualtable._production.overlay import Seen
from dualtable._wire.items import check_item
from dualtable._wire.keys import identity, plain
from dualtable._wire.marks import new_token
from dualtable._wire.types import WireItem
from dualtable.errors import ConcurrentUpdateError, ConditionFailedError, InvalidKeyError


async def write(tables: LogicalTable, steps: Sequence[Step]) -> None:
    """Take all steps or none.

    Raises:
        ConditionFailedError: A condition does not hold for its logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """
    keys = {identity(step.key): step.key for step in steps}
    check_size(len(steps), distinct=len(keys))

    async def attempt() -> None:
        seen = await tables.see_all(keys)
        plans = [_Planner(tables, step, seen[identity(step.key)]) for step in steps]
        try:
            await tables.gateway.transact_write([plan.action() for plan in plans])
        except TransactionCancelled as cancelled:
            for plan, reason in zip(plans, cancelled.reasons, strict=True):
                if reason.verdict is Verdict.CONDITION_FAILED:
                    plan.raise_if_judged(reason.item)
            raise ConcurrentUpdateError(
                f"an item in {tables.new.table} was written by others on each try"
            ) from None

    await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


@attrs.frozen
class _Planner:
    """One step, and what is seen of its item."""

    tables: LogicalTable
    step: Step
    seen: Seen

    def action(self) -> TransactAction:
        """Return what is sent for the step."""
        guard, table, step = self._guard(), self.tables.new.table, self.step
        if isinstance(step, PutStep):
            return TransactPut(table, step.stamped, guard)
        if isinstance(step, UpdateStep):
            return self._update(step.changes, guard)
        if isinstance(step, CheckStep):
            return TransactCheck(table, step.key, guard or self.seen.unchanged)
        if self.tables.route.buries:
            return TransactPut(table, self.tables.marks.bury(step.key), guard)
        return TransactDelete(table, step.key, guard)

    def raise_if_judged(self, found: WireItem | None) -> None:
        """Raise where the server has judged the condition of a live item."""
        if self.seen.live and found is not None and not self.tables.marks.is_tombstone(found):
            raise self._does_not_hold()

    def _guard(self) -> Condition | None:
        """Return the condition to send; what the server cannot judge is judged here."""
        condition, live = self.step.condition, self.tables.overlay.live()
        builds_on_it = condition is not None or isinstance(self.step, UpdateStep)
        if self.seen.live:
            return condition.and_also(live) if condition else live if builds_on_it else None
        if condition is not None and not condition.holds(self.seen.item):
            raise self._does_not_hold()
        return self.seen.unchanged if builds_on_it else None

    def _update(self, changes: Changes, guard: Condition | None) -> TransactAction:
        table, marks, token = self.tables.new.table, self.tables.marks, new_token()
        if self.seen.live:
            return TransactUpdate(table, self.step.key, changes.stamped(marks, token), guard)
        after = changes.tree.apply(self.seen.item or self.step.key)
        stamped = marks.stamp(after, token)
        check_item(stamped, self.tables.new)
        return TransactPut(table, stamped, guard)

    def _does_not_hold(self) -> ConditionFailedError:
        return ConditionFailedError(
            "a condition of the transaction does not hold; nothing was written",
            key=plain(self.step.key),
        )


async def read(tables: LogicalTable, keys: Keys) -> dict[Any, WireItem]:
    """Return what is under up to 100 keys at one moment, tombstones included.

    What `new` does not have at that moment is looked up in `old`, which never changes.
    """
    gets = [TransactGet(tables.new.table, key) for key in keys.values()]
    items = await tables.gateway.transact_get(gets)
    found = {name: item for name, item in zip(keys, items, strict=True) if item is not None}
    missing = {name: key for name, key in keys.items() if name not in found}
    return found | await tables.fall_back(missing, confirmed=True)


def check_size(number: int, *, distinct: int | None = None) -> None:
    """Raise `InvalidKeyError` where a transaction has no actions, too many, or a key twice."""
    if not 0 < number <= MAX_TRANSACTION:
        raise InvalidKeyError(
            f"a transaction takes 1 to {MAX_TRANSACTION} actions, not {number}; split it"
        )
    if distinct not in (None, number):
        raise InvalidKeyError("a transaction may name each key once; leave out the second")
