"""Instances of attrs classes to plain items and back; the only module that knows cattrs.

The rule: what a class cannot hold is an error with the path to it, never a value left behind. So an
attribute that the class does not declare is refused, not ignored, and no message quotes a value.

In an item, a ``datetime``, ``date`` or ``UUID`` is text, an ``Enum`` its value, ``int`` and
``float`` are numbers. Lists and tuples are lists, sets are sets, maps are maps, and none of them is
read as another: what iterates is not therefore a list.
"""

from __future__ import annotations

import datetime
import enum
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, MutableSet, Sequence, Set
from decimal import Decimal
from itertools import count, repeat
from typing import Any, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from dualtable._transforms.fields import (
    UNSET,
    attribute_name,
    bare,
    broken_rule,
    check_names,
    class_of_rest,
    collection_of,
    is_collection,
    is_left_out,
    is_optional,
    may_be_none,
    may_be_nothing,
    members_of,
    nothing,
    resolve,
    set_later,
    stored_fields,
    type_name,
)
from dualtable._transforms.guarded import told
from dualtable._transforms.unions import (
    holds,
    is_literal,
    is_union_of_classes,
    literal,
    plain_literal,
    teller,
)
from dualtable._wire.types import Item
from dualtable.errors import InvalidItemError


def structure(model: Any, item: Mapping[str, Any]) -> Any:
    """Return the instance that an item stands for.

    Raises:
        InvalidItemError: It does not fit; the message names each misfit by its path.
    """
    try:
        return _CONVERTER.structure(item, model)
    except Exception as error:  # noqa: BLE001 - no cause either: its own words quote values
        misfits = cattrs.transform_error(error, format_exception=_misfit)
        raise InvalidItemError("; ".join(misfits)) from None


def unstructure(instance: Any) -> Item:
    """Return the plain item of an instance of an attrs class.

    Raises:
        InvalidItemError: A field holds what its type does not promise; the message has its path.
    """
    try:
        item: Item = _CONVERTER.unstructure(instance)
    except Exception:  # noqa: BLE001 - whatever a value raises that is not of its field's type
        raise InvalidItemError(_unfit(instance)) from None
    return item


def check_class(cls: type) -> None:
    """Raise `InvalidItemError` for an attrs class that could never be an item."""
    try:
        _CONVERTER.get_structure_hook(cls)
    except NameError as error:
        raise InvalidItemError(
            f"a field of {cls.__name__} has a type that cannot be found ({error});"
            " define both at the level of a module"
        ) from None
    except cattrs.StructureHandlerNotFoundError as error:
        raise InvalidItemError(f"{cls.__name__}: {_misfit(error, None)}") from None


# -- what does not fit ---------------------------------------------------------------------------


def _misfit(error: BaseException, type_: type | None) -> str:
    """Say what is wrong without quoting the value, as cattrs' own words may."""
    if isinstance(error, InvalidItemError):
        return str(error)
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown attributes {', '.join(sorted(map(str, error.extra_fields)))}"
    if isinstance(error, cattrs.StructureHandlerNotFoundError):
        return f"fields of type {error.type_} are not supported"
    trail = list(traceback.walk_tb(error.__traceback__))
    if isinstance(error, KeyError) and len(trail) == 1:  # nothing but the lookup itself
        return "required field missing"
    if (rule := broken_rule(trail)) is not None:
        return rule
    if type_ is None:  # no field's own: the class has refused what its fields hold
        return told(error)
    return f"{type(error).__name__}, expected {type_name(type_)}"


def _unfit(instance: Any, path: str = "$") -> str:
    """Say which field of an instance cannot be unstructured."""
    for field in stored_fields(type(instance)):
        value = getattr(instance, field.name, UNSET)
        here = f"{path}.{field.name}"
        if value is UNSET:
            return f"never set @ {here}"
        try:
            _CONVERTER.unstructure(value, unstructure_as=field.type)
        except Exception:  # noqa: BLE001 - as above
            if attrs.has(type(value)):
                return _unfit(value, here)
            return f"{type(value).__name__}, expected {type_name(field.type)} @ {here}"
    return "a field holds what its type does not promise"


# -- values --------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _whole(value: Any, type_: Callable[[int], Any]) -> Any:
    if not _is_number(value) or value != int(value):
        raise InvalidItemError("expected a whole number")
    return type_(int(value))  # int, or an IntEnum


