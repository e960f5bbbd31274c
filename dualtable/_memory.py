"""DynamoDB in memory, behind the port, with the semantics that a migration depends on.

The rule: an operation takes effect at one moment, all of it or none, and whatever DynamoDB would
refuse is refused here. Nothing is shared with callers: values go in and come out as copies.

What a real table does now and then, this one does on demand, through `Faults`.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from dualtable import _codec, _items
from dualtable._expressions import parse_condition
from dualtable._gateway import (
    MAX_BATCH_GET,
    MAX_BATCH_WRITE,
    BatchGet,
    Condition,
    ConditionFailed,
    Insert,
    InsertBatch,
    Outcome,
    Page,
)
from dualtable._tables import Definition, Description, Layout, layout
from dualtable._types import WireItem, WireKey
from dualtable.errors import (
    DualTableError,
    InvalidItemError,
    InvalidKeyError,
    RequestRefusedError,
    TableNotFoundError,
)

PAGE_BYTES = 1024 * 1024
_HASHES = 2**32


class Faults:
    """What goes wrong, and when; this one lets nothing go wrong. Override what a test needs.

    Example:
        >>> from dualtable.errors import ThrottledError
        >>> from dualtable.testing import Faults
        >>> class ThrottleWrites(Faults):
        ...     async def before(self, operation, table):
        ...         if operation == "insert":
        ...             raise ThrottledError("slow down")
    """

    async def before(self, operation: str, table: str) -> None:
        """Wait, or raise before the operation takes effect."""
        await asyncio.sleep(0)

    async def after(self, operation: str, table: str) -> None:
        """Raise after the operation has taken effect: the response is lost."""

    def left_over(self, operation: str, table: str, members: int) -> set[int]:
        """Return the members of a batch that are not processed this time, by position."""
        return set()

    def stale(self, table: str, versions: Sequence[WireItem | None]) -> WireItem | None:
        """Choose what an eventually consistent read sees of an item.

        `versions` holds every state of the item from the first to the last, None for absent.
        """
        return versions[-1]


@attrs.define
class _Table:
    """One table: its description, and its items by identity, in the order of their hashes."""

    description: Description
    layout: Layout
    items: dict[Hashable, WireItem] = attrs.field(factory=dict)
    versions: dict[Hashable, list[WireItem | None]] = attrs.field(factory=dict)
    places: list[tuple[Any, ...]] = attrs.field(factory=list)  # (hash, partition, sort, identity)

    def store(self, key: WireKey, item: WireItem | None) -> None:
        identity = _items.identity(key)
        self.versions.setdefault(identity, [None]).append(item)
        place = (*self.place(key), identity)
        at = bisect_left(self.places, place)
        there = at < len(self.places) and self.places[at] == place
        if item is None:
            self.items.pop(identity, None)
            if there:
                del self.places[at]
            return
        self.items[identity] = item
        if not there:
            self.places.insert(at, place)

    def place(self, key: WireKey) -> tuple[Any, ...]:
        """Return where a key stands in a scan: by the hash of its partition, then by sort key."""
        partition, *sort = (_items.order(key[name]) for name in self.layout.key.names)
        digest = hashlib.md5(repr(partition).encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest[:4], "big"), partition, tuple(sort)


class MemoryGateway:
    """A stand-in for DynamoDB that lives in memory, for tests of migrations.

    Pass it as ``gateway=`` wherever AWS settings are taken. Its methods are those of the port that
    the library uses, in DynamoDB's wire form. Throughput is unlimited and nothing is throttled,
    unless `faults` says otherwise.

    Args:
        faults: What goes wrong and when; nothing by default.

    Example:
        >>> import asyncio
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}})
        ...     return await gateway.get("orders", {"id": {"S": "o-1"}}, consistent_read=True)
        >>> asyncio.run(main())
        {'id': {'S': 'o-1'}}
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._tables: dict[str, _Table] = {}

    async def describe_table(self, table: str) -> Description:
        await self.faults.before("describe_table", table)
        found = self._table(table)
        sizes = [_items.item_bytes(item) for item in found.items.values()]
        return {
            **copy.deepcopy(found.description),
            "ItemCount": len(sizes),
            "TableSizeBytes": sum(sizes),
        }

    async def create_table(self, definition: Definition) -> None:
        name = definition["TableName"]
        await self.faults.before("create_table", name)
        if name not in self._tables:
            description = copy.deepcopy(_described(definition))
            self._tables[name] = _Table(description, layout(description))

    async def describe_extras(self, table: str) -> dict[str, Any]:
        await self.faults.before("describe_extras", table)
        return {"tags": copy.deepcopy(self._table(table).description.get("Tags", []))}

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        await self.faults.before("get", table)
        item = self._read(self._table(table), key, consistent_read=consistent_read)
        await self.faults.after("get", table)
        return item

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        await self.faults.before("batch_get", table)
        found = self._table(table)
        _check_batch(found, keys, MAX_BATCH_GET)
        left = self.faults.left_over("batch_get", table, len(keys))
        items, units = [], 0.0
        for number, key in enumerate(keys):
            if number in left:
                continue
            item = self._read(found, key, consistent_read=consistent_read)
            size = 0 if item is None else _items.item_bytes(item)
            units += _items.read_units(size, consistent_read=consistent_read)
            if item is not None:
                items.append(_projected(item, attributes))
        await self.faults.after("batch_get", table)
        return BatchGet(items, [keys[number] for number in sorted(left)], units)

    async def put(self, table: str, item: WireItem, condition: Condition | None = None) -> None:
        await self.faults.before("put", table)
        found = self._table(table)
        key = _checked(found, item)
        _judge(found, key, condition)
        found.store(key, _stored(item))
        await self.faults.after("put", table)

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        await self.faults.before("batch_put", table)
        found = self._table(table)
        keys = [_checked(found, item) for item in items]
        _check_batch(found, keys, MAX_BATCH_WRITE)
        left = self.faults.left_over("batch_put", table, len(items))
        for number, (key, item) in enumerate(zip(keys, items, strict=True)):
            if number not in left:
                found.store(key, _stored(item))
        await self.faults.after("batch_put", table)
        return [items[number] for number in sorted(left)]

    async def insert(self, table: str, items: Sequence[WireItem], *, key_name: str) -> InsertBatch:
        await self.faults.before("insert", table)
        found = self._table(table)
        if len(items) > MAX_BATCH_WRITE:
            raise _refused(f"{len(items)} statements, {MAX_BATCH_WRITE} are allowed")
        left = self.faults.left_over("insert", table, len(items))
        outcomes = [
            Insert(Outcome.RETRY, "ThrottlingError") if n in left else _insert(found, item)
            for n, item in enumerate(items)
        ]
        units = sum(_items.write_units(_items.item_bytes(item)) for item in items)
        await self.faults.after("insert", table)
        return InsertBatch(outcomes, float(units))

    async def delete(self, table: str, key: WireKey, condition: Condition | None = None) -> None:
        await self.faults.before("delete", table)
        found = self._table(table)
        _check_key(found, key)
        _judge(found, key, condition)
        found.store(key, None)
        await self.faults.after("delete", table)

    async def scan(
        self,
        table: str,
        *,
        segment: int,
        total_segments: int,
        start_key: WireKey | None = None,
        limit: int | None = None,
        consistent_read: bool = False,
    ) -> Page:
        await self.faults.before("scan", table)
        found = self._table(table)
        first = -(-segment * _HASHES // total_segments)
        end = -(-(segment + 1) * _HASHES // total_segments)
        start = bisect_left(found.places, (first,))
        if start_key is not None:
            _check_key(found, start_key)
            start = bisect_right(
                found.places, (*found.place(start_key), _items.identity(start_key))
            )
        places = found.places[start : bisect_left(found.places, (end,))]
        page = _page(found, [place[-1] for place in places], limit, consistent_read)
        await self.faults.after("scan", table)
        return page

    async def query(
        self, table: str, key_condition: Condition, *, start_key: WireKey | None = None
    ) -> Page:
        await self.faults.before("query", table)
        found = self._table(table)
        meets = parse_condition(key_condition.expression, key_condition.names, key_condition.values)
        after = None if start_key is None else found.place(start_key)
        names = [
            place[-1]
            for place in found.places
            if (after is None or place[:-1] > after) and meets(found.items[place[-1]])
        ]
        page = _page(found, names, None, consistent_read=True)
        await self.faults.after("query", table)
        return page

    def _table(self, name: str) -> _Table:
        if name not in self._tables:
            raise TableNotFoundError(
                f"table {name} does not exist", code="ResourceNotFoundException"
            )
        return self._tables[name]

    def _read(self, table: _Table, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        _check_key(table, key)
        versions = table.versions.get(_items.identity(key), [None])
        item = versions[-1] if consistent_read else self.faults.stale(table.layout.table, versions)
        return copy.deepcopy(item)


def _described(definition: Definition) -> Description:
    description = {**definition, "TableStatus": "ACTIVE"}
    description["TableArn"] = f"arn:aws:dynamodb:memory:0:table/{definition['TableName']}"
    if "BillingMode" in description:
        description["BillingModeSummary"] = {"BillingMode": description.pop("BillingMode")}
    return description


def _page(
    table: _Table, identities: Sequence[Hashable], limit: int | None, consistent_read: bool
) -> Page:
    """Cut a page of at most 1 MB or `limit` items; a page that was cut carries its last key."""
    items: list[WireItem] = []
    size = 0
    last_key = None
    for identity in identities:
        item = table.items[identity]
        items.append(copy.deepcopy(item))
        size += _items.item_bytes(item)
        if size >= PAGE_BYTES or len(items) == limit:
            last_key = _items.key_of(items[-1], table.layout.key, table.layout.table)
            break
    return Page(items, last_key, _items.read_units(size, consistent_read=consistent_read))


def _insert(table: _Table, item: WireItem) -> Insert:
    try:
        key = _checked(table, item)
    except DualTableError as error:
        return Insert(Outcome.REFUSED, str(error))
    if _items.identity(key) in table.items:
        return Insert(Outcome.PRESENT)
    table.store(key, _stored(item))
    return Insert(Outcome.WRITTEN)


def _checked(table: _Table, item: WireItem) -> WireKey:
    try:
        _codec.encode(_codec.decode(item))
        return _items.check_item(item, table.layout)
    except (InvalidItemError, InvalidKeyError) as error:
        raise _refused(str(error)) from error


def _check_key(table: _Table, key: WireKey) -> None:
    try:
        _items.check_key(_codec.decode(key), table.layout.key, table.layout.table)
    except InvalidKeyError as error:
        raise _refused(str(error)) from error


def _check_batch(table: _Table, keys: Sequence[WireKey], most: int) -> None:
    if not 0 < len(keys) <= most:
        raise _refused(f"{len(keys)} members in a batch, 1 to {most} are allowed")
    for key in keys:
        _check_key(table, key)
    if len({_items.identity(key) for key in keys}) < len(keys):
        raise _refused("Provided list of item keys contains duplicates")


def _judge(table: _Table, key: WireKey, condition: Condition | None) -> None:
    if condition is None:
        return
    meets = parse_condition(condition.expression, condition.names, condition.values)
    item = table.items.get(_items.identity(key))
    if not meets(item or {}):
        raise ConditionFailed(copy.deepcopy(item))


def _stored(item: Mapping[str, Any]) -> WireItem:
    """Return a copy with numbers in normal form, as DynamoDB keeps them."""
    return {name: _normal(value) for name, value in item.items()}


def _normal(value: dict[str, Any]) -> dict[str, Any]:
    ((tag, content),) = value.items()
    if tag == "N":
        return {"N": _number(content)}
    if tag == "NS":
        return {"NS": [_number(member) for member in content]}
    if tag == "M":
        return {"M": _stored(content)}
    if tag == "L":
        return {"L": [_normal(member) for member in content]}
    return copy.deepcopy(value)


def _number(text: str) -> str:
    number = Decimal(text).normalize() + 0 if len(text) < 28 else Decimal(text)
    return f"{number:f}" if -20 < number.adjusted() < 40 else str(number)


def _projected(item: WireItem, attributes: Sequence[str] | None) -> WireItem:
    if attributes is None:
        return item
    return {name: value for name, value in item.items() if name in attributes}


def _refused(message: str) -> RequestRefusedError:
    return RequestRefusedError(message, code="ValidationException")
