"""Conditions, update expressions and transactions, judged on the logical item wherever it is."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orders
import pytest
from boto3.dynamodb.conditions import Attr
from expression_cases import ITEM, RETURNED_OF_LISTS, RETURNED_OF_MAPS, Returned

from dualtable import ConditionCheck, Delete, DualTableRepository, Migrator, Put, Update
from dualtable._wire import codec
from dualtable.errors import (
    ConditionFailedError,
    InvalidItemError,
    InvalidKeyError,
    ItemExistsError,
    RequestRefusedError,
    UnavailableError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop", indexes=[])
WRITTEN, COPIED, OLD_ONLY, DELETED, NOWHERE = (orders.key(n) for n in range(5))
EVERYWHERE = [WRITTEN, COPIED, OLD_ONLY, DELETED, NOWHERE]
NAMES = ["written", "copied", "only old", "deleted", "nowhere"]
everywhere = pytest.mark.parametrize("key", EVERYWHERE, ids=NAMES)
EXISTS = {"o-0", "o-1", "o-2"}


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def gateway(faults: Faults) -> MemoryGateway:
    gateway = MemoryGateway(faults)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(4)])
    await orders.fill(gateway, PLAN.new, [orders.new_order(1)])
    return gateway


@pytest.fixture
async def shop(gateway: MemoryGateway) -> AsyncIterator[DualTableRepository]:
    async with DualTableRepository(PLAN, gateway=gateway) as shop:
        await shop.put(orders.new_order(0))
        await shop.delete(DELETED)
        yield shop


def there(key: dict[str, Any]) -> bool:
    return key["id"] in EXISTS


def logical(key: dict[str, Any]) -> dict[str, Any] | None:
    number = int(key["id"].removeprefix("o-"))
    return orders.new_order(number) if there(key) else None


async def untouched(shop: DualTableRepository) -> bool:
    return await shop.batch_get(EVERYWHERE) == [logical(key) for key in EVERYWHERE]


# Conditions


@everywhere
async def test_a_condition_is_judged_on_the_logical_item(
    shop: DualTableRepository, key: dict[str, Any]
) -> None:
    """A tombstone is nothing, what only old has is something; also for the key itself."""
    number = int(key["id"].removeprefix("o-"))
    holding = Attr("id").exists() if there(key) else Attr("id").not_exists()
    failing = ~holding
    item = orders.new_order(number, total=7)
    with pytest.raises(ConditionFailedError) as caught:
        await shop.put(item, condition=failing)
    assert caught.value.key == key
    with pytest.raises(ConditionFailedError):
        await shop.delete(key, condition=failing)
    assert await untouched(shop)
    await shop.put(item, condition=holding)
    assert await shop.get(key) == item
    assert await shop.delete(key, condition=Attr("total").eq(7), return_old=True) == item
    assert await shop.get(key) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("#t = :t OR #r = :r", True),
        ("(#t = :t OR #r = :r)", True),
        ("(#t = :t) OR (#r = :r)", True),
        ("NOT #t = :t OR #r = :r", True),
        ("#t = :t AND #r = :r", False),
    ],
)
@pytest.mark.parametrize("key", EVERYWHERE[:3], ids=NAMES[:3])
async def test_conditions_in_text_keep_their_meaning(
    shop: DualTableRepository, key: dict[str, Any], condition: str, holds: bool
) -> None:
    """The library's own condition beside it must not bind tighter than an OR."""
    item = await shop.get(key)
    assert item is not None
    values = {":t": -1, ":r": item["region"]}
    given = {"condition": condition, "names": {"#t": "total", "#r": "region"}, "values": values}
    if holds:
        await shop.put(item, **given)
    else:
        with pytest.raises(ConditionFailedError):
            await shop.put(item, **given)


@everywhere
async def test_delete_returns_what_was_there(
    shop: DualTableRepository, key: dict[str, Any]
) -> None:
    """The old item is the logical one, without the library's attributes."""
    assert await shop.delete(key, return_old=True) == logical(key)
    assert await shop.delete(key, return_old=True) is None
    assert await shop.get(key) is None


