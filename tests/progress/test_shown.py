"""What is shown of a run: the figures, how they read, and where they go."""

from __future__ import annotations

import asyncio
import io
import logging
import sys

import pytest
from clocks import HandClock

from dualtable import MigrationProgress, MigrationReport, VerificationReport
from dualtable._progress.shown import (
    Meter,
    Reading,
    View,
    line,
    of_migration,
    of_verification,
    seconds_left,
    shown,
)
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
    """One slow page does not make it jump."""
    meter = Meter(0)
    for second in range(60):
        meter.note(reading(0, share=second / 120), second)
    meter.note(reading(0, share=59 / 120), 60)
    left = meter.view().seconds_left
    assert left is not None
    assert 61 < left < 65


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
        "37.5 % done, — left, 1,500 items, 100/s, 150 write units/s,"
        " 3 empty pages, 4 retries, 2 throttled, 1 dead letters"
    )


def test_a_line_of_a_verification() -> None:
    """It has the share done, the time left, and what was found."""
    meter = Meter(0)
    report = VerificationReport(level="keys", checked=50, missing=2, share_done=0.25)
    meter.note(of_verification(report), 5)
    assert line(meter.view()) == (
        "25.0 % done, — left, 50 items, 10/s, 2 missing, 0 different, 0 changed in old, 0 extra"
    )


def test_before_the_first_page() -> None:
    """Nothing is known then, and nothing is made up."""
    assert Meter(0).view() == View()


async def test_lines_go_to_the_log_every_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no terminal; the last reading is shown also when the run ends."""
    caplog.set_level(logging.INFO, "dualtable")
    clock = HandClock()
    async with shown("migrating", live=True, clock=clock) as show:
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
        async with shown("migrating", live=False, clock=HandClock()):
            raise ValueError("no table")
    assert not caplog.messages


async def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it moves, fits 80 columns, and leaves nothing behind but the log lines."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    async with shown("migrating", live=True, clock=HandClock()) as show:
        show(reading(1_234, share=0.25))
        while "1,234 items" not in terminal.getvalue():
            await asyncio.sleep(0)
    written = terminal.getvalue()
    assert "━" in written
    assert "25.0 % done" in written
    assert "\x1b[2K" in written  # the lines are erased in the end
