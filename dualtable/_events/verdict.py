"""What held a run back: one answer for each interval.

The rule: one task sends, and is always at one thing; what it waited for most is the bottleneck.
Where it waited for write units, that is the ceiling or the table; where it waited for pages, the
question goes on to the readers, and what these waited for most is the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dualtable._events.interval import Interval
from dualtable._sharing.retries import STATEMENTS
from dualtable._sharing.stages import ANSWERS, KEY_RANGES, SENDING, UNITS


class Cause(StrEnum):
    """What a run cannot go faster for."""

    WRITE_CEILING = "write ceiling"
    WRITE_CAPACITY = "write capacity of the new table"
    THROTTLED_TABLE = "throttled writes of the new table"
    KEY_RANGE = "throttled key range"
    PARTITION = "what one partition takes"
    READ_CEILING = "read ceiling"
    READ_CAPACITY = "read capacity"
    EMPTY = "deleted items in the old table"
    OLD_LATENCY = "latency of the old table"
    NEW_LATENCY = "latency of the new table"
    CPU = "this machine's CPU"
    TRANSFORM = "the transform"
    LEASES = "leases of others"
    PAUSE = "a pause"


_BUSY = 0.85  # of one processor: as much as one event loop gets
_MOSTLY = 0.5
_OFTEN = 0.1  # of the requests: so many throttled ones are more than a busy moment
_WALKED_FOR_ONE = 2.0  # keys that a scan walks over for each item that it finds


def held_back_by(interval: Interval) -> Cause:
    """Return what held a process back in these seconds."""
    if interval.paused_seconds > interval.seconds * _MOSTLY:
        return Cause.PAUSE
    if interval.cpu_seconds > interval.seconds * _BUSY:
        is_transform = interval.transform_seconds > interval.cpu_seconds * _MOSTLY
        return Cause.TRANSFORM if is_transform else Cause.CPU
    stage = max(interval.stages, key=interval.stages.__getitem__, default=None)
    if stage == UNITS:
        return _of_units(interval)
    if stage == KEY_RANGES:
        throttled = any(name == STATEMENTS or "KeyRange" in name for name in interval.throttles)
        return Cause.KEY_RANGE if throttled else Cause.PARTITION
    if stage == SENDING:
        return Cause.CPU
    if _throttles(interval, "Write") > _OFTEN * _requests(interval, "new insert"):
        return Cause.THROTTLED_TABLE  # what waits to be sent again is on its way all the time
    return Cause.NEW_LATENCY if stage == ANSWERS else _of_reading(interval)


def _of_units(interval: Interval) -> Cause:
    if interval.write_ceiling is not None:
        return Cause.WRITE_CEILING
    told = _throttles(interval, "Write")
    return Cause.THROTTLED_TABLE if told else Cause.WRITE_CAPACITY


def _throttles(interval: Interval, kind: str) -> float:
    """Return how many ``Read`` or ``Write`` requests a table as a whole has throttled."""
    of_tables = {name: n for name, n in interval.throttles.items() if "KeyRange" not in name}
    return sum(number for name, number in of_tables.items() if kind in name)


def _of_reading(interval: Interval) -> Cause:
    if not interval.pages and not interval.segments_held:
        return Cause.LEASES
    if interval.walked > interval.found * _WALKED_FOR_ONE:
        return Cause.EMPTY
    if interval.read_wait_seconds > interval.seconds * _MOSTLY:
        return Cause.READ_CAPACITY if interval.read_ceiling is None else Cause.READ_CEILING
    if _throttles(interval, "Read") > _OFTEN * _requests(interval, "old scan"):
        return Cause.READ_CAPACITY
    return (
        Cause.NEW_LATENCY if _took(interval, "new") > _took(interval, "old") else Cause.OLD_LATENCY
    )


def _requests(interval: Interval, path: str) -> int:
    """Return how many requests of a kind were answered, throttled ones included."""
    return sum(interval.latency.get(path, ()))


def _took(interval: Interval, table: str) -> float:
    """Return for how long answers of a table were waited for, all requests together."""
    took = interval.request_seconds.items()
    return sum(seconds for path, seconds in took if path.partition(" ")[0] == table)


def causes(intervals: Iterable[Interval]) -> dict[Cause, float]:
    """Return for how many seconds each cause held the run back, the longest first."""
    seconds: dict[Cause, float] = {}
    for interval in intervals:
        cause = held_back_by(interval)
        seconds[cause] = seconds.get(cause, 0.0) + interval.seconds
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1]))
