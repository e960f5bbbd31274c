"""What a transform's source amounts to, as a short text that every process agrees on.

The rule: the fingerprint is made of source text, names and plain data, never of addresses, byte
code, hashes or file names, so that it is the same in every process and on every Python version.

What counts: the source of each callable that is given, whatever wraps it (decorators, `partial`,
methods, objects); what it closes over, its defaults, the state of its object; and the functions,
classes and constants of its own package that it names, and those that they name in turn. A module
outside of any package takes those beside it for its own.

What does not count, and is for ``Migration(version=…)`` to say: the inside of other packages, of
Python and of this library; what is looked up by text, such as ``getattr``; what is read while the
transform runs, such as files or the environment.
"""

from __future__ import annotations

import ast
import datetime
import enum
import fractions
import functools
import hashlib
import inspect
import operator
import os
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, get_args, get_origin

import attrs

from dualtable.errors import TransformError

_PLAIN = (str, bytes, bool, int, float, complex, Decimal, type(None))

# Types of the standard library whose `repr` says all that there is, on every version.
_TELLING = (
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
_CACHED = type(functools.cache(lambda: None))
_DEFINED = (types.FunctionType, type, _CACHED)
_BUILTIN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)

_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def fingerprint(transform: object) -> str:
    """Return 16 hexadecimal digits that differ where the source of a transform differs.

    Raises:
        TransformError: Some source cannot be read; state ``Migration(version=…)`` instead.
    """
    lines = "\n".join(_describe(transform, _Scope()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


@attrs.frozen
class _Scope:
    """Where a description has come to.

    `described` are functions and classes whose source is there already, `above` what the value is
    inside of, `home` the package whose classes count by their source; None before there is one.
    """

    described: set[int] = attrs.field(factory=set)
    above: frozenset[int] = frozenset()
    home: str | None = None


def _describe(value: object, scope: _Scope) -> Iterator[str]:
    """Yield lines of text that stand for the value."""
    if isinstance(value, enum.Enum):
        yield from _members(f"member {type(value).__qualname__}", [value.name, value.value], scope)
    elif isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!a}"
    elif isinstance(value, types.FunctionType):
        yield from _describe_function(value, scope)
    elif isinstance(value, type):
        yield from _describe_class(value, scope)
    elif id(value) in scope.above:
        yield "again"
    else:
        yield from _describe_object(value, _inside(scope, value))


def _inside(scope: _Scope, value: object) -> _Scope:
    return attrs.evolve(scope, above=scope.above | {id(value)})


def _describe_object(value: Any, scope: _Scope) -> Iterator[str]:
    for kind, types_, parts in _PARTS:
        if isinstance(value, types_):
            yield from _members(kind, parts(value), scope)
            return
    if isinstance(value, (set, frozenset)):
        yield from _unordered("set", ([member] for member in value), scope)
    elif isinstance(value, (dict, types.MappingProxyType)):
        yield from _unordered("dict", value.items(), scope)
    elif isinstance(value, _BUILTIN):
        yield from _describe_builtin(value, scope)
    elif isinstance(value, _TELLING):
        yield ascii(value)
    elif isinstance(value, types.ModuleType):
        yield f"module {value.__name__}"
    elif get_origin(value) is not None:
        yield from _members("type", _type_parts(value), scope)
    else:
        yield from _describe_instance(value, scope)


def _type_parts(value: Any) -> list[Any]:
    """Return what a type such as ``list[Line]`` or ``Meta | Values`` is made of.

    The names of what only marks a type differ between versions.
    """
    origin = get_origin(value)
    marks_only = getattr(origin, "__module__", "typing") in ("types", "typing")
    return [None if marks_only else origin, *get_args(value)]


_PARTS: tuple[tuple[str, Any, Callable[[Any], Any]], ...] = (
    ("sequence", (list, tuple), lambda value: value),
    ("partial", functools.partial, lambda value: [value.func, value.args, value.keywords]),
    ("method", types.MethodType, lambda value: [value.__func__, value.__self__]),
    ("pattern", re.Pattern, lambda value: [value.pattern, value.flags]),
    ("cached", _CACHED, lambda value: [value.__wrapped__]),
)


def _members(kind: str, members: Any, scope: _Scope) -> Iterator[str]:
    yield f"{kind} {len(members)}"
    for member in members:
        yield from _describe(member, scope)


def _unordered(kind: str, groups: Iterable[Iterable[Any]], scope: _Scope) -> Iterator[str]:
    """Describe what has no order, or one that depends on hashes, in the order of the text."""
    yield kind
    yield from sorted(
        "\n".join(line for member in group for line in _describe(member, scope)) for group in groups
    )


def _describe_builtin(value: Any, scope: _Scope) -> Iterator[str]:
    yield f"builtin {value.__qualname__}"
    owner = getattr(value, "__self__", None)
    if not isinstance(owner, types.ModuleType):  # such as the dict of a `dict.get`
        yield from _describe(owner, scope)


# -- functions and classes -----------------------------------------------------------------------


def _describe_function(function: types.FunctionType, scope: _Scope) -> Iterator[str]:
    if _is_foreign(str(function.__module__)):
        yield _name(function)
        return
    if id(function) in scope.described:
        yield f"again {function.__qualname__}"
        return
    scope.described.add(id(function))
    scope = attrs.evolve(scope, home=_package(function.__module__))
    source = _source_of(function.__code__)
    yield from source.segments()
    yield from _members("defaults", [function.__defaults__, function.__kwdefaults__], scope)
    yield from _members("closure", _closed_over(function), scope)
    yield from _describe_used(source, function.__globals__, scope)


def _describe_class(cls: type, scope: _Scope) -> Iterator[str]:
    """Classes of the own package by their source with that of their bases, others by name."""
    scope = attrs.evolve(scope, home=scope.home or _package(cls.__module__))
    if not _is_own(cls, scope):
        yield _name(cls)
        return
    if id(cls) in scope.described:
        yield f"again {cls.__qualname__}"
        return
    scope.described.add(id(cls))
    for base in cls.__bases__:
        yield from _describe_class(base, scope)
    source = _source_of(cls)
    yield from source.segments()
    for name in sorted(source.methods() & vars(cls).keys()):
        if isinstance(function := _bare(vars(cls)[name]), types.FunctionType):
            yield from _members("closure", _closed_over(function), scope)
    yield from _describe_used(source, vars(sys.modules[cls.__module__]), scope)


def _describe_instance(value: Any, scope: _Scope) -> Iterator[str]:
    cls = type(value)
    if cls.__module__.partition(".")[0] == "dualtable":  # each step is an own beginning
        yield _name(cls)
        yield from _members("state", _state(value), attrs.evolve(scope, home=None))
        return
    scope = attrs.evolve(scope, home=scope.home or _package(cls.__module__))
    if _is_own(cls, scope):
        yield from _describe_class(cls, scope)
        yield from _members("state", _state(value), scope)
    else:
        yield "an object"


def _describe_used(source: _Source, module: Mapping[str, Any], scope: _Scope) -> Iterator[str]:
    """Describe what a source names of its own package."""
    used = {
        ast.unparse(node): value
        for node in source.nodes()
        if isinstance(node, (ast.Name, ast.Attribute))
        for value in _named(node, module, scope)
    }
    for name, value in sorted(used.items()):
        yield f"name {name}"
        if not isinstance(value, _DEFINED) or _is_own(value, scope):
            yield from _describe(value, scope)
        else:
            yield _name(value)


def _named(node: ast.expr, module: Mapping[str, Any], scope: _Scope) -> list[Any]:
    """Return what a name, or a dotted one that leads through own modules, stands for."""
    if isinstance(node, ast.Attribute):
        owners = _owners(node.value, module, scope)
        return [vars(owner)[node.attr] for owner in owners if node.attr in vars(owner)]
    if not isinstance(node, ast.Name) or node.id.startswith("__") or node.id not in module:
        return []
    return [module[node.id]]


def _owners(node: ast.expr, module: Mapping[str, Any], scope: _Scope) -> list[types.ModuleType]:
    return [
        value
        for value in _named(node, module, scope)
        if isinstance(value, types.ModuleType) and _package(value.__name__) == scope.home
    ]


def _closed_over(function: types.FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _bare(member: Any) -> Any:
    """Return the function that a class holds as static, class method or property."""
    return getattr(member, "__func__", None) or getattr(member, "fget", None) or member


def _state(value: Any) -> list[Any]:
    if attrs.has(type(value)):
        return [
            part
            for field in attrs.fields(type(value))
            if field.eq
            for part in (field.name, getattr(value, field.name))
        ]
    state = value.__getstate__()  # what pickle would keep: attributes and slots
    return list(state) if isinstance(state, tuple) else [state]


# -- where things come from ----------------------------------------------------------------------


def _name(value: Any) -> str:
    return f"{str(value.__module__).partition('.')[0]}.{value.__qualname__}"


def _is_foreign(module: str) -> bool:
    package = module.partition(".")[0]
    return package == "dualtable" or package in sys.stdlib_module_names


def _is_own(value: Any, scope: _Scope) -> bool:
    module = str(value.__module__)
    return not _is_foreign(module) and _package(module) == scope.home


def _package(module: str) -> str:
    """Return what tells which modules belong together: a package, or the folder of a module."""
    found = sys.modules.get(module)
    package = getattr(found, "__package__", None)
    if package:
        return str(package).partition(".")[0]
    file = getattr(found, "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if file else module


# -- source --------------------------------------------------------------------------------------


@attrs.frozen
class _Source:
    """Definitions of functions or classes in the text of their file."""

    text: str
    definitions: tuple[_Definition, ...]

    def segments(self) -> Iterator[str]:
        """Yield the text of each definition after that of its decorators."""
        for definition in self.definitions:
            for node in (*_decorators(definition), definition):
                yield ast.get_source_segment(self.text, node) or ""

    def methods(self) -> set[str]:
        """Return the names of all functions that are written inside."""
        return {node.name for node in self.nodes() if isinstance(node, ast.FunctionDef)}

    def nodes(self) -> Iterator[ast.AST]:
        for definition in self.definitions:
            yield from ast.walk(definition)


def _source_of(value: types.CodeType | type) -> _Source:
    """Return the definition of a function or class.

    Several lambdas on one line cannot be told apart on every Python: all of them count then.
    """
    try:
        lines, line = inspect.findsource(value)
    except (OSError, TypeError):
        raise _unreadable(value) from None
    text = "".join(lines)
    first = value.co_firstlineno if isinstance(value, types.CodeType) else line + 1
    name = value.co_name if isinstance(value, types.CodeType) else value.__name__
    found = tuple(node for node in _definitions(text) if _begins(node) == (name, first))
    if not found:  # the file has changed since it was imported
        raise _unreadable(value)
    return _Source(text, found)


def _unreadable(value: Any) -> TransformError:
    name = value.co_qualname if isinstance(value, types.CodeType) else value.__qualname__
    return TransformError(
        f"the source of {name} cannot be read, so a resumed run could not tell whether it has"
        " changed; state it by hand: Migration(version=…)"
    )


@functools.lru_cache(maxsize=32)
def _definitions(text: str) -> tuple[_Definition, ...]:
    kinds = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return tuple(node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds))


def _begins(node: _Definition) -> tuple[str, int]:
    """Return a definition's name, and the line of its first decorator or of itself."""
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    return name, min(part.lineno for part in (node, *_decorators(node)))


def _decorators(node: _Definition) -> list[ast.expr]:
    return [] if isinstance(node, ast.Lambda) else node.decorator_list
