"""A service that was written for one table goes through a whole migration and cannot tell.

`examples/order_service.py` does its work once in each phase, on the same tables, through one
drop-in that stays open; and as often on a plain table. It prints the same, and leaves the same.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import aioboto3
import attrs
import orders
import pytest
from clocks import HandClock

from dualtable import (
    Chain,
    Convert,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Phase,
    Rename,
    Verifier,
    create_table,
    drop_in,
)
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

EXAMPLES = Path(__file__).parents[2] / "examples"
TRANSFORM = Chain(Rename("area", "region"), Convert("total", Decimal, back=str))
FILLING = 60


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example as it is."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module("order_service")
    for name in ("order_service", "orders_migration"):
        sys.modules.pop(name)


@attrs.frozen
class Shop:
    """The migrated table, a plain one, and what moves the phase on."""

    table: Any
    plain: Any
    plan: Migration
    control: Control
    clock: HandClock
    url: str

    async def enter(self, phase: Phase) -> None:
        """Go on to the next phase, which the open table hears of in its own time."""
        await self.control.advance(phase, self.clock.now())
        self.clock.move(Times(self.plan.settle_seconds).refresh_seconds + 1)

    async def copy(self) -> None:
        report = await Migrator(self.plan, endpoint_url=self.url).run()
        assert report.complete
        assert report.failed == 0


@pytest.fixture(params=[pytest.param("dynamodb-local", marks=pytest.mark.conformance), "dynoxide"])
async def shop(
    request: pytest.FixtureRequest, running: Callable[[str], str], table_name: str
) -> AsyncIterator[Shop]:
    url = running(request.param)
    by_region = Index("by-region", KeySchema("region", ("total", "N")))
    plan = orders.migration(table_name, TRANSFORM, rolling=True, indexes=[by_region])
    clock = HandClock()
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connect({"endpoint_url": url}, PRODUCTION))
        await gateway.create_table(orders.table(plan.old, ("id", "S")))
        assert (await create_table(plan, endpoint_url=url)).ok
        definition = await gateway.describe_table(plan.new)
        wanted = ("KeySchema", "AttributeDefinitions")
        [index] = definition["GlobalSecondaryIndexes"]
        index = {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        await gateway.create_table(
            {
                "TableName": f"{table_name}-plain",
                **{name: definition[name] for name in wanted},
                "GlobalSecondaryIndexes": [index],
                "BillingMode": "PAY_PER_REQUEST",
            }
        )
        await gateway.create_table(orders.table(f"{table_name}-ledger", ("id", "S")))
        resource = await stack.enter_async_context(
            aioboto3.Session().resource("dynamodb", endpoint_url=url)
        )
        plain = await resource.Table(f"{table_name}-plain")
        await fill(await resource.Table(plan.old), plain)
        table = await stack.enter_async_context(drop_in.Table(plan, clock=clock, endpoint_url=url))
        control = Control(gateway, plan.control_table, plan.name)
        yield Shop(table, plain, plan, control, clock, url)


async def fill(old: Any, plain: Any) -> None:
    """Put orders of others into both, each in its format."""
    async with old.batch_writer() as olds, plain.batch_writer() as plains:
        for number in range(FILLING):
            item = {"id": f"o-{number}", "status": "open"}
            await olds.put_item(Item={**item, "area": "eu", "total": f"{number}.25"})
            total = Decimal(number) + Decimal("0.25")
            await plains.put_item(Item={**item, "region": "eu", "total": total})


async def everything(table: Any) -> list[dict[str, Any]]:
    found, start = [], {}
    while True:
        page = await table.scan(ConsistentRead=True, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted(found, key=lambda item: str(item["id"]))
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@pytest.mark.slow
async def test_it_prints_and_leaves_the_same_in_every_phase(
    shop: Shop,
    service: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the first phase to the last, beside a migrator while there is one."""
    monkeypatch.setattr(service, "LEDGER", shop.plain.name.replace("plain", "ledger"))
    for phase in Phase:
        if phase is not Phase.ROLLING_OUT:
            await shop.enter(phase)
        await service.work(shop.plain)
        expected = capsys.readouterr().out
        beside = [shop.copy()] if phase is Phase.MIGRATING else []
        await asyncio.gather(service.work(shop.table), *beside)
        assert capsys.readouterr().out == expected, phase
        assert "refused ['None', 'ConditionalCheckFailed']" in expected
        assert await everything(shop.table) == await everything(shop.plain)
        if phase is Phase.MIGRATING:
            await shop.copy()
            assert (await Verifier(shop.plan, endpoint_url=shop.url).run()).ok
