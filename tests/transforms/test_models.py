"""Items as attrs classes come back as they were, and what does not fit is named, never quoted."""

from __future__ import annotations

import datetime
import enum
import pickle
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import orders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtable import DualTableRepository, Migration, Migrator, ModelTransform, Verifier
from dualtable._transforms.models import form_of, from_item, to_item
from dualtable._wire import codec
from dualtable.errors import InvalidItemError, ItemExistsError, ItemNotFoundError, TransformError
from dualtable.testing import MemoryGateway

SECRET = "4711-secret"


class Status(enum.StrEnum):
    OPEN = "open"
    SHIPPED = "shipped"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rate(enum.Enum):
    HALF = 0.5
    TENTH = 0.1


@attrs.frozen
class Line:
    sku: uuid.UUID
    count: int = 1
    tags: frozenset[str] = frozenset()


@attrs.frozen
class Everything:
    id: str
    status: Status
    level: Level
    rate: Rate
    placed: datetime.datetime
    day: datetime.date
    number: uuid.UUID
    price: Decimal
    count: int
    weight: float
    paid: bool
    blob: bytes
    lines: list[Line]
    by_name: dict[str, Line]
    levels: set[Level]
    numbers: frozenset[uuid.UUID]
    blobs: set[bytes]
    weights: set[float]
    pair: tuple[int, str]
    first: Line | None
    note: str | None
    sizes: set[int]
    defaulted: str = "x"
    maybe: int | None = 5
    colours: set[str] = attrs.field(factory=lambda: {"red"})
    history: list[datetime.date | None] = attrs.field(factory=list)
    parts: dict[str, Everything] = attrs.field(factory=dict)
    _private: int = 0


def over_the_wire(item: dict[str, Any]) -> dict[str, Any]:
    return codec.decode(msgspec.json.decode(msgspec.json.encode(codec.encode(item))))


for each in (Line, Everything):
    attrs.resolve_types(each)  # Hypothesis does not do it
NUMBERS = st.integers(-(10**15), 10**15)
FLOATS = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)
st.register_type_strategy(float, FLOATS)
LINES = st.builds(Line, count=NUMBERS)
THINGS = st.builds(
    Everything,
    price=st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**9),
    count=NUMBERS,
    lines=st.lists(LINES, max_size=2),
    by_name=st.dictionaries(st.text(min_size=1, max_size=5), LINES, max_size=2),
    first=st.none() | LINES,
    sizes=st.sets(NUMBERS),
    pair=st.tuples(NUMBERS, st.text()),
    weights=st.sets(FLOATS),
    maybe=st.none() | NUMBERS,
    colours=st.sets(st.sampled_from(["red", "blue"])),
    history=st.lists(st.none() | st.dates()),
    parts=st.just({}),
)


@given(THINGS)
def test_what_is_stored_comes_back(thing: Everything) -> None:
    """Every supported type survives the wire with its value and its class, nested ones too."""
    for each in (thing, attrs.evolve(thing, parts={"inner": thing})):
        back = from_item(Everything, over_the_wire(to_item(Everything, each)))
        assert back == each
        for field in attrs.fields(Everything):
            assert type(getattr(back, field.name)) is type(getattr(each, field.name)), field.name


def test_nothing_is_left_out_or_null() -> None:
    """DynamoDB has no empty set and no index entry for NULL; a default must not take its place."""

    @attrs.frozen
    class Sparse:
        id: str
        note: str | None
        tags: set[str]
        maybe: int | None = None
        five: int | None = 5
        reds: set[str] = attrs.field(factory=lambda: {"red"})

    nothing = Sparse("a", None, set(), None, None, set())
    item = to_item(Sparse, nothing)
    assert item == {"id": "a", "five": None, "reds": None}
    assert from_item(Sparse, over_the_wire(item)) == nothing
    assert from_item(Sparse, {"id": "a"}) == Sparse("a", None, set(), None, 5, {"red"})


@attrs.frozen
class Order:
    id: str
    total: int
    placed: datetime.date
    status: Status
    lines: list[Line]


