"""Items that are still the JSON that they came as: nobody can tell, and nothing of it changes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.test_transforms import few_names, steps
from wire.test_lazy_items import Runner, plain, programs, stored

from dualtable import Chain, Convert, Default, Drop, Move, Rename
from dualtable._control.digests import digest_of, in_order
from dualtable._control.phases import ROUTES, Phase
from dualtable._dynamodb.bodies import Answer, NoAnswer
from dualtable._production.shadow import Shadow
from dualtable._transforms.applying import forward_wire, forward_wire_alike
from dualtable._transforms.transform import Function
from dualtable._wire import codec, lazy
from dualtable._wire.json import RawItem, kept, page_from_json, to_json, to_sorted_json
from dualtable._wire.marks import Marks
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireItem
from dualtable._wire.values import equal_items
from dualtable.errors import DualTableError


def shuffled(value: Any, chance: random.Random) -> Any:
    """Return JSON whose names are in another order; lists stay, and so do sets."""
    if isinstance(value, list):
        return [shuffled(member, chance) for member in value]
    if not isinstance(value, dict):
        return value
    names = chance.sample(sorted(value), len(value))
    return {name: shuffled(value[name], chance) for name in names}


def spelled(value: Any, seed: int, *, shuffles: bool = True, **spaces: Any) -> bytes:
    """Write JSON as some server might: other orders, escapes, spaces where there are to be some."""
    chance = random.Random(seed)
    return json.dumps(
        shuffled(value, chance) if shuffles else value,
        ensure_ascii=chance.random() < 0.5,
        **(spaces or {"separators": (",", ":")}),
    ).encode()


def raw(wire: WireItem, seed: int = 0, *, shuffles: bool = True) -> WireItem:
    """Return an item as a scan brings it."""
    page = spelled({"Items": [wire], "Count": 1, "ScannedCount": 1}, seed, shuffles=shuffles)
    (item,) = page_from_json(page)["Items"]
    assert type(item) is RawItem
    return item


def raw_values(item: WireItem) -> dict[str, bytes]:
    """Return those values that nobody has set, as they are."""
    return {n: bytes(v) for n, v in kept(item).items() if isinstance(v, msgspec.Raw)}


seeds = st.integers(0, 1000)
programs_of_steps = st.lists(steps, max_size=4)


@given(strategies.items, seeds)
def test_it_is_the_item(item: dict[str, Any], seed: int) -> None:
    """Whatever is asked of it: it answers as the decoded item does."""
    wire = codec.encode(item)
    given = raw(wire, seed)
    assert given == wire
    assert wire == given
    assert raw(wire, seed) == raw(wire, seed + 1)
    assert equal_items(given, wire)
    assert equal_items(wire, raw(wire, seed + 1))
    assert codec.decode(raw(wire, seed)) == item
    assert dict(raw(wire, seed)) == {**raw(wire, seed)} == wire
    assert set(given) == given.keys() == wire.keys()
    assert sorted(map(str, given.values())) == sorted(map(str, raw(wire, seed).decoded().values()))  # type: ignore[attr-defined]
    assert all(name in given and given.get(name) == value for name, value in wire.items())
    assert given.get("no such name") is None
    assert len(given) == len(wire)


@given(strategies.items, seeds, st.sampled_from([{"indent": 1}, {"separators": (", ", ": ")}]))
def test_what_is_spelled_with_spaces_is_decoded(
    item: dict[str, Any], seed: int, spaces: dict[str, Any]
) -> None:
    """Some servers write them; what is summed up of such an item is the same."""
    wire = codec.encode(item)
    (found,) = page_from_json(spelled({"Items": [wire]}, seed, **spaces))["Items"]
    assert type(found) is dict
    assert found == wire
    assert digest_of(PackedItem.of(found)) == digest_of(PackedItem.of(raw(wire, seed)))


@given(strategies.items, strategies.names, strategies.values, seeds)
def test_a_copy_is_ones_own(item: dict[str, Any], name: str, value: Any, seed: int) -> None:
    """What is set or taken away in one is not in the other, whoever has looked at it before."""
    wire = codec.encode(item)
    given = raw(wire, seed)
    for look in (False, True):
        twin = copy.copy(given)
        if look:
            assert codec.decode(twin) == item
        twin[name] = codec.encode_value(value)
        expected = {**item, name: value}
        assert codec.decode(twin) == codec.decode(codec.encode(expected))
        assert twin == codec.encode(expected)
        del twin[name]
        assert name not in twin
        assert twin == {n: v for n, v in wire.items() if n != name}
        assert given == wire


@given(strategies.items, seeds)
def test_packed_it_is_the_same_item(item: dict[str, Any], seed: int) -> None:
    """What goes out means the same, and so does what is summed up of it, however it was spelled."""
    wire = codec.encode(item)
    packed = PackedItem.of(raw(wire, seed))
    assert packed.item() == wire
    assert packed.names == PackedItem.of(wire).names
    assert packed.json_bytes() >= packed.size() == PackedItem.of(wire).size()
    assert digest_of(packed) == digest_of(PackedItem.of(wire))
    assert in_order(packed) == in_order(PackedItem.of(raw(wire, seed + 1)))


@given(programs_of_steps, few_names, seeds)
def test_steps_make_the_same_of_it(chain: list[Any], item: dict[str, Any], seed: int) -> None:
    """The same items or the same refusal; what no step has set goes on byte for byte."""
    wire = codec.encode(item)
    given = raw(wire, seed)
    before = raw_values(given)
    transform = chain[0] if len(chain) == 1 else Chain(*chain)
    found, expected = outcome(transform, given), outcome(transform, wire)
    assert found == expected
    assert given == wire
    assert raw_values(given) == before
    if isinstance(expected, str):
        return
    outputs, alike = forward_wire_alike(transform, raw(wire, seed))
    assert alike
    touched = {path[0] for step in chain for path in step.paths}
    for output, other in zip(outputs, expected, strict=True):
        assert digest_of(PackedItem.of(output)) == digest_of(PackedItem.of(other))
        assert {*raw_values(output).values()} <= {*before.values()}  # also what was moved
        assert apart_from(touched, raw_values(output)) == apart_from(touched, before)
        assert all(text in PackedItem.of(output).values for text in raw_values(output).values())


@pytest.mark.parametrize(
    ("chain", "decoded"),
    [
        ([Move("a", "b")], ""),
        ([Rename("a", "b")], ""),
        ([Drop("a"), Default("b", 1)], "b"),
        ([Move("a", "b"), Rename("b", "c")], ""),
        ([Move("a", "b"), Move("b.x", "c")], "bc"),
        ([Rename("a", "b"), Rename("b", "c"), Convert("c", str)], "c"),
        ([Move("a", "b.x"), Drop("b.x.y")], "b"),
        ([Convert("a", str), Move("a", "b")], "b"),
    ],
)
def test_what_a_step_does_not_go_into_is_moved_as_it_came(chain: list[Any], decoded: str) -> None:
    """Whatever a later step goes into is decoded, under whichever name it was before."""
    wire = codec.encode({"id": "o-1", "a": {"x": {"y": "z"}}, "n": [1, {"m": {}}]})
    for transform in (Chain(*chain), *(chain if len(chain) == 1 else ())):
        (expected,) = forward_wire(transform, wire)
        (output,), alike = forward_wire_alike(transform, raw(wire, 0))
        assert alike
        assert output == expected
        assert raw_values(output).keys() == expected.keys() - set(decoded)


def test_a_step_of_somebodys_own_may_look_at_anything() -> None:
    """What is made of one of ours is given an item in wire form, whatever its paths say."""

    class Copied(Move):
        def change(self, draft: WireItem) -> None:
            super().change(draft)
            draft["b"] = {"S": draft["a"]["S"]}

    wire = codec.encode({"id": "o-1", "a": "x", "c": "y"})
    for transform in (Copied("c", "d"), Chain(Copied("c", "d"))):
        (output,) = forward_wire_alike(transform, raw(wire, 0))[0]
        assert codec.decode(output) == {"id": "o-1", "a": "x", "b": "x", "d": "y"}


def apart_from(names: set[str], values: dict[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in values.items() if name not in names}


def outcome(transform: Any, item: WireItem) -> Any:
    try:
        return forward_wire(transform, item)
    except DualTableError as error:
        return f"{type(error).__name__}: {error}"


@settings(max_examples=300)
@given(strategies.items, programs, seeds)
def test_callables_make_the_same_of_it(item: dict[str, Any], program: list[Any], seed: int) -> None:
    """No program can tell, and what it was given stays."""
    wire = codec.encode(item)
    given = raw(wire, seed, shuffles=False)  # to a dict the order of names is something
    runners = Runner(lazy.decode(wire)), Runner(lazy.decode(given))
    for way, which, name, value in program:
        for runner in runners:
            runner.step(way, which, name, copy.deepcopy(value))
    one, other = runners
    assert plain(other.results) == plain(one.results)
    for mine, theirs in zip(other.values, one.values, strict=True):
        assert stored(mine) == stored(theirs)
    assert given == wire


def test_what_a_callable_leaves_alone_is_not_even_decoded() -> None:
    """It stays bytes, also where all of the item is copied."""
    wire = codec.encode({"id": "o-1", "total": 7, "lines": [{"sku": "a"}], "note": {"x": "y"}})
    given = raw(wire)

    def change(item: dict[str, Any]) -> dict[str, Any]:
        assert item["id"] == "o-1"
        item["total"] += 1
        return item

    (output,) = forward_wire(Function(change), given)
    assert raw_values(output).keys() == {"lines", "note"}
    assert given.seen.keys() == {"id", "total"}  # type: ignore[attr-defined]

    def spread(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "total": item["total"] + 1}

    (output,) = forward_wire(Function(spread), raw(wire))
    assert raw_values(output).keys() == {"id", "lines", "note"}


@pytest.mark.parametrize(
    "change", [lambda i: i.update(a={"S": "b"}), lambda i: i.pop("a"), lambda i: i.setdefault("z")]
)
def test_it_is_changed_as_a_dict_is(change: Callable[[Any], Any]) -> None:
    """By every method that a dict has."""
    wire = {"a": {"S": "x"}, "b": {"N": "1"}}
    given = raw(wire)
    assert change(given) == change(wire)
    assert given == wire


def test_an_answer_to_a_batch_read_is_raw() -> None:
    """Its items, and not its keys."""
    key = {"id": {"S": "o-2"}}
    body = {"Responses": {"orders": [{"id": {"S": "o-1"}}]}, "UnprocessedKeys": {"orders": [key]}}
    found = Answer.of(200, {}, spelled(body, 0)).result("BatchGetItem")
    assert type(found["Responses"]["orders"][0]) is RawItem
    assert found["UnprocessedKeys"] == {"orders": [key]}


class Label(str):
    """Text of a class of somebody's own, as some libraries have it."""

    __slots__ = ()


