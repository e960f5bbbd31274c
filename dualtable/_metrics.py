"""Metrics for OpenTelemetry: what they are called; the only module that knows its API.

The rule: `METRICS` is all there is, and a name in it stays. Where the API is not installed nobody
measures anything; where no SDK is configured, the API lets every measurement go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import attrs

COUNTER, HISTOGRAM, GAUGE = "counter", "histogram", "gauge"

MIGRATION = "dualtable.migration"
"""The attribute that every measurement has: the migration's name."""


@attrs.frozen
class Metric:
    """What is measured.

    Attributes:
        name: What it is called.
        kind: Counter, histogram or gauge.
        unit: As OpenTelemetry writes units.
        meaning: What is counted or measured.
        attributes: What tells measurements apart, beside the migration.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()


METRICS = (
    Metric(
        "dualtable.request.duration",
        HISTOGRAM,
        "s",
        "Requests of a repository or a verifier to DynamoDB, each try by itself",
        ("user", "operation", "table", "error.type"),
    ),
    Metric("dualtable.retries", COUNTER, "{request}", "Requests sent again", ("user", "reason")),
    Metric(
        "dualtable.repository.operation.duration",
        HISTOGRAM,
        "s",
        "Operations of the repository, retries included",
        ("operation", "error.type"),
    ),
    Metric(
        "dualtable.repository.fallbacks",
        COUNTER,
        "{key}",
        "Keys looked for in the old table, since the new one lacks them",
    ),
    Metric(
        "dualtable.repository.confirmations",
        COUNTER,
        "{key}",
        "Keys looked for in the new table once more, by a strongly consistent read",
    ),
    Metric(
        "dualtable.repository.phase.age",
        GAUGE,
        "s",
        "How old what is known of the phase is; what needs the old table is refused from"
        " a third of settle_seconds on",
    ),
    Metric(
        "dualtable.migrator.items",
        COUNTER,
        "{item}",
        "Items settled: scanned, written, already_present, dropped, failed",
        ("outcome",),
    ),
    Metric("dualtable.migrator.pages", COUNTER, "{page}", "Pages of scans", ("empty",)),
    Metric(
        "dualtable.migrator.units",
        COUNTER,
        "{unit}",
        "Units consumed: read or write, of the old table or the new one",
        ("kind", "table"),
    ),
    Metric(
        "dualtable.migrator.requests",
        COUNTER,
        "{request}",
        "Requests of a migrator to DynamoDB, each try by itself",
        ("operation", "table"),
    ),
    Metric(
        "dualtable.migrator.request.latency",
        GAUGE,
        "s",
        "Within what time that share of its requests was answered lately, to one of 13 steps",
        ("operation", "table", "quantile"),
    ),
    Metric(
        "dualtable.migrator.throttles",
        COUNTER,
        "{request}",
        "Requests and statements that were throttled, by DynamoDB's reason",
        ("reason",),
    ),
    Metric(
        "dualtable.migrator.held_back",
        COUNTER,
        "s",
        "Seconds in which something held the migrator back, by what it was",
        ("cause",),
    ),
    Metric("dualtable.migrator.cpu", COUNTER, "s", "Processor time of the process"),
    Metric("dualtable.migrator.transform", COUNTER, "s", "Seconds in the transform"),
    Metric(
        "dualtable.migrator.segments",
        GAUGE,
        "{segment}",
        "Segments: done by all migrators, held by this one",
        ("state",),
    ),
    Metric("dualtable.migrator.workers", GAUGE, "{process}", "Processes at work on the migration"),
    Metric(
        "dualtable.migrator.dead_letters.share",
        GAUGE,
        "1",
        "Share of the old items of this run that became dead letters",
    ),
    Metric(
        "dualtable.migrator.ceiling",
        GAUGE,
        "{unit}/s",
        "What this migrator may read of the old table or write to the new one",
        ("kind",),
    ),
    Metric(
        "dualtable.verifier.found",
        GAUGE,
        "{item}",
        "What a verification has found so far, by all its processes: checked, missing, different,"
        " changed_old, extra, rewritten, deleted",
        ("finding",),
    ),
    Metric("dualtable.verifier.share_done", GAUGE, "1", "How far a verification has come"),
)
"""All metrics, by topic."""


class Metrics:
    """The instruments of one migration; see `of`."""

    def __init__(self, migration: str, instruments: Mapping[str, Callable[..., None]]) -> None:
        self._common = {MIGRATION: migration}
        self._instruments = instruments
        self._made: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    @classmethod
    def of(cls, migration: str) -> Metrics | None:
        """Return those of a migration; None where the API of OpenTelemetry is not installed."""
        instruments = _instruments()
        return None if instruments is None else cls(migration, instruments)

    def note(self, name: str, value: float, **attributes: str) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""
        self.note_of(name, value, {**self._common, **attributes})

    def note_of(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        """Do the same by attributes that were made before."""
        self._instruments[name](value, attributes)

    def attributes(self, **attributes: str) -> Mapping[str, str]:
        """Return attributes for many measurements, those that are empty left out; made once."""
        path = tuple(attributes.items())
        made = self._made.get(path)
        if made is None:
            named = {name.replace("error_type", "error.type"): v for name, v in path if v}
            made = self._made[path] = {**self._common, **named}
        return made


@cache
def _instruments() -> Mapping[str, Callable[..., None]] | None:
    try:
        from opentelemetry.metrics import get_meter
    except ImportError:
        return None
    meter = get_meter("dualtable", version("dualtable"))
    return {metric.name: _instrument(meter, metric) for metric in METRICS}


def _instrument(meter: Any, metric: Metric) -> Callable[..., None]:
    about = {"name": metric.name, "unit": metric.unit, "description": metric.meaning}
    made: Callable[..., None]
    if metric.kind == COUNTER:
        made = meter.create_counter(**about).add
    elif metric.kind == HISTOGRAM:
        made = meter.create_histogram(**about).record
    else:
        made = meter.create_gauge(**about).set
    return made
