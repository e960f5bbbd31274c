"""A run that cannot go on says why, and leaves its segments to whoever comes next."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable import (
    DualTableError,
    DualTableRepository,
    Migration,
    Migrator,
    Verifier,
    create_table,
    read_dead_letters,
    read_status,
    retry_dead_letters,
)
from dualtable._copy.dead_letters import DeadLetter, DeadLetterFile
from dualtable.errors import AccessError, InvalidSettingError, TableMismatchError
from dualtable.testing import Faults, MemoryGateway


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def world(
    transform: Any = orders.TRANSFORM, faults: Faults | None = None
) -> tuple[Migration, MemoryGateway]:
    plan, gateway = orders.migration("shop", transform), MemoryGateway(faults)
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    return plan, gateway


def fails_on_some(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] in ("o-3", "o-7"):
        raise ValueError
    return item


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk")
async def test_a_full_disk_is_told_and_leaves_no_lease() -> None:
    """The page is not settled, all others are, and the next run does the rest at once."""
    plan, gateway = await world(fails_on_some)
    with pytest.raises(DualTableError, match="'/dev/full': No space left on device") as told:
        await Migrator(plan, gateway=gateway, dead_letters="/dev/full", total_segments=5).run()
    assert told.value.begun
    status = await read_status(plan, gateway=gateway)
    assert (status.segments_held, status.workers) == (0, ())
    report = await Migrator(plan, gateway=gateway, dead_letters="letters").run()
    assert (report.complete, report.dead_letters) == (True, 2)
    keys = [json.loads(line)["key"]["id"]["S"] for line in Path("letters").read_text().splitlines()]
    assert sorted(keys) == ["o-3", "o-7"]


async def test_a_full_disk_stops_a_dry_run_too() -> None:
    """Nothing of it is stored, but a report without its letters would be no use."""
    plan, gateway = await world(fails_on_some)
    with pytest.raises(DualTableError, match="No space left"):
        await Migrator(plan, gateway=gateway, dead_letters="/dev/full", dry_run=True).run()


class Large:
    """A transform whose errors show it whole, as dataclasses do: a table of some MB, say."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return fails_on_some(item)

    def __repr__(self) -> str:
        return self.shown


@pytest.mark.parametrize("shown", ["x" * 1_000_000, "\u00e9" * 1_000_000, "R\ud800"])
async def test_a_long_story_is_cut_short(shown: str) -> None:
    """A record takes 400 KB, and valid Unicode: one letter must not hold up all others."""
    plan, gateway = await world(Large(shown))
    plan = attrs.evolve(plan, version="1")
    report = await Migrator(plan, gateway=gateway).run()
    assert (report.complete, report.written, report.dead_letters) == (True, 8, 2)
    for letter in await read_dead_letters(plan, gateway=gateway):
        assert len(letter.reason.encode()) <= 2_003
    again = await retry_dead_letters(plan, gateway=gateway)
    assert again.dead_letters == 2
    proof = await Verifier(plan, gateway=gateway).run()
    assert proof.missing == 2
    assert all(len(example.reason.encode()) <= 503 for example in proof.examples)


async def test_a_page_of_long_stories_fits_into_its_transactions() -> None:
    """Of which one takes 4 MB."""
    plan = attrs.evolve(orders.migration("shop", AllFail()), version="1")
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    long_id = "o" * 2_000
    items = [{**orders.old_order(n), "id": f"{long_id}{n}"} for n in range(200)]
    await orders.fill(gateway, plan.old, items)
    report = await Migrator(plan, gateway=gateway, total_segments=1, page_items=200).run()
    assert (report.complete, report.dead_letters) == (True, 200)


class AllFail(Large):
    def __init__(self) -> None:
        super().__init__("\u00e9" * 1_000_000)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        raise ValueError


