"""A table by its ARN is that table in every request, or it is refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Key

from dualtable import (
    Delete,
    DualTableRepository,
    Get,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Phase,
    Put,
    Verifier,
    create_table,
    drop_in,
    freeze,
    read_status,
)
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.errors import InvalidKeyError, TableMismatchError
from dualtable.testing import Faults, MemoryGateway

OTHERS = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"
OWN = "arn:aws:dynamodb:memory:000000000000:table/"


class Asked(Faults):
    """Notes which tables are asked for what, as they are called in the requests."""

    def __init__(self) -> None:
        self.tables: Counter[str] = Counter()

    async def before(self, operation: str, table: str) -> None:
        self.tables.update(table.split(","))


def plan(old: str = OTHERS, **settings: Any) -> Migration:
    return orders.migration("orders-v2", old=old, new="orders-v2", **settings)


async def account(faults: Faults | None = None) -> MemoryGateway:
    """Another account's orders 1 to 9, and an empty table of one's own with the same name."""
    gateway = MemoryGateway(faults)
    await gateway.create_table(orders.table(OTHERS))
    await gateway.create_table(orders.table("orders"))
    await orders.fill(gateway, OTHERS, [orders.old_order(n) for n in range(1, 10)])
    return gateway


async def test_a_whole_migration_from_another_account() -> None:
    """Zero items were read, and all of that verified: each request went to one's own table."""
    asked = Asked()
    gateway = await account(asked)
    asked.tables.clear()
    report = await create_table(plan(), gateway=gateway)
    assert report.ok
    async with DualTableRepository(plan(), gateway=gateway) as repository:
        assert await repository.get(orders.key(1)) == orders.new_order(1)
        assert await repository.batch_get([orders.key(2)]) == [orders.new_order(2)]
        assert len([item async for item in repository.scan()]) == 9
        assert [item async for item in repository.query(Key("id").eq("o-3"))]
        await repository.update(orders.key(4), lambda item: {**item, "total": 1})
        await repository.transact_get([orders.key(5)])
    copied = await Migrator(plan(), gateway=gateway).run()
    assert (copied.scanned, copied.written, copied.already_present) == (9, 8, 1)
    assert copied.ok
    proof = await Verifier(plan(), gateway=gateway).run()
    assert (proof.checked, proof.ok) == (9, True)
    assert (await read_status(plan(), gateway=gateway)).complete
    assert asked.tables[OTHERS] > 10
    assert asked.tables["orders"] == 0


async def test_the_entry_phases_write_where_they_read() -> None:
    """Writes to old, alone and in transactions, go to the other account's table too."""
    asked = Asked()
    gateway = await account(asked)
    rolling = plan(
        rolling=True,
        transform=orders.TRANSFORM.steps[0],
        indexes=[Index("by-region", KeySchema("region"))],
    )
    await create_table(rolling, gateway=gateway)
    control = Control(gateway, rolling.control_table, rolling.name)
    for number, phase in enumerate((Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW), 1):
        if phase is not Phase.ROLLING_OUT:
            await control.advance(phase, 0.0)
        asked.tables.clear()
        async with DualTableRepository(rolling, gateway=gateway) as repository:
            await repository.update(orders.key(number), lambda item: {**item, "legacy": False})
            await repository.delete(orders.key(9))
        assert asked.tables[OTHERS]
        assert asked.tables["orders"] == 0
    changed = await gateway.get(OTHERS, codec.encode(orders.key(1)), consistent_read=True)
    assert changed is not None
    assert changed["legacy"] == {"BOOL": False}


@pytest.mark.parametrize("name", ["new", "control_table"])
@pytest.mark.parametrize("arn", [OTHERS, OWN + "orders-v2"])
def test_only_old_may_be_an_arn(name: str, arn: str) -> None:
    """Inserts go by PartiQL, which knows no ARNs: said before anything is sent."""
    with pytest.raises(TableMismatchError, match=rf"{name}=.*is an ARN; only `old`.*PartiQL"):
        orders.migration("shop", **{name: arn})


@pytest.mark.parametrize(
    "old",
    [
        f"{OTHERS}/index/by-region",
        f"{OTHERS}/stream/2026-01-01T00:00:00.000",
        "arn:aws:s3:::orders",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/",
        "arn:aws:dynamodb:eu-west-1:123456789012:orders",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/orders\n",
    ],
)
def test_an_arn_of_something_else_is_refused(old: str) -> None:
    """An index or a stream is described by no DescribeTable."""
    with pytest.raises(TableMismatchError, match="is no table's ARN"):
        plan(old)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_each_partition_of_aws_has_arns(partition: str) -> None:
    """China and the government's clouds have ARNs of their own."""
    assert plan(OTHERS.replace(":aws:", f":{partition}:"))


def test_nobody_goes_back_into_the_old_table_by_its_other_name() -> None:
    """It holds what was there before, and the copy overwrites nothing."""
    with pytest.raises(TableMismatchError, match="restore into a fresh table"):
        plan(f"{OWN}orders").reversed(into="orders")


