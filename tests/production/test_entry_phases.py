"""The way in: in each phase before the copy, the repository is one table, wherever an item is.

Old code is plain calls on the old table that know nothing of the library.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key
from clocks import HandClock

from dualtable import (
    Chain,
    ConditionCheck,
    Convert,
    Delete,
    Drop,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Move,
    Phase,
    Put,
    Rename,
    Update,
    create_table,
    sync,
)
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._expressions.texts import Condition
from dualtable._expressions.texts import Update as SentUpdate
from dualtable._wire import codec
from dualtable._wire.types import WireItem
from dualtable.errors import (
    ConditionFailedError,
    InvalidItemError,
    InvalidKeyError,
    ItemExistsError,
    ItemNotFoundError,
    MigrationMismatchError,
    StalePhaseError,
    TransformError,
)
from dualtable.testing import Faults, MemoryGateway

pytestmark = pytest.mark.thorough_on("dynoxide")

ENTRY = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
C7 = Key("customer").eq("c-7")


def lower(state: str) -> str:
    return state.lower()


TRANSFORM = Chain(
    Move("person.name", "name"),
    Rename("cnt", "count"),
    Convert("state", lower, back=str.upper),
    Drop("legacy"),
)


def old_day(day: int, **more: Any) -> dict[str, Any]:
    return {
        "customer": "c-7",
        "day": Decimal(day),
        "person": {"name": f"n-{day}"},
        "cnt": Decimal(day),
        "state": "OPEN",
        "legacy": {"kept": Decimal(day)},
        **more,
    }


def new_day(day: int, **more: Any) -> dict[str, Any]:
    return {
        "customer": "c-7",
        "day": Decimal(day),
        "person": {},
        "name": f"n-{day}",
        "count": Decimal(day),
        "state": "open",
        **more,
    }


def key(day: int) -> dict[str, Any]:
    return {"customer": "c-7", "day": day}


@attrs.frozen
class World:
    """A fleet in one phase: days 0 to 5 in old; later, 1 is newer in new, and 2 deleted there."""

    phase: Phase
    plan: Migration
    gateway: Gateway
    control: Control
    clock: HandClock
    connection: Connection
    days: DualTableRepository[dict[str, Any]]

    async def old(self, day: int) -> dict[str, Any] | None:
        return await self._raw(self.plan.old, day)

    async def new(self, day: int) -> dict[str, Any] | None:
        return await self._raw(self.plan.new, day)

    async def _raw(self, table: str, day: int) -> dict[str, Any] | None:
        item = await self.gateway.get(table, codec.encode(key(day)), consistent_read=True)
        return None if item is None else codec.decode(item)

    def logical(self) -> dict[int, dict[str, Any]]:
        found = {day: new_day(day) for day in range(6)}
        if self.phase is not Phase.ROLLING_OUT:
            found[1] = new_day(1, state="newer")
            del found[2]
        return found


@pytest.fixture(params=["memory", "dynamodb-local", "dynoxide"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=ENTRY, ids=str)
def phase(request: pytest.FixtureRequest) -> Phase:
    return Phase(request.param)


@pytest.fixture
async def world(
    where: str, phase: Phase, running: Callable[[str], str], table_name: str
) -> AsyncIterator[World]:
    memory = MemoryGateway()
    given: Connection = (
        {"gateway": memory} if where == "memory" else {"endpoint_url": running(where)}
    )
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        TRANSFORM,
        indexes=[
            Index(
                "by-state",
                KeySchema("state", ("day", "N")),
                old_index="old-by-state",
                old_value=str.upper,
            )
        ],
        control_table=f"{table_name}-control",
        rolling=True,
    )
    old = orders.table(plan.old, ("customer", "S"), ("day", "N"))
    old["AttributeDefinitions"].append({"AttributeName": "state", "AttributeType": "S"})
    old["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "old-by-state",
            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ]
    clock = HandClock()
    async with connect(given, PRODUCTION) as gateway:
        await gateway.create_table(old)
        await create_table(plan, **given)
        control = Control(gateway, plan.control_table, plan.name)
        await orders.fill(gateway, plan.old, [old_day(day) for day in range(6)])
        for following in ENTRY[1 : ENTRY.index(phase) + 1]:
            await control.advance(following, clock.now())
        if phase is not Phase.ROLLING_OUT:  # what a neighbour in the next phase has written
            newer = plan.marks.stamp(codec.encode(new_day(1, state="newer")), "neighbour")
            await gateway.put(plan.new, newer)
            await gateway.put(plan.new, plan.marks.bury(codec.encode(key(2))))
        async with DualTableRepository(plan, clock=clock, **given) as days:
            yield World(phase, plan, gateway, control, clock, given, days)


async def listed(found: Any) -> list[dict[str, Any]]:
    return [item async for item in found]


def in_order(days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(days, key=lambda day: day["day"])


async def test_reads(world: World) -> None:
    """Every way to read sees the logical items, consistently or not."""
    wanted = world.logical()
    days = world.days
    for consistent in (False, True):
        for day in range(8):
            assert await days.get(key(day), consistent_read=consistent) == wanted.get(day)
        found = await days.batch_get([key(d) for d in range(8)], consistent_read=consistent)
        assert found == [wanted.get(day) for day in range(8)]
        assert await listed(days.query(C7, consistent_read=consistent)) == list(wanted.values())
        assert in_order(await listed(days.scan(consistent_read=consistent))) == list(
            wanted.values()
        )
    assert await days.transact_get([key(d) for d in range(8)]) == [wanted.get(d) for d in range(8)]
    descending = await listed(days.query(C7, descending=True, limit=2))
    assert descending == list(wanted.values())[::-1][:2]
    opened = [day for day in wanted.values() if day["state"] == "open"]
    assert await listed(days.query(Key("state").eq("open"), index="by-state")) == opened
    assert await listed(days.scan(filter=Attr("count").eq(3))) == [new_day(3)]
    async with DualTableRepository(world.plan, one_round_trip=True, **world.connection) as both:
        assert await both.batch_get([key(d) for d in range(8)]) == found


async def test_a_put_replaces_whatever_is_there(world: World) -> None:
    """Blind writes go where the phase says, and read back as they were written."""
    for day in (0, 1, 2, 7):
        await world.days.put(new_day(day, state="put"))
        assert await world.days.get(key(day), consistent_read=True) == new_day(day, state="put")
    await world.days.batch_put([new_day(day, state="batch") for day in range(30)])
    assert await listed(world.days.query(C7)) == [new_day(d, state="batch") for d in range(30)]
    if world.phase is Phase.WRITING_NEW:
        assert await world.old(0) == old_day(0), "nothing writes to old any more"
        return
    old = await world.old(0) or {}
    assert old.pop("_dualtable_token")
    assert old == {n: v for n, v in old_day(0, state="BATCH").items() if n != "legacy"}
    assert await world.new(0) is None


async def test_put_if_absent(world: World) -> None:
    """Absent means absent from both."""
    for day in range(8):
        if day in world.logical():
            with pytest.raises(ItemExistsError):
                await world.days.put(new_day(day, state="fresh"), if_absent=True)
        else:
            await world.days.put(new_day(day, state="fresh"), if_absent=True)
            assert await world.days.get(key(day)) == new_day(day, state="fresh")


@pytest.mark.parametrize("day", [0, 1, 2, 7], ids=["old", "newer", "deleted", "nowhere"])
async def test_conditions_and_expressions(world: World, day: int) -> None:
    """A condition sees the logical item, and so does an expression; what T drops survives."""
    days, before = world.days, world.logical().get(day)
    failing = Attr("customer").not_exists() if before else Attr("customer").exists()
    with pytest.raises(ConditionFailedError):
        await days.put(new_day(day, state="wrong"), condition=failing)
    with pytest.raises(ConditionFailedError):
        await days.delete(key(day), condition=failing)
    asked: dict[str, Any] = {
        "UpdateExpression": "SET #s = :s, visits = if_not_exists(visits, :no) + :one",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":s": "updated", ":one": 1, ":no": 0},
    }
    after = {**key(day), **(before or {}), "state": "updated", "visits": Decimal(1)}
    assert await days.update_item(key(day), ReturnValues="ALL_NEW", **asked) == after
    assert await days.get(key(day), consistent_read=True) == after
    found = await days.update_item(key(day), ReturnValues="UPDATED_NEW", **asked)
    assert found == {"state": "updated", "visits": 2}
    await days.put(new_day(day, state="judged"), condition=Attr("visits").eq(2))
    if world.phase is not Phase.WRITING_NEW and day == 0:
        assert (await world.old(0) or {})["legacy"] == {"kept": 0}
    gone = await days.delete(key(day), condition=Attr("state").eq("judged"), return_old=True)
    assert gone == new_day(day, state="judged")
    assert await days.get(key(day), consistent_read=True) is None


async def test_update_by_function(world: World) -> None:
    """Read-modify-write, wherever the item is."""
    for day, item in world.logical().items():
        updated = await world.days.update(key(day), lambda day: {**day, "visits": 1})
        assert updated == {**item, "visits": 1} == await world.days.get(key(day))
    with pytest.raises(ItemNotFoundError):
        await world.days.update(key(9), dict)
    fresh = await world.days.update(key(9), lambda day: {**day, "state": "made"}, create=True)
    assert fresh == {**key(9), "state": "made"} == await world.days.get(key(9))


async def test_deletes(world: World) -> None:
    """Gone is gone, from every way to read; and what was there is returned."""
    for day in range(8):
        if day % 2:
            await world.days.delete(key(day))
        else:
            gone = await world.days.delete(key(day), return_old=True)
            assert gone == world.logical().get(day)
    assert await listed(world.days.query(C7)) == await listed(world.days.scan()) == []
    if world.phase is not Phase.WRITING_NEW:
        assert await world.old(0) is None, "a real delete"
        assert await world.new(0) is None


def without_tests(day: dict[str, Any]) -> dict[str, Any] | None:
    return None if day.get("test") else day


def as_it_is(day: dict[str, Any]) -> dict[str, Any]:
    return day


@pytest.mark.parametrize("rolled_to", ENTRY[:2], ids=str)
async def test_what_the_transform_leaves_out_stays_in_old(rolled_to: Phase) -> None:
    """Such an item is none for the repository, and is old code's all the same."""
    gateway = MemoryGateway()
    plan = Migration("drops", "d-old", "d-new", (without_tests, as_it_is), rolling=True)
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    hidden = {"id": "o-1", "test": True}
    await orders.fill(gateway, plan.old, [hidden])
    if rolled_to is not Phase.ROLLING_OUT:
        await Control(gateway, plan.control_table, plan.name).advance(rolled_to, 1)
    async with DualTableRepository(plan, gateway=gateway) as items:
        await items.delete({"id": "o-1"})
        await items.transact_write([Delete({"id": "o-1"})])
        assert await items.delete({"id": "o-1"}, return_old=True) is None
        assert await items.get({"id": "o-1"}) is None
    assert [codec.decode(item) for item in await orders.everything(gateway, plan.old)] == [hidden]


