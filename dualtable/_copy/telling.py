"""What a run of the migrator tells while it goes on.

The rule: it reads off what the run counts anyway; see `_events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from dualtable._clock import Clock, cpu_seconds
from dualtable._control.capacity import Pace, Paces, provisioned_units
from dualtable._copy.run import Run
from dualtable._copy.writer import Writer
from dualtable._events.file import EventFile
from dualtable._events.folder import file_name
from dualtable._events.interval import Interval
from dualtable._events.requests import Requests
from dualtable._sharing.limits import SharedLimits
from dualtable._sharing.retries import Retries
from dualtable._sharing.throttle import Throttling
from dualtable._transforms.migration import Migration
from dualtable._wire.types import Description

ON_REQUEST = "dualtable pause or rate"
_COUNTS = ("scanned", "written", "already_present", "dropped", "failed")


@attrs.define(eq=False)
class Told:
    """A run, and all that is told of it.

    Args:
        run: The run.
        requests: What has heard of its requests.
        paces: How fast it reads and writes.
        retries: What was sent again.
        throttling: What lets it stand still, beside the ceilings.
        writer: What sends its copies; none in a dry run.
        limits: The ceilings that it shares; none in a dry run.
    """

    run: Run
    requests: Requests
    paces: Paces
    retries: Retries
    throttling: Throttling
    writer: Writer | None = None
    limits: SharedLimits | None = None
    _began: tuple[float, float, float] = attrs.field(init=False)
    _paused: tuple[float, float] = attrs.field(init=False, default=(0.0, 0.0))

    def __attrs_post_init__(self) -> None:
        clock = self.run.clock
        self._began = clock.now(), clock.monotonic(), cpu_seconds(clock)

    def so_far(self) -> Interval:
        """Return what the run has done, from its beginning on."""
        at, monotonic, cpu = self._began
        clock, done = self.run.clock, self.run.settled
        seconds = clock.monotonic() - monotonic
        return Interval(
            at=at,
            seconds=seconds,
            old_read_units=self.paces.reads.given,
            new_read_units=self.paces.looks.given,
            write_units=self.paces.writes.given if self.writer else done.write_units,
            refused_units=self.paces.writes.refused,
            pages=self.requests.pages,
            empty_pages=self.requests.empty_pages,
            found=self.requests.found,
            walked=self.requests.walked,
            counts={name: getattr(done, name) for name in _COUNTS},
            throttles=dict(self.retries.throttles),
            failures=dict(self.retries.failures),
            latency=self.requests.latency(),
            request_seconds=self.requests.seconds(),
            stages={} if self.writer is None else self.writer.stages.seconds(),
            read_wait_seconds=sum(
                pace.bucket.waited_seconds for pace in (self.paces.reads, self.paces.looks)
            ),
            transform_seconds=self.run.transform_seconds,
            cpu_seconds=cpu_seconds(clock) - cpu,
            paused_seconds=self._paused_seconds(seconds),
            paused_by=self._paused_by(),
            **self._present(),
        )

    def _present(self) -> dict[str, Any]:
        """Return what has no sum."""
        ceilings = self.limits and self.limits.in_force
        return {
            "segments_done": self.run.board.known.done,
            "segments_held": self.run.segments_held,
            "workers": 1 if self.limits is None else self.limits.migrators,
            "read_ceiling": ceilings and ceilings.max_read_units,
            "write_ceiling": ceilings and ceilings.max_write_units,
            "read_rate": _finite(self.paces.reads),
            "write_rate": _finite(self.paces.writes),
        }

    def _paused_by(self) -> str:
        """Return who has asked for a pause; nobody has where others are to make room."""
        joining = self.limits is not None and not self.limits.in_force.pause
        by_rate = ON_REQUEST if self.paces.are_paused and not joining else ""
        return self.throttling.reason or by_rate

    def _paused_seconds(self, seconds: float) -> float:
        """Return how long it has stood still: since the last look, where it does so now."""
        paused, looked = self._paused
        self._paused = paused + (seconds - looked) * self.paces.are_paused, seconds
        return self._paused[0]


def _finite(pace: Pace) -> float | None:
    return pace.rate if pace.rate < float("inf") else None


def event_file(
    folder: Path | None,
    migration: Migration,
    process: str,
    clock: Clock,
    *,
    tables: Mapping[str, Description],
    total_segments: int,
    settings: Mapping[str, Any],
) -> EventFile | None:
    """Return the file of a run; None where it goes nowhere."""
    if folder is None:
        return None
    begun = clock.now()
    head = {
        "kind": "migrate",
        "name": migration.name,
        "old": migration.old,
        "new": migration.new,
        "process": process,
        "begun": begun,
        "total_segments": total_segments,
        "settings": settings,
        "tables": {role: about(table) for role, table in tables.items()},
    }
    return EventFile(folder / file_name("migrate", begun, process), head)


def about(table: Description) -> dict[str, Any]:
    """Return what a report says of a table."""
    return {
        "items": table.get("ItemCount", 0),
        "bytes": table.get("TableSizeBytes", 0),
        "read_units": provisioned_units(table, "Read"),
        "write_units": provisioned_units(table, "Write"),
    }
