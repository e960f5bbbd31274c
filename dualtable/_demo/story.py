"""A live migration of real data on this machine, told step by step: ``dualtable demo``.

The rule: it uses what every program can use, in the order of a real migration, and it ends well
only if all that it claims has been proved.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TypeAlias

import attrs

from dualtable import (
    Chain,
    Convert,
    Drop,
    DualTableRepository,
    Gate,
    Index,
    KeySchema,
    Lifecycle,
    Migration,
    MigrationProgress,
    MigrationReport,
    Migrator,
    Move,
    Phase,
    Rename,
    VerificationReport,
    Verifier,
    clean_up,
    create_table,
)
from dualtable._clock import SystemClock
from dualtable._demo.cities import City, digest, fill, load, new_city, of_country, pages
from dualtable._demo.old_code import OldCode
from dualtable._demo.production import Production
from dualtable._demo.report import DemoReport
from dualtable._dynamodb.connect import Connection, connect, local_connection
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._progress.readings import of_migration, of_verification
from dualtable._progress.shown import AUTO, NONE, shown
from dualtable._telling.words import count, duration
from dualtable._wire.types import Item
from dualtable.testing import local_dynamodb

# The migration: the one file that a user writes


def split_names(city: Item) -> Item:
    """Make text with commas a set; a city without other names has none."""
    names = set(filter(None, city.pop("alternatenames", "").split(",")))
    return {**city, "other_names": names} if names else city


def join_names(city: Item) -> Item:
    """Make the text again, for as long as old code reads it."""
    names = sorted(city.pop("other_names", ()))
    return {**city, "alternatenames": ",".join(names)}


migration = Migration(
    name="cities-v2",
    old="cities",
    new="cities-v2",
    transform=Chain(
        Move("location.country_code", "country"),  # nested -> root, for the index
        Rename("pop", "population"),
        Convert("population", int, back=str),  # text -> number, for the order in the index
        Rename("tz", "timezone"),  # part of the key
        Convert("id", int, back=str),  # so is this; `back` finds the old item of a new key
        Rename("Name", "name"),
        Rename("location.lat", "latitude"),
        Rename("location.lng", "longitude"),
        Rename("location.lon", "longitude"),  # an older spelling
        Convert("location.latitude", Decimal, back=str),
        Convert("location.longitude", Decimal, back=str),
        Drop("format"),
        (split_names, join_names),
    ),
    key=KeySchema("timezone", ("id", "N")),
    indexes=[Index("by-country", KeySchema("country", ("population", "N")))],
    rolling=True,  # old code runs beside new code at first
    settle_seconds=6,  # 900 in earnest; the embedded server is slow, so not less
)

# The story, step by step

Instance: TypeAlias = OldCode | Production

Say = Callable[[str], None]

_COUNTRY = "JP"
_STOP_AT = 0.4  # of all items; a second run goes on from there
_OLD, _INSTANCES = 2, 4  # of the job as it was, and with the repository
_BESIDE_SECONDS = 3.0  # that both work side by side
# The embedded server goes through the whole table for each page, so pages are few and large.
_SEGMENTS, _WORKERS, _PAGE_ITEMS = 16, 4, 600


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
        every = _OLD + _INSTANCES
        old_code = [
            OldCode(n, cities[n::every], migration.old, self.connection["endpoint_url"] or "")
            for n in range(_OLD)
        ]
        production = [
            Production(n, [new_city(city) for city in cities[n::every]]) for n in range(_OLD, every)
        ]
        await self._fill_old_table(cities)
        await self._create_new_table()
        async with self._at_work(production) as at_work:
            await self._move_in(old_code)
            frozen = await self._digest()
            runs = await self._migrate_twice()
            verification = await self._verify()
            finished = await self._cut_over(verification)
            at_work.set()
        swept = await self._sweep() if finished else False
        self._say_operations(production)
        books: list[Instance] = [*old_code, *production]
        proved = {
            "every city has arrived as it should be, and nothing else": verification.ok,
            "what was settled before the stop was not copied again": _is_whole(runs, frozen[0]),
            **await self._compare_with_books(books),
            "the index has every city of a country, by population": await self._ask_index(books),
            "the old table is as it was when the copy began": await self._digest() == frozen,
            "production went from the first phase to the last without a stop": finished,
            "no tombstone is left": swept,
        }
        seconds = clock.monotonic() - started
        self._conclude(proved, seconds)
        return DemoReport(
            cities=len(cities),
            runs=runs,
            operations=_operations([*old_code, *production]),
            verification=verification,
            proved=proved,
            seconds=seconds,
        )

    async def _fill_old_table(self, cities: Sequence[City]) -> None:
        self.say("1. The old table, in a format that has grown over years")
        async with connect(self.connection, ONE_OFF) as gateway:
            await fill(gateway, migration.old, cities)
        self.say(
            f"   {count(len(cities))} cities of the world: the country is nested, numbers are"
            " text, names differ."
        )

    async def _create_new_table(self) -> None:
        self.say("2. The new table, with the index that the old format could not have")
        report = await create_table(migration, **self.connection)
        (index,) = migration.indexes or ()
        self.say(f"   {report.table} is there; its index is by {' and '.join(index.key.names)}.")

    @asynccontextmanager
    async def _at_work(self, production: Sequence[Production]) -> AsyncIterator[asyncio.Event]:
        """Let the new code work until the event is set, from the first phase to the last."""
        stop = asyncio.Event()
        async with (
            DualTableRepository(migration, **self.connection) as cities,
            asyncio.TaskGroup() as group,
        ):
            for instance in production:
                group.create_task(instance.work(cities, stop))
            yield stop

    async def _move_in(self, old_code: Sequence[OldCode]) -> None:
        self.say("3. Old code and new code side by side, and then the new code alone")
        self.say(
            f"   {_OLD} instances of the old job in plain boto3, {_INSTANCES} with the repository;"
            " all of them write."
        )
        gone = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for instance in old_code:
                group.create_task(instance.work(gone))
            await asyncio.sleep(_BESIDE_SECONDS)
            gone.set()
        did = _did(old_code)
        self.say(f"   The old job did {did}, and is gone.")
        await self._advance(Phase.MIGRATING)

    async def _cut_over(self, verification: VerificationReport) -> bool:
        self.say("6. Cut over: nobody looks at the old table any more")
        if not verification.ok:
            self.say("   The gate is closed: the verification has failed.")
            return False
        return await self._advance(Phase.FINISHED) is Phase.FINISHED

    async def _sweep(self) -> bool:
        """Sweep the tombstones; tell whether none is left."""
        report = await clean_up(migration, **self.connection)
        self.say(f"   {count(report.tombstones)} tombstones swept.")
        async with connect(self.connection, ONE_OFF) as gateway:
            left = [
                item
                async for items in pages(gateway, migration.new)
                for item in items
                if migration.marks.is_tombstone(item)
            ]
        return report.tombstones > 0 and not left

    async def _advance(self, to: Phase) -> Phase:
        """Go through each gate on the way; production works on all the while."""
        passed: list[Phase] = []

        def note(gate: Gate) -> None:
            if gate.phase not in (*passed, to):
                passed.append(gate.phase)

        lifecycle = Lifecycle(migration, **self.connection)
        phase = await lifecycle.advance(to=to, wait=True, old_code_is_gone=True, observer=note)
        self.say("   " + " -> ".join([*passed, phase]))
        return phase

    def _say_operations(self, production: Sequence[Production]) -> None:
        self.say(f"   Production, all the while: {_did(production)}.")

    async def _migrate_twice(self) -> tuple[MigrationReport, MigrationReport]:
        self.say("4. The migrator copies what the new table does not have yet")
        first = await self._migrate(stop_at=_STOP_AT)
        self.say(f"   {_run_text(first)}; stopped on purpose")
        second = await self._migrate()
        self.say(f"   {_run_text(second)}; resumed at {count(first.scanned)}")
        return first, second

    async def _migrate(self, *, stop_at: float | None = None) -> MigrationReport:
        async with shown("migrating", kind=AUTO if self.live else NONE) as show:

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
        async with shown("verifying", kind=AUTO if self.live else NONE) as show:
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

    async def _compare_with_books(self, production: Sequence[Instance]) -> dict[str, bool]:
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

    async def _ask_index(self, production: Sequence[Instance]) -> bool:
        (index,) = migration.indexes or ()
        self.say(f"7. The index answers: the largest cities of {_COUNTRY}")
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

    async def _digest(self) -> tuple[int, str]:
        async with connect(self.connection, ONE_OFF) as gateway:
            return await digest(gateway, migration.old)

    def _conclude(self, proved: Mapping[str, bool], seconds: float) -> None:
        self.say(f"8. Proved, {duration(seconds)} after the start")
        for claim, holds in proved.items():
            self.say(f"   {'yes' if holds else 'NO '}  {claim}")


def _is_whole(runs: Sequence[MigrationReport], items: int) -> bool:
    """Tell whether the runs settled each item, once, and the first of them was not the last."""
    settled = sum(run.scanned for run in runs)
    return settled == items and not runs[0].complete and runs[-1].ok


def _did(instances: Sequence[Instance]) -> str:
    return ", ".join(f"{count(n)} {kind}s" for kind, n in _operations(instances).items())


def _operations(production: Sequence[Instance]) -> Counter[str]:
    return sum((instance.operations for instance in production), Counter())


def _run_text(report: MigrationReport) -> str:
    rate = report.scanned / report.seconds if report.seconds else 0
    return (
        f"{count(report.scanned)} cities in {report.seconds:.0f} s ({count(rate)}/s,"
        f" {report.pages} pages), {report.already_present} there already"
    )
