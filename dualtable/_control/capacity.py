"""How many units a second a table is asked for.

The rule: a request is admitted while the balance is not negative, pays what such requests have cost
so far, and settles the difference once the server has said what it really was. Where somebody has
set a ceiling nothing is saved up; so any one second sees no more than its units and one request,
even though nobody knows the size of a page before it is read.

A `Pace` decides the rate. Up to its ceiling it asks for more each second, by a step that grows, as
long as it gets what it asks for; where the table as a whole throttles, it goes back to what the
table gave. Throttles of key ranges are dealt with where the ranges are known, in `_shuffle`.
"""

from __future__ import annotations

import asyncio
import math

import attrs

from dualtable._clock import Clock
from dualtable._wire.types import Description

PROVISIONED_SHARE = 0.97
"""Of its provisioned units, what a migration uses of a table when nobody sets a ceiling."""

NEW_ON_DEMAND_UNITS = {"Read": 12_000.0, "Write": 4_000.0}
"""What a new on-demand table is good for at once.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
"""

_NO_DEBT = -1e-9  # what is left of a debt after rounding
_SAVED_SECONDS = 0.25
_LATE_SECONDS = 0.05
_PAUSED_SECONDS = 1.0  # between two looks at a rate of 0


class TokenBucket:
    """So many units a second; None is no limit; at 0 nothing is admitted until that is changed.

    Attributes:
        saved_seconds: How much of what nobody has asked for is kept. By default nothing but what
            came in while somebody who waits was woken late.
        waited_seconds: For how long somebody has waited.
    """

    def __init__(self, units_per_second: float | None, clock: Clock) -> None:
        self.saved_seconds = self.waited_seconds = 0.0
        self._rate = units_per_second
        self._clock = clock
        self._balance = 0.0
        self._filled_at = clock.monotonic()
        self._come_in = self._unused = 0.0
        self._turn = asyncio.Lock()
        self._sleep: asyncio.Future[None] | None = None  # of whoever is next

    @property
    def rate(self) -> float | None:
        return self._rate

    @rate.setter
    def rate(self, units_per_second: float | None) -> None:
        if units_per_second == self._rate:
            return
        self._refill(self.saved_seconds)
        self._rate = units_per_second
        self._wake()

    def used_share(self) -> float:
        """Return which share has been used of what has come in since the last time; 1 of none."""
        self._refill(self.saved_seconds)
        come_in, unused = self._come_in, self._unused
        self._come_in = self._unused = 0.0
        return 1.0 - unused / come_in if come_in else 1.0

    async def admit(self, expected: float = 0.0) -> None:
        """Return when there is no debt, and pay what is expected in advance; in turn."""
        async with self._turn:
            keep = self.saved_seconds
            while (seconds := self._seconds_in_debt(keep)) > 0:
                late = await self._rest(seconds)
                keep = max(self.saved_seconds, min(late, _LATE_SECONDS))
            self._balance -= expected

    def spend(self, units: float, expected: float = 0.0) -> None:
        """Pay for what was consumed, less what was paid in advance."""
        self._balance += expected - units
        if expected > units:
            self._wake()

    async def _rest(self, seconds: float) -> float:
        """Sleep, but no longer than until something comes back or the rate is a new one.

        Return for how many seconds too long that was.
        """
        begun = self._clock.monotonic()
        self._sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([self._sleep])
        finally:
            self._wake()
            rested = self._clock.monotonic() - begun
            self.waited_seconds += rested
        return max(0.0, rested - seconds)

    def _wake(self) -> None:
        if self._sleep is not None:
            self._sleep.cancel()

    def _seconds_in_debt(self, keep_seconds: float) -> float:
        self._refill(keep_seconds)
        if self._rate is None:
            return 0.0
        if not self._rate:
            return _PAUSED_SECONDS
        return -self._balance / self._rate if self._balance < _NO_DEBT else 0.0

    def _refill(self, keep_seconds: float) -> None:
        now = self._clock.monotonic()
        if self._rate is None:
            self._balance = 0.0
        else:
            gained, most = (now - self._filled_at) * self._rate, self._rate * keep_seconds
            self._come_in += gained
            self._unused += max(0.0, self._balance + gained - max(self._balance, most))
            self._balance = min(most, self._balance + gained)
        self._filled_at = now


