"""What a transform's source amounts to, as a short text that every process agrees on.

The rule: the fingerprint is made of source text, names and plain data, never of addresses, byte
code, hashes or file names, so that it is the same in every process and on every Python version.

What counts: the source of each callable that is given, whatever wraps it (decorators, `partial`,
methods, objects); what it closes over, its defaults, the state of its object; and the functions,
classes and constants of its own package that it names, and those that they name in turn. A module
outside of any package takes those beside it for its own.

What does not count, and is for ``Migration(version=…)`` to say: the inside of other packages, of
Python and of this library; what is looked up by text, such as ``getattr``; what is read while the
transform runs, such as files or the environment. What a transform fills while it runs counts as it
is when the fingerprint is asked for first, unless `functools.cache` keeps it.
"""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from dualtable._sources.classes import (
    closed_over,
    closures,
    field_classes,
    is_made_by_call,
    made_of,
    set_later,
)
from dualtable._sources.packages import (
    imported,
    is_foreign,
    is_own,
    module_of,
    name_of,
    package_of,
    written_in,
)
from dualtable._sources.texts import STATE_IT, Source, source_of
from dualtable._sources.values import BUILTIN, CACHED, PLAIN, TELLING, is_nameless, parts_of
from dualtable._transforms.guarded import told
from dualtable.errors import TransformError

_DEFINED = (types.FunctionType, type, CACHED)


def fingerprint(transform: object) -> str:
    """Return 16 hexadecimal digits that differ where the source of a transform differs.

    Raises:
        TransformError: Some source cannot be read, or some value not be looked into; state
            ``Migration(version=…)`` instead.
    """
    try:
        lines = "\n".join(_describe(transform, _Scope()))
    except TransformError:
        raise
    except Exception as error:
        raise TransformError(
            f"the transform cannot be looked into ({told(error)}), so a resumed run could not tell"
            f" whether it has changed; {STATE_IT}"
        ) from error
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


@attrs.frozen
class _Scope:
    """Where a description has come to.

    `described` are functions and classes whose source is there already and what they are called,
    `above` what the value is inside of, `home` the package whose classes count by their source;
    None before there is one. Functions of another package count by name where they are `named` in a
    source. Where it does not follow, what a source names is left out.
    """

    described: dict[int, str] = attrs.field(factory=dict)
    above: frozenset[int] = frozenset()
    home: str | None = None
    named: bool = False
    follows: bool = True
    sources: dict[int, Source] = attrs.field(factory=dict)

    def begin(self, value: types.FunctionType | type) -> str | None:
        """Note a definition; return what it is called where it has been described already."""
        if id(value) in self.described:
            return self.described[id(value)]
        name = value.__qualname__
        alike = sum(name == called.partition(" ")[0] for called in self.described.values())
        self.described[id(value)] = f"{name} {alike}" if alike else name
        return None

    def source_of(self, value: types.CodeType | type) -> Source:
        """Return the definition of a function or class, which is read once."""
        if id(value) not in self.sources:
            self.sources[id(value)] = source_of(value)
        return self.sources[id(value)]


def _describe(value: object, scope: _Scope) -> Iterator[str]:
    """Yield lines of text that stand for the value."""
    if isinstance(value, enum.Enum):
        yield from _members(f"member {type(value).__qualname__}", [value.name, value.value], scope)
    elif isinstance(value, types.FunctionType):
        yield from _describe_function(value, scope)
    elif isinstance(value, type):
        yield from _describe_class(value, scope)
    elif id(value) in scope.above:
        yield "again"
    elif type(value) in PLAIN:
        yield f"{type(value).__name__} {value!a}"
    else:
        yield from _describe_object(value, _inside(scope, value))


def _inside(scope: _Scope, value: object) -> _Scope:
    return attrs.evolve(scope, above=scope.above | {id(value)})


def _at_home(cls: type, scope: _Scope) -> _Scope:
    return attrs.evolve(scope, home=scope.home or package_of(cls.__module__))


def _describe_object(value: Any, scope: _Scope) -> Iterator[str]:
    """Describe what it is of its own package, and what it is as one of Python's values."""
    own = is_own(type(value), _at_home(type(value), scope).home)
    if own:
        scope = _at_home(type(value), scope)
        yield from _describe_class(type(value), scope)
        yield from _members("state", _state(value), scope)
    if (parts := parts_of(value)) is not None:
        yield from _members(*parts, scope)
    elif isinstance(value, PLAIN):
        yield f"{type(value).__name__} {value!a}"
    elif isinstance(value, (set, frozenset)):
        yield from _unordered("set", ([member] for member in value), scope)
    elif isinstance(value, (dict, types.MappingProxyType)):
        yield from _unordered("dict", value.items(), scope)
    elif isinstance(value, BUILTIN):
        yield from _describe_builtin(value, scope)
    elif isinstance(value, TELLING):
        yield ascii(value)
    elif isinstance(value, types.ModuleType):
        yield f"module {value.__name__}"
    elif not own:
        yield from _describe_foreign(value, scope)


def _members(kind: str, members: Any, scope: _Scope) -> Iterator[str]:
    yield f"{kind} {len(members)}"
    for member in members:
        yield from _describe(member, scope)


