"""The repository answers as one table would, on real servers: half migrated beside fully written.

Each question is asked of the logical table and, through the gateway, of one real table that holds
what the logical one should.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key

from dualtable import (
    Chain,
    ConditionCheck,
    Convert,
    Delete,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Put,
    Rename,
    Update,
    Verifier,
    create_table,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._expressions.boto3_conditions import key_condition_of
from dualtable._expressions.grammar import Placeholders
from dualtable._wire import codec
from dualtable.errors import ConditionFailedError

C7 = Key("customer").eq("c-7")
OPEN = Key("state").eq("open")


def old_day(day: int, customer: str = "c-7") -> dict[str, Any]:
    state = "OPEN" if day % 2 else "DONE"
    return {"customer": customer, "day": day, "nme": f"old {day}", "state": state}


def new_day(day: int, name: str = "new", state: str = "open") -> dict[str, Any]:
    return {"customer": "c-7", "day": day, "name": f"{name} {day}", "state": state}


def logical_days() -> list[dict[str, Any]]:
    """What the twelve days of c-7, and the four of c-8, are in the new format."""
    untouched = [new_day(n, "old", "open" if n % 2 else "done") for n in range(12)]
    others = [{**day, "customer": "c-8"} for day in untouched[:4]]
    return [*untouched[:3], new_day(3, state="done"), untouched[4], *untouched[6:], *others]


def key(day: int) -> dict[str, Any]:
    return {"customer": "c-7", "day": day}


@attrs.frozen
class World:
    """The repository under test, and one table that holds what it should."""

    days: DualTableRepository[dict[str, Any]]
    gateway: Gateway
    plan: Migration
    one: str
    server: str

    async def query(self, condition: Any, **asked: Any) -> list[dict[str, Any]]:
        page = await self.gateway.query(
            self.one, key_condition_of(condition, Placeholders({}, {})), **asked
        )
        return [codec.decode(item) for item in page.items]

    async def copy(self) -> None:
        report = await Migrator(self.plan, endpoint_url=self.server, total_segments=4).run()
        assert report.ok


@pytest.fixture
async def world(server: str, table_name: str) -> AsyncIterator[World]:
    """Twelve days: 3 rewritten, 5 deleted, 7 copied, 20 added, the others only in the old table."""
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Chain(Rename("nme", "name"), Convert("state", str.lower, back=str.upper)),
        indexes=[
            Index(
                "by-state",
                KeySchema("state", ("day", "N")),
                old_index="old-by-state",
                old_value=str.upper,
            )
        ],
        control_table=f"{table_name}-control",
    )
    old = orders.table(plan.old, ("customer", "S"), ("day", "N"))
    old["AttributeDefinitions"].append({"AttributeName": "state", "AttributeType": "S"})
    old["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "old-by-state",
            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ]
    one = f"{table_name}-one"
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await gateway.create_table(old)
        await orders.fill(gateway, plan.old, [old_day(n) for n in range(12)])
        await orders.fill(gateway, plan.old, [old_day(n, "c-8") for n in range(4)])
        assert (await create_table(plan, endpoint_url=server)).ok
        await gateway.create_table({**(await as_definition(gateway, plan.new)), "TableName": one})
        async with DualTableRepository(plan, endpoint_url=server) as days:
            await days.put(new_day(3, state="done"))
            await days.delete(key(5))
            await days.put(new_day(20))
            await orders.fill(gateway, plan.new, [new_day(7, "old")])
            await orders.fill(gateway, one, [*logical_days(), new_day(20)])
            yield World(days, gateway, plan, one, server)


async def as_definition(gateway: Gateway, table: str) -> dict[str, Any]:
    described = await gateway.describe_table(table)
    return {
        "KeySchema": described["KeySchema"],
        "AttributeDefinitions": described["AttributeDefinitions"],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
            for index in described["GlobalSecondaryIndexes"]
        ],
    }


def by_key(days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(days, key=lambda day: (day["customer"], day["day"]))


async def listed(found: Any) -> list[dict[str, Any]]:
    return [item async for item in found]


async def test_queries_and_scans(world: World) -> None:
    """Every order, range, page size and index, before the copy and after it."""
    days = world.days
    for _ in ("before the copy", "after it"):
        for descending in (False, True):
            for condition in (C7, C7 & Key("day").between(2, 8), C7 & Key("day").gt(6)):
                wanted = await world.query(condition, descending=descending)
                found = days.query(condition, descending=descending, consistent_read=True)
                assert await listed(found) == wanted
            wanted = await world.query(
                OPEN, index="by-state", descending=descending, consistent_read=False
            )
            found = await listed(days.query(OPEN, index="by-state", descending=descending))
            assert [day["day"] for day in found] == [day["day"] for day in wanted]
            assert by_key(found) == by_key(wanted)
        pages: list[dict[str, Any]] = []
        page = days.query(C7, limit=3)
        while True:
            pages += await listed(page)
            if page.token is None:
                break
            page = days.query(C7, limit=3, token=page.token)
        assert pages == await world.query(C7)
        found = await listed(days.scan(filter=Attr("state").eq("open")))
        everything = [codec.decode(i) for i in await orders.everything(world.gateway, world.one)]
        assert by_key(found) == by_key([day for day in everything if day["state"] == "open"])
        await world.copy()


@pytest.mark.parametrize("day", [0, 3, 5, 7, 99], ids=["old", "new", "deleted", "copied", "none"])
async def test_expressions_and_conditions(world: World, day: int) -> None:
    """An update is that of one table, wherever the item is; a condition sees the logical item."""
    days, there = world.days, day in (0, 3, 7)
    asked: dict[str, Any] = {
        "UpdateExpression": "SET #n = if_not_exists(#n, :n), visits = :one ADD tags :t",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":n": "fresh", ":one": 1, ":t": {"a"}},
        "ReturnValues": "ALL_NEW",
    }
    before = await days.get(key(day))
    after = {**key(day), "name": "fresh", **(before or {}), "visits": 1, "tags": {"a"}}
    failing = "attribute_not_exists(customer)" if there else "attribute_exists(customer)"
    with pytest.raises(ConditionFailedError):
        await days.update_item(key(day), ConditionExpression=failing, **asked)
    assert await days.update_item(key(day), **asked) == after == await days.get(key(day))
    with pytest.raises(ConditionFailedError):
        await days.delete(key(day), condition=Attr("visits").gt(1))
    assert await days.delete(key(day), condition=Attr("visits").eq(1), return_old=True) == after
    await world.copy()
    assert await days.get(key(day)) is None
    assert (await Verifier(world.plan, endpoint_url=world.server).run()).ok


async def test_transactions(world: World) -> None:
    """Items that are old, new, deleted and nowhere are written at once, or not at all."""
    days = world.days
    name = {"names": {"#n": "name"}, "values": {":n": "x"}}
    actions = [
        Update(key(0), "SET #n = :n", **name),
        Update(key(3), "SET #n = :n", **name),
        Update(key(5), "SET #n = :n", **name),
        Delete(key(1)),
        Put(new_day(99), Attr("customer").not_exists()),
        ConditionCheck(key(2), Attr("name").eq("old 2")),
    ]
    before = await days.transact_get([key(n) for n in (0, 1, 2, 3, 5, 99)])
    with pytest.raises(ConditionFailedError) as caught:
        await days.transact_write([*actions, Delete(key(4), Attr("name").eq("other"))])
    assert caught.value.key == key(4)
    assert await days.transact_get([key(n) for n in (0, 1, 2, 3, 5, 99)]) == before
    await days.transact_write(actions)
    found = await days.transact_get([key(n) for n in (0, 1, 2, 3, 5, 99)])
    assert found == [
        new_day(0, state="done") | {"name": "x"},
        None,
        new_day(2, "old", "done"),
        new_day(3, state="done") | {"name": "x"},
        key(5) | {"name": "x"},
        new_day(99),
    ]
