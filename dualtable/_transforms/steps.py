"""The steps: one change to an item each, in both directions.

The rule: a step works on the wire form, so that an item keeps the form it came in and only what the
step touches is decoded. A path is a text in DynamoDB's notation, such as ``customer.region`` or
``lines[0].sku``, or a sequence of names and positions, such as ``("a.b", 0, "c")``, whose names are
taken literally.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

import attrs

from dualtable._transforms.guarded import guarded, written_at
from dualtable._transforms.paths import (
    Path,
    check_apart,
    check_named,
    goes_through,
    has_place,
    move,
    path_text,
    put_at,
    take_at,
    to_name,
    to_path,
)
from dualtable._wire import codec
from dualtable._wire.json import draft_of, item_of
from dualtable._wire.paths import get_at
from dualtable._wire.types import Item, Key, WireItem, WireValue
from dualtable._wire.values import equal
from dualtable.errors import InvalidItemError, TransformError

Repeat: TypeAlias = Callable[[], bool]
"""Calls a function that a step was given once more, and tells whether it makes the same again."""


class Step:
    """One change to an item; subclasses make it, in both directions, to a draft in wire form.

    A draft is a copy of an item that a step may change at its root; see `paths`.
    """

    def forward(self, item: Item) -> Item:
        """Return the new item of an old one, as plain values."""
        draft = codec.encode(item)
        self.change(draft)
        return codec.decode(draft)

    def backward(self, item: Item) -> Item:
        """Return the old item of a new one, as plain values."""
        draft = codec.encode(item)
        self.undo(draft)
        return codec.decode(draft)

    def no_way_back(self) -> str | None:
        """Say why the step cannot be undone, if it cannot."""
        return None

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key of the old item that yields `new_key`."""
        return {self.old_name(name): value for name, value in new_key.items()}

    def new_key(self, old_key: Key) -> Key | None:
        """Return what the step makes of a key, and of nothing else."""
        return self.forward(old_key)

    def old_name(self, name: str) -> str:
        """Return what a key attribute is called in the old table."""
        return name

    def keeps_key(self, names: frozenset[str]) -> bool:
        """Tell whether the step leaves key attributes of these names alone."""
        return names.isdisjoint(path[0] for path in self.paths)

    def forward_wire(self, item: WireItem) -> list[WireItem]:
        """Return the new item in wire form."""
        if not is_own(self):  # it may look at what its paths do not tell
            draft = item.copy()
            self.change(draft)
            return [draft]
        draft = draft_of(item, self._opened)
        self.change(draft)
        return [item_of(draft, item, self._opened)]

    def forward_wire_alike(self, item: WireItem) -> tuple[list[WireItem], bool] | None:
        """Return the new item, and whether it comes out again; None where that is not known."""
        if not is_own(self):
            return None
        draft = draft_of(item, self._opened)
        repeat = self.change(draft)
        alike = repeat is None or repeat()
        return [item_of(draft, item, self._opened)], alike

    @functools.cached_property
    def _opened(self) -> frozenset[str]:
        return self.opened()

    def backward_wire(self, item: WireItem) -> WireItem:
        """Return the old item in wire form."""
        draft = item.copy()
        self.undo(draft)
        return draft

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that the step reads or writes: where a value is, and where it goes, if anywhere."""
        raise NotImplementedError

    def opened(self, later: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return the attributes that must be in wire form, given those that `later` steps need.

        What is only moved, or left out, need not be.
        """
        opened = later | {str(path[0]) for path in self.paths if len(path) > 1}
        source, *targets = self.paths
        is_moved_there = any(target[0] in opened for target in targets)
        return opened | {str(source[0])} if is_moved_there else opened

    def change(self, draft: WireItem) -> Repeat | None:
        """Make a new item of an old one; return what of it is not certain to come out again."""
        raise NotImplementedError

    def undo(self, draft: WireItem) -> None:
        """Make an old item of a new one."""
        raise NotImplementedError


def is_own(transform: object) -> TypeGuard[Step]:
    """Tell whether it is a step as this library has it, and nothing that is made of one."""
    return isinstance(transform, Step) and type(transform).__module__ == Step.__module__


def _check_flag(_step: object, attribute: Any, value: object) -> None:
    if not isinstance(value, bool):
        raise TransformError(f"{attribute.name}={value!r} must be True or False")


