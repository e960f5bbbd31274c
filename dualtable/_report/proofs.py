"""The part of the page about the verification: what it found, how it went on, what it cost.

The rule: what was found is what the control table says, since a verification is shared; how it went
on, each process has told of itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dualtable._planning.prices import Prices
from dualtable._report.charts import Line
from dualtable._report.findings import shares, spans
from dualtable._report.page import Html, Section, Table, charts, legend, strip
from dualtable._report.sections import drawings, latencies, rates
from dualtable._report.slots import Slot
from dualtable._report.totals import Totals
from dualtable._standing.status import MigrationStatus
from dualtable._telling.words import count, duration


def verification(
    status: MigrationStatus | None, found: Sequence[Slot], totals: Totals, prices: Prices
) -> Iterator[Section]:
    """Yield the sections; without slots, no verification has told anything here."""
    came = [_came_to(totals, prices)] if found else []
    yield Section(
        title="Verification", sentences=[_result(status)], tables=[_findings(status), *came]
    )
    if found:
        yield Section(
            title="What held the verification back",
            shown=[strip(spans(found))],
            tables=[legend(shares(found))],
        )
        yield Section(title="The verification over time", shown=[_over_time(found)])


def _result(status: MigrationStatus | None) -> str:
    if status is None:
        return "What was found was not looked up (--offline)."
    if status.verification is None:
        return "None has ended yet."
    last = status.verification
    return f"The last one, of level {last.level}, ended {last.when} and {last.verdict}."


def _findings(status: MigrationStatus | None) -> Table:
    last = None if status is None else status.verification
    if last is None:
        return Table(rows=[])
    names = ("checked", "missing", "different", "extra")
    changed = [("CHANGED IN THE OLD TABLE", count(last.changed_old))] if last.changed_old else []
    return Table(rows=[*changed, *((n, count(getattr(last, n))) for n in names)])


def _came_to(totals: Totals, prices: Prices) -> Table:
    done = totals.done
    rows = [
        ("items of both tables looked at", count(done.counts.get("scanned", 0.0))),
        ("time at work", duration(totals.seconds)),
        ("read units, old table", count(done.old_read_units)),
        ("read units, new table", count(done.new_read_units)),
        ("throttled", count(sum(done.throttles.values()))),
        *([("processor time", duration(done.cpu_seconds))] if done.cpu_seconds else []),
        (f"cost, {prices.currency}", f"{totals.dollars:,.2f}"),
    ]
    return Table(heads=("", "in all"), rows=rows)


def _over_time(found: Sequence[Slot]) -> Html:
    drawn: list[tuple[str, Mapping[str, Line]]] = [
        ("Items looked at a second", {"items": rates(found, lambda i: i.found)}),
        ("Read units a second", {
            "old table": rates(found, lambda i: i.old_read_units),
            "new table": rates(found, lambda i: i.new_read_units),
        }),
        ("Segments done, of both tables", {
            "segments": [float(slot.total.segments_done) if slot.total else None for slot in found]
        }),
        ("Latency of looking up items, ms", latencies(found, "new batch_get")),
    ]  # fmt: skip
    return charts(drawings("proof", found, drawn))
