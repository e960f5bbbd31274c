"""Page by page, with writes, deletes and copies in between: nothing twice, nothing left out."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Key

from dualtable import DualTableRepository, Index, KeySchema, Migration
from dualtable._transforms.lineage import Lineage
from dualtable._wire.layouts import layout
from dualtable.testing import Faults, MemoryGateway

Item = dict[str, Any]
Page = Callable[[DualTableRepository[Item], dict[str, Any]], Any]


class Lagging(Faults):
    """A replica that may show any state that an item has had since `settle`."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.settled: dict[int, int] = {}

    def settle(self, gateway: MemoryGateway) -> None:
        """Let every replica catch up."""
        for table in gateway._tables.values():
            self.settled |= {id(each): len(each) - 1 for each in table._versions.values()}

    def stale(self, table: str, versions: Sequence[Any]) -> Any:
        return self.chance.choice(versions[self.settled.get(id(versions), 0) :])


class Split:
    """One old item becomes several: the lines of an order."""

    def forward(self, item: Item) -> list[Item]:
        return [
            {"customer": item["customer"], "day": n, "at": "x"} for n in range(int(item["days"]))
        ]

    def old_key(self, new_key: Item) -> Item:
        return {"customer": new_key["customer"]}


class Prefixed:
    """Every key changes, and the order of the partitions with it."""

    def forward(self, item: Item) -> Item:
        return {**item, "customer": f"c#{item['customer']}"}

    def old_key(self, new_key: Item) -> Item:
        return {**new_key, "customer": new_key["customer"].removeprefix("c#")}


def kept(item: Item) -> Item:
    return {**item, "at": "x"}


@attrs.frozen
class Case:
    """A transform, the key of the old table, and how one key of the new table is made."""

    name: str
    transform: Any
    old_key: tuple[tuple[str, str], ...]
    prefix: str = ""

    def plan(self) -> Migration:
        indexes = [Index("at", KeySchema("at", ("day", "N")), old_index="at")]
        return Migration("p", "p-old", "p-new", self.transform, indexes=indexes)

    def key(self, customer: str, day: int) -> Item:
        return {"customer": self.prefix + customer, "day": day}

    def olds(self) -> list[Item]:
        if len(self.old_key) == 1:
            return [{"customer": c, "days": 6, "at": "x"} for c in CUSTOMERS]
        return [{"customer": c, "day": d, "at": "x"} for c in CUSTOMERS for d in range(-4, 5)]


