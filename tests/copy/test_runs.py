"""A run has an identity: what stood still while the world went on does no harm when it wakes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
import simulated
from clocks import HandClock

from dualtable import (
    Migration,
    MigrationReport,
    Migrator,
    VerificationReport,
    Verifier,
    read_status,
    retry_dead_letters,
)
from dualtable._clock import SystemClock
from dualtable._control.control_table import Control, Limits
from dualtable._control.phases import Phase, Times
from dualtable._control.run_records import Word
from dualtable._dynamodb.fence import check_fence
from dualtable._sharing.membership import Membership
from dualtable._wire import codec
from dualtable.errors import MigrationMismatchError
from dualtable.testing import MemoryGateway

ITEMS = 12


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


class Process:
    """A process that stands still at its call of that number, until it is thawed.

    All that it knows of the world goes through its gateway and its clock; both stand still.
    """

    def __init__(self, gateway: MemoryGateway, freezes_at: int) -> None:
        self.calls: list[tuple[str, str]] = []
        self.frozen_at: int | None = None
        self.frozen, self._running = asyncio.Event(), asyncio.Event()
        self._running.set()
        self._gateway, self._freezes_at = gateway, freezes_at
        self._clock = SystemClock()

    async def has_frozen(self, running: asyncio.Task[Any]) -> None:
        """Wait until it stands still, or until what it runs has ended."""
        freezing = asyncio.create_task(self.frozen.wait())
        await asyncio.wait([running, freezing], return_when=asyncio.FIRST_COMPLETED)
        freezing.cancel()

    def thaw(self) -> None:
        self._running.set()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **settings: Any) -> Any:
            if len(self.calls) == self._freezes_at and self.frozen_at is None:
                self.frozen_at = len(self.calls)
                self._running.clear()
                self.frozen.set()
            await self._running.wait()
            check_fence()  # as whoever sends does
            self.calls.append((operation, str(arguments)))
            return await getattr(self._gateway, operation)(*arguments, **settings)

        return call

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> float:
        return self._clock.monotonic() + 1_800_000_000

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._running.wait()


async def world(transform: Any = None) -> tuple[Migration, MemoryGateway]:
    plan = orders.migration("shop", transform or earlier, version="1")
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(ITEMS)])
    return plan, gateway


async def made_anew(gateway: MemoryGateway, name: str) -> Callable[[], None]:
    """Return what puts another table in the place of one, between two requests."""
    await gateway.create_table(orders.table(f"{name}-anew"))

    def replace() -> None:
        if another := gateway._tables.pop(f"{name}-anew", None):
            another.description["TableName"] = name
            gateway._tables[name] = another

    return replace


def earlier(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "format": "earlier"}


def later(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "format": "later"}


def migrator(plan: Migration, process: Process, **settings: Any) -> Migrator:
    gateway: Any = process
    return Migrator(plan, gateway=gateway, clock=process, page_items=1, **settings)


@attrs.frozen
class Ended:
    """What became of a migrator that stood still while another one did the work."""

    frozen: bool
    outcome: MigrationReport | BaseException
    calls_after: list[tuple[str, str]]
    later_run: MigrationReport
    others: str


async def stand_still_at(call: int) -> Ended:
    """Freeze a migrator, begin anew with another transform and other segments, and thaw it."""
    plan, gateway = await world()
    first, second = Process(gateway, call), Process(gateway, -1)
    running = asyncio.create_task(
        migrator(plan, first, total_segments=8, concurrency=2).run(), name="first"
    )
    await first.has_frozen(running)
    await asyncio.sleep(31)
    anew = attrs.evolve(plan, transform=later, version="2")
    report = await migrator(anew, second, total_segments=16, concurrency=2, restart=True).run()
    seen, then = len(first.calls), await orders.digest(gateway, plan.new)
    first.thaw()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    assert await orders.digest(gateway, plan.new) == then
    assert (await Migrator(anew, gateway=gateway).run()).complete
    run = await Control(gateway, plan.control_table, plan.name).run()
    assert run is not None
    assert len(await orders.everything(gateway, plan.new)) == ITEMS
    return Ended(first.frozen_at is not None, outcome, first.calls[seen:], report, run.id)


def test_a_migrator_frozen_at_any_step_leaves_a_later_run_alone() -> None:
    """Wherever it stood still, it writes no copy and no record of the later run, and says why."""
    for call in count():
        ended = simulated.run(stand_still_at(call))
        assert ended.later_run.ok, call
        assert ended.later_run.scanned == ITEMS
        assert not any(name == "insert" for name, _ in ended.calls_after), (call, ended)
        assert not any(ended.others in text for _, text in ended.calls_after), (call, ended)
        if not ended.frozen:
            assert isinstance(ended.outcome, MigrationReport)
            assert call > 50
            return
        if ended.calls_after and not isinstance(ended.outcome, MigrationReport):
            assert isinstance(ended.outcome, MigrationMismatchError), (call, ended.outcome)


async def thaw_when_finished(call: int) -> tuple[bool, Any, list[tuple[str, str]]]:
    """Freeze a migrator, and let another one and the cut-over go on to the end."""
    plan, gateway = await world()
    process = Process(gateway, call)
    running = asyncio.create_task(migrator(plan, process, total_segments=2, concurrency=2).run())
    await process.has_frozen(running)
    await asyncio.sleep(1_000)
    await migrator(plan, Process(gateway, -1)).run()
    control = Control(gateway, plan.control_table, plan.name)
    await control.advance(Phase.MIGRATED, 0.0)
    await control.advance(Phase.FINISHED, 0.0)
    for item in await orders.everything(gateway, plan.new):
        await gateway.delete(plan.new, {"id": item["id"]})
    seen = len(process.calls)
    process.thaw()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    assert await orders.everything(gateway, plan.new) == []
    return process.frozen_at is not None, outcome, process.calls[seen:]


def test_a_migrator_frozen_at_any_step_brings_nothing_back_when_all_is_finished() -> None:
    """A lease that began in another phase counts no more: deletes are real by then (I3)."""
    for call in count():
        frozen, outcome, calls_after = simulated.run(thaw_when_finished(call))
        if not frozen:
            assert isinstance(outcome, MigrationReport)
            return
        assert not any(name == "insert" for name, _ in calls_after)
        assert isinstance(outcome, MigrationReport | MigrationMismatchError), (call, outcome)


async def thaw_when_phases_have_moved_on(call: int) -> tuple[bool, Any, list[tuple[str, str]]]:
    """Freeze a migrator for as long as anybody may go by a phase, a part of its lease's time."""
    plan, gateway = await world()
    plan = attrs.evolve(plan, settle_seconds=30.0)
    control = Control(gateway, plan.control_table, plan.name)
    await control.ensure_table()
    process = Process(gateway, call)
    running = asyncio.create_task(
        migrator(plan, process, total_segments=2, concurrency=2, lease_seconds=3_000.0).run()
    )
    await process.has_frozen(running)
    await asyncio.sleep(Times(plan.settle_seconds).stale_seconds)
    await control.advance(Phase.MIGRATED, 0.0)
    seen = len(process.calls)
    process.thaw()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    return process.frozen_at is not None, outcome, process.calls[seen:]


