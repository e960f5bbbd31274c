"""Reads in one round trip and copies on read answer as any other read, and harm nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orders
import pytest
from clocks import HandClock

from dualtable import DualTableRepository, Migrator, Phase, Verifier, create_table
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._production import copy_on_read
from dualtable._wire import codec
from dualtable.errors import RequestRefusedError, StalePhaseError, TransformError
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
COPIED, OLD_ONLY, MISSING = orders.key(1), orders.key(2), orders.key(99)


class Wire(Faults):
    """Waits, fails and lags as a test wants it to; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.waits: dict[tuple[str, str], asyncio.Event] = {}
        self.tells: dict[tuple[str, str], asyncio.Event] = {}
        self.failing: dict[tuple[str, str], Exception] = {}
        self.before_next: dict[tuple[str, str], Any] = {}
        self.lagging = False

    async def before(self, operation: str, table: str) -> None:
        self.asked.append((operation, table))
        if tell := self.tells.get((operation, table)):
            tell.set()
        if meanwhile := self.before_next.pop((operation, table), None):
            await meanwhile()
        if wait := self.waits.get((operation, table)):
            await wait.wait()
        if error := self.failing.get((operation, table)):
            raise error

    def stale(self, table: str, versions: Sequence[Any]) -> Any:
        return versions[0] if self.lagging else versions[-1]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def gateway(wire: Wire) -> MemoryGateway:
    """Orders 1 to 9 in the old table, order 1 copied already."""
    gateway = MemoryGateway(wire)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
    await orders.fill(gateway, PLAN.new, [orders.new_order(1)])
    return gateway


@asynccontextmanager
async def repository(
    gateway: MemoryGateway, wire: Wire, **options: Any
) -> AsyncIterator[DualTableRepository[dict[str, Any]]]:
    async with DualTableRepository(PLAN, gateway=gateway, **options) as opened:
        wire.asked.clear()
        yield opened


async def in_new(gateway: Any, key: dict[str, Any]) -> dict[str, Any] | None:
    item = await gateway.get(PLAN.new, codec.encode(key), consistent_read=True)
    return item and codec.decode(item)


# -- one round trip ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [COPIED, OLD_ONLY, MISSING], ids=["copied", "old only", "nowhere"])
@pytest.mark.parametrize("consistent_read", [True, False])
async def test_both_tables_are_asked_at_once(
    gateway: MemoryGateway, wire: Wire, key: dict[str, Any], consistent_read: bool
) -> None:
    """The new table answers only when the old one has been asked, and nothing comes after."""
    wire.waits["batch_get", PLAN.new] = wire.tells["batch_get", PLAN.old] = asyncio.Event()
    async with repository(gateway, wire, one_round_trip=True) as shop:
        found = await shop.get(key, consistent_read=consistent_read)
        assert found == (None if key is MISSING else orders.new_order(int(key["id"][2:])))
        assert sorted(wire.asked) == [("batch_get", PLAN.new), ("batch_get", PLAN.old)]


async def test_a_batch_in_one_round_trip(gateway: MemoryGateway, wire: Wire) -> None:
    """More keys than one request holds, doubled and missing ones, as without the option."""
    keys = [orders.key(n % 150) for n in range(1, 251)]
    async with (
        repository(gateway, wire) as plain,
        repository(gateway, wire, one_round_trip=True) as at_once,
    ):
        await plain.delete(orders.key(3))
        await plain.put(orders.new_order(4, total=1))
        assert await at_once.batch_get(keys) == await plain.batch_get(keys)
        assert await at_once.batch_get([]) == []


async def test_a_hit_does_not_wait_for_the_old_table(gateway: MemoryGateway, wire: Wire) -> None:
    """A busy old table must not slow down what the new one knows."""
    wire.waits["batch_get", PLAN.old] = asyncio.Event()  # never set
    async with repository(gateway, wire, one_round_trip=True) as shop:
        async with asyncio.timeout(10):
            assert await shop.get(COPIED) == orders.new_order(1)
            assert await shop.batch_get([COPIED]) == [orders.new_order(1)]


