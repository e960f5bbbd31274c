"""Whatever is wrong with a request has one typed error that names it, before anything is sent."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key

from dualtable import ConditionCheck, Delete, DualTableError, DualTableRepository, Get, Put, Update
from dualtable.errors import (
    InvalidItemError,
    InvalidKeyError,
    InvalidSettingError,
    InvalidTokenError,
    RequestRefusedError,
    UnknownIndexError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
KEY = orders.key(1)
ONE = Key("id").eq("o-1")
REGION: dict[str, Any] = {"names": {"#r": "region"}, "values": {":r": "eu"}}
OTHER = orders.key(2)
Call = Callable[[Any], Any]


@attrs.frozen
class Order:
    """What the model of an order declares."""

    id: str
    total: int


class Listening(Faults):
    """Notes every operation on the tables of the migration."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def before(self, operation: str, table: str) -> None:
        if operation not in ("describe_table", "create_table") and table in (PLAN.old, PLAN.new):
            self.heard.append(operation)


async def make(faults: Faults) -> MemoryGateway:
    gateway = MemoryGateway(faults)
    await gateway.create_table(orders.table(PLAN.old))
    new = orders.table(PLAN.new)
    new["AttributeDefinitions"].append({"AttributeName": "region", "AttributeType": "S"})
    new["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-region",
            "KeySchema": [{"AttributeName": "region", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    await gateway.create_table(new)
    return gateway


BAD_KEYS: list[tuple[Any, str]] = [
    ({}, "'id' is missing"),
    ({"id": "o-1", "day": 1}, "'day' is no key attribute"),
    ({"id": 1}, "'id' must be text"),
    ({"id": ""}, "'id' is empty"),
    ({"id": None}, "'id' must be text"),
    ({"id": 1.5}, "float"),
    ("o-1", "must be a dict"),
]

TAKE_A_KEY: dict[str, Callable[[Any, Any], Any]] = {
    "get": lambda shop, key: shop.get(key),
    "batch_get": lambda shop, key: shop.batch_get([KEY, key]),
    "delete": lambda shop, key: shop.delete(key),
    "update": lambda shop, key: shop.update(key, lambda item: item),
    "update_item": lambda shop, key: shop.update_item(key, UpdateExpression="REMOVE legacy"),
    "transact_get": lambda shop, key: shop.transact_get([KEY, key]),
    "transact_write": lambda shop, key: shop.transact_write([Delete(KEY), Delete(key)]),
}

BAD_ITEMS: list[tuple[dict[str, Any], type[DualTableError], str]] = [
    ({"total": 1.5}, InvalidItemError, "total"),
    ({"tags": set()}, InvalidItemError, "tags"),
    ({"tags": {"a", 1}}, InvalidItemError, "tags"),
    ({"when": object()}, InvalidItemError, "when"),
    ({"lines": [{"price": float("nan")}]}, InvalidItemError, "lines[0].price"),
    ({"big": 10**38 + 1}, InvalidItemError, "38 digits"),
    ({"text": "x" * 410_000}, InvalidItemError, "bytes"),
    ({"region": 5}, InvalidKeyError, "by-region"),
    ({"id": ""}, InvalidKeyError, "'id' is empty"),
    ({"_dualtable_token": "x"}, InvalidItemError, "_dualtable_token"),
    ({"_dualtable_deleted": True}, InvalidItemError, "_dualtable_deleted"),
]

TAKE_AN_ITEM: dict[str, Callable[[Any, Any], Any]] = {
    "put": lambda shop, item: shop.put(item),
    "put if absent": lambda shop, item: shop.put(item, if_absent=True),
    "put on condition": lambda shop, item: shop.put(item, condition=Attr("id").exists()),
    "batch_put": lambda shop, item: shop.batch_put([orders.new_order(2), item]),
    "transact_write": lambda shop, item: shop.transact_write([Delete(OTHER), Put(item)]),
}

BAD_QUESTIONS: list[tuple[str, Call, type[DualTableError], str]] = [
    ("unknown index", lambda s: s.query(Key("a").eq(1), index="nix"), UnknownIndexError, "'nix'"),
    ("wrong key", lambda s: s.query(Key("total").eq(1)), InvalidKeyError, "'total'"),
    ("no key", lambda s: s.query(Attr("id").eq("o-1")), InvalidKeyError, "Key("),
    ("malformed token", lambda s: s.scan(token="§"), InvalidTokenError, "page token"),
    ("no such segment", lambda s: s.scan(segment=4, total_segments=4), DualTableError, "segment=4"),
    ("limit", lambda s: s.scan(limit=0), InvalidSettingError, "limit=0"),
    ("half a limit", lambda s: s.scan(limit=2.5), InvalidSettingError, "limit=2.5"),
    ("a limit in text", lambda s: s.query(ONE, limit="3"), InvalidSettingError, "limit='3'"),
    ("an index in a list", lambda s: s.query(ONE, index=["x"]), UnknownIndexError, "['x']"),
    ("a filter that is none", lambda s: s.scan(filter=5), RequestRefusedError, "int"),
    ("what hears no errors", lambda s: s.query(ONE, on_error=5), InvalidSettingError, "on_error"),
    ("a token of no text", lambda s: s.query(ONE, token=5), InvalidTokenError, "page token"),
    ("a start of no key", lambda s: s.scan(after="x"), InvalidTokenError, "starting key"),
    ("a projection that is none", lambda s: s.get(KEY, projection=1), RequestRefusedError, "int"),
    ("names in a list", lambda s: s.get(KEY, names=[]), RequestRefusedError, "names must be"),
    ("values in a list", lambda s: s.put(KEY, values=[]), RequestRefusedError, "values must be"),
    ("no keys", lambda s: s.batch_get(None), InvalidSettingError, "keys must come as a list"),
    ("no items", lambda s: s.batch_put(None), InvalidSettingError, "items must come as a list"),
    ("one number", lambda s: s.batch_delete(5), InvalidSettingError, "keys must come as a list"),
    ("no gets", lambda s: s.transact_get(None), InvalidSettingError, "keys must come as a list"),
    ("no actions", lambda s: s.transact_write(None), InvalidSettingError, "actions must come"),
    ("no action", lambda s: s.transact_write([None]), RequestRefusedError, "NoneType is no action"),
    ("a text as one", lambda s: s.transact_write(["x"]), RequestRefusedError, "str is no action"),
    (
        "a token that is no text",
        lambda s: s.transact_write([Put(KEY)], client_token=5),
        RequestRefusedError,
        "client token is a text",
    ),
    (
        "a table in a list",
        lambda s: s.transact_write([Put(KEY, table=["x"])]),
        RequestRefusedError,
        "table must be a name",
    ),
    (
        "a table of a read",
        lambda s: s.transact_get([Get(KEY, table=1)]),
        RequestRefusedError,
        "table must be a name",
    ),
    ("no change", lambda s: s.update(KEY, None), InvalidSettingError, "change must be a function"),
    (
        "an update that is none",
        lambda s: s.update_item(KEY, UpdateExpression=5),
        RequestRefusedError,
        "an expression is a text",
    ),
    (
        "an update in a list",
        lambda s: s.transact_write([Update(KEY, [])]),
        RequestRefusedError,
        "update expression is empty",
    ),
    (
        "values of an update",
        lambda s: s.update_item(KEY, UpdateExpression="REMOVE a", ExpressionAttributeValues=[1]),
        RequestRefusedError,
        "values must be",
    ),
    (
        "a wish that is none",
        lambda s: s.update_item(KEY, UpdateExpression="REMOVE a", ReturnValues=5),
        RequestRefusedError,
        "ReturnValues=5",
    ),
    ("inside of a key", lambda s: s.get(KEY, projection=["id.x"]), RequestRefusedError, "'id'"),
    (
        "inside of an index key",
        lambda s: s.scan(projection=["total", "#r[0]"], names={"#r": "region"}),
        RequestRefusedError,
        "'region' is a key attribute",
    ),
    (
        "a filter inside of an index key",
        lambda s: s.query(
            Key("region").eq("eu"), index="by-region", filter=Attr("region.x").exists()
        ),
        RequestRefusedError,
        "'region' is a key attribute",
    ),
    (
        "a condition inside of a key",
        lambda s: s.transact_write([ConditionCheck(KEY, Attr("id.x").exists())]),
        RequestRefusedError,
        "'id' is a key attribute",
    ),
    (
        "an update inside of an index key",
        lambda s: s.transact_write([Update(KEY, "REMOVE #r.x", names={"#r": "region"})]),
        RequestRefusedError,
        "'region' is a key attribute",
    ),
    ("no segments", lambda s: s.scan(total_segments=None), InvalidSettingError, "total_segments"),
    (
        "names and no condition",
        lambda s: s.put(KEY, names={"#x": "x"}),
        RequestRefusedError,
        "give the condition",
    ),
    (
        "values and no condition",
        lambda s: s.delete(KEY, values={":x": 1}),
        RequestRefusedError,
        "give the condition",
    ),
    (
        "values beside an Attr",
        lambda s: s.delete(KEY, condition=Attr("x").eq(1), values={":x": 1}),
        RequestRefusedError,
        "leave them out",
    ),
    (
        "a put of a transaction with values and no condition",
        lambda s: s.transact_write([Delete(OTHER), Put(KEY, values={":x": 1})]),
        RequestRefusedError,
        "give the condition",
    ),
    (
        "a delete of a transaction with names and no condition",
        lambda s: s.transact_write([Put(OTHER), Delete(KEY, names={"#x": "x"})]),
        RequestRefusedError,
        "give the condition",
    ),
    (
        "a check without a condition",
        lambda s: s.transact_write([ConditionCheck(KEY, None)]),
        RequestRefusedError,
        "needs a condition",
    ),
    (
        "an unknown choice of what is returned",
        lambda s: s.update_item(KEY, UpdateExpression="REMOVE x", ReturnValues="none"),
        RequestRefusedError,
        "ReturnValues='none' must be one of NONE, ALL_OLD",
    ),
    (
        "a filter of a query on its key",
        lambda s: s.query(ONE, filter=Attr("total").gt(1) | Attr("id").ne("o-1")),
        RequestRefusedError,
        "'id'",
    ),
    (
        "a filter in text on the key of an index",
        lambda s: s.query(Key("region").eq("eu"), index="by-region", filter="#r <> :r", **REGION),
        RequestRefusedError,
        "'region'",
    ),
    (
        "a name that no expression uses",
        lambda s: s.query(ONE, filter="x = :x", names={"#x": "x"}, values={":x": 1}),
        RequestRefusedError,
        "#x is not used",
    ),
    (
        "a name and nothing in text",
        lambda s: s.scan(filter=Attr("x").eq(1), names={"#x": "x"}),
        RequestRefusedError,
        "#x is not used",
    ),
    (
        "a name that is not defined",
        lambda s: s.scan(projection=["#y"], names={"#x": "x"}),
        RequestRefusedError,
        "#y is used in an expression and not defined",
    ),
    (
        "a projection in one text, of a reserved word",
        lambda s: s.scan(projection="id, name"),
        RequestRefusedError,
        "'name' is a reserved word",
    ),
    (
        "a path of 33 levels",
        lambda s: s.scan(projection=[".".join(["a"] * 33)]),
        RequestRefusedError,
        "33 levels",
    ),
    (
        "a filter of 33 levels",
        lambda s: s.scan(filter=Attr(".".join(["a"] * 33)).exists()),
        RequestRefusedError,
        "33 levels",
    ),
    ("OR in a key condition", lambda s: s.query(ONE | ONE), InvalidKeyError, "OR is not possible"),
    ("NOT in a key condition", lambda s: s.query(~ONE), InvalidKeyError, "NOT is not possible"),
    (
        "IN in a key condition",
        lambda s: s.query("id IN (:a)", values={":a": "o-1"}),
        InvalidKeyError,
        "IN is not possible",
    ),
    (
        "<> in a key condition",
        lambda s: s.query("id <> :a", values={":a": "o-1"}),
        InvalidKeyError,
        "<> is not possible",
    ),
    (
        "attribute_not_exists in a key condition",
        lambda s: s.query("attribute_not_exists(id)"),
        InvalidKeyError,
        "attribute_not_exists is not possible",
    ),
    (
        "a path in a key condition",
        lambda s: s.query("id.x = :a", values={":a": "o-1"}),
        InvalidKeyError,
        "'id.x' is no key attribute",
    ),
    (
        "two values in a key condition",
        lambda s: s.query(":a = :b", values={":a": "o-1", ":b": "o-1"}),
        InvalidKeyError,
        "the left side is no key attribute",
    ),
    (
        "deep in boto3's conditions",
        lambda s: s.scan(filter=functools.reduce(operator.and_, [Attr("x").eq(1)] * 2000)),
        RequestRefusedError,
        "too deeply",
    ),
    (
        "reserved in a filter",
        lambda s: s.scan(filter=Attr("_dualtable_token").exists()),
        RequestRefusedError,
        "_dualtable_token",
    ),
    (
        "reserved in a condition",
        lambda s: s.delete(KEY, condition=Attr("_dualtable_deleted").exists()),
        RequestRefusedError,
        "_dualtable_deleted",
    ),
    (
        "reserved in an update",
        lambda s: s.update_item(
            KEY, UpdateExpression="REMOVE #t", ExpressionAttributeNames={"#t": "_dualtable_token"}
        ),
        RequestRefusedError,
        "_dualtable_token",
    ),
    (
        "a key attribute in an update",
        lambda s: s.transact_write([Update(KEY, "REMOVE id")]),
        RequestRefusedError,
        "'id'",
    ),
    (
        "a malformed condition",
        lambda s: s.put(KEY, condition="id ="),
        RequestRefusedError,
        "id =",
    ),
    (
        "a number for a name",
        lambda s: s.scan(filter="#x = :x", names={"#x": 0}, values={":x": 1}),
        RequestRefusedError,
        "#x must stand for a name, and is of type int",
    ),
    (
        "a number for a name, in an update",
        lambda s: s.transact_write([Update(KEY, "REMOVE #x", names={"#x": 5})]),
        RequestRefusedError,
        "#x must stand for a name, and is of type int",
    ),
    (
        "no dict of names",
        lambda s: s.delete(KEY, condition="a = :a", names=["#a"], values={":a": 1}),
        RequestRefusedError,
        "names must be a dict such as",
    ),
    (
        "an expression that is no text",
        lambda s: s.update_item(KEY, UpdateExpression=5),
        RequestRefusedError,
        "an expression is a text, not of type int",
    ),
    (
        "a lone surrogate in an expression",
        lambda s: s.delete(KEY, condition="a\ud800 = a"),
        RequestRefusedError,
        "not valid Unicode",
    ),
    (
        "a lone surrogate in a name",
        lambda s: s.delete(KEY, condition="attribute_exists(#a)", names={"#a": "\udfff"}),
        RequestRefusedError,
        "#a is not valid Unicode",
    ),
    ("an empty path", lambda s: s.scan(projection=[""]), RequestRefusedError, "''"),
    (
        "a float in a condition",
        lambda s: s.delete(KEY, condition=Attr("total").gt(1.5)),
        InvalidItemError,
        "a value of a condition: float",
    ),
]


async def answered(call: Call, shop: Any) -> None:
    answer = call(shop)
    if inspect.isawaitable(answer):
        await answer


async def refused(call: Call, error: type[DualTableError], named: str, **settings: Any) -> None:
    """Check that a call raises just this, says what is wrong, and has sent nothing."""
    faults = Listening()
    gateway = await make(faults)
    async with DualTableRepository(PLAN, gateway=gateway, **settings) as shop:
        with pytest.raises(error) as caught:
            await answered(call, shop)
    assert named in str(caught.value)
    assert "secret" not in str(caught.value)
    assert faults.heard == []


@pytest.mark.parametrize(("key", "named"), BAD_KEYS)
@pytest.mark.parametrize("method", TAKE_A_KEY)
async def test_bad_keys(method: str, key: Any, named: str) -> None:
    """A key with missing, extra or wrongly typed attributes, in every method that takes one."""
    await refused(lambda shop: TAKE_A_KEY[method](shop, key), InvalidKeyError, named)


@pytest.mark.parametrize(("change", "error", "named"), BAD_ITEMS)
@pytest.mark.parametrize("method", TAKE_AN_ITEM)
async def test_bad_items(
    method: str, change: dict[str, Any], error: type[DualTableError], named: str
) -> None:
    """An item that DynamoDB would refuse, in every method that takes one."""
    item = orders.new_order(1, note="secret", **change)
    await refused(lambda shop: TAKE_AN_ITEM[method](shop, item), error, named)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [row[1:] for row in BAD_QUESTIONS],
    ids=[r[0] for r in BAD_QUESTIONS],
)
async def test_bad_questions(call: Call, error: type[DualTableError], named: str) -> None:
    """Indexes, tokens, segments and expressions that cannot be meant."""
    await refused(call, error, named)


@pytest.mark.parametrize("method", TAKE_AN_ITEM)
async def test_what_is_no_instance_of_the_model(method: str) -> None:
    """A repository with a model takes nothing else."""
    for bad in ({"id": "o-1", "total": 1}, Order("o-1", "secret")):  # type: ignore[arg-type]

        def put(shop: Any, item: Any = bad) -> Any:
            if method == "batch_put":
                return shop.batch_put([item])
            return TAKE_AN_ITEM[method](shop, item)

        await refused(put, InvalidItemError, "Order", model=Order)


async def test_what_the_model_cannot_hold() -> None:
    """An item of another shape is named with its key and the path to the misfit alone."""
    gateway = await make(Faults())
    await orders.fill(gateway, PLAN.new, [{"id": "o-1", "total": "secret"}])
    async with DualTableRepository(PLAN, model=Order, gateway=gateway) as shop:
        with pytest.raises(InvalidItemError, match="total") as caught:
            await shop.get(KEY)
        with pytest.raises(RequestRefusedError, match="projection"):
            shop.scan(projection=["id"])
    assert caught.value.key == KEY
    assert "secret" not in str(caught.value)


async def test_a_closed_repository() -> None:
    """Use before or after the context is a mistake with one name in every method."""
    shop: Any = DualTableRepository(PLAN, gateway=await make(Faults()))
    calls: list[Call] = [
        *(lambda s, m=method: TAKE_A_KEY[m](s, KEY) for method in TAKE_A_KEY),
        *(lambda s, m=method: TAKE_AN_ITEM[m](s, orders.new_order(1)) for method in TAKE_AN_ITEM),
        lambda s: s.query(Key("id").eq("o-1")),
        lambda s: s.scan(),
    ]
    async with shop:
        pass
    for call in calls:
        with pytest.raises(DualTableError, match="async with"):
            await answered(call, shop)
