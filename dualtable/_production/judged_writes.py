"""Writes that depend on what is there, judged on the logical item.

The rule: where `new` has a live item, the server judges the caller's condition, in one request and
without a read. Where it has none, the condition is judged here on what is seen, and the write goes
through only if that is still what is there (I4); so what only `old` has never needs to be copied
first. The same where the caller's expression leaves no room for the library's.

Whatever can be wrong with what is seen, or with what is returned, comes before the write.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import TypeAlias, TypeVar

from dualtable._dynamodb.gateway import ConditionFailed, ReturnValues
from dualtable._dynamodb.retry import OVERTAKEN, retried
from dualtable._expressions.requests import (
    Changes,
    DeleteStep,
    PutStep,
    Step,
    UpdateStep,
    has_room,
)
from dualtable._expressions.texts import Condition
from dualtable._production.exchange import Exchange
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Seen
from dualtable._tasks import run_all
from dualtable._transforms.models import Model
from dualtable._wire import codec
from dualtable._wire.items import check_item
from dualtable._wire.keys import identity, plain
from dualtable._wire.marks import new_token
from dualtable._wire.types import Key, WireItem, WireKey
from dualtable.errors import (
    ConcurrentUpdateError,
    ConditionFailedError,
    DualTableError,
    InvalidItemError,
    ItemExistsError,
    ItemNotFoundError,
)

_T = TypeVar("_T")
Change: TypeAlias = Callable[[Model], Model | Awaitable[Model]]


async def put(
    tables: LogicalTable,
    exchange: Exchange[Model],
    step: PutStep,
    *,
    return_old: bool = False,
) -> Model | None:
    """Put an item, if the condition holds where there is one; return what was there if asked.

    What was there is what has been seen: an answer that got lost could not be asked for again.

    Raises:
        ConditionFailedError: It does not hold for the logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """
    if step.condition is None and not return_old:
        await tables.put(step.key, step.stamped)
        return None

    async def over_live(tables: LogicalTable, guard: Condition) -> Model | None:
        await tables.put_once(step.stamped, guard)
        return None

    async def over_seen(tables: LogicalTable, seen: Seen) -> Model | None:
        shown = exchange.loaded(seen.item) if return_old else None
        await tables.replace(step.key, seen, step.stamped)
        return shown

    return await _judge(tables, step, None if return_old else over_live, over_seen)


async def put_if_absent(tables: LogicalTable, step: PutStep) -> None:
    """Put an item where the logical table has none.

    Raises:
        ItemExistsError: It has one.
        StalePhaseError: `old` has one, and what is known of the phase is too old to believe it.
    """
    exists = ItemExistsError(
        f"{tables.new.table} has an item with this key, itself or through {tables.old.table}",
        key=plain(step.key),
    )

    async def over_seen(tables: LogicalTable, seen: Seen) -> None:
        if seen.item is not None:
            raise exists
        await tables.replace(step.key, seen, step.stamped)

    if tables.route.old_moves:
        return await _judge(tables, step, None, over_seen)
    in_old = await tables.fall_back({None: step.key}, confirmed=True)
    guard = tables.overlay.deleted() if in_old else tables.overlay.nothing()
    try:
        with tables.fence() if in_old else nullcontext():
            await tables.put_once(step.stamped, guard)
    except ConditionFailed:
        raise exists from None


async def delete(
    tables: LogicalTable, exchange: Exchange[Model], step: DeleteStep, *, return_old: bool
) -> Model | None:
    """Delete an item, if the condition holds; return what it was where that is asked for.

    Raises:
        ConditionFailedError: It does not hold for the logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
        InvalidItemError: What it was does not fit the model; nothing is deleted.
    """

    async def bury_live(tables: LogicalTable, guard: Condition) -> Model | None:
        return exchange.loaded(await tables.bury(step.key, guard, return_old=return_old))

    async def remove_seen(tables: LogicalTable, seen: Seen) -> Model | None:
        shown = exchange.loaded(seen.item) if return_old else None
        there = await tables.remove(step.key, seen)
        if shown is None or there is None or there is seen.item:
            return shown
        return _loaded(exchange, there, shown)

    if step.condition is None and not return_old and not tables.route.writes_old:
        await tables.bury(step.key, None)
        return None
    is_safe = exchange.shows_any_item or not return_old
    return await _judge(tables, step, bury_live if is_safe else None, remove_seen)


async def batch_delete(
    tables: LogicalTable, exchange: Exchange[Model], keys: Sequence[WireKey]
) -> None:
    """Delete up to 25 different keys, whatever is there."""
    if not tables.route.writes_old:
        await tables.batch_bury(keys)
        return

    async def delete_one(key: WireKey) -> None:
        await delete(tables, exchange, DeleteStep(key, None), return_old=False)

    await run_all(map(delete_one, keys))


async def update(
    tables: LogicalTable, step: UpdateStep, return_values: ReturnValues
) -> WireItem | None:
    """Update an item, which is created where there is none; return what is asked for.

    Raises:
        ConditionFailedError: The condition does not hold for the logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
        RequestRefusedError: The update does not fit the item.
    """
    marks, token = tables.marks, new_token()
    sent = step.changes.stamped(marks, token)

    async def update_live(tables: LogicalTable, guard: Condition) -> WireItem | None:
        found = await tables.gateway.update(
            tables.new.table, step.key, sent, guard, return_values=return_values
        )
        return None if found is None else marks.strip(found) or None

    async def update_seen(tables: LogicalTable, seen: Seen) -> WireItem | None:
        after = updated(tables, step, seen, token)
        answer = returned(step.changes, seen.item, after, return_values)
        if after is not None:
            there = await tables.replace(step.key, seen, after)
            answer = returned(step.changes, seen.item, there, return_values)
        return None if answer is None else marks.strip(answer) or None

    return await _judge(tables, step, update_live if has_room(sent) else None, update_seen)


def updated(tables: LogicalTable, step: UpdateStep, seen: Seen, token: str) -> WireItem | None:
    """Return what an update makes of what is seen, with its token; None where it makes nothing.

    Raises:
        RequestRefusedError: The update does not fit the item.
        InvalidItemError: What it makes is too large, or no key of an index.
    """
    try:
        after = step.changes.tree.make(step.key, seen.item)
        stamped = None if after is None else tables.marks.stamp(after, token)
        if stamped is not None:
            check_item(stamped, tables.new)
    except DualTableError as error:
        error.key = plain(step.key)
        raise
    return stamped


def returned(
    changes: Changes,
    before: WireItem | None,
    after: WireItem | None,
    return_values: ReturnValues,
) -> WireItem | None:
    """Return what the server would have returned for an update that was made here."""
    item = after if return_values.endswith("NEW") else before
    if return_values == "NONE" or item is None:
        return None
    if return_values == "UPDATED_OLD":
        return changes.tree.updated_old(item)
    return changes.tree.updated_new(item) if return_values == "UPDATED_NEW" else item


async def _judge(
    tables: LogicalTable,
    step: Step,
    write_live: Callable[[LogicalTable, Condition], Awaitable[_T]] | None,
    write_seen: Callable[[LogicalTable, Seen], Awaitable[_T]],
) -> _T:
    """Write to a live item under the condition, or else to what is seen in its place.

    Where `write_live` is None, a live item is seen as well; so it is where few are in `new`. Each
    attempt goes by one phase, the one of its begin.
    """
    key, condition, live = step.key, step.condition, tables.overlay.live()
    guard = live if condition is None else condition.and_also(live)
    by_server = write_live if has_room(guard) else None
    begun = tables

    async def attempt() -> _T:
        tables = await begun.current()
        if by_server is None or tables.route.writes_old:
            seen = await tables.see(key)
        else:
            try:
                return await by_server(tables, guard)
            except ConditionFailed as failure:
                if failure.item is not None and not tables.marks.is_tombstone(failure.item):
                    raise _does_not_hold(key, tables.marks.strip(failure.item)) from None
                found = failure.item
            seen = await tables.seen_with(key, found)
        if condition is not None and not condition.holds(seen.item):
            raise _does_not_hold(key, seen.item)
        try:
            return await write_seen(tables, seen)
        except ConditionFailed:
            raise ConcurrentUpdateError(
                f"the item in {tables.new.table} was written by others on each try",
                key=plain(key),
            ) from None

    return await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


def _does_not_hold(key: WireKey, item: WireItem | None) -> ConditionFailedError:
    return ConditionFailedError(
        "the condition does not hold for the item; nothing was written",
        key=plain(key),
        item=None if item is None else codec.decode(item),
    )


async def modify(
    current: Callable[[], Awaitable[LogicalTable]],
    exchange: Exchange[Model],
    key: Key,
    change: Change[Model],
    *,
    create: bool,
) -> Model:
    """Return the item as it was written; see `DualTableRepository.update`."""

    async def attempt() -> Model:
        tables = await current()
        wire = exchange.key(key)
        seen = await tables.see(wire)
        if seen.item is None and not create:
            raise ItemNotFoundError("there is no item with this key", key=dict(key))
        changed = change(exchange.show(seen.item or wire))
        if inspect.isawaitable(changed):
            changed = await changed
        new_key, stamped = exchange.stamped(changed)
        if identity(new_key) != identity(wire):
            raise InvalidItemError("the change must keep the item's key", key=dict(key))
        shown = exchange.load(stamped)
        there = await tables.replace(wire, seen, stamped)
        return shown if there is stamped else _loaded(exchange, there, shown)

    try:
        return await retried(attempt, OVERTAKEN, ConditionFailed)
    except ConditionFailed:
        table = (await current()).new.table
        raise ConcurrentUpdateError(
            f"the item in {table} was written by others on each of {OVERTAKEN.tries} tries",
            key=dict(key),
        ) from None


def _loaded(exchange: Exchange[Model], there: WireItem, otherwise: Model) -> Model:
    """Return what old code has made of an item meanwhile, where it fits the model."""
    try:
        return exchange.load(there)
    except InvalidItemError:
        return otherwise
