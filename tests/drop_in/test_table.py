"""What the drop-in promises beside the answers of a plain table."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import re
from collections.abc import Callable
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
    Put,
    Rename,
    Update,
    create_table,
    drop_in,
    sync,
)
from dualtable._wire import codec
from dualtable.errors import RequestRefusedError
from dualtable.testing import MemoryGateway

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
