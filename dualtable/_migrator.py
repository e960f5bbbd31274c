"""The one-off copy: scan the old table, transform, put into the new one what is not there yet.

The rule: the copy never overwrites (I2) and never writes to `old` (I5), and a checkpoint is stored
only after every write of its page is settled and every failure is on disk (I6, I7). A worker holds
one page at a time, so writes hold back scans and memory does not grow with the table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Unpack

import attrs

from dualtable._board import Board, ControlBoard, MemoryBoard
from dualtable._capacity import TokenBucket
from dualtable._clock import Clock, SystemClock
from dualtable._connect import Connection, connect
from dualtable._control import Control, Run
from dualtable._copy import PageCopy
from dualtable._dead_letters import DeadLetterFile
from dualtable._gateway import Gateway, Page
from dualtable._items import write_units
from dualtable._lineage import Lineage
from dualtable._migration import Migration, check_range
from dualtable._retry import ONE_OFF
from dualtable._segments import Progress, Segment, complete, total
from dualtable._tables import Description, layout
from dualtable._tasks import first_error
from dualtable._types import WireKey
from dualtable.errors import (
    LeaseLostError,
    MigrationMismatchError,
    RetryableError,
    ThrottledError,
)

_log = logging.getLogger("dualtable.migrator")

_POLL_SECONDS = 1.0
_PAGE_SECONDS = 5.0
_MAX_SEGMENTS = 10_000
_GIGABYTE = 2**30


@attrs.frozen(kw_only=True)
class MigrationReport:
    """What one run of the migrator did. Only pages whose checkpoint is stored count.

    Attributes:
        scanned: Old items read.
        written: New items put; in a dry run, those that would be sent.
        already_present: New items whose key was there, live or as a tombstone.
        dropped: Old items that the transform leaves out.
        failed: Old items that went to the dead letters.
        pages: Pages of the scan, empty ones included.
        empty_pages: Pages without an item; they are not the end of a segment.
        throttled: Requests that DynamoDB throttled; each was sent again.
        retries: Requests that were sent again, for that or any other reason.
        read_units: Read units consumed on the old table, as DynamoDB reports them.
        write_units: Write units consumed on the new table, estimated by item size where DynamoDB
            does not report them.
        seconds: How long the run took.
        complete: Every segment is done, by this run or others.
        dead_letters: Old items in the dead letters after all runs; 0 is well.

    Example:
        >>> from dualtable import MigrationReport
        >>> MigrationReport(complete=True, failed=1, dead_letters=1).ok
        False
    """

    scanned: int = 0
    written: int = 0
    already_present: int = 0
    dropped: int = 0
    failed: int = 0
    pages: int = 0
    empty_pages: int = 0
    throttled: int = 0
    retries: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    seconds: float = 0.0
    complete: bool = False
    dead_letters: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything has been copied and nothing is left in the dead letters."""
        return self.complete and not self.dead_letters


@attrs.frozen(kw_only=True)
class MigrationProgress:
    """How far a running migration has come; what an observer gets after each page.

    Attributes:
        report: This run so far.
        scanned: Old items that all runs have settled.
        estimated_items: Items of the old table as DynamoDB counts them every six hours or so.
        segments_done: Segments that are done.
        total_segments: Segments of the scan.

    Example:
        >>> from dualtable import MigrationProgress, MigrationReport
        >>> progress = MigrationProgress(
        ...     report=MigrationReport(scanned=50),
        ...     scanned=750,
        ...     estimated_items=1_000,
        ...     segments_done=11,
        ...     total_segments=16,
        ... )
        >>> f"{progress.share_done:.0%}"
        '75%'
    """

    report: MigrationReport
    scanned: int
    estimated_items: int
    segments_done: int
    total_segments: int

    @property
    def share_done(self) -> float:
        """From 0 to 1, by items where their number is known, else by segments."""
        if self.segments_done == self.total_segments:
            return 1.0
        by_segments = self.segments_done / self.total_segments
        by_items = self.scanned / self.estimated_items if self.estimated_items else by_segments
        return min(0.99, by_items)


