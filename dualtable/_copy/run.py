"""One run of the migrator: workers that take segments from the board and copy them page by page.

The rule: a segment has one page on its way at a time, and its checkpoint moves only when every
write of that page is settled and every failure is on disk (I6, I7). How many pages are on their
way at once is bounded, so writes hold back scans and memory does not grow with the table.

A page has a room as long as its key range is not throttled. While it rests, another segment takes
the room; so a few slow partitions keep a few segments waiting, and not the migration.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Pace
from dualtable._control.segments import Progress, Segment, complete, nearest, total
from dualtable._copy.board import Board
from dualtable._copy.dead_letters import DeadLetterFile
from dualtable._copy.page_size import PageSize
from dualtable._copy.report import MigrationProgress, MigrationReport, Observer
from dualtable._copy.segment_copy import Destination, SegmentCopy
from dualtable._copy.shuffle import RangePace
from dualtable._copy.writer import Retries
from dualtable._dynamodb.gateway import Gateway, Page
from dualtable._tasks import first_error
from dualtable._transforms.lineage import Lineage
from dualtable._wire.types import WireKey
from dualtable.errors import (
    DualTableError,
    LeaseLostError,
    MigrationMismatchError,
    RetryableError,
)

_log = logging.getLogger("dualtable.migrator")

_POLL_SECONDS = 1.0
_STOP_SECONDS = 10.0
"""How long pages on their way have after a stop; then their segments are given back as they are."""

ROOMS_EACH = 2
"""Pages on their way for each of `concurrency`: one is read while another is written."""

_OPEN_EACH = 4
"""Segments held at most for each of `concurrency`, those at rest included."""


@attrs.define(kw_only=True, eq=False)
class Run:
    """One run, and what it has settled so far."""

    gateway: Gateway
    board: Board
    lineage: Lineage
    destination: Destination | None
    reads: Pace
    page_size: PageSize
    dead_letters: DeadLetterFile
    observer: Observer | None
    stopping: asyncio.Event
    retries: Retries
    clock: Clock
    concurrency: int
    renew_seconds: float
    estimated_items: int
    settled: Progress = attrs.field(init=False, factory=Progress)
    _failure: DualTableError | None = attrs.field(init=False, default=None)
    _paces: dict[int, RangePace] = attrs.field(init=False, factory=dict)
    _rooms: asyncio.Semaphore = attrs.field(init=False)
    _started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rooms = asyncio.Semaphore(ROOMS_EACH * self.concurrency)
        self._started = self.clock.monotonic()

    async def work(self, *aides: Coroutine[Any, Any, None]) -> MigrationReport:
        """Return when every segment is done, by this run or others, or the run is stopped.

        What fails here and not at DynamoDB, or for good there, stops it as well; see `check`.

        Args:
            aides: What goes on beside the workers and ends with them.
        """
        with first_error():
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._beside(aide)) for aide in aides]
                await self._work_all()
                for aide in beside:
                    aide.cancel()
        return self._report()

    def check(self) -> None:
        """Raise what has stopped the run, if anything has; its segments are given back by then."""
        if self._failure is not None:
            raise self._failure

    async def _beside(self, aide: Coroutine[Any, Any, None]) -> None:
        with self._stopped_by_failures():
            await aide

    @contextmanager
    def _stopped_by_failures(self) -> Iterator[None]:
        """Let a failure stop the run in an orderly way, so that its segments are free at once.

        Not where it must not touch them any more, nor where it hardly could.
        """
        try:
            yield
        except (MigrationMismatchError, RetryableError):
            raise
        except DualTableError as error:
            self._failure = self._failure or error
            self.stopping.set()

    async def _work_all(self) -> None:
        number = min(_OPEN_EACH * self.concurrency, self.board.total_segments)
        with first_error():
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._work_segments()) for _ in range(number)]
                ending = group.create_task(self._end(workers))
                await asyncio.wait(workers)
                ending.cancel()

    async def _end(self, workers: list[asyncio.Task[None]]) -> None:
        """After a stop, give the workers some time to finish their pages."""
        await self.stopping.wait()
        await self.clock.sleep(_STOP_SECONDS)
        for worker in workers:
            worker.cancel()

    async def _work_segments(self) -> None:
        room = _Room(self._rooms)
        while True:
            async with room:
                if not self.stopping.is_set() and (segment := await self.board.take()):
                    await self._work_segment(segment, room)
                    continue
            if self.stopping.is_set() or not self.board.others_at_work():
                return
            await self.clock.sleep(_POLL_SECONDS)

    async def _work_segment(self, segment: Segment, room: _Room) -> None:
        held = _Held(segment, self.board, self.clock)
        try:
            with self._stopped_by_failures():
                await self._work_held(held, room)
            if self._failure is not None:
                with suppress(DualTableError):
                    await held.give_back()
        finally:
            self._paces.pop(segment.number, None)

    async def _work_held(self, held: _Held, room: _Room) -> None:
        try:
            async with held.renewed(self.renew_seconds):
                await self._copy_pages(held, room)
        except LeaseLostError:
            _log.warning(
                "segment taken over by another migrator", extra={"segment": held.segment.number}
            )
            self.board.mourn(held.segment)
        except asyncio.CancelledError:
            if self.stopping.is_set():
                with suppress(DualTableError):  # a record was on its way when it was cancelled
                    await held.give_back()
            raise

    async def _copy_pages(self, held: _Held, room: _Room) -> None:
        number = held.segment.number
        segment = SegmentCopy(self.lineage, self.destination, number, self._range_pace(number))

        while not held.segment.checkpoint.done:
            if held.empty_pages_in_a_row:
                room.leave()  # nothing of it is on its way
            else:
                await room.enter()
            if self.stopping.is_set():
                await self._store(held)
                await held.give_back()
                return
            page = segment.transform(await self._scan(held), on_slow=room.leave)
            progress, letters = await segment.copy(page)
            await self.dead_letters.append(letters)
            held.note(progress, page.last_key)
            if not progress.empty_pages or held.at_end or held.stored_before(self.renew_seconds):
                await self._store(held)

    def _range_pace(self, number: int) -> RangePace:
        """Return a pace that begins like the nearest segment's: likely on the same partition."""
        numbers = sorted(self._paces)
        copies = self._paces[nearest(numbers, number)].copies if numbers else None
        self._paces[number] = RangePace(copies)
        return self._paces[number]

    async def _scan(self, held: _Held) -> Page:
        await self.reads.bucket.admit()
        page = await self.gateway.scan(
            self.lineage.old.table,
            segment=held.segment.number,
            total_segments=self.board.total_segments,
            start_key=held.reached,
            limit=self.page_size.items(held.empty_pages_in_a_row),
        )
        self.reads.bucket.spend(page.read_units)
        self.reads.note(page.read_units)
        return page

    async def _store(self, held: _Held) -> None:
        if held.unstored.pages:
            stored = await held.settle()
            self.settled += stored
            self._observe()

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
            seconds=self.clock.monotonic() - self._started,
            complete=complete(known, self.board.total_segments),
            dead_letters=total(known).failed,
        )


