"""Who plays: the roles, the worlds they meet in, and the casts made of both.

The rule: an actor uses the real repository or the real migrator as its users do, and knows nothing
of the stage. What one DynamoDB item would have answered stands beside each role, as its spec.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import combinations_with_replacement, count
from pathlib import Path
from typing import Any

import attrs

from dualtable import DualTableRepository, Migration, Migrator, Phase
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._control.run_records import Run
from dualtable._control.segments import total
from dualtable._wire import codec
from dualtable._wire.layouts import identity
from dualtable.errors import StalePhaseError
from proof.history import History, Key, Logical, Operation, Repository, Role
from proof.moves import OPERATION, PROCESS, Budget, Gate, StageGateway
from proof.pairs import SEER_OF_BOTH
from proof.roles import DELETER, READER, ROLES
from proof.stage import LEASE_SECONDS, Stage
from proof.tables import (
    CONTROL,
    GROUP,
    INDEXED,
    MARKS,
    MIGRATION,
    NEW,
    OLD,
    OTHER,
    SPELLINGS,
    TEXT_KEYS,
    WATCHED,
    create_tables,
    placed,
    record_of,
    tombstone,
    wire,
)


@attrs.frozen
class World:
    """What both tables hold under the key when the play begins."""

    name: str
    in_old: bool
    in_new: tuple[dict[str, Any] | None, ...]
    """The states that the item in the new table has gone through, the last being the present."""


_COPIED = wire(["old"])
_WRITTEN = wire(["before"], "earlier")
WORLDS = (
    World("only old has it", True, ()),
    World("copied", True, (_COPIED,)),
    World("written, old has it", True, (_WRITTEN,)),
    World("deleted, old has it", True, (_WRITTEN, tombstone())),
    World("nowhere", False, ()),
    World("only new has it", False, (_WRITTEN,)),
    World("deleted, old never had it", False, (_WRITTEN, tombstone())),
)


@attrs.frozen
class Cast:
    """Actors with their scripts, the world, how many migrators, and what may happen to them."""

    scripts: tuple[tuple[Role, ...], ...]
    world: World
    migrators: int = 1
    budget: Budget = attrs.field(factory=Budget)
    others: bool = True
    """The old table has another item, whose page comes first."""
    paired: bool = False
    """The roles are of two keys, so the other item is watched as well."""
    group: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    """The partition that both keys are in, where they are in one."""
    hangs: bool = False
    """What the repository knows of the phase is old, and the control table does not answer it."""
    moves_on: bool = False
    """An operator copies everything, moves on to the last phase, and deletes the item for real."""
    migration: Migration = attrs.field(default=MIGRATION, repr=False)
    old_key: dict[str, Any] = attrs.field(default=WATCHED, repr=False)
    """Under what the old table holds the watched item; a text where its keys are texts."""
    yielded: Logical = ("old",)
    """What a fallback finds for the watched key, where the old table holds `old_key`."""

    small_pages: bool = False
    """Each page of a table has one item."""

    stage_class = Stage
    old_moves = False
    """The old table is written as well; see `proof.entry`."""

    async def play(self, stage: Stage) -> None:
        """Set the tables, let all actors play, and read the key once more in the end."""
        await play(self, stage)

    def gate(self) -> Gate | None:
        """Return who moves the migration on while the actors play, if somebody does."""
        return None

    @property
    def shares(self) -> bool:
        """Several processes use the records of segments, leases and words."""
        return self.migrators > 1

    @property
    def title(self) -> str:
        actors = [" then ".join(role.name for role in script) for script in self.scripts]
        actors += ["migrator"] * self.migrators + ["operator"] * self.moves_on
        actors += ["a control table that hangs"] * self.hangs
        actors += ["one partition"] * bool(self.group)
        return f"{', '.join(actors)}; {self.world.name}"

    def history(self) -> History:
        """Return the empty history of a run."""
        states = [record_of(state) for state in (None, *self.world.in_new)]
        yielded = self.yielded if self.world.in_old else None
        return History(
            self.title,
            yielded,
            tuple(states),
            shared=self.shares,
            paired=self.paired,
        )


async def play(cast: Cast, stage: Stage) -> None:
    """Set the tables, let all actors play, and read the key once more in the end."""
    await _set(cast, stage)
    async with AsyncExitStack() as stack:
        plain = await _open(stack, cast, stage)
        actors = []
        for number, script in enumerate(cast.scripts):
            settings = script[0].settings
            repository = await _open(stack, cast, stage, **settings) if settings else plain
            actors.append(_act(cast, stage, repository, number, script))
        migrators = [_migrate(cast, stage, f"migrator-{n + 1}") for n in range(cast.migrators)]
        if cast.moves_on:
            actors.append(_finish(cast, stage))
        stage.seconds += Times().refresh_seconds * cast.hangs
        stage.playing = True
        await asyncio.gather(*(asyncio.create_task(part) for part in (*actors, *migrators)))
        stage.playing = False
        await _audit(cast, stage, plain)
    await _take_stock(cast, stage)


async def _set(cast: Cast, stage: Stage) -> None:
    old_key = {**cast.group, **cast.old_key}
    indexed = bool(cast.migration.indexes)
    await create_tables(stage.gateway, old_key, {**cast.group, **WATCHED}, indexed=indexed)
    kind = type(cast.old_key["id"])
    other = {**cast.group, "id": kind(OTHER["id"])}
    olds = [old_key] * cast.world.in_old + [other] * cast.others
    for key in olds:
        await stage.gateway.put(OLD, codec.encode({**key, "word": "old"}))
    if cast.migrators > 1:  # one of them must have come first
        control = Control(stage.gateway, CONTROL, cast.migration.name)
        tables = [identity(await stage.gateway.describe_table(name)) for name in (OLD, NEW)]
        await control.begin(
            Run(
                id="first",
                fingerprint=cast.migration.fingerprint,
                total_segments=1,
                old=tables[0],
                new=tables[1],
            )
        )
    for state in cast.world.in_new:
        await stage.gateway.put(NEW, {**codec.encode(cast.group), **(state or {})})


async def _take_stock(cast: Cast, stage: Stage) -> None:
    """Note what the checkpoints and the tables say in the end."""
    history, tables = stage.history, stage.gateway
    control = Control(tables, CONTROL, cast.migration.name)
    run = await control.run()
    segments = await control.of(run).segments() if run else []
    old, new = (
        ["".join(item["id"].values()) for item in tables._tables[name].items()]
        for name in (OLD, NEW)
    )
    _dead_letters().unlink(missing_ok=True)
    history.settled = total(segments)
    history.old_items = len(old)
    history.not_in_new = sorted(set(old) - set(new))
    history.finished = True


async def _open(stack: AsyncExitStack, cast: Cast, stage: Stage, **settings: Any) -> Repository:
    """Open a repository that the actors share, as the tasks of a process do."""
    gateway: Any = StageGateway(stage, "")
    repository: Repository = DualTableRepository(
        cast.migration,
        gateway=gateway,
        clock=stage if cast.moves_on or cast.hangs else StillClock(),
        **settings,
    )
    return await stack.enter_async_context(repository)


class StillClock:
    """Time for those whose phase never becomes old."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a repository does not sleep on its clock")


