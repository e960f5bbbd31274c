"""A last look before a request leaves: what it was decided by must still be good.

The rule: a fence is asked at the last moment, after signing and when there is a connection,
whatever waited or froze in between; from there on only the age of its signature lets a request die,
which DynamoDB sees to. It is asked for each try of each request that is made inside of `fenced`.
What goes the SDK's way is asked before it waits for a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Fence: TypeAlias = Callable[[], None]
"""Raises where a request must not be sent any more."""

_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Ask the fence before each request that is sent in the block."""
    token = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(token)


def check_fence() -> None:
    """Ask the fence that is up; for whoever sends, at the last moment."""
    fence = _fence.get()
    if fence is not None:
        fence()


def is_fenced() -> bool:
    """Tell whether a fence is up."""
    return _fence.get() is not None
