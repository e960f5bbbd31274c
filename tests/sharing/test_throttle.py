"""A migrator stands still as long as the user's callable says so, and wherever it says nothing."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import orders
import pytest
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import SimulatedDynamoDB

from dualtable import Migrator, read_status
from dualtable._cli.commands import COMMANDS
from dualtable._cli.main import run
from dualtable._clock import SystemClock
from dualtable._control.capacity import Pace, Paces
from dualtable._sharing.throttle import Throttling
from dualtable._telling.statuses import status_text
from dualtable.errors import InvalidSettingError
from dualtable.testing import MemoryGateway


def paces() -> Paces:
    return Paces(*(Pace(SystemClock(), start=10.0, step=0.0, most=10.0) for _ in range(3)))


def throttling(hook: Any, patience_seconds: float = 5.0) -> Throttling:
    return Throttling(hook, SystemClock(), paces(), patience_seconds)


def raises() -> bool:
    raise ConnectionError("password=secret")


async def awaited() -> str:
    await asyncio.sleep(0)
    return "the replicas lag"


class Lag:
    """A callable object, asynchronous."""

    async def __call__(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (lambda: False, ""),
        (lambda: None, ""),
        (lambda: "", ""),
        (lambda: True, "its throttle says so"),
        (lambda: "the replicas lag by 9 s", "the replicas lag by 9 s"),
        (lambda: "x" * 900, "x" * 200),
        (awaited, "the replicas lag"),
        (lambda: Lag()(), "its throttle says so"),  # noqa: PLW0108 - no coroutine function itself
        (Lag(), "its throttle says so"),
        (raises, "its throttle raised ConnectionError at test_throttle.py:"),
        (lambda: 0.7, "its throttle returned a float, not True, False, None or a reason"),
        (lambda: 0, "its throttle returned a int, not True, False, None or a reason"),
    ],
)
async def test_what_it_says_is_what_is_done(hook: Any, reason: str) -> None:
    """Only a plain no lets the run go on; an error is told by its name, not by its words."""
    each = throttling(hook)
    await each.ask()
    assert each.reason.startswith(reason)
    assert bool(each.reason) == bool(reason)
    assert "secret" not in each.reason
    assert each.paces.are_paused is bool(reason)
    assert each.paces.reads.rate == (0.0 if reason else 10.0)


class Moody:
    """Raises when it is asked for the first time, and has nothing against it afterwards."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error, self.calls = error, 0

    def __call__(self) -> bool:
        self.calls += 1
        if self.calls == 1:
            raise self.error
        return False


class MoodyLater(Moody):
    """Asynchronous; a task of its own may be what raises."""

    async def __call__(self) -> bool:
        await asyncio.sleep(0)
        return super().__call__()


class CancelsItsOwn(Moody):
    """Awaits a task of its own that somebody else has cancelled."""

    async def __call__(self) -> bool:
        task = asyncio.ensure_future(asyncio.sleep(30))
        self.calls += 1
        if self.calls == 1:
            task.cancel()
            await task
        task.cancel()
        return False


class CancelsItself(Moody):
    async def __call__(self) -> bool:
        self.calls += 1
        if self.calls == 1:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0)
        return False


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        *((Moody(each), each.__name__) for each in (StopIteration, SystemExit, GeneratorExit)),
        (Moody(KeyboardInterrupt), "KeyboardInterrupt"),
        (Moody(asyncio.CancelledError), "CancelledError"),
        (MoodyLater(SystemExit), "SystemExit"),
        (MoodyLater(asyncio.CancelledError), "CancelledError"),
        (CancelsItsOwn(asyncio.CancelledError), "CancelledError"),
        (CancelsItself(asyncio.CancelledError), "CancelledError"),
    ],
)
async def test_whatever_it_raises_pauses_and_it_is_asked_again(hook: Moody, name: str) -> None:
    """No error ends the asking: neither one that no future takes, nor a cancellation of its own."""
    each = throttling(hook)
    await each.ask()
    assert each.reason.startswith(f"its throttle raised {name}")
    assert each.paces.are_paused
    await each.ask()
    assert (each.reason, each.paces.are_paused, hook.calls) == ("", False, 2)


async def test_a_run_that_is_cancelled_asks_no_more() -> None:
    """What is cancelled from outside ends, and with it the call that is under way."""
    called, ended = asyncio.Event(), asyncio.Event()

    async def hook() -> None:
        called.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    each = Throttling(hook, virtual_time.VirtualClock(), paces())
    following = asyncio.create_task(each.follow())
    async with asyncio.timeout(10):
        await called.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await ended.wait()


