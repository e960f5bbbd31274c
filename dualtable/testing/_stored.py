"""One table in memory: every state of its items, and their places in the table and its indexes.

The rule: all items in here are in normal form, and are never changed, only followed by another
version. An item or key that comes in is checked as DynamoDB would check it against the table.
"""

from __future__ import annotations

import hashlib
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs

from dualtable._dynamodb.gateway import Page, Policy
from dualtable._wire.items import check_item
from dualtable._wire.keys import identity, key_of, order
from dualtable._wire.layouts import KeySchema, Layout, is_arn, layout, short_name
from dualtable._wire.sizes import item_bytes, read_units
from dualtable._wire.types import Definition, Description, WireItem, WireKey, WireValue
from dualtable._wire.values import copied, normal_item, refused
from dualtable.errors import InvalidItemError, InvalidKeyError, TableMismatchError

PAGE_BYTES = 1024 * 1024
_HASHES = 2**32
_OWN_ARN = "arn:aws:dynamodb:memory:000000000000:table/"

Identity: TypeAlias = Hashable
Place: TypeAlias = tuple[int, Any, Any, Any]  # hash, partition key, sort key, item
Versions: TypeAlias = Sequence[WireItem | None]
Seen: TypeAlias = Callable[[Versions], WireItem | None]


