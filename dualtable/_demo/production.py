"""The hourly production job, compressed to a loop, which keeps book of all that it does.

The rule: it knows nothing but the repository. Each instance has cities of its own, so that it knows
at every moment what a read must find, and notes each read that finds anything else.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from dualtable import DualTableRepository
from dualtable._wire.types import Item, Key
from dualtable.errors import StalePhaseError

_T = TypeVar("_T")

_READS, _UPDATES = 6, 3  # in an hour's work, beside one city added and one deleted
_REST_SECONDS = 0.2
"""Of an hour; without it all of a small machine would be busy with production alone."""


class Production:
    """One instance of the job.

    Args:
        number: Tells it from the others, and decides what it does.
        cities: Those that it is in charge of, in the new format.

    Attributes:
        book: Every city as it must be from now on, by id; None for one that has been deleted.
        keys: The key of each of them.
        operations: How many there were of each kind.
        wrong_reads: Keys of the cities that a read did not find as they must be.
    """

    def __init__(self, number: int, cities: Iterable[Item]) -> None:
        self.book: dict[Decimal, Item | None] = {city["id"]: city for city in cities}
        self.keys = {city["id"]: _key(city) for city in self.book.values() if city}
        self.operations: Counter[str] = Counter()
        self.wrong_reads: list[Key] = []
        self._next_id = Decimal(10**9 * (number + 1))
        self._chance = random.Random(number)  # noqa: S311 - repeatable, not secret

    async def work(self, cities: DualTableRepository, stop: asyncio.Event) -> None:
        """Work hour after hour until told to stop."""
        while not stop.is_set():
            known = list(self.book)
            for city_id in self._chance.sample(known, _READS):
                await self._read(cities, city_id)
            leaving, *growing = self._alive(self._chance.sample(known, 10 * _UPDATES))
            for city_id in growing[:_UPDATES]:
                await self._update(cities, city_id)
            await self._add(cities)
            await self._delete(cities, leaving)
            await asyncio.sleep(_REST_SECONDS)

    async def _read(self, cities: DualTableRepository, city_id: Decimal) -> None:
        found = await _in_time(lambda: cities.get(self.keys[city_id], consistent_read=True))
        if found != self.book[city_id]:
            self.wrong_reads.append(self.keys[city_id])
        self.operations["read"] += 1

    async def _update(self, cities: DualTableRepository, city_id: Decimal) -> None:
        growth = self._chance.randrange(1, 1_000)

        def grow(city: Item) -> Item:
            return {**city, "population": city["population"] + growth}

        await _in_time(lambda: cities.update(self.keys[city_id], grow))
        self.book[city_id] = grow(self.book[city_id] or {})
        self.operations["update"] += 1

    async def _add(self, cities: DualTableRepository) -> None:
        city: Item = {
            "timezone": "Pacific/Auckland",
            "id": self._next_id,
            "name": "Newtown",
            "country": "NZ",
            "location": {"admin1": "E7"},
            "population": Decimal(self._chance.randrange(1_000, 100_000)),
        }
        await _in_time(lambda: cities.put(city))
        self.book[city["id"]], self.keys[city["id"]] = city, _key(city)
        self._next_id += 1
        self.operations["add"] += 1

    async def _delete(self, cities: DualTableRepository, city_id: Decimal) -> None:
        await _in_time(lambda: cities.delete(self.keys[city_id]))
        self.book[city_id] = None
        self.operations["delete"] += 1

    def _alive(self, ids: Iterable[Decimal]) -> list[Decimal]:
        return [city_id for city_id in ids if self.book[city_id] is not None]


async def _in_time(call: Callable[[], Awaitable[_T]]) -> _T:
    """Call again what came too late: the demo's phases settle in seconds, its server is slow."""
    while True:
        try:
            return await call()
        except StalePhaseError:
            await asyncio.sleep(0.1)


def _key(city: Item) -> Key:
    return {"timezone": city["timezone"], "id": city["id"]}
