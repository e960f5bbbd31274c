"""Each gate stays closed until all that it asks for is so, and opens then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
from clocks import HandClock
from servers import SERVERS

from dualtable import (
    Chain,
    Convert,
    DualTableError,
    DualTableRepository,
    Gate,
    GateCondition,
    Lifecycle,
    Migration,
    Migrator,
    Move,
    Phase,
    Rename,
    Verifier,
    create_table,
)
from dualtable._control.control_table import Heartbeat
from dualtable._control.milestones import Milestones
from dualtable._control.phases import TRANSITIONS, Requirement
from dualtable._control.run_records import Run
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Extras, TimeToLive
from dualtable._dynamodb.retry import ONE_OFF
from dualtable.errors import (
    AccessError,
    GateClosedError,
    InvalidSettingError,
    MigrationMismatchError,
)
from dualtable.testing import Faults, MemoryGateway

BOTH_WAYS = Chain(
    Move("customer.region", "region"),
    Convert("total", orders.to_cents, back=orders.from_cents),
    Rename("until", "expires"),
)
SETTLE_SECONDS = 60
EVERY_STEP = {Requirement.TABLES, Requirement.ACKNOWLEDGED, Requirement.SETTLED}


@attrs.define
class Shop:
    """A migration of ten orders, and an operator before it."""

    plan: Migration
    connection: Connection
    clock: HandClock = attrs.field(factory=HandClock)

    @property
    def lifecycle(self) -> Lifecycle:
        return Lifecycle(self.plan, clock=self.clock, **self.connection)

    @property
    def milestones(self) -> Milestones:
        """The records, without a server."""
        gateway = self.connection["gateway"]
        assert gateway is not None
        return Milestones(gateway, self.plan.control_table, self.plan.name)

    async def begin(self) -> Shop:
        async with connect(self.connection, ONE_OFF) as gateway:
            await gateway.create_table(orders.table(self.plan.old))
            await orders.fill(gateway, self.plan.old, [orders.old_order(n) for n in range(10)])
        await create_table(self.plan, clock=self.clock, **self.connection)
        return self

    async def enter(self, phase: Phase) -> Shop:
        """Take every gate up to a phase as it should be taken."""
        while (await self.lifecycle.gate()).phase is not phase:
            if (await self.lifecycle.gate()).phase is Phase.MIGRATING:
                await self.copy_and_verify()
            self.settle()
            await self.lifecycle.advance(old_code_is_gone=True)
        return self

    def settle(self) -> None:
        self.clock.move(SETTLE_SECONDS)

    async def copy_and_verify(self) -> None:
        await Migrator(self.plan, **self.connection).run()
        assert (await Verifier(self.plan, **self.connection).run()).ok

    async def beat(self, name: str, phase: Phase, step: int = 0, transform: str = "") -> None:
        transform = transform or self.plan.fingerprint
        beat = Heartbeat(name, phase, self.clock.now(), "host", 7, step, transform)
        await self.milestones.beat(beat)

    async def closed_by(self, **word: Any) -> set[Requirement]:
        """Return what keeps the gate closed, and that `advance` goes by the same."""
        gate = await self.lifecycle.gate(**word)
        if not gate.open:
            with pytest.raises(GateClosedError) as caught:
                await self.lifecycle.advance(**word)
            assert caught.value.gate == gate
            assert (await self.lifecycle.gate()).phase is gate.phase
        return {condition.requirement for condition in gate.closed_by}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def shop(*, rolling: bool = True, **settings: Any) -> Shop:
    """Return a shop in memory."""
    plan = orders.migration(
        "shop", BOTH_WAYS, rolling=rolling, settle_seconds=SETTLE_SECONDS, **settings
    )
    return await Shop(plan, {"gateway": MemoryGateway()}).begin()


def condition(gate: Gate, requirement: Requirement) -> GateCondition:
    return next(each for each in gate.conditions if each.requirement is requirement)


# -- each condition, tried too early ---------------------------------------------------------------

at_each_gate = pytest.mark.parametrize(
    ("phase", "to"), list(TRANSITIONS), ids=lambda phase: phase.name
)


async def before_a_gate(phase: Phase) -> Shop:
    """Return a shop in a phase that it has just entered, with all that takes work done."""
    here = await (await shop()).enter(phase)
    if phase is Phase.MIGRATING:
        await here.copy_and_verify()
    return here


@at_each_gate
async def test_no_step_before_the_phase_has_settled(phase: Phase, to: Phase) -> None:
    """Whoever was frozen goes on by the phase before; a second step must wait that long."""
    here, word = await before_a_gate(phase), {"to": to, "old_code_is_gone": True}
    assert await here.closed_by(**word) == {Requirement.SETTLED}
    here.clock.move(SETTLE_SECONDS - 0.5)
    assert await here.closed_by(**word) == {Requirement.SETTLED}
    here.clock.move(0.5)
    assert await here.closed_by(**word) == set()


@at_each_gate
async def test_no_step_before_every_repository_has_acknowledged(phase: Phase, to: Phase) -> None:
    """One that went by an earlier step, whatever its phase was called, keeps the gate closed."""
    here, word = await before_a_gate(phase), {"to": to, "old_code_is_gone": True}
    here.settle()
    step = (await here.milestones.state()).step
    await here.beat("good", phase, step)
    assert await here.closed_by(**word) == set()
    await here.beat("frozen", phase, step - 1)
    assert await here.closed_by(**word) == {Requirement.ACKNOWLEDGED}
    found = condition(await here.lifecycle.gate(), Requirement.ACKNOWLEDGED)
    assert [each["name"] for each in found.data["repositories"] if not each["acknowledged"]] == [
        "frozen"
    ]
    assert found.data["repositories"][0] == {
        "name": "frozen",
        "host": "host",
        "process": 7,
        "phase": phase.value,
        "age_seconds": 0.0,
        "fingerprint": here.plan.fingerprint,
        "acknowledged": False,
        "declared_dead": False,
    }
    assert "frozen on host, process 7" in found.words


@at_each_gate
async def test_no_step_with_two_transforms_in_the_fleet(phase: Phase, to: Phase) -> None:
    """What one reads of the old table would differ from what another has copied or written.

    From `MIGRATED` on nobody transforms anything, and on the way back old code counts, not ours.
    """
    here, word = await before_a_gate(phase), {"to": to, "old_code_is_gone": True}
    here.settle()
    step = (await here.milestones.state()).step
    await here.beat("mended", phase, step, "0123456789abcdef")
    asks = Requirement.ONE_TRANSFORM in TRANSITIONS[phase, to]
    assert await here.closed_by(**word) == ({Requirement.ONE_TRANSFORM} if asks else set())
    assert asks is (phase is not Phase.MIGRATED and to is not Phase.ROLLING_OUT)
    if asks:
        found = condition(await here.lifecycle.gate(), Requirement.ONE_TRANSFORM)
        assert "mended on host, process 7, by transform 01234567, in" in found.words
        assert [each["name"] for each in found.data["repositories"]] == ["mended"]
        await here.beat("mended", phase, step)
        assert await here.closed_by(**word) == set()


async def test_a_transform_that_nobody_can_read_is_another() -> None:
    """Its process has the source of what it runs, or says by hand which one it is."""
    here = await migrating()
    await here.copy_and_verify()
    step = (await here.milestones.state()).step
    beat = Heartbeat("built", Phase.MIGRATING, here.clock.now(), "host", 7, step, "")
    await here.milestones.beat(beat)
    assert await here.closed_by() == {Requirement.ONE_TRANSFORM}
    found = condition(await here.lifecycle.gate(), Requirement.ONE_TRANSFORM)
    assert "by a transform whose source it cannot read" in found.words


async def test_age_alone_makes_no_repository_dead() -> None:
    """A process that was frozen for a day goes on where it stood."""
    here = await shop()
    await here.beat("frozen", Phase.ROLLING_OUT, -1)
    here.clock.move(86_400)
    assert await here.closed_by(old_code_is_gone=True) == {Requirement.ACKNOWLEDGED}
    await here.lifecycle.declare_dead("frozen")
    assert await here.closed_by(old_code_is_gone=True) == set()


async def test_a_dead_repository_that_speaks_is_waited_for_again() -> None:
    """An operator may be wrong; what he said is kept, and shown beside what is so."""
    here = await shop()
    here.settle()
    await here.beat("frozen", Phase.ROLLING_OUT, -1)
    await here.lifecycle.declare_dead("frozen")
    await here.lifecycle.declare_dead("frozen")  # the same command may be given again
    await here.beat("frozen", Phase.ROLLING_OUT, -1)
    assert await here.closed_by(old_code_is_gone=True) == {Requirement.ACKNOWLEDGED}
    found = condition(await here.lifecycle.gate(), Requirement.ACKNOWLEDGED)
    assert "declared dead and has spoken since" in found.words


async def test_nobody_is_declared_dead_who_is_not_there() -> None:
    """A name that is mistyped must not look as if it had worked."""
    here = await shop()
    await here.beat("one", Phase.ROLLING_OUT)
    with pytest.raises(DualTableError, match="no repository 'two'; it has one"):
        await here.lifecycle.declare_dead("two")


async def test_no_step_while_old_code_may_run() -> None:
    """Nobody can see that it is gone; only an operator can say so."""
    here = await shop()
    here.settle()
    assert await here.closed_by() == {Requirement.OLD_CODE_GONE}
    found = condition(await here.lifecycle.gate(), Requirement.OLD_CODE_GONE)
    assert (found.state, found.data["sampled"], found.data["without_token"]) == ("unknown", 10, 10)
    assert await here.lifecycle.advance(old_code_is_gone=True) is Phase.READING_BOTH


@pytest.mark.parametrize(("wait", "late"), [(False, False), (True, False), (True, True)])
async def test_old_code_that_is_seen_to_write_is_not_gone(*, wait: bool, late: bool) -> None:
    """What an operator says does not count against what can be seen, however soon he says it."""
    here = await shop()
    gateway = here.connection["gateway"]
    here.settle()
    if late:
        await here.beat("late", Phase.ROLLING_OUT, -1)  # so that it waits, and looks again
    looks = 0

    async def write() -> None:
        await orders.fill(gateway, here.plan.old, [orders.old_order(3, note="old code")])

    class Writing(Faults):
        async def before(self, operation: str, table: str) -> None:
            nonlocal looks
            looks += operation == "scan"
            if operation == "scan" and looks == 2:
                await write()

    assert isinstance(gateway, MemoryGateway)
    gateway.faults = Writing()
    with pytest.raises(GateClosedError, match="old code still runs"):
        await here.lifecycle.advance(wait=wait, old_code_is_gone=True)


async def test_no_way_back_once_the_new_table_may_have_writes() -> None:
    """`ROLLING_OUT` reads the old table alone; what went to the new one would be lost."""
    here = await (await shop()).enter(Phase.READING_BOTH)
    here.settle()
    gate = await here.lifecycle.gate(to=Phase.ROLLING_OUT)
    assert gate.open
    assert {c.requirement for c in gate.conditions} == EVERY_STEP | {Requirement.NEVER_WROTE_NEW}
    state = await here.milestones.state()
    await here.milestones._records.put(
        "state", {"phase": "READING_BOTH", "step": 1, "wrote_new": True}
    )
    gate = await here.lifecycle.gate(to=Phase.ROLLING_OUT)
    assert [c.requirement for c in gate.closed_by] == [Requirement.NEVER_WROTE_NEW]
    with pytest.raises(GateClosedError):
        await here.lifecycle.advance(to=Phase.ROLLING_OUT, wait=True)
    assert not state.wrote_new


async def test_the_way_back() -> None:
    """Before anything has gone to the new table, old code may be deployed again."""
    here = await (await shop()).enter(Phase.READING_BOTH)
    here.settle()
    assert await here.lifecycle.advance(to=Phase.ROLLING_OUT) is Phase.ROLLING_OUT
    await here.enter(Phase.WRITING_NEW)
    here.settle()
    with pytest.raises(MigrationMismatchError, match="does not follow WRITING_NEW"):
        await here.lifecycle.advance(to=Phase.READING_BOTH)


@at_each_gate
@pytest.mark.parametrize("which", ["old", "new"])
async def test_no_step_with_a_table_that_was_made_anew(phase: Phase, to: Phase, which: str) -> None:
    """What was settled with another table of that name counts for nothing."""
    here = await before_a_gate(phase)
    here.settle()
    gateway = here.connection["gateway"]
    assert gateway is not None
    name = getattr(here.plan, which)
    await gateway.delete_table(name)
    await gateway.create_table(orders.table(name))
    assert Requirement.TABLES in await here.closed_by(to=to, old_code_is_gone=True)
    assert "has been made anew" in condition(await here.lifecycle.gate(), Requirement.TABLES).words
    if which == "new":
        with pytest.raises(MigrationMismatchError):  # what production has written is gone
            await Migrator(here.plan, **here.connection).run()


async def test_a_table_made_anew_before_the_first_run_is_not_copied_into_unasked() -> None:
    """In `MIGRATING` production writes to the new table already; another one lacks that."""
    here = await (await shop()).enter(Phase.MIGRATING)
    gateway = here.connection["gateway"]
    assert gateway is not None
    await gateway.delete_table(here.plan.new)
    await gateway.create_table(orders.table(here.plan.new))
    with pytest.raises(MigrationMismatchError, match="what production has written to the ones"):
        await Migrator(here.plan, **here.connection).run()
    assert Requirement.TABLES in await here.closed_by()
    assert (await Migrator(here.plan, restart=True, **here.connection).run()).ok
    assert (await Verifier(here.plan, **here.connection).run()).ok
    here.settle()
    assert await here.closed_by() == set()


async def migrating() -> Shop:
    here = await (await shop()).enter(Phase.MIGRATING)
    here.settle()
    return here


COPY = {Requirement.COPIED, Requirement.VERIFIED}


async def test_no_end_before_the_copy() -> None:
    """Nothing copied, then a part of it."""
    here = await migrating()
    assert await here.closed_by() == COPY
    migrator = Migrator(
        here.plan, total_segments=4, concurrency=1, observer=lambda _: migrator.stop(),
        **here.connection,
    )  # fmt: skip
    assert not (await migrator.run()).complete
    assert await here.closed_by() == COPY


async def test_no_end_with_a_dead_letter() -> None:
    """What could not be copied would be lost with the old table."""
    here = await migrating()
    gateway = here.connection["gateway"]
    await orders.fill(gateway, here.plan.old, [orders.old_order(77, total="twelve")])
    await Migrator(here.plan, **here.connection).run()
    await Verifier(here.plan, **here.connection).run()
    assert await here.closed_by() == {Requirement.NO_DEAD_LETTERS, Requirement.VERIFIED}


async def test_no_end_without_a_verification() -> None:
    """The copy alone proves nothing."""
    here = await migrating()
    await Migrator(here.plan, **here.connection).run()
    assert await here.closed_by() == {Requirement.VERIFIED}


async def test_a_verification_before_the_end_of_the_copy_does_not_count() -> None:
    """It passed by what was there; what came after it has not been looked at."""
    here = await migrating()
    last = Migrator(here.plan, total_segments=1, **here.connection)

    class EndsMeanwhile(Faults):
        async def before(self, operation: str, table: str) -> None:
            if operation == "scan":  # of the verifier: by now it has looked how the copy stands
                gateway.faults = Faults()
                await last.run()

    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    await here.milestones.begin(await run_of(here))
    gateway.faults = EndsMeanwhile()
    assert (await Verifier(here.plan, level="keys", total_segments=1, **here.connection).run()).ok
    found = condition(await here.lifecycle.gate(), Requirement.VERIFIED)
    assert "began before every segment was done" in found.words
    assert await here.closed_by() == {Requirement.VERIFIED}


async def run_of(here: Shop) -> Any:
    """Return the record of the run that a migrator with one segment would begin."""
    old, new = await here.milestones.tables() or ("", "")
    return Run(id="r", fingerprint=here.plan.fingerprint, total_segments=1, old=old, new=new)


async def test_a_verification_that_failed_closes_the_gate_again() -> None:
    """The last word counts, not the best one."""
    here = await migrating()
    await here.copy_and_verify()
    assert await here.closed_by() == set()
    gateway = here.connection["gateway"]
    await orders.fill(gateway, here.plan.new, [orders.new_order(3, note="past the repository")])
    assert not (await Verifier(here.plan, **here.connection).run()).ok
    assert await here.closed_by() == {Requirement.VERIFIED}
    assert "failed" in condition(await here.lifecycle.gate(), Requirement.VERIFIED).words


async def test_a_verification_of_an_earlier_run_does_not_count() -> None:
    """Another run may have another transform, and other dead letters."""
    here = await migrating()
    await here.copy_and_verify()
    await Migrator(here.plan, restart=True, **here.connection).run()
    assert await here.closed_by() == {Requirement.VERIFIED}


async def test_a_verification_by_another_transform_does_not_count() -> None:
    """It proves that the copy is what that one makes."""
    here = await migrating()
    await Migrator(here.plan, **here.connection).run()
    other = attrs.evolve(here.plan, version="other")
    assert (await Verifier(other, **here.connection).run()).ok
    assert await here.closed_by() == {Requirement.VERIFIED}
    assert "another transform" in condition(await here.lifecycle.gate(), Requirement.VERIFIED).words


async def test_a_verification_that_cannot_be_recorded_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who has waited for it for hours gets its report; the gate stays closed."""
    here = await migrating()
    await Migrator(here.plan, **here.connection).run()

    class NoRecords(Faults):
        async def before(self, operation: str, table: str) -> None:
            if operation == "put" and table == here.plan.control_table:
                raise AccessError("not authorized to perform: dynamodb:PutItem")

    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    gateway.faults = NoRecords()
    assert (await Verifier(here.plan, **here.connection).run()).ok
    gateway.faults = Faults()
    assert "no gate will open by it" in caplog.text
    assert await here.closed_by() == {Requirement.VERIFIED}


