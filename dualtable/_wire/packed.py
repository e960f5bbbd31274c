"""An item made ready to be sent: its values as JSON, written once.

The rule: what waits to be written waits in this form. As JSON an item takes little more than its
size; the objects that it was made of take twelve times as much, and can go.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import orjson

from dualtable._wire.sizes import MAX_CHARACTER_BYTES, item_bytes, write_units
from dualtable._wire.types import WireItem


@attrs.frozen
class PackedItem:
    """An item by its names, sorted, and the JSON list of their values, whose names are sorted, too.

    Sorted, because DynamoDB gives the names of an item in any order.
    """

    names: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, item: WireItem) -> PackedItem:
        """Pack an item."""
        names = tuple(sorted(item))
        return cls(names, orjson.dumps([item[name] for name in names], option=orjson.OPT_SORT_KEYS))

    def item(self) -> WireItem:
        """Unpack the item."""
        return dict(zip(self.names, orjson.loads(self.values), strict=True))

    def size(self) -> int:
        """Return the item's size as DynamoDB counts it; it must be unpacked for that."""
        return item_bytes(self.item())

    def json_bytes(self) -> int:
        """Return how long the item is as JSON, at most: the names are counted by characters."""
        return len(self.values) + MAX_CHARACTER_BYTES * sum(map(len, self.names))


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
