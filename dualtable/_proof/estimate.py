"""What a verification will cost, said before it begins.

The rule: it follows from what DynamoDB knows of both tables, which is six hours old at most.
"""

from __future__ import annotations

import attrs

from dualtable._proof.findings import Level
from dualtable._wire.sizes import read_units
from dualtable._wire.types import Description

_PAGE_UNIT_BYTES = 8_192  # of an eventually consistent scan
_MOST_BYTES = 8 * 2**20  # of items on their way together
_LIKELY_ITEM_BYTES = 2_000  # where DynamoDB does not know yet


@attrs.frozen
class Estimate:
    """How many items will be read by scans, and what that and looking them up costs.

    The scan of a table costs its size; an item that is looked up costs its own size, rounded up.
    """

    items: int
    read_units: float
    item_bytes: int

    @classmethod
    def of(cls, old: Description, new: Description, level: Level) -> Estimate:
        """Estimate a verification at a level."""
        olds, news = int(old.get("ItemCount", 0)), int(new.get("ItemCount", 0))
        old_bytes, new_bytes = _bytes(old), _bytes(new)
        units = olds * (old_bytes / _PAGE_UNIT_BYTES + _look(new_bytes))
        if level == "content":
            units += news * (new_bytes / _PAGE_UNIT_BYTES + _look(old_bytes))
        items = olds + news if level == "content" else olds
        return cls(items, round(units, 1), max(old_bytes, new_bytes))

    def shown(self) -> dict[str, float]:
        """Return what there is to say beforehand."""
        return {"items_about": self.items, "read_units_about": self.read_units}

    def page_items(self, pages: int) -> int:
        """Return how many items are read at once, where so many pages are on their way."""
        return int(max(100, min(_MOST_BYTES / self.item_bytes / pages, 1_000)))


def _bytes(table: Description) -> int:
    items, size = int(table.get("ItemCount", 0)), int(table.get("TableSizeBytes", 0))
    return max(1, size // items) if items and size else _LIKELY_ITEM_BYTES


def _look(item_bytes: int) -> float:
    return read_units(item_bytes, consistent_read=False)
