"""Two tables seen as one: the logical item of a key, and writes that build on what was seen.

The rule: every read asks `new` first and believes `old` only after a strongly consistent read has
confirmed that `new` does not have the key (I1), and only while what is known of the phase is fresh
enough. Keys and items are in wire form here; whoever calls has checked them. `old` is never
written (I5).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Self, TypeAlias

import attrs

from dualtable import _items
from dualtable._gateway import MAX_BATCH_GET, Condition, ConditionFailed, Gateway, batches
from dualtable._items import Marks
from dualtable._lineage import Lineage
from dualtable._overlay import Overlay, Seen
from dualtable._phase_watch import PhaseWatch
from dualtable._phases import Route, Sighting
from dualtable._tables import Layout
from dualtable._types import WireItem, WireKey

Keys: TypeAlias = Mapping[Hashable, WireKey]
"""Different keys by their identity."""

Found: TypeAlias = dict[Hashable, WireItem]
"""What is there, by the identity of its key."""


@attrs.frozen
class LogicalTable:
    """The two tables of a migration, and how one operation reads and writes them.

    The operation goes by one sighting of the phase, that of its begin. That is safe while the
    migration is at most one step further, which `confirm` makes sure of.
    """

    gateway: Gateway
    lineage: Lineage
    overlay: Overlay
    watch: PhaseWatch
    sighting: Sighting

    @property
    def route(self) -> Route:
        return self.sighting.route

    @property
    def new(self) -> Layout:
        return self.lineage.new

    @property
    def old(self) -> Layout:
        return self.lineage.old

    @property
    def marks(self) -> Marks:
        return self.lineage.marks

    async def current(self) -> Self:
        """Return the tables as an operation that begins now must see them."""
        sighting = await self.watch.look()
        return self if sighting is self.sighting else attrs.evolve(self, sighting=sighting)

    async def confirm(self) -> None:
        """Check that what `old` has said may be believed, or built upon.

        Call it after the last read and before its result counts: a process may have been frozen
        for any time between a miss in `new` and the read of `old`, and an item that was copied and
        really deleted in between would come back. And before a write that builds on it.

        Raises:
            StalePhaseError: What is known of the phase is too old for that.
        """
        await self.watch.confirm(self.sighting)

    async def get(self, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        """Return what is under a key, which may be a tombstone; None for nothing."""
        item = await self.gateway.get(self.new.table, key, consistent_read=consistent_read)
        if item is not None:
            return item
        return (await self.fall_back({None: key}, confirmed=consistent_read)).get(None)

    async def batch_get(self, keys: Keys, *, consistent_read: bool) -> Found:
        """Return what is under any number of keys, tombstones included."""
        found = await self.fetch(self.new, keys, consistent_read=consistent_read)
        missing = {name: key for name, key in keys.items() if name not in found}
        return found | await self.fall_back(missing, confirmed=consistent_read)

    async def see(self, key: WireKey) -> Seen:
        """Return the logical item as of now, to build a write on."""
        item = await self.gateway.get(self.new.table, key, consistent_read=True)
        return await self.seen_with(key, item)

    async def seen_with(self, key: WireKey, item: WireItem | None) -> Seen:
        """Return the logical item of a key under which `new` has this, None for nothing."""
        if item is not None:
            return self.overlay.present(item)
        found = await self.fall_back({None: key}, confirmed=True)
        return self.overlay.missing(found.get(None))

    async def see_all(self, keys: Keys) -> dict[Hashable, Seen]:
        """Return the logical items of any number of keys, to build writes on."""
        found = await self.fetch(self.new, keys, consistent_read=True)
        missing = {name: key for name, key in keys.items() if name not in found}
        from_old = await self.fall_back(missing, confirmed=True)
        return {
            name: self.overlay.present(found[name])
            if name in found
            else self.overlay.missing(from_old.get(name))
            for name in keys
        }

    async def newer(self, keys: Keys, *, consistent_read: bool) -> Found:
        """Return what `new` has of keys that `old` yields; a miss is confirmed (I1)."""
        found = await self.fetch(self.new, keys, consistent_read=consistent_read)
        doubtful = {name: key for name, key in keys.items() if name not in found}
        if doubtful and not consistent_read:
            found |= await self.fetch(self.new, doubtful, consistent_read=True)
        return found

    async def fall_back(self, missing: Keys, *, confirmed: bool) -> Found:
        """Return what `old` yields for keys that a read of `new` has missed.

        Unless that read was strongly consistent (`confirmed`), the keys that `old` does yield are
        read once more in `new`, and what is there counts: the miss may have been stale (I1).
        """
        if not missing or not self.route.falls_back:
            return {}
        await self.confirm()
        yielded = await self.yielded(missing)
        newer = {} if confirmed else await self._newer(missing, yielded)
        await self.confirm()
        return yielded | newer

    async def _newer(self, keys: Keys, yielded: Found) -> Found:
        """Return what `new` has of those keys for which `old` yields something."""
        doubtful = {_items.identity(keys[name]): keys[name] for name in yielded}
        found = await self.fetch(self.new, doubtful, consistent_read=True)
        identities = {name: _items.identity(keys[name]) for name in yielded}
        return {name: found[each] for name, each in identities.items() if each in found}

    async def yielded(self, keys: Keys) -> Found:
        """Return what `old` yields for keys, whatever `new` holds."""
        origins = {name: self.lineage.old_key(key) for name, key in keys.items()}
        wanted = {_items.identity(key): key for key in origins.values() if key is not None}
        olds = await self.fetch(self.old, wanted, consistent_read=True)
        yielded: Found = {}
        for name, origin in origins.items():
            old_item = None if origin is None else olds.get(_items.identity(origin))
            item = old_item and self.lineage.new_item(old_item, keys[name])
            if item:
                yielded[name] = item
        return yielded

    async def fetch(self, layout: Layout, keys: Keys, *, consistent_read: bool) -> Found:
        """Read any number of different keys of one of the two tables."""
        found: Found = {}
        for batch in batches(keys.values(), MAX_BATCH_GET):
            answer = await self.gateway.batch_get(
                layout.table, batch, consistent_read=consistent_read
            )
            for item in answer.items:
                found[_items.identity(_items.key_of(item, layout.key, layout.table))] = item
        return found

    async def replace(self, seen: Seen, stamped: WireItem) -> None:
        """Put in place of what was seen, unless somebody has written the key since (I4).

        Raises:
            ConditionFailed: Somebody has.
            StalePhaseError: It was seen in `old`, and what is known of the phase is too old now.
        """
        if seen.in_old:
            await self.confirm()
        await self.put_once(stamped, seen.unchanged)

    async def put_once(self, stamped: WireItem, guard: Condition) -> None:
        """Put under a condition; a retry that finds what its first try wrote has succeeded.

        Raises:
            ConditionFailed: The guard does not hold.
        """
        try:
            await self.gateway.put(self.new.table, stamped, guard)
        except ConditionFailed as failure:
            written = self.marks.token_of(stamped)
            if failure.item is None or self.marks.token_of(failure.item) != written:
                raise
