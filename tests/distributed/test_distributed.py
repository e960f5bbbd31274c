"""Several workers on an executor: what travels, who stops, and what is left when one is killed."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable import DualTableError, VerificationReport, create_table, read_status
from dualtable.__main__ import main
from dualtable._control.control_table import Control
from dualtable._control.jobs import Job
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.rate import change_limits
from dualtable._operations.reference import load_migration
from dualtable._operations.sweep import CleanupReport
from dualtable.distributed import Processes, WorkSpec, run, specs, work
from dualtable.distributed._run import _Watch, handled_by_workers
from dualtable.distributed._spec import travelling
from dualtable.distributed._work import waited_for
from dualtable.errors import InvalidSettingError, WorkerError
from dualtable.testing import MemoryGateway

FOLDER = Path(__file__).parent
REFERENCE = "shop_migration:migration"
ITEMS = 120
SETTINGS: dict[str, Any] = {
    "concurrency": 2,
    "page_items": 5,
    "total_segments": 8,
    "lease_seconds": 1,
}


@pytest.fixture
def shop(
    endpoint: str, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Both tables on a server, and the connection to it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    connection: dict[str, Any] = {"endpoint_url": endpoint}
    monkeypatch.setenv("DUALTABLE_TEST_SHOP", table_name)
    monkeypatch.delitem(sys.modules, "shop_migration", raising=False)
    asyncio.run(made(connection))
    return connection


async def made(connection: dict[str, Any]) -> None:
    plan = load_migration(REFERENCE)
    async with connect(connection, ONE_OFF) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [{"id": f"o-{n}", "nme": "Ann"} for n in range(ITEMS)])
        await create_table(plan, gateway=gateway)


async def records(connection: dict[str, Any], job: str) -> list[Any]:
    plan = load_migration(REFERENCE)
    async with connect(connection, ONE_OFF) as gateway:
        return await Job(gateway, plan.control_table, plan.name, job).words()


def pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


# -- what travels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"session": object()}, "session cannot travel"),
        ({"gateway": object()}, "gateway is nothing"),
        ({"dry_run": True}, "dry_run is nothing"),
        ({"concurrency": [1]}, "concurrency must be text, a number or None"),
        ({"throttle": print}, "throttle must be MODULE:ATTRIBUTE to travel"),
        ({"throttle": "nowhere:hold"}, "no module 'nowhere'"),
        ({"speed": 7}, "speed. is no setting"),
        ({"concurrency": 0}, "concurrency"),
        ({"task": "sweep"}, "task='sweep' must be one of migrate, verify, cleanup"),
        ({"workers": 0}, "workers"),
        ({"reference": "shop_migration"}, "MODULE:ATTRIBUTE"),
        ({"reference": "nowhere:migration"}, "no module 'nowhere'"),
        ({"reference": 5}, "a int is none"),
        ({"reference": None}, "a NoneType is none"),
        ({"reference": orders.migration("shop")}, "a Migration is none"),
        ({"dead_letters": 5}, "dead_letters=5 must be a path"),
        ({"dead_letters": True, "task": "cleanup"}, "dead_letters=True must be a path"),
        ({"events": 5, "task": "verify"}, "events=5 must be a path"),
        ({"observer": 5}, "observer must be a callable"),
        ({"observer": made}, "observer is asynchronous"),
        ({"max_write_units": 1e200}, "max_write_units=1e\\+200 must be a number"),
        ({"executor": None}, "executor must be .* not a NoneType"),
        ({"executor": Processes}, "executor must be"),
    ],
)
def test_what_cannot_travel_is_refused_before_anything_is_sent(
    settings: dict[str, Any], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server is needed to say so, and no worker is begun."""
    monkeypatch.syspath_prepend(FOLDER)
    with ThreadPoolExecutor(1) as threads, pytest.raises(DualTableError, match=word):
        run(**{"reference": REFERENCE, "executor": threads, "workers": 2, **settings})


