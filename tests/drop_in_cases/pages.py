"""Queries and scans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr, Key

from drop_in_cases.words import (
    C7,
    NAMES,
    PARTITION,
    K,
    case,
)

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


PAGES = [*QUERY, *SCAN]


def add(name: str, operation: str, **parameters: Any) -> None:
    PAGES.append(case(name, operation, **parameters))


SO = Key("state").eq("open")
for n, kc in {
    "lt": C7 & Key("day").lt(3),
    "lte": C7 & Key("day").lte(3),
    "gt": C7 & Key("day").gt(3),
    "gte": C7 & Key("day").gte(3),
    "between": C7 & Key("day").between(3, 3),
    "between rev": C7 & Key("day").between(4, 2),
    "begins": C7 & Key("day").begins_with("3"),
    "sort str": C7 & Key("day").eq("3"),
    "or": C7 | Key("day").eq(3),
    "not": ~C7,
    "ne": Key("customer").ne("x") if hasattr(Key("customer"), "ne") else C7,
    "pk gt": Key("customer").gt("a"),
    "pk begins": Key("customer").begins_with("c"),
    "two sort": C7 & Key("day").gt(1) & Key("day").lt(5),
    "two sort nested": C7 & (Key("day").gt(1) & Key("day").lt(5)),
    "other attr": C7 & Key("amount").eq(3),
    "sort first": Key("day").eq(3) & C7,
    "attr obj": Attr("customer").eq(PARTITION),
    "pk in": Attr("customer").is_in([PARTITION]),
    "pk twice": C7 & C7,
    "empty pk": Key("customer").eq(""),
    "pk float": C7 & Key("day").eq(1.5),
    "sort in": C7 & Attr("day").is_in([1]),
    "sort ne": C7 & Attr("day").ne(1),
    "attr exists": C7 & Attr("day").exists(),
    "sort none": C7 & Key("day").eq(None),
    "pk set": Key("customer").eq({"a"}),
}.items():
    add(f"by {n}", "query", KeyConditionExpression=kc)
    add(f"by {n} back", "query", KeyConditionExpression=kc, ScanIndexForward=False, Limit=2)
for n, (e, v, nm) in {
    "eq": ("customer = :c", {":c": PARTITION}, None),
    "paren": ("(customer = :c)", {":c": PARTITION}, None),
    "paren both": ("(customer = :c) AND (#d > :d)", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "paren all": ("(customer = :c AND #d > :d)", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "lower and": ("customer = :c and #d > :d", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "between": (
        "customer = :c AND #d BETWEEN :d AND :e",
        {":c": PARTITION, ":d": 2, ":e": 4},
        {"#d": "day"},
    ),
    "between lower": (
        "customer = :c and #d between :d and :e",
        {":c": PARTITION, ":d": 2, ":e": 4},
        {"#d": "day"},
    ),
    "reversed operand": (":c = customer", {":c": PARTITION}, None),
    "sort first": ("#d > :d AND customer = :c", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "or": ("customer = :c OR #d = :d", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "reserved": ("customer = :c AND day = :d", {":c": PARTITION, ":d": 2}, None),
    "reserved word state": ("state = :c", {":c": "open"}, None),
    "ne": ("customer = :c AND #d <> :d", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "in": ("customer = :c AND #d IN (:d)", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "contains": ("contains(customer, :c)", {":c": PARTITION}, None),
    "begins num": (
        "customer = :c AND begins_with(#d, :d)",
        {":c": PARTITION, ":d": "2"},
        {"#d": "day"},
    ),
    "unused name": ("customer = :c", {":c": PARTITION}, {"#d": "day"}),
    "unused value": ("customer = :c", {":c": PARTITION, ":d": 1}, None),
    "undefined": ("customer = :x", {":c": PARTITION}, None),
    "no values": ("customer = :x", None, None),
    "empty": ("", None, None),
    "nested path": ("customer.x = :c", {":c": PARTITION}, None),
    "not": ("NOT customer = :c", {":c": PARTITION}, None),
    "size": ("customer = :c AND size(#d) = :d", {":c": PARTITION, ":d": 2}, {"#d": "day"}),
    "garbage": ("customer = :c x", {":c": PARTITION}, None),
    "path rhs": ("customer = customer", None, None),
    "three": (
        "customer = :c AND #d > :d AND #d < :e",
        {":c": PARTITION, ":d": 2, ":e": 5},
        {"#d": "day"},
    ),
}.items():
    more = {}
    if v is not None:
        more["ExpressionAttributeValues"] = v
    if nm:
        more["ExpressionAttributeNames"] = nm
    add(f"by text, {n}", "query", KeyConditionExpression=e, **more)
for i, idx in {"by-state": SO, "by-name": C7}.items():
    for n, m in {
        "plain": {},
        "count": {"Select": "COUNT"},
        "all": {"Select": "ALL_ATTRIBUTES"},
        "projected": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        "specific": {"Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "amount"},
        "proj": {"ProjectionExpression": "customer, amount"},
        "limit": {"Limit": 2},
        "limit back": {"Limit": 2, "ScanIndexForward": False},
        "consistent": {"ConsistentRead": True},
        "filter": {"FilterExpression": Attr("amount").gt(3)},
        "filter count": {"FilterExpression": Attr("amount").gt(3), "Select": "COUNT"},
        "filter name": {"FilterExpression": Attr("name").begins_with("live")},
        "start bad": {"ExclusiveStartKey": K},
        "start extra": {"ExclusiveStartKey": {**K, "x": 1}},
        "projected+proj": {"Select": "ALL_PROJECTED_ATTRIBUTES", "ProjectionExpression": "amount"},
        "count+proj": {"Select": "COUNT", "ProjectionExpression": "amount"},
        "no costs": {"ReturnConsumedCapacity": "NONE"},
    }.items():
        add(f"index {i} {n}", "query", KeyConditionExpression=idx, IndexName=i, **m)
        if n != "limit back":
            add(f"index {i} {n}", "scan", IndexName=i, **m)
    add(
        f"index {i} start",
        "query",
        KeyConditionExpression=idx,
        IndexName=i,
        ExclusiveStartKey={**K, "state": "open"} if i == "by-state" else {**K, "name": "live 3"},
    )
    add(
        f"index {i} start back",
        "query",
        KeyConditionExpression=idx,
        IndexName=i,
        ScanIndexForward=False,
        ExclusiveStartKey={**K, "state": "open"} if i == "by-state" else {**K, "name": "live 3"},
    )
add(
    "index by-state range",
    "query",
    KeyConditionExpression=SO & Key("day").between(1, 5),
    IndexName="by-state",
)
add(
    "index by-state gt", "query", KeyConditionExpression=SO & Key("day").gt(3), IndexName="by-state"
)
add(
    "index by-state other",
    "query",
    KeyConditionExpression=Key("state").eq("none"),
    IndexName="by-state",
)
add(
    "index by-name begins",
    "query",
    KeyConditionExpression=C7 & Key("name").begins_with("live"),
    IndexName="by-name",
)
add(
    "index by-name eq",
    "query",
    KeyConditionExpression=C7 & Key("name").eq("live 3"),
    IndexName="by-name",
)
add(
    "index by-name lt",
    "query",
    KeyConditionExpression=C7 & Key("name").lt("live 3"),
    IndexName="by-name",
)
add(
    "index filter on index key",
    "query",
    KeyConditionExpression=SO,
    IndexName="by-state",
    FilterExpression=Attr("state").eq("open"),
)
add(
    "index filter on table key",
    "query",
    KeyConditionExpression=SO,
    IndexName="by-state",
    FilterExpression=Attr("customer").eq(PARTITION),
)
add("index wrong key", "query", KeyConditionExpression=C7, IndexName="by-state")
add("index empty name", "query", KeyConditionExpression=C7, IndexName="")
add("index short name", "query", KeyConditionExpression=C7, IndexName="ab")
add("index None", "query", KeyConditionExpression=C7, IndexName=None)
for n, m in {
    "nested": {"ProjectionExpression": "address.city, parts[0]"},
    "dotname": {"ProjectionExpression": "#x", "ExpressionAttributeNames": {"#x": "a.b"}},
    "overlap": {"ProjectionExpression": "address, address.city"},
    "empty proj": {"ProjectionExpression": ""},
    "Limit str": {"Limit": "3"},
    "Limit neg": {"Limit": -1},
    "Limit float": {"Limit": 2.0},
    "Limit big": {"Limit": 100000},
    "Limit Decimal": {"Limit": Decimal(2)},
    "empty filter": {"FilterExpression": ""},
    "filter Key obj": {"FilterExpression": Key("amount").eq(3)},
    "filter nested": {"FilterExpression": Attr("address.city").eq("Ulm")},
    "filter size": {"FilterExpression": Attr("tags").size().gte(2)},
    "filter contains": {"FilterExpression": Attr("tags").contains("a")},
    "filter type": {"FilterExpression": Attr("tags").attribute_type("SS")},
    "filter in": {"FilterExpression": Attr("amount").is_in([1, 2, 3])},
    "filter not": {"FilterExpression": ~Attr("amount").is_in([1, 2, 3])},
    "filter and or": {
        "FilterExpression": Attr("amount").gt(2) & (Attr("state").eq("open") | Attr("amount").eq(4))
    },
    "filter attr": {"FilterExpression": Attr("amount").eq(Attr("amount"))},
    "filter count limit": {
        "FilterExpression": Attr("state").eq("open"),
        "Limit": 3,
        "Select": "COUNT",
    },
    "filter proj": {"FilterExpression": Attr("state").eq("open"), "ProjectionExpression": "amount"},
    "filter proj names": {
        "FilterExpression": Attr("state").eq("open"),
        "ProjectionExpression": "#x",
        "ExpressionAttributeNames": {"#x": "name"},
    },
    "filter unused value": {
        "FilterExpression": Attr("state").eq("open"),
        "ExpressionAttributeValues": {":q": 1},
    },
    "consistent limit": {"ConsistentRead": True, "Limit": 4},
    "start none": {"ExclusiveStartKey": None},
    "start empty": {"ExclusiveStartKey": {}},
    "start extra": {"ExclusiveStartKey": {**K, "x": 1}},
    "start types": {"ExclusiveStartKey": {"customer": PARTITION, "day": "3"}},
    "start str": {"ExclusiveStartKey": "x"},
    "names empty": {"ExpressionAttributeNames": {}},
    "values empty": {"ExpressionAttributeValues": {}},
    "values unused": {"ExpressionAttributeValues": {":v": 1}},
    "cond param": {"ConditionExpression": "a = b"},
    "Select None": {"Select": None},
    "ConsistentRead str": {"ConsistentRead": "true"},
    "no costs": {"ReturnConsumedCapacity": "NONE"},
}.items():
    add(f"{n}", "query", KeyConditionExpression=C7, **m)
    if (n != "bool" and "start" not in n) or n != "bool":
        add(f"{n}", "scan", **m)
add("only index forward", "query", KeyConditionExpression=C7, ScanIndexForward=True)
add(
    "start at last",
    "query",
    KeyConditionExpression=C7,
    ExclusiveStartKey={"customer": PARTITION, "day": 8},
)
add(
    "start beyond",
    "query",
    KeyConditionExpression=C7,
    ExclusiveStartKey={"customer": PARTITION, "day": 80},
)
add(
    "start before range",
    "query",
    KeyConditionExpression=C7 & Key("day").gt(5),
    ExclusiveStartKey={"customer": PARTITION, "day": 2},
)
add(
    "start float",
    "query",
    KeyConditionExpression=C7,
    ExclusiveStartKey={"customer": PARTITION, "day": 2.0},
)
add("limit exact", "query", KeyConditionExpression=C7 & Key("day").eq(4), Limit=1)
add("unknown", "query", KeyConditionExpression=C7, Filter="x")
add("q segment", "query", KeyConditionExpression=C7, Segment=0, TotalSegments=1)
for n, m in {
    "seg only": {"Segment": 0},
    "neg": {"Segment": -1, "TotalSegments": 1},
    "0 total": {"Segment": 0, "TotalSegments": 0},
    "million": {"Segment": 0, "TotalSegments": 1000000},
    "million1": {"Segment": 0, "TotalSegments": 1000001},
    "str": {"Segment": "0", "TotalSegments": 1},
    "forward": {"ScanIndexForward": True},
    "unknown index": {"IndexName": "nowhere"},
    "start key": {"ExclusiveStartKey": {"customer": "c-8", "day": 103}},
}.items():
    add(f"{n}", "scan", **m)
for n, path in {"key": "customer.x", "index key": "#s.x"}.items():
    names = {"ExpressionAttributeNames": {"#s": "state"}} if "#" in path else {}
    tested = {"FilterExpression": f"attribute_exists({path})", **names}
    wanted = {"ProjectionExpression": path, **names}
    for i, idx in {"by-state": SO, "by-name": C7}.items():
        add(f"index {i} filter in {n}", "query", KeyConditionExpression=idx, IndexName=i, **tested)
        add(f"index {i} proj in {n}", "scan", IndexName=i, **wanted)
    add(f"filter in {n}", "query", KeyConditionExpression=C7, **tested)
    add(f"proj in {n}", "query", KeyConditionExpression=C7, **wanted)
add("rounds", "query", KeyConditionExpression=Key("customer").eq("c-7") & Key("day").eq(10**40))
add("rounds", "scan", FilterExpression=Attr("amount").is_in([1, 10**40]))
add("odd names", "scan", ExclusiveStartKey={1: 2})
add(
    "paren",
    "query",
    KeyConditionExpression="(customer) = (:c) AND (#d BETWEEN (:d) AND :e)",
    ExpressionAttributeNames={"#d": "day"},
    ExpressionAttributeValues={":c": PARTITION, ":d": 2, ":e": 5},
)
