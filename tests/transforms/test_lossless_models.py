"""What a model has is in the item and reads back equal, or is an error before it is sent."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, Union
from zoneinfo import ZoneInfo

import attrs
import msgspec
import orders
import pytest
from attrs import validators

from dualtable import DualTableRepository, Migration, Migrator, ModelTransform, Verifier
from dualtable._transforms.fingerprint import fingerprint
from dualtable._transforms.models import check_model, form_of, from_item, to_item
from dualtable._wire import codec
from dualtable.errors import InvalidItemError
from dualtable.testing import MemoryGateway

SECRET = "4711-secret"


def over_the_wire(item: dict[str, Any]) -> dict[str, Any]:
    return codec.decode(msgspec.json.decode(msgspec.json.encode(codec.encode(item))))


def read_back(model: Any, instance: Any) -> Any:
    return from_item(model, over_the_wire(to_item(model, instance)))


# -- fields that a class does not hold -----------------------------------------------------------


@attrs.frozen
class Line:
    sku: str


@attrs.frozen
class Gift(Line):
    greeting: str = SECRET


@dataclasses.dataclass
class Address:
    city: str


@dataclasses.dataclass
class Abroad(Address):
    country: str = SECRET


@attrs.define
class Loose:
    id: str
    line: Line | None = None
    lines: list[Line] = attrs.field(factory=list)
    by_name: dict[str, Line] = attrs.field(factory=dict)
    pair: tuple[Line, Line] | None = None
    many: tuple[Line, ...] = ()
    deep: dict[str, list[Line | None]] = attrs.field(factory=dict)
    either: Line | Loose | None = None
    anything: Any = None
    tags: set[str] | None = None
    pairs: tuple[int, int] = (1, 2)
    weight: float = 0.0
    address: Address | None = None
    addresses: list[Address] = attrs.field(factory=list)
    uncompared: list[Line] = attrs.field(factory=list, eq=False)
    inner: Loose | None = None


GIFT, LINE = Gift("s-1"), Line("s-1")
LOSSES: list[tuple[dict[str, Any], str]] = [
    ({"line": GIFT}, r"a Gift would come back as a Line @ \$\.line$"),
    ({"lines": [LINE, GIFT]}, r"a Line @ \$\.lines\[1\]$"),
    ({"by_name": {"x": GIFT}}, r"a Line @ \$\.by_name\['x'\]$"),
    ({"pair": (LINE, GIFT)}, r"a Line @ \$\.pair\[1\]$"),
    ({"many": (LINE, GIFT)}, r"a Line @ \$\.many\[1\]$"),
    ({"deep": {"x": [None, GIFT]}}, r"a Line @ \$\.deep\['x'\]\[1\]$"),
    ({"uncompared": [GIFT]}, r"a Line @ \$\.uncompared\[0\]$"),
    ({"inner": Loose("i", line=GIFT)}, r"a Line @ \$\.inner\.line$"),
    ({"either": GIFT}, r"attributes greeting @ \$\.either$"),
    ({"address": Abroad("Kiel")}, r"a Abroad would come back as a Address @ \$\.address$"),
    ({"addresses": [Abroad("Kiel")]}, r"a Address @ \$\.addresses\[0\]$"),
    ({"anything": LINE}, r"a Line would come back as a dict @ \$\.anything$"),
    ({"anything": 0.1}, r"a float would not come back as it is @ \$\.anything$"),
    ({"anything": datetime.date.max}, r"a date would not .* @ \$\.anything$"),
    ({"anything": [(1, 2)]}, r"a tuple would come back as a list @ \$\.anything\[0\]$"),
    ({"pairs": (1, 2, 3)}, r"@ \$\.pairs"),
    ({"pairs": [1, 2]}, r"a list would come back as a tuple @ \$\.pairs$"),
    ({"lines": (LINE,)}, r"a tuple would come back as a list @ \$\.lines$"),
    ({"tags": set()}, r"a set would not come back as it is @ \$\.tags$"),
    ({"weight": float("nan")}, r"weight: NaN"),
]


@pytest.mark.parametrize(("change", "named"), LOSSES, ids=[next(iter(c)) for c, _ in LOSSES])
def test_what_would_be_lost_is_an_error_with_its_path(change: dict[str, Any], named: str) -> None:
    """A field typed by its base must not cost a subclass its own fields, wherever it is."""
    with pytest.raises(InvalidItemError, match=named) as caught:
        to_item(Loose, Loose("o-1", **change))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@attrs.frozen
class Priced:
    id: str
    price: Decimal


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity"])
def test_what_is_no_number_of_a_table_is_an_error_of_ours(price: str) -> None:
    """One kind of NaN may not even be compared: Python raises where others answer False."""
    with pytest.raises(InvalidItemError, match=r"Decimal|NaN"):
        codec.encode(to_item(Priced, Priced("o-1", Decimal(price))))


@pytest.mark.parametrize(
    "change",
    [
        {"line": LINE, "lines": [LINE], "by_name": {"x": LINE}, "pair": (LINE, LINE)},
        {"deep": {"x": [None, LINE], "y": []}, "uncompared": [LINE], "many": (LINE,)},
        {"either": LINE},
        {"either": Loose("o-2", either=Loose("o-3"))},
        {"anything": {"a": [1, "x", {"b": None}], "tags": {"x"}}},
        {"address": Address("Kiel"), "addresses": [Address("Bonn")]},
        {"weight": 0.1, "tags": {"a"}},
    ],
)
def test_what_its_type_promises_reads_back(change: dict[str, Any]) -> None:
    """The check must not refuse what comes back as it was."""
    thing = Loose("o-1", **change)
    back = read_back(Loose, thing)
    assert back == thing
    assert back.uncompared == thing.uncompared


def test_an_unknown_attribute_of_a_nested_dataclass_is_refused() -> None:
    """It would be lost by the next write, as with an attrs class."""
    with pytest.raises(InvalidItemError, match=r"attributes zip @ \$\.address"):
        from_item(Loose, {"id": "o-1", "address": {"city": "Kiel", "zip": SECRET}})


def test_the_hour_that_a_zone_has_twice() -> None:
    """Python calls no two times equal in it, however they are written; one such is no loss."""

    @attrs.frozen
    class Placed:
        at: datetime.datetime

    twice = datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    item = to_item(Placed, Placed(twice))
    assert item == {"at": "2026-10-25T02:30:00+01:00"}
    assert from_item(Placed, item).at.timestamp() == twice.timestamp()


T = TypeVar("T")


@attrs.frozen
class Page(Generic[T]):
    number: T


@attrs.frozen
class Book:
    pages: list[Page[int]]
    last: Page[Line]


def test_a_generic_class_in_a_field() -> None:
    """Its parameters are types like any others, and hold what they promise."""
    book = Book([Page(1), Page(2)], Page(LINE))
    assert read_back(Book, book) == book
    with pytest.raises(InvalidItemError, match=r"a Gift would come back as a Line @ \$\.last"):
        to_item(Book, Book([], Page(GIFT)))


def test_a_converter_that_changes_its_own_result_is_noticed() -> None:
    """What the constructor makes of the stored value is what the next reader gets."""

    @attrs.frozen
    class Cents:
        id: str
        cents: int = attrs.field(converter=lambda euros: euros * 100)

    with pytest.raises(InvalidItemError, match=r"int would not come back as it is @ \$\.cents"):
        to_item(Cents, Cents("o-1", 1))


# -- fields that the constructor does not take ---------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Keyed:
    customer: str
    day: datetime.date
    kind: str = attrs.field(default="order", init=False)
    sort: str = attrs.field(init=False)
    first: Line = attrs.field(init=False)
    colour: Colour = attrs.field(init=False, metadata={"name": "colour of it"})
    maybe: int | None = attrs.field(default=None, init=False)
    _none: str | None = attrs.field(init=False, default=attrs.Factory(lambda s: None, True))
    tags: frozenset[str] = attrs.field(init=False)
    cache: dict[str, object] = attrs.field(factory=dict, init=False, eq=False)
    TABLE: ClassVar[str] = "orders"

    @sort.default
    def _of_day(self) -> str:
        return f"{self.kind}#{self.day}"

    @first.default
    def _line(self) -> Line:
        return Line(self.customer)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "colour", Colour.RED)
        object.__setattr__(self, "tags", frozenset())
        self.cache["lock"] = object()


DAY = datetime.date(2026, 1, 31)
KEYED = {
    "customer": "c-1",
    "day": "2026-01-31",
    "kind": "order",
    "sort": "order#2026-01-31",
    "first": {"sku": "c-1"},
    "colour of it": "red",
    "_none": None,
    "tags": None,
}


def test_what_a_class_computes_is_written_and_read() -> None:
    """A computed field is what an index key is often made of; a cache is no value."""
    assert to_item(Keyed, Keyed("c-1", DAY)) == KEYED
    assert read_back(Keyed, Keyed("c-1", DAY)) == Keyed("c-1", DAY)


def test_what_is_stored_wins_over_what_would_be_computed() -> None:
    """What is written reads back, also where the class has learned to compute otherwise."""
    stored = {**KEYED, "sort": "old", "first": {"sku": "x"}, "maybe": Decimal(3), "tags": {"t"}}
    found = from_item(Keyed, over_the_wire(stored))
    assert (found.sort, found.first, found.maybe, found.tags) == ("old", Line("x"), 3, {"t"})
    assert read_back(Keyed, found) == found
    assert to_item(Keyed, found) == stored
    few = {"customer": "c-1", "day": "2026-01-31"}
    assert from_item(Keyed, few) == Keyed("c-1", DAY)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sort": Decimal(4711)}, r"expected text @ \$\.sort"),
        ({"first": {"sku": "x", "size": SECRET}}, r"attributes size @ \$\.first"),
        ({"colour of it": SECRET}, r"a value of Colour @ \$\.colour"),
        ({"cache": {}}, r"unknown attributes cache @ \$"),
        ({"colour": "red"}, r"unknown attributes colour @ \$"),
    ],
)
def test_a_computed_field_that_does_not_fit_is_named(change: dict[str, Any], named: str) -> None:
    """It is judged as strictly as any other."""
    with pytest.raises(InvalidItemError, match=named) as caught:
        from_item(Keyed, {**KEYED, **change})
    assert "4711" not in str(caught.value)


def test_a_field_that_was_never_set_is_named() -> None:
    """There is nothing to write, and no later reader could tell."""

    @attrs.define
    class Later:
        id: str
        total: int = attrs.field(init=False)

    with pytest.raises(InvalidItemError, match=r"never set @ \$\.total"):
        to_item(Later, Later("o-1"))
    later = Later("o-1")
    later.total = 5
    assert read_back(Later, later).total == 5


# -- names that are no Python names --------------------------------------------------------------


@attrs.frozen
class Named:
    order_id: str = attrs.field(metadata={"name": "order-id"})
    type_: str | None = attrs.field(default="x", metadata={"name": "a.b"})
    lines: list[Line] = attrs.field(factory=list, metadata={"name": "$lines"})


def test_an_attribute_may_have_any_name() -> None:
    """A dash, a dot, a keyword of Python: the table came first."""
    thing = Named("o-1", None, [LINE])
    item = {"order-id": "o-1", "a.b": None, "$lines": [{"sku": "s-1"}]}
    assert to_item(Named, thing) == item
    assert read_back(Named, thing) == thing
    assert from_item(Named, {"order-id": "o-1"}) == Named("o-1")
    with pytest.raises(InvalidItemError, match=r"unknown attributes order_id @ \$"):
        from_item(Named, {"order_id": "o-1"})
    with pytest.raises(InvalidItemError, match=r"text @ \$\.order_id"):
        from_item(Named, {"order-id": 5})


def test_a_name_that_is_none_or_taken_is_refused_early() -> None:
    """One of two fields would be lost in every item."""

    @attrs.frozen
    class Twice:
        a: str
        b: str = attrs.field(metadata={"name": "a"})

    @attrs.frozen
    class Nameless:
        a: str = attrs.field(metadata={"name": ""})

    @attrs.frozen
    class Outer:
        id: str
        inner: list[Twice]

    for bad, named in ((Twice, "Twice.b and .a are both 'a'"), (Nameless, "Nameless.a has the na")):
        with pytest.raises(InvalidItemError, match=named):
            check_model(bad)
    attrs.resolve_types(Outer, localns={"Twice": Twice})
    with pytest.raises(InvalidItemError, match="are both 'a'"):
        to_item(Outer, Outer("o-1", [Twice("1", "2")]))


# -- several kinds of items ----------------------------------------------------------------------


@attrs.frozen
class Meta:
    pk: str
    sk: str
    owner: str


@attrs.frozen
class Values:
    pk: str
    sk: str
    values: list[int]


@attrs.frozen
class Note:
    pk: str
    sk: str
    kind: Literal["note"] = "note"
    text: str = ""


@attrs.frozen
class Link:
    pk: str
    sk: str
    kind: Literal["link", 1, Colour.RED] = "link"
    text: str = ""


KINDS = Meta | Values | Note | Link
ITEMS = [
    (Meta("p", "s", "Ann"), {"pk": "p", "sk": "s", "owner": "Ann"}),
    (Values("p", "s", [1]), {"pk": "p", "sk": "s", "values": [1]}),
    (Note("p", "s"), {"pk": "p", "sk": "s", "kind": "note", "text": ""}),
    (Link("p", "s"), {"pk": "p", "sk": "s", "kind": "link", "text": ""}),
    (Link("p", "s", 1), {"pk": "p", "sk": "s", "kind": 1, "text": ""}),
    (Link("p", "s", Colour.RED), {"pk": "p", "sk": "s", "kind": "red", "text": ""}),
]


@pytest.mark.parametrize(("thing", "item"), ITEMS)
def test_a_class_is_told_by_its_attributes(thing: Any, item: dict[str, Any]) -> None:
    """By a required field that others lack, or by what a Literal field holds."""
    form: Any = form_of(KINDS)
    assert form.dump(thing) == item
    assert form.load(over_the_wire(item)) == thing
    assert type(form.load(over_the_wire(item))) is type(thing)


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"pk": "p", "sk": "s", "owner": "Ann", "more": SECRET}, r"unknown attributes more @ \$"),
        ({"pk": "p", "owner": "Ann"}, r"required field missing @ \$\.sk"),
        ({"pk": "p", "sk": "s", "kind": "note", "text": 5}, r"expected text @ \$\.text"),
        ({"pk": "p", "sk": "s", "kind": True}, r"which of .* it is @ \$"),
        ({"pk": "p", "sk": "s", "kind": SECRET}, r"which of .* it is @ \$"),
        ({"pk": "p", "sk": "s"}, r"do not tell which of Note, Link it is @ \$"),
        ({"pk": "p", "sk": "s", "owner": "x", "values": [1]}, r"which of Meta, Values it is"),
    ],
)
def test_what_is_of_no_kind_is_named(item: dict[str, Any], named: str) -> None:
    """Where the kind is clear, what does not fit it is named; else between which it was."""
    with pytest.raises(InvalidItemError, match=named) as caught:
        from_item(KINDS, item)
    assert "no Meta | Values | Note | Link" in str(caught.value)
    assert "4711" not in str(caught.value)
    with pytest.raises(InvalidItemError, match=r"expected a Meta \| Values, not a Note"):
        to_item(Meta | Values, Note("p", "s"))


def test_classes_that_cannot_be_told_apart_are_refused_early() -> None:
    """Trying one after the other would take an item for what it is not."""

    @attrs.frozen
    class Bare:
        pk: str
        sk: str
        text: str = ""

    @attrs.frozen
    class Also:
        pk: str
        sk: str
        text: int = 0

    @attrs.frozen
    class Tagged:
        pk: str
        sk: str
        tags: set[str]  # left out where it is empty
        text: str = ""

    @attrs.frozen
    class LikeNote:
        pk: str
        sk: str
        kind: Literal["note", "other"] = "other"
        text: str = ""

    for wrong in (Bare | Also, Bare | Note, Bare | Tagged, Note | LikeNote, Meta | Bare | Also):
        with pytest.raises(InvalidItemError, match="cannot be told apart"):
            check_model(wrong)
    for other in (Meta | int, int | str, list[Meta], Meta | None | dict[str, str]):
        with pytest.raises(InvalidItemError, match="must be an attrs class"):
            check_model(other)
    assert Note("p", "s") == from_item(Note | Link, {"pk": "p", "sk": "s", "kind": "note"})


@attrs.frozen
class Cash:
    paid: Literal["cash"] = "cash"


@attrs.frozen
class Card:
    paid: Literal["card"] = "card"


@attrs.frozen
class Payment:
    id: str
    ways: list[Cash | Card]


def test_a_union_in_a_field_is_told_apart_by_who_reads_first() -> None:
    """A process that has written nothing yet knows the classes' types as well."""
    item = {"id": "p-1", "ways": [{"paid": "card"}, {"paid": "cash"}]}
    assert form_of(Payment).load(item) == Payment("p-1", [Card(), Cash()])