GOOD = {"id": "o-1", "total": 1, "placed": "2026-01-01", "status": "open", "lines": []}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"total": None}, "expected a whole number @ $.total"),
        ({"total": Decimal("1.5")}, "expected a whole number @ $.total"),
        ({"total": True}, "expected a whole number @ $.total"),
        ({"total": SECRET}, "expected a whole number @ $.total"),
        ({"id": Decimal(4711)}, "expected text @ $.id"),
        ({"placed": SECRET}, "expected date @ $.placed"),
        ({"placed": Decimal(4711)}, "expected date @ $.placed"),
        ({"status": SECRET}, "expected Status @ $.status"),
        ({"lines": SECRET}, "@ $.lines"),
        ({"lines": [{"sku": SECRET}]}, "expected UUID @ $.lines[0].sku"),
        ({"lines": [{"sku": str(uuid.uuid4()), "size": SECRET}]}, "attributes size @ $.lines[0]"),
        ({"lines": [SECRET]}, "expected a map @ $.lines[0]"),
        ({"more": SECRET}, "unknown attributes more @ $"),
    ],
)
def test_a_misfit_is_named_by_its_path(change: dict[str, Any], named: str) -> None:
    """Who reads the error must find the attribute, and never a value in it."""
    with pytest.raises(InvalidItemError) as caught:
        from_item(Order, {**GOOD, **change})
    assert named in str(caught.value)
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_misfits_are_named_at_once() -> None:
    """One look at a dead letter must be enough."""
    with pytest.raises(InvalidItemError, match=r"missing @ \$.id; .*\$.lines"):
        from_item(Order, {})


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (attrs.evolve(Order(**GOOD), lines=[Line(SECRET)]), None),  # type: ignore[arg-type]
        (Order("o-1", 1, SECRET, Status.OPEN, []), r"str, expected date @ \$.placed"),  # type: ignore[arg-type]
        (Order("o-1", 1, None, Status.OPEN, []), r"NoneType, expected date @ \$.placed"),  # type: ignore[arg-type]
        (GOOD, "expected a Order, not a dict"),
    ],
)
def test_an_instance_that_is_no_item_is_named(bad: Any, named: str | None) -> None:
    """attrs does not check types by itself; what cannot be stored says which field it is."""
    if named is None:
        bad, named = attrs.evolve(bad, placed=datetime.date.max, lines=[None]), "@ \\$.lines"
    with pytest.raises(InvalidItemError, match=named) as caught:
        to_item(Order, bad)
    assert "4711" not in str(caught.value)


def test_a_subclass_is_another_class() -> None:
    """Its additional fields could be written, and never read back."""

    @attrs.frozen
    class Express(Order):
        hours: int = 1

    with pytest.raises(InvalidItemError, match="expected a Order, not a Express"):
        to_item(Order, Express("o-1", 1, datetime.date.max, Status.OPEN, []))


def test_what_is_no_model_is_refused_early() -> None:
    """A wrong class must show where it is declared, not at the first item."""

    @attrs.frozen
    class Lost:
        lines: list[NoSuchType]  # type: ignore[name-defined]  # noqa: F821

    plan = orders.migration("shop")
    for bad, named in ((dict, "must be an attrs class"), (Lost, "'NoSuchType' is not defined")):
        with pytest.raises(InvalidItemError, match=named):
            DualTableRepository(plan, model=bad)
        with pytest.raises(InvalidItemError, match=named):
            ModelTransform(bad, Order, lambda old: None)


def test_unsupported_types_are_named() -> None:
    """A union of plain types has no one reading."""

    @attrs.frozen
    class Either:
        value: int | str

    for use in (form_of, lambda model: from_item(model, {"value": "x"})):
        with pytest.raises(InvalidItemError, match=r"type int \| str are not supported"):
            use(Either)


# -- ModelTransform ------------------------------------------------------------------------------


@attrs.frozen
class OldOrder:
    id: str
    total: str
    customer: dict[str, str]
    legacy: bool = False


@attrs.frozen
class NewOrder:
    id: str
    cents: int = 0
    region: str | None = None


def upgrade(old: OldOrder) -> NewOrder | None:
    if old.legacy:
        return None
    return NewOrder(old.id, int(Decimal(old.total) * 100), old.customer.get("region"))


def downgrade(new: NewOrder) -> OldOrder:
    return OldOrder(new.id, str(Decimal(new.cents) / 100), {"region": new.region or ""})


MODELS = ModelTransform(OldOrder, NewOrder, upgrade, downgrade=downgrade)


def test_model_transform_goes_both_ways() -> None:
    """The same classes serve the copy, the fallback and the way back."""
    old = {"id": "o-1", "total": "1.5", "customer": {"region": "eu"}}
    new = {"id": "o-1", "cents": 150, "region": "eu"}
    assert MODELS.forward(old) == new
    assert MODELS.backward(new) == {**old, "legacy": False}
    assert MODELS.forward({**old, "legacy": True}) is None
    assert MODELS.old_key({"id": "o-1"}) == {"id": "o-1"}
    with pytest.raises(TransformError, match="give it a downgrade"):
        ModelTransform(OldOrder, NewOrder, upgrade).backward(new)


def test_model_transform_may_split_items() -> None:
    """Several new items of one old one, with a key of their own and the way back from it."""
    split = ModelTransform(
        OldOrder,
        NewOrder,
        lambda old: (NewOrder(f"{old.id}/{name}") for name in old.customer),
        old_key=lambda key: {"id": key["id"].partition("/")[0]},
    )
    old = {"id": "o-1", "total": "1", "customer": {"a": "1", "b": "2"}}
    assert split.forward(old) == [{"id": "o-1/a", "cents": 0}, {"id": "o-1/b", "cents": 0}]
    assert split.old_key({"id": "o-1/a"}) == {"id": "o-1"}


