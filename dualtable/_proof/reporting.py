"""From what was found in all segments to the report.

The rule: pure. What differs is the old item's doing where the digests of its bucket are not those
that the copy has left; the copy itself is innocent then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from dualtable._control.digests import BUCKETS, bucket_of
from dualtable._control.segments import Segment
from dualtable._proof.findings import BAD, Example, Findings, Kind, Level, VerificationReport
from dualtable._wire import codec


@attrs.frozen(kw_only=True)
class Extent:
    """How much there is to look at: segments of both passes, and items as far as is known."""

    total_segments: int
    segments_each: int
    items: int

    def share_done(self, segments: Sequence[Segment]) -> float:
        """Return the share that is done, by items where their number is known."""
        done = sum(segment.checkpoint.done for segment in segments)
        if done == self.total_segments:
            return 1.0
        by_segments = done / self.total_segments
        scanned = sum(segment.progress.scanned for segment in segments)
        return min(0.99, scanned / self.items if self.items else by_segments)


def report(
    level: Level,
    extent: Extent,
    segments: Sequence[Segment],
    copied: Iterable[Segment],
    seconds: float,
) -> VerificationReport:
    """Return what was found, given the segments of the copy that were done at the beginning."""
    before = {segment.number: segment for segment in copied if segment.checkpoint.done}
    found = Findings()
    for segment in segments:
        found += _blamed(segment, before)
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
        share_done=extent.share_done(segments),
        seconds=seconds,
        examples=tuple(sorted(found.examples, key=_place)),
    )


def _place(example: Example) -> tuple[int, str]:
    """Return where an example stands in the report."""
    return BAD.index(Kind(example.kind)), repr(example.key)


def _blamed(segment: Segment, before: Mapping[int, Segment]) -> Findings:
    """Return what was found in a segment, with what is the old items' doing told apart."""
    found = segment.progress
    assert isinstance(found, Findings)  # noqa: S101 - the records of a verification hold no other
    copied = before.get(segment.number)
    if copied is None or not segment.checkpoint.done:
        return found
    moved = found.digests.differing(copied.progress.digests)
    differing = sum(found.in_buckets[f"different {bucket}"] for bucket in moved)
    hidden = [bucket for bucket in moved if _is_hidden(found, bucket)]
    return attrs.evolve(
        found,
        different=found.different - differing,
        changed_old=differing + len(hidden),
        same=found.same,
        examples=(*(_relabelled(e, moved) for e in found.examples), *map(_hidden, hidden)),
    )


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
