"""An event loop in which time passes at once: whoever sleeps wakes as soon as nobody is busy.

The rule: what takes minutes by the clock takes none here, and takes exactly as long as it says.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):
    """Passes the time that it is asked to wait, unless a thread or a file is awaited."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.seconds += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins at zero."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run it here and now: a thread would bring a wall clock back in."""
        return ran(self, func, *args)


def ran(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *args: Any) -> Any:
    """Call at once what a thread would call, and return what a thread would give."""
    done = loop.create_future()
    try:
        done.set_result(call(*args))
    except Exception as error:  # noqa: BLE001 - it is the caller's
        done.set_exception(error)
    return done


def run(call: Coroutine[Any, Any, _T]) -> _T:
    """Run in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(call)


def seconds() -> float:
    """Return how much time has passed."""
    return asyncio.get_running_loop().time()
