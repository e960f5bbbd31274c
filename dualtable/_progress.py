"""How a running migration is shown: numbers to text, and text to a terminal or a log.

The rule: what is shown is made by pure functions from what an observer gets and the seconds since
the start; only the two displays at the end know where it goes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import attrs

from dualtable._migrator import MigrationProgress
from dualtable._verifier import VerificationReport

_log = logging.getLogger("dualtable.progress")

_LOG_SECONDS = 5.0
_RATE_SECONDS = 10.0


@attrs.define
class Rate:
    """Items a second over the last few seconds."""

    _seen: deque[tuple[float, int]] = attrs.field(factory=deque)

    def note(self, seconds: float, items: int) -> None:
        self._seen.append((seconds, items))
        while len(self._seen) > 2 and self._seen[0][0] < seconds - _RATE_SECONDS:
            self._seen.popleft()

    def per_second(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else None


def seconds_left(share_done: float, share_at_start: float, seconds: float) -> float | None:
    """Estimate the time left from what this run has done so far; None where it is too early."""
    done = share_done - share_at_start
    return None if done <= 0 else seconds * (1 - share_done) / done


def duration(seconds: float | None) -> str:
    """Return ``1:02:03``, ``2:03``, or a dash where it is not known."""
    if seconds is None:
        return "—"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def migration_line(progress: MigrationProgress, rate: float | None, left: float | None) -> str:
    """Return one line on how far a migration has come."""
    report = progress.report
    return "  ".join(
        (
            f"{progress.share_done:4.0%}",
            f"{progress.scanned:,} items",
            f"{'—' if rate is None else format(rate, ',.0f')} items/s",
            f"{report.write_units:,.0f} write units",
            f"{report.empty_pages:,} empty pages",
            f"{report.throttled:,} throttled",
            f"{report.failed:,} failed",
            f"{duration(left)} left",
        )
    )


def verification_line(report: VerificationReport) -> str:
    """Return one line on how far a verification has come."""
    return "  ".join(
        (
            f"{report.checked:,} checked",
            f"{report.missing:,} missing",
            f"{report.different:,} different",
            f"{report.extra:,} extra",
            duration(report.seconds),
        )
    )


class MigrationLines:
    """Turns what an observer of a migration gets into lines."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._share_at_start: float | None = None

    def line(self, progress: MigrationProgress) -> str:
        seconds = progress.report.seconds
        if self._share_at_start is None:
            self._share_at_start = progress.share_done
        self._rate.note(seconds, progress.scanned)
        left = seconds_left(progress.share_done, self._share_at_start, seconds)
        return migration_line(progress, self._rate.per_second(), left)


@contextmanager
def display(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Yield what shows a line: in place on a terminal that rich can draw on, else as a log line."""
    if stream.isatty():
        try:
            from rich.console import Console
            from rich.live import Live
            from rich.text import Text
        except ImportError:
            pass
        else:
            with Live(console=Console(file=stream), transient=True) as live:
                yield lambda line: live.update(Text(line))
            return
    yield _now_and_then()


def _now_and_then() -> Callable[[str], None]:
    last = time.monotonic()

    def show(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_SECONDS:
            last = time.monotonic()
            _log.info("progress: %s", line)

    return show
