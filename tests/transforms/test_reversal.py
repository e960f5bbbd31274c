"""The way back is a migration like any other, of which the same is known beforehand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import orders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtable import (
    Chain,
    Convert,
    Default,
    Drop,
    Index,
    KeySchema,
    Migration,
    Migrator,
    ModelTransform,
    Move,
    Rename,
    Transform,
    Verifier,
    create_table,
)
from dualtable._transforms.applying import backward_wire, forward_wire, keeps_key
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.reversal import reverse
from dualtable._transforms.transform import as_transform
from dualtable._wire import codec
from dualtable._wire.layouts import Layout
from dualtable.errors import TableMismatchError, TransformError
from dualtable.testing import MemoryGateway

CHAIN = Chain(
    Rename("no", "number"),
    Convert("number", int, back=str),
    Move("customer.region", "region"),
    Drop("legacy", back=lambda order: order["number"] < 10),
)
OLD = {"id": "o-1", "no": "7", "customer": {"name": "Ann", "region": "eu"}, "legacy": True}
NEW = {"id": "o-1", "number": Decimal(7), "customer": {"name": "Ann"}, "region": "eu"}


def test_forward_is_backward_and_backward_is_forward() -> None:
    """On plain values and on the wire, and turned twice it is what it was."""
    back = reverse(CHAIN)
    assert isinstance(back, Transform)
    assert (back.forward(NEW), back.backward(OLD)) == (OLD, NEW)  # type: ignore[attr-defined]
    wires = codec.encode(OLD), codec.encode(NEW)
    assert [codec.decode(item) for item in forward_wire(back, wires[1])] == [OLD]
    assert codec.decode(backward_wire(back, wires[0])) == NEW
    assert reverse(back) is CHAIN
    assert keeps_key(back, ["id"])
    assert not keeps_key(back, ["number"])


def test_the_key_is_mapped_by_the_steps() -> None:
    """The restored item's key leads to the key in the newer format, as the steps make it."""
    back = reverse(CHAIN)
    assert back.old_key({"id": "o-1", "no": "7"}) == {"id": "o-1", "number": Decimal(7)}
    pair = reverse(as_transform((dict.copy, dict.copy)))
    assert pair.old_key({"id": "o-1"}) == {"id": "o-1"}


class Prefixed:
    """Changes the key as its author says, in both directions."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, **self.new_key({"id": item["id"]})}

    def backward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, **self.old_key({"id": item["id"]})}

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"].removeprefix("order#")}

    def new_key(self, old_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": f"order#{old_key['id']}"}


class OneWay:
    """Leads back item by item, but does not say what becomes of a key."""

    def forward(self, item: Any) -> Any:
        return item

    backward = forward

    def old_key(self, new_key: Any) -> Any:
        return new_key

    def __repr__(self) -> str:
        return "OneWay()"


@attrs.frozen
class Order:
    id: str


def same(order: Order) -> Order:
    return order


MODELS = ModelTransform(Order, Order, same, downgrade=same)
MAPPED = ModelTransform(
    Order, Order, same, downgrade=same, old_key=dict.copy, new_key=lambda key: {"id": "x"}
)


def test_a_key_that_its_author_maps() -> None:
    """An object or a model's transform says it with a function beside old_key."""
    assert reverse(Prefixed()).old_key({"id": "1"}) == {"id": "order#1"}
    assert reverse(Chain(Prefixed(), Drop("x"))).old_key({"id": "1"}) == {"id": "order#1"}
    assert reverse(MODELS).old_key({"id": "1"}) == {"id": "1"}
    assert reverse(MAPPED).old_key({"id": "1"}) == {"id": "x"}


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        (Chain(Drop("a"), lambda item: item), "plain callable"),
        (Convert("id", int), "has no back="),
        (Chain(OneWay()), r"OneWay\(\) has no new_key\(old_key\)"),
        (ModelTransform(Order, Order, same), "has no downgrade="),
        (
            ModelTransform(Order, Order, same, downgrade=same, old_key=dict.copy),
            "an old_key= and no new_key=",
        ),
    ],
)
def test_what_cannot_be_reversed_is_said_at_once(transform: Any, reason: str) -> None:
    """Nobody shall learn it when the table to go back to is half full."""
    with pytest.raises(TransformError, match=f"cannot be reversed: .*{reason}"):
        Migration("m", "old", "new", transform).reversed(into="restored")


def test_one_item_that_became_several_has_no_way() -> None:
    """A fan-out is known only when it happens, and is told then."""
    back = reverse(as_transform((lambda item: [item, item], dict.copy)))
    with pytest.raises(TransformError, match="became 2"):
        back.backward({"id": "o-1"})  # type: ignore[attr-defined]


