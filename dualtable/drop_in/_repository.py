"""The repository that a drop-in table stands on, which can also say what its tables are like.

The rule: what is asked here is about tables and keys, never about what becomes of an item.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from dualtable._production.opened import called
from dualtable._production.repository import DualTableRepository
from dualtable._wire import codec
from dualtable._wire.keys import identity, key_of
from dualtable._wire.types import Item, Key


class Repository(DualTableRepository[Item]):
    """The repository of plain items, with a description of its tables."""

    @property
    def connection(self) -> Mapping[str, Any]:
        """How DynamoDB is reached."""
        return self._connection

    def is_called(self, name: Any) -> bool:
        """Tell whether the migrated table is called by a name."""
        return name in called(self._migration)

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
