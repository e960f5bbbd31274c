"""I8: fallback and copy agree, or the item is an error."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import attrs
import pytest

from dualtable import Chain, Convert, Default, Drop, Index, KeySchema, ModelTransform, Move, Rename
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

    def keep(self, value: Any) -> Any:
        self.serial = next(calls)
        return value


handing = Handing()


class Gambling(Default):
    """A step that somebody has made of one of ours."""

    def change(self, draft: dict[str, Any]) -> None:
        draft["x"] = {"N": str(next(calls))}


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
        (Convert("day", lambda _: next(calls)), TransformError, "two results"),
        (
            Chain(Move("secret", "x.y"), Convert("x.y", lambda _: next(calls)), Drop("x")),
            TransformError,
            "two results",
        ),
        (
            Chain(Convert("secret", handing.keep), Convert("day", lambda _: handing.serial)),
            TransformError,
            "two results",
        ),
        (Gambling("x", 1), TransformError, "two results"),
        (Chain(Drop("secret"), Gambling("x", 1)), TransformError, "two results"),
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
    found, wire = lineage(transform), codec.encode(item)
    with pytest.raises(error) as for_the_copy:
        found.outputs(wire, {"id": wire["id"]})
    with pytest.raises(TransformError) as for_readers:
        found.new_items(wire)
    for caught in (for_the_copy, for_readers):
        assert reason in str(caught.value)
        assert caught.value.key == {"id": "o-1"}
        assert "tell nobody" not in str(caught.value)
    assert found.new_keys(wire) == []


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


# -- the way back (I9) ---------------------------------------------------------------------------


def to_cents(total: str) -> int:
    return int(Decimal(total) * 100)


def from_cents(cents: Decimal) -> str:
    return str(cents / 100)


CHAIN = Chain(
    Rename("oid", "id"),
    Move("customer.region", "region"),
    Convert("total", to_cents, back=from_cents),
    Drop("legacy", back=lambda item: item["id"].startswith("x")),
    Default("status", "open"),
)
NEW = {"id": "o-1", "customer": {"name": "Ann"}, "region": "eu", "total": 150, "status": "open"}


def put_back(found: Lineage, item: dict[str, Any]) -> dict[str, Any]:
    return codec.decode(found.old_item(codec.encode(item)))


def test_a_new_item_goes_back_and_comes_again() -> None:
    """What old code will read is in its format, without the library's attributes."""
    found = lineage(CHAIN, KeySchema("id"), KeySchema("oid"))
    old = put_back(found, {**NEW, "_token": "t"})
    assert old == {
        "oid": "o-1",
        "customer": {"name": "Ann", "region": "eu"},
        "total": "1.5",
        "legacy": False,
        "status": "open",
    }
    assert yielded(found, old) == [NEW]


def test_what_old_code_added_does_not_hinder() -> None:
    """The merged item is judged: what T drops may be there, what it keeps must be in the new one.

    The token that the library stamps in the old table is no attribute of the item.
    """
    found = lineage(Drop("legacy"))
    new = codec.encode({"id": "o-1", "n": 1})
    found.check_comes_back(codec.encode({"id": "o-1", "n": 1, "legacy": 5, "_token": "t"}), new)
    with pytest.raises(TransformError, match="otherwise in 'extra'"):
        found.check_comes_back(codec.encode({"id": "o-1", "n": 1, "extra": 5}), new)


@pytest.mark.parametrize(
    ("step", "comes", "does_not"),
    [
        (Move("customer.region", "region"), {"customer": {}}, {}),
        (Move("customer.region", "region", prune=True), {}, {"customer": {}}),
    ],
)
def test_whether_the_emptied_map_stays_is_a_choice(
    step: Move, comes: dict[str, Any], does_not: dict[str, Any]
) -> None:
    """New code writes it or not, and no old item can become both (I9)."""
    found, item = lineage(step), {"id": "o-1", "region": "eu"}
    assert put_back(found, {**item, **comes}) == {"id": "o-1", "customer": {"region": "eu"}}
    with pytest.raises(TransformError, match="otherwise in 'customer'"):
        put_back(found, {**item, **does_not})
    for each in (comes, does_not):
        assert put_back(found, {"id": "o-1", **each}) == {"id": "o-1", **each}


