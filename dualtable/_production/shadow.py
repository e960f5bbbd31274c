"""Shadow reads: for a share of the hits, whether the new table has what the old one yields.

The rule: nobody waits for it and nothing of it reaches a caller. One hit is looked at at a time, a
hundred wait at most, and what comes on top is counted and let go; so it costs a share of the reads
and never more. What production has written or deleted is production's and costs no read; what looks
bad is read again, strongly consistently and in both tables, before it counts.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs

from dualtable._control.phases import Route
from dualtable._dynamodb.gateway import Gateway
from dualtable._transforms.lineage import Lineage
from dualtable._wire.differences import differing_paths
from dualtable._wire.json import decoded
from dualtable._wire.keys import plain
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import equal_items
from dualtable.errors import DualTableError

_log = logging.getLogger("dualtable.shadow")

MOST_WAITING = 100
_MOST_PATHS = 10


class Kind(enum.StrEnum):
    """What a shadow read may find."""

    SAME = "same"
    DIFFERENT = "different"
    EXTRA = "extra"
    REWRITTEN = "rewritten"
    DELETED = "deleted"
    FAILED = "failed"
    DROPPED = "dropped"


@attrs.frozen(kw_only=True)
class ShadowCounts:
    """What the shadow reads of one repository have found since it was opened.

    Attributes:
        same: Copied, and as the transform yields it.
        different: Copied, never rewritten, and not as the transform yields it.
        extra: Neither written by production nor yielded by an old item.
        rewritten: Written by production since; nothing is read for these.
        deleted: Deleted by production since.
        failed: The old item could not be read, or the transform fails on it.
        dropped: Let go, because too many waited or the repository was closed.

    Example:
        >>> from dualtable import ShadowCounts
        >>> ShadowCounts(same=99, different=1).ok
        False
    """

    same: int = 0
    different: int = 0
    extra: int = 0
    rewritten: int = 0
    deleted: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found that is otherwise than it should be."""
        return not (self.different or self.extra or self.failed)


@attrs.define(eq=False)
class Shadow:
    """The shadow reads of one repository.

    Args:
        gateway: To read both tables with.
        lineage: The transform, bound to them.
        share: Of the hits, from 0 to 1.
        chance: Where the choice comes from; for tests.
    """

    gateway: Gateway
    lineage: Lineage
    share: float
    chance: Callable[[], float] = random.random
    _counts: Counter[Kind] = attrs.field(init=False, factory=Counter)
    _waiting: deque[tuple[WireKey, WireItem]] = attrs.field(init=False, factory=deque)
    _working: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    def counts(self) -> ShadowCounts:
        """Return what was found so far."""
        return ShadowCounts(**{kind.value: count for kind, count in self._counts.items()})

    def offer(self, key: WireKey, item: WireItem, route: Route) -> None:
        """Take a hit of the new table, if it is its turn; return at once."""
        if route.old_moves or not route.buries or not self.lineage.old.identity:
            return  # somebody may still write to the old table, or nobody needs it any more
        if self.chance() >= self.share:
            return
        if (kind := self._of_production(item)) is not None:
            self._counts[kind] += 1
        elif self._closed or len(self._waiting) >= MOST_WAITING:
            self._counts[Kind.DROPPED] += 1
        else:
            self._waiting.append((key, decoded(item)))  # a raw one would keep all of its page
            if self._working is None or self._working.done():
                self._working = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Let go of what waits; nothing goes on after that."""
        self._closed = True
        if self._working is not None:
            self._working.cancel()
            with suppress(asyncio.CancelledError):
                await self._working
        self._counts[Kind.DROPPED] += len(self._waiting)
        self._waiting.clear()

    async def _work(self) -> None:
        while self._waiting:
            key, item = self._waiting[0]  # it waits until it is counted
            kind = await self._found(key, item)
            self._waiting.popleft()
            self._counts[kind] += 1

    async def _found(self, key: WireKey, item: WireItem) -> Kind:
        try:
            kind, _ = self._judged(item, await self._wanted(key, consistent_read=False))
            if kind in (Kind.SAME, Kind.REWRITTEN, Kind.DELETED):
                return kind
            return await self._looked_again(key)
        except DualTableError as error:
            self._tell(Kind.FAILED, key, reason=f"{type(error).__name__}: {error}")
            return Kind.FAILED

    async def _looked_again(self, key: WireKey) -> Kind:
        wanted = await self._wanted(key, consistent_read=True)
        now = await self.gateway.get(self.lineage.new.table, key, consistent_read=True)
        if now is None:  # expired, or really deleted, since
            return Kind.DELETED
        kind, paths = self._judged(now, wanted)
        if kind in (Kind.DIFFERENT, Kind.EXTRA):
            self._tell(kind, key, paths=paths)
        return kind

    async def _wanted(self, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        source = self.lineage.old_key(key)
        if source is None:
            return None
        table = self.lineage.old.table
        old = await self.gateway.get(table, source, consistent_read=consistent_read)
        return None if old is None else self.lineage.new_item(old, key)

    def _judged(self, item: WireItem, wanted: WireItem | None) -> tuple[Kind, Sequence[str]]:
        if (kind := self._of_production(item)) is not None:
            return kind, ()
        if wanted is None:
            return Kind.EXTRA, ()
        if equal_items(wanted, item):
            return Kind.SAME, ()
        return Kind.DIFFERENT, differing_paths(wanted, item)[:_MOST_PATHS]

    def _of_production(self, item: WireItem) -> Kind | None:
        marks = self.lineage.marks
        if marks.is_tombstone(item):
            return Kind.DELETED
        return None if marks.token_of(item) is None else Kind.REWRITTEN

    def _tell(
        self, kind: Kind, key: WireKey, *, paths: Sequence[str] = (), reason: str = ""
    ) -> None:
        found = {"kind": kind.value, "key": plain(key), "paths": list(paths), "reason": reason}
        _log.warning("a shadow read has found what should not be", extra=found)