class Pace:
    """The rate at which one migrator reads or writes one table.

    Args:
        clock: Where time comes from.
        start: Units a second to begin with.
        step: Units a second that are added each second, until the table has shown its limit.
        most: Units a second that are not exceeded where no ceiling is set; infinite for none.

    Attributes:
        given: Units that requests were given, from the beginning on.
        refused: About how many they were refused.
    """

    _INTERVAL_SECONDS = 1.0
    _STEP = 1 / 100  # of the last known limit: added to the step each second
    _LITTLE_REFUSED = 0.03  # of what is given: a few busy partitions at most
    _LEAST_SHARE = 0.5  # of the rate, left after a second beyond the limit
    _GIVEN_SHARE = 0.95  # of what the table gave then: leaves room for others
    _USED_SHARE = 0.8  # of the rate: who asks for less has no need of more

    def __init__(self, clock: Clock, *, start: float, step: float, most: float) -> None:
        self.bucket = TokenBucket(None, clock)
        self.bucket.saved_seconds = _SAVED_SECONDS
        self._clock = clock
        self._most = self._ceiling = most
        self._learned = start
        self._held = self._stopped = False
        self.given = self.refused = 0.0
        self._step, self._faster = step, start * self._STEP
        self._begin_interval()
        self._apply()

    @property
    def rate(self) -> float:
        """Units a second at this moment."""
        return 0.0 if self._held else min(self._learned, self._ceiling)

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be asked for."""
        return self._held or self._stopped

    def hold(self, held: bool) -> None:
        """Ask for nothing, whatever the ceiling, until told otherwise."""
        self._held = held
        self._apply()

    def limit(self, ceiling: float | None, part: float = 1.0) -> None:
        """Set a ceiling, and the part of it to go by; None for that of the table, 0 to pause."""
        self._stopped = ceiling == 0
        whole = self._most if ceiling is None else ceiling
        self._ceiling = whole if math.isinf(whole) else whole * part
        self.bucket.saved_seconds = _SAVED_SECONDS if ceiling is None else 0.0
        self._apply()

    def slow_down(self) -> None:
        """Note that the table as a whole has throttled a request."""
        self._told = True

    def note(self, given: float, refused: float = 0.0) -> None:
        """Note how many units a request was given, and about how many it was refused."""
        self._given += given
        self._refused += refused
        self.given += given
        self.refused += refused
        if self._clock.monotonic() >= self._since + self._INTERVAL_SECONDS:
            self._judge()

    def _judge(self) -> None:
        seconds = self._clock.monotonic() - self._since
        given, refused = self._given / seconds, self._refused / seconds
        if self._told:
            least = max(self.rate * self._LEAST_SHARE, given * self._GIVEN_SHARE, 1.0)
            self._learned = min(self.rate, least)
            self._step = self._faster = self._learned * self._STEP
        elif self._held or self._learned >= self._ceiling:
            pass  # nothing is to be learned
        elif given > self.rate * self._USED_SHARE and refused <= given * self._LITTLE_REFUSED:
            self._learned += self._step * seconds
            self._step += self._faster * seconds
        else:
            self._step = self._faster  # near a limit: go on carefully from here
        self._begin_interval()
        self._apply()

    def _begin_interval(self) -> None:
        self._since = self._clock.monotonic()
        self._given = self._refused = 0.0
        self._told = False

    def _apply(self) -> None:
        self.bucket.rate = self.rate


def provisioned_units(table: Description, kind: str) -> float | None:
    """Return the ``Read`` or ``Write`` units that a table and its indexes have; None on demand."""
    parts = [table, *table.get("GlobalSecondaryIndexes", [])]
    units = [part.get("ProvisionedThroughput", {}).get(f"{kind}CapacityUnits", 0) for part in parts]
    # An index is written with the table; a scan of the table does not read it.
    return float(sum(units) if kind == "Write" else units[0]) or None


def pace(table: Description, kind: str, clock: Clock) -> Pace:
    """Return how fast to read or write a table, by what it has."""
    provisioned = provisioned_units(table, kind)
    if provisioned is not None:
        share = provisioned * PROVISIONED_SHARE
        return Pace(clock, start=share, step=0.0, most=share)
    if warm := table.get("WarmThroughput", {}).get(f"{kind}UnitsPerSecond", 0):
        return Pace(clock, start=float(warm), step=0.0, most=math.inf)
    start = NEW_ON_DEMAND_UNITS[kind]
    return Pace(clock, start=start, step=start, most=math.inf)


@attrs.frozen
class Paces:
    """How fast one migrator reads the old table, looks into the new one, and writes to it."""

    reads: Pace
    looks: Pace
    writes: Pace

    @classmethod
    def of(cls, old: Description, new: Description, clock: Clock) -> Paces:
        """Return the paces that two tables allow."""
        return cls(pace(old, "Read", clock), pace(new, "Read", clock), pace(new, "Write", clock))

    def limit(self, max_read_units: float | None, max_write_units: float | None) -> None:
        """Set the ceilings; that of reads counts for each table."""
        self.reads.limit(max_read_units)
        self.looks.limit(max_read_units)
        self.writes.limit(max_write_units)

    def hold(self, held: bool) -> None:
        """Let the migrator stand still, whatever the ceilings, until told otherwise."""
        for pace in (self.reads, self.looks, self.writes):
            pace.hold(held)

    @property
    def are_paused(self) -> bool:
        """Whether nothing may be read, or nothing written."""
        return self.reads.is_paused or self.writes.is_paused

    def slow_down(self, kind: str) -> None:
        """Note that a table as a whole has throttled a ``Read`` or ``Write``."""
        for pace in (self.writes,) if kind == "Write" else (self.reads, self.looks):
            pace.slow_down()