def test_a_module_that_was_run_by_name_travels_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """``__main__`` is another module in each process; the one of ``python -m`` has a name."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", ModuleSpec("shop.tool", None))
    assert travelling("__main__:migration") == "shop.tool:migration"
    monkeypatch.setattr(main, "__spec__", None)
    assert travelling("__main__:migration") == "__main__:migration"
    assert travelling("shop:migration") == "shop:migration"


def test_a_spec_is_plain_data() -> None:
    """It survives pickling, and holds no client and no credential."""
    spec = WorkSpec(
        reference=REFERENCE,
        task="migrate",
        name="shop",
        control_table="c",
        number=1,
        workers=2,
        job="j",
        settings={"concurrency": 2},
    )
    assert pickle.loads(pickle.dumps(spec)) == spec


# -- workers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("SIGFOO",), "SIGINT", ("SIGINT", 2), 5])
def test_a_signal_that_there_is_not_is_refused(names: Any) -> None:
    """Where the spec is made, and not by a worker far away."""
    with pytest.raises(InvalidSettingError, match=r"stop_on=.* must be names of signals"):
        attrs.evolve(SWEEP, stop_on=names)


class AtOnce(Executor):
    """Makes each call there and then, as an engine does that is to be debugged."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except DualTableError as error:
            future.set_exception(error)
        return future


def test_it_works_where_an_event_loop_runs(shop: dict[str, Any]) -> None:
    """In a notebook, where those sit who use engines; an error comes out as it is."""

    async def cell() -> None:
        (spec,) = specs(REFERENCE, 1, **SETTINGS, **shop)
        assert work(spec).complete  # type: ignore[union-attr]
        assert run(REFERENCE, AtOnce(), 1, task="verify", **shop).ok
        with pytest.raises(InvalidSettingError, match="workers"):
            specs(REFERENCE, 0, **shop)

    asyncio.run(cell())


def test_who_interrupts_a_notebook_is_waited_for_no_longer_than_it_takes() -> None:
    """What goes on in the other thread is cancelled, and has its say."""
    ended: list[bool] = []

    def waits() -> bool:
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        return frame.f_back is not None and frame.f_back.f_code is Future.result.__code__

    async def long() -> None:
        try:
            while not waits():
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)  # reaches the thread that waits
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def cell() -> None:
        with pytest.raises(KeyboardInterrupt):
            waited_for(long())

    loop = asyncio.new_event_loop()  # no signal handler of its own, as in a notebook
    try:
        loop.run_until_complete(cell())
    finally:
        loop.close()
    assert ended


@pytest.mark.slow
def test_several_workers_are_one_run(shop: dict[str, Any]) -> None:
    """Copy and verification: every item once, and one report for all of them."""
    with ThreadPoolExecutor(2) as workers:
        report = run(REFERENCE, workers, 2, **SETTINGS, **shop)
        assert (report.scanned, report.written, report.ok) == (ITEMS, ITEMS, True)
        seen: list[Any] = []
        again = run(REFERENCE, workers, 2, observer=seen.append, **SETTINGS, **shop)
        assert (again.scanned, again.ok, seen) == (0, True, [])
        proof = run(REFERENCE, workers, 2, task="verify", **shop)
        assert (proof.checked, proof.ok) == (ITEMS, True)


def killed_once(shop: dict[str, Any], executor: Executor, tmp_path: Path, workers: int = 2) -> Any:
    os.environ["DUALTABLE_TEST_KILL"] = str(tmp_path / "killed")
    try:
        with executor:
            return run(REFERENCE, executor, workers, **SETTINGS, **shop)
    finally:
        del os.environ["DUALTABLE_TEST_KILL"]
        assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_the_others_go_on_where_a_process_is_killed(shop: dict[str, Any], tmp_path: Path) -> None:
    """Its part is taken over, another one takes its place, and what it did is counted."""
    report = killed_once(shop, Processes(), tmp_path)
    assert (report.scanned, report.ok) == (ITEMS, True)
    assert run(REFERENCE, ThreadPoolExecutor(1), 1, task="verify", **shop).ok


