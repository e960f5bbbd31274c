"""The keys of a table and of its indexes: which attributes they are made of, and their types.

The rule: a layout says where a table finds an item; it is declared by a caller or read off a
description, and nothing here makes or compares tables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

import attrs

from dualtable._wire.paths import as_name
from dualtable._wire.types import Definition, Description
from dualtable.errors import TableMismatchError

KeyType: TypeAlias = Literal["S", "N", "B"]


Projection: TypeAlias = Literal["ALL", "KEYS_ONLY"] | Sequence[str]


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

    name: str = attrs.field(converter=as_name)
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


Attribute: TypeAlias = KeyAttribute | tuple[str, KeyType] | str
"""An attribute of a key as it is declared."""


def _to_attribute(value: Attribute) -> KeyAttribute:
    if isinstance(value, KeyAttribute):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return KeyAttribute(*value)
    return KeyAttribute(value)


def _to_attributes(value: Attribute | list[Attribute]) -> tuple[KeyAttribute, ...]:
    if isinstance(value, list):
        return tuple(map(_to_attribute, value))
    if isinstance(value, tuple) and all(isinstance(part, KeyAttribute) for part in value):
        return cast("tuple[KeyAttribute, ...]", value)
    return (_to_attribute(value),)


def _to_sorts(value: Attribute | list[Attribute] | None) -> tuple[KeyAttribute, ...]:
    return () if value is None else _to_attributes(value)


_PARTITION_BYTES, _SORT_BYTES = 2048, 1024

MOST_ATTRIBUTES = 4
"""So many may make up the partition of a global index, and as many its order."""


@attrs.frozen
class KeySchema:
    """The primary key of a table or an index.

    A table and a local index have one partition key and at most one sort key. A global index may
    have up to four attributes for each, in lists; all of the first make up the partition, and its
    items are sorted by the first of the others, then by the second, and so on.

    Args:
        partition: The partition key: a `KeyAttribute`, ``(name, type)``, or a name of type ``S``;
            or a list of one to four of these.
        sort: The sort key in the same forms, or None (default) where there is none.

    Raises:
        TableMismatchError: There are too many attributes or none, or one comes twice.

    Example:
        >>> from dualtable import KeySchema
        >>> KeySchema("customer", ("day", "N")).names
        ('customer', 'day')
        >>> KeySchema(["tenant", "region"], [("day", "N"), "id"]).names
        ('tenant', 'region', 'day', 'id')
    """

    partitions: tuple[KeyAttribute, ...] = attrs.field(converter=_to_attributes, alias="partition")
    sorts: tuple[KeyAttribute, ...] = attrs.field(default=(), converter=_to_sorts, alias="sort")

    def __attrs_post_init__(self) -> None:
        counts = len(self.partitions), len(self.sorts)
        if not 1 <= counts[0] <= MOST_ATTRIBUTES or counts[1] > MOST_ATTRIBUTES:
            raise TableMismatchError(
                f"a key of {counts[0]} partition and {counts[1]} sort attributes: DynamoDB takes 1"
                f" to {MOST_ATTRIBUTES} and at most {MOST_ATTRIBUTES}"
            )
        if len(set(self.names)) < len(self.names):
            raise TableMismatchError(f"a key names one attribute twice: {', '.join(self.names)}")

    @property
    def partition(self) -> KeyAttribute:
        """The partition key, where it is one attribute, as that of every table is."""
        self.check_single()
        return self.partitions[0]

    @property
    def sort(self) -> KeyAttribute | None:
        """The sort key, where it is at most one attribute; None where there is none."""
        self.check_single()
        return self.sorts[0] if self.sorts else None

    @functools.cached_property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The key attributes, those of the partition first."""
        return (*self.partitions, *self.sorts)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the key attributes, those of the partition first."""
        return tuple(attribute.name for attribute in self.attributes)

    @functools.cached_property
    def limited(self) -> tuple[tuple[KeyAttribute, int], ...]:
        """The key attributes, each with the most bytes that it may have."""
        return (
            *((attribute, _PARTITION_BYTES) for attribute in self.partitions),
            *((attribute, _SORT_BYTES) for attribute in self.sorts),
        )

    @property
    def is_single(self) -> bool:
        """Whether partition and order are of one attribute each, as those of a table are."""
        return len(self.partitions) == 1 and len(self.sorts) <= 1

    def check_single(self, what: str = "this key") -> None:
        """Raise `TableMismatchError` where several attributes make up the partition or order."""
        if not self.is_single:
            raise TableMismatchError(
                f"{what} has several attributes in its partition or its order"
                f" ({', '.join(self.names)}), as only that of a global index may have"
            )


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
            in `old_index`, both plain values; by default it is the same. Where several attributes
            make up a partition, its value is a tuple of theirs.

    Raises:
        TableMismatchError: The name, key or projection is malformed.

    Example:
        >>> from dualtable import Index, KeySchema
        >>> Index("by-region", KeySchema("region", ("total", "N"))).key.names
        ('region', 'total')
    """

    name: str = attrs.field(converter=as_name)
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
        if self.local:
            self.key.check_single(f"local index {self.name!r}")

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
    """The keys of a table and of its indexes, read off a description.

    `table` is what requests call it, its name or its ARN; `identity` tells which one it is, empty
    where that is not known.
    """

    table: str
    key: KeySchema
    indexes: dict[str, Index]
    identity: str = ""

    @property
    def key_attributes(self) -> frozenset[str]:
        """The names of all attributes that the key or the key of an index is made of."""
        keys = (self.key, *(index.key for index in self.indexes.values()))
        return frozenset(name for key in keys for name in key.names)


