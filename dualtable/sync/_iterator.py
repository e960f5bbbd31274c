"""The items of a query or scan for code that is not asynchronous.

The rule: items are read on the loop's thread, and a caller's function is called in the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, NoReturn, Self, TypeAlias, TypeVar

import attrs

from dualtable._home import stays
from dualtable._reading import iteration
from dualtable._transforms.models import Model
from dualtable._wire.types import Key
from dualtable.errors import DualTableError
from dualtable.sync._loop_thread import LoopThread

_T = TypeVar("_T")

OnError: TypeAlias = Callable[[DualTableError], object]
Relayed: TypeAlias = Callable[[DualTableError], Awaitable[object]]


class ItemIterator(Generic[Model]):
    """The items that a query or scan finds, read page by page while they are iterated over.

    Nothing runs in between, so it may be left at any item.

    Example:
        >>> from dualtable.sync import ItemIterator
        >>> def first_page(items: ItemIterator[dict]) -> tuple[list[dict], str | None]:
        ...     return list(items), items.token
    """

    def __init__(
        self, items: iteration.ItemIterator[Model], thread: LoopThread, told: Told | None = None
    ) -> None:
        self._items = items
        self._thread = thread
        self._told = told

    @property
    def token(self) -> str | None:
        """Where to go on, as text that survives a process, JSON and URLs; None at the end.

        Pass it as ``token=`` to the same query or scan. It names the key that came last, and holds
        no other value of an item.
        """
        return self._items.token

    @property
    def last_key(self) -> Key | None:
        """The key of the item that was read last, as plain values; None at the end.

        It may be of one that a filter has left out. Of an index, it has the keys of both. Pass it
        as ``after=`` to the same query or scan.
        """
        return self._items.last_key

    @property
    def read(self) -> int:
        """How many items were read so far, those among them that a filter has left out."""
        return self._items.read

    @property
    def failed(self) -> int:
        """How many items could not be read so far; ``on_error`` was told of each."""
        return self._items.failed

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> Model:
        """Return the next item."""
        try:
            return self._run(self._items.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def count(self) -> int:
        """Return how many items come from here on, without decoding one.

        Bounds, filters, `token`, `last_key` and `read` count as where they are iterated over. What
        only a `model` would find wrong with an item is not found.
        """
        return self._run(self._items.count)

    def __reduce__(self) -> NoReturn:
        stays("an iterator of items")

    def _run(self, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        told = self._told
        if told is None:
            return self._thread.run(call())

        async def telling(relayed: Relayed) -> _T:
            told.relayed = relayed
            return await call()

        return self._thread.run_calling(told.on_error, telling)


@attrs.define
class Told:
    """Tells the caller, in his own thread, of an item that cannot be read."""

    on_error: OnError
    relayed: Relayed | None = None

    async def __call__(self, error: DualTableError) -> None:
        if self.relayed is not None:
            await self.relayed(error)
