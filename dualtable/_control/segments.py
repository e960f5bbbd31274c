"""One segment of a scan: who works on it, how far it has come, what it did.

The rule: pure functions decide, and three records are kept apart. A `Lease` says who may work, a
`Checkpoint` says which pages are settled, `Progress` says what became of their items. They are
stored as one, guarded by `revision`: whoever stores must have seen the revision before, so a
migrator that has lost its lease cannot move a checkpoint.

    free -- claim --> held -- advance --> held … -- finish --> done
      ^                 |
      +--- release, or nothing is heard of its owner any more
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import attrs

from dualtable._control.digests import Digests
from dualtable._wire.types import WireKey

MOST_SEGMENTS = 1_000_000
"""Of one scan: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html"""

_CANDIDATES = 64


@attrs.frozen
class Lease:
    """Who works on a segment: others leave it alone as long as its owner gives word."""

    owner: str


@attrs.frozen
class Checkpoint:
    """The last key whose page is settled (None: no page yet), and whether it was the last."""

    last_key: WireKey | None = None
    done: bool = False


@attrs.frozen(kw_only=True)
class Progress:
    """What became of the items of the settled pages; see `MigrationReport` for the counts.

    `digests` are those of all that the items yield.
    """

    scanned: int = attrs.field(default=0, converter=int)
    written: int = attrs.field(default=0, converter=int)
    already_present: int = attrs.field(default=0, converter=int)
    dropped: int = attrs.field(default=0, converter=int)
    failed: int = attrs.field(default=0, converter=int)
    pages: int = attrs.field(default=0, converter=int)
    empty_pages: int = attrs.field(default=0, converter=int)
    read_units: float = attrs.field(default=0.0, converter=float)
    write_units: float = attrs.field(default=0.0, converter=float)
    digests: Digests = attrs.field(factory=Digests)

    def __add__(self, other: Progress) -> Self:
        """Add the counts; another kind of work may count more than these."""
        names = attrs.fields_dict(type(self))
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def fields(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        return {**self.counts(), "digests": self.digests.to_bytes()}

    def counts(self) -> dict[str, Decimal]:
        """Return the numbers alone."""
        values = attrs.asdict(self, recurse=False).items()
        return {name: Decimal(str(v)) for name, v in values if isinstance(v, int | float)}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Return what a record holds."""
        if fields.get("failed", 0) < 0:
            raise ValueError("nothing can have failed less than never")
        return cls(**{**fields, "digests": Digests.from_bytes(fields.get("digests", b""))})


@attrs.frozen
class Segment:
    """One of the `total_segments` parts of a table."""

    number: int
    lease: Lease | None = None
    checkpoint: Checkpoint = Checkpoint()
    progress: Progress = Progress()
    revision: int = 0


def checked_count(total_segments: Any) -> int:
    """Return of how many segments a record speaks; raise `ValueError` where no scan has so many."""
    count = int(total_segments)
    if isinstance(total_segments, bool) or not 1 <= count <= MOST_SEGMENTS:
        raise ValueError(f"a scan has 1 to {MOST_SEGMENTS:,} segments")
    return count


def is_claimable(segment: Segment, is_gone: Callable[[str], bool]) -> bool:
    """Tell whether nobody works on an unfinished segment, given which migrators are gone."""
    return not segment.checkpoint.done and (segment.lease is None or is_gone(segment.lease.owner))


def pick(free: Sequence[Segment], held: Iterable[int]) -> Segment:
    """Choose a segment at random, but far from those that are worked on already.

    Neighbours in the scan are neighbours on the partitions of the new table. So wherever one is
    done, the next is taken nearby, and slow partitions, where many are held for long, get no more.
    """
    few = random.sample(free, min(_CANDIDATES, len(free)))
    numbers = sorted(held)
    if not numbers:
        return few[0]
    return max(few, key=lambda s: abs(nearest(numbers, s.number) - s.number))


def nearest(numbers: Sequence[int], number: int) -> int:
    """Return the one of some numbers, in order, that is nearest to another."""
    at = bisect_left(numbers, number)
    return min(numbers[max(0, at - 1) : at + 1], key=lambda n: abs(n - number))


def claim(segment: Segment, lease: Lease) -> Segment:
    """Take a segment."""
    return _next(segment, lease=lease)


def advance(segment: Segment, page: Progress, last_key: WireKey | None, lease: Lease) -> Segment:
    """Settle a page; the one without a `last_key` ends the segment and the lease."""
    return _next(
        segment,
        lease=None if last_key is None else lease,
        checkpoint=Checkpoint(last_key, done=last_key is None),
        progress=segment.progress + page,
    )


def fail(segment: Segment, letters: int, lease: Lease) -> Segment:
    """Count items that are dead letters now; the page that they are of is not settled yet."""
    counted = attrs.evolve(segment.progress, failed=segment.progress.failed + letters)
    return _next(segment, lease=lease, progress=counted)


def deliver(segment: Segment, letters: int, done: Progress) -> Segment:
    """Count dead letters that are none any more, and what became of their items.

    What was copied of the segment has no digests from then on: others than these were not in them.
    """
    counted = segment.progress + attrs.evolve(done, failed=-letters, digests=Digests.lost())
    return _next(segment, progress=counted)


def release(segment: Segment) -> Segment:
    """Leave a segment to others at once."""
    return _next(segment, lease=None)


def _next(segment: Segment, **changes: Any) -> Segment:
    return attrs.evolve(segment, revision=segment.revision + 1, **changes)


def complete(segments: Iterable[Segment], total_segments: int) -> bool:
    """Tell whether every segment is done."""
    return sum(segment.checkpoint.done for segment in segments) == total_segments


def total(segments: Iterable[Segment]) -> Progress:
    """Add up what all segments did."""
    return sum((segment.progress for segment in segments), Progress())
