"""What follows from the readings of the last minute: rates, and how long the rest takes.

The rule: pure, from readings and times that are given. A rate is that of the last seconds, so a sag
shows at once; the time left goes by the last minute and moves only slowly to what follows from it,
so one slow page does not make it jump.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping

import attrs

from dualtable._progress.readings import Reading

_RATE_SECONDS = 10.0
_TREND_SECONDS = 60.0
_CALM_SECONDS = 20.0
"""How slowly the time left follows: after so long, by two thirds; quicker in a young run."""


@attrs.frozen(kw_only=True)
class View:
    """What there is to show; None where it is not known."""

    items: int | None = None
    items_per_second: float | None = None
    share: float | None = None
    seconds_left: float | None = None
    read_units_per_second: float | None = None
    write_units_per_second: float | None = None
    may_read: float | None = None
    may_write: float | None = None
    counts: Mapping[str, int] = attrs.field(factory=dict)
    state: str = ""
    stands_still: bool = False
    segments: bytes = b""


class Meter:
    """Readings of the last minute, and what follows from them."""

    def __init__(self, now: float) -> None:
        start = Reading(items=0, own_items=0, read_units=0.0, write_units=0.0)
        self._readings: deque[tuple[float, Reading]] = deque([(now, start)])
        self._begun = False
        self._left: float | None = None
        self._moves_since = now

    def note(self, reading: Reading, now: float) -> None:
        self._begun = True
        if not reading.own_items:  # what goes before the first page says nothing of the pace
            self._readings.clear()
            self._moves_since = now
        before = self._readings[-1][0] if self._readings else now
        self._readings.append((now, reading))
        if len(self._readings) == 1:
            return
        while self._readings[1][0] <= now - _TREND_SECONDS:
            self._readings.popleft()
        trend = self._slope(_TREND_SECONDS, lambda each: each.share)
        calm = min(_CALM_SECONDS, max(1.0, (now - self._moves_since) / 4))
        self._left = calmed(self._left, seconds_left(reading.share, trend), now - before, calm)

    def view(self) -> View:
        if not self._begun:
            return View()
        latest = self._readings[-1][1]
        return View(
            items=latest.items,
            items_per_second=self._slope(_RATE_SECONDS, lambda reading: reading.own_items),
            share=latest.share,
            seconds_left=None if latest.stands_still else self._left,
            read_units_per_second=self._slope(_RATE_SECONDS, lambda reading: reading.read_units),
            write_units_per_second=self._slope(_RATE_SECONDS, lambda reading: reading.write_units),
            may_read=latest.may_read,
            may_write=latest.may_write,
            counts=latest.counts,
            state=latest.state,
            stands_still=latest.stands_still,
            segments=latest.segments,
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


def calmed(
    shown: float | None, found: float | None, seconds: float, calm_seconds: float
) -> float | None:
    """Return what is shown so many seconds after `shown` was, given what follows by now."""
    if shown is None or not found:
        return found
    expected = max(0.0, shown - seconds)
    return expected + (found - expected) * (1 - math.exp(-seconds / calm_seconds))