CUSTOMERS = ("a", "b", "c", "d")
SORTED = (("customer", "S"), ("day", "N"))
CASES = (
    Case("keys stay", kept, SORTED),
    Case("keys change", Prefixed(), SORTED, "c#"),
    Case("one becomes several", Split(), (("customer", "S"),)),
)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def definition(name: str, *key: tuple[str, str]) -> dict[str, Any]:
    table = orders.table(name, *key)
    attributes = {"customer": "S", "day": "N", "at": "S"}
    indexed = ("at", "day") if len(key) == 2 else ("at",)
    names = sorted({*indexed, *(n for n, _ in key)})
    table["AttributeDefinitions"] = [
        {"AttributeName": n, "AttributeType": attributes[n]} for n in names
    ]
    schema = [
        {"AttributeName": n, "KeyType": kind}
        for n, kind in zip(indexed, ("HASH", "RANGE"), strict=False)
    ]
    table["GlobalSecondaryIndexes"] = [
        {"IndexName": "at", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
    ]
    return table


def by_scan(orders: DualTableRepository[Item], how: dict[str, Any]) -> Any:
    return orders.scan(**how)


def by_index(orders: DualTableRepository[Item], how: dict[str, Any]) -> Any:
    return orders.query(Key("at").eq("x"), index="at", **how)


def by_query(descending: bool, partition: str) -> Page:
    def page(orders: DualTableRepository[Item], how: dict[str, Any]) -> Any:
        condition = Key("customer").eq(partition) & Key("day").between(-3, 9)
        return orders.query(condition, descending=descending, **how)

    return page


def name_of(item: Item) -> tuple[str, int]:
    return item["customer"], int(item["day"])


@attrs.define
class Play:
    """One paging from beginning to end, and what others do between its pages."""

    case: Case
    chance: random.Random
    gateway: MemoryGateway
    shop: DualTableRepository[Item]
    there: set[tuple[str, int]]
    """The keys that have existed throughout."""

    async def disturb(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await self.chance.choice([self.put, self.put, self.delete, self.copy])()

    def any_key(self) -> Item:
        return self.case.key(self.chance.choice((*CUSTOMERS, "e")), self.chance.randrange(-5, 10))

    async def put(self) -> None:
        await self.shop.put({**self.any_key(), "at": "x", "put": True})

    async def delete(self) -> None:
        key = self.any_key()
        await self.shop.delete(key)
        self.there.discard(name_of(key))

    async def copy(self) -> None:
        """Copy what some old item yields, as a migrator does."""
        plan, tables = self.case.plan(), self.gateway
        old, new = [layout(await tables.describe_table(name)) for name in (plan.old, plan.new)]
        items = await orders.everything(tables, plan.old)
        outputs = Lineage.of(plan, old, new).new_items(self.chance.choice(items))
        await tables.insert(plan.new, orders.packed([item for _, item in outputs]), key_name="")

    async def pages(self, page: Page, size: int, **how: Any) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        token = None
        while True:
            part = page(self.shop, {"limit": size, "token": token, **how})
            found += [name_of(item) async for item in part]
            token = json.loads(json.dumps(part.token))
            if token is None:
                return found
            await self.disturb()


async def opened(case: Case, chance: random.Random, do: Callable[[Play], Awaitable[None]]) -> None:
    replicas = Lagging(chance)
    gateway = MemoryGateway(replicas)
    plan = case.plan()
    await gateway.create_table(definition(plan.old, *case.old_key))
    await gateway.create_table(definition(plan.new, *SORTED))
    await orders.fill(gateway, plan.old, case.olds())
    async with DualTableRepository(plan, gateway=gateway) as shop:
        play = Play(case, chance, gateway, shop, set())
        for _ in range(6):
            await play.disturb()
        every = [item async for item in shop.scan(consistent_read=True)]
        play.there = {name_of(item) for item in every}
        assert len(play.there) == len(every)
        replicas.settle(gateway)
        await do(play)


@each_case
@pytest.mark.parametrize("consistent_read", [True, False])
async def test_a_scan_by_pages(case: Case, consistent_read: bool) -> None:
    """A key that exists throughout comes once, whoever writes or copies between two pages."""
    chance = random.Random(11)
    for _ in range(12):

        async def do(play: Play) -> None:
            size = chance.randrange(1, 5)
            found = await play.pages(by_scan, size, consistent_read=consistent_read)
            assert play.there <= set(found), "left out"
            doubled = {name for name in found if found.count(name) > 1}
            assert not doubled & play.there, "twice"

        await opened(case, chance, do)


@each_case
@pytest.mark.parametrize("consistent_read", [True, False])
@pytest.mark.parametrize("descending", [True, False])
async def test_a_query_by_pages(case: Case, descending: bool, consistent_read: bool) -> None:
    """The same for a query, which keeps its order too."""
    chance = random.Random(12)
    for _ in range(12):

        async def do(play: Play) -> None:
            partition = case.key("b", 0)["customer"]
            size = chance.randrange(1, 5)
            page = by_query(descending, partition)
            found = await play.pages(page, size, consistent_read=consistent_read)
            there = {name for name in play.there if name[0] == partition and -3 <= name[1] <= 9}
            assert there <= set(found)
            assert found == sorted(set(found), reverse=descending)

        await opened(case, chance, do)


@each_case
async def test_an_index_query_by_pages(case: Case) -> None:
    """The same for an index that one of the old table completes."""
    chance = random.Random(13)
    for _ in range(12):

        async def do(play: Play) -> None:
            found = await play.pages(by_index, chance.randrange(1, 5))
            assert play.there <= set(found)
            assert len(found) == len(set(found))

        await opened(case, chance, do)
