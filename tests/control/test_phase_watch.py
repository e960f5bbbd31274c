"""Running repositories pick the phase up by themselves, and know when they do not know it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext, suppress
from contextvars import Context
from itertools import product
from typing import Any

import attrs
import orders
import pytest
import simulated
from boto3.dynamodb.conditions import Attr
from clocks import HandClock

from dualtable import Delete, DualTableRepository, Migrator, Phase, create_table
from dualtable._clock import SystemClock
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._wire import codec
from dualtable.errors import (
    AccessError,
    DualTableError,
    GatewayError,
    MigrationMismatchError,
    RequestRefusedError,
    StalePhaseError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
COPIED, OLD_ONLY, MISSING = orders.key(1), orders.key(2), orders.key(99)


class Wire(Faults):
    """Counts the requests, fails those that a test wants to fail, and calls it in between."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.failing: dict[tuple[str, str], DualTableError] = {}
        self.between: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {}

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(0)
        self.requests[operation, table] += 1
        if meanwhile := self.between.pop((operation, table), None):
            await meanwhile()
        if error := self.failing.get((operation, table)):
            raise error

    def cut_off(self) -> None:
        """Let the control table be out of reach."""
        self.failing["get", PLAN.control_table] = GatewayError("the control table is away")

    def asked_old(self) -> bool:
        return any(table == PLAN.old for _, table in self.requests)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def gateway(wire: Wire) -> MemoryGateway:
    """Orders 1 to 9 in the old table, order 1 copied already, and a control table."""
    gateway = MemoryGateway(wire)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
    await orders.fill(gateway, PLAN.new, [orders.new_order(1)])
    await Control(gateway, PLAN.control_table, PLAN.name).ensure_table()
    return gateway


@pytest.fixture
def control(gateway: MemoryGateway) -> Control:
    return Control(gateway, PLAN.control_table, PLAN.name)


@pytest.fixture
async def repository(
    gateway: MemoryGateway, clock: HandClock, wire: Wire
) -> AsyncIterator[DualTableRepository]:
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
        wire.requests.clear()
        yield repository


async def in_new(gateway: Any, key: dict[str, Any]) -> dict[str, Any] | None:
    item = await gateway.get(PLAN.new, codec.encode(key), consistent_read=True)
    return item and codec.decode(item)


async def copy_all(gateway: MemoryGateway) -> None:
    await orders.fill(gateway, PLAN.new, [orders.new_order(n) for n in range(1, 10)])


async def finish(gateway: MemoryGateway, control: Control, clock: HandClock) -> None:
    """Complete and finish as the cut-over will: everything copied, and then long enough."""
    await copy_all(gateway)
    await control.advance(Phase.MIGRATED, clock.now())
    clock.move(Times().settle_seconds)
    await control.advance(Phase.FINISHED, clock.now())


def test_the_waits_leave_room_for_each_other() -> None:
    """A refresh may fail several times; the second step comes after everybody has gone stale."""
    assert 5 * Times().refresh_seconds <= Times().stale_seconds
    assert Times().stale_seconds + 10 * (35 + PRODUCTION.cap_seconds) <= Times().settle_seconds


async def test_the_phase_is_picked_up_while_running(
    repository: DualTableRepository, control: Control, clock: HandClock, wire: Wire
) -> None:
    """After the cut-over no running repository asks the old table, and none is restarted."""
    assert await repository.get(OLD_ONLY) == orders.new_order(2)
    await control.advance(Phase.MIGRATED, clock.now())
    assert await repository.get(OLD_ONLY) == orders.new_order(2), "known for less than 30 s"
    clock.move(Times().refresh_seconds)
    wire.requests.clear()
    assert await repository.get(OLD_ONLY) is None
    assert await repository.batch_get([OLD_ONLY, COPIED]) == [None, orders.new_order(1)]
    await repository.put(orders.new_order(3), if_absent=True)
    await repository.update(OLD_ONLY, lambda item: item, create=True)
    assert not wire.asked_old()


async def test_deletes_become_real_in_the_end(
    gateway: MemoryGateway, control: Control, clock: HandClock, repository: DualTableRepository
) -> None:
    """Tombstones are left until `FINISHED`, in which nobody needs them any more."""
    await copy_all(gateway)
    await control.advance(Phase.MIGRATED, clock.now())
    clock.move(Times().refresh_seconds)
    await repository.delete(COPIED)
    assert await in_new(gateway, COPIED) == {**COPIED, PLAN.tombstone_attribute: True}
    clock.move(Times().settle_seconds)
    await control.advance(Phase.FINISHED, clock.now())
    clock.move(Times().refresh_seconds)
    await repository.delete(OLD_ONLY)
    assert await in_new(gateway, OLD_ONLY) is None
    assert await repository.batch_get([COPIED, OLD_ONLY]) == [None, None]


