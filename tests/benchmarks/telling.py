"""``python -m benchmarks.telling``: what it costs that a run tells of itself: progress on a wide
terminal, metrics and the event file, all at once.

The rule: one run, and two sums of time. Whatever is called to tell is timed where it is called; the
rest is the processor time of the process, less what the timing itself takes. What the run itself
brings about, such as each request, is a share of that. What a clock brings about, such as the next
look of the progress, is a share of the seconds instead, as it is of a process that is busy all the
time. So neither depends on how fast the machine is, or what else it does.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import attrs
from rich.live import Live
from servers import SERVERS

from benchmarks import workload
from benchmarks.contenders.dualtable_steps import STEPS
from benchmarks.processes import SETTINGS
from dualtable import Migration, Migrator
from dualtable._copy.lately import Lately
from dualtable._copy.run import Run
from dualtable._dynamodb.aws import open_gateway
from dualtable._events.file import EventFile
from dualtable._events.metering import IntervalMeter
from dualtable._events.recorder import Recorder
from dualtable._events.requests import Requests
from dualtable._metrics import Metrics
from dualtable._progress import shown as shown_module
from dualtable._progress.meter import Meter
from dualtable._progress.readings import of_migration
from dualtable._progress.shown import shown
from dualtable._sharing.stages import Stages

TARGET = 0.02
COLUMNS = "140"  # a terminal wide enough for the strip of segments
BY_THE_RUN: tuple[tuple[Any, str], ...] = (
    (Requests, "__call__"),
    (Stages, "enter"),
    (Run, "_observe"),
)
"""What the run itself calls to tell; none of it waits."""

BY_THE_CLOCK: tuple[tuple[Any, str], ...] = (
    (IntervalMeter, "__call__"),
    (EventFile, "_lines"),
    (Recorder, "_came"),
    (Lately, "_look"),
    (Meter, "note"),
    (Meter, "view"),
    (shown_module, "drawn"),
    (Live, "update"),
)
"""What is called every so many seconds."""

TOLD = BY_THE_RUN + BY_THE_CLOCK


class Terminal(io.StringIO):
    """A terminal that nobody looks at."""

    def isatty(self) -> bool:
        return True


@attrs.define
class Timed:
    """How long calls took, and how many there were."""

    seconds: float = 0.0
    calls: int = 0
    inside: bool = False  # a call within a call counts once

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return call(*args, **kwargs)
            self.inside = True
            begun = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - begun
                self.calls += 1
                self.inside = False

        return timed


def cost_of_timing(calls: int = 20_000) -> float:
    """Return the seconds that a timed call seems to take that does nothing."""
    timed = Timed()
    nothing = timed.around(lambda: None)
    for _ in range(calls):
        nothing()
    return timed.seconds / calls


@contextmanager
def timing(told: Sequence[tuple[Any, str]]) -> Iterator[Timed]:
    """Time what is called to tell, inside the block."""
    timed = Timed()
    before = [(owner, name, getattr(owner, name)) for owner, name in told]
    for owner, name, call in before:
        setattr(owner, name, timed.around(call))
    try:
        yield timed
    finally:
        for owner, name, call in before:
            setattr(owner, name, call)


@attrs.frozen
class Cost:
    """What telling took: by the run, as a share of its CPU; by the clock, of its seconds."""

    by_the_run: Timed
    by_the_clock: Timed
    cpu_seconds: float
    seconds: float

    @property
    def share(self) -> float:
        """Of a process that is busy all the time."""
        each = cost_of_timing()
        by_the_run = self.by_the_run.seconds - self.by_the_run.calls * each
        spent = self.cpu_seconds - 2 * self.by_the_run.calls * each
        return by_the_run / spent + self.clock_share

    @property
    def clock_share(self) -> float:
        return self.by_the_clock.seconds / max(self.seconds, self.cpu_seconds)


def cost(url: str, items: int) -> Cost:
    """Migrate a table while all is told that can be told, and return what that took."""

    async def main() -> Cost:
        async with open_gateway(endpoint_url=url) as gateway:
            await workload.fill(gateway, "told-old", items)
            await gateway.create_table(workload.orders.table("told-new"))
        with timing(BY_THE_RUN) as run, timing(BY_THE_CLOCK) as clock:
            cpu, begun = time.process_time(), time.monotonic()
            await migrated(url)
            return Cost(run, clock, time.process_time() - cpu, time.monotonic() - begun)

    return asyncio.run(main())


async def migrated(url: str) -> None:
    migration = Migration("told", "told-old", "told-new", STEPS, version="1")
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(Terminal()):
        async with shown("migrating") as show:
            report = await Migrator(
                migration,
                endpoint_url=url,
                dead_letters=Path(folder) / "letters",
                observer=lambda progress: show(of_migration(progress, "told:migration")),
            ).run()
    assert report.ok, report


def with_sdk() -> None:
    """Let metrics be collected, as a program does that has an SDK."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))
    assert Metrics.of("told") is not None


def main() -> int:
    """Return 0 where the target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.telling", description=__doc__)
    parser.add_argument("--server", choices=SERVERS, default="dynoxide")
    parser.add_argument("--items", type=int, default=20_000)
    options = parser.parse_args()
    os.environ.update(SETTINGS, COLUMNS=COLUMNS, TERM="xterm-256color")
    with_sdk()
    with SERVERS[options.server]() as url:
        found = cost(url, options.items)
    each = found.cpu_seconds / options.items * 1e6
    print(
        f"telling: {found.share:.2%} of the CPU of a busy process, {found.clock_share:.2%} of it"
        f" by the clock ({found.by_the_run.calls} and {found.by_the_clock.calls} calls;"
        f" {each:.0f} µs an item, {found.cpu_seconds:.1f} s of CPU in {found.seconds:.1f} s)"
    )
    print(f"target {TARGET:.0%}: {'met' if found.share <= TARGET else 'MISSED'}")
    return 0 if found.share <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