# Update expressions


@everywhere
@pytest.mark.parametrize("values", ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
async def test_update_item_is_that_of_one_table(
    shop: DualTableRepository, gateway: MemoryGateway, key: dict[str, Any], values: Any
) -> None:
    """Same result, same returned attributes, whatever table the item is in."""
    await gateway.create_table(orders.table("one-table"))
    before = logical(key)
    if before is not None:
        await orders.fill(gateway, "one-table", [before])
    asked: dict[str, Any] = {
        "UpdateExpression": "SET #s = :s, visits = if_not_exists(visits, :no) + :one REMOVE #r",
        "ExpressionAttributeNames": {"#s": "status", "#r": "region"},
        "ExpressionAttributeValues": {":s": "sent", ":no": 0, ":one": 1},
        "ReturnValues": values,
    }
    for _ in range(2):
        returned = await shop.update_item(key, **asked)
        expected = await update_one_table(gateway, key, asked)
        assert returned == expected
        assert await shop.get(key) == await one_table(gateway, key)


async def update_one_table(
    gateway: MemoryGateway, key: dict[str, Any], asked: dict[str, Any]
) -> dict[str, Any] | None:
    from dualtable._expressions.texts import Update as Sent

    returned = await gateway.update(
        "one-table",
        codec.encode(key),
        Sent(
            asked["UpdateExpression"],
            asked["ExpressionAttributeNames"],
            codec.encode(asked["ExpressionAttributeValues"]),
        ),
        return_values=asked["ReturnValues"],
    )
    return None if returned is None else codec.decode(returned)


async def one_table(gateway: MemoryGateway, key: dict[str, Any]) -> dict[str, Any] | None:
    item = await gateway.get("one-table", codec.encode(key), consistent_read=True)
    return None if item is None else codec.decode(item)


TAKING_AWAY = [
    ("REMOVE #r", {}),
    ("REMOVE #r.deep", {}),
    ("DELETE #r :v", {":v": {"a"}}),
    ("REMOVE held DELETE #r.deep :v", {":v": {"a"}}),
]


@pytest.mark.parametrize("key", [DELETED, NOWHERE], ids=["deleted", "nowhere"])
@pytest.mark.parametrize("taking", TAKING_AWAY)
@pytest.mark.parametrize("returned", ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
async def test_taking_away_from_nothing_makes_nothing(
    shop: DualTableRepository,
    gateway: MemoryGateway,
    key: dict[str, Any],
    taking: tuple[str, dict[str, Any]],
    returned: Any,
) -> None:
    """A late REMOVE of a lock must not bring back what was deleted; AWS writes nothing either."""
    expression, values = taking
    before = await gateway.get(PLAN.new, codec.encode(key), consistent_read=True)
    asked: dict[str, Any] = {
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {"#r": "region"},
        "ExpressionAttributeValues": values,
        "ReturnValues": returned,
    }
    assert await shop.update_item(key, **asked) is None
    absent = "attribute_not_exists(id)"
    assert await shop.update_item(key, ConditionExpression=absent, **asked) is None
    with pytest.raises(ConditionFailedError):
        await shop.update_item(key, ConditionExpression="attribute_exists(id)", **asked)
    change = Update(key, expression, absent, names={"#r": "region"}, values=values)
    await shop.transact_write([change, Put({"id": "log"})])
    assert await shop.get({"id": "log"}) == {"id": "log"}
    assert await gateway.get(PLAN.new, codec.encode(key), consistent_read=True) == before


@pytest.mark.parametrize("case", [*RETURNED_OF_MAPS, *RETURNED_OF_LISTS], ids=str)
async def test_updated_values_are_those_at_the_paths_wherever_the_item_is(
    shop: DualTableRepository, gateway: MemoryGateway, case: Returned
) -> None:
    """Also where the update is made here, to the same item; nothing is None, as of the server."""
    attributes = codec.decode(ITEM)
    asked: dict[str, Any] = {"UpdateExpression": case.expression}
    if case.values:
        asked["ExpressionAttributeValues"] = codec.decode(case.values)
    for wanted, expected in (("UPDATED_OLD", case.old), ("UPDATED_NEW", case.new)):
        old = [orders.old_order(number, **attributes) for number in (11, 12)]
        await gateway.put(PLAN.new, codec.encode(orders.new_order(11, **attributes)))
        await orders.fill(gateway, PLAN.old, old)
        await gateway.delete(PLAN.new, codec.encode(orders.key(12)))
        await shop.put(orders.new_order(10, **attributes))
        made = []
        for number in (10, 11, 12):  # written, copied, only in old
            found = await shop.update_item(orders.key(number), ReturnValues=wanted, **asked)
            assert found == (codec.decode(expected) or None)
            item = await shop.get(orders.key(number)) or {}
            made.append({name: item[name] for name in item.keys() - orders.new_order(number)})
        assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("key", [DELETED, NOWHERE], ids=["deleted", "nowhere"])
@pytest.mark.parametrize("values", ["UPDATED_OLD", "UPDATED_NEW"])
async def test_there_are_no_paths_inside_nothing(
    shop: DualTableRepository, key: dict[str, Any], values: Any
) -> None:
    """What `old` has under a tombstone lends no parents to a path, and no values to an answer."""
    given: dict[str, Any] = {"ExpressionAttributeValues": {":v": 1}, "ReturnValues": values}
    for inside in ("SET customer.x = :v", "SET customer[0] = :v", "ADD customer.x :v"):
        with pytest.raises(RequestRefusedError):
            await shop.update_item(key, UpdateExpression=inside, **given)
    assert await shop.get(key) is None
    made = await shop.update_item(key, UpdateExpression="SET customer = :v", **given)
    assert made == ({"customer": 1} if values == "UPDATED_NEW" else None)


@everywhere
@pytest.mark.parametrize("in_transaction", [False, True])
async def test_an_update_sees_the_key_also_where_nothing_is(
    shop: DualTableRepository, key: dict[str, Any], in_transaction: bool
) -> None:
    """The server begins an item with its key, so right sides may refer to it."""
    if in_transaction:
        await shop.transact_write([Update(key, "SET copy_of_id = id")])
    else:
        await shop.update_item(key, UpdateExpression="SET copy_of_id = id")
    assert (await shop.get(key))["copy_of_id"] == key["id"]


@everywhere
async def test_update_item_under_a_condition(
    shop: DualTableRepository, key: dict[str, Any]
) -> None:
    """Names and values are shared by update and condition."""
    asked: dict[str, Any] = {
        "UpdateExpression": "set #t = :t",
        "ConditionExpression": "#t < :t",
        "ExpressionAttributeNames": {"#t": "total"},
        "ExpressionAttributeValues": {":t": 5000},
        "ReturnValues": "UPDATED_NEW",
    }
    if there(key):
        assert await shop.update_item(key, **asked) == {"total": Decimal(5000)}
    with pytest.raises(ConditionFailedError):
        await shop.update_item(key, **asked)


async def test_counters_lose_nothing(shop: DualTableRepository, gateway: MemoryGateway) -> None:
    """I4: concurrent updates of an item that is copied meanwhile all count."""
    add = {"UpdateExpression": "ADD visits :one", "ExpressionAttributeValues": {":one": 1}}
    for key in EVERYWHERE:
        await asyncio.gather(
            Migrator(PLAN, gateway=gateway).run(),
            *(shop.update_item(key, **add) for _ in range(5)),
        )
        item = await shop.get(key)
        assert item is not None
        assert item["visits"] == 5


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"UpdateExpression": "SET #t = :t"}, "#t"),
        ({"UpdateExpression": "SET cost = "}, "SET cost ="),
        ({"UpdateExpression": "REMOVE id"}, "'id'"),
        (
            {
                "UpdateExpression": "REMOVE #x",
                "ExpressionAttributeNames": {"#x": "_dualtable_token"},
            },
            "_dualtable_token",
        ),
        (
            {
                "UpdateExpression": "REMOVE legacy",
                "ConditionExpression": "attribute_exists(#x)",
                "ExpressionAttributeNames": {"#x": "_dualtable_deleted"},
            },
            "_dualtable_deleted",
        ),
        (
            {"UpdateExpression": "REMOVE legacy", "ExpressionAttributeValues": {":unused": 1}},
            ":unused",
        ),
    ],
)
async def test_bad_expressions_are_named(
    shop: DualTableRepository, asked: dict[str, Any], named: str
) -> None:
    """What DynamoDB would refuse, or what would touch the library's attributes, is not sent."""
    for key in EVERYWHERE:
        with pytest.raises(RequestRefusedError) as caught:
            await shop.update_item(key, **asked)
        assert named in str(caught.value)
    assert await untouched(shop)


