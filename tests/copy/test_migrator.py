"""The migrator copies everything once, loses nothing, and can be stopped anywhere."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import uuid
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable import (
    DualTableError,
    DualTableRepository,
    Migration,
    MigrationProgress,
    MigrationReport,
    Migrator,
    Verifier,
    read_status,
)
from dualtable._wire import codec
from dualtable.errors import (
    InvalidItemError,
    MigrationMismatchError,
    TableMismatchError,
    TableNotFoundError,
    TransformError,
)
from dualtable.testing import MemoryGateway


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def world(count: int, transform: Any = orders.TRANSFORM) -> tuple[Migration, MemoryGateway]:
    plan = orders.migration("shop", transform)
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    return plan, gateway


def counts(report: MigrationReport) -> dict[str, int]:
    names = ("scanned", "written", "already_present", "dropped", "failed")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def letters(path: str = "shop.dead-letters.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


async def test_every_item_ends_in_one_count() -> None:
    """I6: copied, already there, dropped, or a dead letter, and the counts say so."""
    plan, gateway = await world(40)
    await orders.fill(gateway, plan.old, [orders.old_order(100, test=True)])
    await orders.fill(gateway, plan.old, [orders.old_order(101, total="twelve")])
    async with DualTableRepository(plan, gateway=gateway) as repository:
        await repository.put(orders.new_order(3, total=0))
        await repository.delete(orders.key(4))
    report = await Migrator(plan, gateway=gateway).run()
    assert counts(report) == {
        "scanned": 42,
        "written": 38,
        "already_present": 2,
        "dropped": 1,
        "failed": 1,
    }
    assert report.complete
    assert not report.ok
    assert report.dead_letters == 1
    assert [letter["key"] for letter in letters()] == [{"id": {"S": "o-101"}}]
    assert letters()[0]["error"] == "TransformError"
    assert "twelve" not in Path("shop.dead-letters.jsonl").read_text()


async def test_copies_are_what_the_transform_yields() -> None:
    """The copy in the new table is the transformed item, with nothing added."""
    plan, gateway = await world(30)
    report = await Migrator(plan, gateway=gateway).run()
    assert report.ok
    found = [codec.decode(item) for item in await orders.everything(gateway, plan.new)]
    assert sorted(found, key=lambda item: item["total"]) == [orders.new_order(n) for n in range(30)]


async def test_the_old_table_stays_as_it_is() -> None:
    """I5: nothing writes to the old table."""
    plan, gateway = await world(30)
    before = await orders.digest(gateway, plan.old)
    await Migrator(plan, gateway=gateway).run()
    assert await orders.digest(gateway, plan.old) == before


async def test_a_stopped_run_resumes_without_repeating_a_page() -> None:
    """I7: what one run has settled, the next does not touch."""
    plan, gateway = await world(200)
    reports = []
    while not (reports and reports[-1].complete):
        migrator = Migrator(
            plan,
            gateway=gateway,
            concurrency=2,
            total_segments=10,
            page_items=7,
            observer=lambda progress: progress.report.pages >= 3 and migrator.stop(),
        )
        reports.append(await migrator.run())
    assert len(reports) > 3
    assert sum(report.scanned for report in reports) == 200
    assert sum(report.written for report in reports) == 200
    assert not any(report.already_present for report in reports)
    status = await read_status(plan, gateway=gateway)
    assert (status.scanned, status.complete, status.segments_held) == (200, True, 0)


async def test_a_finished_migration_returns_at_once() -> None:
    """Running once too often does nothing and says that all is done."""
    plan, gateway = await world(5)
    await Migrator(plan, gateway=gateway).run()
    report = await Migrator(plan, gateway=gateway).run()
    assert report.complete
    assert counts(report) == {}
    assert report.pages == 0


async def test_two_migrators_share_the_segments() -> None:
    """A second migrator beside a running one takes what the first has not begun."""
    plan, gateway = await world(300)
    reports = await asyncio.gather(
        *(Migrator(plan, gateway=gateway, concurrency=2, total_segments=20).run() for _ in "ab")
    )
    assert all(report.complete for report in reports)
    assert sum(report.scanned for report in reports) == 300
    assert all(report.pages for report in reports)


async def test_a_segment_of_a_dead_migrator_is_taken_over() -> None:
    """A lease runs out, and another migrator goes on from the last settled page."""
    plan, gateway = await world(100)

    def die(progress: MigrationProgress) -> None:
        if progress.report.pages == 3:
            running.cancel()

    settings: dict[str, Any] = {"gateway": gateway, "total_segments": 2, "concurrency": 2}
    first = Migrator(plan, **settings, page_items=5, lease_seconds=0.2, observer=die)
    running = asyncio.create_task(first.run())
    with pytest.raises(asyncio.CancelledError):
        await running
    settled = (await read_status(plan, gateway=gateway)).scanned
    report = await Migrator(plan, **settings, lease_seconds=0.2).run()
    assert report.complete
    assert report.scanned == 100 - settled


async def test_dry_run_writes_nothing() -> None:
    """A rehearsal transforms everything and leaves no trace in any table."""
    plan, gateway = await world(20)
    await orders.fill(gateway, plan.old, [orders.old_order(50, total="x")])
    report = await Migrator(plan, gateway=gateway, dry_run=True).run()
    assert counts(report) == {"scanned": 21, "written": 20, "failed": 1}
    assert await orders.everything(gateway, plan.new) == []
    with pytest.raises(TableNotFoundError):
        await gateway.describe_table(plan.control_table)


def raises(item: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(f"cannot digest {item}")


def returns_text(item: dict[str, Any]) -> Any:
    return "text"


def loses_key(item: dict[str, Any]) -> dict[str, Any]:
    return {"total": item["total"]}


def changes_key(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "id": f"new-{item['id']}"}


def doubles(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [item, {**item, "second": True}]


def grows(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "text": "x" * 410_000}


def floats(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "total": 1.5}


def gambles(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "serial": uuid.uuid4().hex}


def usurps(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "_dualtable_token": "mine"}


@pytest.mark.parametrize(
    ("transform", "error", "reason"),
    [
        (raises, "TransformError", "raises raised ValueError at test_migrator.py"),
        (returns_text, "TransformError", "returned str"),
        (loses_key, "InvalidKeyError", "'id' is missing"),
        (changes_key, "TransformError", "old_key"),
        (doubles, "TransformError", "two items with one key"),
        (grows, "InvalidItemError", "409,600"),
        (floats, "InvalidItemError", "total"),
        (gambles, "TransformError", "two results"),
        (usurps, "InvalidItemError", "_dualtable_token"),
    ],
)
async def test_a_bad_transform_costs_dead_letters_and_no_items(
    transform: Any, error: str, reason: str
) -> None:
    """I8: whatever is wrong with an item's transform is on record, and nothing is copied."""
    plan, gateway = await world(3, transform)
    report = await Migrator(plan, gateway=gateway).run()
    assert counts(report) == {"scanned": 3, "failed": 3}
    assert {letter["error"] for letter in letters()} == {error}
    assert all(reason in letter["reason"] for letter in letters())
    assert all("Customer" not in json.dumps(letter) for letter in letters())
    assert await orders.everything(gateway, plan.new) == []