# -- expiry ----------------------------------------------------------------------------------------


async def expiring(transform: Any = BOTH_WAYS, *, items: bool = True) -> Shop:
    """Return a shop whose old orders expire by `until`, before the gate to `MIGRATED`."""
    gateway = MemoryGateway()
    plan = orders.migration("shop", transform, settle_seconds=SETTLE_SECONDS)
    here = Shop(plan, {"gateway": gateway})
    await gateway.create_table(orders.table(plan.old))
    await gateway.switch_ttl_on(plan.old, "until")
    if items:
        old = [orders.old_order(n, until=2_000_000_000 + n) for n in range(10)]
        await orders.fill(gateway, plan.old, old)
    await create_table(plan, clock=here.clock, gateway=gateway)
    await here.copy_and_verify()
    here.settle()
    return here


async def ttl_of(here: Shop) -> str | None:
    gateway = here.connection["gateway"]
    assert gateway is not None
    ttl = (await gateway.describe_extras(here.plan.new)).ttl
    return ttl and ttl.attribute


async def test_items_expire_as_before_once_nobody_believes_the_old_table() -> None:
    """What expires before would come back from there to whoever still falls back."""
    here = await expiring()
    await here.beat("one", Phase.MIGRATING, 0)
    assert await here.lifecycle.advance() is Phase.MIGRATED
    assert await ttl_of(here) is None
    here.settle()
    assert await here.lifecycle.advance(to=Phase.MIGRATED) is Phase.MIGRATED
    assert await ttl_of(here) is None
    await here.beat("one", Phase.MIGRATED, 1)
    assert await here.lifecycle.advance(to=Phase.MIGRATED) is Phase.MIGRATED
    assert await ttl_of(here) == "expires"
    assert await here.lifecycle.advance(to=Phase.MIGRATED) is Phase.MIGRATED