def test_unions_of_classes_in_fields() -> None:
    """The same telling, in lists and maps and beside None."""

    @attrs.frozen
    class Box:
        id: str
        content: list[Meta | Values | None]
        one: Note | Link | None = None

    attrs.resolve_types(Box, localns=globals())
    box = Box("b", [Meta("p", "s", "Ann"), None, Values("p", "s", [])], Link("p", "s"))
    assert read_back(Box, box) == box
    with pytest.raises(InvalidItemError, match=r"which of Note, Link it is @ \$\.one"):
        from_item(Box, {"id": "b", "content": [], "one": {"pk": "p", "sk": "s"}})
    with pytest.raises(InvalidItemError, match=r"a map @ \$\.content\[0\]"):
        from_item(Box, {"id": "b", "content": [SECRET]})


@attrs.frozen
class OldRow:
    pk: str
    sk: str
    data: str


def upgrade(old: OldRow) -> Meta | Values:
    if old.sk == "meta":
        return Meta(old.pk, old.sk, old.data)
    return Values(old.pk, old.sk, [int(part) for part in old.data.split(",")])


def downgrade(new: Meta | Values) -> OldRow:
    data = new.owner if isinstance(new, Meta) else ",".join(map(str, new.values))
    return OldRow(new.pk, new.sk, data)


