"""A trial shows what the transform does, and whether it keeps its promises, item by item."""

from __future__ import annotations

from typing import Any

import orders
import pytest

from dualtable import Chain, Convert, Move, Rename, try_transform
from dualtable.errors import InvalidKeyError, InvalidSettingError
from dualtable.testing import MemoryGateway


async def world() -> MemoryGateway:
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("shop-old"))
    await orders.fill(gateway, "shop-old", [orders.old_order(n) for n in range(5)])
    return gateway


async def test_old_new_and_back() -> None:
    """The way back is shown where there is one, and I9 judged."""
    back = Chain(Move("customer.region", "region"), Rename("customer.nme", "name"))
    plan = orders.migration("shop", back, indexes=[])
    (trial,) = await try_transform(plan, keys=[orders.key(3)], gateway=await world())
    assert (trial.failure, trial.no_way_back) == ("", "")
    assert trial.new[0]["region"] == "eu"
    assert trial.back == (trial.old,)


async def test_what_does_not_come_back_says_why() -> None:
    """Cents that are cut off cannot be told from those that were none."""
    lossy = Convert("total", lambda total: int(float(total)), back=lambda n: f"{n}.00")
    plan = orders.migration("shop", lossy, version="1", indexes=[])
    (trial,) = await try_transform(plan, keys=[orders.key(3)], gateway=await world())
    assert trial.new[0]["total"] == 3
    assert trial.no_way_back == ""  # 3 -> "3.00" -> 3: what is new comes back
    broken = Convert("total", lambda total: int(float(total)), back=lambda n: "0")
    plan = orders.migration("shop", broken, version="1", indexes=[])
    (trial,) = await try_transform(plan, keys=[orders.key(3)], gateway=await world())
    assert "does not lead back" in trial.no_way_back
    assert trial.back == (None,)


async def test_keys_come_in_order_and_twice() -> None:
    plan = orders.migration("shop")
    keys = [orders.key(n) for n in (4, 1, 9, 4)]
    trials = await try_transform(plan, keys=keys, gateway=await world())
    assert [trial.key for trial in trials] == keys
    assert [bool(trial.new) for trial in trials] == [True, True, False, True]
    assert trials[2].failure == "not in shop-old"


async def test_nothing_is_written() -> None:
    """No table is made, and none is changed."""
    gateway = await world()
    before = await orders.digest(gateway, "shop-old")
    await try_transform(orders.migration("shop"), sample=5, gateway=gateway)
    assert await orders.digest(gateway, "shop-old") == before
    assert set(gateway._tables) == {"shop-old"}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"sample": -1}, InvalidSettingError),
        ({"sample": 1.5}, InvalidSettingError),
        ({"keys": [{"no": 1}]}, InvalidKeyError),
    ],
)
async def test_wrong_use(asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        await try_transform(orders.migration("shop"), gateway=await world(), **asked)