async def test_transactions(world: World) -> None:
    """All or none, over items in old, in new, deleted and nowhere."""
    days, wanted = world.days, world.logical()
    actions = [
        Put(new_day(0, state="put")),
        Update(key(1), "SET #s = :s", names={"#s": "state"}, values={":s": "set"}),
        Update(key(2), "SET #s = :s", names={"#s": "state"}, values={":s": "set"}),
        Delete(key(3)),
        ConditionCheck(key(4), Attr("count").eq(4)),
        Put(new_day(7), Attr("customer").not_exists()),
        Delete(key(9)),
    ]
    with pytest.raises(ConditionFailedError) as caught:
        await days.transact_write([*actions, Delete(key(5), Attr("count").eq(4))])
    assert caught.value.key == key(5)
    assert await listed(days.query(C7)) == list(wanted.values())
    await days.transact_write(actions)
    second = {**wanted.get(2, key(2)), "state": "set"}
    assert await days.transact_get([key(d) for d in (0, 1, 2, 3, 4, 7, 9)]) == [
        new_day(0, state="put"),
        {**wanted[1], "state": "set"},
        second,
        None,
        wanted[4],
        new_day(7),
        None,
    ]
    await days.transact_write([Put(new_day(day)) for day in range(100, 150)])
    if world.phase is Phase.READING_BOTH:
        with pytest.raises(InvalidKeyError, match="READING_BOTH"):
            await days.transact_write([Put(new_day(day)) for day in range(100, 151)])


