"""What functions and classes hold beside their text.

The rule: what Python or a decorator has put there does not count, but for what it closes over.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from dualtable._sources.packages import written_in
from dualtable._sources.texts import Source
from dualtable._sources.values import PLAIN

_PLAIN_TYPES = (*PLAIN, list, tuple, dict, set, frozenset, types.FunctionType)


def closed_over(function: types.FunctionType) -> list[Any]:
    """Return what a function closes over."""
    return [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def closures(member: Any) -> Iterator[list[Any]]:
    """Yield what the functions close over that a class holds as a method, property or the like."""
    function = _function_of(member)
    if isinstance(function, types.FunctionType):
        yield closed_over(function)
    if not isinstance(member, types.FunctionType):
        others = [getattr(member, name, None) for name in ("fset", "fdel", "func", "__wrapped__")]
        for other in others:
            if isinstance(other, types.FunctionType) and other is not function:
                yield from filter(None, [closed_over(other)])


def _function_of(member: Any) -> Any:
    return getattr(member, "__func__", None) or getattr(member, "fget", None) or member


def set_later(cls: type, source: Source) -> dict[str, Any]:
    """Return plain values and functions that a class has got since its body was run."""
    if type(cls) not in (type, ABCMeta):  # what another metaclass adds is its own
        return {}
    return {
        name: value
        for name, value in vars(cls).items()
        if type(value) in _PLAIN_TYPES and not name.startswith("_")
        if not source.gives(name, value)
    }


def is_made_by_call(cls: type) -> bool:
    """Tell whether a class is a `namedtuple`, whose name one with a text may have, too."""
    return "_fields" in vars(cls) and "__orig_bases__" not in vars(cls)


def made_of(cls: Any) -> list[Any]:
    """Return what says all of a class that was made by a call, such as ``Enum("P", "a b")``."""
    if _has_methods(cls):
        return []
    if issubclass(cls, enum.Enum):
        return [[name, member.value] for name, member in cls.__members__.items()]
    if typing.is_typeddict(cls):
        return [_hints(cls), sorted(cls.__required_keys__)]
    return [cls._fields, cls._field_defaults, _hints(cls)] if "_fields" in vars(cls) else []


def _has_methods(cls: type) -> bool:
    """Tell whether some function of a class was written where the class was made."""
    return any(
        isinstance(function, types.FunctionType) and written_in(function) == cls.__module__
        for function in map(_function_of, vars(cls).values())
    )


def field_classes(cls: type) -> Iterator[type]:
    """Yield the classes that the types of a class's own fields lead to, quoted ones as well."""
    for hint in _hints(cls).values():
        yield from _classes_in(hint)


def _hints(cls: type) -> dict[str, Any]:
    """Return the types of a class's own fields; none where one is out of reach."""
    try:
        hints = typing.get_type_hints(cls)
        return {name: hints[name] for name in inspect.get_annotations(cls)}
    except Exception:  # noqa: BLE001 - whatever the text of an annotation raises
        return {}


def _classes_in(hint: Any) -> list[type]:
    """Return the classes that a type such as ``dict[str, Line] | None`` leads to."""
    parts = [hint]
    for part in parts:  # grows
        inner = [*part] if isinstance(part, list) else [get_origin(part), *get_args(part)]
        inner += [getattr(part, name, None) for name in ("__supertype__", "__value__")]
        parts += [new for new in inner if not any(new is known for known in parts)]
    return [part for part in parts if isinstance(part, type)]
