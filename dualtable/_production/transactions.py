"""Several logical items at one moment: written all or none, or read together.

The rule: what `new` has is judged and written by the server. What it does not have is judged here
on what is seen, and the transaction goes through only if that is still so; what only `old` has is
thereby carried along in the same transaction. If others were quicker anywhere, all is seen anew.
What a step does not depend on is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from itertools import islice
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
from dualtable._production.old_writes import OldWrite
from dualtable._production.overlay import Origin, Seen
from dualtable._wire import codec
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


async def write(
    tables: LogicalTable, steps: Sequence[Step], client_token: str | None = None
) -> None:
    """Take all steps or none; once for one client token, which the write tokens are made of.

    Raises:
        ConditionFailedError: A condition does not hold for its logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """
    keys = {identity(step.key): step.key for step in steps}
    check_size(len(steps), distinct=len(keys))
    begun = tables
    tokens = [_write_token(client_token, number) for number in range(len(steps))]
    if client_token is not None:
        steps = list(map(partial(_stamped, tables), steps, tokens))
    looks = client_token is not None

    async def attempt() -> None:
        tables = await begun.current()
        blind = [is_blind(step) and not (looks or tables.route.writes_old) for step in steps]
        looked_at = [step.key for step, is_not in zip(steps, blind, strict=True) if not is_not]
        seen = await tables.see_all({identity(key): key for key in looked_at})
        if looks and _is_done(tables, [seen[identity(step.key)] for step in steps], tokens):
            return
        plans = [
            _Blind(tables, step)  # type: ignore[arg-type]
            if is_not_looked_at
            else _Judged(tables, step, seen[identity(step.key)], token)
            for step, is_not_looked_at, token in zip(steps, blind, tokens, strict=True)
        ]
        if any(not plan.by_server and not plan.holds for plan in plans):
            codes = ["None" if plan.holds else _DOES_NOT_HOLD for plan in plans]
            _raise_failed(plans, codes, [()] * len(plans))
        actions = [plan.actions() for plan in plans]
        _check_room(tables, sum(map(len, actions)))
        try:
            with tables.fence() if any(plan.needs_old for plan in plans) else nullcontext():
                await tables.gateway.transact_write([each for some in actions for each in some])
        except TransactionCancelled as cancelled:
            reasons = iter(cancelled.reasons)
            given = [list(islice(reasons, len(some))) for some in actions]
            codes = [plan.code(some) for plan, some in zip(plans, given, strict=True)]
            if _DOES_NOT_HOLD in codes:
                _raise_failed(plans, codes, given)
            raise ConcurrentUpdateError(
                f"an item in {tables.new.table} was written by others on each try"
            ) from None

    await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


def _write_token(client_token: str | None, number: int) -> str:
    if client_token is None:
        return new_token()
    return hashlib.sha256(f"{number} {client_token}".encode()).hexdigest()[:32]


def _stamped(tables: LogicalTable, step: Step, token: str) -> Step:
    if not isinstance(step, PutStep):
        return step
    return attrs.evolve(step, stamped=tables.marks.stamp(step.stamped, token))


def _is_done(tables: LogicalTable, seen: Sequence[Seen], tokens: Sequence[str]) -> bool:
    """Tell whether an item is as the same transaction has written it: then all of it is done."""
    return any(each.token(tables.marks) == token for each, token in zip(seen, tokens, strict=True))


@attrs.frozen
class _Blind:
    """A step that does not depend on its item."""

    tables: LogicalTable
    step: PutStep | DeleteStep

    by_server = False
    holds = True
    needs_old = False

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
class _Judged:
    """A step that does, and what is seen of its item."""

    tables: LogicalTable
    step: Step
    seen: Seen
    token: str

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
            return _DOES_NOT_HOLD
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


def _replacing(
    tables: LogicalTable, step: PutStep | DeleteStep, guard: Condition | None
) -> TransactAction:
    table = tables.new.table
    if isinstance(step, PutStep):
        return TransactPut(table, step.stamped, guard)
    if tables.route.buries:
        return TransactPut(table, tables.marks.bury(step.key), guard)
    return TransactDelete(table, step.key, guard)


def _raise_failed(
    plans: Sequence[_Blind | _Judged], codes: Sequence[str], given: Sequence[Sequence[Reason]]
) -> NoReturn:
    items = [
        plan.judged_item(some) if code == _DOES_NOT_HOLD else None
        for plan, code, some in zip(plans, codes, given, strict=True)
    ]
    reasons = tuple(
        ActionReason(code, plain(plan.step.key), None if item is None else codec.decode(item))
        for plan, code, item in zip(plans, codes, items, strict=True)
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

    What `new` does not have at that moment is looked up in `old`; where that may still change, both
    are read together.
    """
    if tables.route.old_moves:
        return await _read_both(tables, keys)
    gets = [TransactGet(tables.new.table, key) for key in keys.values()]
    items = await tables.gateway.transact_get(gets)
    found = {name: item for name, item in zip(keys, items, strict=True) if item is not None}
    missing = {name: key for name, key in keys.items() if name not in found}
    return found | await tables.fall_back(missing, confirmed=True)


async def _read_both(tables: LogicalTable, keys: Keys) -> dict[Any, WireItem]:
    """Return what is under some keys at one moment of both tables."""
    await tables.confirm()
    origins = {name: tables.lineage.old_key(key) for name, key in keys.items()}
    news = dict(keys) if tables.route.asks_new else {}
    olds = {name: key for name, key in origins.items() if key is not None}
    _check_room(tables, len(news) + len(olds))
    gets = [
        *(TransactGet(tables.new.table, key) for key in news.values()),
        *(TransactGet(tables.old.table, key) for key in olds.values()),
    ]
    answers = iter(await tables.gateway.transact_get(gets))
    found = dict(zip(news, answers, strict=False))
    await tables.confirm()
    for name, old_item in zip(olds, answers, strict=True):
        if found.get(name) is None:
            found[name] = old_item and tables.lineage.new_item(old_item, keys[name])
    return {name: item for name, item in found.items() if item is not None}


def _check_room(tables: LogicalTable, number: int) -> None:
    if number > MAX_TRANSACTION:
        raise InvalidKeyError(
            f"in phase {tables.sighting.phase} a key may take two of the {MAX_TRANSACTION} actions"
            f" that DynamoDB allows, one in each table, and these take {number}; split the"
            " transaction"
        )


def check_size(number: int, *, distinct: int | None = None) -> None:
    """Raise `InvalidKeyError` where a transaction has no actions, too many, or a key twice."""
    if not 0 < number <= MAX_TRANSACTION:
        raise InvalidKeyError(
            f"a transaction takes 1 to {MAX_TRANSACTION} actions, not {number}; split it"
        )
    if distinct not in (None, number):
        raise InvalidKeyError("a transaction may name each key once; leave out the second")
