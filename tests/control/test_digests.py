"""Digests tell what was copied, whatever the order in which it comes."""

from __future__ import annotations

from typing import Any

import pytest

from dualtable._control.digests import BUCKETS, Digests, bucket_of, digest_of, digests, in_order
from dualtable._wire.packed import PackedItem

KEY = {"id": {"S": "o-1"}}
ITEM: dict[str, Any] = {
    **KEY,
    "tags": {"SS": ["b", 'a"],"S":["x', "c\\"]},
    "inside": {"M": {"codes": {"NS": ["2", "10"]}, "other": {"L": [{"BS": ["Yg==", "YQ=="]}]}}},
    "text": {"S": '{"SS":["z","a"]}'},
}


def digest(item: dict[str, Any]) -> int:
    return digest_of(PackedItem.of(item))


def test_orders_do_not_count() -> None:
    """DynamoDB gives names and the members of sets as it likes."""
    inside = {"other": {"L": [{"BS": ["YQ==", "Yg=="]}]}, "codes": {"NS": ["10", "2"]}}
    other = {
        "text": ITEM["text"],
        "inside": {"M": inside},
        "tags": {"SS": ["c\\", "b", 'a"],"S":["x']},
        **KEY,
    }
    assert digest(other) == digest(ITEM)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {"SS": ["b", 'a"],"S":["y', "c\\"]}},
        {"inside": {"M": {"codes": {"NS": ["2", "11"]}, "other": {"L": [{"BS": ["Yg=="]}]}}}},
        {"text": {"S": '{"SS":["a","z"]}'}},
        {"more": {"NULL": True}},
    ],
)
def test_contents_do(change: dict[str, Any]) -> None:
    """A member, a text that only looks like a set, an attribute."""
    assert digest({**ITEM, **change}) != digest(ITEM)


def test_sums_come_out_equal_however_pages_are_cut() -> None:
    """A resumed copy and a verification have other pages, and come in another order."""
    items = [{"n": {"N": str(n)}} for n in range(99)]
    packed = [PackedItem.of(item) for item in items]
    copies = [({"id": {"S": f"o-{n}"}}, each, in_order(each)) for n, each in enumerate(packed)]
    whole = digests(copies)
    parts = sum((digests([copy]) for copy in reversed(copies)), Digests())
    assert parts == whole == Digests.from_bytes(whole.to_bytes())
    assert whole.differing(digests(copies[1:])) == {bucket_of(copies[0][0])}
    assert whole.differing(Digests()) == set()
    assert len(whole.sums) == BUCKETS


def test_a_bucket_hangs_on_no_order_of_names() -> None:
    """DynamoDB gives the members of a map, as a stored example's key is one, in any order."""
    key = {"id": {"S": "o-1"}, "day": {"N": "7"}}
    assert bucket_of(key) == bucket_of(dict(reversed(key.items())))
