"""Functions and classes as they are written: their definitions in the text of their files.

The rule: what the text does not show, or not any more, is an error and never a guess.
"""

from __future__ import annotations

import ast
import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs

from dualtable._sources.values import PLAIN
from dualtable.errors import TransformError

_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

STATE_IT = "state it by hand: Migration(version=…)"


@attrs.frozen
class Source:
    """Definitions of functions or classes.

    `segments` has the text of each after that of its decorators, `nodes` all that is inside.
    """

    definitions: tuple[_Definition, ...]
    segments: tuple[str, ...]
    nodes: tuple[ast.AST, ...]

    def methods(self) -> set[str]:
        """Return the names of all functions that are written inside."""
        return {node.name for node in self.nodes if isinstance(node, ast.FunctionDef)}

    def gives(self, name: str, value: Any) -> bool:
        """Tell whether the body of a class gives a name, if not in plain words another value."""
        given = self._given()
        try:
            written = ast.literal_eval(given.get(name) or "")
        except (SyntaxError, TypeError, ValueError):
            return name in given
        is_same = type(written) is type(value) and bool(written == value)
        return is_same or not isinstance(value, PLAIN)  # what is filled was empty there

    def _given(self) -> dict[str, ast.expr | None]:
        """Return what the body of a class gives to each name; None for what is no expression."""
        bodies = [node.body for node in self.definitions if isinstance(node, ast.ClassDef)]
        return {
            name: value
            for body in bodies
            for statement in body
            for name, value in _bound_by(statement)
        }


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name, None
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        yield from (
            (node.id, statement.value) for node in statement.targets if isinstance(node, ast.Name)
        )
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is not None:
            yield statement.target.id, statement.value
    else:
        stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        yield from ((node.id, None) for node in stored if isinstance(node.ctx, ast.Store))


def source_of(value: types.CodeType | type) -> Source:
    """Return the definition of a function or class.

    Several lambdas on one line cannot be told apart on every Python: all of them count then.

    Raises:
        TransformError: There is no text, or the file has changed since it was imported.
    """
    try:
        lines, line = inspect.findsource(value)
    except (OSError, TypeError):
        raise _unreadable(value) from None
    text = "".join(lines)
    first = value.co_firstlineno if isinstance(value, types.CodeType) else line + 1
    name = value.co_name if isinstance(value, types.CodeType) else value.__name__
    found = tuple(node for node in _definitions(text) if _begins(node) == (name, first))
    if not found:
        raise _unreadable(value)
    return Source(
        found,
        tuple(
            ast.get_source_segment(text, node) or ""
            for definition in found
            for node in (*_decorators(definition), definition)
        ),
        tuple(node for definition in found for node in ast.walk(definition)),
    )


def _unreadable(value: Any) -> TransformError:
    name = value.co_qualname if isinstance(value, types.CodeType) else value.__qualname__
    return TransformError(
        f"the source of {name} cannot be read, so a resumed run could not tell whether it has"
        f" changed; {STATE_IT}"
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
