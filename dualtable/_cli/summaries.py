"""What the command line says of a report, to people and to machines.

The rule: pure; keys at most and never another value of an item; a text ends with what to do next
where there is something to do. A machine gets the report's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from dualtable._cli.gates import gate_data, gate_text, what_next
from dualtable._cli.progress import count, duration, percent
from dualtable._control.control_table import Limits
from dualtable._control.phases import Phase, Requirement
from dualtable._copy.report import MigrationProgress, MigrationReport
from dualtable._operations.creation import CreationReport
from dualtable._operations.gates import repository_text
from dualtable._operations.status import MigrationStatus
from dualtable._proof.findings import Example, VerificationReport
from dualtable._proof.sampling import SampleReport
from dualtable._transforms.migration import Migration
from dualtable._wire import codec
from dualtable._wire.types import Key

Data = dict[str, Any]
Lines = list[str]


def creation_data(report: CreationReport) -> Data:
    return {**attrs.asdict(report), "ok": report.ok}


def migration_data(report: MigrationReport) -> Data:
    return {**attrs.asdict(report), "ok": report.ok}


def verification_data(report: VerificationReport) -> Data:
    """Return the fields; keys in wire form, as in the dead letters, so that no type is lost."""
    examples = [attrs.asdict(e) | {"key": codec.encode(e.key)} for e in report.examples]
    return {**attrs.asdict(report), "examples": examples, "ok": report.ok}


def status_data(status: MigrationStatus) -> Data:
    return {
        **attrs.asdict(status, recurse=False),
        "gate": None if status.gate is None else gate_data(status.gate),
        "verification": None if status.verification is None else attrs.asdict(status.verification),
        "complete": status.complete,
        "ok": status.ok,
        "share_done": share_done(status),
    }


def share_done(status: MigrationStatus) -> float | None:
    """Return the share of all runs; None before the first one."""
    if not status.total_segments:
        return None
    return MigrationProgress(
        report=MigrationReport(),
        scanned=status.scanned,
        estimated_items=status.estimated_items,
        segments_done=status.segments_done,
        total_segments=status.total_segments,
    ).share_done


def creation_text(report: CreationReport, migration: Migration, reference: str) -> Lines:
    lines = [_creation_headline(report)]
    lines += [f"  {difference}" for difference in report.differences]
    if report.left_out:
        lines.append(
            f"Of the indexes of {migration.old} it does not have {', '.join(report.left_out)}: the"
            " migration's indexes=… replaces them all."
        )
    if report.ttl_attribute:
        lines.append(
            f"TTL is on in {migration.old} ({report.ttl_attribute}); it stays off in {report.table}"
            " until the cut-over, or what expires there would come back from the old table."
        )
    if not report.ttl_known:
        lines.append(
            f"Whether TTL is on in {migration.old} is unknown: the role may not ask"
            " (dynamodb:DescribeTimeToLive). Allow it and run this again, or look yourself: the"
            " cut-over can only switch on what it knows of."
        )
    if report.tags_left_out:
        lines.append(
            f"AWS sets its own tags, so {report.table} does not have"
            f" {', '.join(report.tags_left_out)}."
        )
    if not report.tags_known:
        lines.append(
            f"The tags of {migration.old} are unknown: the role may not ask"
            f" (dynamodb:ListTagsOfResource), so {report.table} has none of them."
        )
    if report.queries_wait:
        lines.append(
            f"Can production do without query() until the cut-over? {report.queries_wait}."
        )
    if report.ok:
        lines.append(
            f"Next: let production use DualTableRepository, then: dualtable migrate {reference}"
        )
    else:
        lines.append("Next: change it, or delete it if nothing uses it and create it again.")
    return lines


def _creation_headline(report: CreationReport) -> str:
    if report.created:
        return f"{report.table}: created."
    if report.ok:
        return f"{report.table}: exists, and is as it should be."
    return f"{report.table}: exists and stays as it is, but differs from what it should be:"


@attrs.frozen(kw_only=True)
class MigrateRequest:
    """What of a ``migrate`` command its summary depends on."""

    reference: str
    dead_letters: str
    dry_run: bool = False
    restart: bool = False


def migration_text(report: MigrationReport, migration: Migration, request: MigrateRequest) -> Lines:
    headline = f"{migration.name}: {migration.old} -> {migration.new}, {_outcome(report, request)}."
    rows = [
        ("items read", report.scanned),
        ("would be written" if request.dry_run else "written", report.written),
        ("already in the new table", report.already_present),
        ("left out by the transform", report.dropped),
        ("dead letters", report.failed),
        *_rows_if(
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


def verification_text(report: VerificationReport, migration: Migration, reference: str) -> Lines:
    verdict = "verified" if report.ok else "NOT verified"
    if not report.complete:
        verdict = f"stopped at {percent(report.share_done)}, NOT verified"
    rows = [
        ("checked", report.checked),
        ("missing", report.missing),
        *_rows_if(report.level == "content", "different", report.different),
        *_rows_if(bool(report.changed_old), "CHANGED IN THE OLD TABLE", report.changed_old),
        ("rewritten by production", report.rewritten),
        ("deleted by production", report.deleted),
        *_rows_if(bool(report.dropped), "left out by the transform", report.dropped),
        *_rows_if(report.level == "content", "extra", report.extra),
        *_rows_if(bool(report.repaired), "repaired", report.repaired),
    ]
    return [
        f"{migration.name}: {migration.old} -> {migration.new}, {report.level} {verdict}"
        f" in {duration(report.seconds)}, for {count(report.read_units)} read units.",
        *aligned(rows),
        *map(_example_text, report.examples),
        *_after_verification(report, reference),
    ]


def sample_data(report: SampleReport) -> Data:
    examples = [attrs.asdict(e) | {"key": codec.encode(e.key)} for e in report.examples]
    bound = {"share_at_most": report.share_at_most, "ok": report.ok}
    return {**attrs.asdict(report), "examples": examples, **bound}


def sample_text(report: SampleReport, migration: Migration, reference: str) -> Lines:
    rows = [
        ("old items drawn", report.sampled),
        ("checked", report.checked),
        ("missing", report.missing),
        *_rows_if(report.level == "content", "different", report.different),
    ]
    return [
        f"{migration.name}: {migration.old} -> {migration.new}, a sample of {report.level}, for"
        f" {count(report.read_units)} read units.",
        *aligned(rows),
        *map(_example_text, report.examples),
        f"With {report.confidence:.0%} confidence fewer than {count(report.per_100_000)} in 100,000"
        " are missing or different.",
        f"It is no proof. Next: dualtable verify {reference}",
    ]


def mending_text(key: Key, paths: Sequence[str]) -> str:
    if not paths:
        return f"{key_text(key)}: as it should be, nothing was written."
    return f"{key_text(key)}: copied again, as it was otherwise at {', '.join(paths)}."


def _after_verification(report: VerificationReport, reference: str) -> list[str]:
    lines = []
    if not report.complete:
        lines.append("Next: run the same command again to resume.")
    if report.changed_old:
        lines.append(
            "The old table has been written to since it was copied, which it must not be: find out"
            " by whom before anything else, and see to it that nobody can."
        )
    if report.missing:
        lines.append(
            f"Next: if dualtable status {reference} says that the copy is not complete, migrate"
            " first; else look into the dead letters, or copy what is missing with"
            f" dualtable verify {reference} --repair."
        )
    if report.different or report.extra:
        lines.append(
            "Next: find out what wrote these: another version of the transform, or a writer that"
            " goes past DualTableRepository."
        )
    return lines


def _example_text(example: Example) -> str:
    paths = f"at {', '.join(example.paths)}" if example.paths else ""
    texts = (example.kind, key_text(example.key), paths, example.reason)
    return "  " + ": ".join(filter(None, texts))


def key_text(key: Key) -> str:
    """Return a key in words."""
    return ", ".join(
        f"{name}={value!r}" if isinstance(value, str | bytes) else f"{name}={value}"
        for name, value in key.items()
    )


def _rates(status: MigrationStatus) -> list[str]:
    limits = Limits(status.max_read_units, status.max_write_units)
    return [] if limits == Limits() else [limits_text(limits, status.name)]


def limits_text(limits: Limits, name: str) -> str:
    return (
        f"{name}: all migrators together may use {_ceiling(limits.max_read_units)} read units"
        f" and {_ceiling(limits.max_write_units)} write units a second."
    )


def _ceiling(units: float | None) -> str:
    if units is None:
        return "any number of"
    return f"{units:,g}"


def status_text(status: MigrationStatus, reference: str) -> Lines:
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
    share = f"{percent(share_done(status))} done"
    return share if status.ok or not status.complete else f"{share}, and NOT well"


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
    if status.complete and status.dead_letters:
        return [
            f"{count(status.dead_letters)} old items could not be copied. Next: read keys and"
            " reasons in the dead letters, mend the transform, and run dualtable migrate"
            f" {reference} --restart; what has been copied stays."
        ]
    if status.complete and not (status.gate.lacks(Requirement.VERIFIED)):
        return [f"The copy is complete and verified. Next: dualtable advance {reference}"]
    if status.complete:
        return [f"The copy is complete. Next: dualtable verify {reference}"]
    if status.workers:
        return []
    return [f"Nobody is at work. Next: dualtable migrate {reference}"]


def aligned(rows: Iterable[tuple[str, float]]) -> Lines:
    """Return labels and numbers in two columns, a line each."""
    texts = [(label, count(number)) for label, number in rows]
    labels = max(len(label) for label, _ in texts)
    numbers = max(len(number) for _, number in texts)
    return [f"  {label:<{labels}}  {number:>{numbers}}" for label, number in texts]


def _rows_if(wanted: bool, label: str, number: float) -> list[tuple[str, float]]:
    return [(label, number)] if wanted else []
