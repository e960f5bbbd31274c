"""What production sees of an old item that cannot be copied: the same by each operation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orders
import pytest
from attrs import frozen
from boto3.dynamodb.conditions import Attr, Key

from dualtable import (
    ConditionCheck,
    Delete,
    DualTableRepository,
    Migration,
    Migrator,
    Put,
    Update,
    sync,
)
from dualtable._dynamodb.gateway import Gateway
from dualtable.errors import DualTableError, InvalidItemError, TransformError
from dualtable.testing import MemoryGateway

Item = dict[str, Any]
Shop = DualTableRepository[Item]
KEY = (("customer", "S"), ("day", "N"))
BAD = {"customer": "a", "day": 3}


def raises(item: Item) -> Item:
    if item.get("bad"):
        raise ValueError
    return {**item, "at": "x"}


def no_item(item: Item) -> Any:
    return "text" if item.get("bad") else raises(item)


def refused(item: Item) -> Item:
    return {**item, "at": 5} if item.get("bad") else raises(item)


def too_large(item: Item) -> Item:
    return {**item, "at": "x" * 410_000} if item.get("bad") else raises(item)


def floats(item: Item) -> Item:
    return {**item, "at": "x", "price": 1.5} if item.get("bad") else raises(item)


def usurps(item: Item) -> Item:
    return {**item, "at": "x", "_dualtable_token": "x"} if item.get("bad") else raises(item)


def doubles(item: Item) -> Any:
    return [item, dict(item)] if item.get("bad") else raises(item)


def elsewhere(item: Item) -> Item:
    return {**item, "day": 99} if item.get("bad") else raises(item)


KINDS = (raises, no_item, refused, too_large, floats, usurps, doubles, elsewhere)
each_kind = pytest.mark.parametrize("transform", KINDS, ids=lambda kind: kind.__name__)


async def made(transform: Any) -> tuple[MemoryGateway, Migration]:
    """Three customers with five days each, one of which is a dead letter."""
    plan = Migration("dead", "dead-old", "dead-new", transform)
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old, *KEY))
    new = orders.table(plan.new, *KEY)
    new["AttributeDefinitions"].append({"AttributeName": "at", "AttributeType": "S"})
    new["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-at",
            "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    await gateway.create_table(new)
    days = [{"customer": c, "day": d} for c in "abc" for d in range(5)]
    await orders.fill(
        gateway, plan.old, [{**day, "bad": True} if day == BAD else day for day in days]
    )
    return gateway, plan


NEEDS_THE_ITEM: dict[str, Callable[[Shop], Any]] = {
    "get": lambda shop: shop.get(BAD),
    "get strongly": lambda shop: shop.get(BAD, consistent_read=True),
    "batch_get": lambda shop: shop.batch_get([{"customer": "a", "day": 1}, BAD]),
    "transact_get": lambda shop: shop.transact_get([BAD]),
    "query": lambda shop: collected(shop.query(Key("customer").eq("a"))),
    "query descending": lambda shop: collected(
        shop.query(Key("customer").eq("a"), descending=True)
    ),
    "scan": lambda shop: collected(shop.scan()),
    "update": lambda shop: shop.update(BAD, lambda item: item),
    "update, create": lambda shop: shop.update(BAD, lambda item: item, create=True),
    "update_item": lambda shop: shop.update_item(
        BAD, UpdateExpression="SET seen = :s", ExpressionAttributeValues={":s": 1}
    ),
    "put if absent": lambda shop: shop.put(BAD, if_absent=True),
    "put if": lambda shop: shop.put(BAD, condition=Attr("bad").not_exists()),
    "delete if": lambda shop: shop.delete(BAD, condition=Attr("bad").exists()),
    "delete, return old": lambda shop: shop.delete(BAD, return_old=True),
    "transact update": lambda shop: shop.transact_write(
        [Update(BAD, "SET seen = :s", values={":s": 1})]
    ),
    "transact check": lambda shop: shop.transact_write(
        [ConditionCheck(BAD, Attr("bad").exists()), Put({"customer": "z", "day": 1})]
    ),
    "transact put if": lambda shop: shop.transact_write([Put(BAD, Attr("bad").not_exists())]),
}
GOES_THROUGH: dict[str, Callable[[Shop], Any]] = {
    "put": lambda shop: shop.put(BAD),
    "batch_put": lambda shop: shop.batch_put([BAD]),
    "delete": lambda shop: shop.delete(BAD),
    "transact put": lambda shop: shop.transact_write([Put(BAD)]),
    "transact delete": lambda shop: shop.transact_write([Delete(BAD)]),
}


async def collected(found: Any) -> list[Item]:
    return [item async for item in found]


@each_kind
@pytest.mark.parametrize(
    "settings", [{}, {"one_round_trip": True}, {"copy_on_read": True}], ids=str
)
async def test_what_needs_the_item_says_so(transform: Any, settings: Item) -> None:
    """One error with the old item's key, from each operation, and nothing is written."""
    gateway, plan = await made(transform)
    async with DualTableRepository(plan, gateway=gateway, **settings) as shop:
        for name, call in NEEDS_THE_ITEM.items():
            with pytest.raises(TransformError) as caught:
                await call(shop)
            assert caught.value.key == BAD, name
        assert await shop.get({"customer": "z", "day": 1}) is None
    keys = [(i["customer"]["S"], i["day"]["N"]) for i in await orders.everything(gateway, plan.new)]
    assert ("a", "3") not in keys


