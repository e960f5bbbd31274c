"""What is shown of a run: the figures, how they read, and where they go."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from typing import Any

import pytest
import rich.console
from clocks import HandClock

from dualtable import CleanupProgress, MigrationProgress, MigrationReport, VerificationProgress
from dualtable._progress.lines import broken, line, rows, strip
from dualtable._progress.meter import Meter, View, seconds_left
from dualtable._progress.readings import Reading, of_cleanup, of_migration, of_verification
from dualtable._progress.shown import AUTO, JSON, KINDS, LINES, NONE, drawn, shown
from dualtable._telling.words import duration


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def reading(items: int, share: float | None = None) -> Reading:
    return Reading(items=items, own_items=items, share=share, write_units=2.0 * items)


def test_a_rate_is_that_of_the_last_seconds() -> None:
    """A sag shows at once, whatever the average of the run."""
    meter = Meter(0)
    for second in range(1, 31):
        meter.note(reading(1_000 * second), second)
    assert meter.view().items_per_second == 1_000
    for second in range(31, 42):
        meter.note(reading(30_000 + 100 * (second - 30)), second)
    assert meter.view().items_per_second == 100
    assert meter.view().write_units_per_second == 200


def test_the_time_left_follows_from_the_last_minute() -> None:
    """It goes down second by second while all goes on alike."""
    meter = Meter(0)
    for second in range(1, 61):
        meter.note(reading(second, share=second / 120), second)
    assert meter.view().seconds_left == pytest.approx(60, abs=1)


@pytest.mark.parametrize("slow_seconds", [5, 10, 20])
def test_one_slow_page_does_not_let_the_time_left_jump(slow_seconds: int) -> None:
    """From one look to the next it moves by a small part; in the end it is right again."""
    meter, before = Meter(0), 0.0
    for second in range(1, 200):
        slow = 100 <= second < 100 + slow_seconds
        done = 100 if slow else second - slow_seconds * (second >= 100 + slow_seconds)
        meter.note(reading(done, share=done / 400), second)
        left = meter.view().seconds_left or 0.0
        if second > 10:
            assert abs(left - (before - 1)) < 0.04 * before
        before = left
    assert before == pytest.approx(400 - 199 + slow_seconds, rel=0.15)


def test_what_goes_before_the_first_page_is_no_slowness() -> None:
    """Processes start, leases run out: the time left of a short run is right soon after that."""
    meter = Meter(0)
    for second in range(1, 31):
        meter.note(Reading(items=0, own_items=0, share=0.0), second)
    for second in range(31, 46):
        done = second - 30
        meter.note(Reading(items=done, own_items=done, share=done / 60), second)
    assert meter.view().seconds_left == pytest.approx(45, rel=0.1)


def test_a_resumed_run_counts_only_its_own_items_in_the_rate() -> None:
    """What earlier runs did is not taken for speed."""
    meter = Meter(0)
    meter.note(Reading(items=1_000_100, own_items=100), 1)
    assert (meter.view().items, meter.view().items_per_second) == (1_000_100, 100)


@pytest.mark.parametrize(
    ("share", "per_second", "expected"),
    [(0.5, 0.1, 5.0), (1, None, 0.0), (None, 0.1, None), (0.5, None, None), (0.5, 0, None)],
)
def test_the_time_left(
    share: float | None, per_second: float | None, expected: float | None
) -> None:
    """It is unknown rather than endless where nothing moves."""
    assert seconds_left(share, per_second) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (0, "0:00"), (59.6, "1:00"), (3_787, "1:03:07"), (360_000, "100:00:00")],
)
def test_durations(seconds: float | None, text: str) -> None:
    """They read as on a clock."""
    assert duration(seconds) == text


def test_a_line_of_a_migration() -> None:
    """It has all that was asked for: items, rate, share, empty pages, retries, time left."""
    meter = Meter(0)
    report = MigrationReport(
        scanned=1_000, empty_pages=3, throttled=2, retries=4, failed=1, write_units=1_500
    )
    progress = MigrationProgress(
        report=report, scanned=1_500, estimated_items=4_000, segments_done=1, total_segments=8
    )
    meter.note(of_migration(progress), 10)
    meter.note(of_migration(progress), 10)
    assert line(meter.view()) == (
        "37.5 % done, — left, 1,500 items, 100/s, 0 read units/s, 150 write units/s, 0 pages,"
        " 3 empty pages, 1 dead letter, 1 migrator, 4 retries, 2 throttled"
    )


def going(**changes: object) -> MigrationProgress:
    return MigrationProgress(
        report=MigrationReport(scanned=10, retries=9, throttled=7),
        scanned=10,
        estimated_items=100,
        segments_done=1,
        total_segments=8,
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, ""),
        ({"held_back_by": "write ceiling"}, "held back by: write ceiling"),
        (
            {"paused_by": "dualtable pause or rate", "held_back_by": "write ceiling"},
            "PAUSED by rate, resume with dualtable resume shop:migration",
        ),
        ({"paused_by": "replica lag"}, "PAUSED by replica lag"),
        (
            {"waiting_for": ("host-7:4711:cafe",), "waiting_seconds": 17.6},
            "waiting 18 s for leases of host-7:4711, which has gone silent",
        ),
        (
            {"waiting_for": ("host-7:4711:cafe",)},
            "waiting for host-7:4711, which has the rest in hand",
        ),
        (
            {"waiting_for": ("host-7:4711:cafe", "host-8:1:beef")},
            "waiting for host-7:4711, host-8:1, which have the rest in hand",
        ),
    ],
)
def test_the_state_in_a_word(changes: dict[str, object], state: str) -> None:
    """Why it goes no faster, or not at all; who stands still is not told a time that is left."""
    reading = of_migration(going(**changes), "shop:migration")
    assert reading.state == state
    assert reading.stands_still == ("PAUSED" in state or "waiting" in state)
    meter = Meter(0)
    meter.note(reading, 10)
    assert ("left" in line(meter.view())) != reading.stands_still


def test_throttles_are_told_by_their_reason() -> None:
    """DynamoDB's reasons in words; what was retried for something else beside them."""
    throttles = {"TableWriteKeyRangeThroughputExceeded": 4, "key ranges of the new table": 3}
    counts = of_migration(going(throttles=throttles)).counts
    assert counts["throttled by table write key range"] == 4
    assert counts["throttled by key ranges of the new table"] == 3
    assert counts["other retries"] == 2


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_no_row_is_longer_than_the_terminal(columns: int) -> None:
    """Lines are broken between figures, and a long state between its words; nothing is lost."""
    meter = Meter(0)
    changes = {
        "paused_by": "dualtable pause or rate",
        "throttles": {"TableWriteKeyRangeThroughputExceeded": 123_456},
        "may_read_units": 12_000.0,
        "may_write_units": 40_000.0,
        "segments": bytes(10_000),
    }
    meter.note(of_migration(going(**changes), "orders_migration:migration"), 10)
    found = rows(meter.view(), columns)
    assert max(map(len, found)) <= columns
    words = " ".join(found).split()
    assert words[: words.index("items") + 1][-2:] == ["10", "items"]
    assert "orders_migration:migration" in words
    assert ("·" * (columns - 4) in found[-1]) == (columns >= 100)


