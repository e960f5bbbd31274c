"""A query of the logical table: what `new` holds of a partition, laid over what `old` yields.

The rule: both tables are read in the order of the new sort key and merged. Where the keys are the
same in both tables, both are read page by page; otherwise the old partition is read whole and
sorted. An index of `new` only knows what has arrived there: until the cut-over it is
completed by an index of `old` that the migration names, or by the old partition for a local one, or
the query is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs

from dualtable._dynamodb.gateway import Page
from dualtable._expressions.key_conditions import KeyCondition
from dualtable._expressions.texts import Condition
from dualtable._reading import indexes
from dualtable._reading.offers import Failures, Offer, offers_of
from dualtable._reading.streams import Merged, Stream, listed
from dualtable._reading.tables import Tables
from dualtable._reading.tokens import Position, checked_names, damaged, key_in
from dualtable._transforms.guarded import guarded
from dualtable._wire import codec
from dualtable._wire.keys import identity, key_of, order
from dualtable._wire.layouts import Index, KeySchema, Layout
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable.errors import (
    IndexNotReadyError,
    InvalidItemError,
    InvalidTokenError,
    TransformError,
    UnknownIndexError,
)


@attrs.frozen(kw_only=True)
class Query:
    """What is asked; `index` is None for the table itself."""

    condition: KeyCondition
    index: Index | None = None
    descending: bool = False
    consistent_read: bool = False
    page_items: int | None = None

    def rank(self, key: WireKey) -> Any:
        """Return what the items of one partition are sorted by."""
        return tuple(order(key[sort.name]) for sort in self.condition.schema.sorts)


def partition_of(schema: KeySchema, value: WireValue) -> KeyCondition:
    """Return the condition that asks for one whole partition."""
    return KeyCondition(schema, (value,), (), _equals([schema.partition.name], [value]))


@attrs.frozen
class QueryPlace:
    """Behind the key that was yielded last.

    An index that was `overlaid` is read in two streams of one rank, which are in no order among
    each other: there, `new` and `old` are the keys that came last of each. It is read so to the
    end, whatever the phase has become.
    """

    new: WireKey | None = None
    old: WireKey | None = None
    overlaid: bool = False

    @classmethod
    def of(cls, position: Position, query: Query, table_key: KeySchema) -> QueryPlace:
        """Return the place that a token holds.

        Raises:
            InvalidTokenError: It holds none in the answer to this query.
        """
        checked_names(position, {"new", "old", "overlaid"})
        schemas = (table_key, query.condition.schema)
        new, old = (key_in(position, name, *schemas) for name in ("new", "old"))
        overlaid, held = position["overlaid"], [key for key in (new, old) if key is not None]
        if type(overlaid) is not bool or (overlaid and query.index is None):
            raise damaged()
        if not held or (old and not overlaid) or not all(map(query.condition.holds, held)):
            raise damaged()
        return cls(new, old, overlaid)


@attrs.frozen
class Behind:
    """Behind a key of an index, of which nothing else is known; in which stream, `old` tells."""

    key: WireKey


class QueryReader:
    """The logical items of a query, one after the other; use `open_query` to get one.

    Before another page is read it looks at the phase. If that is another one by then, it goes on as
    a new query does from the place that it has come to.
    """

    def __init__(self, query: Query, failures: Failures, offers: Sequence[Offer] | None) -> None:
        self._query = query
        self._failures = failures
        self._offers = offers

    async def begin(self, tables: Tables, place: QueryPlace | Behind | None) -> None:
        """Read the first pages behind a place by the phase that the tables are seen in."""
        query, by_old = self._query, tables.route.asks_old
        known = place if isinstance(place, QueryPlace) else None
        overlaid = query.index is not None and (known.overlaid if known else by_old)
        behind = place.key if isinstance(place, Behind) else None
        reader = _Reader(tables, query, known or QueryPlace(behind), self._failures, behind)
        if query.index is not None and overlaid:
            new, old = await reader.completed_index(query.index)
        elif query.index is not None:
            new, old = reader.new(), reader.listed([])
        else:
            new = reader.new()
            given = self._offers is not None and by_old
            old = reader.listed(self._offers or ()) if given else await reader.old()
        rank, marks, descending = query.rank, tables.marks, query.descending
        merged = Merged(new, old, rank, marks, self._failures, descending=descending)
        await merged.read()
        self._tables, self._place, self._merged, self._overlaid = tables, place, merged, overlaid

    async def next(self) -> WireItem | None:
        """Return the next item; None at the end."""
        while not self._merged.is_ended:
            if not self._merged.is_known:
                await self._read()
            elif (item := await self._merged.take()) is not None:
                return item
        return None

    async def _read(self) -> None:
        tables = await self._tables.current()
        if tables.route == self._tables.route:
            await self._merged.read()
        else:
            await self.begin(tables, self.bookmark()() if self._has_come_on else self._place)

    @property
    def _has_come_on(self) -> bool:
        return self._merged.new.taken is not None or self._merged.old.taken is not None

    @property
    def old_last(self) -> WireKey | None:
        """The key of the old item that came last; None where none has come."""
        old = self._merged.old
        return None if old.taken is None else old.last

    def bookmark(self) -> Callable[[], QueryPlace]:
        """Return what tells where the query is now, whenever it is asked: few ask."""
        if not self._overlaid:
            last = self._merged.came.bookmark()
            return lambda: QueryPlace(last())
        new, old = self._merged.new.bookmark(), self._merged.old.bookmark()
        return lambda: QueryPlace(new(), old(), overlaid=True)


async def open_query(
    tables: Tables,
    query: Query,
    place: QueryPlace | Behind | None,
    failures: Failures,
    offers: Sequence[Offer] | None = None,
) -> QueryReader:
    """Return the items that a query finds after a place, all of them where it is None.

    Where `offers` are given, they are all that `old` has for it after that place.

    Raises:
        IndexNotReadyError: The index is not complete yet, and nothing is known to complete it.
        TransformError: The partition cannot be mapped back to one of the old table.
    """
    reader = QueryReader(query, failures, offers)
    await reader.begin(tables, place)
    return reader


@attrs.frozen
class _Reader:
    """Reads the parts that a query is made of."""

    tables: Tables
    query: Query
    place: QueryPlace
    failures: Failures
    behind: WireKey | None = None

    def new(
        self, hidden: frozenset[Hashable] = frozenset(), *, above: Any = None
    ) -> Stream[WireItem]:
        """Return what the new table or its index holds, but for hidden keys and those of a rank."""
        if not self.tables.route.asks_new:
            return listed([], self._key)
        index = None if self.query.index is None else self.query.index.name

        async def read(start_key: WireKey | None) -> tuple[Sequence[WireItem], WireKey | None]:
            page = await self._read_page(self.tables.new, index, start_key)
            shown = page.items
            if hidden or above is not None:
                shown = [
                    item
                    for item in page.items
                    if self._identity(item) not in hidden
                    and (above is None or self.query.rank(item) != above)
                ]
            alive = await indexes.alive(self.tables, self.query.index, shown)
            return alive, page.last_key

        return Stream(read, self._key, self.place.new)

    async def old(self) -> Stream[Offer]:
        """Return what the old table yields: page by page where its keys are the new ones."""
        if not self.tables.route.asks_old:
            return self.listed([])
        if not self.tables.lineage.keeps_keys:
            offers = offers_of(self.tables.lineage, await self._read_old_partition())
            items = await self._made(offers)
            return self.listed(self._offered(self._asked_for(items)))

        async def read(start_key: WireKey | None) -> tuple[Sequence[Offer], WireKey | None]:
            page = await self._read_page(self.tables.old, None, start_key)
            return offers_of(self.tables.lineage, page.items), page.last_key

        return Stream(read, self._offered_key, self.place.new)

    async def completed_index(self, index: Index) -> tuple[Stream[WireItem], Stream[Offer]]:
        """Return the new index and what completes it, with no key in both.

        What the old items offer is looked up in the new table: an item may have been written there
        since, to another place in the index or to one where the index does not show it yet.
        """
        offers = offers_of(self.tables.lineage, await self._old_items_for(index))
        keys = {identity(offer.key): offer.key for offer in offers if offer.key is not None}
        arrived = await self.tables.newer(keys, consistent_read=True)
        left = [o for o in offers if o.key is None or identity(o.key) not in arrived]
        if self.tables.route.asks_old:
            await self.tables.confirm()
        else:
            left = []  # all has been copied, and deletes may be real
        live = [i for i in arrived.values() if not self.tables.marks.is_tombstone(i)]
        wanted = self._asked_for([*live, *await self._made(left)])
        shown = [indexes.entry(index, item, self.tables.new.key) for item in wanted]
        if self.behind is not None:
            return self._behind(self.behind, frozenset(keys), self._offered(shown))
        return self.new(hidden=frozenset(keys)), self.listed(self._offered(shown))

    def _behind(
        self, last: WireKey, hidden: frozenset[Hashable], offers: list[Offer]
    ) -> tuple[Stream[WireItem], Stream[Offer]]:
        """Return both streams behind a key. Of those of one rank, all of the index come first."""
        if self._identity(last) in hidden:
            reader = attrs.evolve(self, place=QueryPlace(last, last, overlaid=True))
            return reader.new(hidden, above=self.query.rank(last)), reader.listed(offers)
        keys = [offer.key for offer in offers if offer.key is not None]
        before = [key for key in keys if self._is_before(key, last)]
        pick = min if self.query.descending else max
        old = pick(before, key=self._rank) if before else None
        reader = attrs.evolve(self, place=QueryPlace(last, old, overlaid=True))
        return reader.new(hidden), reader.listed(offers)

    def _is_before(self, key: WireKey, last: WireKey) -> bool:
        rank, other = self.query.rank(key), self.query.rank(last)
        return bool(rank > other if self.query.descending else rank < other)

    def listed(self, offers: Iterable[Offer]) -> Stream[Offer]:
        """Return offers in order, those that come after the place."""
        last = self.place.old if self.place.overlaid else self.place.new
        keyed = [(self._rank(offer.key), offer) for offer in offers if offer.key is not None]
        keyed.sort(key=lambda each: each[0], reverse=self.query.descending)
        after = [offer for rank, offer in keyed if self._is_after(rank, last)]
        return listed(after, self._offered_key, last)

    async def _old_items_for(self, index: Index) -> list[WireItem]:
        """Return the old items that complete an index, whole."""
        if index.local:
            return await self._read_old_partition()
        if index.old_index is None:
            raise IndexNotReadyError(
                f"index {index.name} of {self.tables.new.table} is not known to be complete before"
                " the cut-over, not even when the copy is; query it later, or name an index of the"
                " old table that completes it: Index(…, old_index=…)"
            )
        return await self._read_old_index(index, index.old_index)

    async def _read_old_index(self, index: Index, old_index: str) -> list[WireItem]:
        """Return the whole items that an index of the old table has for the partition."""
        old = self.tables.old
        if old_index not in old.indexes and not self.tables.route.asks_old:
            raise InvalidTokenError(
                "the page token was given out before the cut-over, and the old table is not known"
                " here any more; begin anew without it"
            )
        if old_index not in old.indexes:
            raise UnknownIndexError(f"{old.table} has no index {old_index!r} (old_index)")
        names = [attribute.name for attribute in old.indexes[old_index].key.partitions]
        values = _old_values(index, self.query.condition.partitions)
        if len(names) != len(values):
            raise TransformError(
                f"the partition of index {index.name!r} has {len(values)} values, and that of"
                f" {old_index!r} of {old.table} has {len(names)} ({', '.join(names)}); lead from"
                " the one to the other with Index(…, old_value=…)"
            )
        condition = _equals(names, values)
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
        return await self._read_all(partition_of(self.tables.old.key, value).sent, None)

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

    async def _made(self, offers: Iterable[Offer]) -> list[WireItem]:
        made = [await offer.taken(self.failures) for offer in offers]
        return [item for item in made if item is not None]

    def _asked_for(self, items: Iterable[WireItem]) -> list[WireItem]:
        return [item for item in items if self.query.condition.holds(item)]

    def _offered(self, items: Iterable[WireItem]) -> list[Offer]:
        return [Offer(key := self._key(item), key, partial(_given, item)) for item in items]

    def _is_after(self, rank: Any, last: WireKey | None) -> bool:
        if last is None:
            return True
        return bool(rank < self._rank(last) if self.query.descending else rank > self._rank(last))

    def _rank(self, key: WireKey) -> Any:
        return self.query.rank(key), self._identity(key)

    def _key(self, item: WireItem) -> WireKey:
        """Return the key that a page of the table or index may begin after."""
        schema, table = self._base
        key, asked = key_of(item, schema, table), self.query.condition.schema
        return key if asked is schema else key | key_of(item, asked, table)

    def _offered_key(self, offer: Offer) -> WireKey:
        return offer.key or {}

    def _identity(self, item: WireItem) -> Hashable:
        return identity(key_of(item, *self._base))

    @property
    def _base(self) -> tuple[KeySchema, str]:
        return self.tables.new.key, self.tables.new.table


def _given(item: WireItem) -> WireItem:
    return item


def _old_values(index: Index, partition: tuple[WireValue, ...]) -> list[WireValue]:
    """Return the partition of the old index that completes one of the new index."""
    lead = index.old_value
    if lead is None:
        return list(partition)
    values = tuple(map(codec.decode_value, partition))
    given = values if len(values) > 1 else values[0]
    found = guarded(lambda: lead(given), index.name, "old_value of index {!r}", lead)
    try:
        return [codec.encode_value(v) for v in (found if isinstance(found, tuple) else (found,))]
    except InvalidItemError as error:
        raise TransformError(f"old_value of index {index.name!r}: {error}") from error


def _equals(names: Sequence[str], values: Sequence[WireValue]) -> Condition:
    numbers = range(len(names))
    return Condition(
        " AND ".join(f"#p{n} = :p{n}" for n in numbers),
        {f"#p{n}": names[n] for n in numbers},
        {f":p{n}": values[n] for n in numbers},
    )
