"""The library's log on standard error, while a command runs.

The rule: it shows what the library logs; the log of others is theirs to set up.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dualtable._telling.terminal import shown_plainly


@contextmanager
def logged_to_stderr(level: int) -> Iterator[None]:
    """Show what is logged from a level on, inside the block."""
    library, handler = logging.getLogger("dualtable"), _StderrHandler()
    before = library.level, library.propagate
    library.setLevel(level)
    library.propagate = False
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.level, library.propagate = before


class _StderrHandler(logging.Handler):
    """Writes to what is standard error at that moment, so that lines go above a live display."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Lines("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


class _Lines(logging.Formatter):
    """A line for each message, with its data; below it the traceback where there is one."""

    _STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        extra = {name: v for name, v in vars(record).items() if name not in self._STANDARD}
        data = [f"{name}={value}" for name, value in extra.items()]
        return shown_plainly(" ".join([super().formatMessage(record), *data]))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(map(shown_plainly, super().formatException(ei).splitlines()))
