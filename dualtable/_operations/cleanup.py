"""After the end: tombstones are swept, and write tokens on request.

The rule: only in `FINISHED`, and only what is as it was read; stopped at any moment, it goes on
where it was, beside production, within the ceilings in force.

A tombstone goes by a delete on the condition that it still is one, a token on the condition that it
is still the same. But a token also tells a repository that an item has changed since it was read:
"no token" must not come back while one may remember it, however long it was frozen. So tokens are
for the time when no repository is open any more, looked at again after each page.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Unpack

import attrs

from dualtable._clock import Clock, clock_of
from dualtable._control.capacity import Paces
from dualtable._control.connected import begun
from dualtable._control.control_table import Limits
from dualtable._control.milestones import Cleanup, Milestones, Swept
from dualtable._control.phases import Phase
from dualtable._control.state import State
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._events.folder import events_folder
from dualtable._events.metering import metered
from dualtable._events.requests import Requests, roles
from dualtable._operations.facts import Observatory
from dualtable._operations.sweep import (
    CleanupProgress,
    CleanupReport,
    Sweep,
    check_nobody_compares,
    is_done,
    records_of,
    report_of,
)
from dualtable._sharing.retries import Retries
from dualtable._transforms.migration import Migration, check_flags, check_observer, check_range
from dualtable._wire.layouts import identity
from dualtable._wire.types import Description
from dualtable.errors import MigrationMismatchError

_LEAST_SEGMENTS = 64
_MOST_SEGMENTS = 10_000
_SEGMENT_BYTES = 64 * 2**20


async def clean_up(
    migration: Migration,
    *,
    tokens: bool = False,
    max_read_units: float | None = None,
    max_write_units: float | None = None,
    observer: Callable[[CleanupProgress], None] | None = None,
    events: str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
    **connection: Unpack[Connection],
) -> CleanupReport:
    """Delete the tombstones of a finished migration, and on request its write tokens.

    Production goes on beside it. Called again, it goes on where it was stopped; once all is done,
    it returns at once.

    Args:
        migration: A migration in `FINISHED`.
        tokens: Remove the write tokens, too. Repositories tell by them what others have written, so
            that is for the time when production has taken the library out.
        max_read_units: Ceiling of read units per second. Default: the one in force for the
            migrators; where there is none, 97 % of what is provisioned, or as far as it goes.
        max_write_units: The same for write units. What is given here is in force from now on.
        observer: Called with a `CleanupProgress` after each page, and once a second at least.
        events: Folder for the events of this process, for `write_report`; `os.devnull` for nowhere.
            Default: ``<name of the migration>.events`` in the working directory.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: A setting is out of range, or of another kind.
        MigrationMismatchError: The migration is not in `FINISHED`; or `tokens` is asked for, and a
            repository is open; or the table was made anew meanwhile.
        TableNotFoundError: The new table does not exist.
        GatewayError: DynamoDB refused a request or stayed out of reach; what is done stays done.

    Example:
        >>> import asyncio
        >>> from dualtable import (
        ...     DualTableRepository, Lifecycle, Migration, Migrator, Move, Phase, Verifier,
        ...     clean_up, create_table,
        ... )
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration(
        ...         "orders-v2", "orders", "orders-v2", Move("nme", "name"), settle_seconds=1
        ...     )
        ...     await create_table(migration, gateway=gateway)
        ...     async with DualTableRepository(migration, gateway=gateway) as orders:
        ...         await orders.delete({"id": "o-1"})
        ...     await Migrator(migration, gateway=gateway).run()
        ...     await Verifier(migration, gateway=gateway).run()
        ...     await Lifecycle(migration, gateway=gateway).advance(to=Phase.FINISHED, wait=True)
        ...     return await clean_up(migration, gateway=gateway)
        >>> asyncio.run(main()).tombstones
        1
    """
    check_range("max_read_units", max_read_units, 0.001)
    check_range("max_write_units", max_write_units, 0.001)
    check_flags(tokens=tokens)
    check_observer(observer)
    folder = events_folder(migration, events)
    clock = clock_of(clock)
    retries, requests = Retries(), Requests(roles(migration))
    heard = metered(None, "cleanup", migration, clock, besides=requests, on_retry=retries.note)
    async with connect(connection, ONE_OFF, *heard) as gateway:
        observatory = Observatory(gateway, migration)
        new = await observatory.new_table()
        milestones = observatory.milestones
        state = await _finished(observatory)
        if tokens:
            await check_nobody_compares(milestones)
        given = attrs.asdict(Limits(max_read_units, max_write_units)).items()
        if changes := {name: value for name, value in given if value is not None}:
            await milestones.change_ceilings(lambda found: found.given(**changes))
        cleanup = await _agreed(milestones, new, state, clock, migration, tokens=tokens)
        retries.paces = Paces.of(new, new, clock)
        sweep = Sweep(
            gateway=gateway,
            migration=migration,
            milestones=milestones,
            cleanup=cleanup,
            description=new,
            paces=retries.paces,
            requests=requests,
            retries=retries,
            clock=clock,
            observer=observer or (lambda _: None),
            folder=folder,
        )
        with begun():
            return await sweep.run()


async def _finished(observatory: Observatory) -> State:
    await observatory.milestones.check_tables(observatory.migration)
    if (state := await observatory.state()).phase is not Phase.FINISHED:
        raise MigrationMismatchError(
            f"{observatory.migration.name} is in phase {state.phase}, in which tombstones are"
            f" needed; sweep them in {Phase.FINISHED}"
        )
    return state


async def _agreed(
    milestones: Milestones,
    new: Description,
    state: State,
    clock: Clock,
    migration: Migration,
    *,
    tokens: bool,
) -> Cleanup:
    """Return the cleanup that is gone on with, or begin one."""
    before = await milestones.cleanup()
    goes_on = before is not None and (before.tokens, before.new) == (tokens, identity(new))
    if before and goes_on and (before.settled or not await is_done(milestones, before)):
        return before
    cleanup = Cleanup(
        id=secrets.token_hex(8),
        total_segments=_wanted_segments(new),
        new=identity(new),
        tokens=tokens,
        settled=await _is_settled(milestones, state, clock.now(), migration.settle_seconds),
    )
    if not await milestones.note_cleanup(cleanup, over=before):  # another process has begun one
        return await _agreed(milestones, new, state, clock, migration, tokens=tokens)
    if before is not None:
        await records_of(milestones, before).forget()
    return cleanup


async def _is_settled(
    milestones: Milestones, state: State, now: float, settle_seconds: float
) -> bool:
    """Tell whether everybody goes by `FINISHED`, in which no tombstone is left any more."""
    lasted = state.since is None or now >= state.since + settle_seconds
    return lasted and all(beat.acknowledges(state) for beat in await milestones.heartbeats())


async def read_cleanup(milestones: Milestones) -> CleanupReport | None:
    """Read what all processes have swept so far; None where none is under way."""
    cleanup = await milestones.cleanup()
    known = [] if cleanup is None else await records_of(milestones, cleanup).segments()
    done = sum(segment.checkpoint.done for segment in known)
    if cleanup is None or done == cleanup.total_segments:
        return None
    return report_of(cleanup, sum((segment.progress for segment in known), Swept()), done)


async def is_swept(milestones: Milestones) -> bool:
    """Tell whether a cleanup has swept all, and nobody could leave a tombstone when it began."""
    cleanup = await milestones.cleanup()
    return cleanup is not None and cleanup.settled and await is_done(milestones, cleanup)


def _wanted_segments(new: Description) -> int:
    wanted = int(new.get("TableSizeBytes", 0)) // _SEGMENT_BYTES
    return min(_MOST_SEGMENTS, max(_LEAST_SEGMENTS, wanted))
