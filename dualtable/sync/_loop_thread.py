"""An event loop in a thread of its own, for callers that block.

The rule: callers wait in their own threads, any number of them; a caller's function is called in
the thread of the caller. Stopping ends everything: what is under way is cancelled, the loop is
closed, the thread is gone.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from dualtable._home import Home
from dualtable.errors import DualTableError

_T = TypeVar("_T")
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class LoopThread:
    """Runs coroutines of any thread on one event loop, between `start` and `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._home: Home | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start the thread; return when its loop runs."""
        if self._loop is not None:
            self._check_home()
            raise DualTableError("the repository is open already")
        self._home = Home(os.getpid())
        self._stopping = asyncio.Event()
        started: Future[asyncio.AbstractEventLoop] = Future()
        # A daemon, so that a program which forgets to close can end.
        self._thread = threading.Thread(
            target=self._serve, args=(started,), name="dualtable-sync", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    def stop(self) -> None:
        """Cancel what is under way; return when the thread has ended."""
        if self.is_forked:
            return  # it runs on in the process that has started it
        with self._lock:  # what has been submitted before is heard of, and cancelled
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()

    def run(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the loop and wait for it.

        Raises:
            DualTableError: The loop does not run, or has been stopped meanwhile.
        """
        return _wait(self._submit(call))

    def run_calling(
        self,
        function: Callable[[_Argument], _Result],
        use: Callable[[Callable[[_Argument], Awaitable[_Result]]], Coroutine[Any, Any, _T]],
    ) -> _T:
        """Run a coroutine that uses a function; the function is called in this thread."""
        calls: queue.SimpleQueue[tuple[_Argument, Future[Callable[[], _Result]]] | None]
        calls = queue.SimpleQueue()

        async def relayed(argument: _Argument) -> _Result:
            answer: Future[Callable[[], _Result]] = Future()
            calls.put((argument, answer))
            return (await asyncio.wrap_future(answer))()

        future = self._submit(use(relayed))
        future.add_done_callback(lambda _: calls.put(None))
        try:
            while (call := calls.get()) is not None:
                argument, answer = call
                if answer.set_running_or_notify_cancel():
                    answer.set_result(_outcome(function, argument))
        except BaseException:
            future.cancel()
            raise
        return _wait(future)

    @property
    def is_forked(self) -> bool:
        """This process is a child of the one that has started it, and has no such thread."""
        return self._home is not None and self._home.is_forked

    def _submit(self, call: Coroutine[Any, Any, _T]) -> Future[_T]:
        try:
            self._check_home()
            with self._lock:
                if self._loop is not None:
                    return asyncio.run_coroutine_threadsafe(call, self._loop)
            raise DualTableError(
                "the repository is not open; use it inside `with DualTableRepository(…)`"
            )
        except DualTableError:
            call.close()
            raise

    def _check_home(self) -> None:
        """Check that the thread runs, and is not the one that would wait for itself."""
        if self._home is not None:
            self._home.check("the repository")
        if threading.current_thread() is self._thread:
            raise DualTableError(
                "the repository is called inside one of its own operations, by a transform, say,"
                " and would wait for itself for ever; open another one for that"
            )

    def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        async def until_stopped() -> None:
            started.set_result(asyncio.get_running_loop())
            await self._stopping.wait()

        with asyncio.Runner() as runner:
            runner.run(until_stopped())


def _wait(future: Future[_T]) -> _T:
    try:
        return future.result()
    except CancelledError:
        raise DualTableError("the repository was closed during the call") from None
    except BaseException:
        future.cancel()  # the waiting was interrupted
        raise


def _outcome(
    function: Callable[[_Argument], _Result], argument: _Argument
) -> Callable[[], _Result]:
    """Call a function; return what returns its result or raises its error."""
    try:
        result = function(argument)
    except Exception as error:  # noqa: BLE001 - raised again on the other side
        failure = error

        def fail() -> _Result:
            raise failure

        return fail
    return lambda: result