async def test_a_callable_that_hangs_pauses_and_is_called_once() -> None:
    """No thread is started beside one that has not come back; its late answer counts."""
    released, calls = threading.Event(), []

    def hook() -> bool:
        calls.append(1)
        released.wait(30)
        return False

    each = throttling(hook, patience_seconds=0.05)
    for _ in range(3):
        await each.ask()
        assert each.reason == "its throttle has not answered for 0.05 s"
    assert len(calls) == 1
    released.set()
    each.patience_seconds = 5.0
    await each.ask()
    assert each.reason == ""
    assert not each.paces.are_paused


async def test_it_is_called_off_the_loop() -> None:
    """A callable that blocks holds up no request, no lease, no stop."""
    threads = []
    each = throttling(lambda: threads.append(threading.current_thread()))
    await each.ask()
    assert threads[0] is not threading.main_thread()


async def test_a_ceiling_that_changes_meanwhile_does_not_end_the_pause() -> None:
    """Both have to allow it."""
    each = paces()
    each.hold(True)
    each.limit(None, None)
    assert each.are_paused
    each.hold(False)
    each.limit(0.0, None)
    assert each.are_paused
    each.limit(None, None)
    assert not each.are_paused


def test_a_run_stands_still_and_status_says_why(tmp_path: Path) -> None:
    """For 40 s nothing is written; then it goes on to the end, and the events say so."""
    seen: dict[str, Any] = {}

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        gateway.add_table(
            "orders", Capacity(partitions=1), proofs.old_item, keys=proofs.keys(1_500)
        )
        new = gateway.add_table("orders-v2", Capacity(write_units=400, read_units=400))
        time = asyncio.get_running_loop().time

        async def lagging() -> str | None:
            return "the replicas lag" if 5 < time() < 45 else None

        clock = virtual_time.VirtualClock()
        running = asyncio.create_task(
            Migrator(
                proofs.MIGRATION,
                gateway=gateway,
                clock=clock,
                dead_letters=os.devnull,
                events=tmp_path / "events",
                throttle=lagging,
            ).run()
        )
        await asyncio.sleep(30)
        status = await read_status(proofs.MIGRATION, gateway=gateway, clock=clock)
        seen["paused"] = [each.paused_by for each in status.migrators]
        seen["text"] = " ".join(status_text(status, proofs.MIGRATION, ()))
        assert (await running).ok
        seen["written"] = sum(new.capacity.consumed[second] for second in range(10, 40))
        status = await read_status(proofs.MIGRATION, gateway=gateway, clock=clock)
        seen["after"] = status.migrators

    virtual_time.run(main())
    assert seen["paused"] == ["the replicas lag"]
    assert "PAUSED: the replicas lag" in seen["text"]
    assert seen["written"] == 0
    assert seen["after"] == ()
    (file,) = (tmp_path / "events").iterdir()
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line.get("paused_by") for line in told} >= {"the replicas lag", None}
    assert 30 <= sum(line.get("paused_seconds", 0) for line in told) <= 45


def test_a_run_that_may_not_begin_does_not() -> None:
    """It is asked before the first page is read."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        old = gateway.add_table("orders", Capacity(), proofs.old_item, keys=proofs.keys(50))
        gateway.add_table("orders-v2", Capacity())

        async def always() -> bool:
            return True

        settings: dict[str, Any] = {"dead_letters": os.devnull, "throttle": always}
        clock = virtual_time.VirtualClock()
        for dry_run in (True, False):
            migrator = Migrator(
                proofs.MIGRATION, gateway=gateway, clock=clock, dry_run=dry_run, **settings
            )
            running = asyncio.create_task(migrator.run())
            await asyncio.sleep(60)
            migrator.stop()
            assert (await running).scanned == 0
        assert old.requests == 0

    virtual_time.run(main())


def test_what_cannot_be_called_is_refused() -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidSettingError, match="throttle must be a callable"):
        Migrator(orders.migration("shop"), gateway=MemoryGateway(), throttle=True)  # type: ignore[arg-type]


def test_the_command_line_takes_it_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """``MODULE:ATTRIBUTE``, as for the migration; what is not there is wrong use."""
    arguments = ["migrate", "simulation.proofs:MIGRATION", "--yes", "--throttle"]
    assert run(COMMANDS, [*arguments, "os:nothing"]) == 2
    assert "module 'os' has no attribute 'nothing'" in capsys.readouterr().err
    assert run(COMMANDS, [*arguments, "os:sep"]) == 2
    assert "throttle must be a callable" in capsys.readouterr().err
