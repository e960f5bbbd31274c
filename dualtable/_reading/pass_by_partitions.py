"""The pass of a scan over `old` that goes by partitions.

The rule: `old` tells which partitions there are, and each is read as a query reads it, to its end,
when its first item comes. A scan returns the items of one partition together; that they come in
order is asked of queries alone. So a partition that lies within one page is not read again, and of
one that does not, `old` is queried too.

Memory holds a page of `old`, and the first page of each of a few partitions of `new`, which are
read at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice

import attrs

from dualtable._reading.offers import Failures, Offer, offers_of
from dualtable._reading.places import Scan, ScanPlace
from dualtable._reading.queries import QueryReader, open_query
from dualtable._reading.query_parts import Query, QueryPlace, partition_of
from dualtable._reading.tables import Tables
from dualtable._tasks import run_all
from dualtable._wire.keys import key_of
from dualtable._wire.types import WireItem, WireKey, WireValue

AT_ONCE = 16
"""So many partitions are asked for at once: half of what a client of the SDK has connections for is
left to others."""


@attrs.frozen
class _Run:
    """The items of one partition that follow each other in a page of `old`."""

    partition: WireValue
    last: WireKey
    offers: Sequence[Offer] | None
    """All that `old` has of the partition; None where a query must tell."""


class ByPartitions:
    """The partitions of `old`, one after the other, each merged with its items in `new`."""

    def __init__(self, tables: Tables, scan: Scan, place: ScanPlace, failures: Failures) -> None:
        self._tables = tables
        self._scan = scan
        self._failures = failures
        self._place = place
        self._start_key = place.after
        self._ended = False
        self._waiting: deque[_Run] = deque()
        self._opened: deque[tuple[_Run, QueryReader]] = deque()
        self._read_to_its_end: WireValue | None = None
        if place.after is not None:
            self._read_to_its_end = place.after[self._name]
            self._waiting.append(_Run(self._read_to_its_end, place.after, None))
        self._begin_after = place.last

    async def next(self) -> tuple[WireItem, Callable[[], ScanPlace]] | None:
        """Return the next logical item, and what tells the place behind it; None at the end."""
        while True:
            while self._opened:
                run, reader = self._opened[0]
                item = await reader.next()
                if item is not None:
                    return item, partial(self._behind, run, reader.bookmark())
                self._go_on_after(*self._opened.popleft())
            if self._waiting:
                await self._open()
            elif self._ended:
                return None
            else:
                await self._read()

    def _behind(self, run: _Run, bookmark: Callable[[], QueryPlace]) -> ScanPlace:
        return attrs.evolve(self._place, after=run.last, last=bookmark().new)

    def _go_on_after(self, run: _Run, reader: QueryReader) -> None:
        """Let the scan pass over what a query has read of `old`."""
        if run.offers is None and reader.old_last is not None:
            self._start_key = None if self._ended else reader.old_last

    async def _open(self) -> None:
        """Ask for the next partitions at once; where one cannot be read, all wait on."""
        self._tables = await self._tables.current()
        runs = list(islice(self._waiting, AT_ONCE))
        place = None if self._begin_after is None else QueryPlace(self._begin_after)
        places = [place, *[None] * (len(runs) - 1)]
        readers = await run_all(map(self._query, runs, places))
        self._opened.extend(zip(runs, readers, strict=True))
        self._begin_after = None  # the first one alone has been begun before
        for _ in runs:
            self._waiting.popleft()

    async def _query(self, run: _Run, place: QueryPlace | None) -> QueryReader:
        asked = Query(
            condition=partition_of(self._tables.new.key, run.partition),
            consistent_read=True,
            page_items=self._scan.page_items,
        )
        return await open_query(self._tables, asked, place, self._failures, run.offers)

    async def _read(self) -> None:
        self._tables = await self._tables.current()
        page = await self._tables.gateway.scan(
            self._tables.old.table,
            segment=self._scan.segment,
            total_segments=self._scan.total_segments,
            start_key=self._start_key,
            limit=self._scan.page_items,
            consistent_read=self._scan.consistent_read,
        )
        self._start_key, self._ended = page.last_key, page.last_key is None
        self._waiting.extend(self._runs(page.items))
        if self._waiting:
            self._read_to_its_end = self._waiting[-1].partition
            if not self._ended:  # it may go on in the next page
                self._waiting.append(attrs.evolve(self._waiting.pop(), offers=None))

    def _runs(self, old_items: Iterable[WireItem]) -> Iterator[_Run]:
        """Yield the runs of a page, but for the rest of a partition that has been read."""
        for partition, group in groupby(old_items, self._partition_of):
            if partition != self._read_to_its_end:
                offers = offers_of(self._tables.lineage, group)
                yield _Run(partition, offers[-1].source, offers)

    def _partition_of(self, old_item: WireItem) -> WireValue:
        return key_of(old_item, self._tables.old.key, self._tables.old.table)[self._name]

    @property
    def _name(self) -> str:
        return self._tables.new.key.partition.name
