"""What a proof and a plan must show at full size, with their figures: `nox -s figures`.

The rule: each figure is measured in this run, beside what it must be; the exit status is 0 only
when all are as they must be. The suite has the same cases small. Parts can be named, as in
`nox -s figures -- retried cpu`; each says when it begins, and how long it took.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import chdir
from typing import Any

import orders
from conftest import pytest_configure
from servers import SERVERS, ServerUnavailable

from dualtable import Migration, Migrator, Verifier, retry_dead_letters
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable.testing import MemoryGateway
from proof import test_damage as damage
from proof.bills import billed, tables
from proof.parts import chosen

ITEMS = 30_000
LETTERS = 500
SEEDS = range(20)
CPU_ITEMS = (3_000, 12_000)

_met = True


def show(what: str, figure: object, *, met: bool) -> None:
    """Print a figure, and remember whether it is as it must be."""
    global _met  # noqa: PLW0603 - the one thing that the whole run comes to
    _met = _met and met
    print(f"{'ok    ' if met else 'MISSED'}  {what}: {figure}", flush=True)


def say(how_far: str) -> None:
    """Tell whoever waits; a terminal and a log take it alike."""
    print(f"        {time.strftime('%H:%M:%S')} {how_far}", flush=True)


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
        say(f"run {seed + 1} of {len(SEEDS)}")
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
    say("filled; the full pass begins")
    full = await Migrator(plan, dead_letters=os.devnull, gateway=gateway).run()
    say("the letters are retried")
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
        say(f"{number:,} items: {figures[-1]:.3f} read units each")
    same = max(figures) <= 1.02 * min(figures)
    show("read units an item, by size", ", ".join(f"{f:.3f}" for f in figures), met=same)


async def cpu() -> None:
    """Client CPU of a verification beside that of the copy, in one run, by size of the table."""
    try:
        with SERVERS["dynoxide"]() as url:
            for number in CPU_ITEMS:
                await cpu_of(number, url)
    except ServerUnavailable as reason:
        print(f"not measured: client CPU ({reason})")


async def cpu_of(number: int, url: str) -> None:
    plan = orders.migration(f"figures-{os.getpid()}-{number}", indexes=[])
    lines = [
        {"sku": f"sku-{n}", "count": n, "price": f"{n}.50", "text": "abc " * 8} for n in range(14)
    ]
    items = (
        orders.old_order(n, note="x" * 600, lines=lines, tags={"autumn", f"c{n % 7}"})
        for n in range(number)
    )
    async with connect({"endpoint_url": url}, ONE_OFF) as gateway:
        await orders.create(gateway, plan)
        await filled(gateway, plan, items)
    migrator = Migrator(plan, total_segments=32, dead_letters=os.devnull, endpoint_url=url)
    copying = await seconds_of(migrator.run)
    verifying = await seconds_of(Verifier(plan, endpoint_url=url).run)
    ratio = verifying / copying
    figure = f"{ratio:.2f} ({per_item(verifying, number)}, {per_item(copying, number)})"
    show(f"CPU of a verification, of the copy's, {number:,} items", figure, met=ratio <= 1.0)


async def bills() -> None:
    """What a plan says of three tables, beside what a server reports for the copy."""
    try:
        with SERVERS["dynoxide"]() as url:
            async with connect({"endpoint_url": url}, ONE_OFF) as gateway:
                for case, *table in tables(str(os.getpid())):
                    bill = await billed(gateway, *table)
                    figure = f"reads {bill.reads:.3f}, writes {bill.writes:.3f} of the bill"
                    figure += f", sample {bill.sample:.2%} of the reads"
                    show(f"plan of {case}", figure, met=bill.is_right)
    except ServerUnavailable as reason:
        print(f"not measured: bills ({reason})")


def per_item(seconds: float, number: int) -> str:
    return f"{seconds / number * 1e6:.0f} µs an item"


async def seconds_of(call: Callable[[], Awaitable[Any]]) -> float:
    begun = time.process_time()
    await call()
    return time.process_time() - begun


PARTS = (planted_damage, repaired, no_false_alarm, retried, units_for_each, cpu, bills)


def main(names: list[str]) -> int:
    parts = chosen(PARTS, names, __doc__)
    pytest_configure()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # where events and letters go
        play(parts)
    return 0 if _met else 1


def play(parts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Run some parts, each of which says how far it is."""
    for number, part in enumerate(parts, start=1):
        say(f"part {number} of {len(parts)}: {part.__name__}")
        begun = time.monotonic()
        asyncio.run(part())
        say(f"{part.__name__} took {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
