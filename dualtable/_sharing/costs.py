"""What reads will cost, by what such reads have cost.

The rule: a read is paid for before it is sent, by the dearest of late; what it was too much comes
back with the answer, what it was too little is a debt. As long as nothing is known, one goes ahead.
So however many are sent at once, a second sees no more than its units and one request.

Behind an empty page most likely comes another, which costs next to nothing however much of a desert
it walks over; so that kind is paid for by its own experience.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dualtable._control.capacity import Pace, TokenBucket

_FORGETTING = 0.02  # of what a dear read has taught, with each cheaper one
_MARGIN = 3.0  # for one that is dearer still; nothing is dear in a desert

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
        self._units_each: dict[bool, float] = {}  # by whether a desert is walked
        self._first = asyncio.Lock()

    async def paid(
        self,
        asked: int,
        read: Callable[[], Awaitable[_R]],
        units_of: Callable[[_R], float],
        *,
        in_desert: bool = False,
    ) -> _R:
        """Read when it can be paid for.

        Args:
            asked: How many items are asked for; what a read costs is expected to grow with it.
            read: Sends the request.
            units_of: What an answer has cost.
            in_desert: Nothing was found last time, so what is asked for says nothing of the cost.
        """
        asked = 1 if in_desert else max(1, asked)
        if in_desert not in self._units_each:
            async with self._first:
                if in_desert not in self._units_each:
                    return await self._pay(asked, in_desert, read, units_of)
        return await self._pay(asked, in_desert, read, units_of)

    async def _pay(
        self,
        asked: int,
        in_desert: bool,
        read: Callable[[], Awaitable[_R]],
        units_of: Callable[[_R], float],
    ) -> _R:
        each = self._units_each.get(in_desert, 0.0)
        margin = 1.0 if in_desert else _MARGIN
        expected = min(self._most_units, asked * each * margin)
        await self._bucket.admit(expected)
        units = 0.0
        try:
            answer = await read()
            units = units_of(answer)
        finally:
            self._bucket.spend(units, expected)
        if self._pace is not None:
            self._pace.note(units)
        self._learn(units / asked, in_desert)
        return answer

    def _learn(self, units_each: float, in_desert: bool) -> None:
        before = self._units_each.get(in_desert, 0.0)
        kept = before + _FORGETTING * (units_each - before)
        self._units_each[in_desert] = max(units_each, kept)