def layout(description: Description) -> Layout:
    """Read the keys of a table and of its indexes off its description.

    Raises:
        TableMismatchError: The table cannot be worked on.
    """
    check_usable(description)
    types = {a["AttributeName"]: a["AttributeType"] for a in description["AttributeDefinitions"]}
    return Layout(
        table=description["TableName"],
        key=key_schema(description["KeySchema"], types),
        indexes={index.name: index for index in indexes_of(description, types)},
        identity=identity(description) if "TableArn" in description else "",
    )


def identity(table: Description) -> str:
    """Return what tells a table from another, also from one that had its name before.

    It is the same whether the table is asked for by its name or by its ARN.
    """
    made = table.get("TableId") or table.get("CreationDateTime") or "as it is"
    return f"{short_name(table['TableName'])} ({made})"


def name_in(identity: str) -> str:
    """Return the name of a table out of what tells it from another."""
    return identity.partition(" (")[0]


def check_apart(identities: Mapping[str, str]) -> None:
    """Raise `TableMismatchError` where two tables, by what they are called, are the same one."""
    seen: dict[str, str] = {}
    for name, which in identities.items():
        if which and which in seen:
            raise TableMismatchError(
                f"{seen[which]} and {name} are one table, {which}, under two names; they must be"
                " two tables"
            )
        seen[which] = name


def is_arn(table: str) -> bool:
    """Tell whether a table is given by its ARN."""
    return table.startswith("arn:")


def short_name(table: str) -> str:
    """Return a table's name, also of one that is given by its ARN."""
    return table.rpartition("/")[2] if is_arn(table) else table


@attrs.frozen
class Called:
    """What some tables are called by: a name in one's own account and region, or an ARN.

    Where nobody knows the own account, whatever has one of the names counts.
    """

    home: str
    tables: frozenset[str]

    @classmethod
    def of(cls, own: Description, *tables: str) -> Called:
        """Return what these are called by, given the description of one of one's own."""
        home = str(own.get("TableArn", "")).rpartition("/")[0]
        return cls(home, frozenset(_in_full(table, home) for table in tables))

    def __contains__(self, table: object) -> bool:
        return isinstance(table, str) and _in_full(table, self.home) in self.tables


def _in_full(table: str, home: str) -> str:
    if not home:
        return short_name(table)
    return table if is_arn(table) else f"{home}/{table}"


def check_usable(description: Description) -> None:
    """Raise `TableMismatchError` where a table is on its way out, or out of reach for its data."""
    status = description.get("TableStatus", "ACTIVE")
    if status not in ("ACTIVE", "UPDATING", "CREATING"):
        raise TableMismatchError(
            f"table {description['TableName']} is {status}, so its items cannot be read or written;"
            " see that it is the right one, or wait until it can be made anew"
        )


def all_indexes(table: Description | Definition) -> list[dict[str, Any]]:
    return [
        *(table.get("GlobalSecondaryIndexes") or ()),
        *(table.get("LocalSecondaryIndexes") or ()),
    ]


def key_schema(wire: Sequence[dict[str, str]], types: dict[str, KeyType]) -> KeySchema:
    """Read a key off a description: its attributes in their order, however many there are."""
    kinds: dict[str, list[Attribute]] = {"HASH": [], "RANGE": []}
    for part in wire:
        name = part["AttributeName"]
        kinds[part["KeyType"]].append(KeyAttribute(name, types[name]))
    return KeySchema(kinds["HASH"], kinds["RANGE"])


def indexes_of(old: Description, types: dict[str, KeyType]) -> tuple[Index, ...]:
    local = {index["IndexName"] for index in old.get("LocalSecondaryIndexes") or ()}
    return tuple(
        Index(
            wire["IndexName"],
            key_schema(wire["KeySchema"], types),
            projection(wire["Projection"]),
            local=wire["IndexName"] in local,
        )
        for wire in all_indexes(old)
    )


def projection(wire: dict[str, Any]) -> Projection:
    if wire["ProjectionType"] == "INCLUDE":
        return tuple(wire["NonKeyAttributes"])
    return cast("Projection", wire["ProjectionType"])
