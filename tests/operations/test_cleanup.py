"""The sweep takes what nobody needs any more, beside production, and nothing else."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
import simulated
from clocks import HandClock
from servers import SERVERS

from dualtable import (
    CleanupProgress,
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Phase,
    Verifier,
    clean_up,
    create_table,
)
from dualtable._control.control_table import Heartbeat
from dualtable._control.milestones import Milestones
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._events.reading import read_events
from dualtable._events.told import ON_REQUEST
from dualtable._expressions.texts import Update as SentUpdate
from dualtable._operations.cleanup import read_cleanup
from dualtable._operations.rate import pause, resume
from dualtable._wire import codec
from dualtable.errors import AccessError, MigrationMismatchError
from dualtable.testing import Faults, MemoryGateway

SETTLE_SECONDS = 60
TOMBSTONES, COPIED, REWRITTEN = range(6), range(6, 20), range(20, 25)


@attrs.define
class Shop:
    """A finished migration: some orders deleted, some copied, some rewritten by production."""

    plan: Migration
    connection: Connection
    clock: HandClock = attrs.field(factory=HandClock)

    async def finish(self, until: Phase = Phase.FINISHED) -> Shop:
        async with connect(self.connection, ONE_OFF) as gateway:
            await gateway.create_table(orders.table(self.plan.old))
            old = [orders.old_order(n) for n in range(25)]
            await orders.fill(gateway, self.plan.old, old)
        await create_table(self.plan, clock=self.clock, **self.connection)
        async with self.repository() as repository:
            for number in TOMBSTONES:
                await repository.delete(orders.key(number))
            for number in REWRITTEN:
                await repository.put(orders.new_order(number, note="mine"))
        await Migrator(self.plan, **self.connection).run()
        await Verifier(self.plan, **self.connection).run()
        await Lifecycle(self.plan, clock=self.clock, **self.connection).advance(to=until, wait=True)
        self.clock.move(SETTLE_SECONDS)
        return self

    def repository(self) -> DualTableRepository:
        return DualTableRepository(self.plan, clock=self.clock, **self.connection)

    async def clean_up(self, **options: Any) -> Any:
        return await clean_up(self.plan, clock=self.clock, **options, **self.connection)

    async def new_items(self) -> dict[str, dict[str, Any]]:
        async with connect(self.connection, ONE_OFF) as gateway:
            items = await orders.everything(gateway, self.plan.new)
        return {item["id"]["S"]: codec.decode(item) for item in items}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


def in_memory() -> Shop:
    plan = orders.migration("shop", settle_seconds=SETTLE_SECONDS)
    return Shop(plan, {"gateway": MemoryGateway()})


def memory(here: Shop) -> MemoryGateway:
    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    return gateway


@pytest.fixture(params=["memory", *SERVERS])
def anywhere(
    request: pytest.FixtureRequest, running: Callable[[str], str], table_name: str
) -> Shop:
    if request.param == "memory":
        return in_memory()
    plan = orders.migration(table_name, settle_seconds=SETTLE_SECONDS)
    return Shop(plan, {"endpoint_url": running(request.param)})


@pytest.mark.thorough_on("dynoxide", "ministack")
async def test_tombstones_go_and_nothing_else_does(anywhere: Shop) -> None:
    """Every item stays as it was, tokens included; a second call has nothing to do."""
    here = await anywhere.finish()
    before = await here.new_items()
    report = await here.clean_up()
    assert (report.tombstones, report.tokens, report.overtaken) == (6, 0, 0)
    assert (report.scanned, report.complete, report.settled, report.ok) == (25, True, True, True)
    live = {
        name: item for name, item in before.items() if here.plan.tombstone_attribute not in item
    }
    assert await here.new_items() == live
    assert (await here.clean_up()).scanned == 0


async def test_a_cleanup_leaves_events(tmp_path: Path) -> None:
    """As each run does, with no key in them; a call with nothing to do says so."""
    here = await in_memory().finish()
    report = await here.clean_up(tokens=True, events=tmp_path / "told")
    (told,) = read_events([tmp_path / "told"])
    head = {name: told.head[name] for name in ("kind", "name", "total_segments", "settings")}
    assert head == {
        "kind": "cleanup",
        "name": "shop",
        "total_segments": 64,
        "settings": {"tokens": True},
    }
    done = functools.reduce(operator.add, told.intervals)
    assert done.counts == {"scanned": 25, "tombstones": 6, "tokens": 5}
    assert (done.new_read_units, done.write_units) == (report.read_units, report.write_units)
    assert (done.old_read_units, done.segments_done, done.segments_held) == (0, 64, 0)
    assert (told.end["outcome"], told.end["report"]["ok"]) == ("complete", True)
    assert "o-" not in told.path.read_text()


@pytest.mark.thorough_on("dynamodb-local", "ministack")
async def test_tokens_go_on_request(anywhere: Shop) -> None:
    """What production wrote is left as it wrote it, without anything of ours."""
    here = await anywhere.finish()
    report = await here.clean_up(tokens=True)
    assert (report.tombstones, report.tokens) == (6, 5)
    items = await here.new_items()
    assert items["o-20"] == orders.new_order(20, note="mine")
    assert items["o-7"] == orders.new_order(7)
    assert len(items) == 19


@pytest.mark.parametrize("phase", [Phase.MIGRATING, Phase.MIGRATED])
async def test_tombstones_stay_while_they_are_needed(phase: Phase) -> None:
    """Without them, what was deleted would come back from the old table."""
    here = await in_memory().finish(until=phase)
    with pytest.raises(MigrationMismatchError, match=f"in phase {phase}"):
        await here.clean_up()
    assert len(await here.new_items()) == 25


class Interrupted(Faults):
    """Does something before the nth operation of a kind on a table, once."""

    def __init__(self, here: Shop, operation: str, nth: int, act: Callable[[], Any]) -> None:
        super().__init__()
        self.here, self.operation, self.left, self.act = here, operation, nth, act

    async def before(self, operation: str, table: str) -> None:
        if (operation, table) == (self.operation, self.here.plan.new):
            self.left -= 1
            if self.left == 0:
                memory(self.here).faults = Faults()
                await self.act()


async def test_a_cleanup_that_fails_tells_of_that(tmp_path: Path) -> None:
    """And of what it did before."""
    here = await in_memory().finish()

    async def refuse() -> None:
        raise AccessError("no dynamodb:DeleteItem")

    memory(here).faults = Interrupted(here, "delete", 3, refuse)
    with pytest.raises(AccessError):
        await here.clean_up(events=tmp_path)
    (told,) = read_events([tmp_path])
    assert told.end["outcome"] == "failed"
    assert "dynamodb:DeleteItem" in told.end["reason"]


async def test_what_was_written_over_a_tombstone_stays() -> None:
    """Production puts the order anew between the scan and the delete."""
    here = await in_memory().finish()

    async def put_all() -> None:
        async with here.repository() as repository:
            for number in TOMBSTONES:
                await repository.put(orders.new_order(number, note="again"))

    memory(here).faults = Interrupted(here, "delete", 1, put_all)
    report = await here.clean_up()
    assert report.overtaken > 0
    assert report.tombstones + report.overtaken <= 6
    items = await here.new_items()
    assert [items[f"o-{n}"]["note"] for n in TOMBSTONES] == ["again"] * 6


async def test_a_token_that_was_replaced_stays() -> None:
    """Production goes on beside it with code that knows nothing of tokens, or with an older one."""
    here = await in_memory().finish()
    newer = [orders.new_order(n, note="newer") for n in REWRITTEN]

    async def rewrite() -> None:
        token = {here.plan.token_attribute: "another"}
        await orders.fill(memory(here), here.plan.new, [{**item, **token} for item in newer])

    memory(here).faults = Interrupted(here, "update", 1, rewrite)
    report = await here.clean_up(tokens=True)
    assert report.overtaken > 0
    items = await here.new_items()
    assert all(items[f"o-{n}"]["note"] == "newer" for n in REWRITTEN)
    left = [here.plan.token_attribute in items[f"o-{n}"] for n in REWRITTEN]
    assert left.count(True) == report.overtaken


def add_one(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "count": order.get("count", 0) + 1}


async def test_no_update_is_lost_to_a_token_that_is_taken_away() -> None:
    """One reads an item without a token, another updates it: were the token taken away then, the
    first one would take the item for unchanged, after however long a rest."""
    here = await in_memory().finish()

    async def overtake_and_sweep() -> None:
        async with here.repository() as other:
            await other.update(orders.key(7), add_one)
        with pytest.raises(MigrationMismatchError, match="and these are open"):
            await here.clean_up(tokens=True)

    async with here.repository() as first:
        memory(here).faults = Interrupted(here, "put", 1, overtake_and_sweep)
        await first.update(orders.key(7), add_one)
    assert (await here.new_items())["o-7"]["count"] == 2
    assert (await here.clean_up(tokens=True)).tokens == 6


async def test_a_repository_that_opens_meanwhile_keeps_the_tokens() -> None:
    """It is looked for after each page was read, as it may have read the items before."""
    here = await in_memory().finish()
    milestones = Milestones(memory(here), here.plan.control_table, here.plan.name)

    async def open_one() -> None:
        await milestones.beat(Heartbeat("new", Phase.FINISHED, 0, "host", 7, 2))

    memory(here).faults = Interrupted(here, "scan", 1, open_one)
    with pytest.raises(MigrationMismatchError, match="new on host, process 7"):
        await here.clean_up(tokens=True)
    tokens = [here.plan.token_attribute in item for item in (await here.new_items()).values()]
    assert tokens.count(True) == 5
    await milestones.forget_heartbeat("new")
    assert (await here.clean_up(tokens=True)).tokens == 5


async def test_a_crash_costs_the_page_that_was_under_way() -> None:
    """What is stored as done is not looked at again, and nothing is left out."""
    here = await in_memory().finish()

    async def fail() -> None:
        raise MigrationMismatchError("crash")

    memory(here).faults = Interrupted(here, "delete", 4, fail)
    seen = []
    with pytest.raises(MigrationMismatchError, match="crash") as caught:
        await here.clean_up(observer=seen.append)
    assert caught.value.begun
    scanned = seen[-1].scanned if seen else 0
    milestones = Milestones(memory(here), here.plan.control_table, here.plan.name)
    known = await read_cleanup(milestones)
    assert known is not None
    assert (known.scanned, known.complete) == (scanned, False)
    assert known.share_done == (seen[-1].share_done if seen else 0)
    report = await here.clean_up()
    assert scanned + report.scanned <= 25
    assert report.complete
    assert report.share_done == 1.0
    assert await read_cleanup(milestones) is None
    assert len(await here.new_items()) == 19


async def test_several_that_begin_at_once_share_one_sweep() -> None:
    """The table is read once, not once by each; also where they begin anew after an earlier one."""
    here = await in_memory().finish()
    for tokens in (False, True):
        reports = await asyncio.gather(*(here.clean_up(tokens=tokens) for _ in range(3)))
        assert sum(report.scanned for report in reports) == (25, 19)[tokens]
        assert sum(report.tombstones for report in reports) == (6, 0)[tokens]


async def test_a_sweep_before_finished_has_settled_says_so() -> None:
    """Who still goes by `MIGRATED` may leave a further tombstone; the next call looks again."""
    here = await in_memory().finish()
    milestones = Milestones(memory(here), here.plan.control_table, here.plan.name)
    step = (await milestones.state()).step
    await milestones.beat(Heartbeat("late", Phase.MIGRATED, 0, "host", 7, step - 1))
    report = await here.clean_up()
    assert (report.complete, report.settled, report.ok) == (True, False, False)
    await memory(here).put(here.plan.new, here.plan.marks.bury(codec.encode(orders.key(7))))
    await milestones.forget_heartbeat("late")
    report = await here.clean_up()
    assert (report.tombstones, report.ok) == (1, True)


@pytest.mark.parametrize("kind", ["read_units", "write_units"])
def test_it_keeps_to_the_ceilings(kind: str) -> None:
    """Production shares the table: a cleanup takes as long as what it uses of it must last."""

    async def main() -> tuple[float, float]:
        here = await in_memory().finish()
        began = simulated.seconds()
        ceilings = {"max_read_units": 1000.0, "max_write_units": 1000.0, f"max_{kind}": 2.0}
        report = await clean_up(here.plan, **ceilings, **here.connection)  # type: ignore[arg-type]
        return getattr(report, kind), simulated.seconds() - began

    units, seconds = simulated.run(main())
    assert units >= 6
    assert seconds == pytest.approx((units - 1) / 2.0, abs=1.0)  # the last is on credit


async def test_a_pause_is_told_and_its_end_is_noticed() -> None:
    """While all pages stand still, somebody has to look whether they still should."""
    shop = await in_memory().finish()
    await pause(shop.plan, **shop.connection)
    told: list[CleanupProgress] = []

    async def end_it() -> None:
        while len(told) < 3:
            await asyncio.sleep(0)
        await resume(shop.plan, **shop.connection)

    async with asyncio.TaskGroup() as group:
        group.create_task(end_it())
        report = await shop.clean_up(observer=told.append)
    assert report.complete
    assert {each.paused_by for each in told[:3]} == {ON_REQUEST}
    assert told[-1].paused_by == ""


async def test_a_table_that_was_made_anew_is_swept_anew() -> None:
    """What was stored is about another table."""
    here = await in_memory().finish()
    await here.clean_up()
    gateway: Gateway = memory(here)
    await memory(here).delete_table(here.plan.new)
    await gateway.create_table(orders.table(here.plan.new))
    await gateway.put(here.plan.new, here.plan.marks.bury(codec.encode(orders.key(1))))
    assert (await here.clean_up()).tombstones == 1


async def test_a_table_that_is_made_anew_while_it_is_swept() -> None:
    """A sweep of what is gone is no sweep; the next one is of the table that is there."""
    here = await in_memory().finish()

    async def make_anew() -> None:
        await memory(here).delete_table(here.plan.new)
        await memory(here).create_table(orders.table(here.plan.new))

    memory(here).faults = Interrupted(here, "scan", 64, make_anew)
    with pytest.raises(MigrationMismatchError, match="made anew while it was swept"):
        await here.clean_up()
    assert (await here.clean_up()).ok


@pytest.mark.parametrize("number", [COPIED[0], REWRITTEN[0]])
async def test_code_without_the_library_that_gives_tokens_is_noticed(number: int) -> None:
    """A fleet is taken off the library process by process; the guide says what that needs."""
    shop = await Shop(
        orders.migration("shop", settle_seconds=60), {"gateway": MemoryGateway()}
    ).finish()
    gateway = shop.connection["gateway"]
    assert gateway is not None
    calls = 0

    async def meanwhile(order: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            token = codec.encode({":p": "plain", ":t": "a-new-random-text"})
            plain = SentUpdate("SET plain = :p, #t = :t", {"#t": shop.plan.token_attribute}, token)
            await gateway.update(shop.plan.new, codec.encode(orders.key(number)), plain)
        return {**order, "ours": True}

    async with shop.repository() as repository:
        found = await repository.update(orders.key(number), meanwhile)
    assert (found["plain"], found["ours"], calls) == ("plain", True, 2)