ROWS: ModelTransform[OldRow, Meta | Values] = ModelTransform(
    OldRow, Meta | Values, upgrade, downgrade=downgrade
)


async def test_one_table_of_several_kinds(tmp_path: Any) -> None:
    """The single-table case: copied, read, changed, verified, and back."""
    plan = orders.migration("shop", ROWS, indexes=None)
    gateway = MemoryGateway()
    key = (("pk", "S"), ("sk", "S"))
    for name in (plan.old, plan.new):
        await gateway.create_table(orders.table(name, *key))
    rows = [
        {"pk": "p-1", "sk": "meta", "data": "Ann"},
        {"pk": "p-1", "sk": "values", "data": "1,2"},
        {"pk": "p-2", "sk": "values", "data": "3"},
    ]
    await orders.fill(gateway, plan.old, rows)
    one, two = ({"pk": "p-1", "sk": sk} for sk in ("meta", "values"))
    async with DualTableRepository[Meta | Values](
        plan, model=Meta | Values, gateway=gateway
    ) as repository:
        assert await repository.get(one) == Meta("p-1", "meta", "Ann")
        report = await Migrator(plan, gateway=gateway, dead_letters=tmp_path / "dead").run()
        assert (report.written, report.failed) == (3, 0)
        assert await repository.get(two) == Values("p-1", "values", [1, 2])
        await repository.put(Values("p-3", "values", [4]))
        changed = await repository.update(two, lambda row: attrs.evolve(row, values=[7]))
        assert changed == Values("p-1", "values", [7])
        found = [row async for row in repository.scan()]
        assert {type(row) for row in found} == {Meta, Values}
        with pytest.raises(InvalidItemError, match=r"expected a Meta \| Values, not a Note"):
            await repository.put(Note("p", "s"))  # type: ignore[arg-type]
    assert (await Verifier(plan, gateway=gateway).run()).ok
    assert [ROWS.backward(ROWS.forward(row)) for row in rows] == rows  # type: ignore[arg-type]


