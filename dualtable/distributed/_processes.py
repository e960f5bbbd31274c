"""An executor whose processes do not die with one another.

The rule: each call has a process of its own. A `concurrent.futures.ProcessPoolExecutor` ends all
of its processes when one of them dies; here the others go on, and take the dead one's part over.
But none outlives the process that began it by more than some seconds, however that has ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from threading import Thread
from typing import Any, TypeVar

from dualtable._sharing.process import SteadyStream

_T = TypeVar("_T")

_PATIENCE_SECONDS = 10.0  # until a call has finished its pages


class Processes(Executor):
    """Runs each call in a fresh process of this machine, made by ``spawn``.

    A script that uses it must guard its own start with ``if __name__ == "__main__":``, as for every
    process that Python spawns.

    Example:
        >>> from dualtable.distributed import Processes
        >>> with Processes() as processes:
        ...     processes.submit(max, 1, 2).result()
        2
    """

    def __init__(self) -> None:
        self._calls: list[tuple[Future[Any], Thread]] = []
        self._shut = False

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Begin a call; its future fails with `BrokenProcessPool` if its process dies.

        Raises:
            RuntimeError: It has been shut down.
        """
        if self._shut:
            raise RuntimeError("these processes have been shut down")
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin)
        future = pool.submit(fn, *args, **kwargs)
        closing = Thread(target=_close, args=(pool, future))
        closing.start()
        self._calls.append((future, closing))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further call; wait for the processes to end."""
        self._shut = True
        for future, _ in self._calls if cancel_futures else ():
            future.cancel()
        for _, closing in self._calls if wait else ():
            closing.join()


def _close(pool: ProcessPoolExecutor, future: Future[Any]) -> None:
    """Let a process end once its call has; a pool waits for it in its first shutdown alone."""
    wait([future])
    pool.shutdown()


# In the process of a call


def _begin() -> None:
    """Make a process that ends with the one that began it, and that nothing it prints can stop."""
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None:
            setattr(sys, name, SteadyStream(stream))
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Stop the call once nobody waits for it any more.

    By itself it would not notice: it holds both ends of the pipe by which calls come.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - of what was spawned there is one
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)
