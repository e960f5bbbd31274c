"""What a field may hold: how each type is stored, and that nothing else is read as it."""

import collections
import dataclasses
import datetime
import enum
import types
import typing
import uuid
from collections import abc
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
)

import attrs
import msgspec
import pytest
from typing_extensions import TypeAliasType

from dualtable import ModelTransform
from dualtable._transforms.models import check_model, from_item, to_item
from dualtable._wire import codec, lazy
from dualtable.errors import InvalidItemError

SECRET = "4711-secret"
DAY = datetime.date(2026, 1, 31)
NUMBER = uuid.UUID(int=7)
T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Status(enum.StrEnum):
    OPEN = "open"


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Loose(enum.Flag, boundary=enum.CONFORM):
    READ = 1


class Sent(enum.IntFlag):
    READ = 1
    WRITE = 2


@attrs.frozen
class Line:
    sku: str


@attrs.frozen
class Gift:
    greeting: str


@attrs.frozen
class Page(Generic[T]):
    lines: list[T]


@dataclasses.dataclass
class Address:
    city: Any


@dataclasses.dataclass
class Stamped:
    id: str
    hashed: Any = dataclasses.field(init=False, default=1)


class Point(NamedTuple):
    x: int
    y: Any = None


class Names(TypedDict, total=False):
    first: Any


Tags = NewType("Tags", set[str])
Labels = NewType("Labels", list[str])
Maybe = NewType("Maybe", str | None)  # type: ignore[valid-newtype]
Alias = TypeAliasType("Alias", set[str])  # as Python 3.12 has it


def holding(type_: Any, **options: Any) -> type:
    """Make a class with a field of a type; of none where it is `attrs.NOTHING`."""
    field = attrs.field(**options) if type_ is attrs.NOTHING else attrs.field(type=type_, **options)
    return attrs.make_class("Holder", {"held": field}, frozen=True)


def over_the_wire(item: dict[str, Any]) -> dict[str, Any]:
    return codec.decode(msgspec.json.decode(msgspec.json.encode(codec.encode(item))))


def read(type_: Any, value: Any) -> Any:
    return from_item(holding(type_), {"held": value}).held


# -- how each is stored ----------------------------------------------------------------------------

