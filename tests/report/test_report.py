"""The report says what a migration did and what held it back, on one page that needs nothing."""

from __future__ import annotations

import json
import os
import re
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orders
import pytest
from simulation import proofs, virtual_time
from simulation.capacity import Capacity
from simulation.dynamodb import SimulatedDynamoDB

from dualtable import (
    DualTableError,
    DualTableRepository,
    Lifecycle,
    Migrator,
    Phase,
    Planner,
    Verifier,
    clean_up,
    retry_dead_letters,
    write_report,
)
from dualtable._cli.commands import COMMANDS
from dualtable._cli.main import run
from dualtable._events.file import EventFile
from dualtable._events.interval import Interval
from dualtable._events.verdict import Cause
from dualtable._report.findings import ADVICE
from dualtable._telling.forms import told
from dualtable.errors import InvalidSettingError
from dualtable.testing import MemoryGateway

pytestmark = pytest.mark.skipif(find_spec("pygal") is None, reason="pygal is not installed")


class Page(HTMLParser):
    """A page as a reader has it: its text, its tags, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.links = "", [], []
        self.feed(text)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += f" {data}"


async def world(count: int) -> tuple[Any, MemoryGateway]:
    plan = orders.migration("shop")
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    return plan, gateway


def page(path: str = "shop.report.html") -> Page:
    return Page(Path(path).read_text(encoding="utf-8"))


async def test_a_report_of_a_whole_migration() -> None:
    """Totals against the plan, dead letters, verification and settings stand on it."""
    plan, gateway = await world(60)
    await orders.fill(gateway, plan.old, [orders.old_order(101, total="twelve")])
    planned = await Planner(plan, gateway=gateway).run()
    said = told(planned)
    Path("plan.json").write_text(json.dumps(said, default=str))
    await Migrator(plan, gateway=gateway, concurrency=3).run()
    await Verifier(plan, gateway=gateway).run()
    written = await write_report(plan, gateway=gateway, plan="plan.json")
    assert written.runs == 2
    text = page(written.path).text
    for part in (
        "in phase MIGRATING: 61 items",
        "items read 61 written 60",
        "1 item was not copied.",
        "TransformError",
        "o-101",
        "found something wrong",
        "concurrency 3",
        "planned came to read units",
        "Nothing was throttled.",
        "level content, ended",
        "items of both tables looked at 121",
        "verify 20",
    ):
        assert part in text
    assert "twelve" not in text


async def test_a_verification_has_a_report_of_its_own(tmp_path: Path) -> None:
    """Where only it has told of itself, as on another machine, the page shows what it did."""
    plan, gateway = await world(30)
    await Migrator(plan, gateway=gateway, events=os.devnull).run()
    await Verifier(plan, gateway=gateway, events=tmp_path / "proof").run()
    written = await write_report(plan, gateway=gateway, events=[tmp_path / "proof"])
    found = page(written.path)
    assert (written.runs, written.findings) == (1, ())
    assert "No events of the copy were given, in phase MIGRATING." in found.text
    assert "found nothing wrong" in found.text
    assert "Items looked at a second" in found.text
    assert "What held the verification back" in found.text
    assert "What held it back" not in found.text
    assert found.tags.count("svg") == 4


async def test_a_change_of_the_old_table_is_on_the_page() -> None:
    """It breaks what everything rests on, and must not pass for a copy that differs."""
    plan, gateway = await world(10)
    await Migrator(plan, gateway=gateway).run()
    await orders.fill(gateway, plan.old, [orders.old_order(3, total="7.00")])
    await Verifier(plan, gateway=gateway).run()
    text = page((await write_report(plan, gateway=gateway)).path).text
    assert "UTC and found something wrong: 1 changed in the old table." in text
    assert "CHANGED IN THE OLD TABLE 1" in text
    assert "different 0" in text


async def test_a_cleanup_is_part_of_the_report() -> None:
    """It says what went, and does not count as copying."""
    plan = orders.migration("shop", settle_seconds=1)
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    async with DualTableRepository(plan, gateway=gateway) as repository:
        await repository.delete(orders.key(1))
    await Migrator(plan, gateway=gateway).run()
    await Verifier(plan, gateway=gateway).run()
    await Lifecycle(plan, gateway=gateway).advance(to=Phase.FINISHED, wait=True)
    await clean_up(plan, gateway=gateway)
    written = await write_report(plan, gateway=gateway)
    found = page(written.path)
    assert written.runs == 3
    assert "complete, in phase FINISHED: 0 items in" in found.text
    assert "items of the new table looked at 1 tombstones deleted 1" in found.text
    assert "Nothing is left to be swept." in found.text or "run it once more" in found.text


async def test_a_dry_run_is_told_apart_from_the_copy() -> None:
    """It wrote nothing, so it is neither copied nor paid for as a write, with a copy or alone."""
    plan, gateway = await world(50)
    await Migrator(plan, gateway=gateway, dry_run=True).run()
    written = await write_report(plan, gateway=gateway)
    alone = page(written.path).text
    assert written.held_back_by
    assert "Only dry runs were told of, in phase MIGRATING: nothing was copied" in alone
    assert "1 dry run. Nothing was written" in alone
    assert "items read 50 would be written 50" in alone
    assert "written 50" not in alone.replace("would be written 50", "")
    done = await Migrator(plan, gateway=gateway).run()
    await write_report(plan, gateway=gateway)
    both = page().text
    assert "complete, in phase MIGRATING: 50 items in" in both
    assert "items read 50 written 50" in both
    assert f" write units {done.write_units:,.0f} " in both
    assert "would be written 50" in both


async def test_a_dead_letter_that_was_retried_is_not_open() -> None:
    """The file keeps it, so the control table is asked; offline it is said to be the file's."""
    bad = {orders.key(n)["id"] for n in (3, 4)}

    def moody(item: Any) -> Any:
        if item["id"] in bad:
            raise ValueError
        return item

    plan = orders.migration("shop", moody, version="1", indexes=[])
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(9)])
    await Migrator(plan, gateway=gateway).run()
    said = {"2 items were not copied.": set(bad), "at first; 1 still open.": {"o-4"}}
    for expected, still in {**said, "at first; none is open any more.": set[str]()}.items():
        bad.intersection_update(still)
        await retry_dead_letters(plan, gateway=gateway)
        await write_report(plan, gateway=gateway)
        assert expected in page().text
    await write_report(plan, offline=True)
    assert "By the file: 2 items were not copied. Which are still open was not" in page().text
    Path("shop.dead-letters.jsonl").unlink()
    bad.add("o-5")
    await Migrator(plan, gateway=gateway, restart=True, dead_letters=os.devnull).run()
    await write_report(plan, gateway=gateway)
    assert "1 item was not copied; the file here has none." in page().text


