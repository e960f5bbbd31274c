"""What reads will cost, by what such reads have cost.

The rule: a read is paid for before it is sent, by the dearest of late; what it was too much comes
back with the answer, what it was too little is a debt. As long as nothing is known, one goes ahead.
So however many are sent at once, a second sees no more than its units and one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dualtable._control.capacity import Pace, TokenBucket

_FORGETTING = 0.02  # of what a dear read has taught, with each cheaper one
_MARGIN = 3.0  # for one that is dearer still; what was too much comes back at once

_R = TypeVar("_R")


class PaidReads:
    """Reads of one kind from one table.

    Args:
        bucket: Where they are paid for.
        most_units: The dearest that there can be.
        pace: Hears of each one, if given.
    """

    def __init__(self, bucket: TokenBucket, most_units: float, pace: Pace | None = None) -> None:
        self._bucket = bucket
        self._most_units = most_units
        self._pace = pace
        self._units_each: float | None = None
        self._first = asyncio.Lock()

    async def paid(
        self,
        asked: int,
        read: Callable[[], Awaitable[_R]],
        units_of: Callable[[_R], float],
    ) -> _R:
        """Read when it can be paid for.

        Args:
            asked: How many items are asked for; what a read costs is expected to grow with it.
            read: Sends the request.
            units_of: What an answer has cost.
        """
        if self._units_each is None:
            async with self._first:
                if self._units_each is None:
                    return await self._pay(asked, read, units_of)
        return await self._pay(asked, read, units_of)

    async def _pay(
        self, asked: int, read: Callable[[], Awaitable[_R]], units_of: Callable[[_R], float]
    ) -> _R:
        expected = min(self._most_units, asked * (self._units_each or 0.0) * _MARGIN)
        await self._bucket.admit(expected)
        units = 0.0
        try:
            answer = await read()
            units = units_of(answer)
        finally:
            self._bucket.spend(units, expected)
        if self._pace is not None:
            self._pace.note(units)
        self._learn(units / max(1, asked))
        return answer

    def _learn(self, units_each: float) -> None:
        before = self._units_each or 0.0
        self._units_each = max(units_each, before + _FORGETTING * (units_each - before))
