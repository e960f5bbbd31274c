"""Keys, sizes, capacity units and the library's own marks, all in wire form.

The rule: whatever a table would refuse about one item is found here, by name, before it is sent.

Sizes and units:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from typing import Any

import attrs
import orjson

from dualtable import _codec
from dualtable._tables import KeyAttribute, KeySchema, Layout
from dualtable._types import Key, WireItem, WireKey, WireValue
from dualtable.errors import InvalidItemError, InvalidKeyError

MAX_ITEM_BYTES = 400 * 1024
_KEY_BYTES = (2048, 1024)  # of a partition key, of a sort key
_WRITE_UNIT_BYTES = 1024
_READ_UNIT_BYTES = 4096
MAX_CHARACTER_BYTES = 4  # in UTF-8
_TYPE_NAMES = {"S": "text (S)", "N": "a number (N)", "B": "binary (B)"}


def check_key(key: Mapping[str, Any], schema: KeySchema, table: str) -> WireKey:
    """Return a caller's key in wire form, or raise `InvalidKeyError` naming what is wrong."""
    if not isinstance(key, Mapping):
        raise InvalidKeyError(f"a key must be a dict such as {_example(schema)}")
    if extra := sorted(set(map(str, key)) - set(schema.names)):
        raise InvalidKeyError(
            f"{extra[0]!r} is no key attribute of {table}; its key is {_example(schema)}"
        )
    try:
        wire = _codec.encode(key)
    except InvalidItemError as error:
        raise InvalidKeyError(f"key of {table}: {error}") from error
    return key_of(wire, schema, table)


def key_of(item: Mapping[str, WireValue], schema: KeySchema, table: str) -> WireKey:
    """Cut the key out of an item in wire form, checked against the table's schema."""
    key: WireKey = {}
    for attribute, most in zip(schema.attributes, _KEY_BYTES, strict=False):
        value = item.get(attribute.name, {})
        text = value.get(attribute.type)
        if not text or len(text) * MAX_CHARACTER_BYTES > most:  # seldom; then it is judged in full
            value = _key_value(item, attribute, f"key of {table}")
            _check_key_size(value, attribute.name, most, table)
        key[attribute.name] = value
    return key


def _check_key_size(value: WireValue, name: str, most: int, table: str) -> None:
    if (size := _value_bytes(value)) > most:
        raise InvalidKeyError(
            f"key of {table}: {name!r} has {size:,} bytes, DynamoDB allows {most:,}"
        )


def check_item(item: Mapping[str, WireValue], layout: Layout) -> WireKey:
    """Check what a table refuses about an item: key, index keys, size. Return its key."""
    key = check_keys(item, layout)
    check_size(item, key, len(orjson.dumps(item)))
    return key


def check_keys(item: Mapping[str, WireValue], layout: Layout) -> WireKey:
    """Check the key and the index keys of an item. Return its key."""
    key = key_of(item, layout.key, layout.table)
    for index, attribute in layout.index_attributes():
        if attribute.name in item:
            _key_value(item, attribute, f"key of index {index}")
    return key


def check_size(item: Mapping[str, WireValue], key: WireKey, json_bytes: int) -> None:
    """Check that DynamoDB allows an item's size; the key is for the error.

    JSON has no fewer bytes than DynamoDB counts, and its length costs a fifth: most are ruled out.
    """
    if json_bytes > MAX_ITEM_BYTES and (size := item_bytes(item)) > MAX_ITEM_BYTES:
        raise InvalidItemError(
            f"the item has {size:,} bytes, DynamoDB allows {MAX_ITEM_BYTES:,}; make it smaller",
            key=_codec.decode(key),
        )


def type_name(tag: str) -> str:
    """Return what a person calls a key type."""
    return _TYPE_NAMES[tag]


def _key_value(item: Mapping[str, WireValue], attribute: KeyAttribute, where: str) -> WireValue:
    value = item.get(attribute.name)
    if value is None:
        raise InvalidKeyError(f"{where}: {attribute.name!r} is missing")
    if attribute.type not in value:
        raise InvalidKeyError(
            f"{where}: {attribute.name!r} must be {type_name(attribute.type)},"
            f" not {next(iter(value), 'nothing')}"
        )
    if value[attribute.type] == "":
        raise InvalidKeyError(f"{where}: {attribute.name!r} is empty")
    return value


def _example(schema: KeySchema) -> str:
    return "{" + ", ".join(f"{name!r}: …" for name in schema.names) + "}"


def identity(key: Mapping[str, WireValue]) -> Hashable:
    """Return what two spellings of one key have in common, such as ``1`` and ``1.0``."""
    return tuple(sorted((name, *order(value)) for name, value in key.items()))


