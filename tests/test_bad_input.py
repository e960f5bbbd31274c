"""Whatever is wrong gives one clear error or dead letter, loses nothing, and can be mended.

On the embedded server, through what a user imports. Exit codes are the command line's tests.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable import (
    DualTableRepository,
    Index,
    KeySchema,
    Lifecycle,
    Migration,
    MigrationReport,
    Migrator,
    Phase,
    Verifier,
    clean_up,
    create_table,
    freeze,
    read_status,
    retry_dead_letters,
)
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import (
    AccessError,
    DualTableError,
    InvalidItemError,
    InvalidSettingError,
    MigrationMismatchError,
    TableMismatchError,
    TableNotFoundError,
    TransformError,
    UnavailableError,
)
from dualtable.testing import MemoryGateway

GOOD = 4


def good(item: dict[str, Any]) -> Any:
    """The mended transform: what all the bad ones do to good items."""
    return {**item, "format": 2}


def bad(item: dict[str, Any]) -> Any:
    """Misbehave towards each bad item in the way that it is named after."""
    _, _, way = item["id"].partition("bad: ")
    return BAD[way][0](item) if way else good(item)


def raises(item: dict[str, Any]) -> Any:
    return {**item, "total": int(item["customer"]["nme"])}


def yields_and_raises(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield item
    raise RuntimeError("secret")


def gambles(item: dict[str, Any], calls: list[int] = []) -> Any:  # noqa: B006
    calls.append(1)
    return {**item, "serial": len(calls)}


BAD = {
    "raises": (raises, "TransformError", "bad raised ValueError at test_bad_input.py"),
    "raises late": (yields_and_raises, "TransformError", "raised RuntimeError"),
    "wrong type": (lambda item: "text", "TransformError", "returned str"),
    "wrong member": (lambda item: [item, 5], "TransformError", "returned a int among its items"),
    "loses the key": (lambda item: {"format": 2}, "InvalidKeyError", "'id' is missing"),
    "key of another type": (lambda item: {**item, "id": 5}, "InvalidKeyError", "must be text"),
    "empty key": (lambda item: {**item, "id": ""}, "InvalidKeyError", "'id' is empty"),
    "changes the key": (lambda item: {**item, "id": "o-x"}, "TransformError", "old_key"),
    "takes the key of another": (lambda i: {**i, "id": "o-1"}, "TransformError", "old_key"),
    "two items of one key": (lambda item: [item, item], "TransformError", "two items with one key"),
    "item too big": (lambda i: {**i, "x": "y" * 410_000}, "InvalidItemError", "allows 409,600"),
    "float": (lambda item: {**item, "x": [1.5]}, "InvalidItemError", "x[0]: float"),
    "object": (lambda item: {**item, "x": {"y": object()}}, "InvalidItemError", "x.y: object"),
    "empty set": (lambda item: {**item, "x": set()}, "InvalidItemError", "x: a set"),
    "39 digits": (lambda i: {**i, "x": 10**38 + 1}, "InvalidItemError", "x: the number"),
    "no Unicode": (lambda item: {**item, "x": "\ud800"}, "InvalidItemError", "x: a text"),
    "index key": (lambda item: {**item, "region": 5}, "InvalidKeyError", "index by-region"),
    "the library's name": (lambda i: {**i, "_dualtable_token": "x"}, "InvalidItemError", "token"),
    "two results": (gambles, "TransformError", "two results"),
}


@attrs.frozen
class World:
    """Two tables on the server, the old one filled, and what to look at them with."""

    gateway: Gateway
    plan: Migration
    before: str

    async def migrated(self, plan: Migration | None = None, **settings: Any) -> MigrationReport:
        settings = {"total_segments": 2, "concurrency": 2, **settings}
        return await Migrator(plan or self.plan, gateway=self.gateway, **settings).run()

    async def proved(self, plan: Migration | None = None) -> bool:
        """Whether everything has arrived; the old table is as it was in any case."""
        assert await orders.digest(self.gateway, self.plan.old) == self.before
        proof = await Verifier(
            plan or self.plan, gateway=self.gateway, total_segments=2, concurrency=2
        ).run()
        return proof.ok


@pytest.fixture
async def gateway(endpoint: str) -> AsyncIterator[Gateway]:
    async with connect({"endpoint_url": endpoint}, PRODUCTION) as gateway:
        yield gateway


@pytest.fixture
async def world(
    gateway: Gateway, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.chdir(tmp_path)  # for dead letters
    indexes = [Index("by-region", KeySchema("region"))]
    plan = orders.migration(table_name, good, version="1", indexes=indexes)
    await gateway.create_table(orders.table(plan.old))
    items = [orders.old_order(n) for n in range(GOOD)]
    items += [orders.old_order(99, id=f"bad: {way}") for way in BAD]
    await orders.fill(gateway, plan.old, items)
    assert (await create_table(plan, gateway=gateway)).created
    return World(gateway, plan, await orders.digest(gateway, plan.old))


async def test_each_item_that_a_transform_fails_on_is_a_dead_letter(world: World) -> None:
    """The others are copied, the letters say which and why, and a mended run completes."""
    broken = attrs.evolve(world.plan, transform=bad)
    report = await world.migrated(broken)
    assert (report.scanned, report.written, report.failed) == (GOOD + len(BAD), GOOD, len(BAD))
    assert report.complete
    assert not report.ok
    lines = Path(f"{broken.name}.dead-letters.jsonl").read_text().splitlines()
    letters = {letter["key"]["id"]["S"]: letter for letter in map(json.loads, lines)}
    assert len(lines) == len(letters)
    for way, (_, error, reason) in BAD.items():
        letter = letters.pop(f"bad: {way}")
        assert letter["error"] == error, way
        assert reason in letter["reason"], way
    assert letters == {}
    assert not any(secret in line for line in lines for secret in ("Customer", "secret"))
    assert not await world.proved()
    mended = await world.migrated(restart=True)
    assert (mended.ok, mended.written, mended.already_present) == (True, len(BAD), GOOD)
    assert await world.proved()


async def test_an_item_that_a_transform_fails_on_is_not_absent(world: World) -> None:
    """A read of it raises; taking it for absent would lose it at the next write."""
    broken = attrs.evolve(world.plan, transform=bad)
    async with DualTableRepository(broken, gateway=world.gateway) as shop:
        assert (await shop.get(orders.key(1)) or {})["format"] == 2
        for way in BAD:
            key = {"id": f"bad: {way}"}
            for call in (shop.get(key), shop.update(key, good, create=True)):
                with pytest.raises(DualTableError) as caught:
                    await call
                assert caught.value.key == key
            await shop.put({**key, "format": 3})  # whoever knows the whole item may write it
            assert await shop.get(key) == {**key, "format": 3}


@pytest.mark.parametrize("missing", ["old", "new"])
async def test_a_missing_table(world: World, missing: str) -> None:
    """It is named, by everything that needs it; with the right name the run completes."""
    absent = f"{world.plan.name}-absent"
    wrong = attrs.evolve(world.plan, name=absent, **{missing: absent})
    for call in (
        world.migrated(wrong),
        Verifier(wrong, gateway=world.gateway).run(),
        DualTableRepository(wrong, gateway=world.gateway).__aenter__(),
    ):
        with pytest.raises(TableNotFoundError, match=absent):
            await call
    assert (await world.migrated()).ok
    assert await world.proved()


async def test_create_without_an_old_table(world: World) -> None:
    """There is nothing to be like."""
    wrong = attrs.evolve(world.plan, old=f"{world.plan.name}-absent")
    with pytest.raises(TableNotFoundError, match="-absent"):
        await create_table(wrong, gateway=world.gateway)


@pytest.mark.parametrize(
    "tables",
    [
        {"old": "orders", "new": "orders"},
        {"control_table": "orders"},
        {"control_table": "orders-v2"},
        {"old": "no table name!"},
        {"new": ""},
    ],
)
def test_equal_or_impossible_tables(tables: dict[str, str]) -> None:
    """Writing a table into itself must not get as far as a connection."""
    with pytest.raises(TableMismatchError):
        Migration(**{"name": "m", "old": "orders", "new": "orders-v2", "transform": good, **tables})


@pytest.mark.parametrize("tables", [{"old": "t-2", "new": "t-3"}, {"new": "t-3"}, {"old": "t-3"}])
async def test_a_name_that_is_used_again_for_other_tables(tables: dict[str, str]) -> None:
    """It would lend its phase to them: once finished, nobody asks the old one, and all is gone."""
    gateway, plan = MemoryGateway(), orders.migration("shop", orders.Drop("x"), indexes=None)
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    for name in ("t-2", "t-3"):
        await gateway.create_table(orders.table(name))
    other = attrs.evolve(plan, **tables)
    with pytest.raises(MigrationMismatchError, match="a name of its own"):
        await create_table(other, gateway=gateway)
    with pytest.raises(MigrationMismatchError, match=f"from {plan.old} to {plan.new}"):
        await DualTableRepository(other, gateway=gateway).__aenter__()
    for ask in (
        lambda: Lifecycle(other, gateway=gateway).gate(),
        lambda: read_status(other, gateway=gateway),
    ):
        with pytest.raises(MigrationMismatchError, match="a name of its own"):
            await ask()
    await Control(gateway, plan.control_table, plan.name).move(State(step=0), Phase.MIGRATED, 0)
    await Control(gateway, plan.control_table, plan.name).advance(Phase.FINISHED, 0)
    with pytest.raises(MigrationMismatchError, match="a name of its own"):
        await clean_up(other, gateway=gateway)
    async with DualTableRepository(plan, gateway=gateway):
        pass


@pytest.mark.parametrize("worker", [Migrator, Verifier])
def test_no_ceiling_is_none_and_not_infinity(worker: Any) -> None:
    """What no record can hold must be refused before anything is begun."""
    with pytest.raises(InvalidSettingError, match="max_read_units=inf"):
        worker(orders.migration("shop"), max_read_units=float("inf"))


async def hears(_: object) -> None:
    """An observer that nobody would await."""


class Hears:
    async def __call__(self, _: object) -> None:
        await hears(_)


@pytest.mark.parametrize(
    ("begin", "setting", "says"),
    [
        *((Migrator, {"dead_letters": bad}, "must be a path") for bad in (b"x", 5, 0, [])),
        *((Migrator, {"events": bad}, "must be a path") for bad in (5, b"x", True)),
        (Migrator, {"events": "a\0b"}, "null"),
        (Verifier, {"events": 5}, "must be a path"),
        (clean_up, {"events": 5}, "must be a path"),
        *(
            (begin, {"observer": bad}, says)
            for begin in (Migrator, Verifier, clean_up)
            for bad, says in (
                (5, "must be a callable"),
                (hears, "asynchronous"),
                (Hears(), "asynchronous"),
                (functools.partial(hears), "asynchronous"),
            )
        ),
        *(
            (begin, {name: bad}, "must be a number from 0.001 to 1e+30")
            for begin, name in (
                (Migrator, "max_write_units"),
                (Verifier, "max_read_units"),
                (clean_up, "max_write_units"),
                (retry_dead_letters, "max_write_units"),
            )
            for bad in (1e200, 10**400)
        ),
        (Migrator, {"lease_seconds": None}, "must be a number"),
        (Verifier, {"lease_seconds": None}, "must be a number"),
        *((begin, {"clock": 5}, "must have") for begin in (Migrator, Verifier, clean_up)),
    ],
)
async def test_a_setting_of_the_wrong_kind_is_refused_at_once(
    begin: Any, setting: dict[str, Any], says: str
) -> None:
    """By its name, before anything is sent, and not in the middle of a run."""

    async def begun() -> None:
        await begin(orders.migration("shop"), **setting)  # a class has refused by then

    with pytest.raises(InvalidSettingError) as told:
        await begun()
    (name,) = setting
    assert name in str(told.value)
    assert says in str(told.value)


async def test_an_observer_of_gates_is_a_plain_function() -> None:
    """As every other."""
    lifecycle = Lifecycle(orders.migration("shop"), gateway=MemoryGateway())
    for bad in (5, hears):
        with pytest.raises(InvalidSettingError, match="observer"):
            await lifecycle.advance(observer=bad)  # type: ignore[arg-type]


async def test_a_dry_run_begins_nothing() -> None:
    """It writes nothing, so it forgets no run, and there is none for others to share."""
    plan, gateway = orders.migration("shop"), MemoryGateway()
    await orders.create(gateway, plan)
    await Migrator(plan, gateway=gateway, dead_letters=os.devnull).run()
    before = await orders.everything(gateway, plan.control_table)
    rehearsal = Migrator(plan, gateway=gateway, dry_run=True, restart=True, dead_letters=os.devnull)
    with pytest.raises(InvalidSettingError, match="dry_run=True begins no run"):
        await rehearsal.begin()
    assert await orders.everything(gateway, plan.control_table) == before
    for workers in ("3", 0, None, True, 10**6):
        with pytest.raises(InvalidSettingError, match="workers="):
            await Migrator(plan, gateway=gateway).begin(workers=workers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("begin", "flag"),
    [
        (Migrator, "dry_run"),
        (Migrator, "restart"),
        (Verifier, "repair"),
        (Verifier, "restart"),
        (DualTableRepository, "one_round_trip"),
        (DualTableRepository, "copy_on_read"),
        (clean_up, "tokens"),
        (freeze, "undo"),
    ],
)
async def test_a_word_is_no_flag(begin: Any, flag: str) -> None:
    """`restart="no"` would end a run that goes well."""
    with pytest.raises(InvalidSettingError, match=f"{flag}='no' must be True or False"):
        await begin(orders.migration("shop"), gateway=MemoryGateway(), **{flag: "no"})


@pytest.mark.parametrize("mark", ["tombstone_attribute", "token_attribute"])
def test_a_mark_that_no_attribute_can_be(mark: str) -> None:
    """Each delete, or each write, would be refused in production and not when it is declared."""
    for name in ("", 5, None, "\ud800"):
        with pytest.raises(TableMismatchError, match=f"{mark}=") as caught:
            orders.migration("marked", **{mark: name})
        assert repr(name) in str(caught.value)
    for stated in ({"key": KeySchema("own")}, {"indexes": [Index("by-own", KeySchema("own"))]}):
        with pytest.raises(TableMismatchError, match="'own' belongs to dualtable"):
            orders.migration("marked", **{mark: "own", **stated})


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"name": "\ud800"}, "names no migration"),
        ({"name": "ä" * 1_000}, "longer than the 1,500 bytes"),
        ({"indexes": 5}, "indexes=5"),
        ({"indexes": [Index("by-a", KeySchema("a")), Index("by-a", KeySchema("b"))]}, "'by-a'"),
    ],
)
def test_what_no_control_record_or_table_can_have(setting: dict[str, Any], named: str) -> None:
    """The first request would fail with another's words, or the last of two indexes win."""
    with pytest.raises(TableMismatchError, match=named):
        Migration(**{"name": "m", "old": "orders", "new": "orders-2", "transform": good, **setting})