def test_a_long_lease_lets_nobody_copy_by_a_phase_that_is_over() -> None:
    """Gates wait for the settle time, whatever lease a migrator has been given (I5)."""
    for call in count():
        frozen, outcome, calls_after = simulated.run(thaw_when_phases_have_moved_on(call))
        if not frozen:
            assert isinstance(outcome, MigrationReport)
            return
        assert not any(name == "insert" for name, _ in calls_after), call
        assert isinstance(outcome, MigrationReport | MigrationMismatchError), (call, outcome)


async def repair_late(call: int, end: str) -> tuple[bool, Any, list[tuple[str, str]]]:
    """Freeze a verification that repairs, and copy by another transform meanwhile."""
    plan, gateway = await world(all_but_five)
    assert (await Migrator(plan, gateway=gateway, total_segments=2).run()).failed == 1
    await gateway.delete(plan.new, codec.encode(orders.key(4)))
    process = Process(gateway, call)
    theirs: Any = process
    verifier = Verifier(
        plan, gateway=theirs, clock=process, repair=True, total_segments=2, concurrency=1
    )
    running = asyncio.create_task(verifier.run())
    await process.has_frozen(running)
    there = await orders.digest(gateway, plan.new)
    if end == "restart":
        anew = attrs.evolve(plan, transform=all_but_four, version="2")
        report = await migrator(anew, Process(gateway, -1), total_segments=4, restart=True).run()
        assert (report.complete, report.failed) == (True, 1)
    else:
        other: Any = Process(gateway, -1)
        anew = attrs.evolve(plan, transform=later, version="2")
        await retry_dead_letters(anew, gateway=other, clock=other, fingerprint=anew.fingerprint)
    seen, then = len(process.calls), await orders.digest(gateway, plan.new)
    process.thaw()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    if process.frozen_at is not None:
        assert await orders.digest(gateway, plan.new) == then, call
        assert not (isinstance(outcome, VerificationReport) and outcome.ok and then == there), call
    return process.frozen_at is not None, outcome, process.calls[seen:]


