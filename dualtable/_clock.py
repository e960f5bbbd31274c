"""Time, as an argument.

The rule: no other module reads a clock or sleeps, so that rate limits and leases are tested in
simulated seconds.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


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


def cpu_seconds(clock: Clock) -> float:
    """Return what this process has taken of a processor; nothing where time is simulated."""
    return time.process_time() if isinstance(clock, SystemClock) else 0.0
