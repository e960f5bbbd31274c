"""From what was found in all segments to the report.

The rule: pure. Where the digests of a bucket are not those that the copy has left, an old item has
changed. Where those of what the new table has are, what differs there is the old items' doing, and
the copies are innocent; else which of them has changed is not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from dualtable._control.digests import bucket_of
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
        + (found.changed_old - found.untold)
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
    if copied is None or not moved:
        return found
    as_in_new = found.digests + found.apart
    certain = moved - as_in_new.differing(copied.progress.digests)
    changed = sum(found.in_buckets[f"different {bucket}"] for bucket in certain)
    untold = sum(_is_doubtful(found, bucket) for bucket in moved - certain)
    told = [_relabelled(example, certain) for example in found.examples]
    return attrs.evolve(
        found,
        different=found.different - changed,
        changed_old=changed + untold,
        untold=untold,
        examples=(*told, *([_untold(untold, segment.number)] if untold else [])),
    )


def _findings(segment: Segment) -> Findings:
    assert isinstance(segment.progress, Findings)  # noqa: S101 - what a verification stores
    return segment.progress


def _is_doubtful(found: Findings, bucket: int) -> bool:
    """Tell whether there is anything in a bucket that is not just as it was copied.

    Where there is nothing, an old item was changed that has been mended since, or has gone; then
    its copy is extra.
    """
    return any(found.in_buckets[f"{word} {bucket}"] for word in ("different", "bad", "touched"))


def _relabelled(example: Example, certain: set[int]) -> Example:
    if example.kind != Kind.DIFFERENT or bucket_of(codec.encode(example.key)) not in certain:
        return example
    return attrs.evolve(
        example,
        kind=Kind.CHANGED_OLD.value,
        reason="the old item is not as it was copied",
    )


def _untold(number: int, segment: int) -> Example:
    return Example(
        kind=Kind.CHANGED_OLD.value,
        key={},
        reason=f"at least {number} in segment {segment}, changed, added or deleted after the copy;"
        " which, cannot be told: what is different or missing there may come of it, and what"
        " production has rewritten or deleted may hide it",
    )