async def test_the_page_needs_nothing_else() -> None:
    """No script, no font, no picture: it may be mailed, and opened without a network."""
    plan, gateway = await world(10)
    await Migrator(plan, gateway=gateway).run()
    await write_report(plan, gateway=gateway)
    text = Path("shop.report.html").read_text()
    found = page()
    assert found.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert found.tags.count("svg") >= 7
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\s\"'<>)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x>', "\x1b[31m&amp;"])
async def test_what_others_wrote_is_text(evil: str) -> None:
    """Keys and reasons come from tables and users; on the page they act upon nothing."""
    plan, gateway = await world(5)
    await Migrator(plan, gateway=gateway).run()
    letter = {"key": {"id": {"S": evil}}, "error": evil, "reason": evil, "segment": 1}
    Path("shop.dead-letters.jsonl").write_text(json.dumps(letter) + "\ntorn\n")
    await write_report(plan, gateway=gateway)
    found = page()
    assert not {"script", "img"} & set(found.tags)
    assert "\x1b" not in found.text
    assert "1 item was not copied at first; none is open any more." in found.text
    assert "Lines that could not be read: 1." in found.text


def sagging(folder: Path) -> None:
    """Migrate the production report's case, by one scan in order."""

    async def main() -> None:
        gateway = SimulatedDynamoDB()
        deleted = proofs._deleted(5_000 * 27, 0.7, 1.0)
        old = Capacity(write_units=5, read_units=100, partitions=1)
        keys = proofs.keys(5_000)
        gateway.add_table("orders", old, proofs.old_item, keys=keys, deleted=deleted)
        gateway.add_table("orders-v2", Capacity(write_units=400, read_units=50, partitions=1))
        await Migrator(
            proofs.MIGRATION,
            gateway=gateway,
            clock=virtual_time.VirtualClock(),
            dead_letters=os.devnull,
            events=folder,
            total_segments=1,
            concurrency=1,
        ).run()

    virtual_time.run(main())


def test_the_sag_of_the_production_case_is_explained(tmp_path: Path) -> None:
    """When it sank, to how much of what it was, why, and what would help."""
    sagging(tmp_path / "events")
    virtual_time.run(
        write_report(proofs.MIGRATION, events=[tmp_path / "events"], offline=True, out="r.html")
    )
    text = page("r.html").text
    assert re.search(r"From 0:\d\d to 1:\d\d the writes sank to [4-6]\d\.\d % of 38\d", text)
    assert "What held them back: deleted items in the old table; the scan walked over" in text
    assert "write capacity of the new table" in text
    assert ADVICE[Cause.EMPTY] in text


async def test_several_processes_are_laid_on_one_line_of_time(tmp_path: Path) -> None:
    """Two machines at once write twice as much; between two runs nobody was at work."""
    starts = {"a": 0.0, "b": 0.0, "c": 60.0}
    for process, start in starts.items():
        head = {"kind": "migrate", "name": "shop", "begun": start, "process": process}
        file = EventFile(tmp_path / "events" / f"migrate-{process}.jsonl", head)
        for n in range(4):
            at = start + 5.0 * n
            stages = {"waiting for write units": 5.0}
            told = Interval(at=at, seconds=5.0, write_units=500.0, write_rate=100.0, stages=stages)
            await file.add(told)
        await file.end({"ended": start + 20.0, "outcome": "stopped"})
    await write_report(orders.migration("shop"), events=[tmp_path / "events"], offline=True)
    text = page().text
    assert "0:00 to 0:20 write capacity of the new table 200 0" in text
    assert "0:20 to 1:00 nobody was at work" in text
    assert "1:00 to 1:20 write capacity of the new table 100 0" in text


async def test_only_who_is_at_work_can_sink(tmp_path: Path) -> None:
    """A pause is named with what was said of it; a time in which nobody was at work is no sag."""
    head = {"kind": "migrate", "name": "shop", "begun": 0.0}
    file = EventFile(tmp_path / "migrate-1.jsonl", head)
    for n in [*range(10), *range(20, 34)]:
        still = 24 <= n < 28
        paused = {"paused_seconds": 5.0, "paused_by": "the replicas lag"} if still else {}
        units = 0.0 if still else 500.0
        stages = {"waiting for write units": 5.0}
        told = Interval(at=5.0 * n, seconds=5.0, write_units=units, stages=stages, **paused)
        await file.add(told)
    await file.end({"ended": 170.0, "outcome": "stopped"})
    written = await write_report(orders.migration("shop"), events=[tmp_path], offline=True)
    assert written.findings == (
        "From 2:00 to 2:20 the writes sank to 0.0 % of 100 units a second. What held them back:"
        " a pause (the replicas lag).",
    )
    assert "2:00 to 2:20 a pause (the replicas lag) 0 0" in page(written.path).text


async def test_a_killed_run_is_reported_as_far_as_it_came(tmp_path: Path) -> None:
    """Its file has no end, and perhaps half a line."""
    head = {"kind": "migrate", "name": "shop", "begun": 0.0}
    file = EventFile(tmp_path / "migrate-1.jsonl", head)
    for n in range(3):
        await file.add(Interval(at=5.0 * n, seconds=5.0, pages=1.0, found=5.0, walked=5.0))
    with (tmp_path / "migrate-1.jsonl").open("ab") as torn:
        torn.write(b'{"at": 15, "sec')
    await write_report(orders.migration("shop"), events=[tmp_path], offline=True)
    assert "no end: it was killed, or still goes on; lines that could not be read: 1" in page().text


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "there are no events in 'shop.events'"),
        ('{"dualtable_events": 99, "begun": 1, "name": "shop"}\n', "of version 99"),
        ("{}\n", "is no event file"),
        ('{"dualtable_events": 1, "begun": 1, "name": "other"}\n', "no run of shop has told"),
    ],
)
async def test_what_is_no_event_file_is_refused_by_name(made: str | None, told: str) -> None:
    """Wrong folders and later versions are said, not guessed at."""
    if made is not None:
        Path("shop.events").mkdir()
        Path("shop.events/migrate-1.jsonl").write_text(made)
    with pytest.raises(InvalidSettingError, match=told):
        await write_report(orders.migration("shop"), offline=True)


