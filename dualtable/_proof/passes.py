"""The passes over both tables, segment by segment, and what they have found so far.

The rule: a page counts once its findings are stored with the checkpoint; they are stored once a
second at most, since a page that is read again finds the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs

from dualtable._control.segments import Segment
from dualtable._dynamodb.gateway import Page
from dualtable._proof.comparison import Comparison
from dualtable._proof.findings import Kind, VerificationProgress, VerificationReport
from dualtable._proof.reader import Spent
from dualtable._proof.reporting import Extent, Sums, report
from dualtable._sharing.crew import Crew, Room
from dualtable._sharing.held import Held

COUNTED = ("scanned", "dropped", *(str(kind) for kind in Kind if kind is not Kind.CHANGED_OLD))
"""What is counted of settled pages; which old items have changed, only a whole segment tells."""

_STORE_SECONDS = 1.0
_OBSERVE_SECONDS = 0.5
_LOOK_SECONDS = 1.0


@attrs.define(kw_only=True, eq=False)
class Passes:
    """One process's part of a verification.

    Args:
        comparison: What pages are compared with.
        crew: The workers.
        extent: How much there is to look at.
        copied: The copy's segments as they were in the beginning; none where its segments are not
            those of the verification.
        page_items: Items read at once, at most.
        observer: Is told every now and then.

    Attributes:
        counts: What became of the items that this process has settled, by the names of `COUNTED`.
        segments_held: How many segments it works on.
        present: Returns how it goes at this moment, by the fields of `VerificationProgress`.
    """

    comparison: Comparison
    crew: Crew
    extent: Extent
    copied: Sequence[Segment]
    page_items: int
    observer: Callable[[VerificationProgress], None] | None
    counts: Counter[str] = attrs.field(init=False, factory=Counter)
    segments_held: int = attrs.field(init=False, default=0)
    present: Callable[[], dict[str, Any]] = attrs.field(init=False, default=dict)
    _goes: dict[str, Any] = attrs.field(init=False, factory=dict)
    _sums: Sums = attrs.field(init=False)
    _started: float = attrs.field(init=False)
    _observed_at: float = attrs.field(init=False, default=float("-inf"))

    def __attrs_post_init__(self) -> None:
        self._started = self.crew.clock.monotonic()
        self._sums = Sums.against(self.copied)

    async def work(self, *aides: Coroutine[Any, Any, None]) -> None:
        """Return when every segment is done, by this process or others, or it is stopped."""
        watch = () if self.observer is None else (self._keep_observing(),)
        await self.crew.work(self._compare_segment, *aides, *watch)
        if self.observer is not None:
            self.observer(VerificationProgress.of(self.report()))

    def check(self) -> None:
        """Raise what has stopped it, if anything has."""
        self.crew.check()

    def report(self) -> VerificationReport:
        """Return what all processes have found, as far as is known here."""
        seconds = self.crew.clock.monotonic() - self._started
        known = self.crew.board.known
        return report(self.comparison.level, self.extent, known, self._sums, seconds)

    async def _compare_segment(self, held: Held, room: Room) -> None:
        self.segments_held += 1
        try:
            await self._compare_pages(held, room)
        finally:
            self.segments_held -= 1

    async def _compare_pages(self, held: Held, room: Room) -> None:
        while not held.segment.checkpoint.done:
            await room.enter()
            if self.crew.stopping.is_set():
                await self._store(held)
                await held.give_back()
                return
            await self._compare_page(held)
            if held.at_end or held.stored_before(min(_STORE_SECONDS, self.crew.store_seconds)):
                await self._store(held)

    async def _compare_page(self, held: Held) -> None:
        spent = Spent()
        new = held.segment.number >= self.extent.segments_old
        page = await self._scan(held, spent, new=new)
        compare = self.comparison.new_page if new else self.comparison.old_page
        found = await compare(page.items, spent)
        counted = attrs.evolve(found, pages=1, read_units=spent.read_units)
        held.note(counted, page.last_key)

    async def _scan(self, held: Held, spent: Spent, *, new: bool) -> Page:
        reader = self.comparison.new if new else self.comparison.old
        return await reader.scan(
            *self.extent.part(held.segment.number),
            held.reached,
            spent,
            limit=self.page_items,
            attributes=self.comparison.marks_and_key if new else None,
        )

    async def _store(self, held: Held) -> None:
        if held.unstored.pages:
            settled = await held.settle()
            self.counts.update({name: getattr(settled, name) for name in COUNTED})
            self._observe()

    def _observe(self) -> None:
        """Tell the observer, now and then: to add up all segments takes its time."""
        now = self.crew.clock.monotonic()
        if self.observer is not None and now >= self._observed_at + _OBSERVE_SECONDS:
            self._observed_at = now
            self.observer(VerificationProgress.of(self.report(), **self._goes))

    async def _keep_observing(self) -> None:
        """Tell how it stands also while no page is settled, so that a pause can be seen."""
        while True:
            await self.crew.clock.sleep(_LOOK_SECONDS)
            self._goes = self.present()
            self._observe()
