"""From an old item to its new items, and from a new key back to the old one.

The rule: a transform is pure; it never sees a table. The same old item always yields the same new
items, and ``old_key`` leads from each of them back to the item that they came from.

The steps of this module work on the wire form, so that an item keeps the form it came in and only
the attributes that a step touches are decoded. Whatever else is callable gets plain values.
"""

from __future__ import annotations

import abc
import functools
import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import attrs

from dualtable import _codec, _lazy
from dualtable._types import Item, Key, WireItem, WireValue
from dualtable.errors import DualTableError, InvalidItemError, TransformError

_T = TypeVar("_T")

Outputs: TypeAlias = "Item | Iterable[Item] | None"
TransformFunction: TypeAlias = Callable[[Item], Outputs]


@runtime_checkable
class Transform(Protocol):
    """What turns an old item into new ones; any object with these two methods will do.

    Where a new item can be turned back, ``backward(item)`` returns the old one.

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


AnyTransform: TypeAlias = Transform | TransformFunction


def as_transform(value: AnyTransform) -> Transform:
    """Return a transform for whatever is accepted as one; raise `TransformError` otherwise."""
    if isinstance(value, type):
        raise TransformError(f"{value.__name__} is a class; give an instance of it as transform")
    if inspect.iscoroutinefunction(getattr(value, "forward", value)):
        raise TransformError(
            f"{value!r} is async; a transform waits for nothing: write a plain def"
        )
    if isinstance(value, Transform):
        return value
    if callable(value):
        return Function(value)
    raise TransformError(
        f"{type(value).__name__} is no transform: give a callable, or an object with"
        " forward(item) and old_key(new_key)"
    )


def forward_wire(transform: Transform, item: WireItem) -> list[WireItem]:
    """Return the new items of an old one in wire form; the given one stays as it is."""
    on_wire = _on_wire(transform)
    if on_wire is not None:
        return on_wire(transform, item)
    return _forward_plain(transform, _lazy.decode(item))


def forward_wire_twice(
    transform: Transform, item: WireItem
) -> tuple[list[WireItem], list[WireItem]]:
    """Return what `forward_wire` returns of two calls; what is decoded for one serves both."""
    on_wire = _on_wire(transform)
    if on_wire is not None:
        return on_wire(transform, item), on_wire(transform, item)
    given = _lazy.decode(item)
    return _forward_plain(transform, given), _forward_plain(transform, given.again())


def keeps_key(transform: Transform, names: Iterable[str]) -> bool:
    """Tell whether it is known that a key of these attributes is the same in both tables."""
    keeps = _shortcut(type(transform), "keeps_key", "old_key")
    return keeps is not None and bool(keeps(transform, frozenset(names)))


def _on_wire(transform: Transform) -> Callable[[Any, WireItem], list[WireItem]] | None:
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


def _forward_plain(transform: Transform, given: _lazy.SettledDict) -> list[WireItem]:
    outputs = _guarded(lambda: _as_list(transform.forward(given), transform), transform)
    return [_lazy.encode(output, given) for output in outputs]


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


def _guarded(call: Callable[[], _T], name: object) -> _T:
    """Run a user's code; name where it failed, but not its message, which may quote values."""
    try:
        return call()
    except DualTableError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        raise TransformError(f"{name!r} raised {type(error).__name__} at {place}") from error


@attrs.frozen(repr=False)
class Function:
    """A plain callable as a transform: its keys stay, and there is no way back."""

    function: TransformFunction

    def forward(self, item: Item) -> Outputs:
        """Call the function."""
        return self.function(item)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key as it is."""
        return new_key

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell that every key is the same in both tables."""
        return True

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__name__)


# -- paths ---------------------------------------------------------------------------------------

Path: TypeAlias = tuple[str, ...]


def _to_path(value: str | Sequence[str]) -> Path:
    names = value.split(".") if isinstance(value, str) else value
    path = tuple(names) if isinstance(names, Iterable) else ()
    if not path or not all(isinstance(name, str) and name for name in path):
        raise TransformError(
            f"{value!r} is no path; write 'customer.region', or ('a.b', 'c') for names with dots"
        )
    return path


