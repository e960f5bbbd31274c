"""Copies what is missing.

The rule: what the copy never does, a repair never does: it puts what is absent (I2), and only as
long as the copy itself might.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Pace
from dualtable._dynamodb.gateway import MAX_BATCH_WRITE, Gateway, InsertBatch, Outcome, batches
from dualtable._wire.layouts import Layout
from dualtable._wire.packed import PackedItem, batch_write_units

_PAUSE_SECONDS = 0.5  # before what was throttled is sent again


@attrs.frozen
class Repairs:
    """Puts copies into the new table, by way of `acting`; see `Membership`."""

    gateway: Gateway
    table: Layout
    pace: Pace
    clock: Clock
    acting: Callable[[Callable[[], Awaitable[InsertBatch]]], Awaitable[InsertBatch]]

    async def copy(self, items: Sequence[PackedItem]) -> None:
        """Put each item whose key is absent; whoever looks again sees what became of it."""
        for batch in batches(items, MAX_BATCH_WRITE):
            left = batch
            while left:
                left = await self._copied(left)
                if left:
                    await self.clock.sleep(_PAUSE_SECONDS)

    async def _copied(self, items: Sequence[PackedItem]) -> list[PackedItem]:
        """Send a batch; return what was throttled."""
        await self.pace.bucket.admit()
        result = await self.acting(
            lambda: self.gateway.insert(
                self.table.table, items, key_name=self.table.key.partition.name
            )
        )
        units = result.write_units or batch_write_units(items)
        self.pace.bucket.spend(units)
        self.pace.note(units)
        answers = zip(items, result.outcomes, strict=True)
        return [item for item, answer in answers if answer.outcome is Outcome.RETRY]
