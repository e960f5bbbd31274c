"""Each step does one thing, can be undone where it says so, and leads back to the old key."""

from __future__ import annotations

import copy
import enum
import re
from collections.abc import Iterator
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from dualtable import Chain, Convert, Default, Drop, Index, Migration, Move, Rename, Transform
from dualtable._dynamodb.parameters import insert_statement
from dualtable._expressions.grammar import Placeholders
from dualtable._expressions.parser import parse_update
from dualtable._expressions.projections import projection_of
from dualtable._transforms.applying import (
    backward_wire,
    forward_wire,
    forward_wire_alike,
    keeps_key,
    no_way_back,
)
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.transform import as_transform
from dualtable._wire import codec, json
from dualtable._wire.layouts import KeySchema, Layout
from dualtable._wire.marks import Marks
from dualtable._wire.packed import PackedItem
from dualtable.errors import DualTableError, InvalidItemError, TransformError

SECRET = "tell nobody"


def wire_forward(transform: Any, item: dict[str, Any]) -> list[dict[str, Any]]:
    """What the migrator sees of a transform."""
    outputs = forward_wire(as_transform(transform), codec.encode(item))
    return [codec.decode(output) for output in outputs]


def exclaim(text: str) -> str:
    return f"{text}!"


def quieten(text: str) -> str:
    return text.removesuffix("!")


