"""The parts of the page, one function each: what is said, what is shown, what is listed.

The rule: pure; from what was read to sentences, charts and rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dualtable._events.interval import Interval
from dualtable._events.reading import ToldRun
from dualtable._planning.prices import Prices
from dualtable._report.charts import Line, chart
from dualtable._report.findings import named, sags, shares, spans
from dualtable._report.letters import Letters
from dualtable._report.page import Section, Table, charts, legend, strip, unbroken
from dualtable._report.slots import Slot
from dualtable._report.totals import Totals, against_plan
from dualtable._telling.words import count, duration

_MOST_SPANS = 60


def held_back(found: Sequence[Slot]) -> Section:
    every = spans(found)
    rows = [(f"{duration(s.start)} to {duration(s.end)}", *_span(s.slots)) for s in every]
    left_out = f"The first {_MOST_SPANS} of {len(every)} stretches." if rows[_MOST_SPANS:] else ""
    return Section(
        title="What held it back",
        sentences=[*sags(found), *filter(None, [left_out])],
        shown=[strip(every)],
        tables=[
            legend(shares(found)),
            Table(
                heads=("time", "held back by", "written, units a second", "items a second"),
                rows=rows[:_MOST_SPANS],
            ),
        ],
    )


def _span(some: Sequence[Slot]) -> tuple[str, str, str]:
    seconds = sum(slot.seconds for slot in some)
    totals = [slot.total for slot in some if slot.total is not None]
    if not totals or not seconds:
        return "nobody was at work", "", ""
    written = sum(each.write_units for each in totals) / seconds
    items = sum(each.found for each in totals) / seconds
    cause = some[0].cause
    return "" if cause is None else named(cause, some), count(written), count(items)


def over_time(found: Sequence[Slot]) -> Section:
    drawn: list[tuple[str, Mapping[str, Line]]] = [
        ("Writes on the new table, units a second", {
            "written": rates(found, lambda i: i.write_units),
            "may be written": [slot.write_rate if slot.total else None for slot in found],
        }),
        ("Reads on the old table, units a second", {
            "read": rates(found, lambda i: i.old_read_units),
            "may be read": [slot.read_rate if slot.total else None for slot in found],
        }),
        ("Items on a page of the scan", {"items": _each(found, lambda i: (i.found, i.pages))}),
        ("Items a second", {"items": rates(found, lambda i: i.found)}),
        ("Segments and processes at work", {
            "segments": [float(slot.held) if slot.total else None for slot in found],
            "processes": [float(slot.total.workers) if slot.total else None for slot in found],
        }),
        ("Segments done", {
            "segments": [float(slot.total.segments_done) if slot.total else None for slot in found]
        }),
        ("Latency of a page of the scan, ms", latencies(found, "old scan")),
        ("Latency of a batch of writes, ms", latencies(found, "new insert")),
    ]  # fmt: skip
    shown = drawings("chart", found, drawn)
    throttles = _throttles(found)
    if throttles:
        title = "Throttled requests and statements a second"
        shown.append((title, chart("throttles", found, throttles, unit=title, stacked=True)))
    calm = [] if throttles else ["Nothing was throttled."]
    return Section(title="Over time", sentences=calm, shown=[charts(shown)])


def drawings(
    name: str, found: Sequence[Slot], drawn: Iterable[tuple[str, Mapping[str, Line]]]
) -> list[tuple[str, str]]:
    """Return a chart, with its title, of whatever has a number at all."""
    return [
        (title, chart(f"{name}-{n}", found, lines, unit=title))
        for n, (title, lines) in enumerate(drawn)
        if any(value is not None for line in lines.values() for value in line)
    ]


def rates(found: Sequence[Slot], number: Callable[[Interval], float]) -> Line:
    return [slot.rate(number) for slot in found]


def _each(found: Sequence[Slot], pair: Callable[[Interval], tuple[float, float]]) -> Line:
    pairs = [pair(slot.total) if slot.total else (0.0, 0.0) for slot in found]
    return [of / by if by else None for of, by in pairs]


def latencies(found: Sequence[Slot], path: str) -> dict[str, Line]:
    def within(share: float) -> Line:
        known = [slot.latency(path, share) for slot in found]
        return [None if seconds is None else seconds * 1_000 for seconds in known]

    return {"half within": within(0.5), "99 of 100 within": within(0.99)}


def _throttles(found: Sequence[Slot]) -> dict[str, Line]:
    reasons = {reason for slot in found if slot.total for reason in slot.total.throttles}
    return {
        reason: [slot.rate(lambda i, r=reason: i.throttles.get(r, 0.0)) for slot in found]  # type: ignore[misc]
        for reason in sorted(reasons)
    }


_COUNTED = {
    "scanned": "items read",
    "written": "written",
    "already_present": "already in the new table",
    "dropped": "left out by the transform",
    "failed": "dead letters",
}


def totals(totals: Totals, plan: Any, prices: Prices) -> Section:
    done = totals.done
    rows = [(label, count(done.counts.get(name, 0.0))) for name, label in _COUNTED.items()]
    rows += [
        ("pages, of them empty", f"{count(done.pages)}, {count(done.empty_pages)}"),
        ("throttled", count(sum(done.throttles.values()))),
        ("sent again for other reasons", count(sum(done.failures.values()))),
        ("read units, old table", count(done.old_read_units)),
        ("read units, new table", count(done.new_read_units)),
        ("write units", count(done.write_units)),
        *([("processor time", duration(done.cpu_seconds))] if done.cpu_seconds else []),
        (f"cost, {prices.currency}", f"{totals.dollars:,.2f}"),
    ]
    planned = [] if plan is None else against_plan(totals, plan)
    return Section(
        title="What it came to",
        sentences=[
            f"Cost by the prices of {prices.region}, {prices.date}; a provisioned table counts by"
            " the hour while the migration was at work.",
            *([] if planned else ["No plan was given to compare it with."]),
        ],
        tables=[
            Table(heads=("", "in all"), rows=rows),
            Table(heads=("", "planned", "came to"), rows=planned),
        ],
    )


def dead_letters(letters: Letters, still_open: int | None) -> Section:
    """Return what the file holds, and how many of them are open; None where that was not asked."""
    torn = f"Lines that could not be read: {letters.unreadable}." if letters.unreadable else ""
    return Section(
        title="Dead letters",
        sentences=[_not_copied(letters.number, still_open), *filter(None, [torn])],
        tables=[
            Table(
                heads=("error", "reason", "items in the file"),
                rows=[(error, reason, count(n)) for error, reason, n in letters.reasons],
            ),
            Table(
                heads=("key", "reason"),
                rows=[(unbroken(key), reason) for key, reason in letters.examples],
            ),
        ],
    )


def _not_copied(filed: int, still_open: int | None) -> str:
    """Return how many items were not copied; the file never hears that one has been since."""
    if still_open is None:
        said = f"{_items(filed)} not copied" if filed else "none"
        return f"By the file: {said}. Which are still open was not looked up (--offline)."
    if still_open > filed:
        here = f"the file here has {count(filed)} of them" if filed else "the file here has none"
        return f"{_items(still_open)} not copied; {here}. Read them: dualtable retry --list."
    if still_open == filed:
        return f"{_items(filed)} not copied." if filed else "None."
    left = f"{count(still_open)} still open" if still_open else "none is open any more"
    return f"{_items(filed)} not copied at first; {left}. What follows is as it was then."


def _items(number: int) -> str:
    return "1 item was" if number == 1 else f"{count(number)} items were"


def runs(runs: Sequence[ToldRun]) -> Section:
    rows = [
        (
            unbroken(str(run.head.get("process", ""))),
            str(run.head.get("kind", "")),
            f"{datetime.fromtimestamp(float(run.head['begun']), UTC):%Y-%m-%d %H:%M:%S}",
            _outcome(run),
            _settings(run),
        )
        for run in runs
    ]
    return Section(
        title="Runs and settings",
        tables=[
            Table(
                heads=("process", "work", "begun, UTC", "ended", "settings"), rows=rows, wide=True
            )
        ],
    )


def _outcome(run: ToldRun) -> str:
    torn = f"; lines that could not be read: {run.unreadable}" if run.unreadable else ""
    if not run.end:
        return f"no end: it was killed, or still goes on{torn}"
    outcome, reason = str(run.end.get("outcome")), str(run.end.get("reason", ""))
    return f"{outcome}, {reason}{torn}" if reason else f"{outcome}{torn}"


def _settings(run: ToldRun) -> str:
    last = run.intervals[-1] if run.intervals else Interval(at=0.0)
    ceilings = {"read ceiling": last.read_ceiling, "write ceiling": last.write_ceiling}
    said = {
        "segments": run.head.get("total_segments"),
        **run.head.get("settings", {}),
        **ceilings,
    }
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in said.items()
        if value not in (None, False)
    )