async def test_what_is_switched_off_for_the_copy_is_switched_on_after_it() -> None:
    """Nothing may expire in the old table while it is copied; `create` has noted by what it did."""
    here = await expiring()
    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    gateway._table(here.plan.old).ttl_attribute = None
    assert await here.lifecycle.advance(wait=True) is Phase.MIGRATED
    assert await ttl_of(here) == "expires"


async def test_who_waits_has_it_all_done() -> None:
    """One call that may wait leaves nothing to be remembered."""
    here = await expiring()
    assert await here.lifecycle.advance(wait=True) is Phase.MIGRATED
    assert await ttl_of(here) == "expires"


async def test_a_crash_between_phase_and_expiry_is_mended_by_the_same_command() -> None:
    """The last step switches it on, too, before it is taken."""
    here = await expiring()
    await here.lifecycle.advance()
    here.settle()

    class Crash(Faults):
        async def before(self, operation: str, table: str) -> None:
            if operation == "switch_ttl_on":
                raise MigrationMismatchError("crash")

    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    gateway.faults = Crash()
    with pytest.raises(MigrationMismatchError, match="crash") as caught:
        await here.lifecycle.advance()
    assert caught.value.begun
    gateway.faults = Faults()
    assert (await here.milestones.state()).phase is Phase.MIGRATED
    assert await here.lifecycle.advance() is Phase.FINISHED
    assert await ttl_of(here) == "expires"


