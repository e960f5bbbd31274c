"""What the drop-in promises beside the answers of a plain table."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orders
import pages
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from dualtable import (
    ConditionCheck,
    Delete,
    DualTableRepository,
    Get,
    Index,
    KeySchema,
    Migration,
    Phase,
    Put,
    Rename,
    Update,
    create_table,
    drop_in,
    sync,
)
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.errors import RequestRefusedError
from dualtable.testing import Faults, MemoryGateway

GUIDE = pages.ROOT / "docs" / "guides" / "drop-in.md"
ROW = re.compile(r"^\| `((?:table|client|listed).+?)` \| `(.+?)` \|$", re.MULTILINE)
ROWS = ROW.findall(GUIDE.read_text())

WORDS = {each.__name__: each for each in (Attr, Key, Put, Update, Delete, ConditionCheck, Get)}
"""Names that the rows of the guide use."""


async def opened() -> tuple[MemoryGateway, Migration]:
    gateway = MemoryGateway()
    by_name = Index("by-name", KeySchema("name"))
    plan = orders.migration("orders", Rename("nme", "name"), indexes=[by_name])
    for table in (plan.old, "ledger"):
        await gateway.create_table(orders.table(table, ("id", "S")))
    assert (await create_table(plan, gateway=gateway)).ok
    for number in range(20):
        await gateway.put(plan.old, codec.encode({"id": f"o-{number}", "nme": "old"}))
    return gateway, plan


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.mark.parametrize(("with_table", "with_repository"), ROWS)
async def test_each_row_of_the_guide_runs(with_table: str, with_repository: str) -> None:
    """A call and its counterpart do the same: what is there afterwards is equal."""
    left = []
    for call in (with_table, with_repository):
        gateway, plan = await opened()
        async with (
            drop_in.Table(plan, gateway=gateway) as table,
            DualTableRepository(plan, gateway=gateway) as repository,
        ):
            names = {
                "listed": listed,
                "table": table,
                "client": table.meta.client,
                "orders": repository,
                "key": {"id": "o-1"},
                "item": {"id": "o-1", "name": "put"},
            }
            await eval(call, {**WORDS, **names})
            there = sorted(await listed(repository.scan()), key=lambda item: str(item["id"]))
            left.append((there, await orders.everything(gateway, "ledger")))
    assert len(ROWS) == 35
    assert left[0] == left[1]


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_a_scan_goes_on_by_its_key_in_another_process(limit: int) -> None:
    """Each page is read by a table of its own, from a key that has been JSON, between writes."""
    gateway, plan = await opened()
    found, start = [], {}
    for number in range(100):
        async with drop_in.Table(plan, gateway=gateway) as table:
            page = await table.scan(Limit=limit, **start)
            await table.put_item(Item={"id": f"o-{number % 20}", "name": "new"})
        assert page["ScannedCount"] == page["Count"] <= limit
        found += [item["id"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"].keys() == {"id"}
        start = {"ExclusiveStartKey": json.loads(json.dumps(page["LastEvaluatedKey"]))}
    assert sorted(found) == sorted(f"o-{number}" for number in range(20))


async def test_a_filter_counts_in_the_limit() -> None:
    """As on one table, Limit bounds what is read; what a filter leaves out is in ScannedCount."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        page = await table.scan(Limit=5, FilterExpression=Attr("name").eq("nobody"))
    assert (page["Items"], page["Count"], page["ScannedCount"]) == ([], 0, 5)
    assert "LastEvaluatedKey" in page


