"""Some items of a table, the same ones looked at again.

The rule: a sample costs a few pages whatever the table's size, and what it shows is so; what it
does not show may be so all the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs

from dualtable._dynamodb.gateway import Gateway
from dualtable._tasks import run_all
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import Description, WireItem
from dualtable._wire.values import equal_items

_PAGES = 4
_PAGE_ITEMS = 100
_MOST_SEGMENTS = 10_000


@attrs.frozen
class Places:
    """Where a sample is taken: the first pages of some segments."""

    segments: tuple[int, ...]
    total_segments: int

    @classmethod
    def of(cls, table: Description) -> Places:
        """Choose at random; of a small table, all of it."""
        total = min(_MOST_SEGMENTS, max(1, int(table.get("ItemCount", 0)) // _PAGE_ITEMS))
        return cls(tuple(random.sample(range(total), min(_PAGES, total))), total)


@attrs.frozen
class Sample:
    """The items at some places, by their keys."""

    items: Mapping[Any, WireItem]

    def untouched(self, marks: Marks) -> int:
        """Return how many carry no write token."""
        return sum(marks.token_of(item) is None for item in self.items.values())

    def written_without(self, marks: Marks, later: Sample) -> int:
        """Return how many were written since by somebody who gave them no new token.

        Keys that were absent from one of the two do not count: a page may end elsewhere.
        """
        return sum(
            not equal_items(item, later.items[key])
            and marks.token_of(later.items[key]) in (None, marks.token_of(item))
            for key, item in self.items.items()
            if key in later.items
        )


async def take(gateway: Gateway, table: Description, places: Places) -> Sample:
    """Read a sample, strongly consistent."""
    keys = layout(table)
    pages = await run_all(
        gateway.scan(
            keys.table,
            segment=segment,
            total_segments=places.total_segments,
            limit=_PAGE_ITEMS,
            consistent_read=True,
        )
        for segment in places.segments
    )
    items = [item for page in pages for item in page.items]
    return Sample({identity(key_of(item, keys.key, keys.table)): item for item in items})