async def test_a_torn_line_stays_by_itself(tmp_path: Path) -> None:
    """What a full disk has cut off does not join the next run's first line."""
    path = tmp_path / "letters"
    path.write_bytes(b'{"key": {"id": {"S"')
    letter = DeadLetter({"id": {"S": "o-1"}}, "TransformError", "why", 0)
    await DeadLetterFile(path).append([letter])
    await DeadLetterFile(path).append([letter])
    _, *lines = path.read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [letter.key] * 2


async def test_letters_may_go_to_what_is_no_file() -> None:
    """A device has no last line, and no disk that they have to be on."""
    letter = DeadLetter({"id": {"S": "o-1"}}, "TransformError", "why", 0)
    await DeadLetterFile("/dev/null").append([letter])


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("x" * 300, "File name too long"),
        ("a\0b", "null"),
        ("file/letters", "Not a directory"),
        ("missing/letters", "no writing to"),
        (".", "it is a folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_at_once(path: str, says: str) -> None:
    """Before anything is sent, in the words of the system."""
    Path("file").write_text("")
    with pytest.raises(DualTableError, match=r"dead_letters=.* cannot be written") as told:
        Migrator(orders.migration("shop"), dead_letters=path)
    assert says in str(told.value)


def test_the_default_path_is_one_for_each_name_however_long() -> None:
    """A file system takes 255 bytes; two long names must not share a file."""
    shop = orders.migration("shop")
    plans = [shop, *(attrs.evolve(shop, name="ä" * 240 + end) for end in "ab")]
    paths = {Migrator(plan)._dead_letters.path.name for plan in plans}
    assert len(paths) == 3
    assert max(len(path.encode()) for path in paths) <= 255


async def test_a_failure_for_good_leaves_no_lease() -> None:
    """Credentials end in mid-run: the segments are free, not held for half a minute."""

    class Refusing(Faults):
        inserts = 0

        async def before(self, operation: str, table: str) -> None:
            self.inserts += operation == "insert"
            if operation == "insert" and self.inserts > 1:
                raise AccessError("expired", code="ExpiredTokenException")

    plan, gateway = await world(faults=Refusing())
    with pytest.raises(AccessError) as told:
        await Migrator(plan, gateway=gateway, total_segments=10, concurrency=1).run()
    assert told.value.begun
    status = await read_status(plan, gateway=gateway)
    assert (status.segments_held, status.workers) == (0, ())


def test_signals_off_the_main_thread_are_refused_by_name() -> None:
    """Before anything is sent; where they work they are handled, and forgotten afterwards."""
    refusals: list[BaseException] = []
    sent: list[str] = []

    class Noting(Faults):
        async def before(self, operation: str, table: str) -> None:
            sent.append(operation)

    async def run() -> None:
        migrator = Migrator(orders.migration("shop"), gateway=MemoryGateway(Noting()))
        await migrator.run(stop_on=[signal.SIGTERM])

    def off_main() -> None:
        try:
            asyncio.run(run())
        except DualTableError as error:
            refusals.append(error)

    thread = threading.Thread(target=off_main)
    thread.start()
    thread.join()
    assert "stop_on=<Signals.SIGTERM: 15>" in str(refusals[0])
    assert "call stop()" in str(refusals[0])
    assert sent == []


async def test_signals_that_nobody_can_handle_are_refused_by_name() -> None:
    """A signal that cannot be caught, and an event loop that knows none, as on Windows."""
    migrator = Migrator(orders.migration("shop"), gateway=MemoryGateway())
    with pytest.raises(DualTableError, match="stop_on="):
        await migrator.run(stop_on=[signal.SIGTERM, signal.SIGKILL])
    assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_one_signal_is_no_list_of_signals() -> None:
    """It is said before anything is sent."""
    plan, gateway = await world()
    one: Any = signal.SIGTERM
    with pytest.raises(InvalidSettingError, match="stop_on must be signals, such as"):
        await Migrator(plan, gateway=gateway).run(stop_on=one)


@pytest.mark.parametrize("which", ["old", "new", "control_table"])
async def test_a_table_that_is_being_deleted_is_told(which: str) -> None:
    """By name and state, to whoever would work on it."""
    plan, gateway = await world()
    await Migrator(plan, gateway=gateway).run()
    name = getattr(plan, which)
    gateway._tables[name].description["TableStatus"] = "DELETING"

    async def open_repository() -> None:
        async with DualTableRepository(plan, gateway=gateway):
            pass

    works: dict[str, Any] = {
        "migrate": Migrator(plan, gateway=gateway).run,
        "create": lambda: create_table(plan, gateway=gateway),
    }
    if which != "control_table":
        works |= {
            "verify": Verifier(plan, gateway=gateway).run,
            "sample": Verifier(plan, gateway=gateway).sample,
            "dry run": Migrator(plan, gateway=gateway, dry_run=True).run,
            "open": open_repository,
        }
    for work in works.values():
        with pytest.raises(TableMismatchError, match=f"table {name} is DELETING") as caught:
            await work()
        assert which == "control_table" or not caught.value.begun  # a command exits with 2


async def test_marks_of_an_earlier_migration_are_no_items() -> None:
    """A chained migration with other names would take tombstones for items; it is told."""
    first, gateway = await world()
    assert (await Migrator(first, gateway=gateway).run()).ok
    same = orders.migration("shop-3", old=first.new, control_table=first.control_table)
    other = attrs.evolve(same, name="shop-4", tombstone_attribute="gone", token_attribute="version")
    await gateway.create_table(orders.table(same.new))

    async def open_repository() -> None:
        async with DualTableRepository(other, gateway=gateway):
            pass

    for work in (
        Migrator(other, gateway=gateway).run,
        Migrator(other, gateway=gateway, dry_run=True).run,
        Verifier(other, gateway=gateway).run,
        open_repository,
    ):
        with pytest.raises(TableMismatchError, match="'_dualtable_deleted' and the token"):
            await work()
    assert (await Migrator(same, gateway=gateway, dry_run=True).run()).complete


class Tells(dict[str, Any]):
    """An item of a class of somebody's own, which cannot be read."""

    def items(self) -> Any:
        raise LookupError("tell nobody")


def returns_what_cannot_be_read(item: dict[str, Any]) -> dict[str, Any]:
    return Tells(item) if item["id"] in ("o-3", "o-7") else item


def cancels(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] in ("o-3", "o-7"):
        raise asyncio.CancelledError
    return item


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("transform", "error"),
    [(returns_what_cannot_be_read, "LookupError"), (cancels, "CancelledError")],
)
async def test_what_users_code_does_to_one_item_is_a_dead_letter(
    transform: Any, error: str, dry_run: bool
) -> None:
    """Neither ends a worker of the run, nor the run."""
    plan, gateway = await world(transform)
    given: dict[str, Any] = {"gateway": gateway, "dead_letters": "letters", "dry_run": dry_run}
    report = await Migrator(plan, **given).run()
    assert (report.complete, report.written, report.failed) == (True, 8, 2)
    said = Path("letters").read_text()
    assert said.count(f"raised {error} at test_endings.py") == 2
    assert "tell nobody" not in said


