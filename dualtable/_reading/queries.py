"""A query of the logical table: what `new` holds of a partition, laid over what `old` yields.

The rule: both tables are read in the order of the new sort key and merged. Where the keys are the
same in both tables, both are read page by page; otherwise the old partition is read whole and
sorted. An index of `new` only knows what has arrived there: until the cut-over it is
completed by an index of `old` that the migration names, or by the old partition for a local one, or
the query is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dualtable._reading.offers import Failures, Offer
from dualtable._reading.query_parts import Behind, Parts, Query, QueryPlace, Sight
from dualtable._reading.streams import Merged, Stream
from dualtable._reading.tables import Tables
from dualtable._wire.types import WireItem, WireKey


class QueryReader:
    """The logical items of a query, one after the other; use `open_query` to get one.

    Before another page is read it looks at the phase. If that is another one by then, it goes on as
    a new query does from the place that it has come to. A consistent one does so at each page where
    one of the tables would else be judged by an earlier page of the other: while `old` may still be
    written to, and where an index is completed.
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
        sight = Sight(tables)
        reader = Parts(sight, query, known or QueryPlace(behind), self._failures, behind)
        above = False
        if query.index is not None and overlaid:
            new, old, above = await reader.completed_index(query.index)
        elif query.index is not None:
            new, old = reader.new(), reader.listed([])
        else:
            new = reader.new()
            offers = self._offers if by_old else []
            old = await reader.old() if offers is None else reader.listed(offers)
        rank, marks, descending = query.rank, tables.marks, query.descending
        merged = Merged(new, old, rank, marks, self._failures, descending=descending)
        await merged.read()
        self._sight, self._place, self._merged, self._overlaid = sight, place, merged, overlaid
        self._above = above

    def at_hand(self) -> WireItem | None:
        """Return the next item where nothing is to be read for it; None where `next` must tell."""
        return self._merged.take_new()

    async def next(self) -> WireItem | None:
        """Return the next item; None at the end."""
        while True:
            if not self._merged.is_known:
                await self._read()
            elif self._merged.is_ended:
                return None
            elif (item := await self._merged.take()) is not None:
                return item

    async def _read(self) -> None:
        tables = await self._sight.tables.current()
        if tables.route != self._sight.tables.route or (self._judges_anew and self._has_come_on):
            await self.begin(tables, self.bookmark()() if self._has_come_on else self._place)
        else:
            self._sight.tables = tables
            await self._merged.read()

    @property
    def _judges_anew(self) -> bool:
        if not self._query.consistent_read:
            return False
        return self._overlaid or self._sight.tables.route.old_moves

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
            came = self._merged.came
            return partial(_behind, came, came.taken)
        new, old = self._merged.new.bookmark(), self._merged.old.bookmark()
        above = self._above and self._merged.new.taken is None
        return lambda: QueryPlace(new(), old(), overlaid=True, above=above)


def _behind(came: Stream[Any], taken: Any) -> QueryPlace:
    return QueryPlace(came.key_of(taken))


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
