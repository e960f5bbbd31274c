"""What one iterator gives when it is left between two pages, or a request of it has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Key
from clocks import HandClock

from dualtable import (
    Chain,
    Convert,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Phase,
    Rename,
    drop_in,
)
from dualtable._control.control_table import Control, State
from dualtable.errors import DualTableError, RequestRefusedError, StalePhaseError
from dualtable.testing import Faults, MemoryGateway

Item = dict[str, Any]
KEY = (("customer", "S"), ("day", "N"))
KEPT = Rename("nme", "name")
MOVED = Chain(KEPT, Convert("day", lambda day: day + 100, back=lambda day: day - 100))
OF_C = Key("customer").eq("c")
ORDER = list(Phase)


class World(Faults):
    """Short pages, and something that happens once, before a request."""

    def __init__(self, places: int | None = None, *, only: str = "") -> None:
        self.places, self.only = places, only
        self.happens: Callable[[str, str], Awaitable[bool]] | None = None

    def page_places(self, operation: str, table: str) -> int | None:
        return self.places if table.endswith(self.only) and "control" not in table else None

    async def before(self, operation: str, table: str) -> None:
        happens, self.happens = self.happens, None
        if happens is not None and not await happens(operation, table):
            self.happens = self.happens or happens


async def world(
    olds: list[Item],
    phase: Phase,
    *,
    faults: World | None = None,
    transform: Any = KEPT,
    index: Any = None,
    local: bool = False,
    **settings: Any,
) -> tuple[Migration, MemoryGateway]:
    gateway = MemoryGateway(faults or World())
    plan = orders.migration("shop", transform, rolling=True, **settings)
    for name in (plan.old, plan.new):
        definition = orders.table(name, *KEY)
        if index is not None:
            kind = "LocalSecondaryIndexes" if local else "GlobalSecondaryIndexes"
            kinds = zip(index, ("HASH", "RANGE"), strict=False)
            schema = [{"AttributeName": name, "KeyType": kind} for (name, _), kind in kinds]
            by = {
                "IndexName": "by-it",
                "KeySchema": schema,
                "Projection": {"ProjectionType": "ALL"},
            }
            definition[kind] = [by]
            definition["AttributeDefinitions"] += [
                {"AttributeName": name, "AttributeType": kind}
                for name, kind in index
                if (name, kind) not in KEY
            ]
        await gateway.create_table(definition)
    await orders.fill(gateway, plan.old, olds)
    control = Control(gateway, plan.control_table, plan.name)
    await control.ensure_table()
    await control.note_state(State(Phase.ROLLING_OUT))
    await move_to(gateway, plan, phase)
    return plan, gateway


async def move_to(gateway: MemoryGateway, plan: Migration, phase: Phase) -> None:
    control = Control(gateway, plan.control_table, plan.name)
    at = ORDER.index((await control.state()).phase)
    for each in ORDER[at + 1 : ORDER.index(phase) + 1]:
        await control.advance(each, HandClock().now())


def opened(plan: Migration, gateway: MemoryGateway, clock: HandClock | None = None) -> Any:
    return DualTableRepository(plan, gateway=gateway, clock=clock or HandClock())


def old(customer: str, day: int, **more: Any) -> Item:
    return {"customer": customer, "day": day, "nme": "old", **more}


def new(customer: str, day: int, **more: Any) -> Item:
    return {"customer": customer, "day": day, "name": "new", **more}


async def test_partitions_that_wait_for_the_next_phase() -> None:
    """More of them in one page than are asked for at once."""
    plan, gateway = await world([old(f"c{n}", 1) for n in range(40)], Phase.MIGRATING)
    clock = HandClock()
    async with opened(plan, gateway, clock) as shop:
        found = shop.scan(consistent_read=True)
        first = await anext(found)
        assert (await Migrator(plan, gateway=gateway, clock=clock).run()).ok
        await move_to(gateway, plan, Phase.MIGRATED)
        clock.move(1000)
        rest = [item async for item in found]
    assert len({item["customer"] for item in (first, *rest)}) == len(rest) + 1 == 40


@pytest.mark.parametrize("fails", ["a refusal", "a timeout"])
@pytest.mark.parametrize(
    ("phase", "request_"),
    [
        (Phase.MIGRATING, ("query", "shop-new")),  # the pass over old, by partitions
        (Phase.MIGRATING, ("query", "shop-old")),  # over new, after it
        (Phase.READING_BOTH, ("batch_get", "shop-new")),  # over old, by keys
        (Phase.WRITING_NEW, ("batch_get", "shop-old")),
        (Phase.MIGRATING, ("scan", "shop-new")),
        (Phase.MIGRATING, ("scan", "shop-old")),
    ],
)
async def test_nothing_is_left_out_where_a_request_has_failed(
    phase: Phase, request_: tuple[str, str], fails: str
) -> None:
    """Whoever calls the same iterator again gets the page that did not come."""
    faults = World()
    plan, gateway = await world([old(f"c{n}", 1) for n in range(20)], phase, faults=faults)

    async def fail(*asked: str) -> bool:
        if asked != request_:
            return False
        if fails == "a refusal":
            raise RequestRefusedError("not just now")
        await asyncio.sleep(10)
        return True

    async with opened(plan, gateway) as shop:
        if phase is not Phase.READING_BOTH:
            await shop.batch_put([new(f"n{n}", 1) for n in range(20)])
        found, items, failures = shop.scan(consistent_read=True), [], 0
        faults.happens = fail
        while True:
            try:
                async with asyncio.timeout(0.05 if fails == "a timeout" else None):
                    items.append(await anext(found))
            except StopAsyncIteration:
                break
            except (RequestRefusedError, TimeoutError):
                failures += 1
    assert failures >= 1
    expected = 20 if phase is Phase.READING_BOTH else 40
    assert len({item["customer"] for item in items}) == len(items) == expected


@pytest.mark.parametrize("sorts", [(), (("at", "N"),)], ids=["no sort key", "sort key"])
@pytest.mark.parametrize("phase", ORDER[:4], ids=str)
async def test_the_last_of_each_page_is_deleted(phase: Phase, sorts: Any) -> None:
    """In the entry phases for real: no key comes again that an index of old has."""
    index = (("g", "S"), *sorts)
    declared = [Index("by-it", KeySchema(*(name for name, _ in index)), old_index="by-it")]
    olds = [old(f"c{n}", 1, g="x", at=1) for n in range(8)]
    plan, gateway = await world(olds, phase, index=index, indexes=declared)
    names: list[str] = []
    async with drop_in.Table(plan, gateway=gateway, clock=HandClock()) as table:
        asked: dict[str, Any] = {
            "IndexName": "by-it",
            "KeyConditionExpression": Key("g").eq("x"),
            "Limit": 3,
        }
        while True:
            page = await table.query(**asked)
            names += [item["customer"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            last = asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            await table.delete_item(Key={"customer": last["customer"], "day": last["day"]})
    assert sorted(names) == [f"c{n}" for n in range(8)]


@pytest.mark.parametrize("transform", [KEPT, MOVED], ids=["kept", "moved"])
async def test_who_is_frozen_while_old_is_read(transform: Any) -> None:
    """I1: it is not believed afterwards, whichever way the partition was read."""
    faults, clock = World(), HandClock()
    olds = [old("c", day) for day in (1, 2, 3)]
    plan, gateway = await world(olds, Phase.ROLLING_OUT, faults=faults, transform=transform)

    async def hours_pass(operation: str, table: str) -> bool:
        if (operation, table) != ("query", plan.old):
            return False
        await move_to(gateway, plan, Phase.MIGRATING)
        clock.move(10_000)
        async with opened(plan, gateway, clock) as other:
            await other.put(new("c", 2 if transform is KEPT else 102))
        return True

    async with opened(plan, gateway, clock) as shop:
        faults.happens = hours_pass
        with pytest.raises(StalePhaseError):
            _ = [item async for item in shop.query(OF_C, consistent_read=True)]


async def test_later_pages_of_a_completed_index() -> None:
    """A local one may be read consistently: each page as the tables are then."""
    olds = [old("c", day, at=day) for day in range(5)]
    index = (("customer", "S"), ("at", "N"))
    plan, gateway = await world(
        olds, Phase.MIGRATING, faults=World(1), index=index, local=True, indexes=None
    )
    async with opened(plan, gateway) as shop:
        for day in (10, 11, 12):
            await shop.put(new("c", day, at=day - 9))
        found = shop.query(OF_C, index="by-it", consistent_read=True)
        assert (await anext(found))["day"] == 0
        await shop.put(new("c", 3, at=3))
        await shop.delete({"customer": "c", "day": 4})
        rest = {int(item["day"]): item["name"] async for item in found}
    assert rest == {1: "old", 2: "old", 3: "new", 10: "new", 11: "new", 12: "new"}


@pytest.mark.parametrize("reads", [Phase.READING_BOTH, Phase.WRITING_NEW], ids=str)
@pytest.mark.parametrize("transform", [KEPT, MOVED], ids=["kept", "moved"])
async def test_old_is_written_between_two_pages_of_new(reads: Phase, transform: Any) -> None:
    """I1: as long as old moves, what was read of it before a page of new is read anew."""
    off = 0 if transform is KEPT else 100
    olds = [old("c", day) for day in (1, 2, 3)]
    plan, gateway = await world(
        olds, Phase.READING_BOTH, faults=World(1, only="-new"), transform=transform
    )
    async with AsyncExitStack() as stack:
        earlier = await stack.enter_async_context(opened(plan, gateway))
        await move_to(gateway, plan, Phase.WRITING_NEW)
        later = await stack.enter_async_context(opened(plan, gateway))
        await later.put(new("c", off))
        await later.put(new("c", 1 + off))
        reader = earlier if reads is Phase.READING_BOTH else later
        found = reader.query(OF_C, consistent_read=True)
        assert (await anext(found))["day"] == off
        await earlier.put(new("c", 2 + off))
        await earlier.delete({"customer": "c", "day": 3 + off})
        rest = [(int(item["day"]), item["name"]) async for item in found]
    assert rest == [(1 + off, "new"), (2 + off, "new")]


async def test_a_token_after_a_key() -> None:
    """Of one rank, what new has comes first behind a key, and a token says so."""
    olds = [old(f"c{n}", 1, at="x") for n in range(6)]
    declared = [Index("by-it", KeySchema("at"), old_index="by-it")]
    plan, gateway = await world(olds, Phase.MIGRATING, index=(("at", "S"),), indexes=declared)
    names: list[str] = []
    async with opened(plan, gateway) as shop:
        await shop.batch_put([new(f"n{n}", 1, at="x") for n in range(6)])
        place: dict[str, Any] = {}
        for turn in range(20):
            page = shop.query(Key("at").eq("x"), index="by-it", limit=2, **place)
            names += [item["customer"] async for item in page]
            if page.token is None:
                break
            place = {"token": page.token} if turn % 2 else {"after": page.last_key}
    assert sorted(names) == [*(f"c{n}" for n in range(6)), *(f"n{n}" for n in range(6))]


@pytest.mark.parametrize("by", ["token", "after"])
async def test_what_comes_to_be_behind_a_place_does_not_come_late(by: str) -> None:
    """The items of an index stay in its order."""
    olds = [old("c", day, g="x", at=day) for day in range(10, 15)]
    index = (("g", "S"), ("at", "N"))
    declared = [Index("by-it", KeySchema("g", ("at", "N")), old_index="by-it")]
    plan, gateway = await world(olds, Phase.MIGRATING, index=index, indexes=declared)
    async with opened(plan, gateway) as shop:
        page = shop.query(Key("g").eq("x"), index="by-it", limit=3)
        found = [int(item["at"]) async for item in page]
        for day in (1, 2, 11):
            await shop.put(new("n", day, g="x", at=day))
        place = {"token": page.token} if by == "token" else {"after": page.last_key}
        rest = shop.query(Key("g").eq("x"), index="by-it", **place)
        found += [int(item["at"]) async for item in rest]
    assert found == [10, 11, 12, 13, 14]


async def test_an_item_that_cannot_be_read_is_told_of_once() -> None:
    """Whatever phases one iterator goes through."""
    steps = Chain(Convert("total", int, back=str), *MOVED.steps[1:])
    olds = [
        {"customer": "c", "day": day, "total": "bad" if day == 1 else "1"} for day in range(1, 5)
    ]
    clock = HandClock()
    plan, gateway = await world(olds, Phase.READING_BOTH, faults=World(1), transform=steps)
    told: list[DualTableError] = []
    async with opened(plan, gateway, clock) as shop:
        await move_to(gateway, plan, Phase.WRITING_NEW)
        async with opened(plan, gateway, clock) as writer:
            for day in (*range(6), *range(200, 206)):
                await writer.put({"customer": "c", "day": day, "total": 1})
        found = shop.query(OF_C, on_error=told.append)
        number = len([await anext(found)])
        for phase in (Phase.WRITING_NEW, Phase.MIGRATING):
            await move_to(gateway, plan, phase)
            clock.move(60)
            number += len([await anext(found)])
        number += len([item async for item in found])
    assert (number, found.failed, len(told)) == (15, 1, 1)


@pytest.mark.parametrize("kind", ["query", "scan"])
async def test_a_phase_that_is_known_anew_is_gone_by(kind: str) -> None:
    """An iterator may outlive what was known at its first page; no request is refused for that."""
    faults, clock = World(1), HandClock()
    plan, gateway = await world([old("c", n) for n in range(6)], Phase.MIGRATING, faults=faults)

    async def slowly(operation: str, table: str) -> bool:
        if (operation, table) != ("query", plan.new):
            return False
        await move_to(gateway, plan, Phase.MIGRATED)
        clock.move(31)
        return True

    async with opened(plan, gateway, clock) as shop:
        found = shop.query(OF_C, consistent_read=True) if kind == "query" else shop.scan()
        items = [await anext(found)]
        clock.move(1000)
        await shop.get({"customer": "q", "day": 1})
        assert (await Migrator(plan, gateway=gateway, clock=HandClock()).run()).ok
        faults.happens = slowly
        items += [item async for item in found]
    assert len(items) == 6


async def test_nothing_is_read_by_a_repository_that_is_closed() -> None:
    """A word that it gave then would be taken back by nobody, and a gate would wait for it."""
    clock = HandClock()
    plan, gateway = await world([old("c", n) for n in range(5)], Phase.MIGRATING, faults=World(1))
    async with opened(plan, gateway, clock) as shop:
        found = shop.query(OF_C)
        await anext(found)
    clock.move(60)
    with pytest.raises(DualTableError, match="the repository is closed"):
        await anext(found)
    assert await Control(gateway, plan.control_table, plan.name).heartbeats() == []
