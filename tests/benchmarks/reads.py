"""What a call of the repository costs: client CPU, requests and round trips.

The rule: the calls take turns in one process, one after the other; a ratio is that to the bare call
of its kind, the median of the rounds' ratios. A round trip begins with a request that is sent while
no other is on its way.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aioboto3
import attrs
import orders
from boto3.dynamodb.conditions import Key

from benchmarks import workload
from dualtable import DualTableRepository, Migration, Move, Phase, drop_in
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._dynamodb.aws import open_gateway
from dualtable._dynamodb.gateway import Gateway
from dualtable._wire import codec

BARE = "aioboto3 get_item"
HIT, FINISHED_HIT = "hit", "hit, finished"
PUT, UPDATE, QUERY, FINISHED_QUERY = "put", "update, hit", "query", "query, finished"
MODIFY = "update by a callable, hit"
DROP_IN_HIT = "drop-in, hit"
# Another call than `BARE` that a call is compared with.
BARES = {
    PUT: "aioboto3 put_item",
    UPDATE: "aioboto3 update_item",
    MODIFY: "aioboto3 get, put if same",
    QUERY: "aioboto3 query of both",
    FINISHED_QUERY: "aioboto3 query",
    DROP_IN_HIT: "aioboto3 Table.get_item",
}
# The bare ones that are two requests: what a caller does who wants as much as from ours. Who reads,
# changes and writes back must notice that others have written meanwhile, here by a version of his
# own; and before the end, a query asks both tables.
_TWO_REQUESTS = {"aioboto3 get, put if same": (2, 2), "aioboto3 query of both": (2, 1)}
# What a call may cost, as a multiple of the bare one, in `MIGRATING` and after the end.
TARGETS = {
    HIT: 0.4,
    FINISHED_HIT: 0.4,
    PUT: 0.5,
    UPDATE: 0.5,
    MODIFY: 0.5,
    QUERY: 0.5,
    FINISHED_QUERY: 0.5,
    DROP_IN_HIT: 1.1,
}
_LINES = 50  # of a page that is queried

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
        if name not in ("get", "batch_get", "put", "update", "query"):
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

        resource = await stack.enter_async_context(
            aioboto3.Session().resource("dynamodb", endpoint_url=url)
        )
        plain = await resource.Table(migration.new)
        lines = await _lines(gateway, migration)

        async def ways_through(gateway: Any) -> dict[str, Read]:
            both = await repository(gateway, one_round_trip=True)
            last = await repository(gateway, finished)
            one = await repository(gateway)
            in_place = await stack.enter_async_context(drop_in.Table(migration, gateway=gateway))
            queried = [await repository(gateway, of) for of in lines]
            return {
                **_ways(migration, client, one, both, last),
                **_writes(migration, client, one),
                **_queries(lines[0], client, *queried),
                **_table_ways(plain, in_place),
            }

        ways = await ways_through(gateway)
        counted = await ways_through(wire.watched(gateway))
        sent = {way: await _sent(wire, read) for way, read in counted.items()} | _TWO_REQUESTS
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


async def _lines(gateway: Gateway, migration: Migration) -> tuple[Migration, Migration]:
    """Make a migration of tables with a sort key and a page of items, and one that is finished."""
    name = f"{migration.name}-lines"
    lines = attrs.evolve(migration, name=name, old=f"{name}-old", new=f"{name}-new")
    for table in (lines.old, lines.new):
        await gateway.create_table(orders.table(table, ("id", "S"), ("day", "N")))
    for day in range(_LINES):
        line = {"id": "o-1", "day": day, "text": "a line of an order", "count": day % 7}
        await gateway.put(lines.new, codec.encode(line))
    return lines, await _finished(gateway, lines)


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


def _writes(migration: Migration, client: Any, one: DualTableRepository[Any]) -> dict[str, Read]:
    name, values = migration.new, {":s": {"S": "sent"}}

    async def get_and_put(number: int) -> None:
        found = await client.get_item(
            TableName=name, Key={"id": {"S": workload.item_id(2 * number)}}, ConsistentRead=True
        )
        item, version = found["Item"], found["Item"].get("version")
        unchanged = "attribute_exists(id) AND attribute_not_exists(version)"
        seen = {}
        if version is not None:
            unchanged, seen = "version = :v", {"ExpressionAttributeValues": {":v": version}}
        changed = {**item, "carrier": values[":s"], "version": {"S": secrets.token_hex(8)}}
        await client.put_item(TableName=name, Item=changed, ConditionExpression=unchanged, **seen)

    def ship(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "carrier": "sent"}

    def new_item(number: int) -> dict[str, Any]:
        return workload.to_new(workload.old_item(number))

    return {
        BARES[PUT]: lambda n: client.put_item(TableName=name, Item=codec.encode(new_item(2 * n))),
        PUT: lambda n: one.put(new_item(2 * n)),
        BARES[UPDATE]: lambda n: client.update_item(
            TableName=name,
            Key={"id": {"S": workload.item_id(2 * n)}},
            UpdateExpression="SET carrier = :s",
            ExpressionAttributeValues=values,
        ),
        UPDATE: lambda n: one.update_item(
            {"id": workload.item_id(2 * n)},
            UpdateExpression="SET carrier = :s",
            ExpressionAttributeValues={":s": "sent"},
        ),
        BARES[MODIFY]: get_and_put,
        MODIFY: lambda n: one.update({"id": workload.item_id(2 * n)}, ship),
    }


def _queries(
    of: Migration, client: Any, one: DualTableRepository[Any], last: DualTableRepository[Any]
) -> dict[str, Read]:
    async def bare(name: str) -> None:
        await client.query(
            TableName=name,
            KeyConditionExpression="id = :i",
            ExpressionAttributeValues={":i": {"S": "o-1"}},
        )

    async def both() -> None:
        await asyncio.gather(bare(of.new), bare(of.old))

    async def read(repository: DualTableRepository[Any]) -> None:
        found = [line async for line in repository.query(Key("id").eq("o-1"))]
        assert len(found) == _LINES

    return {
        BARES[FINISHED_QUERY]: lambda _: bare(of.new),
        BARES[QUERY]: lambda _: both(),
        QUERY: lambda _: read(one),
        FINISHED_QUERY: lambda _: read(last),
    }


def _table_ways(plain: Any, in_place: drop_in.Table) -> dict[str, Read]:
    def key(number: int) -> dict[str, str]:
        return {"id": workload.item_id(2 * number)}

    return {
        BARES[DROP_IN_HIT]: lambda n: plain.get_item(Key=key(n)),
        DROP_IN_HIT: lambda n: in_place.get_item(Key=key(n)),
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
        statistics.median(seconds[way] / seconds[BARES.get(way, BARE)] for seconds in timed),
        *sent,
        TARGETS.get(way),
    )
