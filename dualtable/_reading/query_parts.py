"""The parts that a query is made of: what each of the two tables, or their indexes, has for it.

The rule: a part is a stream of items or offers in the order of the query, from a place on. An index
of `new` that `old` completes shows each key in one of the two streams, and by the order of both
nothing that comes to be there behind the place.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import attrs

from dualtable._dynamodb.gateway import Page
from dualtable._expressions.key_conditions import KeyCondition
from dualtable._expressions.texts import Condition
from dualtable._reading import indexes
from dualtable._reading.offers import Failures, Offer, offers_of
from dualtable._reading.streams import Stream, listed
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
    above: bool = False
    """What the index of `new` has of the rank of `new` has come as well."""

    @classmethod
    def of(cls, position: Position, query: Query, table_key: KeySchema) -> QueryPlace:
        """Return the place that a token holds.

        Raises:
            InvalidTokenError: It holds none in the answer to this query.
        """
        checked_names(position, {field.name for field in attrs.fields(cls)})
        schemas = (table_key, query.condition.schema)
        new, old = (key_in(position, name, *schemas) for name in ("new", "old"))
        overlaid, held = position["overlaid"], [key for key in (new, old) if key is not None]
        above = position["above"]
        if type(overlaid) is not bool or (overlaid and query.index is None):
            raise damaged()
        if type(above) is not bool or (above and (new is None or not overlaid)):
            raise damaged()
        if not held or (old and not overlaid) or not all(map(query.condition.holds, held)):
            raise damaged()
        return cls(new, old, overlaid, above)


@attrs.frozen
class Behind:
    """Behind a key of an index, of which nothing else is known; in which stream, `old` tells."""

    key: WireKey


@attrs.define
class Sight:
    """The tables as a query sees them, which may change from page to page."""

    tables: Tables


@attrs.frozen
class Parts:
    """Reads the parts that a query is made of."""

    sight: Sight
    query: Query
    place: QueryPlace
    failures: Failures
    behind: WireKey | None = None

    @property
    def tables(self) -> Tables:
        return self.sight.tables

    def new(self, hidden: frozenset[Hashable] = frozenset()) -> Stream[WireItem]:
        """Return what the new table or its index holds, but for hidden keys."""
        if not self.tables.route.asks_new:
            return listed([], self._key)
        index = None if self.query.index is None else self.query.index.name

        async def read(start_key: WireKey | None) -> tuple[Sequence[WireItem], WireKey | None]:
            page = await self._read_page(self.tables.new, index, start_key)
            shown = page.items
            if self.place.overlaid:
                shown = [item for item in shown if self._shows(item, hidden)]
            alive = await indexes.alive(self.tables, self.query.index, shown)
            return alive, page.last_key

        return Stream(read, self._key, self.place.new)

    async def old(self) -> Stream[Offer]:
        """Return what the old table yields: page by page where its keys are the new ones."""
        if not self.tables.route.asks_old:
            return self.listed([])
        if not self.tables.lineage.keeps_keys:
            offers = offers_of(self.tables.lineage, await self._read_old_partition())
            await self.tables.confirm()
            items = await self._made(offers)
            return self.listed(self._offered(self._asked_for(items)))

        async def read(start_key: WireKey | None) -> tuple[Sequence[Offer], WireKey | None]:
            page = await self._read_page(self.tables.old, None, start_key)
            return offers_of(self.tables.lineage, page.items), page.last_key

        return Stream(read, self._offered_key, self.place.new)

    async def completed_index(self, index: Index) -> tuple[Stream[WireItem], Stream[Offer], bool]:
        """Return the new index and what completes it, with no key in both; and what `above` says.

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
        hidden, offered = frozenset(keys), self._offered(shown)
        reader = await self._placed(hidden, offered)
        return reader.new(hidden), reader.listed(offered), reader.place.above

    async def _placed(self, hidden: frozenset[Hashable], offers: list[Offer]) -> Self:
        """Return the reader at its place in both streams.

        Of what is known to come behind a key alone, all that `new` has of a rank comes first.
        """
        last = self.behind
        if last is None:
            return attrs.evolve(self, place=attrs.evolve(self.place, overlaid=True))
        if self._identity(last) in hidden or not await self._is_in_new(last):
            place = QueryPlace(last, last, overlaid=True, above=True)
            return attrs.evolve(self, place=place)
        keys = [offer.key for offer in offers if offer.key is not None]
        before = [key for key in keys if self._is_before(key, last)]
        pick = min if self.query.descending else max
        old = pick(before, key=self._rank) if before else None
        return attrs.evolve(self, place=QueryPlace(last, old, overlaid=True))

    async def _is_in_new(self, last: WireKey) -> bool:
        """Tell whether `new` has a key, which it never loses before the last phase."""
        if not self.tables.route.asks_new:
            return False
        key = key_of(last, *self._base)
        found = await self.tables.fetch(self.tables.new, {identity(key): key}, consistent_read=True)
        return bool(found)

    def _shows(self, item: WireItem, hidden: frozenset[Hashable]) -> bool:
        """Tell whether a completed index shows an item at the reader's place.

        What ranks before what has come already has come to be there since: it would come late.
        """
        place = self.place
        if self._identity(item) in hidden or self._is_late(item):
            return False
        return not (place.above and place.new and self._is_level(item, place.new))

    def _is_late(self, key: WireKey) -> bool:
        come = [key for key in (self.place.new, self.place.old) if key is not None]
        return any(self._is_before(key, last) for last in come)

    def _is_level(self, key: WireKey, other: WireKey) -> bool:
        return bool(self.query.rank(key) == self.query.rank(other))

    def _is_before(self, key: WireKey, last: WireKey) -> bool:
        rank, other = self.query.rank(key), self.query.rank(last)
        return bool(rank > other if self.query.descending else rank < other)

    def listed(self, offers: Iterable[Offer]) -> Stream[Offer]:
        """Return offers in order, those that come after the place."""
        last = self.place.old if self.place.overlaid else self.place.new
        keyed = [(self._rank(offer.key), offer) for offer in offers if offer.key is not None]
        keyed.sort(key=lambda each: each[0], reverse=self.query.descending)
        after = [offer for rank, offer in keyed if self._is_after(rank, last)]
        if self.place.overlaid:
            after = [offer for offer in after if not self._is_late(offer.key or {})]
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