USES: dict[str, Callable[[Migration, Any], Awaitable[object]]] = {
    "repository": lambda plan, gateway: DualTableRepository(plan, gateway=gateway).__aenter__(),
    "migrator": lambda plan, gateway: Migrator(plan, gateway=gateway).run(),
    "dry run": lambda plan, gateway: Migrator(plan, gateway=gateway, dry_run=True).run(),
    "verifier": lambda plan, gateway: Verifier(plan, gateway=gateway).run(),
    "create": lambda plan, gateway: create_table(plan, gateway=gateway),
}


@pytest.mark.parametrize("use", USES)
async def test_one_table_under_two_names(use: str) -> None:
    """It would be copied into itself, or verified against itself."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders-v2"))
    await orders.fill(gateway, "orders-v2", [orders.old_order(1)])
    with pytest.raises(TableMismatchError, match=r"are one table.*under two names"):
        await USES[use](plan(f"{OWN}orders-v2"), gateway)
    assert await orders.everything(gateway, "orders-v2") == [codec.encode(orders.old_order(1))]


@pytest.mark.parametrize("use", ["migrator", "create"])
async def test_the_control_table_under_another_name(use: str) -> None:
    """Records of a migration are no items of it."""
    gateway = MemoryGateway()
    for name in ("orders-control", "orders-v2"):
        await gateway.create_table(orders.table(name))
    with pytest.raises(TableMismatchError, match="under two names") as caught:
        await USES[use](plan(f"{OWN}orders-control", control_table="orders-control"), gateway)
    assert not caught.value.begun


async def test_one_table_is_the_same_by_either_name() -> None:
    """A run that began by the name goes on by the ARN: it is the same table."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders"))
    await orders.fill(gateway, "orders", [orders.old_order(1)])
    await create_table(plan("orders"), gateway=gateway)
    assert (await Migrator(plan("orders"), gateway=gateway).run()).complete
    again = await Migrator(plan(f"{OWN}orders"), gateway=gateway).run()
    assert (again.complete, again.scanned) == (True, 0)


@pytest.mark.parametrize("name", ["shop-old", "shop-new"])
@pytest.mark.parametrize("phase", [Phase.MIGRATING, Phase.FINISHED])
async def test_an_action_on_the_migrated_table_by_its_arn_is_the_repository_s(
    name: str, phase: Phase
) -> None:
    """It went past it: into the old table, or with a real delete, which old then undid."""
    gateway = MemoryGateway()
    migration = orders.migration("shop", indexes=[])
    await orders.create(gateway, migration)
    await orders.fill(gateway, migration.old, [orders.old_order(n) for n in (1, 2)])
    if phase is Phase.FINISHED:
        assert (await Migrator(migration, gateway=gateway).run()).ok
        control = Control(gateway, migration.control_table, migration.name)
        for each in (Phase.MIGRATED, Phase.FINISHED):
            await control.advance(each, 0.0)
    before = await orders.digest(gateway, migration.old)
    arn = OWN + name
    async with DualTableRepository(migration, gateway=gateway) as shop:
        await shop.put(orders.new_order(1))
        await shop.transact_write(
            [Delete({"id": "o-1"}, table=arn), Put(orders.new_order(9), table=arn)]
        )
        assert await shop.get({"id": "o-1"}) is None
        assert await shop.transact_get([Get({"id": "o-9"}, table=arn), Get({"id": "o-1"})]) == [
            orders.new_order(9),
            None,
        ]
        with pytest.raises(InvalidKeyError, match="each key once"):
            await shop.transact_write([Delete({"id": "o-2"}), Delete({"id": "o-2"}, table=arn)])
    assert await orders.digest(gateway, migration.old) == before


async def test_ones_own_table_with_the_name_of_anothers_is_another_table() -> None:
    """What was meant for it went into the new table."""
    gateway = await account()
    await create_table(plan(), gateway=gateway)
    async with DualTableRepository(plan(), gateway=gateway) as repository:
        await repository.transact_write([Put({"id": "mine"}, table="orders")])
        assert await repository.get({"id": "mine"}) is None
    assert await orders.everything(gateway, "orders") == [{"id": {"S": "mine"}}]


async def test_the_drop_in_knows_its_table_by_its_arn() -> None:
    """Else its client would send what is about it past the repository."""
    gateway = MemoryGateway()
    migration = orders.migration("shop", indexes=[])
    await orders.create(gateway, migration)
    await orders.fill(gateway, migration.old, [orders.old_order(1)])
    async with drop_in.Table(migration, gateway=gateway) as table:
        client = table.meta.client
        found = await client.get_item(TableName=OWN + migration.new, Key={"id": "o-1"})
        assert found["Item"] == orders.new_order(1)
        await client.delete_item(TableName=OWN + migration.old, Key={"id": "o-1"})
        assert "Item" not in await table.get_item(Key={"id": "o-1"})
    assert len(await orders.everything(gateway, migration.old)) == 1


async def test_nobody_freezes_the_new_table_under_another_name() -> None:
    """Production would stand still."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders-v2"))
    with pytest.raises(TableMismatchError, match="one table"):
        await freeze(plan(OWN + "orders-v2"), gateway=gateway)
    await gateway.put("orders-v2", {"id": {"S": "o-1"}})
