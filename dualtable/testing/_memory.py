"""DynamoDB in memory, behind the port, with the semantics that a migration depends on.

The rule: an operation takes effect at one moment, all of it or none, and whatever DynamoDB would
refuse is refused here. Nothing is shared with callers: values go in and come out as copies.

What a real table does now and then, this one does on demand, through `Faults`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

from dualtable._dynamodb.gateway import (
    MAX_BATCH_GET,
    MAX_BATCH_WRITE,
    MAX_TRANSACTION,
    BatchGet,
    ConditionFailed,
    Insert,
    InsertBatch,
    Outcome,
    Page,
    Reason,
    ReturnValues,
    TransactAction,
    TransactDelete,
    TransactGet,
    TransactPut,
    TransactUpdate,
    Verdict,
    cancellation,
    check_return_values,
)
from dualtable._expressions.key_conditions import KeyCondition, checked
from dualtable._expressions.texts import Condition, Update
from dualtable._wire.keys import identity
from dualtable._wire.packed import PackedItem
from dualtable._wire.sizes import item_bytes, read_units
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import copied, refused
from dualtable.errors import InvalidKeyError, RequestRefusedError
from dualtable.testing._faults import Faults
from dualtable.testing._limits import check_batch, check_limit, check_size_of_all
from dualtable.testing._policies import check_permitted
from dualtable.testing._settings import TableSettings
from dualtable.testing._stored import Order, Seen, StoredTable, own_name, partition_order
from dualtable.testing._writes import Write, insert_cost, insert_one, prepared

_BATCH_GET_BYTES = 16 * 1024 * 1024  # a batch read stops there and leaves the rest
_MAX_TOTAL_SEGMENTS = 1_000_000


class MemoryGateway(TableSettings):
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
        super().__init__(faults or Faults())
        self._transactions: dict[str, Sequence[TransactAction]] = {}  # by their tokens

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        await self._begin("get", table)
        found = self._table(table)
        item = self._seen(found, consistent_read)(found.versions(found.checked_key(key)))
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
        await self._begin("batch_get", table)
        found = self._table(table)
        checked = [found.checked_key(key) for key in keys]
        check_batch(checked, MAX_BATCH_GET)
        see = self._seen(found, consistent_read)
        left = self.faults.left_over("batch_get", table, len(keys))
        items, size, units = [], 0, 0.0
        for number, key in enumerate(checked):
            if number in left or size > _BATCH_GET_BYTES:
                left.add(number)
                continue
            item = see(found.versions(key))
            each = 0 if item is None else item_bytes(item)
            size += each
            units += read_units(each, consistent_read=consistent_read)
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
        check_return_values(return_values)
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
        await self._begin("batch_put", table)
        found = self._table(table)
        check_permitted(found.policy, "dynamodb:BatchWriteItem", table)
        checked = [found.checked_item(item) for item in items]
        check_batch([key for key, _ in checked], MAX_BATCH_WRITE)
        left = self.faults.left_over("batch_put", table, len(items))
        for number, (key, item) in enumerate(checked):
            if number not in left:
                found.store(key, item)
        await self.faults.after("batch_put", table)
        return [items[number] for number in sorted(left)]

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        await self._begin("insert", table)
        found = self._table(table)
        check_permitted(found.policy, "dynamodb:PartiQLInsert", table)
        if not 0 < len(items) <= MAX_BATCH_WRITE:
            raise refused(f"{len(items)} statements, 1 to {MAX_BATCH_WRITE} are allowed")
        left = self.faults.left_over("insert", table, len(items))
        unpacked = [item.item() for item in items]
        outcomes = [
            Insert(Outcome.RETRY, "ThrottlingError") if n in left else insert_one(found, item)
            for n, item in enumerate(unpacked)
        ]
        units = sum(map(partial(insert_cost, found), unpacked, outcomes))
        await self.faults.after("insert", table)
        return InsertBatch(outcomes, float(units))

    async def scan(
        self,
        table: str,
        *,
        segment: int,
        total_segments: int,
        index: str | None = None,
        start_key: WireKey | None = None,
        limit: int | None = None,
        consistent_read: bool = False,
        attributes: Sequence[str] | None = None,
    ) -> Page:
        await self._begin("scan", table)
        found = self._table(table)
        check_limit(limit)
        if not 0 <= segment < total_segments <= _MAX_TOTAL_SEGMENTS:
            raise refused(f"there is no segment {segment} of {total_segments}")
        kept = found.order_of(index, consistent_read=consistent_read)
        start_key = found.checked_start(kept, start_key)
        page = found.page(
            kept,
            kept.segment(segment, total_segments, start_key),
            self._seen(found, consistent_read),
            limit=limit,
            most_places=self.faults.page_places("scan", table),
            consistent_read=consistent_read,
        )
        await self.faults.after("scan", table)
        return Page([_projected(i, attributes) for i in page.items], page.last_key, page.read_units)

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
        await self._begin("query", table)
        found = self._table(table)
        check_limit(limit)
        kept = found.order_of(index, consistent_read=consistent_read)
        condition = _key_condition(key_condition, kept, index or table)
        partition = partition_order(condition.partitions)
        start_key = found.checked_start(kept, start_key)
        if start_key is not None:
            at_end = index is None and condition.ends_at(start_key, descending=descending)
            if at_end or not condition.holds(start_key):
                raise refused("the starting key does not match the key condition")
        places = kept.partition(partition, start_key, descending=descending)
        page = found.page(
            kept,
            (place for place in places if condition.holds(kept.key_at(place))),
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
        await self._begin("transact_write", names)
        if not self._was_taken(token, actions):
            for write in self._all_writes(actions):
                write.take_effect()
            if token is not None:
                self._transactions[token] = copy.deepcopy(actions)
        await self.faults.after("transact_write", names)

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        names = ",".join(sorted({get.table for get in gets}))
        await self._begin("transact_get", names)
        self._check_transaction(gets)
        items = []
        for get in gets:
            found = self._table(get.table)
            items.append(_copy_of(found.versions(found.checked_key(get.key))[-1]))
        await self.faults.after("transact_get", names)
        return items

    async def _write(self, operation: str, action: TransactAction) -> Write:
        await self._begin(operation, action.table)
        write = prepared(self._table(action.table), action)
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

    def _all_writes(self, actions: Sequence[TransactAction]) -> Sequence[Write]:
        """Return what a transaction writes; raise what cancels it."""
        self._check_transaction(actions)
        writes, reasons = [], []
        for action in actions:
            try:
                writes.append(prepared(self._table(action.table), action))
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
                found.checked_item(action.item)[0]
                if isinstance(action, TransactPut)
                else found.checked_key(action.key)
            )
            items.add((own_name(action.table), identity(key)))
        check_size_of_all(action.item for action in actions if isinstance(action, TransactPut))
        if len(items) < len(actions):
            raise refused("a transaction cannot include multiple operations on one item")

    def _seen(self, table: StoredTable, consistent_read: bool) -> Seen:
        """Return how a read chooses among the versions of an item."""
        if consistent_read:
            return lambda versions: versions[-1]
        return lambda versions: self.faults.stale(table.name, versions)


def _key_condition(condition: Condition, order: Order, where: str) -> KeyCondition:
    try:
        return checked(condition, order.key, where)
    except InvalidKeyError as error:
        raise refused(str(error)) from error


def _projected(item: WireItem, attributes: Sequence[str] | None) -> WireItem:
    if attributes is None:
        return item
    return {name: value for name, value in item.items() if name in attributes}


def _copy_of(item: WireItem | None) -> WireItem | None:
    return None if item is None else copied(item)