class Code(StrEnum):
    """Members that are texts."""

    OPEN = "open"


@pytest.mark.parametrize("value", [Label("x"), Code.OPEN, {Label("x"), "y"}, [{"k": Label("x")}]])
def test_texts_of_other_classes_go_out_as_text(value: Any) -> None:
    """What the codec takes can be sent, and read again."""

    def change(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "set": value}

    (output,) = forward_wire(Function(change), raw({"id": {"S": "o-1"}, "n": {"N": "1"}}))
    assert codec.decode(PackedItem.of(output).item()) == {"id": "o-1", "n": 1, "set": value}
    assert codec.decode(output) == {"id": "o-1", "n": 1, "set": value}
    assert json.loads(to_json({"Limit": type("Count", (int,), {})(7)})) == {"Limit": 7}


@given(strategies.items, seeds)
def test_sorted_it_has_one_spelling(item: dict[str, Any], seed: int) -> None:
    """Also what nobody has looked at."""
    wire = codec.encode(item)
    assert to_sorted_json(raw(wire, seed)) == to_sorted_json(wire)
    assert json.loads(to_json([raw(wire, seed)])) == [wire]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[1]",
        b'{"Items": 7}',
        b"{}",
        b"\xff",
        b"[" * 99_999,
        b'{"Items": [{"a": {"S": "\xff"}}]}',
    ],
)
def test_what_is_no_answer_is_none(body: bytes) -> None:
    """A proxy's page, or something that is damaged, is tried again and never taken for a table."""
    for operation in ("Scan", "GetItem"):
        if operation == "Scan" or not body.startswith(b"{"):
            with pytest.raises(NoAnswer):
                Answer.of(200, {}, body).result(operation)


async def test_a_hit_that_waits_for_its_shadow_read_keeps_no_page() -> None:
    """It waits in a queue, and all of an answer stays in memory as long as one raw item of it."""
    lineage = SimpleNamespace(
        marks=Marks("dead", "token"), old=SimpleNamespace(identity="old"), old_key=lambda _: None
    )
    shadow = Shadow(None, lineage, share=1.0)  # type: ignore[arg-type] # asked for nothing here
    shadow.offer({"id": {"S": "o-1"}}, raw({"id": {"S": "o-1"}}), ROUTES[Phase.MIGRATED])
    ((_, item),) = shadow._waiting
    assert type(item) is dict
    await shadow.close()