CASES = [
    # step, old item, new item
    (Move("a.b", "c"), {"a": {"b": 1}}, {"a": {}, "c": 1}),
    (Move("a.b", "c"), {"a": {"b": 1, "x": 2}}, {"a": {"x": 2}, "c": 1}),
    (Move("a", "b.c"), {"a": 1, "b": {}}, {"b": {"c": 1}}),
    (Move("a.b", "c", prune=True), {"a": {"b": 1}}, {"c": 1}),
    (Move("a.b", "c", prune=True), {"a": {"b": 1, "x": 2}}, {"a": {"x": 2}, "c": 1}),
    (Move("a.b", "c", prune=True), {"a": {}}, {"a": {}}),
    (Move("a.b.c", "c", prune=True), {"a": {"b": {"c": 1}}}, {"c": 1}),
    (Move("a.b.c", "c", prune=True), {"a": {"b": {"c": 1}, "x": {}}}, {"a": {"x": {}}, "c": 1}),
    (Move("a.b", "c.d", prune=True), {"a": {"b": 1}}, {"c": {"d": 1}}),
    (Move("a.b", "a.c", prune=True), {"a": {"b": 1}}, {"a": {"c": 1}}),
    (Move("a", "b.c", prune=True), {"a": 1}, {"b": {"c": 1}}),
    (Move("l[0].x", "x", prune=True), {"l": [{"x": 1}]}, {"l": [{}], "x": 1}),
    (Move("l[0].a.x", "x", prune=True), {"l": [{"a": {"x": 1}}]}, {"l": [{}], "x": 1}),
    (Move("a.l[0]", "x", prune=True), {"a": {"l": [1]}}, {"a": {"l": []}, "x": 1}),
    (Move("a", "a.b"), {"a": 1}, {"a": {"b": 1}}),
    (Move("a", "a.b"), {"a": {"b": 1, "c": 2}}, {"a": {"b": {"b": 1, "c": 2}}}),
    (Move("a", "a.b.c"), {"a": {"x": 1}}, {"a": {"b": {"c": {"x": 1}}}}),
    (Move("a.b", "a"), {"a": {"b": {"x": 1}}, "c": 2}, {"a": {"x": 1}, "c": 2}),
    (Move("a.b.c", "a.b"), {"a": {"b": {"c": 1}, "x": 2}}, {"a": {"b": 1, "x": 2}}),
    (Move(("a.b", "c"), "d"), {"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, None),
    (Rename("a", "b"), {"a": {1, 2}}, {"b": {1, 2}}),
    (Rename("a.b", ("c.d",)), {"a": {"b": 1}}, {"a": {"c.d": 1}}),
    (Rename(["a", "b"], "c"), {"a": {"b": None}}, {"a": {"c": None}}),
    (Convert("a.b", exclaim, back=quieten), {"a": {"b": "x"}}, {"a": {"b": "x!"}}),
    (Default("a.b", [1]), {"a": {"b": 0}}, {"a": {"b": 0}}),
    (Move("l[0].x", "x"), {"l": [{"x": 1, "y": 2}, {"x": 3}]}, {"l": [{"y": 2}, {"x": 3}], "x": 1}),
    (Move("l[1]", "second"), {"l": [1, 2, 3]}, {"l": [1, 3], "second": 2}),
    (Move("l[2]", "last"), {"l": [1, 2, 3]}, {"l": [1, 2], "last": 3}),
    (Move("l[0]", "m[1]"), {"l": [1, 2], "m": [0]}, {"l": [2], "m": [0, 1]}),
    (Move("x", "l[1].a.b"), {"x": 1, "l": [0, {"a": {}}]}, {"l": [0, {"a": {"b": 1}}]}),
    (Move("l[0][1][0]", "x"), {"l": [[0, [1, 2]]]}, {"l": [[0, [2]]], "x": 1}),
    (Move(("l", 0, "a.b[0]"), "x"), {"l": [{"a.b[0]": 1}]}, {"l": [{}], "x": 1}),
    (Move(("l[0]",), "x"), {"l[0]": 1, "l": [2]}, {"l": [2], "x": 1}),
    (Rename("l[1].nme", "name"), {"l": [{"nme": 1}, {"nme": 2}]}, {"l": [{"nme": 1}, {"name": 2}]}),
    (Convert("l[1]", exclaim, back=quieten), {"l": ["a", "b"]}, {"l": ["a", "b!"]}),
    (Convert("l[0].a", exclaim, back=quieten), {"l": [{"a": "b"}]}, {"l": [{"a": "b!"}]}),
    (Drop("l[1]", back=lambda item: item["x"]), {"l": [1, 7, 3], "x": 7}, {"l": [1, 3], "x": 7}),
    (Drop("l[0].a", back=lambda _: 1), {"l": [{"a": 1, "b": 2}]}, {"l": [{"b": 2}]}),
    (Default("l[0].a", 1), {"l": [{"a": 0}]}, {"l": [{"a": 0}]}),
]


@pytest.mark.parametrize(("step", "old", "new"), CASES, ids=lambda value: repr(value)[:30])
def test_a_step_and_its_way_back(step: Any, old: dict[str, Any], new: Any) -> None:
    """Plain and wire form agree, and backward undoes forward."""
    if new is None:  # a path of names with dots in them
        new = {"a.b": {}, "a": {"b": {"c": 2}}, "d": 1}
    before = copy.deepcopy(old)
    assert step.forward(old) == new
    assert wire_forward(step, old) == [new]
    assert step.backward(new) == old == before
    assert isinstance(step, Transform)


@pytest.mark.parametrize(
    "step",
    [Move("a.b", "c"), Rename("a.b", "c"), Convert("a.b", exclaim, back=quieten), Drop("a.b")],
)
@pytest.mark.parametrize(
    "item", [{}, {"a": {}}, {"a": "text"}, {"a": ["b"]}, {"a": None}, {"b": 1}]
)
def test_an_item_without_the_attribute_stays_as_it_is(step: Any, item: dict[str, Any]) -> None:
    """Old documents are not all alike; what is not there needs no change."""
    assert wire_forward(step, item) == [item]


def test_what_loses_or_invents() -> None:
    """One restores nothing unless it is told what, the other leaves in place what it set."""
    assert Drop("a.b").forward({"a": {"b": 1, "c": 2}}) == {"a": {"c": 2}}
    assert Drop("a.b").backward({"a": {"c": 2}}) == {"a": {"c": 2}}
    assert Default("a.b", {"x": 1}).forward({}) == {"a": {"b": {"x": 1}}}
    assert Default("a", 1).forward({"a": None}) == {"a": None}
    assert Default("a", 1).backward({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("step", "old"),
    [
        (Move("a.b", "a"), {"a": {"b": 1, "c": 2}}),
        (Move("a.b.c", "a"), {"a": {"b": {"c": 1}, "d": {}}}),
        (Move("l[0].a", "l"), {"l": [{"a": 1}]}),
        (Move("a", "a"), {"a": 1}),
    ],
)
def test_nothing_is_lost_where_an_attribute_takes_the_place_of_what_it_was_in(
    step: Any, old: dict[str, Any]
) -> None:
    """What stands beside it would go without a word."""
    with pytest.raises(TransformError, match="exists already"):
        step.forward(old)


LISTED = [Move("l[1].a", "c"), Move("l[1]", "c"), Rename("l[1].a", "c"), Drop("l[1]")]
LISTED += [Drop("l[1].a"), Convert("l[1]", exclaim), Convert("l[1].a", exclaim)]


@pytest.mark.parametrize("step", [*LISTED, Default("l[1].a", 1), Default("l[1][0]", 1)])
@pytest.mark.parametrize(
    "item", [{}, {"l": []}, {"l": [1]}, {"l": {"1": {"a": 1}}}, {"l": "text"}, {"l[1]": {"a": 1}}]
)
def test_an_item_without_the_member_stays_as_it_is(step: Any, item: dict[str, Any]) -> None:
    """A shorter list, or none at all, lacks what is in its members; nobody invents one."""
    assert wire_forward(step, item) == [item]


def test_a_list_may_grow_at_its_end() -> None:
    """A position is set where a member is, or where the next one would be."""
    assert Default("l[1]", 2).forward({"l": [1]}) == {"l": [1, 2]}
    assert Default("l[0]", 1).forward({}) == {"l": [1]}
    assert Default("m.l[0]", 1).forward({}) == {"m": {"l": [1]}}
    assert Move("x", "l[0]").forward({"x": 1}) == {"l": [1]}


def test_a_literal_name_is_a_tuple() -> None:
    """What a text takes for a position, a tuple may take for a part of a name, and shows so."""
    item = {"l": [3], "l[0]": 2}
    assert Drop(("l[0]",)).forward(item) == {"l": [3]}
    assert Drop("l[0]").forward(item) == {"l": [], "l[0]": 2}
    assert [repr(Drop(path)) for path in (("l", 0, "x"), ("l[0]",), ("l.x", 0), ("1",))] == [
        "Drop('l[0].x')",
        "Drop(('l[0]',))",
        "Drop(('l.x', 0))",
        "Drop('1')",
    ]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("l[0]", "l[1]"),
        ("l[0]", "l[1].x"),
        ("l[1].x", "l[0]"),
        ("l[0]", "l"),
        ("l", "l[0]"),
        ("m[0][1]", "m[0][2].x"),
    ],
)
def test_a_move_within_one_list_is_refused(source: str, target: str) -> None:
    """To take a member out shifts the others, so the other path would mean another one."""
    with pytest.raises(TransformError, match="one list"):
        Move(source, target)


def test_a_member_of_a_list_has_no_name() -> None:
    """It can be moved, and not renamed."""
    with pytest.raises(TransformError, match="no name; Move it"):
        Rename("l[0]", "x")


@pytest.mark.parametrize("path", ["l[0]", "l[2]", "l[1].a", "m.l[1][0]", "l[7]", "m.x"])
def test_paths_are_those_of_expressions(path: str) -> None:
    """A step leaves out what REMOVE removes, and reads what a projection reads."""
    item = {"l": [1, {"a": 2, "b": 3}, 4], "m": {"l": [0, [5, 6]], "x": 7}}
    wire = codec.encode(item)
    removed = parse_update(f"REMOVE {path}", Placeholders({}, {})).apply(wire)
    assert Drop(path).forward(item) == codec.decode(removed)
    moved = Move(path, "found").forward(item)
    (read,) = projection_of([path], Placeholders({}, {})).paths
    assert codec.encode_value(moved["found"]) == read.read(wire) if "found" in moved else True


@pytest.mark.parametrize(
    ("step", "item"),
    [
        (Move("a", "l[1]"), {"a": SECRET, "l": [1, 2]}),
        (Move("a", "l[2]"), {"a": SECRET, "l": [1]}),
        (Move("a", "l[1]"), {"a": SECRET}),
        (Move("a", "l[0].x"), {"a": SECRET}),
        (Move("a", "l[1].x"), {"a": SECRET, "l": [1]}),
        (Move("a", "l[0]"), {"a": SECRET, "l": {}}),
        (Move("a", "l.x"), {"a": SECRET, "l": []}),
        (Default("l[1]", 1), {"l": []}),
    ],
)
def test_a_list_with_a_gap_is_an_error(step: Any, item: dict[str, Any]) -> None:
    """Nothing is overwritten, and nothing is put elsewhere than said."""
    with pytest.raises(TransformError, match=r"cannot set 'l|exists already"):
        step.forward(item)


@pytest.mark.parametrize(
    ("step", "item"),
    [
        (Move("a", "b"), {"a": SECRET, "b": 1}),
        (Move("a", "b"), {"a": SECRET, "b": None}),
        (Move("a", "b.c"), {"a": SECRET, "b": "text"}),
        (Rename("a", "b"), {"a": SECRET, "b": 1}),
        (Default("a.b", 1), {"a": SECRET}),
    ],
)
def test_a_target_in_the_way_is_an_error(step: Any, item: dict[str, Any]) -> None:
    """Nothing of an old item is overwritten, and the message does not quote it."""
    with pytest.raises(TransformError) as caught:
        step.forward(item)
    assert repr(step).partition("(")[0] in str(caught.value) or "no map" in str(caught.value)
    assert SECRET not in str(caught.value)


class LostWay:
    """A transform of a user's own that goes one way."""

    def forward(self, item: Any) -> Any:
        return item

    def old_key(self, new_key: Any) -> Any:
        return new_key

    def __repr__(self) -> str:
        return "LostWay()"


NO_PATHS = ["", "a..b", ".a", (), ("a", ""), 5, None, "[0]", "a[", "a]", "a[x]", "a[-1]", "a[01]"]
NO_PATHS += ["a[0]b", "a.[0]", "a[0]..b", "a[]", (0, "a"), ("a", -1), ("a", True), ("a", 1.0)]


@pytest.mark.parametrize("path", NO_PATHS)
def test_a_bad_path_is_refused_when_the_step_is_made(path: Any) -> None:
    """A slip in the migration file must show at import, not as dead letters."""
    for step in (
        lambda: Move(path, "b"),
        lambda: Move("a", path),
        lambda: Drop(path),
        lambda: Convert(path, exclaim),
        lambda: Default(path, 1),
        lambda: Rename(path, "b"),
    ):
        with pytest.raises(TransformError, match="no path"):
            step()


@pytest.mark.parametrize("name", ["", 5, None, (), ("a", "b"), "a.b", "a[0]", "customer.name"])
def test_a_bad_name_is_refused_when_the_step_is_made(name: Any) -> None:
    """An empty name would be refused by the server, item by item.

    Where somebody writes the whole path to what it shall be called, the attribute must not get a
    name with a dot in it.
    """
    with pytest.raises(TransformError, match=r"no name|no path"):
        Rename("customer.nme", name)


def test_a_default_must_be_storable() -> None:
    """The value is the same for all items, so it is checked once, at once."""
    with pytest.raises(InvalidItemError, match="float"):
        Default("a", 1.5)


def raising(_: Any) -> Any:
    raise ValueError(SECRET)


def generating(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield item
    raise ValueError(SECRET)


@pytest.mark.parametrize(
    ("transform", "error", "reason"),
    [
        (raising, TransformError, "raising raised ValueError at test_transforms.py"),
        (generating, TransformError, "generating raised ValueError at test_transforms.py"),
        (Convert("a", raising), TransformError, "Convert('a') raised ValueError"),
        (lambda item: item["missing"], TransformError, "raised KeyError"),
        (lambda item: 5, TransformError, "returned int"),
        (lambda item: SECRET, TransformError, "returned str"),
        (lambda item: [item, SECRET], TransformError, "returned a str among"),
        (lambda item: [item, None], TransformError, "returned a NoneType among"),
        (lambda item: {**item, "a": 1.5}, InvalidItemError, "a: float"),
        (lambda item: {**item, "a": "\ud800"}, InvalidItemError, "a: a text"),
        (lambda item: {1: 2}, InvalidItemError, "must be str"),
        (Convert("a", lambda a: {"x": [object()]}), InvalidItemError, "Convert('a'): x[0]: object"),
        (Chain(Drop("b"), raising), TransformError, "raising raised ValueError"),
    ],
)
def test_a_failing_transform_says_where_and_never_what(
    transform: Any, error: type[Exception], reason: str
) -> None:
    """The user's code is named with its line; values of the item stay out of messages."""
    with pytest.raises(error) as caught:
        wire_forward(transform, {"a": SECRET})
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


def test_what_is_no_transform_is_refused_at_once() -> None:
    """A class for an instance, a value for a function, a coroutine function: common slips."""

    async def asynchronous(item: dict[str, Any]) -> dict[str, Any]:
        return item

    class Some:
        def forward(self, item: Any) -> Any: ...

        def old_key(self, new_key: Any) -> Any: ...

    class AsyncWay(Some):
        async def old_key(self, new_key: Any) -> Any: ...

    for wrong, reason in (
        (Some, "is a class"),
        (5, "int is no transform"),
        (asynchronous, "async"),
        ((asynchronous, exclaim), "async"),
        ((exclaim, asynchronous), "async"),
        ((exclaim, Some), "is a class"),
        (AsyncWay(), "async"),
    ):
        with pytest.raises(TransformError, match=reason):
            Chain(wrong)  # type: ignore[arg-type]


class Marking:
    """Adds a mark to whatever the next class in line makes of an item."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**super().forward(item), "marked": True}  # type: ignore[misc]


class MarkingDrop(Marking, Drop):
    pass


class MarkingOnWire(MarkingDrop):
    def forward_wire(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [codec.encode(self.forward(codec.decode(item)))]


class MarkingDraft(Drop):
    def change(self, draft: dict[str, Any]) -> None:
        super().change(draft)
        draft["marked"] = {"BOOL": True}


class Wrapper:
    """Stands for another object, and only changes what it does with items."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**self._inner.forward(item), "marked": True}

    def old_key(self, new_key: dict[str, Any]) -> Any:
        return self._inner.old_key(new_key)


@pytest.mark.parametrize(
    "transform",
    [
        MarkingDrop("legacy"),
        MarkingOnWire("legacy"),
        MarkingDraft("legacy"),
        Wrapper(Drop("legacy")),
        Wrapper(Chain(Drop("legacy"))),
    ],
)
def test_whoever_overrides_a_step_has_the_last_word(transform: Any) -> None:
    """The quick way on the wire form is the step's own, and never counts instead of theirs."""
    wanted = [{"id": "o-1", "marked": True}]
    for each in (transform, Chain(transform), Chain(Rename("nme", "name"), transform)):
        assert wire_forward(each, {"id": "o-1", "legacy": 1}) == wanted


def test_a_key_that_an_override_maps_is_not_taken_for_the_same() -> None:
    """Steps tell which keys they leave alone; not what somebody makes of their `old_key`."""

    class Mapping(Chain):
        def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
            return {"id": new_key["id"].removeprefix("x")}

    assert keeps_key(Chain(Drop("legacy")), ["id"])
    assert not keeps_key(Mapping(Drop("legacy")), ["id"])


def test_a_method_that_was_forgotten_is_missed_at_once() -> None:
    """The protocol's own, which returns None, would leave out every item."""

    class Slip(Transform):
        def forwards(self, item: Any) -> Any:
            return item

        def old_key(self, new_key: Any) -> Any:
            return new_key

    with pytest.raises(TypeError, match="forward"):
        Slip()  # type: ignore[abstract]


def test_zero_one_and_many_pass_through_a_chain() -> None:
    """A step that drops ends the chain for that item, one that splits feeds each on."""

    def split(item: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"n": n} for n in range(int(item["count"]))]

    def odd(item: dict[str, Any]) -> dict[str, Any] | None:
        return item if item["n"] % 2 else None

    def twice(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield item
        yield {"n": -item["n"]}

    chain = Chain(Rename("size", "count"), split, odd, twice)
    assert wire_forward(chain, {"size": 4}) == [{"n": 1}, {"n": -1}, {"n": 3}, {"n": -3}]
    assert chain.forward({"size": 4}) == [{"n": 1}, {"n": -1}, {"n": 3}, {"n": -3}]
    assert chain.forward({"size": 0}) is None
    assert Chain(split).forward({"count": 1}) == {"n": 0}
    assert Chain().forward({"a": 1}) == {"a": 1}
    assert Chain(Chain(split), Chain(odd)).forward({"count": 2}) == {"n": 1}


def test_a_chain_is_undone_from_its_end() -> None:
    """Steps that build on one another come apart in the other order."""
    chain = Chain(
        Move("a.b", "c"), Rename("c", "d"), Convert("d", exclaim, back=quieten), Default("e", 1)
    )
    new = chain.forward({"a": {"b": "x"}, "e": 1})
    assert new == {"a": {}, "d": "x!", "e": 1}
    assert chain.backward(new) == {"a": {"b": "x"}, "e": 1}
    with pytest.raises(TransformError, match="exclaim cannot be undone"):
        Chain(Rename("a", "b"), exclaim).backward({"b": 1})  # type: ignore[arg-type]
    with pytest.raises(TransformError, match="no way back"):
        Chain(Convert("b", exclaim)).backward({"b": "x"})


def test_a_drop_restores_what_its_back_makes() -> None:
    """The old value comes of the new item, where the map that it was in is there to hold it."""
    step = Drop("a.b", back=lambda item: [item["n"], item.get("a")])
    assert step.backward({"n": 1, "a": {"c": 2}}) == {"n": 1, "a": {"c": 2, "b": [1, {"c": 2}]}}
    for without in ({"n": 1}, {"n": 1, "a": "text"}):
        assert step.backward(without) == without
    with pytest.raises(TransformError, match=r"Drop\('b'\) raised ValueError") as caught:
        Drop("b", back=raising).backward({"a": SECRET})
    assert SECRET not in str(caught.value)
    with pytest.raises(InvalidItemError, match=r"Drop\('b'\): float"):
        Drop("b", back=lambda item: 1.5).backward({})


def louder(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "a": exclaim(item["a"])}


def lower(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "a": quieten(item["a"])}


def wire_backward(transform: Any, item: dict[str, Any]) -> dict[str, Any]:
    """What production sends to the old table."""
    return codec.decode(backward_wire(as_transform(transform), codec.encode(item)))


def test_a_pair_of_functions_goes_both_ways() -> None:
    """Wherever a transform is accepted, so is a function beside the one that undoes it."""
    assert as_transform((louder, lower)).old_key({"id": 1}) == {"id": 1}
    for transform in ((louder, lower), Chain((louder, lower)), Chain(Chain((louder, lower)))):
        assert wire_forward(transform, {"a": "x"}) == [{"a": "x!"}]
        assert wire_backward(transform, {"a": "x!"}) == {"a": "x"}
        assert no_way_back(as_transform(transform)) is None
        assert keeps_key(as_transform(transform), ["id"])
        assert "louder" in repr(as_transform(transform))


@pytest.mark.parametrize("wrong", [(louder,), (louder, lower, lower), (louder, 5), (louder, None)])
def test_what_is_no_pair_is_refused_at_once(wrong: Any) -> None:
    """A tuple of something else is a slip, and the message says what a pair is."""
    with pytest.raises(TransformError, match=r"\(forward, backward\)"):
        Chain(wrong)


class TurnsBack:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def forward(self, item: Any) -> Any:
        return item

    def old_key(self, new_key: Any) -> Any:
        return new_key

    def backward(self, item: Any) -> Any:
        return self.answer(item)


@pytest.mark.parametrize("answer", [lambda item: None, lambda item: [item], lambda item: SECRET])
def test_a_way_back_leads_to_one_item(answer: Any) -> None:
    """A way back that forgets its return, or makes several, is told by name."""
    for transform in (TurnsBack(answer), (louder, answer), Chain(TurnsBack(answer))):
        with pytest.raises(TransformError, match="return a dict") as caught:
            wire_backward(transform, {"a": SECRET})
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        (louder, "louder is a plain callable; give a pair"),
        (Convert("a", exclaim), "Convert('a') has no back="),
        (Chain(Drop("b"), Convert("a", exclaim), louder), "Convert('a') has no back="),
        (Chain(Drop("b"), Chain(louder)), "louder is a plain callable"),
        (LostWay(), "LostWay() has no backward(item)"),
        (Chain(Move("a", "b"), Rename("b", "c"), Default("d", 1), Drop("e")), None),
        (Convert("a", exclaim, back=quieten), None),
        (TurnsBack(lambda item: item), None),
    ],
)
def test_which_step_stands_in_the_way_back(transform: Any, reason: str | None) -> None:
    """Who plans a roll-out must learn which step to mend, when the migration is made."""
    found = no_way_back(as_transform(transform))
    assert found == reason or (reason and found and reason in found)
    if reason is None:
        assert Migration("m", "old", "new", transform, rolling=True).rolling
        return
    with pytest.raises(TransformError, match=r"cannot be undone|no way back"):
        wire_backward(transform, {"a": "x"})
    with pytest.raises(TransformError, match=f"rolling=True .*{re.escape(reason)}"):
        Migration("m", "old", "new", transform, rolling=True)