def test_figures_stay_whole() -> None:
    """A figure that fits in a line is never broken."""
    assert list(broken(["12 items", "3 write units/s"], 20)) == ["  12 items", "  3 write units/s"]


@pytest.mark.parametrize(
    ("segments", "columns", "expected"),
    [
        ([0, 1, 2, 3, 4], 100, "  ·░▒▓█"),
        ([4, 4, 4, 0], 6, "  █░"),
        ([4, 4, 0, 0], 6, "  █·"),
        ([0, 3, 2, 4], 6, "  ▓▒"),
        ([4] * 1_000, 14, "  " + "█" * 10),
    ],
)
def test_a_strip_of_segments(segments: list[int], columns: int, expected: str) -> None:
    """Who is at work where; a column is only full when all of its segments are done."""
    assert strip(bytes(segments), columns) == expected


def test_a_line_of_a_verification() -> None:
    """It has the share done, the time left, and what was found."""
    meter = Meter(0)
    report = VerificationProgress(level="keys", checked=50, missing=2, share_done=0.25)
    meter.note(of_verification(report), 5)
    assert line(meter.view()) == (
        "25.0 % done, — left, 50 items, 10/s, 0 read units/s,"
        " 2 missing, 0 different, 0 changed in old, 0 extra"
    )


@pytest.mark.parametrize("kind", ["verify", "cleanup"])
def test_the_state_of_a_verification_and_a_cleanup(kind: str) -> None:
    """They share the ceilings with the copy, and say in the same words what holds them back."""

    def read(**goes: Any) -> Reading:
        if kind == "verify":
            progress = VerificationProgress(level="keys", share_done=0.2, checked=50, **goes)
            return of_verification(progress, "shop:migration")
        return of_cleanup(CleanupProgress(share_done=0.2, scanned=50, **goes), "shop:migration")

    paused = read(paused_by="dualtable pause or rate", held_back_by="a pause")
    assert paused.state == "PAUSED by rate, resume with dualtable resume shop:migration"
    meter = Meter(0)
    meter.note(paused, 10)
    assert line(meter.view()).startswith("20.0 % done, 50 items, ")
    assert line(meter.view()).endswith(paused.state)
    meter = Meter(0)
    meter.note(read(held_back_by="read ceiling", may_read_units=50.0), 10)
    assert " of 50 read units/s" in line(meter.view())
    assert line(meter.view()).endswith("held back by: read ceiling")