async def test_what_fails_in_the_old_table_counts_for_misses_only(
    gateway: MemoryGateway, wire: Wire
) -> None:
    """The old item of a key that was written since may be as broken as it likes."""
    async with repository(gateway, wire, one_round_trip=True) as shop:
        wire.failing["batch_get", PLAN.old] = RequestRefusedError("the old table is away")
        assert await shop.get(COPIED) == orders.new_order(1)
        for call in (shop.get(OLD_ONLY), shop.batch_get([COPIED, OLD_ONLY])):
            with pytest.raises(RequestRefusedError, match="is away"):
                await call
        wire.failing.clear()
        broken = [orders.old_order(n, total="no number") for n in (50, 51)]
        await orders.fill(gateway, PLAN.old, broken)
        await shop.put(orders.new_order(50))
        assert await shop.batch_get([orders.key(50), MISSING]) == [orders.new_order(50), None]
        with pytest.raises(TransformError):
            await shop.batch_get([orders.key(50), orders.key(51)])


@pytest.mark.parametrize("one_round_trip", [True, False])
async def test_a_stale_miss_is_not_believed(
    gateway: MemoryGateway, wire: Wire, one_round_trip: bool
) -> None:
    """I1: however far behind eventually consistent reads are, `old` never hides a write."""
    async with repository(gateway, wire, one_round_trip=one_round_trip) as shop:
        await shop.put(orders.new_order(2, total=5))
        await shop.delete(orders.key(3))
        wire.lagging = True
        expected = [orders.new_order(2, total=5), None]
        assert await shop.batch_get([OLD_ONLY, orders.key(3)]) == expected
        assert [await shop.get(OLD_ONLY), await shop.get(orders.key(3))] == expected


async def test_one_round_trip_follows_the_phase(gateway: MemoryGateway, wire: Wire) -> None:
    """Once the migration is complete there is one table to ask, with the cheap request."""
    clock = HandClock()
    control = Control(gateway, PLAN.control_table, PLAN.name)
    await control.ensure_table()
    async with repository(gateway, wire, one_round_trip=True, clock=clock) as shop:
        await control.advance(Phase.MIGRATED, clock.now())
        clock.move(Times().refresh_seconds)
        assert await shop.get(OLD_ONLY) is None
        assert await shop.batch_get([COPIED]) == [orders.new_order(1)]
        assert not any(table == PLAN.old for _, table in wire.asked)


async def test_a_frozen_process_believes_nothing_in_one_round_trip(
    gateway: MemoryGateway, wire: Wire
) -> None:
    """I3: both answers are in, then the process sleeps through the end of the migration."""
    clock = HandClock()
    control = Control(gateway, PLAN.control_table, PLAN.name)
    await control.ensure_table()

    async def freeze() -> None:
        await control.advance(Phase.MIGRATED, clock.now())
        clock.move(Times().settle_seconds)
        await control.advance(Phase.FINISHED, clock.now())

    async with repository(
        gateway, wire, one_round_trip=True, copy_on_read=True, clock=clock
    ) as shop:
        wire.before_next["batch_get", PLAN.old] = freeze
        with pytest.raises(StalePhaseError, match="call it again"):
            await shop.get(OLD_ONLY)
        assert await in_new(gateway, OLD_ONLY) is None, "nor is it copied"


# -- copy on read --------------------------------------------------------------------------------


@pytest.mark.parametrize("one_round_trip", [True, False])
async def test_a_copy_on_read_is_the_migrators(
    gateway: MemoryGateway, wire: Wire, one_round_trip: bool
) -> None:
    """It has no token, is not made twice, and the migrator and the verifier take it for theirs."""
    options = {"copy_on_read": True, "one_round_trip": one_round_trip}
    async with repository(gateway, wire, **options) as shop:
        assert await shop.get(OLD_ONLY) == orders.new_order(2)
        keys = [orders.key(n) for n in (1, 2, 3, 4, 99)]
        found = await shop.batch_get(keys)
        assert found == [*(orders.new_order(n) for n in (1, 2, 3, 4)), None]
        for number in (2, 3, 4):
            assert await in_new(gateway, orders.key(number)) == orders.new_order(number)
        wire.asked.clear()
        await shop.batch_get(keys)
        assert ("insert", PLAN.new) not in wire.asked
    report = await Migrator(PLAN, gateway=gateway).run()
    assert (report.written, report.already_present) == (5, 4)
    proof = await Verifier(PLAN, gateway=gateway).run()
    assert proof.ok
    assert proof.rewritten == 0


