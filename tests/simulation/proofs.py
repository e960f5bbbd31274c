"""What is proved on the simulation: one function for each question, which runs and measures.

The rule: a proof only measures. What it must come to stands in the tests, and what it means on the
performance page.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from dualtable import Chain, Convert, Migration, MigrationReport, Migrator, Move
from dualtable._wire.types import WireItem
from simulation import virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import SimulatedDynamoDB, Table, deleted_key
from simulation.writers import report_script, scan_order_writer

ITEM_BYTES = 3_500
_OLD, _NEW = "orders", "orders-v2"
MIGRATION = Migration(
    name="simulated",
    old=_OLD,
    new=_NEW,
    transform=Chain(Move("customer.region", "region"), Convert("total", str)),
)


def old_item(key: str, size: int = ITEM_BYTES) -> WireItem:
    """Return an item in the old format; all of a size share their text, so they cost no memory."""
    return {
        "id": {"S": key},
        "customer": {"M": {"region": {"S": "eu"}}},
        "total": {"N": "12"},
        "text": {"S": _text(size - 60)},
    }


_TEXTS: dict[int, str] = {}


def _text(size: int) -> str:
    return _TEXTS.setdefault(size, "x" * size)


def keys(number: int) -> list[str]:
    return [f"o-{n:07}" for n in range(number)]


@attrs.frozen(kw_only=True)
class Measured:
    """What one way of copying came to.

    Attributes:
        who: Whose way.
        items: Items copied.
        seconds: How long it took.
        write_units: Write units consumed a second, on average.
        share: Of the write units that there were.
        first_half: The same of the first half of the time.
        worst_minute: Least share in a whole minute of the run.
        throttled: Share of the writes that were throttled.
    """

    who: str
    items: int
    seconds: float
    write_units: float
    share: float
    first_half: float
    worst_minute: float
    throttled: float


def measured(who: str, new: Table, seconds: float) -> Measured:
    def share(start: int, end: float) -> float:
        used = sum(new.capacity.consumed[second] for second in range(start, math.ceil(end)))
        return used / new.capacity.available(start, end)

    minutes = [share(start, start + 60) for start in range(0, int(seconds) - 59, 60)]
    return Measured(
        who=who,
        items=len(new.keys),
        seconds=seconds,
        write_units=sum(new.capacity.consumed.values()) / seconds,
        share=share(0, seconds),
        first_half=share(0, max(1, int(seconds / 2))),
        worst_minute=min(minutes, default=share(0, seconds)),
        throttled=new.throttled / new.requests,
    )


async def migrate(gateway: SimulatedDynamoDB, **settings: Any) -> MigrationReport:
    """Run the library's migrator, unchanged."""
    report = await Migrator(
        MIGRATION,
        gateway=gateway,
        dead_letters=os.devnull,
        **{"clock": virtual_time.VirtualClock(), **settings},
    ).run()
    assert report.ok
    return report


Work = Callable[[SimulatedDynamoDB], Awaitable[Any]]


def simulate(who: str, make: Callable[[SimulatedDynamoDB], Table], work: Work) -> Measured:
    """Make the tables, do the work in simulated time, and measure what the new table saw."""

    async def main() -> Measured:
        gateway = SimulatedDynamoDB()
        new = make(gateway)
        start = asyncio.get_running_loop().time()
        await work(gateway)
        return measured(who, new, asyncio.get_running_loop().time() - start)

    return virtual_time.run(main())


# The production report's own case


def _deleted(number: int, start: float, end: float) -> list[str]:
    """Return keys of deleted items, evenly over a stretch of the hashes."""
    return [deleted_key(start + (end - start) * n / number) for n in range(number)]


def report_case(items: int, deleted_each: int = 90) -> list[Measured]:
    """5.1 GB in 1.5 million items, scaled down in number; 100 RCU old, 50 RCU and 400 WCU new."""

    def make(gateway: SimulatedDynamoDB) -> Table:
        return _report_tables(gateway, items, deleted_each)

    return [
        simulate("dualtable", make, migrate),
        simulate("the report's script", make, lambda g: report_script(g, _OLD, _NEW)),
    ]


def under_a_ceiling(items: int) -> list[Measured]:
    """The same tables, where somebody has set as ceilings what the migrator would use anyway."""
    return [
        simulate(
            "dualtable",
            lambda gateway: _report_tables(gateway, items, 90),
            lambda gateway: migrate(gateway, max_read_units=97, max_write_units=388),
        )
    ]


