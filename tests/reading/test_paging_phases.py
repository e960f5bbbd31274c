"""Paging while the migration moves on: what began in one phase goes on in the next."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Key
from clocks import HandClock

from dualtable import (
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Phase,
    Rename,
)
from dualtable._control.control_table import Control, State
from dualtable.testing import Faults, MemoryGateway

Item = dict[str, Any]
Shop = DualTableRepository[Item]
KEY = (("customer", "S"), ("day", "N"))
PLAN = Migration(
    "moves",
    "moves-old",
    "moves-new",
    Rename("nme", "name"),
    control_table="moves-control",
    rolling=True,
    indexes=[Index("by-at", KeySchema("at"), old_index="by-at")],
)
ORDER = list(Phase)


def indexed(name: str) -> dict[str, Any]:
    definition = orders.table(name, *KEY)
    definition["AttributeDefinitions"].append({"AttributeName": "at", "AttributeType": "S"})
    definition["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-at",
            "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    return definition


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Four customers with five days each in the old table."""
    gateway = MemoryGateway()
    for name in (PLAN.old, PLAN.new):
        await gateway.create_table(indexed(name))
    days = [{"customer": c, "day": d, "nme": "old", "at": "x"} for c in "abcd" for d in range(5)]
    await orders.fill(gateway, PLAN.old, days)
    control = Control(gateway, PLAN.control_table, PLAN.name)
    await control.ensure_table()
    await control.note_state(State(Phase.ROLLING_OUT))
    return gateway


async def move_to(gateway: MemoryGateway, phase: Phase) -> None:
    """Let the control table say so; who has looked before goes by what he knows."""
    control = Control(gateway, PLAN.control_table, PLAN.name)
    at = ORDER.index((await control.state()).phase)
    for each in ORDER[at + 1 : ORDER.index(phase) + 1]:
        await control.advance(each, HandClock().now())


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def opened(
    gateway: MemoryGateway, stack: AsyncExitStack, clock: HandClock | None = None
) -> Shop:
    shop = DualTableRepository(PLAN, gateway=gateway, clock=clock or HandClock())
    return await stack.enter_async_context(shop)


def name_of(item: Item) -> tuple[str, int]:
    return item["customer"], int(item["day"])


@pytest.mark.parametrize("kind", ["scan", "query", "index"])
@pytest.mark.parametrize(
    "first", [Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW], ids=str
)
async def test_neighbours_write_between_the_pages(
    gateway: MemoryGateway, stack: AsyncExitStack, first: Phase, kind: str
) -> None:
    """Items move from one table to the other; one that is there all the time comes once."""
    chance = random.Random(7)
    await move_to(gateway, first)
    shops = [await opened(gateway, stack)]
    await move_to(gateway, ORDER[ORDER.index(first) + 1])
    shops.append(await opened(gateway, stack))

    def page(shop: Shop, **how: Any) -> Any:
        if kind == "scan":
            return shop.scan(**how)
        if kind == "query":
            return shop.query(Key("customer").eq("b"), **how)
        return shop.query(Key("at").eq("x"), index="by-at", **how)

    for _ in range(10):
        every = [name_of(item) async for item in shops[0].scan(consistent_read=True)]
        there = {name for name in every if kind != "query" or name[0] == "b"}
        found: list[tuple[str, int]] = []
        token = None
        while True:
            part = page(chance.choice(shops), limit=chance.randrange(1, 5), token=token)
            found += [name_of(item) async for item in part]
            token = part.token
            if token is None:
                break
            for _ in range(chance.randrange(3)):
                key = {"customer": chance.choice("abcde"), "day": chance.randrange(7)}
                if chance.random() < 0.6:
                    await chance.choice(shops).put({**key, "name": "new", "at": "x"})
                else:
                    await chance.choice(shops).delete(key)
                    there.discard(name_of(key))
        assert there <= set(found)
        assert not {name for name in there if found.count(name) > 1}


async def test_a_partition_that_comes_to_be_in_old_behind_a_scan(
    gateway: MemoryGateway, stack: AsyncExitStack
) -> None:
    """As long as somebody writes to old, a scan does not go by its partitions."""
    await move_to(gateway, Phase.READING_BOTH)
    earlier = await opened(gateway, stack)
    await move_to(gateway, Phase.WRITING_NEW)
    later = await opened(gateway, stack)
    customers = [f"n-{n}" for n in range(8)]
    for customer in customers:
        await later.put({"customer": customer, "day": 1, "name": "new", "at": "x"})
    found = later.scan()
    names = [name_of(await anext(found)) for _ in range(20)]  # all that is in old
    for customer in customers:
        await earlier.put({"customer": customer, "day": 2, "name": "new", "at": "x"})
    names += [name_of(item) async for item in found]
    assert {(customer, 1) for customer in customers} <= set(names)


