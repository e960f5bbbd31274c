"""Which segment is worked on next, and by whom.

The rule: a segment is worked on by whoever holds its lease, as long as something is heard of that
migrator; every change goes through the board, which stores it before it counts, and only for the
run that this migrator still belongs to.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import secrets
import socket
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

import attrs

from dualtable._control import segments
from dualtable._control.letters import MOST_AT_ONCE, DeadLetter
from dualtable._control.segments import Lease, Progress, Segment
from dualtable._dynamodb.gateway import batches
from dualtable._sharing.known import Known
from dualtable._sharing.membership import Membership
from dualtable._wire.types import WireKey
from dualtable.errors import LeaseLostError

_REFRESH_SECONDS = 1.0
_READERS_A_SECOND = 50.0  # of one group, at most
_READS_A_SECOND = 400.0
"""So many groups are read again in a second by all who look for work in vain, or they would do
little else when a run of many segments comes to its end."""
_CANDIDATES = 1_000  # of all migrators together; in a large fleet each has those of one group


class Board(Protocol):
    """What the migrator asks of whoever hands out segments."""

    total_segments: int
    known: Known

    async def take(self) -> Segment | None:
        """Claim a segment; None where there is none to be had now."""

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        """Store that a page is done with."""

    async def fail(self, segment: Segment, letters: Sequence[DeadLetter]) -> Segment:
        """Store that items of a page that is not settled yet are dead letters, and count them."""

    async def give_back(self, segment: Segment) -> None:
        """Leave a segment to others."""

    def mourn(self, segment: Segment) -> None:
        """Note that a segment has been taken over by others."""

    def others_at_work(self) -> bool:
        """Tell whether others hold a segment, so that more may come free."""

    def seconds_left(self, leases: Iterable[Lease]) -> float | None:
        """Return when the first of their owners will count as gone; None where none seems to be."""


class ControlBoard:
    """The segments of the control table, shared with all migrators of the migration."""

    def __init__(self, membership: Membership) -> None:
        self.total_segments = membership.run.total_segments
        self._membership = membership
        self._records = membership.records
        self._clock = membership.clock
        self._lease = Lease(membership.migrator)
        self.known = Known(self.total_segments, membership.migrator)
        self._held: set[int] = set()  # worked on here, whatever is known of their leases
        self._candidates: list[Segment] = []
        self._read_at: dict[int, float] = {}
        self._taking = asyncio.Lock()

    async def take(self) -> Segment | None:
        async with self._taking:
            while await self._find():
                candidate = segments.pick(self._candidates, self.known.mine())
                self._candidates.remove(candidate)
                try:
                    taken = await self._store(segments.claim(candidate, self._lease))
                    self._held.add(taken.number)
                    return taken
                except LeaseLostError:  # what is known of its group may be old
                    self.mourn(candidate)
                    group = self._group_of(candidate)
                    if group in self._due():
                        self._candidates = self._but_for(group)
            return None

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        return await self._store(segments.advance(segment, page, last_key, self._lease))

    async def fail(self, segment: Segment, letters: Sequence[DeadLetter]) -> Segment:
        for some in batches(letters, MOST_AT_ONCE):
            failing = partial(self._records.fail, segment, some, self._lease)
            segment = await self._membership.acting(failing)
            self.known.note(segment)
        return segment

    async def give_back(self, segment: Segment) -> None:
        await self._store(segments.release(segment))
        self._held.discard(segment.number)

    def mourn(self, segment: Segment) -> None:
        self._held.discard(segment.number)
        self.known.note(attrs.evolve(segment, lease=Lease("")))

    def others_at_work(self) -> bool:
        return self.known.done + len(self.known.mine()) < self.total_segments

    async def _find(self) -> bool:
        """Tell whether there is a segment to be had, once there are enough to choose from.

        A group is read again only where none is left.
        """
        enough = _CANDIDATES // (1 + len(self._membership.roster))
        while len(self._candidates) < enough and (unread := self._unread()):
            await self._read(random.choice(unread))  # noqa: S311 - apart from the others
        while not self._candidates and (due := self._due()):
            await self._read(random.choice(due))  # noqa: S311 - as above
        return bool(self._candidates)

    def _unread(self) -> list[int]:
        return [group for group in range(self._records.groups) if group not in self._read_at]

    def _due(self) -> list[int]:
        """Return the groups to be read: those not read lately; with many others, less often."""
        groups = range(self._records.groups)
        left = [group for group in groups if not self.known.is_done(self._numbers(group))]
        members = len(self._membership.roster)
        oldest = self._clock.monotonic() - max(
            _REFRESH_SECONDS, members / _READERS_A_SECOND, members * len(left) / _READS_A_SECOND
        )
        return [group for group in left if self._read_at.get(group, -math.inf) <= oldest]

    async def _read(self, group: int) -> None:
        self._read_at[group] = self._clock.monotonic()
        for segment in await self._records.segments_of(group):
            known = self.known.get(segment.number)
            if known is None or known.revision < segment.revision:  # not what we stored meanwhile
                self.known.note(self._freed(segment))
        every = [self.known.get(n) or self._records.untouched(n) for n in self._numbers(group)]
        roster = self._membership.roster
        if not all(roster.knows(segment.lease.owner) for segment in every if segment.lease):
            await self._membership.look()  # after the segments: whoever is at work is there
        self._candidates = self._but_for(group)
        self._candidates += [s for s in every if segments.is_claimable(s, roster.is_gone)]

    def _but_for(self, group: int) -> list[Segment]:
        return [segment for segment in self._candidates if self._group_of(segment) != group]

    def _freed(self, segment: Segment) -> Segment:
        """Return a segment without a lease of ours by which nobody here works on it any more.

        Its record may have changed under whoever did: letters were retried, an answer was lost.
        """
        lost = segment.lease == self._lease and segment.number not in self._held
        return attrs.evolve(segment, lease=None) if lost else segment

    def _numbers(self, group: int) -> range:
        return range(group, self.total_segments, self._records.groups)

    def _group_of(self, segment: Segment) -> int:
        return segment.number % self._records.groups

    async def _store(self, segment: Segment) -> Segment:
        await self._membership.acting(lambda: self._records.store(segment))
        self.known.note(segment)
        return segment

    def seconds_left(self, leases: Iterable[Lease]) -> float | None:
        return self._membership.roster.seconds_left(lease.owner for lease in leases)


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

    async def settle(self, segment: Segment, page: Progress, last_key: WireKey | None) -> Segment:
        settled = segments.advance(segment, page, last_key, Lease(""))
        self.known.note(settled)
        return settled

    async def fail(self, segment: Segment, letters: Sequence[DeadLetter]) -> Segment:
        failed = segments.fail(segment, len(letters), Lease(""))
        self.known.note(failed)
        return failed

    async def give_back(self, segment: Segment) -> None:
        return None

    def mourn(self, segment: Segment) -> None:
        raise AssertionError("there are no leases to lose")

    def others_at_work(self) -> bool:
        return False

    def seconds_left(self, leases: Iterable[Lease]) -> float | None:
        return None