async def test_an_error_brings_the_item_and_survives_pickling() -> None:
    """A worker hands it on; its class is the one that the client has."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException) as caught:
            await table.delete_item(
                Key={"id": "o-1"},
                ConditionExpression=Attr("name").eq("nobody"),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.response["Item"] == {"id": {"S": "o-1"}, "name": {"S": "old"}}
    assert isinstance(again, ClientError)


async def test_a_client_token_is_known_again() -> None:
    """The same transaction sent twice counts once."""
    gateway, plan = await opened()
    add = {
        "TableName": plan.new,
        "Key": {"id": "o-1"},
        "UpdateExpression": "ADD visits :n",
        "ExpressionAttributeValues": {":n": 1},
    }
    async with drop_in.Table(plan, gateway=gateway) as table:
        for token in ("a", "a", "b", "b"):
            await table.meta.client.transact_write_items(
                TransactItems=[{"Update": add}], ClientRequestToken=token
            )
        assert (await table.get_item(Key={"id": "o-1"}))["Item"]["visits"] == 2


async def test_a_client_token_of_another_transaction() -> None:
    """What is not asked again cannot be known again; the guide says so."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:

        async def put(*numbers: int, name: str = "first") -> None:
            items = [{"id": f"o-{number}", "name": name} for number in numbers]
            puts = [{"Put": {"TableName": plan.new, "Item": item}} for item in items]
            client = table.meta.client
            await client.transact_write_items(TransactItems=puts, ClientRequestToken="a")

        await put(1, 2)
        for numbers in ((1, 2), (2, 1), (3, 1)):
            with pytest.raises(table.meta.client.exceptions.IdempotentParameterMismatchException):
                await put(*numbers, name="second")
        assert (await table.get_item(Key={"id": "o-3"}))["Item"]["name"] == "old"
        await put(3, name="second")
        assert (await table.get_item(Key={"id": "o-3"}))["Item"]["name"] == "second"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: t.get_item(Key={"id": "x"}, AttributesToGet=["id"]), "AttributesToGet"),
        (lambda t: t.put_item(Item={"id": "x"}, Expected={}), "Expected"),
        (lambda t: t.query(KeyConditions={}), "KeyConditions"),
        (lambda t: t.scan(ReturnConsumedCapacity="TOTAL"), "ReturnConsumedCapacity"),
        (lambda t: t.meta.client.get_item(TableName="others", Key={"id": "x"}), "others"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(call: Callable[..., Any], name: str) -> None:
    """Nothing is passed over: whoever asked for it would believe the answer."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        with pytest.raises(RequestRefusedError, match=name):
            await call(table)


@pytest.mark.parametrize("value", [1, ["x"]])
@pytest.mark.parametrize("place", ["old", "new"])
async def test_a_transaction_is_cancelled_for_an_update_that_does_not_fit(
    place: str, value: Any
) -> None:
    """DynamoDB names the action; where the item is, is no concern of the caller."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        if place == "new":
            await table.put_item(Item={"id": "o-1", "name": "new"})
        adds = {
            "TableName": table.name,
            "Key": {"id": "o-1"},
            "UpdateExpression": "SET #n = :n" if value == 1 else "SET #n = list_append(#n, :n)",
            "ExpressionAttributeNames": {"#n": "name"},  # the key of an index
            "ExpressionAttributeValues": {":n": value},
        }
        puts = {"TableName": table.name, "Item": {"id": "o-99"}}
        with pytest.raises(table.meta.client.exceptions.TransactionCanceledException) as caught:
            await table.meta.client.transact_write_items(
                TransactItems=[{"Put": puts}, {"Update": adds}]
            )
        codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
        assert codes == ["None", "ValidationError"]
        assert "Item" not in await table.get_item(Key={"id": "o-99"})


async def test_answers_and_errors_have_what_code_logs() -> None:
    """The identity of a request is there, and empty, since one call may be several requests."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        answer = await table.get_item(Key={"id": "o-1"})
        assert answer["ResponseMetadata"]["RequestId"] == ""
        with pytest.raises(ClientError) as caught:
            await table.delete_item(Key={"id": "o-1"}, ConditionExpression=Attr("x").exists())
    response = caught.value.response
    assert response["message"] == response["Error"]["Message"] == "The conditional request failed"
    assert response["ResponseMetadata"]["RequestId"] == ""


async def test_it_says_what_the_table_is_like() -> None:
    """The new one, under boto3's names."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        assert table.name == table.table_name == plan.new
        assert (await table.key_schema)[0]["AttributeName"] == "id"
        assert await table.item_count >= 0
        await table.reload()


def test_the_blocking_table_has_all_methods() -> None:
    """What the one has, the other has, by the same names and words."""
    for twin, blocking in ((drop_in.Table, sync.Table), (drop_in.Client, type(_client()))):
        public = {name for name in vars(twin) if not name.startswith("_")}
        assert public <= set(vars(blocking))
        for name in public - {"batch_writer"}:
            if inspect.isfunction(vars(twin)[name]):
                assert inspect.getdoc(vars(twin)[name]) == inspect.getdoc(vars(blocking)[name])


KEY, NAMED = {"id": "o-1"}, {"ExpressionAttributeNames": {"#n": "name"}}
UPDATE = {
    "Key": KEY,
    "UpdateExpression": "SET #n = :v",
    "ExpressionAttributeValues": {":v": "updated"},
    "ReturnValues": "ALL_OLD",
    **NAMED,
}
O_1 = Key("id").eq("o-1")
EACH: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"Item": {**KEY, "name": "put"}, "ReturnValues": "ALL_OLD"}),
    ("get_item", {"Key": KEY}),
    ("put_item", {"Item": KEY, "ConditionExpression": Attr("name").eq("else")}),
    ("query", {"KeyConditionExpression": O_1}),
    ("update_item", UPDATE),
    ("scan", {"Limit": 3, "ProjectionExpression": "#n", **NAMED}),
    ("delete_item", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
]
"""Operations of a table, and of its client beside a table's name."""
HERE: Any = {"TableName": "orders-new"}
FAILS = {**HERE, "Key": KEY, "ConditionExpression": "attribute_exists(nothing)"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    *EACH,
    *[(f"client.{name}", {**HERE, **parameters}) for name, parameters in EACH],
    (
        "client.batch_write_item",
        {"RequestItems": {"orders-new": [{"PutRequest": {"Item": {**KEY, "name": "batch"}}}]}},
    ),
    ("client.batch_get_item", {"RequestItems": {"orders-new": {"Keys": [KEY]}}}),
    ("client.transact_write_items", {"TransactItems": [{"Delete": {**HERE, "Key": KEY}}]}),
    ("client.transact_write_items", {"TransactItems": [{"ConditionCheck": FAILS}]}),
    ("client.transact_get_items", {"TransactItems": [{"Get": {**HERE, "Key": {"id": "o-2"}}}]}),
    ("client.can_paginate", {"operation_name": "scan"}),
    ("attribute", {"name": "KeySchema"}),
    ("scan", {}),
]