@pytest.mark.parametrize(
    "change",
    [
        *({"begun": begun} for begun in ("x", None, 1e300, -1e15, [], {})),
        *({"kind": kind} for kind in ([], {}, 5)),
        *({"settings": settings} for settings in ("x", [], None)),
        *({"tables": tables} for tables in ("x", {"old": 5}, {"new": {"write_units": "x"}})),
        {"dualtable_events": "1"},
    ],
)
async def test_a_damaged_first_line_is_refused_by_name(change: dict[str, Any]) -> None:
    """Nobody knows whose events follow; and no error of Python's tells which file it is."""
    Path("shop.events").mkdir()
    head = {"dualtable_events": 1, "begun": 1, "name": "shop", "kind": "migrate"}
    Path("shop.events/migrate-1.jsonl").write_text(json.dumps(head | change))
    with pytest.raises(InvalidSettingError, match=r"migrate-1.jsonl' is no event file"):
        await write_report(orders.migration("shop"), offline=True)


async def test_a_folder_that_looks_like_a_file_is_refused_by_name() -> None:
    """It has been put there by somebody, and its events would be missing."""
    Path("shop.events/migrate-1.jsonl").mkdir(parents=True)
    with pytest.raises(InvalidSettingError, match=r"migrate-1.jsonl' is no file"):
        await write_report(orders.migration("shop"), offline=True)


