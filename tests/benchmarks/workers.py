"""``python -m benchmarks.workers``: two processes against one, and what the server takes of it.

The rule: a figure is what a further item costs, the difference between a large and a small table,
so that the start of processes counts for nobody. On a machine of two cores the server needs a part
of them, which is measured and named: it is what DynamoDB would do elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import time
from pathlib import Path

import attrs
from servers import SERVERS

from benchmarks import workload
from benchmarks.contenders.dualtable_steps import STEPS
from benchmarks.processes import SETTINGS
from dualtable import Migration, create_table
from dualtable._dynamodb.aws import open_gateway
from dualtable.distributed import Processes, run

_OLD, _NEW = "DUALTABLE_BENCH_OLD", "DUALTABLE_BENCH_NEW"
_TICKS = os.sysconf("SC_CLK_TCK")


def migration() -> Migration:
    """Return the migration between the tables that the environment names."""
    old, new = os.environ.get(_OLD, "old"), os.environ.get(_NEW, "new")
    return Migration(new, old, new, STEPS, control_table="control", version="1")


def __getattr__(name: str) -> Migration:
    """Let workers, which import this module by its name, find the migration of the moment."""
    if name == "present":
        return migration()
    raise AttributeError(name)


@attrs.frozen
class Cost:
    """Seconds by the clock, and of CPU: of the workers and who waits for them, and the server."""

    seconds: float
    clients: float
    server: float

    def __sub__(self, other: Cost) -> Cost:
        mine, theirs = attrs.astuple(self), attrs.astuple(other)
        return Cost(*(a - b for a, b in zip(mine, theirs, strict=True)))

    def row(self, workers: int, items: int) -> str:
        """Return one line of the table."""
        cpu = self.clients + self.server
        figures = (
            f"{workers}",
            f"{items / self.seconds:,.0f}",
            f"{self.clients / items * 1e6:.0f}",
            f"{self.server / items * 1e6:.0f}",
            f"{cpu / self.seconds:.2f}",
            f"{self.server / cpu:.0%}",
        )
        return "".join(f"{figure:>16}" for figure in figures)


HEAD = ("processes", "items a second", "µs, processes", "µs, server", "cores", "server's share")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    os.environ.update(SETTINGS)
    with SERVERS[options.server]() as url:
        server = _children()
        for items in (options.small, options.large):
            asyncio.run(_filled(url, f"old-{items}", items))
        print("".join(f"{title:>16}" for title in HEAD))
        for number in range(options.rounds):
            for workers in (1, 2):
                small, large = (
                    _cost(url, server, items, workers, number)
                    for items in (options.small, options.large)
                )
                print((large - small).row(workers, options.large - options.small), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.workers", description=__doc__)
    parser.add_argument("--server", choices=SERVERS, default="dynoxide")
    parser.add_argument("--small", type=int, default=5_000, help="items of the small table")
    parser.add_argument("--large", type=int, default=35_000, help="items of the large table")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


async def _filled(url: str, table: str, items: int) -> None:
    async with open_gateway(endpoint_url=url) as gateway:
        await workload.fill(gateway, table, items)


def _cost(url: str, server: list[int], items: int, workers: int, number: int) -> Cost:
    """Migrate a table with so many workers, and return what it took."""
    os.environ |= {_OLD: f"old-{items}", _NEW: f"new-{items}-{workers}-{number}"}
    asyncio.run(create_table(migration(), endpoint_url=url))
    begun = _so_far(server)
    with Processes() as processes:
        report = run(
            "benchmarks.workers:present",
            processes,
            workers,
            dead_letters=os.devnull,
            events=os.devnull,
            endpoint_url=url,
        )
    assert (report.ok, report.written) == (True, items)
    return _so_far(server) - begun


def _so_far(server: list[int]) -> Cost:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    clients = time.process_time() + ended.ru_utime + ended.ru_stime
    return Cost(time.monotonic(), clients, sum(map(_cpu_seconds, server)))


def _cpu_seconds(process: int) -> float:
    """Return the CPU that a process has taken; see proc(5)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _children() -> list[int]:
    """Return the processes that this one has begun, theirs included."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        parents[int(stat.parent.name)] = int(fields[1])
    found = [os.getpid()]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


if __name__ == "__main__":
    sys.exit(main())
