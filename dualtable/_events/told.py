"""What a process tells of a run, whatever the run is about: units, requests, waits, CPU.

The rule: it is read off what is counted anyway; what became of the items, the run adds itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from dualtable._clock import Clock, cpu_seconds
from dualtable._control.capacity import Pace, Paces, provisioned_units
from dualtable._events.file import EventFile
from dualtable._events.folder import file_name
from dualtable._events.interval import Interval
from dualtable._events.requests import Requests
from dualtable._sharing.limits import SharedLimits
from dualtable._sharing.retries import Retries
from dualtable._transforms.migration import Migration
from dualtable._wire.types import Description

ON_REQUEST = "dualtable pause or rate"


@attrs.define(eq=False)
class Told:
    """What a process has consumed since it began.

    Args:
        clock: Where time comes from.
        requests: What has heard of its requests.
        paces: How fast it reads and writes.
        retries: What was sent again.
        limits: The ceilings that it shares; none where it shares none.
    """

    clock: Clock
    requests: Requests
    paces: Paces
    retries: Retries
    limits: SharedLimits | None = None
    _began: tuple[float, float, float] = attrs.field(init=False)
    _paused: tuple[float, float] = attrs.field(init=False, default=(0.0, 0.0))

    def __attrs_post_init__(self) -> None:
        self._began = self.clock.now(), self.clock.monotonic(), cpu_seconds(self.clock)

    def so_far(self, **of_the_run: Any) -> Interval:
        """Return all of it, with what the run itself says, as one interval."""
        at, monotonic, cpu = self._began
        seconds = self.clock.monotonic() - monotonic
        return Interval(
            at=at,
            seconds=seconds,
            cpu_seconds=cpu_seconds(self.clock) - cpu,
            paused_seconds=self._paused_seconds(seconds),
            paused_by=self._paused_by(),
            **self._consumed(),
            **self._heard(),
            **self._may(),
            **of_the_run,
        )

    def _consumed(self) -> dict[str, Any]:
        reads, looks, writes = self.paces.reads, self.paces.looks, self.paces.writes
        return {
            "old_read_units": reads.given,
            "new_read_units": looks.given,
            "write_units": writes.given,
            "refused_units": writes.refused,
            "read_wait_seconds": reads.bucket.waited_seconds + looks.bucket.waited_seconds,
        }

    def _heard(self) -> dict[str, Any]:
        heard = self.requests
        return {
            **{name: getattr(heard, name) for name in ("pages", "empty_pages", "found", "walked")},
            "latency": heard.latency(),
            "request_seconds": heard.seconds(),
            "throttles": dict(self.retries.throttles),
            "failures": dict(self.retries.failures),
        }

    def _may(self) -> dict[str, Any]:
        """Return what has no sum."""
        limits = self.limits
        return {
            "workers": 1 if limits is None else limits.migrators,
            "read_ceiling": limits and limits.in_force.max_read_units,
            "write_ceiling": limits and limits.in_force.max_write_units,
            "read_rate": _finite(self.paces.reads),
            "write_rate": _finite(self.paces.writes),
        }

    def _paused_by(self) -> str:
        """Return who has asked for a pause; nobody has where others are to make room."""
        joining = self.limits is not None and not self.limits.in_force.pause
        return ON_REQUEST if self.paces.are_paused and not joining else ""

    def _paused_seconds(self, seconds: float) -> float:
        """Return how long it has stood still: since the last look, where it does so now."""
        paused, looked = self._paused
        self._paused = paused + (seconds - looked) * self.paces.are_paused, seconds
        return self._paused[0]


def _finite(pace: Pace) -> float | None:
    return pace.rate if pace.rate < float("inf") else None


def event_file(
    folder: Path | None,
    kind: str,
    migration: Migration,
    process: str,
    clock: Clock,
    *,
    tables: Mapping[str, Description],
    total_segments: int,
    settings: Mapping[str, Any],
) -> EventFile | None:
    """Return the file of one process of a run, whose first line says so much; None for nowhere."""
    if folder is None:
        return None
    begun = clock.now()
    head = {
        "kind": kind,
        "name": migration.name,
        "old": migration.old,
        "new": migration.new,
        "process": process,
        "begun": begun,
        "total_segments": total_segments,
        "settings": settings,
        "tables": {role: _about(table) for role, table in tables.items()},
    }
    return EventFile(folder / file_name(kind, begun, process), head)


def _about(table: Description) -> dict[str, Any]:
    """Return what a report says of a table."""
    return {
        "items": table.get("ItemCount", 0),
        "bytes": table.get("TableSizeBytes", 0),
        "read_units": provisioned_units(table, "Read"),
        "write_units": provisioned_units(table, "Write"),
    }
