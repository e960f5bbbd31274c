"""Real processes that are stopped, go on, and are killed: nothing is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orders
import pytest

from dualtable import Migration, Verifier, read_status
from dualtable._control.control_table import Control
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import ONE_OFF

WORKER = Path(__file__).with_name("frozen_worker.py")
ITEMS = 300
LEASE_SECONDS = 1  # of both workers


@contextmanager
def worker(name: str, endpoint: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A migrator that has settled a page, and the first line that it has printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(WORKER), name, endpoint, str(folder / "dead-letters")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first
        yield process, first
    finally:
        process.kill()
        process.communicate()


def is_holding(process: int, plan: Migration, endpoint: str) -> bool:
    """Tell whether a segment is in the hands of a process."""

    async def owners() -> list[str]:
        async with connect({"endpoint_url": endpoint}, ONE_OFF) as gateway:
            control = Control(gateway, plan.control_table, plan.name)
            run = await control.run()
            assert run is not None
            segments = await control.of(run).segments()
        return [segment.lease.owner for segment in segments if segment.lease]

    return any(f":{process}:" in owner for owner in asyncio.run(owners()))


@pytest.mark.slow
def test_stopped_continued_and_killed(endpoint: str, table_name: str, tmp_path: Path) -> None:
    """Must show: one takes over from another that stands still, dies, and is taken over itself."""
    plan = orders.migration(table_name)

    async def fill() -> None:
        async with connect({"endpoint_url": endpoint}, ONE_OFF) as gateway:
            await orders.create(gateway, plan)
            await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(ITEMS)])

    asyncio.run(fill())
    with worker(table_name, endpoint, tmp_path) as (frozen, first):  # it holds all there is
        frozen.send_signal(signal.SIGSTOP)
        with worker(table_name, endpoint, tmp_path) as (mortal, _):
            while is_holding(frozen.pid, plan, endpoint):
                time.sleep(0.1)
            frozen.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            assert is_holding(mortal.pid, plan, endpoint)
            mortal.kill()
            killed = time.monotonic()
            while is_holding(mortal.pid, plan, endpoint):
                time.sleep(0.1)
            assert time.monotonic() - killed < LEASE_SECONDS + 5
        assert frozen.stdout is not None
        said = first + frozen.stdout.read()
        assert frozen.wait(timeout=30) == 0
    assert said.endswith("complete=True\n")
    status = asyncio.run(read_status(plan, endpoint_url=endpoint))
    assert status.scanned == ITEMS  # each page settled once, whoever had it in hand
    assert asyncio.run(Verifier(plan, endpoint_url=endpoint).run()).ok


PARENT = """
import os, sys
from dualtable.distributed import Processes
sys.path.insert(0, {folder!r})
from shop_migration import {call}

if __name__ == "__main__":
    with Processes() as processes:
        calls = [processes.submit({call}) for _ in range(2)]
        for call in calls:
            call.result()
"""


@pytest.mark.slow
@pytest.mark.parametrize("call", ["stays", "stops"])
def test_no_worker_outlives_who_began_it(call: str, tmp_path: Path) -> None:
    """However that has ended: nobody would hear of it, and nobody would end it."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(WORKER.parent), call=call))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(WORKER.parent), *sys.path])}
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    )
    with parent:
        assert parent.stdout is not None
        assert all(parent.stdout.readline() for _ in range(2))
        parent.kill()
        said = parent.stdout.read()  # ends once no process has it open any more
    assert said.count("stopped in order") == (2 if call == "stops" else 0)
