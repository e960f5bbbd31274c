"""How many copies go into one request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orders
import pytest
import simulated

from dualtable import Migration, Migrator, Move
from dualtable._clock import SystemClock
from dualtable._dynamodb.gateway import MAX_BATCH_WRITE
from dualtable._wire import codec
from dualtable.testing import MemoryGateway

ITEMS = 3_000
PAGE_ITEMS = 5
HANGING_SECONDS = 60.0


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


class LoopClock(SystemClock):
    def monotonic(self) -> float:
        return simulated.seconds()


class Staggered(MemoryGateway):
    """Small pages come one after the other, and an insert takes as long as many of them."""

    def __init__(self, hanging: int = 0) -> None:
        super().__init__()
        self.hanging = hanging  # first inserts
        self.sent: list[tuple[float, int]] = []  # when, and how many copies

    async def scan(self, table: str, **settings: Any) -> Any:
        await asyncio.sleep(0.01 + settings["segment"] / 5_000)
        return await super().scan(table, **settings)

    async def insert(self, table: str, items: Any, **settings: Any) -> Any:
        self.sent.append((simulated.seconds(), len(items)))
        await asyncio.sleep(HANGING_SECONDS if len(self.sent) <= self.hanging else 0.02)
        return await super().insert(table, items, **settings)


async def migrated(gateway: Staggered) -> list[tuple[float, int]]:
    for table in ("orders", "orders-v2"):
        await gateway.create_table(orders.table(table))
    for number in range(ITEMS):
        await gateway.put("orders", codec.encode({"id": f"o-{number}", "nme": "Ann"}))
    migration = Migration("m", "orders", "orders-v2", Move("nme", "name"), version="1")
    migrator = Migrator(migration, gateway=gateway, page_items=PAGE_ITEMS, clock=LoopClock())
    report = await migrator.run()
    assert report.written == ITEMS
    return gateway.sent


def test_a_batch_waits_for_others_while_many_are_under_way() -> None:
    """Pages of five make requests of 25: each costs about as much however few it carries."""
    sent = simulated.run(migrated(Staggered()))
    assert len(sent) < 2 * ITEMS / MAX_BATCH_WRITE


def test_a_batch_does_not_wait_for_those_that_hang() -> None:
    """Where nothing comes that would fill a batch, it goes as it is, within a tick."""
    sent = simulated.run(migrated(Staggered(hanging=3)))[3:]
    meanwhile = [copies for when, copies in sent if when < HANGING_SECONDS]
    assert min(meanwhile) < MAX_BATCH_WRITE
