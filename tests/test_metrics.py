"""What is measured has one name, stands in the docs, and costs nothing where nobody measures."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orders
import pytest

from dualtable import DualTableRepository, Migrator, Verifier, _metrics
from dualtable._metrics import GAUGE, HISTOGRAM, METRICS, MIGRATION, Metrics
from dualtable.errors import ItemNotFoundError, ThrottledError
from dualtable.testing import Faults, MemoryGateway

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "metrics.md"


class Collected:
    """What a reader of metrics has collected."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def metrics(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def total(self, name: str, **attributes: str) -> float:
        """Return the sum of what was measured under a name, with these attributes."""
        found = self.metrics().get(name)
        points = found.data.data_points if found else ()
        named = {key.replace("error_type", "error.type"): v for key, v in attributes.items()}
        return sum(
            getattr(point, "value", None) or getattr(point, "count", 0)
            for point in points
            if named.items() <= dict(point.attributes).items()
        )


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """An SDK of one test's own; the process's is not touched."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    meter = provider.get_meter("dualtable")
    instruments = {metric.name: _metrics._instrument(meter, metric) for metric in METRICS}
    monkeypatch.setattr(_metrics, "_instruments", lambda: instruments)
    yield Collected(reader)
    provider.shutdown()


class ThrottledOnce(Faults):
    """The first request of each kind to each table is throttled."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    async def before(self, operation: str, table: str) -> None:
        if operation in ("insert", "scan") and (operation, table) not in self._seen:
            self._seen.add((operation, table))
            raise ThrottledError("too fast", reasons=("TableReadProvisionedThroughputExceeded",))


async def world(count: int, faults: Faults | None = None) -> tuple[Any, MemoryGateway]:
    plan = orders.migration("shop")
    gateway = MemoryGateway(faults or Faults())
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    return plan, gateway


async def test_a_migration_measures_all_that_there_is(collected: Collected) -> None:
    """Each metric of the list is measured, by the kind and the attributes that it says."""
    plan, gateway = await world(30, ThrottledOnce())
    await orders.fill(gateway, plan.old, [orders.old_order(101, total="twelve")])
    async with DualTableRepository(plan, gateway=gateway) as repository:
        await repository.get(orders.key(1))
    await Migrator(plan, gateway=gateway, max_read_units=5_000, max_write_units=5_000).run()
    await Verifier(plan, gateway=gateway).run()
    found = collected.metrics()
    assert set(found) == {metric.name for metric in METRICS}
    for metric in METRICS:
        data = found[metric.name].data
        kind = type(data).__name__
        assert (kind == "Histogram") is (metric.kind == HISTOGRAM), metric.name
        assert (kind == "Gauge") is (metric.kind == GAUGE), metric.name
        assert found[metric.name].unit == metric.unit
        for point in data.data_points:
            assert point.attributes[MIGRATION] == "shop"
            assert set(point.attributes) <= {MIGRATION, *metric.attributes}, metric.name


async def test_the_counts_of_a_copy_are_those_of_its_report(collected: Collected) -> None:
    """Nothing is counted twice and nothing is left out."""
    plan, gateway = await world(40)
    await orders.fill(gateway, plan.old, [orders.old_order(101, total="twelve")])
    report = await Migrator(plan, gateway=gateway).run()
    for outcome in ("scanned", "written", "failed"):
        counted = collected.total("dualtable.migrator.items", outcome=outcome)
        assert counted == getattr(report, outcome)
    assert collected.total("dualtable.migrator.pages") == report.pages
    assert collected.total("dualtable.migrator.pages", empty="true") == report.empty_pages
    written = collected.total("dualtable.migrator.units", kind="write")
    assert written == pytest.approx(report.write_units)
    assert collected.total("dualtable.migrator.dead_letters.share") == pytest.approx(1 / 41)
    scans = {"operation": "scan", "table": "old"}
    assert collected.total("dualtable.migrator.requests", **scans) == report.pages
    assert collected.total("dualtable.request.duration") == 0


async def test_a_repository_says_how_it_reads(collected: Collected) -> None:
    """Fallbacks, confirmations, operations with their errors, and the age of the phase."""
    plan, gateway = await world(2)
    async with DualTableRepository(plan, gateway=gateway) as repository:
        await repository.get(orders.key(1))
        await repository.put(orders.new_order(7))
        await repository.get(orders.key(7))
        with pytest.raises(ItemNotFoundError):
            await repository.update(orders.key(99), lambda item: item)
    assert collected.total("dualtable.repository.fallbacks") == 2  # of 1, and of 99
    assert collected.total("dualtable.repository.confirmations") == 1
    timed = "dualtable.repository.operation.duration"
    assert collected.total(timed, operation="get") == 2
    assert collected.total(timed, operation="update", error_type="ItemNotFoundError") == 1
    assert collected.total("dualtable.repository.phase.age") < 60


async def test_measurements_hold_neither_keys_nor_values(collected: Collected) -> None:
    """Attributes are few, and none grows with the data."""
    plan, gateway = await world(0)
    secret = orders.old_order(1, total="a-secret-total") | {"id": "a-secret-key"}
    await orders.fill(gateway, plan.old, [secret])
    await Migrator(plan, gateway=gateway).run()
    assert "secret" not in str(collected.metrics())


async def test_without_the_api_nothing_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """No meter, no listener, no time looked at: an operation goes the way that it always went."""
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    _metrics._instruments.cache_clear()
    try:
        assert Metrics.of("shop") is None
        plan, gateway = await world(1)
        async with DualTableRepository(plan, gateway=gateway) as repository:
            tables = repository._open()[0]
            assert tables.meter is None
            assert tables.gateway._gateway is gateway
            assert await repository.get(orders.key(0))
    finally:
        _metrics._instruments.cache_clear()


def test_the_page_names_each_metric() -> None:
    """Name, kind, unit and attributes stand in the docs as they are in the code."""
    pattern = re.compile(r"^\| `(dualtable\.[\w.]+)` \| (\w+), (\S+) \| (.*?) \|", re.MULTILINE)
    documented = {
        name: (kind, unit, re.findall(r"`([\w.]+)`", said))
        for name, kind, unit, said in pattern.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert documented == {m.name: (m.kind, m.unit, list(m.attributes)) for m in METRICS}
