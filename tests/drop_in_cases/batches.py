"""Batches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr

from drop_in_cases.words import (
    C7,
    ITEM,
    NAMES,
    NO_DICTS,
    NOWHERE,
    OTHER_TABLE,
    PARTITION,
    ROUNDED,
    TABLE,
    K,
    case,
    nested,
)


def get_of(keys: list[Any], **more: Any) -> dict[str, Any]:
    return {TABLE: {"Keys": keys, **more}}


def put_of(**item: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {**ITEM, **item}}}


def delete_of(**key: Any) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": {**K, **key}}}


BATCH_GET = [
    case("one", "client.batch_get_item", RequestItems=get_of([K])),
    case("some", "client.batch_get_item", RequestItems=get_of([{**K, "day": n} for n in range(9)])),
    case("consistent", "client.batch_get_item", RequestItems=get_of([K], ConsistentRead=True)),
    case(
        "a projection",
        "client.batch_get_item",
        RequestItems=get_of([K], ProjectionExpression="#n", ExpressionAttributeNames=NAMES),
    ),
    case("one that is nowhere", "client.batch_get_item", RequestItems=get_of([NOWHERE])),
    case("a key twice", "client.batch_get_item", RequestItems=get_of([K, K])),
    case(
        "a key twice, spelled otherwise",
        "client.batch_get_item",
        RequestItems=get_of([K, {**K, "day": Decimal("3.0")}]),
    ),
    case(
        "too many",
        "client.batch_get_item",
        RequestItems=get_of([{**K, "day": n} for n in range(101)]),
    ),
    case("none", "client.batch_get_item", RequestItems=get_of([])),
    case("no table", "client.batch_get_item", RequestItems={}),
    case("half a key", "client.batch_get_item", RequestItems=get_of([{"customer": PARTITION}])),
    case(
        "a reserved word",
        "client.batch_get_item",
        RequestItems=get_of([K], ProjectionExpression="name"),
    ),
]

BATCH_WRITE = [
    case("puts", "client.batch_write_item", RequestItems={TABLE: [put_of(), put_of(day=50)]}),
    case("a delete", "client.batch_write_item", RequestItems={TABLE: [delete_of()]}),
    case("both", "client.batch_write_item", RequestItems={TABLE: [put_of(day=51), delete_of()]}),
    case("a key twice", "client.batch_write_item", RequestItems={TABLE: [put_of(), delete_of()]}),
    case(
        "two puts of a key", "client.batch_write_item", RequestItems={TABLE: [put_of(), put_of()]}
    ),
    case("none", "client.batch_write_item", RequestItems={TABLE: []}),
    case(
        "too many",
        "client.batch_write_item",
        RequestItems={TABLE: [put_of(day=n) for n in range(26)]},
    ),
    case("a float", "client.batch_write_item", RequestItems={TABLE: [put_of(amount=0.5)]}),
    case("an empty set", "client.batch_write_item", RequestItems={TABLE: [put_of(tags=set())]}),
    case(
        "half a key",
        "client.batch_write_item",
        RequestItems={TABLE: [{"DeleteRequest": {"Key": {"customer": PARTITION}}}]},
    ),
    case("neither", "client.batch_write_item", RequestItems={TABLE: [{"Put": {}}]}),
]


BATCHES = [*BATCH_GET, *BATCH_WRITE]


def add(name: str, operation: str, **parameters: Any) -> None:
    BATCHES.append(case(name, operation, **parameters))


for n, r in {
    "proj nested": get_of([K], ProjectionExpression="address.city, parts[0]"),
    "proj unused": get_of([K], ProjectionExpression="amount", ExpressionAttributeNames={"#x": "y"}),
    "proj names only": get_of([K], ExpressionAttributeNames={"#x": "y"}),
    "proj two": get_of([K, NOWHERE, {**K, "day": 4}], ProjectionExpression="amount"),
    "100": get_of([{**K, "day": n} for n in range(100)]),
    "extra": get_of([{**K, "x": 1}]),
    "wrong type": get_of([{**K, "day": "3"}]),
    "float": get_of([{**K, "day": 3.0}]),
    "empty keys": get_of([{}]),
    "keys none": {TABLE: {"Keys": None}},
    "no keys": {TABLE: {}},
    "unknown": {TABLE: {"Keys": [K], "X": 1}},
    "consistent str": get_of([K], ConsistentRead="x"),
    "empty str": get_of([{"customer": "", "day": 3}]),
}.items():
    add(f"{n}", "client.batch_get_item", RequestItems=r)
add("no costs", "client.batch_get_item", RequestItems=get_of([K]), ReturnConsumedCapacity="NONE")
add("unknown table", "client.batch_get_item", RequestItems={"nowhere-at-all": {"Keys": [K]}})
for n, r in {
    "25": {TABLE: [put_of(day=n) for n in range(20, 45)]},
    "deletes": {TABLE: [delete_of(), delete_of(day=4)]},
    "delete nowhere": {TABLE: [delete_of(day=99)]},
    "two deletes": {TABLE: [delete_of(), delete_of()]},
    "spelled": {TABLE: [put_of(), put_of(day=Decimal("3.0"))]},
    "empty str": {TABLE: [put_of(name="")]},
    "both in one": {TABLE: [{**put_of(), **delete_of(day=4)}]},
    "empty req": {TABLE: [{}]},
    "no table": {},
    "key empty": {TABLE: [put_of(customer="")]},
    "wrong type": {TABLE: [put_of(day="x")]},
    "no key": {TABLE: [{"PutRequest": {"Item": {"a": 1}}}]},
    "too big": {TABLE: [put_of(big="x" * 410000)]},
    "delete extra": {TABLE: [{"DeleteRequest": {"Key": {**K, "x": 1}}}]},
    "null": {TABLE: None},
    "str": {TABLE: "x"},
    "member str": {TABLE: ["x"]},
    "put no item": {TABLE: [{"PutRequest": {}}]},
    "delete no key": {TABLE: [{"DeleteRequest": {}}]},
    "update": {TABLE: [{"UpdateRequest": {"Key": K}}]},
    "39": {TABLE: [put_of(amount=Decimal("1" * 39))]},
    "index key": {TABLE: [put_of(state=5)]},
    "deep": {TABLE: [put_of(d=nested(33))]},
    "put unknown": {TABLE: [{"PutRequest": {"Item": ITEM, "X": 1}}]},
    "26 dup": {TABLE: [put_of(day=3) for _ in range(26)]},
    "a null": {TABLE: [put_of(amount=None)]},
}.items():
    add(f"{n}", "client.batch_write_item", RequestItems=r)
add("unknown table", "client.batch_write_item", RequestItems={"nowhere-at-all": [put_of()]})
add(
    "no costs",
    "client.batch_write_item",
    RequestItems={TABLE: [put_of()]},
    ReturnConsumedCapacity="NONE",
    ReturnItemCollectionMetrics="NONE",
)
add(
    "both",
    "client.batch_get_item",
    RequestItems={TABLE: {"Keys": [K]}, OTHER_TABLE: {"Keys": [{"id": "a"}, {"id": "zz"}]}},
)
add(
    "other",
    "client.batch_get_item",
    RequestItems={
        OTHER_TABLE: {
            "Keys": [{"id": "a"}],
            "ProjectionExpression": "#c",
            "ExpressionAttributeNames": {"#c": "count"},
        }
    },
)
add(
    "both tables",
    "client.batch_write_item",
    RequestItems={
        TABLE: [put_of()],
        OTHER_TABLE: [
            {"PutRequest": {"Item": {"id": "c"}}},
            {"DeleteRequest": {"Key": {"id": "a"}}},
        ],
    },
)
add("of another table", "client.get_item", TableName=OTHER_TABLE, Key={"id": "a"})

add("by its name", "client.get_item", TableName=TABLE, Key=K)
add("of no table", "client.get_item", Key=K)
add("of an unknown table", "client.get_item", TableName="nowhere-at-all", Key=K)
add("by its name", "client.put_item", TableName=TABLE, Item=ITEM, ReturnValues="ALL_OLD")
add(
    "by its name",
    "client.update_item",
    TableName=TABLE,
    Key=K,
    UpdateExpression="SET nick = :v",
    ExpressionAttributeValues={":v": 1},
    ReturnValues="ALL_NEW",
)
add(
    "by its name, if",
    "client.put_item",
    TableName=TABLE,
    Item=ITEM,
    ConditionExpression=Attr("amount").gt(100),
)
add("by its name", "client.delete_item", TableName=TABLE, Key=K, ReturnValues="ALL_OLD")
add("by its name", "client.query", TableName=TABLE, KeyConditionExpression=C7, Limit=3)
add("by its name", "client.scan", TableName=TABLE)
add(
    "by its name, in text",
    "client.query",
    TableName=TABLE,
    KeyConditionExpression="customer = :c",
    ExpressionAttributeValues={":c": PARTITION},
)

for n, none in NO_DICTS.items():
    for kind in ("PutRequest", "DeleteRequest"):
        wrong = {"RequestItems": {TABLE: [put_of(), {kind: none}]}}
        add(f"{kind} of {n}", "client.batch_write_item", **wrong)
    add(f"a request of {n}", "client.batch_write_item", RequestItems={TABLE: [none]})
    add(f"a key of {n}", "client.batch_get_item", RequestItems=get_of([K, none]))
    add(f"keys of {n}", "client.batch_get_item", RequestItems={TABLE: none})
    beside = {**get_of([K]), OTHER_TABLE: none}
    add(f"keys of {n} of another table", "client.batch_get_item", RequestItems=beside)
for n, number in ROUNDED.items():
    add(f"rounds {n}", "client.batch_write_item", RequestItems={TABLE: [put_of(amount=number)]})
    add(f"rounds {n}", "client.batch_get_item", RequestItems=get_of([{**K, "day": number}]))
add("in key", "client.batch_get_item", RequestItems=get_of([K], ProjectionExpression="customer.x"))
add("odd names", "client.batch_write_item", RequestItems={TABLE: [put_of(nick={1: 2})]})
add("costs of None", "client.batch_get_item", RequestItems=get_of([K]), ReturnConsumedCapacity=None)
