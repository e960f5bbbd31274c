"""An item made ready to be sent: its values as JSON, written once.

The rule: what waits to be written waits in this form. As JSON an item takes little more than its
size; the objects that it was made of take twelve times as much, and can go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import attrs

from dualtable._wire.json import from_json, kept, to_json
from dualtable._wire.sizes import item_bytes, write_units
from dualtable._wire.types import WireItem

_SHAPES = 1024  # kept at most: most tables have a few


@attrs.frozen
class Shape:
    """What all items with the same names have in common; made once.

    Args:
        names: In order.
        joined: The same as one text, in UTF-8.
        values_of: Returns an item's values as it keeps them, in the order of the names.
    """

    names: tuple[str, ...]
    joined: bytes
    values_of: Callable[[dict[str, Any]], Sequence[Any]] = attrs.field(eq=False)


@functools.lru_cache(_SHAPES)
def _shape(unordered: frozenset[str]) -> Shape:
    names = tuple(sorted(unordered))
    joined = "\0".join(names).encode()
    if len(names) > 1:
        return Shape(names, joined, itemgetter(*names))
    return Shape(names, joined, lambda item: [item[name] for name in names])


@attrs.frozen
class PackedItem:
    """An item by its names, sorted, and the JSON list of their values.

    Sorted, because DynamoDB gives the names of an item in any order, and one statement is for all
    items with the same names. What is inside of a value comes in the order that it came in.
    """

    shape: Shape
    values: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its attributes, in order."""
        return self.shape.names

    @classmethod
    def of(cls, item: WireItem) -> PackedItem:
        """Pack an item."""
        values = kept(item)
        shape = _shape(frozenset(values))
        return cls(shape, to_json(shape.values_of(values)))

    def item(self) -> WireItem:
        """Unpack the item."""
        return dict(zip(self.names, from_json(self.values), strict=True))

    def size(self) -> int:
        """Return the item's size as DynamoDB counts it; it must be unpacked for that."""
        return item_bytes(self.item())

    def json_bytes(self) -> int:
        """Return how long the item is as JSON, at least as long as DynamoDB counts it."""
        return len(self.values) + len(self.shape.joined)


def batch_write_units(items: Sequence[PackedItem]) -> float:
    """Return about what it costs to write items, without unpacking each.

    Of those with the same names one is measured; the others are larger by as much as their JSON is.
    """
    surplus: dict[tuple[str, ...], int] = {}
    units = 0
    for item in items:
        if item.names not in surplus:
            surplus[item.names] = len(item.values) - item.size()
        units += write_units(len(item.values) - surplus[item.names])
    return float(units)