@pytest.mark.parametrize("seconds", [0.5, 0, -1, 86_401, float("nan"), "900", None, True])
def test_a_settle_time_out_of_range_is_refused(seconds: Any) -> None:
    """A slip in it would let a phase move on before those who knew another one have ended."""
    with pytest.raises(DualTableError, match="settle_seconds="):
        Migration("m", "old", "new", Drop("a"), settle_seconds=seconds)
    with pytest.raises(DualTableError, match="rolling="):
        Migration("m", "old", "new", Drop("a"), rolling="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("transform", "new_key", "old_key"),
    [
        (Move("id", "key"), {"key": 1, "day": 2}, {"id": 1, "day": 2}),
        (Move("id", "deep.key"), {"id": 1}, {"id": 1}),
        (Rename("nid", "id"), {"id": 1}, {"nid": 1}),
        (Rename("customer.nid", "id"), {"id": 1}, {"id": 1}),
        (Convert("id", exclaim, back=quieten), {"id": "x!"}, {"id": "x"}),
        (Convert("customer.id", exclaim), {"id": "x"}, {"id": "x"}),
        (Drop("id"), {"id": 1}, {"id": 1}),
        (Chain(Rename("a", "b"), Rename("b", "c"), Drop("z")), {"c": 1}, {"a": 1}),
        (Chain(exclaim), {"c": 1}, {"c": 1}),
        (Chain(), {"c": 1}, {"c": 1}),
    ],
)
def test_old_key_leads_back(
    transform: Any, new_key: dict[str, Any], old_key: dict[str, Any]
) -> None:
    """Each step knows what it did to a key, and a chain asks its steps from the last."""
    assert transform.old_key(new_key) == old_key