def test_values_are_compared_not_their_spelling() -> None:
    """1.50 is 1.5, and a set has no order."""
    found = lineage(Convert("n", lambda n: n + 1, back=lambda n: n - 1))
    new = {"id": {"S": "o-1"}, "n": {"N": "1.50"}, "s": {"SS": ["b", "a"]}}
    assert codec.decode(found.old_item(new))["n"] == Decimal("0.5")
    found.check_comes_back({"id": {"S": "o-1"}, "n": {"N": "0.500"}, "s": {"SS": ["a", "b"]}}, new)


@attrs.frozen
class Model:
    id: str


def nowhere(key: dict[str, Any]) -> dict[str, Any]:
    return {"id": "elsewhere"}


class Reckless:
    """Says what a way back and a way to the old key are, whatever comes of it."""

    def __init__(self, backward: Any, old_key: Any = None, forward: Any = None) -> None:
        self.backward = backward
        self.old_key = old_key or (lambda key: key)
        self.forward = forward or (lambda item: item)

    def __repr__(self) -> str:
        return "Reckless()"


NO_WAY = [
    (Convert("n", lambda n: [n], back=lambda n: n), "otherwise in 'n'"),
    (Move("customer.region", "region"), "otherwise in 'customer'"),  # the map that it leaves empty
    (Drop("secret"), "otherwise in 'secret'"),
    (Default("missing", 1), "otherwise in 'missing'"),
    (Convert("n", lambda n: n), "Convert('n') has no way back"),
    (lambda item: item, "plain callable"),
    ((lambda item: item, lambda item: 1 / 0), "ZeroDivisionError"),
    ((lambda item: 1 / 0, lambda item: item), "ZeroDivisionError"),
    ((lambda item: item, lambda item: None), "return a dict"),
    ((lambda item: item, lambda item: {**item, "n": 1.5}), "float"),
    ((lambda item: item, lambda item: {"n": 1}), "'id' is missing"),
    ((lambda item: item, lambda item: {**item, "x": "y" * 410_000}), "409,600"),
    ((lambda item: item, lambda item: {**item, "_token": "t"}), "belongs to dualtable"),
    ((lambda item: item, lambda item: {**item, "_deleted": True}), "belongs to dualtable"),
    ((lambda item: item, gambling), "its way back gave two results"),
    ((gambling, lambda item: item), "two results"),
    ((lambda item: None, lambda item: item), "comes back as 0 items"),
    (Reckless(lambda i: {**i, "id": "o-2"}), "two different keys"),
    (Reckless(lambda i: i, old_key=lambda key: None), "two different keys"),
    (Reckless(lambda i: i, old_key=lambda key: {"id": "o-2"}), "two different keys"),
    (Reckless(lambda i: i, forward=lambda i: [i, {**i, "id": "o-1b"}]), "does not lead back"),
    (
        Reckless(
            lambda i: {**i, "id": "o"},
            old_key=lambda key: {"id": "o"},
            forward=lambda i: [{**i, "id": "o-1"}, {**i, "id": "o-2"}],
        ),
        "comes back as 2 items",
    ),
    (
        Reckless(
            lambda i: {**i, "id": "o"},
            old_key=lambda key: {"id": "o"},
            forward=lambda i: {**i, "id": "o-9"},
        ),
        "under another key",
    ),
]


@pytest.mark.parametrize(("transform", "reason"), NO_WAY, ids=[reason for _, reason in NO_WAY])
def test_what_would_not_come_back_is_never_written(transform: Any, reason: str) -> None:
    """An error by name before anything is sent: the new key, and none of the values."""
    item = {"id": "o-1", "n": 7, "region": "eu", "secret": "tell nobody"}
    with pytest.raises(TransformError) as caught:
        put_back(lineage(transform), item)
    assert reason in str(caught.value)
    assert "cannot be written to old" in str(caught.value)
    assert caught.value.key == {"id": "o-1"}
    assert "tell nobody" not in str(caught.value)


