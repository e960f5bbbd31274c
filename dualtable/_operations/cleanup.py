"""After the end: tombstones are swept, and write tokens on request.

The rule: only in `FINISHED`, and only what is as it was read; stopped at any moment, it goes on
where it was, beside production, within the ceilings in force.

A tombstone goes by a delete on the condition that it still is one, a token on the condition that it
is still the same. But a token also tells a repository that an item has changed since it was read:
"no token" must not come back while one may remember it, however long it was frozen. So tokens are
for the time when no repository is open any more, looked at again after each page.
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
from dualtable._control.milestones import Cleanup, Milestones, Swept
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
        share_done: From 0 to 1, by segments, whoever has done them.
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
    share_done: float = 0.0
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
        given = attrs.asdict(Limits(max_read_units, max_write_units)).items()
        if changes := {name: value for name, value in given if value is not None}:
            await milestones.change_ceilings(lambda found: found.given(**changes))
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
    await observatory.milestones.check_tables(observatory.migration)
    if (state := await observatory.state()).phase is not Phase.FINISHED:
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
    if before and goes_on and (before.settled or not await _is_done(milestones, before)):
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
    run = Run(
        id=f"cleanup-{cleanup.id}",
        fingerprint="",
        total_segments=cleanup.total_segments,
        old="",
        new=cleanup.new,
    )
    return milestones.of(run, Swept)


async def read_cleanup(milestones: Milestones) -> CleanupReport | None:
    """Read what all processes have swept so far; None where none is under way."""
    cleanup = await milestones.cleanup()
    known = [] if cleanup is None else await _records(milestones, cleanup).segments()
    done = sum(segment.checkpoint.done for segment in known)
    if cleanup is None or done == cleanup.total_segments:
        return None
    return _report(cleanup, sum((segment.progress for segment in known), Swept()), done)


def _report(cleanup: Cleanup, swept: Progress, segments_done: int) -> CleanupReport:
    counts = ("scanned", "tombstones", "tokens", "overtaken", "read_units", "write_units")
    return CleanupReport(
        **{name: getattr(swept, name) for name in counts},
        share_done=segments_done / cleanup.total_segments,
        settled=cleanup.settled,
        tokens_wanted=cleanup.tokens,
    )


def _wanted_segments(new: Description) -> int:
    wanted = int(new.get("TableSizeBytes", 0)) // _SEGMENT_BYTES
    return min(_MOST_SEGMENTS, max(_LEAST_SEGMENTS, wanted))


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
    done: Swept = attrs.field(init=False, factory=Swept)
    segments_done: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.paid = PaidReads(self.reads.bucket, MOST_SCAN_UNITS, self.reads)

    async def run(self) -> CleanupReport:
        """Sweep what earlier runs have left."""
        await self._follow_limits()
        records = _records(self.milestones, self.cleanup)
        known = {segment.number: segment for segment in await records.segments()}
        every = [known.get(n) or records.untouched(n) for n in range(self.cleanup.total_segments)]
        left = [segment for segment in every if not segment.checkpoint.done]
        self.segments_done = len(every) - len(left)
        random.shuffle(left)
        await run_all(self._work(left, records) for _ in range(min(_WORKERS, len(left))))
        await self._check_table()
        done = await _is_done(self.milestones, self.cleanup)
        segments_done = len(every) if done else self.segments_done
        return attrs.evolve(_report(self.cleanup, self.done, segments_done), complete=done)

    async def _check_table(self) -> None:
        """Raise `MigrationMismatchError` where it is not the table any more that was swept."""
        before, now = self.cleanup.new, await self.gateway.describe_table(self.new.table)
        if identity(now) != before:
            raise MigrationMismatchError(
                f"{self.new.table} has been made anew while it was swept: it was {before} and is"
                f" {identity(now)}; see that it is the right one, and sweep again"
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
                swept = await self._sweep_page(page)  # others add to what is done meanwhile
                self.done += swept
                read = Swept(scanned=len(page.items), pages=1, read_units=page.read_units)
                segment = segments.advance(segment, read + swept, page.last_key, self.lease)
                await records.store(segment)
                self.done += read
                self.segments_done += segment.checkpoint.done
                self.observer(_report(self.cleanup, self.done, self.segments_done))
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

    async def _sweep_page(self, page: Page) -> Swept:
        swept, marks = Swept(), self.migration.marks
        for item in page.items:
            if marks.is_tombstone(item):
                swept += await self._delete(key_of(item, self.new.key, self.new.table), item)
        stamped = [item for item in page.items if marks.token_of(item) is not None]
        if not self.cleanup.tokens or not stamped:
            return swept
        await _check_nobody_compares(self.milestones)
        for item in stamped:
            swept += await self._remove_token(key_of(item, self.new.key, self.new.table), item)
        return swept

    async def _delete(self, key: WireKey, item: WireItem) -> Swept:
        still = Condition("attribute_exists(#d)", {"#d": self.migration.marks.tombstone})
        units = await self._pay(item)
        try:
            await self.gateway.delete(self.new.table, key, still)
        except ConditionFailed:
            return Swept(overtaken=1, write_units=units)
        return Swept(tombstones=1, write_units=units)

    async def _remove_token(self, key: WireKey, item: WireItem) -> Swept:
        units = await self._pay(item)
        token = self.migration.token_attribute
        still = Condition("#t = :t", {"#t": token}, {":t": item[token]})
        try:
            await self.gateway.update(
                self.new.table, key, Update("REMOVE #r", {"#r": token}), still
            )
        except ConditionFailed:
            return Swept(overtaken=1, write_units=units)
        return Swept(tokens=1, write_units=units)

    async def _pay(self, item: WireItem) -> float:
        units = write_units(item_bytes(item))
        await self.writes.bucket.admit(units)
        self.writes.note(units)
        return units

    async def _follow_limits(self) -> None:
        """Go by the ceilings in force, which may be changed at any time."""
        limits = await self.milestones.limits()
        self.reads.limit(limits.max_read_units)
        self.writes.limit(limits.max_write_units)
