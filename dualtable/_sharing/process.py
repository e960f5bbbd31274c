"""What a run changes of its process while it lasts: signals, and the garbage collector.

The rule: everything is put back as it was, however the run ends.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from dualtable.errors import DualTableError, InvalidSettingError

_PAGE_OBJECTS = 200_000  # more than most pages are made of; gone before the next one comes


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """Keep the garbage collector off what was there before the block, and off the pages.

    Pages come and go by the hundred thousand objects, without a cycle among them. That has it walk
    through the page that has just come, and every other thousand items through all that lives in
    the process: modules, SDK models, whatever the caller holds. That would be a third of the run's
    CPU. A caller who has set the heap aside already is left alone.
    """
    if gc.get_freeze_count():
        yield
        return
    thresholds = gc.get_threshold()
    gc.freeze()
    if 0 < thresholds[0] < _PAGE_OBJECTS:  # 0 is a collector at rest
        gc.set_threshold(_PAGE_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def stopping_on(signals: Iterable[signal.Signals], stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first of the signals; after that they have their usual effect."""
    loop = asyncio.get_running_loop()
    if not isinstance(signals, Iterable):
        raise InvalidSettingError(f"stop_on must be signals, such as [{signals!r}]")
    handled: list[signal.Signals] = []

    def handle() -> None:
        stop()
        forget()

    def forget() -> None:
        while handled:
            loop.remove_signal_handler(handled.pop())

    try:
        for name in signals:
            _handle(loop, name, handle)
            handled.append(name)
        yield
    finally:
        forget()


def _handle(
    loop: asyncio.AbstractEventLoop, name: signal.Signals, handle: Callable[[], None]
) -> None:
    try:
        loop.add_signal_handler(name, handle)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise DualTableError(
            f"stop_on={name!r}: this event loop cannot handle it ({error or type(error).__name__});"
            " signals are for the main thread, and not for Windows: leave stop_on out, and call"
            " stop() where the run shall end"
        ) from error