def opaque(item: dict[str, Any]) -> dict[str, Any]:
    """Make of an expiry what cannot be told from anything else."""
    return {"id": item["id"], "expires": item["until"] + 1}


async def test_nobody_guesses_by_what_items_expire() -> None:
    """A wrong attribute would delete what should stay, or keep what should go."""
    here = await expiring(opaque)
    assert await here.closed_by() == {Requirement.EXPIRY}
    with pytest.raises(GateClosedError, match="nothing shows what that is called"):
        await here.lifecycle.advance(wait=True)
    assert await here.lifecycle.advance(ttl_attribute="expires") is Phase.MIGRATED
    here.settle()
    assert await here.lifecycle.advance() is Phase.FINISHED
    assert await ttl_of(here) == "expires"


async def test_unknown_is_not_off() -> None:
    """Where nobody may ask whether items expire, an operator must say it."""

    class Forbidden(MemoryGateway):
        async def describe_extras(self, table: str) -> Extras:
            await super().describe_extras(table)
            return Extras()

    plan = orders.migration("shop", settle_seconds=SETTLE_SECONDS)
    here = await Shop(plan, {"gateway": Forbidden()}).begin()
    await here.copy_and_verify()
    here.settle()
    assert await here.closed_by() == {Requirement.EXPIRY}
    assert await here.lifecycle.advance(ttl_attribute="") is Phase.MIGRATED


