"""The fields of an attrs class as an item has them: their names there, and what may be left out.

The rule: what counts when two instances are compared is in the item. Left out is only a cache: a
field that the constructor does not take and that does not count for equality.

What a type is called changes nothing: an ``Annotated``, a ``NewType`` and an alias are what they
stand for.

A field that is None or an empty set is left out of the item, since DynamoDB has no index entry for
the one and no place for the other; where leaving it out would bring back the field's default, it is
stored as NULL.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
import types
import uuid
from collections.abc import (
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from decimal import Decimal
from types import CodeType
from typing import Annotated, Any, Final, NewType, TypeAlias, Union, get_args, get_origin

import attrs

from dualtable.errors import InvalidItemError

Field: TypeAlias = "attrs.Attribute[Any]"
_UNIONS = (Union, types.UnionType)
UNSET: Any = object()
_COLLECTIONS: dict[Any, type] = {
    list: list,
    MutableSequence: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    Set: frozenset,
    dict: dict,
    MutableMapping: dict,
    Mapping: dict,
}


def resolve(cls: type) -> None:
    """Look up the types of a class that are given as text."""
    attrs.resolve_types(get_origin(cls) or cls)  # of a generic class, the class


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


def bare(type_: Any) -> Any:
    """Return a type without another name (NewType) and without what is said of it (Annotated)."""
    if get_origin(type_) in (Annotated, Final):
        return bare(get_args(type_)[0])
    if isinstance(type_, NewType):
        return bare(type_.__supertype__)
    if type(type_).__name__ == "TypeAliasType":  # Python has it from 3.12 on
        return bare(type_.__value__)
    return type_


def collection_of(type_: Any) -> type | None:
    """Return what a field of a collection type holds when it is read, and None of other types.

    That is one class for each, also where the type leaves it open.
    """
    type_ = bare(type_)
    return _COLLECTIONS.get(get_origin(type_) or type_)


def is_collection(type_: Any) -> bool:
    """Tell whether a type is one of collections, also of such as `collection_of` does not know.

    A NamedTuple and a TypedDict are none of them: each says itself what it has.
    """
    kind = get_origin(bare(type_)) or bare(type_)
    if not isinstance(kind, type) or hasattr(kind, "_fields") or hasattr(kind, "__total__"):
        return False
    return issubclass(kind, (Sequence, Set, Mapping))


def members_of(type_: Any) -> tuple[Any, ...]:
    """Return the types that a union is made of, or the one type that it is, without None."""
    members = get_args(type_) if get_origin(type_) in _UNIONS else (type_,)
    return tuple(member for member in members if member is not type(None))


def may_be_none(type_: Any) -> bool:
    """Tell whether a field of the type may hold None."""
    type_ = bare(type_)
    return get_origin(type_) in _UNIONS and type(None) in get_args(type_)


def is_optional(type_: Any) -> bool:
    """Tell whether a type is one other or None."""
    return may_be_none(type_) and len(members_of(bare(type_))) == 1


def is_set(type_: Any) -> bool:
    """Tell whether a field of the type holds a set."""
    return collection_of(type_) in (set, frozenset)


def may_be_nothing(field: Field) -> bool:
    """Tell whether a field may hold what an item does not: None or an empty set."""
    return may_be_none(field.type) or is_set(field.type)


def nothing(field: Field) -> Any:
    """Return what such a field is when its attribute is NULL, or missing without a default."""
    if may_be_none(field.type):
        return None
    return frozenset() if collection_of(field.type) is frozenset else set()


def is_left_out(field: Field) -> bool:
    """Tell whether None or an empty set comes back by itself where it is left out."""
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type] # mypy takes it for a function
        return not default.takes_self and default.factory() == set()
    return (default is attrs.NOTHING and field.init) or default is None or default == set()


def is_required(field: Field) -> bool:
    """Tell whether an item must have the field's attribute."""
    return field.init and field.default is attrs.NOTHING and not may_be_nothing(field)


def set_later(cls: type) -> dict[str, str]:
    """Return the fields that the constructor does not take, by their names in an item."""
    return {attribute_name(field): field.name for field in stored_fields(cls) if not field.init}


