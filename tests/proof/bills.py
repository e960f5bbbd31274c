"""What a plan says beside what a real server then bills: for `nox -s figures`.

The rule: units are those that the server reports in its answers, added up beside the library; the
sizes of tables, which dynoxide tells as nothing, are those that DynamoDB's description would have.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import orders
from planning import test_plan

from dualtable import Index, Migration, Migrator, Plan, Planner, Rename, create_table
from dualtable._demo import cities, story
from dualtable._wire import codec
from dualtable._wire.sizes import item_bytes

ITEMS = 20_000
MOST_OF_READS = 0.02  # in a sample
_UNIT_BYTES = 8_192  # of an eventually consistent scan


class Billed:
    """A server whose answers are added up, and that knows how large its tables are."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        self._sizes: dict[str, dict[str, int]] = {}
        self.read_units = self.write_units = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def holds(self, table: str, items: Iterable[dict[str, Any]]) -> int:
        """Note what is in a table, and return its bytes."""
        sizes = [item_bytes(codec.encode(item)) for item in items]
        self._sizes[table] = {"ItemCount": len(sizes), "TableSizeBytes": sum(sizes)}
        return sum(sizes)

    async def describe_table(self, table: str) -> dict[str, Any]:
        return {**await self._gateway.describe_table(table), **self._sizes.get(table, {})}

    async def scan(self, table: str, **settings: Any) -> Any:
        page = await self._gateway.scan(table, **settings)
        self.read_units += page.read_units
        return page

    async def batch_get(self, table: str, keys: Any, **settings: Any) -> Any:
        found = await self._gateway.batch_get(table, keys, **settings)
        self.read_units += found.read_units
        return found

    async def insert(self, table: str, items: Any, **settings: Any) -> Any:
        done = await self._gateway.insert(table, items, **settings)
        self.write_units += done.write_units
        return done


@attrs.frozen
class Bill:
    """What was planned of one table, and what it came to."""

    plan: Plan
    read_units: float
    write_units: float

    @property
    def reads(self) -> float:
        """What was planned, as a ratio to the bill."""
        return self.plan.read_units.likely / self.read_units

    @property
    def writes(self) -> float:
        return self.plan.write_units.likely / self.write_units

    @property
    def sample(self) -> float:
        """What the sample took of the read units of the copy."""
        return self.plan.sample.read_units / self.read_units

    @property
    def is_right(self) -> bool:
        within = all(abs(ratio - 1) <= 0.1 for ratio in (self.reads, self.writes))
        return within and self.sample <= MOST_OF_READS


def tables(suffix: str) -> Iterator[tuple[str, Migration, dict[str, Any], list[dict[str, Any]]]]:
    """Yield each case: its name, migration, old table and items."""
    old = [cities.old_city(city) for city in cities.load()]
    names = {"name": f"cities-{suffix}", "old": f"cities-{suffix}", "new": f"cities-new-{suffix}"}
    plan = attrs.evolve(story.migration, **names, rolling=False)
    yield "the demo's cities", plan, cities._definition(plan.old), old
    for case in ("seldom heavy", "three indexes"):
        make, _, indexes = test_plan.CASES[case]
        name = f"{case.replace(' ', '-')}-{suffix}"
        plan = orders.migration(name, Rename("nme", "name"), indexes=list[Index](indexes))
        yield case, plan, orders.table(plan.old), [make(n) for n in range(ITEMS)]


async def billed(
    gateway: Any, plan: Migration, table: dict[str, Any], items: list[dict[str, Any]]
) -> Bill:
    """Fill a table, plan from a small sample, copy, and return both."""
    server = Billed(gateway)
    await gateway.create_table(table)
    for begin in range(0, len(items), 1_000):
        await orders.fill(gateway, plan.old, items[begin : begin + 1_000])
    most = server.holds(plan.old, items) / _UNIT_BYTES * MOST_OF_READS
    settings: dict[str, Any] = {"gateway": server, "chance": random.Random(5)}
    planned = await Planner(plan, max_sample_units=most, **settings).run()
    await create_table(plan, gateway=server)
    server.read_units = server.write_units = 0.0
    await Migrator(plan, gateway=server, dead_letters=os.devnull).run()
    return Bill(planned, server.read_units, server.write_units)
