"""Keys in wire form: cut out of items, checked, compared and shown.

The rule: a key that a table would refuse is refused here, by name, before it is sent. A key has
one canonical form, numbers in DynamoDB's spelling, from the moment it is cut out of an item or
taken from a caller, a token or a transform; nobody sees another.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import Any

from dualtable._wire import codec
from dualtable._wire.layouts import KeyAttribute, KeySchema
from dualtable._wire.sizes import MAX_CHARACTER_BYTES, value_bytes
from dualtable._wire.types import Key, WireKey, WireValue
from dualtable._wire.values import normal
from dualtable.errors import InvalidItemError, InvalidKeyError

_NOTHING: WireValue = {}
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
        wire = codec.encode(key)
    except InvalidItemError as error:
        raise InvalidKeyError(f"key of {table}: {error}") from error
    return key_of(wire, schema, table)


def key_of(item: Mapping[str, WireValue], schema: KeySchema, table: str) -> WireKey:
    """Cut the key out of an item in wire form, checked against the table's schema."""
    key: WireKey = {}
    for attribute, most in schema.limited:
        value = item.get(attribute.name, _NOTHING)
        text = value.get(attribute.type)
        if not text or len(text) * MAX_CHARACTER_BYTES > most:
            _check_part(item, attribute, most, table)
        key[attribute.name] = canonical(value) if attribute.type == "N" else value
    return key


def check_index_keys(item: Mapping[str, WireValue], index: str, schema: KeySchema) -> None:
    """Check what an item has of an index's key, which it may lack."""
    for attribute, most in schema.limited:
        if attribute.name in item:
            text = item[attribute.name].get(attribute.type)
            if not text or len(text) * MAX_CHARACTER_BYTES > most:
                _check_part(item, attribute, most, f"index {index}")


def _check_part(
    item: Mapping[str, WireValue], attribute: KeyAttribute, most: int, where: str
) -> None:
    """Judge in full what is not plainly right."""
    value = key_value(item, attribute, f"key of {where}")
    _check_key_size(value, attribute.name, most, where)


def canonical(number: WireValue) -> WireValue:
    """Return a number of a key in DynamoDB's spelling."""
    text = number["N"]
    if text.isdecimal() and (text[0] != "0" or text == "0"):  # most numbers by far
        return number
    return normal(number)


def _check_key_size(value: WireValue, name: str, most: int, where: str) -> None:
    if (size := value_bytes(value)) > most:
        raise InvalidKeyError(
            f"key of {where}: {name!r} has {size:,} bytes, DynamoDB allows {most:,}"
        )


def type_name(tag: str) -> str:
    """Return what a person calls a key type."""
    return _TYPE_NAMES[tag]


def key_value(item: Mapping[str, WireValue], attribute: KeyAttribute, where: str) -> WireValue:
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
    if len(key) == 1:  # most keys by far
        ((name, value),) = key.items()
        return name, *order(value)
    return tuple(sorted((name, *order(value)) for name, value in key.items()))


def order(value: WireValue) -> tuple[str, Any]:
    """Return a sort key for a key value: numbers by value, text by UTF-8, binary by bytes."""
    ((tag, content),) = value.items()
    if tag == "N":
        return tag, Decimal(content)
    return tag, content.encode() if tag == "S" else base64.b64decode(content)


def plain(key: WireKey) -> Key:
    """Return a key as plain values, for reports and errors."""
    return codec.decode(key)
