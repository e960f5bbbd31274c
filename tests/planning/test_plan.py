"""A plan against the bill, what it expects to fail, and what it recommends."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import orders
import pytest
from clocks import HandClock

from dualtable import (
    Chain,
    Convert,
    Index,
    KeySchema,
    Migration,
    MigrationReport,
    Migrator,
    Plan,
    Planner,
    Prices,
    Rename,
    Verifier,
    create_table,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._planning.extrapolation import Estimate, Extrapolation
from dualtable._planning.readings import Cut
from dualtable._planning.sampling import LEAST_UNITS, MOST_UNITS, SampleSize
from dualtable._planning.steps import steps
from dualtable._wire import codec
from dualtable.errors import DualTableError, InvalidSettingError
from dualtable.testing import MemoryGateway

HEAVY = "x" * 200_000


def flat(number: int) -> dict[str, Any]:
    """A city of the demo, about."""
    return {
        "id": f"city-{number}",
        "nme": f"City {number}",
        "country": {"code": ("DE", "FR", "IT")[number % 3]},
        "population": number * 17,
        "lines": [{"sku": f"s-{n}", "count": n} for n in range(number % 5)],
    }


def seldom_heavy(number: int) -> dict[str, Any]:
    """One in a hundred has 200 KB."""
    return (
        {"id": f"o-{number}", "nme": "n" * (1 + number % 200), "text": HEAVY}
        if (number % 100 == 7)
        else {"id": f"o-{number}", "nme": "n" * (1 + number % 200)}
    )


def indexed(number: int) -> dict[str, Any]:
    """For three indexes; one in ten items is in the third."""
    item = {"id": f"o-{number}", "nme": f"n-{number % 9}", "text": "t" * (number * 7 % 3_000)}
    return item | ({"flag": "yes"} if number % 10 == 3 else {})


THREE = [
    Index("by-name", KeySchema("name")),
    Index("keys-only", KeySchema("name", "id"), "KEYS_ONLY"),
    Index("sparse", KeySchema("flag"), ["name"]),
]

CASES: dict[str, tuple[Callable[[int], dict[str, Any]], int, list[Index]]] = {
    "flat": (flat, 3_000, [Index("by-name", KeySchema("name"))]),
    "seldom heavy": (seldom_heavy, 2_000, [Index("keys", KeySchema("name"), "KEYS_ONLY")]),
    "three indexes": (indexed, 2_000, THREE),
}


@pytest.fixture(params=["memory", "dynoxide"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryGateway()
        return
    url = request.getfixturevalue("running")(request.param)
    async with connect({"endpoint_url": url}, PRODUCTION) as opened:
        yield opened


async def filled(
    gateway: Any, name: str, make: Callable[[int], dict[str, Any]], number: int, **settings: Any
) -> Migration:
    plan = orders.migration(name, Rename("nme", "name"), **settings)
    await gateway.create_table(orders.table(plan.old))
    await orders.fill(gateway, plan.old, [make(n) for n in range(number)])
    return plan


@pytest.mark.parametrize("case", CASES)
async def test_a_plan_is_what_is_billed(gateway: Any, table_name: str, case: str) -> None:
    """Read and write units, indexes included, within a tenth of what the server then reports."""
    make, number, indexes = CASES[case]
    plan = await filled(gateway, table_name, make, number, indexes=indexes)
    planned = await Planner(plan, gateway=gateway).run()
    await create_table(plan, gateway=gateway)
    dry = await Migrator(plan, gateway=gateway, dry_run=True).run()
    real = await Migrator(plan, gateway=gateway).run()
    assert real.ok
    assert real.written == number
    check_bill(planned, real)
    assert dry.write_units == pytest.approx(real.write_units, rel=0.01)
    assert planned.sample.read_units <= planned.sample.most_units
    assert planned.sample.whole


def check_bill(planned: Plan, real: MigrationReport) -> None:
    assert planned.write_units.likely == pytest.approx(real.write_units, rel=0.1)
    assert planned.read_units.likely == pytest.approx(real.read_units, rel=0.1)


@pytest.mark.parametrize("case", CASES)
async def test_two_in_a_hundred_tell_the_bill(case: str, table_name: str) -> None:
    """The same from a sample of 2 % of the read units, of a table that is not small."""
    make, _, indexes = CASES[case]
    gateway = MemoryGateway()
    plan = await filled(gateway, table_name, make, 20_000, indexes=indexes)
    await create_table(plan, gateway=gateway)
    described = await gateway.describe_table(plan.old)
    most = described["TableSizeBytes"] / 8_192 * 0.02
    planned = await Planner(
        plan, gateway=gateway, max_sample_units=most, chance=random.Random(5)
    ).run()
    assert not planned.sample.whole
    assert planned.sample.read_units < 0.02 * planned.read_units.likely
    real = await Migrator(plan, gateway=gateway).run()
    check_bill(planned, real)
    assert planned.write_units.low <= real.write_units <= planned.write_units.high
