"""Verifiers that share one verification, one of which dies or stands still; others work beside.

The rule: whether the copy was whole, and what is wrong in the new table, is so before the play
begins; all verifiers take part in the verification that one of them has begun by then. A verifier
that does not come to its next call while leases run out stands still.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import attrs

from dualtable import Migration, Verifier
from dualtable._control import segments
from dualtable._control.control_table import Control
from dualtable._control.milestones import Milestones
from dualtable._control.run_records import Run, RunRecords
from dualtable._control.segments import Lease, Progress
from dualtable._wire import codec
from dualtable._wire.layouts import identity
from dualtable.errors import MigrationMismatchError
from proof.casts import (
    Cast,
    World,
    _act,
    _audit,
    _migrate,
    _open,
    _take_stock,
    go_to_the_end,
)
from proof.history import History, Role
from proof.moves import PROCESS, Budget, Pending, StageGateway
from proof.roles import DELETER, PUTTER, UPDATER
from proof.runs import LONG, MOMENT, SECOND, FinishingCast, RunCast, RunStage, migrator_of
from proof.stage import Stage
from proof.tables import (
    CONTROL,
    MIGRATION,
    NEW,
    OLD,
    OTHER,
    WATCHED,
    create_tables,
    record_named,
    record_of,
)
from proof.tables import wire as copy_of
from proof.verdicts import (
    a_proof_is_of_a_whole_copy,
    a_repair_is_of_one_run,
    check_verdicts,
    no_checkpoint_goes_back,
)

GOOD = copy_of(["old"])
ABSENT: dict[str, Any] | None = None
_SECOND = "verifier-2"
_FIXED = ("proof", "ceilings", "verification")  # the last is written in the end, alike by all
_LEASE_SECONDS = 3.0
"""Who waits until a lease has run out looks again every second, and each look is some calls."""

AS_COPIED = World("all is copied", True, (GOOD,))
MISSING = World("one copy is missing", True, (GOOD, ABSENT))
DIFFERENT = World("one copy is otherwise", True, (copy_of(["wrong"]),))
NOT_COPIED = World("nothing is copied yet", True, ())


class VerifyingStage(Stage):
    """A stage on which the records that all have agreed on before are no matter of choice."""

    def _is_visible(self, call: Pending) -> bool:
        fixed = call.table == CONTROL and record_named(call.arguments) in _FIXED
        return not fixed and super()._is_visible(call)


@attrs.frozen
class VerifyingCast(Cast):
    """Verifiers of one verification, and whoever works beside them."""

    scripts: tuple[tuple[Role, ...], ...] = ()
    world: World = AS_COPIED
    migrators: int = 0
    verifiers: int = 1
    content: bool = False
    repairs: bool = False
    late: bool = True
    """It runs long after the copy: no read shows what was before it."""

    stage_class = VerifyingStage

    @property
    def shares(self) -> bool:
        return self.verifiers > 1  # a migrator beside them has records of its own

    @property
    def copied(self) -> bool:
        return bool(self.world.in_new)

    @property
    def title(self) -> str:
        actors = [" then ".join(role.name for role in script) for script in self.scripts]
        actors += ["verifier that repairs" if self.repairs else "verifier"] * self.verifiers
        actors += ["migrator"] * self.migrators
        fate = ", one dies" if self.budget.crashes else ", leases run out" * self.budget.expiries
        return f"{', '.join(actors)}{fate}; {self.world.name}"

    def history(self) -> History:
        states = [record_of(state) for state in (None, *self.world.in_new)]
        seen = states[-1:] if self.late else states
        spoilt = self.world is MISSING and not self.repairs
        return History(self.title, self.yielded, tuple(seen), shared=True, spoilt=spoilt)

    async def play(self, stage: Stage) -> None:
        run = await self._set(stage)
        reports: list[Any] = []
        async with AsyncExitStack() as stack:
            production = await _open(stack, self, stage) if self.scripts else None
            actors = [_act(self, stage, production, n, s) for n, s in enumerate(self.scripts)]
            actors += [self._verify(stage, f"verifier-{n + 1}", run, reports) for n in self._each()]
            actors += [_migrate(self, stage, f"migrator-{n + 1}") for n in range(self.migrators)]
            stage.playing = True
            await asyncio.gather(*(asyncio.create_task(actor) for actor in actors))
            stage.playing = False
            if production is not None:
                await _audit(self, stage, production)
        await _take_stock(self, stage)
        await self._judge(stage, reports)

    async def _judge(self, stage: Stage, reports: list[Any]) -> None:
        history = stage.history
        no_checkpoint_goes_back(history)
        check_verdicts(history, reports, content=self.content)
        recorded = await Milestones(stage.gateway, CONTROL, MIGRATION.name).verification()
        a_proof_is_of_a_whole_copy(history, recorded, copied=self.copied)

    async def _set(self, stage: Stage) -> str:
        """Set the tables and the copy, begin a verification, and return its identity."""
        await set_tables(stage, self.world, others=self.others)
        if self.late:
            stage.settle(NEW)
        return await verifier(self, stage, stage.gateway).begin()

    def _each(self) -> range:
        return range(self.verifiers)

    async def _verify(self, stage: Stage, name: str, run: str, reports: list[Any]) -> None:
        """Verify, and start again each time that the process has died."""
        for life in count(1):
            PROCESS.set(f"{name}/{life}")
            gateway: Any = StageGateway(stage, name)
            running = asyncio.create_task(verifier(self, stage, gateway).run(only=run))
            stage.mortal(gateway, running)
            await asyncio.wait([running])
            if not gateway.dead:
                reports.append(await running)
                return


def verifier(cast: Any, stage: Stage, gateway: Any) -> Verifier:
    return Verifier(
        cast.migration,
        gateway=gateway,
        level="content" if cast.content else "keys",
        repair=cast.repairs,
        total_segments=1,
        concurrency=1,
        lease_seconds=_LEASE_SECONDS,
        events=os.devnull,
        clock=stage,
    )


async def set_tables(stage: Stage, world: World, *, others: bool) -> None:
    """Make the tables as they are after a copy, and after what has gone wrong with it."""
    tables = stage.gateway
    await create_tables(tables, WATCHED, WATCHED)
    olds = [OTHER, WATCHED] if others else [WATCHED]
    for key in olds:
        await tables.put(OLD, codec.encode({**key, "word": "old"}))
    run = await _begun(stage, MIGRATION)
    if not world.in_new:
        return
    if others:
        await tables.put(NEW, codec.encode({**OTHER, "log": ["old"]}))
    for state in world.in_new:
        if state is None:
            await tables.delete(NEW, codec.encode(WATCHED))
        else:
            await tables.put(NEW, state)
    await _end(Control(tables, CONTROL, MIGRATION.name).of(run), len(olds))


async def _begun(stage: Stage, migration: Migration) -> Run:
    """Begin to copy."""
    control = Control(stage.gateway, CONTROL, migration.name)
    old, new = [identity(await stage.gateway.describe_table(name)) for name in (OLD, NEW)]
    return await control.begin(
        Run(id="copy", fingerprint=migration.fingerprint, total_segments=1, old=old, new=new)
    )


async def _end(records: RunRecords, items: int) -> None:
    """Store that everything is copied."""
    lease = Lease("whoever has copied")
    held = segments.claim(records.untouched(0), lease)
    await records.store(held)
    done = Progress(scanned=items, written=items, pages=1)
    await records.store(segments.advance(held, done, None, lease))


class RepairStage(RunStage):
    """A stage on which the first verifier may stand still."""

    first = "verifier-1"


@attrs.frozen
class RepairingCast(FinishingCast):
    """A verifier that repairs stands still; another does it, and an operator goes to the end."""

    world: World = MISSING
    content: bool = False
    repairs: bool = True
    stage_class = RepairStage

    @property
    def title(self) -> str:
        return "a verifier that repairs stands still before insert, another one, operator"

    def history(self) -> History:
        """Return the empty history of a run; the copy has ended long before."""
        return attrs.evolve(super().history(), initial=(record_of(None),), runs=False)

    async def _set(self, stage: Stage) -> None:
        await set_tables(stage, self.world, others=False)
        stage.settle(NEW)

    async def _first(self, stage: RunStage) -> None:
        PROCESS.set(RepairStage.first)
        gateway: Any = StageGateway(stage, RepairStage.first)
        try:
            await verifier(self, stage, gateway).run()
        except MigrationMismatchError:
            assert stage.stood_still.is_set()

    async def _second(self, stage: RunStage, first: asyncio.Task[None]) -> None:
        PROCESS.set(_SECOND)
        waiting = asyncio.create_task(stage.stood_still.wait())
        await asyncio.wait([first, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        repairing: Any = StageGateway(stage, _SECOND)
        await verifier(self, stage, repairing).run()
        stage.second_has_run = True
        gateway: Any = StageGateway(stage, "operator")
        await go_to_the_end(self, stage, gateway)


def left_out(item: dict[str, Any]) -> None:
    """Leave every item out."""


@attrs.frozen
class AnewCast(RepairingCast):
    """A verifier that repairs stands still, and the copy is begun anew by another transform."""

    @property
    def title(self) -> str:
        return "a verifier that repairs stands still before insert, a migrator who begins anew"

    async def play(self, stage: Stage) -> None:
        await super().play(stage)
        a_repair_is_of_one_run(stage.history)

    async def _second(self, stage: RunStage, first: asyncio.Task[None]) -> None:
        PROCESS.set(SECOND)
        waiting = asyncio.create_task(stage.stood_still.wait())
        await asyncio.wait([first, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        anew = attrs.evolve(MIGRATION, transform=left_out, version="2")
        if stage.stood_still.is_set():
            await migrator_of(stage, SECOND, anew, restart=True).run()
        stage.second_has_run = True


ONE = VerifyingCast()
ONE_EARLY = VerifyingCast(late=False, content=True)
ONE_DIES = VerifyingCast(world=MISSING, budget=Budget(crashes=1))
TWO = VerifyingCast(verifiers=2, others=False, world=MISSING, budget=Budget(expiries=1))
TWO_ONE_DIES = VerifyingCast(verifiers=2, others=False, world=MISSING, budget=Budget(crashes=1))
REPAIRS = VerifyingCast(scripts=((PUTTER,),), world=MISSING, repairs=True)
BESIDE_A_COPY = VerifyingCast(world=NOT_COPIED, migrators=1, others=False)
REPAIRS_LATE = RepairingCast(budget=Budget(freezes=1), at=("insert",), stands=[LONG])
REPAIRS_ANOTHER = AnewCast(budget=Budget(freezes=1), at=("insert",), stands=[MOMENT])
BESIDE_PRODUCTION = tuple(
    VerifyingCast(scripts=((role,),), world=world, content=True, others=False)
    for role in (PUTTER, DELETER, UPDATER)
    for world in (AS_COPIED, MISSING, DIFFERENT)
)
QUICK_CASTS: tuple[Cast | RunCast, ...] = (
    ONE,
    ONE_EARLY,
    ONE_DIES,
    REPAIRS,
    BESIDE_A_COPY,
    REPAIRS_LATE,
    REPAIRS_ANOTHER,
    *BESIDE_PRODUCTION,
)
VERIFYING_CASTS = (*QUICK_CASTS, TWO, TWO_ONE_DIES)
"""Two that share every record take minutes, as two migrators do: those are for the whole proof."""
