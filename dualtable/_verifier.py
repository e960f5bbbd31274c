"""The proof at the end: what the old table holds has arrived, and nothing else has.

The rule: a verification only reads. It judges an item of `new` by its marks: a tombstone was
deleted by production, a write token says that production has rewritten it, and what has neither
was copied and must still equal what the transform yields. Memory does not grow with the tables.
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Literal, Unpack

import attrs

from dualtable import _values
from dualtable._capacity import TokenBucket
from dualtable._clock import Clock, SystemClock
from dualtable._connect import Connection, connect
from dualtable._gateway import MAX_BATCH_GET, Gateway, Page, batches
from dualtable._keys import identity, key_of, plain
from dualtable._layouts import Layout, layout
from dualtable._lineage import Lineage
from dualtable._migration import Migration, check_range
from dualtable._retry import ONE_OFF
from dualtable._tasks import run_all
from dualtable._types import Key, WireItem, WireKey
from dualtable.errors import DualTableError

Level = Literal["keys", "content"]
_MAX_EXAMPLES = 20
"""Examples kept of each kind."""


class Kind(enum.StrEnum):
    """What a verification may find about one key."""

    MISSING = "missing"
    DIFFERENT = "different"
    REWRITTEN = "rewritten"
    DELETED = "deleted"
    EXTRA = "extra"
    SAME = "same"


@attrs.frozen(kw_only=True)
class Example:
    """One finding: its kind, the key in plain values, and a reason where there is one."""

    kind: str
    key: Key
    reason: str = ""


@attrs.frozen(kw_only=True)
class VerificationReport:
    """What a verification found.

    Attributes:
        level: ``keys`` or ``content``.
        checked: New items that the old table yields, each looked up in the new table.
        missing: Of those, not in the new table, or the transform fails on the old item.
        different: Copied, never rewritten, and not equal to what the transform yields
            (level ``content``).
        rewritten: Written by production since; their content is production's.
        deleted: Deleted by production since.
        extra: In the new table, neither written by production nor yielded by any old item
            (level ``content``).
        seconds: How long it took.
        examples: Up to 20 of each of missing, different and extra; keys only.

    Example:
        >>> from dualtable import VerificationReport
        >>> VerificationReport(level="keys", checked=3, deleted=1).ok
        True
    """

    level: Level
    checked: int = 0
    missing: int = 0
    different: int = 0
    rewritten: int = 0
    deleted: int = 0
    extra: int = 0
    seconds: float = 0.0
    examples: tuple[Example, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, different or extra."""
        return not (self.missing or self.different or self.extra)


@attrs.frozen
class _Expected:
    """A new item that an old one yields."""

    key: WireKey
    item: WireItem


