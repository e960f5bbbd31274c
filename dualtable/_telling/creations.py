"""What is said of a table that has been made.

The rule: pure; it ends with what to do next. A machine gets the report's fields.
"""

from __future__ import annotations

from dualtable._control.phases import Phase
from dualtable._operations.creation import CreationReport
from dualtable._standing.nexts import next_in
from dualtable._transforms.migration import Migration


def creation_text(report: CreationReport, migration: Migration, reference: str) -> list[str]:
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
        lines.append(f"Next: {_next(migration, reference)}")
    else:
        lines.append("Next: change it, or delete it if nothing uses it and create it again.")
    return lines


def _next(migration: Migration, reference: str) -> str:
    if migration.rolling:
        return next_in(Phase.ROLLING_OUT, reference)
    return f"let production use DualTableRepository, then: dualtable migrate {reference}"


def _creation_headline(report: CreationReport) -> str:
    if report.created:
        return f"{report.table}: created."
    if report.ok:
        return f"{report.table}: exists, and is as it should be."
    return f"{report.table}: exists and stays as it is, but differs from what it should be:"
