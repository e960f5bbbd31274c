"""A fleet of migrators on one simulated table: hundreds of workers that come, go, freeze and crash.

The rule: each worker is the library's migrator, unchanged, with a clock and a connection of its
own. A crash is that of a process: nothing that it would still do is done. The control table has a
partition's limits for each of its partition keys, as any table has, and its load is counted; what
it holds is that of the memory gateway, read without a copy.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import attrs

from dualtable import Migrator
from dualtable._dynamodb.gateway import Outcome, Page
from dualtable._expressions.texts import Condition
from dualtable._wire.keys import order
from dualtable._wire.sizes import item_bytes, read_units, write_units
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import ThrottledError
from dualtable.testing._stored import StoredTable
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import PAGE_BYTES, READ_SECONDS, SimulatedDynamoDB, Table, place_of
from simulation.proofs import MIGRATION
from simulation.virtual_time import VirtualClock

CONTROL = MIGRATION.control_table


class FleetDynamoDB(SimulatedDynamoDB):
    """Counts what is asked of the control table, and throttles it as DynamoDB would.

    Attributes:
        requests: Requests to the control table by second.
        busiest: Units by kind, second and partition key.
        throttled: Requests to it that were throttled, by second.
        sent: How often each key was sent to the new table and not throttled.
    """

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.requests: Counter[int] = Counter()
        self.units: Counter[tuple[str, int]] = Counter()
        self.busiest: Counter[tuple[str, int, str]] = Counter()
        self.throttled: Counter[int] = Counter()
        self.sent: Counter[str] = Counter()
        self._control = Capacity()  # a new on-demand table: four partitions
        self._sizes: dict[Any, tuple[WireItem, int]] = {}

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        if table != CONTROL:
            return await super().get(table, key, consistent_read=consistent_read)
        self._admit("Read", key["migration"]["S"])
        item = await super().get(table, key, consistent_read=consistent_read)
        size = 0 if item is None else item_bytes(item)
        self._charge(
            "Read", key["migration"]["S"], read_units(size, consistent_read=consistent_read)
        )
        return item

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        if table == CONTROL:
            self._admit("Write", item["migration"]["S"])
            self._charge("Write", item["migration"]["S"], write_units(item_bytes(item)))
        return await super().put(table, item, condition, return_old=return_old)

    async def query(self, table: str, key_condition: Condition, **settings: Any) -> Any:
        """Read records whose names begin alike; all there are fit into one page."""
        place, prefix = (key_condition.values[value]["S"] for value in (":m", ":r"))
        self._admit("Read", place)
        await asyncio.sleep(READ_SECONDS)
        found = self._records(self._table(table), place, prefix)
        size = sum(size for _, size in found)
        assert size < PAGE_BYTES
        consistent = settings.get("consistent_read", True)
        units = read_units(size, consistent_read=consistent)
        self._charge("Read", place, units)
        return Page([item for item, _ in found], None, units)

    def _records(self, table: StoredTable, place: str, prefix: str) -> list[tuple[WireItem, int]]:
        """Return the records as they are stored, each with its size, which is told but once."""
        found = []
        for *_, key in table.order.partition(order({"S": place}), None, descending=False):
            item = table._versions[key][-1]
            if item is None or not item["record"]["S"].startswith(prefix):
                continue
            sized = self._sizes.get(key)
            if sized is None or sized[0] is not item:
                sized = self._sizes[key] = item, item_bytes(item)
            found.append(sized)
        return found

    async def insert(self, table: str, items: Any, *, key_name: str) -> Any:
        answer = await super().insert(table, items, key_name=key_name)
        for item, insert in zip(items, answer.outcomes, strict=True):
            self.sent[item.item()[key_name]["S"]] += insert.outcome is not Outcome.RETRY
        return answer

    def _admit(self, kind: str, key: str) -> None:
        self.requests[int(self._now())] += 1
        if self._refused(kind, place_of(key)):
            self.throttled[int(self._now())] += 1
            raise ThrottledError(f"{kind} of {key} was throttled", reasons=(f"{kind}KeyRange",))

    def _refused(self, kind: str, place: float) -> str:
        partition = self._control._partition(place)
        bucket = partition.writes if kind == "Write" else partition.reads
        return self._control._refusal(kind, bucket, self._now())

    def _charge(self, kind: str, key: str, units: float) -> None:
        partition = self._control._partition(place_of(key))
        self._control._charge(kind, partition.writes if kind == "Write" else partition.reads, units)
        self.units[kind, int(self._now())] += units  # type: ignore[assignment]
        self.busiest[kind, int(self._now()), key] += units  # type: ignore[assignment]


class Mortal:
    """A worker's connection; nothing goes through it once its process is dead.

    Attributes:
        under_way: Keys that were sent to the new table, by the segment that they are of, as long as
            no checkpoint behind them is known to be stored.
    """

    def __init__(self, gateway: FleetDynamoDB, total_segments: int) -> None:
        self._gateway = gateway
        self._total_segments = total_segments
        self.dead = False
        self.under_way: defaultdict[int, set[str]] = defaultdict(set)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise asyncio.CancelledError("killed")
            return await getattr(self._gateway, name)(*args, **kwargs)

        return call

    async def insert(self, table: str, items: Any, *, key_name: str) -> Any:
        for item in items:
            key = item.item()[key_name]["S"]
            self.under_way[int(place_of(key) * self._total_segments)].add(key)
        return await self.__getattr__("insert")(table, items, key_name=key_name)

    async def put(self, table: str, item: WireItem, *args: Any, **kwargs: Any) -> Any:
        result = await self.__getattr__("put")(table, item, *args, **kwargs)
        kind, _, segment = item["record"]["S"].rpartition("#")
        if kind.startswith("segment"):
            self.under_way.pop(int(segment), None)
        return result


@attrs.define
class SkewedClock(VirtualClock):
    """A machine's clock; its wall is so many seconds ahead."""

    ahead: float = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@attrs.define(eq=False)
