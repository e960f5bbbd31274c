"""An executor whose processes do not die with one another.

The rule: each call has a process of its own. A `concurrent.futures.ProcessPoolExecutor` ends all
of its processes when one of them dies; here the others go on, and take the dead one's part over.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from threading import Thread
from typing import Any, TypeVar

_T = TypeVar("_T")


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
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
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
