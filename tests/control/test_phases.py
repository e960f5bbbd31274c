"""The phase is moved once, by one, and whoever depends on it notices."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import orders
import pytest
from clocks import HandClock

from dualtable import Migrator, Phase
from dualtable._control.control_table import Control, Heartbeat
from dualtable._control.phases import ROUTES, TRANSITIONS, next_phase
from dualtable._control.state import State
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
    """The rules are complete tables; no phase can be skipped, and one can be taken back."""
    assert set(ROUTES) == set(Phase)
    phases = list(Phase)
    onward = set(pairwise(phases))
    assert set(TRANSITIONS) - onward == {(Phase.READING_BOTH, Phase.ROLLING_OUT)}
    assert onward <= set(TRANSITIONS)
    assert [next_phase(phase) for phase in phases] == [*phases[1:], None]


def test_no_migrator_runs_while_somebody_writes_to_old() -> None:
    """I5: the old table is frozen before the copy."""
    assert not [route for route in ROUTES.values() if route.copies and route.old_moves]


async def test_the_phase_moves_step_by_step(gateway: MemoryGateway) -> None:
    """A new migration has no record of its phase; what else the record holds stays."""
    control = control_of(gateway)
    first = await control.advance(Phase.MIGRATED, 5.5)
    assert first == State(Phase.MIGRATED, since=5.5, step=1, wrote_new=True)
    last = await control.advance(Phase.FINISHED, 7)
    assert last == State(Phase.FINISHED, since=7, step=2, wrote_new=True)
    assert await control.state() == last


async def test_a_move_keeps_what_the_cut_over_needs(gateway: MemoryGateway) -> None:
    """The TTL attribute noted by `create` must outlive the phases."""
    control = control_of(gateway)
    await control.note_state(State(ttl_attribute="expires"))
    await control.advance(Phase.MIGRATED, 5)
    assert await control.state() == State(Phase.MIGRATED, "expires", 5, 1, wrote_new=True)


async def test_an_event_out_of_turn_is_refused(gateway: MemoryGateway) -> None:
    """Two cut-overs at once, or one too early, must not skip a phase."""
    control = control_of(gateway)
    with pytest.raises(MigrationMismatchError, match="FINISHED does not follow MIGRATING"):
        await control.advance(Phase.FINISHED, 1)
    await control.advance(Phase.MIGRATED, 1)
    with pytest.raises(MigrationMismatchError, match="MIGRATED does not follow MIGRATED"):
        await control.advance(Phase.MIGRATED, 2)
    assert await control.state() == State(Phase.MIGRATED, since=1, step=1, wrote_new=True)


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
                await control.advance(Phase.MIGRATED, 1)

    gateway.faults = Overtaken()
    with pytest.raises(MigrationMismatchError, match="by somebody else"):
        await control.advance(Phase.MIGRATED, 2)
    assert await control.state() == State(Phase.MIGRATED, since=1, step=1, wrote_new=True)


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
                await control.advance(Phase.MIGRATED, clock.now())
                clock.move(2)

    gateway.faults = MovedAfterFirstPage()
    migrator = Migrator(PLAN, gateway=gateway, clock=clock, concurrency=1, total_segments=8)
    with pytest.raises(MigrationMismatchError, match="phase MIGRATED"):
        await migrator.run()
    with pytest.raises(MigrationMismatchError, match="phase MIGRATED"):
        await Migrator(PLAN, gateway=gateway).run()
