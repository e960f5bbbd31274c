"""Expressions as they are sent: DynamoDB's text with its names and values.

The rule: nothing is parsed here; see `parser` for what the text means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import attrs

from dualtable._wire.types import WireValue
from dualtable.errors import (
    RequestRefusedError,
)

_T = TypeVar("_T")


@attrs.frozen
class Condition:
    """A condition expression with its names and values, in DynamoDB's own syntax."""

    expression: str
    names: Mapping[str, str] = attrs.field(factory=dict)
    values: Mapping[str, WireValue] = attrs.field(factory=dict)


@attrs.frozen
class Update:
    """An update expression with its names and values, in DynamoDB's own syntax."""

    expression: str
    names: Mapping[str, str] = attrs.field(factory=dict)
    values: Mapping[str, WireValue] = attrs.field(factory=dict)


def names_and_values(
    *expressions: Condition | Update | None,
) -> tuple[dict[str, str], dict[str, WireValue]]:
    """Return the names and the values of the expressions of one request, which may share them.

    Raises:
        RequestRefusedError: A placeholder stands for one thing here and for another there.
    """
    names: dict[str, str] = {}
    values: dict[str, WireValue] = {}
    for each in expressions:
        if each is not None:
            _merge(names, each.names)
            _merge(values, each.values)
    return names, values


def _merge(into: dict[str, _T], defined: Mapping[str, _T]) -> None:
    for token, meaning in defined.items():
        if into.setdefault(token, meaning) != meaning:
            raise RequestRefusedError(
                f"{token} has another meaning in the update than in its condition; rename one",
                code="ValidationException",
            )