async def _act(
    cast: Cast, stage: Stage, repository: Repository, number: int, script: Sequence[Role]
) -> None:
    """Play a script, one operation after the other, each with the key as this actor spells it."""
    actor = f"{script[0].name.replace(' ', '-')}-{number + 1}"
    for n, role in enumerate(script):
        word = "abcdefgh"[number] + ("" if n == 0 else str(n + 1))
        key = {**cast.group, **SPELLINGS[(number + n) % len(SPELLINGS)]}
        await _perform(stage, repository, Operation(actor, word, role), key)


async def _audit(cast: Cast, stage: Stage, repository: Repository) -> None:
    end = len(stage.history.steps)
    role = SEER_OF_BOTH if cast.paired else READER
    audit = Operation("audit", "", role, first=end, last=end)
    await _perform(stage, repository, audit, {**cast.group, **WATCHED})


async def _perform(
    stage: Stage, repository: Repository, operation: Operation, key: Key = WATCHED
) -> None:
    stage.history.operations.append(operation)
    OPERATION.set(operation)
    PROCESS.set(operation.word)
    try:
        operation.answer = await operation.role.act(repository, key, operation.word)
    except StalePhaseError:
        operation.refuse("the phase is too old")
    operation.done = True


async def _finish(cast: Cast, stage: Stage) -> None:
    """Do what an operator does from the copy to the end, and then a delete that is real."""
    gateway: Any = StageGateway(stage, "operator")
    PROCESS.set("operator")
    await _migrator(cast, stage, gateway).run()
    await go_to_the_end(cast, stage, gateway)


