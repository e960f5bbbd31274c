"""A run tells of itself, in a file that stays small; whatever fails there, the run goes on."""

from __future__ import annotations

import asyncio
import functools
import json
import operator
import os
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
from clocks import HandClock
from hypothesis import given
from hypothesis import strategies as st

from dualtable import DualTableError, Migrator, Verifier
from dualtable._events.file import EventFile
from dualtable._events.interval import Interval, widened
from dualtable._events.recorder import Recorder
from dualtable._wire import codec
from dualtable.errors import AccessError
from dualtable.testing import MemoryGateway


async def world(count: int) -> tuple[Any, MemoryGateway]:
    plan = orders.migration("shop")
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    return plan, gateway


def lines(folder: Path = Path("shop.events")) -> list[dict[str, Any]]:
    (file,) = folder.iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def total(intervals: list[dict[str, Any]]) -> Interval:
    return joined([Interval.of(line) for line in intervals])


def joined(intervals: list[Interval]) -> Interval:
    return functools.reduce(operator.add, intervals)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_what_the_intervals_hold_is_what_the_run_did(dry_run: bool) -> None:
    """Each number of the report is the sum of its intervals; head and end say whose they are."""
    plan, gateway = await world(50)
    await orders.fill(gateway, plan.old, [orders.old_order(101, total="twelve")])
    report = await Migrator(plan, gateway=gateway, dry_run=dry_run).run()
    head, *intervals, end = lines()
    assert (head["dualtable_events"], head["kind"], head["name"]) == (1, "migrate", "shop")
    assert (end["outcome"], end["report"]["failed"]) == ("complete", 1)
    told = total(intervals)
    assert told.counts == {"scanned": 51, "written": report.written, "failed": 1}
    assert (told.pages, told.empty_pages) == (report.pages, report.empty_pages)
    assert told.found == 51
    assert told.old_read_units + told.new_read_units == report.read_units
    assert told.write_units == pytest.approx(report.write_units)
    assert sum(told.latency["old scan"]) == report.pages
    assert told.segments_done == head["total_segments"]


@pytest.mark.parametrize("shared", [True, False])
async def test_a_verification_tells_of_itself(shared: bool) -> None:
    """Its intervals are what its report says, also where the role may write no record."""
    plan, gateway = await world(50)
    await Migrator(plan, gateway=gateway, events=os.devnull).run()
    await gateway.delete(plan.new, codec.encode(orders.key(7)))
    seen: Any = gateway if shared else ReadOnly(gateway)
    report = await Verifier(plan, gateway=seen).run()
    head, *intervals, end = lines()
    assert (head["kind"], head["name"], head["settings"]["level"]) == ("verify", "shop", "content")
    assert (end["outcome"], end["report"]["ok"], end["report"]["missing"]) == ("complete", False, 1)
    told = total(intervals)
    assert told.counts == {"scanned": 99, "same": 49, "missing": 1}
    assert told.old_read_units + told.new_read_units == report.read_units
    scans = sum(told.latency["old scan"]) + sum(told.latency["new scan"])
    assert told.segments_done == head["total_segments"] == scans
    assert (told.write_units, told.segments_held) == (0, 0)
    assert "o-7" not in json.dumps([head, *intervals, end])


class ReadOnly:
    """A gateway for a role that may not write to the control table."""

    def __init__(self, gateway: MemoryGateway) -> None:
        self._gateway = gateway

    async def put(self, *_: Any, **__: Any) -> None:
        raise AccessError("not authorized to perform: dynamodb:PutItem")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


async def test_events_hold_neither_keys_nor_values() -> None:
    """Whoever gets the file learns numbers."""
    plan, gateway = await world(0)
    secret = orders.old_order(1, total="a-secret-total") | {"id": "a-secret-key"}
    await orders.fill(gateway, plan.old, [secret])
    await Migrator(plan, gateway=gateway).run()
    (file,) = Path("shop.events").iterdir()
    assert "secret" not in file.read_text()
    assert "secret" in Path("shop.dead-letters.jsonl").read_text()


async def test_a_run_that_fails_says_so_at_the_end() -> None:
    """What went wrong is the last line; what was done before stands above it."""
    plan, gateway = await world(5)

    def fail(_: object) -> None:
        raise DualTableError("the observer is unwell")

    with pytest.raises(DualTableError):
        await Migrator(plan, gateway=gateway, observer=fail).run()
    end = lines()[-1]
    assert end["outcome"] == "failed"
    assert end["reason"] == "DualTableError: the observer is unwell"


async def test_the_words_of_others_are_no_event() -> None:
    """An error that is none of the library's may quote an item: its class and place are told."""
    plan, gateway = await world(5)

    def fail(_: object) -> None:
        raise LookupError("a secret value")

    with pytest.raises(LookupError):
        await Migrator(plan, gateway=gateway, observer=fail).run()
    line = fail.__code__.co_firstlineno + 1
    assert lines()[-1]["reason"] == f"LookupError at test_events.py:{line}"
    (file,) = Path("shop.events").iterdir()
    assert "secret" not in file.read_text()