async def test_an_operator_may_let_nothing_expire() -> None:
    """An empty text is an answer, too."""
    here = await expiring(opaque)
    assert await here.lifecycle.advance(ttl_attribute="") is Phase.MIGRATED
    here.settle()
    assert await here.lifecycle.advance() is Phase.FINISHED
    assert await ttl_of(here) is None


async def test_steps_tell_without_items() -> None:
    """An empty table has the attribute all the same."""
    here = await expiring(items=False)
    found = condition(await here.lifecycle.gate(), Requirement.EXPIRY)
    assert found.data["new"] == "expires"


@pytest.mark.parametrize("phase", [Phase.MIGRATING, Phase.MIGRATED], ids=str)
async def test_items_that_expire_by_another_attribute_already(phase: Phase) -> None:
    """DynamoDB has one at a time; somebody must decide, before each of the last two steps."""
    here = await expiring()
    await here.lifecycle.advance(to=phase)
    here.settle()
    gateway = here.connection["gateway"]
    assert gateway is not None
    await gateway.switch_ttl_on(here.plan.new, "else")
    assert await here.closed_by() == {Requirement.EXPIRY}


# -- the way ---------------------------------------------------------------------------------------


async def test_waiting_takes_each_gate_in_turn() -> None:
    """From the first phase to the last in one call, and an observer sees every look."""
    here = await shop()
    seen: list[Gate] = []

    def observe(gate: Gate) -> None:
        seen.append(gate)

    assert (
        await here.lifecycle.advance(
            to=Phase.MIGRATING, wait=True, old_code_is_gone=True, observer=observe
        )
        is Phase.MIGRATING
    )
    assert (await here.milestones.state()).step == 3
    opened = [gate.next_phase for gate in seen if gate.open]
    assert opened == [Phase.READING_BOTH, Phase.WRITING_NEW, Phase.MIGRATING]
    await here.copy_and_verify()
    assert await here.lifecycle.advance(to=Phase.FINISHED, wait=True) is Phase.FINISHED
    assert await here.lifecycle.advance() is Phase.FINISHED
    assert not (await here.lifecycle.gate()).open


