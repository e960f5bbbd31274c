"""DynamoDB in memory, behind the port, with the semantics that a migration depends on.

The rule: an operation takes effect at one moment, all of it or none, and whatever DynamoDB would
refuse is refused here. Nothing is shared with callers: values go in and come out as copies.

What a real table does now and then, this one does on demand, through `Faults`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

from dualtable import _items
from dualtable._conditions import And, Comparison, ConditionTree, Literal, Path
from dualtable._expressions import Placeholders, parse_condition, parse_update
from dualtable._faults import Faults
from dualtable._gateway import (
    MAX_BATCH_GET,
    MAX_BATCH_WRITE,
    MAX_TRANSACTION,
    BatchGet,
    Condition,
    ConditionFailed,
    Insert,
    InsertBatch,
    Outcome,
    Page,
    Reason,
    ReturnValues,
    TransactAction,
    TransactCheck,
    TransactDelete,
    TransactGet,
    TransactPut,
    TransactUpdate,
    Update,
    Verdict,
    cancellation,
    names_and_values,
)
from dualtable._stored import Order, Seen, StoredTable
from dualtable._tables import Definition, Description, KeySchema
from dualtable._types import WireItem, WireKey, WireValue
from dualtable._updates import UpdateTree
from dualtable._values import copied, normal_item, refused
from dualtable.errors import (
    InvalidItemError,
    InvalidKeyError,
    RequestRefusedError,
    TableNotFoundError,
)

_T = TypeVar("_T")
_BATCH_GET_BYTES = 16 * 1024 * 1024  # a batch read stops there and leaves the rest
_MAX_TOTAL_SEGMENTS = 1_000_000


@attrs.frozen
class _Write:
    """One write that is about to take effect: the item before and after."""

    table: StoredTable
    key: WireKey
    old: WireItem | None
    new: WireItem | None
    update: UpdateTree | None = None

    def take_effect(self) -> None:
        if self.new is not self.old:
            self.table.store(self.key, self.new)

    def returned(self, return_values: ReturnValues) -> WireItem | None:
        """Return a copy of what an update returns, None where that is nothing."""
        item = self.new if return_values.endswith("NEW") else self.old
        if return_values == "NONE" or item is None:
            return None
        if return_values.startswith("UPDATED") and self.update is not None:
            item = self.update.touched(item)
        return copied(item) or None


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
        self._tables: dict[str, StoredTable] = {}
        self._transactions: dict[str, Sequence[TransactAction]] = {}  # by their tokens

    async def describe_table(self, table: str) -> Description:
        await self.faults.before("describe_table", table)
        found = self._table(table)
        sizes = [_items.item_bytes(item) for item in found.items()]
        return {
            **copy.deepcopy(found.description),
            "ItemCount": len(sizes),
            "TableSizeBytes": sum(sizes),
        }

    async def create_table(self, definition: Definition) -> None:
        name = definition["TableName"]
        await self.faults.before("create_table", name)
        if name not in self._tables:
            self._tables[name] = StoredTable(copy.deepcopy(_described(definition)))

    async def describe_extras(self, table: str) -> dict[str, Any]:
        await self.faults.before("describe_extras", table)
        return {"tags": copy.deepcopy(self._table(table).description.get("Tags", []))}

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        await self.faults.before("get", table)
        found = self._table(table)
        item = self._seen(found, consistent_read)(found.versions(_checked_key(found, key)))
        await self.faults.after("get", table)
        return _copy_of(item)

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
        checked = [_checked_key(found, key) for key in keys]
        _check_batch(checked, MAX_BATCH_GET)
        see = self._seen(found, consistent_read)
        left = self.faults.left_over("batch_get", table, len(keys))
        items, size, units = [], 0, 0.0
        for number, key in enumerate(checked):
            if number in left or size > _BATCH_GET_BYTES:
                left.add(number)
                continue
            item = see(found.versions(key))
            item_bytes = 0 if item is None else _items.item_bytes(item)
            size += item_bytes
            units += _items.read_units(item_bytes, consistent_read=consistent_read)
            if item is not None:
                items.append(copied(_projected(item, attributes)))
        await self.faults.after("batch_get", table)
        return BatchGet(items, [keys[number] for number in sorted(left)], units)

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        write = await self._write("put", TransactPut(table, item, condition))
        return write.returned("ALL_OLD" if return_old else "NONE")

    async def update(
        self,
        table: str,
        key: WireKey,
        update: Update,
        condition: Condition | None = None,
        *,
        return_values: ReturnValues = "NONE",
    ) -> WireItem | None:
        write = await self._write("update", TransactUpdate(table, key, update, condition))
        return write.returned(return_values)

    async def delete(
        self,
        table: str,
        key: WireKey,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        write = await self._write("delete", TransactDelete(table, key, condition))
        return write.returned("ALL_OLD" if return_old else "NONE")

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        await self.faults.before("batch_put", table)
        found = self._table(table)
        checked = [_checked_item(found, item) for item in items]
        _check_batch([key for key, _ in checked], MAX_BATCH_WRITE)
        left = self.faults.left_over("batch_put", table, len(items))
        for number, (key, item) in enumerate(checked):
            if number not in left:
                found.store(key, item)
        await self.faults.after("batch_put", table)
        return [items[number] for number in sorted(left)]

    async def insert(self, table: str, items: Sequence[WireItem], *, key_name: str) -> InsertBatch:
        await self.faults.before("insert", table)
        found = self._table(table)
        if not 0 < len(items) <= MAX_BATCH_WRITE:
            raise refused(f"{len(items)} statements, 1 to {MAX_BATCH_WRITE} are allowed")
        left = self.faults.left_over("insert", table, len(items))
        outcomes = [
            Insert(Outcome.RETRY, "ThrottlingError") if n in left else _insert(found, item)
            for n, item in enumerate(items)
        ]
        units = sum(_items.write_units(_items.item_bytes(item)) for item in items)
        await self.faults.after("insert", table)
        return InsertBatch(outcomes, float(units))

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
        _check_limit(limit)
        if not 0 <= segment < total_segments <= _MAX_TOTAL_SEGMENTS:
            raise refused(f"there is no segment {segment} of {total_segments}")
        start_key = _checked_start(found.order, start_key, table)
        page = found.page(
            found.order,
            found.order.segment(segment, total_segments, start_key),
            self._seen(found, consistent_read),
            limit=limit,
            most_places=self.faults.page_places("scan", table),
            consistent_read=consistent_read,
        )
        await self.faults.after("scan", table)
        return page

    async def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        index: str | None = None,
        start_key: WireKey | None = None,
        limit: int | None = None,
        descending: bool = False,
        consistent_read: bool = True,
    ) -> Page:
        await self.faults.before("query", table)
        found = self._table(table)
        _check_limit(limit)
        order = _order(found, index, consistent_read)
        condition = _parsed(key_condition)
        partition = _items.order(_partition(condition, order.key))
        start_key = _checked_start(order, start_key, table)
        if start_key is not None and order.place(start_key)[1] != partition:
            raise refused("the starting key is outside of the query's partition")
        page = found.page(
            order,
            order.partition(partition, start_key, descending=descending),
            self._seen(found, consistent_read),
            is_wanted=condition.holds,
            limit=limit,
            most_places=self.faults.page_places("query", table),
            consistent_read=consistent_read,
        )
        await self.faults.after("query", table)
        return page

    async def transact_write(
        self, actions: Sequence[TransactAction], *, token: str | None = None
    ) -> None:
        names = ",".join(sorted({action.table for action in actions}))
        await self.faults.before("transact_write", names)
        if not self._was_taken(token, actions):
            for write in self._all_writes(actions):
                write.take_effect()
            if token is not None:
                self._transactions[token] = copy.deepcopy(actions)
        await self.faults.after("transact_write", names)

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        names = ",".join(sorted({get.table for get in gets}))
        await self.faults.before("transact_get", names)
        self._check_transaction(gets)
        items = []
        for get in gets:
            found = self._table(get.table)
            items.append(_copy_of(found.versions(_checked_key(found, get.key))[-1]))
        await self.faults.after("transact_get", names)
        return items

    async def _write(self, operation: str, action: TransactAction) -> _Write:
        await self.faults.before(operation, action.table)
        write = self._prepared(action)
        write.take_effect()
        await self.faults.after(operation, action.table)
        return write

    def _was_taken(self, token: str | None, actions: Sequence[TransactAction]) -> bool:
        if token is None or token not in self._transactions:
            return False
        if list(self._transactions[token]) != list(actions):
            raise RequestRefusedError(
                "the token belongs to another transaction; choose a new one",
                code="IdempotentParameterMismatchException",
            )
        return True

    def _all_writes(self, actions: Sequence[TransactAction]) -> Sequence[_Write]:
        """Return what a transaction writes; raise what cancels it."""
        self._check_transaction(actions)
        writes, reasons = [], []
        for action in actions:
            try:
                writes.append(self._prepared(action))
                reasons.append(Reason(Verdict.FINE))
            except ConditionFailed as failure:
                reasons.append(Reason(Verdict.CONDITION_FAILED, str(failure), failure.item))
            except RequestRefusedError as error:
                reasons.append(Reason(Verdict.REFUSED, str(error)))
        if len(writes) < len(actions):
            raise cancellation(reasons)
        return writes

    def _check_transaction(self, actions: Sequence[TransactAction | TransactGet]) -> None:
        if not 0 < len(actions) <= MAX_TRANSACTION:
            raise refused(f"{len(actions)} actions, 1 to {MAX_TRANSACTION} are allowed")
        items = set()
        for action in actions:
            found = self._table(action.table)
            key = (
                _checked_item(found, action.item)[0]
                if isinstance(action, TransactPut)
                else _checked_key(found, action.key)
            )
            items.add((action.table, _items.identity(key)))
        if len(items) < len(actions):
            raise refused("a transaction cannot include multiple operations on one item")

    def _prepared(self, action: TransactAction) -> _Write:
        """Check an action, judge its condition, and return what it writes."""
        table = self._table(action.table)
        if isinstance(action, TransactUpdate):
            return _update(table, action)
        if isinstance(action, TransactPut):
            key, new = _checked_item(table, action.item)
        else:
            key, new = _checked_key(table, action.key), None
        old = table.versions(key)[-1]
        if action.condition is not None:
            _judge(_parsed(action.condition), old)
        return _Write(table, key, old, old if isinstance(action, TransactCheck) else new)

    def _seen(self, table: StoredTable, consistent_read: bool) -> Seen:
        """Return how a read chooses among the versions of an item."""
        if consistent_read:
            return lambda versions: versions[-1]
        return lambda versions: self.faults.stale(table.name, versions)

    def _table(self, name: str) -> StoredTable:
        if name not in self._tables:
            raise TableNotFoundError(
                f"table {name} does not exist", code="ResourceNotFoundException"
            )
        return self._tables[name]


def _described(definition: Definition) -> Description:
    description = {**definition, "TableStatus": "ACTIVE"}
    description["TableArn"] = f"arn:aws:dynamodb:memory:0:table/{definition['TableName']}"
    if "BillingMode" in description:
        description["BillingModeSummary"] = {"BillingMode": description.pop("BillingMode")}
    return description


def _update(table: StoredTable, action: TransactUpdate) -> _Write:
    key = _checked_key(table, action.key)
    placeholders = Placeholders(*names_and_values(action.update, action.condition))
    update = parse_update(action.update.expression, placeholders)
    condition = None
    if action.condition is not None:
        condition = parse_condition(action.condition.expression, placeholders)
    placeholders.check_all_used()
    if fixed := {path.steps[0] for path in update.paths} & key.keys():
        raise refused(f"{min(fixed)} is part of the key and cannot be updated")
    old = table.versions(key)[-1]
    if condition is not None:
        _judge(condition, old)
    new = _in_words_of_dynamodb(lambda: update.apply(key if old is None else old))
    _in_words_of_dynamodb(lambda: _items.check_item(new, table.layout))
    return _Write(table, key, old, new, update)


def _insert(table: StoredTable, item: WireItem) -> Insert:
    try:
        key, item = _checked_item(table, item)
    except RequestRefusedError as error:
        return Insert(Outcome.REFUSED, str(error))
    if table.versions(key)[-1] is not None:
        return Insert(Outcome.PRESENT)
    table.store(key, item)
    return Insert(Outcome.WRITTEN)


def _parsed(condition: Condition) -> ConditionTree:
    placeholders = Placeholders(condition.names, condition.values)
    tree = parse_condition(condition.expression, placeholders)
    placeholders.check_all_used()
    return tree


def _judge(condition: ConditionTree, item: WireItem | None) -> None:
    if not condition.holds(item or {}):
        raise ConditionFailed(_copy_of(item))


def _order(table: StoredTable, index: str | None, consistent_read: bool) -> Order:
    """Return the order of the table, or of an index that can be read like this."""
    if index is None:
        return table.order
    if index not in table.indexes:
        raise refused(f"table {table.name} has no index {index}")
    order = table.indexes[index]
    if order.is_global and consistent_read:
        raise refused("consistent reads are not supported on global secondary indexes")
    return order


def _partition(condition: ConditionTree, schema: KeySchema) -> WireValue:
    """Return the value of the partition key that a key condition asks for."""
    while isinstance(condition, And):
        condition = condition.left
    if (
        not isinstance(condition, Comparison)
        or condition.operator != "="
        or condition.left != Path((schema.partition.name,))
        or not isinstance(condition.right, Literal)
    ):
        raise refused(f"the key condition must say what {schema.partition.name} is equal to")
    return condition.right.value


def _checked_item(table: StoredTable, item: WireItem) -> tuple[WireKey, WireItem]:
    """Return an item's key and itself, in normal form."""
    item = normal_item(item)
    return _in_words_of_dynamodb(lambda: _items.check_item(item, table.layout)), item


