"""Items that are decoded where they are looked at are dicts of plain values to whoever has them."""

from __future__ import annotations

import copy
import enum
import functools
import heapq
import json
import operator
import pickle
from collections import ChainMap, Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from dualtable._wire import codec
from dualtable._wire.lazy import LazyDict, decode, encode
from dualtable._wire.types import WireItem
from dualtable.errors import InvalidItemError

ITEM = {
    "id": "o-1",
    "total": Decimal("12.5"),
    "paid": True,
    "note": None,
    "tags": {"a"},
    "photo": b"\x00",
    "customer": {"name": "Ann", "address": {"city": "Bonn", "codes": [Decimal(1), "x"]}},
    "lines": [{"sku": "s-1", "count": Decimal(2)}, "free", [Decimal(3)]],
}


def lazy(item: dict[str, Any] = ITEM) -> LazyDict:
    return decode(codec.encode(item))


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the class of what it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the class of any is the outcome
        return type(error)


def letters(text: str) -> list[str]:
    """Return what two texts have in common that differ in the order of a set's members."""
    return sorted(text)


def rank(value: Any) -> list[str]:
    return letters(repr(value))


def called_with(**named: Any) -> dict[str, Any]:
    return named


def plain(value: Any) -> Any:
    """Return a value with the classes replaced that a plain one would not have."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) is tuple else list(map(plain, value))
    return value


# -- any item, any program ------------------------------------------------------------------------

WAYS_INTO_A_DICT: list[Callable[[Any, str, Any], Any]] = [
    lambda d, n, v: d[n],
    lambda d, n, v: d.get(n),
    lambda d, n, v: d.get(n, v),
    operator.setitem,
    lambda d, n, v: operator.delitem(d, n),
    lambda d, n, v: d.pop(n),
    lambda d, n, v: d.pop(n, v),
    lambda d, n, v: d.popitem(),
    lambda d, n, v: d.setdefault(n, v),
    lambda d, n, v: d.update({n: v}),
    lambda d, n, v: d.update(d),
    lambda d, n, v: d.clear(),
    lambda d, n, v: n in d,
    lambda d, n, v: len(d),
    lambda d, n, v: bool(d),
    lambda d, n, v: list(d),
    lambda d, n, v: list(reversed(d)),
    lambda d, n, v: list(d.keys()),
    lambda d, n, v: list(d.values()),
    lambda d, n, v: list(d.items()),
    lambda d, n, v: sorted(d),
    lambda d, n, v: letters(repr(d)),
    lambda d, n, v: dict(d),
    lambda d, n, v: {**d, n: v},
    lambda d, n, v: called_with(**d),
    lambda d, n, v: d | {n: v},
    lambda d, n, v: {n: v} | d,
    lambda d, n, v: d | d,
    lambda d, n, v: operator.ior(d, {n: v}),
    lambda d, n, v: operator.ior({n: v}, d),
    lambda d, n, v: d == {n: v},
    lambda d, n, v: {n: v} == d,
    lambda d, n, v: d != dict(d),
    lambda d, n, v: d == d.copy(),
    lambda d, n, v: d < {n: v},
    lambda d, n, v: d.copy(),
    lambda d, n, v: copy.copy(d),
    lambda d, n, v: copy.deepcopy(d),
    lambda d, n, v: pickle.loads(pickle.dumps(d)),
    lambda d, n, v: type(d)(d),
    lambda d, n, v: type(d).fromkeys(d, v),
    lambda d, n, v: hash(d),
    lambda d, n, v: d.get([]),
    lambda d, n, v: d.pop(),
    lambda d, n, v: letters("%(a)s" % d),  # noqa: UP031
    lambda d, n, v: letters(str.format_map("{a}", d)),
    lambda d, n, v: operator.itemgetter(n)(d),
    lambda d, n, v: ChainMap({}, d).get(n),
    lambda d, n, v: defaultdict(list, d) | {n: v},
    lambda d, n, v: list(OrderedDict(d).items()),
    lambda d, n, v: Counter(list(d)),
    lambda d, n, v: letters(json.dumps(d, default=str)),
    lambda x, n, v: x.setdefault(n, list(x.values())),
    lambda x, n, v: x.setdefault(n, {**x}),
    lambda x, n, v: x.pop(n, len({**x})),
    lambda x, n, v: [list(look()) for look in [x.items] * 2],
    lambda x, n, v: list(map(x.pop, list(x.keys()))),
]

WAYS_INTO_A_LIST: list[Callable[[Any, int, Any], Any]] = [
    lambda x, n, v: x[n],
    lambda x, n, v: x[n:],
    operator.setitem,
    lambda x, n, v: operator.setitem(x, slice(n, None), [v]),
    lambda x, n, v: operator.delitem(x, n),
    lambda x, n, v: x.append(v),
    lambda x, n, v: x.extend([v]),
    lambda x, n, v: x.extend(x),
    lambda x, n, v: x.insert(n, v),
    lambda x, n, v: x.pop(),
    lambda x, n, v: x.pop(n),
    lambda x, n, v: x.remove(v),
    lambda x, n, v: x.clear(),
    lambda x, n, v: x.reverse(),
    lambda x, n, v: x.sort(key=rank),
    lambda x, n, v: x.index(v),
    lambda x, n, v: x.count(v),
    lambda x, n, v: v in x,
    lambda x, n, v: len(x),
    lambda x, n, v: bool(x),
    lambda x, n, v: list(x),
    lambda x, n, v: [*x, v],
    lambda x, n, v: tuple(x),
    lambda x, n, v: list(reversed(x)),
    lambda x, n, v: sorted(x, key=rank),
    lambda x, n, v: x + [v],  # noqa: RUF005 - the operator is what is tried
    lambda x, n, v: [v] + x,  # noqa: RUF005
    lambda x, n, v: x + x,
    lambda x, n, v: operator.iadd(x, [v]),
    lambda x, n, v: operator.iadd([v], x),
    lambda x, n, v: x * 2,
    lambda x, n, v: 2 * x,
    lambda x, n, v: operator.imul(x, 2),
    lambda x, n, v: x == [v],
    lambda x, n, v: [v] == x,
    lambda x, n, v: x != list(x),
    lambda x, n, v: x < [v],
    lambda x, n, v: [v] <= x,
    lambda x, n, v: letters(repr(x)),
    lambda x, n, v: x.copy(),
    lambda x, n, v: copy.copy(x),
    lambda x, n, v: copy.deepcopy(x),
    lambda x, n, v: pickle.loads(pickle.dumps(x)),
    lambda x, n, v: type(x)(x),
    lambda x, n, v: hash(x),
    lambda x, n, v: letters(json.dumps(x, default=str)),
    lambda x, n, v: x.__init__([v]),
]


class Runner:
    """Runs a program of operations on an item; each may go on with what an earlier one returned."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.values: list[Any] = [item]
        self.results: list[Any] = []  # looked into at the end only: to look is to touch

    def step(self, way: int, which: int, name: str, value: Any) -> None:
        target = self.values[which % len(self.values)]
        if isinstance(target, dict):
            call: Any = WAYS_INTO_A_DICT[way % len(WAYS_INTO_A_DICT)]
            argument: Any = [*target, name][way % (len(target) + 1)]
        else:
            call = WAYS_INTO_A_LIST[way % len(WAYS_INTO_A_LIST)]
            argument = way % 4 - 1
        result = outcome(lambda: call(target, argument, value))
        found = result if isinstance(result, list) else [result]
        self.values += [member for member in found if isinstance(member, (dict, list))]
        self.results.append(result)