def all_but_five(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == orders.key(5)["id"]:
        raise ValueError(item["id"])
    return earlier(item)


def all_but_four(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == orders.key(4)["id"]:
        raise ValueError(item["id"])
    return later(item)


@pytest.mark.parametrize("end", ["restart", "retry"])
def test_a_repair_belongs_to_one_run_of_the_copy(end: str) -> None:
    """Wherever it stood still, it copies nothing into a run that goes by another transform."""
    for call in count():
        frozen, outcome, calls_after = simulated.run(repair_late(call, end))
        if not frozen:
            assert isinstance(outcome, VerificationReport)
            assert outcome.repaired == 1
            assert call > 40
            return
        assert not any(name == "insert" for name, _ in calls_after), call
        assert isinstance(outcome, VerificationReport | MigrationMismatchError), (call, outcome)


async def test_who_renews_a_word_too_late_gives_none_for_a_run_that_is_over() -> None:
    """It looks first: a word under the old run's name would be rubbish that nobody sweeps."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    control = Control(gateway, plan.control_table, plan.name)
    run = await control.run()
    assert run is not None
    clock, process = HandClock(), Process(gateway, -1)
    theirs: Any = process
    member = Membership(
        theirs, plan, Control(theirs, plan.control_table, plan.name), run, "late", clock, 30.0
    )
    await member.confirm()
    clock.move(31)
    await Migrator(plan, gateway=gateway, restart=True, clock=clock).run()
    seen = len(process.calls)
    with pytest.raises(MigrationMismatchError, match="begun anew"):
        await member.beat()
    assert not any(name == "put" for name, _ in process.calls[seen:])


async def test_the_word_of_a_dead_process_is_buried_whatever_run_it_was_given_for() -> None:
    """A killed verification's, and a word that was late for a run that has been forgotten."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    control, clock = Control(gateway, plan.control_table, plan.name), HandClock()
    run = await control.run()
    assert run is not None
    for other in (run, attrs.evolve(run, id="0" * 16)):
        now = clock.now()
        await control.of(other).give_word(Word(f"dead in {other.id}", now, now + 30, number=7))
    member = Membership(gateway, plan, control, run, "me", clock, 30.0)
    await member.confirm()
    for _ in range(100):  # one of those who look buries one word
        await member.beat()
        await member.look()
        clock.move(10)
    assert [word.migrator for word in await member.records.all_words()] == ["me"]


async def test_begin_anew_that_was_interrupted_is_gone_on_with() -> None:
    """A run that has ended is nobody's: whoever comes next forgets it and begins another."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway, total_segments=4).run()
    control = Control(gateway, plan.control_table, plan.name)
    before = await control.run()
    assert before is not None
    await control.end(before)
    report = await Migrator(plan, gateway=gateway, total_segments=2).run()
    after = await control.run()
    assert after is not None
    assert (report.complete, report.scanned, after.total_segments) == (True, ITEMS, 2)
    assert before.id != after.id
    assert await control.of(before).segments() == []


async def test_only_one_of_two_begins_anew() -> None:
    """Who was overtaken by another restart is told, and forgets nothing of the new run."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    control = Control(gateway, plan.control_table, plan.name)
    seen = await control.run()
    assert seen is not None
    await Migrator(plan, gateway=gateway, restart=True).run()
    with pytest.raises(MigrationMismatchError, match="somebody else has begun shop anew"):
        await control.end(seen)
    await control.forget(seen)
    assert (await read_status(plan, gateway=gateway)).complete


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_table_made_anew_in_mid_run_is_noticed(which: str, dry_run: bool) -> None:
    """What was copied before is gone: the run does not call itself complete."""
    plan, gateway = await world()
    name = getattr(plan, which)
    make_anew = await made_anew(gateway, name)
    migrator = Migrator(
        plan,
        gateway=gateway,
        total_segments=ITEMS,
        concurrency=1,
        dry_run=dry_run,
        observer=lambda _: make_anew(),
    )
    with pytest.raises(MigrationMismatchError, match=f"table {name} has been made") as told:
        await migrator.run()
    assert told.value.begun
    status = await read_status(plan, gateway=gateway)
    assert status.made_anew == (() if dry_run else (name,))
    assert not status.complete


def test_a_table_made_anew_in_a_pause_is_noticed_before_anything_is_written() -> None:
    """A pause is when somebody tidies up: whoever comes out of it looks first."""

    async def paused() -> int:
        plan, gateway = await world()
        process = Process(gateway, -1)
        control = Control(gateway, plan.control_table, plan.name)
        running = asyncio.create_task(
            migrator(plan, process, total_segments=4, max_write_units=2).run()
        )
        await asyncio.sleep(2.5)
        await control.set_limits(Limits(max_write_units=0.0))
        await asyncio.sleep(20.5)
        await gateway.delete_table(plan.new)
        await gateway.create_table(orders.table(plan.new))
        await control.set_limits(Limits())
        with pytest.raises(MigrationMismatchError, match="made anew"):
            await running
        return len(await orders.everything(gateway, plan.new))

    assert simulated.run(paused()) == 0


@pytest.mark.parametrize("which", ["old", "new"])
async def test_a_verification_of_tables_made_anew_proves_nothing(which: str) -> None:
    """An empty table has nothing that is missing or different."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    name = getattr(plan, which)
    make_anew = await made_anew(gateway, name)
    verifier = Verifier(
        plan, gateway=gateway, concurrency=1, total_segments=4, observer=lambda _: make_anew()
    )
    with pytest.raises(MigrationMismatchError, match=f"table {name} has been made anew"):
        await verifier.run()


@pytest.mark.parametrize("which", ["old", "new"])
async def test_a_table_made_anew_since_the_copy_is_not_verified(which: str) -> None:
    """All keys of an empty table have arrived."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    (await made_anew(gateway, getattr(plan, which)))()
    for look in (
        Verifier(plan, gateway=gateway, level="keys").run,
        Verifier(plan, gateway=gateway).run,
        Verifier(plan, gateway=gateway).sample,
    ):
        with pytest.raises(MigrationMismatchError, match="has been made anew"):
            await look()


async def test_a_damaged_record_is_refused_by_name() -> None:
    """A record that nobody of this library has written so is never guessed at."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    for record in ("run", "state", "ceilings"):
        key = {"migration": {"S": plan.name}, "record": {"S": record}}
        before = await gateway.get(plan.control_table, key, consistent_read=True)
        await gateway.put(plan.control_table, {**key, "phase": {"S": "MIGRATING"}})
        with pytest.raises(MigrationMismatchError, match=f"record '{record}' of shop"):
            await read_status(plan, gateway=gateway)
        await (
            gateway.put(plan.control_table, before)
            if before
            else gateway.delete(plan.control_table, key)
        )


async def test_a_killed_migrator_is_not_called_alive() -> None:
    """`status` goes by the word of a migrator, not by leases that outlast it."""
    plan, gateway = await world()
    migrator = Migrator(
        plan, gateway=gateway, lease_seconds=30, observer=lambda _: running.cancel()
    )
    running = asyncio.create_task(migrator.run())
    with pytest.raises(asyncio.CancelledError):
        await running
    at_once = await read_status(plan, gateway=gateway)
    assert (len(at_once.workers), at_once.segments_held) != (0, 0)
    clock = HandClock(wall_seconds=time.time() + 16)
    later_on = await read_status(plan, gateway=gateway, clock=clock)
    assert (later_on.workers, later_on.segments_held) == ((), 0)