async def test_a_copy_never_overwrites(gateway: MemoryGateway, wire: Wire) -> None:
    """I2, I3: a write or delete between the read and its copy stays."""
    async with repository(gateway, wire, copy_on_read=True) as shop:
        wire.before_next["insert", PLAN.new] = lambda: shop.delete(OLD_ONLY)
        assert await shop.get(OLD_ONLY) == orders.new_order(2)
        assert await shop.get(OLD_ONLY) is None
        third = orders.new_order(3, total=1)
        wire.before_next["insert", PLAN.new] = lambda: shop.put(third)
        assert await shop.get(orders.key(3)) == orders.new_order(3)
        assert await shop.get(orders.key(3)) == third


async def test_only_what_the_old_table_had_is_copied(gateway: MemoryGateway, wire: Wire) -> None:
    """After a stale miss the item comes from the new table, with the token of its writer."""
    async with repository(gateway, wire, copy_on_read=True) as shop:
        await shop.put(orders.new_order(2, total=5))
        wire.lagging = True
        assert await shop.get(OLD_ONLY) == orders.new_order(2, total=5)
        assert ("insert", PLAN.new) not in wire.asked


async def test_writes_do_not_copy(gateway: MemoryGateway, wire: Wire) -> None:
    """They write the key themselves; a copy in between would only overtake them."""
    async with repository(gateway, wire, copy_on_read=True) as shop:
        await shop.update(OLD_ONLY, lambda item: {**item, "total": 1})
        await shop.put(orders.new_order(99), if_absent=True)
        await shop.delete(orders.key(3))
        assert ("insert", PLAN.new) not in wire.asked


async def test_a_failing_copy_is_logged_and_no_failure(
    gateway: MemoryGateway,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table that takes no writes still answers reads; the log has the key and no values."""
    wire.failing["insert", PLAN.new] = RequestRefusedError("no writes today")
    with caplog.at_level(logging.WARNING, "dualtable"):
        async with repository(gateway, wire, copy_on_read=True) as shop:
            assert await shop.get(OLD_ONLY) == orders.new_order(2)
            monkeypatch.setattr(copy_on_read, "_PATIENCE_SECONDS", 0.01)
            wire.waits["insert", PLAN.new] = asyncio.Event()  # never set
            assert await shop.get(orders.key(3)) == orders.new_order(3)
    first, second = caplog.records
    assert first.message == second.message == "items could not be copied on read"
    assert (first.keys, first.reason) == ([OLD_ONLY], "no writes today")  # type: ignore[attr-defined]
    assert (second.keys, second.error) == ([orders.key(3)], "TimeoutError")  # type: ignore[attr-defined]
    assert "Customer" not in repr(first.__dict__)


async def test_an_item_that_the_new_table_refuses_is_logged(
    gateway: MemoryGateway, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """One member of a batch is refused; the others are copied."""
    insert = gateway.insert

    async def refusing(table: str, items: Any, *, key_name: str) -> Any:
        unpacked = [item.item() for item in items]
        sent = [{**i, "id": {"S": ""}} if i["id"]["S"] == "o-3" else i for i in unpacked]
        return await insert(table, orders.packed(sent), key_name=key_name)

    gateway.insert = refusing  # type: ignore[method-assign] # what only an index could refuse
    with caplog.at_level(logging.WARNING, "dualtable"):
        async with repository(gateway, wire, copy_on_read=True) as shop:
            keys = [orders.key(n) for n in (2, 3)]
            assert await shop.batch_get(keys) == [orders.new_order(2), orders.new_order(3)]
    assert [record.keys for record in caplog.records] == [[orders.key(3)]]  # type: ignore[attr-defined]
    assert await in_new(gateway, OLD_ONLY) == orders.new_order(2)


async def test_read_options_on_real_servers(server: str, table_name: str) -> None:
    """Two requests at once on one client, and the copy by the server's own put-if-absent."""
    plan = orders.migration(table_name)
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(1, 150)])
        await create_table(plan, endpoint_url=server)
    keys = [orders.key(n) for n in range(160)]
    expected = [orders.new_order(n) if 0 < n < 150 and n != 5 else None for n in range(160)]
    for _ in range(2):
        async with DualTableRepository(
            plan, endpoint_url=server, one_round_trip=True, copy_on_read=True
        ) as shop:
            await shop.delete(orders.key(5))
            assert await shop.get(OLD_ONLY) == orders.new_order(2)
            assert await shop.batch_get(keys) == expected
    report = await Migrator(plan, endpoint_url=server).run()
    assert (report.written, report.already_present) == (0, 149)
