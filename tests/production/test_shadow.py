"""A share of the hits is compared with the old table, and no caller ever notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orders
import pytest

from dualtable import DualTableRepository, Migration, Migrator, Phase, ShadowCounts, sync
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._production.shadow import MOST_WAITING
from dualtable._wire import codec
from dualtable.errors import InvalidSettingError, UnavailableError
from dualtable.testing import Faults, MemoryGateway

COUNT = 12


class OldIsSlow(Faults):
    """The old table does not answer before it may; then it does, or fails."""

    def __init__(self) -> None:
        self.may, self.fails, self.reads = asyncio.Event(), False, 0

    async def before(self, operation: str, table: str) -> None:
        if table == "shop-old" and operation == "get":
            self.reads += 1
            await self.may.wait()
            if self.fails:
                raise UnavailableError("out of reach")


async def copied(**damage: dict[str, Any]) -> tuple[Migration, MemoryGateway]:
    """Return tables in which all is copied, and then some copies are as somebody has left them."""
    plan, gateway = orders.migration("shop"), MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(COUNT)])
    await Migrator(plan, dead_letters="/dev/null", total_segments=2, gateway=gateway).run()
    for key, changes in damage.items():
        item = {**orders.new_order(int(key.removeprefix("o"))), **changes}
        await gateway.put(plan.new, codec.encode(item))
    return plan, gateway


async def until(done: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


def all_counted(repository: Any, number: int) -> Callable[[], bool]:
    counts: Callable[[], ShadowCounts] = lambda: repository.shadow_counts  # noqa: E731
    return lambda: (
        sum(
            getattr(counts(), f)
            for f in ("same", "different", "extra", "failed", "rewritten", "deleted", "dropped")
        )
        == number
    )


async def test_each_class_is_counted_and_a_difference_is_told_by_its_paths(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Copied and equal, copied and not, from nowhere, rewritten, deleted."""
    plan, gateway = await copied(o3={"total": 1, "name": "nobody knows"})
    await gateway.put(plan.new, codec.encode({"id": "from-nowhere"}))
    keys = [*map(orders.key, range(COUNT)), {"id": "from-nowhere"}, {"id": "o-none"}]
    async with DualTableRepository(plan, shadow_share=1.0, gateway=gateway) as shop:
        await shop.put({"id": "o-1", "mine": True})
        await shop.delete({"id": "o-2"})
        with caplog.at_level(logging.WARNING, "dualtable.shadow"):
            await shop.batch_get(keys)
            await until(all_counted(shop, COUNT + 1))
        found = shop.shadow_counts
    assert found == ShadowCounts(same=COUNT - 3, different=1, extra=1, rewritten=1, deleted=1)
    assert not found.ok
    told = {record.kind: record for record in caplog.records}  # type: ignore[attr-defined]
    assert told["different"].paths == ["name", "total"]  # type: ignore[attr-defined]
    assert told["different"].key == {"id": "o-3"}  # type: ignore[attr-defined]
    assert "nobody knows" not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize("settings", [{}, {"one_round_trip": True}], ids=["hit", "both"])
async def test_nobody_waits_for_a_shadow_and_its_work_is_bounded(settings: Any) -> None:
    """The old table may stand still: reads go on, few wait, the rest is let go and counted."""
    plan, gateway = await copied()
    gateway.faults = slow = OldIsSlow()
    async with DualTableRepository(plan, shadow_share=1.0, gateway=gateway, **settings) as shop:
        for number in range(MOST_WAITING + 30):
            assert await shop.get(orders.key(number % COUNT)) is not None
        await until(lambda: slow.reads == 1)
        assert shop.shadow_counts == ShadowCounts(dropped=30)
        slow.may.set()
        await until(all_counted(shop, MOST_WAITING + 30))
        assert shop.shadow_counts == ShadowCounts(same=MOST_WAITING, dropped=30)


async def test_an_old_table_that_fails_fails_no_read() -> None:
    """It is counted, and that is all."""
    plan, gateway = await copied()
    slow = OldIsSlow()
    slow.may.set()
    slow.fails = True
    gateway.faults = slow
    async with DualTableRepository(plan, shadow_share=1.0, gateway=gateway) as shop:
        assert await shop.get(orders.key(1)) is not None
        await until(lambda: slow.reads > 0)
    assert shop.shadow_counts.failed + shop.shadow_counts.dropped == 1


async def test_closing_waits_for_no_shadow() -> None:
    """What is under way is let go, and no task is left."""
    plan, gateway = await copied()
    gateway.faults = slow = OldIsSlow()
    before = asyncio.all_tasks()
    async with DualTableRepository(plan, shadow_share=1.0, gateway=gateway) as shop:
        await shop.get(orders.key(1))
        await until(lambda: slow.reads == 1)
    assert asyncio.all_tasks() <= before
    assert shop.shadow_counts == ShadowCounts(dropped=1)


async def test_only_a_share_is_compared() -> None:
    """Half of them, by chance; none without the option."""
    plan, gateway = await copied()
    chances = iter([0.4, 0.5] * COUNT)
    async with DualTableRepository(plan, shadow_share=0.5, gateway=gateway) as shop:
        assert shop._shadow is not None
        shop._shadow.chance = lambda: next(chances)
        await shop.batch_get(map(orders.key, range(COUNT)))
        await until(all_counted(shop, COUNT // 2))
    gateway.faults = slow = OldIsSlow()
    async with DualTableRepository(plan, gateway=gateway) as shop:
        await shop.get(orders.key(1))
    assert (slow.reads, shop.shadow_counts) == (0, ShadowCounts())


@pytest.mark.parametrize(
    ("phase", "compared"), [(Phase.MIGRATED, True), (Phase.FINISHED, False)], ids=str
)
async def test_it_compares_while_the_old_table_is_frozen(phase: Phase, compared: bool) -> None:
    """After the cut-over, too, as long as tombstones are left; then the old table may be gone."""
    plan, gateway = await copied()
    control = Control(gateway, plan.control_table, plan.name)
    await control.note_state(State(phase))
    gateway.faults = slow = OldIsSlow()
    slow.may.set()
    async with DualTableRepository(plan, shadow_share=1.0, gateway=gateway) as shop:
        await shop.get(orders.key(1))
        if compared:
            await until(all_counted(shop, 1))
    assert shop.shadow_counts == ShadowCounts(same=int(compared))


def test_the_blocking_twin_has_it_too() -> None:
    """The same option, the same counts."""
    plan, gateway = asyncio.run(copied())
    with sync.DualTableRepository(plan, shadow_share=1.0, gateway=gateway) as shop:
        assert shop.get(orders.key(1)) is not None
    assert shop.shadow_counts.same + shop.shadow_counts.dropped == 1


def test_a_share_is_a_number_from_0_to_1() -> None:
    """Anything else is refused by its name."""
    with pytest.raises(InvalidSettingError, match="shadow_share=2"):
        DualTableRepository(orders.migration("shop"), shadow_share=2)