programs = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 50), strategies.names, strategies.values),
    max_size=12,
)


def test_no_single_operation_can_tell_the_difference() -> None:
    """Each on values that nobody has touched, with a name that is there and one that is not."""
    eager = codec.decode(codec.encode(ITEM))
    for way in WAYS_INTO_A_DICT:
        for name in ("total", "customer", "missing"):
            same(way, lazy(), copy.deepcopy(eager), name)
    for way in WAYS_INTO_A_LIST:
        for place in (0, -1, 7):
            same(way, lazy()["lines"], copy.deepcopy(eager["lines"]), place)


def same(way: Callable[[Any, Any, Any], Any], late: Any, eager: Any, argument: Any) -> None:
    """Try one operation on both: what comes out and what is left must be equal."""
    outcomes = [outcome(lambda t=target: way(t, argument, [1])) for target in (late, eager)]
    assert stored(late) == stored(eager)
    assert plain(outcomes[0]) == plain(outcomes[1])
    assert plain(late) == plain(eager)


@settings(max_examples=300)
@given(strategies.items, programs)
def test_no_program_can_tell_the_difference(item: dict[str, Any], program: list[Any]) -> None:
    """Each step returns or raises the same, and what is stored in the end is the same."""
    wire = codec.encode(item)
    untouched = copy.deepcopy(wire)
    eager, late = Runner(codec.decode(wire)), Runner(decode(wire))
    for way, which, name, value in program:
        for runner in (eager, late):
            runner.step(way, which, name, copy.deepcopy(value))
    for one, other in zip(late.values, eager.values, strict=True):
        assert stored(one) == stored(other)
        if isinstance(one, dict):
            given = late.values[0]
            assert sent(lambda o=one: encode(o, given)) == sent(lambda o=other: codec.encode(o))
    assert plain(late.results) == plain(eager.results)
    assert wire == untouched