def _to_name(value: str) -> str:
    if not isinstance(value, str) or not value:
        raise TransformError(f"{value!r} is no name of an attribute; it must be a text")
    return value


def _text(path: Path) -> str:
    return repr(path) if any("." in name for name in path) else repr(".".join(path))


def _get(members: Mapping[str, WireValue], path: Path) -> WireValue | None:
    """Return the value at the path, or None where there is none."""
    for name in path[:-1]:
        members = members.get(name, {}).get("M", {})
    return members.get(path[-1])


def _owned(draft: WireItem, name: str, path: Path) -> WireItem:
    """Put a copy of an inner map, or a new one, in the place of what is there; return its members.

    A draft's root belongs to whoever changes it; the maps inside are shared with the item that it
    was made from, so each is copied before it is changed.
    """
    inner = draft.get(name, {"M": {}})
    if "M" not in inner:
        raise TransformError(f"cannot set {_text(path)}: {name!r} is no map in this item")
    members: WireItem = {**inner["M"]}
    draft[name] = {"M": members}
    return members


def _put(draft: WireItem, path: Path, value: WireValue) -> None:
    """Set the value at the path."""
    for name in path[:-1]:
        draft = _owned(draft, name, path)
    draft[path[-1]] = value


def _take(draft: WireItem, path: Path) -> None:
    """Remove what the path leads to, which must be there."""
    for name in path[:-1]:
        draft = _owned(draft, name, path)
    del draft[path[-1]]


def _move(draft: WireItem, source: Path, target: Path, name: object) -> None:
    value = _get(draft, source)
    if value is None:
        return
    if _get(draft, target) is not None:
        raise TransformError(
            f"{name!r}: {_text(target)} exists already; Drop or Rename it in an earlier step"
        )
    _take(draft, source)
    _put(draft, target, value)


# -- steps ---------------------------------------------------------------------------------------


class _Step:
    """One change to an item; subclasses make it, in both directions, to a draft in wire form.

    A draft is a copy of an item that a step may change at its root; see `_owned`.
    """

    def forward(self, item: Item) -> Item:
        """Return the new item of an old one, as plain values."""
        draft = _codec.encode(item)
        self.change(draft)
        return _codec.decode(draft)

    def backward(self, item: Item) -> Item:
        """Return the old item of a new one, as plain values."""
        draft = _codec.encode(item)
        self.undo(draft)
        return _codec.decode(draft)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item that yields `new_key`."""
        return new_key

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell whether the step leaves key attributes of these names alone."""
        return names.isdisjoint(self._roots)

    def forward_wire(self, item: WireItem) -> list[WireItem]:
        """Return the new item in wire form."""
        draft = dict(item)
        self.change(draft)
        return [draft]

    @property
    def _roots(self) -> tuple[str, ...]:
        """The attributes at the root that the step reads or writes."""
        raise NotImplementedError

    def change(self, draft: WireItem) -> None:
        """Make a new item of an old one."""
        raise NotImplementedError

    def undo(self, draft: WireItem) -> None:
        """Make an old item of a new one."""
        raise TransformError(f"{self!r} cannot be undone")


