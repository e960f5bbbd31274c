"""The pass of a scan over `old` that goes by keys.

The rule: each key that an old item yields is looked up in `new`, a page at a time, and comes here
and nowhere else, as what `new` has or else as what `old` offers. A page that was not looked up to
its end, as a request failed or nobody waited for it, is read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest

import attrs

from dualtable._reading.offers import Failures, Offer, offers_of
from dualtable._reading.places import Scan, ScanPlace
from dualtable._reading.tables import Tables
from dualtable._reading.tokens import damaged
from dualtable._wire.keys import identity
from dualtable._wire.types import WireItem, WireKey


@attrs.frozen
class _Looked:
    """An offer, what `new` has in its stead, and whether its old item offers more."""

    offer: Offer | None
    newer: WireItem | None
    place: Callable[[], ScanPlace]


class ByKeys:
    """What old items offer, page by page, laid under what `new` has."""

    def __init__(self, tables: Tables, scan: Scan, place: ScanPlace, failures: Failures) -> None:
        self._tables = tables
        self._scan = scan
        self._failures = failures
        self._place = place
        self._start_key = place.after
        self._resumes = place.last is not None
        self._ended = False
        self._looked: deque[_Looked] = deque()

    async def next(self) -> tuple[WireItem, Callable[[], ScanPlace]] | None:
        """Return the next logical item, and what tells the place behind it; None at the end."""
        while True:
            while self._looked:
                item = await self._shown(self._looked[0])
                place = self._looked.popleft().place
                if item is not None:
                    return item, place
            if self._ended:
                return None
            await self._read()

    async def _read(self) -> None:
        """Hold what the next page offers, or first the rest of the item that yielded last."""
        self._tables = await self._tables.current()
        if self._resumes:
            self._looked.extend(await self._look_up(await self._rest_of(self._place)))
            self._resumes = False
            return
        page = await self._tables.gateway.scan(
            self._tables.old.table,
            segment=self._scan.segment,
            total_segments=self._scan.total_segments,
            start_key=self._start_key,
            limit=self._scan.page_items,
            consistent_read=self._scan.consistent_read,
        )
        self._looked.extend(await self._look_up(offers_of(self._tables.lineage, page.items)))
        self._start_key, self._ended = page.last_key, page.last_key is None

    async def _rest_of(self, place: ScanPlace) -> Sequence[Offer]:
        """Return what the old item of a place offers behind the key that was yielded last."""
        key: WireKey = place.after or {}
        found = await self._tables.fetch(
            self._tables.old, {identity(key): key}, consistent_read=True
        )
        offers = offers_of(self._tables.lineage, found.values())
        for number, offer in enumerate(offers, 1):
            if offer.key == place.last:
                return offers[number:]
        raise damaged()

    async def _look_up(self, offers: Sequence[Offer]) -> list[_Looked]:
        keys = {identity(offer.key): offer.key for offer in offers if offer.key is not None}
        found = await self._tables.newer(keys, consistent_read=self._scan.consistent_read)
        believed = self._tables.route.asks_old  # else all has been copied, and deletes are real
        if believed:
            await self._tables.confirm()
        looked = []
        for offer, following in zip_longest(offers, offers[1:]):
            more = following is not None and following.source == offer.source
            newer = None if offer.key is None else found.get(identity(offer.key))
            last = offer.key if more else None
            place = partial(attrs.evolve, self._place, after=offer.source, last=last)
            looked.append(_Looked(offer if believed else None, newer, place))
        return looked

    async def _shown(self, looked: _Looked) -> WireItem | None:
        item, marks = looked.newer, self._tables.marks
        if item is None and looked.offer is not None:
            item = await looked.offer.taken(self._failures)
        return None if item is None or marks.is_tombstone(item) else marks.strip(item)
