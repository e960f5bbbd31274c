"""Items one after the other, from pages read as they are needed, and two streams made one.

The rule: nothing runs between two calls, so a stream that is left where it is leaks nothing. An
item of `old` is passed on only after `new` has been read beyond its place, and not before the page
of `old` that it is in: what `new` lacked at an earlier page may have come there since.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from dualtable._reading.offers import Failures, Offer
from dualtable._tasks import run_all
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey

_T = TypeVar("_T")

Read: TypeAlias = Callable[[WireKey | None], Awaitable[tuple[Sequence[_T], WireKey | None]]]
"""Reads the page that begins after a key; returns its members, and the key to go on after."""

Rank: TypeAlias = Callable[[WireKey], Any]
"""Returns what keys are sorted by."""


class Stream(Generic[_T]):
    """The members of all pages that `read_page` gives after a key, empty pages passed over."""

    def __init__(
        self, read_page: Read[_T] | None, key: Callable[[_T], WireKey], after: WireKey | None = None
    ) -> None:
        self.key = key
        self.taken: _T | None = None
        """The member that was taken last."""
        self._after = after
        self._read_page = read_page
        self._start_key = after
        self._members: deque[_T] = deque()
        self._ended = False

    @property
    def last(self) -> WireKey | None:
        """The key of the member that was taken last, or else of where the stream begins."""
        return self.key_of(self.taken)

    def bookmark(self) -> Callable[[], WireKey | None]:
        """Return what tells what `last` is now, whenever it is asked."""
        return partial(self.key_of, self.taken)

    def key_of(self, taken: _T | None) -> WireKey | None:
        """Return what `last` is once this is the member that was taken last."""
        return self._after if taken is None else self.key(taken)

    @property
    def is_known(self) -> bool:
        """Whether the next member is at hand, or known to be none."""
        return bool(self._members) or self._ended

    @property
    def next(self) -> _T | None:
        """The next member, where it is at hand; it is not taken."""
        return self._members[0] if self._members else None

    async def read(self) -> None:
        """Read another page where the next member is not known; it may be empty."""
        if self._read_page is not None and not self.is_known:
            self.hold(*await self._read_page(self._start_key))

    def rewind(self, last: WireKey | None) -> None:
        """Forget what was read and not taken; the next page begins after a key."""
        if self._read_page is not None:
            self._members.clear()
            self._start_key, self._ended = last, False

    def hold(self, members: Sequence[_T], start_key: WireKey | None = None) -> None:
        """Hold members as the next ones; those after them begin after a key, None for no more."""
        self._members.extend(members)
        self._start_key, self._ended = start_key, start_key is None

    def take(self) -> _T:
        """Take the next member, which is at hand."""
        self.taken = self._members.popleft()
        return self.taken


def listed(
    members: Sequence[_T], key: Callable[[_T], WireKey], after: WireKey | None = None
) -> Stream[_T]:
    """Return a stream of what is at hand already, which begins behind `after`."""
    stream = Stream(None, key, after)
    stream.hold(members)
    return stream


class Merged:
    """Items of `new` and offers of `old` in one order; where both have a key, `new` has the say.

    Where `new` has a tombstone, there is nothing. The library's attributes are taken off.
    """

    def __init__(
        self,
        new: Stream[WireItem],
        old: Stream[Offer],
        rank: Rank,
        marks: Marks,
        failures: Failures,
        *,
        descending: bool,
    ) -> None:
        self.new = new
        self.old = old
        self.came: Stream[WireItem] | Stream[Offer] = new
        """Which of both the last item came from."""
        self._rank = rank
        self._marks = marks
        self._failures = failures
        self._descending = descending

    @property
    def is_known(self) -> bool:
        """Whether the next member is at hand, or known to be none."""
        return self.new.is_known and self.old.is_known

    @property
    def is_ended(self) -> bool:
        """Whether there are no more, once it is known."""
        return self.new.next is None and self.old.next is None

    async def read(self) -> None:
        """Read another page where the next member is not known.

        With a page of `old`, `new` is read from the same place on, at once.
        """
        if self.old.is_known:  # a task would cost more than that one knows already
            await self.new.read()
        else:
            self.new.rewind(self.came.last)
            await run_all((self.new.read(), self.old.read()))

    def take_new(self) -> WireItem | None:
        """Take the next member where `new` has it for sure; return None where it shows nothing."""
        if self.new.next is None or self.old.next is not None or not self.old.is_known:
            return None
        return self._shown(self._take_new(None))

    async def take(self) -> WireItem | None:
        """Take the next member, which is known; return None where it shows nothing."""
        newer, older = self.new.next, self.old.next
        if older is not None and (newer is None or self._is_before(older, newer)):
            item = await older.taken(self._failures)
            self.old.take()
            self.came = self.old
        else:
            item = self._take_new(older)
        return None if item is None else self._shown(item)

    def _shown(self, item: WireItem) -> WireItem | None:
        return None if self._marks.is_tombstone(item) else self._marks.strip(item)

    def _take_new(self, older: Offer | None) -> WireItem:
        item = self.new.take()
        self.came = self.new
        if older is not None and self.old.key(older) == self.new.last:
            self.old.take()
        return item

    def _is_before(self, older: Offer, newer: WireItem) -> bool:
        first, second = self._rank(self.old.key(older)), self._rank(self.new.key(newer))
        return bool(first > second if self._descending else first < second)