async def test_where_the_events_go(tmp_path: Path) -> None:
    """Beside the dead letters, or where one says; nowhere where those are thrown away."""
    plan, gateway = await world(1)
    (tmp_path / "other").mkdir()
    for settings in (
        {"dead_letters": os.devnull},
        {"events": os.devnull},
        {"dead_letters": tmp_path / "other" / "letters"},
        {"events": tmp_path / "mine"},
    ):
        await Migrator(plan, gateway=gateway, dry_run=True, **settings).run()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir()}
    assert found == {"other", "other/shop.events", "mine"}


async def test_a_failing_disk_stops_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """A file in place of the folder: the copy is complete, and it is said once."""
    Path("shop.events").write_text("mine")
    plan, gateway = await world(20)
    report = await Migrator(plan, gateway=gateway).run()
    assert report.ok
    assert Path("shop.events").read_text() == "mine"
    told = [record for record in caplog.records if "cannot be written" in record.message]
    assert len(told) == 1


async def test_a_path_that_the_system_cannot_take_stops_no_run() -> None:
    """Such as a text that no file system encodes."""
    plan, gateway = await world(5)
    assert (await Migrator(plan, gateway=gateway, events="\ud800").run()).ok


async def test_a_disk_that_recovers_gets_everything(tmp_path: Path) -> None:
    """What could not be written goes to the disk with what comes next."""
    folder = tmp_path / "events"
    folder.write_text("in the way")
    file = EventFile(folder / "migrate-1.jsonl", {"kind": "migrate"})
    for n in range(3):
        await file.add(Interval(at=5.0 * n, seconds=5.0, pages=1))
    folder.unlink()
    await file.add(Interval(at=15.0, seconds=5.0, pages=1))
    await file.end({"ended": 20})
    head, *intervals, _ = lines(folder)
    assert head["kind"] == "migrate"
    assert total(intervals).pages == 4


async def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """Who writes waits for a reader of this pipe for ever; the run does not."""
    path = tmp_path / "migrate-1.jsonl"
    os.mkfifo(path.with_suffix(".part"))
    clock = HandClock()
    recorder = Recorder(clock, lambda: Interval(at=0.0), EventFile(path, {}))
    recorder.patience_seconds = 0.05
    async with asyncio.timeout(5), recorder.telling():
        await asyncio.sleep(0)
    await asyncio.to_thread(path.with_suffix(".part").read_bytes)  # let the writer go


async def test_a_long_run_has_a_small_file(tmp_path: Path) -> None:
    """Intervals become longer as there are more; nothing that was counted is lost."""
    path = tmp_path / "migrate-1.jsonl"
    file = EventFile(path, {}, most_intervals=20)
    for n in range(700):
        await file.add(Interval(at=5.0 * n, seconds=5.0, pages=1, counts={"written": 2}))
        assert len(path.read_text().splitlines()) <= 21
    await file.end({"ended": 3_500})
    _, *intervals, _ = lines(tmp_path)
    told = total(intervals)
    assert (told.pages, told.counts["written"], told.seconds) == (700, 1_400, 3_500)
    assert len(intervals) <= 20


async def test_a_restless_migrator_keeps_a_hundred_files(tmp_path: Path) -> None:
    """A container that starts again and again does not fill the disk."""
    for n in range(104):
        kind = "verify" if n % 2 else "migrate"
        await EventFile(tmp_path / f"{kind}-2027{n:04}.jsonl", {}).end({"ended": n})
    kept = sorted(path.name.partition("-")[2] for path in tmp_path.iterdir())
    assert kept == [f"2027{n:04}.jsonl" for n in range(4, 104)]


numbers = st.integers(1, 1_000).map(float)
named = st.dictionaries(st.sampled_from("abc"), numbers, max_size=3)
counted = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
buckets = st.dictionaries(st.sampled_from("abc"), counted, max_size=3)


@st.composite
def intervals(draw: st.DrawFn) -> list[Interval]:
    return [
        Interval(
            at=5.0 * n,
            seconds=5.0,
            pages=draw(numbers),
            counts=draw(named),
            latency=draw(buckets),
            workers=draw(st.integers(0, 9)),
        )
        for n in range(draw(st.integers(1, 6)))
    ]


@given(intervals(), st.sampled_from([5.0, 10.0, 20.0, 60.0]))
def test_joining_loses_nothing(each: list[Interval], seconds: float) -> None:
    """However intervals are joined, their sum is the same, and the last word is the last one."""
    assert joined(widened(each, seconds)) == joined(each)
    assert all(i.seconds <= seconds for i in widened(each, seconds))


@given(intervals())
def test_an_interval_is_the_difference_of_two_looks(each: list[Interval]) -> None:
    """Counters only grow: what has come since the last look is what came."""
    sums = [each[0]]
    for interval in each[1:]:
        sums.append(sums[-1] + interval)
    for before, now, came in zip(sums, sums[1:], each[1:], strict=False):
        assert now - before == came


def test_what_a_later_version_adds_is_left_out() -> None:
    """A report of today reads the file of tomorrow as far as it knows it."""
    interval = Interval(at=5.0, seconds=5.0, latency={"old scan": (1, 2)})
    assert Interval.of({**interval.fields(), "novelty": 1}) == interval
    assert attrs.asdict(Interval.of({"at": 1.0}))["pages"] == 0
