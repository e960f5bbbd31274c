"""The repository that a drop-in table stands on, which can also say what its tables are like.

The rule: what is asked here is about tables and keys, never about what becomes of an item.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, Self

import attrs

from dualtable._dynamodb.gateway import MAX_BATCH_GET
from dualtable._expressions.actions import Action, Get, Put, Update
from dualtable._expressions.texts import PLACEHOLDER
from dualtable._production.repository import DualTableRepository
from dualtable._reading import indexes
from dualtable._reading.iteration import ItemIterator
from dualtable._wire import codec
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import Index
from dualtable._wire.sizes import item_bytes
from dualtable._wire.types import Item, Key, WireItem
from dualtable.errors import DualTableError, InvalidKeyError, RequestRefusedError

PAGE_BYTES = 1 << 20  # what DynamoDB reads for one page of a query or scan
_SURE_TO_FIT = 3  # items, of the 400 KB that one may have, into a page


@attrs.frozen
class Place:
    """How far an iterator of items has come."""

    read: int
    last_key: Key | None
    token: str | None

    @classmethod
    def of(cls, items: ItemIterator[Any]) -> Self:
        """Return where it is now."""
        return cls(items.read, items.last_key, items.token)


class Repository(DualTableRepository[Item]):
    """The repository of plain items, with a description of its tables."""

    @property
    def connection(self) -> Mapping[str, Any]:
        """How DynamoDB is reached."""
        return self._connection

    def is_called(self, name: Any) -> bool:
        """Tell whether the migrated table is called by a name or an ARN."""
        return name in self._exchange.names

    async def describe(self) -> dict[str, Any]:
        """Return the description of the new table; of both, the larger number of items."""
        tables = await self._tables()
        found: dict[str, Any] = {**await tables.gateway.describe_table(tables.new.table)}
        if tables.route.asks_old:
            old = await tables.gateway.describe_table(tables.old.table)
            found["ItemCount"] = max(found.get("ItemCount", 0), old.get("ItemCount", 0))
        return found

    def identity_of(self, key: Key) -> Hashable:
        """Return what is equal for equal keys.

        Raises:
            InvalidKeyError: It does not fit the new table.
        """
        return identity(self._exchange.key(key))

    def identity_in(self, item: Mapping[str, Any]) -> Hashable:
        """Return what is equal for items of equal keys.

        Raises:
            InvalidKeyError: Its key does not fit the new table.
            InvalidItemError: DynamoDB would refuse it.
        """
        new = self._exchange.new
        return identity(key_of(codec.encode(item), new.key, new.table))

    def misfit(self, action: Action | Get) -> str:
        """Return what is wrong with the key of an action, empty where nothing is.

        DynamoDB finds that while it is at the transaction, and cancels it; all else it refuses
        before. So it does of a write that lacks a part of its key, though not of a read.
        """
        try:
            if isinstance(action, Get):
                self._exchange.wanted(action)
            elif self._has_key(action):
                self._exchange.step(action)
        except InvalidKeyError as error:
            return str(error)
        except RequestRefusedError as error:
            return str(error) if self._changes_its_key(action) else ""
        except DualTableError:
            return ""
        return ""

    def _has_key(self, action: Action) -> bool:
        key = action.item if isinstance(action, Put) else action.key
        return all(name in key for name in self._exchange.new.key.names)

    def _changes_its_key(self, action: Action | Get) -> bool:
        """Tell whether an update would be all right if it left its key alone."""
        if not isinstance(action, Update):
            return False
        try:
            self._exchange.changes(action, (), self._exchange.new.key_attributes)
        except DualTableError:
            return False
        return True

    def asks_beyond(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether a query or scan wants more of items than the local index has that it reads.

        Raises:
            RequestRefusedError: It is a global index, which has no more than that.
        """
        index = self._exchange.new.indexes.get(parameters.get("IndexName", ""))
        if index is None or not self._wants_beyond(index, parameters):
            return False
        if not index.local:
            raise RequestRefusedError(
                f"index {index.name} is a global one and does not project all that is asked for;"
                " get the items by their keys"
            )
        return True

    def _wants_beyond(self, index: Index, parameters: Mapping[str, Any]) -> bool:
        if parameters.get("Select") == "ALL_ATTRIBUTES":
            return index.projection != "ALL"
        wanted = parameters.get("ProjectionExpression")
        names = parameters.get("ExpressionAttributeNames")
        return wanted is not None and not self._exchange.projects(index, wanted, names)

    async def whole(
        self, entries: ItemIterator[Item], parameters: Mapping[str, Any]
    ) -> tuple[list[Item], Place]:
        """Return a page of the items whose entries a local index has, and where it has ended.

        An item may have changed since its entry was read, so what is asked of it is asked again.
        """
        is_asked, show = self._asked(parameters)
        found: list[Item] = []
        spent, number = 0, 0
        while True:
            fit = (PAGE_BYTES - spent) * number // spent if spent else _SURE_TO_FIT
            some = await _next(entries, max(1, min(fit, MAX_BATCH_GET)))
            if not some:
                return found, Place.of(entries)
            items = await self.batch_get(
                [{name: entry[name] for name in self._exchange.new.key.names} for entry, _ in some],
                consistent_read=parameters.get("ConsistentRead", False),
            )
            number += len(some)
            for item, (_, place) in zip(items, some, strict=True):
                if item is None:
                    continue
                wire = codec.encode(item)
                spent += item_bytes(wire)
                if is_asked(wire):
                    found.append(show(wire))
                if spent >= PAGE_BYTES:
                    return found, place

    def _asked(
        self, parameters: Mapping[str, Any]
    ) -> tuple[Callable[[WireItem], bool], Callable[[WireItem], Item]]:
        """Return what tells whether an item is asked for, and what makes what is wanted of it."""
        exchange, wanted = self._exchange, parameters.get("KeyConditionExpression")
        index = exchange.new.indexes[parameters["IndexName"]]
        given = exchange.placeholders(
            parameters.get("ExpressionAttributeNames"), parameters.get("ExpressionAttributeValues")
        )
        is_there: Callable[[WireItem], bool] = partial(indexes.holds, index)
        if wanted is not None:
            is_there = exchange.key_condition(wanted, index, given).holds
        keep = exchange.filter(parameters.get("FilterExpression"), given, index)
        show = exchange.projection(parameters.get("ProjectionExpression"), given, None)
        return lambda item: is_there(item) and keep(item), show


async def _next(entries: ItemIterator[Item], number: int) -> list[tuple[Item, Place]]:
    """Return so many entries at most, each with the place behind it."""
    some: list[tuple[Item, Place]] = []
    while len(some) < number and (entry := await anext(entries, None)) is not None:
        some.append((entry, Place.of(entries)))
    return some


def names_in(parameters: Mapping[str, Any], *texts: Any) -> dict[str, str]:
    """Return those names of a request that some of its expressions use."""
    used = {token for text in texts if isinstance(text, str) for token in PLACEHOLDER.findall(text)}
    names = parameters.get("ExpressionAttributeNames") or {}
    return {token: name for token, name in names.items() if token in used}


def without_projection(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query or scan of whole entries, without the names that its projection alone uses."""
    left = {name: each for name, each in parameters.items() if name != "ProjectionExpression"}
    projected = names_in(parameters, parameters.get("ProjectionExpression"))
    others = names_in(parameters, *left.values())
    names = left.pop("ExpressionAttributeNames", None) or {}
    kept = {t: name for t, name in names.items() if t in others or t not in projected}
    return {**left, "ExpressionAttributeNames": kept} if kept else left