class Fleet:
    """Workers that come and go.

    Args:
        gateway: The simulated tables.
        settings: Of each migrator.
        skew_seconds: Clocks are so far off at most, both ways.
        chance: Who draws the lots.

    Attributes:
        crashes: Workers that were killed.
        under_way: Keys of the pages that were under way then.
    """

    gateway: FleetDynamoDB
    settings: dict[str, Any]
    skew_seconds: float = 0.0
    chance: random.Random = attrs.field(factory=lambda: random.Random(1))
    crashes: int = attrs.field(init=False, default=0)
    under_way: set[str] = attrs.field(init=False, factory=set)
    _running: dict[asyncio.Task[Any], Mortal] = attrs.field(init=False, factory=dict)

    def add(self, number: int = 1) -> None:
        """Begin so many workers."""
        for _ in range(number):
            mortal = Mortal(self.gateway, self.settings["total_segments"])
            migrator = Migrator(
                MIGRATION,
                gateway=mortal,  # type: ignore[arg-type]
                clock=SkewedClock(self.chance.uniform(-self.skew_seconds, self.skew_seconds)),
                dead_letters=os.devnull,
                **self.settings,
            )
            self._running[asyncio.create_task(migrator.run())] = mortal

    def crash(self, number: int | None = None) -> None:
        """Kill one worker that runs: the one begun as which, or any."""
        alive = [task for task in self._running if not task.done()]
        if alive:
            victim = self.chance.choice(alive) if number is None else alive[number]
            mortal = self._running.pop(victim)
            mortal.dead = True
            self.under_way.update(*mortal.under_way.values())
            victim.cancel("killed")
            self.crashes += 1

    async def crash_and_replace(self, a_minute: float) -> None:
        """Kill so many a minute, each at a moment of its own, and begin another for each."""
        while True:
            await asyncio.sleep(self.chance.expovariate(a_minute / 60))
            self.crash()
            self.add()

    @property
    def at_work(self) -> bool:
        """Whether a worker runs."""
        return any(not task.done() for task in self._running)

    async def ended(self) -> list[Any]:
        """Return what those report that have not crashed, when all have ended."""
        while any(not task.done() for task in self._running):
            await asyncio.wait([task for task in self._running if not task.done()])
        return [task.result() for task in self._running]

    def stop(self) -> None:
        """Kill all that still run."""
        while self.at_work:
            self.crash()


