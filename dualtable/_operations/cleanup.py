"""After the end: tombstones are swept, and write tokens on request.

The rule: only in `FINISHED`, and only what is still as it was read. It may be stopped at any moment
and goes on where it was; it runs beside production, within the ceilings in force.

A tombstone goes by a delete on the condition that it still is one, a token on the condition that it
is still the same. But a token is also what tells a repository that an item has changed since it was
read: "no token" must not come back while one may remember it, however long it was frozen. So tokens
are for the time when no repository is open any more, looked at again after each page was read.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Unpack

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._control import segments
from dualtable._control.capacity import Pace, pace
from dualtable._control.connected import begun
from dualtable._control.control_table import Limits
from dualtable._control.milestones import Cleanup, Milestones
from dualtable._control.phases import Phase
from dualtable._control.run_records import Run, RunRecords
from dualtable._control.segments import Lease, Progress, Segment
from dualtable._control.state import State
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import ConditionFailed, Gateway, Page
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._expressions.texts import Condition, Update
from dualtable._operations.facts import Observatory
from dualtable._sharing.board import name_of_migrator
from dualtable._sharing.costs import PaidReads
from dualtable._tasks import run_all
from dualtable._transforms.migration import Migration, check_range
from dualtable._wire.keys import key_of
from dualtable._wire.layouts import Layout, identity, layout
from dualtable._wire.marks import Marks
from dualtable._wire.sizes import MOST_SCAN_UNITS, item_bytes, write_units
from dualtable._wire.types import Description, WireItem, WireKey
from dualtable.errors import LeaseLostError, MigrationMismatchError

_PAGE_ITEMS = 1_000
_WORKERS = 64
_LEAST_SEGMENTS = 64
_MOST_SEGMENTS = 10_000
_SEGMENT_BYTES = 64 * 2**20


@attrs.frozen(kw_only=True)
class CleanupReport:
    """What a cleanup did; a machine reads the same fields.

    Attributes:
        scanned: Items of the new table that were looked at.
        tombstones: Tombstones deleted.
        tokens: Write tokens removed.
        overtaken: Tombstones and tokens that somebody has replaced meanwhile; they are left alone.
        read_units: Read units consumed.
        write_units: Write units consumed, estimated by item size.
        complete: Every segment is done, by this run or earlier ones.
        settled: Whether nobody could leave a further tombstone when it began. Where not, run it
            once more after `FINISHED` has settled.
        tokens_wanted: Whether tokens were to be removed.

    Example:
        >>> from dualtable import CleanupReport
        >>> CleanupReport(tombstones=3, complete=True, settled=True).ok
        True
    """

    scanned: int = 0
    tombstones: int = 0
    tokens: int = 0
    overtaken: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    complete: bool = False
    settled: bool = False
    tokens_wanted: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be swept."""
        return self.complete and self.settled


