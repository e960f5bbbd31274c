"""Capacities to choose from: how long each takes, how dear it is, and which one is recommended.

The rule: a table and each of its global indexes are written and throttled on their own, so the
slowest of them decides. What is provisioned is paid by the hour, used or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from dualtable._control.capacity import NEW_ON_DEMAND_UNITS, PROVISIONED_SHARE
from dualtable._planning.extrapolation import Estimate
from dualtable._planning.prices import Prices
from dualtable._wire.types import Description

TABLE = "the table"
QUOTA_UNITS = 40_000
"""Units a second of one table, read or write, unless AWS has allowed more.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""

_HOUR = 3_600.0
_NIGHT, _DAY = 8, 24  # hours
_LITTLE = 5.0  # in the prices' currency: nobody provisions a table to save less


@attrs.frozen(kw_only=True)
class Choice:
    """One way to give the new table its capacity.

    Attributes:
        name: What it is called.
        capacity: Write units a second of the table, and of each of its global indexes.
        write_units_per_second: All of them together: what ``max_write_units`` counts.
        read_units_per_second: What the old table is read with, on average.
        seconds: How long the copy takes.
        dollars: What it costs, reads and writes, in the currency of the prices.
        within_quota: Whether it stays below the quota that every account has.
        is_there: Whether the new table has it already, or would be made with it.
    """

    name: str
    capacity: Mapping[str, float]
    write_units_per_second: float
    read_units_per_second: float
    seconds: Estimate
    dollars: Estimate
    within_quota: bool = True
    is_there: bool = False


@attrs.frozen(kw_only=True)
class Load:
    """What a copy reads, and what it writes to the table and to each global index."""

    read_units: Estimate
    parts: Mapping[str, Estimate]

    @property
    def write_units(self) -> Estimate:
        """All that is written."""
        return _sum(self.parts.values())


def choices(load: Load, old: Description, new: Description, prices: Prices) -> tuple[Choice, ...]:
    """Return what can be chosen, the new table as it is or would be made first."""
    reads = _Reads.of(old, load.read_units, prices)
    found = [_as_it_is(load, new, reads, prices)]
    if is_on_demand(new):
        night, day = (_provisioned(load, hours, reads, prices) for hours in (_NIGHT, _DAY))
        found += [night] if night.capacity == day.capacity else [night, day]
    else:
        found.append(_on_demand(load, {}, reads, prices))
    return tuple(found)


def recommended(found: Sequence[Choice], currency: str) -> tuple[Choice, str]:
    """Return one of them, and why it is this one."""
    allowed = [choice for choice in found if choice.within_quota] or list(found)
    cheapest = min(allowed, key=lambda choice: choice.dollars.likely)
    first = allowed[0]
    dearer = first.dollars.likely - cheapest.dollars.likely
    soon = first.seconds.likely <= _DAY * _HOUR
    if first.is_there and soon and dearer <= _LITTLE:
        saved = f"no other saves more than {_LITTLE:g} {currency}"
        return first, f"it needs no change and ends within a day, and {saved}"
    quick = [choice for choice in allowed if choice.seconds.likely <= _DAY * _HOUR]
    if quick:
        best = min(quick, key=lambda choice: (choice.dollars.likely, choice.seconds.likely))
        return best, "it is the cheapest that ends within a day"
    best = min(allowed, key=lambda choice: choice.seconds.likely)
    return best, "it is the quickest; none ends within a day"


def is_on_demand(table: Description) -> bool:
    """Tell how a table, or the definition of one, is billed."""
    summary = table.get("BillingModeSummary") or table
    return summary.get("BillingMode") == "PAY_PER_REQUEST"


@attrs.frozen
class _Reads:
    """How fast the old table is read, and what that costs."""

    rate: float
    dollars: Estimate

    @classmethod
    def of(cls, old: Description, units: Estimate, prices: Prices) -> _Reads:
        if is_on_demand(old):
            rate = warm_units(old, "Read")
            return cls(rate, units.times(prices.million_read_units / 1e6))
        provisioned = old["ProvisionedThroughput"]["ReadCapacityUnits"]
        return cls(provisioned * PROVISIONED_SHARE, Estimate.exactly(0.0))  # it is paid already


def _as_it_is(load: Load, new: Description, reads: _Reads, prices: Prices) -> Choice:
    if is_on_demand(new):
        return attrs.evolve(_on_demand(load, _warm_parts(new), reads, prices), is_there=True)
    capacity = {name: units for name, units in _provisioned_parts(new) if name in load.parts}
    return _choice("as it is provisioned", load, capacity, reads, PROVISIONED_SHARE, is_there=True)


def _on_demand(load: Load, warm: Mapping[str, float], reads: _Reads, prices: Prices) -> Choice:
    capacity = {name: warm.get(name, NEW_ON_DEMAND_UNITS["Write"]) for name in load.parts}
    dollars = load.write_units.times(prices.million_write_units / 1e6)
    found = _choice("on demand", load, capacity, reads, 1.0)
    return attrs.evolve(found, dollars=dollars.plus(reads.dollars))


def _provisioned(load: Load, hours: int, reads: _Reads, prices: Prices) -> Choice:
    seconds = hours * _HOUR * PROVISIONED_SHARE
    capacity = {
        name: float(max(1, math.ceil(units.high / seconds))) for name, units in load.parts.items()
    }
    price = sum(capacity.values()) * prices.write_unit_hour
    found = _choice(f"provisioned for {hours} h", load, capacity, reads, PROVISIONED_SHARE)
    billed = Estimate(*(price * math.ceil(s / _HOUR) for s in _three(found.seconds)))
    within = max(capacity.values()) <= QUOTA_UNITS
    return attrs.evolve(found, dollars=billed.plus(reads.dollars), within_quota=within)


def _choice(
    name: str,
    load: Load,
    capacity: Mapping[str, float],
    reads: _Reads,
    share: float,
    *,
    is_there: bool = False,
) -> Choice:
    each = [units.times(1 / (capacity[part] * share)) for part, units in load.parts.items()]
    each.append(load.read_units.times(1 / reads.rate))
    seconds = Estimate(*(max(values) for values in zip(*map(_three, each), strict=True)))
    whole = max(seconds.likely, 1.0)
    return Choice(
        name=name,
        capacity=dict(capacity),
        write_units_per_second=load.write_units.likely / whole,
        read_units_per_second=load.read_units.likely / whole,
        seconds=seconds,
        dollars=reads.dollars,
        is_there=is_there,
    )


def warm_units(table: Description, kind: str) -> float:
    """Return the ``Read`` or ``Write`` units a second that an on-demand table gives at once."""
    warm = table.get("WarmThroughput", {}).get(f"{kind}UnitsPerSecond", 0)
    return float(warm or NEW_ON_DEMAND_UNITS[kind])


def _warm_parts(new: Description) -> dict[str, float]:
    indexes = new.get("GlobalSecondaryIndexes") or ()
    return {TABLE: warm_units(new, "Write")} | {
        index["IndexName"]: warm_units(index, "Write") for index in indexes
    }


def _provisioned_parts(new: Description) -> Iterator[tuple[str, float]]:
    yield TABLE, float(new["ProvisionedThroughput"]["WriteCapacityUnits"])
    for index in new.get("GlobalSecondaryIndexes") or ():
        yield index["IndexName"], float(index["ProvisionedThroughput"]["WriteCapacityUnits"])


def _three(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.low, estimate.likely, estimate.high


def _sum(estimates: Iterable[Estimate]) -> Estimate:
    total = Estimate.exactly(0.0)
    for estimate in estimates:
        total = total.plus(estimate)
    return total