@pytest.mark.parametrize("made", [5, [5], [{"id": "o-1"}]])
def test_an_upgrade_to_something_else_is_refused(made: Any) -> None:
    """What is no instance of the new class must not reach the table."""
    wrong = ModelTransform(OldOrder, NewOrder, lambda old: made)
    with pytest.raises((TransformError, InvalidItemError), match="NewOrder"):
        wrong.forward({"id": "o-1", "total": "1", "customer": {}})


def test_the_fingerprint_sees_functions_and_classes() -> None:
    """A resumed run must notice that the classes or the upgrade have changed."""
    prints = [
        Migration("m", "old", "new", transform).fingerprint
        for transform in (
            MODELS,
            ModelTransform(OldOrder, NewOrder, upgrade, downgrade=downgrade),
            ModelTransform(NewOrder, NewOrder, lambda new: new),
            ModelTransform(NewOrder, NewOrder, lambda new: attrs.evolve(new, cents=1)),
            ModelTransform(Order, NewOrder, lambda new: NewOrder(new.id)),
        )
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == len(prints) - 1


def test_errors_survive_pickling() -> None:
    """They cross process borders in a distributed run."""
    with pytest.raises(InvalidItemError) as caught:
        from_item(Order, {})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# -- DualTableRepository(model=…) ----------------------------------------------------------------

PLAN = Migration("shop", "shop-old", "shop-new", MODELS, control_table="shop-control")
ONE, TWO, NINE = ({"id": f"o-{n}"} for n in (1, 2, 9))


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Order 1 and 2 in the old table, and one that fits no class."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    olds = [{"id": f"o-{n}", "total": f"{n}.5", "customer": {"region": "eu"}} for n in (1, 2)]
    await orders.fill(gateway, PLAN.old, olds)
    return gateway


@pytest.fixture
async def repository(gateway: MemoryGateway) -> AsyncIterator[DualTableRepository[NewOrder]]:
    async with DualTableRepository(PLAN, model=NewOrder, gateway=gateway) as repository:
        yield repository


async def test_a_repository_of_models(repository: DualTableRepository[NewOrder]) -> None:
    """Every method returns and takes instances; keys stay dicts."""
    assert await repository.get(ONE) == NewOrder("o-1", 150, "eu")
    assert await repository.get(NINE) is None
    await repository.put(NewOrder("o-3", 3))
    await repository.batch_put([NewOrder("o-4", 4), NewOrder("o-5", 5)])
    found = await repository.batch_get([TWO, {"id": "o-4"}, NINE])
    assert found == [NewOrder("o-2", 250, "eu"), NewOrder("o-4", 4), None]
    with pytest.raises(ItemExistsError):
        await repository.put(NewOrder("o-2"), if_absent=True)
    await repository.delete(TWO)
    assert await repository.get(TWO) is None


async def test_update_of_a_model(repository: DualTableRepository[NewOrder]) -> None:
    """The change gets an instance, new ones too where the class can be made of a key alone."""

    async def add(order: NewOrder) -> NewOrder:
        return attrs.evolve(order, cents=order.cents + 1)

    assert await repository.update(ONE, add) == NewOrder("o-1", 151, "eu")
    with pytest.raises(ItemNotFoundError):
        await repository.update(NINE, add)
    assert await repository.update(NINE, add, create=True) == NewOrder("o-9", 1)


async def test_misfits_in_a_repository_name_the_key(
    repository: DualTableRepository[NewOrder], gateway: MemoryGateway
) -> None:
    """An item that somebody else has written in another shape is an error, not a missing item."""
    await orders.fill(gateway, PLAN.new, [{"id": "o-9", "cents": SECRET}])
    for call in (
        repository.get(NINE),
        repository.batch_get([ONE, NINE]),
        repository.update(NINE, lambda order: order),
    ):
        with pytest.raises(InvalidItemError, match=r"whole number @ \$.cents") as caught:
            await call
        assert caught.value.key == NINE
        assert SECRET not in str(caught.value)
    with pytest.raises(InvalidItemError, match="expected a NewOrder, not a dict"):
        await repository.put({"id": "o-8"})  # type: ignore[arg-type]
    with pytest.raises(InvalidItemError, match="expected a NewOrder, not a NoneType"):
        await repository.update(ONE, lambda order: None)  # type: ignore[arg-type,return-value]


async def test_a_whole_migration_of_models(
    gateway: MemoryGateway, repository: DualTableRepository[NewOrder], tmp_path: Any
) -> None:
    """Copy and fallback agree, and an item that fits no class is a dead letter with its path."""
    await orders.fill(gateway, PLAN.old, [{"id": "o-7", "total": Decimal(4711), "customer": {}}])
    before = await repository.batch_get([ONE, TWO])
    report = await Migrator(PLAN, gateway=gateway, dead_letters=tmp_path / "dead").run()
    assert (report.written, report.failed) == (2, 1)
    letter = (tmp_path / "dead").read_text()
    assert "expected text @ $.total" in letter
    assert "4711" not in letter
    assert await repository.batch_get([ONE, TWO]) == before
    await gateway.delete(PLAN.old, codec.encode({"id": "o-7"}))
    assert (await Verifier(PLAN, gateway=gateway).run()).ok
