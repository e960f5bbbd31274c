"""Which of some new items are there already, for the price of a read.

The rule: it only saves writes. What it finds need not be written; what it does not find is still
put only if absent, because production may put it in between (I2).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from dualtable._copy.shuffle import Copy, Tally
from dualtable._dynamodb.gateway import MAX_BATCH_GET, Gateway, batches
from dualtable._sharing.costs import PaidReads
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import Layout
from dualtable._wire.sizes import read_units

WORTH_IT_SHARE = 0.5
"""Of a page's keys: from how many present ones on looking is cheaper than trying.

A write unit costs five times a read unit, and an item has up to four times as many of them:
https://aws.amazon.com/dynamodb/pricing/on-demand/
"""

_SAMPLE = 10


@attrs.define(eq=False)
class LookFirst:
    """Looks into the new table before writing to it, as fast as the table's reads allow.

    Attributes:
        expected: What the last page of any segment has taught; None as long as nothing is known.
    """

    gateway: Gateway
    table: Layout
    reads: PaidReads
    expected: bool | None

    async def is_worth_it(self, copies: Sequence[Copy], tally: Tally) -> bool:
        """Tell from a few of a page's copies whether most are there."""
        sample = random.sample(copies, min(_SAMPLE, len(copies)))
        missing = await self.missing(sample, tally)
        return len(missing) <= len(sample) * (1 - WORTH_IT_SHARE)

    async def missing(self, copies: Sequence[Copy], tally: Tally) -> list[Copy]:
        """Return the copies whose key is not in the new table, neither live nor as a tombstone."""
        missing: list[Copy] = []
        for batch in batches(copies, MAX_BATCH_GET):
            there = await self._there(batch, tally)
            missing += [copy for copy in batch if identity(copy.key) not in there]
        return missing

    async def _there(self, batch: Sequence[Copy], tally: Tally) -> set[object]:
        key = self.table.key
        found = await self.reads.paid(
            len(batch),
            lambda: self.gateway.batch_get(
                self.table.table,
                [copy.key for copy in batch],
                consistent_read=True,
                attributes=key.names,
            ),
            lambda found: found.read_units or _estimated(batch),
        )
        tally.read_units += found.read_units or _estimated(batch)
        return {identity(key_of(item, key, "")) for item in found.items}


def _estimated(batch: Sequence[Copy]) -> float:
    """Return the read units of a batch whose costs the server does not report."""
    sizes = (copy.item.size() for copy in batch)
    return sum(read_units(size, consistent_read=True) for size in sizes)
