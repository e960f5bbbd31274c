"""Progress beside a run: on a terminal it moves, elsewhere it is a steady line.

The rule: it is shown at its own pace, whatever the run says how often; only `_live` knows rich.

    what an observer gets -> Reading -> Meter -> View -> lines -> terminal or log
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._progress.lines import STRIP_FROM_COLUMNS, data, how_far, line, rows
from dualtable._progress.meter import Meter, View
from dualtable._progress.readings import Reading
from dualtable._tasks import first_error
from dualtable._telling.terminal import is_steered, json_line

_log = logging.getLogger("dualtable.progress")

_LIVE_SECONDS = 0.5
_LOG_SECONDS = 5.0
_BAR_COLUMNS = 30

AUTO, LINES, JSON, NONE = KINDS = ("auto", "lines", "json", "none")
"""How progress is shown: moving where there is a terminal, as lines, as JSON lines, or not."""


@attrs.define
class _Display:
    """Where views go, and how often."""

    show: Callable[[View], None]
    seconds: float


@asynccontextmanager
async def shown(
    title: str, *, kind: str = AUTO, clock: Clock | None = None
) -> AsyncIterator[Callable[[Reading], None]]:
    """Show the latest of the readings that the block hands over, until the block ends.

    Where rich is not there, or no terminal is, lines are logged.
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

    with _display(title, kind) as display, first_error():
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


def _display(title: str, kind: str) -> AbstractContextManager[_Display]:
    if kind == AUTO and is_steered(sys.stderr) and importlib.util.find_spec("rich"):
        return _live(title)
    return _steady(title, kind)


@contextmanager
def _steady(title: str, kind: str) -> Iterator[_Display]:
    def show(view: View) -> None:
        if view.items is None or kind == NONE:
            return
        if kind == JSON:
            sys.stderr.write(f"{json_line(data(title, view), sys.stderr.encoding)}\n")
            sys.stderr.flush()
        else:
            _log.info("%s: %s", title, line(view))

    yield _Display(show, _LOG_SECONDS)


@contextmanager
def _live(title: str) -> Iterator[_Display]:
    from rich.console import Console  # rich is optional
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as terminal:

        def show(view: View) -> None:
            terminal.update(drawn(title, view, console.width), refresh=True)

        yield _Display(show, _LIVE_SECONDS)


def drawn(title: str, view: View, columns: int) -> Any:
    """Return what a terminal of so many columns shows."""
    from rich.console import Group, RenderableType  # rich is optional
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(title)]
    if view.share is not None:
        wide = _BAR_COLUMNS if columns < STRIP_FROM_COLUMNS else 2 * _BAR_COLUMNS
        cells.append(ProgressBar(total=1.0, completed=view.share, width=wide))
        cells.append(Text(", ".join(how_far(view))))
    head.add_row(*cells)
    texts = [Text(row, style=_style(row, view)) for row in rows(view, columns)]
    return Group(head, *texts)


def _style(row: str, view: View) -> str:
    """Return how a row is shown: what asks for an operator stands out."""
    if view.state and row.strip() in view.state:
        return "bold yellow" if view.stands_still else "bold"
    return ""