@attrs.frozen(repr=False)
class Move(_Step):
    """Move an attribute to another place, such as from a nested map to the root.

    An item without the attribute stays as it is. One that has the target already is refused.
    Undoing it leaves a map that was made on the way, empty.

    Args:
        source: Where the attribute is: names joined by dots, or a sequence of names.
        target: Where it goes, in the same form; maps on the way are made.

    Raises:
        TransformError: The target exists, or a name on the way to it is no map.

    Example:
        >>> from dualtable import Move
        >>> Move("customer.region", "region").forward({"id": "o-1", "customer": {"region": "eu"}})
        {'id': 'o-1', 'customer': {}, 'region': 'eu'}
    """

    source: Path = attrs.field(converter=_to_path)
    target: Path = attrs.field(converter=_to_path)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key with the moved attribute under its old name."""
        if len(self.target) > 1 or self.target[0] not in new_key:
            return new_key
        if len(self.source) > 1:
            raise TransformError(
                f"{self!r} makes a key of a nested property, so the old item cannot be found by it;"
                " write a transform with an old_key of its own"
            )
        return _renamed(new_key, self.target[0], self.source[0])

    def change(self, draft: WireItem) -> None:
        """Move it."""
        _move(draft, self.source, self.target, self)

    def undo(self, draft: WireItem) -> None:
        """Move it back."""
        _move(draft, self.target, self.source, self)

    @property
    def _roots(self) -> tuple[str, ...]:
        return (self.source[0], self.target[0])

    def __repr__(self) -> str:
        return f"Move({_text(self.source)}, {_text(self.target)})"


@attrs.frozen(repr=False)
class Rename(_Step):
    """Give an attribute another name where it is.

    Args:
        source: Where the attribute is: names joined by dots, or a sequence of names.
        name: Its new name, in the same map.

    Raises:
        TransformError: The new name is taken.

    Example:
        >>> from dualtable import Rename
        >>> Rename("customer.nme", "name").forward({"customer": {"nme": "Ann"}})
        {'customer': {'name': 'Ann'}}
    """

    source: Path = attrs.field(converter=_to_path)
    name: str = attrs.field(converter=_to_name)

    @property
    def _target(self) -> Path:
        return (*self.source[:-1], self.name)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key with the attribute under its old name."""
        if len(self.source) > 1 or self.name not in new_key:
            return new_key
        return _renamed(new_key, self.name, self.source[0])

    def change(self, draft: WireItem) -> None:
        """Rename it."""
        _move(draft, self.source, self._target, self)

    def undo(self, draft: WireItem) -> None:
        """Give it its old name."""
        _move(draft, self._target, self.source, self)

    @property
    def _roots(self) -> tuple[str, ...]:
        return (self.source[0], self._target[0])

    def __repr__(self) -> str:
        return f"Rename({_text(self.source)}, {self.name!r})"


