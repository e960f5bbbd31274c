"""What an index shows of a table's items.

The rule: an item is in an index if it has all attributes of the index's key. A tombstone is in none
that is about anything but the table's key; where it is, and its marker is not, the table is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualtable._reading.tables import Tables
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import Index, KeySchema
from dualtable._wire.types import WireItem
from dualtable.errors import RequestRefusedError


def holds(index: Index, item: WireItem) -> bool:
    """Tell whether an item is in an index."""
    return all(name in item for name in index.key.names)


def entry(index: Index, item: WireItem, table_key: KeySchema) -> WireItem:
    """Return what an index has of an item."""
    return {name: value for name, value in item.items() if index.projects(name, table_key)}


def check_projects(
    index: Index | None, names: Iterable[str], table_key: KeySchema, what: str
) -> None:
    """Check that an index has all of the attributes that a filter or a projection is about.

    Raises:
        RequestRefusedError: It has not.
    """
    for name in names:
        if index is not None and not index.projects(name, table_key):
            raise RequestRefusedError(
                f"{what} is about {name!r}, which index {index.name} does not project; get the"
                " items by their keys"
            )


async def alive(tables: Tables, index: Index | None, items: Sequence[WireItem]) -> list[WireItem]:
    """Leave out tombstones that an index shows without their marker."""
    new, marks = tables.new, tables.marks
    if index is None or not index.shows_the_dead(new.key, marks.tombstone):
        return list(items)
    keys = {_identity(tables, item): key_of(item, new.key, new.table) for item in items}
    found = await tables.fetch(new, keys, consistent_read=True)
    dead = {name for name, item in found.items() if marks.is_tombstone(item)}
    return [item for item in items if _identity(tables, item) not in dead]


def _identity(tables: Tables, item: WireItem) -> object:
    return identity(key_of(item, tables.new.key, tables.new.table))
