"""Rates are exact in simulated time, and follow what a table gives."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
import simulated
from clocks import HandClock

from dualtable._clock import SystemClock
from dualtable._control.capacity import (
    NEW_ON_DEMAND_UNITS,
    PROVISIONED_SHARE,
    Pace,
    TokenBucket,
    pace,
)
from dualtable._control.segments import Segment, pick


async def spend_for(bucket: TokenBucket, clock: HandClock, seconds: float, units: float) -> float:
    """Ask for so many units again and again; return what was used."""
    end, used = clock.monotonic() + seconds, 0.0
    while True:
        await bucket.admit()
        if clock.monotonic() >= end:
            return used
        bucket.spend(units)
        used += units


@pytest.mark.parametrize("units", [1.0, 7.5, 128.0, 1_000.0])
async def test_a_bucket_is_exact_whatever_a_request_costs(units: float) -> None:
    """Units are paid after they are known; in the long run the rate is what it should be."""
    clock, seconds = HandClock(), 20 * units
    used = await spend_for(TokenBucket(50, clock), clock, seconds, units)
    assert used == pytest.approx(50 * seconds, abs=units)


async def test_what_is_expected_is_paid_in_advance() -> None:
    """Requests that are under way at once count before their costs are known."""
    clock = HandClock()
    bucket = TokenBucket(100, clock)
    start = clock.monotonic()
    for _ in range(10):
        await bucket.admit(expected=50)
        bucket.spend(50, expected=50)
    assert clock.monotonic() - start == pytest.approx(9 * 50 / 100)


def test_what_was_paid_too_much_lets_the_next_one_go_at_once() -> None:
    """It waits for the answer that brings the units back, and not for a moment longer."""

    async def main() -> list[float]:
        bucket, started = TokenBucket(100, SystemClock()), []

        async def read() -> None:
            await bucket.admit(expected=500)
            started.append(simulated.seconds())
            await asyncio.sleep(0.02)
            bucket.spend(1, expected=500)

        await asyncio.gather(*(read() for _ in range(4)))
        return started

    started = simulated.run(main())
    assert [at - started[0] for at in started] == pytest.approx([0.0, 0.02, 0.04, 0.06])


class Waker(HandClock):
    """A clock at whose third tick somebody sets a rate."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = 0
        self.bucket = TokenBucket(0, self)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.ticks += 1
        if self.ticks == 3:
            self.bucket.rate = 10


async def test_a_new_rate_counts_for_those_who_wait() -> None:
    """A pause ends when the rate is set, not when it would have."""
    clock = Waker()
    await clock.bucket.admit()
    assert clock.ticks == 3


def paced(start: float = 4_000, most: float = math.inf) -> tuple[Pace, HandClock]:
    clock = HandClock()
    return Pace(clock, start=start, step=0.0, most=most), clock


def run(pace: Pace, clock: HandClock, seconds: int, limit: float) -> list[float]:
    """Use all that a table with such a limit gives; return the rates of the seconds."""
    rates = []
    for _ in range(seconds):
        clock.move(1.0)
        rates.append(pace.rate)
        given = min(pace.rate, limit)
        if pace.rate > limit * 1.1:
            pace.slow_down()
        pace.note(given, pace.rate - given)
    return rates


def test_a_pace_finds_the_limit_of_a_table_and_stays_near() -> None:
    """Additive increase with a growing step, decrease to what the table gave."""
    pace, clock = paced()
    rates = run(pace, clock, 120, limit=20_000)
    assert min(rates[-60:]) > 0.9 * 20_000
    assert max(rates[-60:]) < 1.15 * 20_000
    doubled = run(pace, clock, 30, limit=40_000)
    assert doubled[-1] > 0.9 * 40_000


def test_a_pace_does_not_collapse() -> None:
    """Throttle after throttle: never below what the table gives, but for a twentieth."""
    pace, clock = paced(start=50_000)
    rates = run(pace, clock, 60, limit=1_000)
    assert rates[10] < 1_200
    assert min(rates) > 900


def test_an_unused_rate_does_not_grow() -> None:
    """Who is slow for another reason must not rush on when that is gone."""
    pace, clock = paced()
    for _ in range(100):
        clock.move(1.0)
        pace.note(100.0)
    assert pace.rate == 4_000


def test_ceilings_are_shared_lifted_and_paused() -> None:
    """None is the table's own, 0 a pause; several migrators take equal parts."""
    pace, clock = paced(start=388, most=388)
    pace.limit(100, 1 / 4)
    assert pace.rate == 25
    run(pace, clock, 10, limit=1_000)
    pace.limit(0)
    assert (pace.rate, pace.bucket.rate) == (0, 0)
    pace.limit(None)
    assert pace.rate == 388


def provisioned(write: int, read: int, **more: Any) -> dict[str, Any]:
    units = {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    return {"ProvisionedThroughput": units, **more}


@pytest.mark.parametrize(
    ("table", "kind", "rate"),
    [
        (provisioned(400, 50), "Write", 400 * PROVISIONED_SHARE),
        (provisioned(400, 50), "Read", 50 * PROVISIONED_SHARE),
        (
            provisioned(400, 50, GlobalSecondaryIndexes=[provisioned(100, 900)]),
            "Write",
            500 * PROVISIONED_SHARE,
        ),
        (
            provisioned(400, 50, GlobalSecondaryIndexes=[provisioned(100, 900)]),
            "Read",
            50 * PROVISIONED_SHARE,
        ),
        (provisioned(0, 0), "Write", NEW_ON_DEMAND_UNITS["Write"]),
        ({}, "Read", NEW_ON_DEMAND_UNITS["Read"]),
        ({"WarmThroughput": {"WriteUnitsPerSecond": 40_000}}, "Write", 40_000),
    ],
)
def test_a_rate_begins_with_what_the_table_says(
    table: dict[str, Any], kind: str, rate: float
) -> None:
    """Provisioned up to a stated share, indexes included; on demand what it is warm for."""
    assert pace(table, kind, HandClock()).rate == rate


def test_segments_are_taken_far_from_those_that_are_worked_on() -> None:
    """Neighbours share a partition: the next segment comes from the widest gap."""
    free = [Segment(n) for n in range(64)]
    assert pick(free, {0, 63}).number in (31, 32)
    held = {n for n in range(0, 64, 8) if n != 40}
    assert 36 <= pick([s for s in free if s.number not in held], held).number <= 44
    assert pick([Segment(7)], {6, 8}).number == 7
