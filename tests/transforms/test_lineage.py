"""I8: fallback and copy agree, or the item is an error."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from dualtable import Chain, Convert, Drop, Index, KeySchema, Move, Rename
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.transform import as_transform
from dualtable._wire import codec
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable.errors import DualTableError, InvalidItemError, InvalidKeyError, TransformError

MARKS = Marks("_deleted", "_token")
ITEM = {"id": "o-1", "day": Decimal(1), "secret": "tell nobody", "tags": {"a", "b"}}


def lineage(transform: Any, new: KeySchema | None = None, old: KeySchema | None = None) -> Lineage:
    keys = old or KeySchema("id")
    return Lineage(
        as_transform(transform),
        MARKS,
        Layout("old", keys, {}),
        Layout("new", new or keys, {"by-day": Index("by-day", KeySchema(("day", "N")))}),
    )


def yielded(found: Lineage, item: dict[str, Any]) -> list[dict[str, Any]]:
    return [codec.decode(new) for _, new in found.new_items(codec.encode(item))]


class Split:
    """One order becomes its lines; the new key is another one, with a sort key."""

    def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"order": item["id"], "line": n} for n in range(3)]

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["order"]}


def test_what_an_item_yields_and_where_it_comes_from() -> None:
    """Each output has its key, and each key leads to the old item and to its one output."""
    split = lineage(Split(), KeySchema("order", ("line", "N")))
    wire = codec.encode(ITEM)
    found = split.new_items(wire)
    assert [codec.decode(key) for key, _ in found] == [
        {"order": "o-1", "line": Decimal(n)} for n in range(3)
    ]
    for key, item in found:
        assert split.old_key(key) == {"id": {"S": "o-1"}}
        assert split.new_item(wire, key) == item
    assert split.new_item(wire, codec.encode({"order": "o-1", "line": 3})) is None


def test_a_new_sort_key_needs_no_old_key_of_its_own() -> None:
    """What is no key attribute of the old table does not count on the way back."""
    found = lineage(Rename("date", "day"), KeySchema("id", ("day", "N")))
    assert yielded(found, {"id": "o-1", "date": 1}) == [{"id": "o-1", "day": 1}]


@pytest.mark.parametrize(
    ("transform", "count"),
    [(lambda item: None, 0), (lambda item: [], 0), (Drop("x"), 1), (lambda item: iter([item]), 1)],
)
def test_none_and_one(transform: Any, count: int) -> None:
    """Left out on purpose is no error."""
    assert len(yielded(lineage(transform), ITEM)) == count


def test_marks_of_an_earlier_migration_are_no_data() -> None:
    """Its tombstones are no items, and its tokens are gone before the transform sees an item."""
    found = lineage(lambda item: {**item, "names": sorted(item)})
    assert yielded(found, {"id": "o-1", "_deleted": True}) == []
    assert yielded(found, {"id": "o-1", "_token": "t"}) == [{"id": "o-1", "names": ["id"]}]


calls = itertools.count()


def gambling(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "serial": next(calls)}


class Handing:
    """Two steps that share what the item does not hold."""

    def take(self, item: dict[str, Any]) -> dict[str, Any]:
        self.serial = next(calls)
        return item

    def put(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "serial": self.serial}


handing = Handing()


def leading_elsewhere(key: Any) -> Any:
    class Elsewhere:
        def forward(self, item: Any) -> Any:
            return item

        def old_key(self, new_key: Any) -> Any:
            if isinstance(key, Exception):
                raise key
            return key

    return Elsewhere()


@pytest.mark.parametrize(
    ("transform", "error", "reason"),
    [
        (gambling, TransformError, "two results"),
        (Chain(handing.take, handing.put), TransformError, "two results"),
        (
            Chain(handing.take, Convert("id", lambda i: f"{i}{handing.serial}")),
            TransformError,
            "two",
        ),
        (lambda i: {**i, "id": "o-2"}, TransformError, "does not lead back"),
        (lambda i: [i, {**i, "id": "o-2"}], TransformError, "does not lead back"),
        (lambda i: [i, i], TransformError, "two items with one key"),
        (lambda i: [{**i, "x": 1}, i], TransformError, "two items with one key"),
        (Drop("id"), InvalidKeyError, "'id' is missing"),
        (Rename("id", "key"), InvalidKeyError, "'id' is missing"),
        (lambda i: {**i, "id": 1}, InvalidKeyError, "'id' must be text"),
        (lambda i: {**i, "day": "x"}, InvalidKeyError, "index by-day"),
        (lambda i: {**i, "x": "y" * 410_000}, InvalidItemError, "409,600"),
        (lambda i: {**i, "_token": "x"}, InvalidItemError, "belongs to dualtable"),
        (lambda i: {**i, "_deleted": True}, InvalidItemError, "belongs to dualtable"),
        (lambda i: 1 / 0, TransformError, "ZeroDivisionError"),
        (leading_elsewhere(None), TransformError, "does not lead back"),
        (leading_elsewhere({"id": "o-2"}), TransformError, "does not lead back"),
        (leading_elsewhere({"key": "o-1"}), TransformError, "'id' is missing"),
        (leading_elsewhere({"id": 1}), TransformError, "must be text"),
        (leading_elsewhere({"id": 1.5}), TransformError, "float"),
        (leading_elsewhere("o-1"), TransformError, "must be a dict"),
        (leading_elsewhere(ValueError("tell nobody")), TransformError, "raised ValueError"),
        (leading_elsewhere(TransformError("no way")), TransformError, "no way"),
        (Chain(Move("x.id", "id")), TransformError, "exists already"),
    ],
)
def test_a_broken_contract_is_an_error_with_the_old_key(
    transform: Any, error: type[DualTableError], reason: str
) -> None:
    """Never a silent copy: the error names the old item by its key, and none of its values."""
    item = {**ITEM, "x": {"id": "o-9"}} if "Move" in repr(transform) else ITEM
    with pytest.raises(error) as caught:
        yielded(lineage(transform), item)
    assert reason in str(caught.value)
    assert caught.value.key == {"id": "o-1"}
    assert "tell nobody" not in str(caught.value)


def test_the_second_call_sees_nothing_of_the_first() -> None:
    """A function may change its item in place, however deep; that is no gamble."""

    def change(item: dict[str, Any]) -> dict[str, Any]:
        copied = {**item}
        for holder in (item, copied):
            holder["n"] += 1
        item["map"]["n"] += 1
        item["map"]["list"].append(len(item["map"]["list"]))
        item["list"].append(len(item["list"]))
        item["tags"].add(f"t{len(item['tags'])}")
        return {**item, "sum": item["n"] + item["map"]["n"]}

    item = {"id": "o-1", "n": 1, "map": {"n": 1, "list": []}, "list": [], "tags": {"a"}}
    assert yielded(lineage(change), item) == [
        {
            "id": "o-1",
            "n": 2,
            "map": {"n": 2, "list": [0]},
            "list": [0],
            "tags": {"a", "t1"},
            "sum": 4,
        }
    ]


def test_sets_in_another_order_are_the_same_result() -> None:
    """A set has no order: two runs that list it differently are no gamble."""
    orders = itertools.cycle([["a", "b"], ["b", "a"]])

    class Unordered:
        def forward(self, item: Any) -> Any:
            return item

        def forward_wire(self, item: dict[str, Any]) -> list[dict[str, Any]]:
            return [{**item, "tags": {"SS": next(orders)}}]

        def old_key(self, new_key: Any) -> Any:
            return new_key

    assert yielded(lineage(Unordered()), ITEM) == [ITEM]


def test_a_failing_old_key_names_the_new_key() -> None:
    """A read that falls back cannot know the old key; it says which key it was asked for."""
    with pytest.raises(TransformError) as caught:
        lineage(leading_elsewhere(ValueError())).old_key(codec.encode({"id": "o-7"}))
    assert caught.value.key == {"id": "o-7"}