@pytest.mark.parametrize(
    ("phase", "to", "wait"),
    [
        (Phase.MIGRATED, Phase.FINISHED, False),
        (Phase.MIGRATED, Phase.FINISHED, True),
        (Phase.ROLLING_OUT, Phase.MIGRATING, True),
        (Phase.READING_BOTH, Phase.ROLLING_OUT, False),
    ],
)
async def test_who_finds_himself_there_has_arrived(phase: Phase, to: Phase, wait: bool) -> None:
    """Of several operators with one aim, each step is taken by one, and all of them are told."""
    here = await (await shop()).enter(phase)
    before = (await here.milestones.state()).step
    here.settle()
    here.connection["gateway"].faults = Faults()  # type: ignore[union-attr]

    async def operator(late: int) -> Phase:
        clock = HandClock(here.clock.seconds, here.clock.wall_seconds + late)
        for _ in range(late):
            await asyncio.sleep(0)
        lifecycle = Lifecycle(here.plan, clock=clock, **here.connection)
        return await lifecycle.advance(to=to, wait=wait, old_code_is_gone=True)

    assert set(await asyncio.gather(*map(operator, (0, 1, 2, 9)))) == {to}
    state = await here.milestones.state()
    assert (state.phase, state.step) == (to, before + 1 + 2 * (to is Phase.MIGRATING))


