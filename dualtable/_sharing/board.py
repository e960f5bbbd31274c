"""Which segment is worked on next, and by whom.

The rule: a segment is worked on by whoever holds its lease; every change goes through the board,
which stores it before it counts, and only for the run that this migrator still belongs to.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from typing import Protocol

from dualtable._control import segments
from dualtable._control.segments import Lease, Progress, Segment
from dualtable._sharing.known import Known
from dualtable._sharing.membership import Membership
from dualtable._wire.types import WireKey
from dualtable.errors import LeaseLostError

_REFRESH_SECONDS = 1.0


class Board(Protocol):
    """What the migrator asks of whoever hands out segments."""

    total_segments: int
    known: Known

    async def take(self) -> Segment | None:
        """Claim a segment; None where there is none to be had now."""

    async def keep(self, segment: Segment) -> Segment:
        """Hold a segment for longer."""

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        """Store that a page is done with."""

    async def give_back(self, segment: Segment) -> None:
        """Leave a segment to others."""

    def mourn(self, segment: Segment) -> None:
        """Note that a segment has been taken over by others."""

    def others_at_work(self) -> bool:
        """Tell whether others hold a segment, so that more may come free."""


class ControlBoard:
    """The segments of the control table, shared with all migrators of the migration."""

    def __init__(self, membership: Membership) -> None:
        self.total_segments = membership.run.total_segments
        self._membership = membership
        self._records = membership.records
        self._clock = membership.clock
        self._lease_seconds = membership.lease_seconds
        self._owner = membership.migrator
        self.known = Known(self.total_segments, self._owner)
        self._candidates: list[Segment] = []
        self._refreshed_at = -_REFRESH_SECONDS
        self._taking = asyncio.Lock()

    async def take(self) -> Segment | None:
        async with self._taking:
            if not self._candidates:
                await self._refresh()
            while self._candidates:
                candidate = segments.pick(self._candidates, self.known.mine())
                self._candidates.remove(candidate)
                try:
                    return await self._store(segments.claim(candidate, self._lease()))
                except LeaseLostError:
                    self.mourn(candidate)
            return None

    async def keep(self, segment: Segment) -> Segment:
        return await self._store(segments.claim(segment, self._lease()))

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        return await self._store(segments.advance(segment, page, last_key, self._lease()))

    async def give_back(self, segment: Segment) -> None:
        await self._store(segments.release(segment))

    def mourn(self, segment: Segment) -> None:
        other = Lease("", self._clock.now() + self._lease_seconds)
        self.known.note(segments.claim(segment, other))

    def others_at_work(self) -> bool:
        return self.known.done + len(self.known.mine()) < self.total_segments

    async def _refresh(self) -> None:
        now = self._clock.monotonic()
        if now < self._refreshed_at + _REFRESH_SECONDS:
            return
        self._refreshed_at = now
        for segment in await self._records.segments():
            known = self.known.get(segment.number)
            if known is None or known.revision < segment.revision:  # not what we stored meanwhile
                self.known.note(segment)
        all_segments = (
            self.known.get(n) or self._records.untouched(n) for n in range(self.total_segments)
        )
        self._candidates = [s for s in all_segments if segments.is_claimable(s, self._clock.now())]

    async def _store(self, segment: Segment) -> Segment:
        await self._membership.acting(lambda: self._records.store(segment))
        self.known.note(segment)
        return segment

    def _lease(self) -> Lease:
        return Lease(self._owner, self._clock.now() + self._lease_seconds)


def name_of_migrator() -> str:
    """Return a name for a migrator that tells an operator where it is at work."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class MemoryBoard:
    """The segments of one process alone, as in a dry run: nothing is stored."""

    def __init__(self, total_segments: int, progress: type[Progress] = Progress) -> None:
        self._progress = progress
        self.total_segments = total_segments
        self._free = random.sample(range(total_segments), total_segments)
        self.known = Known(total_segments, owner="")

    async def take(self) -> Segment | None:
        return Segment(self._free.pop(), progress=self._progress()) if self._free else None

    async def keep(self, segment: Segment) -> Segment:
        return segment

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        settled = segments.advance(segment, page, last_key, Lease("", 0))
        self.known.note(settled)
        return settled

    async def give_back(self, segment: Segment) -> None:
        return None

    def mourn(self, segment: Segment) -> None:
        raise AssertionError("there are no leases to lose")

    def others_at_work(self) -> bool:
        return False
