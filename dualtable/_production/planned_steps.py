"""One step of a transaction: what is sent for it, and what a cancellation says of it.

The rule: what a step does not depend on is not looked at; what the server can judge is left to it;
what only `old` has, or nobody, is judged on what was seen. Of another table the server alone knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import attrs

from dualtable._dynamodb.gateway import (
    Reason,
    TransactAction,
    TransactCheck,
    TransactDelete,
    TransactPut,
    TransactUpdate,
    Verdict,
)
from dualtable._expressions.requests import (
    CheckStep,
    DeleteStep,
    PutStep,
    Step,
    UpdateStep,
    has_room,
)
from dualtable._expressions.texts import Condition, Update
from dualtable._production.judged_writes import updated
from dualtable._production.logical import LogicalTable
from dualtable._production.old_writes import OldWrite
from dualtable._production.overlay import Origin, Seen
from dualtable._wire.types import WireItem, WireKey

_CODES = {
    Verdict.FINE: "None",
    Verdict.CONDITION_FAILED: "TransactionConflict",  # of ours: somebody wrote the item meanwhile
    Verdict.CONFLICT: "TransactionConflict",
    Verdict.REFUSED: "ValidationError",
    Verdict.THROTTLED: "ThrottlingError",
}
DOES_NOT_HOLD = "ConditionalCheckFailed"


@attrs.frozen
class Elsewhere:
    """An action on another table."""

    action: TransactAction

    by_server = True
    holds = True
    needs_old = False

    @property
    def key(self) -> WireKey:
        """Its key, as far as it is known: which attributes of an item are, the table knows."""
        return {} if isinstance(self.action, TransactPut) else self.action.key

    def actions(self) -> list[TransactAction]:
        """Return what is sent for it."""
        return [self.action]

    def code(self, reasons: Sequence[Reason]) -> str:
        """Return why the transaction was cancelled, as far as this action goes."""
        verdict = reasons[0].verdict
        return DOES_NOT_HOLD if verdict is Verdict.CONDITION_FAILED else _CODES[verdict]

    def judged_item(self, reasons: Sequence[Reason]) -> WireItem | None:
        """Return the item of its condition."""
        return reasons[0].item


@attrs.frozen
class Blind:
    """A step that does not depend on its item."""

    tables: LogicalTable
    step: PutStep | DeleteStep

    by_server = False
    holds = True
    needs_old = False

    @property
    def key(self) -> WireKey:
        """The key of its item."""
        return self.step.key

    def actions(self) -> list[TransactAction]:
        """Return what is sent for the step."""
        return [_replacing(self.tables, self.step, None)]

    def code(self, reasons: Sequence[Reason]) -> str:
        """Return why the transaction was cancelled, as far as this step goes."""
        return _CODES[reasons[0].verdict]

    def judged_item(self, reasons: Sequence[Reason]) -> WireItem | None:
        """Return the item of its condition; it has none."""
        return None


@attrs.define(frozen=True, slots=False)
class Judged:
    """A step that does, and what is seen of its item."""

    tables: LogicalTable
    step: Step
    seen: Seen
    token: str

    @property
    def key(self) -> WireKey:
        """The key of its item."""
        return self.step.key

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

    @property
    def needs_old(self) -> bool:
        """Whether it builds on `old`."""
        return self.seen.in_old or self.seen.origin is not None

    def actions(self) -> list[TransactAction]:
        """Return what is sent for the step; what the server cannot judge has been judged here."""
        origin = self.seen.origin
        if origin is None:
            return [self._in_new()]
        writes = self.tables.old_writes
        checks: list[TransactAction] = [] if origin.key is None else [writes.check(origin)]
        if not self.tables.route.writes_old:
            return [self._in_new(), *checks]
        lacking = TransactCheck(self.tables.new.table, self.step.key, self.tables.overlay.absent())
        beside = [lacking] if self.tables.route.asks_new else []
        write = self._in_old(origin)
        return [*beside, *(checks if write is None else [write])]

    def _in_old(self, origin: Origin) -> OldWrite | None:
        """Return what is written to `old`, None for nothing."""
        writes, step = self.tables.old_writes, self.step
        if isinstance(step, PutStep):
            return writes.write(origin, self.seen.item, step.stamped)
        if isinstance(step, UpdateStep):
            after = updated(self.tables, step, self.seen, self.token)
            return None if after is None else writes.write(origin, self.seen.item, after)
        deletes = isinstance(step, DeleteStep) and self.seen.item is not None
        return writes.delete(origin) if deletes else None

    def _in_new(self) -> TransactAction:
        guard = self._beside_live if self.by_server else self.seen.unchanged
        table, step = self.tables.new.table, self.step
        if isinstance(step, CheckStep):
            return TransactCheck(table, step.key, guard)
        if not isinstance(step, UpdateStep):
            return _replacing(self.tables, step, guard)
        if self.by_server and self._update is not None:
            return TransactUpdate(table, step.key, self._update, guard)
        after = updated(self.tables, step, self.seen, self.token)
        if after is None:  # but it must still be so that there is nothing
            return TransactCheck(table, step.key, guard)
        return TransactPut(table, after, guard)

    def code(self, reasons: Sequence[Reason]) -> str:
        """Return why the transaction was cancelled, as far as this step goes."""
        reason = next((r for r in reasons if r.verdict is not Verdict.FINE), Reason(Verdict.FINE))
        found, marks = reason.item, self.tables.marks
        is_live = found is not None and not marks.is_tombstone(found)
        if reason.verdict is Verdict.CONDITION_FAILED and self.by_server and is_live:
            return DOES_NOT_HOLD
        return _CODES[reason.verdict]

    def judged_item(self, reasons: Sequence[Reason]) -> WireItem | None:
        """Return the item for which its condition was judged."""
        found = next((reason.item for reason in reasons if reason.item is not None), None)
        return self.seen.item if found is None else self.tables.marks.strip(found)

    @cached_property
    def _beside_live(self) -> Condition:
        condition, live = self.step.condition, self.tables.overlay.live()
        return live if condition is None else condition.and_also(live)

    @cached_property
    def _update(self) -> Update | None:
        if not isinstance(self.step, UpdateStep):
            return None
        return self.step.changes.stamped(self.tables.marks, self.token)


Plan: TypeAlias = Blind | Judged | Elsewhere
"""A step, and what is known of its item."""


def _replacing(
    tables: LogicalTable, step: PutStep | DeleteStep, guard: Condition | None
) -> TransactAction:
    table = tables.new.table
    if isinstance(step, PutStep):
        return TransactPut(table, step.stamped, guard)
    if tables.route.buries:
        return TransactPut(table, tables.marks.bury(step.key), guard)
    return TransactDelete(table, step.key, guard)