@each_kind
@pytest.mark.parametrize("write", GOES_THROUGH.values(), ids=GOES_THROUGH)
async def test_what_needs_no_item_goes_through_and_mends_it(transform: Any, write: Any) -> None:
    """Once production has written the key, or deleted it, the old item is nobody's business."""
    gateway, plan = await made(transform)
    async with DualTableRepository(plan, gateway=gateway) as shop:
        await write(shop)
        item = await shop.get(BAD)
        assert item in (None, BAD)
        found = await collected(shop.scan())
        assert len(found) == 14 + (item is not None)
        assert (BAD in found) is (item is not None)
        of_a = await collected(shop.query(Key("customer").eq("a")))
        assert [int(i["day"]) for i in of_a] == [0, 1, 2, *([3] if item else []), 4]
        await shop.update(BAD, lambda item: {**item, "seen": 1}, create=True)


# -- iterations that go on -------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("kind", ["scan", "query", "descending"])
async def test_an_iteration_goes_on_past_it_on_request(transform: Any, kind: str) -> None:
    """All others come, in their order, and it is told of once and counted."""
    gateway, plan = await made(transform)
    told: list[DualTableError] = []

    def asked(shop: Shop, **how: Any) -> Any:
        if kind == "scan":
            return shop.scan(**how)
        return shop.query(Key("customer").eq("a"), descending=kind == "descending", **how)

    async with DualTableRepository(plan, gateway=gateway) as shop:
        found = asked(shop, on_error=told.append)
        names = [(item["customer"], int(item["day"])) for item in await collected(found)]
        customers = "abc" if kind == "scan" else "a"
        assert sorted(names) == [(c, d) for c in customers for d in range(5) if (c, d) != ("a", 3)]
        assert [error.key for error in told] == [BAD]
        assert all(isinstance(error, TransformError) for error in told)
        assert found.failed == 1
        assert found.token is None


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_nothing_is_passed_over_that_nobody_was_told_of(size: int) -> None:
    """What comes before it is given; the token leads to it again, until somebody is told."""
    gateway, plan = await made(raises)
    async with DualTableRepository(plan, gateway=gateway) as shop:
        before: list[int] = []
        token = None
        while len(before) < 3:
            page = shop.query(Key("customer").eq("a"), limit=size, token=token)
            before += [int((await anext(page))["day"]) for _ in range(min(size, 3 - len(before)))]
            token = page.token
        page = shop.query(Key("customer").eq("a"), token=token)
        with pytest.raises(TransformError):
            await anext(page)
        assert page.token == token
        assert before == [0, 1, 2]
        with pytest.raises(TransformError):  # the same iterator does not go past it either
            await anext(page)
        with pytest.raises(TransformError):
            await collected(shop.query(Key("customer").eq("a"), limit=size, token=token))
        told: list[DualTableError] = []
        rest = shop.query(Key("customer").eq("a"), limit=size, token=token, on_error=told.append)
        assert [int(item["day"]) for item in await collected(rest)] == [4]
        assert len(told) == rest.failed == 1


async def test_who_is_told_may_end_it_and_may_be_asynchronous() -> None:
    """Going on is his decision, item by item."""
    gateway, plan = await made(raises)

    class Enough(Exception):
        pass

    def stop(error: DualTableError) -> None:
        raise Enough from error

    told: list[Any] = []

    async def note(error: DualTableError) -> None:
        told.append(error.key)

    async with DualTableRepository(plan, gateway=gateway) as shop:
        found = shop.scan(on_error=stop)
        with pytest.raises(Enough):
            await collected(found)
        assert found.failed == 0
        assert len(await collected(shop.scan(on_error=note))) == 14
        assert told == [BAD]


async def test_what_does_not_fit_the_model_is_told_of_too() -> None:
    """One item that somebody wrote past the model does not end a scan, on request."""

    @frozen
    class Day:
        customer: str
        day: int
        at: str

    gateway, plan = await made(lambda item: {**item, "at": "x"})
    await orders.fill(gateway, plan.new, [{"customer": "b", "day": day} for day in (1, 7)])
    async with DualTableRepository(plan, gateway=gateway, model=Day) as days:
        page = days.query(Key("customer").eq("b"))
        with pytest.raises(InvalidItemError):
            await collected(page)
        told: list[DualTableError] = []
        rest = days.query(Key("customer").eq("b"), token=page.token, on_error=told.append)
        assert [day.day for day in await collected(rest)] == [2, 3, 4]
        assert [error.key for error in told] == [{"customer": "b", "day": n} for n in (1, 7)]
        found = days.scan(on_error=told.append)
        assert len(await collected(found)) == 13
        assert found.failed == 3  # the marked one has an attribute that the class has not


