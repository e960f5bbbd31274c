"""Whatever fails, and wherever: the migration ends verified and every write is intact.

Each port call of a migration beside production fails once in each way that there is; then many at
once, at random. In simulated time, so that patience costs none.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
import simulated

from dualtable import Delete, DualTableRepository, Migrator, Put, Verifier, read_status
from dualtable.errors import ThrottledError, UnavailableError
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop", indexes=[])
in_production: ContextVar[bool] = ContextVar("in_production", default=False)


@attrs.frozen
class Size:
    """How many items the old table has, and how much production does meanwhile."""

    old: int
    steps: int


SMALL, LARGE = Size(old=8, steps=7), Size(old=20, steps=20)


class Killed(BaseException):
    """The process is gone; nothing catches this."""


class SimulatedClock:
    def monotonic(self) -> float:
        return simulated.seconds()

    def now(self) -> float:
        return 1_800_000_000 + simulated.seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Trouble(Faults):
    """Counts the calls, and asks `choose` what happens to each.

    "before": it fails and has no effect. "after": it has its effect, and the answer is lost.
    "throttled", "left over": what their names say. "killed before", "killed after": the migrator's
    process ends there.
    """

    def __init__(self, choose: Callable[[int], str | None]) -> None:
        self.choose = choose
        self.calls = 0
        self.hits = 0
        self._fate: ContextVar[str | None] = ContextVar("fate", default=None)

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(0)
        fate = self.choose(self.calls)
        if fate and fate.startswith("killed") and in_production.get():
            fate = None
        self._fate.set(fate)
        self.calls += 1
        if fate == "before":
            self.hit(UnavailableError("no connection"))
        if fate == "throttled":
            self.hit(ThrottledError("slow down"))
        if fate == "killed before":
            self.hit(Killed())

    async def after(self, operation: str, table: str) -> None:
        if self._fate.get() == "after":
            self.hit(UnavailableError("no answer"))
        if self._fate.get() == "killed after":
            self.hit(Killed())

    def left_over(self, operation: str, table: str, members: int) -> set[int]:
        if self._fate.get() != "left over":
            return set()
        self.hits += 1
        return set(range(0, members, 2))

    def hit(self, error: BaseException) -> None:
        self.hits += 1
        raise error


class Production:
    """One hourly job, compressed: a step at a time, with a book of what must be there."""

    def __init__(self, gateway: MemoryGateway, chance: random.Random, size: Size) -> None:
        self._gateway = gateway
        self._chance = chance
        self._steps = size.steps
        self.book: dict[int, dict[str, Any] | None] = {
            n: orders.new_order(n) if n < size.old else None for n in range(size.old + 4)
        }

    async def work(self) -> None:
        in_production.set(True)
        async with self.opened() as shop:
            for step in range(self._steps):
                await self._step(shop, step)
                await asyncio.sleep(self._chance.random() / 100)

    def opened(self) -> DualTableRepository:
        return DualTableRepository(PLAN, gateway=self._gateway, clock=SimulatedClock())

    async def _step(self, shop: DualTableRepository, step: int) -> None:
        numbers = self._chance.sample(sorted(self.book), 3)
        number, key = numbers[0], orders.key(numbers[0])
        match self._chance.randrange(7):
            case 0:
                self.book[number] = orders.new_order(number, total=step)
                await shop.put(self.book[number])
            case 1:
                self.book[number] = raised(self.book[number] or key)
                assert await shop.update(key, raised, create=True) == self.book[number]
            case 2:
                await shop.delete(key)
                self.book[number] = None
            case 3:
                items = [orders.new_order(n, total=step) for n in numbers]
                await shop.batch_put(items)
                self.book |= dict(zip(numbers, items, strict=True))
            case 4:
                self.book[number] = {**(self.book[number] or key), "note": step}
                await shop.update_item(
                    key,
                    UpdateExpression="SET note = :n",
                    ExpressionAttributeValues={":n": step},
                )
            case 5:
                item = orders.new_order(number, total=step)
                await shop.transact_write([Put(item), Delete(orders.key(numbers[1]))])
                self.book |= {number: item, numbers[1]: None}
            case _:
                found = await shop.batch_get([orders.key(n) for n in numbers])
                assert found == [self.book[n] for n in numbers]


def raised(item: dict[str, Any]) -> dict[str, Any]:
    """Count one up: done twice, it shows."""
    return {**item, "total": item.get("total", 0) + 1}


async def migration(
    choose: Callable[[int], str | None], size: Size, seed: int, path: Path
) -> Trouble:
    """Run one whole migration beside production; return what went wrong on the way."""
    random.seed(seed)  # of the order of segments and the pauses: a round can be run again
    trouble = Trouble(lambda _: None)
    gateway = MemoryGateway(trouble)
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(size.old)])
    before = await orders.digest(gateway, PLAN.old)
    trouble.calls, trouble.choose = 0, choose
    production = Production(gateway, random.Random(seed), size)
    async with asyncio.TaskGroup() as group:
        group.create_task(production.work())
        await migrated(gateway, path)
    trouble.choose = lambda _: None
    await proved(gateway, production, size)
    assert await orders.digest(gateway, PLAN.old) == before
    assert not path.exists()  # no dead letters
    return trouble


async def migrated(gateway: MemoryGateway, path: Path) -> None:
    """Run the migrator, and again each time it is killed."""
    while True:
        migrator = Migrator(
            PLAN,
            gateway=gateway,
            clock=SimulatedClock(),
            total_segments=2,
            concurrency=2,
            page_items=3,
            dead_letters=path,
        )
        try:
            report = await migrator.run()
        except Killed:
            continue
        assert report.ok
        return


async def proved(gateway: MemoryGateway, production: Production, size: Size) -> None:
    proof = await Verifier(PLAN, gateway=gateway, clock=SimulatedClock(), total_segments=2).run()
    assert proof.ok, proof
    async with production.opened() as shop:
        found = await shop.batch_get([orders.key(n) for n in production.book])
        assert found == list(production.book.values())
    status = await read_status(PLAN, gateway=gateway)
    assert (status.scanned, status.complete, status.segments_held) == (size.old, True, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("fate", "least"),
    [
        ("before", 25),
        ("after", 15),
        ("throttled", 25),
        ("left over", 2),
        ("killed before", 10),
        ("killed after", 10),
    ],
)
def test_each_call_fails_once(
    fate: str, least: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """I6 and I7 at every await: no call is one that must not fail, nor one that costs a lease."""

    def round_with(failing: int) -> Trouble:
        def choose(call: int) -> str | None:
            return fate if call == failing else None

        return simulated.run(migration(choose, SMALL, seed=1, path=tmp_path / "dead.jsonl"))

    calls = round_with(-1).calls
    assert sum(round_with(failing).hits for failing in range(calls)) >= least
    assert [record for record in caplog.records if record.name.startswith("dualtable")] == []


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(n, marks=pytest.mark.thorough) for n in range(6, 24))]
)
def test_much_fails_at_random(seed: int, tmp_path: Path) -> None:
    """Several faults at once meet in ways that single ones do not."""
    chance = random.Random(seed)
    fates = ["before", "after", "throttled", "left over", *(("killed after",) if seed % 2 else ())]
    share = chance.choice([0.15, 0.3])

    def choose(_: int) -> str | None:
        return chance.choice(fates) if chance.random() < share else None

    assert simulated.run(migration(choose, LARGE, seed, tmp_path / "dead.jsonl")).hits