class Lines:
    """Makes a sort key of what is no key in the old table, so two items share one old key."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "line": item.get("line", "first")}

    def backward(self, item: dict[str, Any]) -> dict[str, Any]:
        return item

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"]}


class KnownLines(Lines):
    """The same, and its author says which new item an old key stands for."""

    old_key = Lines.old_key

    def new_key(self, old_key: dict[str, Any]) -> dict[str, Any] | None:
        return None if old_key["id"] == "none" else {**old_key, "line": "first"}


@pytest.mark.parametrize(
    ("transform", "new", "old", "item"),
    [
        (KnownLines(), KeySchema("id", "line"), KeySchema("id"), {"id": "1", "line": "second"}),
        (KnownLines(), KeySchema("id", "line"), KeySchema("id"), {"id": "none", "line": "first"}),
        (
            ModelTransform(
                Model, Model, lambda m: m, downgrade=lambda m: m, old_key=dict.copy, new_key=nowhere
            ),
            KeySchema("id"),
            KeySchema("id"),
            {"id": "1"},
        ),
    ],
)
def test_no_item_takes_the_place_of_another(
    transform: Any, new: KeySchema, old: KeySchema, item: dict[str, Any]
) -> None:
    """A blind put would erase it in the old table, and nobody would have read it."""
    with pytest.raises(TransformError) as caught:
        put_back(lineage(transform, new, old), item)
    assert caught.value.key == {name: item[name] for name in new.names}
    assert "its old key is that of another new item" in str(caught.value)


def test_the_one_item_of_an_old_key_passes() -> None:
    """What the key leads to both ways is one to one; without a new_key only its author knows."""
    keys = KeySchema("id", "line"), KeySchema("id")
    first = {"id": "1", "line": "first"}
    assert put_back(lineage(KnownLines(), *keys), first) == first
    second = {"id": "1", "line": "second"}
    assert put_back(lineage(Lines(), *keys), second) == second


@pytest.mark.parametrize(
    ("transform", "new", "old", "fits"),
    [
        (Drop("x"), KeySchema("id"), KeySchema("id"), True),
        (Rename("oid", "id"), KeySchema("id"), KeySchema("oid"), True),
        (Chain(Rename("a", "b"), Move("b", "id")), KeySchema("id"), KeySchema("a"), True),
        (Rename("a", "id"), KeySchema("sort", "id"), KeySchema("a", "sort"), True),
        ((dict.copy, dict.copy), KeySchema("id"), KeySchema("id"), True),
        (Split(), KeySchema("order", "line"), KeySchema("id"), True),  # it alone knows
        (Drop("x"), KeySchema("id", "day"), KeySchema("id"), False),
        (Default("day", 0), KeySchema("id", "day"), KeySchema("id"), False),
        (Drop("day"), KeySchema("id"), KeySchema("id", "day"), False),
        (Rename("date", "day"), KeySchema("id", "day"), KeySchema("id"), False),
        (Chain(Rename("a", "b")), KeySchema("id"), KeySchema("b"), False),
        (Move("customer.id", "id"), KeySchema("id"), KeySchema("id"), False),
    ],
)
def test_keys_that_are_not_one_to_one_are_known_beforehand(
    transform: Any, new: KeySchema, old: KeySchema, fits: bool
) -> None:
    """Where the new key holds what the old one lacks, a put of one item would erase another."""
    found = lineage(transform, new, old)
    if fits:
        found.check_one_to_one()
        return
    with pytest.raises(TransformError):
        found.check_one_to_one()


def test_a_partition_is_known_when_only_the_sort_key_is_renamed() -> None:
    """Steps map a key attribute by attribute, so a query finds its partition."""
    found = lineage(Rename("date", "day"), KeySchema("id", "day"), KeySchema("id", "date"))
    assert found.old_partition({"id": {"S": "o-1"}}) == {"S": "o-1"}


def test_a_failing_old_key_names_the_new_key() -> None:
    """A read that falls back cannot know the old key; it says which key it was asked for."""
    with pytest.raises(TransformError) as caught:
        lineage(leading_elsewhere(ValueError())).old_key(codec.encode({"id": "o-7"}))
    assert caught.value.key == {"id": "o-7"}
