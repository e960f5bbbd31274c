"""What a migrator says of the last seconds: to whoever watches, and to others by its word."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orders
import pytest
import simulated

from dualtable import Migration, MigrationProgress, Migrator, create_table, read_status
from dualtable._clock import SystemClock
from dualtable._operations.rate import pause, resume
from dualtable._standing.status import MigratorStatus
from dualtable.errors import ThrottledError
from dualtable.testing import Faults, MemoryGateway


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


class WallClock:
    """The loop's time, on the wall as well; it knows nothing of this machine's processor."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> float:
        return self._clock.monotonic() + 1_800_000_000

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Slow(Faults):
    """Requests to one table take their time."""

    def __init__(self, table: str, seconds: float) -> None:
        super().__init__()
        self.table, self.seconds = table, seconds

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(self.seconds if table == self.table else 0.005)


async def world(items: int) -> tuple[Migration, MemoryGateway]:
    plan, gateway = orders.migration("shop"), MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(items)])
    return plan, gateway


def watched(items: int, faults: Faults | None = None, **settings: Any) -> list[MigrationProgress]:
    """Run in simulated time and return what an observer heard."""
    heard: list[MigrationProgress] = []

    async def main() -> None:
        plan, gateway = await world(items)
        gateway.faults = faults or Faults()
        await Migrator(
            plan, gateway=gateway, observer=heard.append, clock=WallClock(), **settings
        ).run()

    simulated.run(main())
    return heard


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"max_write_units": 20}, "write ceiling"),
        ({"max_read_units": 1, "page_items": 4}, "read ceiling"),
        ({"faults": Slow("shop-new", 2.0), "concurrency": 1}, "latency of the new table"),
        ({"faults": Slow("shop-old", 4.0), "page_items": 5}, "latency of the old table"),
    ],
)
def test_what_holds_a_run_back_is_named_while_it_runs(settings: dict[str, Any], cause: str) -> None:
    """An operator knows which ceiling to raise, or that raising one is in vain."""
    heard = watched(400, total_segments=4, **settings)
    said = [progress.held_back_by for progress in heard if progress.held_back_by]
    assert said
    assert max(set(said), key=said.count) == cause


def test_a_pause_is_told_while_it_lasts() -> None:
    """And only then: who raises the rate again sees that it goes on."""
    heard: list[MigrationProgress] = []

    async def main() -> None:
        plan, gateway = await world(300)
        run = asyncio.create_task(
            Migrator(
                plan,
                gateway=gateway,
                observer=heard.append,
                max_write_units=50,
                clock=WallClock(),
            ).run()
        )
        await asyncio.sleep(3)
        await pause(plan, gateway=gateway)
        await asyncio.sleep(20)
        status = await read_status(plan, gateway=gateway, clock=WallClock())
        assert status.paused
        await resume(plan, gateway=gateway)
        assert (await run).ok

    simulated.run(main())
    paused = [bool(progress.paused_by) for progress in heard]
    assert 15 <= sum(paused) <= 30
    assert not paused[0]
    assert not paused[-1]


def test_status_hears_from_elsewhere_what_a_migrator_does() -> None:
    """By its word, which it gives every ten seconds anyway."""
    seen: list[MigratorStatus] = []

    async def main() -> None:
        plan, gateway = await world(2_000)
        run = asyncio.create_task(
            Migrator(plan, gateway=gateway, max_write_units=100, clock=WallClock()).run()
        )
        await asyncio.sleep(25)
        status = await read_status(plan, gateway=gateway, clock=WallClock())
        seen.extend(status.migrators)
        assert status.seconds_left is not None
        assert 10 < status.seconds_left < 30
        await run

    simulated.run(main())
    (migrator,) = seen
    assert migrator.held_back_by == "write ceiling"
    assert migrator.write_units_per_second == pytest.approx(100, rel=0.15)
    assert migrator.items_per_second == pytest.approx(50, rel=0.5)
    assert migrator.throttled_per_second == 0


class Throttling(Faults):
    """Two of three inserts are refused by the table as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.inserts = 0

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(0.02)
        self.inserts += operation == "insert"
        if operation == "insert" and self.inserts % 3:
            reason = "TableWriteProvisionedThroughputExceeded"
            raise ThrottledError("throttled", code="ThrottlingException", reasons=(reason,))


def test_a_throttled_table_is_named_also_while_all_rest_before_they_try_again() -> None:
    """Pauses of the retry layer are no latency: nothing is on its way in them."""
    heard = watched(600, Throttling(), total_segments=16)
    said = [progress.held_back_by for progress in heard if progress.held_back_by]
    assert set(said) == {"throttled writes of the new table"}
    assert heard[-1].throttles["TableWriteProvisionedThroughputExceeded"] > 10


def test_what_is_used_is_never_more_than_what_may_be() -> None:
    """Counted when it is sent, not when a page is settled; else a ceiling seems to be broken."""
    heard = watched(400, total_segments=4, max_write_units=40)
    used = [progress.used_write_units for progress in heard]
    seconds = [progress.report.seconds for progress in heard]
    for n, late in enumerate(seconds):
        for m, early in enumerate(seconds[:n]):
            assert used[n] - used[m] <= 40 * (late - early + 1) + 60  # a look is a second old
