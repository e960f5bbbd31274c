"""What a ``Table`` says of itself, as ``DescribeTable`` has it.

The rule: it is the new table that is described; the number of items is the larger one of both
tables, since neither knows of the other.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, Self, overload


class HasAttributes(Protocol):
    """A table that has been asked, or asks when it needs to."""

    async def attribute(self, name: str) -> Any:
        """Return what the description says by one of DynamoDB's names."""


class Attribute:
    """An attribute that is awaited, as aioboto3's are: ``await table.key_schema``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = f"``{name}`` of the description, to be awaited."

    @overload
    def __get__(self, table: None, owner: type) -> Self: ...

    @overload
    def __get__(self, table: HasAttributes, owner: type) -> Coroutine[Any, Any, Any]: ...

    def __get__(self, table: HasAttributes | None, owner: type) -> Any:
        """Return what is to be awaited."""
        return self if table is None else table.attribute(self.name)


def described(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description as boto3 gives it: a time is a datetime."""
    found = dict(description)
    if isinstance(created := found.get("CreationDateTime"), int | float):
        found["CreationDateTime"] = datetime.fromtimestamp(created, tz=UTC)
    return found