class Verifier:
    """Proves that the new table holds what the old one yields.

    It may run beside production and, with what is not copied yet counted as missing, beside the
    migrator.

    Args:
        migration: What was migrated.
        level: ``"keys"``: every key that the old table yields is in the new one, live or deleted.
            ``"content"`` (default): also, what was copied and not rewritten equals what the
            transform yields, and the new table holds nothing that came from nowhere.
        total_segments: Parts of each scan, taken in random order. Default: four for each of
            `concurrency`.
        concurrency: Segments worked on at once.
        max_read_units: Ceiling of read units per second on each of the two tables; None for none.
        observer: Called with a `VerificationReport` after each page.
        clock: Where time comes from; for tests.
        **connection: ``session``, ``profile_name``, ``endpoint_url``, ``region_name``, ``config``
            as boto3 takes them, or ``gateway``.

    Raises:
        DualTableError: A setting is out of range.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, Verifier
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     for table in ("orders", "orders-v2"):
        ...         await gateway.create_table({
        ...             "TableName": table,
        ...             "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...             "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...             "BillingMode": "PAY_PER_REQUEST",
        ...         })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await Verifier(migration, gateway=gateway).run()
        >>> asyncio.run(main()).examples
        (Example(kind='missing', key={'id': 'o-1'}, reason='not in orders-v2'),)
    """

    def __init__(
        self,
        migration: Migration,
        *,
        level: Level = "content",
        total_segments: int | None = None,
        concurrency: int = 16,
        max_read_units: float | None = None,
        observer: Callable[[VerificationReport], None] | None = None,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        if level not in ("keys", "content"):
            raise DualTableError(f"level={level!r} must be 'keys' or 'content'")
        check_range("concurrency", concurrency, 1, 1_000)
        check_range("total_segments", total_segments, 1, 1_000_000)
        check_range("max_read_units", max_read_units, 0.001, float("inf"))
        self._migration = migration
        self._level: Level = level
        self._concurrency = concurrency
        self._total_segments = total_segments or 4 * concurrency
        self._max_read_units = max_read_units
        self._observer = observer
        self._clock = clock or SystemClock()
        self._connection = connection

    async def run(self) -> VerificationReport:
        """Read both tables and return what was found.

        Raises:
            TableNotFoundError: One of the tables does not exist.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        async with connect(self._connection, ONE_OFF) as gateway:
            old = layout(await gateway.describe_table(self._migration.old))
            new = layout(await gateway.describe_table(self._migration.new))
            run = _Run(
                level=self._level,
                lineage=Lineage.of(self._migration, old, new),
                old=_Reader(gateway, old, TokenBucket(self._max_read_units, self._clock)),
                new=_Reader(gateway, new, TokenBucket(self._max_read_units, self._clock)),
                observer=self._observer,
                clock=self._clock,
            )
            await run.each_page(run.old, run.compare, self._total_segments, self._concurrency)
            if self._level == "content":
                await run.each_page(
                    run.new, run.find_extra, self._total_segments, self._concurrency
                )
            return run.report()


@attrs.frozen
class _Reader:
    """Reads one table within its ceiling."""

    gateway: Gateway
    layout: Layout
    units: TokenBucket

    async def scan(self, segment: int, total_segments: int, start_key: WireKey | None) -> Page:
        await self.units.admit()
        page = await self.gateway.scan(
            self.layout.table, segment=segment, total_segments=total_segments, start_key=start_key
        )
        self.units.spend(page.read_units)
        return page

    async def fetch(
        self,
        keys: Mapping[Hashable, WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> dict[Hashable, WireItem]:
        found: dict[Hashable, WireItem] = {}
        for batch in batches(keys.values(), MAX_BATCH_GET):
            await self.units.admit()
            answer = await self.gateway.batch_get(
                self.layout.table, batch, consistent_read=consistent_read, attributes=attributes
            )
            self.units.spend(answer.read_units)
            for item in answer.items:
                key = key_of(item, self.layout.key, self.layout.table)
                found[identity(key)] = item
        return found


@attrs.define(kw_only=True)
class _Run:
    """One verification: what it reads with and what it has found."""

    level: Level
    lineage: Lineage
    old: _Reader
    new: _Reader
    observer: Callable[[VerificationReport], None] | None
    clock: Clock
    counts: Counter[Kind] = attrs.field(factory=Counter)
    examples: list[Example] = attrs.field(factory=list)
    started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.monotonic()

    async def each_page(
        self,
        reader: _Reader,
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
            origins[identity(key)] = (key, self._origin(key))
        wanted = {identity(old): old for _, old in origins.values() if old is not None}
        olds = await self.old.fetch(wanted, consistent_read=True)
        for key, old in origins.values():
            old_item = None if old is None else olds.get(identity(old))
            if old_item is None or not self._yields(old_item, key):
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
        if self.level == "content" and not _values.equal_items(wanted.item, found):
            return Kind.DIFFERENT
        return Kind.SAME

    def _origin(self, new_key: WireKey) -> WireKey | None:
        try:
            return self.lineage.old_key(new_key)
        except DualTableError:
            return None

    def _yields(self, old_item: WireItem, new_key: WireKey) -> bool:
        try:
            return self.lineage.new_item(old_item, new_key) is not None
        except DualTableError:
            return False

    def _key_attributes(self) -> tuple[str, ...]:
        marks = self.lineage.marks
        return (*self.new.layout.key.names, marks.tombstone, marks.token)

    def _note(self, kind: Kind, key: WireKey, reason: str) -> None:
        self.counts[kind] += 1
        worth = kind in (Kind.MISSING, Kind.DIFFERENT, Kind.EXTRA)
        if worth and self.counts[kind] <= _MAX_EXAMPLES:
            self.examples.append(Example(kind=kind.value, key=plain(key), reason=reason))

    def _observe(self) -> None:
        if self.observer is not None:
            self.observer(self.report())
