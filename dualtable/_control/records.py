"""The records of one migration in the control table, as they are stored and read.

The rule: a record holds keys at most and never an item's values, and carries a schema version. One
that this code does not know, or that nobody of this library has written so, is refused by its name,
and never guessed at.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from types import UnionType
from typing import Any, TypeVar, get_args

import attrs

from dualtable._dynamodb.gateway import Gateway
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.types import Item, WireItem, WireKey
from dualtable.errors import DualTableError, MigrationMismatchError, TableNotFoundError

SCHEMA_VERSION = 2
ABSENT = Condition("attribute_not_exists(#m)", {"#m": "migration"})

_T = TypeVar("_T")
_PLAIN = frozenset({str, bool, type(None)})


class Records:
    """The records of one migration."""

    def __init__(self, gateway: Gateway, table: str, migration: str) -> None:
        self.gateway = gateway
        self.table = table
        self.migration = migration

    async def get(self, record: str, read: Callable[[Item], _T]) -> _T | None:
        """Return what `read` makes of a record, None where there is none."""
        try:
            item = await self.gateway.get(self.table, self.key(record), consistent_read=True)
        except TableNotFoundError:
            return None
        return None if item is None else self._read(item, read)

    async def list(
        self, prefix: str, read: Callable[[Item], _T], *, consistent_read: bool = True
    ) -> list[_T]:
        """Return what `read` makes of each record whose name begins so, in order."""
        async with aclosing(self.pages(prefix, read, consistent_read=consistent_read)) as pages:
            return [found async for page in pages for found in page]

    async def pages(
        self, prefix: str, read: Callable[[Item], _T], *, consistent_read: bool = True
    ) -> AsyncGenerator[builtins.list[_T], None]:
        """Yield the same, a page at a time: there may be more than fit into memory."""
        condition = Condition(
            "#m = :m AND begins_with(#r, :r)",
            {"#m": "migration", "#r": "record"},
            {":m": {"S": self.migration}, ":r": {"S": prefix}},
        )
        start_key: WireKey | None = None
        while True:
            try:
                page = await self.gateway.query(
                    self.table, condition, start_key=start_key, consistent_read=consistent_read
                )
            except TableNotFoundError:
                return
            yield [self._read(item, read) for item in page.items]
            start_key = page.last_key
            if start_key is None:
                return

    async def put(
        self, record: str, fields: Mapping[str, Any], condition: Condition | None = None
    ) -> None:
        """Store a record."""
        await self.gateway.put(self.table, self.wire(record, fields), condition)

    async def delete(self, record: str, condition: Condition | None = None) -> None:
        """Delete a record."""
        await self.gateway.delete(self.table, self.key(record), condition)

    def key(self, record: str) -> WireKey:
        return {"migration": {"S": self.migration}, "record": {"S": record}}

    def wire(self, record: str, fields: Mapping[str, Any]) -> WireItem:
        """Return a record as it is stored."""
        return {**self.key(record), **codec.encode({"schema_version": SCHEMA_VERSION, **fields})}

    def _read(self, wire: WireItem, read: Callable[[Item], _T]) -> _T:
        try:
            item = codec.decode(wire)
            self._check_version(item)
            found = read(item)
            _check_kinds(found)
            return found
        except DualTableError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise MigrationMismatchError(
                f"record {wire['record']['S']!r} of {self.migration} in {self.table} is not as"
                f" dualtable writes it ({type(error).__name__}: {error}); find out what wrote it,"
                " delete it if nothing needs it, and try again"
            ) from error

    def _check_version(self, item: Item) -> None:
        if item["schema_version"] > SCHEMA_VERSION:
            raise MigrationMismatchError(
                f"{self.table} holds records of {self.migration} in schema"
                f" {item['schema_version']}, this dualtable knows {SCHEMA_VERSION}; upgrade it"
            )


def _check_kinds(record: Any) -> None:
    """Raise `TypeError` where a record holds something else than its class promises."""
    cls: Any = type(record)
    for field, kinds in _promised(cls):
        value = getattr(record, field)
        if not isinstance(value, kinds):
            raise TypeError(f"{field} may not be of type {type(value).__name__}")
        _check_kinds(value)


@functools.cache
def _promised(cls: type) -> Sequence[tuple[str, tuple[type, ...]]]:
    """Return the fields of a class that are texts, flags or records; numbers are made such."""
    if not attrs.has(cls):
        return ()
    fields = attrs.fields(attrs.resolve_types(cls))
    promised = [(field.name, _members(field.type)) for field in fields]
    return [each for each in promised if all(kind in _PLAIN or attrs.has(kind) for kind in each[1])]


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return what a field may be: one class, or those of a union."""
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def number(value: float) -> Decimal:
    """Return a number as records hold it."""
    return Decimal(str(value))


def name(item: Item) -> str:
    """Return the name of a record."""
    return str(item["record"])


def brief(text: Any, most_bytes: int = 2_000) -> Any:
    """Return what somebody else has said as a record has room for it, in valid Unicode.

    What is no text is returned as it is: whoever reads a record refuses it by name.
    """
    if not isinstance(text, str):
        return text
    said = text.encode(errors="replace")
    if len(said) <= most_bytes:
        return said.decode()
    return said[:most_bytes].decode(errors="ignore") + "…"
