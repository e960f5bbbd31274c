"""A whole migration on real servers, with production at work and processes that die."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import orders
import pytest

from dualtable import (
    DualTableRepository,
    Migration,
    Migrator,
    Verifier,
    create_table,
    read_status,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import MigrationMismatchError

KILLS = int(os.environ.get("DUALTABLE_TEST_KILLS", "6"))  # 20 in `nox -s prove`
WORKER = Path(__file__).with_name("crash_worker.py")


@asynccontextmanager
async def old_table(server: str, plan: Migration, count: int) -> AsyncIterator[Gateway]:
    """Fill the old table, create the new one, and yield a gateway to look at both."""
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
        assert (await create_table(plan, endpoint_url=server)).created
        yield gateway


class Production:
    """Writes, updates and deletes through the repository, and keeps book of it."""

    def __init__(self, server: str, plan: Migration, count: int, seed: int) -> None:
        self._server = server
        self._plan = plan
        self._count = count
        self._chance = random.Random(seed)
        self.book: dict[int, dict[str, Any] | None] = {}

    async def work(self, stop: asyncio.Event) -> None:
        async with DualTableRepository(self._plan, endpoint_url=self._server) as repository:
            while not stop.is_set():
                await self._step(repository, self._chance.randrange(self._count * 2))
                await asyncio.sleep(0.005)

    async def _step(self, repository: DualTableRepository, number: int) -> None:
        key, total = orders.key(number), self._chance.randrange(10_000)
        act = self._chance.choice(("put", "update", "delete", "read"))
        if act == "put":
            item = orders.new_order(number, total=total)
            await repository.put(item)
            self.book[number] = item
        elif act == "update":
            self.book[number] = await repository.update(
                key, lambda item: {**item, "total": total}, create=True
            )
        elif act == "delete":
            await repository.delete(key)
            self.book[number] = None
        else:
            assert await repository.get(key) == self._expected(number)

    def _expected(self, number: int) -> dict[str, Any] | None:
        untouched = orders.new_order(number) if number < self._count else None
        return self.book.get(number, untouched)

    async def audit(self) -> None:
        """Compare every key with the book."""
        numbers = range(self._count * 2)
        async with DualTableRepository(self._plan, endpoint_url=self._server) as repository:
            found = await repository.batch_get(
                [orders.key(n) for n in numbers], consistent_read=True
            )
        assert found == [self._expected(n) for n in numbers]


async def run(*arguments: str, kill_after: int = 0, wait: float = 0.0) -> int:
    """Run a migrator in a process of its own, which dies some time after so many settled pages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        *(*arguments, str(kill_after), str(wait)),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return await process.wait()


@pytest.mark.timeout(300)
@pytest.mark.thorough_on("dynoxide", "ministack")
async def test_killed_again_and_again_beside_production(
    server: str, table_name: str, tmp_path: Path
) -> None:
    """Must show 3 and 5: whatever is killed when, nothing is lost, revived or overwritten."""
    plan = orders.migration(table_name)
    chance = random.Random(11)
    count = 1_600
    async with old_table(server, plan, count) as gateway:
        before = await orders.digest(gateway, plan.old)
        production, stop = Production(server, plan, count, seed=3), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(production.work(stop))
            arguments = (table_name, server, str(tmp_path / "dead-letters"))
            for n in range(KILLS):
                wait = chance.random() * 0.05 * (n % 2)  # in vain, if that is enough for the rest
                code = await run(*arguments, kill_after=chance.randrange(1, 4), wait=wait)
                assert code == -signal.SIGKILL or (wait and not code and n > KILLS // 2)
                if not code:
                    break
            assert await run(*arguments) == 0
            stop.set()
        proof = await Verifier(plan, endpoint_url=server).run()
        status = await read_status(plan, endpoint_url=server)
        await production.audit()
        assert await orders.digest(gateway, plan.old) == before
    assert proof.ok, proof
    assert (status.complete, status.scanned, status.dead_letters) == (True, count, 0)


@pytest.mark.thorough_on("dynoxide")
async def test_a_live_migration_stopped_and_resumed(server: str, table_name: str) -> None:
    """A writer and deleter beside the migrator, which is stopped once, on each real server."""
    plan, count = orders.migration(table_name), 1_000
    async with old_table(server, plan, count) as gateway:
        before = await orders.digest(gateway, plan.old)
        production, stop = Production(server, plan, count, seed=5), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(production.work(stop))
            first = Migrator(
                plan,
                endpoint_url=server,
                observer=lambda progress: progress.scanned > count // 2 and first.stop(),
            )
            reports = [await first.run(), await Migrator(plan, endpoint_url=server).run()]
            stop.set()
        assert not reports[0].complete
        assert reports[1].ok
        assert sum(report.scanned for report in reports) == count
        await production.audit()
        assert (await Verifier(plan, endpoint_url=server).run()).ok
        assert (await Verifier(plan, endpoint_url=server, level="keys").run()).ok
        assert await orders.digest(gateway, plan.old) == before


@pytest.mark.thorough_on("dynamodb-local", "ministack")
async def test_two_migrations_in_a_row(server: str, table_name: str) -> None:
    """Must show 4: the new table of one migration is the old one of the next."""
    first, count = orders.migration(table_name), 300
    second = orders.migration(
        f"{table_name}-2", add_version, old=first.new, indexes=[], version="1"
    )
    async with old_table(server, first, count):
        for plan in (first, second):
            production, stop = Production(server, plan, count, seed=9), asyncio.Event()
            await create_table(plan, endpoint_url=server)
            async with asyncio.TaskGroup() as group:
                if plan is first:
                    group.create_task(production.work(stop))
                report = await Migrator(plan, endpoint_url=server).run()
                stop.set()
            assert report.ok
            assert (await Verifier(plan, endpoint_url=server).run()).ok
            if plan is first:
                await production.audit()
        async with (
            DualTableRepository(first, endpoint_url=server) as one,
            DualTableRepository(second, endpoint_url=server) as other,
        ):
            keys = [orders.key(n) for n in range(count * 2)]
            wanted = [item and add_version(item) for item in await one.batch_get(keys)]
            assert await other.batch_get(keys) == wanted


async def test_a_table_made_anew_is_another_one(server: str, table_name: str) -> None:
    """The checkpoints of its forerunner would say that everything is copied."""
    plan = orders.migration(table_name)
    async with old_table(server, plan, 10):
        assert (await Migrator(plan, endpoint_url=server).run()).written == 10
        boto3.client("dynamodb", endpoint_url=server).delete_table(TableName=plan.new)
        assert (await create_table(plan, endpoint_url=server)).created
        with pytest.raises(MigrationMismatchError, match="begin anew"):
            await Migrator(plan, endpoint_url=server).run()
        assert (await Migrator(plan, endpoint_url=server, restart=True).run()).written == 10


def add_version(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "version": 3}
