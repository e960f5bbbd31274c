"""What boto3 takes is taken: names and values beside any text, and its ``Binary``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary

from dualtable import ConditionCheck, Delete, DualTableRepository, Migration, Migrator, Put, Update
from dualtable.testing import MemoryGateway

ODD = {"a.b": 1, "l[0]": 2, "size": 3, "#n": 4, "m": {"x.y": [5, 6]}}
PLAN = Migration("odd", "odd-old", "odd-new", lambda item: item, version="1", indexes=())


@pytest.fixture
async def odd(request: Any) -> AsyncIterator[DualTableRepository]:
    """Three items of a partition: one old, one copied, one written."""
    gateway = MemoryGateway()
    for name in (PLAN.old, PLAN.new):
        await gateway.create_table(orders.table(name, ("p", "S"), ("c.d", "N")))
    items = [{"p": "a", "c.d": n, **ODD, "n": n} for n in range(3)]
    await orders.fill(gateway, PLAN.old, items)
    await orders.fill(gateway, PLAN.new, items[1:2])
    async with DualTableRepository(PLAN, gateway=gateway) as odd:
        await odd.put(items[2])
        yield odd


NAMES = {"#1": "a.b", "#2": "l[0]", "#3": "size", "#4": "#n", "#5": "x.y"}
VALUES = {":1": 1, ":2": 2, ":3": 3, ":4": 4, ":6": 6}
FILTER = "#1 = :1 AND #2 = :2 AND #3 = :3 AND #4 = :4 AND m.#5[1] = :6"


async def listed(found: Any) -> list[Any]:
    return [item async for item in found]


async def test_a_filter_reaches_every_attribute(odd: DualTableRepository) -> None:
    """Names with dots, brackets and signs are names in a text that says so."""
    found = await listed(odd.scan(filter=FILTER, names=NAMES, values=VALUES))
    assert sorted(item["n"] for item in found) == [0, 1, 2]
    none = await listed(odd.scan(filter=f"NOT ({FILTER})", names=NAMES, values=VALUES))
    assert none == []


async def test_a_key_condition_reaches_every_key(odd: DualTableRepository) -> None:
    """In text, beside a filter and paths that share its names and values, in either order."""
    asked: dict[str, Any] = {
        "filter": "#1 = :1 AND n <> :2",
        "projection": ["#1", "m.#5[1]", "n"],
        "names": {"#d": "c.d", "#1": "a.b", "#5": "x.y"},
        "values": {":p": "a", ":1": 1, ":2": 2},
    }
    for condition in ("p = :p AND #d >= :1", ":1 <= #d AND :p = p"):
        for descending in (False, True):
            found = await listed(odd.query(condition, descending=descending, **asked))
            assert found == [{"a.b": 1, "m": {"x.y": [6]}, "n": 1}]
    await Migrator(PLAN, gateway=odd._connection["gateway"]).run()
    found = await listed(odd.query("p = :p AND #d >= :1", **asked))
    assert found == [{"a.b": 1, "m": {"x.y": [6]}, "n": 1}]


async def test_texts_and_objects_go_together(odd: DualTableRepository) -> None:
    """The placeholders that boto3 makes are nobody's business."""
    given: dict[str, Any] = {"names": {"#n0": "a.b"}, "values": {":v0": 1}}
    found = await listed(odd.query(Key("p").eq("a"), filter="#n0 = :v0", **given))
    assert [item["n"] for item in found] == [0, 1, 2]
    found = await listed(odd.query("p = :v0", filter=Attr("n").gte(1), values={":v0": "a"}))
    assert [item["n"] for item in found] == [1, 2]
    projected = odd.scan(projection=["#n0"], names={"#n0": "#n"}, limit=1)
    assert await listed(projected) == [{"#n": 4}]
    assert await listed(odd.scan(projection=["#n"], limit=1)) == [{"#n": 4}]


async def test_a_page_token_goes_on_with_the_same_text(odd: DualTableRepository) -> None:
    """What is given beside the key condition is part of the question where that uses it."""
    given: dict[str, Any] = {"names": {"#d": "c.d"}, "values": {":p": "a", ":n": 0}}
    page = odd.query("p = :p AND #d >= :n", limit=2, **given)
    assert len(await listed(page)) == 2
    rest = odd.query("p = :p AND #d >= :n", token=page.token, **given)
    assert [item["n"] for item in await listed(rest)] == [2]


@pytest.fixture
async def blobs() -> AsyncIterator[DualTableRepository]:
    """An old item with a binary key."""
    plan = Migration("blobs", "blobs-old", "blobs-new", _with_binary, version="1", indexes=())
    gateway = MemoryGateway()
    for name in (plan.old, plan.new):
        await gateway.create_table(orders.table(name, ("id", "B")))
    await orders.fill(gateway, plan.old, [{"id": b"old", "data": b"x"}])
    async with DualTableRepository(plan, gateway=gateway) as blobs:
        yield blobs


def _with_binary(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "made": Binary(b"by the transform"), "all": {Binary(b"a"), b"b"}}


OLD = {"id": Binary(b"old")}
NEW = {"id": Binary(b"new")}


async def test_boto3s_binary_is_taken_everywhere(blobs: DualTableRepository) -> None:
    """In keys, items, sets, expressions and transforms; what comes back is bytes, its equal."""
    whole = {"id": b"old", "data": b"x", "made": b"by the transform", "all": {b"a", b"b"}}
    assert await blobs.get(OLD) == whole
    assert await blobs.batch_get([OLD, NEW]) == [whole, None]
    assert await listed(blobs.query(Key("id").eq(Binary(b"old")))) == [whole]
    assert await listed(blobs.query("id = :k", values={":k": Binary(b"old")})) == [whole]
    assert await listed(blobs.scan(filter=Attr("data").eq(Binary(b"x")))) == [whole]
    item = {**NEW, "data": Binary(bytearray(b"y")), "deep": [{"b": Binary(b"z")}]}
    await blobs.put(item, if_absent=True)
    await blobs.put(item, condition=Attr("data").begins_with(Binary(b"y")))
    await blobs.batch_put([item])
    assert await blobs.get(NEW) == {"id": b"new", "data": b"y", "deep": [{"b": b"z"}]}
    await blobs.update(NEW, lambda found: {**found, "data": Binary(b"z")})
    changed = await blobs.update_item(
        OLD,
        UpdateExpression="SET #d = :d ADD #a :a",
        ExpressionAttributeNames={"#d": "data", "#a": "all"},
        ExpressionAttributeValues={":d": Binary(b"q"), ":a": {Binary(b"c")}},
        ReturnValues="ALL_NEW",
    )
    assert changed == {**whole, "data": b"q", "all": {b"a", b"b", b"c"}}
    await blobs.transact_write(
        [
            Put({"id": Binary(b"third"), "n": Decimal(1)}, Attr("id").not_exists()),
            Update(NEW, "SET x = :x", values={":x": Binary(b"x")}),
            ConditionCheck(OLD, Attr("data").eq(Binary(b"q"))),
        ]
    )
    assert await blobs.transact_get([NEW, OLD]) == [
        {"id": b"new", "data": b"z", "deep": [{"b": b"z"}], "x": b"x"},
        changed,
    ]
    await blobs.transact_write([Delete(NEW), Delete(OLD)])
    assert await blobs.delete({"id": Binary(b"third")}, return_old=True) == {"id": b"third", "n": 1}
    assert await blobs.batch_get([OLD, NEW]) == [None, None]
