"""What production imports: one table to look at, two underneath.

The rule: every read asks `new` first and believes `old` only after a strongly consistent read has
confirmed that `new` does not have the key (I1). From `WRITING_NEW` on every write goes to `new`
with a fresh token, `old` is never written (I5), and until `FINISHED` a delete leaves a tombstone
(I3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import UnionType
from typing import Any, Unpack, cast, overload

from dualtable._clock import Clock
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import (
    MAX_BATCH_WRITE,
    ReturnValues,
    batches,
    check_return_values,
)
from dualtable._expressions.actions import Action, Delete, Get, Projected, Put, Update
from dualtable._expressions.boto3_conditions import ConditionBase
from dualtable._production import judged_writes, transactions
from dualtable._production.exchange import check_function, defined, listed
from dualtable._production.iterators import iterator
from dualtable._production.judged_writes import Change
from dualtable._production.opened import Opened, operation
from dualtable._production.shadow import ShadowCounts
from dualtable._reading.iteration import ItemIterator, Source
from dualtable._reading.offers import Failures, OnError
from dualtable._reading.places import Scan, ScanPlace
from dualtable._reading.queries import open_query
from dualtable._reading.query_parts import Behind, Query, QueryPlace
from dualtable._reading.scans import ScanReader
from dualtable._reading.starting_keys import query_place, scan_place, starting_key
from dualtable._reading.tokens import digest, from_token
from dualtable._transforms.migration import Migration, check_range
from dualtable._transforms.models import PLAIN, Model, form_of
from dualtable._wire import codec
from dualtable._wire.keys import identity
from dualtable._wire.types import Item, Key
from dualtable.errors import GatewayError, RequestRefusedError


class DualTableRepository(Opened[Model]):
    """Reads, updates, adds and deletes items while they move from the old table to the new one.

    Use it as an asynchronous context manager; it holds one client, is safe to share between tasks,
    and is closed at the end. Keys and items are those of the new table: dicts of plain values, or
    with a `model` instances of that class; keys are dicts in either case.

    Args:
        migration: What is migrated. Both tables must exist; after the cut-over, the new one.
        model: An attrs class, or a union of some where the table holds several kinds of items; then
            all methods return and take instances of it, as `ModelTransform` does. Default: items as
            dicts.
        one_round_trip: Let `get` and `batch_get` ask both tables at once, where latency matters
            more than read units: each read is a strongly consistent one of the new table and one
            of the old table. A hit does not wait for the old table. Counts until the cut-over.
        copy_on_read: Let `get` and `batch_get` put what they found in the old table only into the
            new one, as the migrator would. A read waits a second for it at most, and does not fail
            when it fails. Takes ``PartiQLInsert`` on the new table, or ``PutItem`` where that is
            missing.
        shadow_share: Of what `get` and `batch_get` find in the new table, the share (0 to 1) that
            is compared with what the old table yields, while that is frozen and there. Nobody waits
            for it: one item is compared at a time, a hundred wait at most, and what comes on top is
            let go. `shadow_counts` says what was found, and a difference is logged by key and
            paths. Costs half a read unit for each 4 KB of an old item. Default: 0, none.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    The phase of the migration is read from the control table on entering the context, and again
    about every 30 seconds, also while the repository rests; each look leaves a heartbeat there. It
    takes
    ``GetItem``, ``PutItem`` and ``DeleteItem`` on the control table; without the latter two the
    repository works, and the cut-over cannot see it.

    Raises:
        TableNotFoundError: One of the tables does not exist (on entering the context).
        GatewayError: DynamoDB refused a request or could not be reached (from every method). After
            an `UnavailableError` a write may have been made: its answer may be what got lost.
        InvalidKeyError: A key does not fit the new table (from every method).
        InvalidItemError: `model` is no attrs class and no union of some, or an item does not fit it
            (from every method that returns one); the message has the path to each misfit.
        TransformError: The transform fails on an item of the old table (from every method that
            falls back to it).
        StalePhaseError: The phase could not be read for 5 minutes, so nothing that needs the old
            table is done any more; in `ROLLING_OUT` and `READING_BOTH` that is every write.

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
        one_round_trip: bool = False,
        copy_on_read: bool = False,
        shadow_share: float = 0.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    @overload
    def __init__(
        self,
        migration: Migration,
        *,
        model: type[Model] | UnionType,
        one_round_trip: bool = False,
        copy_on_read: bool = False,
        shadow_share: float = 0.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    def __init__(
        self,
        migration: Migration,
        *,
        model: type[Model] | UnionType | None = None,
        one_round_trip: bool = False,
        copy_on_read: bool = False,
        shadow_share: float = 0.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        super().__init__(
            migration,
            PLAIN if model is None else form_of(model),
            one_round_trip=one_round_trip,
            copy_on_read=copy_on_read,
            shadow_share=shadow_share,
            clock=clock,
            connection=connection,
        )

    @property
    def shadow_counts(self) -> ShadowCounts:
        """What the shadow reads have found since the repository was opened; see `shadow_share`."""
        return ShadowCounts() if self._shadow is None else self._shadow.counts()

    @operation
    async def get(
        self,
        key: Key,
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> Model | None:
        """Return the item with a key, or None.

        Args:
            key: The key attributes of the new table, as plain values.
            projection: As for `query`.
            names: What the ``#names`` of the projection stand for; all of them must be used.
            consistent_read: See every write that was acknowledged before the call. Without it the
                read may miss the latest ones, as on one table, and costs half as much.
        """
        tables = await self._tables()
        wire, show = self._exchange.key(key), self._exchange.shown(projection, names)
        return cast("Model | None", show(await tables.get(wire, consistent_read=consistent_read)))

    @operation
    async def batch_get(
        self,
        keys: Iterable[Key],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> list[Model | None]:
        """Return the items of any number of keys in their order, None where there is none.

        Args:
            keys: Keys of the new table; one that comes twice is read once and returned twice.
            projection: As for `query`.
            names: As for `get`.
            consistent_read: As for `get`.
        """
        tables, show = await self._tables(), self._exchange.shown(projection, names)
        wire = [self._exchange.key(key) for key in listed(keys, "keys")]
        unique = {identity(key): key for key in wire}
        found = await tables.batch_get(unique, consistent_read=consistent_read)
        return [show(found.get(identity(key))) for key in wire]

    @operation
    async def put(
        self,
        item: Model,
        *,
        if_absent: bool = False,
        condition: ConditionBase | str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_old: bool = False,
    ) -> Model | None:
        """Put an item, replacing one with the same key.

        Args:
            item: The item in the new table's format.
            if_absent: Only where neither table has an item with that key; a deleted one counts as
                absent.
            condition: Judged on the logical item that is there before: an ``Attr`` object, or an
                expression.
            names: What the ``#names`` of an expression stand for.
            values: What the ``:values`` of an expression stand for, as plain values.
            return_old: Return what was replaced; that takes a read before the write.

        Returns:
            The item that was there, if `return_old` is set and there was one; else None.

        Raises:
            InvalidItemError: DynamoDB would refuse the item, or with `return_old` what is there
                does not fit the model; nothing is written.
            ItemExistsError: `if_absent` is set and there is such an item; nothing is written.
            ConditionFailedError: The condition does not hold; nothing was written.
            ConcurrentUpdateError: Overtaken on each of 10 tries under a condition, or with
                `return_old`; nothing was written.
        """
        tables = await self._tables()
        asked = Put(item, condition, names=defined(names), values=defined(values))
        step = self._exchange.put_step(asked)
        if not if_absent:
            return await judged_writes.put(tables, self._exchange, step, return_old=return_old)
        if condition is not None:
            raise RequestRefusedError("if_absent is a condition itself; give one of the two")
        await judged_writes.put_if_absent(tables, step)
        return None

    @operation
    async def batch_put(self, items: Iterable[Model]) -> None:
        """Put any number of items, replacing those with the same keys; not as one transaction.

        Args:
            items: Items in the new table's format. Of several with one key the last one counts.

        Raises:
            InvalidItemError: DynamoDB would refuse one of the items; nothing is sent.
            GatewayError: Some items may have been put and others not, and the message says so; put
                all of them again.
        """
        tables = await self._tables()
        stamped = [self._exchange.stamped(item) for item in listed(items, "items")]
        last = {identity(key): (key, item) for key, item in stamped}
        tables.check(item for _, item in last.values())
        for number, batch in enumerate(batches(last.values(), MAX_BATCH_WRITE)):
            with _counted(number, len(last), "put", "put"):
                await tables.batch_put(batch)

    @operation
    async def batch_delete(self, keys: Iterable[Key]) -> None:
        """Delete any number of items, where there are any; not as one transaction.

        Args:
            keys: Keys of the new table; one that comes twice is deleted once.

        Raises:
            GatewayError: Some items may have been deleted and others not, and the message says so;
                delete all of them again.
            ConcurrentUpdateError: In a phase that writes to the old table: one was overtaken on
                each of 10 tries, as `delete` may be.
        """
        tables = await self._tables()
        unique = {identity(key): key for key in map(self._exchange.key, listed(keys, "keys"))}
        for number, batch in enumerate(batches(unique.values(), MAX_BATCH_WRITE)):
            with _counted(number, len(unique), "deleted", "delete"):
                await judged_writes.batch_delete(tables, self._exchange, batch)

    @operation
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
        check_function("change", change)
        return await judged_writes.modify(self._tables, self._exchange, key, change, create=create)

    @operation
    async def update_item(
        self,
        key: Key,
        *,
        UpdateExpression: str | None,  # noqa: N803 - DynamoDB's own names, as boto3 takes them
        ConditionExpression: ConditionBase | str | None = None,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] | None = None,  # noqa: N803
        ReturnValues: ReturnValues = "NONE",  # noqa: N803
    ) -> Item | None:
        """Update an item by DynamoDB's update expression; it is created where there is none.

        An item that only the old table has is updated as the transform yields it. Of a live item in
        the new table this is one request, as on one table: where its response is lost, it is sent
        again and may take effect twice, so count with `update` what must be exact.

        Args:
            key: The key of the item.
            UpdateExpression: Such as ``SET #s = :s``; None changes nothing, and creates the item.
            ConditionExpression: Judged on the logical item: an ``Attr`` object, or an expression.
            ExpressionAttributeNames: What the ``#names`` stand for.
            ExpressionAttributeValues: What the ``:values`` stand for, as plain values.
            ReturnValues: ``NONE`` (default), ``ALL_OLD``, ``UPDATED_OLD``, ``ALL_NEW`` or
                ``UPDATED_NEW``.

        Returns:
            The attributes that ``ReturnValues`` asks for, None where there are none.

        Raises:
            ConditionFailedError: The condition does not hold; nothing was written.
            ConcurrentUpdateError: Overtaken on each of 10 tries; nothing was written.
            RequestRefusedError: An expression is malformed, does not fit the item, writes to a key
                attribute, or names one that the library owns.
        """
        tables = await self._tables()
        asked = Update(
            key,
            UpdateExpression,
            ConditionExpression,
            names=defined(ExpressionAttributeNames),
            values=defined(ExpressionAttributeValues),
        )
        check_return_values(ReturnValues)
        found = await judged_writes.update(tables, self._exchange.update_step(asked), ReturnValues)
        return None if found is None else codec.decode(found)

    @operation
    async def delete(
        self,
        key: Key,
        *,
        condition: ConditionBase | str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_old: bool = False,
    ) -> Model | None:
        """Delete an item; deleting one that does not exist is no error.

        Until the migration is finished, a tombstone takes its place. With `return_old`, one with a
        `model` reads the item first, since it must fit. Where the response is lost, it
        is sent again and finds nothing any more: a condition may then fail, or None be returned,
        although it has deleted; `transact_write` knows better.

        Args:
            key: The key of the item.
            condition: Judged on the logical item: an ``Attr`` object, or an expression.
            names: What the ``#names`` of an expression stand for.
            values: What the ``:values`` of an expression stand for, as plain values.
            return_old: Return what was deleted.

        Returns:
            The item that was there, if `return_old` is set and there was one; else None.

        Raises:
            ConditionFailedError: The condition does not hold; nothing was deleted.
            ConcurrentUpdateError: Overtaken on each of 10 tries; nothing was deleted.
            TransformError: With `return_old` or a condition, the transform fails on the item of
                the old table; nothing was deleted.
            InvalidItemError: With `return_old`, the item does not fit the model; nothing was
                deleted.
        """
        tables = await self._tables()
        asked = Delete(key, condition, names=defined(names), values=defined(values))
        return await judged_writes.delete(
            tables, self._exchange, self._exchange.delete_step(asked), return_old=return_old
        )

    def query(
        self,
        key_condition: ConditionBase | str,
        *,
        index: str | None = None,
        filter: ConditionBase | str | None = None,  # noqa: A002 - the word that all look for
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        limit: int | None = None,
        max_read_items: int | None = None,
        max_read_bytes: int | None = None,
        descending: bool = False,
        consistent_read: bool = False,
        token: str | None = None,
        after: Key | None = None,
        on_error: OnError | None = None,
    ) -> ItemIterator[Model]:
        """Iterate over the items of one partition, in the order of the sort key.

        Where the transform keeps the keys, both tables are read page by page. Where it does not,
        the old partition is read whole before the first item comes. An index query that an index of
        the old table completes reads that one's partition whole, again for each token.

        Args:
            key_condition: boto3's ``Key`` conditions on the new table or index, or an expression.
            index: The index to query. Until the cut-over, a global one is completed by
                the index of the old table that `Index` names as ``old_index``.
            filter: boto3's ``Attr`` conditions, or an expression; items that do not meet it are
                read and left out. It may not be about the key that the query goes by.
            projection: Names or paths of what is wanted of each item, such as ``customer.region``,
                ``lines[0]`` or ``#name``; or DynamoDB's projection expression. All by default.
            names: What the ``#names`` in expressions and paths stand for: attributes with dots,
                brackets or reserved names among others. Together they must use all of them.
            values: What the ``:values`` in expressions stand for, as plain values; the same.
            limit: How many items come at most; None (default) for all. What a filter leaves out
                does not count.
            max_read_items: How many items are read at most, those among them that a filter leaves
                out; then the iterator ends, and its `token` or `last_key` leads on.
            max_read_bytes: The same in bytes of items, as DynamoDB counts them; the item that
                reaches the bound still comes.
            descending: From the last sort key to the first.
            consistent_read: See every write that was acknowledged before a page is read. Without
                it, a page may have an older version of an item, as on one table.
            token: Where to go on: the `token` of an earlier iterator for the same query. It names
                the item that came last: what is written or copied meanwhile lets none come twice
                or be left out that exists throughout.
            after: In place of a token, the key of the item that came last: the `last_key` of an
                earlier iterator, or any other. It does as well as a token but where a scan, or a
                query of an index that `old` completes, was begun before the cut-over; and where a
                scan goes on in an entry phase behind a key that was deleted and put again since.
            on_error: Is called with the error of each item that cannot be read: a `TransformError`
                for one of the old table that the transform fails on, its key in ``error.key``, an
                `InvalidItemError` for one that does not fit the `model`. Then the iteration goes
                on, and counts it in `failed`; to raise ends it. Without it, the error is raised.

        Raises:
            InvalidKeyError: The condition does not fit the key of the table or index.
            UnknownIndexError: There is no such index.
            InvalidTokenError: The token is damaged or of another query.
            RequestRefusedError: A filter or projection is malformed; a name or value is not used.
            InvalidSettingError: `limit` is no whole number from 1.
            IndexNotReadyError: The index is not complete yet (while iterating).
            TransformError: The partition cannot be mapped back to one of the old table, or the
                transform fails on an item (while iterating; the latter unless there is `on_error`).
        """
        declared = self._migration.indexes or ()
        found = self._exchange.index(index, declared, consistent_read=consistent_read)
        given = self._exchange.placeholders(names, values)
        asked = Query(
            condition=self._exchange.key_condition(key_condition, found, given),
            index=found,
            descending=descending,
            consistent_read=consistent_read,
            page_items=max_read_items or (limit if filter is None else None),
        )
        sent = asked.condition.sent
        question = digest(
            ["query", index, sent.expression, sent.names, sent.values, descending, *self._identity]
        )
        place: QueryPlace | Behind | None = None
        if token is not None:
            place = QueryPlace.of(from_token(token, question), asked, self._exchange.new.key)
        elif after is not None:
            schema = asked.condition.schema
            place = query_place(starting_key(after, self._exchange.new, schema), asked)

        async def open_source(failures: Failures) -> Source:
            return await open_query(await self._tables(), asked, place, failures)

        return iterator(
            self._exchange,
            open_source,
            operations=self._watch,
            keep=self._exchange.filter(filter, given, found, asked.condition.schema),
            projection=projection,
            given=given,
            limit=limit,
            max_read_items=max_read_items,
            max_read_bytes=max_read_bytes,
            index=found,
            question=question,
            token=token,
            on_error=on_error,
        )

    def scan(
        self,
        *,
        index: str | None = None,
        filter: ConditionBase | str | None = None,  # noqa: A002
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        limit: int | None = None,
        max_read_items: int | None = None,
        max_read_bytes: int | None = None,
        segment: int = 0,
        total_segments: int = 1,
        consistent_read: bool = False,
        token: str | None = None,
        after: Key | None = None,
        on_error: OnError | None = None,
    ) -> ItemIterator[Model]:
        """Iterate over all items; each key that exists throughout comes exactly once.

        Until the cut-over, both tables are read whole. The items of one partition come in the order
        of the sort key, as on one table, if both tables have the same keys and the old one is
        frozen; in the phases before that, what only the new table has comes last.

        Args:
            index: The index to scan: only what belongs into it comes, and of that only what it
                projects. Until the cut-over it is found in both tables, so both are read whole, and
                its items come in the order of the table.
            filter: As for `query`; it may be about any attribute.
            projection: As for `query`.
            names: As for `query`.
            values: As for `query`.
            limit: As for `query`.
            max_read_items: As for `query`.
            max_read_bytes: As for `query`.
            segment: Which of the `total_segments` parts to read, from 0; run one scan for each, and
                read the first page of each in one phase: behind the cut-over, an index and a table
                whose partition key changes are divided otherwise than before.
            total_segments: Parts that both tables are divided into.
            consistent_read: As for `query`.
            token: As for `query`.
            after: As for `query`.
            on_error: As for `query`.

        Raises:
            InvalidSettingError: A setting is out of range.
            InvalidTokenError: The token is damaged or of another scan.
            UnknownIndexError: There is no such index.
            RequestRefusedError: A filter or projection is malformed; a name or value is not used.
            TransformError: The transform fails on an item (while iterating, unless there is
                `on_error`).
        """
        tables, _ = self._open()
        given = self._exchange.placeholders(names, values)
        found = self._exchange.index(index, (), consistent_read=consistent_read)
        counted: dict[str, Any] = {"whole": True, "optional": False}
        check_range("total_segments", total_segments, 1, 1_000_000, **counted)
        check_range("segment", segment, 0, total_segments - 1, **counted)
        asked = Scan(
            segment=segment,
            total_segments=total_segments,
            index=found,
            consistent_read=consistent_read,
            page_items=max_read_items or (limit if filter is None else None),
        )
        question = digest(["scan", index, segment, total_segments, *self._identity])
        place = None if token is None else ScanPlace.of(from_token(token, question), tables, asked)
        schema = None if found is None else found.key
        last = None if after is None or token else starting_key(after, self._exchange.new, schema)

        async def open_source(failures: Failures) -> Source:
            tables = await self._tables()
            begin = place if last is None else await scan_place(tables, last)
            return ScanReader(tables, asked, begin, failures)

        return iterator(
            self._exchange,
            open_source,
            operations=self._watch,
            keep=self._exchange.filter(filter, given, found),
            projection=projection,
            given=given,
            limit=limit,
            max_read_items=max_read_items,
            max_read_bytes=max_read_bytes,
            index=found,
            question=question,
            token=token,
            on_error=on_error,
        )

    @operation
    async def transact_write(
        self, actions: Iterable[Action], *, client_token: str | None = None
    ) -> None:
        """Write several items, all of them or none.

        Args:
            actions: Up to 100 of `Put`, `Update`, `Delete` and `ConditionCheck`, each on another
                key; those with a ``table`` on items of other tables.
            client_token: A text of your own for this transaction: another call with it does
                nothing, as long as one item of the migrated table is still as the first has put or
                updated it. All items are looked at for that. One that does neither there is not
                known again; one of other tables alone is for ten minutes, by DynamoDB. Another
                transaction with it is refused where it names such an item, and else it is done.

        Raises:
            ConditionFailedError: The condition of an action does not hold; nothing was written. Its
                ``reasons`` say of each action whether it is to blame.
            ConcurrentUpdateError: Overtaken on each of 10 tries; nothing was written.
            InvalidItemError: DynamoDB would refuse one of the items; nothing is sent.
            InvalidKeyError: A key does not fit, comes twice, or there are no or too many actions.
            RequestRefusedError: An expression is malformed or does not fit the item; or the client
                token was given to another transaction, as far as that is known.
            InvalidSettingError: `actions` is no list.
        """
        tables = await self._tables()
        steps = [self._exchange.step(action) for action in listed(actions, "actions")]
        await transactions.write(tables, steps, client_token)

    @overload
    async def transact_get(
        self,
        keys: Iterable[Key],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Model | None]: ...

    @overload
    async def transact_get(
        self,
        keys: Iterable[Key | Get],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Any]: ...

    @operation  # type: ignore[misc]  # a decorated method says less of its parameters
    async def transact_get(
        self,
        keys: Iterable[Key | Get],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Any]:
        """Return up to 100 items as they are at one moment, None where there is none.

        Args:
            keys: Different keys of the new table; a `Get` for one that has a projection of its own,
                or is of another table.
            projection: As for `query`; of what is no `Get`.
            names: As for `get`.

        Raises:
            InvalidKeyError: A key does not fit, comes twice, or there are no or too many keys.
        """
        tables = await self._tables()
        gets = [
            key if isinstance(key, Get) else Get(key, projection, names=defined(names))
            for key in listed(keys, "keys")
        ]
        wanted = [self._exchange.wanted(get) for get in gets]
        found = await transactions.read(tables, [where for where, _ in wanted])
        return [show(item) for (_, show), item in zip(wanted, found, strict=True)]


@contextmanager
def _counted(number: int, of: int, done: str, again: str) -> Iterator[None]:
    """Let an error say how much was done before, in earlier batches."""
    try:
        yield
    except GatewayError as error:
        before = number * MAX_BATCH_WRITE
        error.args = (f"{error}; {before} of {of} items were {done} before, {again} all again",)
        raise