def _unordered(kind: str, groups: Iterable[Iterable[Any]], scope: _Scope) -> Iterator[str]:
    """Describe what has no order, or one that depends on hashes, in the order of the text.

    What several of them use is described with the first, by an order that is the same everywhere.
    """

    def text(group: Iterable[Any], scope: _Scope) -> str:
        return "\n".join(line for member in group for line in _describe(member, scope))

    def text_alone(group: Iterable[Any]) -> str:
        return text(group, attrs.evolve(scope, described={**scope.described}, follows=False))

    yield kind
    if scope.follows:
        yield from sorted(text(group, scope) for group in sorted(groups, key=text_alone))
    else:
        yield from sorted(map(text_alone, groups))


def _describe_builtin(value: Any, scope: _Scope) -> Iterator[str]:
    yield f"builtin {value.__qualname__}"
    owner = getattr(value, "__self__", None)
    if not isinstance(owner, types.ModuleType):  # such as the dict of a `dict.get`
        yield from _describe(owner, scope)


# -- functions and classes -----------------------------------------------------------------------


def _describe_function(function: types.FunctionType, scope: _Scope) -> Iterator[str]:
    module = module_of(function, scope.home)
    if is_foreign(module) or (scope.named and not is_own(function, scope.home)):
        yield name_of(function)
        return
    if (called := scope.begin(function)) is not None:
        yield f"again {called}"
        return
    scope = attrs.evolve(scope, home=package_of(module), named=False)
    if is_foreign(written_in(function)):  # what Python has put around one of the package
        yield name_of(function)
        implementations = vars(function).get("registry")  # of a `functools.singledispatch`
        yield from _members("wrapper", [closed_over(function), implementations], scope)
        return
    source = scope.source_of(function.__code__)
    yield from source.segments
    yield from _members("defaults", [function.__defaults__, function.__kwdefaults__], scope)
    yield from _members("closure", closed_over(function), scope)
    yield from _describe_used(source, function.__globals__, scope)


def _describe_class(cls: type, scope: _Scope) -> Iterator[str]:
    """Classes of the own package by their source with that of their bases, others by name."""
    scope = _at_home(cls, scope)
    if not is_own(cls, scope.home):
        yield name_of(cls)
        return
    if (called := scope.begin(cls)) is not None:
        yield f"again {called}"
        return
    for base in cls.__bases__:
        yield from _describe_class(base, scope)
    source = _source_of(cls, scope)
    if source is None:
        yield from _members(f"made {cls.__qualname__}", made_of(cls), scope)
        return
    yield from source.segments
    for member in (vars(cls)[name] for name in sorted(source.methods() & vars(cls).keys())):
        for closure in closures(member):
            yield from _members("closure", closure, scope)
    for name, value in sorted(set_later(cls, source).items()):
        yield from _members(f"set {name}", [value], scope)
    yield from _describe_used(source, vars(sys.modules[cls.__module__]), scope)
    yield from _describe_fields(cls, scope)


def _describe_foreign(value: Any, scope: _Scope) -> Iterator[str]:
    cls = type(value)
    if _is_ours(cls):  # each step is an own beginning
        yield name_of(cls)
        yield from _members("state", _state(value), attrs.evolve(scope, home=None))
    else:
        yield "an object" if is_nameless(value) else f"an object of {name_of(cls)}"


def _describe_used(source: Source, module: Mapping[str, Any], scope: _Scope) -> Iterator[str]:
    """Describe what a source names of its own package."""
    if not scope.follows:
        return
    names = {**module, **imported(source, module, scope.home)}
    used = {
        ast.unparse(node): value
        for node in source.nodes
        if isinstance(node, (ast.Name, ast.Attribute))
        for value in _named(node, names, scope)
    }
    for name, value in sorted(used.items()):
        yield f"name {name}"
        if isinstance(value, _DEFINED) and not is_own(value, scope.home):
            yield name_of(value)
        else:
            is_bound = isinstance(value, (functools.partial, types.MethodType))
            yield from _describe(value, attrs.evolve(scope, named=is_bound))


def _describe_fields(cls: type, scope: _Scope) -> Iterator[str]:
    """Describe classes that types of fields lead to and no name does, such as quoted ones."""
    for found in field_classes(cls) if scope.follows else ():
        if is_own(found, scope.home) and not _is_shown(found, scope):
            yield from _describe_class(found, scope)


def _is_shown(cls: type, scope: _Scope) -> bool:
    """Tell whether the source of a class is there already, if only inside that of another."""
    inside = tuple(f"{called}." for called in scope.described.values())
    return id(cls) in scope.described or cls.__qualname__.startswith(inside)


def _source_of(cls: type, scope: _Scope) -> Source | None:
    """Return the definition of a class; None where it was made by a call that says all of it."""
    if is_made_by_call(cls):
        return None
    try:
        return scope.source_of(cls)
    except TransformError:
        if made_of(cls):
            return None
        raise


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
        if isinstance(value, types.ModuleType) and package_of(value.__name__) == scope.home
    ]


def _state(value: Any) -> list[Any]:
    if attrs.has(type(value)):
        is_step = any(map(_is_ours, type(value).__mro__))
        return [
            part
            for field in attrs.fields(type(value))
            if field.eq or (field.init and not is_step)  # a step derives those from others
            for part in (field.name, getattr(value, field.name))
        ]
    state = value.__getstate__()  # what pickle would keep: attributes and slots
    return list(state) if isinstance(state, tuple) else [state]


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "dualtable"
