"""The part of the page about the cleanup: what it took away, and what that cost.

The rule: each process tells what it has done itself; whether anything is left, the last one says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualtable._events.reading import ToldRun
from dualtable._planning.prices import Prices
from dualtable._report.page import Section, Table
from dualtable._report.totals import Totals
from dualtable._telling.words import count, duration


def cleanup(sweeps: Sequence[ToldRun], totals: Totals, prices: Prices) -> Iterator[Section]:
    """Yield the section, where a cleanup has told anything."""
    if not sweeps:
        return
    done = totals.done
    rows = [
        ("items of the new table looked at", count(done.counts.get("scanned", 0.0))),
        ("tombstones deleted", count(done.counts.get("tombstones", 0.0))),
        ("write tokens removed", count(done.counts.get("tokens", 0.0))),
        ("left alone, as somebody wrote meanwhile", count(done.counts.get("overtaken", 0.0))),
        ("time at work", duration(totals.seconds)),
        ("read units", count(done.new_read_units)),
        ("write units", count(done.write_units)),
        ("throttled", count(sum(done.throttles.values()))),
        (f"cost, {prices.currency}", f"{totals.dollars:,.2f}"),
    ]
    yield Section(
        title="Cleanup",
        sentences=[_outcome(sweeps)],
        tables=[Table(heads=("", "in all"), rows=rows)],
    )


def _outcome(sweeps: Sequence[ToldRun]) -> str:
    reports = [run.end.get("report", {}) for run in sweeps]
    if any(report.get("ok") for report in reports):
        return "Nothing is left to be swept."
    if any(report.get("complete") for report in reports):
        return (
            "All was swept, but a tombstone may have come since: run it once more, as not everybody"
            " went by FINISHED yet."
        )
    return "It is not complete; the same command goes on where it was."