def order(value: WireValue) -> tuple[str, Any]:
    """Return a sort key for a key value: numbers by value, text by UTF-8, binary by bytes."""
    ((tag, content),) = value.items()
    if tag == "N":
        return tag, Decimal(content)
    return tag, content.encode() if tag == "S" else base64.b64decode(content)


def item_bytes(item: Mapping[str, WireValue]) -> int:
    """Return an item's size as DynamoDB counts it; numbers are a close estimate, as AWS's are."""
    size = 0
    for name, value in item.items():  # a loop: this runs for every value of a table
        size += len(name) if name.isascii() else len(name.encode())
        for tag, content in value.items():
            size += _SIZES[tag](content)
    return size


def _value_bytes(value: WireValue) -> int:
    ((tag, content),) = value.items()
    return _SIZES[tag](content)


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _binary_bytes(text: str) -> int:
    return len(text) * 3 // 4 - text.count("=", -2)


def _number_bytes(text: str) -> int:
    """A byte for each pair of digits from the first to the last that is not zero, and one or two.

    Pairs count from the decimal point. So do Amazon's own server and others count.
    """
    if text.isdigit() and text[0] != "0":  # most numbers by far
        return (len(text) + 1) // 2 - (len(text) - len(text.rstrip("0"))) // 2 + 1
    if "E" in text:
        text = f"{Decimal(text):f}"
    whole, _, fraction = text.lstrip("-").partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    pairs = (len(whole) + 1) // 2 + (len(fraction) + 1) // 2
    if not fraction:
        pairs -= (len(whole) - len(whole.rstrip("0"))) // 2
    elif not whole:
        pairs -= (len(fraction) - len(fraction.lstrip("0"))) // 2
    return pairs + 1 + text.startswith("-")


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": _text_bytes,
    "N": _number_bytes,
    "B": _binary_bytes,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "M": lambda members: 3 + len(members) + item_bytes(members),
    "L": lambda members: 3 + len(members) + sum(map(_value_bytes, members)),
    "SS": lambda members: sum(map(_text_bytes, members)),
    "NS": lambda members: sum(map(_number_bytes, members)),
    "BS": lambda members: sum(map(_binary_bytes, members)),
}


def write_units(size: int) -> int:
    """Return the write units of a standard write: one for each 1 KB begun."""
    return max(1, -(-size // _WRITE_UNIT_BYTES))


def read_units(size: int, *, consistent_read: bool) -> float:
    """Return the read units of a read: one, or half of one, for each 4 KB begun."""
    return max(1, -(-size // _READ_UNIT_BYTES)) * (1.0 if consistent_read else 0.5)


def new_token() -> str:
    """Return a fresh write token: 96 random bits, short because every item carries one."""
    return secrets.token_urlsafe(12)


@attrs.frozen
class Marks:
    """The two attributes that the library owns in the new table, by their names.

    A tombstone is the key and the tombstone marker and nothing else, so that it drops out of every
    index. The write token is on every item that a repository has written.
    """

    tombstone: str
    token: str

    def bury(self, key: WireKey) -> WireItem:
        """Return the tombstone of a key."""
        return {**key, self.tombstone: {"BOOL": True}}

    def is_tombstone(self, item: Mapping[str, WireValue]) -> bool:
        """Tell whether the item is a tombstone."""
        return self.tombstone in item

    def stamp(self, item: WireItem, token: str) -> WireItem:
        """Return the item with a write token."""
        return {**item, self.token: {"S": token}}

    def token_of(self, item: Mapping[str, WireValue]) -> str | None:
        """Return the write token of an item; None for one that was copied."""
        value = item.get(self.token)
        return None if value is None else str(value.get("S"))

    def strip(self, item: Mapping[str, WireValue]) -> WireItem:
        """Return a copy of the item without the library's attributes."""
        stripped = dict(item)
        stripped.pop(self.tombstone, None)
        stripped.pop(self.token, None)
        return stripped

    def check_free(self, item: Mapping[str, Any]) -> None:
        """Raise `InvalidItemError` where an item carries one of the library's names."""
        for name in (self.tombstone, self.token):
            if name in item:
                raise InvalidItemError(
                    f"{name!r} belongs to dualtable; rename the attribute, or choose another name"
                    " in Migration(tombstone_attribute=…, token_attribute=…)"
                )

    def __contains__(self, name: object) -> bool:
        return name in (self.tombstone, self.token)


def plain(key: WireKey) -> Key:
    """Return a key as plain values, for reports and errors."""
    return _codec.decode(key)
