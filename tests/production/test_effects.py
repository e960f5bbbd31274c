"""What can be judged before a write is judged before it, and what cannot says what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr

from dualtable import ConditionCheck, Delete, DualTableRepository, Put, Update
from dualtable.errors import AccessError, DualTableError, InvalidItemError, TransformError
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop", indexes=[])
BAD, MISFIT, GOOD = orders.key(7), orders.key(8), orders.key(1)
ADD = {
    "UpdateExpression": "ADD visits :one",
    "ExpressionAttributeValues": {":one": 1},
}
Write = Callable[[Any, dict[str, Any]], Any]

BUILDING: dict[str, Write] = {
    "delete, return old": lambda shop, key: shop.delete(key, return_old=True),
    "delete if": lambda shop, key: shop.delete(key, condition=Attr("id").exists()),
    "put if absent": lambda shop, key: shop.put(key, if_absent=True),
    "put if": lambda shop, key: shop.put(key, condition=Attr("id").exists()),
    "update": lambda shop, key: shop.update(key, lambda item: item, create=True),
    "update item": lambda shop, key: shop.update_item(key, **ADD),
    "update item, return old": lambda shop, key: shop.update_item(
        key, ReturnValues="UPDATED_OLD", **ADD
    ),
    "transact update": lambda shop, key: shop.transact_write(
        [Put({"id": "log"}), Update(key, "ADD visits :one", values={":one": 1})]
    ),
    "transact put if": lambda shop, key: shop.transact_write(
        [Put({"id": "log"}), Put(key, Attr("id").exists())]
    ),
    "transact delete if": lambda shop, key: shop.transact_write(
        [Put({"id": "log"}), Delete(key, Attr("id").exists())]
    ),
    "transact check": lambda shop, key: shop.transact_write(
        [Put({"id": "log"}), ConditionCheck(key, Attr("id").exists())]
    ),
}
BLIND: dict[str, Write] = {
    "put": lambda shop, key: shop.put(key),
    "batch put": lambda shop, key: shop.batch_put([key]),
    "delete": lambda shop, key: shop.delete(key),
    "transact put": lambda shop, key: shop.transact_write([Put(key), Put({"id": "log"})]),
    "transact delete": lambda shop, key: shop.transact_write([Delete(key), Put({"id": "log"})]),
}


class Denied(Faults):
    """Nobody may read the old table."""

    async def before(self, operation: str, table: str) -> None:
        if table == PLAN.old and operation != "describe_table":
            raise AccessError("not authorized")


@attrs.frozen
class Order:
    """What the model of an order declares; the misfit's total is none."""

    id: str
    total: int


async def made() -> MemoryGateway:
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(7, total="no number")])
    return gateway


@pytest.mark.parametrize("write", BUILDING)
async def test_an_item_that_cannot_be_transformed_stops_what_builds_on_it(write: str) -> None:
    """It stops it before: nothing is written, deleted or half done."""
    gateway = await made()
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        with pytest.raises(TransformError) as caught:
            await BUILDING[write](shop, BAD)
    assert caught.value.key == BAD
    assert await orders.everything(gateway, PLAN.new) == []


@pytest.mark.parametrize("write", BUILDING)
async def test_an_old_table_that_cannot_be_read_stops_what_builds_on_it(write: str) -> None:
    """Not knowing what is there is no reason to have done it first."""
    gateway = await made()
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        gateway.faults = Denied()
        with pytest.raises(AccessError):
            await BUILDING[write](shop, GOOD)
        gateway.faults = Faults()
        assert await orders.everything(gateway, PLAN.new) == []


@pytest.mark.parametrize("write", BLIND)
async def test_what_builds_on_nothing_asks_nothing_of_old(write: str) -> None:
    """Whoever replaces or deletes an item without looking may do so, whatever it was."""
    gateway = await made()
    gateway.faults = Denied()
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        await BLIND[write](shop, BAD)
        assert await shop.get(BAD) == (None if "delete" in write else BAD)


@pytest.mark.parametrize("where", ["live", "old only"])
@pytest.mark.parametrize("condition", [None, Attr("id").exists()])
async def test_an_item_that_does_not_fit_the_model_is_not_deleted_unseen(
    where: str, condition: Any
) -> None:
    """Once it is deleted, nobody could look at it any more."""
    gateway = await made()
    if where == "live":
        await orders.fill(gateway, PLAN.new, [{**MISFIT, "total": "none"}])
    else:
        await orders.fill(gateway, PLAN.old, [{**MISFIT, "total": "8.25", "customer": {}}])
        await orders.fill(gateway, PLAN.new, [{"id": "other", "total": 1}])
    model = Order if where == "live" else Strict
    before = await orders.digest(gateway, PLAN.new)
    async with DualTableRepository(PLAN, model=model, gateway=gateway) as shop:
        with pytest.raises(InvalidItemError) as caught:
            await shop.delete(MISFIT, condition=condition, return_old=True)
        assert caught.value.key == MISFIT
        assert await orders.digest(gateway, PLAN.new) == before
        assert await shop.delete(MISFIT, condition=condition) is None
        assert await shop.get(MISFIT) is None


@attrs.frozen
class Strict:
    """A model that no order fits."""

    id: str
    never: int


async def test_a_model_that_fits_is_returned_as_before() -> None:
    """What is read first is deleted, if it is still so."""
    gateway = await made()
    await orders.fill(gateway, PLAN.new, [{**GOOD, "total": 5}])
    async with DualTableRepository(PLAN, model=Order, gateway=gateway) as shop:
        assert await shop.delete(GOOD, return_old=True) == Order("o-1", 5)
        assert await shop.delete(GOOD, return_old=True) is None


async def test_a_batch_that_is_stopped_says_how_far_it_came() -> None:
    """Of sixty items, those of the first batch are there."""

    class SecondBatchFails(Faults):
        batches = 0

        async def before(self, operation: str, table: str) -> None:
            self.batches += operation == "batch_put"
            if operation == "batch_put" and self.batches == 2:
                raise AccessError("not authorized")

    gateway = await made()
    gateway.faults = SecondBatchFails()
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        with pytest.raises(DualTableError, match="not authorized; 25 of 60 items were put before"):
            await shop.batch_put(orders.new_order(n) for n in range(60))
    assert len(await orders.everything(gateway, PLAN.new)) == 25
