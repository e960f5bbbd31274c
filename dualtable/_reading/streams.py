"""Items one after the other, from pages read as they are needed, and two streams made one.

The rule: nothing runs between two calls, so a stream that is left where it is leaks nothing. An
item of `old` is passed on only after `new` has been read beyond its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from dualtable._dynamodb.gateway import Page
from dualtable._reading.tokens import Position
from dualtable._tasks import run_all
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey

Read: TypeAlias = Callable[[WireKey | None], Awaitable[Page]]
"""Reads the page that begins after a key."""

Rank: TypeAlias = Callable[[WireItem], Any]
"""Returns what items are sorted by."""

KeyOf: TypeAlias = Callable[[WireItem], WireKey]
"""Returns the key that a page may begin after."""


class Stream:
    """The items of all pages that `read` gives, empty pages passed over; `last` was taken last."""

    def __init__(self, read: Read, key: KeyOf, last: WireKey | None = None) -> None:
        self.key = key
        self.last = last
        self._read = read
        self._start_key = last
        self._items: deque[WireItem] = deque()
        self._ended = False

    async def head(self) -> WireItem | None:
        """Return the next item without taking it; None at the end."""
        while not self._items and not self._ended:
            page = await self._read(self._start_key)
            self._items.extend(page.items)
            self._start_key = page.last_key
            self._ended = page.last_key is None
        return self._items[0] if self._items else None

    def take(self) -> WireItem:
        """Take the item that `head` gave."""
        item = self._items.popleft()
        self.last = self.key(item)
        return item


def listed(items: Sequence[WireItem], key: KeyOf, last: WireKey | None = None) -> Stream:
    """Return a stream of what is at hand already."""

    async def read(_start_key: WireKey | None) -> Page:
        return Page(list(items), None, 0.0)

    return Stream(read, key, last)


class Merged:
    """Two streams of one order as one; where both have a key, `new` has the say.

    Where `new` has a tombstone, there is nothing. The library's attributes are taken off.
    """

    def __init__(
        self, new: Stream, old: Stream, rank: Rank, marks: Marks, *, descending: bool
    ) -> None:
        self._new = new
        self._old = old
        self._rank = rank
        self._marks = marks
        self._descending = descending
        self._begun = False

    async def next(self) -> WireItem | None:
        """Return the next logical item; None at the end."""
        if not self._begun:
            await run_all((self._new.head(), self._old.head()))  # the first pages at once
            self._begun = True
        while True:
            newer, older = await self._new.head(), await self._old.head()
            if older is not None and (newer is None or self._is_before(older, newer)):
                return self._marks.strip(self._old.take())
            if newer is None:
                return None
            self._new.take()
            if older is not None and self._old.key(older) == self._new.key(newer):
                self._old.take()
            if not self._marks.is_tombstone(newer):
                return self._marks.strip(newer)

    def position(self) -> Position:
        """Return where both streams are."""
        return {"after_new": self._new.last, "after_old": self._old.last}

    def _is_before(self, one: WireItem, other: WireItem) -> bool:
        first, second = self._rank(one), self._rank(other)
        return bool(first > second if self._descending else first < second)