@settings(max_examples=300)
@given(strategies.items, programs)
def test_an_item_can_be_given_again(item: dict[str, Any], program: list[Any]) -> None:
    """Whatever has become of the first one, the second is as the first was."""
    wire = codec.encode(item)
    given = decode(wire)
    runners = [Runner(given)]
    for number in range(3):
        if number:
            runners.append(Runner(given.again()))
            assert list(given.again()) == list(wire)
            assert all(given.again()[name] is given.decoded[name] for name in given.decoded)
        for way, which, name, value in program:
            runners[-1].step(way, which, name, copy.deepcopy(value))
    for runner in runners[1:]:
        assert plain(runner.results) == plain(runners[0].results)
        for one, other in zip(runner.values, runners[0].values, strict=True):
            assert stored(one) == stored(other)
            if isinstance(one, dict):
                assert sent(lambda o=one, g=runner.values[0]: encode(o, g)) == sent(
                    lambda o=other: encode(o, given)
                )


def sent(encode: Callable[[], WireItem]) -> Any:
    """Return what a transform's output is read back as, or the error."""
    try:
        return codec.decode(encode())
    except InvalidItemError as error:
        return str(error)


def stored(value: Any) -> Any:
    """Return what an item with the value in it is stored as, or the error."""
    try:
        items = [value] if isinstance(value, dict) else []
        return [codec.decode(codec.encode(item)) for item in [*items, {"inside": [value]}]]
    except InvalidItemError as error:
        return str(error)


@given(strategies.items)
def test_what_was_not_touched_goes_back_as_it_came(item: dict[str, Any]) -> None:
    """Not only equal: the very same objects, with whatever spelling the numbers have."""
    wire = codec.encode(item)
    back = codec.encode(decode(wire))
    assert back == wire
    assert all(back[name] is wire[name] for name in wire)


def test_a_nested_value_is_carried_into_a_new_dict_as_it_came() -> None:
    """The usual way to write a transform costs nothing for what it leaves alone."""
    wire = codec.encode(ITEM)
    back = codec.encode({**decode(wire), "more": 1})
    assert back["customer"]["M"] is wire["customer"]["M"]
    assert back["lines"]["L"] is wire["lines"]["L"]


def test_a_plain_value_in_its_place_goes_back_as_it_came() -> None:
    """Nor does a function that copies the item pay for the values that it leaves alone."""
    wire = codec.encode(ITEM) | {"price": {"N": "1.50"}}
    given = decode(wire)
    back = encode({**given, "total": 3, "moved": given["price"]}, given)
    assert back["price"] is wire["price"]
    assert (back["moved"], back["total"]) == ({"N": "1.5"}, {"N": "3"})


def test_what_only_looks_the_same_is_stored_as_what_it_is() -> None:
    """To Python, True is 1, and an enum's member is its text."""
    given = decode({"id": {"S": "o-1"}, "count": {"N": "1"}})
    assert encode({**given, "count": True}, given)["count"] == {"BOOL": True}
    assert encode({Name.ID: given["id"]}, given) == {"id": {"S": "o-1"}}
    assert encode({Loose("ID"): given["id"]}, given) == {"ID": {"S": "o-1"}}


class Name(str, enum.Enum):  # noqa: UP042 - the way of older Pythons, and their repr
    ID = "id"


