"""What goes into DynamoDB's wire form comes out of it again, and what cannot is named."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
import strategies
from hypothesis import given

from dualtable._wire import codec
from dualtable._wire.values import equal_items, normal
from dualtable.errors import InvalidItemError

LARGEST = Decimal("9.9999999999999999999999999999999999999E+125")
SMALLEST = Decimal("1E-130")


class Size(enum.IntEnum):
    LARGE = 3


def nested(levels: int, innermost: Any) -> Any:
    """Return `innermost` inside so many lists and maps, one in the other."""
    for level in range(levels):
        innermost = [innermost] if level % 2 else {"m": innermost}
    return innermost


@given(strategies.items)
def test_every_item_survives_the_round_trip(item: dict[str, Any]) -> None:
    """Encode and decode are exact, also through the JSON that is sent."""
    wire = codec.encode(item)
    assert codec.decode(wire) == item
    assert codec.decode(msgspec.json.decode(msgspec.json.encode(wire))) == item


@given(strategies.items)
def test_an_item_is_the_same_item_as_its_copy(item: dict[str, Any]) -> None:
    """A number may be spelled otherwise by the server, a set may come in any order."""
    wire = codec.encode(item)
    respelled = {name: respell(value) for name, value in wire.items()}
    assert equal_items(wire, respelled)
    assert not equal_items(wire, {**wire, "one more": {"NULL": True}})


def respell(value: dict[str, Any]) -> dict[str, Any]:
    """Write numbers without exponents, as DynamoDB returns them, and sets from their end."""
    ((tag, content),) = value.items()
    if tag == "N":
        return {"N": f"{Decimal(content):f}"}
    if tag == "L":
        return {"L": [respell(member) for member in content]}
    if tag == "M":
        return {"M": {name: respell(member) for name, member in content.items()}}
    return {tag: content[::-1]} if tag in ("SS", "NS", "BS") else value


@given(strategies.numbers())
def test_a_number_as_the_server_spells_it_can_be_stored_again(number: Decimal) -> None:
    """DynamoDB returns 1E+125 as a 1 and 125 zeros: read, changed elsewhere, written back."""
    spelled = codec.decode_value({"N": f"{number:f}"})
    assert codec.decode_value(codec.encode_value(spelled)) == number


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("", {"S": ""}),
        ("né", {"S": "né"}),
        (True, {"BOOL": True}),
        (None, {"NULL": True}),
        (0, {"N": "0"}),
        (Decimal("-0.00"), {"N": "0"}),
        (Decimal("0E-999"), {"N": "0"}),
        (-12, {"N": "-12"}),
        (Decimal("12.50"), {"N": "12.5"}),
        (Decimal("-1E+2"), {"N": "-100"}),
        (Decimal("1.5E-7"), {"N": "0.00000015"}),
        ({Decimal("1.0")}, {"NS": ["1"]}),
        (10**38 - 1, {"N": "9" * 38}),
        (LARGEST, {"N": "9" * 38 + "0" * 88}),
        (SMALLEST, {"N": "0." + "0" * 129 + "1"}),
        (Size.LARGE, {"N": "3"}),
        (b"\x00\xff", {"B": "AP8="}),
        (bytearray(b"\x00\xff"), {"B": "AP8="}),
        ((1, "a"), {"L": [{"N": "1"}, {"S": "a"}]}),
        ([], {"L": []}),
        ({}, {"M": {}}),
        (MappingProxyType({"a": 1}), {"M": {"a": {"N": "1"}}}),
        (OrderedDict(b=1), {"M": {"b": {"N": "1"}}}),
        ({"one"}, {"SS": ["one"]}),
        (frozenset([1]), {"NS": ["1"]}),
        ({Decimal("1.5")}, {"NS": ["1.5"]}),
        ({b"x"}, {"BS": ["eA=="]}),
    ],
)
def test_each_type_has_its_wire_form(value: Any, wire: dict[str, Any]) -> None:
    """The table of types, with those that only go in: int, tuple, bytearray, frozenset."""
    assert codec.encode_value(value) == wire
    assert codec.decode_value(wire) == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (1.5, "Decimal"),
        (math.nan, "Decimal"),
        (date(2026, 1, 1), "date is not a DynamoDB type"),
        (object(), "object is not a DynamoDB type"),
        (1j, "complex"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "NaN and Infinity"),
        (10**38 + 1, "38 digits"),
        (Decimal("1." + "1" * 38), "38 digits"),
        (LARGEST * 10, "out of range"),
        (SMALLEST / 10, "out of range"),
        (set(), "empty"),
        ({"a", 1}, "only"),
        ({True, 2}, "only"),
        ({(1, 2)}, "only"),
        ({1, 10**38 + 1}, "38 digits"),
        ({None}, "only"),
        ("\ud800", "Unicode"),
        ({"\udfff"}, "Unicode"),
        ({"\ud800": 1}, "Unicode"),
        ({1: "a"}, "must be str, not int"),
        (nested(32, "x"), "nested deeper than"),
        (nested(500, "x"), "nested deeper than"),
    ],
)
def test_what_cannot_be_stored_is_refused(value: Any, named: str) -> None:
    """Nothing is rounded, guessed or left to the server, and the path says where it is."""
    with pytest.raises(InvalidItemError, match=named):
        codec.encode_value(value)
    with pytest.raises(InvalidItemError) as caught:
        codec.encode({"fine": 1, "lines": [{"note": "fine"}, {"note": value}]})
    assert str(caught.value).startswith("lines[1].note")


def test_a_value_that_holds_itself_ends_in_an_error() -> None:
    """A cycle is too deep, not the end of the process."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidItemError, match="nested deeper than"):
        codec.encode({"endless": endless})


