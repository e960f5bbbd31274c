"""What `old` offers under the keys of `new`, and what becomes of an old item that cannot be read.

The rule: an old item is transformed only where `new` has nothing under its key, so one that cannot
be transformed is no failure once production has written its key. Where it is one, whoever iterates
is told, and nothing is passed over that he has not been told of.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import TypeAlias

import attrs

from dualtable._transforms.lineage import Lineage
from dualtable._wire.keys import key_of
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import DualTableError, TransformError

OnError: TypeAlias = Callable[[DualTableError], Awaitable[object] | object]
"""Is told of an item that cannot be read, which is then passed over; may be asynchronous."""


@attrs.define
class Failures:
    """The items that an iteration could not read: the first ends it, unless somebody is told."""

    on_error: OnError | None = None
    count: int = 0
    _told: set[Hashable] = attrs.field(init=False, factory=set)

    async def meet(self, error: DualTableError) -> None:
        """Tell of an item that cannot be read, and count it; raise its error where nobody is.

        An iteration may meet an old item again, where it begins anew at its place; that is no news.
        """
        if self.on_error is None:
            raise error
        of_old = isinstance(error, TransformError) and error.key is not None
        key = frozenset((error.key or {}).items()) if of_old else None
        if key in self._told:
            return
        told = self.on_error(error)
        if inspect.isawaitable(told):
            await told
        self.count += 1
        if key is not None:
            self._told.add(key)


@attrs.frozen
class Offer:
    """What an old item yields under one key of `new`.

    Where the keys change and the transform fails, there is no key: nobody knows it.
    """

    source: WireKey
    key: WireKey | None
    make: Callable[[], WireItem | None]
    """Returns the item, None for nothing; raises where the transform fails."""

    async def taken(self, failures: Failures) -> WireItem | None:
        """Return the item, or nothing where it cannot be read and somebody was told of it."""
        try:
            return self.make()
        except TransformError as error:
            await failures.meet(error)
            return None


def offers_of(lineage: Lineage, old_items: Iterable[WireItem]) -> list[Offer]:
    """Return what old items offer, in their order."""
    offered = _kept if lineage.keeps_keys else _moved
    return [offer for item in old_items for offer in offered(lineage, item)]


def _kept(lineage: Lineage, old_item: WireItem) -> list[Offer]:
    key = key_of(old_item, lineage.old.key, lineage.old.table)
    return [Offer(key, key, partial(lineage.new_item, old_item, key))]


def _moved(lineage: Lineage, old_item: WireItem) -> list[Offer]:
    source = key_of(old_item, lineage.old.key, lineage.old.table)
    try:
        outputs = lineage.new_items(old_item)
    except TransformError as error:
        return [Offer(source, None, partial(_fail, error))]
    return [Offer(source, key, partial(_given, item)) for key, item in outputs]


def _given(item: WireItem) -> WireItem:
    return item


def _fail(error: TransformError) -> None:
    raise error