def _real(value: Any, _type: object) -> float:
    if not _is_number(value):
        raise InvalidItemError("expected a number")
    real = float(value)
    if Decimal(str(real)) != value:
        raise InvalidItemError("expected a number of no more digits than a float has")
    return real


def _decimal(value: Any, _type: object) -> Decimal:
    if not _is_number(value):
        raise InvalidItemError("expected a number")
    return Decimal(value)


def _exactly(kind: type, name: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, type_: Any) -> Any:
        if not isinstance(value, kind):
            raise InvalidItemError(f"expected {name}")
        return value if type_ is kind else type_(value)  # a StrEnum is text, too

    return check


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, enum.Enum)


def _enum_value(member: enum.Enum) -> Any:
    return _CONVERTER.unstructure(member.value)


def _enum_member(value: Any, type_: type[enum.Enum]) -> enum.Enum:
    for member in type_:
        if holds((_enum_value(member),), value):
            return member
    raise InvalidItemError(f"expected a value of {type_.__name__}")


def _flag(value: Any, type_: type[enum.Flag]) -> enum.Flag:
    """Return the combination that a number stands for, of which no bit may be dropped."""
    flag = type_(_whole(value, int))
    if not isinstance(flag, type_) or flag.value != value:
        raise InvalidItemError(f"expected a value of {type_.__name__}")
    return flag


# -- collections ---------------------------------------------------------------------------------

_Hook = Callable[[Any, Any], Any]
_STORED: dict[type | None, tuple[Any, str]] = {  # a tuple is a list that has not been stored yet
    list: ((list, tuple), "a list"),
    tuple: ((list, tuple), "a list"),
    set: ((set, frozenset), "a set"),
    frozenset: ((set, frozenset), "a set"),
    dict: (Mapping, "a map"),
}


def _structure_collection(type_: Any) -> _Hook:
    """Take for a list, a set or a map what is one, and nothing else that iterates."""
    made: Any = collection_of(type_)
    if made is None:  # it may have what an item cannot hold: an order of keys, a default
        raise cattrs.StructureHandlerNotFoundError("", type_)
    stored, name = _STORED[made]
    length, members = _members(made, bare(type_))
    if length is not None:
        name = f"{name} of {length}"

    def structure(value: Any, _type: Any) -> Any:
        if not isinstance(value, stored) or length not in (None, len(value)):
            raise InvalidItemError(f"expected {name}")
        whole = made(members(value))
        if len(whole) != len(value):
            raise InvalidItemError(f"expected {name} of which no two members read as one")
        return whole

    return structure


def _members(made: type, type_: Any) -> tuple[int | None, Callable[[Any], Iterable[Any]]]:
    """Return how many members a collection has, if that is fixed, and what structures them."""
    types = getattr(type_, "__args__", None)
    fixed = get_origin(type_) is tuple and types is not None and ... not in types
    hooks = [(_hook(t), t) for t in ((Any, Any) if types is None else types) if t is not ...]
    if made is dict:
        key, each = map(repeat, hooks)
        return None, lambda value: zip(
            _each(value, value, key), _each(value, value.values(), each), strict=True
        )
    if fixed:
        return len(hooks), lambda value: _each(count(), value, hooks)
    return None, lambda value: _each(count(), value, repeat(hooks[0]))


def _each(
    places: Iterable[Any], values: Iterable[Any], hooks: Iterable[tuple[_Hook, Any]]
) -> list[Any]:
    """Structure each of the values, and name each misfit by its place."""
    done, errors = [], []
    for place, value, (hook, type_) in zip(places, values, hooks, strict=False):
        try:
            done.append(hook(value, type_))
        except Exception as error:  # noqa: BLE001 - it goes on to `_misfit`
            error.add_note(cattrs.IterableValidationNote("", place, type_))
            errors.append(error)
    if errors:
        raise cattrs.IterableValidationError("", errors, list)
    return done


def _hook(type_: Any) -> _Hook:
    try:
        return _CONVERTER.get_structure_hook(type_)
    except RecursionError:  # a class that has itself in a field
        return _CONVERTER.structure


def _structure_optional(type_: Any) -> _Hook:
    (some,) = members_of(bare(type_))
    hook = _hook(some)
    return lambda value, _: None if value is None else hook(value, some)


# -- classes -------------------------------------------------------------------------------------


