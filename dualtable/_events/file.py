"""The event file of one run: what each interval held, as JSON lines.

The rule: a file has an upper size however long a run takes, and no disk stops a run. The first line
says whose events they are, the last one how it ended; a run that was killed has none.

    {"dualtable_events": 1, "kind": "migrate", "name": "orders-v2", …}
    {"at": 1800000000, "seconds": 5, "pages": 12, …}
    {"ended": 1800000005, "outcome": "complete", …}

Intervals are short as long as there are few: when they become too many, neighbours are joined, and
the file is written anew. So it has each five seconds of the first two hours, each minute of a day.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dualtable._events.interval import Interval, widened
from dualtable._wire.json import to_json_lines

_log = logging.getLogger("dualtable.events")

SCHEMA_VERSION = 1
"""Of the file; another number where a field goes or changes its sense."""

FIRST_SECONDS = 5.0
_WIDTHS = (FIRST_SECONDS, 10.0, 20.0, 60.0)  # after that, each is twice the one before
_MOST_INTERVALS = 1_440
_MOST_FILES = 100  # in a folder; the oldest go


class EventFile:
    """The file of one run.

    Args:
        path: Where it is; its folder is made when the first interval is over.
        head: Its first line.
        most_intervals: How many lines it may have; for tests.
    """

    def __init__(
        self, path: Path, head: Mapping[str, Any], most_intervals: int = _MOST_INTERVALS
    ) -> None:
        self.path = path
        self._seconds = FIRST_SECONDS
        self._head = {"dualtable_events": SCHEMA_VERSION, **head}
        self._most = most_intervals
        self._intervals: list[Interval] = []
        self._last: tuple[Mapping[str, Any], ...] = ()
        self._written = 0  # lines that are on disk as they should be
        self._warned = False

    async def add(self, interval: Interval) -> None:
        """Take an interval, and write those before it that are complete.

        Where the disk fails, it is tried again with the next one.
        """
        self._intervals = widened([*self._intervals, interval], self._seconds)
        if len(self._intervals) > self._most:
            self._seconds = _wider(self._seconds)
            self._intervals = widened(self._intervals, self._seconds)
            self._written = 0
        await self._write(self._intervals[:-1])

    async def end(self, last: Mapping[str, Any]) -> None:
        """Write all, and the last line."""
        self._last = (last,)
        await self._write(self._intervals)

    async def _write(self, complete: Sequence[Interval]) -> None:
        lines = self._lines(complete)
        begun = self._written
        try:
            await asyncio.to_thread(_put, self.path, lines[begun:], anew=not begun)
        except (OSError, ValueError) as error:  # the latter where it is no path for this system
            self._written = 0  # whatever is there, all of it is written again
            self._warn(getattr(error, "strerror", None) or str(error))
        else:
            self._written = len(lines)

    def _lines(self, complete: Sequence[Interval]) -> list[Mapping[str, Any]]:
        return [self._head, *(each.fields() for each in complete), *self._last]

    def _warn(self, reason: str) -> None:
        if not self._warned:
            _log.warning(
                "the events of this run cannot be written; it goes on without",
                extra={"path": str(self.path), "reason": reason},
            )
        self._warned = True


def _wider(seconds: float) -> float:
    return next((width for width in _WIDTHS if width > seconds), seconds * 2)


def _put(path: Path, lines: Sequence[Mapping[str, Any]], *, anew: bool) -> None:
    """Append the lines, or put them in place of all that is there."""
    data = to_json_lines(lines)
    if not anew:
        with path.open("ab") as file:
            file.write(data)
        return
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    os.replace(beside, path)
    _thin_out(path.parent)


def _thin_out(folder: Path) -> None:
    """Let the oldest files of a folder go; their names begin with what they are and when."""
    files = sorted(folder.glob("*-*.jsonl"), key=lambda path: path.name.partition("-")[2])
    for path in files[:-_MOST_FILES]:
        with suppress(OSError):
            path.unlink()
