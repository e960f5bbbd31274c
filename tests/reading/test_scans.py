"""Scans of the logical table: every key that exists throughout, exactly once."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Attr

from dualtable import DualTableRepository, Migrator
from dualtable.errors import DualTableError
from dualtable.testing import MemoryGateway

PLAN = orders.migration("shop", indexes=[])


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Forty orders; production rewrote 3, deleted 4, put back 5, and added 100."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(40)])
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        await shop.put(orders.new_order(3, total=0))
        await shop.delete(orders.key(4))
        await shop.delete(orders.key(5))
        await shop.put(orders.new_order(5, total=0))
        await shop.put(orders.new_order(100))
    return gateway


def logical() -> dict[str, dict[str, Any]]:
    items = {f"o-{n}": orders.new_order(n) for n in [*range(40), 100] if n != 4}
    items["o-3"]["total"] = items["o-5"]["total"] = 0
    return items


async def collected(found: Any) -> dict[str, dict[str, Any]]:
    items: dict[str, dict[str, Any]] = {}
    async for item in found:
        assert item["id"] not in items, "a key came twice"
        items[item["id"]] = item
    return items


@pytest.mark.parametrize("consistent_read", [False, True])
@pytest.mark.parametrize("copied", [False, True])
async def test_a_scan_is_that_of_one_table(
    gateway: MemoryGateway, copied: bool, consistent_read: bool
) -> None:
    """Before, during and after the copy the logical table is the same."""
    if copied:
        await Migrator(PLAN, gateway=gateway).run()
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        assert await collected(shop.scan(consistent_read=consistent_read)) == logical()


async def test_segments_cover_all_and_do_not_overlap(gateway: MemoryGateway) -> None:
    """Several workers scan together what one would."""
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        parts = await asyncio.gather(
            *(collected(shop.scan(segment=n, total_segments=5)) for n in range(5))
        )
    together = [name for part in parts for name in part]
    assert sorted(together) == sorted(logical())


@pytest.mark.parametrize("size", [1, 7, 39])
async def test_pages_survive_a_process(gateway: MemoryGateway, size: int) -> None:
    """A token leads on through both passes, and through the copy that goes on meanwhile."""
    found: dict[str, Any] = {}
    token = None
    while True:
        async with DualTableRepository(PLAN, gateway=gateway) as shop:
            page = shop.scan(limit=size, token=token)
            part = await collected(page)
            assert not part.keys() & found.keys()
            found |= part
            token = json.loads(json.dumps(page.token))
        if token is None:
            break
        if len(found) > 20:
            await Migrator(PLAN, gateway=gateway).run()
    assert found == logical()


async def test_filter_and_limit_count_logical_items(gateway: MemoryGateway) -> None:
    """An old version that a newer one has replaced is neither kept nor counted."""
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        rewritten = await collected(shop.scan(filter=Attr("total").eq(0)))
        assert set(rewritten) == {"o-3", "o-5"}
        assert len(await collected(shop.scan(filter=Attr("region").eq("eu"), limit=4))) == 4


async def test_every_key_that_exists_throughout_comes_once() -> None:
    """Writers, deleters and the migrator at work between any two reads of the scan."""
    chance = random.Random(5)
    for _ in range(20):
        gateway = MemoryGateway()
        await orders.create(gateway, PLAN)
        await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(30)])
        async with DualTableRepository(PLAN, gateway=gateway) as shop:
            migrator = Migrator(PLAN, gateway=gateway, total_segments=5, page_items=2)
            copying = asyncio.create_task(migrator.run())
            seen: list[str] = []
            removed: set[str] = set()
            async for item in shop.scan():
                seen.append(item["id"])
                number = chance.randrange(35)
                if chance.random() < 0.3:
                    await shop.delete(orders.key(number))
                    removed.add(f"o-{number}")
                else:
                    await shop.put(orders.new_order(number, total=0))
            await copying
        assert len(seen) == len(set(seen))
        assert {f"o-{n}" for n in range(30)} - removed <= set(seen)


async def test_one_item_that_becomes_several_is_paged_between_its_outputs() -> None:
    """A page may end between two new items of one old item."""

    class Split:
        def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
            return [{"id": f"{item['id']}/{n}", "n": n} for n in range(5)]

        def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
            return {"id": new_key["id"].partition("/")[0]}

    plan = orders.migration("split", Split(), indexes=[])
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [{"id": f"o-{n}"} for n in range(4)])
    async with DualTableRepository(plan, gateway=gateway) as parts:
        await parts.delete({"id": "o-2/3"})
        found: list[str] = []
        token = None
        while True:
            page = parts.scan(limit=3, token=token)
            found += [item["id"] async for item in page]
            token = page.token
            if token is None:
                break
    wanted = {f"o-{n}/{m}" for n in range(4) for m in range(5)} - {"o-2/3"}
    assert sorted(found) == sorted(wanted)


async def test_bad_settings_are_named(gateway: MemoryGateway) -> None:
    """A segment that does not exist would silently find nothing."""
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        for bad, named in (
            ({"segment": 3, "total_segments": 3}, "segment=3"),
            ({"total_segments": 0}, "total_segments=0"),
            ({"limit": 0}, "limit=0"),
        ):
            with pytest.raises(DualTableError, match=named):
                shop.scan(**bad)