@pytest.mark.parametrize("where", ["transform", "observer", "verify", "sample", "retry"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_process_comes_out_of_the_run(
    error: type[BaseException], where: str
) -> None:
    """As itself, to whoever awaits it; the events say so."""

    def leave(_: Any) -> Any:
        raise error

    plan, gateway = await world(fails_on_some)
    plan = attrs.evolve(plan, version="1")
    leaving = attrs.evolve(plan, transform=leave)
    await Migrator(plan, gateway=gateway, dead_letters="letters").run()
    given: dict[str, Any] = {"gateway": gateway, "restart": True, "events": "e"}
    works: dict[str, Any] = {
        "transform": Migrator(leaving, **given).run,
        "observer": Migrator(plan, observer=leave, **given).run,
        "verify": Verifier(leaving, **given).run,
        "sample": Verifier(leaving, gateway=gateway).sample,
        "retry": lambda: retry_dead_letters(leaving, gateway=gateway),
    }
    with pytest.raises(error):
        await works[where]()
    for file in Path("e").glob("*"):
        assert json.loads(file.read_text().splitlines()[-1])["reason"].startswith(error.__name__)


async def test_an_observer_that_fails_leaves_no_lease() -> None:
    """Its error is raised; the segments are free for the next run at once."""

    def fail(_: object) -> None:
        raise ZeroDivisionError

    plan, gateway = await world()
    with pytest.raises(ZeroDivisionError):
        await Migrator(plan, gateway=gateway, total_segments=10, observer=fail).run()
    status = await read_status(plan, gateway=gateway)
    assert (status.segments_held, status.workers) == (0, ())
    with pytest.raises(ZeroDivisionError):
        await Verifier(plan, gateway=gateway, observer=fail).run()
    assert (await read_status(plan, gateway=gateway)).segments_held == 0
    assert (await Migrator(plan, gateway=gateway).run()).ok


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
async def test_a_pipe_that_nobody_reads_is_not_waited_for() -> None:
    """The run ends and says so; with a reader, the letters go there."""
    os.mkfifo("pipe")
    plan, gateway = await world(fails_on_some)
    with pytest.raises(DualTableError, match="'pipe': nobody reads from this pipe"):
        await Migrator(plan, gateway=gateway, dead_letters="pipe").run()
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        report = await Migrator(plan, gateway=gateway, dead_letters="pipe").run()
        lines = os.read(reader, 10_000).splitlines()
    finally:
        os.close(reader)
    assert (report.complete, report.dead_letters) == (True, 2)
    assert sorted(json.loads(line)["key"]["id"]["S"] for line in lines) == ["o-3", "o-7"]


def line_of(run: str, number: int = 1) -> str:
    return json.dumps({"key": {"id": {"S": f"o-{number}"}}, "run": run}) + "\n"


@pytest.mark.parametrize("before", [line_of("r-1"), line_of("dry-run") + line_of("r-1")])
async def test_a_dry_run_leaves_the_letters_of_a_run_alone(before: str) -> None:
    """A run may be under way and write to this very file."""
    Path("letters").write_text(before)
    plan, gateway = await world(fails_on_some)
    with pytest.raises(InvalidSettingError, match=r"those of a run \(r-1\).*another path"):
        await Migrator(plan, gateway=gateway, dead_letters="letters", dry_run=True).run()
    assert {path.name: path.read_text() for path in Path().glob("letters*")} == {"letters": before}


async def test_a_file_that_lines_of_this_run_are_in_stays() -> None:
    """Whoever else has written to it in between, and before."""
    before = line_of("dry-run") + line_of("r-0") + line_of("r-1")
    Path("letters").write_text(before)
    await DeadLetterFile("letters").begin("r-1")
    assert Path("letters").read_text() == before
    await DeadLetterFile("letters").begin("r-2")
    assert Path("letters.r-0").read_text() == before
    assert not Path("letters").exists()


@pytest.mark.parametrize("run", ["a/b", "\0", "x" * 300])
async def test_a_run_that_names_no_file_is_told(run: str) -> None:
    """A file made by hand, or damaged: its lines stay, and it is said what to do."""
    Path("letters").write_text(line_of(run))
    plan, gateway = await world()
    with pytest.raises(DualTableError, match=r"cannot be moved out of the way .*another path"):
        await Migrator(plan, gateway=gateway, dead_letters="letters").run()
    assert Path("letters").read_text() == line_of(run)


async def test_a_file_that_cannot_be_read_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whose dead letters it holds."""
    Path("letters").write_text(line_of("r-1"))

    def fail(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(DualTableError, match=r"cannot be read, .*\(Permission denied\)"):
        await DeadLetterFile("letters").begin("r-2")
