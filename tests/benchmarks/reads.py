"""What a read of one item costs: client CPU, requests and round trips.

The rule: the ways to read take turns in one process, one read after the other; a ratio is the
median of the rounds' ratios. A round trip begins with a request that is sent while no other is on
its way.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aioboto3
import attrs
import orders

from benchmarks import workload
from dualtable import DualTableRepository, Migration, Move, Phase
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._dynamodb.aws import open_gateway
from dualtable._dynamodb.gateway import Gateway
from dualtable._wire import codec

BARE = "aioboto3 get_item"
HIT, FINISHED_HIT = "hit", "hit, finished"
HIT_TARGET = 0.8
"""What a hit may cost, as a multiple of the bare call, in `MIGRATING` and after the end: what it
cost before there was a way in and a way out (0.71 on dynoxide, 0.78 on DynamoDB Local)."""

Read = Callable[[int], Awaitable[Any]]


@attrs.frozen
class Row:
    """One way to read: CPU per read, as a multiple of the bare call, and what is sent for it."""

    way: str
    microseconds: float
    ratio: float
    requests: float
    round_trips: float
    target: float | None

    @property
    def met(self) -> bool:
        """Whether the target is met; a row without one meets it."""
        return self.target is None or self.ratio <= self.target


class Wire:
    """Counts requests, and moments at which one is sent while no other is on its way."""

    def __init__(self) -> None:
        self.requests = self.round_trips = self._under_way = 0

    def watched(self, gateway: Gateway) -> Any:
        """Return the gateway with its reads counted."""
        return _Watched(gateway, self)

    async def pass_on(self, call: Callable[[], Awaitable[Any]]) -> Any:
        self.requests += 1
        self.round_trips += self._under_way == 0
        self._under_way += 1
        try:
            return await call()
        finally:
            self._under_way -= 1


class _Watched:
    def __init__(self, gateway: Any, wire: Wire) -> None:
        self._gateway = gateway
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gateway, name)
        if name not in ("get", "batch_get"):
            return method
        return lambda *given, **named: self._wire.pass_on(lambda: method(*given, **named))


async def measure(url: str, reads: int, rounds: int) -> list[Row]:
    """Time that many reads of each way, in each of the rounds."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(endpoint_url=url))
        migration = await _tables(gateway, reads)
        wire = Wire()

        async def repository(
            gateway: Any, of: Migration = migration, **options: bool
        ) -> DualTableRepository[Any]:
            return await stack.enter_async_context(
                DualTableRepository(of, gateway=gateway, **options)
            )

        finished = await _finished(gateway, migration)

        client = await stack.enter_async_context(
            aioboto3.Session().client("dynamodb", endpoint_url=url)
        )

        async def ways_through(gateway: Any) -> dict[str, Read]:
            both = await repository(gateway, one_round_trip=True)
            last = await repository(gateway, finished)
            return _ways(migration, client, await repository(gateway), both, last)

        ways = await ways_through(gateway)
        counted = await ways_through(wire.watched(gateway))
        sent = {way: await _sent(wire, read) for way, read in counted.items()}
        timed = [await _round(ways, reads, number) for number in range(rounds + 1)]
        return [_row(way, timed[1:], sent[way]) for way in ways]  # the first round warms up


async def _tables(gateway: Gateway, count: int) -> Migration:
    """Make a migration whose items with an even number are copied, and no others."""
    name = f"reads-{time.time_ns()}"
    migration = Migration(name, f"{name}-old", f"{name}-new", Move("customer.region", "region"))
    await gateway.create_table(orders.table(migration.new))
    await workload.fill(gateway, migration.old, 2 * count)
    for number in range(0, 2 * count, 2):
        item = migration.transform.forward(workload.old_item(number))
        await gateway.put(migration.new, codec.encode(item))  # type: ignore[arg-type]
    return migration


async def _finished(gateway: Gateway, migration: Migration) -> Migration:
    """Make another migration of these tables that is at its end."""
    finished = attrs.evolve(migration, name=f"{migration.name}-finished")
    control = Control(gateway, finished.control_table, finished.name)
    await control.ensure_table()
    await control.note_state(State(Phase.FINISHED))
    return finished


def _ways(
    migration: Migration,
    client: Any,
    one: DualTableRepository[Any],
    both: DualTableRepository[Any],
    last: DualTableRepository[Any],
) -> dict[str, Read]:
    def key(number: int) -> dict[str, str]:
        return {"id": workload.item_id(number)}

    def wire_key(number: int) -> dict[str, dict[str, str]]:
        return {"id": {"S": workload.item_id(number)}}

    return {
        BARE: lambda n: client.get_item(TableName=migration.new, Key=wire_key(2 * n)),
        HIT: lambda n: one.get(key(2 * n)),
        FINISHED_HIT: lambda n: last.get(key(2 * n)),
        "hit, consistent": lambda n: one.get(key(2 * n), consistent_read=True),
        "miss, falls back": lambda n: one.get(key(2 * n + 1)),
        "miss, falls back, consistent": lambda n: one.get(key(2 * n + 1), consistent_read=True),
        "nowhere": lambda n: one.get({"id": f"nowhere-{n}"}),
        "one round trip, hit": lambda n: both.get(key(2 * n)),
        "one round trip, falls back": lambda n: both.get(key(2 * n + 1)),
    }


async def _sent(wire: Wire, read: Read) -> tuple[int, int]:
    wire.requests = wire.round_trips = 0
    await read(0)
    return wire.requests or 1, wire.round_trips or 1  # the bare call is not watched


async def _round(ways: dict[str, Read], reads: int, number: int) -> dict[str, float]:
    """Return the CPU seconds of one read of each way."""
    names = list(ways)
    turn = number % len(names)
    seconds = {}
    for name in [*names[turn:], *names[:turn]]:
        read = ways[name]
        started = time.process_time()
        for n in range(reads):
            await read(n)
        seconds[name] = (time.process_time() - started) / reads
    return seconds


def _row(way: str, timed: Sequence[dict[str, float]], sent: tuple[int, int]) -> Row:
    return Row(
        way,
        statistics.median(seconds[way] for seconds in timed) * 1e6,
        statistics.median(seconds[way] / seconds[BARE] for seconds in timed),
        *sent,
        HIT_TARGET if way in (HIT, FINISHED_HIT) else None,
    )
