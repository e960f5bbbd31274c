"""The phase is moved once, by one, and whoever depends on it notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orders
import pytest
from clocks import HandClock

from dualtable import Migrator, Phase
from dualtable._control.control_table import Control, Heartbeat, State
from dualtable._control.phases import ROUTES, TRANSITIONS, Event
from dualtable.errors import MigrationMismatchError
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Orders 1 to 9 in the old table, and a control table."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
    await control_of(gateway).ensure_table()
    return gateway


def control_of(gateway: Any) -> Control:
    return Control(gateway, PLAN.control_table, PLAN.name)


def test_each_phase_has_a_route_and_one_way_on() -> None:
    """The rules are complete tables, and no phase can be skipped or gone back to."""
    assert set(ROUTES) == set(Phase)
    phases = list(Phase)
    assert list(TRANSITIONS.values()) == phases[1:]
    assert [phase for phase, _ in TRANSITIONS] == phases[:-1]


async def test_the_phase_moves_step_by_step(gateway: MemoryGateway) -> None:
    """A new migration has no record of its phase; what else the record holds stays."""
    control = control_of(gateway)
    assert await control.advance(Event.COMPLETE, 5.5) == State(Phase.MIGRATED, since=5.5)
    assert await control.advance(Event.FINISH, 7) == State(Phase.FINISHED, since=7)
    assert await control.state() == State(Phase.FINISHED, since=7)


async def test_a_move_keeps_what_the_cut_over_needs(gateway: MemoryGateway) -> None:
    """The TTL attribute noted by `create` must outlive the phases."""
    control = control_of(gateway)
    await control.note_state(State(ttl_attribute="expires"))
    await control.advance(Event.COMPLETE, 5)
    assert await control.state() == State(Phase.MIGRATED, "expires", 5)


async def test_an_event_out_of_turn_is_refused(gateway: MemoryGateway) -> None:
    """Two cut-overs at once, or one too early, must not skip a phase."""
    control = control_of(gateway)
    with pytest.raises(MigrationMismatchError, match="MIGRATING by 'finish'"):
        await control.advance(Event.FINISH, 1)
    await control.advance(Event.COMPLETE, 1)
    with pytest.raises(MigrationMismatchError, match="MIGRATED by 'complete'"):
        await control.advance(Event.COMPLETE, 2)
    assert await control.state() == State(Phase.MIGRATED, since=1)


@pytest.mark.parametrize("noted", [True, False], ids=["stored", "no record yet"])
async def test_only_one_of_two_moves_counts(gateway: MemoryGateway, noted: bool) -> None:
    """Somebody who moves between our read and our write wins; the phase is not moved twice."""
    control = control_of(gateway)
    if noted:
        await control.note_state(State())

    class Overtaken(Faults):
        async def before(self, operation: str, table: str) -> None:
            if operation == "put":
                gateway.faults = Faults()
                await control.advance(Event.COMPLETE, 1)

    gateway.faults = Overtaken()
    with pytest.raises(MigrationMismatchError, match="by somebody else"):
        await control.advance(Event.COMPLETE, 2)
    assert await control.state() == State(Phase.MIGRATED, since=1)


async def test_heartbeats_come_back_as_they_were(gateway: MemoryGateway) -> None:
    """The cut-over decides by them, so nothing may be lost or left behind."""
    control = control_of(gateway)
    beats = [Heartbeat(name, Phase.MIGRATED, 12.25, "host", 7) for name in ("a", "b")]
    for beat in beats:
        await control.beat(beat)
    assert await control.heartbeats() == beats
    await control.forget_heartbeat("a")
    assert await control.heartbeats() == beats[1:]


async def test_a_running_migrator_notices_the_phase(gateway: MemoryGateway) -> None:
    """It has checked at its start; after the cut-over it may copy no further segment."""
    clock = HandClock()
    control = control_of(gateway)

    class MovedAfterFirstPage(Faults):
        async def after(self, operation: str, table: str) -> None:
            if operation == "scan":
                gateway.faults = Faults()
                await control.advance(Event.COMPLETE, clock.now())
                clock.move(2)

    gateway.faults = MovedAfterFirstPage()
    migrator = Migrator(PLAN, gateway=gateway, clock=clock, concurrency=1, total_segments=8)
    with pytest.raises(MigrationMismatchError, match="phase MIGRATED"):
        await migrator.run()
    with pytest.raises(MigrationMismatchError, match="phase MIGRATED"):
        await Migrator(PLAN, gateway=gateway).run()
