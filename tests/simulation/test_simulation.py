"""The simulated table is honest, and the migrator on it uses what there is."""

from __future__ import annotations

import asyncio
import os

import pytest

from dualtable import DualTableError, Migrator, read_status
from dualtable._dynamodb.gateway import Insert, Outcome
from dualtable._operations.rate import change_limits
from dualtable.errors import ThrottledError
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import SimulatedDynamoDB


def small(gateway: SimulatedDynamoDB, items: int, write_units: float = 400) -> None:
    gateway.add_table("orders", Capacity(partitions=1), proofs.old_item, keys=proofs.keys(items))
    gateway.add_table("orders-v2", Capacity(write_units=write_units, read_units=400, partitions=1))


# The simulation


def test_a_partition_takes_a_thousand_write_units_a_second() -> None:
    """Whatever the table has bought: after the first second's savings, the rest is throttled."""
    capacity = Capacity(write_units=16_000, read_units=1, partitions=16)
    taken = sum(not capacity.write(0.01, 1, now / 2_000) for now in range(20_000))
    assert taken == pytest.approx(11_000, rel=0.001)
    assert "KeyRange" in capacity.write(0.01, 5_000, 10) + capacity.write(0.01, 1, 10)
    assert not capacity.write(0.99, 1, 10)


def test_a_provisioned_table_saves_for_300_seconds() -> None:
    """Unused units can be used later, and then no more than the table has."""
    capacity = Capacity(write_units=10, read_units=1, partitions=1)
    assert sum(not capacity.write(0.5, 1, 1_000) for _ in range(5_000)) == 1_000
    assert capacity.write(0.5, 1, 1_001) == ""
    spent = sum(not capacity.write(0.5, 1, 1_001 + n / 100) for n in range(1_000_00))
    assert spent == pytest.approx(3_000 - 1_000 + 1_000 * 10, rel=0.01)
    assert capacity.write(0.5, 1, 2_001) in ("", "TableWriteProvisionedThroughputExceeded")


def test_busy_partitions_split() -> None:
    """The ceiling of an on-demand table doubles where it is used, and only there."""
    capacity = Capacity(split_seconds=10)
    for n in range(20_000):
        capacity.write(n % 1_000 / 2_000, 1, n / 2_000)  # the lower half of the hashes
    capacity.write(0.1, 1, 10.5)
    assert [units for _, units in capacity.ceilings] == [4_000, 6_000]
    assert capacity.available(0, 20) == pytest.approx(4_000 * 10 + 6_000 * 10, rel=0.02)


def test_the_simulation_repeats_itself() -> None:
    """Equal seeds give equal runs, to the last bit of every moment."""
    runs = [proofs.slow_partitions(8_000) for _ in range(2)]
    assert runs[0] == runs[1]


# What is proved on it


def test_the_reports_own_case() -> None:
    """95 % of what is provisioned from the first minute to the last, hardly a throttle, no sag."""
    ours, script = proofs.report_case(15_000)
    assert ours.share >= 0.95
    assert ours.worst_minute >= 0.95
    assert ours.throttled <= 0.01
    assert 0.75 < script.first_half < 0.88  # 335 of 400, as the report says
    assert script.worst_minute < 0.45  # its sag to 40 %


def test_writes_are_spread_over_partitions() -> None:
    """In scan order, most partitions idle; mixed, all of them work."""
    ours, one_scan, eight_scans, lucky_scans = proofs.spread(30_000)
    assert ours.share >= 0.9
    assert ours.throttled <= 0.02
    assert one_scan.share < 0.1
    assert eight_scans.share < 0.6
    assert lucky_scans.throttled > 0.1  # one on each partition, and none slows down


def test_a_ceiling_is_used_to_the_full_in_a_desert_too() -> None:
    """What a page of deleted items might have cost keeps no other page waiting."""
    (ours,) = proofs.under_a_ceiling(15_000)
    assert ours.share >= 0.93
    assert ours.worst_minute >= 0.95


def test_on_demand_grows_with_the_table() -> None:
    """From 4,000 units on: no collapse after throttles, and new capacity is found.

    Which partition has the last pages is chance, and worth some seconds of ninety: 88 to 93 %.
    """
    ours, in_order = proofs.on_demand(30_000, 60.0)
    assert ours.share >= 0.87
    assert ours.worst_minute >= 0.9
    assert ours.write_units > 4_500
    assert in_order.share < 0.3


def test_slow_partitions_slow_only_themselves() -> None:
    """The other fourteen go on as if nothing were."""
    (ours,) = proofs.slow_partitions(60_000)
    assert ours.share >= 0.95


def test_empty_pages_are_walked_beside_the_work() -> None:
    """Half a table of deleted items delays nobody who has something to write."""
    ours, script = proofs.empty_pages(5_000)
    assert ours.first_half >= 0.95
    assert ours.share >= 0.9
    assert script.share < 0.1


# What it makes visible


def test_a_repeat_pass_costs_reads_instead_of_writes() -> None:
    """Where nearly all keys exist already they are looked up: one read unit, not four written."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 2_000, write_units=4_000)
        first = await proofs.migrate(gateway)
        again = await proofs.migrate(gateway, restart=True)
        assert (first.written, again.already_present, again.written) == (2_000, 2_000, 0)
        assert first.write_units == 8_000
        assert again.write_units == 0
        assert again.read_units <= first.read_units + 2_000 + 10 * 64  # each key, and the samples

    virtual_time.run(main())


def test_looking_first_still_never_overwrites() -> None:
    """Keys that are missing among those that exist are put, and only those."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 1_000, write_units=4_000)
        there = gateway.simulated["orders-v2"].keys
        there.update(key for key in proofs.keys(1_000) if not key.endswith("7"))
        report = await proofs.migrate(gateway, restart=True)
        assert (report.already_present, report.written) == (900, 100)

    virtual_time.run(main())


