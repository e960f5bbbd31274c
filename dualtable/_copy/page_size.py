"""In how many segments the old table is scanned, and how many items are read of one at once.

The rule: what all pages on their way hold together is bounded twice. By memory; and by time, since
a page takes as long as its writes: too long for a stop, a lease or a checkpoint to be worth
anything where the rates are low.
"""

from __future__ import annotations

import math

import attrs

from dualtable._control.capacity import Paces
from dualtable._wire.sizes import write_units
from dualtable._wire.types import Description

_MOST_BYTES = 8 * 2**20  # of old items, on their way together
_MOST_SECONDS = 5.0
_MOST_ITEMS = 5_000
_LIKELY_ITEM_BYTES = 2_000  # where DynamoDB does not know yet
_TELLING_ITEMS = 100
_READ_UNIT_BYTES = 8_192  # of an eventually consistent scan

_GIGABYTE = 2**30
_MOST_SEGMENTS = 10_000
_LEAST_SEGMENTS_EACH = 4  # of `concurrency`
_HANDY_SEGMENTS_EACH = 64  # of `concurrency`: the last ones of a run are on few partitions
_HANDY_SEGMENT_BYTES = 4 * 2**20


def default_segments(old: Description, concurrency: int) -> int:
    """Return in how many segments a table is scanned where nobody says it."""
    size = int(old.get("TableSizeBytes", 0))
    handy = min(_HANDY_SEGMENTS_EACH * concurrency, size // _HANDY_SEGMENT_BYTES)
    wanted = max(_LEAST_SEGMENTS_EACH * concurrency, handy, -(-size // _GIGABYTE))
    return min(_MOST_SEGMENTS, wanted)


@attrs.define
class PageSize:
    """The most items of a page.

    Args:
        given: What the caller asks for; None for what fits.
        told_bytes: Average size of an old item; None where DynamoDB does not know yet. Then it is
            learned from what pages are billed.
        pages: How many pages are on their way at once.
        paces: How fast they are read and written.
    """

    given: int | None
    told_bytes: int | None
    pages: int
    paces: Paces
    _seen_items: int = attrs.field(init=False, default=0)
    _seen_bytes: float = attrs.field(init=False, default=0.0)

    def note(self, items: int, read_units: float) -> None:
        """Take note of a page; one without items tells nothing of their size."""
        if items and read_units:
            self._seen_items += items
            self._seen_bytes += read_units * _READ_UNIT_BYTES

    @property
    def item_bytes(self) -> float:
        """Average size of an old item, as far as it is known."""
        if self.told_bytes is not None:
            return self.told_bytes
        if self._seen_items < _TELLING_ITEMS:
            return _LIKELY_ITEM_BYTES
        return self._seen_bytes / self._seen_items

    def items(self, empty_pages: int) -> int:
        """Return the most items of the next page, after so many empty ones in a row.

        A limit counts what DynamoDB walks over, found or not; so it grows where nothing is found.
        """
        if self.given is not None:
            return self.given
        item_bytes = self.item_bytes
        by_memory = _MOST_BYTES / item_bytes
        by_reads = self.paces.reads.rate * _MOST_SECONDS * _READ_UNIT_BYTES / item_bytes
        by_writes = self.paces.writes.rate * _MOST_SECONDS / write_units(math.ceil(item_bytes))
        fitting = min(by_memory, by_reads, by_writes) / self.pages
        return int(max(1, min(fitting * 4.0 ** min(empty_pages, 10), _MOST_ITEMS)))


def told_item_bytes(table: Description) -> int | None:
    """Return the average size of a table's items; None where DynamoDB does not know yet."""
    items, size = table.get("ItemCount", 0), table.get("TableSizeBytes", 0)
    return max(1, size // items) if items and size else None


def average_item_bytes(table: Description) -> int:
    """Return the average size of a table's items, or a likely one."""
    return told_item_bytes(table) or _LIKELY_ITEM_BYTES