# Placeholders

OURS = [("#k", ":k"), ("#d", ":d"), ("#t", ":t"), ("#k2", ":t2"), ("#_d", ":_t"), ("#d2", ":t")]


def setting(given: dict[str, Any]) -> str:
    return "SET {} = {}".format(*given["names"], *given["values"])


WRITES: dict[str, Any] = {
    "put": lambda shop, key, text, given: shop.put({**key, "x": 1}, condition=text, **given),
    "delete": lambda shop, key, text, given: shop.delete(key, condition=text, **given),
    "update_item": lambda shop, key, text, given: shop.update_item(
        key,
        UpdateExpression=setting(given),
        ConditionExpression=text,
        ExpressionAttributeNames=given["names"],
        ExpressionAttributeValues=given["values"],
    ),
    "transact put": lambda shop, key, text, given: shop.transact_write(
        [Put({**key, "x": 1}, text, **given)]
    ),
    "transact delete": lambda shop, key, text, given: shop.transact_write(
        [Delete(key, text, **given)]
    ),
    "transact update": lambda shop, key, text, given: shop.transact_write(
        [Update(key, setting(given), text, **given)]
    ),
    "transact check": lambda shop, key, text, given: shop.transact_write(
        [ConditionCheck(key, text, **given), Put({"id": "log"})]
    ),
}


