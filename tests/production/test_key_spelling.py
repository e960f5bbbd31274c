"""A number has many spellings and is one key: whoever spells it, and wherever it is looked up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Key
from servers import SERVERS

from dualtable import (
    Convert,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Put,
    Update,
    Verifier,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import ItemExistsError, TransformError
from dualtable.testing import MemoryGateway

SPELLINGS = [12.5, "12.5", "12.50", "0012.5", "1250E-2", "+1.25E+1"]
HUNDREDS = ["100", "1E+2", "100.00"]


@pytest.fixture(params=["memory", *SERVERS])
async def gateway(
    request: pytest.FixtureRequest, running: Callable[[str], str]
) -> AsyncIterator[Gateway]:
    where = request.param
    connection: Any = {"gateway": MemoryGateway()}
    if where != "memory":
        connection = {"endpoint_url": running(where)}
    async with connect(connection, PRODUCTION) as gateway:
        yield gateway


@pytest.fixture
async def plan(gateway: Gateway, table_name: str) -> Migration:
    """Totals are a sort key, as text in the old table and as numbers in the new one."""
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Convert("total", Decimal, back=str),
        key=KeySchema("shop", ("total", "N")),
        control_table=f"{table_name}-control",
        indexes=[],
    )
    await gateway.create_table(orders.table(plan.old, ("shop", "S"), ("total", "S")))
    await gateway.create_table(orders.table(plan.new, ("shop", "S"), ("total", "N")))
    return plan


async def fill(gateway: Gateway, plan: Migration, *totals: str) -> None:
    await orders.fill(gateway, plan.old, [{"shop": "a", "total": t, "was": t} for t in totals])


def key(total: Any) -> dict[str, Any]:
    return {"shop": "a", "total": Decimal(str(total))}


async def listed(read: Any) -> list[Any]:
    return [item async for item in read]


async def copy(gateway: Gateway, plan: Migration, letters: Path) -> Any:
    return await Migrator(plan, gateway=gateway, dead_letters=letters).run()


@pytest.mark.parametrize("copied", [False, True])
async def test_every_spelling_of_a_caller_is_one_key(
    gateway: Gateway, plan: Migration, tmp_path: Path, copied: bool
) -> None:
    """Before the copy, when the key must be mapped back, and after it."""
    await fill(gateway, plan, "12.5", "100")
    if copied:
        assert (await copy(gateway, plan, tmp_path / "letters")).ok
    async with DualTableRepository(plan, gateway=gateway) as shop:
        for total in SPELLINGS:
            found = await shop.get(key(total))
            assert found == {**key("12.5"), "was": "12.5"}
            assert str(found["total"]) == "12.5"
        wanted = [key(total) for total in (*SPELLINGS, *HUNDREDS)]
        for several in (await shop.batch_get(wanted), await shop.transact_get(wanted[-4:-2])):
            assert [item and item["was"] for item in several][-2:] in (
                ["100", "100"],
                ["12.5", "100"],
            )
        for total in SPELLINGS:
            asked = Key("shop").eq("a") & Key("total").eq(key(total)["total"])
            found = await listed(shop.query(asked))
            assert [item["was"] for item in found] == ["12.5"]
            with pytest.raises(ItemExistsError):
                await shop.put({**key(total), "was": "overwritten"}, if_absent=True)
        assert [item["was"] async for item in shop.query(Key("shop").eq("a"))] == ["12.5", "100"]
        assert sorted([item["was"] async for item in shop.scan()]) == ["100", "12.5"]


async def test_every_write_finds_what_old_has(gateway: Gateway, plan: Migration) -> None:
    """An update builds on the old item, and a delete buries it, however its key is spelled."""
    await fill(gateway, plan, "1.5", "2.5", "3.5", "4.5", "100")
    async with DualTableRepository(plan, gateway=gateway) as shop:
        one = await shop.update(key("1.50"), lambda item: {**item, "n": 1})
        two = await shop.update_item(
            key("2.50"),
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": 1},
            ReturnValues="ALL_NEW",
        )
        assert (one["was"], two["was"]) == ("1.5", "2.5")
        found = await shop.delete(key("3.50"), return_old=True)
        assert found == {**key("3.5"), "was": "3.5"}
        update = Update(key("4.500"), "SET n = :n", values={":n": 1})
        await shop.transact_write([update, Put({**key("1E+2"), "was": "written"})])
        left = await listed(shop.query(Key("shop").eq("a")))
    assert [(str(item["total"]), item["was"]) for item in left] == [
        ("1.5", "1.5"),
        ("2.5", "2.5"),
        ("4.5", "4.5"),
        ("100", "written"),
    ]


async def test_a_way_back_that_needs_the_spelling_is_a_dead_letter(
    gateway: Gateway, plan: Migration, tmp_path: Path
) -> None:
    """I8: no read under the new key can find the old item, so it must not be copied either."""
    await fill(gateway, plan, "12.50", "7")
    report = await copy(gateway, plan, tmp_path / "letters")
    assert (report.written, report.failed) == (1, 1)
    (letter,) = map(json.loads, (tmp_path / "letters").read_text().splitlines())
    assert letter["key"] == {"shop": {"S": "a"}, "total": {"S": "12.50"}}
    assert "does not lead back" in letter["reason"]
    assert (await Verifier(plan, gateway=gateway).run()).missing == 1
    async with DualTableRepository(plan, gateway=gateway) as shop:
        for total in SPELLINGS:
            assert await shop.get(key(total)) is None
        for read in (shop.scan(), shop.query(Key("shop").eq("a"))):
            with pytest.raises(TransformError) as caught:
                await listed(read)
            assert caught.value.key == {"shop": "a", "total": "12.50"}


async def test_two_old_items_of_one_number_are_never_one_new_item(
    gateway: Gateway, plan: Migration, tmp_path: Path
) -> None:
    """The canonical one is copied whichever comes first, the others are told."""
    await fill(gateway, plan, "1.0", "1", "1.00", "01")
    report = await copy(gateway, plan, tmp_path / "letters")
    assert (report.written, report.already_present, report.failed) == (1, 0, 3)
    async with DualTableRepository(plan, gateway=gateway) as shop:
        assert (await shop.get(key("1.000")))["was"] == "1"


class Numbered:
    """A way back that spells a number as nobody stores it."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "id": f"#{item['id']}"}

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": Decimal(f"{new_key['id'][1:]}.000")}


