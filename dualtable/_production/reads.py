"""Two tables seen as one: the logical item of a key.

The rule: every read asks `new` first and believes `old` only after a strongly consistent read has
confirmed that `new` does not have the key (I1), and only while what is known of the phase is fresh
enough; while `new` has nothing yet, `old` alone is asked. Keys and items are in wire form here;
whoever calls has checked them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Self, TypeAlias, TypeVar

import attrs

from dualtable._control.phase_watch import PhaseWatch
from dualtable._control.phases import Route, Sighting
from dualtable._dynamodb.fence import fenced
from dualtable._dynamodb.gateway import (
    MAX_BATCH_GET,
    Gateway,
    batches,
)
from dualtable._events.operations import Meter
from dualtable._production.copy_on_read import copy_on_read
from dualtable._production.overlay import Origin, Overlay, Seen
from dualtable._production.shadow import Shadow
from dualtable._tasks import first_error
from dualtable._transforms.lineage import Lineage
from dualtable._wire.keys import identity, key_of
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import DualTableError

_T = TypeVar("_T")

Keys: TypeAlias = Mapping[Hashable, WireKey]
"""Different keys by their identity."""

Found: TypeAlias = dict[Hashable, WireItem]
"""What is there, by the identity of its key."""

Origins: TypeAlias = Mapping[Hashable, Origin]
"""Old items by the identity of the new keys that lead to them."""


@attrs.frozen
class LogicalReads:
    """The two tables of a migration, and how one operation reads them.

    The operation goes by one sighting of the phase, that of its begin. That is safe while the
    migration is at most one step further, which `confirm` makes sure of.

    With `one_round_trip`, reads ask both tables at once; with `copy_on_read`, what they find in
    `old` is copied; with a `shadow`, some of what they find in `new` is compared with it.
    """

    gateway: Gateway
    lineage: Lineage
    overlay: Overlay
    watch: PhaseWatch
    sighting: Sighting
    one_round_trip: bool = False
    copy_on_read: bool = False
    meter: Meter | None = None
    shadow: Shadow | None = None

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

    def fence(self) -> AbstractContextManager[None]:
        """Let nothing be sent in the block that what is known of the phase is too old for."""
        return fenced(lambda: self.watch.check(self.sighting))

    async def get(self, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        """Return what is under a key, which may be a tombstone; None for nothing."""
        if not self.route.asks_new:
            found = await self._only_old({None: key}, consistent_read=consistent_read)
            return found.get(None)
        if self.one_round_trip and self.route.falls_back:
            name = identity(key)
            return (await self._read_both({name: key})).get(name)
        item = await self.gateway.get(self.new.table, key, consistent_read=consistent_read)
        if item is not None:
            self._shadowed({None: key}, {None: item})
            return item
        return (await self._read_old({None: key}, confirmed=consistent_read)).get(None)

    async def batch_get(self, keys: Keys, *, consistent_read: bool) -> Found:
        """Return what is under any number of keys, tombstones included."""
        if not self.route.asks_new:
            return await self._only_old(keys, consistent_read=consistent_read)
        if self.one_round_trip and self.route.falls_back:
            return await self._read_both(keys)
        found = await self.fetch(self.new, keys, consistent_read=consistent_read)
        self._shadowed(keys, found)
        missing = {name: key for name, key in keys.items() if name not in found}
        return found | await self._read_old(missing, confirmed=consistent_read)

    def _shadowed(self, keys: Keys, found: Found) -> None:
        if self.shadow is not None:
            for name, item in found.items():
                self.shadow.offer(keys[name], item, self.route)

    async def _only_old(self, keys: Keys, *, consistent_read: bool) -> Found:
        """Read `old` alone, where `new` has nothing yet."""
        await self.confirm()
        found = self._outputs(keys, await self._fetch_old(keys, consistent_read=consistent_read))
        await self.confirm()
        return found

    async def _read_both(self, keys: Keys) -> Found:
        """Read both tables in the same moment, `new` strongly consistently.

        Which of the two answers first does not matter (I1). The read takes place at the moment of
        its strongly consistent read of `new`. What is there, counts. What is not there has not been
        copied, written or deleted up to that moment, so its logical item is what `old` yields. A
        frozen `old` yields that at any other moment too, before and after; one that moves, at the
        moment when it was read: whoever writes to it has proved that `new` lacks the key. All of
        this holds until `FINISHED`, which `confirm` rules out. There is no eventually consistent
        miss to be confirmed: that is what the second round trip would be for, and why `new` is read
        at the price of a strongly consistent read whatever the caller has asked for.

        What `new` has is the answer whether `old` answers or not.
        """
        with first_error():
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(_outcome(lambda: self._fetch_old(keys)))
                found = await self.fetch(self.new, keys, consistent_read=True)
                self._shadowed(keys, found)
                missing = {name: key for name, key in keys.items() if name not in found}
                if not missing:
                    asking.cancel()
        if not missing:
            return found
        olds = asking.result()
        if isinstance(olds, DualTableError):
            raise olds
        await self.confirm()
        from_old = self._outputs(missing, olds)
        await self._copy(from_old)
        return found | from_old

    async def _read_old(self, missing: Keys, *, confirmed: bool) -> Found:
        from_old, newer = await self._fall_back(missing, confirmed=confirmed)
        await self._copy(from_old)
        return from_old | newer

    async def _copy(self, from_old: Found) -> None:
        if self.copy_on_read and self.route.copies and from_old:
            with self.fence():
                await copy_on_read(self.gateway, self.new, list(from_old.values()))

    async def see(self, key: WireKey) -> Seen:
        """Return the logical item as of now, to build a write on."""
        if not self.route.asks_new:
            return await self.seen_with(key, None)
        item = await self.gateway.get(self.new.table, key, consistent_read=True)
        return await self.seen_with(key, item)

    async def seen_with(self, key: WireKey, item: WireItem | None) -> Seen:
        """Return the logical item of a key under which `new` has this, None for nothing."""
        if item is not None:
            return self.overlay.present(item)
        return (await self._seen_in_old({None: key}))[None]

    async def see_all(self, keys: Keys) -> dict[Hashable, Seen]:
        """Return the logical items of any number of keys, to build writes on."""
        found: Found = {}
        if self.route.asks_new:
            found = await self.fetch(self.new, keys, consistent_read=True)
        missing = {name: key for name, key in keys.items() if name not in found}
        present = {name: self.overlay.present(item) for name, item in found.items()}
        return present | await self._seen_in_old(missing)

    async def _seen_in_old(self, missing: Keys) -> dict[Hashable, Seen]:
        """Return what is seen of keys that a strongly consistent read of `new` has missed."""
        if not missing or not self.route.asks_old:
            return {name: self.overlay.missing(None) for name in missing}
        await self.confirm()
        origins = await self._fetch_old(missing)
        found = self._outputs(missing, origins)
        await self.confirm()
        moves = self.route.old_moves
        return {
            name: self.overlay.missing(found.get(name), origins[name] if moves else None)
            for name in missing
        }

    async def newer(self, keys: Keys, *, consistent_read: bool) -> Found:
        """Return what `new` has of keys that `old` yields; a miss is confirmed (I1)."""
        if not self.route.asks_new:
            return {}
        found = await self.fetch(self.new, keys, consistent_read=consistent_read)
        doubtful = {name: key for name, key in keys.items() if name not in found}
        if self.meter is not None and not consistent_read:
            self.meter.confirmed(len(doubtful))
        if doubtful and not consistent_read:
            found |= await self.fetch(self.new, doubtful, consistent_read=True)
        return found

    async def fall_back(self, missing: Keys, *, confirmed: bool) -> Found:
        """Return what `old` yields for keys that a read of `new` has missed.

        Unless that read was strongly consistent (`confirmed`), the keys that `old` does yield are
        read once more in `new`, and what is there counts: the miss may have been stale (I1).
        """
        from_old, newer = await self._fall_back(missing, confirmed=confirmed)
        return from_old | newer

    async def _fall_back(self, missing: Keys, *, confirmed: bool) -> tuple[Found, Found]:
        """Return what only `old` has, and what `new` has after all."""
        if not missing or not self.route.falls_back:
            return {}, {}
        await self.confirm()
        yielded = await self.yielded(missing)
        newer = {} if confirmed else await self._newer(missing, yielded)
        await self.confirm()
        return {name: item for name, item in yielded.items() if name not in newer}, newer

    async def _newer(self, keys: Keys, yielded: Found) -> Found:
        """Return what `new` has of those keys for which `old` yields something."""
        doubtful = {identity(keys[name]): keys[name] for name in yielded}
        if self.meter is not None:
            self.meter.confirmed(len(doubtful))
        found = await self.fetch(self.new, doubtful, consistent_read=True)
        identities = {name: identity(keys[name]) for name in yielded}
        return {name: found[each] for name, each in identities.items() if each in found}

    async def yielded(self, keys: Keys) -> Found:
        """Return what `old` yields for keys, whatever `new` holds."""
        return self._outputs(keys, await self._fetch_old(keys))

    async def _fetch_old(self, keys: Keys, *, consistent_read: bool = True) -> Origins:
        """Read the old item that each of the new keys leads to."""
        old_keys = {name: self.lineage.old_key(key) for name, key in keys.items()}
        wanted = {identity(key): key for key in old_keys.values() if key is not None}
        if self.meter is not None and self.route.asks_new:
            self.meter.fell_back(len(wanted))
        olds = await self.fetch(self.old, wanted, consistent_read=consistent_read)
        return {
            name: Origin(key, None if key is None else olds.get(identity(key)))
            for name, key in old_keys.items()
        }

    def _outputs(self, keys: Keys, origins: Origins) -> Found:
        """Return what old items yield under the keys that lead to them."""
        outputs: Found = {}
        for name, key in keys.items():
            old_item = origins[name].item
            item = old_item and self.lineage.new_item(old_item, key)
            if item:
                outputs[name] = item
        return outputs

    async def fetch(self, layout: Layout, keys: Keys, *, consistent_read: bool) -> Found:
        """Read any number of different keys of one of the two tables."""
        found: Found = {}
        for batch in batches(keys.values(), MAX_BATCH_GET):
            answer = await self.gateway.batch_get(
                layout.table, batch, consistent_read=consistent_read
            )
            for item in answer.items:
                found[identity(key_of(item, layout.key, layout.table))] = item
        return found


async def _outcome(call: Callable[[], Awaitable[_T]]) -> _T | DualTableError:
    """Await a call whose failure may turn out not to matter."""
    try:
        return await call()
    except DualTableError as error:
        return error