def _unstructure_class(cls: type) -> Callable[[Any], Item]:
    """Leave out what would come back by itself, and mark as NULL what would not."""
    resolve(cls)
    whole: Callable[[Any], Item] = make_dict_unstructure_fn(
        cls, _CONVERTER, _cattrs_include_init_false=True, **_names(cls)
    )
    left_out = {
        attribute_name(field): is_left_out(field)
        for field in stored_fields(cls)
        if may_be_nothing(field)
    }

    def unstructure(instance: Any) -> Item:
        item = whole(instance)
        for name in left_out.keys() & item.keys():
            if item[name] is None or item[name] == set():
                item[name] = None
                if left_out[name]:
                    del item[name]
        return item

    return unstructure


def _names(cls: type) -> dict[str, Any]:
    """Return what cattrs must be told of fields that an item has otherwise, or not at all."""
    stored = {field.name: attribute_name(field) for field in stored_fields(cls)}
    caches = [field.name for field in attrs.fields(cls) if field.name not in stored]
    renamed = {own: override(rename=name) for own, name in stored.items() if own != name}
    return renamed | {name: override(omit=True) for name in caches}


def _structure_class(cls: type) -> Callable[[Any, Any], Any]:
    """Structure strictly, but take what is missing or NULL for the nothing that it stands for."""
    resolve(cls)
    check_names(cls)
    whole: Callable[[Any, Any], Any] = make_dict_structure_fn(
        cls,
        _CONVERTER,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        **_names(cls),
    )
    fields = [field for field in stored_fields(cls) if may_be_nothing(field) and field.init]
    as_null = {attribute_name(field): nothing(field) for field in fields}
    required = {attribute_name(f) for f in fields if f.default is attrs.NOTHING}
    later_fields = set_later(cls)

    def structure(item: Any, type_: Any) -> Any:
        if not isinstance(item, Mapping):
            raise InvalidItemError("expected a map")
        absent = {name: as_null[name] for name in required - item.keys()}
        null = {name: as_null[name] for name in as_null.keys() & item.keys() if item[name] is None}
        taken = {**item, **absent, **null}
        later = {name: taken.pop(name) for name in later_fields.keys() & taken.keys()}
        return _with(whole(taken, type_), later)

    def _with(instance: Any, later: Item) -> Any:
        if later:
            values = structure_rest(later, rest)
            for name in later:
                field = later_fields[name]
                object.__setattr__(instance, field, getattr(values, field))  # even if it is frozen
            attrs.validate(instance)  # the constructor has judged what it has computed
        return instance

    if later_fields:
        rest = class_of_rest(cls)
        structure_rest = _CONVERTER.get_structure_hook(rest)
    return structure


def _structure_union(type_: Any) -> Callable[[Any, Any], Any]:
    members = members_of(type_)
    for cls in members:
        resolve(cls)
    tell = teller(members)
    none = may_be_none(type_)

    def structure(item: Any, _type: Any) -> Any:
        if item is None and none:
            return None
        if not isinstance(item, Mapping):
            raise InvalidItemError("expected a map")
        return _CONVERTER.structure(item, tell(item))

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(
        prefer_attrib_converters=False,
        forbid_extra_keys=True,
        unstruct_collection_overrides={frozenset: set},
    )
    converter.register_unstructure_hook(str, str.__str__)  # a member of an enum is text, too
    for kind, name in ((str, "text"), (bytes, "binary"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(float, _real)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_unstructure_hook(float, lambda value: Decimal(str(value)))
    converter.register_unstructure_hook_func(  # which cattrs knows with their members' types only
        lambda type_: type_ in (Sequence, Set, MutableSet), converter.unstructure
    )
    for dated in (datetime.datetime, datetime.date):
        converter.register_unstructure_hook(dated, lambda value: value.isoformat())
        converter.register_structure_hook(dated, lambda value, type_: type_.fromisoformat(value))
    converter.register_unstructure_hook(uuid.UUID, str)
    converter.register_structure_hook(uuid.UUID, lambda value, _: uuid.UUID(value))
    converter.register_unstructure_hook_func(_is_enum, _enum_value)
    converter.register_structure_hook(enum.Enum, _enum_member)
    converter.register_structure_hook(enum.Flag, _flag)
    converter.register_unstructure_hook_func(is_literal, plain_literal)
    converter.register_structure_hook_func(is_literal, literal)
    converter.register_structure_hook_factory(is_collection, _structure_collection)
    converter.register_structure_hook_factory(is_optional, _structure_optional)
    converter.register_unstructure_hook_factory(attrs.has, _unstructure_class)
    converter.register_structure_hook_factory(attrs.has, _structure_class)
    converter.register_structure_hook_factory(is_union_of_classes, _structure_union)
    return converter


_CONVERTER = _make_converter()
