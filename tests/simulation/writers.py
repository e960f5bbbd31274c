"""How else one could copy, on the same simulation.

The rule: each does what it says with no mistake beyond that: throttled writes are sent again, after
a pause that doubles from 50 ms as the AWS SDKs do it, and nothing is overwritten.
"""

from __future__ import annotations

import asyncio
import random

import orders

from dualtable._dynamodb.gateway import ConditionFailed, Outcome, batches
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import ThrottledError
from simulation.dynamodb import SimulatedDynamoDB

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 20.0


async def report_script(gateway: SimulatedDynamoDB, old: str, new: str) -> None:
    """As in the production report: one reader, one item at a time, looked up and then put."""
    start_key: WireKey | None = None
    while True:
        page = await gateway.scan(old, segment=0, total_segments=1, start_key=start_key)
        for item in page.items:
            if await gateway.get(new, {"id": item["id"]}, consistent_read=False) is None:
                await _put(gateway, new, item)
        start_key = page.last_key
        if start_key is None:
            return


async def scan_order_writer(
    gateway: SimulatedDynamoDB, old: str, new: str, *, segments: int, writers: int = 16
) -> None:
    """Scan in `segments` parts and write what comes, in the order in which it comes."""
    queue: asyncio.Queue[list[WireItem]] = asyncio.Queue(writers)

    async def scan(segment: int) -> None:
        start_key: WireKey | None = None
        while True:
            page = await gateway.scan(
                old, segment=segment, total_segments=segments, start_key=start_key
            )
            for batch in batches(page.items, 25):
                await queue.put(batch)
            start_key = page.last_key
            if start_key is None:
                return

    async def write() -> None:
        while True:
            await _insert(gateway, new, await queue.get())
            queue.task_done()

    async with asyncio.TaskGroup() as group:
        writing = [group.create_task(write()) for _ in range(writers)]
        async with asyncio.TaskGroup() as scans:
            for segment in range(segments):
                scans.create_task(scan(segment))
        await queue.join()
        for task in writing:
            task.cancel()


async def _put(gateway: SimulatedDynamoDB, table: str, item: WireItem) -> None:
    tries = 0
    while True:
        try:
            return await gateway.put(table, item)
        except ConditionFailed:
            return None
        except ThrottledError:
            await _pause(tries)
            tries += 1


async def _insert(gateway: SimulatedDynamoDB, table: str, items: list[WireItem]) -> None:
    tries = 0
    while items:
        batch = await gateway.insert(table, orders.packed(items), key_name="id")
        items = [
            item
            for item, answer in zip(items, batch.outcomes, strict=True)
            if answer.outcome is Outcome.RETRY
        ]
        if items:
            await _pause(tries)
            tries += 1


async def _pause(tries: int) -> None:
    most = min(_FIRST_PAUSE_SECONDS * 2**tries, _LONGEST_PAUSE_SECONDS)
    await asyncio.sleep(random.uniform(0, most))
