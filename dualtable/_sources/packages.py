"""Which package something is of, and what is imported of the own one while it runs.

The rule: home is a package, or the folder of a module outside of any; Python and this library are
foreign everywhere.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from dualtable._sources.texts import Source


def name_of(value: Any) -> str:
    """Return the name of a function or class, which says where in its package it is no more."""
    return f"{str(value.__module__).partition('.')[0]}.{value.__qualname__}"


def is_foreign(module: str) -> bool:
    """Tell whether a module is of Python or of this library."""
    package = module.partition(".")[0]
    return package == "dualtable" or package in sys.stdlib_module_names


def is_own(value: Any, home: str | None) -> bool:
    """Tell whether a function or class is of the package that is home."""
    is_function = isinstance(value, types.FunctionType)
    module = module_of(value, home) if is_function else str(value.__module__)
    return not is_foreign(module) and package_of(module) == home


def package_of(module: str) -> str:
    """Return what tells which modules belong together: a package, or the folder of a module."""
    found = sys.modules.get(module)
    package = getattr(found, "__package__", None)
    if package:
        return str(package).partition(".")[0]
    file = getattr(found, "__file__", None)
    return _folder(file) if file else module


def module_of(function: types.FunctionType, home: str | None) -> str:
    """Return the module that a function counts to; `wraps` says that of what is wrapped."""
    said, written = str(function.__module__), written_in(function)
    return written if is_foreign(said) or package_of(written) == home else said


def written_in(function: types.FunctionType) -> str:
    """Return the module that has the text of a function."""
    return str(function.__globals__.get("__name__", function.__module__))


def imported(source: Source, module: Mapping[str, Any], home: str | None) -> dict[str, Any]:
    """Return what a source of a module imports of the own package when it runs, by its names."""
    return {
        name: value
        for node in source.nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name, value in _bound_by(node, str(module.get("__package__")), home)
        if value is not None
    }


def _bound_by(
    node: ast.Import | ast.ImportFrom, package: str, home: str | None
) -> Iterator[tuple[str, Any]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield alias.asname or alias.name, _attribute(origin, alias.name, home)
        else:
            first = alias.name.partition(".")[0]
            loaded = _own_module(alias.name, home)
            yield alias.asname or first, loaded if alias.asname else loaded and sys.modules[first]


def _attribute(module: str, name: str, home: str | None) -> Any:
    loaded = _own_module(module, home)
    if loaded is not None and not hasattr(loaded, name):
        return _own_module(f"{module}.{name}", home)
    return getattr(loaded, name, None)


def _own_module(name: str, home: str | None) -> types.ModuleType | None:
    if _is_at_home(name, home):
        with suppress(ImportError):
            return importlib.import_module(name)
    return None


def _is_at_home(name: str, home: str | None) -> bool:
    """Tell whether a module is of the own package, without importing it."""
    package = name.partition(".")[0]
    if is_foreign(package) or package in sys.modules:
        return not is_foreign(package) and package_of(package) == home
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or spec.submodule_search_locations is not None:
        return package == home
    return _folder(spec.origin) == home


def _folder(file: str) -> str:
    return os.path.dirname(os.path.abspath(file))