class _Room:
    """A worker's place among those whose pages may be on their way; it may leave early."""

    def __init__(self, rooms: asyncio.Semaphore) -> None:
        self._rooms = rooms
        self._inside = False

    async def enter(self) -> None:
        if not self._inside:
            await self._rooms.acquire()
            self._inside = True

    def leave(self) -> None:
        if self._inside:
            self._inside = False
            self._rooms.release()

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        self.leave()


class _Held:
    """A segment that this run works on; its records are stored one at a time.

    The scan may be ahead of the checkpoint by empty pages: they are stored with the next page that
    has items, because a long stretch of them would otherwise cost a write each.
    """

    def __init__(self, segment: Segment, board: Board, clock: Clock) -> None:
        self.segment = segment
        self.reached = segment.checkpoint.last_key
        self.unstored = Progress()
        self.at_end = False
        self.empty_pages_in_a_row = 0
        self._board = board
        self._clock = clock
        self._storing = asyncio.Lock()
        self._stored_at = clock.monotonic()

    def note(self, page: Progress, last_key: WireKey | None) -> None:
        """Note that a page is done with."""
        self.unstored += page
        self.reached = last_key
        self.at_end = last_key is None
        self.empty_pages_in_a_row = self.empty_pages_in_a_row + 1 if page.empty_pages else 0

    def stored_before(self, seconds: float) -> bool:
        """Tell whether the last record is so old."""
        return self._clock.monotonic() >= self._stored_at + seconds

    async def settle(self) -> Progress:
        """Store what is done with, and return it."""
        async with self._storing:
            settled, self.unstored = self.unstored, Progress()
            self._keep(await self._board.settle(self.segment, settled, self.reached))
            return settled

    async def give_back(self) -> None:
        async with self._storing:
            await self._board.give_back(self.segment)

    @asynccontextmanager
    async def renewed(self, seconds: float) -> AsyncIterator[None]:
        """Keep the lease from running out inside the block."""
        with first_error():
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._keep_renewing(seconds))
                yield
                async with self._storing:  # not while a renewal is on its way
                    renewing.cancel()

    async def _keep_renewing(self, seconds: float) -> None:
        while True:
            await self._clock.sleep(seconds)
            if self.stored_before(seconds):
                async with self._storing:
                    self._keep(await self._board.keep(self.segment))

    def _keep(self, segment: Segment) -> None:
        self.segment = segment
        self._stored_at = self._clock.monotonic()