def test_before_the_first_page() -> None:
    """Nothing is known then, and nothing is made up."""
    assert Meter(0).view() == View()


async def test_lines_go_to_the_log_every_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no terminal; the last reading is shown also when the run ends."""
    caplog.set_level(logging.INFO, "dualtable")
    clock = HandClock()
    async with shown("migrating", kind=AUTO, clock=clock) as show:
        show(reading(10, share=0.1))
        while not caplog.messages:
            await asyncio.sleep(0)
        assert (clock.seconds - 1_000) / 5 - len(caplog.messages) in (0, 1)
        show(reading(100, share=1.0))
    assert caplog.messages[0].startswith("migrating: 10.0 % done, ")
    assert caplog.messages[-1].startswith("migrating: 100.0 % done, 0:00 left, 100 items")


async def test_a_run_that_fails_at_once_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An error is one line: no empty progress before it, and no exception group around it."""
    caplog.set_level(logging.INFO, "dualtable")
    with pytest.raises(ValueError, match="no table"):
        async with shown("migrating", kind=LINES, clock=HandClock()):
            raise ValueError("no table")
    assert not caplog.messages


async def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it moves, fits 80 columns, and leaves nothing behind but the log lines."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    async with shown("migrating", kind=AUTO, clock=HandClock()) as show:
        show(reading(1_234, share=0.25))
        while "1,234 items" not in terminal.getvalue():
            await asyncio.sleep(0)
    written = terminal.getvalue()
    assert "━" in written
    assert "25.0 % done" in written
    assert "\x1b[2K" in written  # the lines are erased in the end


async def test_on_a_terminal_that_only_prints(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can move there, so it is told in lines; it was not told at all."""
    caplog.set_level(logging.INFO, "dualtable")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    async with shown("migrating", kind=AUTO, clock=HandClock()) as show:
        show(reading(1_234, share=0.25))
    assert "1,234 items" in caplog.messages[-1]
    assert "\x1b" not in terminal.getvalue()


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_without_a_terminal(
    kind: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines in the log, JSON lines for containers, or nothing at all."""
    caplog.set_level(logging.INFO, "dualtable")
    async with shown("migrating", kind=kind, clock=HandClock()) as show:
        show(reading(100, share=0.5))
    written = capsys.readouterr().err
    assert bool(caplog.messages) == (kind in (AUTO, LINES))
    assert bool(written) == (kind == JSON)
    if kind == JSON:
        data = json.loads(written.splitlines()[-1])
        assert (data["progress"], data["items"], data["share"]) == ("migrating", 100, 0.5)
    assert kind != NONE or not (written or caplog.messages)


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_what_a_terminal_shows_fits_into_it(columns: int) -> None:
    """Drawn by rich itself: no line is longer, and none is cut with an ellipsis."""
    meter = Meter(0)
    changes = {"held_back_by": "throttled writes of the new table", "segments": bytes(64)}
    meter.note(of_migration(going(**changes), "orders_migration:migration"), 10)
    console = rich.console.Console(width=columns, file=io.StringIO(), record=True)
    console.print(drawn("migrating", meter.view(), columns))
    text = console.export_text()
    assert max(len(row.rstrip()) for row in text.splitlines()) <= columns
    assert "…" not in text
    assert "throttled writes of the new table" in " ".join(text.split())