async def test_an_index_key_of_the_wrong_type_is_a_dead_letter() -> None:
    """The server would refuse that item alone; the reason names the index."""
    plan = orders.migration("shop", lambda item: {**item, "region": 5})
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    new = orders.table(plan.new)
    new["AttributeDefinitions"].append({"AttributeName": "region", "AttributeType": "S"})
    new["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-region",
            "KeySchema": [{"AttributeName": "region", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    await gateway.create_table(new)
    await orders.fill(gateway, plan.old, [orders.old_order(1)])
    report = await Migrator(plan, gateway=gateway).run()
    assert report.failed == 1
    assert "by-region" in letters()[0]["reason"]


async def test_resume_with_another_transform_is_refused() -> None:
    """Copies of two transforms in one table would be nobody's format."""
    plan, gateway = await world(3)
    await Migrator(plan, gateway=gateway, total_segments=4).run()
    other = attrs.evolve(plan, transform=floats)
    with pytest.raises(MigrationMismatchError, match="another transform"):
        await Migrator(other, gateway=gateway).run()
    with pytest.raises(MigrationMismatchError, match="total_segments=4"):
        await Migrator(plan, gateway=gateway, total_segments=5).run()


async def test_a_version_stands_in_for_the_source() -> None:
    """Who states it vouches for the change; from then on only that version goes on."""
    plan, gateway = await world(3)
    await Migrator(plan, gateway=gateway).run()
    stated = attrs.evolve(plan, transform=floats, version="1")
    assert (await Migrator(stated, gateway=gateway).run()).complete
    for other in (plan, attrs.evolve(stated, version="2")):
        with pytest.raises(MigrationMismatchError, match="another transform"):
            await Migrator(other, gateway=gateway).run()


async def test_a_name_stands_for_one_pair_of_tables() -> None:
    """Else the second copy would find the first one's checkpoints, and copy nothing."""
    plan, gateway = await world(3)
    await Migrator(plan, gateway=gateway).run()
    await gateway.create_table(orders.table("things"))
    for other in (attrs.evolve(plan, old="things"), attrs.evolve(plan, new="things")):
        with pytest.raises(MigrationMismatchError, match="another name, or begin anew"):
            await Migrator(other, gateway=gateway).run()
    report = await Migrator(attrs.evolve(plan, new="things"), gateway=gateway, restart=True).run()
    assert report.written == 3


async def test_restart_begins_anew() -> None:
    """After mending a transform, everything is scanned again and what is there stays."""
    plan, gateway = await world(10, floats)
    assert (await Migrator(plan, gateway=gateway).run()).failed == 10
    mended = attrs.evolve(plan, transform=orders.TRANSFORM)
    report = await Migrator(mended, gateway=gateway, restart=True, total_segments=3).run()
    assert report.ok
    assert report.written == 10


async def test_restart_waits_for_nobody() -> None:
    """A restart under the feet of a running migrator would lose track of its pages."""
    plan, gateway = await world(50)
    refusals: list[str] = []

    async def restart() -> None:
        try:
            await Migrator(plan, gateway=gateway, restart=True).run()
        except MigrationMismatchError as error:
            refusals.append(str(error))

    async with asyncio.TaskGroup() as group:
        first = Migrator(
            plan,
            gateway=gateway,
            lease_seconds=3,
            throttle=lambda: not refusals,  # at work until the other one has heard of it
            observer=lambda _: restarting or restarting.append(group.create_task(restart())),
        )
        restarting: list[asyncio.Task[None]] = []
        report = await first.run()
    assert report.ok
    assert len(refusals) == 1
    assert "being worked on" in refusals[0]


async def test_bad_settings_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """A run that cannot end well must not begin."""
    plan, _ = await world(0)
    for bad in (
        {"concurrency": 0},
        {"total_segments": 2_000_000},
        {"max_write_units": -1},
        {"dead_letters": tmp_path / "missing" / "file"},
    ):
        with pytest.raises(DualTableError) as caught:
            Migrator(plan, **bad)
        assert next(iter(bad)) in str(caught.value)


async def test_missing_and_equal_tables() -> None:
    """The two mistakes that a first run makes."""
    with pytest.raises(TableNotFoundError, match="shop-old"):
        await Migrator(orders.migration("shop"), gateway=MemoryGateway()).run()
    with pytest.raises(TableMismatchError, match="two tables"):
        orders.migration("shop", old="orders", new="orders")


async def test_two_migrations_in_a_row() -> None:
    """The tokens and tombstones of the first are no data to the second."""
    first, gateway = await world(30)
    async with DualTableRepository(first, gateway=gateway) as repository:
        await repository.put(orders.new_order(1, total=1))
        await repository.delete(orders.key(2))
        assert (await Migrator(first, gateway=gateway).run()).ok
        await repository.put(orders.new_order(3, total=3))
        await repository.delete(orders.key(4))
    seen: list[str] = []

    def note(item: dict[str, Any]) -> dict[str, Any]:
        seen.extend(item)
        return {**item, "version": 3}

    second = orders.migration("shop-3", note, old=first.new, version="1")
    await gateway.create_table(orders.table(second.new))
    report = await Migrator(second, gateway=gateway).run()
    proof = await Verifier(second, gateway=gateway).run()
    assert (report.scanned, report.written, proof.ok, proof.checked) == (28, 28, True, 28)
    assert not any(name.startswith("_dualtable") for name in seen)
    async with DualTableRepository(second, gateway=gateway) as repository:
        assert await repository.get(orders.key(2)) is None
        assert await repository.get(orders.key(3)) == {**orders.new_order(3, total=3), "version": 3}


async def test_random_production_beside_the_migrator() -> None:
    """Writes, updates and deletes at any moment of the copy end as production left them."""
    plan, gateway = await world(120)
    chance = random.Random(7)
    expected: dict[int, dict[str, Any] | None] = {n: orders.new_order(n) for n in range(120)}
    migrator = Migrator(plan, gateway=gateway, concurrency=3, total_segments=9)
    async with (
        DualTableRepository(plan, gateway=gateway) as repository,
        asyncio.TaskGroup() as group,
    ):
        running = group.create_task(migrator.run())
        while not running.done():
            number = chance.randrange(140)
            if chance.random() < 0.3:
                await repository.delete(orders.key(number))
                expected[number] = None
            else:
                total = chance.randrange(1000)
                expected[number] = await repository.update(
                    orders.key(number), lambda item, t=total: {**item, "total": t}, create=True
                )
        assert running.result().ok
        for number, item in expected.items():
            assert await repository.get(orders.key(number)) == item
    assert (await Verifier(plan, gateway=gateway).run()).ok


def test_errors_that_dead_letters_name_exist() -> None:
    """A dead letter's error is a class of dualtable.errors that a reader can look up."""
    assert {InvalidItemError.__name__, TransformError.__name__} <= set(
        __import__("dualtable.errors", fromlist=["__all__"]).__all__
    )


async def test_the_heap_is_handed_back_as_it_was() -> None:
    """A run sets it aside from the garbage collector, unless the caller has done so already."""
    plan, gateway = await world(3)
    during: list[int] = []
    await Migrator(plan, gateway=gateway, observer=lambda _: during.append(frozen())).run()
    assert min(during) > 0
    assert frozen() == 0
    gc.freeze()
    try:
        await Migrator(plan, gateway=gateway).run()
        assert frozen() > 0
    finally:
        gc.unfreeze()


def frozen() -> int:
    return gc.get_freeze_count()
