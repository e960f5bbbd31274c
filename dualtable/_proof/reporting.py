"""From what was found in all segments to the report.

The rule: pure. What differs is the old item's doing where the digests of its bucket are not those
that the copy has left; the copy itself is innocent then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from dualtable._control.digests import BUCKETS, bucket_of
from dualtable._control.segments import Segment
from dualtable._proof.findings import BAD, Example, Findings, Kind, Level, VerificationReport
from dualtable._sharing.known import Known
from dualtable._wire import codec


@attrs.frozen(kw_only=True)
class Extent:
    """How much there is to look at.

    Args:
        total_segments: Of both passes.
        segments_old: Of the old table; they come first.
        items: As far as is known.
    """

    total_segments: int
    segments_old: int
    items: int

    def part(self, number: int) -> tuple[int, int]:
        """Return which part of its table a segment is, and of how many."""
        if number < self.segments_old:
            return number, self.segments_old
        return number - self.segments_old, self.total_segments - self.segments_old

    def share_done(self, known: Known) -> float:
        """Return the share that is done, by items where their number is known."""
        if known.done == self.total_segments:
            return 1.0
        by_segments = known.done / self.total_segments
        return min(0.99, known.scanned / self.items if self.items else by_segments)


@attrs.define(eq=False)
class Sums:
    """What was found in all segments, added up again and again while it goes on.

    A segment that is done is added once, so that a report costs the same however many there are.

    Args:
        before: The segments of the copy that were done at the beginning, by their numbers.
    """

    before: Mapping[int, Segment]
    _added: set[int] = attrs.field(init=False, factory=set)
    _done: Findings = attrs.field(init=False, factory=Findings)

    @classmethod
    def against(cls, copied: Iterable[Segment]) -> Sums:
        """Return the sums of a verification, given how the copy stood at the beginning."""
        return cls({segment.number: segment for segment in copied if segment.checkpoint.done})

    def of(self, segments: Iterable[Segment]) -> Findings:
        """Return the sum of all segments."""
        begun = []
        for segment in segments:
            if not segment.checkpoint.done:
                begun.append(_findings(segment))
            elif segment.number not in self._added:
                self._added.add(segment.number)
                self._done += _blamed(segment, self.before)
        return sum(begun, self._done)


def report(
    level: Level, extent: Extent, known: Known, sums: Sums, seconds: float
) -> VerificationReport:
    """Return what was found in the segments that are known."""
    found = sums.of(known)
    return VerificationReport(
        level=level,
        checked=found.same
        + found.missing
        + found.different
        + found.changed_old
        + found.rewritten
        + found.deleted
        + found.repaired,
        missing=found.missing,
        different=found.different,
        changed_old=found.changed_old,
        rewritten=found.rewritten,
        deleted=found.deleted,
        dropped=found.dropped,
        extra=found.extra,
        repaired=found.repaired,
        read_units=found.read_units,
        share_done=extent.share_done(known),
        seconds=seconds,
        examples=tuple(sorted(found.examples, key=_place)),
    )


def _place(example: Example) -> tuple[int, str]:
    """Return where an example stands in the report."""
    return BAD.index(Kind(example.kind)), repr(example.key)


def _blamed(segment: Segment, before: Mapping[int, Segment]) -> Findings:
    """Return what was found in a segment that is done, with what the old items did told apart."""
    found, copied = _findings(segment), before.get(segment.number)
    moved = set() if copied is None else found.digests.differing(copied.progress.digests)
    if not moved:
        return found
    differing = sum(found.in_buckets[f"different {bucket}"] for bucket in moved)
    hidden = [bucket for bucket in moved if _is_hidden(found, bucket)]
    return attrs.evolve(
        found,
        different=found.different - differing,
        changed_old=differing + len(hidden),
        same=found.same,
        examples=(*(_relabelled(e, moved) for e in found.examples), *map(_hidden, hidden)),
    )


def _findings(segment: Segment) -> Findings:
    assert isinstance(segment.progress, Findings)  # noqa: S101 - what a verification stores
    return segment.progress


def _is_hidden(found: Findings, bucket: int) -> bool:
    """Tell whether what has changed in a bucket can only be what production has written since."""
    seen = found.in_buckets
    explained = seen[f"different {bucket}"] or seen[f"bad {bucket}"]
    return bool(seen[f"touched {bucket}"] and not explained)


def _relabelled(example: Example, moved: set[int]) -> Example:
    if example.kind != Kind.DIFFERENT or bucket_of(codec.encode(example.key)) not in moved:
        return example
    return attrs.evolve(
        example,
        kind=Kind.CHANGED_OLD.value,
        reason="the old item is not as it was copied",
    )


def _hidden(bucket: int) -> Example:
    return Example(
        kind=Kind.CHANGED_OLD.value,
        key={},
        reason=f"an old item that production has rewritten or deleted in the new table was changed"
        f" in the old one after its copy: one of part {bucket + 1} of {BUCKETS} of a segment",
    )
