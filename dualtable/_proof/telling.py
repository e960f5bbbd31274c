"""What a verification tells while it goes on: to its event file, and as metrics.

The rule: it reads off what the verification counts anyway; metrics are told what an observer is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from dualtable._control.capacity import Paces
from dualtable._copy.lately import Lately, Present
from dualtable._events.interval import Interval
from dualtable._events.recorder import Recorder
from dualtable._events.told import Told, event_file
from dualtable._metrics import Metrics
from dualtable._proof.findings import VerificationProgress, VerificationReport
from dualtable._proof.passes import Passes
from dualtable._proof.shared import ProofRun
from dualtable._proof.tables import Tables
from dualtable._sharing.board import name_of_migrator
from dualtable._sharing.limits import SharedLimits

Observer: TypeAlias = Callable[[VerificationProgress], None]


_FOUND = ("checked", "missing", "different", "changed_old", "extra", "rewritten", "deleted")


def findings_measured(metrics: Metrics | None, observer: Observer | None) -> Observer | None:
    """Return an observer that measures what it hears, too, where metrics are collected."""
    if metrics is None:
        return observer

    def heard(report: VerificationProgress) -> None:
        for name in _FOUND:
            metrics.note("dualtable.verifier.found", getattr(report, name), finding=name)
        metrics.note("dualtable.verifier.share_done", report.share_done)
        if observer is not None:
            observer(report)

    return heard


@attrs.define
class Telling:
    """What is told of one process's part of a verification.

    Args:
        folder: Where its event file goes, if anywhere.
        tables: What it reads.
        run: What it takes part in.
        settings: Of the verifier, for whoever reads the events.
        limits: The ceilings that it shares; none where it is alone.
    """

    folder: Path | None
    tables: Tables
    run: ProofRun
    settings: dict[str, Any]
    limits: SharedLimits | None = None
    _recorder: Recorder = attrs.field(init=False)

    def of(self, passes: Passes) -> AbstractAsyncContextManager[Recorder]:
        """Tell of the passes what goes on inside the block."""
        tables, clock = self.tables, passes.crew.clock
        told = Told(clock, tables.requests, tables.paces, tables.retries, self.limits)

        def so_far() -> Interval:
            return told.so_far(
                counts=dict(passes.counts),
                segments_done=passes.crew.board.known.done,
                segments_held=passes.segments_held,
            )

        lately = Lately(so_far)
        passes.present = lambda: _goes(lately.present(), tables.paces)
        if self.limits is not None:
            self.limits.membership.doing = Lately(so_far).doing
        file = event_file(
            self.folder,
            "verify",
            tables.migration,
            self._process,
            clock,
            total_segments=self.run.total_segments,
            settings={"level": self.run.level, "repair": self.run.repairs, **self.settings},
            tables={"old": tables.old, "new": tables.new},
        )
        return Recorder(clock, so_far, file).telling()

    @property
    def _process(self) -> str:
        return name_of_migrator() if self.limits is None else self.limits.membership.migrator


def _goes(present: Present, paces: Paces) -> dict[str, Any]:
    """Return how it goes, as an observer gets it; both tables have a pace of their own."""
    rate = paces.reads.rate + paces.looks.rate
    return {
        "held_back_by": present.held_back_by,
        "paused_by": present.paused_by,
        "may_read_units": None if math.isinf(rate) else rate,
        "used_read_units": present.used_read_units,
    }


def last_word(report: VerificationReport) -> dict[str, Any]:
    """Return what the end of the events has of a report: no key."""
    numbers = attrs.asdict(report, filter=attrs.filters.exclude("examples"))
    return {**numbers, "complete": report.complete, "ok": report.ok}