@pytest.mark.parametrize("mark", ["tombstone_attribute", "token_attribute"])
@pytest.mark.parametrize("name", ["id", "region"])
async def test_a_mark_that_is_a_key_of_the_tables(mark: str, name: str) -> None:
    """Each write would put the item under a random key, or a tombstone into an index."""
    gateway, plan = MemoryGateway(), orders.migration("marked", indexes=None, **{mark: name})
    index = {
        "IndexName": "by-region",
        "KeySchema": [{"AttributeName": "region", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    table = orders.table(plan.old) | {"GlobalSecondaryIndexes": [index]}
    table["AttributeDefinitions"] += [{"AttributeName": "region", "AttributeType": "S"}]
    for made in (plan.old, plan.new):
        await gateway.create_table(table | {"TableName": made})
    with pytest.raises(TableMismatchError, match=f"{name!r} belongs to dualtable"):
        async with DualTableRepository(plan, gateway=gateway):
            pass
    for work in (Migrator(plan, gateway=gateway).run, Verifier(plan, gateway=gateway).run):
        with pytest.raises(TableMismatchError, match=f"{name!r} belongs to dualtable"):
            await work()


async def test_resume_with_another_transform(world: World) -> None:
    """Half in one format and half in another would be neither; the old one goes on."""
    await stopped_early(world)
    for other in (
        attrs.evolve(world.plan, version="2"),
        attrs.evolve(world.plan, version=None),
        attrs.evolve(world.plan, version=None, transform=bad),
    ):
        with pytest.raises(MigrationMismatchError, match="another transform"):
            await world.migrated(other)
    assert (await world.migrated()).ok
    assert await world.proved()


async def test_resume_with_another_number_of_segments(world: World) -> None:
    """A checkpoint means nothing in another division of the table."""
    await stopped_early(world)
    with pytest.raises(MigrationMismatchError, match="total_segments=2"):
        await world.migrated(total_segments=3)
    assert (await world.migrated(total_segments=None)).ok
    assert await world.proved()


async def stopped_early(world: World) -> None:
    migrator = Migrator(
        world.plan,
        gateway=world.gateway,
        total_segments=2,
        concurrency=1,
        page_items=1,
        observer=lambda _: migrator.stop(),
    )
    report = await migrator.run()
    assert 1 <= report.pages < GOOD
    assert not report.complete


async def failures(plan: Migration, **connection: Any) -> list[Any]:
    """Return what comes of everything that connects."""
    return await asyncio.gather(
        Migrator(plan, **connection).run(),
        Verifier(plan, **connection).run(),
        create_table(plan, **connection),
        DualTableRepository(plan, **connection).__aenter__(),
        read_status(plan, **connection),
        return_exceptions=True,
    )


async def test_no_credentials(world: World, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mistake of all is said plainly; with them the same run completes."""
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        for error in await failures(world.plan, endpoint_url=endpoint):
            assert isinstance(error, AccessError)
            assert "credentials" in str(error)
    assert (await Migrator(world.plan, endpoint_url=endpoint).run()).ok
    assert await world.proved()


async def test_no_connection(world: World) -> None:
    """A wrong endpoint shows within seconds and is named."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for error in await failures(world.plan, endpoint_url=url):
            assert isinstance(error, UnavailableError)
            assert url in str(error)
    assert (await world.migrated()).ok
    assert await world.proved()


@pytest.mark.parametrize(
    "transform", [5, "text", None, Migration, {"a": 1}], ids=lambda value: type(value).__name__
)
def test_what_is_no_transform(transform: Any) -> None:
    """Found when the migration file is imported."""
    with pytest.raises(TransformError):
        Migration("m", "orders", "orders-v2", transform)


async def test_a_bad_item_of_production(world: World) -> None:
    """Nothing is sent, also of the good ones in its batch, and the old item is still there."""
    key = orders.key(1)
    async with DualTableRepository(world.plan, gateway=world.gateway) as shop:
        for value, reason in (("y" * 410_000, "409,600"), (object(), "x: object")):
            item = {**key, "x": value}
            for call in (shop.put(item), shop.batch_put([orders.key(2), item])):
                with pytest.raises(InvalidItemError, match=reason):
                    await call
        assert await orders.everything(world.gateway, world.plan.new) == []
        assert (await shop.get(key) or {})["format"] == 2
