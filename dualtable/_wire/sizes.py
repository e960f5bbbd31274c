"""How large an item is, and what reading and writing it costs, as DynamoDB counts.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from dualtable._wire.types import WireValue

MAX_ITEM_BYTES = 400 * 1024


_WRITE_UNIT_BYTES = 1024


_READ_UNIT_BYTES = 4096


MOST_SCAN_UNITS = 128.0
"""Read units of an eventually consistent page of 1 MB, the largest that DynamoDB returns."""


MOST_BATCH_GET_UNITS = 4096.0
"""Read units of a strongly consistent batch read of 16 MB, the largest that DynamoDB returns."""


MAX_CHARACTER_BYTES = 4  # in UTF-8


def item_bytes(item: Mapping[str, WireValue]) -> int:
    """Return an item's size as DynamoDB counts it; numbers are a close estimate, as AWS's are."""
    size = 0
    for name, value in item.items():  # a loop: this runs for every value of a table
        size += len(name) if name.isascii() else len(name.encode())
        for tag, content in value.items():
            size += _SIZES[tag](content)
    return size


def value_bytes(value: WireValue) -> int:
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
    "L": lambda members: 3 + len(members) + sum(map(value_bytes, members)),
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
