"""The gateway to simulated tables.

The rule: tables made by `add_table` keep no items, only their keys; an old item is made when a
page is read. All others, such as the control table, are those of the memory gateway.

Each request takes its time: a read 5 ms and a write 6.5 ms, so that reading and writing one item
after the other comes to the 84 items a second of the production report; 0.05 ms for each KB that it
carries, or that a scan walks over (20 MB/s); and all of it a fifth more or less. The client's own
time is nil.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

import attrs

from dualtable._dynamodb.gateway import (
    BatchGet,
    ConditionFailed,
    Insert,
    InsertBatch,
    Outcome,
    Page,
)
from dualtable._expressions.texts import Condition
from dualtable._wire.packed import PackedItem
from dualtable._wire.sizes import item_bytes, read_units, write_units
from dualtable._wire.types import Description, WireItem, WireKey
from dualtable.errors import ThrottledError
from dualtable.testing._faults import Faults
from dualtable.testing._memory import MemoryGateway
from simulation.capacity import Capacity

READ_SECONDS = 0.005
WRITE_SECONDS = 0.0065
KILOBYTE_SECONDS = 0.00005
PAGE_BYTES = 1024 * 1024
_DELETED = "deleted#"


def deleted_key(place: float) -> str:
    """Return the key of an item that was deleted long ago, at a place of one's choice."""
    return f"{_DELETED}{place!r}"


