"""Parts of an item, by their paths.

The rule: no path of a list may overlap with another. What is cut out keeps its place in maps; the
members of a list close up.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ProjectionExpressions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import attrs

from dualtable._expressions.grammar import Placeholders
from dualtable._wire.paths import Path, document_path
from dualtable._wire.types import WireItem, WireValue
from dualtable._wire.values import refused
from dualtable.errors import RequestRefusedError

_Branches: TypeAlias = dict[str | int, Any]  # step -> what is wanted inside; empty: all of it


@attrs.frozen
class Projection:
    """The paths of a projection expression."""

    paths: Sequence[Path]

    def __attrs_post_init__(self) -> None:
        check_apart(self.paths)

    @property
    def roots(self) -> set[str]:
        """The names of the attributes that they begin with."""
        return {root for path in self.paths if isinstance(root := path.steps[0], str)}

    def apply(self, item: WireItem) -> WireItem:
        """Return what the item has at these paths."""
        wanted: _Branches = {}
        for path in self.paths:
            inside = wanted
            for step in path.steps:
                inside = inside.setdefault(step, {})
        return dict(_members(item, wanted))


def projection_of(paths: Iterable[str], given: Placeholders) -> Projection:
    """Return the projection on paths such as ``customer.region``, ``lines[0]`` or ``#c.region``.

    A step that begins with ``#`` is a placeholder where any names are given, and else a name.

    Raises:
        RequestRefusedError: One is no path, or two overlap; a placeholder is not defined.
    """
    return Projection([_path(text, given) for text in paths])


def _path(text: str, given: Placeholders) -> Path:
    path = document_path(text) if isinstance(text, str) else None
    if path is None:
        raise RequestRefusedError(f"{text!r} is no path; write 'customer.region' or 'lines[0]'")
    return given.path([_named(step, given) for step in path.steps] if given.names else path.steps)


def _named(step: str | int, given: Placeholders) -> str | int:
    return given.name(step) if isinstance(step, str) and step.startswith("#") else step


def check_apart(paths: Iterable[Path]) -> None:
    """Raise `RequestRefusedError` where two paths overlap or cannot both be."""
    for one, other in combinations(paths, 2):
        for step, twin in zip(one.steps, other.steps, strict=False):
            if isinstance(step, str) is not isinstance(twin, str):
                raise refused(f"the paths {one} and {other} conflict")
            if step != twin:
                break
        else:
            raise refused(f"the paths {one} and {other} overlap")


def _members(members: WireItem, wanted: _Branches) -> Iterator[tuple[str, WireValue]]:
    for name, inside in wanted.items():
        if isinstance(name, str) and name in members:
            found = _cut(members[name], inside)
            if found is not None:
                yield name, found


def _cut(value: WireValue, wanted: _Branches) -> WireValue | None:
    if not wanted:
        return value
    if "M" in value:
        named = dict(_members(value["M"], wanted))
        return {"M": named} if named else None
    if "L" in value:
        listed = list(_elements(value["L"], wanted))
        return {"L": listed} if listed else None
    return None


def _elements(elements: list[WireValue], wanted: _Branches) -> Iterator[WireValue]:
    for position, element in enumerate(elements):
        if position in wanted:
            found = _cut(element, wanted[position])
            if found is not None:
                yield found
