"""Describes both tables, reads the sample, and says what it means.

The rule: it writes nothing, and reads no more than it has said beforehand.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterable
from typing import Unpack

import attrs

from dualtable._clock import Clock
from dualtable._control.connected import Connected
from dualtable._control.inherited import check_marks
from dualtable._copy.migrator import DEFAULT_CONCURRENCY
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._dynamodb.tables import new_table
from dualtable._operations.creation import reason_to_wait
from dualtable._planning import choices, warnings
from dualtable._planning.extrapolation import Estimate, Extrapolation
from dualtable._planning.failures import LikelyFailure
from dualtable._planning.plan import Cost, Plan, SampleTaken, Sizes
from dualtable._planning.prices import NOT_COVERED, Prices
from dualtable._planning.readings import Cut, Readings
from dualtable._planning.sampling import SampleSize, sampled
from dualtable._planning.survey import Survey
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration, check_range
from dualtable._wire.layouts import Layout, check_usable, identity, layout
from dualtable._wire.types import Description, WireItem
from dualtable.errors import InvalidSettingError, TableNotFoundError

_log = logging.getLogger("dualtable.planning")

_WRITE_UNIT_BYTES = 1_024
_STORED_BYTES = 100  # beyond each item's size
_GIGABYTE = 2**30
_WEEKS_OF_A_MONTH = 365.25 / 12 / 7
_FALLBACK_UNITS = 1.5  # an eventually consistent miss in the new table, and a consistent one
_BUSY_SHARE = 0.7  # of a processor, so that it holds nothing back
LEAST_CPU_SECONDS = 0.0002
"""An item of 3.5 KB: decode, transform by a plain function, encode, sign and send.

A test holds it to what the benchmarks have stored and the performance page shows."""


class Planner(Connected):
    """Says what a migration will take, before it is begun.

    It describes both tables, reads a sample of the old one, and runs the transform on it. Nothing
    is written. The new table need not exist yet.

    Args:
        migration: What would be migrated.
        prices: What a unit costs. Default: `Prices.published`, those of us-east-1.
        items: Items of the old table, where DynamoDB's own count, which it takes every six hours or
            so, is known to be wrong. Default: that count.
        max_sample_units: Read units that the sample may cost. Default: 2 % of those of the table,
            at least 1,024 (8 MB, so that a small table is read whole) and at most 4,096.
        chance: Where the sample's segments come from; for tests.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: A setting is out of range.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, Planner
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await Planner(migration, gateway=gateway).run()
        >>> asyncio.run(main()).write_units.likely
        1.0
    """

    def __init__(
        self,
        migration: Migration,
        *,
        prices: Prices | None = None,
        items: int | None = None,
        max_sample_units: float | None = None,
        chance: random.Random | None = None,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        check_range("items", items, 0, whole=True)
        check_range("max_sample_units", max_sample_units, 1)
        if prices is not None and not isinstance(prices, Prices):
            raise InvalidSettingError(f"prices must be dualtable.Prices, not {prices!r}")
        super().__init__(migration, clock, connection)
        self._prices = prices or Prices.published()
        self._items = items
        self._max_sample_units = max_sample_units
        self._chance = chance or random.SystemRandom()

    async def run(self) -> Plan:
        """Read both descriptions and the sample; return what they mean.

        Raises:
            TableNotFoundError: The old table does not exist.
            TableMismatchError: It is being deleted, both are one table, or an earlier migration has
                filled it with tombstones or tokens of other names.
            InvalidSettingError: DynamoDB counts no items in a table that has some; give `items`.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        async with self._connect(ONE_OFF) as gateway:
            tables = await self._tables(gateway)
            lineage = Lineage.of(self._migration, layout(tables.old), layout(tables.new))
            size = SampleSize.of(tables.old, self._max_sample_units)
            _log.info("reading a sample", extra={"read_units_at_most": size.most_units})
            survey = Survey(lineage=lineage, rolling=self._migration.rolling)
            taken, waits = await self._sample(gateway, lineage, size, survey)
        found = self._extrapolation(tables.old, taken, survey)
        return _Reckoning(
            self._migration, tables, lineage.new, survey, found, taken, self._prices, self._clock
        ).plan(waits)

    async def _tables(self, gateway: Gateway) -> _Tables:
        old = await gateway.describe_table(self._migration.old)
        check_usable(old)
        await check_marks(gateway, self._migration, identity(old))
        if self._items is not None:
            old = {**old, "ItemCount": self._items}
        try:
            return _Tables(old, await gateway.describe_table(self._migration.new), exists=True)
        except TableNotFoundError:
            plan = self._migration
            wanted = new_table(old, name=plan.new, key=plan.key, indexes=plan.indexes)
            return _Tables(old, wanted, exists=False)

    async def _sample(
        self, gateway: Gateway, lineage: Lineage, size: SampleSize, survey: Survey
    ) -> tuple[SampleTaken, str | None]:
        units, whole, waits = 0.0, True, None
        async for segment in sampled(gateway, self._migration.old, size, self._chance):
            units += segment.read_units
            whole = whole and segment.whole
            waits = waits or self._waits(lineage, segment.items)
            begun = self._clock.monotonic()
            survey.take(segment.items)
            survey.seconds += self._clock.monotonic() - begun
        read = len(survey.tallies)
        taken = SampleTaken(
            most_units=size.most_units,
            read_units=units,
            items=int(sum(tally["old_items"] for tally in survey.tallies)),
            segments=read,
            total_segments=size.total_segments,
            whole=whole and read == size.total_segments,
        )
        return taken, waits

    def _waits(self, lineage: Lineage, items: Iterable[WireItem]) -> str | None:
        return None if lineage.keeps_partitions else reason_to_wait(lineage, list(items))

    def _extrapolation(self, old: Description, taken: SampleTaken, survey: Survey) -> Extrapolation:
        items = int(old.get("ItemCount", 0))
        if not taken.whole and not 0 < taken.items <= items:
            raise InvalidSettingError(self._miscounted(old["TableName"], items, taken.items))
        size = int(old.get("TableSizeBytes", 0)) if self._items is None else 0
        return Extrapolation(survey.tallies, taken.whole, float(items), size or None)

    def _miscounted(self, table: str, items: int, in_sample: int) -> str:
        found = f"the sample alone has {in_sample:,}" if in_sample else "the sample has found none"
        if self._items is not None:
            return f"items={items} cannot be so for {table}: {found}; leave it out, or mend it"
        why = "it counts every six hours or so" if in_sample else "they may have been deleted since"
        return (
            f"DynamoDB counts {items:,} items in {table}, and {found}: {why}. Plan again later, or"
            " say how many there are with items"
        )


