"""Transactions that take in other tables: one moment, in every phase, wherever an item is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr
from clocks import HandClock

from dualtable import (
    ConditionCheck,
    Delete,
    DualTableRepository,
    Get,
    Migration,
    Phase,
    Put,
    Rename,
    Update,
    create_table,
)
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.errors import (
    ActionReason,
    ConditionFailedError,
    InvalidItemError,
    InvalidKeyError,
    RequestRefusedError,
)
from dualtable.testing import MemoryGateway

LEDGER = "ledger"
ENTRY = Put({"id": "e-1", "sum": 5}, table=LEDGER)


@attrs.frozen
class World:
    """A repository in one phase; o-0 is in old, or copied; nothing else but a ledger's e-0."""

    gateway: MemoryGateway
    plan: Migration
    orders: DualTableRepository[dict[str, Any]]

    async def ledger(self, name: str = "e-1") -> dict[str, Any] | None:
        item = await self.gateway.get(LEDGER, {"id": {"S": name}}, consistent_read=True)
        return None if item is None else codec.decode(item)


@pytest.fixture(params=Phase, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    phase = Phase(request.param)
    gateway, clock = MemoryGateway(), HandClock()
    rolling = phase in (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
    plan = orders.migration("orders", Rename("nme", "name"), indexes=[], rolling=rolling)
    for table in (plan.old, LEDGER):
        await gateway.create_table(orders.table(table, ("id", "S")))
    assert (await create_table(plan, gateway=gateway)).ok
    control = Control(gateway, plan.control_table, plan.name)
    order = list(Phase)
    while (now := (await control.state()).phase) is not phase:
        await control.advance(order[order.index(now) + 1], clock.now())
    copied = phase in (Phase.MIGRATED, Phase.FINISHED)
    item = {"id": "o-0", "name" if copied else "nme": "Ann"}
    await gateway.put(plan.new if copied else plan.old, codec.encode(item))
    await gateway.put(LEDGER, codec.encode({"id": "e-0", "sum": 1, "by": {"name": "Bob"}}))
    async with DualTableRepository(plan, gateway=gateway, clock=clock) as repository:
        yield World(gateway, plan, repository)


async def test_all_or_none(world: World) -> None:
    """An order and its entry in the ledger, of each kind of action."""
    shipped = Update({"id": "o-0"}, "SET #s = :s", names={"#s": "state"}, values={":s": "sent"})
    added = Update(
        {"id": "e-0"},
        "ADD #s :n",
        Attr("sum").gte(1),
        names={"#s": "sum"},
        values={":n": 2},
        table=LEDGER,
    )
    await world.orders.transact_write([shipped, ENTRY, added])
    assert await world.orders.get({"id": "o-0"}) == {"id": "o-0", "name": "Ann", "state": "sent"}
    assert await world.ledger() == {"id": "e-1", "sum": Decimal(5)}
    assert (await world.ledger("e-0") or {})["sum"] == 3
    checked = ConditionCheck({"id": "e-0"}, Attr("sum").eq(3), table=LEDGER)
    await world.orders.transact_write([Delete({"id": "o-0"}), checked])
    await world.orders.transact_write([Put({"id": "o-1"}), Delete({"id": "e-1"}, table=LEDGER)])
    assert await world.orders.get({"id": "o-0"}) is None
    assert await world.ledger() is None


async def test_the_condition_of_another_table_fails(world: World) -> None:
    """Nothing is written, and it is said of each action whether it is to blame."""
    refused = Put({"id": "e-0"}, Attr("id").not_exists(), table=LEDGER)
    with pytest.raises(ConditionFailedError, match="of action 1") as caught:
        await world.orders.transact_write([Delete({"id": "o-0"}), refused, Put({"id": "o-7"})])
    there = {"id": "e-0", "sum": Decimal(1), "by": {"name": "Bob"}}
    assert caught.value.reasons == (
        ActionReason("None", {"id": "o-0"}),
        ActionReason("ConditionalCheckFailed", {}, there),
        ActionReason("None", {"id": "o-7"}),
    )
    assert await world.orders.get({"id": "o-0"}) == {"id": "o-0", "name": "Ann"}
    assert await world.orders.get({"id": "o-7"}) is None


async def test_conditions_fail_in_both(world: World) -> None:
    """What is judged here and what the server judges are told together, and nothing is written."""
    absent = Attr("id").not_exists()
    actions = [
        Delete({"id": "o-0"}, absent),
        Delete({"id": "e-0"}, absent, table=LEDGER),
        ENTRY,
        ConditionCheck({"id": "o-9"}, Attr("id").exists()),
        ConditionCheck({"id": "e-5"}, absent, table=LEDGER),
    ]
    with pytest.raises(ConditionFailedError) as caught:
        await world.orders.transact_write(actions)
    failed = "ConditionalCheckFailed"
    codes = [reason.code for reason in caught.value.reasons]
    assert codes == [failed, failed, "None", failed, "None"]
    items = [reason.item and reason.item["id"] for reason in caught.value.reasons]
    assert items == ["o-0", "e-0", None, None, None]
    assert await world.ledger() is None
    with pytest.raises(ConditionFailedError) as caught:
        await world.orders.transact_write([actions[3], ENTRY])
    assert [reason.code for reason in caught.value.reasons] == [failed, "None"]
    assert await world.ledger() is None


async def test_read_at_one_moment(world: World) -> None:
    """Each item in its own form, in the order that was asked for."""
    found = await world.orders.transact_get(
        [
            Get({"id": "e-0"}, table=LEDGER),
            {"id": "o-0"},
            Get({"id": "e-9"}, table=LEDGER),
            Get({"id": "e-8"}, "amount", table=LEDGER),
            Get({"id": "o-9"}),
        ]
    )
    there = {"id": "e-0", "sum": Decimal(1), "by": {"name": "Bob"}}
    assert found == [there, {"id": "o-0", "name": "Ann"}, None, None, None]
    cut = await world.orders.transact_get(
        [
            Get({"id": "e-0"}, ["by.#n"], names={"#n": "name"}, table=LEDGER),
            Get({"id": "o-0"}, "#n", names={"#n": "name"}),
        ]
    )
    assert cut == [{"by": {"name": "Bob"}}, {"name": "Ann"}]
    alone = await world.orders.transact_get([Get({"id": "e-0"}, ["sum"], table=LEDGER)])
    assert alone == [{"sum": Decimal(1)}]


async def test_a_client_token_counts_for_all(world: World) -> None:
    """Sent twice it counts once; another transaction under the same token is told apart."""
    added = Update({"id": "e-0"}, "ADD visits :n", values={":n": 1}, table=LEDGER)
    tagged = Put({"id": "o-1", "tags": {"a", "b", "c"}})
    for _ in range(2):
        await world.orders.transact_write([tagged, added], client_token="t-1")
        await world.orders.transact_write([added], client_token="t-2")
    assert (await world.ledger("e-0") or {})["visits"] == 2
    with pytest.raises(RequestRefusedError, match="another transaction") as caught:
        await world.orders.transact_write(
            [attrs.evolve(tagged, item={"id": "o-1"})], client_token="t-1"
        )
    assert caught.value.code == "IdempotentParameterMismatchException"
    assert await world.orders.get({"id": "o-1"}) == {"id": "o-1", "tags": {"a", "b", "c"}}


async def test_what_is_wrong_is_found_before_anything_is_sent(world: World) -> None:
    """An action of another table is looked at as far as it can be without its key."""
    for action, error in (
        (Put({"id": "e-1", "sum": 0.5}, table=LEDGER), InvalidItemError),
        (Put({"id": "e-1"}, "a = = b", table=LEDGER), RequestRefusedError),
        (Update({"id": "e-0"}, "", table=LEDGER), RequestRefusedError),
        (Update({"id": "e-0"}, "PUT a", table=LEDGER), RequestRefusedError),
        (ConditionCheck({"id": "e-0"}, None, table=LEDGER), RequestRefusedError),  # type: ignore[arg-type]
    ):
        with pytest.raises(error):
            await world.orders.transact_write([Put({"id": "o-1"}), action])
    assert await world.orders.get({"id": "o-1"}) is None


async def test_both_names_are_those_of_the_migrated_table(world: World) -> None:
    """Nobody writes past the repository by naming one of its tables."""
    for number, table in enumerate((world.plan.old, world.plan.new)):
        await world.orders.transact_write([Put({"id": f"o-{number}", "name": "put"}, table=table)])
        found = await world.orders.transact_get([Get({"id": f"o-{number}"}, table=table)])
        assert found == [{"id": f"o-{number}", "name": "put"}]
        assert await world.orders.get({"id": f"o-{number}"}) == found[0]
    with pytest.raises(InvalidKeyError, match="each key once"):
        await world.orders.transact_get([Get({"id": "o-0"}, table=world.plan.old), {"id": "o-0"}])


async def test_deletes_in_a_batch(world: World) -> None:
    """Any number, whatever is there; what is deleted stays so."""
    await world.orders.batch_put([{"id": f"o-{n}", "name": "put"} for n in range(40)])
    keys = [{"id": f"o-{n}"} for n in range(60)]
    await world.orders.batch_delete([*keys[:35], keys[0], *keys[50:]])
    found = await world.orders.batch_get(keys)
    assert [item["id"] for item in found if item] == [f"o-{n}" for n in range(35, 40)]
    with pytest.raises(InvalidKeyError):
        await world.orders.batch_delete([{"id": 5}])