def place_of(key: str) -> float:
    """Return where a key stands on the ring of hashes, from 0 to 1."""
    if key.startswith(_DELETED):
        return float(key.removeprefix(_DELETED))
    digest = hashlib.md5(key.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@attrs.define
class Table:
    """A table whose items are made when they are read.

    Attributes:
        capacity: What it can take.
        item: Makes the item of a key.
        item_bytes: Size of each of its items.
        places: ``(place, key)`` of what a scan walks over, in its order.
        keys: Keys of the items that there are; what is in `places` only is long deleted.
        requests: Requests and statements that writers and readers sent.
        throttled: Those that were throttled.
    """

    capacity: Capacity
    item: Callable[[str], WireItem]
    item_bytes: int
    places: list[tuple[float, str]] = attrs.field(factory=list)
    keys: set[str] = attrs.field(factory=set)
    requests: int = 0
    throttled: int = 0

    def refuse(self, reason: str) -> str:
        """Count a request and whether it is throttled."""
        self.requests += 1
        self.throttled += bool(reason)
        return reason


class _Latency(Faults):
    """That of the tables that keep their items."""

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(WRITE_SECONDS)


class SimulatedDynamoDB(MemoryGateway):
    """Simulated tables behind the port; all keys are one text attribute, ``id``."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(_Latency())
        self.simulated: dict[str, Table] = {}
        self._chance = random.Random(seed)

    def add_table(
        self,
        name: str,
        capacity: Capacity,
        item: Callable[[str], WireItem] = lambda key: {"id": {"S": key}},
        *,
        keys: Iterable[str] = (),
        deleted: Iterable[str] = (),
    ) -> Table:
        """Make a table; a scan walks over what is `deleted` and finds nothing there."""
        there = set(keys)
        places = sorted((place_of(key), key) for key in [*there, *deleted])
        size = item_bytes(item(next(iter(there), "none")))
        self.simulated[name] = Table(capacity, item, size, places, there)
        return self.simulated[name]

    async def describe_table(self, table: str) -> Description:
        if table not in self.simulated:
            return await super().describe_table(table)
        found = self.simulated[table]
        bought = found.capacity
        description: Description = {
            "TableName": table,
            "TableStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "ItemCount": len(found.keys),
            "TableSizeBytes": len(found.keys) * found.item_bytes,
        }
        if bought.write_units is None:
            description["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
            warm = {"WriteUnitsPerSecond": int(bought.ceilings[-1][1]), "Status": "ACTIVE"}
            return {**description, "WarmThroughput": warm}
        units = {"ReadCapacityUnits": bought.read_units, "WriteCapacityUnits": bought.write_units}
        return {**description, "ProvisionedThroughput": units}

    async def scan(
        self,
        table: str,
        *,
        segment: int,
        total_segments: int,
        start_key: WireKey | None = None,
        limit: int | None = None,
        consistent_read: bool = False,
    ) -> Page:
        found = self.simulated[table]
        start = bisect_left(found.places, (segment / total_segments, ""))
        if start_key is not None:
            key = start_key["id"]["S"]
            start = bisect_right(found.places, (place_of(key), key))
        end = bisect_left(found.places, ((segment + 1) / total_segments, ""))
        walked = min(PAGE_BYTES // found.item_bytes + 1, limit or PAGE_BYTES)
        stop = min(end, start + walked)
        place = found.places[start][0] if start < stop else segment / total_segments
        await self._wait(READ_SECONDS, 0)
        if reason := found.refuse(found.capacity.open_for_read(place, self._now())):
            raise ThrottledError("the scan was throttled", reasons=(reason,))
        keys = [key for _, key in found.places[start:stop] if key in found.keys]
        units = read_units(len(keys) * found.item_bytes, consistent_read=consistent_read)
        found.capacity.charge_read(place, units, self._now())
        await asyncio.sleep((stop - start) * found.item_bytes / 1024 * KILOBYTE_SECONDS)
        last = None if stop == end else {"id": {"S": found.places[stop - 1][1]}}
        return Page([found.item(key) for key in keys], last, units)

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        found = self.simulated[table]
        unpacked = [item.item() for item in items]
        sizes = [item_bytes(item) for item in unpacked]
        await self._wait(WRITE_SECONDS, sum(sizes))
        outcomes, units = [], 0
        for item, size in zip(unpacked, sizes, strict=True):
            cost = write_units(size)
            outcome = self._insert(found, item["id"]["S"], cost)
            outcomes.append(outcome)
            units += cost * (outcome.outcome is not Outcome.RETRY)
        if not any(outcome.outcome is Outcome.WRITTEN for outcome in outcomes):
            units = 0  # as DynamoDB: where every statement fails, it does not say what it billed
        return InsertBatch(outcomes, float(units))

    def _insert(self, table: Table, key: str, units: int) -> Insert:
        if table.refuse(table.capacity.write(place_of(key), units, self._now())):
            # A statement's error says no more than this; see API_BatchStatementError.
            return Insert(Outcome.RETRY, "ProvisionedThroughputExceeded")
        if key in table.keys:
            return Insert(Outcome.PRESENT)
        table.keys.add(key)
        return Insert(Outcome.WRITTEN)

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        found = self.simulated[table]
        await self._wait(READ_SECONDS, len(keys) * 64)
        items: list[WireItem] = []
        left: list[WireKey] = []
        units = 0.0
        for key in keys:
            name, place = key["id"]["S"], place_of(key["id"]["S"])
            if found.refuse(found.capacity.open_for_read(place, self._now())):
                left.append(key)
                continue
            size = found.item_bytes if name in found.keys else 0
            cost = read_units(size, consistent_read=consistent_read)
            found.capacity.charge_read(place, cost, self._now())
            units += cost
            items += [dict(key)] if size else []
        return BatchGet(items, left, units)

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        if table not in self.simulated:
            return await super().get(table, key, consistent_read=consistent_read)
        batch = await self.batch_get(table, [key], consistent_read=consistent_read)
        if batch.unprocessed:
            raise ThrottledError(f"get from {table} was throttled")
        return next(iter(batch.items), None)

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        if table not in self.simulated:
            return await super().put(table, item, condition, return_old=return_old)
        found = self.simulated[table]
        size = item_bytes(item)
        await self._wait(WRITE_SECONDS, size)
        outcome = self._insert(found, item["id"]["S"], write_units(size)).outcome
        if outcome is Outcome.RETRY:
            raise ThrottledError(f"put into {table} was throttled")
        if outcome is Outcome.PRESENT:
            raise ConditionFailed(None)
        return None

    async def _wait(self, seconds: float, size: int) -> None:
        took = seconds + size / 1024 * KILOBYTE_SECONDS
        await asyncio.sleep(took * self._chance.uniform(0.8, 1.2))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
