"""The gateway to real DynamoDB: the port on a client.

The rule: a method builds one request, sends it, and reads off the answer what the port promises;
nothing is decided here but which way an insert goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dualtable._dynamodb.client import Client, open_client
from dualtable._dynamodb.gateway import (
    BILLED,
    BatchGet,
    ConditionFailed,
    Extras,
    Insert,
    InsertBatch,
    Outcome,
    Page,
    Policy,
    ReturnValues,
    TimeToLive,
    TransactAction,
    TransactGet,
)
from dualtable._dynamodb.parameters import (
    attributes_of,
    conditional,
    consumed_units,
    insert_statement,
    page_of,
    placeholders,
    projecting,
    returning_old,
    transact_item,
    updating,
)
from dualtable._dynamodb.refusals import NOT_PERMITTED, insert_of
from dualtable._expressions.texts import Condition, Update
from dualtable._tasks import run_all
from dualtable._wire.json import raw_json
from dualtable._wire.packed import PackedItem, batch_write_units
from dualtable._wire.sizes import item_bytes, write_units
from dualtable._wire.types import Definition, Description, WireItem, WireKey
from dualtable.errors import (
    AccessError,
    GatewayError,
    RequestRefusedError,
    RetryableError,
    TableNotFoundError,
)

_T = TypeVar("_T")
_log = logging.getLogger("dualtable.aws")

_POLL_SECONDS = 0.5
_POLLS_UNSEEN = 20


@asynccontextmanager
async def open_gateway(**settings: Any) -> AsyncIterator[AwsGateway]:
    """Open a client for one use and yield the gateway on it; close it at the end.

    Settings are those of `open_client`.
    """
    async with open_client(**settings) as client:
        yield AwsGateway(client)


class AwsGateway:
    """The port on a client; see `dualtable._dynamodb.gateway.Gateway` for its methods."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._partiql = True

    @property
    def place(self) -> tuple[str, str]:
        """The region and the endpoint that requests go to, as the SDK has chosen them."""
        meta = self._client.sdk.meta
        return meta.region_name, meta.endpoint_url

    async def describe_table(self, table: str) -> Description:
        response = await self._client.call("DescribeTable", table, {})
        return {**response["Table"], "TableName": table}

    async def create_table(self, definition: Definition) -> None:
        table = definition["TableName"]
        try:
            await self._client.call("CreateTable", table, definition)
        except GatewayError as error:
            if error.code != "ResourceInUseException":
                raise
        unseen = 0  # a table that has just been created may not be known everywhere yet
        while True:
            try:
                if (await self.describe_table(table))["TableStatus"] == "ACTIVE":
                    return
            except TableNotFoundError:
                unseen += 1
                if unseen == _POLLS_UNSEEN:
                    raise
            await asyncio.sleep(_POLL_SECONDS)

    async def describe_extras(self, table: str) -> Extras:
        description = await self.describe_table(table)
        return Extras(
            await _known(self._time_to_live(table)),
            await _known(self._tags(description["TableArn"])),
        )

    async def _time_to_live(self, table: str) -> TimeToLive:
        answer = await self._client.call("DescribeTimeToLive", table, {})
        found = answer["TimeToLiveDescription"]
        is_on = found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return TimeToLive(found["AttributeName"] if is_on else None)

    async def _tags(self, arn: str) -> tuple[dict[str, str], ...]:
        tags: list[dict[str, str]] = []
        parameters = {"ResourceArn": arn}
        while True:
            page = await self._client.call("ListTagsOfResource", None, parameters)
            tags += page.get("Tags", [])
            if not page.get("NextToken"):
                return tuple(tags)
            parameters["NextToken"] = page["NextToken"]

    async def switch_ttl_on(self, table: str, attribute: str) -> None:
        specification = {"Enabled": True, "AttributeName": attribute}
        parameters = {"TimeToLiveSpecification": specification}
        await self._client.call("UpdateTimeToLive", table, parameters)

    async def policy(self, table: str) -> Policy | None:
        try:
            found = await self._about_policy("GetResourcePolicy", table, {})
        except RequestRefusedError as error:
            if error.code == "PolicyNotFoundException":
                return None
            raise
        return Policy(found["Policy"], found["RevisionId"])

    async def put_policy(self, table: str, text: str, *, over: Policy | None) -> None:
        expected = "NO_POLICY" if over is None else over.revision
        parameters = {"Policy": text, "ExpectedRevisionId": expected}
        await self._about_policy("PutResourcePolicy", table, parameters)

    async def delete_policy(self, table: str, *, over: Policy) -> None:
        parameters = {"ExpectedRevisionId": over.revision}
        await self._about_policy("DeleteResourcePolicy", table, parameters)

    async def _about_policy(
        self, operation: str, table: str, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        arn = (await self.describe_table(table))["TableArn"]
        return await self._client.call(operation, None, {"ResourceArn": arn, **parameters})

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        parameters = {"Key": key, "ConsistentRead": consistent_read}
        response = await self._client.call("GetItem", table, parameters)
        return response.get("Item")

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        request = {"Keys": keys, "ConsistentRead": consistent_read, **projecting(attributes)}
        response = await self._client.call(
            "BatchGetItem",
            None,
            {"RequestItems": {table: request}, "ReturnConsumedCapacity": "TOTAL"},
        )
        items = _only(response["Responses"], [])  # under the table's name, or its ARN
        left = _only(response.get("UnprocessedKeys", {}), {}).get("Keys", [])
        return BatchGet(items, left, consumed_units(response))

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        parameters = {"Item": item, **conditional(condition), **returning_old(return_old)}
        return attributes_of(await self._client.call("PutItem", table, parameters))

    async def update(
        self,
        table: str,
        key: WireKey,
        update: Update,
        condition: Condition | None = None,
        *,
        return_values: ReturnValues = "NONE",
    ) -> WireItem | None:
        parameters = {"Key": key, **updating(update, condition), "ReturnValues": return_values}
        return attributes_of(await self._client.call("UpdateItem", table, parameters))

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        requests = [{"PutRequest": {"Item": item}} for item in items]
        response = await self._client.call(
            "BatchWriteItem", None, {"RequestItems": {table: requests}}
        )
        left = _only(response.get("UnprocessedItems", {}), [])
        return [request["PutRequest"]["Item"] for request in left]

    async def delete(
        self,
        table: str,
        key: WireKey,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        parameters = {"Key": key, **conditional(condition), **returning_old(return_old)}
        return attributes_of(await self._client.call("DeleteItem", table, parameters))

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
        parameters: dict[str, Any] = {
            **projecting(attributes),
            "Segment": segment,
            "TotalSegments": total_segments,
            "ConsistentRead": consistent_read,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if index is not None:
            parameters["IndexName"] = index
        if start_key is not None:
            parameters["ExclusiveStartKey"] = start_key
        if limit is not None:
            parameters["Limit"] = limit
        return page_of(await self._client.call("Scan", table, parameters))

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
        parameters: dict[str, Any] = {
            "KeyConditionExpression": key_condition.expression,
            **placeholders(key_condition),
            "ConsistentRead": consistent_read,
            "ScanIndexForward": not descending,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if index is not None:
            parameters["IndexName"] = index
        if start_key is not None:
            parameters["ExclusiveStartKey"] = start_key
        if limit is not None:
            parameters["Limit"] = limit
        return page_of(await self._client.call("Query", table, parameters))

    async def transact_write(
        self, actions: Sequence[TransactAction], *, token: str | None = None
    ) -> None:
        parameters: dict[str, Any] = {"TransactItems": [transact_item(a) for a in actions]}
        if token is not None:
            parameters["ClientRequestToken"] = token
        await self._client.call("TransactWriteItems", None, parameters)

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        items = [{"Get": {"TableName": get.table, "Key": get.key}} for get in gets]
        response = await self._client.call("TransactGetItems", None, {"TransactItems": items})
        return [answer.get("Item") for answer in response["Responses"]]

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        statements = [insert_statement(table, item.names) for item in items]
        batched = [n for n, text in enumerate(statements) if text is not None and self._partiql]
        outcomes: dict[int, Insert] = {}
        units = 0.0
        if batched:
            requests = [
                {"Statement": statements[n], "Parameters": raw_json(items[n].values)}
                for n in batched
            ]
            try:
                answers, units = await self._insert_statements(table, requests)
                outcomes.update(_accepted(zip(batched, answers, strict=True)))
            except AccessError as error:
                if error.code not in NOT_PERMITTED:
                    raise
                self._give_up_partiql(error)
            except RequestRefusedError:
                pass  # one member spoils the batch: each goes by itself, and the bad one fails
        if not units:  # where every statement fails, it is not said what is billed
            billed = [n for n, answer in outcomes.items() if answer.outcome in BILLED]
            units = batch_write_units([items[n] for n in billed])
        # What PartiQL does not take, PutItem may: an odd name, say; else it has the last word.
        single = [n for n in range(len(items)) if n not in outcomes]
        for n, (answer, paid) in zip(
            single,
            await run_all(self._insert_one(table, items[n].item(), key_name) for n in single),
            strict=True,
        ):
            outcomes[n] = answer
            units += paid
        return InsertBatch([outcomes[n] for n in range(len(items))], units)

    def _give_up_partiql(self, error: AccessError) -> None:
        if self._partiql:
            _log.warning(
                "batched inserts are not permitted (dynamodb:PartiQLInsert);"
                " items go by single conditional puts, which are slower",
                extra={"code": error.code},
            )
        self._partiql = False

    async def _insert_statements(
        self, table: str, statements: list[dict[str, Any]]
    ) -> tuple[list[Insert], float]:
        response = await self._client.call(
            "BatchExecuteStatement",
            None,
            {"Statements": statements, "ReturnConsumedCapacity": "TOTAL"},
        )
        answers = [insert_of(table, member) for member in response["Responses"]]
        return answers, consumed_units(response)

    async def _insert_one(self, table: str, item: WireItem, key_name: str) -> tuple[Insert, float]:
        """Put one item if it is absent; return what became of it, and the write units of that."""
        parameters = {
            "Item": item,
            **conditional(Condition("attribute_not_exists(#k)", {"#k": key_name})),
            "ReturnConsumedCapacity": "TOTAL",
        }
        try:
            response = await self._client.call("PutItem", table, parameters)
        except ConditionFailed:
            return Insert(Outcome.PRESENT), write_units(item_bytes(item))
        except RetryableError as error:
            return Insert(Outcome.RETRY, error.code), 0.0
        except RequestRefusedError as error:
            return Insert(Outcome.REFUSED, str(error)), 0.0
        return Insert(Outcome.WRITTEN), consumed_units(response) or write_units(item_bytes(item))


def _only(tables: Mapping[str, _T], nothing: _T) -> _T:
    """Return what an answer has of the one table that was asked for."""
    return next(iter(tables.values()), nothing)


def _accepted(answers: Iterable[tuple[int, Insert]]) -> dict[int, Insert]:
    return {n: answer for n, answer in answers if answer.outcome is not Outcome.REFUSED}


async def _known(question: Awaitable[_T]) -> _T | None:
    """Return the answer; None where a role may not ask, or a server does not know the question."""
    try:
        return await question
    except (AccessError, RequestRefusedError):
        return None
