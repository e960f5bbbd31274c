"""The items of one partition come out of a scan as on one table: together, by their sort key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import orders
import pytest

from dualtable import DualTableRepository, Migration, Migrator
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._reading import pass_by_partitions
from dualtable.testing import Faults, MemoryGateway

Item = dict[str, Any]
Shop = DualTableRepository[Item]
PARTITIONS, PLACES = tuple("abcdefg"), 12
SORTS: dict[str, Callable[[int], Any]] = {
    "S": lambda n: chr(60 + n) + "é" * (n % 3),
    "N": lambda n: Decimal(n - 5) / 2,
    "B": lambda n: bytes([n * 20, n]),
}


def key(partition: str, place: int, tag: str) -> Item:
    return {"p": partition, "s": SORTS[tag](place)}


def migration(name: str) -> Migration:
    return orders.migration(name, lambda item: item, indexes=[])


@asynccontextmanager
async def shared(gateway: Gateway, name: str, tag: str) -> AsyncIterator[Shop]:
    """Partitions that both tables share: even places are in old, each third was put since."""
    plan = migration(name)
    for table in (plan.old, plan.new):
        await gateway.create_table(orders.table(table, ("p", "S"), ("s", tag)))
    olds = [key(p, n, tag) for p in PARTITIONS[:-1] for n in range(0, PLACES, 2)]
    await orders.fill(gateway, plan.old, olds)
    async with DualTableRepository(plan, gateway=gateway) as shop:
        await shop.batch_put(
            [{**key(p, n, tag), "put": True} for p in PARTITIONS[1:] for n in range(0, PLACES, 3)]
        )
        await shop.delete(key("c", 4, tag))
        await shop.delete(key("d", 3, tag))
        yield shop


def expected(partition: str, tag: str) -> list[Any]:
    olds = range(0, PLACES, 2) if partition != PARTITIONS[-1] else ()
    puts = range(0, PLACES, 3) if partition != PARTITIONS[0] else ()
    gone = {("c", 4), ("d", 3)}
    places = [n for n in sorted({*olds, *puts}) if (partition, n) not in gone]
    return [SORTS[tag](n) for n in places]


def check(found: list[Item], tag: str, partitions: tuple[str, ...] = PARTITIONS) -> None:
    order = list(dict.fromkeys(item["p"] for item in found))
    assert sorted(order) == list(partitions)
    wanted = [(p, s) for p in order for s in expected(p, tag)]
    assert [(item["p"], item["s"]) for item in found] == wanted


async def by_pages(shop: Shop, size: int) -> list[Item]:
    found: list[Item] = []
    token = None
    while True:
        page = shop.scan(limit=size, token=token)
        found += [item async for item in page]
        token = page.token
        if token is None:
            return found


@pytest.mark.parametrize("tag", SORTS)
@pytest.mark.parametrize("places", [None, 1, 5], ids=lambda places: f"pages of {places}")
async def test_in_memory(tag: str, places: int | None) -> None:
    """Wherever DynamoDB ends its pages, before and after the copy, in pages of the caller's too."""

    class Short(Faults):
        def page_places(self, operation: str, table: str) -> int | None:
            return places

    gateway = MemoryGateway(Short())
    plan = migration("order")
    async with shared(gateway, "order", tag) as shop:
        for _ in ("before the copy", "after it"):
            check([item async for item in shop.scan()], tag)
            for size in (1, 2, 7):
                check(await by_pages(shop, size), tag)
            assert (await Migrator(plan, gateway=gateway).run()).ok


@pytest.mark.parametrize("tag", SORTS)
async def test_on_a_server(server: str, tag: str, table_name: str) -> None:
    """One of them returns the numbers of a scan in no order; each returns partitions together."""
    both = PARTITIONS[:-1]  # the last is in one table alone, and comes as the server has it
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connect({"endpoint_url": server}, PRODUCTION))
        shop = await stack.enter_async_context(shared(gateway, table_name, tag))
        parts = [[i async for i in shop.scan(segment=n, total_segments=3)] for n in range(3)]
        in_parts = [item for part in parts for item in part]
        for found in ([i async for i in shop.scan()], await by_pages(shop, 4), in_parts):
            check([item for item in found if item["p"] in both], tag, both)
            assert len(found) == sum(len(expected(p, tag)) for p in PARTITIONS)


async def test_memory_does_not_grow_with_a_partition() -> None:
    """One item at a time is asked for of a partition that both tables hold a thousand of."""
    read: list[int] = []

    class Counted(MemoryGateway):
        async def query(self, *args: Any, **kwargs: Any) -> Any:
            page = await super().query(*args, **kwargs)
            read.append(len(page.items))
            return page

    class Short(Faults):
        def page_places(self, operation: str, table: str) -> int | None:
            return 50

    gateway = Counted(Short())
    plan = Migration("large", "large-old", "large-new", lambda item: item)
    for table in (plan.old, plan.new):
        await gateway.create_table(orders.table(table, ("p", "S"), ("s", "N")))
    await orders.fill(gateway, plan.old, [{"p": "a", "s": 2 * n} for n in range(1000)])
    await orders.fill(gateway, plan.new, [{"p": "a", "s": 2 * n + 1} for n in range(1000)])
    async with DualTableRepository(plan, gateway=gateway) as shop:
        found = shop.scan()
        for n in range(100):
            assert (await anext(found))["s"] == n
        assert sum(read) <= 200
        assert [int(item["s"]) async for item in found] == list(range(100, 2000))


async def test_many_small_partitions_are_asked_for_at_once() -> None:
    """Waiting for each in turn would make a scan take hours."""
    running: list[int] = [0, 0]

    class Watched(MemoryGateway):
        async def query(self, *args: Any, **kwargs: Any) -> Any:
            running[0] += 1
            running[1] = max(running)
            page = await super().query(*args, **kwargs)
            running[0] -= 1
            return page

    class Slow(Faults):
        async def before(self, operation: str, table: str) -> None:
            await asyncio.sleep(0)

    gateway = Watched(Slow())
    plan = Migration("small", "small-old", "small-new", lambda item: item)
    for table in (plan.old, plan.new):
        await gateway.create_table(orders.table(table, ("p", "S"), ("s", "N")))
    await orders.fill(gateway, plan.old, [{"p": f"p{n}", "s": 1} for n in range(100)])
    async with DualTableRepository(plan, gateway=gateway) as shop:
        assert len([item async for item in shop.scan()]) == 100
    assert running[1] == pass_by_partitions.AT_ONCE
