"""From what the workers report and what the control table says to one report.

The rule: of a migration, what is settled counts, by whomever, so that the part of a worker that was
lost is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from dualtable._clock import Clock
from dualtable._control.control_table import Control
from dualtable._control.milestones import Milestones
from dualtable._control.segments import Segment, complete, total
from dualtable._copy.report import MigrationProgress, MigrationReport
from dualtable._dynamodb.gateway import Gateway
from dualtable._events.told import ON_REQUEST
from dualtable._operations.cleanup import read_cleanup
from dualtable._operations.sweep import CleanupProgress, CleanupReport
from dualtable._proof.estimate import Estimate
from dualtable._proof.findings import VerificationProgress, VerificationReport
from dualtable._proof.reporting import Extent, Sums
from dualtable._proof.reporting import report as found_so_far
from dualtable._proof.shared import Copied, ProofRun, Proofs
from dualtable._sharing.known import Known
from dualtable._sharing.roster import Roster
from dualtable._transforms.migration import Migration
from dualtable._wire.types import Description
from dualtable.distributed._spec import Task
from dualtable.distributed._work import Report

_SEGMENTS_A_SECOND = 1_000.0
"""So many are read at most to tell how it goes: of 10,000, all each ten seconds."""


@attrs.define(eq=False, kw_only=True)
class Standing:
    """How the work of all stands; what the workers report is all that there is to know of it.

    Args:
        control: The records.
        clock: Where time comes from.
        began: When the work was begun.
    """

    control: Milestones
    clock: Clock
    began: float = attrs.field(init=False)
    _next_look: float = attrs.field(init=False, default=float("-inf"))

    def __attrs_post_init__(self) -> None:
        self.began = self.clock.monotonic()

    @property
    def is_finished(self) -> bool:
        """Whether there was nothing left to be done when it was begun."""
        return False

    async def tell(self, observer: Callable[[Any], None] | None) -> None:
        """Tell an observer, where one is given, and it is no more work than it is worth."""
        if observer is None or self.clock.monotonic() < self._next_look:
            return
        reading, segments = await self.reading()
        self._next_look = self.clock.monotonic() + segments / _SEGMENTS_A_SECOND
        if reading is not None:
            observer(reading)

    async def reading(self) -> tuple[object, int]:
        """Return how it stands, None where that is not known yet, and of how many segments."""
        raise NotImplementedError

    async def paused_by(self) -> str:
        """Return who lets all of them stand still; nothing where nobody does."""
        return ON_REQUEST if (await self.control.limits()).pause else ""

    async def merged(self, reports: Sequence[Report]) -> Report:
        """Return what all workers did."""
        raise NotImplementedError

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.clock.monotonic() - self.began


async def standing_of(gateway: Gateway, migration: Migration, task: Task, clock: Clock) -> Standing:
    """Return how a task stands now."""
    where = gateway, migration.control_table, migration.name
    if task == "cleanup":
        return Sweeping(control=Milestones(*where), clock=clock)
    old = await gateway.describe_table(migration.old)
    if task == "verify":
        return Proving(
            control=Proofs(*where),
            clock=clock,
            tables=(old, await gateway.describe_table(migration.new)),
            copied=await Copied.look(gateway, migration),
        )
    control = Milestones(*where)
    segments, number = await _segments(control)
    return Copying(
        control=control,
        clock=clock,
        segments=segments,
        total_segments=number,
        estimated_items=old.get("ItemCount", 0),
    )


@attrs.define(eq=False, kw_only=True)
class Copying(Standing):
    """How a copy stands, and stood when it was begun."""

    segments: Sequence[Segment]
    total_segments: int
    estimated_items: int
    roster: Roster = attrs.field(init=False, factory=lambda: Roster(""))

    @property
    def is_finished(self) -> bool:
        return complete(self.segments, self.total_segments)

    async def reading(self) -> tuple[MigrationProgress, int]:
        segments, number = await _segments(self.control)
        progress = MigrationProgress(
            report=self.report(segments, number),
            scanned=total(segments).scanned,
            estimated_items=self.estimated_items,
            segments_done=sum(segment.checkpoint.done for segment in segments),
            total_segments=number,
            segments=_known(segments, number).stages,
            **await self._at_work(),
        )
        return progress, len(segments)

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
            "paused_by": await self.paused_by(),
        }

    async def merged(self, reports: Sequence[Report]) -> MigrationReport:
        """Return what has been settled since the beginning."""
        report = self.report(*await _segments(self.control))
        mine = [each for each in reports if isinstance(each, MigrationReport)]
        return attrs.evolve(
            report,
            throttled=sum(each.throttled for each in mine),
            retries=sum(each.retries for each in mine),
        )

    def report(self, segments: Sequence[Segment], number: int) -> MigrationReport:
        """Return what the segments say has been settled since the beginning."""
        after = total(segments)
        before = total(self.segments)
        names = after.counts()
        counts: dict[str, Any] = {n: getattr(after, n) - getattr(before, n) for n in names}
        return MigrationReport(
            **counts,
            seconds=self.seconds,
            complete=complete(segments, number),
            dead_letters=after.failed,
        )


@attrs.define(eq=False, kw_only=True)
class Proving(Standing):
    """How a verification stands."""

    tables: tuple[Description, Description]
    copied: Copied

    async def reading(self) -> tuple[VerificationProgress | None, int]:
        run = await self.control.run()
        if not isinstance(run, ProofRun):
            return None, 0
        segments = await self.control.of(run).segments()
        extent = Extent(
            total_segments=run.total_segments,
            segments_old=run.segments_old,
            items=Estimate.of(*self.tables, run.level).items,
        )
        sums = Sums.against(self.copied.segments if self.copied.tells_of(run) else ())
        known = _known(segments, run.total_segments)
        report = found_so_far(run.level, extent, known, sums, self.seconds)
        progress = VerificationProgress.of(report, paused_by=await self.paused_by())
        return progress, len(segments)

    async def merged(self, reports: Sequence[Report]) -> VerificationReport:
        """Each says what all have found, so the one that has seen the most says it all."""
        mine = [each for each in reports if isinstance(each, VerificationReport)]
        return max(mine, key=lambda each: (each.complete, each.checked), default=_NOTHING)


_NOTHING = VerificationReport(level="content", share_done=0.0)


@attrs.define(eq=False, kw_only=True)
class Sweeping(Standing):
    """How a cleanup stands."""

    async def reading(self) -> tuple[CleanupProgress | None, int]:
        report = await read_cleanup(self.control)
        if report is None:
            return None, 0
        return CleanupProgress.of(report, paused_by=await self.paused_by()), 0

    async def merged(self, reports: Sequence[Report]) -> CleanupReport:
        counts = ("scanned", "tombstones", "tokens", "overtaken", "read_units", "write_units")
        any_of = ("complete", "settled", "tokens_wanted")
        mine = [each for each in reports if isinstance(each, CleanupReport)]
        return CleanupReport(
            **{name: sum(getattr(each, name) for each in mine) for name in counts},
            **{name: any(getattr(each, name) for each in mine) for name in any_of},
            share_done=max((each.share_done for each in mine), default=0.0),
        )


def _known(segments: Sequence[Segment], number: int) -> Known:
    """Return what segments come to; none is in the hands of whoever watches the others."""
    known = Known(number, owner="")
    for segment in segments:
        known.note(segment)
    return known


async def _segments(control: Control) -> tuple[list[Segment], int]:
    """Return the segments of the present copy, and how many there are in all."""
    run = await control.run()
    return ([], 1) if run is None else (await control.of(run).segments(), run.total_segments)