@attrs.frozen
class _Tables:
    """Both descriptions; of a new table that does not exist, its definition."""

    old: Description
    new: Description
    exists: bool


@attrs.frozen
class _Reckoning:
    """All that a plan is made of."""

    migration: Migration
    tables: _Tables
    new: Layout
    survey: Survey
    found: Extrapolation
    taken: SampleTaken
    prices: Prices
    clock: Clock

    def plan(self, waits: str | None) -> Plan:
        found = self.found
        copy = Cut.of_copy(self.tables.old, self.tables.new, DEFAULT_CONCURRENCY, self.clock)
        verification = Cut.of_verification(DEFAULT_CONCURRENCY)
        readings = Readings.of(found, self._growth, copy, verification)
        load = choices.Load(read_units=readings.copy, parts=self._parts())
        offered = choices.choices(load, self.tables.old, self.tables.new, self.prices)
        best, reason = choices.recommended(offered, self.prices.currency)
        old, new, indexes = self._sizes()
        cpu_seconds = self._cpu_seconds()
        return Plan(
            name=self.migration.name,
            old=old,
            new=new,
            new_exists=self.tables.exists,
            indexes=indexes,
            sample=self.taken,
            read_units=readings.copy,
            write_units=load.write_units,
            dropped=found.total("dropped"),
            failures=self._failures(),
            choices=offered,
            recommended=best.name,
            reason=reason,
            total_segments=copy.total_segments,
            concurrency=DEFAULT_CONCURRENCY,
            processes=self._processes(cpu_seconds, best),
            cpu_seconds=cpu_seconds,
            costs=(*self._readings_cost(readings), *self._weekly(old, new, indexes)),
            warnings=tuple(
                warnings.of(
                    self.migration,
                    self.tables.new,
                    exists=self.tables.exists,
                    best=best,
                    sizes=new,
                    waits=waits,
                    changes=self.survey.changed or not self.survey.old_sizes,
                )
            ),
            prices=self.prices,
            not_covered=NOT_COVERED,
        )

    @property
    def _growth(self) -> float:
        """Bytes of new items for each byte of the old ones."""
        return self.found.mean("new_bytes", of="old_bytes")

    def _units(self, name: str, *, whole: bool = True) -> Estimate:
        """Return write units; only what holds whole items grows with them."""
        slope = self._growth / _WRITE_UNIT_BYTES if whole else 0.0
        return self.found.total(name, slope)

    def _index_units(self, name: str) -> Estimate:
        share = self.found.mean(f"items of {name}", of="new_items")
        if self.new.indexes[name].projection != "ALL":
            return self._units(f"units of {name}", whole=False)
        return self.found.total(f"units of {name}", share * self._growth / _WRITE_UNIT_BYTES)

    def _parts(self) -> dict[str, Estimate]:
        """Return the write units of what is throttled on its own; local indexes are the table's."""
        parts = {choices.TABLE: self._units("table_units")}
        for name, index in self.new.indexes.items():
            part = choices.TABLE if index.local else name
            units = self._index_units(name)
            parts[part] = parts[part].plus(units) if part in parts else units
        return parts

    def _sizes(self) -> tuple[Sizes, Sizes, tuple[Sizes, ...]]:
        found, survey = self.found, self.survey
        old = Sizes.of(
            self.migration.old,
            survey.old_sizes,
            found.total("old_items"),
            found.total("old_bytes", 1.0),
        )
        new = Sizes.of(
            self.migration.new,
            survey.new_sizes,
            found.total("new_items"),
            found.total("new_bytes", self._growth),
            self._units("table_units"),
        )
        return old, new, tuple(map(self._index_sizes, self.new.indexes))

    def _index_sizes(self, name: str) -> Sizes:
        return Sizes.of(
            name,
            self.survey.index_sizes.get(name, ()),
            self.found.total(f"items of {name}"),
            self.found.total(f"bytes of {name}"),
            self._index_units(name),
        )

    def _failures(self) -> tuple[LikelyFailure, ...]:
        failures = self.survey.failures
        return tuple(
            LikelyFailure(
                error=error,
                reason=failures.examples[error, kind][0],
                in_sample=number,
                items=self.found.total(f"{error} {kind}"),
                key=failures.examples[error, kind][1],
            )
            for (error, kind), number in failures.counts.most_common()
        )

    def _cpu_seconds(self) -> float:
        sampled = self.found.seen("old_items")
        each = self.survey.seconds / sampled if sampled else 0.0
        return self.found.total("old_items").likely * max(each, LEAST_CPU_SECONDS)

    def _processes(self, cpu_seconds: float, best: choices.Choice) -> int:
        return max(1, math.ceil(cpu_seconds / max(1.0, best.seconds.likely) / _BUSY_SHARE))

    def _readings_cost(self, readings: Readings) -> list[Cost]:
        price = self.prices.million_read_units / 1e6
        named = {
            "a dry run": readings.copy,
            "a verification of content": readings.verify_content,
            "a verification of keys": readings.verify_keys,
            "a restart after the copy": readings.restart,
        }
        return [Cost(what=w, read_units=u, dollars=u.times(price)) for w, u in named.items()]

    def _weekly(self, old: Sizes, new: Sizes, indexes: Iterable[Sizes]) -> list[Cost]:
        stored = Estimate.exactly(0.0)
        for part in (old, new, *indexes):
            stored = stored.plus(part.bytes).plus(part.items.times(_STORED_BYTES))
        price = self.prices.gigabyte_month / _GIGABYTE / _WEEKS_OF_A_MONTH
        each = self.found.mean("old_gets", of="new_items") + _FALLBACK_UNITS
        units = Estimate.exactly(each * 1e6)
        fallback = units.times(self.prices.million_read_units / 1e6)
        return [
            Cost(what="a week of storing both tables", dollars=stored.times(price)),
            Cost(what="a million reads that fall back", read_units=units, dollars=fallback),
        ]