STORED: list[tuple[Any, Any, Any]] = [
    (str, "x", "x"),
    (bytes, b"x", b"x"),
    (bool, True, True),
    (int, 5, 5),
    (Decimal, Decimal("1.5"), Decimal("1.5")),
    (float, 0.1, Decimal("0.1")),
    (datetime.datetime, datetime.datetime(2026, 1, 31, 9), "2026-01-31T09:00:00"),
    (datetime.date, DAY, "2026-01-31"),
    (uuid.UUID, NUMBER, "00000000-0000-0000-0000-000000000007"),
    (Colour, Colour.RED, "red"),
    (Status, Status.OPEN, "open"),
    (Level, Level.LOW, 1),
    (Right, Right.READ, 1),
    (Right, Right.READ | Right.WRITE, 3),
    (Right, Right(0), 0),
    (Loose, Loose(0), 0),
    (Sent, Sent.READ | Sent.WRITE, 3),
    (Literal["a", 1], 1, 1),
    (Line, Line("s"), {"sku": "s"}),
    (Page[Line], Page([Line("s")]), {"lines": [{"sku": "s"}]}),
    (Address, Address("Kiel"), {"city": "Kiel"}),
    (Names, {"first": "Ann"}, {"first": "Ann"}),
    (Names, {}, {}),
    (Point, Point(1, "x"), [1, "x"]),
    (Line | Gift, Gift("hi"), {"greeting": "hi"}),
    (Optional[Line], Line("s"), {"sku": "s"}),  # noqa: UP045
    (list[Line], [Line("s")], [{"sku": "s"}]),
    (list, [1, "x"], [1, "x"]),
    (typing.List, ["x"], ["x"]),  # noqa: UP006
    (typing.List[datetime.date], [DAY], ["2026-01-31"]),  # noqa: UP006
    (abc.MutableSequence[Colour], [Colour.RED], ["red"]),
    (tuple[Line, ...], (Line("s"),), [{"sku": "s"}]),
    (tuple[int, datetime.date], (1, DAY), [1, "2026-01-31"]),
    (tuple[()], (), []),
    (tuple, (1, "x"), [1, "x"]),
    (abc.Sequence[Line], (Line("s"),), [{"sku": "s"}]),
    (abc.Sequence, ("x",), ["x"]),
    (set[datetime.date], {DAY}, {"2026-01-31"}),
    (set[Right], {Right.READ | Right.WRITE}, {3}),
    (abc.MutableSet[int], {1}, {1}),
    (frozenset[bytes], frozenset({b"x"}), {b"x"}),
    (typing.AbstractSet[float], frozenset({0.1}), {Decimal("0.1")}),
    (abc.Set[str], {"x"}, {"x"}),
    (abc.Set, frozenset({"x"}), {"x"}),
    (dict[str, Line], {"a": Line("s")}, {"a": {"sku": "s"}}),
    (dict[datetime.date, int], {DAY: 1}, {"2026-01-31": 1}),
    (dict[uuid.UUID, int], {NUMBER: 1}, {str(NUMBER): 1}),
    (dict[Status, int], {Status.OPEN: 1}, {"open": 1}),
    (dict, {"a": 1}, {"a": 1}),
    (abc.Mapping[str, list[str]], {"a": ["x"]}, {"a": ["x"]}),
    (abc.MutableMapping[str, int], {"a": 1}, {"a": 1}),
    (Tags, {"x"}, {"x"}),
    (Annotated[list[str], "said"], ["x"], ["x"]),
    (Final[list[str]], ["x"], ["x"]),
    (Any, {"a": [1, Decimal("1.5"), "x", None, True, b"x", {"x"}]}, ...),
    (attrs.NOTHING, {"a": [1, Decimal("1.5"), "x", None, True, b"x", {"x"}]}, ...),
    (float, 1, Decimal(1)),  # a whole number is one in any class of numbers
    (Decimal, 1, 1),
    (int, Decimal(1), Decimal(1)),
    (set[float], {1}, {Decimal(1)}),
]


@pytest.mark.parametrize(("type_", "value", "stored"), STORED, ids=lambda value: str(value)[:40])
def test_how_it_is_stored(type_: Any, value: Any, stored: Any) -> None:
    """As the guide tells it, and it comes back as it was."""
    model = holding(type_)
    check_model(model)
    item = over_the_wire(to_item(model, model(value)))
    assert item == {"held": value if stored is ... else stored}
    back = from_item(model, item).held
    assert back == value
    assert type(back) is type(value) or isinstance(value, (int, Decimal, set))
    again: Any = ModelTransform(model, model, lambda held: held).forward(item)
    assert over_the_wire(again) == item


def test_a_whole_number_is_read_back_as_a_decimal_where_no_type_is_given() -> None:
    """A table has but one kind of number: equal it is, and of the class that numbers have there."""
    model = holding(Any)
    (back,) = over_the_wire(to_item(model, model(5))).values()
    assert back == 5
    assert type(back) is Decimal


# -- nothing else is read as it --------------------------------------------------------------------