@attrs.frozen(repr=False)
class Convert(_Step):
    """Replace a value by what a function makes of it; an item without it stays as it is.

    Args:
        path: Where the value is: names joined by dots, or a sequence of names.
        function: Gets the plain value, returns the new one; must give the same each time.
        back: The way back; needed for `backward`, and where the value is part of the key.

    Raises:
        TransformError: A function raised.
        InvalidItemError: A function returned what DynamoDB cannot store.

    Example:
        >>> from decimal import Decimal
        >>> from dualtable import Convert
        >>> Convert("total", Decimal, back=str).forward({"total": "12.50"})
        {'total': Decimal('12.50')}
    """

    path: Path = attrs.field(converter=_to_path)
    function: Callable[[Any], Any]
    back: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key with the value converted back."""
        name = self.path[0]
        if len(self.path) > 1 or name not in new_key:
            return new_key
        return {**new_key, name: _guarded(lambda: self._way_back()(new_key[name]), self)}

    def change(self, draft: WireItem) -> None:
        """Convert the value."""
        self._convert(draft, self.function)

    def undo(self, draft: WireItem) -> None:
        """Convert the value back."""
        self._convert(draft, self._way_back())

    def _way_back(self) -> Callable[[Any], Any]:
        if self.back is None:
            raise TransformError(f"{self!r} has no way back; give it as Convert(…, back=…)")
        return self.back

    def _convert(self, draft: WireItem, function: Callable[[Any], Any]) -> None:
        value = _get(draft, self.path)
        if value is None:
            return
        result = _guarded(lambda: function(_codec.decode_value(value)), self)
        try:
            _put(draft, self.path, _codec.encode_value(result))
        except InvalidItemError as error:
            raise InvalidItemError(f"{self!r}: {error}") from error

    @property
    def _roots(self) -> tuple[str, ...]:
        return (self.path[0],)

    def __repr__(self) -> str:
        return f"Convert({_text(self.path)})"


@attrs.frozen(repr=False)
class Drop(_Step):
    """Leave an attribute out. This cannot be undone.

    Args:
        path: Where the attribute is: names joined by dots, or a sequence of names.

    Example:
        >>> from dualtable import Drop
        >>> Drop("legacy").forward({"id": "o-1", "legacy": True})
        {'id': 'o-1'}
    """

    path: Path = attrs.field(converter=_to_path)

    def change(self, draft: WireItem) -> None:
        """Leave it out."""
        if _get(draft, self.path) is not None:
            _take(draft, self.path)

    @property
    def _roots(self) -> tuple[str, ...]:
        return (self.path[0],)

    def __repr__(self) -> str:
        return f"Drop({_text(self.path)})"


@attrs.frozen(repr=False)
class Default(_Step):
    """Set an attribute that an item lacks. Undoing it leaves the attribute in place.

    Args:
        path: Where the attribute goes: names joined by dots, or a sequence of names.
        value: A plain value.

    Raises:
        InvalidItemError: DynamoDB cannot store the value.

    Example:
        >>> from dualtable import Default
        >>> Default("status", "open").forward({"id": "o-1"})
        {'id': 'o-1', 'status': 'open'}
    """

    path: Path = attrs.field(converter=_to_path)
    value: Any = attrs.field()
    _wire: WireValue = attrs.field(init=False, eq=False)

    @_wire.default
    def _encoded(self) -> WireValue:
        return _codec.encode_value(self.value)

    def change(self, draft: WireItem) -> None:
        """Set it where it is missing."""
        if _get(draft, self.path) is None:
            _put(draft, self.path, self._wire)

    def undo(self, draft: WireItem) -> None:
        """Leave the draft as it is."""

    @property
    def _roots(self) -> tuple[str, ...]:
        return (self.path[0],)

    def __repr__(self) -> str:
        return f"Default({_text(self.path)})"


@attrs.frozen(init=False, repr=False)
class Chain:
    """Several transforms, one after the other; each gets what the one before it returns.

    Args:
        steps: Transforms or plain callables. A step that yields nothing ends the chain for that
            item, one that yields several passes each of them on.

    Example:
        >>> from dualtable import Chain, Drop, Rename
        >>> chain = Chain(Rename("nme", "name"), Drop("legacy"))
        >>> chain.forward({"id": "o-1", "nme": "Ann", "legacy": True})
        {'id': 'o-1', 'name': 'Ann'}
        >>> chain.old_key({"id": "o-1"})
        {'id': 'o-1'}
    """

    steps: tuple[Transform, ...]

    def __init__(self, *steps: AnyTransform) -> None:
        self.__attrs_init__(tuple(as_transform(step) for step in steps))

    def forward(self, item: Item) -> Outputs:
        """Return the new item, or a list of them, or None."""
        outputs = [_codec.decode(output) for output in self.forward_wire(_codec.encode(item))]
        return outputs if len(outputs) > 1 else next(iter(outputs), None)

    def backward(self, item: Item) -> Item:
        """Return the old item, each step undone from the last to the first.

        Raises:
            TransformError: A step cannot be undone.
        """
        for step in reversed(self.steps):
            undo = getattr(step, "backward", None)
            if undo is None:
                raise TransformError(f"{step!r} cannot be undone: it has no backward(item)")
            item = undo(item)
        return item

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item, mapped back from the last step to the first."""
        key: Key | None = new_key
        for step in reversed(self.steps):
            if key is None:
                return None
            key = step.old_key(key)
        return key

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell whether each step keeps keys of these attributes."""
        return all(keeps_key(step, names) for step in self.steps)

    def forward_wire(self, item: WireItem) -> list[WireItem]:
        """Return the new items in wire form."""
        drafts = [dict(item)]
        for step in self.steps:
            if isinstance(step, _Step) and _on_wire(step) is _Step.forward_wire:
                for draft in drafts:  # one copy serves them all
                    step.change(draft)
            else:
                drafts = [output for draft in drafts for output in forward_wire(step, draft)]
        return drafts

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"


def _renamed(key: Key, name: str, old_name: str) -> Key:
    return {old_name if attribute == name else attribute: v for attribute, v in key.items()}
