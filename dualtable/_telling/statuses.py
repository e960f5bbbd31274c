"""What is said of how a migration stands.

The rule: pure; what is so comes first, who is at work next, and what is to be done last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dualtable._clock import in_words
from dualtable._control.control_table import Limits
from dualtable._control.phases import Phase
from dualtable._operations.gates import repository_text
from dualtable._standing.status import MigrationStatus, MigratorStatus
from dualtable._telling.gates import gate_text
from dualtable._telling.limits import limits_text
from dualtable._telling.words import aligned, count, duration, percent
from dualtable._transforms.migration import Migration, known_fingerprint


def status_text(status: MigrationStatus, migration: Migration, steps: tuple[str, ...]) -> list[str]:
    """Return how a migration stands in lines, and the steps that come next."""
    return [
        f"{status.name}: {migration.old} -> {migration.new}, {status.phase}{_since(status)},"
        f" {_how_far(status)}.",
        *aligned(_rows(status)),
        *_at_work(status),
        *_verifying(status),
        *(f"  repository {_repository(each, migration)}" for each in status.repositories),
        *_verification(status),
        *_rates(status),
        *_gate(status),
        *next_text(steps),
    ]


def next_text(steps: tuple[str, ...]) -> list[str]:
    """Return the steps that come next, a line each."""
    return [f"{'Then' if n else 'Next'}: {step}" for n, step in enumerate(steps)]


def _since(status: MigrationStatus) -> str:
    if status.phase is Phase.MIGRATING or status.phase_seconds is None:
        return ""
    return f" for {duration(status.phase_seconds)}"


def _how_far(status: MigrationStatus) -> str:
    paused = "PAUSED, " if status.paused and not status.scan_done else ""
    if not status.total_segments:
        return f"{paused}not begun: no migrator has run yet"
    share = f"{paused}{percent(status.share_done)} done"
    if status.scan_done:
        return share if status.ok else f"{share}, and NOT well"
    return f"{share}, {_pace(status)}"


def _pace(status: MigrationStatus) -> str:
    if not status.workers:
        return "nobody is at work"
    if status.paused:
        return "all stand still"
    left = "" if status.seconds_left is None else f", {duration(status.seconds_left)} left"
    return f"{count(status.items_per_second)} items/s{left}"


def _rows(status: MigrationStatus) -> list[tuple[str, float]]:
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
    ]


def _at_work(status: MigrationStatus) -> Iterator[str]:
    yield from _processes("migrator", status.migrators)


def _processes(kind: str, found: Iterable[MigratorStatus]) -> Iterator[str]:
    for each in sorted(found, key=lambda each: (not each.alive, each.name)):
        yield f"  {kind} {process_text(each.name)}{_silent(each)}: {_doing(each)}"


def _verifying(status: MigrationStatus) -> Iterator[str]:
    """Yield how a verification stands that has not ended, and who is at work on it."""
    if not status.verifiers:
        return
    number = sum(each.alive for each in status.verifiers)
    by = f"{number} process{'' if number == 1 else 'es'} at work"
    how = by if number else "nobody is at work"
    still = "PAUSED, " if status.paused else ""
    yield f"  verification under way: {still}{percent(status.verified_share)} done, {how}"
    yield from _processes("verifier", status.verifiers)


def process_text(name: str) -> str:
    """Return where a migrator runs, as its name says it."""
    host, _, rest = name.partition(":")
    return f"on {host}, process {rest.partition(':')[0]}" if rest else name


def _silent(migrator: MigratorStatus) -> str:
    return "" if migrator.alive else f" has been SILENT for {duration(migrator.silent_seconds)}"


def _doing(migrator: MigratorStatus) -> str:
    held = f"{count(migrator.segments)} segments"
    if not migrator.alive:
        free = migrator.leases_seconds
        return held if free is None else f"{held} come free in {free:.0f} s"
    if migrator.paused_by:
        return f"{held}, PAUSED: {migrator.paused_by}"
    if migrator.items_per_second is None:
        return f"{held}, {in_words(migrator.silent_seconds)} ago"
    figures = [
        held,
        f"{count(migrator.items_per_second)} items/s",
        f"{count(migrator.read_units_per_second)} read and"
        f" {count(migrator.write_units_per_second)} write units/s",
        f"{count(migrator.throttled_per_second)} throttled/s",
        f"held back by {migrator.held_back_by}",
        f"{in_words(migrator.silent_seconds)} ago",
    ]
    return ", ".join(figures)


def _repository(repository: Mapping[str, Any], migration: Migration) -> str:
    present = known_fingerprint(migration)
    other = bool(present) and repository["fingerprint"] not in ("", present)
    return repository_text(repository) + ", by ANOTHER TRANSFORM" * other


def _verification(status: MigrationStatus) -> list[str]:
    found = status.verification
    if found is None:
        return []
    verdict = "well" if found.ok else f"NOT well: {found.faults}"
    of = "" if status.verification_counts else ", not of the whole of this copy"
    about = f"{found.level}, {found.when}{of}"
    return [f"  last verification ({about}): {count(found.checked)} checked, {verdict}"]


def _gate(status: MigrationStatus) -> list[str]:
    if status.gate is None or status.gate.next_phase is None:
        return []
    verdict = "open" if status.gate.open else "closed"
    conditions = gate_text(status.gate, status.name)[1:]
    return [f"The gate to {status.gate.next_phase} is {verdict}:", *conditions]


def _rates(status: MigrationStatus) -> list[str]:
    limits = Limits(status.max_read_units, status.max_write_units)
    return [] if limits == Limits() else [limits_text(limits, status.name)]
