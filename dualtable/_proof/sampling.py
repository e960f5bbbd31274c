"""A quick look: some items of the old table, drawn at random, and what follows from them.

The rule: what is not drawn is not read. Segments of a scan that has very many of them are drawn, a
handful of items each; what was found in them bounds what there can be in the rest.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.control_table import Control
from dualtable._proof.comparison import Comparison
from dualtable._proof.findings import Example, Findings, Level
from dualtable._proof.reader import Spent
from dualtable._tasks import leaving, run_all

_log = logging.getLogger("dualtable.proof")

CONFIDENCE = 0.99

_ITEMS_EACH = 10  # of a segment, about
_LEAST_SEGMENTS, _MOST_SEGMENTS = 100, 1_000_000
_PAGE_ITEMS = 100
_LOOK_SECONDS = 2.0  # between two looks at the ceiling


@attrs.frozen(kw_only=True)
class SampleReport:
    """What a sample says of all old items.

    Attributes:
        level: ``keys`` or ``content``.
        sampled: Old items that were drawn.
        checked: New items that they yield, each looked up in the new table.
        missing: Of those, not in the new table, or the transform fails on the old item.
        different: Copied, never rewritten, and not equal to what the transform yields.
        confidence: How sure `share_at_most` is.
        share_at_most: What share of all is missing or different, at most.
        read_units: Read units consumed on both tables.
        examples: As in a `VerificationReport`.

    Example:
        >>> from dualtable import SampleReport
        >>> SampleReport(level="content", sampled=5_000, checked=5_000).per_100_000
        93
    """

    level: Level
    sampled: int = 0
    checked: int = 0
    missing: int = 0
    different: int = 0
    confidence: float = CONFIDENCE
    read_units: float = 0.0
    examples: tuple[Example, ...] = ()

    @property
    def share_at_most(self) -> float:
        """What share of all is missing or different, at most, from 0 to 1."""
        return share_at_most(self.missing + self.different, self.checked, self.confidence)

    @property
    def per_100_000(self) -> int:
        """Fewer than so many in 100,000 are missing or different."""
        return math.floor(self.share_at_most * 100_000) + 1

    @property
    def ok(self) -> bool:
        """Whether something was drawn and nothing of it is missing or different."""
        return self.checked > 0 and not (self.missing or self.different)


def share_at_most(found: int, drawn: int, confidence: float) -> float:
    """Return the largest share with which so few of those drawn would still be likely.

    It is the upper bound of Clopper and Pearson: with any larger share, so few would be found less
    often than once in ``1 / (1 - confidence)`` samples.
    """
    if found >= drawn:
        return 1.0
    low, high = found / drawn, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _chance_of_at_most(found, drawn, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(found: int, drawn: int, share: float) -> float:
    """Return how likely it is to find so many or fewer, by the binomial distribution."""
    return sum(math.exp(_log_chance(number, drawn, share)) for number in range(found + 1))


def _log_chance(number: int, drawn: int, share: float) -> float:
    if share >= 1:
        return -math.inf
    ways = math.lgamma(drawn + 1) - math.lgamma(number + 1) - math.lgamma(drawn - number + 1)
    return ways + number * math.log(share) + (drawn - number) * math.log1p(-share)


@attrs.define(eq=False)
class Ceiling:
    """Keeps a sample to the read ceiling in force, or to one of its own that is lower.

    It takes no part of it from those who share it, as a sample leaves no trace.

    Args:
        control: Where the ceiling is.
        paces: What keeps to it.
        clock: Where time comes from.
        own: Read units per second at most, whatever is in force; None for any number.
    """

    control: Control
    paces: Paces
    clock: Clock
    own: float | None
    _paused: bool = attrs.field(init=False, default=False)

    async def look(self) -> None:
        """Go by what is in force now; at a pause say so, and wait."""
        in_force = (await self.control.limits()).max_read_units
        known = [ceiling for ceiling in (in_force, self.own) if ceiling is not None]
        self.paces.limit(min(known, default=None), None)
        if in_force == 0 and not self._paused:
            _log.warning("reads are paused, so the sample waits; dualtable resume lets it go on")
        self._paused = in_force == 0

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.clock.sleep(_LOOK_SECONDS)
            await self.look()


def segments_for(items: int) -> int:
    """Return how many segments a scan of about so many items has, each with a handful."""
    return max(_LEAST_SEGMENTS, min(items // _ITEMS_EACH, _MOST_SEGMENTS))


async def drawn(
    comparison: Comparison, *, items: int, total_segments: int, concurrency: int
) -> SampleReport:
    """Draw segments until so many items have been looked at, or there are no more."""
    findings, spent = Findings(), Spent()
    waiting = _at_random(total_segments)

    async def work() -> None:
        nonlocal findings
        while findings.scanned < items and (segment := next(waiting, None)) is not None:
            page = await comparison.old.scan(
                segment, total_segments, None, spent, limit=min(_PAGE_ITEMS, items)
            )
            with leaving():
                found = await comparison.old_page(page.items, spent)
            findings += found

    await run_all(work() for _ in range(concurrency))
    checked = findings.same + findings.missing + findings.different
    return SampleReport(
        level=comparison.level,
        sampled=findings.scanned,
        checked=checked + findings.rewritten + findings.deleted,
        missing=findings.missing,
        different=findings.different,
        read_units=spent.read_units,
        examples=findings.examples,
    )


def _at_random(total_segments: int) -> Iterator[int]:
    """Yield each segment once, in random order."""
    return iter(random.sample(range(total_segments), total_segments))
