"""Time, as an argument.

The rule: no other module reads a clock or sleeps, so that rate limits and leases are tested in
simulated seconds.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from dualtable.errors import InvalidSettingError

_FEW_SECONDS = 120


@runtime_checkable
class Clock(Protocol):
    """What the library asks of time."""

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back."""

    def now(self) -> float:
        """Return seconds since 1970, which other machines agree on but for their skew."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class SystemClock:
    """The clock of the event loop and of the machine."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def clock_of(given: Clock | None) -> Clock:
    """Return the clock that is given, or the machine's.

    Raises:
        InvalidSettingError: It is none.
    """
    if given is not None and not isinstance(given, Clock):
        raise InvalidSettingError(
            f"clock must have monotonic(), now() and sleep(seconds), as {given!r} has not"
        )
    return given or SystemClock()


def cpu_seconds(clock: Clock) -> float:
    """Return what this process has taken of a processor; nothing where time is simulated."""
    return time.process_time() if isinstance(clock, SystemClock) else 0.0


def moment(seconds: float) -> str:
    """Return a time in seconds since 1970 as a person reads it: ``2026-11-26 17:04 UTC``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def in_words(seconds: float) -> str:
    """Return how long something lasts, as a person says it: ``42 s``, ``15 min``, ``50 days 2 h``.

    Of what is long, two units are said; a part of a second only where there is no more.
    """
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    left = round(seconds)
    if left <= _FEW_SECONDS:
        return f"{left} s"
    parts = []
    for name, size in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        parts.append((number, name.removesuffix("s") if (number, name) == (1, "days") else name))
    first = next(place for place, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number:,} {name}" for number, name in parts[first : first + 2] if number)
