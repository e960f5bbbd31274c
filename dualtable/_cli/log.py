"""The library's log on standard error, while a command runs.

The rule: it shows what the library logs; the log of others is theirs to set up.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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

    _STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: v for name, v in vars(record).items() if name not in self._STANDARD}
        return " ".join([super().format(record), *(f"{name}={v}" for name, v in extra.items())])
