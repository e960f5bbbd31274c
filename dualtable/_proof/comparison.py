"""The comparison of the two tables, page by page.

The rule: an item of `new` is judged by its marks: a tombstone was deleted by production, a write
token says that production has rewritten it, and what has neither was copied and must still equal
what the transform yields. Memory does not grow with the tables.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from functools import partial

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import TokenBucket
from dualtable._control.costs import PaidReads
from dualtable._dynamodb.gateway import MAX_BATCH_GET, Gateway, Page, batches
from dualtable._proof.findings import MAX_EXAMPLES, Example, Kind, Level, VerificationReport
from dualtable._tasks import run_all
from dualtable._transforms.lineage import Lineage
from dualtable._wire.keys import identity, key_of, plain
from dualtable._wire.layouts import Layout
from dualtable._wire.sizes import MOST_BATCH_GET_UNITS, MOST_SCAN_UNITS
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import equal_items
from dualtable.errors import DualTableError


@attrs.frozen
class _Expected:
    """A new item that an old one yields."""

    key: WireKey
    item: WireItem


@attrs.define
class Reader:
    """Reads one table within its ceiling."""

    gateway: Gateway
    layout: Layout
    units: TokenBucket
    _scans: PaidReads = attrs.field(init=False)
    _gets: PaidReads = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._scans = PaidReads(self.units, MOST_SCAN_UNITS)
        self._gets = PaidReads(self.units, MOST_BATCH_GET_UNITS)

    async def scan(self, segment: int, total_segments: int, start_key: WireKey | None) -> Page:
        return await self._scans.paid(
            1,
            lambda: self.gateway.scan(
                self.layout.table,
                segment=segment,
                total_segments=total_segments,
                start_key=start_key,
            ),
            lambda page: page.read_units,
        )

    async def fetch(
        self,
        keys: Mapping[Hashable, WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> dict[Hashable, WireItem]:
        found: dict[Hashable, WireItem] = {}
        for batch in batches(keys.values(), MAX_BATCH_GET):
            answer = await self._gets.paid(
                len(batch),
                partial(
                    self.gateway.batch_get,
                    self.layout.table,
                    batch,
                    consistent_read=consistent_read,
                    attributes=attributes,
                ),
                lambda answer: answer.read_units,
            )
            for item in answer.items:
                key = key_of(item, self.layout.key, self.layout.table)
                found[identity(key)] = item
        return found


@attrs.define(kw_only=True)
class Comparison:
    """One verification: what it reads with and what it has found."""

    level: Level
    lineage: Lineage
    old: Reader
    new: Reader
    observer: Callable[[VerificationReport], None] | None
    clock: Clock
    counts: Counter[Kind] = attrs.field(factory=Counter)
    examples: list[Example] = attrs.field(factory=list)
    started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.monotonic()

    async def each_page(
        self,
        reader: Reader,
        handle: Callable[[Sequence[WireItem]], Awaitable[None]],
        total_segments: int,
        workers: int,
    ) -> None:
        """Hand every page of a table to `handle`, several at a time."""
        waiting = random.sample(range(total_segments), total_segments)

        async def work() -> None:
            while waiting:
                segment, start_key, more = waiting.pop(), None, True
                while more:
                    page = await reader.scan(segment, total_segments, start_key)
                    await handle(page.items)
                    self._observe()
                    start_key, more = page.last_key, page.last_key is not None

        await run_all(work() for _ in range(min(workers, total_segments)))

    async def compare(self, old_items: Sequence[WireItem]) -> None:
        """Look for everything that a page of the old table yields."""
        expected = {identity(e.key): e for item in old_items for e in self._yield(item)}
        keys = {name: e.key for name, e in expected.items()}
        attributes = None if self.level == "content" else self._key_attributes()
        found = await self.new.fetch(keys, consistent_read=False, attributes=attributes)
        doubtful = {name: key for name, key in keys.items() if name not in found}
        found |= await self.new.fetch(doubtful, consistent_read=True, attributes=attributes)
        for name, wanted in expected.items():
            kind = self._judge(wanted, found.get(name))
            reason = f"not in {self.new.layout.table}" if kind is Kind.MISSING else ""
            self._note(kind, wanted.key, reason)

    async def find_extra(self, new_items: Sequence[WireItem]) -> None:
        """Look for items of the new table that no old item yields and production did not write."""
        marks = self.lineage.marks
        copied = [i for i in new_items if not marks.is_tombstone(i) and not marks.token_of(i)]
        table = self.new.layout
        origins = {}
        for item in copied:
            key = key_of(item, table.key, table.table)
            origins[identity(key)] = (key, self.lineage.origin(key))
        wanted = {identity(old): old for _, old in origins.values() if old is not None}
        olds = await self.old.fetch(wanted, consistent_read=True)
        for key, old in origins.values():
            old_item = None if old is None else olds.get(identity(old))
            if old_item is None or key not in self.lineage.new_keys(old_item):
                self._note(Kind.EXTRA, key, f"nothing in {self.old.layout.table} yields it")

    def report(self) -> VerificationReport:
        return VerificationReport(
            level=self.level,
            checked=sum(self.counts.values()) - self.counts[Kind.EXTRA],
            missing=self.counts[Kind.MISSING],
            different=self.counts[Kind.DIFFERENT],
            rewritten=self.counts[Kind.REWRITTEN],
            deleted=self.counts[Kind.DELETED],
            extra=self.counts[Kind.EXTRA],
            seconds=self.clock.monotonic() - self.started,
            examples=tuple(self.examples),
        )

    def _yield(self, old_item: WireItem) -> list[_Expected]:
        try:
            return [_Expected(key, item) for key, item in self.lineage.new_items(old_item)]
        except DualTableError as error:
            old = self.old.layout
            key = key_of(old_item, old.key, old.table)
            self._note(Kind.MISSING, key, f"{type(error).__name__}: {error}")
            return []

    def _judge(self, wanted: _Expected, found: WireItem | None) -> Kind:
        marks = self.lineage.marks
        if found is None:
            return Kind.MISSING
        if marks.is_tombstone(found):
            return Kind.DELETED
        if marks.token_of(found) is not None:
            return Kind.REWRITTEN
        if self.level == "content" and not equal_items(wanted.item, found):
            return Kind.DIFFERENT
        return Kind.SAME

    def _key_attributes(self) -> tuple[str, ...]:
        marks = self.lineage.marks
        return (*self.new.layout.key.names, marks.tombstone, marks.token)

    def _note(self, kind: Kind, key: WireKey, reason: str) -> None:
        self.counts[kind] += 1
        worth = kind in (Kind.MISSING, Kind.DIFFERENT, Kind.EXTRA)
        if worth and self.counts[kind] <= MAX_EXAMPLES:
            self.examples.append(Example(kind=kind.value, key=plain(key), reason=reason))

    def _observe(self) -> None:
        if self.observer is not None:
            self.observer(self.report())
