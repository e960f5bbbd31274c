"""The read units of a copy, a verification and a restart.

The rule: a scan is paid by page, each rounded up, so pages are counted as the migrator cuts them:
by its own number of segments and of items of a page.
"""

from __future__ import annotations

import math

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._copy.page_size import PageSize, average_item_bytes, default_segments
from dualtable._copy.run import ROOMS_EACH
from dualtable._planning.extrapolation import Estimate, Extrapolation
from dualtable._proof.shared import parts_of_new
from dualtable._wire.types import Description

VERIFIED_SEGMENTS_EACH = 4  # of `concurrency`

_PAGE_BYTES = 2**20
_UNIT_BYTES = 4_096
_EVENTUALLY = 0.5
_MANY_PAGES = 50
_SPREADS = 6.0


@attrs.frozen
class Cut:
    """How a table is read: in so many segments, so many items a page at most."""

    total_segments: int
    page_items: float

    @classmethod
    def of_copy(cls, old: Description, new: Description, concurrency: int, clock: Clock) -> Cut:
        """Return how a migrator with default settings reads the old table."""
        segments = default_segments(old, concurrency)
        size = PageSize(
            None,
            average_item_bytes(old),
            min(ROOMS_EACH * concurrency, segments),
            Paces.of(old, new, clock),
        )
        return cls(segments, size.items(0))

    @classmethod
    def of_verification(cls, concurrency: int) -> Cut:
        """Return how a verifier with default settings reads the old table."""
        return cls(VERIFIED_SEGMENTS_EACH * concurrency, math.inf)

    def of_new(self, items: float) -> Cut:
        """Return how it reads the new table then, with about so many items."""
        return attrs.evolve(self, total_segments=parts_of_new(self.total_segments, items))

    def units(self, items: Estimate, size: Estimate) -> Estimate:
        """Return the read units of a scan of so many items with so many bytes."""
        return Estimate(
            self._units(items.low, size.low),
            self._units(items.likely, size.likely),
            self._units(items.high, size.high),
        )

    def _units(self, items: float, size: float) -> float:
        pages = self.pages(items, size)
        page_units = size / pages / _UNIT_BYTES
        return pages * max(1.0, page_units + 0.5) * _EVENTUALLY

    def pages(self, items: float, size: float) -> float:
        """Return about how many pages there are: each segment has one more than full ones."""
        by_size = _PAGE_BYTES * items / size if size else math.inf
        most = max(1.0, min(self.page_items, by_size))
        each = items / self.total_segments
        if most == math.inf:
            return float(self.total_segments)
        return self.total_segments * (1.0 + _full_pages(each, most))


def _full_pages(items: float, most: float) -> float:
    """Return how many full pages a segment has on average, whose items are there by chance."""
    if items > _MANY_PAGES * most:
        return items / most - 0.5
    if not items:
        return 0.0
    spread = math.sqrt(2 * items)
    pages, full = 0.0, most
    while full <= items + _SPREADS * spread + 1:
        pages += 0.5 * math.erfc((full - 0.5 - items) / spread)
        full += most
    return pages


@attrs.frozen(kw_only=True)
class Readings:
    """Read units: of the copy and of what may come before and after it."""

    copy: Estimate
    restart: Estimate
    verify_keys: Estimate
    verify_content: Estimate

    @classmethod
    def of(cls, found: Extrapolation, new_slope: float, copy: Cut, verification: Cut) -> Readings:
        """Return what they are for a table of which a sample is known."""
        items, size = found.total("old_items"), found.total("old_bytes", 1.0)
        copied = copy.units(items, size)
        new_gets = found.total("new_gets", new_slope / _UNIT_BYTES)
        keys = verification.units(items, size).plus(new_gets.times(_EVENTUALLY))
        new_items, new_size = found.total("new_items"), found.total("new_bytes", new_slope)
        again = (
            verification.of_new(new_items.likely)
            .units(new_items, new_size)
            .plus(found.total("old_gets", 1 / _UNIT_BYTES).times(_EVENTUALLY))
        )
        return cls(
            copy=copied,
            restart=copied.plus(new_gets),
            verify_keys=keys,
            verify_content=keys.plus(again),
        )
