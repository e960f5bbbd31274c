"""The pass of a scan over `new`, which leaves out what the pass over `old` has brought.

The rule: what that has brought is told by what `old` has, in the same way in which the pass over it
went: by the partitions of which it has an item, or by the keys that its items yield.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial

import attrs

from dualtable._reading import indexes
from dualtable._reading.places import Scan, ScanPlace
from dualtable._reading.query_parts import partition_of
from dualtable._reading.tables import Tables
from dualtable._tasks import run_all
from dualtable._wire.keys import identity, key_of
from dualtable._wire.types import WireItem, WireKey

AT_ONCE = 16
"""So many partitions are asked for at once."""


class OverNew:
    """The items of `new`, page by page, but for those that have come before."""

    def __init__(self, tables: Tables, scan: Scan, place: ScanPlace) -> None:
        self._tables = tables
        self._scan = scan
        self._place = place
        self._start_key = place.after
        self._ended = False
        self._left: deque[tuple[WireKey, WireItem]] = deque()
        self._partitions: dict[Hashable, bool] = {}

    async def next(self) -> tuple[WireItem, Callable[[], ScanPlace]] | None:
        """Return the next logical item, and what tells the place behind it; None at the end."""
        while not self._left:
            if self._ended:
                return None
            await self._read()
        key, item = self._left.popleft()
        return self._tables.marks.strip(item), partial(attrs.evolve, self._place, after=key)

    async def _read(self) -> None:
        self._tables = await self._tables.current()
        new, marks, index = self._tables.new, self._tables.marks, self._scan.index
        page = await self._tables.gateway.scan(
            new.table,
            segment=self._scan.segment,
            total_segments=self._scan.total_segments,
            index=None if index is None else index.name,
            start_key=self._start_key,
            limit=self._scan.page_items,
            consistent_read=self._scan.consistent_read,
        )
        items = await indexes.alive(self._tables, index, page.items)
        live = [item for item in items if not marks.is_tombstone(item)]
        keys = [key_of(item, new.key, new.table) for item in live]
        brought = await self._brought({identity(key): key for key in keys})
        for key, item in zip(keys, live, strict=True):
            if identity(key) not in brought:
                place = key if index is None else key | key_of(item, index.key, new.table)
                self._left.append((place, item))
        self._start_key, self._ended = page.last_key, page.last_key is None

    async def _brought(self, keys: Mapping[Hashable, WireKey]) -> set[Hashable]:
        """Return which keys the pass over `old` has brought, by their identities."""
        if self._place.mode == "new":
            return set()
        if self._place.mode == "partitions":
            return await self._in_partitions_of_old(keys)
        if self._tables.lineage.keeps_keys:
            return set(await self._tables.fetch(self._tables.old, keys, consistent_read=True))
        return await self._yielded_by_old(keys)

    async def _yielded_by_old(self, keys: Mapping[Hashable, WireKey]) -> set[Hashable]:
        """Ask the transform; an old item that cannot be read has brought nothing."""
        lineage = self._tables.lineage
        origins = [key for key in map(lineage.origin, keys.values()) if key is not None]
        olds = await self._tables.fetch(
            self._tables.old, {identity(key): key for key in origins}, consistent_read=True
        )
        yielded = (key for old_item in olds.values() for key in lineage.new_keys(old_item))
        return {name for name in map(identity, yielded) if name in keys}

    async def _in_partitions_of_old(self, keys: Mapping[Hashable, WireKey]) -> set[Hashable]:
        name = self._tables.new.key.partition.name
        partitions = {identity({name: key[name]}): {name: key[name]} for key in keys.values()}
        unknown = [key for each, key in partitions.items() if each not in self._partitions]
        known = {each: old for each, old in self._partitions.items() if each in partitions}
        self._partitions = known | await self._ask_old(unknown)
        return {each for each, key in keys.items() if self._partitions[identity({name: key[name]})]}

    async def _ask_old(self, partitions: Iterable[WireKey]) -> dict[Hashable, bool]:
        """Tell of each partition whether `old` has an item in it."""
        waiting = deque(partitions)
        found: dict[Hashable, bool] = {}

        async def ask() -> None:
            while waiting:
                partition = waiting.popleft()
                found[identity(partition)] = await is_in_old(self._tables, partition)

        await run_all(ask() for _ in range(min(AT_ONCE, len(waiting))))
        return found


async def is_in_old(tables: Tables, partition: WireKey) -> bool:
    """Tell whether `old` has an item of a partition."""
    ((_, value),) = partition.items()
    sent = partition_of(tables.old.key, value).sent
    start_key: WireKey | None = None
    while True:
        page = await tables.gateway.query(
            tables.old.table, sent, start_key=start_key, limit=1, consistent_read=True
        )
        start_key = page.last_key
        if page.items or start_key is None:
            return bool(page.items)
