"""The part of the page about dry runs: what they read, and what a copy would have written.

The rule: a dry run has written nothing, so nothing of it counts as copied, written or paid for as a
write; what it read is told apart from what the copy did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from dualtable._events.reading import ToldRun
from dualtable._planning.prices import Prices
from dualtable._report.findings import shares, spans
from dualtable._report.page import Section, Table, legend, strip
from dualtable._report.slots import Slot, at_work
from dualtable._report.totals import Totals
from dualtable._telling.words import count, duration


def is_dry(run: ToldRun) -> bool:
    """Tell whether a run was to write nothing."""
    return bool(run.head.get("settings", {}).get("dry_run"))


def dry_runs(
    rehearsed: Sequence[ToldRun], found: Sequence[Slot], prices: Prices
) -> Iterator[Section]:
    """Yield the section, where a dry run has told anything."""
    if not rehearsed:
        return
    seconds = at_work(found)
    would = Totals.of(rehearsed, seconds, prices).done
    paid = Totals.of([_as_paid(run) for run in rehearsed], seconds, prices)
    number = "1 dry run" if len(rehearsed) == 1 else f"{len(rehearsed)} dry runs"
    rows = [
        ("items read", count(would.counts.get("scanned", 0.0))),
        ("would be written", count(would.counts.get("written", 0.0))),
        ("left out by the transform", count(would.counts.get("dropped", 0.0))),
        ("would be dead letters", count(would.counts.get("failed", 0.0))),
        ("write units that a copy would use", count(would.write_units)),
        ("time at work", duration(seconds)),
        ("read units, old table", count(would.old_read_units)),
        ("throttled", count(sum(would.throttles.values()))),
        (f"cost, {prices.currency}", f"{paid.dollars:,.2f}"),
    ]
    yield Section(
        title="Dry runs",
        sentences=[f"{number}. Nothing was written, so nothing of it counts as copied."],
        shown=[strip(spans(found))],
        tables=[Table(heads=("", "in all"), rows=rows), legend(shares(found))],
    )


def _as_paid(run: ToldRun) -> ToldRun:
    """Return a dry run with no write units, nor a new table that was paid for it."""
    tables = {role: t for role, t in run.head.get("tables", {}).items() if role != "new"}
    return attrs.evolve(
        run,
        head={**run.head, "tables": tables},
        intervals=tuple(attrs.evolve(each, write_units=0.0) for each in run.intervals),
    )