PLAIN: dict[str, Any] = {
    "text": SECRET,
    "number": Decimal(4711),
    "binary": b"4711",
    "flag": True,
    "list": ["a"],
    "map": {"a": "b"},
    "set": {"a"},
    "numbers": {Decimal(4711)},
}
LISTS = (list[str], list[Any], list, typing.List, list[int], abc.MutableSequence[str], Labels)  # noqa: UP006
TUPLES = (tuple[str, ...], tuple[Any, ...], tuple, abc.Sequence[str], abc.Sequence)
SETS = (set[str], set[Any], set, frozenset[str], abc.Set[str], abc.Set, abc.MutableSet[str], Tags)
MAPS = (dict[str, str], dict[str, Any], dict, abc.Mapping[str, str], abc.MutableMapping[str, str])
WRAPPED = (Annotated[list[str], "said"], Final[list[str]], list[str] | None)
KINDS = [
    (str, "text", {"text"}),
    (bytes, "binary", {"binary"}),
    (bool, "true or false", {"flag"}),
    *((type_, "number", {"number"}) for type_ in (int, float, Decimal, Level, Right)),
    *((type_, "expected", set()) for type_ in (datetime.date, uuid.UUID, Colour, Literal["a"])),
    *((type_, "a list", {"list"}) for type_ in (*LISTS, *TUPLES, *WRAPPED)),
    *((type_, "a set", {"set", "numbers"}) for type_ in SETS),
    *((type_, "a map", {"map"}) for type_ in MAPS),
    (tuple[str, str], "a list of 2", {"none"}),
    (tuple[()], "a list of 0", {"none"}),
    (Point, "a list of 2", {"none"}),
    (Names, "", {"map"}),
    (Address, "", {"map"}),
]


@pytest.mark.parametrize(("type_", "name", "own"), KINDS)
def test_nothing_else_is_read_as_it(type_: Any, name: str, own: set[str]) -> None:
    """A text is no list of letters, a map no list of names, and a list no set that loses some."""
    for kind in PLAIN.keys() - own:
        with pytest.raises(InvalidItemError, match=rf"{name}.* @ \$\.held") as caught:
            read(type_, PLAIN[kind])
        assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "value", "named"),
    [
        (dict[str, list[str]], {"k": SECRET}, r"expected a list @ \$\.held\['k'\]"),
        (list[list[str]], [["a"], {"a": SECRET}], r"expected a list @ \$\.held\[1\]"),
        (list[set[str]], [["a", "a"]], r"expected a set @ \$\.held\[0\]"),
        (Page[list[str]], {"lines": [SECRET]}, r"expected a list @ \$\.held\.lines\[0\]"),
        (Address | None, {"city": 1, "zip": SECRET}, r"attributes zip @ \$\.held"),
        (tuple[str, int], ["a", SECRET], r"expected a whole number @ \$\.held\[1\]"),
        (tuple[str, int], ["a"], r"expected a list of 2 @ \$\.held"),
        (dict[str, int], {"k": SECRET}, r"expected a whole number @ \$\.held\['k'\]"),
        (dict[datetime.date, int], {"x": 1}, r"expected date @ \$\.held\['x'\]"),
        (set[str], ["a", "a"], r"expected a set @ \$\.held"),
        (set[str], [], r"expected a set @ \$\.held"),
        (frozenset[int], [1, 1, 2], r"expected a set @ \$\.held"),
        (dict[datetime.date, int], {"2026-01-31": 1, "20260131": 2}, r"no two .* @ \$\.held"),
        (set[datetime.date], {"2026-01-31", "20260131"}, r"a set of which no two .* @ \$\.held"),
        (float, Decimal("0.12345678901234567890"), r"than a float has @ \$\.held"),
        (float, 2**53 + 1, r"than a float has @ \$\.held"),
        (Right, Decimal(4), r"expected Right @ \$\.held"),
        (Right, Decimal(-1), r"a value of Right @ \$\.held"),
        (Right, True, r"whole number @ \$\.held"),
        (Loose, Decimal(3), r"a value of Loose @ \$\.held"),
    ],
)
def test_what_would_lose_some_of_it_is_named(type_: Any, value: Any, named: str) -> None:
    """By its path, however deep it is, and without the value."""
    with pytest.raises(InvalidItemError, match=named) as caught:
        read(type_, value)
    assert "4711" not in str(caught.value)


