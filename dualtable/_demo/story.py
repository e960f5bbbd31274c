"""A live migration of real data on this machine, told step by step: ``dualtable demo``.

The rule: it uses what every program can use, in the order of a real migration, and it ends well
only if all that it claims has been proved.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from dualtable import (
    Chain,
    Convert,
    Drop,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    MigrationProgress,
    MigrationReport,
    Migrator,
    Move,
    Rename,
    VerificationReport,
    Verifier,
    create_table,
)
from dualtable._cli.progress import count, duration, of_migration, of_verification, shown
from dualtable._clock import SystemClock
from dualtable._demo.cities import City, digest, fill, load, new_city, of_country
from dualtable._demo.production import Production
from dualtable._dynamodb.connect import Connection, connect, local_connection
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._wire.types import Item
from dualtable.testing import local_dynamodb

# The migration: the one file that a user writes


def split_names(city: Item) -> Item:
    """Make text with commas a set; a city without other names has none."""
    names = set(filter(None, city.pop("alternatenames").split(",")))
    return {**city, "other_names": names} if names else city


migration = Migration(
    name="cities-v2",
    old="cities",
    new="cities-v2",
    transform=Chain(
        Move("location.country_code", "country"),  # nested -> root, for the index
        Rename("pop", "population"),
        Convert("population", int),  # text -> number, for the order in the index
        Rename("tz", "timezone"),  # part of the key
        Convert("id", int, back=str),  # so is this; `back` finds the old item of a new key
        Rename("Name", "name"),
        Rename("location.lat", "latitude"),
        Rename("location.lng", "longitude"),
        Rename("location.lon", "longitude"),  # an older spelling
        Convert("location.latitude", Decimal),
        Convert("location.longitude", Decimal),
        Drop("format"),
        split_names,
    ),
    key=KeySchema("timezone", ("id", "N")),
    indexes=[Index("by-country", KeySchema("country", ("population", "N")))],
)

# The story, step by step

Say = Callable[[str], None]

_COUNTRY = "JP"
_STOP_AT = 0.4  # of all items; a second run goes on from there
_INSTANCES = 4  # of the production job
# The embedded server goes through the whole table for each page, so pages are few and large.
_SEGMENTS, _WORKERS, _PAGE_ITEMS = 32, 4, 300


@attrs.frozen(kw_only=True)
class DemoReport:
    """What happened in the demo.

    Attributes:
        cities: Items of the old table.
        runs: The migrator's runs: the one that was stopped, and the one that went on.
        operations: What production did meanwhile, by kind.
        verification: What the verifier found.
        proved: Each claim, and whether it was proved.
        seconds: How long all of it took, without the start of the server.
    """

    cities: int
    runs: tuple[MigrationReport, MigrationReport]
    operations: Mapping[str, int]
    verification: VerificationReport
    proved: Mapping[str, bool]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every claim was proved."""
        return all(self.proved.values())


def run_demo(say: Say, *, live: bool) -> DemoReport:
    """Migrate the cities of the world while production works on them.

    Args:
        say: Gets what happens, a line at a time.
        live: Show progress while it happens, where there is a terminal.

    Raises:
        ServerNotStartedError: The embedded server is not installed or did not come up.
    """
    with local_dynamodb() as endpoint_url:
        return asyncio.run(_Demo(local_connection(endpoint_url), say, live).run())


