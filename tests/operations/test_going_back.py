"""A migration there and back, rolling both ways: what production has written is all there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import boto3
import orders
import pytest
from clocks import HandClock

from dualtable import (
    Chain,
    Convert,
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Move,
    Phase,
    Put,
    Verifier,
    clean_up,
    create_table,
)
from dualtable.errors import TableMismatchError
from dualtable.testing import MemoryGateway

SETTLE_SECONDS = 60
Book = dict[str, dict[str, Any]]


def old_order(number: int) -> dict[str, Any]:
    return {
        **orders.key(number),
        "customer": {"name": f"n-{number}", "region": "eu"},
        "total": f"{number}.25",
    }


def new_order(number: int) -> dict[str, Any]:
    total = Decimal(100 * number + 25)
    return {**orders.key(number), "customer": {"name": f"n-{number}"}, "region": "eu"} | {
        "total": total
    }


def in_old_format(item: dict[str, Any]) -> dict[str, Any]:
    """Return an order in the old format, without the library."""
    cents = int(item["total"])
    others = {name: value for name, value in item.items() if name != "region"}
    customer = {**item["customer"], "region": item["region"]}
    return {**others, "customer": customer, "total": f"{cents // 100}.{cents % 100:02}"}


async def work(items: DualTableRepository, book: Book, make: Any, step: int, after: int) -> None:
    """Put, put in a transaction, change in two ways, and delete an order; keep book of it."""
    for number, put in ((100 + after + step, items.put), (200 + after + step, None)):
        order = make(number)
        await (put(order) if put else items.transact_write([Put(order)]))
        book[order["id"]] = order
    changed = await items.update(orders.key(step), lambda order: {**order, "step": after + step})
    book[changed["id"]] = changed
    key = orders.key(10 + step)
    await items.update_item(
        key, UpdateExpression="SET note = :n", ExpressionAttributeValues={":n": f"{after + step}"}
    )
    book[key["id"]] |= {"note": f"{after + step}"}
    gone = orders.key((20 if after == 0 else 100) + step)
    await items.delete(gone)
    del book[gone["id"]]


@attrs.frozen
class Fleet:
    """A rolling migration, from its first phase to its last, with a repository at work."""

    plan: Migration
    url: str
    folder: Path
    clock: HandClock

    async def go(self, book: Book, make: Any, after: int, beside: Any = None) -> None:
        connection: dict[str, Any] = {"endpoint_url": self.url}
        await create_table(self.plan, clock=self.clock, **connection)
        lifecycle = Lifecycle(self.plan, clock=self.clock, **connection)
        async with DualTableRepository(self.plan, clock=self.clock, **connection) as items:
            for step, phase in enumerate(Phase):
                if step:
                    assert await lifecycle.advance(old_code_is_gone=True) is phase
                if not step and beside is not None:
                    await beside()
                if phase is Phase.MIGRATING:
                    await self._copy(connection)
                self.clock.move(SETTLE_SECONDS)
                await work(items, book, make, step, after)
            self.clock.move(SETTLE_SECONDS)
        report = await clean_up(self.plan, tokens=True, clock=self.clock, **connection)
        assert report.ok

    async def _copy(self, connection: dict[str, Any]) -> None:
        letters = self.folder / self.plan.name
        assert (
            await Migrator(self.plan, total_segments=2, dead_letters=letters, **connection).run()
        ).ok
        assert (await Verifier(self.plan, total_segments=2, **connection).run()).ok


async def test_there_and_back_with_all_that_production_has_written(
    running: Callable[[str], str], table_name: str, tmp_path: Path
) -> None:
    """The restored table is compared by boto3 with what production's book says, and nothing else.

    Each operation is used in each phase of either way; at the first phase of the way back, the code
    of the way there still runs, and is what old code is.
    """
    url, clock = running("dynoxide"), HandClock()
    chain = Chain(
        Move("customer.region", "region"),
        Convert("total", orders.to_cents, back=orders.from_cents),
    )
    plan = orders.migration(
        table_name, chain, rolling=True, settle_seconds=SETTLE_SECONDS, indexes=()
    )
    tables = boto3.resource("dynamodb", endpoint_url=url)
    tables.create_table(**orders.table(plan.old))
    for number in range(30):
        tables.Table(plan.old).put_item(Item=old_order(number))
    book: Book = {f"o-{number}": new_order(number) for number in range(30)}
    await Fleet(plan, url, tmp_path, clock).go(book, new_order, 0)
    assert listed(tables.Table(plan.new)) == book

    back = plan.reversed(into=f"{table_name}-restored")
    restored = {key: in_old_format(item) for key, item in book.items()}

    async def code_of_the_way_there() -> None:
        async with DualTableRepository(plan, clock=clock, endpoint_url=url) as items:
            await items.put(new_order(900))
            await items.update(orders.key(29), lambda order: {**order, "beside": True})
        restored["o-900"] = old_order(900)
        restored["o-29"]["beside"] = True

    await Fleet(back, url, tmp_path, clock).go(restored, old_order, 10, code_of_the_way_there)
    assert listed(tables.Table(back.new)) == restored


async def test_no_way_back_from_a_table_that_is_not_full_yet() -> None:
    """What only the old table has would be lost on the way, and look as if it had been deleted."""
    clock, gateway = HandClock(), MemoryGateway()
    chain = Chain(
        Move("customer.region", "region"),
        Convert("total", orders.to_cents, back=orders.from_cents),
    )
    plan = orders.migration("shop", chain, rolling=True, settle_seconds=60, indexes=())
    back = plan.reversed(into="restored")
    await gateway.create_table(orders.table(plan.old))
    await orders.fill(gateway, plan.old, [old_order(number) for number in range(30)])
    await create_table(plan, gateway=gateway, clock=clock)
    lifecycle = Lifecycle(plan, gateway=gateway, clock=clock)
    for phase in list(Phase)[1:4]:
        with pytest.raises(TableMismatchError, match="still being filled by shop, which is in"):
            await create_table(back, gateway=gateway, clock=clock)
        clock.move(60)
        assert await lifecycle.advance(old_code_is_gone=True) is phase
    migrator = Migrator(
        plan, gateway=gateway, total_segments=4, concurrency=1, observer=lambda _: migrator.stop()
    )
    assert not (await migrator.run()).complete
    with pytest.raises(TableMismatchError, match="in phase MIGRATING: what has not arrived"):
        await create_table(back, gateway=gateway, clock=clock)
    assert (await Migrator(plan, gateway=gateway).run()).complete
    at_once = attrs.evolve(back, rolling=False, new="restored-at-once", name="at-once")
    assert (await create_table(at_once, gateway=gateway, clock=clock)).ok
    assert (await Verifier(plan, gateway=gateway).run()).ok
    for phase in (Phase.MIGRATED, Phase.FINISHED):
        # What rolls deletes for real in the first phase, and nobody may look behind that table.
        with pytest.raises(TableMismatchError, match=r"would come back; advance shop to FINISHED"):
            await create_table(back, gateway=gateway, clock=clock)
        clock.move(61)
        assert await lifecycle.advance() is phase
    assert (await create_table(back, gateway=gateway, clock=clock)).ok


def listed(table: Any) -> Book:
    """Return what a table has, by boto3 alone."""
    return {item["id"]: item for item in table.scan(ConsistentRead=True)["Items"]}


def test_the_comparison_goes_by_itself() -> None:
    """What it expects is written down here by hand."""
    assert in_old_format(new_order(7)) == old_order(7)
    assert old_order(7)["total"] == "7.25"


pytestmark = pytest.mark.timeout(120)
