"""Several workers on an executor, from the first to the last.

The rule: everything that can be refused is refused before a worker begins; an error of one worker
stops the others in an orderly way; a worker that is lost is replaced while the executor takes one,
and what it left is taken over by the others.

    specs -> executor -> work, work, work … -> one report
      |                     |
      +-- begins the run    +-- word, stop, error: control table
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Literal, cast, overload

import attrs

from dualtable._clock import SystemClock
from dualtable._control.control_table import Control
from dualtable._control.jobs import Job
from dualtable._copy.migrator import Migrator
from dualtable._copy.report import MigrationReport, Observer
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.reference import load_migration
from dualtable._operations.sweep import CleanupProgress, CleanupReport
from dualtable._proof.findings import VerificationProgress, VerificationReport
from dualtable._proof.verifier import Verifier
from dualtable._sharing.process import stopping_on
from dualtable._transforms.migration import Migration, check_observer, check_path, check_range
from dualtable.distributed._processes import Processes
from dualtable.distributed._reports import standing_of
from dualtable.distributed._spec import Task, WorkSpec, check_task, loaded, told_apart, travelling
from dualtable.distributed._work import Report, waited_for, work
from dualtable.errors import DualTableError, InvalidSettingError, WorkerError

_log = logging.getLogger("dualtable.distributed")

_LOOK_SECONDS = 1.0
_BY_HAND = ("dry_run", "clock", "gateway")
_PATHS = ("dead_letters", "events")
_CEILINGS = ("max_read_units", "max_write_units")
_DONE_HERE = ("restart", "dry_run", *_CEILINGS)


def specs(
    reference: str, workers: int, *, task: Task = "migrate", **settings: Any
) -> list[WorkSpec]:
    """Begin the work, and return what each worker has to know; for engines without an executor.

    Args:
        reference: The migration, as ``MODULE:ATTRIBUTE``; importable here and where the workers
            are.
        workers: How many there will be.
        task: ``"migrate"`` (default), ``"verify"`` or ``"cleanup"``.
        **settings: Those of the `Migrator`, the `Verifier` or `clean_up` that are plain data; and
            ``endpoint_url``, ``region_name``, ``profile_name``, which hold here and there. A
            `throttle` is given as ``MODULE:ATTRIBUTE``; each worker asks its own.

    Raises:
        InvalidSettingError: One is out of range or cannot travel, or the reference is none.
        DualTableError: As for `dualtable.Migrator.run`, `dualtable.Verifier.run`: nothing is begun.

    Example:
        >>> from dualtable.distributed import specs, work
        >>> def on_ray(ray) -> list:
        ...     far = ray.remote(work)
        ...     return ray.get([far.remote(spec) for spec in specs("shop:migration", 8)])
    """
    return waited_for(_specs(reference, workers, task, settings))


@overload
def run(
    reference: str,
    executor: Executor,
    workers: int,
    *,
    task: Literal["migrate"] = "migrate",
    observer: Observer | None = None,
    stop_on: Iterable[signal.Signals] = (),
    **settings: Any,
) -> MigrationReport: ...


@overload
def run(
    reference: str,
    executor: Executor,
    workers: int,
    *,
    task: Literal["verify"],
    observer: Callable[[VerificationProgress], None] | None = None,
    stop_on: Iterable[signal.Signals] = (),
    **settings: Any,
) -> VerificationReport: ...


@overload
def run(
    reference: str,
    executor: Executor,
    workers: int,
    *,
    task: Literal["cleanup"],
    observer: Callable[[CleanupProgress], None] | None = None,
    stop_on: Iterable[signal.Signals] = (),
    **settings: Any,
) -> CleanupReport: ...


def run(
    reference: str,
    executor: Executor,
    workers: int,
    *,
    task: Task = "migrate",
    observer: Callable[[Any], None] | None = None,
    stop_on: Iterable[signal.Signals] = (),
    **settings: Any,
) -> Report:
    """Migrate, verify or clean up with several workers on an executor.

    Where an event loop runs already, as in a notebook, all of it goes on in a thread of its own, in
    which the observer is called, too: leave `stop_on` out there, an interrupt stops the workers.

    Args:
        reference: The migration, as ``MODULE:ATTRIBUTE``; importable here and where the workers
            are.
        executor: Where the workers run: `Processes`, a
            `concurrent.futures.ProcessPoolExecutor`, Dask's ``Client.get_executor()``, or any
            other. It must be able to run all of them at once.
        workers: How many there are. Ceilings hold for all of them together.
        task: ``"migrate"`` (default), ``"verify"`` or ``"cleanup"``.
        observer: Called with a `MigrationProgress`, `VerificationProgress` or `CleanupProgress`
            about once a second, less often where there are many segments; it says what all have
            done.
        stop_on: Signals that stop the workers in an orderly way, as for `dualtable.Migrator.run`.
        **settings: As for `specs`.

    Returns:
        What all workers did. For a migration that is what the control table says has been settled
        meanwhile, so that the part of a worker that was lost counts, too.

    Raises:
        InvalidSettingError: A setting is out of range or cannot travel, or the reference is none.
        WorkerError: The migration cannot be imported where a worker is; or workers were lost, and
            the others did not or could not finish: run it again to go on.
        DualTableError: As for `dualtable.Migrator.run`, `dualtable.Verifier.run` and `clean_up`;
            the first error of a worker, after the others have been stopped.

    Example:
        >>> from dualtable.distributed import Processes, run
        >>> def migrate() -> bool:
        ...     with Processes() as processes:
        ...         return run("orders_migration:migration", processes, workers=4).ok
    """
    working = running(
        reference, executor, workers, task=task, observer=observer, stop_on=stop_on, **settings
    )
    return waited_for(working)


async def _specs(
    reference: str, workers: int, task: Task, settings: dict[str, Any]
) -> list[WorkSpec]:
    check_range("workers", workers, 1, 10_000, whole=True, optional=False)
    check_task(task)
    if given := [name for name in _BY_HAND if settings.get(name)]:
        raise InvalidSettingError(f"{given[0]} is nothing that several workers can share")
    for name in _PATHS:
        if settings.get(name) is not None:
            check_path(name, settings[name])
    of_work, connection = told_apart(settings)
    migration = load_migration(reference)
    first = WorkSpec(
        reference=travelling(reference),
        task=task,
        name=migration.name,
        control_table=migration.control_table,
        number=0,
        workers=workers,
        job=secrets.token_hex(8),
        run=await _begin(migration, task, workers, of_work, connection),
        settings={name: of_work[name] for name in of_work if name not in _DONE_HERE},
        connection=connection,
    )
    return [attrs.evolve(first, number=number) for number in range(workers)]


async def _begin(
    migration: Migration,
    task: Task,
    workers: int,
    settings: dict[str, Any],
    connection: dict[str, str | None],
) -> str:
    """Begin the run that all workers will share; return the identity of a verification.

    Its ceilings are set once: a worker that begins later would take back what has been set since.
    """
    given = {name: settings[name] for name in _CEILINGS if settings.get(name) is not None}
    for name, value in given.items():
        check_range(name, value, 0.001)
    run = await _begin_run(migration, task, workers, settings, connection)
    if given:
        async with connect(cast("Connection", connection), ONE_OFF) as gateway:
            control = Control(gateway, migration.control_table, migration.name)
            await control.change_ceilings(lambda found: found.given(**given))
    return run


async def _begin_run(
    migration: Migration,
    task: Task,
    workers: int,
    settings: dict[str, Any],
    connection: dict[str, str | None],
) -> str:
    if task == "migrate":
        here = {**loaded(settings), **connection, "dead_letters": os.devnull}  # theirs lie there
        await Migrator(migration, **cast("Any", here)).begin(workers=workers)
    elif task == "verify":
        return await Verifier(migration, **cast("Any", {**settings, **connection})).begin()
    return ""


async def running(
    reference: str,
    executor: Executor,
    workers: int,
    *,
    task: Task = "migrate",
    observer: Callable[[Any], None] | None = None,
    stop_on: Iterable[signal.Signals] = (),
    **settings: Any,
) -> Report:
    """Do what `run` does, on an event loop that runs already."""
    check_observer(observer)
    if not isinstance(executor, Executor):
        raise InvalidSettingError(
            "executor must be a concurrent.futures.Executor, such as Processes() or Dask's"
            f" client.get_executor(), not a {type(executor).__name__}"
        )
    planned = [
        attrs.evolve(spec, stop_on=handled_by_workers(executor))
        for spec in await _specs(reference, workers, task, settings)
    ]
    first = planned[0]
    async with connect(cast("Connection", dict(first.connection)), ONE_OFF) as gateway:
        migration = load_migration(first.reference)
        standing = await standing_of(gateway, migration, first.task, SystemClock())
        if standing.is_finished:
            return await standing.merged([])
        job = Job(gateway, first.control_table, first.name, first.job)
        watch = _Watch(executor, job, first.workers)
        with stopping_on(stop_on, watch.stop):
            reports = await watch.until_done(planned, partial(standing.tell, observer))
        report = await standing.merged(reports)
        watch.check(complete=report.complete)
        return report


def handled_by_workers(executor: Executor) -> tuple[str, ...]:
    """Return which signals let a worker finish its pages.

    A terminal sends SIGINT to all processes. SIGTERM is how a pool ends its processes once one of
    them is lost, and then waits for them: a worker of a pool must die of it.
    """
    if isinstance(executor, ProcessPoolExecutor):
        return ("SIGINT",)
    return ("SIGINT", "SIGTERM") if isinstance(executor, Processes) else ()


@attrs.define(eq=False)
class _Watch:
    """The workers of one call, as far as they are known to fare."""

    executor: Executor
    job: Job
    replacements: int
    lost: int = 0
    loss: BaseException | None = None
    failure: BaseException | None = None
    _running: dict[asyncio.Future[Report], WorkSpec] = attrs.field(init=False, factory=dict)
    _reports: list[Report] = attrs.field(init=False, factory=list)
    _stopping: bool = attrs.field(init=False, default=False)
    _told: bool = attrs.field(init=False, default=False)
    _places: dict[int, str] = attrs.field(init=False, factory=dict)

    def stop(self) -> None:
        """Let the workers finish their pages and end."""
        _log.warning("finishing pages; again to stop at once")
        self._stopping = True

    async def until_done(self, planned: list[WorkSpec], tell: Callable[[], Any]) -> list[Report]:
        """Return what the workers report, once none is left.

        What is raised here, by the observer for one, stops the workers in an orderly way.
        """
        try:
            for spec in planned:
                self._begin(spec)
            await self._follow(tell)
        except BaseException:
            await self._call_off()
            raise
        await self._note_places()
        await self.job.forget()
        return self._reports

    async def _follow(self, tell: Callable[[], Any]) -> None:
        while self._running:
            ended, _ = await asyncio.wait(
                self._running, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for future in ended:
                self._end(future, self._running.pop(future))
            if self._stopping and not self._told:
                self._told = True
                await self.job.stop()
            await tell()

    async def _call_off(self) -> None:
        """Stop the workers: whoever would hear of them hears no more."""
        with suppress(DualTableError):
            if self._running:
                await self.job.stop()
                ended, _ = await asyncio.wait(self._running)
                for future in ended:
                    future.cancelled() or future.exception()  # asyncio logs what nobody has asked
            await self.job.forget()

    def check(self, *, complete: bool) -> None:
        """Raise what a worker has raised, or that too many were lost."""
        if self.failure is not None:
            raise self.failure
        if self.lost and complete:
            _log.warning("workers were lost, others took over", extra={"lost": self.lost})
        elif self.lost:
            known = f" ({'; '.join(self._places.values())})" if self._places else ""
            failure = WorkerError(
                f"{self.lost} workers were lost{known}, {_cause(self.loss)}, and no"
                " other could be begun in their place; what is settled stays: run it again to go on"
            )
            failure.begun = True
            raise failure from self.loss

    def _begin(self, spec: WorkSpec) -> None:
        try:
            self._running[asyncio.wrap_future(self.executor.submit(work, spec))] = spec
        except (BrokenExecutor, OSError, RuntimeError) as error:
            _log.debug("the executor takes no worker", extra={"reason": type(error).__name__})
            self.lost += not self.lost
            self.loss = self.loss or error

    def _end(self, future: asyncio.Future[Report], spec: WorkSpec) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._reports.append(future.result())
        elif isinstance(error, DualTableError):
            self.failure = self.failure or error
            self._stopping = True
        else:
            self._lose(spec, error)

    def _lose(self, spec: WorkSpec, error: BaseException) -> None:
        _log.warning(
            "a worker was lost", extra={"worker": spec.number, "reason": type(error).__name__}
        )
        self.lost += 1
        self.loss = self.loss or error
        if self.replacements and not self._stopping:
            self.replacements -= 1
            self._begin(spec)

    async def _note_places(self) -> None:
        if self.lost:
            words = await self.job.words()
            self._places = {word.number: word.place for word in words if not word.ended}


def _cause(loss: BaseException | None) -> str:
    """Say how the first of the workers was lost."""
    if loss is None or isinstance(loss, BrokenExecutor):
        return "killed perhaps for want of memory"
    return f"the first one by {type(loss).__name__}"
