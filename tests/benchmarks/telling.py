"""``python -m benchmarks.telling``: what it costs that a run tells of itself, progress included.

The rule: one run, two sums of time. Whatever is called to tell, event file and metrics, is timed
where it is called; the rest is the processor time of the process, less what the timing itself
takes. So the share does not depend on how fast the machine is, or what else it does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from servers import SERVERS

from benchmarks import workload
from benchmarks.contenders.dualtable_steps import STEPS
from benchmarks.processes import SETTINGS
from dualtable import Migration, Migrator
from dualtable._copy.lately import Lately
from dualtable._dynamodb.aws import open_gateway
from dualtable._events.file import EventFile
from dualtable._events.metering import IntervalMeter
from dualtable._events.recorder import Recorder
from dualtable._events.requests import Requests
from dualtable._metrics import Metrics
from dualtable._sharing.stages import Stages

TARGET = 0.02
TOLD: tuple[tuple[type, str], ...] = (
    (Requests, "__call__"),
    (IntervalMeter, "__call__"),
    (Stages, "enter"),
    (EventFile, "_lines"),
    (Recorder, "_came"),
    (Lately, "_look"),
)
"""What is called to tell; none of it waits."""


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
def timing() -> Iterator[Timed]:
    """Time all that is called to tell, inside the block."""
    timed = Timed()
    before = {(kind, name): getattr(kind, name) for kind, name in TOLD}
    for (kind, name), call in before.items():
        setattr(kind, name, timed.around(call))
    try:
        yield timed
    finally:
        for (kind, name), call in before.items():
            setattr(kind, name, call)


def share(url: str, items: int) -> tuple[float, Timed]:
    """Migrate a table, and return the share of the processor's time that telling took."""

    async def main() -> tuple[float, Timed]:
        async with open_gateway(endpoint_url=url) as gateway:
            await workload.fill(gateway, "told-old", items)
            await gateway.create_table(workload.orders.table("told-new"))
        migration = Migration("told", "told-old", "told-new", STEPS, version="1")
        with tempfile.TemporaryDirectory() as folder, timing() as timed:
            letters = Path(folder) / "letters"
            migrator = Migrator(migration, endpoint_url=url, dead_letters=letters)
            begun = time.process_time()
            report = await migrator.run()
            spent = time.process_time() - begun
        assert report.ok, report
        each = cost_of_timing()
        timed.seconds -= timed.calls * each
        return timed.seconds / (spent - 2 * timed.calls * each), timed

    return asyncio.run(main())


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
    os.environ.update(SETTINGS)
    with_sdk()
    with SERVERS[options.server]() as url:
        found, timed = share(url, options.items)
    each = timed.seconds / options.items * 1e6
    print(f"telling: {found:.2%} of the CPU, {each:.2f} µs an item, {timed.calls} calls")
    print(f"target {TARGET:.0%}: {'met' if found <= TARGET else 'MISSED'}")
    return 0 if found <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