@attrs.define
class Order:
    """Where the items of a table, or of one of its indexes, stand: by hash, then by sort key.

    A place stays when its item has left it, for reads that see older versions.
    """

    key: KeySchema
    table_key: KeySchema
    is_global: bool = False
    projected: frozenset[str] | None = None  # the names that an index holds; None: all
    _places: list[Place] = attrs.field(factory=list)
    _keys: dict[Place, WireKey] = attrs.field(factory=dict)

    @property
    def key_names(self) -> frozenset[str]:
        """The names in a key of a page: those of the index and of the table."""
        return frozenset(self.key.names + self.table_key.names)

    def place(self, key: WireKey) -> Place:
        """Return where an item, or a key with all the key names, stands."""
        partition = partition_order([key[each.name] for each in self.key.partitions])
        sort = tuple(order(key[each.name]) for each in self.key.sorts)
        table_key = {name: key[name] for name in self.table_key.names}
        return _hash(partition), partition, sort, identity(table_key)

    def add(self, item: WireItem) -> None:
        """Give an item its place; one that lacks a key of the index has none."""
        if not self.key_names <= item.keys():
            return
        place = self.place(item)
        if place not in self._keys:
            self._keys[place] = {name: item[name] for name in self.key_names}
            insort(self._places, place)

    def segment(self, number: int, total: int, start_key: WireKey | None) -> Iterator[Place]:
        """Yield the places of one of `total` equal ranges of hashes, those after a key."""
        first, end = (-(-n * _HASHES // total) for n in (number, number + 1))
        start = bisect_left(self._places, (first,))
        if start_key is not None:
            start = max(start, bisect_right(self._places, self.place(start_key)))
        return self._between(start, bisect_left(self._places, (end,)))

    def partition(
        self, partition: Any, start_key: WireKey | None, *, descending: bool
    ) -> Iterator[Place]:
        """Yield the places of one partition in either direction, those after a key."""
        mark = (_hash(partition), partition)
        start = bisect_left(self._places, mark)
        end = bisect_right(self._places, mark, key=lambda place: place[:2])
        if start_key is not None and descending:
            end = bisect_left(self._places, self.place(start_key))
        elif start_key is not None:
            start = bisect_right(self._places, self.place(start_key))
        return self._between(start, end, descending=descending)

    def key_at(self, place: Place) -> WireKey:
        """Return the key of a place, as a page's last key holds it."""
        return dict(self._keys[place])

    def holds(self, place: Place, item: WireItem) -> bool:
        """Tell whether this version of an item is the one that stands at the place."""
        return self._keys[place].items() <= item.items() if self.is_index else True

    @property
    def is_index(self) -> bool:
        """Whether this is the order of an index: its items may move to other places."""
        return self.key is not self.table_key

    def entry(self, item: WireItem) -> WireItem:
        """Return what the index has of an item."""
        if self.projected is None:
            return item
        return {name: value for name, value in item.items() if name in self.projected}

    def _between(self, start: int, end: int, *, descending: bool = False) -> Iterator[Place]:
        numbers = range(end - 1, start - 1, -1) if descending else range(start, end)
        return (self._places[number] for number in numbers)


class StoredTable:
    """A table: what describes it, its items, and the order of itself and of each index."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.ttl_attribute: str | None = None
        self.policy: Policy | None = None
        self.layout: Layout = _layout(description)
        self.order = Order(self.layout.key, self.layout.key)
        self.indexes = _indexes(description, self.layout)
        self._versions: dict[Identity, list[WireItem | None]] = {}

    @property
    def name(self) -> str:
        """The table's name."""
        return self.layout.table

    def versions(self, key: WireKey) -> Versions:
        """Return every state that the item of a key has had, None for absent."""
        return self._versions.get(identity(key), [None])

    def order_of(self, index: str | None, *, consistent_read: bool) -> Order:
        """Return the order of the table, or of an index that can be read like this."""
        if index is None:
            return self.order
        if index not in self.indexes:
            raise refused(f"table {self.name} has no index {index}")
        order = self.indexes[index]
        if order.is_global and consistent_read:
            raise refused("consistent reads are not supported on global secondary indexes")
        return order

    def checked_item(self, item: WireItem) -> tuple[WireKey, WireItem]:
        """Return an item's key and itself, in normal form."""
        item = normal_item(item)
        with _refusing():
            return check_item(item, self.layout), item

    def checked_key(self, key: WireKey) -> WireKey:
        """Return a key in normal form."""
        return self._checked_key(key, set(self.layout.key.names), self.layout.key)

    def checked_start(self, order: Order, key: WireKey | None) -> WireKey | None:
        """Return the key that a page starts after, in normal form."""
        if key is None:
            return None
        return self._checked_key(key, order.key_names, order.key, order.table_key)

    def _checked_key(self, key: WireKey, names: Set[str], *schemas: KeySchema) -> WireKey:
        if key.keys() != names:
            raise refused(f"a key of {self.name} must consist of {', '.join(sorted(names))} here")
        key = normal_item(key)
        with _refusing():
            for schema in schemas:
                key_of(key, schema, self.name)
        return key

    def items(self) -> Iterator[WireItem]:
        """Yield the items that the table has now."""
        return (each[-1] for each in self._versions.values() if each[-1] is not None)

    def store(self, key: WireKey, item: WireItem | None) -> None:
        """Let an item follow what a key had so far; None deletes it."""
        versions = self._versions.setdefault(identity(key), [None])
        if item is None and versions[-1] is None:
            return
        versions.append(item)
        if item is not None:
            for order in (self.order, *self.indexes.values()):
                order.add(item)

    def page(
        self,
        order: Order,
        places: Iterable[Place],
        seen: Seen,
        *,
        is_wanted: Callable[[WireItem], bool] = lambda _: True,
        limit: int | None,
        most_places: int | None,
        consistent_read: bool,
    ) -> Page:
        """Read along places until there are 1 MB or `limit` items, or all places are passed."""
        items: list[WireItem] = []
        size = 0
        last_key = None
        views: dict[Identity, WireItem | None] = {}
        for number, place in enumerate(places, 1):
            name = place[-1]
            if name not in views:
                views[name] = seen(self._versions[name])
            item = views[name]
            if item is not None and order.holds(place, item) and is_wanted(item):
                items.append(copied(order.entry(item)))
                size += item_bytes(items[-1])
            if size >= PAGE_BYTES or len(items) == limit or number == most_places:
                last_key = order.key_at(place)
                break
        return Page(items, last_key, read_units(size, consistent_read=consistent_read))


def _indexes(description: Description, keys: Layout) -> dict[str, Order]:
    """Return the order of each index by its name."""
    local = {index["IndexName"]: index for index in description.get("LocalSecondaryIndexes") or ()}
    every = local | {
        index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes") or ()
    }
    orders = {}
    for name, index in every.items():
        key, projection = keys.indexes[name].key, index["Projection"]
        names = {*key.names, *keys.key.names, *projection.get("NonKeyAttributes", ())}
        is_whole = projection["ProjectionType"] == "ALL"
        orders[name] = Order(
            key, keys.key, name not in local, None if is_whole else frozenset(names)
        )
    return orders


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise as a refused request what the library finds wrong with an item or key."""
    try:
        yield
    except (InvalidItemError, InvalidKeyError) as error:
        raise refused(str(error)) from error


def _layout(description: Description) -> Layout:
    """Read the keys off what is to be made, refused where no table has such."""
    try:
        found = layout(description)
        found.key.check_single(f"table {found.table}")
    except TableMismatchError as error:
        raise refused(str(error)) from error
    return found


def partition_order(values: Sequence[WireValue]) -> Any:
    """Return what the items of one partition have in common, by all values that make it up."""
    ordered = tuple(map(order, values))
    return ordered if len(ordered) > 1 else ordered[0]


def _hash(partition: Any) -> int:
    digest = hashlib.md5(repr(partition).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")


def own_name(table: str) -> str:
    """Return the name of a table of this account; another account's is known by its ARN."""
    return table.removeprefix(_OWN_ARN)


def described(definition: Definition, number: int) -> Description:
    """Return what is said of a table; the number tells it from others of the same name."""
    description = {**definition, "TableStatus": "ACTIVE", "TableId": str(uuid.UUID(int=number))}
    name = own_name(definition["TableName"])
    description["TableName"] = short_name(name)
    description["TableArn"] = name if is_arn(name) else _OWN_ARN + name
    if "BillingMode" in description:
        description["BillingModeSummary"] = {"BillingMode": description.pop("BillingMode")}
    return description
