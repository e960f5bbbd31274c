"""What a repository measures, where metrics are collected.

The rule: a count and a time; nothing here decides anything, and without metrics there is no meter.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import attrs

from dualtable._clock import Clock
from dualtable._control.phase_watch import PhaseWatch
from dualtable._metrics import Metrics


@attrs.frozen
class Meter:
    """Measures the operations of one repository."""

    metrics: Metrics
    watch: PhaseWatch
    clock: Clock

    @classmethod
    def of(cls, metrics: Metrics | None, watch: PhaseWatch, clock: Clock) -> Self | None:
        """Return one where there are metrics."""
        return None if metrics is None else cls(metrics, watch, clock)

    def operation(self, name: str) -> Operation:
        """Measure an operation, and how old the phase is that is known after it."""
        return Operation(self, name, self.clock.monotonic())

    def fell_back(self, keys: int) -> None:
        """Count keys that were looked for in the old table."""
        self.metrics.note("dualtable.repository.fallbacks", keys)

    def confirmed(self, keys: int) -> None:
        """Count keys that were looked for in the new table once more."""
        self.metrics.note("dualtable.repository.confirmations", keys)


@attrs.frozen
class Operation:
    """Measures one operation, while it is entered."""

    meter: Meter
    name: str
    begun: float

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        metrics, watch = self.meter.metrics, self.meter.watch
        failed = type(error).__name__ if isinstance(error, Exception) else ""
        seconds = self.meter.clock.monotonic() - self.begun
        attributes = metrics.attributes(operation=self.name, error_type=failed)
        metrics.note_of("dualtable.repository.operation.duration", seconds, attributes)
        metrics.note_of("dualtable.repository.phase.age", watch.age_seconds, metrics.attributes())