@pytest.mark.parametrize("at", [1, 4, 9, 17])
@pytest.mark.parametrize("restarted", [False, True])
async def test_an_index_query_goes_on_after_the_cut_over(
    gateway: MemoryGateway, stack: AsyncExitStack, at: int, restarted: bool
) -> None:
    """What came out of the old index is in the new one by then; it does not come again."""
    await move_to(gateway, Phase.MIGRATING)
    clock = HandClock()
    shop = await opened(gateway, stack, clock)
    for day in (1, 3, 6):
        await shop.put({"customer": "b", "day": day, "name": "new", "at": "x"})
    first = shop.query(Key("at").eq("x"), index="by-at", limit=at)
    names = [name_of(item) async for item in first]
    assert (await Migrator(PLAN, gateway=gateway).run()).ok
    await shop.put({"customer": "z", "day": 0, "name": "new", "at": "x"})
    await move_to(gateway, Phase.MIGRATED)
    clock.move(60)
    other = await opened(gateway, stack) if restarted else shop
    rest = other.query(Key("at").eq("x"), index="by-at", token=first.token)
    names += [name_of(item) async for item in rest]
    assert len(names) == len(set(names))
    assert len(names) >= 21


async def test_a_token_from_after_the_cut_over_is_good_for_who_has_not_heard_of_it(
    gateway: MemoryGateway, stack: AsyncExitStack
) -> None:
    """The new index was complete when the token was given out, and is so still."""
    await move_to(gateway, Phase.MIGRATING)
    earlier = await opened(gateway, stack)
    assert (await Migrator(PLAN, gateway=gateway).run()).ok
    await move_to(gateway, Phase.MIGRATED)
    later = await opened(gateway, stack)
    for page in (
        lambda shop, **how: shop.query(Key("at").eq("x"), index="by-at", **how),
        lambda shop, **how: shop.scan(**how),
    ):
        names: list[Any] = []
        token = None
        for shop in (later, earlier) * 20:
            part = page(shop, limit=3, token=token)
            names += [name_of(item) async for item in part]
            token = part.token
            if token is None:
                break
        assert len(names) == len(set(names)) == 20


class ShortPages(Faults):
    """Each page of a table ends behind one item."""

    def page_places(self, operation: str, table: str) -> int | None:
        return None if table == PLAN.control_table else 1


@pytest.mark.parametrize("kind", ["scan", "query", "index"])
async def test_one_iterator_from_the_first_phase_to_the_last(
    gateway: MemoryGateway, stack: AsyncExitStack, kind: str
) -> None:
    """It may be left for longer than any phase lasts; each page is read by the phase of then."""
    gateway.faults = ShortPages()
    clock = HandClock()
    shop = await opened(gateway, stack, clock)
    found: Any = {
        "scan": shop.scan,
        "query": lambda: shop.query(Key("customer").eq("b"), consistent_read=True),
        "index": lambda: shop.query(Key("at").eq("x"), index="by-at"),
    }[kind]()
    names = [name_of(await anext(found))]
    for phase in ORDER[1:]:
        await move_to(gateway, phase)
        if phase is Phase.MIGRATING:
            assert (await Migrator(PLAN, gateway=gateway, clock=clock).run()).ok
        clock.move(1000)
        if phase is not Phase.FINISHED:
            names.append(name_of(await anext(found)))
    names += [name_of(item) async for item in found]
    assert len(names) == len(set(names)) == (5 if kind == "query" else 20)


@pytest.mark.parametrize("descending", [False, True])
async def test_what_is_written_before_a_page_is_read_is_seen(
    gateway: MemoryGateway, stack: AsyncExitStack, descending: bool
) -> None:
    """I1: also where new had nothing when the pages before it were read."""
    await move_to(gateway, Phase.MIGRATING)
    gateway.faults = ShortPages()
    shop = await opened(gateway, stack)
    order = [4, 3, 2, 1, 0] if descending else [0, 1, 2, 3, 4]
    found = shop.query(Key("customer").eq("b"), descending=descending, consistent_read=True)
    assert name_of(await anext(found)) == ("b", order[0])
    await shop.put({"customer": "b", "day": order[1], "name": "new"})
    await shop.delete({"customer": "b", "day": order[3]})
    rest = [(int(item["day"]), item["name"]) async for item in found]
    assert rest == [(order[1], "new"), (order[2], "old"), (order[4], "old")]
