"""Structured concurrency in a few words.

The rule: a task group's first error is raised by itself, since the others only follow from it. What
ends the process comes out of the group like any other error: a task that raised it as it is would
break the loop, and whoever awaits the group would never hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Leaving(BaseException):
    """What ends the process, its cause, on the way out of a task."""


@contextmanager
def leaving() -> Iterator[None]:
    """Let what ends the process, inside a task of a group, come out of the group."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        raise _Leaving from error


@contextmanager
def first_error() -> Iterator[None]:
    """Raise the first error of a task group inside the block by itself."""
    try:
        yield
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        left = first.__cause__ if isinstance(first, _Leaving) else None
        raise left or first from None


async def run_all(calls: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Await all at once; where one fails, stop the others and raise its error."""
    with first_error():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]


async def beside(work: Coroutine[Any, Any, _T], *aides: Coroutine[Any, Any, None]) -> _T:
    """Return what `work` does; the aides go on beside it and end with it."""
    with first_error():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(aide) for aide in aides]
            result = await work
            for task in tasks:
                task.cancel()
    return result
