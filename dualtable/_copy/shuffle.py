"""Copies on their way from the scans to the writes, mixed.

The rule: a batch takes one copy of each page in turn. A scan walks along the hashes, and the new
table hashes the same keys the same way; so pages of different segments are different key ranges,
and a batch of all of them wanders over the whole table instead of through it.

A segment whose key range is throttled slows down, alone; the others go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

import attrs

from dualtable._control.digests import BUCKETS
from dualtable._control.letters import DeadLetter
from dualtable._dynamodb.gateway import Insert, Outcome
from dualtable._wire.keys import identity
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireKey
from dualtable.errors import ThrottledError

TICK_SECONDS = 0.1
_LEAST_COPIES = 1 / 256  # one in 25 s
_AFTER_THROTTLE = 0.8
_STEP = 1 / 50  # of what a partition takes
_MOST_TICKS_APART = 100  # of two copies that tell how many a key range is sent
_MOST_TICKS_HELD_BACK = 9_000  # in a row, without a copy that was taken
_SLOW_SECONDS = 5.0  # of what is left of a page


@attrs.define(eq=False)
class Copy:
    """A new item on its way, with its key, and the key of the old item that it comes from."""

    old_key: WireKey
    key: WireKey
    item: PackedItem

    @property
    def target(self) -> Hashable:
        """What two copies with the same key have in common."""
        if len(self.key) == 1:  # most keys by far
            (value,) = self.key.values()
            (only,) = value.values()
            return str(only)
        return tuple([content for value in self.key.values() for content in value.values()])


@attrs.define
class Tally:
    """What became of the items of one page so far."""

    written: int = 0
    already_present: int = 0
    dropped: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    failures: dict[object, DeadLetter] = attrs.field(factory=dict)  # by old key: one letter each
    digests: list[int] = attrs.field(factory=lambda: [0] * BUCKETS)


@attrs.define
class RangePace:
    """How many copies the key range of one segment is sent in a tick.

    No more than a partition takes. After a tick in which something was throttled, less than it has
    been sent, which may be far from what it might have been: many migrators share a partition, and
    each has but a little of it. After each other tick, a little more.
    """

    copies: float | None = None  # a tick; None as long as nothing is known
    throttled: bool = False  # in this tick
    taken: bool = False  # in this tick
    answered: int = 0  # copies, in this tick
    ticks: int = 0  # since others were answered, at most those of `_MOST_TICKS_APART`

    def tick(self, most: float) -> float:
        """End a tick and return how many copies the next one has, given a partition's most."""
        self.ticks = min(self.ticks + 1, _MOST_TICKS_APART)
        copies = most if self.copies is None else self.copies
        if self.throttled:
            sent = self.answered / self.ticks
            self.copies = max(_LEAST_COPIES, min(copies, most, sent) * _AFTER_THROTTLE)
        elif self.taken:
            self.copies = min(most, copies + most * _STEP)
        if self.answered:
            self.answered = self.ticks = 0
        self.throttled = self.taken = False
        return most if self.copies is None else self.copies


