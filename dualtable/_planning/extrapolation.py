"""From a sample to the table, as ranges.

The rule: the table's own count of its items and bytes is used for all that it can tell, and the
sample for the rest. A range is two standard errors to each side, measured between the segments of
the sample, so that items which lie together are not taken for independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import attrs

_ERRORS = 2.0
_OVERHEAD_BYTES = 100
"""What a table's size may hold beyond each item's; a difference of so little says nothing.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""


@attrs.frozen
class Estimate:
    """A number that is not known exactly: the likely value, and between which it should be.

    Attributes:
        low: Lower end of the range.
        likely: The best guess.
        high: Upper end of the range.

    Example:
        >>> from dualtable import Estimate
        >>> Estimate(90, 100, 110).times(2)
        Estimate(low=180, likely=200, high=220)
    """

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Estimate:
        """Return a number that is known."""
        return cls(value, value, value)

    def times(self, factor: float) -> Estimate:
        """Return the estimate multiplied by a number from 0."""
        return self.each(lambda value: value * factor)

    def plus(self, other: Estimate) -> Estimate:
        """Return the sum of two, as wide as both together."""
        return Estimate(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def each(self, function: Callable[[float], float]) -> Estimate:
        """Return what a growing function makes of all three."""
        return Estimate(function(self.low), function(self.likely), function(self.high))


Tally = Mapping[str, float]
"""What the items of one segment sum up to, by the name of what is measured."""


@attrs.frozen
class Extrapolation:
    """The tallies of a sample's segments, and what the table says of itself.

    Attributes:
        segments: One tally for each segment.
        whole: Whether the sample is the whole table.
        items: The table's items.
        size: The table's bytes, None where it does not say.
    """

    segments: Sequence[Tally]
    whole: bool
    items: float
    size: float | None

    def seen(self, name: str) -> float:
        """Return a sum over the sample."""
        return sum(tally.get(name, 0.0) for tally in self.segments)

    def mean(self, name: str, of: str = "old_items") -> float:
        """Return a sum over the sample by item, or by something else; 0 where there is none."""
        return self.seen(name) / self.seen(of) if self.seen(of) else 0.0

    def total(self, name: str, by_byte: float = 0.0) -> Estimate:
        """Return a sum over the table.

        `by_byte` is how it grows with an old item's size: what the sample lacks of the table's
        bytes is in items larger than those that it has seen.
        """
        seen = self.seen(name)
        if self.whole or not self.seen("old_items"):
            return Estimate.exactly(seen)
        gap = self._gap()
        slope = by_byte if gap else 0.0
        likely = self.items * (self.mean(name) + slope * gap)
        error = _ERRORS * self._standard_error(name, slope)
        return Estimate(max(seen, likely - error), max(seen, likely), max(seen, likely + error))

    def _gap(self) -> float:
        """Return by how many bytes an item of the table is larger than one of the sample."""
        if self.size is None or not self.items:
            return 0.0
        gap = self.size / self.items - self.mean("old_bytes")
        return gap if abs(gap) > _OVERHEAD_BYTES else 0.0

    def _standard_error(self, name: str, slope: float) -> float:
        """Return that of the total, for a ratio of what lies together in segments."""
        parts = [(t.get(name, 0.0) - slope * t.get("old_bytes", 0.0)) for t in self.segments]
        items = [t.get("old_items", 0.0) for t in self.segments]
        each = sum(parts) / sum(items)
        number = len(parts)
        if number < 2:
            return abs(each) * self.items  # one segment says nothing of the others
        spread = sum((y - each * n) ** 2 for y, n in zip(parts, items, strict=True))
        unseen = max(0.0, 1 - sum(items) / self.items) if self.items else 0.0
        deviation = math.sqrt(unseen * spread / (number - 1) / number)
        return self.items * deviation / (sum(items) / number)