async def test_one_look_serves_all(
    repository: DualTableRepository, clock: HandClock, wire: Wire
) -> None:
    """A refresh costs one read and one write, however many operations are under way."""
    clock.move(Times().refresh_seconds)
    await asyncio.gather(*(repository.get(orders.key(n)) for n in range(1, 10)))
    looks = {op: n for (op, table), n in wire.requests.items() if table == PLAN.control_table}
    assert looks == {"get": 1, "put": 1}
    await repository.get(COPIED)
    assert wire.requests["get", PLAN.control_table] == 1


async def test_a_cancelled_look_is_good_for_the_next(
    repository: DualTableRepository, control: Control, clock: HandClock, wire: Wire
) -> None:
    """A caller that gives up in the middle of a refresh must not take the others along."""
    await control.advance(Phase.MIGRATED, clock.now())
    wire.requests.clear()
    clock.move(Times().refresh_seconds)
    asked, answers = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        asked.set()
        await answers.wait()

    wire.between["get", PLAN.control_table] = hang
    first = asyncio.create_task(repository.get(OLD_ONLY))
    await asked.wait()
    assert await repository.get(OLD_ONLY) == orders.new_order(2), "it need not wait"
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    answers.set()
    while {beat.phase for beat in await control.heartbeats()} != {Phase.MIGRATED}:
        await asyncio.sleep(0)
    assert await repository.get(OLD_ONLY) is None
    assert wire.requests["get", PLAN.control_table] == 1


async def test_a_repository_acknowledges_the_phase(
    gateway: MemoryGateway, control: Control, clock: HandClock
) -> None:
    """The cut-over waits for every open repository, and for none that was closed."""
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as one:
        async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as other:
            assert {beat.phase for beat in await control.heartbeats()} == {Phase.MIGRATING}
            await control.advance(Phase.MIGRATED, clock.now())
            clock.move(Times().refresh_seconds)
            await one.get(COPIED)
            phases = {beat.at: beat.phase for beat in await control.heartbeats()}
            assert phases == {
                clock.now() - Times().refresh_seconds: Phase.MIGRATING,
                clock.now(): Phase.MIGRATED,
            }
            await other.get(COPIED)
            assert {beat.phase for beat in await control.heartbeats()} == {Phase.MIGRATED}
        assert len(await control.heartbeats()) == 1
    assert await control.heartbeats() == []


async def test_an_outage_is_ridden_out_until_it_is_too_long(
    repository: DualTableRepository, clock: HandClock, wire: Wire
) -> None:
    """Young knowledge serves on; old knowledge only what `new` can answer; news serve again."""
    wire.cut_off()
    clock.move(Times().stale_seconds)
    assert await repository.get(OLD_ONLY) == orders.new_order(2)
    clock.move(10)
    wire.requests.clear()
    for refused in (
        repository.get(OLD_ONLY),
        repository.batch_get([COPIED, OLD_ONLY]),
        repository.update(OLD_ONLY, lambda item: item),
        repository.put(orders.new_order(99), if_absent=True),
    ):
        with pytest.raises(StalePhaseError, match=r"310 s ago.*control table is away"):
            await refused
    assert not wire.asked_old()
    assert wire.requests["get", PLAN.control_table] == 1, "not each operation waits for it"
    assert await repository.get(COPIED) == orders.new_order(1)
    await repository.put(orders.new_order(3, total=1))
    await repository.update(orders.key(3), lambda item: {**item, "total": 2})
    await repository.delete(COPIED)
    wire.failing.clear()
    clock.move(10)
    assert await repository.get(OLD_ONLY) == orders.new_order(2)


class Hanging(Faults):
    """A control table that does not answer, as far as it is told."""

    def __init__(self, *operations: str) -> None:
        self.operations: tuple[str, ...] = ()
        self.hanging = operations
        self.at_once = self.most_at_once = 0

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(0)
        if table != PLAN.control_table or operation not in self.operations:
            return
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(3600)
        finally:
            self.at_once -= 1

    def begin(self) -> None:
        self.operations = self.hanging


async def _hung(faults: Hanging) -> DualTableRepository:
    gateway = MemoryGateway(faults)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(2)])
    await Control(gateway, PLAN.control_table, PLAN.name).ensure_table()
    return DualTableRepository(PLAN, gateway=gateway)