@everywhere
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("name", "value"), OURS)
async def test_a_caller_may_call_things_as_the_library_does(
    shop: DualTableRepository, key: dict[str, Any], write: str, name: str, value: str
) -> None:
    """Whatever placeholders the library has in its own conditions, the caller's keep theirs."""
    given = {"names": {name: "total"}, "values": {value: 5}}
    with pytest.raises(ConditionFailedError):
        await WRITES[write](shop, key, f"{name} = {value} AND attribute_exists({name})", given)
    assert await untouched(shop)
    await WRITES[write](shop, key, f"{name} <> {value} OR attribute_not_exists({name})", given)


async def test_a_placeholder_may_have_the_name_of_a_mark(shop: DualTableRepository) -> None:
    """Only an attribute at the root can be the library's."""
    for word in (PLAN.tombstone_attribute, PLAN.token_attribute):
        named: Any = {"names": {f"#{word}": "total"}, "values": {f":{word}": 225}}
        await shop.put(orders.new_order(2), condition=f"#{word} = :{word}", **named)
        nested: Any = {"names": {"#x": word}}
        with pytest.raises(ConditionFailedError):
            await shop.delete(OLD_ONLY, condition="attribute_exists(customer.#x)", **nested)


# Room


def padded(text: str) -> str:
    """Return a condition of 4,096 characters, which has no room for a second one."""
    name, rest = text.split(" ", 1)
    return f"{name} {rest:>{4095 - len(name)}}"


MANY = " OR ".join(["#t <> :t"] * 150)


