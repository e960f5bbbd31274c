"""What Python's own values are made of, and what may be said of other objects.

The rule: nothing that differs between processes, platforms or versions of Python is a part.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
import io
import json
import logging
import operator
import os
import re
import string
import types
import uuid
from collections.abc import Callable
from operator import attrgetter
from typing import Any, get_args, get_origin

PLAIN = (str, bytes, bool, int, float, complex, decimal.Decimal, type(None))
CACHED = type(functools.cache(lambda: None))
BUILTIN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
)

# Types of the standard library whose `repr` says all that there is, on every version.
TELLING = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    fractions.Fraction,
    operator.attrgetter,
    operator.itemgetter,
    operator.methodcaller,
    range,
    uuid.UUID,
)
_ADDRESS = " at 0x"

# Objects whose class is up to the process or the platform, and packages whose classes are up to
# the version of Python.
_NAMELESS = (io.IOBase, logging.Logger, os.PathLike)
_NAMELESS_IN = ("typing", "typing_extensions")


def _traps(context: decimal.Context) -> list[str]:
    return sorted(signal.__name__ for signal, traps in context.traps.items() if traps)


_CONTEXT = attrgetter("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_DECODER = attrgetter(
    *("object_hook", "object_pairs_hook", "parse_constant", "parse_float", "parse_int", "strict")
)
_ENCODER = attrgetter(
    *("allow_nan", "default", "ensure_ascii", "indent", "item_separator", "key_separator"),
    *("skipkeys", "sort_keys"),
)
_USERS = (collections.UserDict, collections.UserList, collections.UserString)

_PARTS: tuple[tuple[str, Any, Callable[[Any], Any]], ...] = (
    ("sequence", (list, tuple), lambda value: value),
    ("partial", functools.partial, attrgetter("func", "args", "keywords")),
    ("method", types.MethodType, attrgetter("__func__", "__self__")),
    ("pattern", re.Pattern, attrgetter("pattern", "flags")),
    ("cached", CACHED, lambda value: [value.__wrapped__]),
    ("default", collections.defaultdict, lambda value: [value.default_factory, dict(value)]),
    ("queue", collections.deque, lambda value: [value.maxlen, *value]),
    ("maps", collections.ChainMap, lambda value: value.maps),
    ("data", _USERS, lambda value: [value.data]),
    ("bytes", bytearray, lambda value: [bytes(value)]),
    ("slice", slice, attrgetter("start", "stop", "step")),
    ("namespace", types.SimpleNamespace, lambda value: [vars(value)]),
    ("template", string.Template, lambda value: [value.template]),
    ("context", decimal.Context, lambda value: [*_CONTEXT(value), _traps(value)]),
    ("decoder", json.JSONDecoder, _DECODER),
    ("encoder", json.JSONEncoder, _ENCODER),
)


def parts_of(value: Any) -> tuple[str, Any] | None:
    """Return of what kind something is and, in order, what it is made of; None for other kinds."""
    for kind, types_, parts in _PARTS:
        if isinstance(value, types_):
            return kind, parts(value)
    if get_origin(value) is not None:
        return "type", _type_parts(value)
    if isinstance(value, TELLING) and _ADDRESS in ascii(value):
        return "made", value.__reduce__()  # such as a `methodcaller` with an object
    return None


def _type_parts(value: Any) -> list[Any]:
    """Return what a type such as ``list[Line]`` or ``Meta | Values`` is made of.

    The names of what only marks a type differ between versions.
    """
    origin = get_origin(value)
    marks_only = getattr(origin, "__module__", "typing") in ("types", "typing")
    return [None if marks_only else origin, *get_args(value)]


def is_nameless(value: object) -> bool:
    """Tell whether not even the class of an object is the same for all."""
    package = type(value).__module__.partition(".")[0]
    return package in _NAMELESS_IN or isinstance(value, _NAMELESS)
