"""Read, change, write back: an update by the caller's own function.

The rule: what is written stands on what was read (I4). Whoever is overtaken reads again, and hands
the newer item to the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dualtable._dynamodb.gateway import ConditionFailed
from dualtable._dynamodb.retry import OVERTAKEN, retried
from dualtable._production.exchange import Exchange
from dualtable._production.logical import LogicalTable
from dualtable._transforms.models import Model
from dualtable._wire.keys import identity
from dualtable._wire.types import Key
from dualtable.errors import ConcurrentUpdateError, InvalidItemError, ItemNotFoundError

Change: TypeAlias = Callable[[Model], Model | Awaitable[Model]]


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