@attrs.frozen(repr=False)
class Move(Step):
    """Move an attribute to another place, such as from a nested map to the root.

    An item without the attribute stays as it is. One that has the target already is refused; what
    the attribute alone is in may be the target, as in ``Move("customer.data", "customer")``.
    A map that is left empty stays, in both directions, unless it is to `prune`. So what is left of
    ``{"customer": {"region": "eu"}}`` is ``{"customer": {}}``, and with `prune` nothing. The other
    of the two is what no old item becomes: with ``Migration(rolling=True)`` production may not
    write it before `WRITING_NEW`, since it would not come back as it was. Choose what new code
    writes.

    A list has no gaps: what is taken out of it lets the rest move up, and is put back between them.
    As a target, a position is that of a new last member.

    Args:
        source: Where the attribute is: a path such as ``customer.region`` or ``lines[0].sku``, or a
            sequence of names and positions such as ``("a.b", 0)``, whose names may hold anything.
        target: Where it goes, in the same form; maps on the way are made.
        prune: Leave out the maps on the way to the source that have nothing else in them, and when
            it is undone those on the way to the target. False (default) leaves them, empty.

    Raises:
        TransformError: The target exists, or something on the way to it is no map, or is a member
            of a list that is not there; both paths lead into one list.

    Example:
        >>> from dualtable import Move
        >>> Move("customer.region", "region").forward({"id": "o-1", "customer": {"region": "eu"}})
        {'id': 'o-1', 'customer': {}, 'region': 'eu'}
        >>> Move("customer.region", "region", prune=True).forward({"customer": {"region": "eu"}})
        {'region': 'eu'}
    """

    source: Path = attrs.field(converter=to_path)
    target: Path = attrs.field(converter=to_path)
    prune: bool = attrs.field(default=False, kw_only=True, validator=_check_flag)

    def __attrs_post_init__(self) -> None:
        check_apart(self, self.source, self.target)

    def old_name(self, name: str) -> str:
        """Return the old name of the moved attribute."""
        if self.target != (name,):
            return name
        if len(self.source) > 1:
            raise TransformError(
                f"{self!r} makes a key of a nested property, so the old item cannot be found by it;"
                " write a transform with an old_key of its own"
            )
        return str(self.source[0])

    def change(self, draft: WireItem) -> None:
        """Move it."""
        move(draft, self.source, self.target, self, prunes=self.prune)

    def undo(self, draft: WireItem) -> None:
        """Move it back."""
        move(draft, self.target, self.source, self, make_room=True, prunes=self.prune)

    @property
    def paths(self) -> tuple[Path, ...]:
        """From where to where."""
        return self.source, self.target

    def __repr__(self) -> str:
        pruning = ", prune=True" if self.prune else ""
        return f"Move({path_text(self.source)}, {path_text(self.target)}{pruning})"


@attrs.frozen(repr=False)
class Rename(Step):
    """Give an attribute another name where it is.

    Args:
        source: Where the attribute is, as for `Move`; it ends in a name.
        name: Its new name, in the same map; one with dots or brackets as a tuple, ``("a.b",)``.

    Raises:
        TransformError: The new name is taken, or is a path.

    Example:
        >>> from dualtable import Rename
        >>> Rename("customer.nme", "name").forward({"customer": {"nme": "Ann"}})
        {'customer': {'name': 'Ann'}}
    """

    source: Path = attrs.field(converter=to_path)
    name: str = attrs.field(converter=to_name)

    def __attrs_post_init__(self) -> None:
        check_named(self, self.source)

    @property
    def _target(self) -> Path:
        return (*self.source[:-1], self.name)

    def old_name(self, name: str) -> str:
        """Return the old name of the renamed attribute."""
        return str(self.source[0]) if self._target == (name,) else name

    def change(self, draft: WireItem) -> None:
        """Rename it."""
        move(draft, self.source, self._target, self)

    def undo(self, draft: WireItem) -> None:
        """Give it its old name."""
        move(draft, self._target, self.source, self)

    @property
    def paths(self) -> tuple[Path, ...]:
        """From where to where."""
        return self.source, self._target

    def __repr__(self) -> str:
        return f"Rename({path_text(self.source)}, {self.name!r})"


