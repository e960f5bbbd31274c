"""A segment that this process works on, from the claim to the end or to giving it back.

The rule: its records are stored one at a time. It stays in hand as long as its process gives word
that it is at work; see `membership`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dualtable._clock import Clock
from dualtable._control.letters import DeadLetter
from dualtable._control.segments import Progress, Segment
from dualtable._sharing.board import Board
from dualtable._wire.types import WireKey


class Held:
    """A segment in hand.

    The scan may be ahead of the checkpoint by empty pages: they are stored with the next page that
    has items, because a long stretch of them would otherwise cost a write each.
    """

    def __init__(self, segment: Segment, board: Board, clock: Clock) -> None:
        self.segment = segment
        self.reached = segment.checkpoint.last_key
        self.unstored = type(segment.progress)()
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
            settled, self.unstored = self.unstored, type(self.unstored)()
            self._keep(await self._board.settle(self.segment, settled, self.reached))
            return settled

    async def fail(self, letters: Sequence[DeadLetter]) -> int:
        """Store dead letters of a page that is not settled yet; return how many are new."""
        async with self._storing:
            before = self.segment.progress.failed
            self._keep(await self._board.fail(self.segment, letters))
            return self.segment.progress.failed - before

    async def give_back(self) -> None:
        async with self._storing:
            await self._board.give_back(self.segment)

    def _keep(self, segment: Segment) -> None:
        self.segment = segment
        self._stored_at = self._clock.monotonic()
