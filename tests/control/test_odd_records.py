"""What stands in the control table may be forged, torn or of another version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orders
import pytest

from dualtable import (
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Verifier,
    create_table,
    read_status,
)
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.errors import MigrationMismatchError
from dualtable.testing import MemoryGateway

ODD: list[tuple[str, dict[str, Any]]] = [
    ("run", {"total_segments": 10**30}),
    ("run", {"total_segments": 0}),
    ("run", {"total_segments": 1}),
    ("run", {"total_segments": True}),
    ("run", {"id": 5}),
    ("run", {"fingerprint": None}),
    ("run", {"ended": "x"}),
    ("run", {"old": []}),
    ("segment", {"done": None}),
    ("segment", {"done": "x"}),
    ("segment", {"done": 1}),
    ("segment", {"lease": ""}),
    ("segment", {"lease": {"owner": 5}}),
    ("segment", {"revision": -1}),
    ("segment", {"revision": True}),
    ("segment", {"last_key": []}),
    ("segment", {"last_key": {"id": "o-1"}, "done": True}),
    ("segment", {"progress": {"failed": -1}}),
    ("state", {"wrote_new": "no"}),
    ("state", {"ttl_attribute": 5}),
    ("tables", {"old": 5}),
    ("tables", {"new": None}),
    ("tables", {"old": ["orders"], "new": {"name": "orders-v2"}}),
    ("verification", {"ok": "yes"}),
    ("verification", {"copied": 1}),
    ("verification", {"ended": 10**30}),
    ("repository", {"host": 5}),
    ("repository", {"fingerprint": []}),
]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def worked_on(plan: Migration) -> MemoryGateway:
    """Return tables with every kind of record about them."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(4)])
    await create_table(plan, gateway=gateway)
    await Migrator(plan, gateway=gateway, total_segments=2).run()
    await Verifier(plan, gateway=gateway).run()
    return gateway


@pytest.mark.parametrize(("kind", "change"), ODD)
async def test_an_odd_record_is_refused_by_its_name(kind: str, change: dict[str, Any]) -> None:
    """It must not be guessed at, open a gate, or end in an error of Python's or never."""
    plan = orders.migration("shop")
    gateway = await worked_on(plan)
    async with DualTableRepository(plan, gateway=gateway):
        run = await Control(gateway, plan.control_table, plan.name).run()
        assert run is not None
        begin = f"segment#{run.id}" if kind == "segment" else kind
        stored = map(codec.decode, await orders.everything(gateway, plan.control_table))
        record = next(r for r in stored if r["record"].startswith(begin))
        await gateway.put(plan.control_table, codec.encode({**record, **change}))
        asked: list[Callable[[], Awaitable[Any]]] = [
            lambda: read_status(plan, gateway=gateway),
            Lifecycle(plan, gateway=gateway).gate,
        ]
        for ask in asked:
            with pytest.raises(MigrationMismatchError, match="not as dualtable writes it") as said:
                await ask()
            assert "segment#" in str(said.value) or repr(record["record"]) in str(said.value)