async def test_a_file_that_may_not_be_read_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the reason."""

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    Path("shop.events").mkdir()
    Path("shop.events/migrate-1.jsonl").touch()
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InvalidSettingError, match=r"migrate-1.jsonl' cannot be read \(Permission"):
        await write_report(orders.migration("shop"), offline=True)


@pytest.mark.parametrize(
    "line",
    [
        *({"at": at} for at in ("x", None, 1e300, 1e15, [])),
        *({"pages": pages} for pages in ("z", None, 1e300, [1], {})),
        *({"counts": counts} for counts in (5, ["scanned"], {"scanned": "x"}, {"scanned": [1]})),
        *({"latency": latency} for latency in ([], {"old scan": 5}, {"old scan": ["x"]})),
        *({"stages": {"units": None}}, {"paused_by": 5}, {"workers": "x"}, {"read_rate": "x"}),
        *({"ended": 9, "report": report} for report in ("x", [], 5)),
    ],
)
async def test_a_damaged_line_is_left_out_and_said(line: dict[str, Any]) -> None:
    """Whatever a disk or an editor has made of it; what the others say is on the page."""
    Path("shop.events").mkdir()
    head = {"dualtable_events": 1, "begun": 1, "name": "shop", "kind": "migrate"}
    known = {"at": 1, "seconds": 5, "pages": 1, "counts": {"scanned": 7}}
    damaged = line if "ended" in line else {"at": 6, "seconds": 5, **line}
    lines = map(json.dumps, (head, known, damaged, {"ended": 11, "outcome": "complete"}))
    Path("shop.events/migrate-1.jsonl").write_text("\n".join(lines))
    written = await write_report(orders.migration("shop"), offline=True)
    text = page(written.path).text
    assert "complete; lines that could not be read: 1" in text
    assert "items read 7 " in text


async def test_no_clock_makes_a_page_of_endless_length() -> None:
    """One that was wrong for a moment stretches the slots, and adds none."""
    Path("shop.events").mkdir()
    head = {"dualtable_events": 1, "begun": 1, "name": "shop", "kind": "migrate"}
    lines = map(json.dumps, (head, *({"at": at, "seconds": 5} for at in (0, 2e11))))
    Path("shop.events/migrate-1.jsonl").write_text("\n".join(lines))
    written = await write_report(orders.migration("shop"), offline=True)
    assert Path(written.path).stat().st_size < 500_000


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Path.mkdir, "cannot be read (it is no file)"),
        (os.mkfifo, "cannot be read (it is no file)"),
        (lambda path: path.write_text("root:x:0:0\nbin:x:1:1\n"), "no dead letter in any of its 2"),
        (lambda path: None, "there is no file of dead letters"),
    ],
)
async def test_what_is_no_file_of_dead_letters_is_refused(made: Any, told: str) -> None:
    """A page that says there are none would be believed."""
    migration, gateway = await world(1)
    await Migrator(migration, gateway=gateway).run()
    made(Path("given"))
    with pytest.raises(InvalidSettingError, match=re.escape(told)):
        await write_report(migration, dead_letters="given", offline=True)


@pytest.mark.parametrize("torn", ["", '{"key": {"id"', os.devnull])
async def test_a_file_without_letters_has_none(torn: str) -> None:
    """Of a run without any, or one that was killed at its first."""
    migration, gateway = await world(1)
    await Migrator(migration, gateway=gateway).run()
    Path("given").write_text(torn)
    given = os.devnull if torn == os.devnull else "given"
    written = await write_report(migration, dead_letters=given, offline=True)
    assert "By the file: none" in page(written.path).text


@pytest.mark.parametrize("plan", ["", "{}", "[]", '{"choices": [], "recommended": "x"}'])
async def test_what_is_no_plan_is_refused(plan: str) -> None:
    """A file that says nothing of units is no plan."""
    migration, gateway = await world(1)
    await Migrator(migration, gateway=gateway).run()
    Path("plan.json").write_text(plan)
    with pytest.raises(InvalidSettingError, match="holds no plan"):
        await write_report(migration, plan="plan.json", offline=True)


async def test_a_report_leaves_everybodys_imports_alone() -> None:
    """pygal would put a finder among them that others, such as pytest, cannot ask."""
    migration, gateway = await world(1)
    await Migrator(migration, gateway=gateway).run()
    before = list(sys.meta_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygal"]:
        del sys.modules[name]
    await write_report(migration, gateway=gateway)
    assert sys.meta_path == before
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


def test_each_cause_has_its_advice() -> None:
    """Whatever held it back, the page says what that means."""
    assert set(ADVICE) == set(Cause)


def test_without_the_extra_it_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core does not need it, and an import error would help nobody."""
    monkeypatch.setitem(sys.modules, "pygal", None)
    sagging(Path("events"))
    with pytest.raises(DualTableError, match=r"\.\[report\]"):
        virtual_time.run(write_report(proofs.MIGRATION, events=["events"], offline=True))


def test_the_command_says_where_it_is_and_what_it_found(capsys: Any, tmp_path: Path) -> None:
    """One line for each finding, and the path; wrong places end with 2."""
    sagging(tmp_path / "ev")
    reference = "simulation.proofs:MIGRATION"
    code = run(COMMANDS, ["report", reference, "--events", "ev", "--offline"])
    out = capsys.readouterr().out
    assert code == 0
    assert "simulated: 1 run, held back most by" in out
    assert "deleted items in the old table" in out
    assert "The report is simulated.report.html." in out
    assert run(COMMANDS, ["report", reference, "--events", "nowhere", "--offline"]) == 2
