"""A sample says how much there can be wrong at most, and is seldom mistaken."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import orders
import pytest
import simulated

from dualtable import Migrator, SampleReport, Verifier
from dualtable._control.control_table import Control, Limits
from dualtable._proof.sampling import segments_for, share_at_most
from dualtable._wire import codec
from dualtable.errors import InvalidSettingError
from dualtable.testing import MemoryGateway

PLAN = orders.migration("shop")
ITEMS = 3_000


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def world(missing: int) -> MemoryGateway:
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(ITEMS)])
    await Migrator(PLAN, gateway=gateway, total_segments=8).run()
    for number in random.Random(1).sample(range(ITEMS), missing):
        await gateway.delete(PLAN.new, codec.encode(orders.key(number)))
    return gateway


@pytest.mark.parametrize(
    ("found", "drawn", "share"),
    [(0, 5_000, 0.000921), (0, 153_505, 0.00003), (1, 1_000, 0.00662), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_bounds_are_those_of_the_books(found: int, drawn: int, share: float) -> None:
    """For none found it is 1 - 0.01 ** (1 / n); the others are Clopper and Pearson's."""
    assert share_at_most(found, drawn, 0.99) == pytest.approx(share, rel=0.01)


async def test_a_sample_reads_a_part_and_bounds_the_whole() -> None:
    """What it costs goes by the sample, and what it says holds for the table."""
    gateway = await world(missing=300)
    report = await Verifier(PLAN, gateway=gateway, concurrency=2).sample(500)
    whole = await Verifier(PLAN, gateway=gateway).run()
    assert 500 <= report.sampled < 700
    assert 0 < report.missing / report.checked < 0.2
    assert report.share_at_most >= 0.1
    assert report.read_units < whole.read_units / 2
    assert not report.ok
    assert {example.kind for example in report.examples} == {"missing"}


async def test_a_sample_of_more_than_there_is_sees_all() -> None:
    gateway = await world(missing=1)
    report = await Verifier(PLAN, gateway=gateway).sample(2 * ITEMS)
    assert (report.sampled, report.missing) == (ITEMS, 1)


async def test_a_sample_leaves_no_trace() -> None:
    """It is no verification: no gate opens by it."""
    gateway = await world(missing=0)
    before = await orders.digest(gateway, PLAN.control_table)
    report = await Verifier(PLAN, gateway=gateway).sample(50)
    assert report.ok
    assert await orders.digest(gateway, PLAN.control_table) == before


@pytest.mark.parametrize(
    ("in_force", "own", "expected"), [(20.0, None, 20), (None, 20.0, 20), (20.0, 80.0, 20)]
)
def test_a_sample_keeps_to_the_ceiling_in_force(
    in_force: float | None, own: float | None, expected: float
) -> None:
    """Production reads beside it, and somebody has said how much is left for others."""

    async def sampled() -> float:
        gateway = await world(missing=0)
        control = Control(gateway, PLAN.control_table, PLAN.name)
        await control.set_limits(Limits(max_read_units=in_force))
        begun = simulated.seconds()
        report = await Verifier(PLAN, gateway=gateway, max_read_units=own).sample(1_000)
        return report.read_units / (simulated.seconds() - begun)

    assert simulated.run(sampled()) < 2 * expected * 1.1  # a ceiling for each of the two tables


def test_a_sample_waits_during_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    """It says so, and goes on by itself; a pause that comes in between holds it as well."""

    async def sampled() -> None:
        gateway = await world(missing=0)
        control = Control(gateway, PLAN.control_table, PLAN.name)
        await control.set_limits(Limits(max_read_units=0.0))
        running = asyncio.create_task(Verifier(PLAN, gateway=gateway).sample(2_000))
        await asyncio.sleep(100)
        assert not running.done()
        assert "the sample waits; dualtable resume" in caplog.text
        await control.set_limits(Limits(max_read_units=20.0))
        await asyncio.sleep(10)
        await control.set_limits(Limits(max_read_units=0.0))
        await asyncio.sleep(100)
        assert not running.done()
        assert len(caplog.records) == 2
        await control.set_limits(Limits())
        assert (await running).sampled >= 2_000

    simulated.run(sampled())


async def test_nothing_drawn_is_not_well() -> None:
    """An empty table proves nothing."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    report = await Verifier(PLAN, gateway=gateway).sample(5)
    assert (report, report.ok, report.share_at_most) == (
        SampleReport(level="content", read_units=report.read_units),
        False,
        1.0,
    )
    with pytest.raises(InvalidSettingError, match="items=0"):
        await Verifier(PLAN, gateway=gateway).sample(0)


def test_segments_have_a_handful_each() -> None:
    assert [segments_for(n) for n in (0, 30_000, 10**9)] == [100, 3_000, 1_000_000]