def test_a_way_back_that_is_missing_is_named() -> None:
    """Where no key can lead back, the error says what to write."""
    with pytest.raises(TransformError, match="old_key of its own"):
        Move("customer.id", "id").old_key({"id": 1})
    with pytest.raises(TransformError, match="back="):
        Convert("id", exclaim).old_key({"id": 1})
    with pytest.raises(TransformError, match="raised ValueError"):
        Convert("id", exclaim, back=raising).old_key({"id": 1})

    class Nowhere:
        def forward(self, item: Any) -> Any:
            return item

        def old_key(self, new_key: Any) -> None:
            return None

    assert Chain(Rename("a", "b"), Nowhere(), Rename("c", "d")).old_key({"d": 1}) is None


# -- properties ----------------------------------------------------------------------------------

names = st.sampled_from("abcde")
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
nested = st.recursive(
    strategies.scalars, lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=8
)
few_names = st.dictionaries(names, nested, max_size=4)
steps = (
    st.builds(Move, paths, paths)
    | st.builds(Rename, paths, names)
    | st.builds(lambda path: Convert(path, lambda v: [v], back=lambda v: v[0]), paths)
    | st.builds(Drop, paths)
    | st.builds(Default, paths, strategies.scalars)
)


def there(item: Any, path: tuple[str, ...]) -> bool:
    """Tell whether a path leads to a value."""
    for name in path:
        if not isinstance(item, dict) or name not in item:
            return False
        item = item[name]
    return True


