"""What a proof must show at full size, with its figures: `nox -s figures`.

The rule: each figure is measured in this run, beside what it must be; the exit status is 0 only
when all are as they must be. The suite has the same cases small.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orders
from conftest import pytest_configure
from servers import SERVERS, ServerUnavailable

from dualtable import Migration, Migrator, Verifier, retry_dead_letters
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable.testing import MemoryGateway
from proof import test_damage as damage

ITEMS = 30_000
LETTERS = 500
SEEDS = range(20)
CPU_ITEMS = 12_000

_met = True


def show(what: str, figure: object, *, met: bool) -> None:
    """Print a figure, and remember whether it is as it must be."""
    global _met  # noqa: PLW0603 - the one thing that the whole run comes to
    _met = _met and met
    print(f"{'ok    ' if met else 'MISSED'}  {what}: {figure}", flush=True)


async def planted_damage() -> None:
    """Every class of damage at once, in one verification."""
    gateway = await damage.world(ITEMS)
    planted = {name: each for name, each in damage.DAMAGE.items() if name not in damage.OVERLAID}
    for plant, *_ in planted.values():
        await plant(gateway)
    report = await damage.verified(gateway)
    found = {(e.kind, e.key["id"], e.paths) for e in report.examples}
    wanted = {(kind, key, paths) for _, kind, key, paths in planted.values()}
    show(f"damage found of {len(wanted)} planted in {ITEMS:,}", len(found), met=found == wanted)


async def repaired() -> None:
    """What is missing is copied, and the next verification is well."""
    gateway = await damage.world(ITEMS)
    for number in range(10_007, 10_030):
        await damage.vanish(damage.PLAN.new, number)(gateway)
    before = {i["id"]["S"]: i for i in await orders.everything(gateway, damage.PLAN.new)}
    first = await damage.verified(gateway, repair=True)
    again = await damage.verified(gateway)
    after = {i["id"]["S"]: i for i in await orders.everything(gateway, damage.PLAN.new)}
    untouched = {name: after[name] for name in before} == before
    show("repaired, and then well", first.repaired, met=untouched and again.ok)


async def no_false_alarm() -> None:
    """Production at work, sets in another order, numbers in three spellings."""
    for seed in SEEDS:
        await damage.verified_beside_production(seed, items=ITEMS // len(SEEDS))
    show("runs without a false alarm", len(SEEDS), met=True)


def fails(item: dict[str, Any]) -> dict[str, Any]:
    if int(item["id"][2:]) % (ITEMS // LETTERS) == 0:
        raise ValueError
    return item


def mended(item: dict[str, Any]) -> dict[str, Any]:
    return item


async def retried() -> None:
    """Dead letters cost what they cost, and nothing of the table."""
    gateway, plan = MemoryGateway(), orders.migration("shop", fails)
    await orders.create(gateway, plan)
    items = (orders.old_order(number, rest="x" * 3_300) for number in range(ITEMS))
    await filled(gateway, plan, items)
    full = await Migrator(plan, dead_letters=os.devnull, gateway=gateway).run()
    plan = orders.migration("shop", mended)
    report = await retry_dead_letters(plan, fingerprint=plan.fingerprint, gateway=gateway)
    share = report.read_units / full.read_units
    well = (report.written, report.dead_letters) == (LETTERS, 0)
    show(
        f"{LETTERS} letters retried for, of a full pass", f"{share:.2%}", met=well and share <= 0.03
    )


async def filled(gateway: Any, plan: Migration, items: Iterator[dict[str, Any]]) -> None:
    while batch := [item for item, _ in zip(items, range(1_000), strict=False)]:
        await orders.fill(gateway, plan.old, batch)


async def units_for_each() -> None:
    """An item costs the same in a table of any size."""
    figures = []
    for number in (ITEMS // 10, ITEMS // 3, ITEMS):
        gateway = await damage.world(number)
        report = await damage.verified(gateway)
        figures.append(report.read_units / number)
    same = max(figures) <= 1.02 * min(figures)
    show("read units an item, by size", ", ".join(f"{f:.3f}" for f in figures), met=same)


async def cpu(url: str) -> None:
    """Client CPU of a verification beside that of the copy, in one run."""
    plan = orders.migration(f"figures-{os.getpid()}", indexes=[])
    lines = [
        {"sku": f"sku-{n}", "count": n, "price": f"{n}.50", "text": "abc " * 8} for n in range(14)
    ]
    items = (
        orders.old_order(number, note="x" * 600, lines=lines, tags={"autumn", f"c{number % 7}"})
        for number in range(CPU_ITEMS)
    )
    async with connect({"endpoint_url": url}, ONE_OFF) as gateway:
        await orders.create(gateway, plan)
        await filled(gateway, plan, items)
    migrator = Migrator(plan, total_segments=32, dead_letters=os.devnull, endpoint_url=url)
    copying = await seconds_of(migrator.run)
    verifying = await seconds_of(Verifier(plan, endpoint_url=url).run)
    ratio = verifying / copying
    show("CPU of a verification, of the copy's", f"{ratio:.2f}", met=ratio <= 1.0)


async def seconds_of(call: Callable[[], Awaitable[Any]]) -> float:
    begun = time.process_time()
    await call()
    return time.process_time() - begun


def main() -> int:
    pytest_configure()
    for part in (planted_damage, repaired, no_false_alarm, retried, units_for_each):
        asyncio.run(part())
    try:
        with SERVERS["dynoxide"]() as url:
            asyncio.run(cpu(url))
    except ServerUnavailable as reason:
        print(f"not measured: client CPU ({reason})")
    return 0 if _met else 1


if __name__ == "__main__":
    sys.exit(main())