@attrs.frozen(kw_only=True)
class Minute:
    """A minute of a fleet, or what is left of the last one, in units and requests a second.

    Attributes:
        second: With which it begins.
        seconds: How long it is.
        workers: How many there are.
        write_units: Write units consumed on the new table.
        share: Of the ceiling, or of what the table has.
        requests: Requests to the control table.
        control_read_units: What they cost.
        control_write_units: What they cost.
        busiest_key: The most units in a second on one partition key of the control table.
        refused: Requests to it that were throttled, in all.
    """

    second: int
    seconds: int
    workers: int
    write_units: float
    share: float
    requests: float
    control_read_units: float
    control_write_units: float
    busiest_key: float
    refused: int


@attrs.frozen(kw_only=True)
class Crowd:
    """What a fleet came to.

    Attributes:
        minutes: One after the other, to the end of the copy where it was waited for.
        crashes: Workers that were killed.
        twice: Copies that were sent once more after they had been sent.
        beyond: Keys of them that were of no page under way where a worker was killed.
        missing: Old items that are not in the new table when all have ended; 0 where not asked for.
    """

    minutes: tuple[Minute, ...]
    crashes: int
    twice: int
    beyond: int
    missing: int


def crowd(
    *,
    workers: int,
    items: int,
    size: int,
    segments: int,
    units: float,
    seconds: int | None = None,
    partitions: int = 40,
    ceiling: float | None = None,
    crashes_a_minute: float = 0.0,
    skew_seconds: float = 0.0,
    step: int = 60,
    seed: int = 1,
) -> Crowd:
    """Run a fleet for so long, or to the end of the copy, and measure each `step` of it."""

    async def main() -> Crowd:
        gateway = FleetDynamoDB(seed)
        keys = proofs.keys(items)
        old = Capacity(partitions=partitions)
        gateway.add_table("orders", old, lambda key: proofs.old_item(key, size), keys=keys)
        bought = Capacity(write_units=units, read_units=units, partitions=partitions)
        new = gateway.add_table("orders-v2", bought)
        settings = {"concurrency": 2, "total_segments": segments, "max_write_units": ceiling}
        fleet = Fleet(gateway, settings, skew_seconds, random.Random(seed))
        fleet.add(workers)
        reaper = asyncio.create_task(fleet.crash_and_replace(crashes_a_minute or 1e-9))
        while _goes_on(seconds, len(keys) - len(new.keys)):
            await asyncio.sleep(1)
        reaper.cancel()
        end = int(asyncio.get_running_loop().time())
        if seconds is None:
            await fleet.ended()
        killed = fleet.crashes
        fleet.stop()
        twice = {key: times - 1 for key, times in gateway.sent.items() if times > 1}
        return Crowd(
            minutes=tuple(
                _minute(gateway, new, range(n, min(n + step, end)), workers, ceiling or units)
                for n in range(0, end, step)
            ),
            crashes=killed,
            twice=sum(twice.values()),
            beyond=len(twice.keys() - fleet.under_way),
            missing=0 if seconds else len(set(keys) - new.keys),
        )

    return virtual_time.run(main(), seed)


def _goes_on(seconds: int | None, left: int) -> bool:
    return left > 0 if seconds is None else asyncio.get_running_loop().time() < seconds


def _minute(
    gateway: FleetDynamoDB, new: Table, seconds: range, workers: int, whole: float
) -> Minute:
    def mean(counted: Callable[[int], float]) -> float:
        return sum(map(counted, seconds)) / len(seconds)

    used = mean(lambda second: new.capacity.consumed[second])
    return Minute(
        second=seconds.start,
        seconds=len(seconds),
        workers=workers,
        write_units=used,
        share=used / whole,
        requests=mean(lambda second: gateway.requests[second]),
        control_read_units=mean(lambda second: gateway.units["Read", second]),
        control_write_units=mean(lambda second: gateway.units["Write", second]),
        busiest_key=max(
            (units for (_, second, _), units in gateway.busiest.items() if second in seconds),
            default=0.0,
        ),
        refused=sum(gateway.throttled[second] for second in seconds),
    )