def _checked_key(table: StoredTable, key: WireKey) -> WireKey:
    """Return a key in normal form."""
    schema = table.layout.key
    if key.keys() != set(schema.names):
        raise refused(f"the key of {table.name} must consist of {', '.join(schema.names)}")
    normal_key = normal_item(key)
    return _in_words_of_dynamodb(lambda: _items.key_of(normal_key, schema, table.name))


def _checked_start(order: Order, key: WireKey | None, table: str) -> WireKey | None:
    """Return the key that a page starts after, in normal form."""
    if key is None:
        return None
    if key.keys() != order.key_names:
        raise refused(f"the starting key must consist of {', '.join(sorted(order.key_names))}")
    normal_key = normal_item(key)
    _in_words_of_dynamodb(lambda: _items.key_of(normal_key, order.key, table))
    _in_words_of_dynamodb(lambda: _items.key_of(normal_key, order.table_key, table))
    return normal_key


def _in_words_of_dynamodb(check: Callable[[], _T]) -> _T:
    """Raise as a refused request what the library finds wrong with an item or key."""
    try:
        return check()
    except (InvalidItemError, InvalidKeyError) as error:
        raise refused(str(error)) from error


def _check_batch(keys: Sequence[WireKey], most: int) -> None:
    if not 0 < len(keys) <= most:
        raise refused(f"{len(keys)} members in a batch, 1 to {most} are allowed")
    if len({_items.identity(key) for key in keys}) < len(keys):
        raise refused("a batch contains one key twice")


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise refused(f"a limit of {limit}, at least 1 is needed")


def _projected(item: WireItem, attributes: Sequence[str] | None) -> WireItem:
    if attributes is None:
        return item
    return {name: value for name, value in item.items() if name in attributes}


def _copy_of(item: WireItem | None) -> WireItem | None:
    return None if item is None else copied(item)
