"""A real fleet: processes that use the repository while migrators are killed, and their histories.

The rule: the workers only write down what they asked and were told, and when. Here it is judged
whether one table would have answered the same: for each key by linearizability; for the keys that
are only ever updated by counting words; for the scans by the keys that exist throughout.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import orders

from dualtable import DualTableRepository, Migration, Migrator, Verifier
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from proof import roles
from proof.history import Logical, Operation, Role, show
from proof.linearizability import unexplained
from proof.tables import logical_of, upgrade

MIGRATOR, WORKER, SCAN = "migrator", "worker", "scan"
OVERTAKEN, STALE = REFUSALS = ("overtaken", "stale")
"""Answers of operations that have changed nothing."""

PREFIXES = ("s-", "v-")
"""Stable keys are in the old table and are only updated; volatile ones come and go."""

STABLE_ROLES = (roles.UPDATER, roles.CREATOR, roles.TRANSACTOR, roles.READER, roles.QUERIER)
VOLATILE_ROLES = (
    *STABLE_ROLES,
    roles.PUTTER,
    roles.BATCH_PUTTER,
    roles.FOUNDER,
    roles.CONDITIONAL_PUTTER,
    roles.DELETER,
    roles.TAKER,
    roles.CONDITIONAL_DELETER,
    roles.APPENDER,
    roles.CONDITIONAL_APPENDER,
    roles.SNAPSHOT,
)
_BY_NAME = {role.name: role for role in VOLATILE_ROLES}
_PROCESS = Path(__file__).parent.parent / "fleet_worker.py"


def plan_of(name: str) -> Migration:
    """Return the migration of a fleet."""
    tables = {"old": f"{name}-old", "new": f"{name}-new", "control_table": f"{name}-control"}
    return Migration(name, transform=upgrade, version="1", indexes=(), **tables)


@attrs.frozen(kw_only=True)
class Fleet:
    """How many of what, and for how long."""

    seconds: float
    workers: int = 3
    migrators: int = 2
    keys: int = 100
    """Of each kind; the old table has all stable ones and every second volatile one."""


@attrs.frozen
class FleetReport:
    """What the fleet did, and what is wrong with it."""

    operations: int
    scans: int
    kills: int
    violations: Sequence[str]


async def run(server: str, name: str, folder: Path, fleet: Fleet) -> FleetReport:
    """Let the fleet work, finish the migration, read every key once more, and judge."""
    plan = plan_of(name)
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        olds = await _fill(gateway, plan, fleet)
        before = await orders.digest(gateway, plan.old)
        kills = await _work(server, name, folder, fleet, olds)
        letters = folder / "dead-letters"
        report = await Migrator(plan, endpoint_url=server, dead_letters=letters).run()
        proof = await Verifier(plan, endpoint_url=server, events=os.devnull).run()
        lines = [line for path in sorted(folder.glob("*.log")) for line in lines_of(path)]
        final = await _audit(server, plan, fleet)
        wrong = [*judge(lines, final, olds), *judge_scans(lines, fleet.keys)]
        if await orders.digest(gateway, plan.old) != before:
            wrong.append("I5: the old table was written")
        if not (report.ok and proof.ok):
            wrong.append(f"I6: {report} {proof}")
    scans = sum(line[0] == SCAN for line in lines)
    return FleetReport(len(lines), scans, kills, wrong)


async def _fill(gateway: Gateway, plan: Migration, fleet: Fleet) -> list[str]:
    for table in (plan.old, plan.new):
        await gateway.create_table(orders.table(table))
    stable = [f"{PREFIXES[0]}{n}" for n in range(fleet.keys)]
    olds = stable + [f"{PREFIXES[1]}{n}" for n in range(0, fleet.keys, 2)]
    await orders.fill(gateway, plan.old, [{"id": key, "word": "old"} for key in olds])
    return olds


async def _work(server: str, name: str, folder: Path, fleet: Fleet, olds: list[str]) -> int:
    """Run workers to their end, and migrators that are killed again and again; count the kills."""
    units = str(max(1.0, len(olds) / fleet.seconds / fleet.migrators / 2))
    keys, seconds, stop = str(fleet.keys), str(fleet.seconds), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        killing = [
            group.create_task(_kill_again(n, stop, folder, name, server, units))
            for n in range(fleet.migrators)
        ]
        working = [
            await _process(folder, WORKER, name, server, f"w{n}", keys, seconds)
            for n in range(fleet.workers)
        ]
        codes = [await process.wait() for process in working]
        stop.set()
    if any(codes):
        raise AssertionError(f"workers ended with {codes}")
    return sum(task.result() for task in killing)


async def _kill_again(seed: int, stop: asyncio.Event, folder: Path, *arguments: str) -> int:
    """Start a migrator, kill it after some pages, and so on until it is time to stop."""
    chance, kills = random.Random(seed), 0
    while not stop.is_set():
        process = await _process(folder, MIGRATOR, *arguments)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 6)):
            await process.stdout.readline()
        await asyncio.sleep(chance.random() * 0.1)
        if process.returncode is None:
            process.kill()
            kills += 1
        await process.wait()
        if process.returncode == 0:  # there is nothing left to copy
            await stop.wait()
    return kills


async def _process(folder: Path, part: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(_PROCESS),
        part,
        *arguments,
        stdout=asyncio.subprocess.PIPE if part == MIGRATOR else None,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )


async def _audit(server: str, plan: Migration, fleet: Fleet) -> dict[str, Logical]:
    keys = [f"{prefix}{n}" for prefix in PREFIXES for n in range(fleet.keys)]
    async with DualTableRepository(plan, endpoint_url=server) as repository:
        found = await repository.batch_get([{"id": key} for key in keys], consistent_read=True)
    return dict(zip(keys, map(logical_of, found), strict=True))


def lines_of(path: Path) -> Iterator[list[Any]]:
    """Yield the lines of a worker's log."""
    for line in path.read_bytes().splitlines():
        yield msgspec.json.decode(line)


