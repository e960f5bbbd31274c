"""Many migrators on one table: ceilings hold as a sum, crashes lose nothing, clocks may differ."""

from __future__ import annotations

import asyncio

import pytest

from dualtable import read_status
from dualtable._control.control_table import Control
from dualtable.errors import MigrationMismatchError
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.fleet import CONTROL, Fleet, FleetDynamoDB, SkewedClock, crowd

LEASE_SECONDS = 30.0


@pytest.mark.parametrize("skew_seconds", [0.0, 30.0, 3_600.0])
def test_what_a_killed_worker_held_is_taken_over_in_time(skew_seconds: float) -> None:
    """Within `lease_seconds` plus five, whatever the clocks of both say, and not before."""

    async def main() -> None:
        gateway = FleetDynamoDB()
        keys = proofs.keys(400)
        gateway.add_table("orders", Capacity(), proofs.old_item, keys=keys)
        new = gateway.add_table("orders-v2", Capacity(write_units=400, read_units=400))
        settings = {"concurrency": 2, "total_segments": 4, "max_write_units": 20}
        fleet = Fleet(gateway, settings, skew_seconds)
        fleet.add()
        await asyncio.sleep(5)
        held = await owners(gateway)
        fleet.add()  # it finds nothing to do
        await asyncio.sleep(20)
        assert await owners(gateway) == held
        fleet.crash(0)
        killed = asyncio.get_running_loop().time()
        while await owners(gateway) & held:
            await asyncio.sleep(0.25)
        assert LEASE_SECONDS - 5 < asyncio.get_running_loop().time() - killed < LEASE_SECONDS + 5
        await fleet.ended()
        assert new.keys == set(keys)

    virtual_time.run(main())


@pytest.mark.parametrize("skew_seconds", [-3_600.0, -30.0, 0.0, 30.0, 3_600.0])
def test_whether_a_worker_lives_is_told_by_no_clock(skew_seconds: float) -> None:
    """Neither the status nor who begins anew takes the living for dead, nor the dead for living."""

    async def main() -> None:
        gateway = FleetDynamoDB()
        gateway.add_table("orders", Capacity(), proofs.old_item, keys=proofs.keys(400))
        gateway.add_table("orders-v2", Capacity(write_units=400, read_units=400))
        settings = {"concurrency": 2, "total_segments": 4, "max_write_units": 20}
        clock = SkewedClock(skew_seconds)
        fleet = Fleet(gateway, settings)
        fleet.add()
        await asyncio.sleep(7)
        status = await read_status(proofs.MIGRATION, gateway=gateway, clock=clock)
        assert [migrator.alive for migrator in status.migrators] == [True]
        assert status.segments_held == 4
        with pytest.raises(MigrationMismatchError, match="being worked on"):
            await proofs.migrate(gateway, restart=True, clock=clock)
        fleet.crash()
        await asyncio.sleep(60)
        status = await read_status(proofs.MIGRATION, gateway=gateway, clock=clock)
        assert [migrator.alive for migrator in status.migrators] == [False]
        assert (status.workers, status.segments_held) == ((), 0)
        assert (await proofs.migrate(gateway, restart=True, clock=clock)).scanned == 400

    virtual_time.run(main())


async def owners(gateway: FleetDynamoDB) -> set[str]:
    """Return who holds a segment."""
    control = Control(gateway, CONTROL, proofs.MIGRATION.name)
    run = await control.run()
    assert run is not None
    segments = await control.of(run).segments()
    return {segment.lease.owner for segment in segments if segment.lease}


@pytest.mark.slow
def test_ceilings_hold_as_a_sum_while_workers_crash_and_clocks_differ() -> None:
    """A fifth of them dies each minute, others come, and clocks are up to 30 s apart.

    `python -m simulation --fleet` does the same with 50 workers for minutes on end.
    """
    came = crowd(
        workers=10,
        items=3_600,
        size=15_000,
        segments=300,
        units=4_000,
        partitions=4,
        ceiling=400.0,
        crashes_a_minute=2,
        skew_seconds=30,
    )
    first, second, *_ = came.minutes
    assert 0.9 <= second.share <= 1.02
    assert came.crashes >= 2
    assert came.missing == 0
    assert came.beyond == 0
    assert came.twice <= came.crashes * 4 * 8  # four pages are under way at each
    assert first.refused == second.refused == 0


@pytest.mark.slow
def test_a_fleet_uses_a_table_whose_partitions_have_nothing_to_spare() -> None:
    """Three migrators a partition, as 500 on 160,000 units, each find their part of it.

    Where a range that refused was sent a fifth less than a whole partition takes, not than it was
    sent, the last five seconds of this one came to 74 %.
    """
    came = crowd(
        workers=24,
        items=9_000,
        size=16_000,
        segments=480,
        units=8_000,
        partitions=8,
        seconds=15,
        step=5,
    )
    assert came.minutes[-1].share >= 0.85
