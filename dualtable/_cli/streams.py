"""Standard output for the answer, standard error for all the rest.

The rule: neither stops a run. Whatever is printed while a command runs goes to standard error,
whoever prints it: a user's module, a process that it starts, a library in C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO, cast

from dualtable._sharing.process import SteadyStream


@contextmanager
def set_aside(*, for_good: bool = False) -> Iterator[SteadyStream]:
    """Keep standard output for the answer inside the block, and yield it.

    Args:
        for_good: Put nothing back where the block ends well, so that what is printed while the
            process ends does not follow the answer.
    """
    _open_what_is_closed()
    with ExitStack() as closing, ExitStack() as putting_back:
        out = SteadyStream(closing.enter_context(_standard_output()))
        stderr = sys.stderr or closing.enter_context(_null())
        printed = cast("TextIO", SteadyStream(stderr))
        kept = os.dup(1)
        os.dup2(2, 1)
        putting_back.callback(os.close, kept)
        putting_back.callback(os.dup2, kept, 1)
        putting_back.enter_context(redirect_stderr(printed))
        putting_back.enter_context(redirect_stdout(printed))
        yield out
        if for_good:
            putting_back.pop_all()


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Yield what is standard output now, whatever its number leads to later."""
    if sys.stdout is not None and _number(sys.stdout) != 1:  # somebody has redirected it
        yield sys.stdout
        return
    encoding = "utf-8"
    if sys.stdout is not None:
        encoding = sys.stdout.encoding
        with suppress(OSError):
            sys.stdout.flush()
    out = open(os.dup(1), "w", encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    try:
        yield out
    finally:
        with suppress(OSError):
            out.close()


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _open_what_is_closed() -> None:
    """Let the standard numbers lead nowhere rather than to whatever is opened next."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