def _report_tables(gateway: SimulatedDynamoDB, items: int, deleted_each: int) -> Table:
    gateway.add_table(
        _OLD,
        Capacity(write_units=5, read_units=100, partitions=1),
        old_item,
        keys=keys(items),
        deleted=_deleted(int(items * 0.3 * deleted_each), 0.7, 1.0),
    )
    return gateway.add_table(_NEW, Capacity(write_units=400, read_units=50, partitions=1))


# Sixteen partitions


def sixteen_partitions(gateway: SimulatedDynamoDB, items: int, slow: tuple[int, ...] = ()) -> Table:
    """Make the tables: 16,000 write units on 16 partitions, some of which may be slow."""
    gateway.add_table(_OLD, Capacity(partitions=16), old_item, keys=keys(items))
    return gateway.add_table(
        _NEW, Capacity(write_units=16_000, read_units=100, partitions=16, slow=slow)
    )


def spread(items: int) -> list[Measured]:
    """A table of 16,000 WCU on 16 partitions: in scan order, and shuffled.

    Sixteen scans in order are one for each partition: as lucky as one can be.
    """

    def in_scan_order(segments: int) -> Measured:
        return simulate(
            f"{segments} scans in order",
            lambda gateway: sixteen_partitions(gateway, items),
            lambda gateway: scan_order_writer(gateway, _OLD, _NEW, segments=segments),
        )

    return [
        simulate("dualtable", lambda gateway: sixteen_partitions(gateway, items), many_segments),
        *(in_scan_order(segments) for segments in (1, 8, 16)),
    ]


async def many_segments(gateway: SimulatedDynamoDB) -> MigrationReport:
    """Migrate in 1,024 segments, as many as 4 GB get; fewer where too few items would be in each.

    By its own size, a table that is scaled down would get the 64 of a small one.
    """
    items = len(gateway.simulated[_OLD].keys)
    return await migrate(gateway, total_segments=min(1_024, items // 120))


def slow_partitions(items: int) -> list[Measured]:
    """Two of 16 partitions give a tenth of what they should; the rest must not wait for them."""
    return [
        simulate(
            "dualtable",
            lambda gateway: sixteen_partitions(gateway, items, slow=(3, 11)),
            lambda gateway: until_most_is_copied(gateway, items),
        )
    ]


async def until_most_is_copied(gateway: SimulatedDynamoDB, items: int) -> None:
    """Stop looking when three quarters are copied: later, only slow partitions have any left."""
    running = asyncio.create_task(many_segments(gateway))
    while len(gateway.simulated[_NEW].keys) < items * 3 / 4:
        await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait([running])


def on_demand(items: int, split_seconds: float) -> list[Measured]:
    """A new on-demand table, whose ceiling doubles as its partitions split; items of 16 KB."""

    def make(gateway: SimulatedDynamoDB) -> Table:
        gateway.add_table(
            _OLD, Capacity(partitions=16), lambda key: old_item(key, 16_000), keys=keys(items)
        )
        return gateway.add_table(_NEW, Capacity(split_seconds=split_seconds))

    return [
        simulate("dualtable", make, many_segments),
        simulate(
            "1 scan in order",
            make,
            lambda gateway: scan_order_writer(gateway, _OLD, _NEW, segments=1),
        ),
    ]


def empty_pages(items: int) -> list[Measured]:
    """Half of the hashes are a desert: 300 deleted items for each one that is left."""

    def make(gateway: SimulatedDynamoDB) -> Table:
        gateway.add_table(
            _OLD,
            Capacity(partitions=4),
            old_item,
            keys=keys(items),
            deleted=_deleted(items * 150, 0.25, 0.75),
        )
        return gateway.add_table(_NEW, Capacity(write_units=2_000, read_units=100, partitions=4))

    return [
        simulate("dualtable", make, migrate),
        simulate("the report's script", make, lambda gateway: report_script(gateway, _OLD, _NEW)),
    ]


def growth(items: int, concurrencies: Sequence[int], segments: Sequence[int]) -> list[Grown]:
    """Throughput on 16 partitions by concurrency and number of segments."""

    def one(concurrency: int, total_segments: int) -> Grown:
        result = simulate(
            "dualtable",
            lambda gateway: sixteen_partitions(gateway, items),
            lambda gateway: migrate(
                gateway, concurrency=concurrency, total_segments=total_segments
            ),
        )
        return Grown(concurrency, total_segments, result.write_units)

    return [one(c, s) for s in segments for c in concurrencies]


@attrs.frozen
class Grown:
    """Write units a second that so many batches at once and segments come to."""

    concurrency: int
    total_segments: int
    write_units: float
