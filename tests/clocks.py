"""Time that tests move by hand."""

from __future__ import annotations

import asyncio

import attrs


@attrs.define
class HandClock:
    """A clock that stands still until a test moves it; its two times may go different ways."""

    seconds: float = 1_000.0
    wall_seconds: float = 1_800_000_000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> float:
        return self.wall_seconds

    async def sleep(self, seconds: float) -> None:
        self.move(max(seconds, 1e-6))  # less would be lost in rounding, and time stand still
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall_seconds += seconds
