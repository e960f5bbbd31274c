"""JSON, and items whose values are still the JSON that they came as; owns `msgspec`.

The rule: what nobody looks at stays the bytes that it came as, and goes out as they are. A value is
decoded when it is asked for, and whoever sets one sets it in wire form; so what was looked at and
not set still is what came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, TypeAlias, cast

import msgspec

from dualtable._wire.types import WireItem, WireValue

_COMPACT = re.compile(rb'\{"\w+":\S')
_Kept: TypeAlias = dict[str, Any]  # by name: a value in wire form, or the JSON of one


class NotJsonError(ValueError):
    """A text is no JSON, or not of the shape that was asked for."""


class RawItem(MutableMapping[str, WireValue]):
    """An item in wire form, to whoever uses it.

    Args:
        kept: Its values, each as JSON until it is set.
        seen: Those that have been looked at, as they came. Nobody changes one in its place.
    """

    __slots__ = ("kept", "seen")

    def __init__(self, kept: _Kept, seen: WireItem) -> None:
        self.kept = kept
        self.seen = seen

    def __getitem__(self, name: str) -> WireValue:
        value = self.kept[name]
        return self.look_at(name, value) if type(value) is msgspec.Raw else value

    def get(self, name: str, default: Any = None) -> Any:
        value = self.kept.get(name, default)
        return self.look_at(name, value) if type(value) is msgspec.Raw else value

    def look_at(self, name: str, value: msgspec.Raw) -> WireValue:
        """Return the value of that name, which is this JSON."""
        seen = self.seen.get(name)
        if seen is None:
            seen = self.seen[name] = _decoded(value)
        return seen

    def __setitem__(self, name: str, value: WireValue) -> None:
        self.kept[name] = value
        self.seen.pop(name, None)

    def __delitem__(self, name: str) -> None:
        del self.kept[name]
        self.seen.pop(name, None)

    def update(self, *others: Any, **named: Any) -> None:
        changes: WireItem = dict(*others, **named)
        self.kept.update(changes)
        for name in changes:
            self.seen.pop(name, None)

    def __eq__(self, other: object) -> bool:
        if type(other) is RawItem:
            return self.kept == other.kept or self.decoded() == other.decoded()
        return self.decoded() == other

    __hash__ = None  # type: ignore[assignment] # as of any mapping that changes

    def __repr__(self) -> str:
        return repr(self.decoded())

    def __contains__(self, name: object) -> bool:
        return name in self.kept

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def keys(self) -> Any:
        return self.kept.keys()

    def items(self) -> Any:
        return self.decoded().items()

    def values(self) -> Any:
        return self.decoded().values()

    def decoded(self) -> WireItem:
        """Return the item with all of its values decoded at one go, for who only reads it."""
        if len(self.seen) < len(self.kept):
            self.seen = {**_decoded(_ENCODER.encode(self.kept)), **self.seen}
        return self.seen

    def copy(self) -> RawItem:
        """Return an item of its own that shares the values."""
        return RawItem(self.kept.copy(), self.seen.copy())

    def __copy__(self) -> RawItem:
        return self.copy()


def decoded(item: Any) -> WireItem:
    """Return an item whose values have been decoded, for whoever looks at all of them."""
    return item.decoded() if type(item) is RawItem else item


def draft_of(item: Any, opened: Iterable[str]) -> WireItem:
    """Return a copy of an item to work on, of which some values are opened.

    Of a raw item it is a plain dict, which is quicker to work on: those values are in wire form,
    and the others may be moved as they came. It becomes an item again by `item_of`.
    """
    if type(item) is not RawItem:
        copy: WireItem = item.copy()
        return copy
    draft = item.kept.copy()
    for name in opened:
        value = draft.get(name)
        if type(value) is msgspec.Raw:
            draft[name] = item.look_at(name, value)
    return draft


def item_of(draft: WireItem, item: Any, opened: Iterable[str]) -> WireItem:
    """Return what has become of an item; what was opened in vain is as it came."""
    if type(item) is not RawItem:
        return draft
    seen, kept = item.seen, item.kept
    for name in opened:
        value = draft.get(name)
        if value is not None and value is seen.get(name):
            draft[name] = kept[name]
    return cast("WireItem", RawItem(draft, {}))


def opened(value: Any) -> WireValue:
    """Return a value of a draft in wire form, also where it is as it came."""
    found: WireValue = _decoded(value) if type(value) is msgspec.Raw else value
    return found


def remade(item: Any, members: _Kept) -> WireItem:
    """Return what was made of an item by setting and leaving out members as `kept` gives them."""
    if type(item) is not RawItem:
        return members
    came = item.kept
    seen = {n: value for n, value in item.seen.items() if members.get(n) is came[n]}
    return cast("WireItem", RawItem(members, seen))


def kept(item: Any) -> _Kept:
    """Return an item's values by name, as it has them: those that came as JSON are still that."""
    return item.kept if type(item) is RawItem else item


