"""A plan against the bill, what it expects to fail, and what it recommends."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import AsyncIterator, Callable
from pathlib import Path
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
from dualtable._planning.choices import TABLE, Load, choices, recommended
from dualtable._planning.extrapolation import Estimate, Extrapolation
from dualtable._planning.planner import LEAST_CPU_SECONDS
from dualtable._planning.readings import Cut
from dualtable._planning.sampling import LEAST_UNITS, MOST_UNITS, SampleSize
from dualtable._planning.steps import steps
from dualtable.errors import InvalidSettingError
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


@pytest.mark.parametrize(
    ("transform", "number", "said"), [(Chain(), 30, True), (Chain(), 0, False), (None, 30, False)]
)
async def test_what_changes_nothing_is_said(transform: Any, number: int, said: bool) -> None:
    """An empty chain, or one whose paths no item has, copies as it is: seldom what is meant."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "shop", flat, number)
    if transform is not None:
        plan = attrs.evolve(plan, transform=transform)
    planned = await Planner(plan, gateway=gateway).run()
    words = [line for line in planned.warnings if "leaves every item of the sample" in line]
    assert bool(words) is said
    assert all(line.startswith("Chain() leaves") for line in words)


def test_the_cpu_that_a_plan_reckons_with_is_the_measured_one() -> None:
    """One number: the planner's is that of the benchmarks, which the performance page shows."""
    stored = json.loads((Path(__file__).parents[1] / "benchmarks" / "results.json").read_text())
    rows = [found["flat"]["rows"] for found in stored["servers"].values()]
    measured = statistics.mean(each["dualtable_callable"]["microseconds"] for each in rows) / 1e6
    assert measured == pytest.approx(LEAST_CPU_SECONDS, rel=0.2)


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


class Counting(MemoryGateway):
    """Adds up what is read, whoever reads it."""

    read_units = 0.0

    async def scan(self, table: str, **settings: Any) -> Any:
        page = await super().scan(table, **settings)
        self.read_units += page.read_units
        return page

    async def batch_get(self, table: str, keys: Any, **settings: Any) -> Any:
        found = await super().batch_get(table, keys, **settings)
        self.read_units += found.read_units
        return found


@pytest.mark.parametrize("case", CASES)
async def test_what_comes_beside_the_copy(case: str, table_name: str) -> None:
    """A dry run, both verifications and a restart read what the plan says."""
    make, number, indexes = CASES[case]
    gateway = Counting()
    plan = await filled(gateway, table_name, make, number, indexes=indexes)
    planned = await Planner(plan, gateway=gateway).run()
    await create_table(plan, gateway=gateway)
    costs = {cost.what: cost.read_units for cost in planned.costs}
    await Migrator(plan, gateway=gateway).run()

    async def check(what: str, work: Any) -> None:
        before = gateway.read_units
        await work.run()
        expected = costs[what]
        assert expected is not None
        assert expected.likely == pytest.approx(gateway.read_units - before, rel=0.1), what

    await check("a dry run", Migrator(plan, gateway=gateway, dry_run=True))
    await check("a verification of content", Verifier(plan, gateway=gateway))
    await check("a verification of keys", Verifier(plan, gateway=gateway, level="keys"))
    await check("a restart after the copy", Migrator(plan, gateway=gateway, restart=True))


# What will fail


async def planned_of(items: list[dict[str, Any]], transform: Any, **settings: Any) -> Plan:
    gateway = MemoryGateway()
    plan = orders.migration("plan", transform, **settings)
    await gateway.create_table(orders.table(plan.old))
    await orders.fill(gateway, plan.old, items)
    return await Planner(plan, gateway=gateway).run()


def swell(item: dict[str, Any]) -> dict[str, Any]:
    return item | ({"more": "m" * 300_000, "still": "s" * 200_000} if item["id"] == "o-1" else {})


def upper(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"id": "same"}


@pytest.mark.parametrize(
    ("transform", "error", "says", "number"),
    [
        (Convert("total", float), "TransformError", "total", 3),
        (swell, "InvalidItemError", "DynamoDB allows 409,600", 1),
        (upper, "TransformError", "old_key does not lead back from", 3),
        (lambda item: [item, item], "TransformError", "two items with one key", 3),
        (lambda item: item | {"region": 5}, "InvalidKeyError", "key of index by-region", 3),
    ],
    ids=["error", "oversize", "I8", "clash", "index key"],
)
async def test_what_is_likely_to_fail(transform: Any, error: str, says: str, number: int) -> None:
    """Each kind of dead letter is foreseen by its name, and none shows a value."""
    items = [orders.old_order(n, total=f"secret-{n}") for n in range(3)]
    indexes: Any = {} if "by-region" in says else {"indexes": []}
    plan = await planned_of(items, transform, **indexes)
    (failure,) = plan.failures
    assert not plan.ok
    assert failure.error == error
    assert says in failure.reason
    assert failure.items == Estimate.exactly(number)
    assert "secret" not in str(plan)


