"""Tells of a run while it goes on: every few seconds, what these seconds held.

The rule: it looks at counters that the run keeps anyway, and at nothing in between; so what it
costs does not grow with the items. Nothing that goes wrong here reaches the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from dualtable._clock import Clock
from dualtable._events.file import FIRST_SECONDS, EventFile
from dualtable._events.interval import Interval
from dualtable._transforms.guarded import told
from dualtable.errors import DualTableError

_log = logging.getLogger("dualtable.events")

_MOST_REASON = 300  # characters

Tell = Callable[[Interval], None]


@attrs.define(eq=False)
class Recorder:
    """What is told of one run.

    Args:
        clock: Where time comes from.
        so_far: Returns what the run has done, as one interval that began with it.
        file: Where the intervals go, if anywhere.
        tell: Hears of each one, too.
        report: What the last line has of a run that came to an end.
        patience_seconds: How long the end waits for the disk.
    """

    clock: Clock
    so_far: Callable[[], Interval]
    file: EventFile | None = None
    tell: Tell | None = None
    report: Mapping[str, Any] | None = None
    patience_seconds: float = 5.0
    _told: Interval = attrs.field(init=False)
    _telling: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        self._told = self.so_far()

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[Recorder]:
        """Tell of what goes on inside the block, and how it ended."""
        if self.file is None and self.tell is None:
            yield self
            return
        following = asyncio.create_task(self._follow())
        error: BaseException | None = None
        try:
            yield self
        except BaseException as raised:
            error = raised
            raise
        finally:
            await self._end(following, error)

    async def _follow(self) -> None:
        while True:
            await self.clock.sleep(FIRST_SECONDS)
            async with self._telling:
                await self._next()

    async def _end(self, following: asyncio.Task[None], error: BaseException | None) -> None:
        """Tell of the rest; a disk that hangs is not waited for."""
        try:
            async with asyncio.timeout(self.patience_seconds), self._telling:
                following.cancel()
                await self._next()
                if self.file is not None:
                    await self.file.end(self._last(error))
        except TimeoutError:
            following.cancel()
            _log.warning("the disk does not answer, so the events have no end")

    async def _next(self) -> None:
        try:
            interval = self._came()
            if self.tell is not None:
                self.tell(interval)
            if self.file is not None:
                await self.file.add(interval)
        except Exception:  # noqa: BLE001 - whatever it is, the run is more important
            _log.warning("the events of some seconds are lost", exc_info=True)

    def _came(self) -> Interval:
        """Return what has come since the last look."""
        now = self.so_far()
        interval, self._told = now - self._told, now
        return interval

    def _last(self, error: BaseException | None) -> dict[str, Any]:
        last: dict[str, Any] = {"ended": self.clock.now()}
        if error is not None:
            return {**last, "outcome": "failed", "reason": _reason(error)[:_MOST_REASON]}
        complete = self.report is not None and self.report.get("complete", False)
        return {
            **last,
            "outcome": "complete" if complete else "stopped",
            "report": self.report or {},
        }


def _reason(error: BaseException) -> str:
    """Say what went wrong; the words of an error that is none of ours may quote values."""
    ours = isinstance(error, DualTableError)
    return f"{type(error).__name__}: {error}" if ours else told(error)
