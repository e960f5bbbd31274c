"""How many old items are read at once.

The rule: what all pages on their way hold together is bounded twice. By memory; and by time, since
a page takes as long as its writes: too long for a stop, a lease or a checkpoint to be worth
anything where the rates are low.
"""

from __future__ import annotations

import attrs

from dualtable._control.capacity import Paces
from dualtable._wire.sizes import write_units
from dualtable._wire.types import Description

_MOST_BYTES = 8 * 2**20  # of old items, on their way together
_MOST_SECONDS = 5.0
_MOST_ITEMS = 5_000
_LIKELY_ITEM_BYTES = 2_000  # where DynamoDB does not know yet
_READ_UNIT_BYTES = 8_192  # of an eventually consistent scan


@attrs.frozen
class PageSize:
    """The most items of a page.

    Args:
        given: What the caller asks for; None for what fits.
        item_bytes: Average size of an old item.
        pages: How many pages are on their way at once.
        paces: How fast they are read and written.
    """

    given: int | None
    item_bytes: int
    pages: int
    paces: Paces

    def items(self, empty_pages: int) -> int:
        """Return the most items of the next page, after so many empty ones in a row.

        A limit counts what DynamoDB walks over, found or not; so it grows where nothing is found.
        """
        if self.given is not None:
            return self.given
        by_memory = _MOST_BYTES / self.item_bytes
        by_reads = self.paces.reads.rate * _MOST_SECONDS * _READ_UNIT_BYTES / self.item_bytes
        by_writes = self.paces.writes.rate * _MOST_SECONDS / write_units(self.item_bytes)
        fitting = min(by_memory, by_reads, by_writes) / self.pages
        return int(max(1, min(fitting * 4.0 ** min(empty_pages, 10), _MOST_ITEMS)))


def average_item_bytes(table: Description) -> int:
    """Return the average size of a table's items, as far as DynamoDB knows."""
    items, size = table.get("ItemCount", 0), table.get("TableSizeBytes", 0)
    return max(1, size // items) if items and size else _LIKELY_ITEM_BYTES