@attrs.frozen
class _Demo:
    connection: Connection
    say: Say
    live: bool

    async def run(self) -> DemoReport:
        clock = SystemClock()
        started = clock.monotonic()
        cities = load()
        production = [
            Production(n, [new_city(city) for city in cities[n::_INSTANCES]])
            for n in range(_INSTANCES)
        ]
        before = await self._fill_old_table(cities)
        await self._create_new_table()
        runs = await self._migrate_beside(production)
        verification = await self._verify()
        proved = {
            "every city has arrived as it should be, and nothing else": verification.ok,
            "what was settled before the stop was not copied again": _is_whole(runs, len(cities)),
            **await self._compare_with_books(production),
            "the index has every city of a country, by population": await self._ask_index(
                production
            ),
            "the old table is byte for byte as before": await self._digest() == before,
        }
        seconds = clock.monotonic() - started
        self._conclude(proved, seconds)
        return DemoReport(
            cities=len(cities),
            runs=runs,
            operations=_operations(production),
            verification=verification,
            proved=proved,
            seconds=seconds,
        )

    async def _fill_old_table(self, cities: Sequence[City]) -> str:
        self.say("1. The old table, in a format that has grown over years")
        async with connect(self.connection, ONE_OFF) as gateway:
            await fill(gateway, migration.old, cities)
        self.say(
            f"   {count(len(cities))} cities of the world: the country is nested, numbers are"
            " text, names differ."
        )
        return await self._digest()

    async def _create_new_table(self) -> None:
        self.say("2. The new table, with the index that the old format could not have")
        report = await create_table(migration, **self.connection)
        (index,) = migration.indexes or ()
        self.say(f"   {report.table} is there; its index is by {' and '.join(index.key.names)}.")

    async def _migrate_beside(
        self, production: Sequence[Production]
    ) -> tuple[MigrationReport, MigrationReport]:
        self.say("3. Production reads the new table, on a miss the old one, and writes to the new")
        self.say(f"   {len(production)} instances of the hourly job are at work, hour after hour.")
        stop = asyncio.Event()
        async with (
            DualTableRepository(migration, **self.connection) as cities,
            asyncio.TaskGroup() as group,
        ):
            for instance in production:
                group.create_task(instance.work(cities, stop))
            runs = await self._migrate_twice()
            stop.set()
        did = ", ".join(f"{count(n)} {kind}s" for kind, n in _operations(production).items())
        self.say(f"   Production, all the while: {did}.")
        return runs

    async def _migrate_twice(self) -> tuple[MigrationReport, MigrationReport]:
        self.say("4. The migrator copies what the new table does not have yet")
        first = await self._migrate(stop_at=_STOP_AT)
        self.say(f"   {_run_text(first)}; stopped on purpose")
        second = await self._migrate()
        self.say(f"   {_run_text(second)}; resumed at {count(first.scanned)}")
        return first, second

    async def _migrate(self, *, stop_at: float | None = None) -> MigrationReport:
        async with shown("migrating", live=self.live) as show:

            def observe(progress: MigrationProgress) -> None:
                show(of_migration(progress))
                if stop_at is not None and progress.share_done >= stop_at:
                    migrator.stop()

            migrator = Migrator(
                migration,
                total_segments=_SEGMENTS,
                concurrency=_WORKERS,
                page_items=_PAGE_ITEMS,
                observer=observe,
                **self.connection,
            )
            return await migrator.run()

    async def _verify(self) -> VerificationReport:
        self.say("5. The verifier compares both tables, item by item")
        async with shown("verifying", live=self.live) as show:
            report = await Verifier(
                migration,
                total_segments=_SEGMENTS,
                concurrency=_WORKERS,
                observer=lambda report: show(of_verification(report)),
                **self.connection,
            ).run()
        self.say(
            f"   {count(report.checked)} checked: {report.missing} missing, {report.different}"
            f" different, {report.extra} extra; {report.rewritten} rewritten and {report.deleted}"
            " deleted by production."
        )
        return report

    async def _compare_with_books(self, production: Sequence[Production]) -> dict[str, bool]:
        keys = [key for instance in production for key in instance.keys.values()]
        wanted = [city for instance in production for city in instance.book.values()]
        async with DualTableRepository(migration, **self.connection) as cities:
            found = await cities.batch_get(keys, consistent_read=True)
        return {
            "every read of production found the latest version": not any(
                instance.wrong_reads for instance in production
            ),
            "every write of production is intact, and no deleted city is alive": found == wanted,
        }

    async def _ask_index(self, production: Sequence[Production]) -> bool:
        (index,) = migration.indexes or ()
        self.say(f"6. The index answers: the largest cities of {_COUNTRY}")
        async with connect(self.connection, ONE_OFF) as gateway:
            found = await of_country(gateway, migration.new, index.name, _COUNTRY)
        for city in found[:3]:
            self.say(f"   {city['name']:<10} {count(city['population']):>10}")
        wanted = [
            city["population"]
            for instance in production
            for city in instance.book.values()
            if city and city["country"] == _COUNTRY
        ]
        return [city["population"] for city in found] == sorted(wanted, reverse=True)

    async def _digest(self) -> str:
        async with connect(self.connection, ONE_OFF) as gateway:
            return await digest(gateway, migration.old)

    def _conclude(self, proved: Mapping[str, bool], seconds: float) -> None:
        self.say(f"7. Proved, {duration(seconds)} after the start")
        for claim, holds in proved.items():
            self.say(f"   {'yes' if holds else 'NO '}  {claim}")


def _is_whole(runs: Sequence[MigrationReport], items: int) -> bool:
    """Tell whether the runs settled each item, once, and the first of them was not the last."""
    settled = sum(run.scanned for run in runs)
    return settled == items and not runs[0].complete and runs[-1].ok


def _operations(production: Sequence[Production]) -> Counter[str]:
    return sum((instance.operations for instance in production), Counter())


def _run_text(report: MigrationReport) -> str:
    rate = report.scanned / report.seconds if report.seconds else 0
    return (
        f"{count(report.scanned)} cities in {report.seconds:.0f} s ({count(rate)}/s,"
        f" {report.pages} pages), {report.already_present} there already"
    )
