"""Several logical items at one moment: written all or none, or read together.

The rule: what `new` has is judged and written by the server. What it does not have is judged here
on what is seen, and the transaction goes through only if that is still so; what only `old` has is
thereby carried along in the same transaction. If others were quicker anywhere, all is seen anew.
What a step does not depend on is not looked at. Of other tables the server alone knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, NoReturn

import attrs

from dualtable._dynamodb.gateway import (
    MAX_TRANSACTION,
    Reason,
    TransactAction,
    TransactCheck,
    TransactGet,
    TransactionCancelled,
)
from dualtable._dynamodb.retry import OVERTAKEN, retried
from dualtable._expressions.requests import PutStep, Step, is_blind
from dualtable._production.client_tokens import is_known_again, write_tokens
from dualtable._production.logical import Found, Keys, LogicalTable
from dualtable._production.planned_steps import DOES_NOT_HOLD, Blind, Elsewhere, Judged, Plan
from dualtable._wire import codec
from dualtable._wire.keys import identity, plain
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import (
    ActionReason,
    ConcurrentUpdateError,
    ConditionFailedError,
    InvalidItemError,
    InvalidKeyError,
    RequestRefusedError,
)


async def write(
    tables: LogicalTable,
    steps: Sequence[Step | TransactAction],
    client_token: str | None = None,
) -> None:
    """Take all steps or none; once for one client token, which the write tokens are made of.

    Raises:
        ConditionFailedError: A condition does not hold for its item.
        ConcurrentUpdateError: Others wrote in between on each try.
        RequestRefusedError: The client token was given to another transaction.
    """
    own = [step for step in steps if not isinstance(step, TransactAction)]
    check_size(len(steps), twice=len({identity(step.key) for step in own}) < len(own))
    begun = tables
    looks = client_token is not None and bool(own)  # else the server knows it again
    tokens = write_tokens(tables.marks, steps, client_token)
    steps = [_stamped(tables, *each) for each in zip(steps, tokens, strict=True)]

    async def attempt() -> None:
        tables = await begun.current()
        plans = await _plans(tables, steps, tokens, looks=looks)
        if looks and _is_done(plans):
            return
        if any(not plan.by_server and not plan.holds for plan in plans):
            given = await _judged_elsewhere(tables, plans)
            _raise_failed(plans, [_code(*each) for each in zip(plans, given, strict=True)], given)
        actions = _actions(plans)
        _check_room(tables, sum(map(len, actions)))
        try:
            with (
                tables.fence() if any(plan.needs_old for plan in plans) else nullcontext(),
                _counting_steps(actions),
            ):
                await tables.gateway.transact_write(
                    [each for some in actions for each in some],
                    token=None if own else client_token,
                )
        except TransactionCancelled as cancelled:
            reasons = iter(cancelled.reasons)
            given = [list(islice(reasons, len(some))) for some in actions]
            codes = [plan.code(some) for plan, some in zip(plans, given, strict=True)]
            if DOES_NOT_HOLD in codes:
                _raise_failed(plans, codes, given)
            raise ConcurrentUpdateError(
                f"an item in {tables.new.table} was written by others on each try"
            ) from None

    await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


def _actions(plans: Sequence[Plan]) -> list[list[TransactAction]]:
    """Return what is sent for each; an error says which one does not fit its item."""
    actions = []
    for number, plan in enumerate(plans):
        try:
            actions.append(plan.actions())
        except (InvalidItemError, InvalidKeyError, RequestRefusedError) as error:
            error.action = number
            raise
    return actions


@contextmanager
def _counting_steps(actions: Sequence[Sequence[TransactAction]]) -> Iterator[None]:
    """Let an error name the step and not the action, of which a step may have two."""
    try:
        yield
    except RequestRefusedError as error:
        if error.action is not None:
            steps = [number for number, some in enumerate(actions) for _ in some]
            error.action = steps[error.action]
        raise


async def _plans(
    tables: LogicalTable,
    steps: Sequence[Step | TransactAction],
    tokens: Sequence[str],
    *,
    looks: bool,
) -> list[Plan]:
    """Look at what the steps depend on, and return what each will do."""

    def is_looked_at(step: Step) -> bool:
        return looks or tables.route.writes_old or not is_blind(step)

    own = [step for step in steps if not isinstance(step, TransactAction)]
    seen = await tables.see_all({identity(s.key): s.key for s in own if is_looked_at(s)})

    def plan(step: Step | TransactAction, token: str) -> Plan:
        if isinstance(step, TransactAction):
            return Elsewhere(step)
        if is_looked_at(step):
            return Judged(tables, step, seen[identity(step.key)], token)
        return Blind(tables, step)  # type: ignore[arg-type]

    return [plan(step, token) for step, token in zip(steps, tokens, strict=True)]


def _is_done(plans: Sequence[Plan]) -> bool:
    """Tell whether an item is as the same transaction has written it: then all of it is done."""
    own = [plan for plan in plans if isinstance(plan, Judged)]
    return any(is_known_again(plan.seen.token(plan.tables.marks), plan.token) for plan in own)


def _stamped(
    tables: LogicalTable, step: Step | TransactAction, token: str
) -> Step | TransactAction:
    if not isinstance(step, PutStep):
        return step
    return attrs.evolve(step, stamped=tables.marks.stamp(step.stamped, token))


async def _judged_elsewhere(tables: LogicalTable, plans: Sequence[Plan]) -> list[Sequence[Reason]]:
    """Return what the server says of the actions on other tables.

    They go into a transaction with a check that never holds, so that nothing is written.
    """
    asked = [plan.action for plan in plans if isinstance(plan, Elsewhere)]
    if all(action.condition is None for action in asked):
        return [()] * len(plans)
    failing = next(plan for plan in plans if not plan.by_server and not plan.holds)
    never = TransactCheck(tables.new.table, failing.key, tables.overlay.never())
    said: list[Reason] = []
    try:
        await tables.gateway.transact_write([never, *asked])
    except TransactionCancelled as cancelled:
        said = list(cancelled.reasons[1:])
    return [[said.pop(0)] if isinstance(plan, Elsewhere) else () for plan in plans]


def _code(plan: Plan, reasons: Sequence[Reason]) -> str:
    """Return why a transaction that was not sent has failed, as far as one step goes."""
    if reasons:
        return plan.code(reasons)
    return "None" if plan.holds else DOES_NOT_HOLD


def _raise_failed(
    plans: Sequence[Plan], codes: Sequence[str], given: Sequence[Sequence[Reason]]
) -> NoReturn:
    items = [
        plan.judged_item(some) if code == DOES_NOT_HOLD else None
        for plan, code, some in zip(plans, codes, given, strict=True)
    ]
    reasons = tuple(
        ActionReason(code, plain(plan.key), None if item is None else codec.decode(item))
        for plan, code, item in zip(plans, codes, items, strict=True)
    )
    failed = [number for number, code in enumerate(codes) if code == DOES_NOT_HOLD]
    raise ConditionFailedError(
        f"{_conditions(failed)} of the transaction; nothing was written",
        key=reasons[failed[0]].key,
        reasons=reasons,
    ) from None


def _conditions(failed: Sequence[int]) -> str:
    if len(failed) == 1:
        return f"the condition does not hold of action {failed[0]}"
    return f"the conditions do not hold of the actions {', '.join(map(str, failed))}"


async def read(
    tables: LogicalTable, keys: Sequence[WireKey | TransactGet]
) -> list[WireItem | None]:
    """Return what is under up to 100 keys at one moment, tombstones included, and in other tables.

    What `new` does not have at that moment is looked up in `old`; where that may still change, both
    are read together.

    Raises:
        InvalidKeyError: There are no keys, too many, or one comes twice.
    """
    own = [key for key in keys if not isinstance(key, TransactGet)]
    elsewhere = [key for key in keys if isinstance(key, TransactGet)]
    unique = {identity(key): key for key in own}
    check_size(len(keys), twice=len(unique) < len(own))
    read = _read_both if tables.route.old_moves and own else _read_new
    found, others = await read(tables, unique, elsewhere)
    left = iter(others)
    return [
        next(left) if isinstance(key, TransactGet) else found.get(identity(key)) for key in keys
    ]


async def _read_new(
    tables: LogicalTable, keys: Keys, elsewhere: Sequence[TransactGet]
) -> tuple[Found, Sequence[WireItem | None]]:
    """Return what is under some keys at one moment of `new`, over an `old` that does not change."""
    gets = [TransactGet(tables.new.table, key) for key in keys.values()]
    items = await tables.gateway.transact_get([*gets, *elsewhere])
    found = {name: item for name, item in zip(keys, items, strict=False) if item is not None}
    missing = {name: key for name, key in keys.items() if name not in found}
    return found | await tables.fall_back(missing, confirmed=True), items[len(gets) :]


async def _read_both(
    tables: LogicalTable, keys: Keys, elsewhere: Sequence[TransactGet]
) -> tuple[Found, Sequence[WireItem | None]]:
    """Return what is under some keys at one moment of both tables."""
    await tables.confirm()
    origins = {name: tables.lineage.old_key(key) for name, key in keys.items()}
    news = dict(keys) if tables.route.asks_new else {}
    olds = {name: key for name, key in origins.items() if key is not None}
    _check_room(tables, len(news) + len(olds) + len(elsewhere))
    gets = [
        *(TransactGet(tables.new.table, key) for key in news.values()),
        *(TransactGet(tables.old.table, key) for key in olds.values()),
        *elsewhere,
    ]
    answers = iter(await tables.gateway.transact_get(gets))
    found: dict[Any, WireItem | None] = dict(zip(news, answers, strict=False))
    await tables.confirm()
    for name, old_item in zip(olds, list(islice(answers, len(olds))), strict=True):
        if found.get(name) is None:
            found[name] = old_item and tables.lineage.new_item(old_item, keys[name])
    return {name: item for name, item in found.items() if item is not None}, list(answers)


def _check_room(tables: LogicalTable, number: int) -> None:
    if number > MAX_TRANSACTION:
        raise InvalidKeyError(
            f"in phase {tables.sighting.phase} a key may take two of the {MAX_TRANSACTION} actions"
            f" that DynamoDB allows, one in each table, and these take {number}; split the"
            " transaction"
        )


def check_size(number: int, *, twice: bool) -> None:
    """Raise `InvalidKeyError` where a transaction has no actions, too many, or a key twice."""
    if not 0 < number <= MAX_TRANSACTION:
        raise InvalidKeyError(
            f"a transaction takes 1 to {MAX_TRANSACTION} actions, not {number}; split it"
        )
    if twice:
        raise InvalidKeyError("a transaction may name each key once; leave out the second")