def test_the_fingerprint_sees_the_classes_of_a_union() -> None:
    """Another class in it, or another source of one, is another transform."""

    def same(row: Any) -> Any:
        return row

    prints = [
        fingerprint(ModelTransform(OldRow, new, same))
        for new in (Meta | Values, Meta | Note, Meta, Union[Meta, Values])  # noqa: UP007
    ]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3
    kinds = (dict[str, Line], dict[str, Gift], list[Line], Annotated[Line, "x"])
    assert len({fingerprint(functools.partial(same, kind)) for kind in kinds}) == len(kinds)
    assert repr(ROWS) == "ModelTransform(OldRow, Meta | Values)"
    assert Migration("m", "old", "new", ROWS, rolling=True).rolling


# -- validators ----------------------------------------------------------------------------------


def is_even(_instance: object, _field: Any, value: int) -> None:
    _check(value)


def _check(value: int) -> None:
    if value % 2:
        raise ValueError(f"{value} is odd, {SECRET}")


@attrs.frozen
class Strict:
    id: str = attrs.field(default="x", validator=validators.matches_re(r"[a-z]+"))
    total: int = attrs.field(default=0, validator=validators.ge(0))
    both: int = attrs.field(default=2, validator=[validators.lt(10), is_even])
    names: list[str] = attrs.field(
        factory=list, validator=validators.deep_iterable(validators.max_len(3))
    )
    own: int = attrs.field(default=0)
    looked_up: str = attrs.field(default="a", validator=lambda _self, _field, v: {"a": 1}[v])
    span: tuple[int, int] = (0, 1)

    @own.validator
    def check_own(self, attribute: Any, value: int) -> None:
        _check(value)

    def __attrs_post_init__(self) -> None:
        if self.span[0] > self.span[1]:
            raise ValueError(f"{self.span}, {SECRET}")

    computed: int = attrs.field(default=2, init=False, validator=is_even)


