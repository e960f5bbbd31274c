"""The way in, and each step to the next phase: casts in which `old` moves and phases differ.

The rule: a part is one operation, or several in a row, of one process, which goes by a phase. Two
kinds of plays. In the one the phases stand still: each process has read its own, one of two
neighbours, and never hears of another, as if it were frozen for ever; so every mix of neighbours is
played. In the other an operator moves on whenever a gate is open (`proof.operators`), and time
passes, for all at once, between any two calls.

Old code is a part of its own: it has no repository and no phase, and works on `old` as on any
table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import attrs

from dualtable import DualTableRepository, Migration, Phase
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._wire import codec
from dualtable._wire.types import WireItem
from proof.casts import Cast, StillClock, World, _audit, _migrate, _perform, _take_stock
from proof.history import History, Operation, Repository, Role
from proof.moves import PROCESS, UNSEEN, Budget, StageGateway
from proof.old_code import Bare, OldCode
from proof.operators import TIMES, Operator, note
from proof.roles import LOOKER
from proof.stage import Stage
from proof.tables import (
    CONTROL,
    MARKS,
    NEW,
    OLD,
    OTHER,
    ROLLING,
    ROLLING_INDEXED,
    SPELLINGS,
    WATCHED,
    create_tables,
    in_old,
    placed,
    record_of,
    tombstone,
    wire,
)

PHASES = tuple(Phase)
NEIGHBOURS = tuple(pairwise(PHASES))


@attrs.frozen
class EntryWorld(World):
    """What both tables hold, and in which of the phases that can be."""

    old: WireItem | None = None
    since: Phase = Phase.ROLLING_OUT
    until: Phase = Phase.FINISHED

    def fits(self, phases: Sequence[Phase]) -> bool:
        since, now, until = map(PHASES.index, (self.since, phases[-1], self.until))
        return since <= now <= until


def _world(name: str, old: WireItem | None, *new: Any, **when: Phase) -> EntryWorld:
    return EntryWorld(name, old is not None, new, old, **when)


_OLD = codec.encode({**WATCHED, "words": "old", "meta": {"note": "n"}, "legacy": "kept"})
_BARE = codec.encode(WATCHED)
_STAMPED = MARKS.stamp(_OLD, "earlier")
_COPIED = codec.encode({**WATCHED, "log": ["old"], "meta": {}, "note": "n"})
_WRITTEN = wire(["before"], "late")
OLD_HAS_IT = _world("old has it", _OLD, until=Phase.MIGRATING)
STAMPED = _world("old has it by the library", _STAMPED, until=Phase.MIGRATING)
BARE = _world("old has its key alone", _BARE, until=Phase.MIGRATING)
NOWHERE = _world("nowhere", None)
WRITTEN = _world("written, old has it", _STAMPED, _WRITTEN, since=Phase.WRITING_NEW)
DELETED = _world("deleted, old has it", _OLD, _WRITTEN, tombstone(), since=Phase.WRITING_NEW)
ONLY_NEW = _world("only new has it", None, _WRITTEN, since=Phase.WRITING_NEW)
COPIED = _world("copied", _OLD, _COPIED, since=Phase.MIGRATING)
DAMAGED = _world("copied, and damaged since", _OLD, wire(["damaged"]), since=Phase.MIGRATING)
PLACED = _world("old has it, in an index", _OLD | codec.encode(placed({})), until=Phase.MIGRATING)
ENTRY_WORLDS = (OLD_HAS_IT, STAMPED, NOWHERE, WRITTEN, DELETED, ONLY_NEW, COPIED)


@attrs.frozen
class Part:
    """Operations in a row, by a phase, of a process; old code has neither."""

    script: tuple[Role, ...]
    phase: Phase | None = None
    process: int = 0
    late: bool = False
    """The process starts in the play, and goes by the phase that it finds.

    It does so at one moment, unless it is `slow`. Between its first look at the phase and its first
    heartbeat nobody knows of it; that nobody takes two steps meanwhile is what the settle time is
    for.
    """
    slow: bool = False

    @property
    def title(self) -> str:
        if self.late and self.phase is not None:
            how = " that starts step by step" if self.slow else ""
            return " then ".join(role.name for role in self.script) + f" in a new process{how}"
        by = "" if self.phase is None else f" in {self.phase}"
        return " then ".join(role.name for role in self.script) + by


@attrs.frozen
class EntryCast(Cast):
    """Parts in a world; where there is an operator, all of them begin in one phase."""

    world: EntryWorld = OLD_HAS_IT
    migrators: int = 0
    others: bool = False
    migration: Migration = attrs.field(default=ROLLING, repr=False)
    parts: tuple[Part, ...] = ()
    operator: Operator | None = None
    old_moves = True

    @property
    def phases(self) -> list[Phase]:
        """The phases that processes begin in, in their order."""
        return sorted({part.phase for part in self.parts if part.phase}, key=PHASES.index)

    @property
    def title(self) -> str:
        actors = [part.title for part in self.parts] + ["migrator"] * self.migrators
        actors += [] if self.operator is None else [self.operator.title]
        return f"{', '.join(actors)}; {self.world.name}"

    def history(self) -> History:
        """Return the empty history of a run."""
        old = in_old(self.world.old)
        states = [record_of(state) for state in (None, *self.world.in_new)]
        initial = [attrs.evolve(state, old=old) for state in states]
        if self.world.old is not None:  # which a weak read may have missed
            initial.insert(0, attrs.evolve(states[0], old=in_old(None)))
        return History(self.title, old.yields, tuple(initial), paired=self.paired)

    def gate(self) -> Operator | None:
        return self.operator

    async def play(self, stage: Stage) -> None:
        await _play(self, stage)


def entry(*parts: Part, world: EntryWorld = OLD_HAS_IT, **settings: Any) -> EntryCast:
    """Return a cast of parts."""
    scripts = tuple(part.script for part in parts)
    return EntryCast(scripts, world=world, parts=parts, **settings)


def moving(*who: Part, steps: tuple[Phase, ...], by_time: bool = False, **settings: Any) -> Any:
    """Return a cast whose operator takes some steps while they are at work."""
    world = settings.pop("world", OLD_HAS_IT)
    budget = Budget(freezes=int(by_time))
    by_word = not by_time or any(part.slow for part in who)
    operator = Operator(steps, by_time, by_word)
    return entry(*who, world=world, operator=operator, budget=budget, **settings)


def indexed(*who: Part, steps: tuple[Phase, ...], **settings: Any) -> Any:
    """Return a cast as `moving` does, whose tables have an index."""
    return moving(*who, steps=steps, world=PLACED, migration=ROLLING_INDEXED, **settings)


async def _play(cast: EntryCast, stage: Stage) -> None:
    await _set(cast, stage)
    async with AsyncExitStack() as stack:
        users = await _opened(stack, cast, stage)
        actors = [
            _act(stack, cast, stage, user, number=number) for number, user in enumerate(users)
        ]
        actors += [_migrate(cast, stage, f"migrator-{n + 1}") for n in range(cast.migrators)]
        stage.begins_at = (await _control(stage, cast).state()).step
        for table, phase in ((OLD, Phase.MIGRATING), (NEW, Phase.MIGRATED)):
            if PHASES.index(Phase(stage.phase())) >= PHASES.index(phase):
                stage.settle(table)
        stage.playing = True
        await asyncio.gather(*map(asyncio.create_task, actors))
        stage.playing = False
        await _look_again(stack, cast, stage, users)
    await _take_stock(cast, stage)


async def _set(cast: EntryCast, stage: Stage) -> None:
    indexed = bool(cast.migration.indexes)
    key, group = {**cast.group, **WATCHED}, codec.encode(cast.group)
    await create_tables(stage.gateway, key, key, indexed=indexed)
    other = codec.encode({**OTHER, "words": "old"})
    for item in [cast.world.old] * cast.world.in_old + [other] * (cast.others or cast.paired):
        await stage.gateway.put(OLD, {**group, **(item or {})})
    for state in cast.world.in_new:
        await stage.gateway.put(NEW, {**group, **(state or {})})
    first = State.first(rolling=True, now=stage.now())
    await _control(stage, cast).note_state(first)


def _control(stage: Stage, cast: EntryCast) -> Control:
    return Control(stage.gateway, CONTROL, cast.migration.name)


async def _opened(stack: AsyncExitStack, cast: EntryCast, stage: Stage) -> list[Any]:
    """Open the repository of each process while its phase lasts."""
    opened: dict[Any, Any] = {}
    for phase in cast.phases:
        await _enter(stage, cast, phase)
        if cast.operator is not None:  # he has waited for long already
            stage.seconds += TIMES.settle_seconds + 1
        for part in cast.parts:
            settings = part.script[0].settings
            process = (part.phase, part.process, tuple(settings))
            if part.phase is phase and process not in opened and not part.late:
                opened[process] = await _open(stack, cast, stage, len(opened), settings)
    await _enter(stage, cast, max([*cast.phases, cast.world.since], key=PHASES.index))
    bare = StageGateway(stage, "")
    return [
        opened.get((part.phase, part.process, tuple(part.script[0].settings)), bare)
        for part in cast.parts
    ]


async def _enter(stage: Stage, cast: EntryCast, phase: Phase) -> None:
    control = _control(stage, cast)
    while (state := await control.state()).phase is not phase:
        await control.move(state, PHASES[PHASES.index(state.phase) + 1], stage.now())


async def _open(
    stack: AsyncExitStack,
    cast: EntryCast,
    stage: Stage,
    number: int,
    settings: Any,
    *,
    actor: str = "",
    slow: bool = False,
) -> Repository:
    PROCESS.set(actor or f"process-{number}")
    gateway: Any = StageGateway(stage, actor)
    repository: Repository = DualTableRepository(
        cast.migration,
        gateway=gateway,
        clock=StillClock() if cast.operator is None else stage,
        **settings,
    )
    opening = stack.enter_async_context(repository)
    await (opening if slow else _at_once(opening))
    if cast.operator is not None:
        watch = repository._watch
        gateway.mind = lambda: (
            watch._latest if stage.time_counts() else (watch._latest.step, watch._is_due()),
            tuple(sorted((+watch._under_way).items())),
            watch._refreshing is None or watch._refreshing.done(),
        )
        stage.minds.append(gateway.mind)
    return repository


async def _act(
    stack: AsyncExitStack, cast: EntryCast, stage: Stage, user: Any, *, number: int
) -> None:
    """Play a script; whoever uses a table or a repository spells the key in his own way."""
    part = cast.parts[number]
    actor = f"{part.script[0].name.replace(' ', '-')}-{number + 1}"
    if part.late:
        await stage.turn(StageGateway(stage, actor))
    if isinstance(part.script[0], OldCode) and stage.phase() != Phase.ROLLING_OUT:
        return  # its time is over
    if part.late and part.phase is not None:
        settings = part.script[0].settings
        user = await _open(stack, cast, stage, number, settings, actor=actor, slow=part.slow)
    for n, role in enumerate(part.script):
        word = "abcdefgh"[number] + ("" if n == 0 else str(n + 1))
        key = {**cast.group, **SPELLINGS[(number + n) % len(SPELLINGS)]}
        if role is LOOKER:
            await _hear(stage, cast, user, actor)
            continue
        await _perform(stage, user, Operation(actor, word, role), key)


async def _at_once(call: Awaitable[Any]) -> None:
    seen = UNSEEN.set(True)
    try:
        await call
    finally:
        UNSEEN.reset(seen)


async def _hear(stage: Stage, cast: EntryCast, user: Any, actor: str) -> None:
    """Let a process hear of the phase and acknowledge it, at one moment.

    Nobody else's calls depend on what comes between the two, except that a gate may open, for which
    both are needed.
    """
    await stage.turn(StageGateway(stage, actor))
    if cast.operator is not None and not cast.operator.by_time:
        stage.seconds += TIMES.refresh_seconds + 1  # they are due
    await _at_once(user.get({**cast.group, **OTHER}))
    now, said = stage.record(), f"hears of {user._watch._latest.phase}"
    stage.history.steps.append(note(actor, said, now, stage.phase()))


async def _look_again(
    stack: AsyncExitStack, cast: EntryCast, stage: Stage, users: Sequence[Any]
) -> None:
    """Read the key in the end, in each of the phases that somebody goes by."""
    if cast.operator is None:
        parts = {part.phase: user for part, user in zip(cast.parts, users, strict=True)}
        seers = [user for phase, user in parts.items() if phase is not None]
    else:
        seers = [await _open(stack, cast, stage, len(users), {})]
    for seer in seers:
        await _audit(cast, stage, seer)


def beside(
    one: Sequence[Role],
    other: Sequence[Role],
    phases: Sequence[Phase],
    worlds: Sequence[EntryWorld] = ENTRY_WORLDS,
    **settings: Any,
) -> Iterator[EntryCast]:
    """Yield a cast of each of these by the first phase and each of those by the last one."""
    for first in one:
        for last in other:
            for world in worlds:
                if world.fits(phases):
                    parts = [_part(first, phases[0]), _part(last, phases[-1])]
                    yield entry(*parts, world=world, **settings)


def _part(role: Role, phase: Phase) -> Part:
    return Part((role,), None if isinstance(role, Bare) else phase)
