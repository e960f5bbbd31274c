"""Expressions as they are sent: DynamoDB's text with its names and values.

The rule: nothing is parsed here; see `parser` for what the text means. The names and values of an
expression are its own: where it meets others in one request, which knows one set of each, its
placeholders make room for theirs (`apart`). So nobody who writes an expression needs to know who
else writes one, neither a caller nor the library.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import count
from typing import Any, TypeVar

import attrs

from dualtable._wire.types import WireValue

PLACEHOLDER = re.compile(r"[#:][A-Za-z0-9_]+", re.ASCII)


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


_Text = TypeVar("_Text", Condition, Update)


def changing(setting: Mapping[str, WireValue], removing: Iterable[str]) -> Update:
    """Return the update that sets some attributes, one at least, and takes others away."""
    names = {f"#s{number}": name for number, name in enumerate(setting)}
    values = {f":s{number}": value for number, value in enumerate(setting.values())}
    taken = {f"#r{number}": name for number, name in enumerate(removing)}
    text = "SET " + ", ".join(f"{name} = :{name[1:]}" for name in names)
    if taken:
        text += " REMOVE " + ", ".join(taken)
    return Update(text, names | taken, values)


def apart(own: _Text, *others: Condition | Update | None) -> _Text:
    """Return an expression whose placeholders stand for nothing else in the others."""
    taken: dict[str, Any] = _defined(*others)
    defined: dict[str, Any] = _defined(own)
    clashing = [token for token in defined if taken.get(token, defined[token]) != defined[token]]
    if not clashing:
        return own
    renamed: dict[str, str] = {token: token for token in defined}
    for token in clashing:
        renamed[token] = _free(token, {*taken, *defined, *renamed.values()})
    return attrs.evolve(
        own,
        expression=PLACEHOLDER.sub(lambda found: renamed.get(found[0], found[0]), own.expression),
        names={renamed[token]: name for token, name in own.names.items()},
        values={renamed[token]: value for token, value in own.values.items()},
    )


def names_and_values(
    *expressions: Condition | Update | None,
) -> tuple[dict[str, str], dict[str, WireValue]]:
    """Return the names and the values of expressions that were set `apart`."""
    names: dict[str, str] = {}
    values: dict[str, WireValue] = {}
    for each in expressions:
        if each is not None:
            names.update(each.names)
            values.update(each.values)
    return names, values


def _free(token: str, taken: Container[str]) -> str:
    numbered = (f"{token}{number}" for number in count(2))
    return next(each for each in numbered if each not in taken)


def _defined(*expressions: Condition | Update | None) -> dict[str, Any]:
    """Return what placeholders stand for."""
    names, values = names_and_values(*expressions)
    return {**names, **values}
