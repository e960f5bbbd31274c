"""Values in wire form as DynamoDB judges them: which it takes, and which are equal.

The rule: what is refused here is what DynamoDB refuses, whatever the table. The normal form is the
one in which DynamoDB gives a value back: a number loses its superfluous zeros and its exponent.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from typing import Any

from dualtable._wire.codec import MAX_DEPTH, spelled
from dualtable._wire.json import kept
from dualtable._wire.types import WireItem, WireValue
from dualtable.errors import RequestRefusedError

_MAX_DIGITS = 38
_MIN_EXPONENT, _MAX_EXPONENT = -130, 125
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def refused(message: str) -> RequestRefusedError:
    """Return the error for a request that DynamoDB calls invalid."""
    return RequestRefusedError(message, code="ValidationException")


def normal_item(item: Mapping[str, WireValue]) -> WireItem:
    """Return a copy of an item in normal form; raise `RequestRefusedError` where it has none."""
    if "" in item:
        raise refused("an attribute name is empty")
    return _members(item, 0)


def normal(value: WireValue) -> WireValue:
    """Return a copy of one value in normal form."""
    return _normal(value, 0)


def equal(one: WireValue, other: WireValue) -> bool:
    """Tell whether two values are equal, whatever the spelling of numbers and order of sets."""
    if one == other:
        return True
    return one.keys() == other.keys() and _comparable(normal(one)) == _comparable(normal(other))


def equal_items(one: WireItem, other: WireItem) -> bool:
    """Tell whether two items hold equal values under the same names."""
    if one.keys() != other.keys():
        return False
    mine, others = kept(one), kept(other)  # most are alike byte for byte
    differ = [name for name, value in mine.items() if value != others[name]]
    return all(equal(one[name], other[name]) for name in differ)


def copied(item: WireItem) -> WireItem:
    """Return a deep copy of an item in normal form."""
    return {name: _copied(value) for name, value in item.items()}


def _copied(value: WireValue) -> WireValue:
    ((tag, content),) = value.items()
    if tag == "M":
        return {tag: copied(content)}
    if tag == "L":
        return {tag: [_copied(member) for member in content]}
    return {tag: content.copy() if isinstance(content, list) else content}


def _members(members: Mapping[str, WireValue], depth: int) -> dict[str, WireValue]:
    return {name: _normal(value, depth) for name, value in members.items()}


def _normal(value: WireValue, depth: int) -> WireValue:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise refused("a value must have exactly one data type")
    ((tag, content),) = value.items()
    kind, convert = _KINDS.get(tag, (object, None))
    if convert is None or not isinstance(content, kind):
        raise refused(f"{tag!r} with {type(content).__name__} is no value")
    return {tag: convert(content, depth)}


def _text(content: str, _depth: int) -> str:
    if not content.isascii():
        try:
            content.encode()
        except UnicodeEncodeError:
            raise refused("a text is not valid Unicode") from None
    return content


def _number(content: str, _depth: int) -> str:
    if not isinstance(content, str) or not _NUMBER.fullmatch(content):
        raise refused("a value cannot be converted into a number")
    number = Decimal(content)
    if not number:
        return "0"
    if len("".join(map(str, number.as_tuple().digits)).strip("0")) > _MAX_DIGITS:
        raise refused(f"a number has more than {_MAX_DIGITS} significant digits")
    if not _MIN_EXPONENT <= number.adjusted() <= _MAX_EXPONENT:
        raise refused("a number is out of range")
    return spelled(number)


def _binary(content: str, _depth: int) -> str:
    try:
        return base64.b64encode(base64.b64decode(content, validate=True)).decode()
    except (binascii.Error, ValueError, TypeError):
        raise refused("a binary value is not valid base64") from None


def _null(content: bool, _depth: int) -> bool:
    if not content:
        raise refused("NULL must be true")
    return content


def _list(content: list[WireValue], depth: int) -> list[WireValue]:
    _check_depth(depth)
    return [_normal(member, depth + 1) for member in content]


def _map(content: Mapping[str, WireValue], depth: int) -> dict[str, WireValue]:
    _check_depth(depth)
    return _members(content, depth + 1)


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise refused("lists and maps are nested too deeply")


def _set_of(convert: Callable[[Any, int], Any]) -> Callable[[list[Any], int], list[Any]]:
    def normal_set(content: list[Any], depth: int) -> list[Any]:
        members = [convert(member, depth) for member in content]
        if not members:
            raise refused("a set is empty")
        if len(set(members)) < len(members):
            raise refused("a set contains duplicates")
        return members

    return normal_set


def _text_member(content: Any, depth: int) -> str:
    if not isinstance(content, str):
        raise refused("a set holds what is no text")
    return _text(content, depth)


_KINDS: dict[str, tuple[Any, Callable[[Any, int], Any] | None]] = {
    "S": (str, _text),
    "N": (str, _number),
    "B": (str, _binary),
    "BOOL": (bool, lambda content, _: content),
    "NULL": (bool, _null),
    "L": (list, _list),
    "M": (Mapping, _map),
    "SS": (list, _set_of(_text_member)),
    "NS": (list, _set_of(_number)),
    "BS": (list, _set_of(_binary)),
}


def _comparable(value: WireValue) -> Hashable | list[Any] | dict[str, Any]:
    """Return what compares equal for equal values in normal form."""
    ((tag, content),) = value.items()
    if tag == "L":
        return [_comparable(member) for member in content]
    if tag == "M":
        return {name: _comparable(member) for name, member in content.items()}
    return tag, frozenset(content) if tag in ("SS", "NS", "BS") else content
