"""What production imports: one table to look at, two underneath.

The rule: every read asks `new` first and believes `old` only after a strongly consistent read has
confirmed that `new` does not have the key (I1). Every write goes to `new` with a fresh token, every
delete leaves a tombstone there (I3), and `old` is never written (I5).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, Unpack, cast, overload

import attrs

from dualtable import _codec, _items
from dualtable._clock import Clock, SystemClock
from dualtable._connect import Connection, connect
from dualtable._control import Control
from dualtable._gateway import (
    MAX_BATCH_WRITE,
    ConditionFailed,
    Gateway,
    batches,
)
from dualtable._lineage import Lineage
from dualtable._logical import LogicalTable
from dualtable._migration import Migration
from dualtable._models import PLAIN, Form, Model, form_of
from dualtable._overlay import Overlay
from dualtable._phase_watch import PhaseWatch
from dualtable._retry import OVERTAKEN, PRODUCTION, retried
from dualtable._tables import layout
from dualtable._types import Item, Key, WireItem, WireKey
from dualtable.errors import (
    ConcurrentUpdateError,
    DualTableError,
    InvalidItemError,
    ItemExistsError,
    ItemNotFoundError,
)

Change: TypeAlias = Callable[[Model], Model | Awaitable[Model]]


class DualTableRepository(Generic[Model]):
    """Reads, updates, adds and deletes items while they move from the old table to the new one.

    Use it as an asynchronous context manager; it holds one client, is safe to share between tasks,
    and is closed at the end. Keys and items are those of the new table: dicts of plain values, or
    with a `model` instances of that class; keys are dicts in either case.

    Args:
        migration: What is migrated. Both tables must exist; once it is complete, the new one.
        model: An attrs class; then all methods return and take instances of it, as
            `ModelTransform` does. Default: items as dicts.
        clock: Where time comes from; for tests.
        **connection: ``session``, ``endpoint_url``, ``region_name``, ``config`` as boto3 takes
            them, or ``gateway``.

    The phase of the migration is read from the control table on entering the context, and again by
    the first operation after every 30 seconds, which also leaves a heartbeat there. That takes
    ``GetItem``, ``PutItem`` and ``DeleteItem`` on the control table; without the latter two the
    repository works, and the cut-over cannot see it.

    Raises:
        TableNotFoundError: One of the tables does not exist (on entering the context).
        GatewayError: DynamoDB refused a request or could not be reached (from every method).
        InvalidKeyError: A key does not fit the new table (from every method).
        InvalidItemError: `model` is no attrs class, or an item does not fit it (from every method
            that returns one); the message has the path to each misfit.
        TransformError: The transform fails on an item of the old table (from every method that
            falls back to it).
        StalePhaseError: The phase could not be read for 5 minutes, so the old table cannot be
            believed any more (from every method that falls back to it).

    Example:
        >>> import asyncio
        >>> from dualtable import DualTableRepository, Migration, Move
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     for table in ("orders", "orders-v2"):
        ...         await gateway.create_table({
        ...             "TableName": table,
        ...             "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...             "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...             "BillingMode": "PAY_PER_REQUEST",
        ...         })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     async with DualTableRepository(migration, gateway=gateway) as orders:
        ...         await orders.put({"id": "o-2", "name": "Bob"})
        ...         return await orders.batch_get([{"id": "o-1"}, {"id": "o-2"}])
        >>> asyncio.run(main())
        [{'id': 'o-1', 'name': 'Ann'}, {'id': 'o-2', 'name': 'Bob'}]
    """

    @overload
    def __init__(
        self: DualTableRepository[Item],
        migration: Migration,
        *,
        model: None = None,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    @overload
    def __init__(
        self,
        migration: Migration,
        *,
        model: type[Model],
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    def __init__(
        self,
        migration: Migration,
        *,
        model: type[Model] | None = None,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        self._form: Form[Any] = PLAIN if model is None else form_of(model)
        self._migration = migration
        self._clock = clock or SystemClock()
        self._connection = connection
        self._stack = AsyncExitStack()
        self._opened: LogicalTable | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(connect(self._connection, PRODUCTION))
            control = Control(gateway, self._migration.control_table, self._migration.name)
            watch = await PhaseWatch.open(control, self._clock)
            stack.push_async_callback(watch.close)
            self._opened = await self._look_up(gateway, watch)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened = None
        await self._stack.__aexit__(kind, error, trace)

    async def _look_up(self, gateway: Gateway, watch: PhaseWatch) -> LogicalTable:
        migration = self._migration
        sighting = await watch.look()
        if sighting.route.falls_back:
            old = layout(await gateway.describe_table(migration.old))
            new = layout(await gateway.describe_table(migration.new))
        else:  # there is no way back to a phase that asks the old table, which may be gone
            new = layout(await gateway.describe_table(migration.new))
            old = attrs.evolve(new, table=migration.old)
        return LogicalTable(
            gateway=gateway,
            lineage=Lineage.of(migration, old, new),
            overlay=Overlay(new.key.partition.name, migration.marks),
            watch=watch,
            sighting=sighting,
        )

    async def get(self, key: Key, *, consistent_read: bool = False) -> Model | None:
        """Return the item with a key, or None.

        Args:
            key: The key attributes of the new table, as plain values.
            consistent_read: See every write that was acknowledged before the call. Without it the
                read may miss the latest ones, as on one table, and costs half as much.
        """
        tables = await self._tables()
        wire = self._key(tables, key)
        return self._loaded(tables, await tables.get(wire, consistent_read=consistent_read))

    async def batch_get(
        self, keys: Iterable[Key], *, consistent_read: bool = False
    ) -> list[Model | None]:
        """Return the items of any number of keys in their order, None where there is none.

        Args:
            keys: Keys of the new table; one that comes twice is read once and returned twice.
            consistent_read: As for `get`.
        """
        tables = await self._tables()
        wire = [self._key(tables, key) for key in keys]
        unique = {_items.identity(key): key for key in wire}
        found = await tables.batch_get(unique, consistent_read=consistent_read)
        return [self._loaded(tables, found.get(_items.identity(key))) for key in wire]

    async def put(self, item: Model, *, if_absent: bool = False) -> None:
        """Put an item, replacing one with the same key.

        Args:
            item: The item in the new table's format.
            if_absent: Only where neither table has an item with that key; a deleted one counts as
                absent.

        Raises:
            InvalidItemError: DynamoDB would refuse the item; nothing is sent.
            ItemExistsError: `if_absent` is set and there is such an item; nothing is written.
        """
        tables = await self._tables()
        key, stamped = self._stamped(tables, item)
        if not if_absent:
            await tables.gateway.put(tables.new.table, stamped)
            return
        in_old = await tables.fall_back({None: key}, confirmed=True)
        guard = tables.overlay.deleted() if in_old else tables.overlay.nothing()
        try:
            await tables.put_once(stamped, guard)
        except ConditionFailed:
            raise ItemExistsError(
                f"{tables.new.table} has an item with this key, itself or through"
                f" {tables.old.table}",
                key=_items.plain(key),
            ) from None

    async def batch_put(self, items: Iterable[Model]) -> None:
        """Put any number of items, replacing those with the same keys; not as one transaction.

        Args:
            items: Items in the new table's format. Of several with one key the last one counts.

        Raises:
            InvalidItemError: DynamoDB would refuse one of the items; nothing is sent.
            GatewayError: Some items may have been put and others not; put all of them again.
        """
        tables = await self._tables()
        stamped = [self._stamped(tables, item) for item in items]
        last = {_items.identity(key): item for key, item in stamped}
        for batch in batches(last.values(), MAX_BATCH_WRITE):
            await tables.gateway.batch_put(tables.new.table, batch)

    async def update(self, key: Key, change: Change[Model], *, create: bool = False) -> Model:
        """Read an item, change it, and write it back unless somebody else wrote it meanwhile.

        Args:
            key: The key of the item.
            change: Gets the item and returns the new one with the same key; may be asynchronous.
                It is called again with the newer item when the write was overtaken.
            create: Where there is no item, let `change` start from one with just the key; with a
                `model`, all other fields need a default then.

        Returns:
            The item as it was written.

        Raises:
            ItemNotFoundError: There is no such item and `create` is not set.
            ConcurrentUpdateError: Overtaken on each of 10 tries; nothing was written.
            InvalidItemError: `change` returned what DynamoDB would refuse, or another key.
        """

        async def attempt() -> Model:
            tables = await self._tables()
            wire = self._key(tables, key)
            seen = await tables.see(wire)
            if seen.item is None and not create:
                raise ItemNotFoundError("there is no item with this key", key=dict(key))
            changed = change(self._load(tables, seen.item or wire))
            if inspect.isawaitable(changed):
                changed = await changed
            new_key, stamped = self._stamped(tables, changed)
            if _items.identity(new_key) != _items.identity(wire):
                raise InvalidItemError("the change must keep the item's key", key=dict(key))
            await tables.replace(seen, stamped)
            return self._load(tables, stamped)

        try:
            return await retried(attempt, OVERTAKEN, ConditionFailed)
        except ConditionFailed:
            raise ConcurrentUpdateError(
                f"the item in {self._migration.new} was written by others on each of"
                f" {OVERTAKEN.tries} tries",
                key=dict(key),
            ) from None

    async def delete(self, key: Key) -> None:
        """Delete an item; deleting one that does not exist is no error.

        Until the migration is finished, a tombstone takes its place.
        """
        tables = await self._tables()
        wire = self._key(tables, key)
        if tables.route.buries:
            await tables.gateway.put(tables.new.table, tables.marks.bury(wire))
        else:
            await tables.gateway.delete(tables.new.table, wire)

    # -- small things ----------------------------------------------------------------------------

    def _stamped(self, tables: LogicalTable, item: Model) -> tuple[WireKey, WireItem]:
        """Return the key and the wire form of an item with a fresh token, fully checked."""
        plain = self._form.dump(item)
        tables.marks.check_free(plain)
        stamped = tables.marks.stamp(_codec.encode(plain), _items.new_token())
        return _items.check_item(stamped, tables.new), stamped

    async def _tables(self) -> LogicalTable:
        if self._opened is None:
            raise DualTableError(
                "the repository is not open; use it inside `async with DualTableRepository(…)`"
            )
        return await self._opened.current()

    def _key(self, tables: LogicalTable, key: Key) -> WireKey:
        return _items.check_key(key, tables.new.key, tables.new.table)

    def _loaded(self, tables: LogicalTable, item: WireItem | None) -> Model | None:
        if item is None or tables.marks.is_tombstone(item):
            return None
        return self._load(tables, item)

    def _load(self, tables: LogicalTable, item: WireItem) -> Model:
        try:
            return cast("Model", self._form.load(_codec.decode(tables.marks.strip(item))))
        except InvalidItemError as error:
            key = _items.key_of(item, tables.new.key, tables.new.table)
            error.key = _items.plain(key)
            raise