Observer = Callable[[MigrationProgress], None]


class Migrator:
    """Copies every item of the old table that is not in the new one yet.

    It may be stopped or killed at any point and started again, on this machine or another; a second
    one beside a running one shares its segments. A segment whose migrator was killed is taken over
    once its lease of `lease_seconds` has run out.

    Args:
        migration: What to migrate. Both tables must exist.
        total_segments: Parts of the scan; fixed by the first run. Default: one for each GB and four
            for each of `concurrency`, at most 10,000.
        concurrency: Segments worked on at once, each with one request under way.
        page_items: Old items read at once, at most; after each page a checkpoint is stored.
            Default: up to 1 MB, or under `max_write_units` what can be written in five seconds.
        max_read_units: Ceiling of read units per second on the old table; None for no ceiling.
        max_write_units: Ceiling of write units per second on the new table; None for no ceiling.
        dead_letters: Path of the JSON lines file for items that could not be copied. Default:
            ``<name of the migration>.dead-letters.jsonl`` in the working directory.
        dry_run: Scan and transform everything, and write nothing to any table; failures go to the
            dead letters.
        restart: Forget the checkpoints and begin anew; items in the new table stay.
        observer: Called with a `MigrationProgress` after each page.
        lease_seconds: How long a segment stays with a migrator that has stopped responding.
        clock: Where time comes from; for tests.
        **connection: ``session``, ``endpoint_url``, ``region_name``, ``config`` as boto3 takes
            them, or ``gateway``.

    Raises:
        DualTableError: A number is out of range, or the dead letters cannot be written.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Migrator, Move
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     for table in ("orders", "orders-v2"):
        ...         await gateway.create_table({
        ...             "TableName": table,
        ...             "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...             "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...             "BillingMode": "PAY_PER_REQUEST",
        ...         })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await Migrator(migration, gateway=gateway).run()
        >>> asyncio.run(main()).written
        1
    """

    def __init__(
        self,
        migration: Migration,
        *,
        total_segments: int | None = None,
        concurrency: int = 16,
        page_items: int | None = None,
        max_read_units: float | None = None,
        max_write_units: float | None = None,
        dead_letters: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        restart: bool = False,
        observer: Observer | None = None,
        lease_seconds: float = 30.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        check_range("total_segments", total_segments, 1, 1_000_000)
        check_range("concurrency", concurrency, 1, 1_000)
        check_range("page_items", page_items, 1, 1_000_000)
        check_range("max_read_units", max_read_units, 0.001, float("inf"))
        check_range("max_write_units", max_write_units, 0.001, float("inf"))
        check_range("lease_seconds", lease_seconds, 0.001, 3600)
        self._migration = migration
        self._total_segments = total_segments
        self._concurrency = concurrency
        self._page_items = page_items
        self._max_read_units = max_read_units
        self._max_write_units = max_write_units
        self._dead_letters = DeadLetterFile(dead_letters or default_dead_letters(migration))
        self._dry_run = dry_run
        self._restart = restart
        self._observer = observer
        self._lease_seconds = lease_seconds
        self._clock = clock or SystemClock()
        self._connection = connection
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` finish its pages, store their checkpoints, and return."""
        self._stopping.set()

    async def run(self, *, stop_on: Iterable[signal.Signals] = ()) -> MigrationReport:
        """Copy until every segment is done or `stop` is called.

        Args:
            stop_on: Signals that stop the run in an orderly way, such as ``SIGINT, SIGTERM``; a
                second one has its usual effect. Only in the main thread.

        Returns:
            What this run did. A finished migration returns at once with ``complete=True``.

        Raises:
            TableNotFoundError: One of the tables does not exist.
            MigrationMismatchError: An earlier run had another transform or number of segments, or
                the phase allows no copy.
            GatewayError: DynamoDB refused a request or stayed out of reach; what is settled stays.
        """
        tally = _Retries()
        async with connect(self._connection, ONE_OFF, tally.note) as gateway:
            with _stopping_on(stop_on, self.stop):
                old = await gateway.describe_table(self._migration.old)
                new = await gateway.describe_table(self._migration.new)
                run = _Run(
                    gateway=gateway,
                    board=await self._board(gateway, old),
                    copier=PageCopy(
                        Lineage.of(self._migration, layout(old), layout(new)),
                        TokenBucket(self._max_write_units, self._clock),
                        None if self._dry_run else gateway,
                    ),
                    reads=TokenBucket(self._max_read_units, self._clock),
                    page_items=self._page_items
                    or _page_items(old, self._max_write_units, self._concurrency),
                    dead_letters=self._dead_letters,
                    observer=self._observer,
                    stopping=self._stopping,
                    retries=tally,
                    clock=self._clock,
                    renew_seconds=self._lease_seconds / 3,
                    estimated_items=old.get("ItemCount", 0),
                )
                return await run.work(self._concurrency)

    async def _board(self, gateway: Gateway, old: Description) -> Board:
        wanted = self._total_segments or _default_segments(old, self._concurrency)
        if self._dry_run:
            return MemoryBoard(wanted)
        control = Control(gateway, self._migration.control_table, self._migration.name)
        await control.ensure_table()
        await control.check_copying()
        if self._restart:
            await self._forget(control)
        run = await control.begin(Run(self._migration.fingerprint, wanted))
        self._check(run)
        return ControlBoard(control, run.total_segments, self._clock, self._lease_seconds)

    def _check(self, run: Run) -> None:
        name = self._migration.name
        if run.fingerprint != self._migration.fingerprint:
            raise MigrationMismatchError(
                f"{name} was begun with another transform ({run.fingerprint}, now"
                f" {self._migration.fingerprint}), so old and new copies would differ; go on with"
                " the old one, state Migration(version=…) if the change does not matter, or"
                " empty the new table and begin anew with restart"
            )
        if self._total_segments not in (None, run.total_segments):
            raise MigrationMismatchError(
                f"{name} was begun with total_segments={run.total_segments}, not"
                f" {self._total_segments}; leave total_segments out to go on"
            )

    async def _forget(self, control: Control) -> None:
        now = self._clock.now()
        if held := [s for s in await control.segments() if s.lease and s.lease.until > now]:
            raise MigrationMismatchError(
                f"{len(held)} segments of {self._migration.name} are being worked on; stop the"
                f" other migrators, or wait {self._lease_seconds:g} s after one was killed"
            )
        await control.forget_run()


@attrs.define
class _Retries:
    """How many requests were sent again, and how many of them had been throttled."""

    count: int = 0
    throttled: int = 0

    def note(self, error: RetryableError) -> None:
        self.count += 1
        self.throttled += isinstance(error, ThrottledError)


@attrs.define(kw_only=True)
class _Run:
    """One run: workers that take segments from the board and copy them page by page."""

    gateway: Gateway
    board: Board
    copier: PageCopy
    reads: TokenBucket
    page_items: int | None
    dead_letters: DeadLetterFile
    observer: Observer | None
    stopping: asyncio.Event
    retries: _Retries
    clock: Clock
    renew_seconds: float
    estimated_items: int
    settled: Progress = attrs.field(factory=Progress)
    started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.monotonic()

    async def work(self, workers: int) -> MigrationReport:
        """Return when every segment is done, by this run or others, or the run is stopped."""
        with first_error():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(workers, self.board.total_segments)):
                    group.create_task(self._work_segments())
        return self._report()

    async def _work_segments(self) -> None:
        while not self.stopping.is_set():
            segment = await self.board.take()
            if segment is not None:
                await self._work_segment(segment)
            elif self.board.others_at_work():
                await self.clock.sleep(_POLL_SECONDS)
            else:
                return

    async def _work_segment(self, segment: Segment) -> None:
        held = _Held(segment, self.board)
        try:
            async with held.renewed(self.clock, self.renew_seconds):
                await self._copy_pages(held)
        except LeaseLostError:
            _log.warning(
                "segment taken over by another migrator", extra={"segment": segment.number}
            )
            self.board.mourn(held.segment)

    async def _copy_pages(self, held: _Held) -> None:
        while not held.segment.checkpoint.done:
            if self.stopping.is_set():
                await held.give_back()
                return
            page = await self._scan(held.segment)
            progress, letters = await self.copier.copy(page, held.segment.number)
            await self.dead_letters.append(letters)
            await held.settle(progress, page.last_key)
            self.settled += progress
            self._observe()

    async def _scan(self, segment: Segment) -> Page:
        await self.reads.admit()
        page = await self.gateway.scan(
            self.copier.lineage.old.table,
            segment=segment.number,
            total_segments=self.board.total_segments,
            start_key=segment.checkpoint.last_key,
            limit=self.page_items,
        )
        self.reads.spend(page.read_units)
        return page

    def _observe(self) -> None:
        if self.observer is None:
            return
        known = self.board.known()
        self.observer(
            MigrationProgress(
                report=self._report(),
                scanned=total(known).scanned,
                estimated_items=self.estimated_items,
                segments_done=sum(segment.checkpoint.done for segment in known),
                total_segments=self.board.total_segments,
            )
        )

    def _report(self) -> MigrationReport:
        known = self.board.known()
        return MigrationReport(
            **attrs.asdict(self.settled),
            throttled=self.retries.throttled,
            retries=self.retries.count,
            seconds=self.clock.monotonic() - self.started,
            complete=complete(known, self.board.total_segments),
            dead_letters=total(known).failed,
        )


class _Held:
    """A segment that this run works on; its records are stored one at a time."""

    def __init__(self, segment: Segment, board: Board) -> None:
        self.segment = segment
        self._board = board
        self._storing = asyncio.Lock()

    async def settle(self, page: Progress, last_key: WireKey | None) -> None:
        async with self._storing:
            self.segment = await self._board.settle(self.segment, page, last_key)

    async def give_back(self) -> None:
        async with self._storing:
            await self._board.give_back(self.segment)

    @asynccontextmanager
    async def renewed(self, clock: Clock, seconds: float) -> AsyncIterator[None]:
        """Keep the lease from running out inside the block."""
        with first_error():
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._keep_renewing(clock, seconds))
                yield
                async with self._storing:  # not while a renewal is on its way
                    renewing.cancel()

    async def _keep_renewing(self, clock: Clock, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            async with self._storing:
                self.segment = await self._board.keep(self.segment)


@contextmanager
def _stopping_on(signals: Iterable[signal.Signals], stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first of the signals; after that they have their usual effect."""
    loop = asyncio.get_running_loop()
    chosen = tuple(signals)

    def handle() -> None:
        stop()
        for name in chosen:
            loop.remove_signal_handler(name)

    for name in chosen:
        loop.add_signal_handler(name, handle)
    try:
        yield
    finally:
        for name in chosen:
            loop.remove_signal_handler(name)


def default_dead_letters(migration: Migration) -> str:
    """Return where the dead letters of a migration go when nobody says where."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in migration.name)
    return f"{safe}.dead-letters.jsonl"


def _default_segments(old: Description, concurrency: int) -> int:
    by_size = -(-int(old.get("TableSizeBytes", 0)) // _GIGABYTE)
    return min(_MAX_SEGMENTS, max(by_size, 4 * concurrency))


def _page_items(old: Description, max_write_units: float | None, concurrency: int) -> int | None:
    """Return how many items a page may have so that its writes take a few seconds, or None.

    Under a low ceiling a page of 1 MB would take a worker minutes: too long for a stop, a lease or
    a checkpoint to be worth anything.
    """
    if max_write_units is None:
        return None
    items = max(1, old.get("ItemCount", 0))
    units_each = write_units(old.get("TableSizeBytes", 0) // items)
    return max(1, int(max_write_units * _PAGE_SECONDS / concurrency / units_each))
