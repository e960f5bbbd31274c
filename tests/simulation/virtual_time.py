"""An event loop whose time is simulated.

The rule: when nothing is left to be done at this moment, the time of the next timer has come. So a
sleep costs nothing, and two runs with one seed do the same at the same moments.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from simulated import ran

_T = TypeVar("_T")
_EPOCH = 1_800_000_000.0
_REAL_SECONDS = 10.0  # how long to wait for a thread when no timer is left


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, moves the time there."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            if not (events := super().select(_REAL_SECONDS)):
                raise RuntimeError("everybody waits, and no timer is left to end it")
            return events
        if not (events := super().select(0)):
            self.seconds += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that is never idle."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run it here and now: a thread would bring a wall clock back in."""
        return ran(self, func, *args)


class VirtualClock:
    """The library's clock on a virtual loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        return _EPOCH + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, _T], seed: int = 1) -> _T:
    """Run in simulated time; the seed decides every random choice, also the library's."""
    before = random.getstate()
    random.seed(seed)
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main)
    finally:
        random.setstate(before)