@given(st.lists(steps, max_size=4), few_names)
def test_both_forms_agree(chain: list[Any], item: dict[str, Any]) -> None:
    """The wire form is a shortcut: the same items, or the same refusal; the old item stays."""
    wire = codec.encode(item)
    before = copy.deepcopy(wire)
    plain: Any = item
    try:
        for step in chain:
            plain = step.forward(plain)
    except TransformError as error:
        plain = str(error)
    try:
        found: Any = [codec.decode(output) for output in forward_wire(Chain(*chain), wire)]
    except TransformError as error:
        found = str(error)
    assert found == (plain if isinstance(plain, str) else [plain])
    assert wire == before
    if not isinstance(plain, str):
        assert forward_wire_alike(Chain(*chain), wire) == (forward_wire(Chain(*chain), wire), True)
        assert wire == before


@given(st.lists(steps, max_size=4), few_names)
def test_what_goes_back_comes_back(chain: list[Any], item: dict[str, Any]) -> None:
    """Whatever the steps and the item: one that comes back as it is, or an error by name (I9)."""
    layouts = (Layout(name, KeySchema("key"), {}) for name in ("old", "new"))
    found = Lineage(Chain(*chain), Marks("gone", "token"), *layouts)
    new = codec.encode({**item, "key": "k"})
    try:
        old = found.old_item(new)
    except TransformError as error:
        back = no_way_back(found.transform)
        assert back is not None or "does not lead back" in str(error)  # noqa: PT017
        return
    assert wire_forward(found.transform, codec.decode(old)) == [codec.decode(new)]