async def test_nobody_walks_against_another() -> None:
    """Who meets a step back while he waits does not undo it."""
    here = await (await shop()).enter(Phase.READING_BOTH)
    state = await here.milestones.state()

    class Another(HandClock):
        async def sleep(self, seconds: float) -> None:
            self.move(seconds)
            if (await here.milestones.state()) == state:
                await here.milestones.move(state, Phase.ROLLING_OUT, self.now())

    here.clock = Another(here.clock.seconds, here.clock.wall_seconds)
    with pytest.raises(MigrationMismatchError, match="does not follow ROLLING_OUT"):
        await here.lifecycle.advance(to=Phase.WRITING_NEW, wait=True, old_code_is_gone=True)
    assert (await here.milestones.state()).phase is Phase.ROLLING_OUT


async def test_several_steps_need_patience() -> None:
    """Refused before the first one, as the second gate could not be open."""
    here = await shop()
    here.settle()
    with pytest.raises(DualTableError, match="2 steps from ROLLING_OUT"):
        await here.lifecycle.advance(to=Phase.WRITING_NEW, old_code_is_gone=True)
    assert (await here.milestones.state()).phase is Phase.ROLLING_OUT


@pytest.mark.parametrize(
    "said",
    [
        {"to": "READING_BOTH"},
        {"to": 2},
        {"old_code_is_gone": "no"},
        {"old_code_is_gone": None},
        {"ttl_attribute": False},
    ],
)
async def test_what_is_no_word_of_an_operator(said: dict[str, Any]) -> None:
    """A gate must not open on ``"no"``, nor a walk end in an error of Python's."""
    here = await shop()
    here.settle()
    for ask in (here.lifecycle.gate, here.lifecycle.advance):
        with pytest.raises(InvalidSettingError, match=f"{next(iter(said))}="):
            await ask(**said)
    with pytest.raises(InvalidSettingError, match="wait='no'"):
        await here.lifecycle.advance(wait="no")  # type: ignore[arg-type]
    assert (await here.milestones.state()).phase is Phase.ROLLING_OUT