@attrs.frozen
class Holder:
    strict: list[Strict]


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"id": "4711"}, r"'id' is refused by <matches_re validator for pattern .*a-z.*> @ \$"),
        ({"total": Decimal(-4711)}, r"'total' is refused by <Validator for x >= 0> @ \$"),
        ({"both": Decimal(4711)}, r"'both' is refused by <Validator for x < 10> @ \$"),
        ({"both": Decimal(7)}, r"'both' is refused by is_even at test_lossless_models.py:\d+ @ \$"),
        ({"names": ["4711"]}, r"'names' is refused by <max_len validator for 3> @ \$"),
        ({"own": Decimal(4711)}, r"'own' is refused by check_own at test_lossless_models.py:\d+"),
        ({"looked_up": "4711"}, r"'looked_up' is refused by <lambda> at test_lossless_models.py"),
        ({"computed": Decimal(4711)}, r"'computed' is refused by is_even at test_lossless_mod"),
        ({"span": [Decimal(4711), Decimal(1)]}, r"ValueError at test_lossless_models.py:\d+ @ \$"),
    ],
)
def test_a_validator_is_named_with_its_field_and_rule(item: dict[str, Any], named: str) -> None:
    """Its own words may quote the value, so the field and the rule must be said in ours."""
    with pytest.raises(InvalidItemError, match=named) as caught:
        from_item(Strict, item)
    assert "4711" not in str(caught.value)
    nested = named.removesuffix(r" @ \$") + r".* @ \$\.strict\[0\]$"
    with pytest.raises(InvalidItemError, match=nested):
        from_item(Holder, {"strict": [item]})
