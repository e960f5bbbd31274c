"""What one item has otherwise than another, and a third one changed alike.

The rule: a map is looked into, everything else is equal or not as a whole: sets without order,
numbers by value. What both have alike is left as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TypeAlias

from dualtable._wire.paths import Path
from dualtable._wire.types import WireItem, WireValue
from dualtable._wire.values import equal

Difference: TypeAlias = tuple[tuple[str, ...], WireValue | None]
"""A path of names, and the value that the second item has there; None for none."""


def differences(
    before: Mapping[str, WireValue], after: Mapping[str, WireValue]
) -> Iterator[Difference]:
    """Yield what must be set or taken away to make the second item of the first."""
    for name in before.keys() - after.keys():
        yield (name,), None
    for name, value in after.items():
        old = before.get(name)
        if old is None:
            yield (name,), value
        elif "M" in old and "M" in value:
            yield from (((name, *path), inner) for path, inner in differences(old["M"], value["M"]))
        elif not equal(old, value):
            yield (name,), value


def changed(
    item: Mapping[str, WireValue],
    before: Mapping[str, WireValue],
    after: Mapping[str, WireValue],
) -> WireItem:
    """Return an item with what differs between two others; the rest of it stays."""
    result = dict(item)
    for path, value in differences(before, after):
        _set(result, path, value)
    return result


def _set(members: WireItem, path: tuple[str, ...], value: WireValue | None) -> None:
    """Set or take away what a path leads to; maps on the way are copied, or made."""
    *parents, name = path
    for parent in parents:
        inner = dict(members.get(parent, {}).get("M", {}))
        members[parent] = {"M": inner}
        members = inner
    if value is None:
        members.pop(name, None)
    else:
        members[name] = value


def differing_paths(one: Mapping[str, WireValue], other: Mapping[str, WireValue]) -> list[str]:
    """Return where two items differ, in DynamoDB's notation and in order, and never what is there.

    Lists are looked into as well, position by position.
    """
    return sorted(str(Path(steps)) for steps in _apart(one, other))


def _apart(
    one: Mapping[str, WireValue], other: Mapping[str, WireValue]
) -> Iterator[tuple[str | int, ...]]:
    for name in one.keys() | other.keys():
        for steps in _inside(one.get(name), other.get(name)):
            yield (name, *steps)


def _inside(one: WireValue | None, other: WireValue | None) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to each difference inside of two values; the empty one for the values."""
    if one is None or other is None:
        yield ()
    elif "M" in one and "M" in other:
        yield from _apart(one["M"], other["M"])
    elif "L" in one and "L" in other:
        for position, (left, right) in enumerate(zip_longest(one["L"], other["L"])):
            yield from ((position, *steps) for steps in _inside(left, right))
    elif not equal(one, other):
        yield ()