class Loose(str):
    """A name that is equal to the same in other letters."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self) -> int:
        return hash(self.lower())


@pytest.mark.parametrize(
    "leak",
    [
        lambda item: {"id": item["id"], "amount": dict.get(item, "total")},
        lambda item: {"id": item["id"], "paid": dict.get(item, "total")},
        lambda item: {"id": item["id"], "name": dict.get(item["customer"], "name")},
        lambda item: {**item, "address": dict.get(item["customer"], "address")},
        lambda item: item | {"customer": {"name": dict.get(item["customer"], "name")}},
        lambda item: item.update(amount=dict.get(item, "total")) or item,
    ],
)
def test_a_value_that_somebody_got_past_the_methods_is_never_left_out(leak: Any) -> None:
    """C code may do so; the error is better than an item without the value."""
    given = decode(codec.encode(ITEM | {"name": "of the root"}))
    with pytest.raises(InvalidItemError, match="not a DynamoDB type"):
        encode(leak(given), given)


# -- one way at a time ----------------------------------------------------------------------------


def test_what_is_read_is_kept() -> None:
    """Who changes a nested value in place finds the change where it was made."""
    item = lazy()
    item["customer"]["address"]["city"] = "Kiel"
    item["lines"][0]["count"] += 1
    assert item["customer"]["address"]["city"] == "Kiel"
    assert codec.decode(codec.encode(item))["lines"][0]["count"] == 3


def test_a_copy_shares_what_is_nested_and_a_deep_one_does_not() -> None:
    """As with any dict."""
    item = lazy()
    shallow, deep = item.copy(), copy.deepcopy(item)
    item["customer"]["name"] = "Bea"
    assert shallow["customer"]["name"] == "Bea"
    assert deep["customer"]["name"] == "Ann"


def all_values(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from all_values(each)


WRITERS: list[Callable[[Any], Any]] = [
    functools.partial(json.dumps, default=str),
    functools.partial(orjson.dumps, default=str),
]


@pytest.mark.parametrize(
    "touch",
    [
        lambda item: None,
        lambda item: item["customer"]["address"],
        lambda item: item.settle(),
        repr,
    ],
)
@pytest.mark.parametrize("write", WRITERS)
def test_a_deep_copy_is_plain_all_the_way_down(
    write: Callable[[Any], Any], touch: Callable[[Any], Any]
) -> None:
    """Pydantic, orjson and msgspec read dicts past their methods: this is what they can be given.

    However much of the item has been looked at before, and whatever part of it is copied.
    """
    item = lazy()
    touch(item)
    for each in (item, item.again(), {"item": item, "in": [item["customer"]]}):
        twin, eager = copy.deepcopy(each), codec.decode(codec.encode(each))
        assert [*map(type, all_values(twin))] == [*map(type, all_values(eager))]
        assert twin == eager
        assert write(twin) == write(eager)
        assert write(copy.deepcopy(item["lines"])) == write(ITEM["lines"])


def test_a_deep_copy_of_what_holds_itself() -> None:
    """A loop stays one, as with any dict."""
    item = lazy()
    item["self"] = item
    twin = copy.deepcopy(item)
    assert twin["self"] is twin
    assert type(twin) is dict


def test_a_deep_copy_keeps_what_is_one_object_one() -> None:
    """The memo of copy.deepcopy is honoured."""
    item = lazy()
    item["again"] = item["lines"]
    item["same"] = item["customer"]
    item["lines"].append(1)
    twin = copy.deepcopy(item)
    assert twin["again"] is twin["lines"]
    assert twin["same"] is twin["customer"]


@pytest.mark.parametrize("get", [lambda item: item, operator.itemgetter("lines")])
def test_equality_has_no_sides(get: Callable[[Any], Any]) -> None:
    """Whoever is asked first, and whether one is lazy or both, nobody has touched them before."""
    for one, other in ((lazy, lazy), (lazy, lambda: ITEM), (lambda: ITEM, lazy)):
        assert get(one()) == get(other())
        assert not get(one()) != get(other())  # noqa: SIM202 - another method than ==
    assert lazy() != {**ITEM, "total": 1}
    assert lazy()["lines"] + lazy()["lines"] == [*ITEM["lines"], *ITEM["lines"]]
    assert lazy() | lazy({"id": "o-2", "new": 1}) == {**ITEM, "id": "o-2", "new": 1}
    assert {"id": "o-2", "new": 1} | lazy() == {"new": 1, **ITEM}


def test_patterns_match() -> None:
    """`match` asks by the methods of a mapping and of a sequence."""
    match lazy():
        case {"customer": {"address": {"city": city}}, "lines": [{"sku": sku}, *others], **rest}:
            assert (city, sku, others) == ("Bonn", "s-1", ["free", [Decimal(3)]])
            assert rest["total"] == Decimal("12.5")
        case _:
            pytest.fail("no match")


def test_what_is_made_of_its_class_is_a_plain_one() -> None:
    """Generic code rebuilds containers as type(value)(…)."""
    item = lazy()
    assert type(type(item)([("a", 1)])) is dict
    assert type(type(item["lines"])([1])) is list


@pytest.mark.parametrize(
    "reach", [orjson.dumps, dict.__repr__, lambda item: [*dict.values(item)] == [1]]
)
def test_whatever_reaches_past_the_methods_fails(reach: Callable[[Any], Any]) -> None:
    """It never sees the wire form, and never gets a wrong answer."""
    item = lazy({"id": "o-1"})
    seen = outcome(lambda: reach(item))
    told = "{'id': <not decoded: give copy.deepcopy(item) instead>}"
    assert seen in (told, TypeError, orjson.JSONEncodeError)


@pytest.mark.parametrize(
    "change",
    [
        lambda item: heapq.heappush(item["none"], 5),
        lambda item: heapq.heappop(item["one"]),
        lambda item: heapq.heapreplace(item["one"], 9),
        lambda item: list.append(item["one"], 2),
        lambda item: list.extend(item["none"], [2]),
        lambda item: list.insert(item["one"], 0, 2),
        lambda item: list.pop(item["one"]),
        lambda item: list.clear(item["one"]),
        lambda item: list.__setitem__(item["one"], 0, 2),
        lambda item: (list.append(item["none"], 2), item["none"] == [2]),
        lambda item: item.update(one=(list.append(item["one"], 2), {"in": item["one"]})[1]),
    ],
)
def test_a_change_of_a_list_past_its_methods_is_not_lost(change: Callable[[Any], Any]) -> None:
    """Whether it is looked at afterwards or not: an item without the change is no answer."""

    def transformed() -> WireItem:
        item = lazy({"id": "o-1", "none": [], "one": [1]})
        change(item)
        return encode(item, item)

    with pytest.raises(InvalidItemError, match=r"copy\.deepcopy\(item\)"):
        transformed()


def test_what_is_not_decoded_cannot_be_stored() -> None:
    """Not even where a transform has got hold of the placeholder."""
    (waiting,) = dict.values(lazy({"id": "o-1"}))
    with pytest.raises(InvalidItemError, match="thief"):
        codec.encode({"thief": waiting})
    for use in (bool, str, hash, len, copy.deepcopy, pickle.dumps, lambda value: value == 1):
        with pytest.raises(TypeError, match="not decoded"):
            use(waiting)


def test_a_map_that_moves_deeper_is_judged_there() -> None:
    """It was within the limit where it came from; that says nothing of where it goes."""
    deepest: dict[str, Any] = {}
    for _ in range(codec.MAX_DEPTH - 1):
        deepest = {"m": deepest}
    given = lazy({"id": "o-1", "top": deepest})
    given.settle()
    for item in (lazy({"id": "o-1", "top": deepest}), given.again()):
        assert codec.encode({"other": item["top"]})
        with pytest.raises(InvalidItemError, match="nested deeper"):
            codec.encode({"wrapped": {"in": item["top"]}})
        with pytest.raises(InvalidItemError, match="nested deeper"):
            codec.encode({"wrapped": item})


def test_a_nameless_attribute_may_be_nested_but_not_become_the_items() -> None:
    """DynamoDB takes the empty name inside a map only."""
    item = lazy({"id": "o-1", "map": {"": 1}})
    assert codec.encode(item)
    with pytest.raises(InvalidItemError, match="name is empty"):
        codec.encode(item["map"])


class Odd(str, enum.Enum):  # noqa: UP042 - equal to its text, and of another hash
    REGION = "region"
    AREA = "area"


def _spread(item: dict[str, Any]) -> dict[str, Any]:
    del item["region"]
    return {**item, Odd.AREA: "x"}


def _in_place(item: dict[str, Any]) -> dict[str, Any]:
    del item["region"]
    item[Odd.AREA] = "x"
    return item


@pytest.mark.parametrize("change", [_spread, _in_place])
def test_a_name_of_an_enum_is_its_text(change: Callable[[Any], Any]) -> None:
    """Also where it takes the place of what is left out."""
    given = decode(codec.encode({"id": "o-1", "region": "eu", "n": 1}))
    assert encode(change(given), given) == codec.encode({"id": "o-1", "n": 1, "area": "x"})


def test_a_name_of_an_enum_takes_the_place_of_its_text() -> None:
    given = decode(codec.encode({"id": "o-1", "region": "eu"}))
    del given["region"]
    given[Odd.REGION] = "us"
    assert encode(given, given) == codec.encode({"id": "o-1", "region": "us"})
