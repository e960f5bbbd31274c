"""What a repository measures, where metrics are collected.

The rule: a count and a time; nothing here decides anything, and without metrics there is no meter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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

    @contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Measure an operation, and how old the phase is that is known after it."""
        begun, failed = self.clock.monotonic(), {}
        try:
            yield
        except Exception as error:
            failed = {"error_type": type(error).__name__}
            raise
        finally:
            seconds = self.clock.monotonic() - begun
            attributes = self.metrics.attributes(operation=name, **failed)
            self.metrics.note_of("dualtable.repository.operation.duration", seconds, attributes)
            self.metrics.note("dualtable.repository.phase.age", self.watch.age_seconds)

    def fell_back(self, keys: int) -> None:
        """Count keys that were looked for in the old table."""
        self.metrics.note("dualtable.repository.fallbacks", keys)

    def confirmed(self, keys: int) -> None:
        """Count keys that were looked for in the new table once more."""
        self.metrics.note("dualtable.repository.confirmations", keys)
