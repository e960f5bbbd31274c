"""Where in an item a step works: paths, and what can be done at one in wire form.

The rule: a draft's root belongs to whoever changes it; the maps inside are shared with the item
that it was made from, so each is copied before it is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from dualtable._wire.types import WireItem, WireValue
from dualtable.errors import TransformError

Path: TypeAlias = tuple[str, ...]


def to_path(value: str | Sequence[str]) -> Path:
    names = value.split(".") if isinstance(value, str) else value
    path = tuple(names) if isinstance(names, Iterable) else ()
    if not path or not all(isinstance(name, str) and name for name in path):
        raise TransformError(
            f"{value!r} is no path; write 'customer.region', or ('a.b', 'c') for names with dots"
        )
    return path


def to_name(value: str) -> str:
    if not isinstance(value, str) or not value:
        raise TransformError(f"{value!r} is no name of an attribute; it must be a text")
    return value


def path_text(path: Path) -> str:
    return repr(path) if any("." in name for name in path) else repr(".".join(path))


def get_at(members: Mapping[str, WireValue], path: Path) -> WireValue | None:
    """Return the value at the path, or None where there is none."""
    for name in path[:-1]:
        members = members.get(name, {}).get("M", {})
    return members.get(path[-1])


def _owned(draft: WireItem, name: str, path: Path) -> WireItem:
    """Put a copy of an inner map, or a new one, in the place of what is there; return its members.

    A draft's root belongs to whoever changes it; the maps inside are shared with the item that it
    was made from, so each is copied before it is changed.
    """
    inner = draft.get(name, {"M": {}})
    if "M" not in inner:
        raise TransformError(f"cannot set {path_text(path)}: {name!r} is no map in this item")
    members: WireItem = {**inner["M"]}
    draft[name] = {"M": members}
    return members


def put_at(draft: WireItem, path: Path, value: WireValue) -> None:
    """Set the value at the path."""
    for name in path[:-1]:
        draft = _owned(draft, name, path)
    draft[path[-1]] = value


def take_at(draft: WireItem, path: Path) -> None:
    """Remove what the path leads to, which must be there."""
    for name in path[:-1]:
        draft = _owned(draft, name, path)
    del draft[path[-1]]


def move(draft: WireItem, source: Path, target: Path, name: object) -> None:
    value = get_at(draft, source)
    if value is None:
        return
    if get_at(draft, target) is not None:
        raise TransformError(
            f"{name!r}: {path_text(target)} exists already; Drop or Rename it in an earlier step"
        )
    take_at(draft, source)
    put_at(draft, target, value)
