"""Plain values that are decoded where they are looked at; what a callable transform is given.

The rule: to whoever uses them these are a dict and a list of plain values, whatever is done with
them, but what was never touched goes back as it came, neither decoded nor encoded.

What reads a dict or list past its methods, as many an extension in C does, is given a deep copy: it
is a plain dict of plain values all the way down.

Until a value is decoded, `PENDING` stands in its place. Python's own fast paths look for exactly
``dict`` and ``list`` before they reach past the methods of one; code that reaches past them all the
same meets `PENDING`, which cannot be compared, printed, encoded or stored, and never the wire form.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import repeat
from operator import is_
from typing import Any, NamedTuple, NoReturn, TypeVar

from dualtable._wire import codec, json
from dualtable._wire.codec import KeepsWire
from dualtable._wire.types import Item, WireItem, WireValue
from dualtable._wire.values import equal_items
from dualtable.errors import InvalidItemError

_C = TypeVar("_C", bound=type)
_D = TypeVar("_D", bound="SettledDict")


_PAST_ITS_METHODS = (
    "something reached past the methods of the dict or list that holds it; give it"
    " copy.deepcopy(item), which is plain all the way down"
)


class NotDecoded:
    """Stands for a value that is not decoded yet, and serves for nothing else."""

    __slots__ = ()

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"this value is not decoded yet: {_PAST_ITS_METHODS}")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse
    __bool__ = __len__ = __iter__ = __str__ = __format__ = _refuse
    __reduce_ex__ = __deepcopy__ = _refuse

    def __repr__(self) -> str:
        return "<not decoded: give copy.deepcopy(item) instead>"


PENDING = NotDecoded()
_TO_COME: WireValue = {}  # keeps a value's place; itself never one
_OUTERMOST = -1  # the depth of an item, one above that of its values


def decode(wire: WireItem) -> LazyDict:
    """Return an item whose values are decoded when they are looked at."""
    return _map(wire, _OUTERMOST)


def encode(output: Item, given: SettledDict) -> WireItem:
    """Return the wire form of what was made of an item that `decode` or `again` has given.

    A value that nobody can have changed and that is still in its place goes back as it came.
    """
    return encoded(output, given).item


class Encoded(NamedTuple):
    """The wire form of an output, and what of it did not come so; None where nobody knows."""

    item: WireItem
    changed: WireItem | None


def encoded(output: Item, given: SettledDict) -> Encoded:
    """Return what `encode` returns, so that `is_so` can compare another output with it."""
    changed = _changed(output, given)
    if changed is None:
        return Encoded(codec.encode(output), None)
    return Encoded(_with(given.wire, output, changed), changed)


def is_so(given: SettledDict, output: Item, before: Encoded) -> bool:
    """Tell whether an output has the wire form of another, which was made of the same item."""
    alike = before.changed is not None and json.kept(before.item).keys() == _dict_keys(output)
    if alike and _changed(output, given) == before.changed:
        return True
    return equal_items(encode(output, given), before.item)


def _changed(output: Item, given: SettledDict) -> WireItem | None:
    """Return what an output has that did not come so; None where all of it must be encoded."""
    if type(output) is LazyDict and output.wire is given.wire:
        return codec.encode_members(output.touched(), 0)
    if type(output) not in (dict, SettledDict) or not {str}.issuperset(map(type, output)):
        return None  # the codec knows of what is still waiting, and of other names
    wire, decoded = given.wire, given.decoded
    others = {
        n: v
        for n, v in output.items()
        if decoded.get(n, _TO_COME) is not v and not _is_as_it_came(v, wire, n)
    }
    return codec.encode_members(others, 0)


def _with(wire: WireItem, names: Item, changed: WireItem) -> WireItem:
    """Return what came under those names, and what has changed; most of it stays as it is."""
    members = json.kept(wire).copy()  # all at one go is the quickest
    members.update(changed)
    if members.keys() != _dict_keys(names):
        for name in members.keys() - _dict_keys(names):
            del members[name]
        # A value that waits under a name of somebody's own got past the methods, and is refused.
        codec.encode_members(dict.fromkeys(_dict_keys(names) - members.keys(), PENDING), 0)
    return json.remade(wire, members)


def _is_as_it_came(value: Any, wire: WireItem, name: str) -> bool:
    """Tell whether a value is a map or list that has that place, and nobody has touched it."""
    if type(value) is LazyList:
        return value.waits_whole() and value.wire is wire.get(name, _TO_COME).get("L")
    if type(value) is LazyDict:
        return value.waits_whole() and value.wire is wire.get(name, _TO_COME).get("M")
    return False


def _settling(base: type, *names: str) -> Callable[[_C], _C]:
    """Let these methods of the base class find everything decoded."""

    def settled(name: str) -> Callable[..., Any]:
        method = getattr(base, name)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            self.settle()
            for argument in arguments:
                if isinstance(argument, (LazyDict, LazyList)):
                    argument.settle()
            return method(self, *arguments, **named)

        call.__name__ = name
        return call

    def add(cls: _C) -> _C:
        for name in names:
            setattr(cls, name, settled(name))
        return cls

    return add


class SettledDict(dict[str, Any], KeepsWire):
    """A map, or an item, of which nothing waits any more: a dict, and as fast as one.

    `decoded` is what was decoded at one go and cannot be changed in its place, each value from what
    `wire` has under that name.
    """

    __slots__ = ("decoded", "depth", "wire")
    wire: WireItem
    depth: int
    decoded: Item

    def __new__(cls, *values: Any, **named: Any) -> Any:
        """Return a dict: what is made with ``type(item)(…)`` has nothing to wait for."""
        return dict(*values, **named)

    def __copy__(self) -> Item:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Item:
        twin: Item = {}
        memo[id(self)] = twin
        for name, value in _dict_items(self):
            waits = value is PENDING and name in self.wire
            twin[name] = (
                codec.decode_value(self.wire[name]) if waits else copy.deepcopy(value, memo)
            )
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)

    def wire_members(self, depth: int) -> WireItem | None:
        return None

    def settle(self) -> None:
        """Do nothing: a method that was bound before all was decoded may still ask for it."""

    def again(self) -> SettledDict:
        """Return the item once more as it was given, whatever has become of this one since.

        What was decoded at one go serves both; where nothing was, this one waits as the first did.
        """
        wire, decoded, depth = self.wire, self.decoded, self.depth
        if not decoded:
            return _map(wire, depth)
        twin = _empty(SettledDict, wire, depth)
        _dict_update(twin, json.kept(wire))  # all names, in their order
        _dict_update(twin, decoded)
        for name in [name for name in json.kept(wire) if name not in decoded]:
            _dict_setitem(twin, name, _value(wire[name], depth + 1))
        twin.decoded = decoded
        return twin


@_settling(dict, "items", "values", "copy", "popitem", "__eq__", "__ne__", "__repr__")
class LazyDict(SettledDict):
    """A map, or an item, of plain values; it becomes a `SettledDict` once all are decoded at once.

    Names and their order are those of a dict from the start; only values wait. Where a value is
    set or removed, nothing of this class is involved.
    """

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        value = _dict_getitem(self, name)
        return self._decode(name) if value is PENDING else value

    def __iter__(self) -> Any:
        # A dict that has a method of its own here is not copied at one go by dict(item), {**item},
        # f(**item) and their like: they ask for its keys, and get one value after the other.
        return _dict_iter(self)

    def keys(self) -> Any:
        self.settle()  # who asks for all keys wants all values, and this is the quicker way
        return _dict_keys(self)

    def get(self, name: str, default: Any = None, /) -> Any:
        value = _dict_get(self, name, default)
        return self._decode(name) if value is PENDING else value

    def pop(self, name: str, /, *default: Any) -> Any:
        self.get(name)  # decodes it
        return _dict_pop(self, name, *default)

    def setdefault(self, name: str, default: Any = None, /) -> Any:
        self.get(name)  # decodes it
        return _dict_setdefault(self, name, default)

    def wire_members(self, depth: int) -> WireItem | None:
        # What was as deep in a stored item, or deeper, fits here too. Elsewhere its depth must be
        # judged, and an inner map that has become an item must be judged as one.
        if depth > self.depth + 1 or (depth == 0 and self.depth != _OUTERMOST):
            return None
        touched = self.touched()
        if not touched and _dict_keys(self) == self.wire.keys():
            return self.wire
        changed = codec.encode_members(touched, depth) if touched else touched
        return _with(self.wire, self, changed)

    def touched(self) -> Item:
        """Return what has been looked at or set."""
        return {name: value for name, value in _dict_items(self) if value is not PENDING}

    def waits_whole(self) -> bool:
        """Tell whether nothing of it has been looked at, set or taken away."""
        values = _dict_values(self)
        return len(self) == len(self.wire) and all(map(is_, values, repeat(PENDING)))

    def _decode(self, name: str) -> Any:
        value = _value(self.wire[name], self.depth + 1)
        _dict_setitem(self, name, value)
        return value

    def settle(self) -> None:
        """Decode what is not decoded yet."""
        wire, depth = json.decoded(self.wire), self.depth + 1
        decoded = {
            name: value["S"] if "S" in (value := wire[name]) else _value(value, depth)
            for name, waits in _dict_items(self)
            if waits is PENDING
        }
        _dict_update(self, decoded)
        for name in [name for name, value in decoded.items() if type(value) in _CHANGING]:
            del decoded[name]
        self.decoded = decoded
        self.__class__ = SettledDict  # type: ignore[assignment] # from now on as fast as a dict


@_settling(
    list,
    *("append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse"),
    *(
        "sort",
        "__init__",
        "__add__",
        "__contains__",
        "__delitem__",
        "__eq__",
        "__ge__",
        "__getitem__",
    ),
    *("__gt__", "__iadd__", "__imul__", "__iter__", "__le__", "__lt__", "__mul__", "__ne__"),
    *("__repr__", "__reversed__", "__rmul__", "__setitem__"),
)
class LazyList(list[Any], KeepsWire):
    """A list of plain values; the first touch decodes them all."""

    __slots__ = ("depth", "wire")
    wire: Sequence[WireValue] | None
    depth: int

    def __new__(cls, *values: Any) -> Any:
        """Return a list: what is made with ``type(value)(…)`` has nothing to wait for."""
        return list(*values)

    def __radd__(self, other: Any) -> Any:
        self.settle()
        return NotImplemented  # the list before the + goes on, and finds everything decoded

    def __copy__(self) -> list[Any]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        twin: list[Any] = []
        memo[id(self)] = twin
        if self.wire is not None:
            twin.extend(map(codec.decode_value, self.wire))
            return twin
        twin.extend(copy.deepcopy(member, memo) for member in self)
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)

    def wire_members(self, depth: int) -> Sequence[WireValue] | None:
        return self.wire if depth <= self.depth + 1 and self.waits_whole() else None

    def waits_whole(self) -> bool:
        """Tell whether nothing of it has been looked at.

        Raises:
            InvalidItemError: Something has changed it past its methods.
        """
        if self.wire is None:
            return False
        is_whole = _list_len(self) == len(self.wire)
        if not (is_whole and all(map(is_, _list_iter(self), repeat(PENDING)))):
            raise InvalidItemError(f"a list was not decoded when changed: {_PAST_ITS_METHODS}")
        return True

    def settle(self) -> None:
        if (wire := self.wire) is not None and self.waits_whole():
            self.wire = None
            _list_setitem(self, slice(None), [_value(member, self.depth + 1) for member in wire])


_CHANGING = frozenset({LazyDict, LazyList, set})  # what `_value` returns and callers can change

# What reaches past the methods of the two classes.
_dict_get, _dict_getitem, _dict_setitem = dict.get, dict.__getitem__, dict.__setitem__
_dict_items, _dict_iter, _dict_values = dict.items, dict.__iter__, dict.values
_dict_keys, _dict_update = dict.keys, dict.update
_dict_pop, _dict_setdefault = dict.pop, dict.setdefault
_list_iter, _list_len, _list_setitem = list.__iter__, list.__len__, list.__setitem__


def _empty(kind: type[_D], wire: WireItem, depth: int) -> _D:
    lazy: _D = dict.__new__(kind)
    lazy.wire = wire
    lazy.depth = depth
    lazy.decoded = {}
    return lazy


def _map(wire: WireItem, depth: int) -> LazyDict:
    lazy = _empty(LazyDict, wire, depth)
    dict.__init__(lazy, dict.fromkeys(json.kept(wire), PENDING))
    return lazy


def _list(wire: Sequence[WireValue], depth: int) -> LazyList:
    lazy: LazyList = list.__new__(LazyList)
    list.__init__(lazy, [PENDING] * len(wire))
    lazy.wire = wire
    lazy.depth = depth
    return lazy


def _value(wire: WireValue, depth: int) -> Any:
    if "S" in wire:
        return wire["S"]
    if "N" in wire:
        return Decimal(wire["N"])
    if "M" in wire:
        return _map(wire["M"], depth)
    if "L" in wire:
        return _list(wire["L"], depth)
    return codec.decode_value(wire)
