"""Peak memory of the migrator's process: it must not grow with the table."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import orders

from benchmarks import workload
from benchmarks.processes import run_child
from dualtable._dynamodb.gateway import Gateway

COUNTS = (20_000, 200_000)
MOST_BYTES = 90 * 10**6
MOST_GROWTH_BYTES = 10 * 10**6


@attrs.frozen
class Peak:
    """The peak memory of a migration of that many items."""

    items: int
    peak_bytes: int


async def measure(gateway: Gateway, url: str, counts: Sequence[int]) -> list[Peak]:
    """Migrate one table after the other, each in a process of its own."""
    peaks = []
    for count in counts:
        old, new = f"memory-old-{count}", f"memory-new-{count}"
        await workload.fill(gateway, old, count)
        await gateway.create_table(orders.table(new))
        result = await run_child("dualtable_steps", url, [(old, new)])
        peaks.append(Peak(count, result["peak_bytes"]))
    return peaks


def met(peaks: Sequence[Peak]) -> bool:
    """Tell whether memory stays flat and small."""
    first, last = peaks[0].peak_bytes, peaks[-1].peak_bytes
    return last <= MOST_BYTES and last - first <= MOST_GROWTH_BYTES
