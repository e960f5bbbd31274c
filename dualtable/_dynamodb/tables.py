"""What a table looks like: its keys, its indexes, and how a new one is derived from an old one.

The rule: descriptions and definitions are DynamoDB's own structures (``DescribeTable``,
``CreateTable``); this module reads and writes them and never sends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dualtable._wire.layouts import (
    Index,
    KeySchema,
    KeyType,
    all_indexes,
    indexes_of,
    key_schema,
    projection,
)
from dualtable._wire.types import Definition, Description
from dualtable.errors import TableMismatchError


def new_table(
    old: Description, *, name: str, key: KeySchema | None, indexes: Iterable[Index] | None
) -> Definition:
    """Define a table like `old`, with another name and, where given, other keys and indexes.

    Billing (on demand, or provisioned with the same units), table class, stream and encryption are
    taken over. An index that `old` has under the same name keeps its provisioned units.
    """
    types = {a["AttributeName"]: a["AttributeType"] for a in old["AttributeDefinitions"]}
    key = key or key_schema(old["KeySchema"], types)
    wanted = indexes_of(old, types) if indexes is None else tuple(indexes)
    _check_local_indexes(key, wanted)
    definition: Definition = {
        "TableName": name,
        "KeySchema": _wire_key(key),
        "AttributeDefinitions": _definitions([key, *(index.key for index in wanted)]),
        **_billing(old),
        **_options(old),
    }
    for section, local in (("GlobalSecondaryIndexes", False), ("LocalSecondaryIndexes", True)):
        if chosen := [index for index in wanted if index.local is local]:
            definition[section] = [_wire_index(index, old, definition) for index in chosen]
    return definition


def differences(wanted: Definition, actual: Description) -> list[str]:
    """Say in a line each what a table has otherwise than the definition wants it."""
    types = {a["AttributeName"]: a["AttributeType"] for a in wanted["AttributeDefinitions"]}
    actual_types = {a["AttributeName"]: a["AttributeType"] for a in actual["AttributeDefinitions"]}
    pairs: list[tuple[str, object, object]] = [
        ("key", _key_text(wanted, types), _key_text(actual, actual_types)),
        ("billing", _billing(wanted), _billing(actual)),
        ("options", _options(wanted), _options(actual)),
    ]
    have = {index["IndexName"]: _index_text(index, actual_types) for index in all_indexes(actual)}
    want = {index["IndexName"]: _index_text(index, types) for index in all_indexes(wanted)}
    pairs += [(f"index {n}", want.get(n), have.get(n)) for n in sorted(want.keys() | have.keys())]
    return [f"{what}: wanted {w}, found {f}" for what, w, f in pairs if w != f]


def index_names(table: Description | Definition) -> set[str]:
    """Return the names of a table's indexes."""
    return {index["IndexName"] for index in all_indexes(table)}


def _wire_key(key: KeySchema) -> list[dict[str, str]]:
    kinds = (("HASH", key.partitions), ("RANGE", key.sorts))
    return [
        {"AttributeName": attribute.name, "KeyType": kind}
        for kind, attributes in kinds
        for attribute in attributes
    ]


def _definitions(keys: Iterable[KeySchema]) -> list[dict[str, str]]:
    types: dict[str, str] = {}
    for attribute in (attribute for key in keys for attribute in key.attributes):
        if types.setdefault(attribute.name, attribute.type) != attribute.type:
            raise TableMismatchError(
                f"{attribute.name!r} is declared as {types[attribute.name]} and as"
                f" {attribute.type}; a key attribute has one type in table and indexes"
            )
    return [{"AttributeName": name, "AttributeType": type_} for name, type_ in types.items()]


def _check_local_indexes(key: KeySchema, indexes: Iterable[Index]) -> None:
    for index in indexes:
        if index.local and index.key.partitions != key.partitions:
            raise TableMismatchError(
                f"local index {index.name!r} has another partition key than the new table;"
                " declare it in Migration(indexes=…) as a global one or leave it out"
            )


def _wire_index(index: Index, old: Description, definition: Definition) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": _wire_key(index.key),
        "Projection": {"ProjectionType": index.projection}
        if isinstance(index.projection, str)
        else {"ProjectionType": "INCLUDE", "NonKeyAttributes": sorted(index.projection)},
    }
    if not index.local and "ProvisionedThroughput" in definition:
        twins = old.get("GlobalSecondaryIndexes") or ()
        twin = next((i for i in twins if i["IndexName"] == index.name), old)
        wire["ProvisionedThroughput"] = _throughput(twin)
    return wire


def _billing(table: Description | Definition) -> dict[str, Any]:
    summary = table.get("BillingModeSummary") or table
    if summary.get("BillingMode") == "PAY_PER_REQUEST":
        return {"BillingMode": "PAY_PER_REQUEST"}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": _throughput(table)}


def _throughput(table: dict[str, Any]) -> dict[str, int]:
    units = table["ProvisionedThroughput"]
    return {name: units[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def _options(table: Description | Definition) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if (stream := table.get("StreamSpecification") or {}).get("StreamEnabled"):
        options["StreamSpecification"] = dict(stream)
    if encryption := _encryption(table):
        options["SSESpecification"] = encryption
    table_class = (table.get("TableClassSummary") or table).get("TableClass")
    if table_class and table_class != "STANDARD":
        options["TableClass"] = table_class
    return options


def _encryption(table: Description | Definition) -> dict[str, Any] | None:
    if "SSESpecification" in table:
        return dict(table["SSESpecification"])
    sse = table.get("SSEDescription") or {}
    if sse.get("Status") not in ("ENABLED", "ENABLING", "UPDATING"):
        return None
    key = {"KMSMasterKeyId": sse["KMSMasterKeyArn"]} if "KMSMasterKeyArn" in sse else {}
    return {"Enabled": True, "SSEType": sse.get("SSEType", "KMS"), **key}


def _key_text(table: dict[str, Any], types: dict[str, KeyType]) -> str:
    key = key_schema(table["KeySchema"], types)
    parts = ["+".join(f"{a.name}:{a.type}" for a in each) for each in (key.partitions, key.sorts)]
    return ", ".join(filter(None, parts))


def _index_text(index: dict[str, Any], types: dict[str, KeyType]) -> str:
    held = projection(index["Projection"])
    shown = held if isinstance(held, str) else "+".join(sorted(held))
    return f"({_key_text(index, types)}; {shown})"