@everywhere
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", ["long", "crowded"])
async def test_an_expression_without_room_for_another(
    shop: DualTableRepository, key: dict[str, Any], write: str, kind: str
) -> None:
    """What DynamoDB takes of a caller it takes of the library, which then compares and sets."""
    given = {"names": {"#t": "total"}, "values": {":t": 5}}
    one = "#t <> :t" if kind == "long" else MANY
    holding = padded(one) if kind == "long" else one
    failing = padded("NOT #t <> :t") if kind == "long" else "#t = :t" + " AND #t = :t" * 149
    with pytest.raises(ConditionFailedError):
        await WRITES[write](shop, key, failing, given)
    assert await untouched(shop)
    await WRITES[write](shop, key, holding, given)


@everywhere
@pytest.mark.parametrize("in_transaction", [False, True])
async def test_an_update_without_room_for_the_token(
    shop: DualTableRepository, gateway: MemoryGateway, key: dict[str, Any], in_transaction: bool
) -> None:
    """The token is written all the same, with the item."""
    expression = f"SET {'visits':>4085} = :v"
    assert len(expression) == 4094
    if in_transaction:
        await shop.transact_write([Update(key, expression, values={":v": 1}), Put({"id": "log"})])
    else:
        values = {"ExpressionAttributeValues": {":v": 1}, "ReturnValues": "UPDATED_NEW"}
        assert await shop.update_item(key, UpdateExpression=expression, **values) == {"visits": 1}
    assert await shop.get(key) == {**(logical(key) or key), "visits": 1}
    stored = await gateway.get(PLAN.new, codec.encode(key), consistent_read=True)
    assert stored is not None
    assert PLAN.token_attribute in stored


# Transactions


@everywhere
async def test_a_transaction_writes_all(shop: DualTableRepository, key: dict[str, Any]) -> None:
    """Each kind of action works wherever its item is; what only old has is carried along."""
    number = int(key["id"].removeprefix("o-"))
    change = Update(key, "SET #s = :s", names={"#s": "status"}, values={":s": "sent"})
    await shop.transact_write([change, Put({"id": "log"})])
    assert await shop.get(key) == {**(logical(key) or key), "status": "sent"}
    await shop.transact_write([ConditionCheck(key, Attr("status").eq("sent")), Put({"id": "a"})])
    await shop.transact_write([Put(orders.new_order(number, total=1)), Delete({"id": "a"})])
    await shop.transact_write([Delete(key, Attr("total").eq(1)), Put({"id": "b"})])
    found = await shop.transact_get([key, {"id": "log"}, {"id": "a"}, {"id": "b"}])
    assert found == [None, {"id": "log"}, None, {"id": "b"}]


@everywhere
@pytest.mark.parametrize("kind", [ConditionCheck, Delete, Put, Update])
async def test_a_transaction_writes_all_or_none(
    shop: DualTableRepository, key: dict[str, Any], kind: Any
) -> None:
    """One condition that does not hold on the logical item stops everything."""
    failing = Attr("id").not_exists() if there(key) else Attr("id").exists()
    text = "attribute_not_exists(id)" if there(key) else "attribute_exists(id)"
    action: Any = {
        ConditionCheck: ConditionCheck(key, failing),
        Delete: Delete(key, failing),
        Put: Put({**key, "total": 1}, failing),
        Update: Update(key, "SET cost = :t", text, values={":t": 1}),
    }[kind]
    others = [Delete(other) for other in EVERYWHERE if other != key]
    with pytest.raises(ConditionFailedError) as caught:
        await shop.transact_write([*others, action])
    assert caught.value.key == key
    assert await untouched(shop)


