"""What a table looks like: its keys, its indexes, and how a new one is derived from an old one.

The rule: descriptions and definitions are DynamoDB's own structures (``DescribeTable``,
``CreateTable``); this module reads and writes them and never sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, cast

import attrs

from dualtable.errors import TableMismatchError

KeyType: TypeAlias = Literal["S", "N", "B"]
Projection: TypeAlias = Literal["ALL", "KEYS_ONLY"] | Sequence[str]

Description: TypeAlias = dict[str, Any]
"""The ``Table`` structure of a ``DescribeTable`` response."""

Definition: TypeAlias = dict[str, Any]
"""The parameters of a ``CreateTable`` request."""


@attrs.frozen
class KeyAttribute:
    """One key attribute of a table or an index.

    Args:
        name: The attribute's name, at the root of the item.
        type: DynamoDB's key types: ``S`` (text, the default), ``N`` (number), ``B`` (binary).

    Raises:
        TableMismatchError: The name or type is malformed.

    Example:
        >>> from dualtable import KeyAttribute
        >>> KeyAttribute("population", "N").type
        'N'
    """

    name: str
    type: KeyType = "S"

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TableMismatchError(
                f"{self.name!r} names no key attribute; write 'id', or ('day', 'N') with a type"
            )
        if self.type not in ("S", "N", "B"):
            raise TableMismatchError(
                f"key attribute {self.name!r} has type {self.type!r}; DynamoDB's key types are"
                " 'S' (text), 'N' (number) and 'B' (binary)"
            )


def _to_attribute(value: KeyAttribute | tuple[str, KeyType] | str) -> KeyAttribute:
    if isinstance(value, KeyAttribute):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return KeyAttribute(*value)
    return KeyAttribute(value)


@attrs.frozen
class KeySchema:
    """The primary key of a table or an index.

    Args:
        partition: The partition key: a `KeyAttribute`, ``(name, type)``, or a name of type ``S``.
        sort: The sort key in the same forms, or None (default) where there is none.

    Example:
        >>> from dualtable import KeySchema
        >>> KeySchema("customer", ("day", "N")).names
        ('customer', 'day')
    """

    partition: KeyAttribute = attrs.field(converter=_to_attribute)
    sort: KeyAttribute | None = attrs.field(
        default=None, converter=attrs.converters.optional(_to_attribute)
    )

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The one or two key attributes, partition key first."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the key attributes, partition key first."""
        return tuple(attribute.name for attribute in self.attributes)


def check_key_schema(_instance: object, attribute: Any, value: KeySchema) -> None:
    """Raise `TableMismatchError` where a field holds something else."""
    if not isinstance(value, KeySchema):
        raise TableMismatchError(
            f"{attribute.name}={value!r} is not a KeySchema; write KeySchema('region')"
        )


@attrs.frozen
class Index:
    """A secondary index that the new table shall have.

    Args:
        name: The index's name.
        key: Its key: attributes at the root of the new items.
        projection: ``"ALL"`` (default), ``"KEYS_ONLY"``, or the names of further attributes.
        local: True for a local secondary index, which shares the table's partition key.
        old_index: A global index of the old table that completes this one until the cut-over: of
            each item that belongs here it must hold the old version. None (default) where there is
            none; then a query of this index is refused until then.
        old_value: Leads from a partition key value of this index to the one that the old items have
            in `old_index`, both plain values; by default it is the same.

    Raises:
        TableMismatchError: The name, key or projection is malformed.

    Example:
        >>> from dualtable import Index, KeySchema
        >>> Index("by-region", KeySchema("region", ("total", "N"))).key.names
        ('region', 'total')
    """

    name: str
    key: KeySchema = attrs.field(validator=check_key_schema)
    projection: Projection = "ALL"
    local: bool = attrs.field(default=False, kw_only=True)
    old_index: str | None = attrs.field(default=None, kw_only=True)
    old_value: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True, eq=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TableMismatchError(f"{self.name!r} names no index; it must be a text")
        if isinstance(self.projection, str) and self.projection not in ("ALL", "KEYS_ONLY"):
            raise TableMismatchError(
                f"index {self.name!r} has the projection {self.projection!r}; write 'ALL',"
                " 'KEYS_ONLY', or a list of names"
            )

    def projects(self, name: str, table_key: KeySchema) -> bool:
        """Tell whether the index holds an attribute of an item that is in it."""
        if self.projection == "ALL" or name in self.key.names or name in table_key.names:
            return True
        return self.projection != "KEYS_ONLY" and name in self.projection

    def shows_the_dead(self, table_key: KeySchema, marker: str) -> bool:
        """Tell whether tombstones are in the index and cannot be told from items there.

        They are where its key is made of the table's key attributes alone, which a tombstone has.
        """
        return set(self.key.names) <= set(table_key.names) and not self.projects(marker, table_key)


