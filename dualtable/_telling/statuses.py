"""What is said of how a migration stands.

The rule: pure; it ends with what to do next. A machine gets the status' fields.
"""

from __future__ import annotations

from dualtable._control.control_table import Limits
from dualtable._control.phases import Phase, Requirement
from dualtable._operations.gates import repository_text
from dualtable._standing.status import MigrationStatus
from dualtable._telling.gates import gate_text, what_next
from dualtable._telling.limits import limits_text
from dualtable._telling.words import aligned, count, duration, percent


def _rates(status: MigrationStatus) -> list[str]:
    limits = Limits(status.max_read_units, status.max_write_units)
    return [] if limits == Limits() else [limits_text(limits, status.name)]


def status_text(status: MigrationStatus, reference: str) -> list[str]:
    return [
        f"{status.name}: {status.phase}{_since(status)}, {_how_far(status)}.",
        *aligned(_status_rows(status)),
        *(f"  {worker}" for worker in status.workers),
        *(f"  repository {repository_text(each)}" for each in status.repositories),
        *_rates(status),
        *([] if status.gate is None else gate_text(status.gate, status.name)[1:]),
        *_after_status(status, reference),
    ]


def _since(status: MigrationStatus) -> str:
    if status.phase is Phase.MIGRATING or status.phase_seconds is None:
        return ""
    return f" for {duration(status.phase_seconds)}"


def _status_rows(status: MigrationStatus) -> list[tuple[str, float]]:
    if not status.total_segments:
        return [("items in the old table, about", status.estimated_items)]
    return [
        ("segments", status.total_segments),
        ("segments done", status.segments_done),
        ("segments held", status.segments_held),
        ("items read", status.scanned),
        ("written", status.written),
        ("already in the new table", status.already_present),
        ("left out by the transform", status.dropped),
        ("dead letters", status.dead_letters),
        ("items in the old table, about", status.estimated_items),
        ("workers", len(status.workers)),
    ]


def _how_far(status: MigrationStatus) -> str:
    if not status.total_segments:
        return "not begun: no migrator has run yet"
    share = f"{percent(status.share_done)} done"
    return share if status.ok or not status.scan_done else f"{share}, and NOT well"


def _after_status(status: MigrationStatus, reference: str) -> list[str]:
    if status.gate is None:
        return [f"Next: dualtable create {reference}"]
    if status.phase is not Phase.MIGRATING:
        return [f"Next: {what_next(status.phase, reference)}"]
    if not status.total_segments:
        return [f"Next: dualtable migrate {reference}"]
    if status.made_anew:
        return [
            f"{' and '.join(status.made_anew)} has been made anew since the copy began, so it"
            f" counts no more. Next: dualtable migrate {reference} --restart"
        ]
    if status.scan_done and status.dead_letters:
        return [
            f"{count(status.dead_letters)} old items could not be copied. Next: read keys and"
            f" reasons by dualtable retry {reference} --list, mend the transform, then: dualtable"
            f" retry {reference}"
        ]
    if status.complete and not (status.gate.lacks(Requirement.VERIFIED)):
        return [f"The copy is complete and verified. Next: dualtable advance {reference}"]
    if status.complete:
        return [f"The copy is complete. Next: dualtable verify {reference}"]
    if status.workers:
        return []
    return [f"Nobody is at work. Next: dualtable migrate {reference}"]
