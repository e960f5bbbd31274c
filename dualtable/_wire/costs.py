"""What it costs to put a new item, its indexes included.

The rule: an index takes part where the item has all of its key attributes, and is paid for what it
holds of the item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

from __future__ import annotations

from dualtable._wire.layouts import Index, Layout
from dualtable._wire.sizes import item_bytes, write_units
from dualtable._wire.types import WireItem


def insert_units(item: WireItem, table: Layout) -> int:
    """Return the write units of putting an item whose key is not there yet."""
    units = write_units(item_bytes(item))
    for index in table.indexes.values():
        if all(name in item for name in index.key.names):
            units += write_units(item_bytes(_held(item, index, table)))
    return units


def _held(item: WireItem, index: Index, table: Layout) -> WireItem:
    return {name: value for name, value in item.items() if index.projects(name, table.key)}
