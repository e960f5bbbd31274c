"""Sends copies, as many at once and as fast as the new table takes them.

The rule: one task decides what is sent next; batches are under way at the same time, each on its
own, and what the table did not take goes back to its page. A request that fails as a whole is sent
again by the gateway's retry layer; a statement that was throttled is sent again from here, without
the others of its batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Pace
from dualtable._copy.shuffle import TICK_SECONDS, Batch, Outgoing, Shuffle
from dualtable._dynamodb.gateway import (
    BILLED,
    MAX_BATCH_WRITE,
    Gateway,
    Insert,
    InsertBatch,
    Outcome,
)
from dualtable._sharing.retries import Retries
from dualtable._sharing.stages import ANSWERS, KEY_RANGES, PAGES, SENDING, UNITS, Stages
from dualtable._tasks import first_error
from dualtable._wire.layouts import Layout
from dualtable._wire.packed import batch_write_units

PARTITION_WRITE_UNITS = 1_000.0
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

_LEARNING = 0.1  # weight of the last batch in what a copy is expected to cost


@attrs.define(eq=False)
class Writer:
    """The way of one run into the new table.

    It sends by way of `acting`, which lets no request leave for a run that is over.
    """

    gateway: Gateway
    table: Layout
    pace: Pace
    retries: Retries
    clock: Clock
    concurrency: int
    acting: Callable[[Callable[[], Awaitable[InsertBatch]]], Awaitable[InsertBatch]]
    stages: Stages = attrs.field(init=False)
    _shuffle: Shuffle = attrs.field(init=False, factory=Shuffle)
    _units_each: float = attrs.field(init=False, default=1.0)
    _dearer: float = attrs.field(init=False)  # what is billed, as a multiple of what it seems

    def __attrs_post_init__(self) -> None:
        self.stages = Stages(self.clock)
        self._dearer = 1.0 + len(self.table.indexes)  # at the most, where items are small

    async def deliver(self, page: Outgoing) -> None:
        """Return when every copy of a page is settled."""
        if not page.unsettled:
            return
        page.tick(self._partition_copies())
        self._shuffle.add(page)
        try:
            await page.settled.wait()
        finally:
            self._shuffle.remove(page)

    async def run(self) -> None:
        """Send until cancelled."""
        with first_error():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick())
                await self._send_batches(group)

    async def _send_batches(self, group: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(self.concurrency)
        while True:
            self.stages.enter(ANSWERS)
            await slots.acquire()
            self.stages.enter(KEY_RANGES if self._shuffle.holds_back else PAGES)
            await self._shuffle.filled()
            self.stages.enter(UNITS)
            expected = self._most() * self._units_each
            await self.pace.bucket.admit(expected)
            self.stages.enter(SENDING)
            if batch := self._shuffle.draw(self._most()):
                seems = sum(1 + (len(copy.item.values) >> 10) for _, copy in batch)
                self.pace.bucket.spend(seems * self._dearer, expected)
                sending = group.create_task(self._send(batch, seems))
                sending.add_done_callback(lambda _: slots.release())
            else:  # its page was given up
                self.pace.bucket.spend(0.0, expected)
                slots.release()

    def _most(self) -> int:
        """Return how many copies a batch may have, so that it is paid for within a second."""
        affordable = int(min(self.pace.rate / self._units_each, MAX_BATCH_WRITE))
        return max(1, affordable)

    async def _send(self, batch: Batch, seems: float) -> None:
        """Send a batch that seems to cost so much and is paid for in advance."""
        expected = seems * self._dearer
        items = [copy.item for _, copy in batch]
        result = await self.acting(
            lambda: self.gateway.insert(
                self.table.table, items, key_name=self.table.key.partition.name
            )
        )
        taken = sum(answer.outcome is not Outcome.RETRY for answer in result.outcomes)
        units = result.write_units or _estimated(batch, result.outcomes)
        units_each = units / taken if taken else 0.0
        if taken:
            self._units_each += _LEARNING * (units_each - self._units_each)
            dearer = units_each * len(batch) / seems
            self._dearer = max(dearer, self._dearer + _LEARNING * (dearer - self._dearer))
        throttled = _settle(batch, result.outcomes, units_each)
        refused = sum(not page.is_slow for page in throttled) * self._units_each
        self.pace.bucket.spend(units + refused, expected)  # asking in vain counts, too
        self.pace.note(units, refused)
        self.retries.note_statements(len(batch) - taken)

    async def _tick(self) -> None:
        """Give each page, again and again, what its key range may be sent."""
        while True:
            await self.clock.sleep(TICK_SECONDS)
            self._shuffle.tick(self._partition_copies())

    def _partition_copies(self) -> float:
        return PARTITION_WRITE_UNITS * TICK_SECONDS / self._units_each


def _settle(batch: Batch, answers: Sequence[Insert], write_units: float) -> list[Outgoing]:
    """Tell the pages what became of their copies; return that of each one that was throttled."""
    throttled = []
    for (page, copy), answer in zip(batch, answers, strict=True):
        page.settle(copy, answer, write_units)
        if answer.outcome is Outcome.RETRY:
            throttled.append(page)
    return throttled


def _estimated(batch: Batch, answers: Sequence[Insert]) -> float:
    """Return the write units of a batch whose costs the server does not report.

    DynamoDB reports none where every statement fails, though it bills those whose key was there.
    """
    pairs = zip(batch, answers, strict=True)
    return batch_write_units([copy.item for (_, copy), answer in pairs if answer.outcome in BILLED])
