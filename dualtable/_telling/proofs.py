"""What is said of a verification, of a sample, and of an item that was mended.

The rule: pure; keys at most and never another value of an item; it ends with what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualtable._proof.findings import Example, Kind, VerificationReport
from dualtable._proof.sampling import SampleReport
from dualtable._telling.words import aligned, count, duration, key_text, percent, rows_if
from dualtable._transforms.migration import Migration
from dualtable._wire.types import Key


def verification_text(
    report: VerificationReport, migration: Migration, reference: str
) -> list[str]:
    verdict = "verified" if report.ok else "NOT verified"
    if not report.complete:
        verdict = f"stopped at {percent(report.share_done)}, NOT verified"
    rows = [
        ("checked", report.checked),
        ("missing", report.missing),
        *rows_if(report.level == "content", "different", report.different),
        *rows_if(bool(report.changed_old), "CHANGED IN THE OLD TABLE", report.changed_old),
        ("rewritten by production", report.rewritten),
        ("deleted by production", report.deleted),
        *rows_if(bool(report.dropped), "left out by the transform", report.dropped),
        *rows_if(report.level == "content", "extra", report.extra),
        *rows_if(bool(report.repaired), "repaired", report.repaired),
    ]
    return [
        f"{migration.name}: {migration.old} -> {migration.new}, {report.level} {verdict}"
        f" in {duration(report.seconds)}, for {count(report.read_units)} read units.",
        *aligned(rows),
        *map(_example_text, report.examples),
        *_after_verification(report, reference),
    ]


def sample_text(report: SampleReport, migration: Migration, reference: str) -> list[str]:
    rows = [
        ("old items drawn", report.sampled),
        ("checked", report.checked),
        ("missing", report.missing),
        *rows_if(report.level == "content", "different", report.different),
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
            " by whom before anything else, and see to it that nobody can. Then dualtable migrate"
            f" {reference} --restart takes it as it is by then, and overwrites nothing."
        )
    if report.missing:
        lines.append(
            f"Next: if dualtable status {reference} says that the copy is not complete, migrate"
            " first; else look into the dead letters, or copy what is missing with"
            f" dualtable verify {reference} --repair. After MIGRATING that is refused: put it by"
            " DualTableRepository.put(…, if_absent=True)."
        )
    if report.different or report.extra:
        lines.append(
            f"{'Then' if report.missing else 'Next'}: find out what wrote what is different or"
            " extra: another version of the transform, or a writer that goes past"
            f" DualTableRepository{', or to the old table' if report.changed_old else ''}."
        )
    if report.ok:
        lines.append(f"Next: dualtable advance {reference} --wait")
    return lines


def _example_text(example: Example) -> str:
    paths = f"at {', '.join(example.paths)}" if example.paths else ""
    kind = "changed in the old table" if example.kind == Kind.CHANGED_OLD else example.kind
    texts = (kind, key_text(example.key), paths, example.reason)
    return "  " + ": ".join(filter(None, texts))
