"""Keys, sizes and marks are judged as DynamoDB judges them, before anything is sent."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from dualtable import Index, KeySchema
from dualtable._wire import codec
from dualtable._wire.items import check_item
from dualtable._wire.keys import identity, key_of, order
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks, new_token
from dualtable._wire.sizes import MAX_ITEM_BYTES, item_bytes, read_units, write_units
from dualtable.errors import InvalidItemError, InvalidKeyError

MARKS = Marks("_deleted", "_token")
LAYOUT = Layout(
    "orders",
    KeySchema("id", ("day", "N")),
    {
        "by-region": Index("by-region", KeySchema("region", ("total", "N"))),
        "by-hash": Index("by-hash", KeySchema(("hash", "B"))),
    },
)
KEY = {"id": {"S": "o-1"}, "day": {"N": "1"}}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
        # and, for numbers, what Amazon's own server takes just below 400 KB.
        ("abc", 3),
        ("né", 3),
        ("", 0),
        (b"\x00\x01\x02\x03", 4),
        (b"\x00", 1),
        (True, 1),
        (None, 1),
        (Decimal(0), 1),
        (Decimal(1), 2),
        (Decimal(12), 2),
        (Decimal(123), 3),
        (Decimal(100), 2),
        (Decimal(-1), 3),
        (Decimal("1.5"), 3),
        (Decimal("100.5"), 4),
        (Decimal("0.001"), 2),
        (Decimal("1E+125"), 2),
        (Decimal("1E-130"), 2),
        (Decimal("1" * 38), 20),
        ([], 3),
        (["ab", "c"], 3 + 1 + 2 + 1 + 1),
        ({}, 3),
        ({"key": "value"}, 3 + 1 + 3 + 5),
        ({"a", "bcd"}, 4),
        ({Decimal(1), Decimal(12)}, 4),
        ({b"a", b"bcd"}, 4),
    ],
)
def test_sizes_are_those_of_dynamodb(value: Any, size: int) -> None:
    """Write units and the 400 KB limit hang on them."""
    assert item_bytes({"né": codec.encode_value(value)}) == 3 + size


@given(strategies.items)
def test_a_size_does_not_depend_on_the_spelling(item: dict[str, Any]) -> None:
    """What is estimated before a write is what the stored item has."""
    wire = codec.encode(item)
    spelled = json.loads(
        json.dumps(wire),
        object_hook=lambda o: {k: plain(v) if k == "N" else v for k, v in o.items()},
    )
    assert item_bytes(spelled) == item_bytes(wire)


def plain(number: Any) -> Any:
    return f"{Decimal(number):f}" if isinstance(number, str) else number


@pytest.mark.parametrize(
    ("size", "writes", "reads"),
    [
        (0, 1, 1),
        (1, 1, 1),
        (1024, 1, 1),
        (1025, 2, 1),
        (4096, 4, 1),
        (4097, 5, 2),
        (409600, 400, 100),
    ],
)
def test_units_begin_with_each_block(size: int, writes: int, reads: int) -> None:
    """1 KB a write unit, 4 KB a read unit, half of that where consistency is not asked for."""
    assert write_units(size) == writes
    assert read_units(size, consistent_read=True) == reads
    assert read_units(size, consistent_read=False) == reads / 2


@given(st.lists(strategies.numbers(), max_size=6))
def test_number_keys_are_ordered_by_value(numbers: list[Decimal]) -> None:
    """Not as text: 10 comes after 9, and a query merges two tables in this order."""
    wire = [codec.encode_value(number) for number in numbers]
    assert [Decimal(v["N"]) for v in sorted(wire, key=order)] == sorted(numbers)


@given(st.lists(strategies.texts, max_size=6))
def test_text_keys_are_ordered_by_utf8(texts: list[str]) -> None:
    """Not by UTF-16, as other languages would."""
    wire = [{"S": text} for text in texts]
    assert [v["S"].encode() for v in sorted(wire, key=order)] == sorted(
        text.encode() for text in texts
    )


@given(st.lists(st.binary(max_size=4), max_size=6))
def test_binary_keys_are_ordered_by_unsigned_bytes(values: list[bytes]) -> None:
    """Not by their base64 text, in which + comes before a letter."""
    wire = [codec.encode_value(value) for value in values]
    assert [base64.b64decode(v["B"]) for v in sorted(wire, key=order)] == sorted(values)


@given(strategies.numbers())
def test_one_key_has_one_identity(number: Decimal) -> None:
    """1, 1.0 and 1E+0 are one key; 1 and "1" are two."""
    spellings = ({"N": str(number)}, {"N": f"{number:f}"}, {"N": f"{number:.40e}"})
    assert len({identity({"id": spelling}) for spelling in spellings}) == 1
    assert identity({"id": {"S": "1"}}) != identity({"id": {"N": "1"}})
    both = {"a": {"S": "1"}, "b": {"S": "2"}}
    assert identity(both) == identity(dict(reversed(both.items())))
    assert identity(both) != identity({"a": {"S": "2"}, "b": {"S": "1"}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "key of orders: 'id' is missing"),
        ({"id": {"N": "1"}}, "'id' must be text (S), not N"),
        ({"id": {"S": ""}}, "'id' is empty"),
        ({"id": {"S": "é" * 1025}}, "'id' has 2,050 bytes, DynamoDB allows 2,048"),
        ({"day": {"S": "1"}}, "'day' must be a number (N), not S"),
        ({"day": None}, "'day' is missing"),
        ({"region": {"N": "1"}}, "key of index by-region: 'region' must be text (S), not N"),
        ({"region": {"S": ""}}, "key of index by-region: 'region' is empty"),
        ({"region": {"S": "é" * 1025}}, "key of index by-region: 'region' has 2,050 bytes"),
        ({"region": {"NULL": True}}, "not NULL"),
        ({"total": {"S": "1"}}, "key of index by-region: 'total'"),
        ({"hash": {"B": ""}}, "key of index by-hash: 'hash' is empty"),
    ],
)
def test_keys_that_a_table_refuses(change: dict[str, Any], reason: str) -> None:
    """The server would refuse that item alone, in a batch, with a reason that names less."""
    item = {name: value for name, value in {**KEY, **change}.items() if value is not None}
    with pytest.raises(InvalidKeyError) as caught:
        check_item(item, LAYOUT)
    assert reason in str(caught.value)


def test_a_sort_key_has_a_smaller_limit() -> None:
    """1,024 bytes, where the partition key has 2,048; the limit itself is allowed."""
    schema = KeySchema("id", "name")
    longest = {"id": {"S": "x" * 2048}, "name": {"S": "y" * 1024}}
    assert key_of(longest, schema, "orders") == longest
    with pytest.raises(InvalidKeyError, match="'name' has 1,025 bytes, DynamoDB allows 1,024"):
        key_of({**longest, "name": {"S": "y" * 1025}}, schema, "orders")


def test_an_item_may_leave_index_keys_out_and_have_400_kilobytes() -> None:
    """Sparse indexes are common; one byte over the limit is refused, and the message counts."""
    rest = MAX_ITEM_BYTES - item_bytes(KEY) - 1
    assert check_item({**KEY, "x": {"S": "y" * rest}}, LAYOUT) == KEY
    with pytest.raises(InvalidItemError, match="409,601 bytes, DynamoDB allows 409,600") as caught:
        check_item({**KEY, "x": {"S": "y" * (rest + 1)}}, LAYOUT)
    assert caught.value.key == {"id": "o-1", "day": Decimal(1)}


def test_marks_come_and_go() -> None:
    """A tombstone is key and marker and nothing else; callers see neither mark."""
    assert MARKS.bury(KEY) == {**KEY, "_deleted": {"BOOL": True}}
    assert MARKS.is_tombstone(MARKS.bury(KEY))
    assert MARKS.strip(MARKS.bury(KEY)) == KEY
    stamped = MARKS.stamp(KEY, "t")
    assert (MARKS.token_of(stamped), MARKS.token_of(KEY)) == ("t", None)
    assert MARKS.strip(stamped) == KEY
    assert not MARKS.is_tombstone(stamped)
    for name in ("_deleted", "_token"):
        with pytest.raises(InvalidItemError, match=f"'{name}' belongs to dualtable"):
            MARKS.check_free({**KEY, name: {"S": "x"}})


def test_tokens_do_not_repeat() -> None:
    """A repeated token would let an update overwrite what it has not seen."""
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 16 for token in tokens)
