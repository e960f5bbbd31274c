"""One process of the fleet: a worker that uses the repository and keeps a log, or a migrator.

A line of the log is one operation: key, role, word, when it began and ended by the clock that all
processes of a machine share, and what it answered. A migrator prints a line for each settled page.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import msgspec
from proof.fleet import MIGRATOR, OVERTAKEN, PREFIXES, SCAN, STABLE_ROLES, VOLATILE_ROLES, plan_of
from proof.history import Repository

from dualtable import DualTableRepository, Migrator
from dualtable.errors import ConcurrentUpdateError

SETTINGS: tuple[dict[str, Any], ...] = ({}, {"copy_on_read": True}, {"one_round_trip": True})
LEAST_STEPS = 30


@attrs.define
class Worker:
    """Does what chance says until the time is over, and no task has done too little."""

    seed: str
    keys: int
    until: float
    lines: list[bytes] = attrs.field(factory=list)

    async def work(self, repository: Repository, number: int) -> None:
        chance = random.Random(f"{self.seed}.{number}")
        for step in itertools.count():
            if time.monotonic() > self.until and step >= LEAST_STEPS:
                return
            if step % 100 == LEAST_STEPS:
                await self._note(SCAN, "", "", _scan(repository))
            else:
                await self._operate(repository, chance, f"{self.seed}.{number}.{step}")

    async def _operate(self, repository: Repository, chance: random.Random, word: str) -> None:
        prefix = chance.choice(PREFIXES)
        role = chance.choice(STABLE_ROLES if prefix == PREFIXES[0] else VOLATILE_ROLES)
        key = {"id": f"{prefix}{chance.randrange(self.keys)}"}
        await self._note(key["id"], role.name, word, role.act(repository, key, word))

    async def _note(self, key: str, role: str, word: str, call: Awaitable[Any]) -> None:
        first = time.monotonic()
        try:
            answer = await call
        except ConcurrentUpdateError:
            answer = OVERTAKEN
        self.lines.append(msgspec.json.encode([key, role, word, first, time.monotonic(), answer]))


async def _scan(repository: Repository) -> list[str]:
    return [item["id"] async for item in repository.scan(consistent_read=True)]


async def work(name: str, endpoint_url: str, seed: str, keys: str, seconds: str) -> None:
    """Work with one repository of each kind at once."""
    worker = Worker(seed, int(keys), time.monotonic() + float(seconds))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number, settings in enumerate(SETTINGS):
            repository = await stack.enter_async_context(
                DualTableRepository(plan_of(name), endpoint_url=endpoint_url, **settings)
            )
            group.create_task(worker.work(repository, number))
    Path(f"{seed}.log").write_bytes(b"\n".join(worker.lines))


async def migrate(name: str, endpoint_url: str, max_write_units: str) -> None:
    await Migrator(
        plan_of(name),
        endpoint_url=endpoint_url,
        total_segments=8,
        concurrency=2,
        page_items=3,
        lease_seconds=1,
        max_write_units=float(max_write_units),
        observer=lambda progress: print(progress.scanned, flush=True),
    ).run()


if __name__ == "__main__":
    part = migrate if sys.argv[1] == MIGRATOR else work
    asyncio.run(part(*sys.argv[2:]))
