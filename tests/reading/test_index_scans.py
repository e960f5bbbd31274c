"""A scan of an index comes to all that belongs into it, in every phase, and counts it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key
from clocks import HandClock

from dualtable import DualTableRepository, Index, KeySchema, Migration, Phase, Rename, create_table
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.errors import InvalidItemError, RequestRefusedError, UnknownIndexError
from dualtable.testing import MemoryGateway

ENTRY = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
INDEXES = [
    Index("by-state", KeySchema("state", ("day", "N"))),
    Index("by-name", KeySchema("customer", "name"), "KEYS_ONLY", local=True),
    Index("by-day", KeySchema(("day", "N")), ["name"]),
    Index("days", KeySchema(("day", "N")), "KEYS_ONLY"),
]
KEYS = {"customer", "day"}


def new_day(day: int, customer: str = "c-7") -> dict[str, Any]:
    lacking = {} if day % 4 == 3 else {"state": f"s-{day % 3}"}
    return {"customer": customer, "day": day, "name": f"n-{day}", "more": "m", **lacking}


@attrs.frozen
class World:
    """Days of two customers, in old, in new, in both; some are deleted."""

    phase: Phase
    gateway: MemoryGateway
    plan: Migration
    days: DualTableRepository[dict[str, Any]]

    def logical(self) -> list[dict[str, Any]]:
        return [new_day(day, c) for c in ("c-7", "c-8") for day in range(12) if day % 5 != 1]


@pytest.fixture(params=Phase, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    phase, clock = Phase(request.param), HandClock()
    gateway = MemoryGateway()
    plan = Migration(
        "days",
        "days-old",
        "days-new",
        Rename("nme", "name"),
        indexes=INDEXES,
        control_table="days-control",
        rolling=phase in ENTRY,
    )
    await gateway.create_table(orders.table(plan.old, ("customer", "S"), ("day", "N")))
    assert (await create_table(plan, gateway=gateway)).ok
    control = Control(gateway, plan.control_table, plan.name)
    order = list(Phase)
    while (now := (await control.state()).phase) is not phase:
        await control.advance(order[order.index(now) + 1], clock.now())
    for customer in ("c-7", "c-8"):
        for day in range(12):
            await place(gateway, plan, phase, day, customer)
    async with DualTableRepository(plan, gateway=gateway, clock=clock) as days:
        yield World(phase, gateway, plan, days)


async def place(
    gateway: MemoryGateway, plan: Migration, phase: Phase, day: int, customer: str
) -> None:
    """Let each fifth be deleted, and the others be wherever the phase may have them."""
    new, key = new_day(day, customer), {"customer": customer, "day": day}
    old = {("nme" if name == "name" else name): value for name, value in new.items()}
    if day % 5 == 1:
        if phase not in (Phase.ROLLING_OUT, Phase.FINISHED):
            await gateway.put(plan.new, plan.marks.bury(codec.encode(key)))
        return
    if phase is Phase.ROLLING_OUT or (phase in (*ENTRY, Phase.MIGRATING) and day % 2):
        await gateway.put(plan.old, codec.encode(old))
        return
    await gateway.put(plan.new, plan.marks.stamp(codec.encode(new), "t"))
    await gateway.put(plan.old, codec.encode({**old, "state": "stale"}))


async def listed(items: Any) -> list[dict[str, Any]]:
    return [item async for item in items]


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: (item["customer"], item["day"]))


async def test_all_that_belongs_into_the_index_comes_once(world: World) -> None:
    """What lacks a key of it does not, nor what is deleted; of each, what the index projects."""
    days = world.days
    found = await listed(days.scan(index="by-state"))
    assert in_order(found) == [day for day in world.logical() if "state" in day]
    for index, names in (("by-name", {"name"}), ("by-day", {"name"}), ("days", set())):
        wanted = [{n: day[n] for n in KEYS | names} for day in world.logical()]
        assert in_order(await listed(days.scan(index=index))) == wanted
    parts = [days.scan(index="days", segment=n, total_segments=3) for n in range(3)]
    found = [day for part in parts for day in await listed(part)]
    assert in_order(found) == [{n: day[n] for n in KEYS} for day in world.logical()]


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("by", ["token", "last_key"])
async def test_it_goes_on_in_another_process(world: World, limit: int, by: str) -> None:
    """By a token, or by a key that has the attributes of the index and of the table."""
    found: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    for _ in range(60):
        items = world.days.scan(index="by-state", max_read_items=limit, **start)
        page = await listed(items)
        assert len(page) <= limit
        found += page
        if items.last_key is None:
            break
        assert items.last_key.keys() == {"customer", "day", "state"}
        start = {"token": items.token} if by == "token" else {"after": items.last_key}
    assert in_order(found) == [day for day in world.logical() if "state" in day]


async def test_counting(world: World) -> None:
    """As many as come, with all bounds, and where it goes on is known."""
    days = world.days
    assert await days.scan().count() == len(world.logical())
    assert await days.scan(filter=Attr("day").lt(3)).count() == 4
    assert await days.scan(index="by-state").count() == 14
    first = days.query(Key("customer").eq("c-7"), limit=4)
    assert await first.count() == first.read == 4
    assert await days.query(Key("customer").eq("c-7"), token=first.token).count() == 5


@attrs.frozen
class Bare:
    """What no day can be, as each has more."""

    customer: str
    day: int


async def test_counting_decodes_nothing(world: World) -> None:
    """A count of millions makes no object; so nothing finds that an item would be none."""
    async with DualTableRepository(world.plan, model=Bare, gateway=world.gateway) as days:
        assert await days.scan().count() == len(world.logical())
        assert await days.query(Key("customer").eq("c-7")).count() == 9
        with pytest.raises(InvalidItemError, match="unknown attributes more, name"):
            await listed(days.scan())


async def test_what_an_index_has_not_is_said(world: World) -> None:
    """By name, before anything is read."""
    days = world.days
    with pytest.raises(UnknownIndexError):
        days.scan(index="nope")
    for index in ("by-state", "by-day"):
        with pytest.raises(RequestRefusedError, match="consistent"):
            days.scan(index=index, consistent_read=True)
        with pytest.raises(RequestRefusedError, match="consistent"):
            days.query(Key("state").eq("s-0"), index=index, consistent_read=True)
    for given in ({"filter": Attr("more").eq("m")}, {"projection": ["more"]}):
        for index in ("by-name", "by-day"):
            with pytest.raises(RequestRefusedError, match=f"'more', which index {index}"):
                days.scan(index=index, **given)  # type: ignore[arg-type]
    assert await days.scan(index="by-name", consistent_read=True).count() == len(world.logical())
    cut = await listed(
        days.scan(index="by-day", projection=["name"], filter=Attr("name").eq("n-2"))
    )
    assert cut == [{"name": "n-2"}] * 2