def judge(
    lines: Iterable[Sequence[Any]], final: dict[str, Logical], olds: Sequence[str]
) -> Iterator[str]:
    """Yield what is wrong with the history of each key."""
    histories: dict[str, list[Operation]] = defaultdict(list)
    for key, role, word, first, last, answer in lines:
        if key != SCAN:
            histories[key].append(operation_of(_BY_NAME[role], word, first, last, answer))
    for key, found in final.items():
        initial: Logical = ("old",) if key in olds else None
        history = histories[key]
        end = max((op.last or 0 for op in history), default=0) + 1
        audit = operation_of(roles.READER, "audit", end, end, found)
        if piece := unexplained(initial, [*history, audit]):
            yield f"{key}: one table would not have answered like this:\n{told(piece)}"
        if key.startswith(PREFIXES[0]):
            yield from _miscounted(key, history, found)


def operation_of(role: Role, word: str, first: float, last: float, answer: Any) -> Operation:
    """Return what a line of a log says; what was refused has taken no effect."""
    answer = tuple(answer) if isinstance(answer, list) else answer
    operation = Operation("", word, role, first, last, answer, done=True)
    if answer in REFUSALS:
        operation.refuse(answer)
    return operation


def told(piece: Sequence[Operation]) -> str:
    """Return a history line by line."""
    return "\n".join(
        f"  {op.first:.6f} to {op.last:.6f}  {op.role.name} {op.word}: {show(op.answer)}"
        for op in piece
    )


def _miscounted(key: str, history: Sequence[Operation], found: Logical) -> Iterator[str]:
    """Yield the words of acknowledged updates that a stable item has not exactly once."""
    made = [op for op in history if not op.role.reads and op.answer not in REFUSALS]
    words = Counter(found or ())
    for word in ["old", *(op.word for op in made)]:
        if words[word] != 1:
            yield f"{key}: {word} is there {words[word]} times; a lost or doubled update"


def judge_scans(lines: Iterable[Sequence[Any]], keys: int) -> Iterator[str]:
    """Yield the keys that a scan has missed, and those that it has brought twice."""
    stable = {f"{PREFIXES[0]}{n}" for n in range(keys)}
    for key, _, _, first, _, found in lines:
        if key != SCAN:
            continue
        if missing := sorted(stable - set(found)):
            yield f"the scan at {first:.6f} has missed {missing}"
        if doubled := sorted(key for key, times in Counter(found).items() if times > 1):
            yield f"the scan at {first:.6f} has brought {doubled} more than once"
