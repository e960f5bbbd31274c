"""From what is heard and told to metrics.

The rule: an interval becomes a handful of measurements, and a request one; nothing is asked for
that is not counted anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from dualtable._clock import Clock
from dualtable._dynamodb.connect import Wrap
from dualtable._dynamodb.retry import OnRetry
from dualtable._events.interval import Interval
from dualtable._events.measured import Listener, measured
from dualtable._events.requests import roles
from dualtable._events.verdict import held_back_by
from dualtable._metrics import Metrics
from dualtable._transforms.migration import Migration
from dualtable.errors import RetryableError


class RequestMeter:
    """Measures each request of a repository or a verifier."""

    def __init__(self, metrics: Metrics, user: str, migration: Migration) -> None:
        self._metrics = metrics
        self._user = user
        self._roles = roles(migration)

    def __call__(
        self, operation: str, table: str, asked: Mapping[str, Any], seconds: float, outcome: Any
    ) -> None:
        failed = type(outcome).__name__ if isinstance(outcome, Exception) else ""
        role = self._roles.get(table, "several")
        attributes = self._metrics.attributes(
            user=self._user, operation=operation, table=role, error_type=failed
        )
        self._metrics.note_of("dualtable.request.duration", seconds, attributes)


def _retries_counted(metrics: Metrics | None, user: str, on_retry: OnRetry) -> OnRetry:
    """Return what hears of each further try, and counts it."""
    if metrics is None:
        return on_retry

    def noted(error: RetryableError) -> None:
        on_retry(error)
        metrics.note("dualtable.retries", 1, user=user, reason=type(error).__name__)

    return noted


def _heard_by(clock: Clock, *listeners: Listener | None) -> Wrap:
    """Return what lets requests be heard by several."""
    hear = [measured(each, clock) for each in listeners if each is not None]
    return lambda gateway: reduce(lambda heard, each: each(heard), hear, gateway)


def metered(
    metrics: Metrics | None,
    user: str,
    migration: Migration,
    clock: Clock,
    listener: Listener | None = None,
    *,
    besides: Listener | None = None,
    on_retry: OnRetry = lambda _: None,
) -> tuple[OnRetry, Wrap]:
    """Return what hears of retries, and what hears of requests.

    Args:
        metrics: Where they are measured, if anywhere.
        user: Whose they are: of a ``repository``, a ``migrator`` or a ``verifier``.
        migration: What its tables are called by.
        clock: Where time comes from.
        listener: Who hears of requests instead of the metrics, and adds them up.
        besides: Who hears of them, too.
        on_retry: Who else hears of retries.
    """
    if listener is None and metrics is not None:
        listener = RequestMeter(metrics, user, migration)
    return _retries_counted(metrics, user, on_retry), _heard_by(clock, listener, besides)


_QUANTILES = ((0.5, "0.5"), (0.99, "0.99"))


class IntervalMeter:
    """Measures what a migrator did in the last seconds.

    Its requests, too: one measurement for each of them would cost more than all else that is told.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._note = metrics.note
        self._scanned = self._failed = 0.0

    def __call__(self, told: Interval) -> None:
        self._count(told)
        self._set(told)

    def _count(self, told: Interval) -> None:
        note = self._note
        for outcome, number in told.counts.items():
            note("dualtable.migrator.items", number, outcome=outcome)
        note("dualtable.migrator.pages", told.empty_pages, empty="true")
        note("dualtable.migrator.pages", told.pages - told.empty_pages, empty="false")
        note("dualtable.migrator.units", told.old_read_units, kind="read", table="old")
        note("dualtable.migrator.units", told.new_read_units, kind="read", table="new")
        note("dualtable.migrator.units", told.write_units, kind="write", table="new")
        for reason, number in told.throttles.items():
            note("dualtable.migrator.throttles", number, reason=reason)
        note("dualtable.migrator.held_back", told.seconds, cause=str(held_back_by(told)))
        for path, buckets in told.latency.items():
            table, _, operation = path.partition(" ")
            of = {"operation": operation, "table": table}
            note("dualtable.migrator.requests", sum(buckets), **of)
            for share, name in _QUANTILES:
                within = told.answered_within(path, share)
                note("dualtable.migrator.request.latency", within or 0.0, quantile=name, **of)
        note("dualtable.migrator.cpu", told.cpu_seconds)
        note("dualtable.migrator.transform", told.transform_seconds)

    def _set(self, told: Interval) -> None:
        note = self._note
        self._scanned += told.counts.get("scanned", 0.0)
        self._failed += told.counts.get("failed", 0.0)
        note("dualtable.migrator.segments", told.segments_done, state="done")
        note("dualtable.migrator.segments", told.segments_held, state="held")
        note("dualtable.migrator.workers", told.workers)
        share = self._failed / self._scanned if self._scanned else 0.0
        note("dualtable.migrator.dead_letters.share", share)
        for kind, rate in (("read", told.read_rate), ("write", told.write_rate)):
            if rate is not None:
                note("dualtable.migrator.ceiling", rate, kind=kind)
