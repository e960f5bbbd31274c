"""What a run has to do with its process: signals, the garbage collector, its standard streams.

The rule: what is changed is put back as it was, however the run ends; what only tells of the run,
such as a full disk behind a stream, does not end it.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

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
    before: dict[signal.Signals, Any] = {}

    def handle() -> None:
        stop()
        forget()

    def forget() -> None:
        while before:
            name, usual = before.popitem()
            loop.remove_signal_handler(name)
            if usual is not None:  # else it was set by something that is not Python
                signal.signal(name, usual)

    try:
        for name in signals:
            usual = _handle(loop, name, handle)
            before.setdefault(name, usual)
        yield
    finally:
        forget()


def _handle(
    loop: asyncio.AbstractEventLoop, name: signal.Signals, handle: Callable[[], None]
) -> Any:
    """Call `handle` on a signal; return what has been called on it."""
    try:
        usual = signal.getsignal(name)
        loop.add_signal_handler(name, handle)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise DualTableError(
            f"stop_on={name!r}: this event loop cannot handle it ({error or type(error).__name__});"
            " signals are for the main thread, and not for Windows: leave stop_on out, and call"
            " stop() where the run shall end"
        ) from error
    return usual


class SteadyStream:
    """A text stream that stops nobody: what it cannot take is lost.

    Attributes:
        failure: What was wrong first; None where nothing was.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: Exception | None = None

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except (OSError, ValueError) as error:  # the latter where it is closed
            self.failure = self.failure or error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
