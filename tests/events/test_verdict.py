"""What held a run back is named from what it waited for, and from nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import SimulatedDynamoDB

from dualtable import Migrator
from dualtable._events.interval import Interval
from dualtable._events.reading import read_events
from dualtable._events.verdict import Cause, causes, held_back_by
from dualtable._sharing.stages import ANSWERS, KEY_RANGES, PAGES, SENDING, UNITS


def interval(stage: str | None = None, **numbers: Any) -> Interval:
    stages = {} if stage is None else {stage: 4.0, UNITS if stage != UNITS else PAGES: 0.9}
    usual = {"pages": 9.0, "found": 90.0, "walked": 90.0, "segments_held": 4, "workers": 1}
    return Interval(at=0.0, seconds=5.0, stages=stages, **{**usual, **numbers})


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (Cause.PAUSE, interval(UNITS, paused_seconds=4.0, cpu_seconds=4.9)),
        (Cause.CPU, interval(PAGES, cpu_seconds=4.9, transform_seconds=1.0)),
        (Cause.CPU, interval(SENDING)),
        (Cause.TRANSFORM, interval(PAGES, cpu_seconds=4.9, transform_seconds=3.0)),
        (Cause.WRITE_CEILING, interval(UNITS, write_ceiling=400.0)),
        (Cause.WRITE_CAPACITY, interval(UNITS)),
        (
            Cause.THROTTLED_TABLE,
            interval(UNITS, throttles={"TableWriteProvisionedThroughputExceeded": 3.0}),
        ),
        (Cause.KEY_RANGE, interval(KEY_RANGES, throttles={"key ranges of the new table": 3.0})),
        (Cause.PARTITION, interval(KEY_RANGES)),
        (Cause.NEW_LATENCY, interval(ANSWERS)),
        (Cause.LEASES, interval(PAGES, pages=0.0, segments_held=0, workers=2)),
        (Cause.LEASES, interval(PAGES, pages=0.0, segments_held=0)),  # of one that was killed
        (
            Cause.THROTTLED_TABLE,
            interval(PAGES, throttles={"TableWriteMaxOnDemandThroughputExceeded": 9.0}),
        ),
        (
            Cause.THROTTLED_TABLE,
            interval(ANSWERS, throttles={"IndexWriteProvisionedThroughputExceeded": 9.0}),
        ),
        (
            Cause.READ_CAPACITY,
            interval(PAGES, throttles={"TableReadProvisionedThroughputExceeded": 9.0}),
        ),
        (Cause.NEW_LATENCY, interval(PAGES, request_seconds={"new insert": 9.0, "old scan": 1.0})),
        (Cause.EMPTY, interval(PAGES, walked=9_000.0, read_wait_seconds=4.5)),
        (Cause.READ_CAPACITY, interval(PAGES, read_wait_seconds=4.5)),
        (
            Cause.READ_CEILING,
            interval(PAGES, read_wait_seconds=4.5, read_ceiling=40.0),
        ),
        (Cause.OLD_LATENCY, interval(PAGES, read_wait_seconds=0.5)),
        (Cause.EMPTY, interval(None, walked=9_000.0)),
        (Cause.OLD_LATENCY, interval(None)),
    ],
)
def test_each_cause_has_its_signs(cause: Cause, told: Interval) -> None:
    """One case for each, the dry run's without a sender included."""
    assert held_back_by(told) is cause


def test_every_cause_is_told_apart() -> None:
    """A cause that no case above leads to would be one that nobody has seen."""
    cases = test_each_cause_has_its_signs.pytestmark[0].args[1]
    assert {cause for cause, _ in cases} == set(Cause)


# On simulated tables, where the cause is known


def run(make: Any, folder: Path, **settings: Any) -> list[Interval]:
    """Migrate in simulated time, and read what the run has told."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        make(gateway)
        await Migrator(
            proofs.MIGRATION,
            gateway=gateway,
            clock=virtual_time.VirtualClock(),
            dead_letters=os.devnull,
            events=folder,
            **settings,
        ).run()

    virtual_time.run(main())
    (run,) = read_events([folder])
    return list(run.intervals)


def production_case(gateway: SimulatedDynamoDB, items: int = 3_000) -> None:
    """The production report's tables, smaller; the last third of the old one was deleted."""
    deleted = proofs._deleted(int(items * 0.3 * 90), 0.7, 1.0)
    old = Capacity(write_units=5, read_units=100, partitions=1)
    gateway.add_table("orders", old, proofs.old_item, keys=proofs.keys(items), deleted=deleted)
    gateway.add_table("orders-v2", Capacity(write_units=400, read_units=50, partitions=1))


def test_the_sag_of_the_production_case_has_its_name(tmp_path: Path) -> None:
    """One scan in order, as in the report: fast, until it comes to what was deleted."""
    told = run(production_case, tmp_path / "events", total_segments=1, concurrency=1)
    most = max(each.write_units / each.seconds for each in told)
    sagging = [each for each in told[:-1] if each.write_units / each.seconds < most * 0.6]
    assert len(sagging) >= 3
    assert list(causes(sagging)) == [Cause.EMPTY]
    before = told[: told.index(sagging[0]) - 1]
    assert list(causes(before)) == [Cause.WRITE_CAPACITY]


def tables(gateway: SimulatedDynamoDB, items: int, **new: Any) -> None:
    gateway.add_table("orders", Capacity(partitions=16), proofs.old_item, keys=proofs.keys(items))
    gateway.add_table("orders-v2", Capacity(**{"read_units": 100, "partitions": 16, **new}))


@pytest.mark.parametrize(
    ("cause", "items", "new", "settings"),
    [
        (Cause.WRITE_CEILING, 2_000, {"write_units": 4_000}, {"max_write_units": 300}),
        (Cause.READ_CEILING, 2_000, {"write_units": 16_000}, {"max_read_units": 40}),
        (Cause.PARTITION, 6_000, {"write_units": 16_000}, {"total_segments": 2}),
        (
            Cause.KEY_RANGE,
            3_000,
            {"write_units": 16_000, "partitions": 2, "slow": (0, 1)},
            {"total_segments": 64},
        ),
    ],
)
def test_a_known_bottleneck_is_found(
    tmp_path: Path, cause: Cause, items: int, new: Any, settings: Any
) -> None:
    """Tables and settings of which one is plainly the slowest."""
    told = run(lambda gateway: tables(gateway, items, **new), tmp_path / "events", **settings)
    assert next(iter(causes(told))) is cause
