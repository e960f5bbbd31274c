"""Plain Python values to DynamoDB's wire form and back, exactly.

The rule: what cannot be stored exactly is refused here, with the path to it, before anything is
sent. ``decode(encode(item)) == item`` for every item that ``encode`` accepts, but for ``int``,
``tuple``, ``bytearray``, boto3's ``Binary`` and ``frozenset``, which come back as ``Decimal``,
``list``, ``bytes`` and ``set``. A number has one spelling, DynamoDB's own, from the moment it is
encoded: ``12.50`` and ``1E+2`` are ``12.5`` and ``100``, here as there.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

import base64
import decimal
import re
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from dualtable._wire.types import Item, WireItem, WireValue
from dualtable.errors import InvalidItemError

MAX_DEPTH = 31  # lists and maps inside one another; with the value inside these are 32 levels

_DIGITS = 38
# 38 significant digits, 1E-130 to 9.99…E+125: a number outside would be rounded or refused. Zeros
# at the end are not significant: DynamoDB itself spells 1E+125 with 125 of them.
_NUMBERS = decimal.Context(
    prec=_DIGITS,
    Emin=-130,
    Emax=125,
    traps=[
        decimal.Clamped,
        decimal.Overflow,
        decimal.Underflow,
        decimal.Subnormal,
        decimal.Inexact,
        decimal.InvalidOperation,
    ],
)
_SAFE_INT = 10**_DIGITS
_SPELLED = re.compile(r"-?\d+(?:\.\d*[1-9])?", re.ASCII)  # as `spelled` would spell it


@runtime_checkable
class _WrappedBytes(Protocol):
    """Bytes as boto3 wraps them in its ``Binary``, known by its shape."""

    value: bytes | bytearray

    def __bytes__(self) -> bytes: ...


class KeepsWire:
    """A map or a list that may still have the wire form it came in; see `dualtable._wire.lazy`."""

    __slots__ = ()

    def wire_members(self, depth: int) -> Any | None:
        """Return the members in wire form, for that depth; None where they must be encoded.

        They are shared with where they came from.
        """
        raise NotImplementedError


def encode(item: Mapping[str, Any]) -> WireItem:
    """Return the wire form of an item; raise `InvalidItemError` naming the path that is wrong."""
    if not isinstance(item, Mapping):
        raise InvalidItemError(f"an item must be a dict, not {type(item).__name__}")
    kept = item.wire_members(0) if isinstance(item, KeepsWire) else None
    return encode_members(item, 0) if kept is None else kept.copy()


def encode_value(value: Any) -> WireValue:
    """Return the wire form of one value."""
    return _encode(value, 0)


def decode(wire: Mapping[str, WireValue]) -> Item:
    """Return the plain values of an item in wire form."""
    plain: Item = {}
    for name, value in wire.items():
        ((tag, content),) = value.items()
        plain[name] = content if tag == "S" else _DECODERS[tag](content)  # most are text
    return plain


def decode_value(wire: WireValue) -> Any:
    """Return the plain value of one value in wire form."""
    ((tag, content),) = wire.items()
    return _DECODERS[tag](content)


def encode_members(members: Mapping[str, Any], depth: int) -> dict[str, WireValue]:
    """Return the wire form of an item's or a map's members, which stand that deep."""
    encoded: dict[str, WireValue] = {}
    for name, value in members.items():
        if type(name) is not str or not name or not name.isascii():
            name = _checked_name(name, depth)  # noqa: PLW2901
        if type(value) is str and value.isascii():  # most values by far
            encoded[name] = {"S": value}
            continue
        try:
            encoder = _ENCODERS.get(type(value)) or _encoder_of_base(value)
            encoded[name] = encoder(value, depth)
        except InvalidItemError as error:
            raise _within(name, error) from error.__cause__
    return encoded


def _checked_name(name: object, depth: int) -> str:
    """Return a name as a plain str, which a member of an enum is not."""
    if not isinstance(name, str):
        raise InvalidItemError(
            f"attribute names must be str, not {type(name).__name__}; convert the name"
        )
    if not name and depth == 0:
        raise InvalidItemError("an attribute name is empty; every attribute needs a name")
    _check_text(name)
    return str.__str__(name)


def _encode(value: Any, depth: int) -> WireValue:
    encoder = _ENCODERS.get(type(value)) or _encoder_of_base(value)
    return encoder(value, depth)


def _encoder_of_base(value: Any) -> Callable[[Any, int], WireValue]:
    if isinstance(value, KeepsWire):
        return _encode_kept
    for kind, encoder in _ENCODERS.items():
        if isinstance(value, kind):
            return encoder
    if isinstance(value, Mapping):
        return _encode_map
    if isinstance(value, Set):
        return _encode_set
    if isinstance(value, _WrappedBytes):
        return _encode_wrapped
    hint = " use Decimal, e.g. Decimal(str(x))" if isinstance(value, float) else " convert it"
    raise InvalidItemError(f"{type(value).__name__} is not a DynamoDB type;{hint}")


def _encode_kept(value: Any, depth: int) -> WireValue:
    is_map = isinstance(value, dict)
    kept = value.wire_members(depth + 1)
    if kept is None:
        return (_encode_map if is_map else _encode_list)(value, depth)
    return {"M" if is_map else "L": kept}


def _encode_text(value: str, _depth: int) -> WireValue:
    if not value.isascii():
        _check_text(value)
    return {"S": value}


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidItemError(
            "a text is not valid Unicode (it has a lone surrogate); mend or drop it"
        ) from None


def _encode_number(value: int | Decimal, _depth: int) -> WireValue:
    return {"N": _number_text(value)}


def _number_text(value: int | Decimal) -> str:
    if type(value) is int and -_SAFE_INT < value < _SAFE_INT:
        return str(value)
    if not value:  # a zero of any exponent
        return "0"
    if type(value) is Decimal and len(text := str(value)) < _DIGITS and _SPELLED.fullmatch(text):
        return text
    try:
        number = _NUMBERS.create_decimal(value)
    except decimal.DecimalException:
        raise InvalidItemError(
            "the number has more than 38 digits or is out of range; round it first"
        ) from None
    if not number.is_finite():
        raise InvalidItemError("NaN and Infinity are not DynamoDB numbers")
    return spelled(number)


def spelled(number: Decimal) -> str:
    """Return a number as DynamoDB gives it back: no exponent, no superfluous zero."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if number else "0"


