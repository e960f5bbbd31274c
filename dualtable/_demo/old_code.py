"""Old code: the hourly job as it was before, in plain boto3, which knows nothing of the library.

The rule: it speaks the old format and the old table alone. Each instance has cities of its own, and
keeps book of them in both formats, so that it knows what it must find, and the demo what the new
table must hold.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import boto3

from dualtable._demo.cities import City, new_city, old_city
from dualtable._wire.types import Item, Key


class OldCode:
    """One instance of the job as it was.

    Args:
        number: Tells it from the others, and decides what it does.
        cities: Those that it is in charge of.
        table: The name of the old table.
        endpoint_url: Where that is.

    Attributes:
        book: Every city as it must be from now on, in the new format, by id; None for a deleted.
        keys: The key of each of them in the new table.
        operations: How many there were of each kind.
        wrong_reads: Keys of the cities that a read did not find as they must be.
    """

    def __init__(self, number: int, cities: Iterable[City], table: str, endpoint_url: str) -> None:
        self._old: dict[str, Item | None] = {}
        self.book: dict[Decimal, Item | None] = {}
        self.keys: dict[Decimal, Key] = {}
        for city in cities:
            old, new = old_city(city), new_city(city)
            self._old[old["id"]] = old
            self.book[new["id"]] = new
            self.keys[new["id"]] = {"timezone": new["timezone"], "id": new["id"]}
        self.operations: Counter[str] = Counter()
        self.wrong_reads: list[Key] = []
        self._chance = random.Random(number)  # noqa: S311 - repeatable, not secret
        self._table = _table(table, endpoint_url)

    async def work(self, stop: asyncio.Event) -> None:
        """Work hour after hour until told to stop."""
        while not stop.is_set():
            await asyncio.to_thread(self._hour)

    def _hour(self) -> None:
        alive = [city_id for city_id, city in self._old.items() if city is not None]
        reading, growing, leaving = self._chance.sample(alive, 3)
        self._read(reading)
        self._grow(growing)
        self._delete(leaving)

    def _read(self, city_id: str) -> None:
        wanted = self._old[city_id]
        if self._table.get_item(Key=_key(wanted), ConsistentRead=True).get("Item") != wanted:
            self.wrong_reads.append(self.keys[Decimal(city_id)])
        self.operations["read"] += 1

    def _grow(self, city_id: str) -> None:
        city: Any = self._old[city_id]
        grown = int(city["pop"]) + self._chance.randrange(1, 1_000)
        self._table.update_item(
            Key=_key(city),
            UpdateExpression="SET pop = :pop",
            ExpressionAttributeValues={":pop": str(grown)},
        )
        self._old[city_id] = {**city, "pop": str(grown)}
        new: Any = self.book[Decimal(city_id)]
        self.book[Decimal(city_id)] = {**new, "population": Decimal(grown)}
        self.operations["update"] += 1

    def _delete(self, city_id: str) -> None:
        self._table.delete_item(Key=_key(self._old[city_id]))
        self._old[city_id] = self.book[Decimal(city_id)] = None
        self.operations["delete"] += 1


def _key(city: Any) -> Key:
    return {"tz": city["tz"], "id": city["id"]}


def _table(name: str, endpoint_url: str) -> Any:
    """Return the table as old code has it; nothing of the environment counts."""
    settings = {n: v for n, v in os.environ.items() if n.startswith("AWS_") or "proxy" in n.lower()}
    for setting in settings:
        del os.environ[setting]
    try:
        session = boto3.Session("local", "local", region_name="local")
        return session.resource("dynamodb", endpoint_url=endpoint_url).Table(name)
    finally:
        os.environ.update(settings)