@pytest.mark.slow
def test_processes_have_ended_where_their_executor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at what they took, or begins others, finds none of them at work."""
    monkeypatch.syspath_prepend(FOLDER)
    from shop_migration import lingers

    with Processes() as processes:
        calls = [processes.submit(lingers) for _ in range(2)]
        calls[0].result()
    for call in calls:
        with pytest.raises(ProcessLookupError):
            os.kill(call.result(), 0)


@pytest.mark.slow
def test_a_pool_that_breaks_says_so_and_the_same_call_goes_on(
    shop: dict[str, Any], tmp_path: Path
) -> None:
    """A process pool ends with one of its processes; nothing is lost, and nothing done twice."""
    with pytest.raises(WorkerError, match=r"were lost.*process \d+.*run it again") as caught:
        killed_once(shop, pool(1), tmp_path, workers=1)
    assert caught.value.begun
    with pool(2) as workers:
        assert run(REFERENCE, workers, 2, **SETTINGS, **shop).ok
    assert run(REFERENCE, ThreadPoolExecutor(1), 1, task="verify", **shop).ok


@pytest.mark.slow
def test_a_pool_can_end_its_workers() -> None:
    """It does so by SIGTERM where one is lost, and waits: a worker that outlives that hangs all."""
    with pool(1) as of_many, Processes() as of_one, ThreadPoolExecutor() as threads:
        assert handled_by_workers(of_many) == ("SIGINT",)
        assert handled_by_workers(of_one) == ("SIGINT", "SIGTERM")
        assert handled_by_workers(threads) == ()


def test_a_worker_that_cannot_import_says_so_by_name(shop: dict[str, Any]) -> None:
    """To whoever called it, and in the control table for whoever cannot hear it."""
    (spec,) = specs(REFERENCE, 1, **SETTINGS, **shop)
    elsewhere = attrs.evolve(spec, reference="not_here:migration", number=3)
    with ThreadPoolExecutor(1) as threads:
        failed = threads.submit(work, elsewhere).exception()
    assert isinstance(failed, WorkerError)
    assert "worker 3 on" in str(failed)
    assert "no module 'not_here'" in str(failed)
    (word,) = asyncio.run(records(shop, spec.job))
    assert (word.number, word.ended) == (3, True)
    assert "not_here" in word.error
    assert str(pickle.loads(pickle.dumps(failed))) == str(failed)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["on_processes", "on_pool", "on_dask"])
def test_an_engine_passes_on_what_a_worker_cannot_import(engine: str) -> None:
    """The run ends with it; `nox -s engines` asks Ray and Spark too."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(FOLDER / "elsewhere.py"), engine]
    said = subprocess.check_output(command, env=environment, text=True)
    assert "cannot load only_here:migration: there is no module" in said


@pytest.mark.slow
def test_workers_are_stopped_through_the_control_table(shop: dict[str, Any]) -> None:
    """They finish their pages, and give back what they hold."""
    (spec,) = specs(REFERENCE, 1, max_write_units=5, **SETTINGS, **shop)

    async def stop() -> None:
        plan = load_migration(REFERENCE)
        async with connect(shop, ONE_OFF) as gateway:  # type: ignore[arg-type]
            await Job(gateway, plan.control_table, plan.name, spec.job).stop()

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work, spec)
        asyncio.run(stop())
        report = working.result()
    assert not report.complete  # type: ignore[union-attr]
    with ThreadPoolExecutor(2) as threads:
        assert run(REFERENCE, threads, 2, max_write_units=5_000, **SETTINGS, **shop).ok


def test_an_error_of_one_worker_is_raised(shop: dict[str, Any]) -> None:
    """And not hidden behind the others, which are stopped."""
    with ThreadPoolExecutor(1) as threads, pytest.raises(InvalidSettingError, match="dead_letters"):
        run(REFERENCE, threads, 1, dead_letters="/nowhere/at/all", **SETTINGS, **shop)