@pytest.mark.parametrize("phase", [Phase.ROLLING_OUT], indirect=True, ids=str)
async def test_what_old_code_adds_survives(world: World) -> None:
    """Only what has changed is sent, and what was read is compared."""
    calls = 0

    async def ship(day: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await old_code(world, "SET added = :v" if calls == 1 else "SET more = :v")
        return {**day, "state": "shipped"}

    shipped = await world.days.update(key(0), ship)
    assert calls == 1
    assert shipped == new_day(0, state="shipped", added=1), "what the table returned"
    assert await world.old(0) == {
        **old_day(0, state="SHIPPED", added=1),
        "_dualtable_token": (await world.old(0) or {})["_dualtable_token"],
    }


@pytest.mark.parametrize("phase", [Phase.ROLLING_OUT], indirect=True, ids=str)
@pytest.mark.parametrize("change", ["SET cnt = :v", "SET person.#n = :v", "SET fresh = :v"])
async def test_what_old_code_changes_is_not_overwritten(world: World, change: str) -> None:
    """Old code keeps no token: its values are compared, and the absence of what is set."""
    calls = 0

    async def count(day: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await old_code(world, change)
        return {**day, "fresh": 5 if day.get("fresh") is None else day["fresh"] + 10}

    await world.days.update(key(0), count)
    assert calls == 2
    old = await world.old(0) or {}
    assert old["fresh"] == (11 if "fresh" in change else 5)
    assert 1 in (old["cnt"], old["person"].get("name"), 1 if "fresh" in change else 0)


async def old_code(world: World, expression: str) -> None:
    names = {"#n": "name"} if "#n" in expression else {}
    update = SentUpdate(expression, names, {":v": {"N": "1"}})
    await world.gateway.update(world.plan.old, codec.encode(key(0)), update)


@pytest.mark.parametrize("phase", [Phase.WRITING_NEW], indirect=True, ids=str)
async def test_what_builds_on_old_sees_that_it_is_unchanged(world: World) -> None:
    """A neighbour in the phase before may still write there."""
    calls = 0

    async def count(day: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await old_code(world, "SET cnt = :v")
        return {**day, "count": day["count"] + 1}

    assert (await world.days.update(key(0), count))["count"] == 2
    assert calls == 2


@pytest.mark.parametrize("where", ["memory"], indirect=True)
async def test_what_does_not_come_back_is_not_written(world: World) -> None:
    """I9: checked before anything is sent, and nothing is written."""
    if world.phase is Phase.WRITING_NEW:
        await world.days.put(new_day(0, state="MiXed"))
        return
    before = await orders.digest(world.gateway, world.plan.old)
    for write in (
        lambda: world.days.put(new_day(0, state="MiXed")),
        lambda: world.days.batch_put([new_day(3), new_day(0, state="MiXed")]),
        lambda: world.days.update(key(0), lambda day: {**day, "legacy": 1}),
        lambda: world.days.transact_write([Put(new_day(0, state="MiXed"))]),
    ):
        with pytest.raises(TransformError) as caught:
            await write()
        assert caught.value.key == {"customer": "c-7", "day": 0}
        assert "MiXed" not in str(caught.value)
    assert await orders.digest(world.gateway, world.plan.old) == before


@pytest.mark.parametrize("where", ["memory"], indirect=True)
async def test_an_old_item_that_the_transform_fails_on(world: World) -> None:
    """As the guide says: a write that would really take it away unseen is refused; a put is not."""
    unreadable = old_day(3, name="taken already")
    await world.gateway.put(world.plan.old, codec.encode(unreadable))
    if world.phase is not Phase.WRITING_NEW:
        for write in (
            lambda: world.days.delete(key(3)),
            lambda: world.days.batch_delete([key(3)]),
            lambda: world.days.transact_write([Put(new_day(3)), Delete(key(4))]),
            lambda: world.days.transact_write([Delete(key(3)), Put(new_day(4, state="new"))]),
        ):
            with pytest.raises(TransformError):
                await write()
        assert (await world.old(3), await world.days.get(key(4))) == (unreadable, new_day(4))
    await world.days.put(new_day(3))
    assert await world.days.get(key(3)) == new_day(3)


@pytest.mark.parametrize("where", ["memory"], indirect=True)
async def test_who_has_not_seen_the_phase_for_long_writes_nothing_to_old(world: World) -> None:
    """By then the migration may be two steps further; what new has is served all the same."""

    class Lost(Faults):
        async def before(self, operation: str, table: str) -> None:
            if table == world.plan.control_table:
                raise MigrationMismatchError("out of reach")

    gateway: Any = world.connection["gateway"]
    gateway.faults = Lost()
    world.clock.move(Times().stale_seconds + 1)
    before = await orders.digest(gateway, world.plan.old)
    with pytest.raises(StalePhaseError):
        await world.days.update(key(0), lambda day: {**day, "state": "late"})
    if world.phase is not Phase.WRITING_NEW:
        for late in (world.days.put(new_day(0)), world.days.delete(key(0))):
            with pytest.raises(StalePhaseError):
                await late
    if world.phase is not Phase.ROLLING_OUT:
        assert await world.days.get(key(1)) == new_day(1, state="newer")
    assert await orders.digest(gateway, world.plan.old) == before


@pytest.mark.parametrize("where", ["memory"], indirect=True)
async def test_a_write_that_waited_is_not_sent(world: World) -> None:
    """The fence is asked at the last moment, whatever happened since the write was decided."""

    class Frozen(Faults):
        async def before(self, operation: str, table: str) -> None:
            if world.plan.old in table and operation not in ("get", "batch_get"):
                world.clock.move(Times().stale_seconds + 1)

    gateway: Any = world.connection["gateway"]
    gateway.faults = Frozen()
    if world.phase is Phase.WRITING_NEW:
        late: Any = world.days.update(key(0), lambda day: {**day, "state": "late"})
    else:
        late = world.days.put(new_day(0, state="late"))
    with pytest.raises(StalePhaseError):
        await late
    assert await world.old(0) == old_day(0)


async def test_nobody_rolls_without_a_gate() -> None:
    """Without a record of the phase, nobody could tell when to go on."""
    gateway = MemoryGateway()
    plan = Migration("rolls", "r-old", "r-new", TRANSFORM, rolling=True)
    await orders.create(gateway, plan)
    with pytest.raises(MigrationMismatchError, match="dualtable create"):
        async with DualTableRepository(plan, gateway=gateway):
            pass


@pytest.mark.parametrize("where", ["memory"], indirect=True)
@pytest.mark.parametrize("phase", [Phase.ROLLING_OUT], indirect=True, ids=str)
async def test_an_item_with_many_attributes_is_refused_by_name(world: World) -> None:
    """More than can be compared in one request must not be written unchecked."""
    wide = old_day(0, **{f"a{number}": number for number in range(200)})
    await orders.fill(world.gateway, world.plan.old, [wide])
    with pytest.raises(InvalidItemError, match="more attributes than can be compared"):
        await world.days.update(key(0), lambda day: {**day, "state": "x"})
    assert await world.old(0) == wide
    await orders.fill(world.gateway, world.plan.old, [old_day(0)])
    many = {f"attribute_{number}": number for number in range(140)}
    with pytest.raises(InvalidItemError, match="more attributes than can be compared"):
        await world.days.update(key(0), lambda day: {**day, **many})
    assert await world.old(0) == old_day(0)


@pytest.mark.parametrize("where", ["memory"], indirect=True)
async def test_what_works_on_an_item_with_many_attributes(world: World) -> None:
    """As docs/limits.md says: what builds on it does not, until a repository has written it."""
    days, is_there = world.days, Attr("state").exists()
    many = {f"a{number}": number for number in range(200)}
    await orders.fill(world.gateway, world.plan.old, [old_day(0, **many)])
    refused = [
        days.update(key(0), lambda day: {**day, "state": "x"}),
        days.update_item(key(0), UpdateExpression="SET a0 = a0"),
        days.put(new_day(0), condition=is_there),
        days.delete(key(0), condition=is_there),
        days.transact_write([ConditionCheck(key(0), is_there)]),
    ]
    if world.phase is not Phase.WRITING_NEW:
        refused.append(days.delete(key(0)))
    for use in refused:
        with pytest.raises(InvalidItemError, match="more attributes than can be compared"):
            await use
    assert await world.old(0) == old_day(0, **many)
    assert await days.get(key(0)) == new_day(0, **many)
    await days.put(new_day(0, **many))
    assert await days.get(key(0)) == new_day(0, **many)
    if world.phase is Phase.WRITING_NEW:
        await days.update(key(0), lambda day: {**day, "state": "x"})
        await days.delete(key(0))


def as_items(items: list[WireItem]) -> list[dict[str, Any]]:
    return [codec.decode(item) for item in items]


@pytest.mark.parametrize("where", ["memory"], indirect=True)
@pytest.mark.parametrize("phase", [Phase.ROLLING_OUT], indirect=True, ids=str)
async def test_old_code_may_judge_what_the_repository_wrote(world: World) -> None:
    """Its conditions are on its own format, and hold for what the way back makes."""
    await world.days.update(key(0), lambda day: {**day, "state": "closed", "name": "Ann"})
    judged = Condition(
        "#s = :s AND person.#n = :n",
        {"#s": "state", "#n": "name"},
        {":s": {"S": "CLOSED"}, ":n": {"S": "Ann"}},
    )
    await world.gateway.delete(world.plan.old, codec.encode(key(0)), judged)
    assert await world.days.get(key(0)) is None


# -- what else a repository can be -----------------------------------------------------------------


@attrs.frozen
class Day:
    """A day as an instance of a class."""

    customer: str
    day: int
    name: str
    count: int
    state: str
    person: dict[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, day: int, **more: Any) -> Day:
        return cls("c-7", **{"day": day, "name": f"n-{day}", "count": day, "state": "open", **more})


class Awaited:
    """A blocking repository under the names of the asynchronous one, called in a thread."""

    def __init__(self, repository: sync.DualTableRepository[Any]) -> None:
        self._repository = repository

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(asyncio.to_thread, getattr(self._repository, name))

    async def scan(self) -> AsyncIterator[Any]:
        for item in await asyncio.to_thread(lambda: list(self._repository.scan())):
            yield item


Made = Callable[..., Any]


async def do_each_thing_once(world: World, days: Any, made: Made, change: Made) -> None:
    """Read, add, change and delete days, and see each where the phase wants it."""
    there = {day: made(day, state=item["state"]) for day, item in world.logical().items()}
    for day in range(4):
        assert await days.get(key(day)) == there.get(day)
    with pytest.raises(ItemExistsError):
        await days.put(made(0), if_absent=True)
    await days.put(made(7, state="added"), if_absent=True)
    assert await days.put(made(0, state="put"), return_old=True) == there[0]
    for day in (1, 3):
        assert await days.update(key(day), change) == made(day, state="changed")
    assert await days.delete(key(4), return_old=True) == there.pop(4)
    await days.transact_write([Put(made(8, state="in one")), Delete(key(5))])
    del there[5]
    changed = {7: "added", 0: "put", 1: "changed", 3: "changed", 8: "in one"}
    there |= {day: made(day, state=state) for day, state in changed.items()}
    assert await days.transact_get([key(5), key(8)]) == [None, there[8]]
    found = await listed(days.scan())
    assert len(found) == len(there)
    assert all(day in found for day in there.values())
    in_old = world.phase is not Phase.WRITING_NEW
    assert ((await world.old(7)) is not None, (await world.new(7)) is None) == (in_old, in_old)


async def puts(days: Any, keys: list[dict[str, Any]], **more: Any) -> None:
    condition = more.pop("condition", None)
    actions = [Put(new_day(each["day"]), condition) for each in keys]
    await days.transact_write(actions, **more)


READS = (Phase.READING_BOTH, Phase.WRITING_NEW)
"""Where each key that is read takes two of the actions that DynamoDB allows."""


@pytest.mark.parametrize("where", ["memory"])
@pytest.mark.parametrize(
    ("what", "takes_two"),
    [
        (lambda days, keys: days.transact_get(keys), READS),
        (puts, (Phase.READING_BOTH,)),
        (lambda days, keys: puts(days, keys, client_token="t"), READS),
        (lambda days, keys: puts(days, keys, condition=Attr("day").not_exists()), READS),
        (lambda days, keys: days.transact_write([Update(k, None) for k in keys]), READS),
        (lambda days, keys: days.transact_write([Delete(k) for k in keys]), (Phase.READING_BOTH,)),
    ],
)
async def test_how_many_keys_a_transaction_has_room_for(
    world: World, what: Callable[..., Any], takes_two: tuple[Phase, ...]
) -> None:
    """The guide has a table of it."""
    room = 50 if world.phase in takes_two else 100
    keys = [key(day) for day in range(10, 111)]
    await what(world.days, keys[:room])
    others = keys if room == 100 else [key(day) for day in range(200, 251)]
    with pytest.raises(InvalidKeyError, match="split"):
        await what(world.days, others)


@pytest.mark.parametrize("where", ["memory"])
async def test_items_as_instances_of_a_class(world: World) -> None:
    """The way in is one and the same, whatever items are to the caller."""

    def change(day: Day) -> Day:
        return attrs.evolve(day, state="changed")

    async with DualTableRepository(
        world.plan, model=Day, clock=world.clock, **world.connection
    ) as days:
        await do_each_thing_once(world, days, Day.of, change)


@pytest.mark.parametrize("where", ["memory"])
async def test_the_blocking_repository(world: World) -> None:
    """Code that is not asynchronous takes the same way in."""

    def change(day: dict[str, Any]) -> dict[str, Any]:
        return {**day, "state": "changed"}

    with sync.DualTableRepository(world.plan, clock=world.clock, **world.connection) as days:
        await do_each_thing_once(world, Awaited(days), new_day, change)
