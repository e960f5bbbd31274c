"""A scan of the logical table: every key that exists throughout comes exactly once.

The rule: `old` is frozen, so its key set is fixed. First `old` is read, and each of its items gives
way to what `new` has under the same key, a tombstone included; then `new` is read, and what `old`
yields is left out, because it has been there already. Who writes or copies meanwhile changes which
version comes, never whether one does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

import attrs

from dualtable._reading.tables import Tables
from dualtable._reading.tokens import Position
from dualtable._wire.keys import identity, key_of
from dualtable._wire.types import WireItem, WireKey

_OLD, _NEW = "old", "new"


@attrs.frozen(kw_only=True)
class Scan:
    """Which part of both tables is read, and how."""

    segment: int = 0
    total_segments: int = 1
    consistent_read: bool = False
    page_items: int | None = None


@attrs.define(kw_only=True)
class _Place:
    """Behind the source item `after`, and behind so many outputs of the one that follows it.

    `overlaid` tells whether the scan began with a pass over `old`: then the pass over `new` leaves
    out what `old` yields, whatever the phase has become.
    """

    source: str
    overlaid: bool
    after: WireKey | None = None
    outputs: int = 0


class ScanReader:
    """The logical items of a scan, from a position on."""

    def __init__(self, tables: Tables, scan: Scan, position: Position | None) -> None:
        overlaid = tables.route.asks_old
        begin = {"source": _OLD if overlaid else _NEW, "overlaid": overlaid}
        self._tables = tables
        self._scan = scan
        self._position: Position = position or begin
        self._next_page: _Place | None = _Place(**self._position)
        self._steps: deque[tuple[WireItem, Position]] = deque()

    async def next(self) -> WireItem | None:
        """Return the next logical item; None at the end."""
        while not self._steps:
            if self._next_page is None:
                return None
            await self._read_page(self._next_page)
        item, self._position = self._steps.popleft()
        return item

    def position(self) -> Position:
        """Return where the scan is."""
        return self._position

    async def _read_page(self, place: _Place) -> None:
        self._tables = await self._tables.current()
        in_old = place.source == _OLD
        source = self._tables.old if in_old else self._tables.new
        page = await self._tables.gateway.scan(
            source.table,
            segment=self._scan.segment,
            total_segments=self._scan.total_segments,
            start_key=place.after,
            limit=self._scan.page_items,
            consistent_read=self._scan.consistent_read,
        )
        outputs = await (self._overlay(page.items) if in_old else self._rest(page.items, place))
        for source_item, items in zip(page.items, outputs, strict=True):
            self._note(items, place)
            key = key_of(source_item, source.key, source.table)
            place = attrs.evolve(place, after=key, outputs=0)
        self._next_page = self._following(place, page.last_key)

    def _note(self, items: Sequence[WireItem | None], place: _Place) -> None:
        """Line up what one source item yields, None where the key has nothing or comes later."""
        for number, item in enumerate(items, 1):
            if item is not None and number > place.outputs:
                position = attrs.asdict(attrs.evolve(place, outputs=number))
                self._steps.append((item, position))

    def _following(self, place: _Place, last_key: WireKey | None) -> _Place | None:
        if last_key is not None:
            return attrs.evolve(place, after=last_key, outputs=0)
        goes_on = place.source == _OLD and self._tables.route.asks_new
        return _Place(source=_NEW, overlaid=True) if goes_on else None

    async def _overlay(self, old_items: Sequence[WireItem]) -> list[list[WireItem | None]]:
        """Return what each old item yields, or what `new` has instead."""
        yielded = [self._tables.lineage.new_items(old_item) for old_item in old_items]
        keys = {identity(key): key for outputs in yielded for key, _ in outputs}
        found = await self._tables.newer(keys, consistent_read=self._scan.consistent_read)
        believed = self._tables.route.asks_old  # else all has been copied, and deletes are real
        if believed:
            await self._tables.confirm()
        return [
            [
                self._shown(found.get(identity(key), item if believed else None))
                for key, item in outputs
            ]
            for outputs in yielded
        ]

    async def _rest(
        self, new_items: Sequence[WireItem], place: _Place
    ) -> list[list[WireItem | None]]:
        """Return the items of `new`, but for those that the pass over `old` has brought."""
        new = self._tables.new
        names = [identity(key_of(item, new.key, new.table)) for item in new_items]
        brought: dict[Hashable, WireItem] = {}
        if place.overlaid:
            keys = [key_of(item, new.key, new.table) for item in new_items]
            brought = await self._tables.yielded(dict(zip(names, keys, strict=True)))
        return [
            [None if name in brought else self._shown(item)]
            for name, item in zip(names, new_items, strict=True)
        ]

    def _shown(self, item: WireItem | None) -> WireItem | None:
        marks = self._tables.marks
        return None if item is None or marks.is_tombstone(item) else marks.strip(item)