@attrs.define
class WallClock(SystemClock):
    """The clock of a simulated loop, whose time since 1970 passes with it."""

    def now(self) -> float:
        return 1_800_000_000.0 + self.monotonic()


def at_rest(faults: Faults, use: Callable[[MemoryGateway, Control], Awaitable[None]]) -> None:
    """Open a repository that nobody uses, and let time pass."""

    async def main() -> None:
        gateway = MemoryGateway(faults)
        await orders.create(gateway, PLAN)
        control = Control(gateway, PLAN.control_table, PLAN.name)
        await control.ensure_table()
        async with DualTableRepository(PLAN, gateway=gateway, clock=WallClock()):
            await use(gateway, control)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        loop: Any = asyncio.get_running_loop()
        assert [timer for timer in loop._scheduled if not timer.cancelled()] == []

    simulated.run(main())


def test_a_repository_that_rests_acknowledges_the_phase() -> None:
    """A fleet that is quiet at night must not keep a gate closed until it is used again."""
    wire = Wire()

    async def use(_gateway: MemoryGateway, control: Control) -> None:
        await asyncio.sleep(12.0)
        await control.advance(Phase.MIGRATED, WallClock().now())
        await asyncio.sleep(2 * Times().refresh_seconds)
        assert {beat.phase for beat in await control.heartbeats()} == {Phase.MIGRATED}
        wire.requests.clear()
        await asyncio.sleep(3600)
        looks = 3600 / Times().refresh_seconds
        assert looks / 2 - 1 <= wire.requests["get", PLAN.control_table] <= looks
        assert {table for _, table in wire.requests} == {PLAN.control_table}

    at_rest(wire, use)


def test_it_acknowledges_nothing_while_an_earlier_operation_is_under_way() -> None:
    """It is a look like any other: whoever began by the phase before may still write by it."""
    wire = Wire()

    async def use(gateway: MemoryGateway, control: Control) -> None:
        ends = asyncio.Event()
        wire.between["get", PLAN.new] = ends.wait
        async with DualTableRepository(PLAN, gateway=gateway, clock=WallClock()) as repository:
            reading = asyncio.create_task(repository.get(MISSING))
            await asyncio.sleep(1)
            await control.advance(Phase.MIGRATED, WallClock().now())
            await asyncio.sleep(100)
            phases = sorted(beat.phase for beat in await control.heartbeats())
            assert phases == [Phase.MIGRATED, Phase.MIGRATING]
            ends.set()
            assert await reading is None
            await asyncio.sleep(2 * Times().refresh_seconds)
            assert {beat.phase for beat in await control.heartbeats()} == {Phase.MIGRATED}

    at_rest(wire, use)


def test_a_repository_that_rests_bears_an_outage() -> None:
    """Nothing hangs at its end, nothing piles up, and it goes on by itself afterwards."""
    faults = Hanging("get")

    async def use(_gateway: MemoryGateway, control: Control) -> None:
        faults.begin()
        await asyncio.sleep(600)
        assert faults.most_at_once == 1
        faults.operations = ()
        await control.advance(Phase.MIGRATED, WallClock().now())
        await asyncio.sleep(2 * Times().refresh_seconds)
        assert {beat.phase for beat in await control.heartbeats()} == {Phase.MIGRATED}
        faults.begin()
        await asyncio.sleep(Times().refresh_seconds + 1)  # and it is closed in the middle of one

    at_rest(faults, use)


@pytest.mark.parametrize("operation", ["get", "put"])
def test_a_hanging_control_table_holds_nobody_up(operation: str) -> None:
    """One task asks it, whoever began that waits for a moment, and the others not at all."""

    async def serve() -> None:
        faults = Hanging(operation)
        async with await _hung(faults) as repository:
            await asyncio.sleep(Times().refresh_seconds)
            faults.begin()
            begun = simulated.seconds()
            waits = []
            while simulated.seconds() < begun + 60:
                before = simulated.seconds()
                found = await asyncio.gather(*[repository.get(OLD_ONLY) for _ in range(3)])
                assert found == [orders.new_order(2)] * 3
                waits.append(simulated.seconds() - before)
                await asyncio.sleep(0.1)
            assert max(waits) <= 0.25, "of those who began to ask"
            assert sum(waits) <= 2, "the others did not wait"
            assert faults.most_at_once == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}, "it takes its task along"

    simulated.run(serve())