@attrs.frozen
class Layout:
    """The keys of a table and of its indexes, read off a description."""

    table: str
    key: KeySchema
    indexes: dict[str, Index]

    def index_attributes(self) -> Iterator[tuple[str, KeyAttribute]]:
        """Yield ``(index name, key attribute)`` for each index key."""
        for name, index in self.indexes.items():
            for attribute in index.key.attributes:
                yield name, attribute


def layout(description: Description) -> Layout:
    """Read the keys of a table and of its indexes off its description."""
    types = {a["AttributeName"]: a["AttributeType"] for a in description["AttributeDefinitions"]}
    return Layout(
        table=description["TableName"],
        key=_key_schema(description["KeySchema"], types),
        indexes={index.name: index for index in _indexes_of(description, types)},
    )


def identity(table: Description) -> str:
    """Return what tells a table from another, also from one that had its name before."""
    made = table.get("TableId") or table.get("CreationDateTime") or "as it is"
    return f"{table['TableName']} ({made})"


def new_table(
    old: Description, *, name: str, key: KeySchema | None, indexes: Iterable[Index] | None
) -> Definition:
    """Define a table like `old`, with another name and, where given, other keys and indexes.

    Billing (on demand, or provisioned with the same units), table class, stream and encryption are
    taken over. An index that `old` has under the same name keeps its provisioned units.
    """
    types = {a["AttributeName"]: a["AttributeType"] for a in old["AttributeDefinitions"]}
    key = key or _key_schema(old["KeySchema"], types)
    wanted = _indexes_of(old, types) if indexes is None else tuple(indexes)
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
    have = {index["IndexName"]: _index_text(index, actual_types) for index in _all_indexes(actual)}
    want = {index["IndexName"]: _index_text(index, types) for index in _all_indexes(wanted)}
    pairs += [(f"index {n}", want.get(n), have.get(n)) for n in sorted(want.keys() | have.keys())]
    return [f"{what}: wanted {w}, found {f}" for what, w, f in pairs if w != f]


def index_names(table: Description | Definition) -> set[str]:
    """Return the names of a table's indexes."""
    return {index["IndexName"] for index in _all_indexes(table)}


def _all_indexes(table: Description | Definition) -> list[dict[str, Any]]:
    return [
        *(table.get("GlobalSecondaryIndexes") or ()),
        *(table.get("LocalSecondaryIndexes") or ()),
    ]


def _key_schema(wire: Sequence[dict[str, str]], types: dict[str, KeyType]) -> KeySchema:
    names = {part["KeyType"]: part["AttributeName"] for part in wire}
    sort = names.get("RANGE")
    return KeySchema(
        KeyAttribute(names["HASH"], types[names["HASH"]]),
        None if sort is None else KeyAttribute(sort, types[sort]),
    )


def _wire_key(key: KeySchema) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [
        {"AttributeName": name, "KeyType": kind}
        for name, kind in zip(key.names, kinds, strict=False)
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


def _indexes_of(old: Description, types: dict[str, KeyType]) -> tuple[Index, ...]:
    local = {index["IndexName"] for index in old.get("LocalSecondaryIndexes") or ()}
    return tuple(
        Index(
            wire["IndexName"],
            _key_schema(wire["KeySchema"], types),
            _projection(wire["Projection"]),
            local=wire["IndexName"] in local,
        )
        for wire in _all_indexes(old)
    )


def _check_local_indexes(key: KeySchema, indexes: Iterable[Index]) -> None:
    for index in indexes:
        if index.local and index.key.partition != key.partition:
            raise TableMismatchError(
                f"local index {index.name!r} has another partition key than the new table;"
                " declare it in Migration(indexes=…) as a global one or leave it out"
            )


def _projection(wire: dict[str, Any]) -> Projection:
    if wire["ProjectionType"] == "INCLUDE":
        return tuple(wire["NonKeyAttributes"])
    return cast("Projection", wire["ProjectionType"])


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
    return ", ".join(
        f"{a.name}:{a.type}" for a in _key_schema(table["KeySchema"], types).attributes
    )


def _index_text(index: dict[str, Any], types: dict[str, KeyType]) -> str:
    projection = _projection(index["Projection"])
    shown = projection if isinstance(projection, str) else "+".join(sorted(projection))
    return f"({_key_text(index, types)}; {shown})"