def test_nesting_ends_where_dynamodb_ends_it() -> None:
    """32 levels count the innermost value: 31 lists and maps around it."""
    deepest = {"deep": nested(31, "x")}
    assert codec.decode(codec.encode(deepest)) == deepest


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"a": 1.5}, "a: float"),
        ({"a": {"b": [0, {1.5}]}}, "a.b[1]: a set"),
        ({"a": [[1.5]]}, "a[0][0]: float"),
        ({"a": [{"b": [1.5]}]}, "a[0].b[0]: float"),
        ({"a: b": {"c.d": 1.5}}, "a: b.c.d: float"),
        ({"": 1}, "an attribute name is empty"),
        ({"a": {1: 2}}, "a: attribute names must be str"),
    ],
)
def test_the_path_leads_to_the_value(item: dict[str, Any], path: str) -> None:
    """The message begins with where the value is, and never holds the value."""
    with pytest.raises(InvalidItemError) as caught:
        codec.encode(item)
    assert str(caught.value).startswith(path)
    assert "1.5" not in str(caught.value)


@pytest.mark.parametrize("item", [None, "text", ["id"], 5])
def test_an_item_is_a_mapping(item: Any) -> None:
    """A wrong argument is the library's own error, not an AttributeError."""
    with pytest.raises(InvalidItemError, match="must be a dict"):
        codec.encode(item)


@given(strategies.items)
def test_encoding_shares_nothing_that_changes(item: dict[str, Any]) -> None:
    """A caller may go on changing its item after handing it over."""
    wire = codec.encode(item)
    before = msgspec.json.encode(wire)
    item["later"] = 1
    for value in item.values():
        if isinstance(value, list):
            value.append("later")
        elif isinstance(value, dict):
            value["later"] = 1
        elif isinstance(value, set):
            value.clear()
    assert msgspec.json.encode(wire) == before


def test_names_are_stored_as_plain_text() -> None:
    """A member of an enum of texts is a fine name, and is its text to whoever stores it."""

    class Field(str, enum.Enum):  # noqa: UP042 - formatted, it is not its text
        STATUS = "status"

    encoded = codec.encode({Field.STATUS: "open", "inner": {Field.STATUS: 1}})
    assert {type(name) for name in (*encoded, *encoded["inner"]["M"])} == {str}
    assert msgspec.json.decode(msgspec.json.encode(encoded))["status"] == {"S": "open"}


@given(strategies.numbers())
def test_a_number_is_spelled_as_the_server_spells_it(number: Decimal) -> None:
    """Whichever way is taken to it; else one key would have two spellings."""
    for same in (number, number.normalize(), number * 1, Decimal(f"{number:f}")):
        if same == number:
            assert codec.encode_value(same) == normal({"N": str(number)})