def test_a_hang_that_lasts_stops_only_what_needs_old() -> None:
    """After minutes the old table is not believed any more; what new has is served at once."""

    async def serve() -> None:
        faults = Hanging("get")
        async with await _hung(faults) as repository:
            await repository.put(orders.new_order(1))
            faults.begin()
            for _ in range(40):
                await asyncio.sleep(Times().stale_seconds / 30)
                await repository.get(COPIED)
            begun = simulated.seconds()
            with pytest.raises(StalePhaseError, match=r"\d+ s ago"):
                await repository.get(OLD_ONLY)
            assert simulated.seconds() - begun <= 5.25, "it waits for the news as long as may be"
            for _ in range(100):
                begun = simulated.seconds()
                assert await repository.get(COPIED) == orders.new_order(1)
                assert simulated.seconds() - begun <= 0.25
                await asyncio.sleep(0.1)

    simulated.run(serve())


async def test_whoever_was_idle_waits_for_the_news(
    repository: DualTableRepository, control: Control, clock: HandClock, wire: Wire
) -> None:
    """All that begin after a long pause go by the phase as it is then, not only the first."""
    await control.advance(Phase.MIGRATED, clock.now())
    wire.requests.clear()
    clock.move(Times().stale_seconds + 1)
    assert await asyncio.gather(*[repository.get(OLD_ONLY) for _ in range(3)]) == [None] * 3
    assert not wire.asked_old()
    assert wire.requests["get", PLAN.control_table] == 1


async def test_a_process_frozen_between_two_reads_brings_nothing_back(
    gateway: MemoryGateway,
    control: Control,
    clock: HandClock,
    wire: Wire,
    repository: DualTableRepository,
) -> None:
    """I3: the item is copied, the migration finished and the item deleted during one read."""

    async def freeze() -> None:
        await finish(gateway, control, clock)
        await gateway.delete(PLAN.new, codec.encode(OLD_ONLY))

    wire.between["batch_get", PLAN.old] = freeze
    with pytest.raises(StalePhaseError, match=r"went on to FINISHED.*call it again"):
        await repository.get(OLD_ONLY)
    assert await repository.get(OLD_ONLY) is None


async def test_a_process_frozen_and_cut_off_brings_nothing_back(
    clock: HandClock, wire: Wire, repository: DualTableRepository
) -> None:
    """The age is judged after the last read, not only before the first."""

    async def freeze() -> None:
        wire.cut_off()
        clock.move(Times().stale_seconds + 1)

    wire.between["batch_get", PLAN.old] = freeze
    with pytest.raises(StalePhaseError):
        await repository.get(OLD_ONLY)


async def test_a_process_frozen_before_its_write_brings_nothing_back(
    gateway: MemoryGateway, control: Control, clock: HandClock, repository: DualTableRepository
) -> None:
    """I3, I4: "absent from `new`" does not guard an update once deletes are real."""

    async def slow(item: dict[str, Any]) -> dict[str, Any]:
        await finish(gateway, control, clock)
        await gateway.delete(PLAN.new, codec.encode(OLD_ONLY))
        return {**item, "total": 1}

    with pytest.raises(StalePhaseError):
        await repository.update(OLD_ONLY, slow)
    assert await in_new(gateway, OLD_ONLY) is None


ONE_ROUND = {"one_round_trip": True, "copy_on_read": True}
FROZEN: dict[str, tuple[str, Callable[[DualTableRepository], Awaitable[object]]]] = {
    "put if absent": ("put", lambda r: r.put(orders.new_order(2), if_absent=True)),
    "put and return": ("put", lambda r: r.put(orders.new_order(2), return_old=True)),
    "put if there": ("put", lambda r: r.put(orders.new_order(2), condition=Attr("id").exists())),
    "update": ("put", lambda r: r.update(OLD_ONLY, lambda item: {**item, "total": 1})),
    "update item": (
        "put",
        lambda r: r.update_item(
            OLD_ONLY, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": 1}
        ),
    ),
    "delete and return": ("put", lambda r: r.delete(OLD_ONLY, return_old=True)),
    "delete if there": ("put", lambda r: r.delete(OLD_ONLY, condition=Attr("id").exists())),
    "transaction": (
        "transact_write",
        lambda r: r.transact_write([Delete(OLD_ONLY, condition=Attr("id").exists())]),
    ),
    "copy on read": ("insert", lambda r: r.get(OLD_ONLY)),
    "copies on read": ("insert", lambda r: r.batch_get([OLD_ONLY, orders.key(3)])),
}


