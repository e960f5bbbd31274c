"""What a run says of itself at one moment, made alike for all kinds of runs.

The rule: pure; what a run cannot say is None, and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from dualtable._copy.report import MigrationProgress
from dualtable._events.told import ON_REQUEST
from dualtable._operations.sweep import CleanupProgress
from dualtable._proof.findings import VerificationProgress


@attrs.frozen(kw_only=True)
class Reading:
    """What a run says of itself at one moment.

    `items` are those of all runs; `own_items` and the units those of this one. `may_read` and
    `may_write` are units a second that this one may use; `state` is how it is in a word.
    """

    items: int
    own_items: int
    share: float | None = None
    read_units: float | None = None
    write_units: float | None = None
    may_read: float | None = None
    may_write: float | None = None
    counts: Mapping[str, int] = attrs.field(factory=dict)
    state: str = ""
    stands_still: bool = False
    segments: bytes = b""


def of_migration(progress: MigrationProgress, reference: str = "") -> Reading:
    """Return what a migrator says; `reference` is how the commands name its migration."""
    report = progress.report
    state, still = _state(progress, reference)
    return Reading(
        items=progress.scanned,
        own_items=report.scanned,
        share=progress.share_done,
        read_units=progress.used_read_units or report.read_units,
        write_units=progress.used_write_units or report.write_units,
        may_read=progress.may_read_units,
        may_write=progress.may_write_units,
        counts={
            "pages": report.pages,
            "empty pages": report.empty_pages,
            "dead letters": report.failed,
            "migrators": progress.migrators,
            **_in_hand(progress.segments.count(MINE)),
            **_throttles(progress),
        },
        state=state,
        stands_still=still,
        segments=progress.segments,
    )


def _in_hand(segments: int) -> dict[str, int]:
    return {"segments in hand": segments} if segments else {}


UNTOUCHED, BEGUN, OTHERS, MINE, DONE = range(5)
"""What a byte of `MigrationProgress.segments` says."""


def _throttles(progress: MigrationProgress) -> dict[str, int]:
    """Return what was sent again, throttles by their reason."""
    report = progress.report
    if not progress.throttles:
        return {"retries": report.retries, "throttled": report.throttled}
    others = report.retries - report.throttled
    named = {f"throttled by {_short(why)}": n for why, n in progress.throttles.items()}
    return {"other retries": others, **named} if others else named


def _short(reason: str) -> str:
    """Return a reason of DynamoDB's as it is read, such as ``table write key range``."""
    short = reason.removesuffix("ThroughputExceeded").removesuffix("Exceeded")
    if " " in short or not short.isalpha():
        return short
    return "".join(f" {c.lower()}" if c.isupper() else c for c in short).strip()


def _state(progress: MigrationProgress, reference: str) -> tuple[str, bool]:
    """Return how a migrator is in a word, and whether it stands still."""
    if progress.segments_done == progress.total_segments:
        return "", False
    if progress.waiting_for and not progress.paused_by:
        return _waiting(progress), True
    return _goes(progress.paused_by, progress.held_back_by, reference)


def _goes(paused_by: str, held_back_by: str, reference: str) -> tuple[str, bool]:
    """Return the same of any run that shares the ceilings."""
    if paused_by:
        return _paused(paused_by, reference), True
    return f"held back by: {held_back_by}" if held_back_by else "", False


def _paused(by: str, reference: str) -> str:
    if by == ON_REQUEST and reference:
        return f"PAUSED by rate, resume with dualtable resume {reference}"
    return f"PAUSED by {by}"


def _waiting(progress: MigrationProgress) -> str:
    whom = ", ".join(name.rpartition(":")[0] or name for name in progress.waiting_for)
    have = "has" if len(progress.waiting_for) == 1 else "have"
    if progress.waiting_seconds is None:
        return f"waiting for {whom}, which {have} the rest in hand"
    seconds = f"{progress.waiting_seconds:.0f} s"
    return f"waiting {seconds} for leases of {whom}, which {have} gone silent"


def of_verification(report: VerificationProgress, reference: str = "") -> Reading:
    """Return what a verifier says; `reference` is how the commands name its migration."""
    state, still = _goes(report.paused_by, report.held_back_by, reference)
    return Reading(
        items=report.checked,
        own_items=report.checked,
        share=report.share_done,
        read_units=report.used_read_units or report.read_units,
        may_read=report.may_read_units,
        counts={
            "missing": report.missing,
            "different": report.different,
            "changed in old": report.changed_old,
            "extra": report.extra,
        },
        state=state,
        stands_still=still,
    )


def of_cleanup(report: CleanupProgress, reference: str = "") -> Reading:
    """Return what a cleanup says; `reference` is how the commands name its migration."""
    state, still = _goes(report.paused_by, report.held_back_by, reference)
    tokens = {"write tokens": report.tokens} if report.tokens_wanted else {}
    return Reading(
        items=report.scanned,
        own_items=report.scanned,
        share=report.share_done,
        read_units=report.read_units,
        write_units=report.write_units,
        may_read=report.may_read_units,
        may_write=report.may_write_units,
        counts={"tombstones": report.tombstones, **tokens, "overtaken": report.overtaken},
        state=state,
        stands_still=still,
    )
