"""The new table is like the old one but for what the migration asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orders
import pytest

from dualtable import Index, KeyAttribute, KeySchema, Migration, create_table
from dualtable._dynamodb.tables import differences, new_table
from dualtable._telling.creations import creation_text
from dualtable._wire.layouts import layout
from dualtable.errors import TableMismatchError
from dualtable.testing import MemoryGateway

ATTRIBUTES = {"id": "S", "day": "N", "region": "S", "hash": "B"}


def definition(**changes: Any) -> dict[str, Any]:
    """Return a provisioned table with a GSI and an LSI, as it would be created."""
    return {
        "TableName": "orders",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in ATTRIBUTES.items()
        ],
        "KeySchema": _key("id", "day"),
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": _units(10, 20),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-region",
                "KeySchema": _key("region", "day"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"]},
                "ProvisionedThroughput": _units(3, 4),
            }
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "by-hash",
                "KeySchema": _key("id", "hash"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        **changes,
    }


def described(**changes: Any) -> dict[str, Any]:
    """Return the same table as DescribeTable would."""
    table = definition(**changes)
    if table.pop("BillingMode") == "PAY_PER_REQUEST":
        table["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
    return {**table, "TableStatus": "ACTIVE", "TableArn": "arn", "ItemCount": 3}


def _key(*names: str) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": n, "KeyType": kind} for n, kind in zip(names, kinds, strict=False)]


def _units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


ON_DEMAND = {
    "BillingMode": "PAY_PER_REQUEST",
    "ProvisionedThroughput": _units(0, 0),  # as DynamoDB describes them
}


def test_keys_are_read_off_a_description() -> None:
    """Types come from the attribute definitions, for the table and both kinds of index."""
    found = layout(described())
    assert found.key == KeySchema("id", ("day", "N"))
    assert {name: index.key for name, index in found.indexes.items()} == {
        "by-region": KeySchema("region", KeyAttribute("day", "N")),
        "by-hash": KeySchema("id", ("hash", "B")),
    }
    assert layout(orders.table("plain")).key.sort is None


def test_a_new_table_is_like_the_old_one() -> None:
    """Nothing asked for, nothing changed: keys, indexes, units, and no difference afterwards."""
    new = new_table(described(), name="v2", key=None, indexes=None)
    wanted = definition(TableName="v2")
    wanted["GlobalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"] = ["a", "b"]
    for table in (new, wanted):
        table["AttributeDefinitions"].sort(key=lambda a: a["AttributeName"])
    assert new == wanted
    assert differences(new, described(TableName="v2")) == []


def test_on_demand_stays_on_demand() -> None:
    """Its indexes have no units of their own, whatever DescribeTable says of them."""
    old = described(**ON_DEMAND)
    old["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] = _units(0, 0)
    new = new_table(old, name="v2", key=None, indexes=None)
    assert new["BillingMode"] == "PAY_PER_REQUEST"
    assert "ProvisionedThroughput" not in new
    assert all("ProvisionedThroughput" not in index for index in new["GlobalSecondaryIndexes"])
    assert differences(new, old) == []


def test_other_keys_and_indexes() -> None:
    """What the migration declares takes the place of what the old table has."""
    new = new_table(
        described(),
        name="v2",
        key=KeySchema("customer", "id"),
        indexes=[
            Index("by-region", KeySchema("region"), "KEYS_ONLY"),
            Index("by-total", KeySchema("region", ("total", "N")), ["x"]),
            Index("by-hash", KeySchema("hash"), "ALL"),  # a local one before
            Index("by-day", KeySchema("customer", ("day", "N")), local=True),
        ],
    )
    assert new["KeySchema"] == _key("customer", "id")
    types = {a["AttributeName"]: a["AttributeType"] for a in new["AttributeDefinitions"]}
    assert types == {
        "customer": "S", "id": "S", "region": "S", "total": "N", "hash": "S", "day": "N",
    }  # fmt: skip
    units = {i["IndexName"]: i["ProvisionedThroughput"] for i in new["GlobalSecondaryIndexes"]}
    assert units == {
        "by-region": _units(3, 4),  # its own
        "by-total": _units(10, 20),  # those of the table
        "by-hash": _units(10, 20),
    }
    (local,) = new["LocalSecondaryIndexes"]
    assert local["IndexName"] == "by-day"
    assert "ProvisionedThroughput" not in local
    assert "GlobalSecondaryIndexes" not in new_table(described(), name="v2", key=None, indexes=[])


def test_options_are_taken_over() -> None:
    """Stream, encryption and table class; what is at its default is left out."""
    key = "arn:aws:kms:eu-west-1:1:key/k"
    old = described(
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        SSEDescription={"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key},
        TableClassSummary={"TableClass": "STANDARD_INFREQUENT_ACCESS"},
    )
    new = new_table(old, name="v2", key=None, indexes=None)
    assert new["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    assert new["SSESpecification"] == {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    assert new["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert differences(new, {**old, "TableName": "v2"}) == []
    plain = new_table(
        described(
            StreamSpecification={"StreamEnabled": False},
            SSEDescription={"Status": "DISABLED"},
            TableClassSummary={"TableClass": "STANDARD"},
        ),
        name="v2",
        key=None,
        indexes=None,
    )
    assert not {"StreamSpecification", "SSESpecification", "TableClass"} & plain.keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"KeySchema": _key("id")}, ["key: wanted id:S, day:N, found id:S"]),
        ({"ProvisionedThroughput": _units(10, 99)}, ["billing: "]),
        (ON_DEMAND, ["billing: "]),
        ({"GlobalSecondaryIndexes": []}, ["index by-region: wanted (region:S, day:N; a+b)"]),
        ({"LocalSecondaryIndexes": None}, ["index by-hash: wanted (id:S, hash:B; KEYS_ONLY)"]),
        ({"StreamSpecification": {"StreamEnabled": True}}, ["options: wanted {}, found {'Stream"]),
        (
            {"AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": "S"} for name in ATTRIBUTES
            ]},
            ["key: wanted id:S, day:N, found id:S, day:S", "index by-hash: ", "index by-region: "],
        ),
    ],
)  # fmt: skip
def test_differences_are_said_one_by_one(change: dict[str, Any], said: list[str]) -> None:
    """A table that exists is never changed, so its owner must learn what to change."""
    wanted = new_table(described(), name="v2", key=None, indexes=None)
    found = differences(wanted, described(**change))
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_contradictions_are_refused() -> None:
    """One attribute of two types, and a local index whose partition key has changed."""
    with pytest.raises(TableMismatchError, match="'id' is declared as S and as N"):
        new_table(described(), name="v2", key=None, indexes=[Index("x", KeySchema(("id", "N")))])
    with pytest.raises(TableMismatchError, match="local index 'by-hash'"):
        new_table(described(), name="v2", key=KeySchema("customer"), indexes=None)


@pytest.mark.parametrize("bad", ["", 5, ("id", "X"), ("id", "S", "more")])
def test_a_bad_key_is_refused_when_it_is_declared(bad: Any) -> None:
    """A typo in the migration file must not reach CreateTable."""
    with pytest.raises(TableMismatchError, match="key attribute"):
        KeySchema(bad)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (lambda: Index("", KeySchema("id")), "'' names no index"),
        (lambda: Index("by-id", "id"), "key='id' is not a KeySchema"),  # type: ignore[arg-type]
        (lambda: Index("by-id", KeySchema("id"), "KEY_ONLY"), "projection 'KEY_ONLY'"),
        (lambda: orders.migration("t", key="id"), "key='id' is not a KeySchema"),
        (lambda: orders.migration("t", indexes=["by-id"]), "'by-id' among the indexes"),
        (lambda: Migration("", "old", "new", orders.TRANSFORM), "name='' names no migration"),
    ],
)
def test_a_bad_declaration_is_refused_at_once(bad: Callable[[], object], says: str) -> None:
    """The error names what is wrong before any table is asked."""
    with pytest.raises(TableMismatchError, match=says):
        bad()


async def test_what_is_created_is_what_was_wanted() -> None:
    """A definition makes a table whose description shows no difference to it."""
    gateway = MemoryGateway()
    wanted = new_table(described(**ON_DEMAND), name="v2", key=None, indexes=None)
    await gateway.create_table(wanted)
    assert differences(wanted, await gateway.describe_table("v2")) == []


async def test_an_index_that_is_left_out_is_named() -> None:
    """Whoever declares a new index means to add it; the old ones are gone without a word."""
    gateway = MemoryGateway()
    await gateway.create_table(definition(TableName="orders"))
    plan = orders.migration("orders", old="orders", indexes=[Index("by-id", KeySchema("id"))])
    report = await create_table(plan, gateway=gateway)
    assert report.ok
    assert report.left_out == ("by-hash", "by-region")
    said = creation_text(report, plan, "plan:migration")
    assert "Of the indexes of orders it does not have by-hash, by-region" in said[1]
