"""The segments that anybody has worked on, as far as one process knows, and their sums.

The rule: a sum is kept up with each segment that is noted, so that saying how far a run has come
costs the same however many segments there are.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from dualtable._control.segments import Lease, Segment


class Stage(enum.IntEnum):
    """How far a segment is, and in whose hands."""

    UNTOUCHED, BEGUN, OTHERS, MINE, DONE = range(5)


@attrs.define(eq=False)
class Known:
    """What is known of the segments of one run.

    Args:
        total_segments: How many there are.
        owner: Whose leases are one's own.
    """

    total_segments: int
    owner: str
    scanned: int = attrs.field(init=False, default=0)
    failed: int = attrs.field(init=False, default=0)
    done: int = attrs.field(init=False, default=0)
    _segments: dict[int, Segment] = attrs.field(init=False, factory=dict)
    _stages: bytearray = attrs.field(init=False)
    _in_hands: dict[Stage, set[int]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._stages = bytearray(self.total_segments)
        self._in_hands = {Stage.OTHERS: set(), Stage.MINE: set()}

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments.values())

    def get(self, number: int) -> Segment | None:
        """Return what is known of one; None where nothing is."""
        return self._segments.get(number)

    def note(self, segment: Segment) -> None:
        """Put a segment in the place of what was known of it."""
        before = self._segments.get(segment.number)
        for known, sign in ((before, -1), (segment, 1)):
            if known is not None:
                self.scanned += sign * known.progress.scanned
                self.failed += sign * known.progress.failed
                self.done += sign * known.checkpoint.done
        self._segments[segment.number] = segment
        stage = self._stages[segment.number] = self._stage(segment)
        for whose, numbers in self._in_hands.items():
            (numbers.add if stage == whose else numbers.discard)(segment.number)

    @property
    def complete(self) -> bool:
        """Whether every segment is done."""
        return self.done == self.total_segments

    def is_done(self, numbers: range) -> bool:
        """Tell whether each of some segments is done."""
        stages = self._stages[numbers.start : numbers.stop : numbers.step]
        return stages.count(Stage.DONE) == len(stages)

    @property
    def stages(self) -> bytes:
        """The `Stage` of each segment, in order."""
        return bytes(self._stages)

    def mine(self) -> list[int]:
        """Return the numbers of those that are held here."""
        return list(self._in_hands[Stage.MINE])

    def leases_of_others(self) -> list[Lease]:
        """Return the leases, as they were last seen, of the unfinished ones that others hold."""
        leases = (self._segments[n].lease for n in self._in_hands[Stage.OTHERS])
        return [lease for lease in leases if lease is not None]

    def _stage(self, segment: Segment) -> Stage:
        if segment.checkpoint.done:
            return Stage.DONE
        if segment.lease is None:
            return Stage.BEGUN
        return Stage.MINE if segment.lease.owner == self.owner else Stage.OTHERS