def test_what_python_has_for_a_list_set_or_map_may_be_given() -> None:
    """`forward` is called with plain values too, and with items that are decoded when looked at."""
    assert read(list[int], (1, 2)) == [1, 2]
    assert read(tuple[int, int], (1, 2)) == (1, 2)
    assert read(set[int], frozenset({1})) == {1}
    assert read(dict[str, int], types.MappingProxyType({"a": 1})) == {"a": 1}
    waiting = lazy.decode(codec.encode({"held": {"a": [{"b": [1]}]}}))
    for type_ in (Any, dict[str, Any], dict[str, list[Any]]):
        model = holding(type_)
        assert to_item(model, from_item(model, waiting)) == {"held": {"a": [{"b": [1]}]}}


REFUSED = (
    collections.deque,
    collections.deque[str],
    collections.Counter[str],
    collections.OrderedDict[str, int],
    collections.defaultdict[str, list[str]],
    abc.Iterable[str],
    abc.Collection[str],
    bytearray,
    range,
    object,
    int | str,
    list[str] | set[str],
    T,
)


@pytest.mark.parametrize("type_", REFUSED, ids=str)
def test_what_an_item_cannot_hold_is_refused_early(type_: Any) -> None:
    """The order of its keys, its default, its length at most: no item has them."""
    for each in (type_, Optional[type_], list[type_], dict[str, type_], Annotated[type_, "said"]):  # noqa: UP045
        model = holding(each)
        with pytest.raises(InvalidItemError, match=r"fields of type .* are not supported"):
            ModelTransform(model, model, lambda held: held)


# -- what has no type, or another class than its type ----------------------------------------------

WRONG: list[Any] = [
    1.5,
    0.1,
    1.0,
    {1.5},
    Colour.RED,
    (1, 2),
    DAY,
    bytearray(b"x"),
    Point(1),
]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_without_a_type_only_what_a_table_knows_comes_back(wrong: Any) -> None:
    """The class counts, wherever it is: 1.5 would be a Decimal, a tuple a list."""
    for type_, value in (
        (Any, wrong),
        (attrs.NOTHING, wrong),
        (list, [wrong]),
        (list[Any], [wrong]),
        (dict[str, Any], {"k": wrong}),
        (Address, Address(wrong)),
        (Names, {"first": wrong}),
        (Point, Point(1, wrong)),
        (abc.Sequence, (wrong,)),
    ):
        model = holding(type_)
        with pytest.raises(InvalidItemError, match=r"would (not )?come back .* @ \$\.held"):
            to_item(model, model(value))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (float, Decimal("0.5")),
        (list[str], ("a",)),
        (list[str], "ab"),
        (abc.Sequence[int], [1]),
        (set[int], [1, 1]),
        (Stamped, attrs.NOTHING),
    ],
    ids=str,
)
def test_another_class_than_is_read_back_is_refused(type_: Any, value: Any) -> None:
    """As a tuple in the place of a list: what reads it finds another."""
    if type_ is Stamped:
        value = Stamped("x")
        value.hashed = 2  # the constructor alone would tell
    model = holding(type_)
    with pytest.raises(InvalidItemError, match=r"would (not )?come back .* @ \$\.held"):
        to_item(model, model(value))


class Today(datetime.datetime):
    """As a clock that stands still in tests gives it."""


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (str, Status.OPEN, "open"),
        (int, Level.LOW, 1),
        (datetime.datetime, Today(2026, 1, 2), datetime.datetime(2026, 1, 2)),
        (set[str], frozenset({"a"}), {"a"}),
        (Tags, frozenset({"a"}), {"a"}),
        (set[str], {Status.OPEN}, {"open"}),
        (set[int], {Level.LOW}, {1}),
        (dict[str, int], {Status.OPEN: 1}, {"open": 1}),
        (dict[str, list[int]], collections.defaultdict(list, a=[1]), {"a": [1]}),
        (abc.Mapping[str, int], types.MappingProxyType({"a": 1}), {"a": 1}),
        (Any, Status.OPEN, "open"),
        (Any, collections.OrderedDict(a="b"), {"a": "b"}),
    ],
    ids=str,
)
def test_what_is_equal_and_of_a_class_made_of_it_is_read_as_that(
    type_: Any, value: Any, read: Any
) -> None:
    """Nobody who looks for the declared class misses anything."""
    model = holding(type_)
    found = from_item(model, to_item(model, model(value))).held
    assert (found, type(found)) == (read, type(read))


