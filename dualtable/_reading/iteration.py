"""What a query or scan of the repository gives: items one after the other, and where to go on.

The rule: filters and projections are applied to logical items, after the overlay; on the server
they could hide the newer version of an item and let the older one through. What is read for an item
is read within an operation, for which the acknowledgement of a later phase waits; what is at hand
already needs none, nor does the time between two items, so an iterator may be left for as long as
one likes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, NoReturn, Protocol, Self, TypeAlias, TypeVar

import attrs

from dualtable._home import Home, stays
from dualtable._reading.offers import Failures, OnError
from dualtable._reading.tokens import Digest, to_token
from dualtable._wire.keys import plain
from dualtable._wire.sizes import item_bytes
from dualtable._wire.types import Key, WireItem, WireKey
from dualtable.errors import DualTableError, InvalidItemError

Model = TypeVar("Model")
_T = TypeVar("_T")


Bookmark: TypeAlias = Callable[[], attrs.AttrsInstance]
"""Tells the place where it was taken, whenever it is asked: few ask, and keys cost time."""


class Operations(Protocol):
    """Counts what is under way; a phase is acknowledged when what was begun before it has ended."""

    def check_open(self) -> None:
        """Raise `DualTableError` where nothing may begin any more."""

    async def begin(self) -> int:
        """Count an operation until its `end`."""

    def end(self, step: int) -> None:
        """Count it no more; `step` is what `begin` has returned."""


class Source(Protocol):
    """Logical items in wire form, and where the last one was."""

    def at_hand(self) -> WireItem | None:
        """Return the next item where nothing is to be read for it; None where `next` must tell."""

    async def next(self) -> WireItem | None:
        """Return the next item; None at the end."""

    def bookmark(self) -> Bookmark:
        """Return what tells where to go on after the last item."""


@attrs.define
class Bound:
    """What an iteration may read at most, what a filter leaves out among it; None is no bound."""

    items: int | None = None
    size: int | None = None
    """Bytes of items, as DynamoDB counts them."""

    def count(self, item: WireItem) -> None:
        """Take an item off what is left."""
        if self.items is not None:
            self.items -= 1
        if self.size is not None:
            self.size -= item_bytes(item)

    @property
    def is_reached(self) -> bool:
        """Whether nothing more may be read."""
        return self.items == 0 or (self.size is not None and self.size <= 0)


class ItemIterator(Generic[Model]):
    """The items that a query or scan finds, read page by page while they are iterated over.

    Nothing runs in between, so it may be left at any item. It is one task's: another gets a
    `DualTableError` while it reads, and so does another event loop.

    Example:
        >>> import asyncio
        >>> from boto3.dynamodb.conditions import Key
        >>> from dualtable import DualTableRepository, Migration, Move
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     for table in ("orders", "orders-v2"):
        ...         await gateway.create_table({
        ...             "TableName": table,
        ...             "KeySchema": [
        ...                 {"AttributeName": "customer", "KeyType": "HASH"},
        ...                 {"AttributeName": "day", "KeyType": "RANGE"},
        ...             ],
        ...             "AttributeDefinitions": [
        ...                 {"AttributeName": "customer", "AttributeType": "S"},
        ...                 {"AttributeName": "day", "AttributeType": "S"},
        ...             ],
        ...             "BillingMode": "PAY_PER_REQUEST",
        ...         })
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     async with DualTableRepository(migration, gateway=gateway) as orders:
        ...         for day in ("01", "02", "03"):
        ...             await orders.put({"customer": "c-7", "day": day})
        ...         first = orders.query(Key("customer").eq("c-7"), limit=2)
        ...         days = [order["day"] async for order in first]
        ...         rest = orders.query(Key("customer").eq("c-7"), token=first.token)
        ...         return days, [order["day"] async for order in rest]
        >>> asyncio.run(main())
        (['01', '02'], ['03'])
    """

    def __init__(
        self,
        open_source: Callable[[Failures], Awaitable[Source]],
        *,
        operations: Operations,
        keep: Callable[[WireItem], bool],
        show: Callable[[WireItem], Model],
        limit: int | None,
        question: Digest,
        token: str | None,
        on_error: OnError | None,
        bound: Bound | None = None,
        key: Callable[[WireItem], WireKey] | None = None,
    ) -> None:
        self._open_source = open_source
        self._operations = operations
        self._keep = keep
        self._show: Callable[[WireItem], Any] = show
        self._left = limit
        self._question = question
        self._token = token
        self._bound = bound or Bound()
        self._key = key
        self._last: WireItem | None = None
        self._read = 0
        self._failures = Failures(on_error)
        self._source: Source | None = None
        self._bookmark: Bookmark | None = None
        self._ended = False
        self._home: Home | None = None
        self._is_read = False

    @property
    def token(self) -> str | None:
        """Where to go on, as text that survives a process, JSON and URLs.

        None at the end; before the first item has come, the token that was given, if any.

        Pass it as ``token=`` to the same query or scan. It names the key that came last, and holds
        no other value of an item.
        """
        if self._ended or self._bookmark is None:
            return None if self._ended else self._token
        return to_token(attrs.asdict(self._bookmark()), self._question)

    @property
    def last_key(self) -> Key | None:
        """The key of the item that was read last, as plain values.

        None at the end, and before the first item has come.

        It may be of one that a filter has left out. Of an index, it has the keys of both. Pass it
        as ``after=`` to the same query or scan.
        """
        if self._ended or self._last is None or self._key is None:
            return None
        return plain(self._key(self._last))

    @property
    def read(self) -> int:
        """How many items were read so far, those among them that a filter has left out."""
        return self._read

    @property
    def failed(self) -> int:
        """How many items could not be read so far; ``on_error`` was told of each."""
        return self._failures.count

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Model:
        """Return the next item."""
        self._take_turn()
        try:
            return await self._next()
        finally:
            self._is_read = False

    async def count(self) -> int:
        """Return how many items come from here on, without decoding one.

        Bounds, filters, `token`, `last_key` and `read` count as where they are iterated over. What
        only a `model` would find wrong with an item is not found.

        Example:
            >>> from dualtable import ItemIterator
            >>> async def open_orders(orders: ItemIterator[dict]) -> int:
            ...     return await orders.count()
        """
        self._show = _unseen
        number = 0
        async for _ in self:
            number += 1
        return number

    def __reduce__(self) -> NoReturn:
        stays("an iterator of items")

    def _take_turn(self) -> None:
        """Let one task read at a time, on the loop that the first item came from."""
        self._home = self._home or Home.here("the iterator")
        self._home.check("the iterator")
        if self._is_read:
            raise DualTableError(
                "the iterator is being read by another task or thread; give each its own, such as a"
                " scan of a segment, or let one read and hand the items out"
            )
        self._is_read = True

    async def _next(self) -> Model:
        self._operations.check_open()
        if self._source is None:
            self._source = await self._reading(lambda: self._open_source(self._failures))
        source = self._source
        while self._goes_on():
            item = source.at_hand()
            if item is None and (item := await self._reading(source.next)) is None:
                self._ended = True
                break
            self._last = item
            self._read += 1
            self._bound.count(item)
            shown: tuple[Model, ...] = ()
            try:
                if self._keep(item):
                    shown = (self._show(item),)
            except InvalidItemError as error:
                await self._failures.meet(error)
            self._bookmark = source.bookmark()
            if shown:
                self._left = None if self._left is None else self._left - 1
                return shown[0]
        raise StopAsyncIteration

    async def _reading(self, read: Callable[[], Awaitable[_T]]) -> _T:
        step = await self._operations.begin()
        try:
            return await read()
        finally:
            self._operations.end(step)

    def _goes_on(self) -> bool:
        return self._left != 0 and not self._bound.is_reached


def _unseen(_item: WireItem) -> Any:
    """Show nothing of an item."""
