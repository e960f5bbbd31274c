"""A real fleet that rolls: old code is replaced process by process, and all phases pass over it.

The rule: as in `proof.fleet`, the workers write down what they asked and were told, and when, by
the one clock of the machine; here it is judged, for each key, whether one table would have answered
the same. So no update is lost, no acknowledged write, no delete comes back, and nobody reads what
was before.

Half of the processes are old code at first: plain boto3 on the old table. When the last of them has
been replaced, an operator takes one step after the other through the gates. At each, processes are
stopped (SIGSTOP) before it and go on after it; since they cannot acknowledge anything, they are
declared dead, as an operator would who takes them for that. One process gets no answer from the
control table every other while.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import orders

from dualtable import (
    Chain,
    Convert,
    Drop,
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Move,
    Phase,
    Rename,
    Verifier,
    create_table,
)
from dualtable._control.control_table import Control
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from proof import old_code, roles
from proof.fleet import STALE, lines_of, operation_of, told
from proof.history import Logical, Operation, Role
from proof.linearizability import unexplained
from proof.tables import logical_of

NEW_CODE, DEAF_CODE, OLD_CODE = "new code", "deaf code", "old code"
NEW_ROLES = (
    roles.UPDATER,
    roles.CREATOR,
    roles.PUTTER,
    roles.FOUNDER,
    roles.CONDITIONAL_PUTTER,
    roles.DELETER,
    roles.TAKER,
    roles.APPENDER,
    roles.CONDITIONAL_APPENDER,
    roles.TRANSACTOR,
    roles.READER,
    roles.READER,
)
OLD_ROLES = (
    old_code.OLD_PUTTER,
    old_code.OLD_FOUNDER,
    old_code.OLD_ADDER,
    old_code.OLD_WRITER,
    old_code.OLD_DELETER,
    old_code.OLD_READER,
)
_BY_NAME: dict[str, Role] = {role.name: role for role in (*NEW_ROLES, *OLD_ROLES)}
_PROCESS = Path(__file__).parent.parent / "rolling_fleet_worker.py"
_LONG_SECONDS = 5.0
"""Whatever took longer may have been sent again, its answer having come too late: no timeout of a
client is shorter."""


def plan_of(name: str, settle_seconds: float) -> Migration:
    """Return the migration of a fleet."""
    return Migration(
        name,
        f"{name}-old",
        f"{name}-new",
        Chain(
            Convert("words", str.split, back=" ".join),
            Rename("words", "log"),
            Move("meta.note", "note"),
            Drop("legacy"),
        ),
        control_table=f"{name}-control",
        indexes=(),
        rolling=True,
        settle_seconds=settle_seconds,
    )


@attrs.frozen(kw_only=True)
class RollingFleet:
    """How many of what, and how patient."""

    workers: int = 8
    keys: int = 30
    settle_seconds: float = 3.0
    seconds_a_phase: float = 1.0
    """So long everybody works before somebody is stopped and a step is taken."""
    stopped: int = 2
    """How many are stopped across each step."""


@attrs.frozen
class Stop:
    """When a process was stopped, and until when."""

    process: str
    first: float
    last: float

    def touches(self, line: Sequence[Any]) -> bool:
        """Tell whether an operation was under way in it."""
        _, _, word, first, last, _ = line
        its_own = word.partition(".")[0] == self.process
        return its_own and first <= self.last and last >= self.first


@attrs.frozen
class RollingReport:
    """What the fleet did, and what is wrong with it."""

    operations: int
    refused: int
    replaced: int
    moves: int
    freezes: int
    longest_seconds: float
    """That an operation took whose process was not stopped meanwhile."""
    longest_frozen_seconds: float
    """The same of those that were."""
    violations: Sequence[str]

    def __str__(self) -> str:
        return (
            f"{self.operations:,} operations, {self.refused:,} refused for want of news,"
            f" {self.replaced} processes replaced, {self.moves} phase moves, {self.freezes}"
            f" freezes, longest pause of an operation {self.longest_seconds:.2f} s, in a process"
            f" that was stopped {self.longest_frozen_seconds:.1f} s"
        )


async def run(server: str, name: str, folder: Path, fleet: RollingFleet) -> RollingReport:
    """Roll the fleet out, take every step, read every key once more, and judge."""
    plan = plan_of(name, fleet.settle_seconds)
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        olds = await _fill(gateway, plan, fleet)
    await create_table(plan, endpoint_url=server)
    operator = _Operator(server, plan, folder, fleet)
    await operator.work()
    lines = [line for path in sorted(folder.glob("*.log")) for line in lines_of(path)]
    stopped: dict[bool, list[Any]] = {True: [], False: []}
    for line in lines:
        stopped[any(stop.touches(line) for stop in operator.stops)].append(line)
    return RollingReport(
        operations=len(lines),
        refused=sum(line[-1] == STALE for line in lines),
        replaced=operator.replaced,
        moves=operator.moves,
        freezes=len(operator.stops),
        longest_seconds=_longest(stopped[False]),
        longest_frozen_seconds=_longest(stopped[True]),
        violations=[*judge(lines, await _audit(server, plan, fleet), olds)],
    )


def _longest(lines: Iterable[Sequence[Any]]) -> float:
    return max((last - first for *_, first, last, _ in lines), default=0.0)


async def _fill(gateway: Gateway, plan: Migration, fleet: RollingFleet) -> list[str]:
    await gateway.create_table(orders.table(plan.old))
    olds = [f"k-{n}" for n in range(0, fleet.keys, 2)]
    rows = [{"id": k, "words": "old", "meta": {"note": "n"}, "legacy": "kept"} for k in olds]
    await orders.fill(gateway, plan.old, rows)
    return olds


@attrs.define
class _Operator:
    """Starts the processes, replaces old code, and takes the steps."""

    server: str
    plan: Migration
    folder: Path
    fleet: RollingFleet
    replaced: int = 0
    moves: int = 0
    stops: list[Stop] = attrs.field(factory=list)
    started: int = 0
    processes: dict[str, asyncio.subprocess.Process] = attrs.field(factory=dict)
    """Those at work, by the names under which they keep their logs."""

    async def work(self) -> None:
        try:
            await self._roll_out()
            for to in list(Phase)[1:]:
                await self._step(to)
            await asyncio.sleep(self.fleet.seconds_a_phase)
        finally:
            await self._end(*self.processes)

    async def _roll_out(self) -> None:
        """Start old and new code side by side, then replace the old, one by one."""
        half = self.fleet.workers // 2
        old = [await self._start(OLD_CODE) for _ in range(half)]
        await self._start(DEAF_CODE)
        for _ in range(self.fleet.workers - half - 1):
            await self._start(NEW_CODE)
        await asyncio.sleep(self.fleet.seconds_a_phase)
        for name in old:
            await self._start(NEW_CODE)
            await self._end(name)
            self.replaced += 1

    async def _start(self, part: str) -> str:
        """Start a process, and wait until it works."""
        self.started += 1
        name = f"w{self.started}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_PROCESS),
            part,
            self.plan.name,
            self.server,
            name,
            str(self.fleet.keys),
            str(self.plan.settle_seconds),
            stdout=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        self.processes[name] = process
        assert process.stdout is not None
        await process.stdout.readline()
        return name

    async def _end(self, *names: str) -> None:
        """Ask processes to end, and wait until they have written their logs."""
        ending = {name: self.processes.pop(name) for name in names}
        for process in ending.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        codes = {name: await process.wait() for name, process in ending.items()}
        if any(codes.values()):
            raise AssertionError(f"processes ended with {codes}")

    async def _step(self, to: Phase) -> None:
        """Stop some processes wherever they are, take a step without them, and let them go on."""
        if to is Phase.MIGRATED:
            await self._copy()
        await asyncio.sleep(self.fleet.seconds_a_phase)
        names = random.Random(to).sample(sorted(self.processes), self.fleet.stopped)
        async with self._stopped(names) as stopped:
            await self._declare_dead(stopped)
            lifecycle = Lifecycle(self.plan, endpoint_url=self.server)
            await asyncio.wait_for(
                lifecycle.advance(to=to, wait=True, old_code_is_gone=True),
                self.fleet.settle_seconds * 10 + 60,
            )
            self.moves += 1

    @asynccontextmanager
    async def _stopped(self, names: Sequence[str]) -> AsyncIterator[set[int]]:
        first = time.monotonic()
        for name in names:
            self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield {self.processes[name].pid for name in names}
        finally:
            for name in names:
                self.processes[name].send_signal(signal.SIGCONT)
                self.stops.append(Stop(name, first, time.monotonic()))

    async def _declare_dead(self, stopped: set[int]) -> None:
        """Declare those dead who are stopped, and whoever has not spoken for long."""
        lifecycle = Lifecycle(self.plan, endpoint_url=self.server)
        async with connect({"endpoint_url": self.server}, PRODUCTION) as gateway:
            control = Control(gateway, self.plan.control_table, self.plan.name)
            for beat in await control.heartbeats():
                silent = time.time() - beat.at > self.fleet.settle_seconds
                if beat.process in stopped or silent:
                    await lifecycle.declare_dead(beat.repository)

    async def _copy(self) -> None:
        letters = self.folder / "dead-letters"
        report = await Migrator(self.plan, endpoint_url=self.server, dead_letters=letters).run()
        proof = await Verifier(self.plan, endpoint_url=self.server, events=os.devnull).run()
        assert report.ok, report
        assert proof.ok, proof


async def _audit(server: str, plan: Migration, fleet: RollingFleet) -> dict[str, Logical]:
    keys = [f"k-{n}" for n in range(fleet.keys)]
    async with DualTableRepository(plan, endpoint_url=server) as repository:
        found = await repository.batch_get([{"id": key} for key in keys], consistent_read=True)
    return dict(zip(keys, map(logical_of, found), strict=True))


def judge(
    lines: Iterable[Sequence[Any]], final: dict[str, Logical], olds: Sequence[str]
) -> Iterable[str]:
    """Yield what is wrong with the history of each key."""
    histories: dict[str, list[Operation]] = defaultdict(list)
    for key, role, word, first, last, answer in lines:
        operation = operation_of(_BY_NAME[role], word, first, last, answer)
        operation.may_repeat = last - first > _LONG_SECONDS and not operation.role.reads
        histories[key].append(operation)
    for key, found in final.items():
        initial: Logical = ("old", "@n") if key in olds else None
        end = max((op.last or 0 for op in histories[key]), default=0) + 1
        audit = operation_of(roles.READER, "audit", end, end, found)
        if piece := unexplained(initial, [*histories[key], audit]):
            yield f"{key}: one table would not have answered like this:\n{told(piece)}"