async def go_to_the_end(cast: Cast, stage: Stage, gateway: Any) -> None:
    """Move on to the last phase, each step in its time, and delete the item for real."""
    control = Control(gateway, CONTROL, cast.migration.name)
    await control.advance(Phase.MIGRATED, stage.now())
    await stage.sleep(Times().settle_seconds)
    await control.advance(Phase.FINISHED, stage.now())
    repository = DualTableRepository(cast.migration, gateway=gateway, clock=stage)
    async with repository:
        await _perform(stage, repository, Operation("operator", "", DELETER))


async def _migrate(cast: Cast, stage: Stage, name: str) -> None:
    """Run a migrator, and start it again each time that it has died."""
    for life in count(1):
        PROCESS.set(f"{name}/{life}")
        gateway: Any = StageGateway(stage, name)
        run = asyncio.create_task(_migrator(cast, stage, gateway).run())
        stage.mortal(gateway, run)
        await asyncio.wait([run])
        if not gateway.dead:
            stage.history.reports.append(await run)
            return


def _dead_letters() -> Path:
    """Return a file of this process, which hardly any run needs."""
    return Path(tempfile.gettempdir()) / f"proof-{os.getpid()}.dead-letters"


def _migrator(cast: Cast, stage: Stage, gateway: Any) -> Migrator:
    return Migrator(
        cast.migration,
        gateway=gateway,
        total_segments=1,
        concurrency=1,
        page_items=1,
        lease_seconds=LEASE_SECONDS,
        dead_letters=_dead_letters(),
        events=os.devnull,
        clock=stage,
    )


def paired(*roles: Role, world: World = WORLDS[0], **settings: Any) -> Cast:
    """Return a cast of actors with one operation on both keys each."""
    return Cast(tuple((role,) for role in roles), world, paired=True, **settings)


def grouped(*roles: Role, world: World = WORLDS[0], **settings: Any) -> Cast:
    """Return a cast as `paired` does, with both keys in one partition."""
    return paired(*roles, world=world, group=GROUP, **settings)


def iterating(script: tuple[Role, ...], beside: Role, world: World = WORLDS[0]) -> Cast:
    """Return a cast of one who leaves an iterator between two pages, and somebody beside him."""
    settings: dict[str, Any] = {"paired": True, "group": GROUP, "small_pages": True}
    return Cast((script, (beside,)), world, **settings)


def finishing(role: Role, world: World) -> Cast:
    """Return a cast of one actor and an operator who moves the migration to its end."""
    budget = Budget(expiries=1)
    return Cast(((role,),), world, migrators=0, budget=budget, others=False, moves_on=True)


def by_index(*roles: Role, world: World, **settings: Any) -> Cast:
    """Return a cast of actors whose tables have an index, and a migrator where it matters."""
    scripts = tuple((role,) for role in roles)
    states = (s if s is None or MARKS.is_tombstone(s) else _placed(s) for s in world.in_new)
    placed_world = attrs.evolve(world, in_new=tuple(states))
    return Cast(scripts, placed_world, int(world.in_old), migration=INDEXED, **settings)


def _placed(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, **codec.encode(placed({}))}


def with_text_keys(cast: Cast, text: str = "12.5") -> Cast:
    """Return the cast with an old table whose keys are texts that numbers lead back to."""
    return attrs.evolve(cast, migration=TEXT_KEYS, old_key={"id": text})


def hanging(*roles: Role, world: World, moves_on: bool = False) -> Cast:
    """Return a cast of actors whose repository gets no answer from the control table."""
    scripts = tuple((role,) for role in roles)
    budget = Budget(expiries=int(moves_on))
    return Cast(scripts, world, 0, budget, others=False, hangs=True, moves_on=moves_on)


def casts(
    size: int,
    roles: Sequence[Role] = ROLES,
    worlds: Sequence[World] = WORLDS,
    budget: Budget | None = None,
) -> Iterator[Cast]:
    """Yield every multiset of so many roles, in every world, with a migrator where it matters."""
    for chosen in combinations_with_replacement(roles, size):
        for world in worlds:
            scripts = tuple((role,) for role in chosen)
            yield Cast(scripts, world, int(world.in_old), budget or Budget())
