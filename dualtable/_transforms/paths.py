"""Where in an item a step works: paths, and what can be done at one in wire form.

The rule: a draft's root belongs to whoever changes it; the maps and lists inside are shared with
the item that it was made from, so each is copied before it is changed. What is taken out of a list
leaves no gap, as in DynamoDB, and what is put back there makes room for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from dualtable._wire.codec import check_nesting
from dualtable._wire.json import opened
from dualtable._wire.paths import Path as DocumentPath
from dualtable._wire.paths import as_name, document_path, get_at
from dualtable._wire.types import WireItem, WireValue
from dualtable.errors import TransformError

Path: TypeAlias = tuple[str | int, ...]
_Holder: TypeAlias = Any  # the members of a map by name, or of a list by position

_KINDS = {"M": "map", "L": "list"}


def to_path(value: str | Sequence[str | int]) -> Path:
    """Return the names and positions that a path is made of.

    Raises:
        TransformError: It is no path.
    """
    if isinstance(value, str):
        found = document_path(value)
        path: Path = () if found is None else found.steps
    else:
        steps = value if isinstance(value, Iterable) else ()
        path = tuple(as_name(step) if isinstance(step, str) else step for step in steps)
    if not path or not isinstance(path[0], str) or not all(map(_is_step, path)):
        raise TransformError(
            f"{value!r} is no path; write 'customer.region' or 'lines[0].sku', or a tuple such as"
            " ('a.b', 'c', 0) for names with dots or brackets"
        )
    return path


def _is_step(step: object) -> bool:
    return step >= 0 if type(step) is int else isinstance(step, str) and step != ""


def to_name(value: str | Sequence[str | int]) -> str:
    """Return a name that is written as a path of one step.

    Raises:
        TransformError: It is no name, or a path of several steps.
    """
    name, *more = to_path(value)
    if more or not isinstance(name, str):
        raise TransformError(
            f"{value!r} is a path and no name: an attribute is renamed where it is, so write its"
            f" last name alone, or Move it; a name with dots or brackets is written ({value!r},)"
        )
    return name


def path_text(path: Path) -> str:
    """Return a path as its author would write it."""
    text = str(DocumentPath(path))
    found = document_path(text)
    return repr(text if found is not None and found.steps == path else path)


def check_named(step: object, path: Path) -> None:
    """Raise `TransformError` where a path leads to a member of a list, which has no name."""
    if not isinstance(path[-1], str):
        raise TransformError(f"{step!r}: {path_text(path)} has a position and no name; Move it")


def check_apart(step: object, source: Path, target: Path) -> None:
    """Raise `TransformError` where taking from a list would shift what the other path means."""
    for one, other in ((source, target), (target, source)):
        if isinstance(one[-1], int) and other[: len(one) - 1] == one[:-1]:
            raise TransformError(
                f"{step!r}: both paths lead into one list, and a move shifts its positions; write"
                " a function"
            )


def put_at(draft: WireItem, path: Path, value: WireValue, *, make_room: bool = False) -> None:
    """Set the value at the path, or let it make room for itself in a list.

    Raises:
        TransformError: Something on the way is no map or list, or a list would get a gap.
        InvalidItemError: It would be nested deeper there than DynamoDB allows.
    """
    if len(path) > 1:
        check_nesting(opened(value), len(path) - 1)
    holder, last = _holder(draft, path), path[-1]
    if isinstance(last, str):
        holder[last] = value
    elif last > len(holder):
        raise TransformError(
            f"cannot set {path_text(path)}: the list has {len(holder)} members in this item"
        )
    else:
        holder[last : last + (not make_room)] = [value]


def take_at(draft: WireItem, path: Path) -> None:
    """Remove what the path leads to, which must be there."""
    del _holder(draft, path)[path[-1]]


def has_place(draft: WireItem, path: Path) -> bool:
    """Tell whether there is a map, or a list of that length, to put something back into."""
    if len(path) == 1:
        return True
    holder, last = get_at(draft, path[:-1]) or {}, path[-1]
    if isinstance(last, str):
        return "M" in holder
    return "L" in holder and last <= len(holder["L"])


def goes_through(draft: WireItem, path: Path) -> bool:
    """Tell whether the members of lists that a path goes through are there."""
    positions = (n for n, step in enumerate(path[:-1]) if not isinstance(step, str))
    return all(get_at(draft, path[: n + 1]) is not None for n in positions)


def prune(draft: WireItem, path: Path) -> None:
    """Remove the maps on a path that are empty, from the innermost on; a member of a list stays."""
    for depth in range(len(path) - 1, 0, -1):
        on_the_way = path[:depth]
        if not isinstance(on_the_way[-1], str) or get_at(draft, on_the_way) != {"M": {}}:
            return
        take_at(draft, on_the_way)


def move(
    draft: WireItem,
    source: Path,
    target: Path,
    name: object,
    *,
    make_room: bool = False,
    prunes: bool = False,
) -> None:
    """Move what is at one path to another; one that is taken already is refused.

    With `prunes`, no map that it leaves empty stays.

    Raises:
        TransformError: The target is there already, or cannot be.
    """
    value = get_at(draft, source)
    if value is None:
        return
    take_at(draft, source)
    if prunes or source[: len(target)] == target:  # what the source was in is replaced by it
        prune(draft, source)
    is_taken = source == target or get_at(draft, target) is not None
    if is_taken and not (make_room and isinstance(target[-1], int)):
        raise TransformError(
            f"{name!r}: {path_text(target)} exists already; Drop or Rename it in an earlier step"
        )
    put_at(draft, target, value, make_room=make_room)


def _holder(draft: WireItem, path: Path) -> _Holder:
    """Return the map or list that the last step leads into, as a copy that is the draft's own."""
    holder: _Holder = draft
    for depth, step in enumerate(path[:-1]):
        tag = "M" if isinstance(path[depth + 1], str) else "L"
        is_name = isinstance(step, str)
        inner = holder.get(step) if is_name else _listed(holder, step)
        if inner is None:
            if not is_name:
                raise TransformError(
                    f"cannot set {path_text(path)}: there is no {path_text(path[: depth + 1])} in"
                    " this item"
                )
            own: _Holder = {} if tag == "M" else []
        elif tag in inner:
            own = inner[tag].copy()
        else:
            raise TransformError(
                f"cannot set {path_text(path)}: {path_text(path[: depth + 1])} is no"
                f" {_KINDS[tag]} in this item"
            )
        holder[step] = {tag: own}
        holder = own
    return holder


def _listed(members: Sequence[WireValue], position: Any) -> WireValue | None:
    return members[position] if position < len(members) else None
