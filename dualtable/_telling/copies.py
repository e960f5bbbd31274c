"""What is said of a copy that has ended.

The rule: pure; it ends with what to do next. A machine gets the report's fields.
"""

from __future__ import annotations

import attrs

from dualtable._copy.report import MigrationReport
from dualtable._telling.words import aligned, duration, rows_if
from dualtable._transforms.migration import Migration


@attrs.frozen(kw_only=True)
class MigrateRequest:
    """What of a ``migrate`` command its summary depends on."""

    reference: str
    dead_letters: str
    dry_run: bool = False
    restart: bool = False


def migration_text(
    report: MigrationReport, migration: Migration, request: MigrateRequest
) -> list[str]:
    headline = f"{migration.name}: {migration.old} -> {migration.new}, {_outcome(report, request)}."
    rows = [
        ("items read", report.scanned),
        ("would be written" if request.dry_run else "written", report.written),
        ("already in the new table", report.already_present),
        ("left out by the transform", report.dropped),
        ("dead letters", report.failed),
        *rows_if(
            report.dead_letters != report.failed, "dead letters of all runs", report.dead_letters
        ),
        ("pages", report.pages),
        ("empty pages", report.empty_pages),
        ("retries", report.retries),
        ("of them throttled", report.throttled),
        ("read units", report.read_units),
        ("write units", report.write_units),
    ]
    return [headline, *aligned(rows), *_after_migration(report, request)]


def _outcome(report: MigrationReport, request: MigrateRequest) -> str:
    kind = "dry run, " if request.dry_run else ""
    if not report.complete:
        return f"{kind}stopped before the end after {duration(report.seconds)}"
    if not report.pages:
        return f"{kind}complete already"
    return f"{kind}complete in {duration(report.seconds)}"


def _after_migration(report: MigrationReport, request: MigrateRequest) -> list[str]:
    """Say what to do next."""
    lines = []
    if report.dead_letters:
        lines.append(
            f"Next: read keys and reasons in {request.dead_letters}, mend the transform, and run"
            " again" + ("." if request.dry_run else " with --restart; what has been copied stays.")
        )
    if not report.complete:
        lines.append(f"Next: {_how_to_resume(request)}")
    elif not report.dead_letters and request.dry_run:
        lines.append("Nothing was written. Next: the same command without --dry-run.")
    elif not report.dead_letters:
        lines.append(f"Next: dualtable verify {request.reference}")
    return lines


def _how_to_resume(request: MigrateRequest) -> str:
    if request.dry_run:
        return "run the same command again; a dry run begins anew."
    without = " without --restart" if request.restart else ""
    return f"run the same command again{without} to resume; nothing settled is copied twice."
