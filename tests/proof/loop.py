"""An event loop without a network and without a wall clock.

The rule: it is idle exactly when no callback is ready and no timer runs, and then asks the stage
for the next move. Timers fire at once, in their order, and time jumps to them: the code under proof
sleeps on the loop only to back off before it tries again, and whoever sleeps has no part of a table
in hand. A longer pause is the same as not being granted the next call for a while, and that is
explored anyway.

What waits with a limit (`asyncio.timeout`) runs out of patience when the stage says so, which it
does where the control table hangs and nowhere else: the library gives up on copies and on the phase
alone, and a copy that reaches the table after its reader has gone is one that a migrator makes at
that moment. The look of a repository that rests never comes: it does what that of an operation
does, which may come at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from simulated import ran

from dualtable._control.phase_watch import PhaseWatch


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks and timers; `on_idle` must make something ready, or raise."""

    def __init__(self, on_idle: Callable[[], None]) -> None:
        super().__init__()
        self._selector = self
        self._seconds = 0.0
        self._on_idle = on_idle
        self._limits: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self._seconds

    def select(self, timeout: float | None) -> list[Any]:
        """Stand in for the selector that the loop would wait on."""
        if timeout is None:
            self._on_idle()
        elif timeout > 0:
            self._seconds = self._scheduled[0].when()
        return []

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        waits = getattr(callback, "__self__", None)
        if isinstance(waits, asyncio.Timeout):
            self._limits.append(timer)
        if isinstance(waits, asyncio.Timeout | PhaseWatch):
            return timer  # never scheduled
        return super().call_at(when, callback, *args, context=context)

    def patience(self) -> float | None:
        """Return after how many seconds the first runs out of patience; None where none waits."""
        self._limits = [limit for limit in self._limits if not limit.cancelled()]
        whens = [limit.when() for limit in self._limits]
        return max(min(whens) - self._seconds, 0.0) if whens else None

    def run_out(self, seconds: float) -> None:
        """Let time pass, and all who wait no longer than that run out of patience."""
        self._seconds += seconds
        for limit in [limit for limit in self._limits if limit.when() <= self._seconds]:
            self._limits.remove(limit)
            limit._run()

    def run_in_executor(self, executor: Any, call: Callable[..., Any], *args: Any) -> Any:
        """Run it here and now: a thread would bring a wall clock back in."""
        return ran(self, call, *args)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