async def test_what_cannot_be_written_back() -> None:
    """Of a migration that rolls, an item that does not come back (I9) is foreseen, too."""
    halves = Convert("total", lambda total: int(total) // 2, back=lambda half: half * 2)
    items = [{"id": "o-1", "total": 4}, {"id": "o-2", "total": 5}, {"id": "o-3", "total": 6}]
    assert (await planned_of(items, halves, indexes=[], rolling=True)).ok
    lossy = Convert("total", int, back=lambda total: 0)
    plan = await planned_of(items, lossy, indexes=[], rolling=True)
    (failure,) = plan.failures
    assert failure.error == "I9 TransformError"
    assert failure.in_sample == 3
    assert (await planned_of(items, lossy, indexes=[])).ok


async def test_a_count_of_items_that_are_gone() -> None:
    """A sample that finds none of many items tells nothing, and says so."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "gone", flat, 0)
    planner = Planner(plan, gateway=gateway, items=10_000, max_sample_units=4)
    with pytest.raises(InvalidSettingError, match="found none"):
        await planner.run()


async def test_dropped_items_and_old_marks_are_no_failures() -> None:
    """What the transform leaves out is counted, and written nowhere."""
    items = [orders.old_order(n, test=n == 2) for n in range(4)]
    plan = await planned_of(items, orders.TRANSFORM)
    assert plan.ok
    assert plan.dropped.likely == 1
    assert (plan.old.items.likely, plan.new.items.likely) == (4, 3)


# The sample


def described(items: int, size: int) -> dict[str, Any]:
    return {"TableName": "t", "ItemCount": items, "TableSizeBytes": size}


@pytest.mark.parametrize(
    ("size", "most"),
    [
        (0, LEAST_UNITS),
        (100 * 2**20, LEAST_UNITS),
        (1_000 * 2**20, 1_000 * 128 * 0.02),
        (340 * 2**30, MOST_UNITS),
    ],
)
def test_a_sample_is_bounded(size: int, most: float) -> None:
    """2 % of the read units, but 8 MB in any case and never more than 32 MB."""
    assert SampleSize.of(described(max(1, size // 3_400), size)).most_units == pytest.approx(
        most, rel=0.01
    )


async def test_a_table_that_dynamodb_has_not_counted() -> None:
    """Nobody extrapolates from a count that the sample contradicts; who knows it says it."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "stale", flat, 2_000)

    async def stale(table: str, describe: Any = gateway.describe_table) -> Any:
        return await describe(table) | {"ItemCount": 0, "TableSizeBytes": 0}

    gateway.describe_table = stale  # type: ignore[method-assign]
    small = Planner(plan, gateway=gateway, max_sample_units=2)
    with pytest.raises(InvalidSettingError, match="counts 0 items in stale-old"):
        await small.run()
    assert (await Planner(plan, gateway=gateway).run()).old.items.likely == 2_000
    known = await Planner(plan, gateway=gateway, max_sample_units=8, items=2_000).run()
    assert not known.sample.whole
    assert known.old.items.likely == 2_000


def test_a_range_holds_what_lies_together() -> None:
    """Items of one segment are no independent ones: the range is as wide as segments differ."""
    alike = [{"old_items": 10.0, "old_bytes": 100.0, "units": 10.0} for _ in range(10)]
    apart = [{"old_items": 10.0, "old_bytes": 100.0, "units": 20.0 * (n % 2)} for n in range(10)]
    even = Extrapolation(alike, whole=False, items=1_000.0, size=None).total("units")
    wide = Extrapolation(apart, whole=False, items=1_000.0, size=None).total("units")
    assert even == Estimate.exactly(1_000.0)
    assert wide.likely == 1_000.0
    assert wide.high - wide.likely == pytest.approx(1_000 * 2 * (0.9 / 9) ** 0.5)


def test_bytes_that_a_sample_lacks_are_reckoned_with() -> None:
    """Where the table has more bytes than such items would have, larger ones are elsewhere."""
    tallies = [{"old_items": 10.0, "old_bytes": 1_000.0, "units": 10.0}] * 5
    found = Extrapolation(tallies, whole=False, items=1_000.0, size=1_000 * 2_100.0)
    assert found.total("units", 1 / 1_000).likely == 1_000 + 2_000
    near = Extrapolation(tallies, whole=False, items=1_000.0, size=1_000 * 190.0)
    assert near.total("units", 1 / 1_000).likely == 1_000


@pytest.mark.parametrize(("items", "most"), [(0, 5), (3, 5), (40, 5), (500, 5), (5_000, 5)])
def test_pages_are_counted_as_they_are_cut(items: int, most: int) -> None:
    """As a throw of so many items into segments comes out on average."""
    chance, segments, throws = random.Random(7), 8, 40
    pages = 0
    for _ in range(throws):
        found = [0] * segments
        for _ in range(items):
            found[chance.randrange(segments)] += 1
        pages += sum(each // most + 1 for each in found)
    expected = Cut(segments, most).pages(items, items * 100.0)
    assert expected == pytest.approx(pages / throws, rel=0.05)


# What to choose, and what to do


async def test_a_provisioned_table_as_it_is() -> None:
    """Its units are paid already; they and those of its index say how long it takes."""
    gateway = MemoryGateway()
    plan = orders.migration("plan", Rename("nme", "name"), indexes=None)
    units = {"ReadCapacityUnits": 100, "WriteCapacityUnits": 10}
    definition = orders.table(plan.old) | {"BillingMode": "PROVISIONED"}
    await gateway.create_table(definition | {"ProvisionedThroughput": units})
    await orders.fill(gateway, plan.old, [flat(n) for n in range(970)])
    planned = await Planner(plan, gateway=gateway, clock=HandClock()).run()
    first = planned.choices[0]
    assert (first.name, first.is_there) == ("as it is provisioned", True)
    assert first.seconds.likely == pytest.approx(100)
    assert first.dollars == Estimate.exactly(0.0)
    assert planned.recommended == first.name


PRE_WARMED = {"WarmThroughput": {"WriteUnitsPerSecond": 60_000}}


class Described(MemoryGateway):
    """Says something more of its tables."""

    more: dict[str, Any] = {}  # noqa: RUF012 - set by each test

    async def describe_table(self, table: str) -> Any:
        return {**await super().describe_table(table), **self.more.get(table, {})}


def provisioned(write_units: int) -> dict[str, Any]:
    units = {"ReadCapacityUnits": 1_000, "WriteCapacityUnits": write_units}
    return {"BillingModeSummary": {"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": units}


@pytest.mark.parametrize(
    ("more", "exists", "gives", "units", "beyond"),
    [
        ({}, False, "is taken to give 4,000", 4_000, False),
        ({"plan-new": PRE_WARMED}, True, "gives 60,000", 60_000, False),
        ({"plan-old": provisioned(40_000)}, False, "would be made with 40,000", 40_000, False),
        ({"plan-old": provisioned(50_000)}, False, "would be made with 50,000", 50_000, True),
        ({"plan-new": provisioned(50_000)}, True, "has 50,000", 50_000, False),
    ],
    ids=["on demand", "pre-warmed", "at the quota", "beyond it", "beyond it, and there"],
)
async def test_what_the_new_table_gives_at_once(
    more: dict[str, Any], exists: bool, gives: str, units: int, beyond: bool
) -> None:
    """An operator knows beforehand how fast it can be, and what he has to ask AWS for."""
    gateway = Described()
    plan = await filled(gateway, "plan", flat, 100, indexes=[])
    if exists:
        await create_table(plan, gateway=gateway)
    gateway.more = more
    planned = await Planner(plan, gateway=gateway, clock=HandClock()).run()
    said, *others = planned.warnings
    assert said.startswith(f"plan-new {gives} ")
    assert planned.choices[0].capacity == {TABLE: units}
    quota = [line for line in others if "ask AWS for more first (Service Quotas)" in line]
    assert bool(quota) is beyond


async def test_what_a_plan_says_of_money() -> None:
    """What comes beside the copy is priced, too: each reading, and what a week of two tables is."""
    gateway, items = MemoryGateway(), 100
    plan = await filled(gateway, "plan", lambda n: {"id": f"o-{n:02}", "nme": "n"}, items)
    week = 365.25 / 12 / 7
    prices = attrs.evolve(Prices.published(), million_read_units=3e6, gigabyte_month=2.0**30 * week)
    planned = await Planner(plan, gateway=gateway, prices=prices).run()
    costs = {cost.what: cost for cost in planned.costs}
    stored = costs.pop("a week of storing both tables")
    each_old, each_new = len("ido-00nmen"), len("ido-00namen")
    assert stored.dollars.likely == pytest.approx(items * (each_old + each_new + 2 * 100))
    assert costs["a million reads that fall back"].read_units == Estimate.exactly(2.5e6)
    assert len(costs) == 5
    for cost in costs.values():
        assert cost.read_units is not None
        assert cost.dollars.likely == pytest.approx(3 * cost.read_units.likely)


@pytest.mark.parametrize(
    ("write_units", "name", "says"),
    [
        (1e3, "on demand", "needs no change"),
        (9e8, "provisioned for 8 h", "the cheapest that ends within a day"),
        (1.8e9, "provisioned for 24 h", "the cheapest that ends within a day"),
        (9e10, "on demand", "the quickest; none ends within a day"),
    ],
)
def test_what_is_recommended(write_units: float, name: str, says: str) -> None:
    """Little is copied as the table is; much where a day's capacity is cheaper, and allowed."""
    load = Load(
        read_units=Estimate.exactly(write_units / 10),
        parts={TABLE: Estimate.exactly(write_units), "by-name": Estimate.exactly(write_units / 2)},
    )
    table = orders.table("t")
    found = choices(load, table, table, Prices.published())
    best, reason = recommended(found, "USD")
    assert best.name == name
    assert says in reason
    assert load.write_units.likely == write_units * 1.5


async def test_prices_are_yours(tmp_path: Any) -> None:
    """A file of the same form takes the place of what is published; another is refused."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "plan", flat, 300, indexes=[])
    published = Prices.published()
    (tmp_path / "prices.json").write_text(
        json.dumps(attrs.asdict(published) | {"million_write_units": 1e6})
    )
    yours = Prices.read(tmp_path / "prices.json")
    planned = await Planner(plan, gateway=gateway, prices=yours).run()
    assert planned.choices[0].dollars.likely == pytest.approx(300, rel=0.01)
    assert (published.region, published.date) == ("us-east-1", "2026-08-31")
    for text in ("{}", "[]", "no", '{"region": 1}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InvalidSettingError, match="holds no prices"):
            Prices.read(tmp_path / "bad.json")
    with pytest.raises(InvalidSettingError, match="million_read_units=-1"):
        attrs.evolve(published, million_read_units=-1)


async def test_the_steps_in_their_order() -> None:
    """Writers are moved before the copy; with `rolling`, through the entry phases."""
    gateway = MemoryGateway()
    for rolling in (False, True):
        plan = await filled(gateway, f"plan-{rolling}".lower(), flat, 3, rolling=rolling)
        said = steps(plan, await Planner(plan, gateway=gateway).run(), "m:migration")
        copy = said.index("dualtable migrate m:migration")
        assert said[0] == "dualtable create m:migration"
        assert any("Move every writer first" in step for step in said[:copy]) is not rolling
        assert any("--to MIGRATING" in step for step in said[:copy]) is rolling


async def test_a_plan_writes_nothing_and_needs_no_new_table() -> None:
    """Whoever plans has decided nothing yet."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "plan", flat, 3)
    before = set(gateway._tables)
    planned = await Planner(plan, gateway=gateway).run()
    assert not planned.new_exists
    assert set(gateway._tables) == before
    await create_table(plan, gateway=gateway)
    assert (await Planner(plan, gateway=gateway).run()).new_exists


@pytest.mark.parametrize("setting", [{"items": -1}, {"max_sample_units": 0}, {"prices": "cheap"}])
def test_a_wrong_setting_is_refused(setting: dict[str, Any]) -> None:
    """When the planner is made, by its name."""
    with pytest.raises(InvalidSettingError, match=next(iter(setting))):
        Planner(orders.migration("plan"), gateway=MemoryGateway(), **setting)


def test_a_count_that_no_table_has_is_refused_at_once() -> None:
    """Before anything is read, however many digits it has."""
    bad: Any
    for bad in (10**31, 10**400, 10**5_000, -1, 1.5, True):
        with pytest.raises(InvalidSettingError, match=r"items=.* must be a whole number from 0"):
            Planner(orders.migration("shop"), items=bad)


async def test_a_count_of_the_callers_is_not_laid_at_dynamodbs_door() -> None:
    """Who says how many there are hears that it cannot be, and not when DynamoDB counts."""
    gateway = MemoryGateway()
    plan = await filled(gateway, "small", flat, 2_000)
    few = Planner(plan, gateway=gateway, max_sample_units=2, items=3)
    with pytest.raises(InvalidSettingError, match="items=3 cannot be so for small-old: the sample"):
        await few.run()
