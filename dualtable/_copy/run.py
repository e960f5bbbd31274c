"""One run of the migrator: segments are copied page by page.

The rule: a segment has one page on its way at a time, and its checkpoint moves only when every
write of that page is settled and every failure is on disk and in the control table (I6, I7). How
many pages are on their way at once is bounded, so writes hold back scans and memory does not grow
with the table.

A page has a room as long as its key range is not throttled. While it rests, another segment takes
the room; so a few slow partitions keep a few segments waiting, and not the migration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import attrs

from dualtable._clock import Clock
from dualtable._control.letters import DeadLetter
from dualtable._control.segments import Lease, Progress, nearest
from dualtable._copy.dead_letters import DeadLetters
from dualtable._copy.lately import Lately, Present
from dualtable._copy.page_size import PageSize
from dualtable._copy.report import MigrationProgress, MigrationReport, Observer
from dualtable._copy.segment_copy import Destination, SegmentCopy, TransformedPage
from dualtable._copy.shuffle import RangePace
from dualtable._dynamodb.gateway import Gateway, Page
from dualtable._sharing.board import Board
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.crew import Crew, Room
from dualtable._sharing.held import Held
from dualtable._sharing.retries import Retries
from dualtable._transforms.lineage import Lineage

ROOMS_EACH = 2
"""Pages on their way for each of `concurrency`: one is read while another is written."""

_OBSERVE_SECONDS = 1.0
_COUNTS = [name for name in attrs.fields_dict(Progress) if name != "digests"]

_OPEN_EACH = 4
"""Segments held at most for each of `concurrency`, those at rest included."""


@attrs.define(kw_only=True, eq=False)
class Run:
    """One run, and what it has settled so far."""

    gateway: Gateway
    board: Board
    lineage: Lineage
    destination: Destination | None
    reads: PaidReads
    page_size: PageSize
    dead_letters: DeadLetters
    observer: Observer | None
    stopping: asyncio.Event
    retries: Retries
    clock: Clock
    concurrency: int
    store_seconds: float
    estimated_items: int
    lately: Lately | None = attrs.field(init=False, default=None)
    settled: Progress = attrs.field(init=False, factory=Progress)
    transform_seconds: float = attrs.field(init=False, default=0.0)
    _paces: dict[int, RangePace] = attrs.field(init=False, factory=dict)
    _present: Present = attrs.field(init=False, factory=Present)
    _observed: bool = attrs.field(init=False, default=False)
    _crew: Crew = attrs.field(init=False)
    _started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._started = self.clock.monotonic()
        self._crew = Crew(
            board=self.board,
            stopping=self.stopping,
            clock=self.clock,
            store_seconds=self.store_seconds,
            rooms=ROOMS_EACH * self.concurrency,
            most_open=_OPEN_EACH * self.concurrency,
        )

    async def work(self, *aides: Coroutine[Any, Any, None]) -> MigrationReport:
        """Return when every segment is done, by this run or others, or the run is stopped."""
        watch = () if self.observer is None else (self._keep_observing(),)
        await self._crew.work(self._copy_segment, *aides, *watch)
        return self._report()

    async def _keep_observing(self) -> None:
        """Tell how it stands also while no page is settled, so that a wait can be seen."""
        while True:
            await self.clock.sleep(_OBSERVE_SECONDS)
            if self.lately is not None:
                self._present = self.lately.present()
            if not self._observed:
                self._observe()
            self._observed = False

    def check(self) -> None:
        """Raise what has stopped the run, if anything has; its segments are given back by then."""
        self._crew.check()

    async def _copy_segment(self, held: Held, room: Room) -> None:
        try:
            await self._copy_pages(held, room)
        finally:
            self._paces.pop(held.segment.number, None)

    async def _copy_pages(self, held: Held, room: Room) -> None:
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
            found = await self._scan(held)
            self.page_size.note(len(found.items), found.read_units)
            page = self._transformed(segment, found, room)
            progress, letters = await segment.copy(page)
            await self._fail(held, letters)
            held.note(progress, page.last_key)
            if not progress.empty_pages or held.at_end or held.stored_before(self.store_seconds):
                await self._store(held)

    async def _fail(self, held: Held, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self.dead_letters.append(letters)
            failed = await held.fail(letters)
            self.settled += Progress(failed=failed)

    def _transformed(self, segment: SegmentCopy, page: Page, room: Room) -> TransformedPage:
        begun = self.clock.monotonic()
        transformed = segment.transform(page, on_slow=room.leave)
        self.transform_seconds += self.clock.monotonic() - begun
        return transformed

    def _range_pace(self, number: int) -> RangePace:
        """Return a pace that begins like the nearest segment's: likely on the same partition."""
        numbers = sorted(self._paces)
        copies = self._paces[nearest(numbers, number)].copies if numbers else None
        self._paces[number] = RangePace(copies)
        return self._paces[number]

    async def _scan(self, held: Held) -> Page:
        limit = self.page_size.items(held.empty_pages_in_a_row)
        return await self.reads.paid(
            limit,
            lambda: self.gateway.scan(
                self.lineage.old.table,
                segment=held.segment.number,
                total_segments=self.board.total_segments,
                start_key=held.reached,
                limit=limit,
            ),
            lambda page: page.read_units,
            in_desert=held.empty_pages_in_a_row > 0,
        )

    async def _store(self, held: Held) -> None:
        if held.unstored.pages:
            stored = await held.settle()
            self.settled += stored
            self._observe()

    def _observe(self) -> None:
        if self.observer is None:
            return
        self._observed = True
        known, awaited = self.board.known, self._awaited()
        self.observer(
            MigrationProgress(
                report=self._report(),
                scanned=known.scanned,
                estimated_items=self.estimated_items,
                segments_done=known.done,
                total_segments=self.board.total_segments,
                segments=known.stages,
                **self._present.fields(),
                waiting_for=tuple(sorted({lease.owner for lease in awaited})),
                waiting_seconds=self.board.seconds_left(awaited),
            )
        )

    @property
    def segments_held(self) -> int:
        """How many segments this process works on."""
        return len(self._paces)

    def _awaited(self) -> list[Lease]:
        """Return the leases of others that are waited for: those of all that is left to do."""
        return [] if self.segments_held else self.board.known.leases_of_others()

    def _report(self) -> MigrationReport:
        known = self.board.known
        return MigrationReport(
            **{name: getattr(self.settled, name) for name in _COUNTS},
            throttled=self.retries.throttled,
            retries=self.retries.count,
            seconds=self.clock.monotonic() - self._started,
            complete=known.complete,
            dead_letters=known.failed,
        )