# -- None and empty sets, by whatever name ---------------------------------------------------------

EMPTY: list[tuple[Any, Any]] = [
    (Tags, set()),
    (Alias, set()),
    (set[str], set()),
    (abc.MutableSet[str], set()),
    (abc.Set[str], frozenset()),
    (abc.Set[str], set()),
    (abc.Set, frozenset()),
    (frozenset[str], frozenset()),
    (Annotated[frozenset[str], "said"], frozenset()),
    (str | None, None),
    (Maybe, None),
    (Optional[list[str]], None),  # noqa: UP045
    (Annotated[str | None, "said"], None),
    (Annotated[Line | Gift | None, "said"], None),
]


@pytest.mark.parametrize(("type_", "nothing"), EMPTY, ids=str)
def test_nothing_is_left_out_whatever_its_type_is_called(type_: Any, nothing: Any) -> None:
    """An index has no entry for the one, a table no place for the other."""
    model: Any = holding(type_)
    assert to_item(model, model(nothing)) == {}
    assert from_item(model, {}).held == nothing
    assert from_item(model, {"held": None}).held == nothing
    defaulted: Any = holding(type_, default="x")
    assert to_item(defaulted, defaulted(nothing)) == {"held": None}
    assert from_item(defaulted, {"held": None}).held == nothing


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        (dict[int, str], {1: "x"}, {"1": "x"}),
        (dict[Level, str], {Level.LOW: "x"}, {"1": "x"}),
        (set[Line], {Line("s")}, {"s"}),
        (set[tuple[int, int]], {(1, 2)}, {"s"}),
        (set[bool], {True}, {Decimal(1)}),
    ],
    ids=str,
)
def test_keys_and_sets_that_no_item_can_have(type_: Any, value: Any, stored: Any) -> None:
    """Keys are text, and sets of texts, numbers or binary."""
    model = holding(type_)
    with pytest.raises(InvalidItemError):
        codec.encode(to_item(model, model(value)))
    with pytest.raises(InvalidItemError, match=r"expected .* @ \$\.held"):
        read(type_, stored)


@pytest.mark.parametrize(
    ("type_", "none", "empty"),
    [
        (list[Any], [None, "x"], [set()]),
        (dict[str, Any], {"k": None}, {"k": set()}),
        (dict[str, list[str | None]], {"k": [None, "x"]}, None),
        (list[set[str]], [], [set()]),
        (Address, Address(None), Address(set())),
        (Names, {"first": None}, {"first": set()}),
        (set[str] | None, None, set()),
    ],
    ids=str,
)
def test_where_nothing_can_be_left_out(type_: Any, none: Any, empty: Any) -> None:
    """None is NULL there, and of an empty set nothing is left that could be stored."""
    model: Any = holding(type_)
    assert from_item(model, over_the_wire(to_item(model, model(none)))) == model(none)
    if empty is not None:
        with pytest.raises(
            InvalidItemError, match=r"a set (must not be empty|would not come back)"
        ):
            codec.encode(to_item(model, model(empty)))


def test_a_literal_tells_the_class_whatever_is_said_of_it() -> None:
    """An annotation takes nothing from the type."""
    cash: Any = holding(Annotated[Literal["cash"], "said"])
    card: Any = holding(Literal["card"])
    assert type(from_item(cash | card, {"held": "cash"})) is cash