async def test_transactions_and_copies_at_once(
    shop: DualTableRepository, gateway: MemoryGateway
) -> None:
    """I4: transfers between items keep their sum while the items are copied."""
    keys = [WRITTEN, COPIED, OLD_ONLY]
    sum_before = sum(item["total"] for item in await shop.batch_get(keys) if item)

    async def transfer(source: dict[str, Any], target: dict[str, Any]) -> None:
        given: Any = {"names": {"#t": "total"}, "values": {":n": 1}}
        await shop.transact_write(
            [
                Update(source, "SET #t = #t - :n", "#t > :n", **given),
                Update(target, "SET #t = #t + :n", **given),
            ]
        )

    await asyncio.gather(
        Migrator(PLAN, gateway=gateway).run(),
        *(transfer(keys[n % 3], keys[(n + 1) % 3]) for n in range(9)),
    )
    found = await shop.transact_get(keys)
    assert sum(item["total"] for item in found if item) == sum_before


async def test_a_transaction_whose_answer_is_lost_is_taken_once(
    shop: DualTableRepository, faults: Faults
) -> None:
    """The retry carries the same token, so that it finds its first try."""
    lost = []

    async def lose(operation: str, table: str) -> None:
        if operation == "transact_write" and not lost:
            lost.append(operation)
            raise UnavailableError("the answer is lost")

    faults.after = lose  # type: ignore[method-assign]
    change = Update(WRITTEN, "ADD visits :one", values={":one": 1})
    await shop.transact_write([change])
    item = await shop.get(WRITTEN)
    assert lost
    assert item is not None
    assert item["visits"] == 1


async def test_bad_transactions_are_named(shop: DualTableRepository) -> None:
    """Nothing is sent of a transaction that cannot be right."""
    for actions, error, named in (
        ([], InvalidKeyError, "1 to 100"),
        ([Put({"id": str(n)}) for n in range(101)], InvalidKeyError, "1 to 100"),
        ([Put(WRITTEN), Delete(WRITTEN)], InvalidKeyError, "each key once"),
        ([Put({"id": "a", "x": 1.5})], InvalidItemError, "x"),
        ([Delete({"no": 1})], InvalidKeyError, "'no'"),
    ):
        with pytest.raises(error, match=named):
            await shop.transact_write(actions)
    for keys in ([], [WRITTEN, WRITTEN]):
        with pytest.raises(InvalidKeyError):
            await shop.transact_get(keys)
    assert await untouched(shop)


@everywhere
async def test_a_failed_transaction_gives_a_reason_for_each_action(
    shop: DualTableRepository, gateway: MemoryGateway, key: dict[str, Any]
) -> None:
    """Whoever judges: the server what is live in the new table, the library what is not."""
    here, gone = "attribute_exists(id)", "attribute_not_exists(id)"
    failing, holding = (gone, here) if there(key) else (here, gone)
    others = [WRITTEN, NOWHERE] if key not in (WRITTEN, NOWHERE) else [COPIED, DELETED]
    actions: list[Any] = [
        Put({"id": "blind"}),
        Update(others[0], "SET x = :x", gone, values={":x": 1}),
        Delete(key, failing),
        ConditionCheck(others[1], gone),
    ]
    with pytest.raises(ConditionFailedError, match="the actions 1, 2") as caught:
        await shop.transact_write(actions)
    assert caught.value.key == others[0]
    failed = "ConditionalCheckFailed"
    keys = [{"id": "blind"}, others[0], key, others[1]]
    codes = ["None", failed, failed, "None"]
    assert [(r.code, r.key) for r in caught.value.reasons] == list(zip(codes, keys, strict=True))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reasons, again.key) == (caught.value.reasons, others[0])
    assert await untouched(shop)
    actions[1:3] = [Update(others[0], "SET x = :x", here, values={":x": 1}), Delete(key, holding)]
    await shop.transact_write(actions)


async def test_if_absent_and_a_condition_exclude_each_other(shop: DualTableRepository) -> None:
    """Two answers to one question would have to be weighed; nobody should have to know how."""
    with pytest.raises(RequestRefusedError, match="if_absent"):
        await shop.put(orders.new_order(9), if_absent=True, condition=Attr("id").not_exists())
    with pytest.raises(ItemExistsError):
        await shop.put(orders.new_order(2), if_absent=True)
