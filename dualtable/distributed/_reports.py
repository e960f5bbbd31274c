"""From what the workers report and what the control table says to one report.

The rule: of a migration, what is settled counts, by whomever, so that the part of a worker that was
lost is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from dualtable._clock import Clock
from dualtable._control.control_table import Control
from dualtable._control.segments import Segment, complete, total
from dualtable._copy.report import MigrationProgress, MigrationReport, Observer
from dualtable._copy.telling import ON_REQUEST
from dualtable._dynamodb.gateway import Gateway
from dualtable._operations.cleanup import CleanupReport
from dualtable._proof.findings import VerificationReport
from dualtable._sharing.known import Known
from dualtable._sharing.roster import Roster
from dualtable._transforms.migration import Migration
from dualtable.distributed._spec import Task
from dualtable.distributed._work import Report


@attrs.define(eq=False, kw_only=True)
class Standing:
    """How the work stands, and stood when it was begun."""

    control: Control
    task: Task
    clock: Clock
    segments: Sequence[Segment]
    total_segments: int
    began: float
    estimated_items: int
    roster: Roster = attrs.field(init=False, factory=lambda: Roster(""))

    @classmethod
    async def of(cls, gateway: Gateway, migration: Migration, task: Task, clock: Clock) -> Standing:
        """Look how it stands now."""
        control = Control(gateway, migration.control_table, migration.name)
        copies = task == "migrate"
        items = (await gateway.describe_table(migration.old)).get("ItemCount", 0) if copies else 0
        segments, number = await _segments(control)
        return cls(
            control=control,
            task=task,
            clock=clock,
            segments=segments,
            total_segments=number,
            began=clock.monotonic(),
            estimated_items=items,
        )

    @property
    def is_finished(self) -> bool:
        """Whether there was nothing left to be done when it was begun."""
        return self.task == "migrate" and complete(self.segments, self.total_segments)

    async def tell(self, observer: Observer | None) -> None:
        """Tell the observer of a migration how it stands."""
        if observer is not None and self.task == "migrate":
            segments, number = await _segments(self.control)
            observer(
                MigrationProgress(
                    report=self.report(segments, number),
                    scanned=total(segments).scanned,
                    estimated_items=self.estimated_items,
                    segments_done=sum(segment.checkpoint.done for segment in segments),
                    total_segments=number,
                    segments=_stages(segments, number),
                    **await self._at_work(),
                )
            )

    async def _at_work(self) -> dict[str, Any]:
        """Return what the workers say of themselves, by the words that they give anyway."""
        run = await self.control.run()
        asked = self.clock.monotonic()
        words = [] if run is None else await self.control.of(run).words()
        self.roster.note(words, asked, self.clock.monotonic())
        half = max((word.seconds / 2 for word in words), default=0.0)
        alive = self.roster.others(quiet_seconds=half)
        causes = Counter(word.doing.held_back_by for word in alive if word.doing)
        return {
            "migrators": len(alive),
            "held_back_by": ", ".join(cause for cause, _ in causes.most_common()),
            "paused_by": ON_REQUEST if (await self.control.limits()).pause else "",
        }

    async def migrated(self, reports: Sequence[MigrationReport]) -> MigrationReport:
        """Return what has been settled since the beginning."""
        report = self.report(*await _segments(self.control))
        return attrs.evolve(
            report,
            throttled=sum(each.throttled for each in reports),
            retries=sum(each.retries for each in reports),
        )

    def report(self, segments: Sequence[Segment], number: int) -> MigrationReport:
        """Return what the segments say has been settled since the beginning."""
        after = total(segments)
        before = total(self.segments)
        names = after.counts()
        counts: dict[str, Any] = {n: getattr(after, n) - getattr(before, n) for n in names}
        return MigrationReport(
            **counts,
            seconds=self.clock.monotonic() - self.began,
            complete=complete(segments, number),
            dead_letters=after.failed,
        )


def _stages(segments: Sequence[Segment], number: int) -> bytes:
    """Return how far each segment is; none is in the hands of whoever watches the others."""
    known = Known(number, owner="")
    for segment in segments:
        known.note(segment)
    return known.stages


async def _segments(control: Control) -> tuple[list[Segment], int]:
    """Return the segments of the present copy, and how many there are in all."""
    run = await control.run()
    return ([], 1) if run is None else (await control.of(run).segments(), run.total_segments)


async def merged(reports: Sequence[Report], standing: Standing) -> Report:
    """Return what all workers did."""
    if standing.task == "migrate":
        return await standing.migrated([r for r in reports if isinstance(r, MigrationReport)])
    if standing.task == "verify":
        return _verified([r for r in reports if isinstance(r, VerificationReport)])
    return _swept([r for r in reports if isinstance(r, CleanupReport)])


def _verified(reports: Sequence[VerificationReport]) -> VerificationReport:
    """Each says what all have found, so the one that has seen the most says it all."""
    return max(reports, key=lambda report: (report.complete, report.checked), default=_NOTHING)


_NOTHING = VerificationReport(level="content", share_done=0.0)


def _swept(reports: Sequence[CleanupReport]) -> CleanupReport:
    counts = ("scanned", "tombstones", "tokens", "overtaken", "read_units", "write_units")
    any_of = ("complete", "settled", "tokens_wanted")
    return CleanupReport(
        **{name: sum(getattr(report, name) for report in reports) for name in counts},
        **{name: any(getattr(report, name) for report in reports) for name in any_of},
    )