@pytest.mark.parametrize("case", [*product(FROZEN, ({"copy_on_read": True}, ONE_ROUND))], ids=str)
async def test_a_process_frozen_with_a_request_in_hand_does_not_send_it(
    gateway: MemoryGateway,
    control: Control,
    clock: HandClock,
    wire: Wire,
    case: tuple[str, dict[str, Any]],
) -> None:
    """I3: what builds on `old` is judged once more in the moment before it leaves.

    The item is copied, deleted and its tombstone swept while the process stands still.
    """
    name, settings = case
    operation, use = FROZEN[name]

    async def meanwhile() -> None:
        await finish(gateway, control, clock)
        await gateway.delete(PLAN.new, codec.encode(OLD_ONLY))

    async def freeze() -> None:  # what others do is none of the fence's business
        await asyncio.create_task(meanwhile(), context=Context())

    async def let_the_next_wait() -> None:
        wire.between[operation, PLAN.new] = freeze

    async with DualTableRepository(PLAN, gateway=gateway, clock=clock, **settings) as repository:
        if name == "put if absent":  # it has been deleted before, so it may go through
            await gateway.put(PLAN.new, codec.encode({**OLD_ONLY, PLAN.tombstone_attribute: True}))
        wire.between["batch_get", PLAN.old] = let_the_next_wait
        with nullcontext() if operation == "insert" else pytest.raises(StalePhaseError):
            await use(repository)
    assert wire.between == {}, "it has stood still"
    assert await in_new(gateway, OLD_ONLY) is None


async def test_a_slow_operation_is_no_stale_one(
    repository: DualTableRepository, clock: HandClock, wire: Wire
) -> None:
    """While the phase stays the same and can be read, an operation may take any time."""

    async def slow() -> None:
        clock.move(10 * Times().stale_seconds)

    wire.between["batch_get", PLAN.old] = slow
    assert await repository.get(OLD_ONLY) == orders.new_order(2)


@pytest.mark.parametrize("ticking", ["seconds", "wall_seconds"])
async def test_either_clock_tells_the_age(
    repository: DualTableRepository, control: Control, clock: HandClock, ticking: str
) -> None:
    """One clock stops while a machine is frozen, the other may be set back: the older counts."""
    await control.advance(Phase.MIGRATED, clock.now())
    standing = {"seconds": "wall_seconds", "wall_seconds": "seconds"}[ticking]
    setattr(clock, ticking, getattr(clock, ticking) + Times().refresh_seconds)
    setattr(clock, standing, getattr(clock, standing) - (ticking == "seconds") * 3600)
    assert await repository.get(OLD_ONLY) is None


async def test_without_a_control_table_it_is_migrating(wire: Wire, clock: HandClock) -> None:
    """Production is switched over before the first migrator runs, and makes no table."""
    gateway = MemoryGateway(wire)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(2)])
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
        assert await repository.get(OLD_ONLY) == orders.new_order(2)
        await Migrator(PLAN, gateway=gateway).run()
        clock.move(Times().refresh_seconds)
        assert await repository.get(OLD_ONLY) == orders.new_order(2)
        control = Control(gateway, PLAN.control_table, PLAN.name)
        assert len(await control.heartbeats()) == 1, "and notices when there is one"
    assert ("create_table", PLAN.control_table) in wire.requests, "by the migrator"
    gateway = MemoryGateway(wire := Wire())
    await orders.create(gateway, PLAN)
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
        await repository.get(OLD_ONLY)
    assert ("create_table", PLAN.control_table) not in wire.requests


