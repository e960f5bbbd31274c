"""`Table`: the repository with the words of aioboto3's ``Table``.

The rule: nothing is decided here about two tables. A method checks its parameters, puts them into
the repository's words, and gives what it answers the form that boto3 would give it.
"""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import Any, Self

from dualtable._reading.iteration import ItemIterator
from dualtable._transforms.migration import Migration
from dualtable._wire import codec
from dualtable._wire.types import Item
from dualtable.drop_in import _parameters
from dualtable.drop_in._attributes import Described, described
from dualtable.drop_in._client import Client, Meta
from dualtable.drop_in._errors import answered, not_valid
from dualtable.drop_in._others import Others
from dualtable.drop_in._parameters import check, counts_only, returns_old
from dualtable.drop_in._repository import PAGE_BYTES, Place, Repository, without_projection
from dualtable.drop_in._values import BatchWriter, metadata, shown
from dualtable.errors import RequestRefusedError

_REMEMBERED = 1000  # starting keys of scans


class Table(Described):
    """The migrated table as code knows it that is written for aioboto3's ``Table``.

    Make it where the code has made ``await dynamodb.Table("orders")``; it is an asynchronous
    context manager. Keys and items are those of the new table. Each method takes the parameters of
    boto3's method, and answers and fails as that does: with a ``botocore.exceptions.ClientError``
    of DynamoDB's code. What only a migration can be wrong about keeps its own class:
    `StalePhaseError`, `IndexNotReadyError`, `TransformError`.

    Args:
        migration: What is migrated, as for `dualtable.DualTableRepository`.
        **options: All others of `dualtable.DualTableRepository` but `model`: ``one_round_trip``,
            ``copy_on_read``, ``shadow_share``, ``clock``, and how to reach DynamoDB.

    Raises:
        RequestRefusedError: A parameter is not done here, such as the legacy ones; the message has
            its name (from every method). It is a `DualTableError`, and no ``ClientError``.

    Example:
        >>> import asyncio
        >>> from boto3.dynamodb.conditions import Attr
        >>> from botocore.exceptions import ClientError
        >>> from dualtable import Migration, Move, drop_in
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
        ...     async with drop_in.Table(migration, gateway=gateway) as table:
        ...         try:
        ...             await table.put_item(
        ...                 Item={"id": "o-1"}, ConditionExpression=Attr("id").not_exists()
        ...             )
        ...         except ClientError as error:
        ...             print(error.response["Error"]["Code"])
        ...         return (await table.get_item(Key={"id": "o-1"}))["Item"]
        >>> asyncio.run(main())
        ConditionalCheckFailedException
        {'id': 'o-1', 'name': 'Ann'}
    """

    def __init__(self, migration: Migration, **options: Any) -> None:
        if "model" in options:
            raise RequestRefusedError("a drop-in table has no model; its items are dicts")
        self._migration = migration
        self._repository = Repository(migration, **options)
        self._description: dict[str, Any] | None = None
        self._starting: OrderedDict[str, str | None] = OrderedDict()
        self._others = Others(self._repository.connection)
        self.meta: Meta = Meta(Client(self, self._repository, self._others))

    @property
    def name(self) -> str:
        """The name of the new table, whose format the items have."""
        return self._migration.new

    @property
    def table_name(self) -> str:
        """The same as `name`; it need not be awaited, as with aioboto3."""
        return self.name

    async def __aenter__(self) -> Self:
        await self._repository.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._others.close()
        await self._repository.__aexit__(kind, error, trace)

    async def get_item(self, **parameters: Any) -> dict[str, Any]:
        """Return ``Item``, where there is one.

        Args:
            **parameters: ``Key``; ``ConsistentRead``, ``ProjectionExpression``,
                ``ExpressionAttributeNames``.
        """
        check(_parameters.GET, parameters)
        with answered("GetItem", parameters):
            found = await self._repository.get(
                parameters["Key"],
                projection=parameters.get("ProjectionExpression"),
                names=parameters.get("ExpressionAttributeNames"),
                consistent_read=parameters.get("ConsistentRead", False),
            )
        return _response(Item=found)

    async def put_item(self, **parameters: Any) -> dict[str, Any]:
        """Put an item; return ``Attributes``, what was there, where ``ReturnValues`` asks for it.

        Args:
            **parameters: ``Item``; ``ConditionExpression``, ``ExpressionAttributeNames``,
                ``ExpressionAttributeValues``, ``ReturnValues``,
                ``ReturnValuesOnConditionCheckFailure``.
        """
        check(_parameters.PUT, parameters)
        return_old = returns_old(_parameters.PUT, parameters)
        with answered("PutItem", parameters):
            found = await self._repository.put(
                parameters["Item"], return_old=return_old, **_condition(parameters)
            )
        return _response(Attributes=found)

    async def update_item(self, **parameters: Any) -> dict[str, Any]:
        """Update an item; return ``Attributes``, as ``ReturnValues`` asks for them.

        Args:
            **parameters: ``Key``; ``UpdateExpression``, and those of `put_item`.
        """
        check(_parameters.UPDATE, parameters)
        with answered("UpdateItem", parameters):
            found = await self._repository.update_item(
                parameters["Key"],
                UpdateExpression=parameters.get("UpdateExpression"),
                ConditionExpression=parameters.get("ConditionExpression"),
                ExpressionAttributeNames=parameters.get("ExpressionAttributeNames"),
                ExpressionAttributeValues=parameters.get("ExpressionAttributeValues"),
                ReturnValues=parameters.get("ReturnValues", "NONE"),
            )
        return _response(Attributes=found)

    async def delete_item(self, **parameters: Any) -> dict[str, Any]:
        """Delete an item; return ``Attributes``, what was there, as `put_item` does.

        Args:
            **parameters: ``Key``, and those of `put_item`.
        """
        check(_parameters.DELETE, parameters)
        return_old = returns_old(_parameters.DELETE, parameters)
        with answered("DeleteItem", parameters):
            found = await self._repository.delete(
                parameters["Key"], return_old=return_old, **_condition(parameters)
            )
        return _response(Attributes=found)

    async def query(self, **parameters: Any) -> dict[str, Any]:
        """Return a page of one partition: ``Items``, ``Count``, ``ScannedCount``.

        There is a ``LastEvaluatedKey`` where the page has ended before the partition: pass it as
        ``ExclusiveStartKey``, here or in another process, in this phase or the next.

        Args:
            **parameters: ``KeyConditionExpression``; ``IndexName``, ``FilterExpression``,
                ``ProjectionExpression``, ``ExpressionAttributeNames``,
                ``ExpressionAttributeValues``, ``Limit``, ``Select``, ``ScanIndexForward``,
                ``ConsistentRead``, ``ExclusiveStartKey``.
        """
        taken = _parameters.QUERY
        check(taken, parameters)
        only_counts = counts_only(taken, parameters)
        if "KeyConditionExpression" not in parameters:
            raise not_valid("KeyConditionExpression must be specified", taken.operation)
        with answered(taken.operation, parameters):
            items = self._repository.query(
                parameters["KeyConditionExpression"],
                descending=not parameters.get("ScanIndexForward", True),
                after=parameters.get("ExclusiveStartKey"),
                **self._page(parameters),
            )
            answer, _ = await self._answer(items, parameters, only_counts)
        return answer

    async def scan(self, **parameters: Any) -> dict[str, Any]:
        """Return a page of all items, as `query` does.

        Within one `Table`, a scan goes on behind the cut-over where it was; a ``LastEvaluatedKey``
        that another process has got before it, must not be used here after it.

        Args:
            **parameters: Those of `query` but for ``KeyConditionExpression`` and
                ``ScanIndexForward``; ``Segment``, ``TotalSegments``.
        """
        taken = _parameters.SCAN
        check(taken, parameters)
        only_counts = counts_only(taken, parameters)
        _check_segments(parameters)
        segment, total = parameters.get("Segment", 0), parameters.get("TotalSegments", 1)
        start, scan = (
            parameters.get("ExclusiveStartKey"),
            (parameters.get("IndexName"), segment, total),
        )
        with answered(taken.operation, parameters):
            token = start and self._starting.get(_named(scan, start))
            items = self._repository.scan(
                segment=segment,
                total_segments=total,
                token=token,
                after=start if token is None else None,
                **self._page(parameters),
            )
            answer, place = await self._answer(items, parameters, only_counts)
        if place.last_key is not None:
            self._remember(_named(scan, place.last_key), place.token)
        return answer

    def batch_writer(
        self,
        overwrite_by_pkeys: list[str] | None = None,
        flush_amount: int = 25,
        on_exit_loop_sleep: int = 0,
    ) -> Any:
        """Return aioboto3's own batch writer, to be used as an asynchronous context manager.

        Args:
            overwrite_by_pkeys: Names of the key attributes, to let the last of several requests
                for one key count.
            flush_amount: Requests that are sent at once.
            on_exit_loop_sleep: Seconds to wait between what is sent again at the end.
        """
        return BatchWriter(
            self.name,
            self.meta.client,
            flush_amount=flush_amount,
            overwrite_by_pkeys=overwrite_by_pkeys,
            on_exit_loop_sleep=on_exit_loop_sleep,
        )

    async def load(self) -> None:
        """Ask what the tables are like; `key_schema`, `item_count` and others say it then."""
        with answered("DescribeTable", {}):
            self._description = described(await self._repository.describe())

    async def reload(self) -> None:
        """Do what `load` does, once more."""
        await self.load()

    async def attribute(self, name: str) -> Any:
        """Return what the description says by one of DynamoDB's names, None for nothing."""
        if self._description is None:
            await self.load()
        return (self._description or {}).get(name)

    def _page(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return what a query and a scan of the repository are given alike."""
        if self._repository.asks_beyond(parameters):
            parameters = without_projection(parameters)
        return {
            "index": parameters.get("IndexName"),
            "filter": parameters.get("FilterExpression"),
            "projection": parameters.get("ProjectionExpression"),
            "names": parameters.get("ExpressionAttributeNames"),
            "values": parameters.get("ExpressionAttributeValues"),
            "max_read_items": parameters.get("Limit"),
            "max_read_bytes": PAGE_BYTES,
            "consistent_read": parameters.get("ConsistentRead", False),
        }

    async def _answer(
        self, items: ItemIterator[Item], parameters: dict[str, Any], only_counts: bool
    ) -> tuple[dict[str, Any], Place]:
        """Return the answer of a query or scan, and the place where the next one goes on."""
        found: list[Item] = []
        if self._repository.asks_beyond(parameters):
            found, place = await self._repository.whole(items, parameters)
            count = len(found)
        else:
            if only_counts:
                count = await items.count()
            else:
                found = [item async for item in items]
                count = len(found)
            place = Place.of(items)
        answer = {
            **({} if only_counts else {"Items": [shown(item) for item in found]}),
            "Count": count,
            "ScannedCount": place.read,
            **({} if place.last_key is None else {"LastEvaluatedKey": shown(place.last_key)}),
            **_response(),
        }
        return answer, place

    def _remember(self, name: str, token: str | None) -> None:
        self._starting[name] = token
        if len(self._starting) > _REMEMBERED:
            self._starting.popitem(last=False)


def _check_segments(parameters: dict[str, Any]) -> None:
    if ("Segment" in parameters) is not ("TotalSegments" in parameters):
        raise not_valid("Segment and TotalSegments go together", "Scan")


def _named(scan: tuple[str | None, int, int], key: Item) -> str:
    """Return a text that is equal for equal keys, however their values are spelled or wrapped."""
    return repr((scan, sorted(codec.encode(key).items())))


def _condition(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "condition": parameters.get("ConditionExpression"),
        "names": parameters.get("ExpressionAttributeNames"),
        "values": parameters.get("ExpressionAttributeValues"),
    }


def _response(**parts: Item | None) -> dict[str, Any]:
    """Return what is there, with the metadata of a request that has succeeded."""
    found = {name: shown(part) for name, part in parts.items() if part is not None}
    return {**found, "ResponseMetadata": metadata()}
