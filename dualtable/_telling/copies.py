"""What is said of a copy that has ended, and of its dead letters.

The rule: pure; it ends with what to do next. A machine gets the report's fields.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs

from dualtable._control.letters import DeadLetter
from dualtable._copy.report import MigrationReport, RetryReport
from dualtable._telling.words import aligned, count, duration, key_text, rows_if
from dualtable._transforms.migration import Migration
from dualtable._wire import codec


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
        then = "run again." if request.dry_run else f"then: dualtable retry {request.reference}"
        lines.append(
            f"Next: read keys and reasons {_where(report, request)}, mend the transform, and {then}"
        )
    if not report.complete:
        lines.append(f"Next: {_how_to_resume(request)}")
    elif not report.dead_letters and request.dry_run:
        lines.append("Nothing was written. Next: the same command without --dry-run.")
    elif not report.dead_letters:
        lines.append(f"Next: dualtable verify {request.reference}")
    return lines


def _where(report: MigrationReport, request: MigrateRequest) -> str:
    """Say where dead letters are to be read: a file has none of other runs and other machines."""
    all_here = report.failed == report.dead_letters and request.dead_letters != os.devnull
    if request.dry_run or all_here:
        return f"in {request.dead_letters}"
    return f"by dualtable retry {request.reference} --list"


def _how_to_resume(request: MigrateRequest) -> str:
    if request.dry_run:
        return "run the same command again; a dry run begins anew."
    without = " without --restart" if request.restart else ""
    return f"run the same command again{without} to resume; nothing settled is copied twice."


def letters_text(letters: Sequence[DeadLetter], migration: Migration) -> list[str]:
    headline = f"{migration.name}: {count(len(letters))} dead letters are open."
    return [headline, *map(_letter_text, letters)]


def _letter_text(letter: DeadLetter) -> str:
    where = f" (at {letter.where})" if letter.where and letter.where not in letter.reason else ""
    return f"  {key_text(codec.decode(letter.key))}: {letter.error}: {letter.reason}{where}"


def retry_text(report: RetryReport, migration: Migration, reference: str) -> list[str]:
    rows = [
        ("tried again", report.tried),
        ("written", report.written),
        ("already in the new table", report.already_present),
        ("left out by the transform", report.dropped),
        *rows_if(bool(report.gone), "gone from the old table", report.gone),
        ("failed again", report.failed),
        *rows_if(bool(report.not_open), "given, and no dead letters", report.not_open),
        ("dead letters left", report.dead_letters),
        ("read units", report.read_units),
        ("write units", report.write_units),
    ]
    ended = "done in" if report.complete else "stopped before the end after"
    return [
        f"{migration.name}: dead letters tried again, {ended} {duration(report.seconds)}.",
        *aligned(rows),
        *map(_letter_text, report.examples),
        *_after_retry(report, reference),
    ]


def _after_retry(report: RetryReport, reference: str) -> list[str]:
    lines = []
    if report.transform_changed:
        lines.append(
            "The transform was changed in mid-run: what the one before has copied is to be verified"
            " under the new one, and production must go by the new one, too."
        )
    if not report.complete:
        lines.append("Next: run the same command again to go on.")
    elif report.dead_letters:
        lines.append(f"Next: mend the transform, then again: dualtable retry {reference}")
    else:
        lines.append(f"Next: dualtable verify {reference}")
    return lines