def test_the_blocking_table_answers_alike() -> None:
    """Each method gives what its asynchronous twin gives, and leaves the same."""
    with asyncio.Runner() as runner:
        gateway, plan = runner.run(opened())
        table: Any = drop_in.Table(plan, gateway=gateway)
        runner.run(table.__aenter__())
        expected = [outcome(table, *call, run=runner.run) for call in CALLS]
        runner.run(table.__aexit__(None, None, None))
    gateway, plan = asyncio.run(opened())
    with sync.Table(plan, gateway=gateway) as table:
        for call, answer in zip(CALLS, expected, strict=True):
            assert outcome(table, *call) == answer, call


def test_every_method_of_the_blocking_table_is_asked() -> None:
    """One that is new is asked above, but for what gives no answer and has tests of its own."""
    methods = {name for name, each in vars(sync.Table).items() if inspect.isfunction(each)}
    methods |= {f"client.{name}" for name in vars(type(_client()))}
    public = {name for name in methods if not name.removeprefix("client.").startswith("_")}
    others = {"load", "reload", "batch_writer", "client.get_paginator"}
    assert public - {name for name, _ in CALLS} == others


def outcome(
    table: Any, name: str, parameters: dict[str, Any], *, run: Callable[[Any], Any] | None = None
) -> Any:
    """Return what a method answers, or what its error says."""
    owner = table.meta.client if name.startswith("client.") else table
    try:
        answer = getattr(owner, name.removeprefix("client."))(**parameters)
        return run(answer) if run and inspect.iscoroutine(answer) else answer
    except ClientError as error:
        return type(error).__name__, error.operation_name, error.response


def _client() -> Any:
    return sync.Table(orders.migration("orders", Rename("nme", "name"), indexes=[])).meta.client


async def test_pages_are_cut_at_a_megabyte() -> None:
    """A scan without a limit holds no more in memory than one page of one table."""
    gateway, plan = await opened()
    async with drop_in.Table(plan, gateway=gateway) as table:
        for number in range(6):
            await table.put_item(Item={"id": f"o-{number}", "text": "x" * 300_000})
        page = await table.scan()
        assert page["Count"] < 20
        found, start = page["Count"], page.get("LastEvaluatedKey")
        while start:
            page = await table.scan(ExclusiveStartKey=start)
            found, start = found + page["Count"], page.get("LastEvaluatedKey")
    assert found == 20


class Between(Faults):
    """Does something once, before the items are fetched whose entries an index had."""

    def __init__(self) -> None:
        self.done: Callable[[], Awaitable[object]] | None = None

    async def before(self, operation: str, table: str) -> None:
        done = self.done
        if done is not None and operation == "batch_get":
            self.done = None
            await done()


BY_NAME = Index("by-name", KeySchema("customer", "name"), "KEYS_ONLY", local=True)
BEYOND: list[Any] = [
    lambda t, **more: t.query(KeyConditionExpression=Key("customer").eq("c-1"), **more),
    lambda t, **more: t.query(
        KeyConditionExpression=Key("customer").eq("c-1"), ScanIndexForward=False, **more
    ),
    lambda t, **more: t.scan(**more),
]
WANTED = [{"Select": "ALL_ATTRIBUTES"}, {"ProjectionExpression": "amount"}]


