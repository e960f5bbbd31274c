"""The fields of an attrs class as an item has them: their names there, and what may be left out.

The rule: what counts when two instances are compared is in the item. Left out is only a cache: a
field that the constructor does not take and that does not count for equality.

A field that is None or an empty set is left out of the item, since DynamoDB has no index entry for
the one and no place for the other; where leaving it out would bring back the field's default, it is
stored as NULL.
"""

from __future__ import annotations

import datetime
import functools
import types
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, Union, get_args, get_origin

import attrs

from dualtable.errors import InvalidItemError

Field: TypeAlias = "attrs.Attribute[Any]"
_UNIONS = (Union, types.UnionType)
_ABSENT = object()


def stored_fields(cls: type) -> Iterator[Field]:
    """Yield the fields that an item has."""
    return (field for field in attrs.fields(cls) if field.init or field.eq)


def attribute_name(field: Field) -> str:
    """Return the name that a field has in an item: its own, or ``metadata={"name": …}``."""
    name: str = field.metadata.get("name", field.name)
    return name


def check_names(cls: type) -> None:
    """Raise `InvalidItemError` where a name in the metadata is none, or two fields have one."""
    taken: dict[str, str] = {}
    for field in stored_fields(cls):
        name = attribute_name(field)
        if not isinstance(name, str) or not name:
            raise InvalidItemError(f"{cls.__name__}.{field.name} has the name {name!r} in metadata")
        if name in taken:
            raise InvalidItemError(
                f"{cls.__name__}.{field.name} and .{taken[name]} are both {name!r} in an item"
            )
        taken[name] = field.name


def members_of(type_: Any) -> tuple[Any, ...]:
    """Return the types that a union is made of, or the one type that it is, without None."""
    members = get_args(type_) if get_origin(type_) in _UNIONS else (type_,)
    return tuple(member for member in members if member is not type(None))


def may_be_none(type_: Any) -> bool:
    """Tell whether a field of the type may hold None."""
    return get_origin(type_) in _UNIONS and type(None) in get_args(type_)


def is_set(type_: Any) -> bool:
    """Tell whether a field of the type holds a set."""
    return (get_origin(type_) or type_) in (set, frozenset)


def may_be_nothing(field: Field) -> bool:
    """Tell whether a field may hold what an item does not: None or an empty set."""
    return may_be_none(field.type) or is_set(field.type)


def nothing(field: Field) -> Any:
    """Return what such a field is when its attribute is NULL, or missing without a default."""
    if may_be_none(field.type):
        return None
    return frozenset() if (get_origin(field.type) or field.type) is frozenset else set()


def is_left_out(field: Field) -> bool:
    """Tell whether None or an empty set comes back by itself where it is left out."""
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type] # mypy takes it for a function
        return not default.takes_self and default.factory() == set()
    return (default is attrs.NOTHING and field.init) or default is None or default == set()


def is_required(field: Field) -> bool:
    """Tell whether an item must have the field's attribute."""
    return field.init and field.default is attrs.NOTHING and not may_be_nothing(field)


# -- what was written, and what is read back -----------------------------------------------------


@attrs.frozen
class Difference:
    """Where two values differ, and how, without saying what they are."""

    how: str
    path: str = ""

    def inside(self, place: str) -> Difference:
        """Return it as seen from the value that it is inside of."""
        return attrs.evolve(self, path=place + self.path)


def difference(one: Any, other: Any) -> Difference | None:
    """Return the first difference between what was written and what was read back.

    Attrs classes are compared by class and field, whatever they say of equality themselves.
    """
    kind: Any = type(one)
    if kind not in _LEAVES:
        if (names := _field_names(kind)) is not None:
            return _of_instances(names, one, other)
        if isinstance(one, Mapping):
            return _of_mappings(one, other)
        if isinstance(one, (list, tuple)):
            return _of_sequences(one, other)
    if _equal(one, other) or _same_time(one, other):
        return None
    return Difference(f"a {kind.__name__} would not come back as it is")


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except ArithmeticError:  # nothing may be compared with Decimal("sNaN")
        return False


_LEAVES = frozenset({str, int, Decimal, bool, type(None), bytes, float, datetime.date, uuid.UUID})


@functools.cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    return tuple(field.name for field in stored_fields(kind)) if attrs.has(kind) else None


def _same_time(one: Any, other: Any) -> bool:
    """Tell whether two times are one in an item; in the hour that a zone has twice, ``==`` is not.

    https://docs.python.org/3/library/datetime.html#datetime.datetime.fold
    """
    times = isinstance(one, datetime.datetime) and isinstance(other, datetime.datetime)
    return times and one.isoformat() == other.isoformat()


def _of_instances(names: tuple[str, ...], one: Any, other: Any) -> Difference | None:
    if type(other) is not type(one):
        return _otherwise(one, other)
    for name in names:
        found = difference(getattr(one, name, _ABSENT), getattr(other, name, _ABSENT))
        if found is not None:
            return found.inside(f".{name}")
    return None


def _of_mappings(one: Any, other: Any) -> Difference | None:
    if not isinstance(other, Mapping) or one.keys() != other.keys():
        return _otherwise(one, other)
    for name in one:
        if (found := difference(one[name], other[name])) is not None:
            return found.inside(f"[{name!r}]")
    return None


def _of_sequences(one: Any, other: Any) -> Difference | None:
    kind = list if isinstance(one, list) else tuple
    if not isinstance(other, kind) or len(one) != len(other):
        return _otherwise(one, other)
    for number, pair in enumerate(zip(one, other, strict=True)):
        if (found := difference(*pair)) is not None:
            return found.inside(f"[{number}]")
    return None


def _otherwise(one: Any, other: Any) -> Difference:
    names = type(one).__name__, type(other).__name__
    became = f"another {names[1]}" if names[0] == names[1] else f"a {names[1]}"
    return Difference(f"a {names[0]} would come back as {became}")