@attrs.frozen(repr=False)
class Convert(Step):
    """Replace a value by what a function makes of it; an item without it stays as it is.

    Args:
        path: Where the value is, as for `Move`.
        function: Gets the plain value, returns the new one; must give the same each time.
        back: The way back; needed for `backward`, and where the value is part of the key.

    Raises:
        TransformError: A function raised.
        InvalidItemError: A function returned what DynamoDB cannot store.

    Example:
        >>> from decimal import Decimal
        >>> from dualtable import Convert
        >>> Convert("total", Decimal, back=str).forward({"total": "12.50"})
        {'total': Decimal('12.5')}
    """

    path: Path = attrs.field(converter=to_path)
    function: Callable[[Any], Any]
    back: Callable[[Any], Any] | None = attrs.field(default=None, kw_only=True)
    written_at: str = attrs.field(init=False, eq=False, factory=written_at)

    def old_key(self, new_key: Key) -> Key | None:
        """Return the key with the value converted back."""
        name = str(self.path[0])
        if len(self.path) > 1 or name not in new_key:
            return new_key
        back = self._way_back()
        return {**new_key, name: guarded(lambda: back(new_key[name]), self, function=back)}

    def change(self, draft: WireItem) -> Repeat | None:
        """Convert the value."""
        return self._convert(draft, self.function)

    def undo(self, draft: WireItem) -> None:
        """Convert the value back."""
        self._convert(draft, self._way_back())

    def no_way_back(self) -> str | None:
        """Say that there is no `back`."""
        return None if self.back is not None else f"{self!r} has no back="

    def _way_back(self) -> Callable[[Any], Any]:
        if self.back is None:
            raise TransformError(f"{self!r} has no way back; give it as Convert(…, back=…)")
        return self.back

    def _convert(self, draft: WireItem, function: Callable[[Any], Any]) -> Repeat | None:
        value = get_at(draft, self.path)
        if value is None:
            return None
        converted = self._converted(value, function)
        put_at(draft, self.path, converted)
        return lambda: equal(converted, self._converted(value, function))

    def _converted(self, value: WireValue, function: Callable[[Any], Any]) -> WireValue:
        plain = codec.decode_value(value)
        result = guarded(function, self, function=function, given=(plain,))
        try:
            return codec.encode_value(result)
        except InvalidItemError as error:
            raise InvalidItemError(f"{self!r}: {error}") from error

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the value is."""
        return (self.path,)

    def opened(self, later: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return what the value is in."""
        return later | {str(self.path[0])}

    def __repr__(self) -> str:
        return f"Convert({path_text(self.path)})"


@attrs.frozen(repr=False)
class Drop(Step):
    """Leave an attribute out. Undoing it restores what `back` makes, or nothing.

    What follows a dropped member of a list moves up.

    Args:
        path: Where the attribute is, as for `Move`.
        back: Makes the old value of the new item; must give the same each time. None (default)
            where the old item can do without it.

    Raises:
        TransformError: `back` raised.
        InvalidItemError: `back` returned what DynamoDB cannot store.

    Example:
        >>> from dualtable import Drop
        >>> Drop("legacy").forward({"id": "o-1", "legacy": True})
        {'id': 'o-1'}
        >>> Drop("year", back=lambda order: order["day"][:4]).backward({"day": "2026-01-31"})
        {'day': '2026-01-31', 'year': '2026'}
    """

    path: Path = attrs.field(converter=to_path)
    back: Callable[[Item], Any] | None = attrs.field(default=None, kw_only=True)

    def change(self, draft: WireItem) -> None:
        """Leave it out."""
        if get_at(draft, self.path) is not None:
            take_at(draft, self.path)

    def undo(self, draft: WireItem) -> None:
        """Restore it, unless the map or list that it was in is not there."""
        back = self.back
        if back is None or not has_place(draft, self.path):
            return
        restored = guarded(lambda: back(codec.decode(draft)), self, function=back)
        try:
            put_at(draft, self.path, codec.encode_value(restored), make_room=True)
        except InvalidItemError as error:
            raise InvalidItemError(f"{self!r}: {error}") from error

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the attribute is."""
        return (self.path,)

    def __repr__(self) -> str:
        return f"Drop({path_text(self.path)})"


@attrs.frozen(repr=False)
class Default(Step):
    """Set an attribute that an item lacks. Undoing it leaves the attribute in place.

    Where the path goes through a member of a list that is not there, the item stays as it is.

    Args:
        path: Where the attribute goes, as for `Move`; maps on the way are made.
        value: A plain value.

    Raises:
        InvalidItemError: DynamoDB cannot store the value.

    Example:
        >>> from dualtable import Default
        >>> Default("status", "open").forward({"id": "o-1"})
        {'id': 'o-1', 'status': 'open'}
    """

    path: Path = attrs.field(converter=to_path)
    value: Any = attrs.field()
    _wire: WireValue = attrs.field(init=False, eq=False)

    @_wire.default
    def _encoded(self) -> WireValue:
        return codec.encode_value(self.value)

    def change(self, draft: WireItem) -> None:
        """Set it where it is missing."""
        if get_at(draft, self.path) is None and goes_through(draft, self.path):
            put_at(draft, self.path, self._wire)

    def undo(self, draft: WireItem) -> None:
        """Leave the draft as it is."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the attribute is."""
        return (self.path,)

    def __repr__(self) -> str:
        return f"Default({path_text(self.path)})"
