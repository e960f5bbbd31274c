"""How far a run has come, beside the run.

The rule: what is computed and how it reads is pure, from readings and times that are given; only
`shown` runs beside the work, and only `_live` knows rich.

    what an observer gets -> Reading -> Meter -> View -> line of text -> terminal or log
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._copy.report import MigrationProgress
from dualtable._proof.findings import VerificationReport
from dualtable._tasks import first_error
from dualtable._telling.words import count, duration, percent

_log = logging.getLogger("dualtable.progress")

_RATE_SECONDS = 10.0
"""Rates are those of the last seconds: a sag shows at once."""
_TREND_SECONDS = 60.0
"""The time left follows from the last minute: it does not jump with each page."""
_LIVE_SECONDS = 0.25
_LOG_SECONDS = 5.0
_BAR_COLUMNS = 30


@attrs.frozen(kw_only=True)
class Reading:
    """What a run says of itself at one moment; None where it cannot say.

    `items` are those of all runs, `own_items` and `write_units` those of this one.
    """

    items: int
    own_items: int
    share: float | None = None
    write_units: float | None = None
    counts: Mapping[str, int] = attrs.field(factory=dict)


def of_migration(progress: MigrationProgress) -> Reading:
    report = progress.report
    return Reading(
        items=progress.scanned,
        own_items=report.scanned,
        share=progress.share_done,
        write_units=report.write_units,
        counts={
            "empty pages": report.empty_pages,
            "retries": report.retries,
            "throttled": report.throttled,
            "dead letters": report.failed,
        },
    )


def of_verification(report: VerificationReport) -> Reading:
    return Reading(
        items=report.checked,
        own_items=report.checked,
        share=report.share_done,
        counts={
            "missing": report.missing,
            "different": report.different,
            "changed in old": report.changed_old,
            "extra": report.extra,
        },
    )


@attrs.frozen(kw_only=True)
class View:
    """What there is to show; None where it is not known."""

    items: int | None = None
    items_per_second: float | None = None
    share: float | None = None
    seconds_left: float | None = None
    write_units_per_second: float | None = None
    counts: Mapping[str, int] = attrs.field(factory=dict)


class Meter:
    """Readings of the last minute, and what follows from them."""

    def __init__(self, now: float) -> None:
        start = Reading(items=0, own_items=0, write_units=0.0)
        self._readings: deque[tuple[float, Reading]] = deque([(now, start)])
        self._begun = False

    def note(self, reading: Reading, now: float) -> None:
        self._begun = True
        self._readings.append((now, reading))
        while self._readings[1][0] <= now - _TREND_SECONDS:
            self._readings.popleft()

    def view(self) -> View:
        if not self._begun:
            return View()
        latest = self._readings[-1][1]
        return View(
            items=latest.items,
            items_per_second=self._slope(_RATE_SECONDS, lambda reading: reading.own_items),
            share=latest.share,
            seconds_left=seconds_left(
                latest.share, self._slope(_TREND_SECONDS, lambda reading: reading.share)
            ),
            write_units_per_second=self._slope(_RATE_SECONDS, lambda reading: reading.write_units),
            counts=latest.counts,
        )

    def _slope(self, seconds: float, value: Callable[[Reading], float | None]) -> float | None:
        """Return by how much a value grows per second, over so many seconds or a little more."""
        known = [(at, v) for at, reading in self._readings if (v := value(reading)) is not None]
        if len(known) < 2:
            return None
        last_at, last = known[-1]
        before = [point for point in known if point[0] <= last_at - seconds]
        first_at, first = before[-1] if before else known[0]
        return (last - first) / (last_at - first_at) if last_at > first_at else None


def seconds_left(share: float | None, share_per_second: float | None) -> float | None:
    """Return how long the rest takes if it goes on like this."""
    if share == 1:
        return 0.0
    if share is None or not share_per_second or share_per_second < 0:
        return None
    return (1 - share) / share_per_second


def line(view: View) -> str:
    """Return everything in one line, for a log."""
    return ", ".join(filter(None, (how_far(view), how_fast(view), how_well(view))))


def how_far(view: View) -> str:
    """Return the share done and the time left; nothing where the end is not known."""
    if view.share is None:
        return ""
    return f"{percent(view.share)} done, {duration(view.seconds_left)} left"


def how_fast(view: View) -> str:
    """Return the items and the rates."""
    units = view.write_units_per_second
    return f"{count(view.items)} items, {count(view.items_per_second)}/s" + (
        "" if units is None else f", {count(units)} write units/s"
    )


def how_well(view: View) -> str:
    """Return what there is besides items."""
    return ", ".join(f"{count(number)} {name}" for name, number in view.counts.items())


@attrs.define
class _Display:
    """Where views go, and how often."""

    show: Callable[[View], None]
    seconds: float


@asynccontextmanager
async def shown(
    title: str, *, live: bool, clock: Clock | None = None
) -> AsyncIterator[Callable[[Reading], None]]:
    """Show the latest of the readings that the block hands over, until the block ends.

    Where `live` is false, or rich is not there, lines are logged instead.
    """
    time = clock or SystemClock()
    meter, latest = Meter(time.monotonic()), _Latest()

    def show(display: _Display) -> None:
        if latest.reading is not None:
            meter.note(latest.reading, time.monotonic())
        display.show(meter.view())

    async def keep_showing(display: _Display) -> None:
        while True:
            await time.sleep(display.seconds)
            show(display)

    with _display(title, live) as display, first_error():
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(keep_showing(display))
            try:
                yield latest.take
            finally:
                showing.cancel()
                show(display)


@attrs.define
class _Latest:
    reading: Reading | None = None

    def take(self, reading: Reading) -> None:
        self.reading = reading


def _display(title: str, live: bool) -> AbstractContextManager[_Display]:
    if live and sys.stderr.isatty() and importlib.util.find_spec("rich"):
        return _live(title)
    return _logged(title)


@contextmanager
def _logged(title: str) -> Iterator[_Display]:
    def show(view: View) -> None:
        if view.items is not None:
            _log.info("%s: %s", title, line(view))

    yield _Display(show, _LOG_SECONDS)


@contextmanager
def _live(title: str) -> Iterator[_Display]:
    from rich.columns import Columns  # rich is optional
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as terminal:

        def show(view: View) -> None:
            head: list[RenderableType] = [Text(title)]
            if view.share is not None:
                bar = ProgressBar(total=1.0, completed=view.share, width=_BAR_COLUMNS)
                head += [bar, Text(how_far(view))]
            rest = [Text(f"  {text}") for text in (how_fast(view), how_well(view)) if text]
            terminal.update(Group(Columns(head), *rest), refresh=True)

        yield _Display(show, _LIVE_SECONDS)
