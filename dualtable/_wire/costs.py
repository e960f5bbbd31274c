"""What it costs to put a new item, its indexes included.

The rule: an index takes part where the item has all of its key attributes, and is paid for what it
holds of the item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

from __future__ import annotations

from collections.abc import Iterator

from dualtable._wire.layouts import Layout
from dualtable._wire.sizes import item_bytes, write_units
from dualtable._wire.types import WireItem


def insert_units(item: WireItem, table: Layout) -> int:
    """Return the write units of putting an item whose key is not there yet."""
    entries = (entry for _, entry in index_entries(item, table))
    return write_units(item_bytes(item)) + sum(write_units(item_bytes(e)) for e in entries)


def index_entries(item: WireItem, table: Layout) -> Iterator[tuple[str, WireItem]]:
    """Yield what each index holds of an item, with the index's name."""
    for name, index in table.indexes.items():
        if all(key in item for key in index.key.names):
            yield name, {n: value for n, value in item.items() if index.projects(n, table.key)}
