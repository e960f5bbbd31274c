"""What a verification has found, as metrics.

The rule: they are told what an observer is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dualtable._metrics import Metrics
from dualtable._proof.findings import VerificationReport

Observer: TypeAlias = Callable[[VerificationReport], None]


_FOUND = ("checked", "missing", "different", "changed_old", "extra", "rewritten", "deleted")


def findings_measured(metrics: Metrics | None, observer: Observer | None) -> Observer | None:
    """Return an observer that measures what it hears, too, where metrics are collected."""
    if metrics is None:
        return observer

    def heard(report: VerificationReport) -> None:
        for name in _FOUND:
            metrics.note("dualtable.verifier.found", getattr(report, name), finding=name)
        metrics.note("dualtable.verifier.share_done", report.share_done)
        if observer is not None:
            observer(report)

    return heard