async def test_waiting_is_for_what_may_come_true() -> None:
    """Nobody waits for ever for a word that nobody will say."""
    here = await shop()
    with pytest.raises(GateClosedError, match="nobody has said that old code is gone"):
        await here.lifecycle.advance(wait=True)


async def test_a_rolling_migration_that_nobody_has_begun() -> None:
    """There is no phase to be guessed."""
    gateway = MemoryGateway()
    plan = orders.migration("shop", BOTH_WAYS, rolling=True)
    await orders.create(gateway, plan)
    with pytest.raises(MigrationMismatchError, match="it begins with dualtable create"):
        await Lifecycle(plan, gateway=gateway).gate()


async def test_the_old_table_may_be_gone_once_nobody_asks_it() -> None:
    """Who deleted it in `MIGRATED` can still finish; before that, it is missed."""
    here = await shop(rolling=False)
    gateway = here.connection["gateway"]
    assert isinstance(gateway, MemoryGateway)
    await here.copy_and_verify()
    here.settle()
    kept = gateway._tables.pop(here.plan.old)
    assert await here.closed_by() == {Requirement.TABLES}
    gateway._tables[here.plan.old] = kept
    await here.lifecycle.advance()
    here.settle()
    del gateway._tables[here.plan.old]
    assert await here.lifecycle.advance() is Phase.FINISHED


async def test_the_error_survives_pickling() -> None:
    """It crosses processes as every other error does."""
    import pickle

    here = await shop()
    with pytest.raises(GateClosedError) as caught:
        await here.lifecycle.advance()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.gate) == (str(caught.value), caught.value.gate)


# -- on servers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVERS)
async def test_a_whole_life_on_a_server(
    running: Callable[[str], str], table_name: str, name: str
) -> None:
    """From the beginning to the end with a repository that acknowledges each phase, and expiry."""
    clock = HandClock()
    plan = orders.migration(table_name, BOTH_WAYS, settle_seconds=SETTLE_SECONDS)
    here = Shop(plan, {"endpoint_url": running(name)}, clock)
    async with connect(here.connection, ONE_OFF) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await gateway.switch_ttl_on(plan.old, "until")
        old = [orders.old_order(n, until=4_000_000_000 + n) for n in range(10)]
        await orders.fill(gateway, plan.old, old)
        await create_table(plan, clock=clock, **here.connection)
        async with DualTableRepository(plan, clock=clock, **here.connection) as repository:
            await here.copy_and_verify()
            here.settle()
            assert await here.lifecycle.advance() is Phase.MIGRATED
            here.settle()
            await repository.get(orders.key(1))  # one that rests would acknowledge by itself, later
            assert await here.lifecycle.advance() is Phase.FINISHED
            extras = await gateway.describe_extras(plan.new)
            assert extras.ttl == TimeToLive("expires")
