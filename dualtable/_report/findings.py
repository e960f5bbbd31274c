"""What held a migration back, and where it sank.

The rule: a sentence says what was, by how much, and what to do; it holds numbers and no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import attrs

from dualtable._events.interval import Interval
from dualtable._events.verdict import Cause
from dualtable._report.slots import Slot
from dualtable._telling.words import count, duration, percent

_SANK = 0.7  # of the usual rate
_USUAL = 0.75  # of the slots are slower, or a little faster
_LEAST_SLOTS = 3

ADVICE = {
    Cause.WRITE_CEILING: "The ceiling of write units was used up; raise it with dualtable rate"
    " --max-write-units, if the new table has more.",
    Cause.WRITE_CAPACITY: "The write units of the new table were used up; it goes faster with more"
    " of them, and with nothing else.",
    Cause.THROTTLED_TABLE: "The new table, one of its indexes or the account took no more writes;"
    " raise its capacity, or set a ceiling below it.",
    Cause.KEY_RANGE: "Single key ranges of the new table took no more; DynamoDB splits them when"
    " they stay busy, and more segments spread the writes.",
    Cause.PARTITION: "Few segments were at work, and each is sent no faster than one partition"
    " takes it; begin the next migration with more segments.",
    Cause.READ_CEILING: "The ceiling of read units was used up; raise it with dualtable rate"
    " --max-read-units.",
    Cause.READ_CAPACITY: "The read units of a table were used up; it goes faster with more.",
    Cause.EMPTY: "The scan walked over what was deleted long ago: pages came back empty or nearly"
    " so. More capacity does not help; more segments at once do.",
    Cause.OLD_LATENCY: "The old table answered slowly; more segments at once would hide it.",
    Cause.NEW_LATENCY: "All batches were on their way and waited for answers; raise --concurrency.",
    Cause.CPU: "One processor was busy all the time; start a second process.",
    Cause.TRANSFORM: "The transform took most of a processor; make it cheaper, or start a second"
    " process.",
    Cause.LEASES: "Other processes held all that was left to do.",
    Cause.PAUSE: "Somebody had it stand still.",
}


@attrs.frozen
class Span:
    """Slots in a row that one cause held back; none where nobody was at work."""

    cause: Cause | None
    slots: tuple[Slot, ...]
    start: float  # seconds since the beginning
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


def spans(found: Sequence[Slot]) -> list[Span]:
    """Return the slots in spans of one cause each."""
    begun, width = found[0].at, _width(found)
    made = []
    for cause, group in groupby(found, key=lambda slot: slot.cause):
        some = tuple(group)
        last = some[-1]
        end = last.at + (last.seconds if last is found[-1] and last.seconds else width)
        made.append(Span(cause, some, some[0].at - begun, end - begun))
    return made


def _width(found: Sequence[Slot]) -> float:
    return found[1].at - found[0].at if len(found) > 1 else found[0].seconds


def shares(found: Sequence[Slot]) -> list[tuple[Cause, float]]:
    """Return the share of the time that each cause held, the longest first."""
    seconds: dict[Cause, float] = {}
    for slot in found:
        if slot.cause is not None:
            seconds[slot.cause] = seconds.get(slot.cause, 0.0) + slot.seconds
    whole = sum(seconds.values()) or 1.0
    return sorted(((c, s / whole) for c, s in seconds.items()), key=lambda pair: -pair[1])


def sags(found: Sequence[Slot]) -> Iterator[str]:
    """Say where the writes sank for a while, and for what."""
    rates = sorted(rate for slot in found if (rate := slot.rate(_written)) is not None)
    if not rates:
        return
    usual = rates[int(len(rates) * _USUAL)]
    begun, width = found[0].at, _width(found)

    def sank(slot: Slot) -> bool:
        """Tell whether somebody was at work, and slowly."""
        rate = slot.rate(_written)
        return rate is not None and rate < usual * _SANK

    for is_sag, group in groupby(found, key=sank):
        some = list(group)
        if is_sag and len(some) >= _LEAST_SLOTS:
            yield _sag(some, usual, begun, width)


def _sag(some: Sequence[Slot], usual: float, begun: float, width: float) -> str:
    start, end = some[0].at - begun, some[-1].at + width - begun
    rate = sum((slot.rate(_written) or 0.0) for slot in some) / len(some)
    cause = shares(some)[0][0]
    why = f"{named(cause, some)}{_walked(cause, some)}"
    return (
        f"From {duration(start)} to {duration(end)} the writes sank to {percent(rate / usual)} of"
        f" {count(usual)} units a second. What held them back: {why}."
    )


def named(cause: Cause, some: Sequence[Slot]) -> str:
    """Return what a cause is called; a pause with what was said of it."""
    reasons = {slot.total.paused_by for slot in some if slot.total and slot.total.paused_by}
    if cause is not Cause.PAUSE or not reasons:
        return str(cause)
    return f"{cause} ({'; '.join(sorted(reasons))})"


def _walked(cause: Cause, some: Sequence[Slot]) -> str:
    totals = [slot.total for slot in some if slot.total is not None]
    found, walked = sum(t.found for t in totals), sum(t.walked for t in totals)
    empty, pages = sum(t.empty_pages for t in totals), sum(t.pages for t in totals)
    if cause is not Cause.EMPTY or not found:
        return ""
    return (
        f"; the scan walked over {count(walked / found)} keys for each item that it found, and"
        f" {count(empty)} of {count(pages)} pages came back empty"
    )


def _written(interval: Interval) -> float:
    return interval.write_units
