"""What some seconds of a run held, in numbers.

The rule: an interval is added up from counters that only grow, so it costs the same however much
happens in it, and two that follow each other can be made one. It holds no key and no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, Self

import attrs

LATENCY_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds: upper ends of the buckets in which requests are counted by what they took."""

_SUMS, _BY_NAME, _BUCKETS, _LAST = "sum", "by name", "buckets", "last"


def _field(kind: str, default: Any = 0.0) -> Any:
    return attrs.field(default=default, metadata={"kind": kind})


def _named(kind: str) -> Any:
    return attrs.field(factory=dict, metadata={"kind": kind})


@attrs.frozen(kw_only=True)
class Interval:
    """Some seconds of one process.

    Attributes:
        at: When they began, in seconds since 1970.
        seconds: How many they are.
        old_read_units: Consumed on the old table.
        new_read_units: Consumed on the new one.
        write_units: Consumed on the new one, indexes included.
        refused_units: Write units that were asked for in vain, about.
        pages: Pages of scans.
        empty_pages: Those without an item.
        found: Items in the pages.
        walked: Keys that the scans walked over for them, deleted ones included.
        counts: What became of items, by name; only what is settled.
        throttles: Throttled requests and statements, by DynamoDB's reason.
        failures: Requests that failed otherwise and were sent again, by the error.
        latency: Requests by table and operation, in the buckets of `LATENCY_BOUNDS`.
        request_seconds: What they took together.
        stages: Seconds that the task which sends was at what.
        read_wait_seconds: In which readers waited for read units, of each table.
        transform_seconds: In the transform.
        cpu_seconds: Of this process.
        paused_seconds: In which it stood still on request.
        paused_by: Who asked for that, at the end.
        segments_done: Of all processes, at the end; so are the following.
        segments_held: That this process works on.
        workers: Processes at work.
        read_ceiling: Units a second for all processes together; None for none.
        write_ceiling: The same of writes.
        read_rate: What this process may read of the old table in a second; None for as much as it
            likes.
        write_rate: What it may write.
    """

    at: float
    seconds: float = _field(_SUMS)
    old_read_units: float = _field(_SUMS)
    new_read_units: float = _field(_SUMS)
    write_units: float = _field(_SUMS)
    refused_units: float = _field(_SUMS)
    pages: float = _field(_SUMS)
    empty_pages: float = _field(_SUMS)
    found: float = _field(_SUMS)
    walked: float = _field(_SUMS)
    counts: Mapping[str, float] = _named(_BY_NAME)
    throttles: Mapping[str, float] = _named(_BY_NAME)
    failures: Mapping[str, float] = _named(_BY_NAME)
    latency: Mapping[str, tuple[int, ...]] = _named(_BUCKETS)
    request_seconds: Mapping[str, float] = _named(_BY_NAME)
    stages: Mapping[str, float] = _named(_BY_NAME)
    read_wait_seconds: float = _field(_SUMS)
    transform_seconds: float = _field(_SUMS)
    cpu_seconds: float = _field(_SUMS)
    paused_seconds: float = _field(_SUMS)
    paused_by: str = _field(_LAST, "")
    segments_done: int = _field(_LAST, 0)
    segments_held: int = _field(_LAST, 0)
    workers: int = _field(_LAST, 0)
    read_ceiling: float | None = _field(_LAST, None)
    write_ceiling: float | None = _field(_LAST, None)
    read_rate: float | None = _field(_LAST, None)
    write_rate: float | None = _field(_LAST, None)

    def __add__(self, later: Interval) -> Self:
        """Return this interval and a later one as one."""
        added = {name: _joined(kind, self, later, name) for name, kind in _KINDS.items()}
        return attrs.evolve(self, **added)

    def __sub__(self, earlier: Interval) -> Self:
        """Return what has come since an earlier moment, where both count from the beginning on."""
        gone = {name: _without(kind, self, earlier, name) for name, kind in _KINDS.items()}
        return attrs.evolve(self, at=earlier.at + earlier.seconds, **gone)

    def answered_within(self, path: str, share: float) -> float | None:
        """Return the seconds within which a share of the requests of a path were answered."""
        buckets = self.latency.get(path, ())
        wanted, counted = sum(buckets) * share, 0
        for count, bound in zip(buckets, (*LATENCY_BOUNDS, LATENCY_BOUNDS[-1]), strict=False):
            counted += count
            if count and counted >= wanted:
                return bound
        return None

    def fields(self) -> dict[str, Any]:
        """Return what a line of the file holds; what is nothing is left out."""
        known = attrs.asdict(self, recurse=False).items()
        said = {name: _short(value) for name, value in known if value not in (0, None, "", {})}
        return {"at": _short(self.at), **said}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Return what a line holds; what a later version has added is left out."""
        known = {name: fields[name] for name in attrs.fields_dict(cls) if name in fields}
        latency = {path: tuple(counts) for path, counts in known.get("latency", {}).items()}
        return cls(**{**known, "latency": latency})


_KINDS = {f.name: f.metadata["kind"] for f in attrs.fields(Interval) if f.metadata}


def _joined(kind: str, first: Interval, later: Interval, name: str) -> Any:
    mine, its = getattr(first, name), getattr(later, name)
    if kind == _SUMS:
        return mine + its
    if kind == _LAST:
        return its
    empty: Any = () if kind == _BUCKETS else 0.0
    return {key: _sum(mine.get(key, empty), its.get(key, empty)) for key in {**mine, **its}}


def _without(kind: str, now: Interval, before: Interval, name: str) -> Any:
    mine, its = getattr(now, name), getattr(before, name)
    if kind == _SUMS:
        return mine - its
    if kind == _LAST:
        return mine
    less = {
        key: _difference(value, its[key]) if key in its else value for key, value in mine.items()
    }
    return {key: value for key, value in less.items() if value and value != 0}


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(x + y for x, y in zip_longest(a, b, fillvalue=0))
    return a + b


def _difference(a: Any, b: Any) -> Any:
    """Return ``a - b``; of buckets, without empty ones at the end."""
    if not isinstance(a, tuple):
        return a - b
    counts = [x - y for x, y in zip_longest(a, b, fillvalue=0)]
    while counts and not counts[-1]:
        counts.pop()
    return tuple(counts)


def _short(value: Any) -> Any:
    """Return a number with as many digits as anybody reads."""
    if isinstance(value, float):
        rounded = round(value, 3)
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, Mapping):
        return {name: _short(each) for name, each in value.items()}
    return value


def widened(intervals: Iterable[Interval], seconds: float) -> list[Interval]:
    """Join those that lie in the same stretch of so many seconds by the clock."""
    wide: list[Interval] = []
    for each in intervals:
        if wide and wide[-1].at // seconds == each.at // seconds:
            wide[-1] += each
        else:
            wide.append(each)
    return wide
