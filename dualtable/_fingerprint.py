"""What a transform's source amounts to, as a short text that every process agrees on.

The rule: the fingerprint is made of source text, names and plain data, never of addresses, byte
code or hashes, so that it is the same in every process and on every Python version. It covers the
functions that a callable uses from its own module, what it closes over, and its defaults.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs

from dualtable.errors import TransformError

_PLAIN = (str, bytes, bool, int, float, complex, Decimal, type(None))


def fingerprint(transform: object) -> str:
    """Return 16 hexadecimal digits that differ where the source of a transform differs.

    Raises:
        TransformError: Some source cannot be read; state ``Migration(version=…)`` instead.
    """
    lines = "\n".join(_describe(transform, set()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _describe(value: object, seen: set[int]) -> Iterator[str]:
    """Yield lines of text that stand for the value."""
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif id(value) in seen:
        yield "again"
    else:
        seen.add(id(value))
        yield from _describe_object(value, seen)


def _describe_object(value: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        yield from _members("sequence", value, seen)
    elif isinstance(value, (set, frozenset)):
        yield "set"
        yield from sorted("\n".join(_describe(member, seen)) for member in value)
    elif isinstance(value, dict):
        yield from _members("dict", [part for pair in value.items() for part in pair], seen)
    elif isinstance(value, functools.partial):
        yield from _members("partial", [value.func, value.args, value.keywords], seen)
    elif isinstance(value, types.MethodType):
        yield from _members("method", [value.__func__, value.__self__], seen)
    elif isinstance(value, types.FunctionType):
        yield from _describe_function(value, seen)
    elif isinstance(value, type):
        yield from _describe_class(value)
    elif isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType)):
        yield f"builtin {value.__qualname__}"
    elif isinstance(value, types.ModuleType):
        yield f"module {value.__name__}"
    else:
        yield from _describe_class(type(value))
        yield from _members("state", _state(value), seen)


def _members(kind: str, members: Any, seen: set[int]) -> Iterator[str]:
    yield f"{kind} {len(members)}"
    for member in members:
        yield from _describe(member, seen)


def _state(value: Any) -> list[Any]:
    if attrs.has(type(value)):
        return [
            part
            for field in attrs.fields(type(value))
            if field.eq
            for part in (field.name, getattr(value, field.name))
        ]
    return [part for pair in sorted(getattr(value, "__dict__", {}).items()) for part in pair]


def _describe_class(cls: type) -> Iterator[str]:
    """Classes of this library and of C code by name, those of users by their source."""
    package = cls.__module__.partition(".")[0]
    if package in ("dualtable", "builtins") or not _has_source(cls):
        yield f"class {package}.{cls.__qualname__}"
        return
    for base in reversed(cls.__mro__[:-1]):
        if _has_source(base):
            yield inspect.getsource(base)


def _has_source(cls: type) -> bool:
    try:
        return bool(inspect.getsource(cls))
    except (OSError, TypeError):
        return False


def _describe_function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    source, nodes = _source_of(function.__code__)
    yield source
    yield from _members("defaults", [function.__defaults__, function.__kwdefaults__], seen)
    cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    yield from _members("closure", cells, seen)
    for name in sorted(_names(nodes)):
        used = function.__globals__.get(name)
        if _is_of_module(used, function.__module__):
            yield name
            yield from _describe(used, seen)


def _is_of_module(value: object, module: str) -> bool:
    """Tell whether a global is plain data or a function of the same module."""
    if isinstance(value, types.FunctionType):
        return value.__module__ == module
    return isinstance(value, (*_PLAIN, tuple, frozenset)) and value is not None


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _names(nodes: list[ast.AST]) -> set[str]:
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _source_of(code: types.CodeType) -> tuple[str, list[ast.AST]]:
    """Return the source of a function, and its syntax trees.

    Several lambdas on one line cannot be told apart on every Python: all of them count then.
    """
    try:
        lines, _ = inspect.findsource(code)
    except OSError:
        raise TransformError(
            f"the source of {code.co_qualname} cannot be read, so a resumed run could not tell"
            " whether it has changed; state it by hand: Migration(version=…)"
        ) from None
    source = "".join(lines)
    nodes = [node for node in _functions(source) if _begins_at(node, code)]
    return "\n".join(ast.get_source_segment(source, node) or "" for node in nodes), list(nodes)


@functools.lru_cache(maxsize=32)
def _functions(source: str) -> tuple[ast.expr | ast.stmt, ...]:
    kinds = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds))


def _begins_at(node: Any, code: types.CodeType) -> bool:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    name = getattr(node, "name", "<lambda>")
    return bool(first == code.co_firstlineno and name == code.co_name)
