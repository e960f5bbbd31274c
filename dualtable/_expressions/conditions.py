"""Conditions on an item as a tree: what `dualtable._expressions.parser` makes of an expression.

The rule: a node is checked when it is made, as DynamoDB checks an expression before it looks at any
item; judging an item (``{}`` where there is none) then never fails. An attribute that is not there
is equal to nothing, not even to another that is not there.

    operand    Path, Literal, Size
    condition  Comparison, Between, OneOf, Exists, HasType, BeginsWith, Contains, Not, And, Or

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs

from dualtable._wire.keys import order
from dualtable._wire.paths import Path
from dualtable._wire.types import WireItem, WireValue
from dualtable._wire.values import equal, normal, refused

Found: TypeAlias = WireValue | None
_ORDERED = ("S", "N", "B")
_TYPES = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
_MOST_CHOICES = 100
_MAX_LEVELS = 32  # of a path


@attrs.frozen
class Literal:
    """A value that came with the expression."""

    value: WireValue = attrs.field(converter=normal)

    def read(self, _item: WireItem) -> Found:
        return self.value


@attrs.frozen
class Size:
    """The number of characters, bytes or members of an attribute or value.

    Of text, DynamoDB counts UTF-16 code units.
    """

    operand: Path | Literal

    def __attrs_post_init__(self) -> None:
        _check_type("size", ("S", "B", "SS", "NS", "BS", "L", "M"), self.operand)

    def read(self, item: WireItem) -> Found:
        found = self.operand.read(item)
        size = None if found is None else _size(found)
        return None if size is None else {"N": str(size)}


Operand: TypeAlias = Path | Literal | Size


@attrs.frozen
class Comparison:
    """``left = right``, and the like."""

    operator: str = attrs.field(validator=attrs.validators.in_(("=", "<>", "<", "<=", ">", ">=")))
    left: Operand
    right: Operand

    def __attrs_post_init__(self) -> None:
        _check_distinct(self.left, self.right)
        if self.operator not in ("=", "<>"):
            _check_type(self.operator, _ORDERED, self.left, self.right)

    def holds(self, item: WireItem) -> bool:
        return _COMPARATORS[self.operator](self.left.read(item), self.right.read(item))


@attrs.frozen
class Between:
    """``operand BETWEEN low AND high``, both ends included."""

    operand: Operand
    low: Operand
    high: Operand

    def __attrs_post_init__(self) -> None:
        _check_distinct(self.operand, self.low, self.high)
        _check_type("BETWEEN", _ORDERED, self.operand, self.low, self.high)
        if isinstance(self.low, Literal) and isinstance(self.high, Literal):
            _check_range(self.low.value, self.high.value)

    def holds(self, item: WireItem) -> bool:
        found = self.operand.read(item)
        return _at_most(self.low.read(item), found) and _at_most(found, self.high.read(item))


@attrs.frozen
class OneOf:
    """``operand IN (choice, …)``."""

    operand: Operand
    choices: tuple[Operand, ...]

    def __attrs_post_init__(self) -> None:
        _check_distinct(self.operand, *self.choices)
        if len(self.choices) > _MOST_CHOICES:
            raise refused(f"IN has more than {_MOST_CHOICES} operands")

    def holds(self, item: WireItem) -> bool:
        found = self.operand.read(item)
        return any(_same(found, choice.read(item)) for choice in self.choices)


@attrs.frozen
class Exists:
    """``attribute_exists (path)``."""

    path: Path

    def holds(self, item: WireItem) -> bool:
        return self.path.read(item) is not None


@attrs.frozen
class HasType:
    """``attribute_type (operand, type)``."""

    operand: Operand
    type: Literal

    def __attrs_post_init__(self) -> None:
        if self.type.value.get("S") not in _TYPES:
            raise refused("attribute_type needs the name of a data type, such as :t = 'N'")

    def holds(self, item: WireItem) -> bool:
        return self.type.value["S"] in (self.operand.read(item) or {})


@attrs.frozen
class BeginsWith:
    """``begins_with (operand, prefix)``, of text or binary."""

    operand: Operand
    prefix: Operand

    def __attrs_post_init__(self) -> None:
        _check_distinct(self.operand, self.prefix)
        _check_type("begins_with", ("S", "B"), self.operand, self.prefix)

    def holds(self, item: WireItem) -> bool:
        found, prefix = self.operand.read(item), self.prefix.read(item)
        if found is None or prefix is None or _tag(found) != _tag(prefix):
            return False
        return _tag(found) in ("S", "B") and _bytes(found).startswith(_bytes(prefix))


@attrs.frozen
class Contains:
    """``contains (operand, part)``: a part of text or binary, a member of a list or set."""

    operand: Operand
    part: Operand

    def __attrs_post_init__(self) -> None:
        _check_distinct(self.operand, self.part)

    def holds(self, item: WireItem) -> bool:
        found, part = self.operand.read(item), self.part.read(item)
        if found is None or part is None:
            return False
        if _tag(found) in ("S", "B"):
            return _tag(found) == _tag(part) and _bytes(part) in _bytes(found)
        return any(equal(member, part) for member in _members(found))


@attrs.frozen
class Not:
    """``NOT condition``."""

    condition: ConditionTree

    def holds(self, item: WireItem) -> bool:
        return not self.condition.holds(item)


@attrs.frozen
class And:
    """``left AND right``."""

    left: ConditionTree
    right: ConditionTree

    def holds(self, item: WireItem) -> bool:
        return self.left.holds(item) and self.right.holds(item)


@attrs.frozen
class Or:
    """``left OR right``."""

    left: ConditionTree
    right: ConditionTree

    def holds(self, item: WireItem) -> bool:
        return self.left.holds(item) or self.right.holds(item)


ConditionTree: TypeAlias = (
    Comparison | Between | OneOf | Exists | HasType | BeginsWith | Contains | Not | And | Or
)


def checked_path(path: Path) -> Path:
    """Return a path; raise `RequestRefusedError` where it has more levels than DynamoDB takes."""
    if len(path.steps) > _MAX_LEVELS:
        raise refused(f"a path has {len(path.steps)} levels; DynamoDB takes {_MAX_LEVELS}")
    return path


def _tag(value: WireValue) -> str:
    return next(iter(value))


def _bytes(value: WireValue) -> bytes:
    ((tag, content),) = value.items()
    return base64.b64decode(content) if tag == "B" else content.encode()


def _members(value: WireValue) -> Iterator[WireValue]:
    ((tag, content),) = value.items()
    if tag == "L":
        yield from content
    elif tag in ("SS", "NS", "BS"):
        yield from ({tag[0]: member} for member in content)


def _size(value: WireValue) -> int | None:
    ((tag, content),) = value.items()
    if tag == "B":
        return len(_bytes(value))
    if tag == "S":
        return len(content.encode("utf-16-le")) // 2
    return None if tag in ("N", "BOOL", "NULL") else len(content)


def _same(one: Found, other: Found) -> bool:
    return one is not None and other is not None and equal(one, other)


def _ordered_by(compare: Callable[[Any, Any], bool]) -> Callable[[Found, Found], bool]:
    def judge(one: Found, other: Found) -> bool:
        if one is None or other is None or _tag(one) != _tag(other):
            return False
        return _tag(one) in _ORDERED and compare(order(one), order(other))

    return judge


_at_most = _ordered_by(operator.le)
_COMPARATORS: dict[str, Callable[[Found, Found], bool]] = {
    "=": _same,
    "<>": lambda one, other: not _same(one, other),
    "<": _ordered_by(operator.lt),
    "<=": _at_most,
    ">": _ordered_by(operator.gt),
    ">=": _ordered_by(operator.ge),
}


def _check_distinct(first: Operand, *others: Operand) -> None:
    if isinstance(first, Path) and first in others:
        raise refused("the first operand must be distinct from the others")


def _check_type(operator: str, allowed: Sequence[str], *operands: Operand) -> None:
    """Check the types that are known before any item is looked at."""
    for each in operands:
        known = _tag(each.value) if isinstance(each, Literal) else "N"
        if not isinstance(each, Path) and known not in allowed:
            raise refused(f"{operator} does not take values of type {known}")


def _check_range(low: WireValue, high: WireValue) -> None:
    if _tag(low) != _tag(high):
        raise refused("BETWEEN needs bounds of one data type")
    if not _at_most(low, high):
        raise refused("BETWEEN needs its upper bound not to be less than the lower one")
