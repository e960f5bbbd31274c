"""What a table can take: partitions with hard limits, and what the table as a whole has bought.

The rule: nobody is told in advance. A request that finds units left is served and its cost taken
off, also below zero; one that finds none is throttled. What is assumed, and where from:

- A partition serves 1,000 write and 3,000 read units a second, whatever the table has.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
- A provisioned table has its units as a whole. What is left unused for up to 300 s can be used
  later, of which it has one second's worth to begin with. Adaptive capacity is immediate: no
  partition is held to a fixed share of the table ("global admission control").
  https://www.usenix.org/conference/atc22/presentation/elhemali
- A new on-demand table has four partitions, so 4,000 write units. A partition that is busy for
  `split_seconds` splits in two; real ones take longer, and their time is not published.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

import attrs

PARTITION_WRITE_UNITS = 1_000.0
PARTITION_READ_UNITS = 3_000.0
BURST_SECONDS = 300.0
NEW_ON_DEMAND_PARTITIONS = 4
_BUSY = 0.5  # of its limit: a partition that splits


@attrs.define
class Bucket:
    """So many units a second, and what was saved up to a limit."""

    per_second: float
    saved_most: float
    balance: float = 0.0
    at: float = 0.0

    def has_units(self, now: float) -> bool:
        self.balance = min(self.saved_most, self.balance + (now - self.at) * self.per_second)
        self.at = now
        return self.balance > 0


@attrs.define
class Partition:
    """A range of the hashes, from `low` (0 to 1) to the next one's."""

    low: float
    writes: Bucket
    reads: Bucket
    written: float = 0.0  # since it was last judged for a split

    @classmethod
    def at(cls, low: float, now: float, slowness: float = 1.0) -> Partition:
        write, read = PARTITION_WRITE_UNITS / slowness, PARTITION_READ_UNITS / slowness
        return cls(low, Bucket(write, write, write, now), Bucket(read, read, read, now))


@attrs.define
class Capacity:
    """The capacity of one table.

    Attributes:
        write_units: Provisioned write units a second; None for an on-demand table.
        read_units: Provisioned read units a second; None for an on-demand table.
        partitions: Equal ranges of the hashes to begin with.
        slow: Numbers of partitions that have a tenth of the usual limits.
        split_seconds: How long a partition must be busy before it splits; None for never.
        consumed: Write units by second.
        ceilings: ``(since when, write units a second that all partitions have)``.
    """

    write_units: float | None = None
    read_units: float | None = None
    partitions: int = NEW_ON_DEMAND_PARTITIONS
    slow: Sequence[int] = ()
    split_seconds: float | None = None
    consumed: Counter[int] = attrs.field(factory=Counter)
    read: Counter[int] = attrs.field(factory=Counter)
    ceilings: list[tuple[float, float]] = attrs.field(init=False)
    _ranges: list[Partition] = attrs.field(init=False)
    _lows: list[float] = attrs.field(init=False)
    _table: dict[str, Bucket] = attrs.field(init=False)
    _judged_at: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._ranges = [
            Partition.at(n / self.partitions, 0.0, 10.0 if n in self.slow else 1.0)
            for n in range(self.partitions)
        ]
        self._lows = [partition.low for partition in self._ranges]
        self.ceilings = [(0.0, self._ceiling())]
        bought = {"Write": self.write_units, "Read": self.read_units}
        self._table = {
            kind: Bucket(units, units * BURST_SECONDS, balance=units)
            for kind, units in bought.items()
            if units is not None
        }

    def write(self, place: float, units: float, now: float) -> str:
        """Take the units of a write; return why it is throttled, or nothing."""
        self._split(now)
        partition = self._partition(place)
        if reason := self._refusal("Write", partition.writes, now):
            return reason
        self._charge("Write", partition.writes, units)
        partition.written += units
        self.consumed[int(now)] += units
        return ""

    def open_for_read(self, place: float, now: float) -> str:
        """Return why a read at this place is throttled, or nothing."""
        return self._refusal("Read", self._partition(place).reads, now)

    def charge_read(self, place: float, units: float, now: float) -> None:
        """Take off what a read has cost."""
        self._charge("Read", self._partition(place).reads, units)
        self.read[int(now)] += units

    def available(self, start: float, end: float) -> float:
        """Return the write units that there were between two moments."""
        most = float("inf") if self.write_units is None else self.write_units
        moments = [moment for moment, _ in self.ceilings[1:]] + [end]
        return sum(
            min(units, most) * max(0.0, min(until, end) - max(since, start))
            for (since, units), until in zip(self.ceilings, moments, strict=True)
        )

    def _refusal(self, kind: str, partition: Bucket, now: float) -> str:
        if not partition.has_units(now):
            return f"Table{kind}KeyRangeThroughputExceeded"
        if kind in self._table and not self._table[kind].has_units(now):
            return f"Table{kind}ProvisionedThroughputExceeded"
        return ""

    def _charge(self, kind: str, partition: Bucket, units: float) -> None:
        partition.balance -= units
        if kind in self._table:
            self._table[kind].balance -= units

    def _partition(self, place: float) -> Partition:
        return self._ranges[bisect_right(self._lows, place) - 1]

    def _ceiling(self) -> float:
        return sum(partition.writes.per_second for partition in self._ranges)

    def _split(self, now: float) -> None:
        if self.split_seconds is None or now < self._judged_at + self.split_seconds:
            return
        busy = _BUSY * PARTITION_WRITE_UNITS * (now - self._judged_at)
        ends = [*self._lows[1:], 1.0]
        ranges: list[Partition] = []
        for partition, end in zip(self._ranges, ends, strict=True):
            ranges.append(partition)
            if partition.written > busy:
                ranges.append(Partition.at((partition.low + end) / 2, now))
            partition.written = 0.0
        self._ranges, self._lows = ranges, [partition.low for partition in ranges]
        self._judged_at = now
        self.ceilings.append((now, self._ceiling()))
