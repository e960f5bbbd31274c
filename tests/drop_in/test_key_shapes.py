"""The drop-in answers as a plain table does, whatever keys a table has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import aioboto3
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from drop_in_cases.programs import everything, failure, numbers, pages, with_items

from dualtable import Migration, Rename, create_table, drop_in
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

SERVERS = ("dynamodb-local", "dynoxide")
VALUES: dict[str, tuple[Any, ...]] = {
    "S": ("Z", "a", "aa", "ab", "b", "é", "😀"),
    "N": tuple(map(Decimal, ("-10", "-2.5", "0", "1E-3", "2", "10", "1E+3"))),
    "B": tuple(map(Binary, (b"\x00", b"a", b"a\x00", b"ab", b"b", b"\x7f", b"\xff"))),
}
"""In the order of the sort key."""
KINDS = ["S", "N", "B", "SS", "SN", "SB", "NS", "BB"]


@pytest.fixture(params=KINDS)
def kinds(request: pytest.FixtureRequest) -> str:
    """The types of a table's keys: of the partition, and of the sort key, if there is one."""
    return str(request.param)


def keys_of(kinds: str) -> list[dict[str, Any]]:
    """Return keys, of one partition where there is a sort key."""
    partition, *sort = kinds
    if not sort:
        return [{"p": value} for value in VALUES[partition]]
    return [{"p": VALUES[partition][1], "s": value} for value in VALUES[sort[0]]]


@pytest.fixture(params=SERVERS)
async def both(
    request: pytest.FixtureRequest, running: Callable[[str], str], table_name: str, kinds: str
) -> AsyncIterator[tuple[Any, Any]]:
    """A plain table and a drop-in; of its items, every other one is still where it was."""
    url = running(request.param)
    schema = [*zip("ps", kinds, strict=False)]
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Rename("nme", "name"),
        control_table=f"{table_name}-control",
    )
    async with connect({"endpoint_url": url}, PRODUCTION) as gateway:
        for name in (plan.old, f"{table_name}-one"):
            await gateway.create_table(orders.table(name, *schema))
    assert (await create_table(plan, endpoint_url=url)).ok
    async with (
        aioboto3.Session().resource("dynamodb", endpoint_url=url) as boto3,
        drop_in.Table(plan, endpoint_url=url) as table,
    ):
        plain, old = await boto3.Table(f"{table_name}-one"), await boto3.Table(plan.old)
        for number, key in enumerate(keys_of(kinds)):
            await plain.put_item(Item={**key, "name": "n", "number": number})
            if number % 2:
                await table.put_item(Item={**key, "name": "n", "number": number})
            else:
                await old.put_item(Item={**key, "nme": "n", "number": number})
        yield plain, table


async def test_whatever_the_keys_are(both: tuple[Any, Any], kinds: str) -> None:
    """Order, ranges, beginnings and pages go by the type of a key."""
    plain, table = both
    for ask in (reads, ranges, writes, batches):
        assert await ask(table, kinds) == await ask(plain, kinds), ask.__name__


async def reads(table: Any, kinds: str) -> Any:
    keys = keys_of(kinds)
    scanned = await pages(table.scan, Limit=3)
    got = [await table.get_item(Key=key, ProjectionExpression="#n", **NAME) for key in keys]
    wrong = [await failure(table.get_item(Key={**keys[0], name: [1]})) for name in keys[0]]
    empty = [await failure(table.get_item(Key={**keys[0], name: ""})) for name in keys[0]]
    items = [item for page in scanned for item in page["Items"]]
    return (
        [each["Item"] for each in got],
        wrong,
        empty,
        sorted(items, key=by_number),
    )


NAME: Any = {"ExpressionAttributeNames": {"#n": "name"}}


async def ranges(table: Any, kinds: str) -> Any:
    keys = keys_of(kinds)
    condition = Key("p").eq(keys[0]["p"])
    if len(kinds) == 1:
        conditions = [condition]
    else:
        low, high = keys[1]["s"], keys[4]["s"]
        by = Key("s")
        conditions = [
            condition,
            *[
                condition & each
                for each in (
                    by.eq(low),
                    by.lt(high),
                    by.lte(high),
                    by.gt(low),
                    by.gte(low),
                    by.between(low, high),
                )
            ],
        ]
        if kinds[1] != "N":
            conditions.append(condition & by.begins_with(low))
    return [
        (numbers(found)[:-1], [page["Items"] for page in found])
        for each in conditions
        for forward in (True, False)
        for found in [
            with_items(
                await pages(
                    table.query, KeyConditionExpression=each, Limit=2, ScanIndexForward=forward
                )
            )
        ]
    ]


async def writes(table: Any, kinds: str) -> Any:
    first, second, third, *_ = keys_of(kinds)
    update = {
        "UpdateExpression": "SET number = number + :n",
        "ExpressionAttributeValues": {":n": 5},
        "ReturnValues": "UPDATED_NEW",
    }
    found = [
        await failure(table.update_item(Key=first, **update)),
        await failure(table.update_item(Key=second, **update)),
        await failure(table.put_item(Item=third, ConditionExpression=Attr("p").not_exists())),
        await failure(table.delete_item(Key=third, ReturnValues="ALL_OLD")),
        await failure(table.put_item(Item=third, ConditionExpression=Attr("p").not_exists())),
        await failure(
            table.update_item(
                Key=first, UpdateExpression="SET p = :v", ExpressionAttributeValues={":v": 1}
            )
        ),
    ]
    return [each.get("Attributes") if isinstance(each, dict) else each for each in found]


async def batches(table: Any, kinds: str) -> Any:
    keys, name, client = keys_of(kinds), table.name, table.meta.client
    requests = [
        {"DeleteRequest": {"Key": keys[0]}},
        {"PutRequest": {"Item": {**keys[1], "number": 99}}},
    ]
    await client.batch_write_item(RequestItems={name: requests})
    got = await client.batch_get_item(RequestItems={name: {"Keys": keys}})
    actions = [
        {"Delete": {"TableName": name, "Key": keys[2]}},
        {"Put": {"TableName": name, "Item": {**keys[3], "number": 98}}},
    ]
    await client.transact_write_items(TransactItems=actions)
    gets = [{"Get": {"TableName": name, "Key": key}} for key in keys]
    read = await client.transact_get_items(TransactItems=gets)
    left = await everything(table.scan)

    return (
        sorted(got["Responses"][name], key=by_number),
        read["Responses"],
        sorted(left, key=by_number),
    )


def by_number(item: dict[str, Any]) -> int:
    return int(item.get("number", 50))