async def clean_up(
    migration: Migration,
    *,
    tokens: bool = False,
    max_read_units: float | None = None,
    max_write_units: float | None = None,
    observer: Callable[[CleanupReport], None] | None = None,
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
        observer: Called with a `CleanupReport` after each page.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
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
    clock = clock or SystemClock()
    async with connect(connection, ONE_OFF) as gateway:
        observatory = Observatory(gateway, migration)
        new = await observatory.new_table()
        milestones = observatory.milestones
        state = await _finished(observatory)
        if tokens:
            await _check_nobody_compares(milestones)
        await _keep(milestones, Limits(max_read_units, max_write_units))
        cleanup = await _agreed(milestones, new, state, clock, migration, tokens=tokens)
        sweep = _Sweep(
            gateway=gateway,
            migration=migration,
            milestones=milestones,
            cleanup=cleanup,
            new=layout(new),
            reads=pace(new, "Read", clock),
            writes=pace(new, "Write", clock),
            observer=observer or (lambda _: None),
        )
        with begun():
            return await sweep.run()


async def _finished(observatory: Observatory) -> State:
    state = await observatory.state()
    if state.phase is not Phase.FINISHED:
        raise MigrationMismatchError(
            f"{observatory.migration.name} is in phase {state.phase}, in which tombstones are"
            f" needed; sweep them in {Phase.FINISHED}"
        )
    return state


async def _check_nobody_compares(milestones: Milestones) -> None:
    """Raise `MigrationMismatchError` where a repository is open."""
    if beats := await milestones.heartbeats():
        open_ones = "; ".join(f"{b.repository} on {b.host}, process {b.process}" for b in beats)
        raise MigrationMismatchError(
            "tokens are what open repositories tell changes by, and these are open: "
            f"{open_ones}. Take the library out first; where one is dead, declare that"
        )


async def _keep(milestones: Milestones, given: Limits) -> None:
    changes = {name: value for name, value in attrs.asdict(given).items() if value is not None}
    if changes:
        await milestones.change_ceilings(lambda found: found.given(**changes))


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
    if (
        before is not None
        and goes_on
        and (before.settled or not await _is_done(milestones, before))
    ):
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
        await _records(milestones, before).forget()
    return cleanup


async def _is_settled(
    milestones: Milestones, state: State, now: float, settle_seconds: float
) -> bool:
    """Tell whether everybody goes by `FINISHED`, in which no tombstone is left any more."""
    lasted = state.since is None or now >= state.since + settle_seconds
    return lasted and all(beat.acknowledges(state) for beat in await milestones.heartbeats())


async def _is_done(milestones: Milestones, cleanup: Cleanup) -> bool:
    known = await _records(milestones, cleanup).segments()
    return segments.complete(known, cleanup.total_segments)


def _records(milestones: Milestones, cleanup: Cleanup) -> RunRecords:
    return milestones.of(
        Run(
            id=f"cleanup-{cleanup.id}",
            fingerprint="",
            total_segments=cleanup.total_segments,
            old="",
            new=cleanup.new,
        )
    )


def _wanted_segments(new: Description) -> int:
    size = int(new.get("TableSizeBytes", 0))
    return min(_MOST_SEGMENTS, max(_LEAST_SEGMENTS, size // _SEGMENT_BYTES))


@attrs.define(kw_only=True, eq=False)
class _Sweep:
    """One run of a cleanup."""

    gateway: Gateway
    migration: Migration
    milestones: Milestones
    cleanup: Cleanup
    new: Layout
    reads: Pace
    writes: Pace
    observer: Callable[[CleanupReport], None]
    lease: Lease = attrs.field(init=False, factory=lambda: Lease(name_of_migrator()))
    paid: PaidReads = attrs.field(init=False)
    done: CleanupReport = attrs.field(init=False, factory=CleanupReport)

    def __attrs_post_init__(self) -> None:
        self.paid = PaidReads(self.reads.bucket, MOST_SCAN_UNITS, self.reads)

    async def run(self) -> CleanupReport:
        """Sweep what earlier runs have left."""
        await self._follow_limits()
        records = _records(self.milestones, self.cleanup)
        known = {segment.number: segment for segment in await records.segments()}
        every = [known.get(n) or Segment(n) for n in range(self.cleanup.total_segments)]
        left = [segment for segment in every if not segment.checkpoint.done]
        random.shuffle(left)
        await run_all(self._work(left, records) for _ in range(min(_WORKERS, len(left))))
        await self._check_table()
        return self._report(complete=await _is_done(self.milestones, self.cleanup))

    async def _check_table(self) -> None:
        """Raise `MigrationMismatchError` where it is not the table any more that was swept."""
        now = identity(await self.gateway.describe_table(self.new.table))
        if now != self.cleanup.new:
            raise MigrationMismatchError(
                f"{self.new.table} has been made anew while it was swept: it was"
                f" {self.cleanup.new} and is {now}; see that it is the right one, and sweep again"
            )

    async def _work(self, left: list[Segment], records: RunRecords) -> None:
        while left:
            await self._sweep(left.pop(), records)

    async def _sweep(self, segment: Segment, records: RunRecords) -> None:
        with suppress(LeaseLostError):  # another cleanup is at work on it
            segment = segments.claim(segment, self.lease)
            await records.store(segment)
            while not segment.checkpoint.done:
                page = await self._page(segment)
                await self._sweep_page(page)
                counts = Progress(scanned=len(page.items), pages=1, read_units=page.read_units)
                segment = segments.advance(segment, counts, page.last_key, self.lease)
                await records.store(segment)
                self._count(scanned=len(page.items), read_units=page.read_units)
                self.observer(self._report(complete=False))
                await self._follow_limits()

    async def _page(self, segment: Segment) -> Page:
        return await self.paid.paid(
            _PAGE_ITEMS,
            lambda: self.gateway.scan(
                self.new.table,
                segment=segment.number,
                total_segments=self.cleanup.total_segments,
                start_key=segment.checkpoint.last_key,
                limit=_PAGE_ITEMS,
            ),
            lambda page: page.read_units,
        )

    async def _sweep_page(self, page: Page) -> None:
        marks = self.migration.marks
        for item in page.items:
            if marks.is_tombstone(item):
                await self._delete(key_of(item, self.new.key, self.new.table), item)
        stamped = [item for item in page.items if marks.token_of(item) is not None]
        if not self.cleanup.tokens or not stamped:
            return
        await _check_nobody_compares(self.milestones)
        for item in stamped:
            await self._remove_token(key_of(item, self.new.key, self.new.table), item)

    async def _delete(self, key: WireKey, item: WireItem) -> None:
        await self._pay(item)
        try:
            await self.gateway.delete(self.new.table, key, _still_buried(self.migration.marks))
        except ConditionFailed:
            self._count(overtaken=1)
        else:
            self._count(tombstones=1)

    async def _remove_token(self, key: WireKey, item: WireItem) -> None:
        await self._pay(item)
        token = self.migration.token_attribute
        still = Condition("#t = :t", {"#t": token}, {":t": item[token]})
        try:
            await self.gateway.update(
                self.new.table, key, Update("REMOVE #r", {"#r": token}), still
            )
        except ConditionFailed:
            self._count(overtaken=1)
        else:
            self._count(tokens=1)

    async def _pay(self, item: WireItem) -> None:
        units = write_units(item_bytes(item))
        await self.writes.bucket.admit(units)
        self.writes.note(units)
        self._count(write_units=units)

    async def _follow_limits(self) -> None:
        """Go by the ceilings in force, which may be changed at any time."""
        limits = await self.milestones.limits()
        self.reads.limit(limits.max_read_units)
        self.writes.limit(limits.max_write_units)

    def _count(self, **more: float) -> None:
        mine = {name: getattr(self.done, name) + value for name, value in more.items()}
        self.done = attrs.evolve(self.done, **mine)

    def _report(self, *, complete: bool) -> CleanupReport:
        return attrs.evolve(
            self.done,
            complete=complete,
            settled=self.cleanup.settled,
            tokens_wanted=self.cleanup.tokens,
        )


def _still_buried(marks: Marks) -> Condition:
    return Condition("attribute_exists(#d)", {"#d": marks.tombstone})