async def test_old_key_may_spell_a_number_as_it_likes(
    gateway: Gateway, table_name: str, tmp_path: Path
) -> None:
    """What old_key returns is a number too; the old table finds it under any spelling."""
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Numbered(),
        key=KeySchema("id"),
        control_table=f"{table_name}-control",
        indexes=[],
    )
    await gateway.create_table(orders.table(plan.old, ("id", "N")))
    await gateway.create_table(orders.table(plan.new, ("id", "S")))
    await orders.fill(gateway, plan.old, [{"id": 7}, {"id": Decimal("1E+2")}])
    async with DualTableRepository(plan, gateway=gateway) as shop:
        assert await shop.get({"id": "#100"}) == {"id": "#100"}
        assert await listed(shop.query(Key("id").eq("#7"))) == [{"id": "#7"}]
        report = await copy(gateway, plan, tmp_path / "letters")
        assert (report.written, report.failed) == (2, 0)
        assert (await Verifier(plan, gateway=gateway).run()).ok


async def test_an_index_key_and_any_other_number_reads_alike_before_and_after_the_copy(
    gateway: Gateway, table_name: str, tmp_path: Path
) -> None:
    """Production may not see by its spelling whether an item has been copied."""
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Convert("total", Decimal),
        control_table=f"{table_name}-control",
        indexes=[Index("by-total", KeySchema("kind", ("total", "N")))],
    )
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [{"id": "a", "kind": "x", "total": "12.50"}])
    async with DualTableRepository(plan, gateway=gateway) as shop:
        before = await shop.get({"id": "a"})
        assert (await copy(gateway, plan, tmp_path / "letters")).ok
        after = await shop.get({"id": "a"})
    assert before == after
    assert str(before["total"]) == str(after["total"]) == "12.5"
