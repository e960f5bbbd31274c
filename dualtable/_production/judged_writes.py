"""Writes that depend on what is there, judged on the logical item.

The rule: where `new` has a live item, the server judges the caller's condition, in one request and
without a read. Where it has none, the condition is judged here on what is seen, and the write goes
through only if that is still what is there (I4); so what only `old` has never needs to be copied
first.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from dualtable._dynamodb.gateway import ConditionFailed, ReturnValues
from dualtable._dynamodb.retry import OVERTAKEN, retried
from dualtable._expressions.requests import Changes, DeleteStep, PutStep, Step, UpdateStep
from dualtable._expressions.texts import Condition
from dualtable._production.exchange import Exchange
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Seen
from dualtable._transforms.models import Model
from dualtable._wire.items import check_item
from dualtable._wire.keys import identity, plain
from dualtable._wire.marks import new_token
from dualtable._wire.types import Key, WireItem, WireKey
from dualtable.errors import (
    ConcurrentUpdateError,
    ConditionFailedError,
    InvalidItemError,
    ItemExistsError,
    ItemNotFoundError,
)

_T = TypeVar("_T")
Change: TypeAlias = Callable[[Model], Model | Awaitable[Model]]


async def put(tables: LogicalTable, step: PutStep) -> None:
    """Put an item, if the condition holds where there is one.

    Raises:
        ConditionFailedError: It does not hold for the logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """
    if step.condition is None:
        await tables.gateway.put(tables.new.table, step.stamped)
        return

    async def over_live(guard: Condition) -> None:
        await tables.put_once(step.stamped, guard)

    async def over_seen(seen: Seen) -> None:
        await tables.replace(seen, step.stamped)

    await _judge(tables, step, over_live, over_seen)


async def put_if_absent(tables: LogicalTable, step: PutStep) -> None:
    """Put an item where the logical table has none.

    Raises:
        ItemExistsError: It has one.
    """
    in_old = await tables.fall_back({None: step.key}, confirmed=True)
    guard = tables.overlay.deleted() if in_old else tables.overlay.nothing()
    try:
        await tables.put_once(step.stamped, guard)
    except ConditionFailed:
        raise ItemExistsError(
            f"{tables.new.table} has an item with this key, itself or through {tables.old.table}",
            key=plain(step.key),
        ) from None


async def delete(tables: LogicalTable, step: DeleteStep, *, return_old: bool) -> WireItem | None:
    """Delete an item, if the condition holds; return what it was where that is asked for.

    Raises:
        ConditionFailedError: It does not hold for the logical item.
        ConcurrentUpdateError: Others wrote in between on each try.
    """

    async def bury(guard: Condition | None) -> WireItem | None:
        table = tables.new.table
        if tables.route.buries:
            tombstone = tables.marks.bury(step.key)
            return await tables.gateway.put(table, tombstone, guard, return_old=return_old)
        return await tables.gateway.delete(table, step.key, guard, return_old=return_old)

    async def bury_seen(seen: Seen) -> WireItem | None:
        await bury(seen.unchanged)
        return seen.item

    if step.condition is not None:
        return await _judge(tables, step, bury, bury_seen)
    found = await bury(None)
    return (await tables.seen_with(step.key, found)).item if return_old else None


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

    async def update_live(guard: Condition) -> WireItem | None:
        sent = step.changes.stamped(marks, token)
        found = await tables.gateway.update(
            tables.new.table, step.key, sent, guard, return_values=return_values
        )
        return None if found is None else marks.strip(found) or None

    async def update_seen(seen: Seen) -> WireItem | None:
        before = seen.item or {}
        after = step.changes.tree.apply(seen.item or step.key)
        stamped = marks.stamp(after, token)
        check_item(stamped, tables.new)
        await tables.replace(seen, stamped)
        return returned(step.changes, before, after, return_values)

    return await _judge(tables, step, update_live, update_seen)


def returned(
    changes: Changes, before: WireItem, after: WireItem, return_values: ReturnValues
) -> WireItem | None:
    """Return what the server would have returned for an update that was made here."""
    match return_values:
        case "NONE":
            return None
        case "ALL_OLD":
            return before or None
        case "ALL_NEW":
            return after
        case "UPDATED_OLD":
            return changes.tree.updated_old(before) or None
        case "UPDATED_NEW":
            return changes.tree.updated_new(after) or None


async def _judge(
    tables: LogicalTable,
    step: Step,
    write_live: Callable[[Condition], Awaitable[_T]],
    write_seen: Callable[[Seen], Awaitable[_T]],
) -> _T:
    """Write to a live item under the condition, or else to what is seen in its place."""
    key, condition, live = step.key, step.condition, tables.overlay.live()
    guard = live if condition is None else condition.and_also(live)

    async def attempt() -> _T:
        try:
            return await write_live(guard)
        except ConditionFailed as failure:
            if failure.item is not None and not tables.marks.is_tombstone(failure.item):
                raise _does_not_hold(key) from None
            found = failure.item
        seen = await tables.seen_with(key, found)
        if condition is not None and not condition.holds(seen.item):
            raise _does_not_hold(key)
        try:
            return await write_seen(seen)
        except ConditionFailed:
            raise ConcurrentUpdateError(
                f"the item in {tables.new.table} was written by others on each try",
                key=plain(key),
            ) from None

    return await retried(attempt, OVERTAKEN, ConcurrentUpdateError)


def _does_not_hold(key: WireKey) -> ConditionFailedError:
    return ConditionFailedError(
        "the condition does not hold for the item; nothing was written", key=plain(key)
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
        changed = change(exchange.load(seen.item or wire))
        if inspect.isawaitable(changed):
            changed = await changed
        new_key, stamped = exchange.stamped(changed)
        if identity(new_key) != identity(wire):
            raise InvalidItemError("the change must keep the item's key", key=dict(key))
        await tables.replace(seen, stamped)
        return exchange.load(stamped)

    try:
        return await retried(attempt, OVERTAKEN, ConditionFailed)
    except ConditionFailed:
        table = (await current()).new.table
        raise ConcurrentUpdateError(
            f"the item in {table} was written by others on each of {OVERTAKEN.tries} tries",
            key=dict(key),
        ) from None
