"""Run a transform on an item in wire form, by the shortest way that its author has written.

The rule: a quick way counts only where one module has written both it and the long one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dualtable._transforms.guarded import guarded
from dualtable._transforms.transform import Outputs, Transform
from dualtable._wire.lazy import Encoded, SettledDict, decode, encode, encoded, is_so
from dualtable._wire.types import Item, Key, WireItem
from dualtable._wire.values import equal_items
from dualtable.errors import TransformError


def forward_wire(transform: Transform, item: WireItem) -> list[WireItem]:
    """Return the new items of an old one in wire form; the given one stays as it is."""
    on_wire = quick_way(transform)
    if on_wire is not None:
        return guarded(on_wire, transform, given=(transform, item))
    return _forward_plain(transform, decode(item))


def forward_wire_alike(transform: Transform, item: WireItem) -> tuple[list[WireItem], bool]:
    """Return what `forward_wire` returns, and whether a second call returns the same.

    That call is made, but for what is known to come out again.
    """
    tells = _shortcut(type(transform), "forward_wire_alike", "forward")
    known = None if tells is None else guarded(tells, transform, given=(transform, item))
    if known is not None:
        outputs, alike = known
        return outputs, alike
    return _forward_twice(transform, item)


def _forward_twice(transform: Transform, item: WireItem) -> tuple[list[WireItem], bool]:
    """Return the outputs of one call, and whether another has the same.

    What is decoded for one serves both; and of the other's no more is encoded than tells.
    """
    on_wire = quick_way(transform)
    if on_wire is not None:
        one, other = guarded(
            lambda: (on_wire(transform, item), on_wire(transform, item)), transform
        )
        return one, len(one) == len(other) and all(map(equal_items, one, other))
    given = decode(item)

    outputs = guarded(_encoded, transform, given=(transform, given))

    def comes_again() -> bool:
        once_more = given.again()
        others = _as_list(transform.forward(once_more), transform)
        pairs = zip(others, outputs, strict=False)
        return len(others) == len(outputs) and all(is_so(once_more, *pair) for pair in pairs)

    return [output.item for output in outputs], guarded(comes_again, transform)


def backward_wire(transform: Transform, item: WireItem) -> WireItem:
    """Return the old item of a new one in wire form; the given one stays as it is.

    Raises:
        TransformError: The transform has no way back, or its author's code raised or returned what
            is no item.
        InvalidItemError: It returned what DynamoDB cannot store.
    """
    on_wire = _shortcut(type(transform), "backward_wire", "backward")
    if on_wire is not None:
        old: WireItem = guarded(on_wire, transform, given=(transform, item))
        return old
    return guarded(_backward_plain, transform, given=(transform, decode(item)))


def no_way_back(transform: Transform) -> str | None:
    """Name the step that cannot be undone and say why; None where each has a way back."""
    tells = _shortcut(type(transform), "no_way_back", "backward")
    if tells is not None:
        reason: str | None = tells(transform)
        return reason
    has_one = callable(getattr(transform, "backward", None))
    return None if has_one else f"{transform!r} has no backward(item)"


def keeps_key(transform: Transform, names: Iterable[str]) -> bool:
    """Tell whether it is known that a key of these attributes is the same in both tables."""
    keeps = _shortcut(type(transform), "keeps_key", "old_key")
    return keeps is not None and bool(keeps(transform, frozenset(names)))


def old_name(transform: Transform, name: str) -> str | None:
    """Return what a key attribute is called in the old table; None where nobody says.

    Raises:
        TransformError: The transform makes a key of what the old table cannot find an item by.
    """
    tells = _shortcut(type(transform), "old_name", "old_key")
    found: str | None = None if tells is None else tells(transform, name)
    return found


def new_key(transform: Transform, old_key: Key) -> Key | None:
    """Return the key of the new item that an old key becomes, whatever else is in the item."""
    leads = _shortcut(type(transform), "new_key", "old_key")
    if leads is None:
        raise TransformError(str(no_new_key(transform)))
    found: Key | None = leads(transform, old_key)
    return found


def no_new_key(transform: Transform) -> str | None:
    """Name the step that does not say which new key an old one becomes; None where each does."""
    tells = _shortcut(type(transform), "no_new_key", "old_key")
    if tells is not None:
        reason: str | None = tells(transform)
        return reason
    leads = _shortcut(type(transform), "new_key", "old_key")
    return None if leads is not None else f"{transform!r} has no new_key(old_key)"


def quick_way(transform: Transform) -> Callable[[Any, WireItem], list[WireItem]] | None:
    """Return the method that makes new items in wire form, and leaves the given one as it is."""
    return _shortcut(type(transform), "forward_wire", "forward")


@functools.cache
def _shortcut(kind: type, name: str, long_way: str) -> Callable[..., Any] | None:
    """Return the method that is quicker than another, if the class has one and both agree.

    They do where one module has written both; who overrides the other alone knows nothing of this.
    """
    quick, slow = (
        next((base.__module__ for base in kind.__mro__ if each in vars(base)), None)
        for each in (name, long_way)
    )
    return getattr(kind, name) if quick is not None and quick == slow else None


def _forward_plain(transform: Transform, given: SettledDict) -> list[WireItem]:
    return [output.item for output in guarded(_encoded, transform, given=(transform, given))]


def _encoded(transform: Transform, given: SettledDict) -> list[Encoded]:
    """Call a transform; what it returns may have code of its own."""
    return [encoded(output, given) for output in _as_list(transform.forward(given), transform)]


def _backward_plain(transform: Transform, given: SettledDict) -> WireItem:
    reason = no_way_back(transform)
    if reason is not None:
        raise TransformError(f"{transform!r} cannot be undone: {reason}")
    output = transform.backward(given)  # type: ignore[attr-defined] # it has one
    if not isinstance(output, dict):
        raise TransformError(
            f"{transform!r} turned an item back into a {type(output).__name__}; return a dict"
        )
    return encode(output, given)


def _as_list(result: Outputs, name: object) -> list[Item]:
    if result is None:
        return []
    if isinstance(result, dict):
        return [result]
    if isinstance(result, (str, bytes, Mapping)) or not isinstance(result, Iterable):
        raise TransformError(
            f"{name!r} returned {type(result).__name__}; return a dict, several, or None"
        )
    outputs = list(result)
    for output in outputs:
        if not isinstance(output, dict):
            raise TransformError(
                f"{name!r} returned a {type(output).__name__} among its items; each must be a dict"
            )
    return outputs
