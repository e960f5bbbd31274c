"""What is known of the segments, and that its sums are those of all."""

from __future__ import annotations

import random

from dualtable._control.segments import Checkpoint, Lease, Progress, Segment
from dualtable._sharing.known import Known, Stage


def test_the_sums_are_those_of_all_segments_whatever_was_noted_before() -> None:
    """They are kept up instead of added up: a page of a run with 10,000 segments stays cheap."""
    known, chance = Known(20, owner="me"), random.Random(5)
    for _ in range(500):
        lease = Lease(chance.choice(["me", "you"]))
        known.note(
            Segment(
                chance.randrange(20),
                lease=chance.choice([None, lease]),
                checkpoint=Checkpoint(done=chance.random() < 0.5),
                progress=Progress(scanned=chance.randrange(9), failed=chance.randrange(9)),
            )
        )
        assert known.scanned == sum(segment.progress.scanned for segment in known)
        assert known.failed == sum(segment.progress.failed for segment in known)
        assert known.done == sum(segment.checkpoint.done for segment in known)


def test_each_segment_has_its_stage() -> None:
    """Free, in whose hands, or done; a strip of them shows where a run is."""
    known = Known(5, owner="me")
    known.note(Segment(1))
    known.note(Segment(2, lease=Lease("you")))
    known.note(Segment(3, lease=Lease("me")))
    known.note(Segment(4, checkpoint=Checkpoint(done=True)))
    assert [Stage(stage) for stage in known.stages] == list(Stage)
    assert known.mine() == [3]
    assert known.leases_of_others() == [Lease("you")]
    assert not known.complete
