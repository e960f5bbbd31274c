"""Transactions, over the migrated table and another one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr

from drop_in_cases.single import CONDITIONS, UPDATES
from drop_in_cases.words import (
    ITEM,
    NAMES,
    NO_DICTS,
    NOWHERE,
    OTHER_TABLE,
    PARTITION,
    ROUNDED,
    TABLE,
    TOKEN,
    K,
    case,
    on_failure,
)


def actions(*each: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{kind: {"TableName": TABLE, **asked}} for kind, asked in each]


OTHER = {**K, "day": 60}
TRANSACT_WRITE = [
    case("a put", "client.transact_write_items", TransactItems=actions(("Put", {"Item": ITEM}))),
    case("a delete", "client.transact_write_items", TransactItems=actions(("Delete", {"Key": K}))),
    *[
        case(n, "client.transact_write_items", TransactItems=actions(("Update", {"Key": K, **u})))
        for n, u in UPDATES.items()
    ],
    *[
        case(
            f"put if {n}",
            "client.transact_write_items",
            TransactItems=actions(("Put", {"Item": ITEM, **c}), ("Put", {"Item": OTHER})),
        )
        for n, c in CONDITIONS.items()
        if isinstance(c["ConditionExpression"], str)
    ],
    *[
        case(
            f"check if {n}",
            "client.transact_write_items",
            TransactItems=actions(("Put", {"Item": OTHER}), ("ConditionCheck", {"Key": K, **c})),
        )
        for n, c in CONDITIONS.items()
        if isinstance(c["ConditionExpression"], str)
    ],
    case(
        "delete if, with its item",
        "client.transact_write_items",
        TransactItems=actions(
            (
                "Delete",
                {"Key": K, **on_failure(ConditionExpression="attribute_not_exists(customer)")},
            ),
            ("Put", {"Item": OTHER}),
        ),
    ),
    case(
        "two that fail",
        "client.transact_write_items",
        TransactItems=actions(
            ("Delete", {"Key": K, "ConditionExpression": "attribute_exists(nothing)"}),
            ("Put", {"Item": OTHER}),
            (
                "ConditionCheck",
                {"Key": NOWHERE, "ConditionExpression": "attribute_exists(customer)"},
            ),
        ),
    ),
    case(
        "a key twice",
        "client.transact_write_items",
        TransactItems=actions(("Put", {"Item": ITEM}), ("Delete", {"Key": K})),
    ),
    case("none", "client.transact_write_items", TransactItems=[]),
    case(
        "too many",
        "client.transact_write_items",
        TransactItems=actions(*[("Delete", {"Key": {**K, "day": n}}) for n in range(101)]),
    ),
    case(
        "an unknown action",
        "client.transact_write_items",
        TransactItems=actions(("Get", {"Key": K})),
    ),
    case(
        "a check without a condition",
        "client.transact_write_items",
        TransactItems=actions(("ConditionCheck", {"Key": K})),
    ),
    case(
        "a float",
        "client.transact_write_items",
        TransactItems=actions(("Put", {"Item": {**ITEM, "amount": 0.5}})),
    ),
    case(
        "an update that does not fit",
        "client.transact_write_items",
        TransactItems=actions(
            (
                "Update",
                {
                    "Key": K,
                    "UpdateExpression": "SET x.y = :v",
                    "ExpressionAttributeValues": {":v": 1},
                },
            )
        ),
    ),
]

TRANSACT_GET = [
    case("one", "client.transact_get_items", TransactItems=actions(("Get", {"Key": K}))),
    case(
        "some",
        "client.transact_get_items",
        TransactItems=actions(("Get", {"Key": K}), ("Get", {"Key": NOWHERE})),
    ),
    case(
        "projections",
        "client.transact_get_items",
        TransactItems=actions(
            ("Get", {"Key": K, "ProjectionExpression": "#n", "ExpressionAttributeNames": NAMES}),
            ("Get", {"Key": {**K, "day": 4}, "ProjectionExpression": "customer"}),
        ),
    ),
    case(
        "a key twice",
        "client.transact_get_items",
        TransactItems=actions(("Get", {"Key": K}), ("Get", {"Key": K})),
    ),
    case("none", "client.transact_get_items", TransactItems=[]),
    case(
        "a reserved word",
        "client.transact_get_items",
        TransactItems=actions(("Get", {"Key": K, "ProjectionExpression": "name"})),
    ),
    case("a write", "client.transact_get_items", TransactItems=actions(("Put", {"Item": ITEM}))),
]


TRANSACTIONS = [*TRANSACT_WRITE, *TRANSACT_GET]


def add(name: str, operation: str, **parameters: Any) -> None:
    TRANSACTIONS.append(case(name, operation, **parameters))


def tw(n, *a, **m):
    add(f"{n}", "client.transact_write_items", TransactItems=actions(*a), **m)


tw(
    "upd+check",
    (
        "Update",
        {"Key": K, "UpdateExpression": "SET nick = :v", "ExpressionAttributeValues": {":v": 1}},
    ),
    (
        "ConditionCheck",
        {"Key": {**K, "day": 4}, "ConditionExpression": "attribute_exists(customer)"},
    ),
)
tw(
    "upd fail item",
    (
        "Update",
        {
            "Key": K,
            "UpdateExpression": "SET nick = :v",
            "ExpressionAttributeValues": {":v": 1},
            **on_failure(ConditionExpression="amount = :v"),
        },
    ),
    ("Put", {"Item": {**ITEM, "day": 60}}),
)
tw(
    "check fail item",
    ("ConditionCheck", {"Key": K, **on_failure(ConditionExpression="attribute_exists(nothing)")}),
    ("Put", {"Item": {**ITEM, "day": 60}}),
)
tw(
    "both fail",
    ("ConditionCheck", {"Key": K, **on_failure(ConditionExpression="attribute_exists(nothing)")}),
    (
        "Put",
        {"Item": {**ITEM, "day": 4}, **on_failure(ConditionExpression="attribute_exists(nothing)")},
    ),
)
tw(
    "none fails item",
    (
        "ConditionCheck",
        {"Key": NOWHERE, **on_failure(ConditionExpression="attribute_exists(customer)")},
    ),
)
tw(
    "all four",
    ("Put", {"Item": {**ITEM, "day": 50}}),
    (
        "Update",
        {
            "Key": {**K, "day": 51},
            "UpdateExpression": "SET nick = :v",
            "ExpressionAttributeValues": {":v": 1},
        },
    ),
    ("Delete", {"Key": K}),
    (
        "ConditionCheck",
        {
            "Key": {**K, "day": 4},
            "ConditionExpression": "attribute_exists(customer) OR attribute_not_exists(customer)",
        },
    ),
)
tw("50", *[("Put", {"Item": {**ITEM, "day": n}}) for n in range(200, 250)])
tw(
    "dup update",
    ("Update", {"Key": K, "UpdateExpression": "REMOVE parts"}),
    ("ConditionCheck", {"Key": K, "ConditionExpression": "attribute_exists(customer)"}),
)
tw("no condition", ("ConditionCheck", {"Key": K}))
tw("no update expr", ("Update", {"Key": K}))
tw("rv", ("Put", {"Item": ITEM, "ReturnValues": "ALL_OLD"}))
tw("wrong key", ("Delete", {"Key": {"customer": PARTITION}}))
tw("key type", ("Delete", {"Key": {"customer": PARTITION, "day": "3"}}))
tw("put no key", ("Put", {"Item": {"a": 1}}))
tw("put empty set", ("Put", {"Item": {**ITEM, "tags": set()}}))
tw("put too big", ("Put", {"Item": {**ITEM, "big": "x" * 410000}}))
tw("put index key", ("Put", {"Item": {**ITEM, "state": 5}}))
tw(
    "upd key",
    (
        "Update",
        {
            "Key": K,
            "UpdateExpression": "SET #d = :v",
            "ExpressionAttributeNames": {"#d": "day"},
            "ExpressionAttributeValues": {":v": 4},
        },
    ),
)
tw("upd empty", ("Update", {"Key": K, "UpdateExpression": ""}))
tw("token", ("Put", {"Item": ITEM}), ClientRequestToken=TOKEN)
tw("token long", ("Put", {"Item": ITEM}), ClientRequestToken="x" * 37)
tw("token empty", ("Put", {"Item": ITEM}), ClientRequestToken="")
tw("token none", ("Put", {"Item": ITEM}), ClientRequestToken=None)
tw(
    "no costs",
    ("Put", {"Item": ITEM}),
    ReturnConsumedCapacity="NONE",
    ReturnItemCollectionMetrics="NONE",
)
tw("unknown param", ("Put", {"Item": ITEM}), Foo=1)
add(
    "two kinds",
    "client.transact_write_items",
    TransactItems=[
        {"Put": {"TableName": TABLE, "Item": ITEM}, "Delete": {"TableName": TABLE, "Key": K}}
    ],
)
add("empty", "client.transact_write_items", TransactItems=[{}])
add("no actions", "client.transact_write_items")
add("no table", "client.transact_write_items", TransactItems=[{"Put": {"Item": ITEM}}])
add(
    "unknown table",
    "client.transact_write_items",
    TransactItems=[{"Put": {"TableName": "nowhere-at-all", "Item": ITEM}}],
)


def tg(n, *a, **m):
    add(f"{n}", "client.transact_get_items", TransactItems=actions(*a), **m)


tg("many", *[("Get", {"Key": {**K, "day": n}}) for n in range(9)])
tg("101", *[("Get", {"Key": {**K, "day": n}}) for n in range(101)])
tg("100", *[("Get", {"Key": {**K, "day": n}}) for n in range(100)])
tg("spelled", ("Get", {"Key": K}), ("Get", {"Key": {**K, "day": Decimal("3.0")}}))
tg("proj empty", ("Get", {"Key": K, "ProjectionExpression": ""}))
tg("proj missing", ("Get", {"Key": K, "ProjectionExpression": "nothing"}))
tg("proj nested", ("Get", {"Key": K, "ProjectionExpression": "address.city, parts[0]"}))
tg("unused", ("Get", {"Key": K, "ExpressionAttributeNames": {"#x": "y"}}))
tg("wrong key", ("Get", {"Key": {"customer": PARTITION}}))
tg("consistent", ("Get", {"Key": K, "ConsistentRead": True}))
add("no table", "client.transact_get_items", TransactItems=[{"Get": {"Key": K}}])
add(
    "unknown table",
    "client.transact_get_items",
    TransactItems=[{"Get": {"TableName": "nowhere-at-all", "Key": K}}],
)
tg("no costs", ("Get", {"Key": K}), ReturnConsumedCapacity="NONE")


def of(t, kind, **p):
    return {kind: {"TableName": t, **p}}


def ow(n, *a, **m):
    add(f"with another table, {n}", "client.transact_write_items", TransactItems=list(a), **m)


ow("put both", of(TABLE, "Put", Item=ITEM), of(OTHER_TABLE, "Put", Item={"id": "c"}))
ow(
    "upd both",
    of(
        TABLE,
        "Update",
        Key=K,
        UpdateExpression="ADD visits :v",
        ExpressionAttributeValues={":v": 1},
    ),
    of(
        OTHER_TABLE,
        "Update",
        Key={"id": "a"},
        UpdateExpression="ADD #c :v",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":v": 1},
    ),
)
ow("del other", of(OTHER_TABLE, "Delete", Key={"id": "a"}), of(TABLE, "Put", Item=ITEM))
ow(
    "other only",
    of(OTHER_TABLE, "Put", Item={"id": "c"}),
    of(OTHER_TABLE, "Delete", Key={"id": "a"}),
)
ow(
    "check other ok",
    of(OTHER_TABLE, "ConditionCheck", Key={"id": "a"}, ConditionExpression="attribute_exists(id)"),
    of(TABLE, "Put", Item=ITEM),
)
ow(
    "check other fails",
    of(
        OTHER_TABLE,
        "ConditionCheck",
        Key={"id": "a"},
        **on_failure(ConditionExpression="attribute_not_exists(id)"),
    ),
    of(TABLE, "Put", Item=ITEM),
)
ow(
    "other fails, both",
    of(
        OTHER_TABLE,
        "Put",
        Item={"id": "a"},
        **on_failure(ConditionExpression="attribute_not_exists(id)"),
    ),
    of(TABLE, "Put", Item=ITEM, **on_failure(ConditionExpression="attribute_exists(nothing)")),
)
ow(
    "ours fails",
    of(OTHER_TABLE, "Put", Item={"id": "c"}),
    of(TABLE, "Put", Item=ITEM, **on_failure(ConditionExpression="attribute_exists(nothing)")),
)
ow(
    "other Attr",
    of(OTHER_TABLE, "Put", Item={"id": "c"}, ConditionExpression=Attr("id").not_exists()),
    of(TABLE, "Delete", Key=K),
)
ow(
    "other malformed",
    of(OTHER_TABLE, "Put", Item={"id": "c"}, ConditionExpression="a = = b"),
    of(TABLE, "Delete", Key=K),
)
ow(
    "other dup",
    of(OTHER_TABLE, "Put", Item={"id": "c"}),
    of(OTHER_TABLE, "Delete", Key={"id": "c"}),
    of(TABLE, "Delete", Key=K),
)
ow("other wrong key", of(OTHER_TABLE, "Put", Item={"idd": "c"}), of(TABLE, "Delete", Key=K))
ow("other float", of(OTHER_TABLE, "Put", Item={"id": "c", "x": 1.5}), of(TABLE, "Delete", Key=K))
ow(
    "other empty set",
    of(OTHER_TABLE, "Put", Item={"id": "c", "x": set()}),
    of(TABLE, "Delete", Key=K),
)
ow(
    "other unused name",
    of(
        OTHER_TABLE,
        "Put",
        Item={"id": "c"},
        ConditionExpression="attribute_not_exists(id)",
        ExpressionAttributeNames={"#x": "y"},
    ),
    of(TABLE, "Delete", Key=K),
)
ow("same key in both", of(OTHER_TABLE, "Put", Item={"id": "a", **K}), of(TABLE, "Delete", Key=K))
ow("other unknown", of("nowhere-at-all", "Put", Item={"id": "c"}), of(TABLE, "Delete", Key=K))
ow(
    "other token",
    of(
        OTHER_TABLE,
        "Update",
        Key={"id": "a"},
        UpdateExpression="ADD #c :v",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":v": 1},
    ),
    of(TABLE, "Put", Item=ITEM),
    ClientRequestToken=TOKEN,
)


def og(n, *a):
    add(f"with another table, {n}", "client.transact_get_items", TransactItems=list(a))


og("both", of(TABLE, "Get", Key=K), of(OTHER_TABLE, "Get", Key={"id": "a"}))
og(
    "other first",
    of(OTHER_TABLE, "Get", Key={"id": "a"}),
    of(TABLE, "Get", Key=K),
    of(OTHER_TABLE, "Get", Key={"id": "zz"}),
)
og(
    "other proj",
    of(
        OTHER_TABLE,
        "Get",
        Key={"id": "a"},
        ProjectionExpression="#c",
        ExpressionAttributeNames={"#c": "count"},
    ),
    of(TABLE, "Get", Key=K, ProjectionExpression="amount"),
)
og("only other", of(OTHER_TABLE, "Get", Key={"id": "a"}))
og("other wrong key", of(OTHER_TABLE, "Get", Key={"ix": "a"}), of(TABLE, "Get", Key=K))

for n, none in NO_DICTS.items():
    for kind in ("Put", "Update", "Delete", "ConditionCheck"):
        wrong = {"TransactItems": [*actions(("Put", {"Item": OTHER})), {kind: none}]}
        add(f"{kind} of {n}", "client.transact_write_items", **wrong)
    add(f"Get of {n}", "client.transact_get_items", TransactItems=[{"Get": none}])
    add(f"an action of {n}", "client.transact_write_items", TransactItems=[none])
    add(f"an action of {n}", "client.transact_get_items", TransactItems=[none])
for n, number in ROUNDED.items():
    tw(f"rounds {n}", ("Put", {"Item": {**ITEM, "tags": {number}}}))
for n, path in {"key": "customer.x", "index key": "#n[0]"}.items():
    names = {"ExpressionAttributeNames": NAMES} if "#" in path else {}
    asked = {"ConditionExpression": f"attribute_not_exists({path})", **names}
    tw(f"put if in {n}", ("Put", {"Item": ITEM, **asked}))
    tw(f"delete if in {n}", ("Delete", {"Key": K, **asked}))
    tw(f"check if in {n}", ("ConditionCheck", {"Key": K, **asked}), ("Put", {"Item": OTHER}))
    wanted = {"ProjectionExpression": path, **names}
    add(
        f"in {n}", "client.transact_get_items", TransactItems=actions(("Get", {"Key": K, **wanted}))
    )
