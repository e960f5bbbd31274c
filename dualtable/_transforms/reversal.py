"""A transform the other way round: what leads from a new table to one in the old format again.

The rule: nothing is guessed. A transform is turned round only where each of its steps says how an
item goes back, and which new key an old key becomes.
"""

from __future__ import annotations

import attrs

from dualtable._transforms.applying import (
    backward_wire,
    forward_wire,
    keeps_key,
    new_key,
    no_new_key,
    no_way_back,
)
from dualtable._transforms.transform import Transform
from dualtable._wire import codec
from dualtable._wire.types import Item, Key, WireItem
from dualtable.errors import TransformError


def reverse(transform: Transform) -> Transform:
    """Return the transform the other way round.

    Raises:
        TransformError: A step has no way back, or does not say which new key an old one becomes.
    """
    return transform.transform if isinstance(transform, Reversed) else Reversed(transform)


@attrs.frozen(repr=False)
class Reversed:
    """A transform whose forward is the backward of another, and the other way round."""

    transform: Transform

    def __attrs_post_init__(self) -> None:
        reason = no_way_back(self.transform) or no_new_key(self.transform)
        if reason is not None:
            raise TransformError(f"{self.transform!r} cannot be reversed: {reason}")

    def forward(self, item: Item) -> Item:
        """Return the old item of a new one."""
        return codec.decode(backward_wire(self.transform, codec.encode(item)))

    def backward(self, item: Item) -> Item:
        """Return the new item of an old one."""
        return codec.decode(self.backward_wire(codec.encode(item)))

    def no_way_back(self) -> None:
        """Nothing stands in the way, but each item is checked to yield just one."""

    def old_key(self, new_key_: Key) -> Key | None:
        """Return the key that the item has in the newer format."""
        return new_key(self.transform, new_key_)

    def new_key(self, old_key: Key) -> Key | None:
        """Return the key that the item has in the older format."""
        return self.transform.old_key(old_key)

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell whether keys of these attributes are the same in both tables."""
        return keeps_key(self.transform, names)

    def forward_wire(self, item: WireItem) -> list[WireItem]:
        """Return the old item in wire form."""
        return [backward_wire(self.transform, item)]

    def backward_wire(self, item: WireItem) -> WireItem:
        """Return the new item in wire form."""
        outputs = forward_wire(self.transform, item)
        if len(outputs) != 1:
            raise TransformError(f"{self!r}: one item became {len(outputs)} on the way back")
        return outputs[0]

    def __repr__(self) -> str:
        return f"Reversed({self.transform!r})"
