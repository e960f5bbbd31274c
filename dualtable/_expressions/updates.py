"""Updates of an item as a tree: what `dualtable._expressions.parser` makes of an update expression.

The rule: every right side is read from the item as it was, then all changes are made at once. A
node is checked when it is made, as DynamoDB checks an expression before it looks at any item.
Nothing is changed in place: the new item shares with the old one what the update leaves alone.

    source  Path, Literal, Default, Concatenation, Sum
    action  Assign (SET), Remove (REMOVE), Add (ADD), Discard (DELETE)

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import attrs

from dualtable._expressions.conditions import Found, Literal
from dualtable._expressions.projections import Projection, check_apart
from dualtable._wire.paths import Path
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable._wire.values import normal, normal_item, refused

_SETS = ("SS", "NS", "BS")
_EXACT = decimal.Context(prec=400)  # holds the sum of any two numbers that DynamoDB takes


@attrs.frozen
class Default:
    """``if_not_exists (path, source)``."""

    path: Path
    otherwise: Source

    def __attrs_post_init__(self) -> None:
        if self.otherwise == self.path:
            raise refused("the operands of if_not_exists must be distinct")

    def read(self, item: WireItem) -> Found:
        found = self.path.read(item)
        return self.otherwise.read(item) if found is None else found


@attrs.frozen
class Concatenation:
    """``list_append (left, right)``."""

    left: Source
    right: Source

    def __attrs_post_init__(self) -> None:
        for each in (self.left, self.right):
            if isinstance(each, Literal) and "L" not in each.value:
                raise refused("list_append needs lists")

    def read(self, item: WireItem) -> Found:
        left, right = (_there(each, item) for each in (self.left, self.right))
        if "L" not in left or "L" not in right:
            raise _wrong_type()
        return {"L": [*left["L"], *right["L"]]}


@attrs.frozen
class Sum:
    """``left + right`` or ``left - right``, of numbers."""

    sign: str = attrs.field(validator=attrs.validators.in_(("+", "-")))
    left: Source
    right: Source

    def __attrs_post_init__(self) -> None:
        for each in (self.left, self.right):
            if isinstance(each, Literal) and "N" not in each.value:
                raise refused(f"{self.sign} needs numbers")

    def read(self, item: WireItem) -> Found:
        left, right = (_there(each, item) for each in (self.left, self.right))
        return _sum(left, right, self.sign)


Source: TypeAlias = Path | Literal | Default | Concatenation | Sum


@attrs.frozen
class Assign:
    """``SET path = source``."""

    path: Path
    source: Source

    def result(self, item: WireItem) -> Found:
        return _there(self.source, item)


@attrs.frozen
class Remove:
    """``REMOVE path``."""

    path: Path

    def result(self, _item: WireItem) -> Found:
        return None


@attrs.frozen
class Add:
    """``ADD path :value``: to a number, or members to a set; what is not there begins empty."""

    path: Path
    value: Literal

    def __attrs_post_init__(self) -> None:
        if not self.value.value.keys() & {"N", *_SETS}:
            raise refused("ADD needs a number or a set")

    def result(self, item: WireItem) -> Found:
        found, value = self.path.read(item), self.value.value
        if found is None:
            return value
        if "N" in value:
            return _sum(found, value, "+")
        tag, members = _set(found, value)
        return {tag: [*members, *(member for member in value[tag] if member not in members)]}


@attrs.frozen
class Discard:
    """``DELETE path :value``: members from a set, which is gone when it is empty."""

    path: Path
    value: Literal

    def __attrs_post_init__(self) -> None:
        if not self.value.value.keys() & set(_SETS):
            raise refused("DELETE needs a set")

    def result(self, item: WireItem) -> Found:
        found, value = self.path.read(item), self.value.value
        if found is None:
            return None
        tag, members = _set(found, value)
        left = [member for member in members if member not in value[tag]]
        return {tag: left} if left else None


Action: TypeAlias = Assign | Remove | Add | Discard


@attrs.frozen
class UpdateTree:
    """All actions of an update expression."""

    actions: Sequence[Action]

    def __attrs_post_init__(self) -> None:
        check_apart(self.paths)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that the update writes to."""
        return tuple(action.path for action in self.actions)

    def make(self, key: WireKey, item: WireItem | None) -> WireItem | None:
        """Return what becomes of the item under a key; None is what there is of no item.

        One that is not there is made of its key, unless the update only takes away: then nothing
        becomes of nothing, whatever its paths lead through.
        """
        only_takes = all(isinstance(each, Remove | Discard) for each in self.actions)
        if item is None and self.actions and only_takes:
            return None
        return self.apply(key if item is None else item)

    def apply(self, item: WireItem) -> WireItem:
        """Return the updated item; ``{}``, or a key, is what there is of one that is not there.

        Raises:
            RequestRefusedError: The item does not fit: a path leads through what is not there, an
                operand is missing or of the wrong type, a number gets too long.
        """
        results = [(action.path.steps, action.result(item)) for action in self.actions]
        # Positions are those of the old item: what is removed goes last, and from behind.
        put = sorted((r for r in results if r[1] is not None), key=lambda r: r[0])
        cut = sorted((r for r in results if r[1] is None), key=lambda r: r[0], reverse=True)
        changed: WireValue = {"M": item}
        for steps, value in (*put, *cut):
            changed = _changed(changed, steps, value)
        return normal_item(changed["M"])

    def updated_old(self, old: WireItem) -> WireItem:
        """Return what the item before the update has at the paths that it writes to."""
        return Projection(self.paths).apply(old)

    def updated_new(self, new: WireItem) -> WireItem:
        """Return what the item after the update has at these paths.

        In the place of a list's removed member that is the one that has moved up.
        """
        return Projection(self.paths).apply(new)


def _there(source: Source, item: WireItem) -> WireValue:
    found = source.read(item)
    if found is None:
        raise refused("the update refers to an attribute that does not exist in the item")
    return found


def _sum(left: WireValue, right: WireValue, sign: str) -> WireValue:
    if "N" not in left or "N" not in right:
        raise _wrong_type()
    operate = _EXACT.add if sign == "+" else _EXACT.subtract
    return normal({"N": str(operate(Decimal(left["N"]), Decimal(right["N"])))})


def _set(found: WireValue, value: WireValue) -> tuple[str, list[str]]:
    (tag,) = value
    if tag not in found:
        raise _wrong_type()
    return tag, found[tag]


def _changed(holder: WireValue, steps: Sequence[str | int], value: Found) -> WireValue:
    """Return a copy of a map or list with what is at the steps replaced or, for None, removed."""
    step, *rest = steps
    if isinstance(step, str) and "M" in holder:
        members = dict(holder["M"])
        inner = _inner(members.get(step), rest, value)
        if inner is None:
            members.pop(step, None)
        else:
            members[step] = inner
        return {"M": members}
    if isinstance(step, int) and "L" in holder:
        elements = list(holder["L"])
        inner = _inner(elements[step] if step < len(elements) else None, rest, value)
        elements[step : step + 1] = [] if inner is None else [inner]
        return {"L": elements}
    raise _no_such_path()


def _inner(found: Found, rest: Sequence[str | int], value: Found) -> Found:
    if not rest:
        return value
    if found is None:
        raise _no_such_path()
    return _changed(found, rest, value)


def _no_such_path() -> Exception:
    return refused("a path of the update leads through what is not there in the item")


def _wrong_type() -> Exception:
    return refused("an operand of the update has another type in the item than it needs")