def to_json(value: Any) -> bytes:
    """Return plain data as JSON; raw items in it go as they came."""
    return _ENCODER.encode(value)


def to_sorted_json(value: Any) -> bytes:
    """Return plain data as JSON, each object's names in order; raw items in it, too."""
    return _SORTING.encode(value)


def to_json_lines(values: Iterable[Any]) -> bytes:
    """Return plain data as JSON, each in a line that is ended."""
    return _ENCODER.encode_lines(values)


def raw_json(text: bytes) -> Any:
    """Return what `to_json` writes as just this text."""
    return msgspec.Raw(text)


def from_json(text: bytes | str) -> Any:
    """Return what a text says.

    Raises:
        NotJsonError: It is no JSON.
    """
    return _read(_DECODER, text)


def page_from_json(text: bytes) -> dict[str, Any]:
    """Return the answer to a scan, or to a batch read, with its items raw.

    Of a server that writes spaces, as DynamoDB does not, they are decoded: what is equal shall be
    spelled alike but for the order of names, and escapes.

    Raises:
        NotJsonError: It is no such answer.
    """
    page: _Page = _read(_PAGES, text)
    if not text.isascii():
        _check_utf8(text)
    items_of = _raw if _COMPACT.match(text) else _decoded_items
    answer: dict[str, Any] = {"ConsumedCapacity": page.ConsumedCapacity}
    if page.Items is not None:
        answer |= {"Items": items_of(page.Items), "LastEvaluatedKey": page.LastEvaluatedKey}
    if page.Responses is not None:
        answer["Responses"] = {table: items_of(items) for table, items in page.Responses.items()}
        answer["UnprocessedKeys"] = page.UnprocessedKeys or {}
    if len(answer) == 1:
        raise NotJsonError("the text has neither items nor responses")
    return answer


class _Page(msgspec.Struct):
    ConsumedCapacity: Any = None
    Items: list[dict[str, msgspec.Raw]] | None = None
    LastEvaluatedKey: dict[str, Any] | None = None
    Responses: dict[str, list[dict[str, msgspec.Raw]]] | None = None
    UnprocessedKeys: dict[str, Any] | None = None


def _raw(items: list[dict[str, msgspec.Raw]]) -> list[WireItem]:
    # To whoever reads and changes one it is what its type says.
    return cast("list[WireItem]", [RawItem(item, {}) for item in items])


def _decoded_items(items: list[dict[str, msgspec.Raw]]) -> list[WireItem]:
    return [RawItem(item, {}).decoded() for item in items]


def _check_utf8(text: bytes) -> None:
    # Who keeps a value raw has seen that it is JSON, but not that its texts are.
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError("the text is no UTF-8") from error


def _read(decoder: msgspec.json.Decoder[Any], text: bytes | str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotJsonError("the text is no JSON, or not of the shape that it should be") from error


def _inside(value: Any) -> Any:
    return value.kept if type(value) is RawItem else _plain(value)


def _decoded_inside(value: Any) -> Any:
    return value.decoded() if type(value) is RawItem else _plain(value)


def _plain(value: Any) -> str | int:
    """Return text, or an integer, of a class of somebody's own as what it is."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


_ENCODER = msgspec.json.Encoder(enc_hook=_inside)
_SORTING = msgspec.json.Encoder(enc_hook=_decoded_inside, order="sorted")
_DECODER = msgspec.json.Decoder()
_PAGES = msgspec.json.Decoder(_Page)
_decoded = _DECODER.decode
