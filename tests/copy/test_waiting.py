"""What a migrator says while it has nothing to do but wait."""

from __future__ import annotations

from pathlib import Path

import orders
import pytest
import simulated

from dualtable import Migration, MigrationProgress, Migrator, create_table
from dualtable._clock import SystemClock
from dualtable._control.control_table import Control
from dualtable._control.run_records import Word
from dualtable._control.segments import Lease, claim
from dualtable.testing import MemoryGateway

DEAD = "host-7:4711:cafe"


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


class WallClock(SystemClock):
    """Its wall is the loop's time too, as it is where both pass alike."""

    def now(self) -> float:
        return self.monotonic() + 1_800_000_000


async def with_killed_migrator(total_segments: int) -> tuple[Migration, MemoryGateway]:
    """A migration whose only migrator was killed with every segment in hand."""
    plan, gateway = orders.migration("shop"), MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(20)])
    stopped = Migrator(plan, gateway=gateway, total_segments=total_segments, clock=WallClock())
    stopped.stop()
    await stopped.run()
    control = Control(gateway, plan.control_table, plan.name)
    run = await control.run()
    assert run is not None
    records = control.of(run)
    for number in range(total_segments):
        await records.store(claim(records.untouched(number), Lease(DEAD)))
    await records.give_word(Word(DEAD, WallClock().now(), WallClock().now() + 30))
    return plan, gateway


def test_who_waits_for_leases_says_whose_and_how_long() -> None:
    """Every second: an operator must not take a killed migrator's leases for a hanging run."""
    heard: list[MigrationProgress] = []

    async def main() -> None:
        plan, gateway = await with_killed_migrator(4)
        migrator = Migrator(plan, gateway=gateway, observer=heard.append, clock=WallClock())
        assert (await migrator.run()).ok

    simulated.run(main())
    waits = [progress for progress in heard if progress.waiting_for]
    assert {progress.waiting_for for progress in waits} == {(DEAD,)}
    at_first, later = waits[0], [p.waiting_seconds for p in waits if p.waiting_seconds is not None]
    assert at_first.waiting_seconds is None  # it may be at work still
    assert at_first.segments == bytes([2, 2, 2, 2])
    assert later[0] == pytest.approx(19, abs=1.5)
    assert later == sorted(later, reverse=True)
    assert later[-1] < 2
    assert heard[-1].segments == bytes([4, 4, 4, 4])
    assert not heard[-1].waiting_for
