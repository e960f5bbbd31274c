"""Who plays: the roles, the worlds they meet in, and the casts made of both.

The rule: an actor uses the real repository or the real migrator as its users do, and knows nothing
of the stage. What one DynamoDB item would have answered stands beside each role, as its spec.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, count
from pathlib import Path
from typing import Any

import attrs

from dualtable import DualTableRepository, Migration, Migrator, _codec
from dualtable._control import Control
from dualtable._segments import total
from dualtable.errors import ItemExistsError, ItemNotFoundError
from proof.history import Answer, History, Logical, Operation, Role
from proof.stage import LEASE_SECONDS, OPERATION, PROCESS, Budget, Stage, StageGateway
from proof.tables import (
    CONTROL,
    MIGRATION,
    NEW,
    OLD,
    OTHER,
    WATCHED,
    create_tables,
    logical_of,
    record_of,
    tombstone,
    wire,
)


async def _update(repository: DualTableRepository, word: str) -> Answer:
    try:
        return logical_of(await repository.update(WATCHED, lambda item: _with(item, word)))
    except ItemNotFoundError:
        return "not found"


async def _create(repository: DualTableRepository, word: str) -> Answer:
    changed = await repository.update(WATCHED, lambda item: _with(item, word), create=True)
    return logical_of(changed)


async def _put(repository: DualTableRepository, word: str) -> Answer:
    await repository.put({**WATCHED, "log": [word]})
    return "done"


async def _put_if_absent(repository: DualTableRepository, word: str) -> Answer:
    try:
        await repository.put({**WATCHED, "log": [word]}, if_absent=True)
    except ItemExistsError:
        return "exists"
    return "done"


async def _delete(repository: DualTableRepository, word: str) -> Answer:
    await repository.delete(WATCHED)
    return "done"


async def _get(repository: DualTableRepository, word: str) -> Answer:
    return logical_of(await repository.get(WATCHED, consistent_read=True))


async def _glance(repository: DualTableRepository, word: str) -> Answer:
    return logical_of(await repository.get(WATCHED))


async def _glance_at_several(repository: DualTableRepository, word: str) -> Answer:
    return logical_of((await repository.batch_get([WATCHED]))[0])


def _with(item: dict[str, Any], word: str) -> dict[str, Any]:
    return {**item, "log": [*item.get("log", ()), word]}


def _added(state: Logical, word: str) -> tuple[Logical, Answer]:
    after = (*(state or ()), word)
    return after, after


UPDATER = Role("update", _update, lambda s, w: (s, "not found") if s is None else _added(s, w))
CREATOR = Role("update or create", _create, _added)
PUTTER = Role("put", _put, lambda s, w: ((w,), "done"))
FOUNDER = Role(
    "put if absent", _put_if_absent, lambda s, w: ((w,), "done") if s is None else (s, "exists")
)
DELETER = Role("delete", _delete, lambda s, w: (None, "done"))
READER = Role("get strongly", _get, lambda s, w: (s, s))
GLANCER = Role("get", _glance, lambda s, w: (s, s), eventual=True)
GLANCERS = Role("batch get", _glance_at_several, lambda s, w: (s, s), eventual=True)

ROLES = (UPDATER, CREATOR, PUTTER, FOUNDER, DELETER, READER, GLANCER)


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
    migration: Migration = attrs.field(default=MIGRATION, repr=False)
    old_key: dict[str, Any] = attrs.field(default=WATCHED, repr=False)
    yielded: Logical = ("old",)
    """What a fallback finds for the watched key, where the old table holds `old_key`."""

    @property
    def title(self) -> str:
        actors = [" then ".join(role.name for role in script) for script in self.scripts]
        actors += ["migrator"] * self.migrators
        return f"{', '.join(actors)}; {self.world.name}"

    def history(self) -> History:
        """Return the empty history of a run."""
        states = [record_of(state) for state in (None, *self.world.in_new)]
        yielded = self.yielded if self.world.in_old else None
        return History(self.title, yielded, tuple(states), shared=self.migrators > 1)


async def play(cast: Cast, stage: Stage) -> None:
    """Set the tables, let all actors play, and read the key once more in the end."""
    await _set(cast, stage)
    gateway: Any = StageGateway(stage, "")
    async with DualTableRepository(cast.migration, gateway=gateway) as repository:
        actors = [_act(stage, repository, n, script) for n, script in enumerate(cast.scripts)]
        migrators = [_migrate(cast, stage, f"migrator-{n + 1}") for n in range(cast.migrators)]
        stage.playing = True
        await asyncio.gather(*(asyncio.create_task(part) for part in (*actors, *migrators)))
        stage.playing = False
        await _audit(stage, repository)
    await _take_stock(cast, stage)


async def _set(cast: Cast, stage: Stage) -> None:
    await create_tables(stage.gateway)
    olds = [cast.old_key] * cast.world.in_old + [OTHER] * cast.others
    for key in olds:
        await stage.gateway.put(OLD, _codec.encode({**key, "word": "old"}))
    for state in cast.world.in_new:
        await stage.gateway.put(NEW, state or {})


async def _take_stock(cast: Cast, stage: Stage) -> None:
    """Note what the checkpoints and the tables say in the end."""
    history, tables = stage.history, stage.gateway
    segments = await Control(tables, CONTROL, cast.migration.name).segments()
    old, new = ([item["id"]["S"] for item in tables._tables[n].items.values()] for n in (OLD, NEW))
    history.settled = total(segments)
    history.old_items = len(old)
    history.not_in_new = sorted(set(old) - set(new))
    history.finished = True


async def _act(
    stage: Stage, repository: DualTableRepository, number: int, script: Sequence[Role]
) -> None:
    """Play a script; the actors share a repository, as the tasks of a process do."""
    actor = f"{script[0].name.replace(' ', '-')}-{number + 1}"
    for n, role in enumerate(script):
        word = "abcdefgh"[number] + ("" if n == 0 else str(n + 1))
        await _perform(stage, repository, Operation(actor, word, role))


async def _audit(stage: Stage, repository: DualTableRepository) -> None:
    end = len(stage.history.steps)
    await _perform(stage, repository, Operation("audit", "", READER, first=end, last=end))


async def _perform(stage: Stage, repository: DualTableRepository, operation: Operation) -> None:
    stage.history.operations.append(operation)
    OPERATION.set(operation)
    PROCESS.set(operation.word)
    operation.answer = await operation.role.act(repository, operation.word)
    operation.done = True


async def _migrate(cast: Cast, stage: Stage, name: str) -> None:
    """Run a migrator, and start it again each time that it has died."""
    for life in count(1):
        PROCESS.set(f"{name}/{life}")
        gateway: Any = StageGateway(stage, name)
        with tempfile.TemporaryDirectory() as folder:
            migrator = _migrator(cast, stage, gateway, Path(folder) / "dead-letters")
            run = asyncio.create_task(migrator.run())
            stage.mortal(gateway, run)
            await asyncio.wait([run])
        if not gateway.dead:
            stage.history.reports.append(await run)
            return


def _migrator(cast: Cast, stage: Stage, gateway: Any, dead_letters: Path) -> Migrator:
    return Migrator(
        cast.migration,
        gateway=gateway,
        total_segments=1,
        concurrency=1,
        page_items=1,
        lease_seconds=LEASE_SECONDS,
        dead_letters=dead_letters,
        clock=stage,
    )


def casts(sizes: Sequence[int], **settings: Any) -> Iterator[Cast]:
    """Yield every multiset of roles of these sizes, in every world."""
    for size in sizes:
        for roles in combinations_with_replacement(ROLES, size):
            for world in WORLDS:
                yield Cast(
                    tuple((role,) for role in roles),
                    world,
                    migrators=int(world.in_old),
                    **settings,
                )
