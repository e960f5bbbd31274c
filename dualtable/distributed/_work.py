"""One worker: a plain call with a spec, which any engine can make.

The rule: whatever ends a worker is said by name, in the control table and to whoever called it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from dualtable._control.jobs import Job, WorkerWord
from dualtable._copy.migrator import Migrator
from dualtable._copy.report import MigrationReport
from dualtable._dynamodb.connect import Connection, opened
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF, RetryingGateway
from dualtable._operations.cleanup import clean_up
from dualtable._operations.reference import load_migration
from dualtable._operations.sweep import CleanupReport
from dualtable._proof.findings import VerificationReport
from dualtable._proof.verifier import Verifier
from dualtable._tasks import first_error
from dualtable._transforms.migration import Migration
from dualtable.distributed._spec import WorkSpec, loaded
from dualtable.errors import DualTableError, WorkerError

Report: TypeAlias = MigrationReport | VerificationReport | CleanupReport
_T = TypeVar("_T")

_log = logging.getLogger("dualtable.distributed")

_POLL_SECONDS = 2.0


def work(spec: WorkSpec) -> Report:
    """Do one worker's part, and return when all is done, by this worker or others.

    A plain call with plain data, for engines of any kind; see `specs`. It may be killed at any
    point and made again.

    Args:
        spec: What the worker has to know.

    Returns:
        What this worker did, as a `MigrationReport`, `VerificationReport` or `CleanupReport`.

    Raises:
        WorkerError: The migration cannot be imported where the worker is.
        DualTableError: As for `dualtable.Migrator.run`, `dualtable.Verifier.run` and `clean_up`.

    Example:
        >>> from dualtable.distributed import WorkSpec, work
        >>> def on_a_machine_of_the_engine(spec: WorkSpec) -> int:
        ...     return work(spec).read_units
    """
    return waited_for(_work(spec))


def waited_for(call: Coroutine[Any, Any, _T]) -> _T:
    """Run a call to its end on an event loop of its own.

    Where one runs in this thread, as in a notebook, that is in another thread; who interrupts the
    waiting cancels the call.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call)
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    given_up = threading.Event()

    async def cancellable() -> _T:
        task = asyncio.create_task(call)
        begun.append((asyncio.get_running_loop(), task))
        if given_up.is_set():  # before there was a task to be cancelled
            task.cancel()
        return await task

    with ThreadPoolExecutor(1, thread_name_prefix="dualtable") as thread:
        try:
            return thread.submit(lambda: asyncio.run(cancellable())).result()
        except BaseException:
            given_up.set()
            for loop, task in begun:
                with suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(task.cancel)
            raise


async def _work(spec: WorkSpec) -> Report:
    connection = cast("Connection", dict(spec.connection))
    async with opened(connection) as gateway, _told(spec, gateway) as job:
        return await _until_stopped(job, _Worker(spec, _imported(spec), gateway))


def place() -> WorkerWord:
    """Return where this process is."""
    return WorkerWord(number=0, host=socket.gethostname(), process=os.getpid())


def _imported(spec: WorkSpec) -> Migration:
    try:
        return load_migration(spec.reference)
    except DualTableError as error:
        where = attrs.evolve(place(), number=spec.number).place
        raise WorkerError(
            f"{where}: cannot load {spec.reference}: {error}; install it where the workers run, or"
            " put its folder on their PYTHONPATH"
        ) from error


@asynccontextmanager
async def _told(spec: WorkSpec, gateway: Gateway) -> AsyncIterator[Job]:
    """Tell the control table that this worker has begun, and how it ended."""
    retrying = RetryingGateway(gateway, ONE_OFF, lambda _: None)
    job = Job(retrying, spec.control_table, spec.name, spec.job)
    word = attrs.evolve(place(), number=spec.number)
    with suppress(DualTableError):
        await job.tell(word)
    try:
        yield job
    except BaseException as error:
        said = str(error) if isinstance(error, DualTableError) else ""
        text = f"{type(error).__name__}: {said}" if said else type(error).__name__
        with suppress(DualTableError):
            await job.tell(attrs.evolve(word, ended=True, error=text))
        raise
    with suppress(DualTableError):
        await job.tell(attrs.evolve(word, ended=True))


async def _until_stopped(job: Job, worker: _Worker) -> Report:
    with first_error():
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(job, worker.stop))
            report = await worker.run()
            listening.cancel()
    return report


async def _listen(job: Job, stop: Callable[[], None]) -> None:
    """Call `stop` once whoever began the job asks for it; what is out of reach asks for nothing."""
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        with suppress(DualTableError):
            if await job.is_stopped():
                _log.info("asked to stop")
                return stop()


@attrs.define(eq=False)
class _Worker:
    """The one-off of a spec, in this process."""

    spec: WorkSpec
    migration: Migration
    gateway: Gateway
    _stop: Callable[[], object] = attrs.field(init=False, default=lambda: None)

    def stop(self) -> None:
        """Let it finish its pages and end."""
        self._stop()

    async def run(self) -> Report:
        settings = {**loaded(self.spec.settings), "gateway": self.gateway}
        if self.spec.task == "migrate":
            migrator = Migrator(self.migration, **settings)
            self._stop = migrator.stop
            return await migrator.run(stop_on=self._signals())
        if self.spec.task == "verify":
            verifier = Verifier(self.migration, **settings)
            self._stop = verifier.stop
            return await verifier.run(stop_on=self._signals(), only=self.spec.run)
        return await self._sweep(clean_up(self.migration, **settings))

    async def _sweep(self, sweep: Coroutine[Any, Any, CleanupReport]) -> CleanupReport:
        """Sweep, or leave the rest: it goes on where it was whenever it is stopped."""
        sweeping = asyncio.ensure_future(sweep)
        self._stop = sweeping.cancel
        try:
            return await sweeping
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            return CleanupReport()

    def _signals(self) -> tuple[signal.Signals, ...]:
        main = threading.current_thread() is threading.main_thread()
        if not main or sys.platform == "win32":
            return ()
        return tuple(signal.Signals[name] for name in self.spec.stop_on)
