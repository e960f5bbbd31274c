"""All migrations of a control table, in brief.

The rule: it needs no code of a migration, and what it cannot read of one hides no other.
"""

from __future__ import annotations

from typing import Unpack

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._control.inherited import MARKS
from dualtable._control.milestones import Milestones
from dualtable._control.phases import Phase
from dualtable._control.run_records import SEGMENT
from dualtable._control.segments import total
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._sharing.heard import heard
from dualtable._transforms.migration import DEFAULT_CONTROL_TABLE
from dualtable._wire import codec
from dualtable._wire.layouts import name_in
from dualtable._wire.types import WireKey
from dualtable.errors import DualTableError, MigrationMismatchError, TableNotFoundError

_KEYS = ["migration", "record"]


@attrs.frozen(kw_only=True)
class ListedMigration:
    """One migration of a control table.

    Attributes:
        name: Its name.
        phase: Its phase; None where it cannot be read.
        phase_seconds: How long it has lasted; None where nobody has noted when it began.
        old: The old table; empty where no run and no gate has noted it yet.
        new: The new table.
        total_segments: Segments of the scan; 0 before the first run.
        segments_done: Those that are done.
        dead_letters: Old items that could not be copied.
        workers: Migrators that are at work.
        repositories: Repositories that are open or were not closed cleanly.
        paused: Whether a ceiling of 0 lets all migrators stand still.
        verified: Whether the last verification was well; None before one has ended.
        problem: Why it cannot be read; empty where it can.
    """

    name: str
    phase: Phase | None = None
    phase_seconds: float | None = None
    old: str = ""
    new: str = ""
    total_segments: int = 0
    segments_done: int = 0
    dead_letters: int = 0
    workers: int = 0
    repositories: int = 0
    paused: bool = False
    verified: bool | None = None
    problem: str = ""


@attrs.frozen(kw_only=True)
class Listing:
    """The migrations of a control table.

    Attributes:
        control_table: Its name.
        exists: Whether there is such a table.
        migrations: By name.
    """

    control_table: str
    exists: bool = True
    migrations: tuple[ListedMigration, ...] = ()


async def list_migrations(
    control_table: str = DEFAULT_CONTROL_TABLE,
    *,
    clock: Clock | None = None,
    **connection: Unpack[Connection],
) -> Listing:
    """Read all that a control table holds.

    Args:
        control_table: Its name.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        MigrationMismatchError: The table is no control table.
        GatewayError: DynamoDB refused a request or stayed out of reach.
    """
    async with connect(connection, ONE_OFF) as gateway:
        clock = clock or SystemClock()
        try:
            names = await _names(gateway, control_table)
        except TableNotFoundError:
            return Listing(control_table=control_table, exists=False)
        found = [
            await _listed(Milestones(gateway, control_table, name), name, clock) for name in names
        ]
        return Listing(control_table=control_table, migrations=tuple(found))


async def _names(gateway: Gateway, table: str) -> list[str]:
    """Return the names of all migrations that have a record."""
    schema = (await gateway.describe_table(table))["KeySchema"]
    if [key["AttributeName"] for key in schema] != _KEYS:
        raise MigrationMismatchError(f"{table} is no control table of dualtable")
    names: set[str] = set()
    start_key: WireKey | None = None
    while True:
        page = await gateway.scan(
            table, segment=0, total_segments=1, start_key=start_key, attributes=_KEYS
        )
        keys = [codec.decode(item) for item in page.items]
        names |= {str(key["migration"]) for key in keys if not _is_apart(key["record"])}
        start_key = page.last_key
        if start_key is None:
            return sorted(names)


def _is_apart(record: str) -> bool:
    """Tell whether a record stands under another name than its migration's."""
    return record == MARKS or record.startswith(SEGMENT)


async def _listed(control: Milestones, name: str, clock: Clock) -> ListedMigration:
    try:
        return await _read(control, name, clock)
    except DualTableError as error:
        return ListedMigration(name=name, problem=str(error))


async def _read(control: Milestones, name: str, clock: Clock) -> ListedMigration:
    state, run, noted = await control.state(), await control.run(), await control.tables()
    segments = await control.of(run).segments() if run else []
    everybody = await heard(control.of(run), clock) if run else ()
    verification, limits = await control.verification(), await control.limits()
    tables = (run.old, run.new) if run else noted or ("", "")
    return ListedMigration(
        name=name,
        phase=state.phase,
        phase_seconds=None if state.since is None else max(0.0, clock.now() - state.since),
        old=name_in(tables[0]),
        new=name_in(tables[1]),
        total_segments=run.total_segments if run else 0,
        segments_done=sum(segment.checkpoint.done for segment in segments),
        dead_letters=total(segments).failed,
        workers=sum(each.at_work for each in everybody),
        repositories=len(await control.heartbeats()),
        paused=limits.pause,
        verified=None if verification is None else verification.ok,
    )
