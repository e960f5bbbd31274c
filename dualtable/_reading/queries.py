"""A query of the logical table: what `new` holds of a partition, laid over what `old` yields.

The rule: both tables are read in the order of the new sort key and merged. Where the keys are the
same in both tables, both are read page by page; otherwise the old partition is read whole and
sorted. An index of `new` only knows what has arrived there: until the cut-over it is
completed by an index of `old` that the migration names, or by the old partition for a local one, or
the query is refused.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Self

import attrs

from dualtable._dynamodb.gateway import Page
from dualtable._expressions.key_conditions import KeyCondition
from dualtable._expressions.texts import Condition
from dualtable._reading.streams import Merged, Stream, listed
from dualtable._reading.tables import Tables
from dualtable._reading.tokens import Position
from dualtable._transforms.guarded import guarded
from dualtable._wire import codec
from dualtable._wire.keys import identity, key_of, order
from dualtable._wire.layouts import Index, KeySchema, Layout
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable.errors import IndexNotReadyError, InvalidItemError, TransformError, UnknownIndexError


@attrs.frozen(kw_only=True)
class Query:
    """What is asked; `index` is None for the table itself."""

    condition: KeyCondition
    index: Index | None = None
    descending: bool = False
    consistent_read: bool = False
    page_items: int | None = None

    def rank(self, item: WireItem) -> Any:
        """Return what the items of one partition are sorted by."""
        sort = self.condition.schema.sort
        return () if sort is None else order(item[sort.name])


async def open_query(tables: Tables, query: Query, position: Position | None) -> Merged:
    """Return the items that a query finds after a position, all of them where it is None.

    Raises:
        IndexNotReadyError: The index is not complete yet, and nothing is known to complete it.
        TransformError: The partition cannot be mapped back to one of the old table.
    """
    reader = _Reader(tables, query, **(position or {"after_new": None, "after_old": None}))
    if tables.route.asks_old and query.index is not None:
        new, old = await reader.completed_index(query.index)
    else:
        reader = reader.at_one_place()
        new, old = reader.new(), await reader.old()
    return Merged(new, old, query.rank, tables.marks, descending=query.descending)


@attrs.frozen
class _Reader:
    """Reads the parts that a query is made of."""

    tables: Tables
    query: Query
    after_new: WireKey | None
    after_old: WireKey | None

    def at_one_place(self) -> Self:
        """Let both streams begin after the later place: up to there, all has been passed on.

        An item that was passed on from `old` may have been copied since.
        """
        places = [key for key in (self.after_new, self.after_old) if key is not None]
        if not places:
            return self
        last = (min if self.query.descending else max)(places, key=self._place)
        return attrs.evolve(self, after_new=last, after_old=last)

    def new(self, hidden: frozenset[Hashable] = frozenset()) -> Stream:
        """Return what the new table or its index holds, but for the hidden keys."""
        if not self.tables.route.asks_new:
            return self.listed([])
        index = None if self.query.index is None else self.query.index.name

        async def read(start_key: WireKey | None) -> Page:
            page = await self._read_page(self.tables.new, index, start_key)
            shown = [item for item in page.items if self._identity(item) not in hidden]
            return attrs.evolve(page, items=await self._alive(shown))

        return Stream(read, self._key, self.after_new)

    async def _alive(self, items: list[WireItem]) -> list[WireItem]:
        """Leave out tombstones that the index shows without their marker."""
        index, marks = self.query.index, self.tables.marks
        if index is None or not index.shows_the_dead(self.tables.new.key, marks.tombstone):
            return items
        keys = {self._identity(item): key_of(item, *self._base) for item in items}
        found = await self.tables.fetch(self.tables.new, keys, consistent_read=True)
        dead = {name for name, item in found.items() if marks.is_tombstone(item)}
        return [item for item in items if self._identity(item) not in dead]

    async def old(self) -> Stream:
        """Return what the old table yields: page by page where its keys are the new ones."""
        if not self.tables.route.asks_old:
            return self.listed([])
        if not self.tables.lineage.keeps_keys:
            return self.listed(self._asked_for(self._yielded(await self._read_old_partition())))

        async def read(start_key: WireKey | None) -> Page:
            page = await self._read_page(self.tables.old, None, start_key)
            return attrs.evolve(page, items=self._asked_for(self._yielded(page.items)))

        return Stream(read, self._key, self.after_old)

    async def completed_index(self, index: Index) -> tuple[Stream, Stream]:
        """Return the new index and what completes it, with no key in both.

        What the old items yield is looked up in the new table: an item may have been written there
        since, to another place in the index or to one where the index does not show it yet.
        """
        yielded = {self._identity(item): item for item in await self._yielded_for(index)}
        keys = {name: key_of(item, *self._base) for name, item in yielded.items()}
        arrived = await self.tables.newer(keys, consistent_read=True)
        await self.tables.confirm()
        live = [i for i in (yielded | arrived).values() if not self.tables.marks.is_tombstone(i)]
        shown = [self._projected(item, index) for item in self._asked_for(live)]
        return self.new(hidden=frozenset(yielded)), self.listed(shown)

    def listed(self, items: Sequence[WireItem]) -> Stream:
        """Return items in order, those that come after the position."""
        last = self.after_old
        ranked = sorted(items, key=self._place, reverse=self.query.descending)
        return listed([item for item in ranked if self._is_after(item, last)], self._key, last)

    async def _yielded_for(self, index: Index) -> list[WireItem]:
        if index.local:
            return self._yielded(await self._read_old_partition())
        if index.old_index is None:
            raise IndexNotReadyError(
                f"index {index.name} of {self.tables.new.table} is not known to be complete before"
                " the cut-over, not even when the copy is; query it later, or name an index of the"
                " old table that completes it: Index(…, old_index=…)"
            )
        return self._yielded(await self._read_old_index(index, index.old_index))

    async def _read_old_index(self, index: Index, old_index: str) -> list[WireItem]:
        """Return the whole items that an index of the old table has for the partition."""
        old = self.tables.old
        if old_index not in old.indexes:
            raise UnknownIndexError(f"{old.table} has no index {old_index!r} (old_index)")
        condition = _equals(
            old.indexes[old_index].key.partition.name,
            _old_value(index, self.query.condition.partition),
        )
        entries = await self._read_all(condition, old_index)
        keys = (key_of(entry, old.key, old.table) for entry in entries)
        olds = await self.tables.fetch(
            old, {identity(key): key for key in keys}, consistent_read=True
        )
        return list(olds.values())

    async def _read_old_partition(self) -> list[WireItem]:
        partition = {self.tables.new.key.partition.name: self.query.condition.partition}
        value = self.tables.lineage.old_partition(partition)
        if value is None:
            return []
        return await self._read_all(_equals(self.tables.old.key.partition.name, value), None)

    async def _read_all(self, condition: Condition, index: str | None) -> list[WireItem]:
        items: list[WireItem] = []
        start_key: WireKey | None = None
        while True:
            page = await self.tables.gateway.query(
                self.tables.old.table,
                condition,
                index=index,
                start_key=start_key,
                consistent_read=index is None,
            )
            items += page.items
            start_key = page.last_key
            if start_key is None:
                return items

    async def _read_page(
        self, layout: Layout, index: str | None, start_key: WireKey | None
    ) -> Page:
        condition, descending = self.query.condition, self.query.descending
        if start_key and index is None and condition.ends_at(start_key, descending=descending):
            return Page([], None, 0.0)
        page = await self.tables.gateway.query(
            layout.table,
            condition.sent,
            index=index,
            start_key=start_key,
            limit=self.query.page_items,
            descending=descending,
            consistent_read=self.query.consistent_read,
        )
        if self.tables.route.asks_old:
            await self.tables.confirm()  # an item of old may go by what this page does not have
        return page

    def _yielded(self, old_items: Iterable[WireItem]) -> list[WireItem]:
        new_items = self.tables.lineage.new_items
        return [item for old_item in old_items for _, item in new_items(old_item)]

    def _asked_for(self, items: Iterable[WireItem]) -> list[WireItem]:
        return [item for item in items if self.query.condition.holds(item)]

    def _projected(self, item: WireItem, index: Index) -> WireItem:
        table_key = self.tables.new.key
        return {name: value for name, value in item.items() if index.projects(name, table_key)}

    def _is_after(self, item: WireItem, last: WireKey | None) -> bool:
        if last is None:
            return True
        place, before = self._place(item), self._place(last)
        return bool(place < before if self.query.descending else place > before)

    def _place(self, item: WireItem) -> Any:
        return self.query.rank(item), self._identity(item)

    def _key(self, item: WireItem) -> WireKey:
        """Return the key that a page of the table or index may begin after."""
        names = (*self.tables.new.key.names, *self.query.condition.schema.names)
        return {name: item[name] for name in names}

    def _identity(self, item: WireItem) -> Hashable:
        return identity(key_of(item, *self._base))

    @property
    def _base(self) -> tuple[KeySchema, str]:
        return self.tables.new.key, self.tables.new.table


def _old_value(index: Index, partition: WireValue) -> WireValue:
    """Return the partition of the old index that completes one of the new index."""
    lead = index.old_value
    if lead is None:
        return partition
    value = codec.decode_value(partition)
    found = guarded(lambda: lead(value), index.name, "old_value of index {!r}", lead)
    try:
        return codec.encode_value(found)
    except InvalidItemError as error:
        raise TransformError(f"old_value of index {index.name!r}: {error}") from error


def _equals(name: str, value: WireValue) -> Condition:
    return Condition("#p = :p", {"#p": name}, {":p": value})