def test_a_throttle_travels_by_its_name(shop: dict[str, Any]) -> None:
    """Each worker asks its own, as by ``--throttle`` of one process alone."""
    with ThreadPoolExecutor(1) as threads:
        assert run(REFERENCE, threads, 1, throttle="shop_migration:never", **SETTINGS, **shop).ok
    assert sys.modules["shop_migration"].asked


def test_who_begins_the_workers_hears_what_all_of_them_find(shop: dict[str, Any]) -> None:
    """A verification of many processes shows its progress as one of a single process does."""
    heard: list[VerificationReport] = []
    with ThreadPoolExecutor(2) as threads:
        assert run(REFERENCE, threads, 2, **SETTINGS, **shop).ok
        report = run(REFERENCE, threads, 2, task="verify", observer=heard.append, **shop)
    assert (report.ok, report.checked) == (True, ITEMS)
    assert (heard[-1].share_done, heard[-1].checked) == (1.0, ITEMS)


SWEEP = WorkSpec(
    reference=REFERENCE,
    task="cleanup",
    name="shop",
    control_table="control",
    number=0,
    workers=1,
    job="j",
)


class UntilStopped(Executor):
    """Has workers that end once they are asked to, through the control table."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.listening: list[asyncio.Task[None]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.listening.append(asyncio.ensure_future(self.end(future)))
        return future

    async def end(self, future: Future[Any]) -> None:
        while not await self.job.is_stopped():
            await asyncio.sleep(0.01)
        future.set_result(CleanupReport())


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_what_goes_wrong_with_who_waits_stops_the_workers(error: type[BaseException]) -> None:
    """An observer's error, or Ctrl-C: nobody works on for hours behind it, and no record stays."""
    gateway = MemoryGateway()
    await Control(gateway, "control", "shop").ensure_table()
    job = Job(gateway, "control", "shop", "j")
    executor = UntilStopped(job)
    watch = _Watch(executor, job, 2)

    async def tell() -> None:
        raise error

    with pytest.raises(error):
        await watch.until_done([SWEEP], tell)
    (ended,) = executor.listening
    assert ended.done()
    assert not await orders.everything(gateway, "control")


class Failing(Executor):
    """Has workers that fail with an error that is none of this library's."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ZeroDivisionError("in the middle of it"))
        return future


async def test_a_worker_that_fails_for_a_reason_of_its_own_says_which() -> None:
    """Not every one that is lost was killed; the first one's error is the cause."""
    gateway = MemoryGateway()
    await Control(gateway, "control", "shop").ensure_table()
    watch = _Watch(Failing(), Job(gateway, "control", "shop", "j"), 1)
    await watch.until_done([SWEEP], lambda: asyncio.sleep(0))
    with pytest.raises(WorkerError, match=r"2 workers .* by ZeroDivisionError") as raised:
        watch.check(complete=False)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_worker_that_begins_late_takes_no_ceiling_back(shop: dict[str, Any]) -> None:
    """One that replaces a lost one, say: what an operator has set meanwhile holds."""
    (spec,) = specs(REFERENCE, 1, max_write_units=5_000, **SETTINGS, **shop)
    plan = load_migration(REFERENCE)
    asyncio.run(change_limits(plan, {"max_write_units": 4_000}, **shop))
    assert work(spec).complete  # type: ignore[union-attr]
    assert asyncio.run(read_status(plan, **shop)).max_write_units == 4_000


@pytest.mark.slow
def test_the_command_line_does_it_by_several_processes(
    shop: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copy and verification with ``--processes``: the same answer as of one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", shop["endpoint_url"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    several = ["--processes", "2", "--json", "--concurrency", "2"]
    assert main(["migrate", REFERENCE, "--yes", *several]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == ITEMS
    assert main(["verify", REFERENCE, *several, "--progress", "json"]) == 0
    answer = capsys.readouterr()
    assert json.loads(answer.out)["checked"] == ITEMS
    assert '"progress":"verifying"' in answer.err.replace(" ", "")
    assert main(["migrate", REFERENCE, "--yes", "--processes", "0"]) == 2
    assert "workers" in capsys.readouterr().err
