"""What is likely to become a dead letter, by its reason.

The rule: a reason names a kind of failure and one key that shows it, never an item's values.
"""

from __future__ import annotations

from collections import Counter

import attrs

from dualtable._planning.extrapolation import Estimate
from dualtable._wire.types import Key
from dualtable.errors import DualTableError


@attrs.frozen(kw_only=True)
class LikelyFailure:
    """Old items that cannot be copied as they are, for one reason.

    Attributes:
        error: The class of the error, as the dead letters have it; ``I9`` before it where the item
            can be copied but not written back to the old table.
        reason: What is wrong, as it was said of one of them.
        in_sample: Items of the sample that it was seen at.
        items: Items of the table that it concerns.
        key: The key of one of them, in plain values.
    """

    error: str
    reason: str
    in_sample: int
    items: Estimate
    key: Key


@attrs.define
class Failures:
    """The failures of a sample, counted by class and by what comes before the details."""

    counts: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    examples: dict[tuple[str, str], tuple[str, Key]] = attrs.field(factory=dict)

    def note(self, error: DualTableError, key: Key, *, rule: str = "") -> tuple[str, str]:
        """Count an item that fails, and return by what name."""
        kind = " ".join(filter(None, (rule, type(error).__name__)))
        name = kind, str(error).partition(": ")[0]
        self.counts[name] += 1
        self.examples.setdefault(name, (str(error), key))
        return name