async def test_no_permission_for_heartbeats_is_said_once(
    gateway: MemoryGateway, wire: Wire, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may only read the control table gets a working repository and one warning."""
    wire.failing["put", PLAN.control_table] = AccessError("no", code="AccessDeniedException")
    with caplog.at_level(logging.WARNING, "dualtable"):
        async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
            for _ in range(3):
                clock.move(Times().refresh_seconds)
                assert await repository.get(OLD_ONLY) == orders.new_order(2)
    assert [record.message for record in caplog.records] == ["the phase could not be acknowledged"]


async def test_a_heartbeat_that_stays_is_no_failure(
    gateway: MemoryGateway, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing ends well whatever the control table does; the cut-over judges by age."""
    wire.failing["delete", PLAN.control_table] = RequestRefusedError("no")
    async with DualTableRepository(PLAN, gateway=gateway):
        pass
    assert [record.message for record in caplog.records] == [
        "the repository's heartbeat stays behind"
    ]


async def test_the_phase_never_goes_back(
    gateway: MemoryGateway, control: Control, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A control table that was deleted too early brings no deleted item back."""
    await finish(gateway, control, clock)
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
        await repository.delete(OLD_ONLY)
        record = {"migration": PLAN.name, "record": "state"}
        await gateway.delete(PLAN.control_table, codec.encode(record))
        clock.move(Times().refresh_seconds)
        assert await repository.get(OLD_ONLY) is None
    assert [record.message for record in caplog.records] == ["the control table has lost the phase"]


async def test_an_unknown_phase_is_refused(gateway: MemoryGateway, control: Control) -> None:
    """A phase that a later version has written may mean anything."""
    record = {"migration": PLAN.name, "record": "state", "phase": "LATER", "schema_version": 1}
    await gateway.put(PLAN.control_table, codec.encode(record))
    with pytest.raises(MigrationMismatchError, match=r"'LATER'.*upgrade"):
        async with DualTableRepository(PLAN, gateway=gateway):
            pass


async def test_the_old_table_may_go_after_the_migration(
    control: Control, clock: HandClock, gateway: MemoryGateway, wire: Wire
) -> None:
    """Production must start without a table that is not needed any more."""
    await finish(gateway, control, clock)
    for operation in ("describe_table", "get", "batch_get"):
        wire.failing[operation, PLAN.old] = RequestRefusedError("it is gone")
    async with DualTableRepository(PLAN, gateway=gateway, clock=clock) as repository:
        assert await repository.get(OLD_ONLY) == orders.new_order(2)
        await repository.update(OLD_ONLY, lambda item: {**item, "total": 1})
        await repository.delete(OLD_ONLY)
        await repository.put(orders.new_order(2), if_absent=True)


@pytest.mark.parametrize("first", [Phase.MIGRATED, Phase.FINISHED])
async def test_two_repositories_one_step_apart_are_safe(
    gateway: MemoryGateway, control: Control, clock: HandClock, first: Phase
) -> None:
    """Not all notice at one moment: deletes, writes and updates of each hold for the other."""
    await copy_all(gateway)
    if first is Phase.FINISHED:
        await control.advance(Phase.MIGRATED, clock.now())
    async with (
        DualTableRepository(PLAN, gateway=gateway, clock=clock) as behind,
        DualTableRepository(PLAN, gateway=gateway, clock=HandClock()) as ahead,
    ):
        await control.advance(first, clock.now())
        ahead._clock.move(Times().refresh_seconds)  # type: ignore[attr-defined]
        await ahead.delete(OLD_ONLY)
        assert await behind.get(OLD_ONLY) is None
        await behind.delete(COPIED)
        assert await ahead.get(COPIED) is None
        for one, other, number in ((ahead, behind, 3), (behind, ahead, 4)):
            await one.update(orders.key(number), lambda item: {**item, "total": 1})
            await other.update(
                orders.key(number), lambda item: {**item, "total": item["total"] + 1}
            )
            found = await one.get(orders.key(number), consistent_read=True)
            assert found == orders.new_order(number, total=2)
        for one, other in ((ahead, behind), (behind, ahead)):
            await one.put(orders.new_order(2), if_absent=True)
            await other.delete(OLD_ONLY)


async def test_phases_on_real_servers(server: str, table_name: str) -> None:
    """The records, the compare-and-set and the deletes are those of a real server."""
    plan = orders.migration(table_name)
    clock = HandClock()
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(1, 10)])
        await create_table(plan, endpoint_url=server)
        control = Control(gateway, plan.control_table, plan.name)
        async with DualTableRepository(plan, endpoint_url=server, clock=clock) as repository:
            assert await repository.get(OLD_ONLY) == orders.new_order(2)
            await repository.delete(COPIED)
            assert len(await orders.everything(gateway, plan.new)) == 1
            await orders.fill(gateway, plan.new, [orders.new_order(n) for n in range(2, 10)])
            await control.advance(Phase.MIGRATED, clock.now())
            with pytest.raises(MigrationMismatchError):
                await control.advance(Phase.MIGRATED, clock.now())
            await control.advance(Phase.FINISHED, clock.now())
            clock.move(Times().refresh_seconds)
            await repository.delete(OLD_ONLY)
            assert [beat.phase for beat in await control.heartbeats()] == [Phase.FINISHED]
            assert await repository.batch_get([COPIED, OLD_ONLY]) == [None, None]
            assert len(await orders.everything(gateway, plan.new)) == 8
        assert await control.heartbeats() == []
