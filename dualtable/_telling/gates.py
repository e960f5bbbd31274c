"""What the command line says of gates, to people and to machines.

The rule: pure; a gate is told with every condition, so that nobody has to ask why.
"""

from __future__ import annotations

from dualtable._control.phases import Phase
from dualtable._operations.freezing import FreezeReport
from dualtable._operations.gates import Gate, Standing
from dualtable._operations.sweep import CleanupReport
from dualtable._standing.nexts import next_in, taking_out
from dualtable._telling.words import count
from dualtable._transforms.migration import Migration

_MARKS = {Standing.MET: "yes", Standing.UNMET: "NO", Standing.UNKNOWN: "?"}


def gate_text(gate: Gate, name: str) -> list[str]:
    """Return a gate in lines: where the migration is, and each condition of the next phase."""
    if gate.next_phase is None:
        return [f"{name}: {gate.phase}; no phase comes after this one."]
    verdict = "open" if gate.open else "closed"
    return [
        f"{name}: {gate.phase}; the gate to {gate.next_phase} is {verdict}.",
        *(
            f"  {_MARKS[each.state]:<3}  {each.requirement.value}: {each.words}"
            for each in gate.conditions
        ),
    ]


def freeze_text(report: FreezeReport) -> list[str]:
    """Return whom the old table's policy denies to write."""
    whom = ["everybody"] if report.frozen else list(report.roles)
    state = f"denies {', '.join(whom)} to write" if whom else "holds no denial of ours"
    when = "as of now" if report.changed else "as before"
    return [f"{report.table}: its policy {state}, {when}."]


def cleanup_text(report: CleanupReport, migration: Migration, reference: str) -> list[str]:
    """Return what a cleanup has swept, and how to take the library out."""
    lines = [
        f"{migration.new}: {count(report.tombstones)} tombstones deleted,"
        f" {count(report.tokens)} write tokens removed; {count(report.scanned)} items looked at."
    ]
    if report.overtaken:
        lines.append(f"{count(report.overtaken)} were written anew meanwhile and stay.")
    again = f"dualtable cleanup {reference}{' --tokens' * report.tokens_wanted}"
    if not report.complete:
        return [*lines, f"It is not done. Next: {again}"]
    if not report.settled:
        return [
            *lines,
            "A repository that goes by MIGRATED may have left further tombstones. Once FINISHED has"
            f" settled and every repository has acknowledged it: {again}",
        ]
    numbered = enumerate(taking_out(migration, reference), 1)
    return [*lines, "To take the library out:", *(f"  {n}. {step}" for n, step in numbered)]


def entered_text(phase: Phase, name: str, reference: str) -> list[str]:
    """Return what a phase asks of an operator, once it has been entered."""
    return [f"{name}: {phase}.", f"Next: {next_in(phase, reference)}"]
