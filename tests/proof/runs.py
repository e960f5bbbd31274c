"""Runs that follow each other, and tables made anew, while a migrator stands still.

The rule: the first migrator stands still at any of its calls, for a moment or for longer than its
word counts, while another begins anew; and goes on, as far as it gets, at any moment of what that
other does. Or somebody makes the new table anew, between any two calls. Every call to the control
table is a choice here, since it is there that one learns of the other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from dualtable import Migration, Migrator
from dualtable._control.control_table import Control
from dualtable._control.run_records import Run
from dualtable._wire import codec
from dualtable._wire.layouts import identity
from dualtable.errors import MigrationMismatchError
from proof.casts import WORLDS, Cast, World, _dead_letters, _take_stock, go_to_the_end
from proof.history import History
from proof.invariants import Violation, check_steps
from proof.moves import PROCESS, Budget, Move, Pending, StageGateway
from proof.stage import LEASE_SECONDS, Stage
from proof.tables import CONTROL, MIGRATION, NEW, OLD, WATCHED, create_tables, record_named

FIRST, SECOND = "migrator-1", "migrator-2"
_MOST_STEPS = 250  # a whole run takes some forty, and as many again to find out who is gone
MOMENT, LONG = ("for a moment", 0.0), ("for long", LEASE_SECONDS + 1)
CHANGED = attrs.evolve(MIGRATION, version="2")


class RunStage(Stage):
    """A stage on which the first migrator may stand still, and a table may be made anew."""

    first = FIRST

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.still = False
        self.second_has_run = False
        self.at: Sequence[str] = ()
        self.stands: Sequence[tuple[str, float]] = ()
        self.stood_still, self.goes_on = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.still and PROCESS.get() == self.first:
            await self.goes_on.wait()

    def idle(self) -> None:
        if len(self.history.steps) > _MOST_STEPS:
            check_steps(self.history)
            raise Violation("Every run ends", "somebody goes on and on", self.history)
        super().idle()

    def is_aside(self, arguments: Mapping[str, Any]) -> bool:
        return record_named(arguments) == "ceilings"

    def _is_visible(self, call: Pending) -> bool:
        return (call.table == CONTROL and not call.operation.startswith("describe")) or (
            super()._is_visible(call)
        )

    def _answered(self) -> list[Pending]:
        return [
            call for call in super()._answered() if not (self.still and call.actor == self.first)
        ]

    def _local_moves(self) -> list[Move]:
        moves = super()._local_moves()
        return moves + self._events() if moves else []

    def _visible_moves(self) -> list[Move]:
        moves = super()._visible_moves()[:1]  # the tasks of a process take turns
        if self.still:
            works = moves or not self.second_has_run
            if self.at and not self.budget.freezes and works:
                return moves or self._time_passes()  # nobody else is there
            return [*(moves or self._time_passes()), Move("it goes on", self._go_on)]
        return (self._of_first() or moves) + self._events()

    def _of_first(self) -> list[Move]:
        """Return the moves of the first one alone, where it has just gone on: it does the harm."""
        calls = [call for call in self.pending if call.actor == self.first]
        if not self.stood_still.is_set() or not calls:
            return []
        return self._outcomes(calls[0])

    def _events(self) -> list[Move]:
        """Return what may happen before the next call of the first migrator."""
        calls = [call for call in self.pending if call.actor == self.first]
        moves = []
        if self.budget.freezes and any(map(self._may_stand_at, calls)):
            for text, seconds in self.stands:
                moves.append(
                    Move(f"{self.first} stands still {text}", partial(self._freeze, seconds))
                )
        if self.budget.remakes and calls and not self._has_looked():
            moves.append(Move("the new table is made anew", self._remake))
        return moves

    def _may_stand_at(self, call: Pending) -> bool:
        place = self.at[-self.budget.freezes] if self.at else ""
        return f"{call.operation} {record_named(call.arguments)}".startswith(place)

    def _has_looked(self) -> bool:
        """Tell whether the migrator has looked at the tables for the last time."""
        return any(call.operation == "delete" for call in self.pending)

    def _freeze(self, seconds: float) -> None:
        self.budget = self.budget.less("freezes")
        self.still = True
        self.goes_on.clear()
        self.stood_still.set()
        self._wake(self.seconds + seconds)

    def _go_on(self) -> None:
        self.still = False
        self.goes_on.set()

    def _remake(self) -> None:
        self.budget = self.budget.less("remakes")
        for call in (self.gateway.delete_table(NEW), create_tables(self.gateway, WATCHED, WATCHED)):
            with_nothing_to_wait_for(call)


def with_nothing_to_wait_for(call: Any) -> None:
    """Run what takes effect at once."""
    try:
        call.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


@attrs.frozen
class RunCast(Cast):
    """The first migrator, and, where it may stand still, another who begins anew."""

    scripts: Sequence[Any] = ()  # type: ignore[assignment]
    world: World = WORLDS[0]
    migrators: int = 2
    others: bool = False
    restarts: bool = False
    """The first one begins anew, too."""
    at: Sequence[str] = ()
    """Before which calls it stands still, one after the other, the last time until the other one
    has run to its end; before any if none is named."""
    stands: Sequence[tuple[str, float]] = (MOMENT, LONG)
    stage_class = RunStage

    @property
    def title(self) -> str:
        first = "a migrator who begins anew" if self.restarts else "a migrator"
        where = " and ".join(each.partition("#")[0] for each in self.at)
        still = f"stands still before {where}" if where else "stands still"
        what = still if self.budget.freezes else "is there when new is made anew"
        return f"{first} {what}; {self.world.name}"

    def history(self) -> History:
        return attrs.evolve(super().history(), shared=True, runs=True)

    async def play(self, stage: Stage) -> None:
        assert isinstance(stage, RunStage)
        stage.at, stage.stands = self.at, self.stands
        await self._set(stage)
        stage.playing = True
        first = asyncio.create_task(self._first(stage))
        await asyncio.gather(first, asyncio.create_task(self._second(stage, first)))
        stage.playing = False
        await _take_stock(self, stage)

    async def _set(self, stage: Stage) -> None:
        await create_tables(stage.gateway, WATCHED, WATCHED)
        await stage.gateway.put(OLD, codec.encode({**self.old_key, "word": "old"}))
        if self.restarts:
            old, new = [identity(await stage.gateway.describe_table(n)) for n in (OLD, NEW)]
            run = Run(id="past", fingerprint="?", total_segments=2, old=old, new=new)
            await Control(stage.gateway, CONTROL, MIGRATION.name).begin(run)

    async def _first(self, stage: RunStage) -> None:
        PROCESS.set(FIRST)
        restart = self.restarts
        while True:
            try:
                report = await migrator_of(stage, FIRST, MIGRATION, restart=restart).run()
            except MigrationMismatchError:
                if stage.stood_still.is_set():
                    return  # others have begun anew, with another transform
                restart = True
            else:
                stage.history.reports.append(report)
                return

    async def _second(self, stage: RunStage, first: asyncio.Task[None]) -> None:
        PROCESS.set(SECOND)
        waiting = asyncio.create_task(stage.stood_still.wait())
        await asyncio.wait([first, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not stage.stood_still.is_set():
            waiting.cancel()
            return
        while True:
            try:
                report = await migrator_of(stage, SECOND, CHANGED, restart=True).run()
            except MigrationMismatchError:  # the first one seems to be at work
                await stage.sleep(LEASE_SECONDS + 1)
            else:
                stage.history.reports.append(report)
                stage.second_has_run = True
                return


def migrator_of(stage: Stage, name: str, migration: Migration, *, restart: bool) -> Migrator:
    gateway: Any = StageGateway(stage, name)
    return Migrator(
        migration,
        gateway=gateway,
        total_segments=1,
        concurrency=1,
        page_items=1,
        restart=restart,
        lease_seconds=LEASE_SECONDS,
        dead_letters=_dead_letters(),
        events=os.devnull,
        clock=stage,
    )


@attrs.frozen
class FinishingCast(RunCast):
    """The other migrator goes on with the run, and an operator to the end, where deletes are real.

    The first one stands still for all that, or for a part of it.
    """

    moves_on: bool = True

    @property
    def title(self) -> str:
        return f"{super().title}, operator"

    async def _second(self, stage: RunStage, first: asyncio.Task[None]) -> None:
        PROCESS.set(SECOND)
        waiting = asyncio.create_task(stage.stood_still.wait())
        await asyncio.wait([first, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await migrator_of(stage, SECOND, MIGRATION, restart=False).run()
        stage.second_has_run = True
        gateway: Any = StageGateway(stage, "operator")
        await go_to_the_end(self, stage, gateway)


STANDS_STILL = RunCast(budget=Budget(freezes=1))
BEGINS_ANEW_AND_STANDS_STILL = RunCast(budget=Budget(freezes=1), restarts=True)
STANDS_STILL_AT_AN_INSERT = RunCast(budget=Budget(freezes=1), at=("insert",), stands=[MOMENT])
STANDS_STILL_AT_A_WORD = attrs.evolve(STANDS_STILL_AT_AN_INSERT, at=("put migrator#",))
STANDS_STILL_TWICE = RunCast(
    budget=Budget(freezes=2), at=("put migrator#", "insert"), stands=[MOMENT]
)
WAKES_WHEN_FINISHED = FinishingCast(budget=Budget(freezes=1), at=("insert",), stands=[LONG])
MADE_ANEW = RunCast(budget=Budget(remakes=1))
RUN_CASTS = (
    STANDS_STILL,
    STANDS_STILL_TWICE,
    BEGINS_ANEW_AND_STANDS_STILL,
    WAKES_WHEN_FINISHED,
    MADE_ANEW,
)