def _encode_list(value: Iterable[Any], depth: int) -> WireValue:
    _check_depth(depth)
    encoded = []
    for index, member in enumerate(value):
        try:
            encoded.append(_encode(member, depth + 1))
        except InvalidItemError as error:
            raise _within(f"[{index}]", error) from error.__cause__
    return {"L": encoded}


def _encode_map(value: Mapping[str, Any], depth: int) -> WireValue:
    _check_depth(depth)
    return {"M": encode_members(value, depth + 1)}


def _encode_wrapped(value: _WrappedBytes, _depth: int) -> WireValue:
    return {"B": _base64(value.value)}


def _encode_set(value: Iterable[Any], _depth: int) -> WireValue:
    members: list[Any] = [_unwrapped(each) for each in value]
    if not members:
        raise InvalidItemError("a set must not be empty; leave the attribute out")
    if all(isinstance(member, str) for member in members):
        for member in members:
            _check_text(member)
        return {"SS": members}
    if all(isinstance(member, (bytes, bytearray)) for member in members):
        return {"BS": [_base64(member) for member in members]}
    if all(isinstance(m, (int, Decimal)) and not isinstance(m, bool) for m in members):
        return {"NS": [_number_text(member) for member in members]}
    raise InvalidItemError("a set must hold only str, only numbers, or only bytes")


def _unwrapped(member: Any) -> Any:
    if isinstance(member, (str, int, Decimal, bytes)):  # nearly all; a protocol asks for long
        return member
    return member.value if isinstance(member, _WrappedBytes) else member


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise InvalidItemError(f"lists and maps are nested deeper than {MAX_DEPTH} levels")


def check_nesting(value: WireValue, depth: int) -> None:
    """Raise `InvalidItemError` where a value in wire form may not stand that deep in an item."""
    _check_depth(depth - 1)  # what is around it
    ((tag, content),) = value.items()
    if tag in ("M", "L"):
        _check_depth(depth)
        for member in content.values() if tag == "M" else content:
            check_nesting(member, depth + 1)


def _within(step: str, error: InvalidItemError) -> InvalidItemError:
    """Put one more step before the path in the error's message."""
    path, separator, reason = str(error).rpartition(": ")
    joint = "" if not separator or path.startswith("[") else "."
    return InvalidItemError(f"{step}{joint}{path}: {reason}")


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


def _same(value: Any) -> Any:
    return value


_ENCODERS: dict[type, Callable[[Any, int], WireValue]] = {
    str: _encode_text,
    bool: lambda value, _: {"BOOL": value},
    int: _encode_number,
    Decimal: _encode_number,
    type(None): lambda _value, _: {"NULL": True},
    bytes: lambda value, _: {"B": _base64(value)},
    bytearray: lambda value, _: {"B": _base64(value)},
    list: _encode_list,
    tuple: _encode_list,
    dict: _encode_map,
    set: _encode_set,
    frozenset: _encode_set,
}

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "S": _same,
    "N": Decimal,
    "B": base64.b64decode,
    "BOOL": _same,
    "NULL": lambda _: None,
    "L": lambda members: [decode_value(member) for member in members],
    "M": decode,
    "SS": set,
    "NS": lambda members: {Decimal(member) for member in members},
    "BS": lambda members: {base64.b64decode(member) for member in members},
}