def class_of_rest(cls: type) -> type:
    """Return a class of the fields that the constructor of another does not take."""
    rest = {
        field.name: attrs.field(
            default=UNSET, type=field.type, alias=field.name, metadata=field.metadata
        )
        for field in stored_fields(cls)
        if not field.init
    }
    return attrs.make_class(cls.__name__, rest)


def type_name(type_: Any) -> str:
    """Name a class by its name, and what is made of several by all of it."""
    return type_.__name__ if isinstance(type_, type) and get_origin(type_) is None else str(type_)


def broken_rule(trail: list[tuple[Any, int]]) -> str | None:
    """Name the field and the rule of the validator that has refused, if one has.

    attrs calls a validator with the instance, the field and the value; the last to be called so is
    the one. Its own words may quote the value.
    """
    for frame, line in reversed(trail):
        code: CodeType = frame.f_code
        arguments = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
        for field in arguments:
            if isinstance(field, attrs.Attribute):
                rule = _rule(
                    arguments[0], f"{code.co_name} at {os.path.basename(code.co_filename)}:{line}"
                )
                return f"{field.name!r} is refused by {rule}"
    return None


def _rule(validator: Any, place: str) -> str:
    """Name a validator that comes with attrs by what it asks for, another by its place."""
    return repr(validator) if type(validator).__module__ == "attr.validators" else place


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

    Attrs classes are compared by class and field, whatever they say of equality themselves. Other
    values must be equal, and of the class that is read or of one made of it: ``Decimal("1.5")`` is
    no 1.5. Whole numbers and sets alone may be of either class, as a table has but one.
    """
    kind: Any = type(one)
    if kind not in _LEAVES:
        if (names := _field_names(kind)) is not None:
            return _of_instances(names, one, other)
        if isinstance(one, Mapping):
            return _of_mappings(one, other)
        if isinstance(one, (list, tuple)):
            return _of_sequences(one, other)
        if isinstance(one, (set, frozenset)):
            return _of_sets(one, other)
    if _of_a_kind(one, other) and (_equal(one, other) or _same_time(one, other)):
        return None
    return Difference(f"a {kind.__name__} would not come back as it is")


def _of_a_kind(one: Any, other: Any) -> bool:
    pair: tuple[type, type] = (type(one), type(other))
    return pair in _AS_GOOD or (isinstance(one, pair[1]) and bool not in {*pair} - {pair[1]})


# Of these a table has but one kind, and where they are equal, one is as good as the other.
_AS_GOOD = frozenset(
    {(int, Decimal), (Decimal, int), (int, float), (set, frozenset), (frozenset, set)}
)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except ArithmeticError:  # nothing may be compared with Decimal("sNaN")
        return False


_LEAVES = frozenset({str, int, Decimal, bool, type(None), bytes, float, datetime.date, uuid.UUID})


@functools.cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    if dataclasses.is_dataclass(kind):
        return tuple(
            field.name for field in dataclasses.fields(kind) if field.init or field.compare
        )
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
        found = difference(getattr(one, name, UNSET), getattr(other, name, UNSET))
        if found is not None:
            return found.inside(f".{name}")
    return None


def _of_mappings(one: Any, other: Any) -> Difference | None:
    if not isinstance(other, dict) or one.keys() != other.keys():
        return _otherwise(one, other)
    names = {name: name for name in other}
    if not all(_of_a_kind(name, names[name]) for name in one):
        return Difference(f"a key of a {type(one).__name__} would not come back as it is")
    for name in one:
        if (found := difference(one[name], other[name])) is not None:
            return found.inside(f"[{name!r}]")
    return None


def _of_sequences(one: Any, other: Any) -> Difference | None:
    if not isinstance(one, type(other)) or len(one) != len(other):
        return _otherwise(one, other)
    for number, pair in enumerate(zip(one, other, strict=True)):
        if (found := difference(*pair)) is not None:
            return found.inside(f"[{number}]")
    return None


def _of_sets(one: Any, other: Any) -> Difference | None:
    if not _of_a_kind(one, other) or one != other:
        return Difference(f"a {type(one).__name__} would not come back as it is")
    others = {each: each for each in other}
    return next(filter(None, (difference(each, others[each]) for each in one)), None)


def _otherwise(one: Any, other: Any) -> Difference:
    names = type(one).__name__, type(other).__name__
    became = f"another {names[1]}" if names[0] == names[1] else f"a {names[1]}"
    return Difference(f"a {names[0]} would come back as {became}")
