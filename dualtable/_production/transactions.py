"""Several logical items at one moment: written all or none, or read together.

The rule: what `new` has is judged and written by the server. What it does not have is judged here
on what is seen, and the transaction goes through only if that is still so; what only `old` has is
thereby carried along in the same transaction. If others were quicker anywhere, all is seen anew.
What a step does not depend on is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

import attrs

from dualtable._dynamodb.gateway import (
    MAX_TRANSACTION,
    Reason,
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
from dualtable._expressions.requests import (
    CheckStep,
    DeleteStep,
    PutStep,
    Step,
    UpdateStep,
    has_room,
    is_blind,
)
from dualtable._expressions.texts import Condition, Update
from dualtable._production.judged_writes import updated
from dualtable._production.logical import Keys, LogicalTable
from dualtable._production.overlay import Seen
from dualtable._wire.keys import identity, plain
from dualtable._wire.marks import new_token
from dualtable._wire.types import WireItem
from dualtable.errors import (
    ActionReason,
    ConcurrentUpdateError,
    ConditionFailedError,
    InvalidKeyError,
)

_CODES = {
    Verdict.FINE: "None",
    Verdict.CONDITION_FAILED: "TransactionConflict",  # of ours: somebody wrote the item meanwhile
    Verdict.CONFLICT: "TransactionConflict",
    Verdict.REFUSED: "ValidationError",
    Verdict.THROTTLED: "ThrottlingError",
}
_DOES_NOT_HOLD = "ConditionalCheckFailed"


async def write(tables: LogicalTable, steps: Sequence[Step]) -> None:
    """Take all steps or none.

    Raises:
        ConditionFailedError: A condition does not hold for its logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """
    keys = {identity(step.key): step.key for step in steps}
    check_size(len(steps), distinct=len(keys))
    built_upon = {identity(s.key): s.key for s in steps if not is_blind(s)}

    async def attempt() -> None:
        seen = await tables.see_all(built_upon)
        plans = [
            _Blind(tables, step)
            if is_blind(step)
            else _Judged(tables, step, seen[identity(step.key)])
            for step in steps
        ]
        if any(not plan.by_server and not plan.holds for plan in plans):
            _raise_failed(plans, ["None" if plan.holds else _DOES_NOT_HOLD for plan in plans])
        try:
            await tables.gateway.transact_write([plan.action() for plan in plans])
        except TransactionCancelled as cancelled:
            codes = [p.code(r) for p, r in zip(plans, cancelled.reasons, strict=True)]
            if _DOES_NOT_HOLD in codes:
                _raise_failed(plans, codes)
            raise ConcurrentUpdateError(
                f"an item in {tables.new.table} was written by others on each try"
            ) from None

    await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


@attrs.frozen
class _Blind:
    """A step that does not depend on its item."""

    tables: LogicalTable
    step: PutStep | DeleteStep

    by_server = False
    holds = True

    def action(self) -> TransactAction:
        """Return what is sent for the step."""
        return _replacing(self.tables, self.step, None)

    def code(self, reason: Reason) -> str:
        """Return why the transaction was cancelled, as far as this step goes."""
        return _CODES[reason.verdict]


@attrs.define(frozen=True, slots=False)
class _Judged:
    """A step that does, and what is seen of its item."""

    tables: LogicalTable
    step: Step
    seen: Seen

    @property
    def holds(self) -> bool:
        """Whether the condition holds for what is seen."""
        condition = self.step.condition
        return condition is None or condition.holds(self.seen.item)

    @cached_property
    def by_server(self) -> bool:
        """Whether the server judges: there is a live item, and room for the library's part."""
        update = self._update
        has_all = has_room(self._beside_live) and (update is None or has_room(update))
        return self.seen.live and has_all

    def action(self) -> TransactAction:
        """Return what is sent for the step; what the server cannot judge has been judged here."""
        guard = self._beside_live if self.by_server else self.seen.unchanged
        table, step = self.tables.new.table, self.step
        if isinstance(step, CheckStep):
            return TransactCheck(table, step.key, guard)
        if not isinstance(step, UpdateStep):
            return _replacing(self.tables, step, guard)
        if self.by_server and self._update is not None:
            return TransactUpdate(table, step.key, self._update, guard)
        after = updated(self.tables, step, self.seen, new_token())
        if after is None:  # but it must still be so that there is nothing
            return TransactCheck(table, step.key, guard)
        return TransactPut(table, after, guard)

    def code(self, reason: Reason) -> str:
        """Return why the transaction was cancelled, as far as this step goes."""
        found, marks = reason.item, self.tables.marks
        is_live = found is not None and not marks.is_tombstone(found)
        if reason.verdict is Verdict.CONDITION_FAILED and self.by_server and is_live:
            return _DOES_NOT_HOLD
        return _CODES[reason.verdict]

    @cached_property
    def _beside_live(self) -> Condition:
        condition, live = self.step.condition, self.tables.overlay.live()
        return live if condition is None else condition.and_also(live)

    @cached_property
    def _update(self) -> Update | None:
        if not isinstance(self.step, UpdateStep):
            return None
        return self.step.changes.stamped(self.tables.marks, new_token())


def _replacing(
    tables: LogicalTable, step: PutStep | DeleteStep, guard: Condition | None
) -> TransactAction:
    table = tables.new.table
    if isinstance(step, PutStep):
        return TransactPut(table, step.stamped, guard)
    if tables.route.buries:
        return TransactPut(table, tables.marks.bury(step.key), guard)
    return TransactDelete(table, step.key, guard)


def _raise_failed(plans: Sequence[_Blind | _Judged], codes: Sequence[str]) -> NoReturn:
    reasons = tuple(
        ActionReason(code, plain(plan.step.key)) for plan, code in zip(plans, codes, strict=True)
    )
    failed = [number for number, code in enumerate(codes) if code == _DOES_NOT_HOLD]
    raise ConditionFailedError(
        f"{_conditions(failed)} of the transaction; nothing was written",
        key=reasons[failed[0]].key,
        reasons=reasons,
    ) from None


def _conditions(failed: Sequence[int]) -> str:
    if len(failed) == 1:
        return f"the condition does not hold of action {failed[0]}"
    return f"the conditions do not hold of the actions {', '.join(map(str, failed))}"


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
