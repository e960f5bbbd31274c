"""Where something that is open lives: in one process, on one event loop.

The rule: connections, tasks and locks work where they were opened and nowhere else, and do not say
so themselves: they hang, or look like an outage. Whatever holds some remembers its home, and says
at once that it is away from it.
"""

from __future__ import annotations

import asyncio
import os
from typing import NoReturn, Self

import attrs

from dualtable.errors import DualTableError


@attrs.frozen
class Home:
    """A process, and an event loop in it; None for what works on any of a process's threads."""

    process: int
    loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, repr=False)

    @classmethod
    def here(cls, what: str) -> Self:
        """Return where the caller is, for what is opened here.

        Raises:
            DualTableError: No event loop runs here.
        """
        return cls(os.getpid(), _running(what))

    @property
    def is_forked(self) -> bool:
        """This is a child of the process, with a copy of its memory and nothing that runs."""
        return self.process != os.getpid()

    def check(self, what: str) -> None:
        """Check that the caller is at home.

        Raises:
            DualTableError: The caller is in a child of the process, or on another event loop.
        """
        if self.loop is not None and _is_running(self.loop):
            return  # and in this process: asyncio lets no loop run on in a child
        if self.is_forked:
            raise DualTableError(
                f"{what} was opened in process {self.process} and is used in its child"
                f" {os.getpid()}, which has none of its connections and threads; open one in each"
                " process, after the fork"
            )
        if self.loop is not None and _running(what) is not self.loop:
            raise DualTableError(
                f"{what} was opened on another event loop than the one that it is used on; open one"
                " on each loop (each `asyncio.run` and each thread has its own), or share a"
                " `dualtable.sync.DualTableRepository` between threads"
            )


def stays(what: str) -> NoReturn:
    """Refuse to be pickled or copied.

    Raises:
        DualTableError: Always; says what to do instead.
    """
    raise DualTableError(
        f"{what} cannot be pickled, copied or sent to another process; send what it is made of (the"
        " migration's module and name, keys, page tokens), and make one there"
    )


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _running(what: str) -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise DualTableError(
            f"{what} works on an asyncio event loop, and none runs here; use"
            " `dualtable.sync.DualTableRepository` where there is none"
        ) from None