# -- keys that do not lead back --------------------------------------------------------------------


class Zoned:
    """Times get a zone. The way back writes one too, so what had none is not led to."""

    def forward(self, item: Item) -> Item:
        if item.get("bad"):
            raise ValueError
        return {**item, "at": self.zoned(item["at"])}

    def old_key(self, new_key: Item) -> Item:
        return {"at": self.zoned(new_key["at"])}

    def zoned(self, text: str) -> str:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


@pytest.fixture
async def times() -> tuple[Gateway, Migration]:
    """Three hours with a zone, one without, and one whose transform fails."""
    plan = Migration("times", "times-old", "times-new", Zoned(), control_table="times-control")
    gateway = MemoryGateway()
    for table in (plan.old, plan.new):
        await gateway.create_table(orders.table(table, ("at", "S")))
    olds: list[Item] = [{"at": f"2026-01-01T0{n}:00:00+00:00"} for n in range(3)]
    olds += [{"at": "2026-01-01T05:00:00"}, {"at": "2026-01-01T06:00:00+00:00", "bad": True}]
    await orders.fill(gateway, plan.old, olds)
    return gateway, plan


async def test_what_nothing_leads_to_is_met_by_scans_alone(
    times: tuple[Gateway, Migration], tmp_path: Any
) -> None:
    """The limit that the docs tell of: the new key does not lead to the old item."""
    gateway, plan = times
    lost, bad = "2026-01-01T05:00:00", "2026-01-01T06:00:00+00:00"
    async with DualTableRepository(plan, gateway=gateway) as shop:
        assert await shop.get({"at": f"{lost}+00:00"}) is None
        told: list[Any] = []
        found = shop.scan(on_error=lambda error: told.append(error.key["at"]))
        assert len(await collected(found)) == 3
        assert sorted(told) == [lost, bad]
        with pytest.raises(TransformError):
            await shop.get({"at": bad})
        with pytest.raises(TransformError, match="raised ValueError"):
            await shop.get({"at": "no time"})  # no way back from it: then nobody can know
    report = await Migrator(plan, gateway=gateway, dead_letters=tmp_path / "letters").run()
    assert report.failed == found.failed == 2


async def test_a_scan_gives_what_has_been_put_in_their_stead(
    times: tuple[Gateway, Migration],
) -> None:
    """It comes in the pass over the new table, also under a key that has no way back."""
    gateway, plan = times
    fresh = ["2026-01-01T05:00:00+00:00", "2026-01-01T06:00:00+00:00", "no time"]
    async with DualTableRepository(plan, gateway=gateway) as shop:
        for at in fresh:
            await shop.put({"at": at, "put": True})
        for size in (None, 1, 2):
            found: list[Item] = []
            failed, token = 0, None
            while True:
                page = shop.scan(limit=size, token=token, on_error=lambda error: None)
                found += await collected(page)
                failed, token = failed + page.failed, page.token
                if token is None:
                    break
            assert sorted(i["at"] for i in found if "put" in i) == fresh
            assert len(found) == 6
            assert failed >= 2


async def test_a_partition_that_is_read_whole_goes_on_past_it() -> None:
    """Where keys change, one dead letter would end every query of its partition."""

    class Renamed:
        def forward(self, item: Item) -> Item:
            if item.get("bad"):
                raise ValueError
            return {"who": item["customer"], "day": item["day"]}

        def old_key(self, new_key: Item) -> Item:
            return {"customer": new_key["who"], "day": new_key["day"]}

    # `old_key` looks at the sort key: the partition alone is read off by a mapping that does not
    class ByName(Renamed):
        def old_key(self, new_key: Item) -> Item:
            key = {**new_key}
            key["customer"] = key.pop("who")
            return key

    gateway, plan = await made(ByName())
    plan = Migration("renamed", plan.old, "renamed-new", ByName())
    await gateway.create_table(orders.table(plan.new, ("who", "S"), ("day", "N")))
    async with DualTableRepository(plan, gateway=gateway) as shop:
        of_a = Key("who").eq("a")
        with pytest.raises(TransformError) as caught:
            await collected(shop.query(of_a))
        assert caught.value.key == BAD
        found = shop.query(of_a, on_error=lambda error: None)
        assert [int(item["day"]) for item in await collected(found)] == [0, 1, 2, 4]
        assert found.failed == 1


# -- without async ---------------------------------------------------------------------------------


async def test_the_blocking_iterator_tells_in_the_callers_thread() -> None:
    """Where the caller may use the repository, as in an update."""
    gateway, plan = await made(raises)

    def use() -> None:
        with sync.DualTableRepository(plan, gateway=gateway) as shop:
            told: list[Any] = []

            def tell(error: DualTableError) -> None:
                shop.put({"customer": "told", "day": 1})
                told.append((error.key, threading.current_thread()))

            found = shop.scan(on_error=tell)
            assert len([item for item in found if item["customer"] in "abc"]) == 14
            assert told == [(BAD, threading.current_thread())]
            assert found.failed == 1
            with pytest.raises(TransformError):
                list(shop.scan())

    await asyncio.to_thread(use)
