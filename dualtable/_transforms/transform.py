"""From an old item to its new items, and from a new key back to the old one.

The rule: a transform is pure; it never sees a table. The same old item always yields the same new
items, and ``old_key`` leads from each of them back to the item that they came from.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import attrs

from dualtable._wire.types import Item, Key
from dualtable.errors import TransformError

Outputs: TypeAlias = "Item | Iterable[Item] | None"
TransformFunction: TypeAlias = Callable[[Item], Outputs]
WayBack: TypeAlias = Callable[[Item], Item]


@runtime_checkable
class Transform(Protocol):
    """What turns an old item into new ones; any object with these two methods will do.

    Where a new item can be turned back, ``backward(item)`` returns the old one. It must give the
    same each time, and `forward` of it must be that new item again. To be reversed as a whole, a
    transform needs ``new_key(old_key)``, too; a migration with ``rolling=True`` makes use of it to
    see that no item takes the place of another in the old table.

    Example:
        >>> class Prefixed:
        ...     def forward(self, item):
        ...         return {**item, "id": "order#" + item["id"]}
        ...
        ...     def old_key(self, new_key):
        ...         return {"id": new_key["id"].removeprefix("order#")}
        >>> from dualtable import Transform
        >>> isinstance(Prefixed(), Transform)
        True
    """

    @abc.abstractmethod
    def forward(self, item: Item) -> Outputs:
        """Return the new item, several of them, or None to leave the old one out.

        Args:
            item: The old item as plain values; the transform may change it and return it.
        """

    @abc.abstractmethod
    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item that yields `new_key`; None if there can be none."""


AnyTransform: TypeAlias = Transform | TransformFunction | tuple[TransformFunction, WayBack]


def as_transform(value: AnyTransform) -> Transform:
    """Return a transform for whatever is accepted as one; raise `TransformError` otherwise."""
    if isinstance(value, tuple) and len(value) == 2 and all(map(callable, value)):
        return Pair(*map(_checked, value))
    _checked(value)
    if isinstance(value, Transform):
        return value
    if callable(value):
        return Function(value)
    raise TransformError(
        f"{type(value).__name__} is no transform: give a callable, a pair of them"
        " (forward, backward), or an object with forward(item) and old_key(new_key)"
    )


def _checked(value: Any) -> Any:
    if isinstance(value, type):
        raise TransformError(f"{value.__name__} is a class; give an instance of it as transform")
    methods = (getattr(value, name, None) for name in ("forward", "backward", "old_key"))
    if any(map(inspect.iscoroutinefunction, (value, *methods))):
        raise TransformError(
            f"{value!r} is async; a transform waits for nothing: write a plain def"
        )
    return value


@attrs.frozen(repr=False)
class Function:
    """A plain callable as a transform: its keys stay, and there is no way back."""

    function: TransformFunction

    def forward(self, item: Item) -> Outputs:
        """Call the function."""
        return self.function(item)

    def backward(self, item: Item) -> Item:
        """Raise `TransformError`: nobody knows how."""
        raise TransformError(f"{self!r} cannot be undone: {self.no_way_back()}")

    def no_way_back(self) -> str | None:
        """Say why it cannot be undone."""
        return f"{self!r} is a plain callable; give a pair of functions, (forward, backward)"

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key as it is."""
        return new_key

    def new_key(self, old_key: Key) -> Key | None:
        """Return the key as it is."""
        return old_key

    def old_name(self, name: str) -> str:
        """Return the name of a key attribute as it is."""
        return name

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell that every key is the same in both tables."""
        return True

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)


@attrs.frozen(repr=False)
class Pair(Function):
    """Two plain callables as a transform: one for each direction; its keys stay."""

    back: WayBack

    def backward(self, item: Item) -> Item:
        """Call the second function."""
        return self.back(item)

    def no_way_back(self) -> None:
        """Nothing stands in the way."""
