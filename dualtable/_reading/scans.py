"""A scan of the logical table: every key that exists throughout comes exactly once.

The rule: in which pass a key is yielded depends on what `old` has, and on nothing else. First `old`
is read, and each of its items gives way to what `new` has under the same key, a tombstone included;
then `new` is read, and what the pass over `old` has brought is left out. Who writes or copies
meanwhile changes which version comes, never whether one does.

Where the keys stay and have a sort key, the pass over `old` goes by partitions: each is read as a
query reads it, so its items come in the order of the sort key, as on one table, whichever table
they are in. It has then brought every partition of which `old` has an item. Else it goes by keys.
It goes by keys too as long as `old` is not frozen: an item of a partition might come to be there
behind the scan's back.

A scan of an index is one of the tables, as long as there are two: nothing else has all that belongs
into the index. So its items come in the order of the table then. After the cut-over it is one of
the index of `new`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import attrs

from dualtable._reading import indexes
from dualtable._reading.offers import Failures
from dualtable._reading.pass_by_keys import ByKeys
from dualtable._reading.pass_by_partitions import ByPartitions
from dualtable._reading.pass_over_new import OverNew
from dualtable._reading.places import Scan, ScanPlace
from dualtable._reading.tables import Tables
from dualtable._wire.types import WireItem

Step: TypeAlias = tuple[WireItem, Callable[[], ScanPlace]]
"""A logical item, and what tells the place behind it."""


class Pass(Protocol):
    """One of the two tables, read to its end."""

    async def next(self) -> Step | None:
        """Return the next logical item, and what tells the place behind it; None at the end."""


class ScanReader:
    """The logical items of a scan, from a place on."""

    def __init__(
        self, tables: Tables, scan: Scan, place: ScanPlace | None, failures: Failures
    ) -> None:
        self._tables = tables
        self._scan = scan
        self._failures = failures
        self._begin = place or ScanPlace.first(tables)
        """Where the pass has begun."""
        self._pass = self._begun(self._begin)
        self._bookmark: Callable[[], ScanPlace] = lambda: self._begin

    def at_hand(self) -> WireItem | None:
        """Return None: only `next` can tell."""

    async def next(self) -> WireItem | None:
        """Return the next logical item, or what the index has of it; None at the end."""
        index = self._scan.index
        while True:
            item = await self._next()
            if item is None or index is None:
                return item
            if indexes.holds(index, item):
                return indexes.entry(index, item, self._tables.new.key)

    async def _next(self) -> WireItem | None:
        step = await self._pass.next()
        if step is None and not self._begin.passed and await self._goes_on():
            self._begin = attrs.evolve(self._begin, passed=True, after=None, last=None)
            self._pass = self._begun(self._begin)
            step = await self._pass.next()
        if step is None:
            return None
        item, self._bookmark = step
        return item

    async def _goes_on(self) -> bool:
        """Tell whether `new` may have an item by now."""
        self._tables = await self._tables.current()
        return self._tables.route.asks_new

    def bookmark(self) -> Callable[[], ScanPlace]:
        """Return what tells where the scan is now, whenever it is asked."""
        return self._bookmark

    def _begun(self, place: ScanPlace) -> Pass:
        if place.mode == "new":
            return OverNew(self._tables, self._scan, place)
        scan = self._scan.over_tables()
        if place.passed:
            return OverNew(self._tables, scan, place)
        over_old = ByPartitions if place.mode == "partitions" else ByKeys
        return over_old(self._tables, scan, place, self._failures)
