"""The intervals of all processes, laid on one line of time.

The rule: a slot is some seconds by the clock; a rate in it is what all processes did together,
divided by the seconds in which any of them was at work. Where none was, there is no rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import attrs

from dualtable._events.interval import Interval
from dualtable._events.reading import ToldRun
from dualtable._events.verdict import Cause, causes

_WIDTHS = (5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0)
_MOST_SLOTS = 120


@attrs.frozen
class Slot:
    """Some seconds of a migration.

    Attributes:
        at: When they begin, in seconds since 1970.
        seconds: How many of them some process was at work.
        total: What all processes did in them; None where none was at work.
        cause: What held them back most.
        write_rate: What all of them together might have written in a second; None for no bound.
        read_rate: The same for reads of the old table.
        held: Segments in hand.
    """

    at: float
    seconds: float = 0.0
    total: Interval | None = None
    cause: Cause | None = None
    write_rate: float | None = None
    read_rate: float | None = None
    held: int = 0

    def rate(self, number: Callable[[Interval], float]) -> float | None:
        """Return a number of the slot by the second."""
        return number(self.total) / self.seconds if self.total and self.seconds else None

    def latency(self, path: str, share: float) -> float | None:
        """Return the seconds within which a share of the requests of a path were answered."""
        return self.total.answered_within(path, share) if self.total else None


def slots(runs: Sequence[ToldRun]) -> list[Slot]:
    """Return the slots of all runs, from the first second to the last."""
    intervals = [each for run in runs for each in run.intervals]
    if not intervals:
        return []
    start = min(each.at for each in intervals)
    end = max(each.at + each.seconds for each in intervals)
    widest = max(_WIDTHS[-1], (end - start) / _MOST_SLOTS)
    width = next((w for w in _WIDTHS if (end - start) / w <= _MOST_SLOTS), widest)
    number = max(1, math.ceil((end - start) / width - 0.2))  # no slot for a last moment
    within: list[list[list[Interval]]] = [[] for _ in range(number)]
    for run in runs:
        mine: dict[int, list[Interval]] = {}
        for each in run.intervals:
            mine.setdefault(min(number - 1, int((each.at - start) / width)), []).append(each)
        for place, some in mine.items():
            within[place].append(some)
    return [_slot(start + n * width, processes) for n, processes in enumerate(within)]


def at_work(slots: Sequence[Slot]) -> float:
    """Return in how many seconds of some slots any process was at work."""
    return sum(slot.seconds for slot in slots)


def _slot(at: float, processes: Sequence[Sequence[Interval]]) -> Slot:
    """Return the slot in which each process has told these intervals."""
    if not processes:
        return Slot(at)
    every = [each for some in processes for each in some]
    last = [some[-1] for some in processes]
    return Slot(
        at,
        seconds=max(sum(each.seconds for each in some) for some in processes),
        total=reduce(add, every),
        cause=next(iter(causes(every))),
        write_rate=_together([each.write_rate for each in last]),
        read_rate=_together([each.read_rate for each in last]),
        held=sum(each.segments_held for each in last),
    )


def _together(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if len(known) == len(rates) else None