@given(few_names, paths, st.data())
def test_move_and_rename_can_be_undone(
    item: dict[str, Any], target: tuple[str, ...], data: st.DataObject
) -> None:
    """Whatever they could do to an item that had the attribute, they undo.

    A map that a move had to make for its target stays behind, empty: nobody can tell it from one
    that was there before. A move into itself has no way back.
    """
    source = data.draw(st.sampled_from([("a",), *all_paths(item)]))
    for step in (Move(source, target), Rename(source, target[-1:])):
        try:
            new = step.forward(item)
        except TransformError:
            continue
        made = isinstance(step, Move) and not there(item, target[:-1])
        inside = isinstance(step, Move) and target[: len(source)] == source
        if there(item, source) and not made and not inside:
            assert step.backward(new) == item


def all_paths(item: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path to everything in an item."""
    for name, value in item.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in all_paths(value))


@given(paths, few_names)
def test_convert_can_be_undone(path: tuple[str, ...], item: dict[str, Any]) -> None:
    """With the way back given, backward undoes it wherever the value is."""
    step = Convert(path, lambda value: {"was": value}, back=lambda value: value["was"])
    new = step.forward(item)
    assert (new != item) == there(item, path)
    assert step.backward(new) == item


class Name(str, enum.Enum):  # noqa: UP042 - formatted, it is not its text
    OLD = "region"
    NEW = "area"
    TABLE = "orders-v2"


@pytest.mark.parametrize(
    "step",
    [
        Move("customer.region", (Name.NEW,)),
        Move(("customer", Name.OLD), Name.NEW),
        Chain(Move("customer.region", "x"), Rename("x", (Name.NEW,))),
        Chain(Move("customer.region", "x"), Default((Name.NEW,), "eu")),
    ],
)
def test_a_name_may_be_a_member_of_an_enum(step: Transform) -> None:
    """It is stored, and said in statements, as the text that it is."""
    (item,) = forward_wire(step, codec.encode({"id": "o-1", "customer": {"region": "eu"}}))
    assert {type(name) for name in item} == {str}
    assert "'area': ?" in str(insert_statement("orders-v2", PackedItem.of(item).names))


def test_a_table_may_be_named_by_a_member_of_an_enum() -> None:
    """It is part of statements, too, and its index's name of a request."""
    index = Index(Name.OLD, KeySchema((Name.NEW, "N")))
    plan = Migration(Name.OLD, Name.OLD, Name.TABLE, Move("a", "b"), indexes=[index])
    texts = (plan.name, plan.old, plan.new, *(index.name, *index.key.names))
    assert [f"{text}" for text in texts] == ["region", "region", "orders-v2", "region", "area"]


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("step", "item"),
    [
        (Move("a", "p.q.r"), {"a": _nested(30)}),
        (Chain(Move("a", "p.q.r"), Drop("b")), {"a": _nested(30), "b": 1}),
        (Move("a", ("x",) * 33), {"a": 1}),
        (Convert("p.q", lambda value: _nested(31)), {"p": {"q": 1}}),
        (Default("p.q", _nested(31)), {"p": {}}),
    ],
)
def test_what_a_step_nests_too_deeply_is_told(step: Transform, item: dict[str, Any]) -> None:
    """DynamoDB would refuse it, so a dry run that calls it well would be wrong."""
    for old in (codec.encode({"id": "o-1", **item}), raw({"id": "o-1", **item})):
        with pytest.raises(InvalidItemError, match="nested deeper"):
            forward_wire(step, old)
    at_most = Move("a", "p.q.r")
    (moved,) = forward_wire(at_most, raw({"id": "o-1", "a": _nested(29)}))
    assert codec.decode(json.decoded(moved))["p"]["q"]["r"] == _nested(29)


def raw(item: dict[str, Any]) -> Any:
    """Return an item as a scan brings it."""
    body = json.to_json({"Items": [codec.encode(item)], "Count": 1, "ScannedCount": 1})
    (found,) = json.page_from_json(body)["Items"]
    return found
