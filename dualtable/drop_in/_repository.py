"""The repository that a drop-in table stands on, which can also say what its tables are like.

The rule: what is asked here is about tables and keys, never about what becomes of an item.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from dualtable._expressions.actions import Action, Get, Put, Update
from dualtable._expressions.texts import PLACEHOLDER
from dualtable._production.repository import DualTableRepository
from dualtable._wire import codec
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import Index
from dualtable._wire.types import Item, Key
from dualtable.errors import DualTableError, InvalidKeyError, RequestRefusedError


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
            self._exchange.changes(action, ())
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

    async def whole(self, entries: Iterable[Item], parameters: Mapping[str, Any]) -> list[Item]:
        """Return what is wanted of the items that a local index has found, while they are there."""
        keys = [{name: entry[name] for name in self._exchange.new.key.names} for entry in entries]
        wanted = parameters.get("ProjectionExpression")
        found = await self.batch_get(
            keys,
            projection=wanted,
            names=None if wanted is None else names_in(parameters, wanted),
            consistent_read=parameters.get("ConsistentRead", False),
        )
        return [item for item in found if item is not None]


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