def test_a_reversed_migration() -> None:
    """From the new table to a fresh one, under its own name and fingerprint."""
    plan = Migration("m", "old", "new", CHAIN, settle_seconds=5, tombstone_attribute="gone")
    back = plan.reversed(into="restored")
    assert (back.name, back.old, back.new) == ("m-reversed", "new", "restored")
    assert (back.settle_seconds, back.marks, back.rolling) == (5, plan.marks, False)
    assert back.control_table == plan.control_table
    assert back.fingerprint != plan.fingerprint
    assert back.fingerprint == plan.reversed("elsewhere", name="again").fingerprint
    stated = Migration("m", "old", "new", CHAIN, version="1", rolling=True)
    assert stated.reversed(into="restored").fingerprint == "version:1-reversed"
    assert stated.reversed(into="restored").rolling
    assert stated.reversed(into="restored", version="2", rolling=False).fingerprint == "version:2"


def test_a_key_that_differs_must_be_given() -> None:
    """The old table may be gone; a restored one with the newer key would take no item."""
    plan = Migration("m", "old", "new", Rename("oid", "id"), key=KeySchema("id"))
    with pytest.raises(TableMismatchError, match="key=KeySchema"):
        plan.reversed(into="restored")
    assert plan.reversed(into="restored", key=KeySchema("oid")).key == KeySchema("oid")
    assert plan.reversed(into="restored", key=KeySchema("oid")).indexes is None
    indexes = [Index("by-day", KeySchema("day"))]
    plan = Migration("m", "old", "new", Drop("x"), indexes=indexes)
    assert plan.reversed(into="restored").indexes == ()
    assert plan.reversed(into="restored", indexes=indexes).indexes == tuple(indexes)
    plan = Migration("m", "old", "new", Rename("oid", "id"), key=KeySchema("id"))
    with pytest.raises(TableMismatchError, match="fresh table"):
        plan.reversed(into="old", key=KeySchema("oid"))


def test_keys_one_to_one_are_judged_from_either_side() -> None:
    """What may erase another item forwards may do so backwards."""
    for old, fits in ((KeySchema("oid"), True), (KeySchema("oid", "day"), False)):
        layouts = Layout("new", KeySchema("id"), {}), Layout("restored", old, {})
        plan = Migration("m", "old", "new", Rename("oid", "id")).reversed("restored")
        found = Lineage.of(plan, *layouts)
        if fits:
            found.check_one_to_one()
        else:
            with pytest.raises(TransformError, match="one to one"):
                found.check_one_to_one()


def _refused_for(error: TransformError, reason: str) -> None:
    assert reason in str(error)


@given(st.integers(-(10**9), 10**9), st.text(min_size=1), st.booleans())
def test_what_is_restored_can_be_migrated_again(number: int, name: str, bare: bool) -> None:
    """I9 both ways: whatever passes one check passes the other with the same two items."""
    customer = {} if bare else {"customer": {"name": name}}
    new = codec.encode({"id": "o-1", "number": number, "region": "eu", **customer})
    plan = Migration("m", "old", "new", Chain(*CHAIN.steps, Default("status", "open")))
    keys = KeySchema("id")
    layouts = Layout("old", keys, {}), Layout("new", keys, {})
    try:
        old = Lineage.of(plan, *layouts).old_item({**new, "status": {"S": "open"}})
    except TransformError as error:
        _refused_for(error, "'customer'" if bare else "nothing")
        return
    assert codec.decode(old)["no"] == str(number)
    back = Lineage.of(plan.reversed("restored"), *reversed(layouts))
    assert codec.decode(back.old_item(old)) == {**codec.decode(new), "status": "open"}


async def test_forwards_on_and_back(tmp_path: Any) -> None:
    """Production's writes since are in the restored table, in the old format, deletes too."""
    steps = (step for step in orders.TRANSFORM.steps if isinstance(step, (Move, Rename, Convert)))
    plan = orders.migration("m", Chain(*steps, Drop("legacy", back=lambda order: True)))
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(5)])
    await Migrator(plan, gateway=gateway, dead_letters=tmp_path / "dead").run()
    await orders.fill(gateway, plan.new, [{**orders.new_order(7), "_dualtable_token": "t"}])
    await gateway.delete(plan.new, codec.encode(orders.key(1)))
    await orders.fill(gateway, plan.new, [{**orders.key(1), "_dualtable_deleted": True}])
    back = plan.reversed(into="restored")
    created = await create_table(back, gateway=gateway)
    assert (created.ok, created.left_out) == (True, ("by-region",))
    report = await Migrator(back, gateway=gateway, dead_letters=tmp_path / "back").run()
    assert (report.written, report.failed, report.complete) == (5, 0, True)
    assert (await Verifier(back, gateway=gateway).run()).ok
    for number in (0, 2, 3, 4, 7):
        key = codec.encode(orders.key(number))
        found = await gateway.get("restored", key, consistent_read=True)
        assert found is not None
        assert codec.decode(found) == orders.old_order(number)
