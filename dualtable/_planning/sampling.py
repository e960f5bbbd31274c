"""Pages of random segments of the old table, and what reading them may cost at most.

The rule: a sample has a budget, known before the first request. Segments are small and read from
end to end, so that each item of the table has the same chance; where the budget is enough for all
of them, the sample is the table and nothing is extrapolated.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import attrs

from dualtable._copy.page_size import average_item_bytes
from dualtable._dynamodb.gateway import Gateway
from dualtable._wire.types import Description, WireItem, WireKey

SAMPLE_SHARE = 0.02
"""Of the table's read units, what a sample may cost."""

LEAST_UNITS = 1_024.0
"""Read units that a sample may cost in any case: 8 MB, a hundredth of a cent."""

MOST_UNITS = 4_096.0
"""Read units that no sample needs more of: 32 MB, some ten thousand items."""

_SCAN_UNIT_BYTES = 8_192  # of an eventually consistent scan
_SEGMENT_BYTES = 2**16
_PAGE_UNITS = 128.5  # of the largest page that DynamoDB returns, 1 MB and an item
_MOST_SEGMENTS = 1_000_000


@attrs.frozen
class SampleSize:
    """How much is read: read units at most, out of so many segments, of items of about a size."""

    most_units: float
    total_segments: int
    item_bytes: float

    @classmethod
    def of(cls, table: Description, most_units: float | None = None) -> SampleSize:
        """Choose by a table's size; `most_units` sets the bounds aside."""
        each = average_item_bytes(table)
        size = each * int(table.get("ItemCount", 0))
        share = size / _SCAN_UNIT_BYTES * SAMPLE_SHARE
        bounded = min(max(share, LEAST_UNITS), MOST_UNITS) if most_units is None else most_units
        return cls(
            most_units=bounded,
            total_segments=min(max(1, size // _SEGMENT_BYTES), _MOST_SEGMENTS),
            item_bytes=each,
        )

    def page_items(self, left: float) -> int:
        """Return how many items are read at once, with so many units left."""
        return max(1, int(min(left, _PAGE_UNITS) * _SCAN_UNIT_BYTES / self.item_bytes))


@attrs.frozen
class SampledSegment:
    """What was read of one segment, and whether that is all of it."""

    items: Sequence[WireItem]
    read_units: float
    whole: bool


async def sampled(
    gateway: Gateway, table: str, size: SampleSize, chance: random.Random
) -> AsyncIterator[SampledSegment]:
    """Yield segments at random until all are read, or the next page might exceed the budget."""
    left = size.most_units
    fitting = int(size.most_units) + 1  # each costs half a unit at least
    for segment in chance.sample(range(size.total_segments), min(size.total_segments, fitting)):
        found = await _segment(gateway, table, size, segment, left)
        left -= found.read_units
        yield found
        if not _affords(left, size):
            return


def _affords(left: float, size: SampleSize) -> bool:
    """Tell whether another page fits, as far as one page's cost is known before."""
    return left >= min(_PAGE_UNITS, max(0.5, size.most_units / 4))


async def _segment(
    gateway: Gateway, table: str, size: SampleSize, segment: int, left: float
) -> SampledSegment:
    items: list[WireItem] = []
    units = 0.0
    start_key: WireKey | None = None
    while True:
        page = await gateway.scan(
            table,
            segment=segment,
            total_segments=size.total_segments,
            start_key=start_key,
            limit=size.page_items(left - units),
        )
        items += page.items
        units += page.read_units
        start_key = page.last_key
        if start_key is None or not _affords(left - units, size):
            return SampledSegment(items, units, start_key is None)
