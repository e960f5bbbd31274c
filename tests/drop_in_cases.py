"""Calls that a plain table and the drop-in must answer alike, by operation.

Each is a name, the operation, and its parameters; ``K`` is the item whose placement changes. A
client's operation begins with ``client.``, and ``TABLE`` in it stands for the table's name.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary

PARTITION = "c-7"
K = {"customer": PARTITION, "day": 3}
NOWHERE = {"customer": PARTITION, "day": 99}
ITEM = {**K, "name": "put", "amount": Decimal("1.5"), "payload": b"\x00\xff", "tags": {"a", "b"}}
C7 = Key("customer").eq(PARTITION)
TABLE = "TABLE"
OTHER_TABLE = "OTHER TABLE"
NAMES = {"#n": "name"}


def case(name: str, operation: str, **parameters: Any) -> tuple[str, str, dict[str, Any]]:
    return f"{operation}: {name}", operation, parameters


def on_failure(**parameters: Any) -> dict[str, Any]:
    return {**parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


CONDITIONS: dict[str, dict[str, Any]] = {
    "exists": {"ConditionExpression": Attr("customer").exists()},
    "does not exist": {"ConditionExpression": Attr("customer").not_exists()},
    "in text": {
        "ConditionExpression": "attribute_exists(#n) AND begins_with(#n, :v)",
        "ExpressionAttributeNames": NAMES,
        "ExpressionAttributeValues": {":v": "live"},
    },
    "a number": {"ConditionExpression": Attr("amount").gte(0)},
    "a nested one": {"ConditionExpression": Attr("address.city").eq("Ulm")},
    "with its item": on_failure(ConditionExpression=Attr("name").eq("nobody")),
    "of a binary": {"ConditionExpression": Attr("payload").eq(Binary(b"\x01"))},
    "negated": {"ConditionExpression": ~Attr("name").eq("nobody")},
    "malformed": {"ConditionExpression": "name = = 3"},
    "a reserved word": {"ConditionExpression": "attribute_exists(name)"},
    "an unused name": {
        "ConditionExpression": "attribute_exists(customer)",
        "ExpressionAttributeNames": NAMES,
    },
    "an undefined value": {"ConditionExpression": "customer = :v"},
    "no names": {
        "ConditionExpression": "attribute_exists(customer)",
        "ExpressionAttributeNames": {},
    },
    "no text": {"ConditionExpression": 5},
    "a wrong wish": {
        "ConditionExpression": Attr("name").exists(),
        "ReturnValuesOnConditionCheckFailure": "SOME",
    },
}

GET = [
    case("an item", "get_item", Key=K),
    case("consistent", "get_item", Key=K, ConsistentRead=True),
    case("one that is nowhere", "get_item", Key=NOWHERE),
    case("a projection", "get_item", Key=K, ProjectionExpression="customer, address.city"),
    case("names", "get_item", Key=K, ProjectionExpression="#n", ExpressionAttributeNames=NAMES),
    case("a position", "get_item", Key=K, ProjectionExpression="parts[1]"),
    case(
        "a name with a dot",
        "get_item",
        Key=K,
        ProjectionExpression="#n",
        ExpressionAttributeNames={"#n": "a.b"},
    ),
    case("what is not there", "get_item", Key=K, ProjectionExpression="nothing"),
    case("a reserved word", "get_item", Key=K, ProjectionExpression="name"),
    case("paths that overlap", "get_item", Key=K, ProjectionExpression="address, address.city"),
    case("an empty projection", "get_item", Key=K, ProjectionExpression=""),
    case("an unused name", "get_item", Key=K, ExpressionAttributeNames=NAMES),
    case("no key", "get_item"),
    case("half a key", "get_item", Key={"customer": PARTITION}),
    case("too much key", "get_item", Key={**K, "more": 1}),
    case("a key of a wrong type", "get_item", Key={"customer": PARTITION, "day": "3"}),
    case("a float in the key", "get_item", Key={"customer": PARTITION, "day": 3.0}),
    case("an empty key", "get_item", Key={"customer": "", "day": 3}),
    case("a key in text", "get_item", Key="c-7"),
    case("an unknown parameter", "get_item", Key=K, Keys=[]),
    case("no boolean", "get_item", Key=K, ConsistentRead="yes"),
    case("costs NONE", "get_item", Key=K, ReturnConsumedCapacity="NONE"),
    case("the key spelled otherwise", "get_item", Key={**K, "day": Decimal("3.00")}),
]

PUT = [
    case("an item", "put_item", Item=ITEM),
    case("ALL_OLD", "put_item", Item=ITEM, ReturnValues="ALL_OLD"),
    case("NONE", "put_item", Item=ITEM, ReturnValues="NONE"),
    case("ALL_NEW", "put_item", Item=ITEM, ReturnValues="ALL_NEW"),
    case("a new one", "put_item", Item={**ITEM, **NOWHERE}, ReturnValues="ALL_OLD"),
    case("a float", "put_item", Item={**ITEM, "amount": 1.5}),
    case("an empty set", "put_item", Item={**ITEM, "tags": set()}),
    case("a mixed set", "put_item", Item={**ITEM, "tags": {1, "a"}}),
    case("39 digits", "put_item", Item={**ITEM, "amount": Decimal("1" * 39)}),
    case("an object", "put_item", Item={**ITEM, "amount": object()}),
    case("without its key", "put_item", Item={"customer": PARTITION}),
    case("an index key of a wrong type", "put_item", Item={**ITEM, "state": 5}),
    case("an empty index key", "put_item", Item={**ITEM, "state": ""}),
    case("over 400 KB", "put_item", Item={**ITEM, "big": "x" * 410_000}),
    case("no item", "put_item"),
    case(
        "all types",
        "put_item",
        Item={
            **K,
            "n": None,
            "t": True,
            "l": [1, "a", {"m": [b"x"]}],
            "bs": {b"a", b"b"},
            "ns": {1, Decimal("2.5")},
            "e": "",
            "eb": b"",
            "el": [],
            "em": {},
            "ba": bytearray(b"q"),
            "bi": Binary(b"w"),
        },
    ),
    *[case(f"if {n}", "put_item", Item=ITEM, **c) for n, c in CONDITIONS.items()],
    case(
        "if and ALL_OLD",
        "put_item",
        Item=ITEM,
        ReturnValues="ALL_OLD",
        ConditionExpression=Attr("name").exists(),
    ),
]

UPDATES: dict[str, dict[str, Any]] = {
    "SET": {"UpdateExpression": "SET amount = :v", "ExpressionAttributeValues": {":v": 7}},
    "SET of a reserved word": {
        "UpdateExpression": "SET #n = :v",
        "ExpressionAttributeNames": NAMES,
        "ExpressionAttributeValues": {":v": "x"},
    },
    "a sum": {
        "UpdateExpression": "SET amount = amount + :v",
        "ExpressionAttributeValues": {":v": 2},
    },
    "a difference": {
        "UpdateExpression": "SET amount = amount - :v",
        "ExpressionAttributeValues": {":v": 2},
    },
    "if_not_exists": {
        "UpdateExpression": "SET amount = if_not_exists(amount, :v) + :v",
        "ExpressionAttributeValues": {":v": 2},
    },
    "list_append": {
        "UpdateExpression": "SET parts = list_append(if_not_exists(parts, :v), :v)",
        "ExpressionAttributeValues": {":v": ["x"]},
    },
    "ADD": {"UpdateExpression": "ADD visits :v", "ExpressionAttributeValues": {":v": 1}},
    "ADD to a set": {
        "UpdateExpression": "ADD tags :v",
        "ExpressionAttributeValues": {":v": {"z"}},
    },
    "DELETE from a set": {
        "UpdateExpression": "SET amount = :t DELETE tags :v",
        "ExpressionAttributeValues": {":v": {"a"}, ":t": 4},
    },
    "REMOVE beside SET": {
        "UpdateExpression": "REMOVE parts SET amount = :v",
        "ExpressionAttributeValues": {":v": 3},
    },
    "several": {
        "UpdateExpression": "SET amount = :v, nick = :s ADD visits :v",
        "ExpressionAttributeValues": {":v": 3, ":s": "done"},
    },
    "a binary": {
        "UpdateExpression": "SET payload = :v",
        "ExpressionAttributeValues": {":v": Binary(b"\x07")},
    },
}

UPDATE = [
    *[
        case(f"{name}, {wanted}", "update_item", Key=K, ReturnValues=wanted, **update)
        for name, update in UPDATES.items()
        for wanted in ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
    ],
    case(
        "into a map",
        "update_item",
        Key=K,
        UpdateExpression="SET address.city = :v",
        ExpressionAttributeValues={":v": "Ulm"},
        ReturnValues="ALL_NEW",
    ),
    case("no expression", "update_item", Key=K, ReturnValues="ALL_NEW"),
    case("no expression, a new one", "update_item", Key=NOWHERE),
    case("an empty expression", "update_item", Key=K, UpdateExpression=""),
    case("a wrong wish", "update_item", Key=K, ReturnValues="ALL", **UPDATES["SET"]),
    case(
        "of the key",
        "update_item",
        Key=K,
        UpdateExpression="SET #d = :v",
        ExpressionAttributeNames={"#d": "day"},
        ExpressionAttributeValues={":v": 3},
    ),
    case(
        "malformed",
        "update_item",
        Key=K,
        UpdateExpression="PUT a = :v",
        ExpressionAttributeValues={":v": 3},
    ),
    case(
        "a float",
        "update_item",
        Key=K,
        UpdateExpression="SET a = :v",
        ExpressionAttributeValues={":v": 0.5},
    ),
    case(
        "paths that overlap",
        "update_item",
        Key=K,
        UpdateExpression="SET a = :v, a.b = :v",
        ExpressionAttributeValues={":v": 3},
    ),
    case(
        "an unused value",
        "update_item",
        Key=K,
        UpdateExpression="SET a = :v",
        ExpressionAttributeValues={":v": 3, ":w": 4},
    ),
    case("no key", "update_item", UpdateExpression="REMOVE a"),
    case(
        "if Attr, beside text",
        "update_item",
        Key=K,
        ReturnValues="ALL_NEW",
        ConditionExpression=Attr("customer").eq(PARTITION),
        **UPDATES["SET"],
    ),
    case(
        "if it exists",
        "update_item",
        Key=K,
        ReturnValues="ALL_NEW",
        ConditionExpression="attribute_exists(customer)",
        **UPDATES["SET"],
    ),
    case(
        "if it does not",
        "update_item",
        Key=K,
        ReturnValues="ALL_NEW",
        ConditionExpression="attribute_not_exists(customer)",
        **UPDATES["SET"],
    ),
    case(
        "if not, with its item",
        "update_item",
        Key=K,
        **UPDATES["SET"],
        **on_failure(ConditionExpression="amount = :v"),
    ),
]

DELETE = [
    case("an item", "delete_item", Key=K),
    case("ALL_OLD", "delete_item", Key=K, ReturnValues="ALL_OLD"),
    case("ALL_NEW", "delete_item", Key=K, ReturnValues="ALL_NEW"),
    case("one that is nowhere", "delete_item", Key=NOWHERE, ReturnValues="ALL_OLD"),
    case("no key", "delete_item"),
    case("half a key", "delete_item", Key={"customer": PARTITION}),
    *[case(f"if {n}", "delete_item", Key=K, **c) for n, c in CONDITIONS.items()],
    case(
        "if and ALL_OLD",
        "delete_item",
        Key=K,
        ReturnValues="ALL_OLD",
        ConditionExpression=Attr("name").exists(),
    ),
]

FILTERS: dict[str, dict[str, Any]] = {
    "a filter": {"FilterExpression": Attr("state").eq("open")},
    "a filter in text": {
        "FilterExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":s": "open"},
    },
    "a filter that lets nothing through": {"FilterExpression": Attr("state").eq("none")},
    "a projection": {"ProjectionExpression": "#d", "ExpressionAttributeNames": {"#d": "day"}},
    "a count": {"Select": "COUNT"},
    "a filtered count": {"Select": "COUNT", "FilterExpression": Attr("state").eq("open")},
    "all attributes": {"Select": "ALL_ATTRIBUTES"},
    "specific ones, and none named": {"Select": "SPECIFIC_ATTRIBUTES"},
    "a count and a projection": {"Select": "COUNT", "ProjectionExpression": "customer"},
    "an unknown choice": {"Select": "SOME"},
    "projected ones of no index": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
    "no limit": {"Limit": 0},
    "consistent": {"ConsistentRead": True},
    "an unused name": {"ExpressionAttributeNames": NAMES},
    "a malformed filter": {"FilterExpression": "a = = b"},
}

QUERY = [
    *[case(n, "query", KeyConditionExpression=C7, **f) for n, f in FILTERS.items()],
    case("a partition", "query", KeyConditionExpression=C7),
    case("backwards", "query", KeyConditionExpression=C7, ScanIndexForward=False),
    case("a range", "query", KeyConditionExpression=C7 & Key("day").between(2, 4)),
    case("one key", "query", KeyConditionExpression=C7 & Key("day").eq(3)),
    case("from a key", "query", KeyConditionExpression=C7 & Key("day").gt(3)),
    case(
        "in text",
        "query",
        KeyConditionExpression="customer = :c AND #d >= :d",
        ExpressionAttributeNames={"#d": "day"},
        ExpressionAttributeValues={":c": PARTITION, ":d": 3},
    ),
    case(
        "two texts",
        "query",
        KeyConditionExpression="customer = :c",
        FilterExpression="amount > :t",
        ExpressionAttributeValues={":c": PARTITION, ":t": 2},
    ),
    case(
        "an object and a text",
        "query",
        KeyConditionExpression=C7,
        FilterExpression="amount > :t",
        ExpressionAttributeValues={":t": 2},
    ),
    case("a limit", "query", KeyConditionExpression=C7, Limit=3),
    case(
        "a limit and a filter",
        "query",
        KeyConditionExpression=C7,
        Limit=3,
        FilterExpression=Attr("state").eq("done"),
    ),
    case("behind a key", "query", KeyConditionExpression=C7, ExclusiveStartKey=K),
    case(
        "backwards behind a key",
        "query",
        KeyConditionExpression=C7,
        ExclusiveStartKey=K,
        ScanIndexForward=False,
    ),
    case(
        "behind a key that is nowhere",
        "query",
        KeyConditionExpression=C7,
        ExclusiveStartKey={"customer": PARTITION, "day": Decimal("2.5")},
    ),
    case(
        "behind half a key",
        "query",
        KeyConditionExpression=C7,
        ExclusiveStartKey={"customer": PARTITION},
    ),
    case(
        "behind a key of another partition",
        "query",
        KeyConditionExpression=C7,
        ExclusiveStartKey={"customer": "c-8", "day": 3},
    ),
    case("no condition", "query"),
    case(
        "a filter about the key",
        "query",
        KeyConditionExpression=C7,
        FilterExpression=Attr("day").eq(3),
    ),
    case("no partition", "query", KeyConditionExpression=Key("day").eq(3)),
    case("a wrong type", "query", KeyConditionExpression=Key("customer").eq(7)),
    case("an unknown index", "query", KeyConditionExpression=C7, IndexName="nowhere"),
    case("another partition", "query", KeyConditionExpression=Key("customer").eq("c-none")),
    case("an index", "query", KeyConditionExpression=Key("state").eq("open"), IndexName="by-state"),
    case(
        "an index backwards",
        "query",
        KeyConditionExpression=Key("state").eq("open"),
        IndexName="by-state",
        ScanIndexForward=False,
    ),
    case(
        "an index, a limit",
        "query",
        KeyConditionExpression=Key("state").eq("open"),
        IndexName="by-state",
        Limit=2,
    ),
    case(
        "an index, consistent",
        "query",
        KeyConditionExpression=Key("state").eq("open"),
        IndexName="by-state",
        ConsistentRead=True,
    ),
    case(
        "an index, filtered",
        "query",
        KeyConditionExpression=Key("state").eq("open"),
        IndexName="by-state",
        FilterExpression=Attr("amount").gt(2),
    ),
    case(
        "an index, projected",
        "query",
        KeyConditionExpression=Key("state").eq("open"),
        IndexName="by-state",
        Select="ALL_PROJECTED_ATTRIBUTES",
    ),
]

SCAN = [
    *[case(n, "scan", **f) for n, f in FILTERS.items()],
    case("all", "scan"),
    case("a segment without its number", "scan", TotalSegments=2),
    case("a segment out of range", "scan", Segment=2, TotalSegments=2),
    case("one segment", "scan", Segment=0, TotalSegments=1),
    case("an unknown parameter", "scan", KeyConditionExpression=C7),
    case("behind half a key", "scan", ExclusiveStartKey={"customer": PARTITION}),
]


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

CASES = [
    *GET,
    *PUT,
    *UPDATE,
    *DELETE,
    *QUERY,
    *SCAN,
    *BATCH_GET,
    *BATCH_WRITE,
    *TRANSACT_WRITE,
    *TRANSACT_GET,
]