def day_of(day: int, **changes: Any) -> dict[str, Any]:
    return {"customer": "c-1", "day": day, "name": f"n{day:03}", "amount": day, **changes}


@asynccontextmanager
async def with_a_local_index(phase: Phase) -> AsyncIterator[tuple[Any, Between]]:
    """Yield a drop-in whose local index has nothing but keys, in some phase."""
    between = Between()
    gateway = MemoryGateway(between)
    plan = orders.migration("days", Rename("nme", "name"), indexes=[BY_NAME])
    await gateway.create_table(orders.table(plan.old, ("customer", "S"), ("day", "N")))
    assert (await create_table(plan, gateway=gateway)).ok
    if phase is Phase.MIGRATED:
        await Control(gateway, plan.control_table, plan.name).advance(phase, time.time())
    async with drop_in.Table(plan, gateway=gateway) as table:
        yield table, between


async def all_pages(ask: Callable[..., Any], table: Any, **more: Any) -> list[dict[str, Any]]:
    pages = [await ask(table, IndexName="by-name", **more)]
    while start := pages[-1].get("LastEvaluatedKey"):
        pages.append(await ask(table, IndexName="by-name", ExclusiveStartKey=start, **more))
    return pages


@pytest.mark.parametrize("phase", [Phase.MIGRATING, Phase.MIGRATED])
@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.parametrize("ask", BEYOND)
@pytest.mark.parametrize(("size", "each"), [(52_500, 20), (99_000, 11), (390_000, 3)])
async def test_pages_of_what_an_index_lacks_are_cut_at_a_megabyte(
    phase: Phase, wanted: dict[str, Any], ask: Callable[..., Any], size: int, each: int
) -> None:
    """Of the items that are fetched, as DynamoDB Local cuts them; their entries would all fit."""
    async with with_a_local_index(phase) as (table, _):
        for day in range(1, 2 * each + 2):
            await table.put_item(Item=day_of(day, text="x" * size))
        found = await all_pages(ask, table, **wanted)
    assert [page["Count"] for page in found] == [each, each, 1]
    assert [page["ScannedCount"] for page in found] == [each, each, 1]
    days = [item["amount"] for page in found for item in page["Items"]]
    assert sorted(days) == list(range(1, 2 * each + 2))
    assert days in (sorted(days), sorted(days, reverse=True))


@pytest.mark.parametrize("phase", [Phase.MIGRATING, Phase.MIGRATED])
@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.parametrize("ask", BEYOND)
async def test_what_an_index_lacks_is_judged_as_it_comes(
    phase: Phase, wanted: dict[str, Any], ask: Callable[..., Any]
) -> None:
    """An item may be gone, or otherwise, by the time that it is fetched."""
    async with with_a_local_index(phase) as (table, between):
        for day in range(1, 6):
            await table.put_item(Item=day_of(day))

        async def change() -> None:
            await table.delete_item(Key={"customer": "c-1", "day": 1})
            await table.put_item(Item=day_of(2, name="other"))
            await table.update_item(Key=key_of_day(3), UpdateExpression="REMOVE #n", **named)
            await table.put_item(Item=day_of(4, amount=40))

        named = {"ExpressionAttributeNames": {"#n": "name"}}
        between.done = change
        filtered = {"FilterExpression": Attr("name").begins_with("n")} if is_scan(ask) else {}
        page = await ask(table, IndexName="by-name", **wanted, **filtered)
    kept = {4: 40, 5: 5} if filtered else {2: 2, 4: 40, 5: 5}
    assert page["Count"] == len(page["Items"])
    assert sorted(item["amount"] for item in page["Items"]) == sorted(kept.values())
    assert page["ScannedCount"] == 5


def key_of_day(day: int) -> dict[str, Any]:
    return {"customer": "c-1", "day": day}


def is_scan(ask: Callable[..., Any]) -> bool:
    return ask is BEYOND[-1]


async def test_a_page_of_what_an_index_lacks_leads_on_behind_its_last_item() -> None:
    """Also where all of its items are gone, and a limit counts what was read."""
    async with with_a_local_index(Phase.MIGRATING) as (table, between):
        for day in range(1, 8):
            await table.put_item(Item=day_of(day))
        between.done = lambda: table.delete_item(Key=key_of_day(1))
        found = await all_pages(BEYOND[0], table, Select="ALL_ATTRIBUTES", Limit=3)
    assert [page["Count"] for page in found] == [2, 3, 1]
    assert [page["ScannedCount"] for page in found] == [3, 3, 1]