def test_costs_are_estimated_where_none_are_reported() -> None:
    """A batch of duplicates alone reports no units, and is billed: the ceiling holds."""

    async def main() -> float:
        gateway = SimulatedDynamoDB()
        small(gateway, 1_000)
        gateway.simulated["orders-v2"].keys.update(proofs.keys(1_000))
        report = await proofs.migrate(gateway)  # a first run expects nothing to be there
        assert report.already_present == 1_000
        return float(sum(gateway.simulated["orders-v2"].capacity.consumed.values()))

    assert virtual_time.run(main()) > 0


@pytest.mark.parametrize("ceiling", [40.0, 100.0, 390.0])
def test_a_ceiling_is_kept(ceiling: float) -> None:
    """Consumed units over the run are the ceiling's, to a few seconds' worth."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 1_000)
        report = await proofs.migrate(gateway, max_write_units=ceiling)
        assert report.write_units == 4_000
        assert 4_000 / ceiling - 2 < report.seconds < 1.1 * 4_000 / ceiling + 5

    virtual_time.run(main())


def test_migrators_share_the_ceilings() -> None:
    """Two of them together are no faster than one."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 4_000)
        migrators = [migrator(gateway, max_write_units=200) for _ in "ab"]
        reports = await asyncio.gather(*(each.run() for each in migrators))
        assert sum(report.written for report in reports) == 4_000
        assert all(report.written > 500 for report in reports)
        used = gateway.simulated["orders-v2"].capacity.consumed
        steady = sum(used[second] for second in range(5, 65)) / 60
        assert 180 < steady < 210

    virtual_time.run(main())


def test_the_rate_changes_while_it_runs() -> None:
    """One record in the control table: half as fast, then a pause, then on, within seconds."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 8_000)
        used = gateway.simulated["orders-v2"].capacity.consumed
        running = asyncio.create_task(migrator(gateway).run())
        for seconds, ceiling, least, most in (
            (20, 200.0, 180, 215),
            (20, 0.0, 0, 5),
            (20, None, 350, 400),
        ):
            await asyncio.sleep(seconds)
            changed = asyncio.get_running_loop().time()
            limits = await change_limits(
                proofs.MIGRATION, {"max_write_units": ceiling}, gateway=gateway
            )
            assert limits.max_write_units == ceiling
            await asyncio.sleep(15)
            steady = [used[second] for second in range(int(changed) + 5, int(changed) + 15)]
            assert least <= sum(steady) / 10 <= most
        status = await read_status(
            proofs.MIGRATION, gateway=gateway, clock=virtual_time.VirtualClock()
        )
        assert status.max_write_units is None
        assert (await running).ok

    virtual_time.run(main())


def test_a_stop_is_quick_under_a_low_ceiling() -> None:
    """Pages that wait for capacity are given back after some seconds, and nothing is lost."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 2_000)
        first = migrator(gateway)
        running = asyncio.create_task(first.run())
        await asyncio.sleep(5)
        await change_limits(proofs.MIGRATION, {"max_write_units": 0}, gateway=gateway)
        await asyncio.sleep(60)
        before = asyncio.get_running_loop().time()
        first.stop()
        report = await running
        assert asyncio.get_running_loop().time() - before < 12
        assert not report.complete
        status = await read_status(
            proofs.MIGRATION, gateway=gateway, clock=virtual_time.VirtualClock()
        )
        assert (status.segments_held, status.max_write_units) == (0, 0)
        rest = await proofs.migrate(gateway, max_write_units=400)
        assert rest.scanned == 2_000 - report.scanned
        assert len(gateway.simulated["orders-v2"].keys) == 2_000

    virtual_time.run(main())


def test_a_table_that_takes_nothing_ends_the_run() -> None:
    """After a quarter of an hour without one write, waiting on in silence helps nobody."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 100)
        gateway._insert = lambda *_: Insert(Outcome.RETRY, "ThrottlingError")  # type: ignore[method-assign]
        with pytest.raises(ThrottledError, match="quarter of an hour"):
            await migrator(gateway).run()
        assert asyncio.get_running_loop().time() < 2_000

    virtual_time.run(main())


def test_a_throttled_statement_is_sent_again_alone() -> None:
    """The others of its batch are not repeated, and each is counted as a retry."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        small(gateway, 300, write_units=4_000)
        table = gateway.simulated["orders-v2"]
        refused: set[str] = set()
        insert = gateway._insert

        def once(found, key, units):
            if key.endswith("3") and key not in refused:
                refused.add(key)
                table.refuse("TableWriteKeyRangeThroughputExceeded")
                return Insert(Outcome.RETRY, "ThrottlingError")
            return insert(found, key, units)

        gateway._insert = once  # type: ignore[method-assign]
        report = await proofs.migrate(gateway)
        assert report.written == 300
        assert report.already_present == 0
        assert (report.retries, report.throttled) == (30, 30)
        assert table.requests == 330

    virtual_time.run(main())


def migrator(gateway: SimulatedDynamoDB, **settings: object) -> Migrator:
    return Migrator(
        proofs.MIGRATION,
        gateway=gateway,
        clock=virtual_time.VirtualClock(),
        dead_letters=os.devnull,
        **settings,  # type: ignore[arg-type]
    )


def test_a_ceiling_of_nothing_is_refused() -> None:
    """A pause is for the running ones; a run that begins paused would be a mistake."""
    with pytest.raises(DualTableError, match="max_write_units"):
        migrator(SimulatedDynamoDB(), max_write_units=0)