@attrs.define(eq=False)
class Outgoing:
    """The copies of one page until each is settled.

    Attributes:
        segment: Number of the segment that the page belongs to.
        pace: The segment's; shared by its pages.
        on_slow: Called when the page turns out to be slower than others.
        tally: What became of the copies.
        waiting: Copies to be sent, also again.
        unsettled: How many have no outcome yet.
        credit: Copies that may be sent in this tick.
        ticks_held_back: Ticks in a row in which its key range took nothing.
        queued: It takes its turns in the shuffle.
        settled: Set when all have an outcome.
    """

    segment: int
    pace: RangePace
    on_slow: Callable[[], None]
    tally: Tally = attrs.field(factory=Tally)
    waiting: list[Copy] = attrs.field(init=False, factory=list)
    unsettled: int = attrs.field(init=False, default=0)
    credit: float = attrs.field(init=False, default=1.0)
    ticks_held_back: int = attrs.field(init=False, default=0)
    queued: bool = attrs.field(init=False, default=False)
    settled: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)

    def load(self, copies: Sequence[Copy]) -> None:
        """Take the copies that are to be sent, in place of those from before."""
        self.waiting = list(copies)
        self.unsettled = len(copies)

    def settle(self, copy: Copy, answer: Insert, write_units: float) -> None:
        """Take note of an outcome; what is to be sent again waits again."""
        self.pace.answered += 1
        if answer.outcome is Outcome.RETRY:
            self.waiting.append(copy)
            self.pace.throttled = True
            return
        if answer.outcome is Outcome.WRITTEN:
            self.tally.written += 1
        elif answer.outcome is Outcome.PRESENT:
            self.tally.already_present += 1
        else:
            self.fail(copy.old_key, "RequestRefusedError", answer.reason)
        self.tally.write_units += write_units
        self.pace.taken = True
        self.unsettled -= 1
        if not self.unsettled:
            self.settled.set()

    @property
    def is_ready(self) -> bool:
        """Whether something of it may be sent now."""
        return bool(self.waiting) and self.credit >= 1 and not self.pace.throttled

    @property
    def is_slow(self) -> bool:
        """Whether it takes longer than pages should, because of its key range."""
        copies = self.pace.copies
        return copies is not None and len(self.waiting) * TICK_SECONDS > copies * _SLOW_SECONDS

    def tick(self, most: float) -> None:
        """Begin a tick, in which a partition takes so many copies at most."""
        held_back = self.credit < 1 or self.pace.throttled
        self.ticks_held_back = self.ticks_held_back + 1 if held_back and not self.pace.taken else 0
        if self.ticks_held_back > _MOST_TICKS_HELD_BACK:
            raise ThrottledError(
                f"every write of segment {self.segment} has been throttled for a quarter of an"
                " hour; raise the new table's capacity, or lower the rate, and run again"
            )
        copies = self.pace.tick(most)
        self.credit = min(self.credit + copies, max(copies, 1.0))
        if self.is_slow:
            self.on_slow()

    def fail(self, old_key: WireKey, error: str, reason: str, where: str = "") -> None:
        """Take note of an old item that could not be copied."""
        letter = DeadLetter(old_key, error, reason, self.segment, where)
        self.tally.failures[identity(old_key)] = letter


Batch: TypeAlias = Sequence[tuple[Outgoing, Copy]]
"""Copies to be sent together, each with the page that it belongs to."""


class Shuffle:
    """The pages on their way, and the turns of those of which something may be sent."""

    def __init__(self) -> None:
        self._pages: dict[Outgoing, None] = {}  # in the order in which they came
        self._turns: deque[Outgoing] = deque()
        self._filled = asyncio.Event()

    def add(self, page: Outgoing) -> None:
        """Let a page take its turns."""
        self._pages[page] = None
        self._queue(page)

    def remove(self, page: Outgoing) -> None:
        """Send nothing of a page any more."""
        self._pages.pop(page, None)
        page.waiting.clear()

    def tick(self, most: float) -> None:
        """Begin a tick for all pages; see `Outgoing.tick`."""
        for page in self._pages:
            page.tick(most)
            self._queue(page)

    @property
    def holds_back(self) -> bool:
        """Whether there are copies that may not be sent yet, for the sake of their key ranges."""
        return not self._turns and any(page.waiting for page in self._pages)

    async def filled(self) -> None:
        """Return when there is something to be sent."""
        await self._filled.wait()

    def draw(self, most: int) -> Batch:
        """Take a batch out, one copy of each page in turn; no two copies have the same key."""
        batch: list[tuple[Outgoing, Copy]] = []
        targets: set[Hashable] = set()
        later: list[Outgoing] = []
        while self._turns and len(batch) < most:
            page = self._turns.popleft()
            if not page.is_ready:
                page.queued = False
                continue
            target = page.waiting[-1].target
            if target in targets:
                later.append(page)
                continue
            targets.add(target)
            batch.append((page, page.waiting.pop()))
            page.credit -= 1
            if page.waiting and page.credit >= 1:
                self._turns.append(page)
            else:
                page.queued = False
        self._turns.extend(later)
        if not self._turns:
            self._filled.clear()
        return batch

    def _queue(self, page: Outgoing) -> None:
        if page.is_ready and not page.queued:
            page.queued = True
            self._turns.append(page)
            self._filled.set()
