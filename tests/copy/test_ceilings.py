"""A ceiling holds within every second, plus one request, whoever reads or writes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orders
import pytest
import simulated

from dualtable import (
    Index,
    KeySchema,
    Migration,
    Migrator,
    Verifier,
    create_table,
)
from dualtable._clock import SystemClock
from dualtable._wire import codec
from dualtable._wire.costs import insert_units
from dualtable._wire.layouts import layout
from dualtable.testing import Faults, MemoryGateway

LATENCY_SECONDS = 0.05
ITEMS = 600
INDEXES = (
    Index("all", KeySchema("region")),
    Index("keys", KeySchema("region"), "KEYS_ONLY"),
    Index("some", KeySchema("region"), ["total"]),
    Index("none", KeySchema("missing")),
)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


class Latency(Faults):
    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(LATENCY_SECONDS)


class Metered(MemoryGateway):
    """Keeps the bill: when a request of a kind took effect on a table, and its units."""

    def __init__(self) -> None:
        super().__init__()
        self.bills: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def bill(self, kind: str, table: str, units: float) -> None:
        self.bills.setdefault((kind, table), []).append((simulated.seconds(), units))

    async def scan(self, table: str, **settings: Any) -> Any:
        page = await super().scan(table, **settings)
        self.bill("read", table, page.read_units)
        return page

    async def batch_get(self, table: str, keys: Any, **settings: Any) -> Any:
        found = await super().batch_get(table, keys, **settings)
        self.bill("read", table, found.read_units)
        return found

    async def insert(self, table: str, items: Any, **settings: Any) -> Any:
        batch = await super().insert(table, items, **settings)
        self.bill("write", table, batch.write_units)
        return batch

    def check(self, kind: str, table: str, ceiling: float) -> None:
        """In each second that begins with a request: the ceiling, and one request more."""
        bills = self.bills[kind, table]
        for begins, _ in bills:
            within = [units for at, units in bills if begins <= at < begins + 1 - 1e-9]
            assert sum(within) <= ceiling + max(within) + 1e-6, (begins, within)
        assert len(bills) > 5


async def world() -> tuple[Migration, Metered]:
    """Small items and large ones, and a table of which the statistics say nothing yet."""
    plan = Migration("shop", "shop-old", "shop-new", later, version="1", indexes=INDEXES)
    gateway = Metered()
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    filler = "x" * 6_000
    await orders.fill(
        gateway,
        plan.old,
        [
            {"id": f"o-{n}", "region": "EU", "total": n, "text": filler if n % 3 else "x"}
            for n in range(ITEMS)
        ],
    )
    gateway.faults = Latency()
    gateway._tables[plan.old].description["ItemCount"] = 0
    return plan, gateway


def later(item: dict[str, Any]) -> dict[str, Any]:
    return item


async def migrate(plan: Migration, gateway: Metered) -> None:
    ceilings: dict[str, Any] = {"max_read_units": 50, "max_write_units": 300}
    report = await Migrator(plan, gateway=gateway, **ceilings).run()
    assert report.ok
    gateway.check("read", plan.old, 50)
    gateway.check("write", plan.new, 300)


async def rehearse(plan: Migration, gateway: Metered) -> None:
    assert (await Migrator(plan, gateway=gateway, dry_run=True, max_read_units=50).run()).ok
    gateway.check("read", plan.old, 50)


async def look_first(plan: Migration, gateway: Metered) -> None:
    gateway.faults = Faults()
    assert (await Migrator(plan, gateway=gateway).run()).ok
    gateway.faults = Latency()
    gateway.bills.clear()
    again = await Migrator(plan, gateway=gateway, restart=True, max_read_units=40).run()
    assert again.already_present == ITEMS
    gateway.check("read", plan.old, 40)
    gateway.check("read", plan.new, 40)


async def verify(plan: Migration, gateway: Metered) -> None:
    gateway.faults = Faults()
    assert (await Migrator(plan, gateway=gateway).run()).ok
    gateway.faults = Latency()
    gateway.bills.clear()
    proof = await Verifier(plan, gateway=gateway, max_read_units=50).run()
    assert proof.ok
    gateway.check("read", plan.old, 50)
    gateway.check("read", plan.new, 50)


@pytest.mark.parametrize("seed", [6, 7, 8])
@pytest.mark.parametrize("work", [migrate, rehearse, look_first, verify])
def test_no_second_sees_more_than_its_units_and_one_request(
    work: Callable[[Migration, Metered], Coroutine[Any, Any, None]], seed: int
) -> None:
    """However many are at work at once, and although nobody knows a page before it is read."""
    random.seed(seed)  # which segment comes next is chance

    async def main() -> None:
        await work(*await world())

    simulated.run(main())


def test_who_joins_others_waits_until_they_have_made_room() -> None:
    """Two migrators together keep to one ceiling, from the first second of the second one on."""

    async def main() -> None:
        plan, gateway = await world()
        first = asyncio.create_task(
            Migrator(plan, gateway=gateway, max_write_units=200, clock=WallClock()).run()
        )
        await asyncio.sleep(4)
        second = Migrator(plan, gateway=gateway, clock=WallClock())
        reports = await asyncio.gather(first, second.run())
        assert all(report.complete and report.written for report in reports)
        bills = gateway.bills["write", plan.new]
        for begins, _ in bills:
            within = [units for at, units in bills if begins <= at < begins + 1 - 1e-9]
            assert sum(within) <= 200 + 2 * max(within)  # one request of each

    simulated.run(main())


class WallClock(SystemClock):
    """Its wall is the loop's time too, as it is where both pass alike."""

    def now(self) -> float:
        return self.monotonic() + 1_800_000_000


async def test_a_dry_run_forecasts_what_the_indexes_cost() -> None:
    """What a rehearsal says is what the copy is billed: by projection, where an index has them."""
    plan, gateway = await world()
    gateway.faults = Faults()
    new = layout(await gateway.describe_table(plan.new))
    item = codec.encode({"id": "o-1", "region": "EU", "total": 1, "text": "x" * 2_500})
    assert insert_units(item, new) == 3 + 3 + 1 + 1
    del item["region"]
    assert insert_units(item, new) == 3
    forecast = (await Migrator(plan, gateway=gateway, dry_run=True).run()).write_units
    assert forecast == pytest.approx((await Migrator(plan, gateway=gateway).run()).write_units)
    assert forecast > ITEMS * 4
