"""A verification finds exactly what is wrong, and only that."""

from __future__ import annotations

import logging
from collections import Counter
from decimal import Decimal
from typing import Any

import orders
import pytest

from dualtable import DualTableError, DualTableRepository, Migrator, Verifier
from dualtable._dynamodb.gateway import Gateway
from dualtable._wire import codec
from dualtable.errors import TableNotFoundError
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Thirty orders, migrated while production rewrote order 3 and deleted order 4."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(30)])
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.put(orders.new_order(3, total=0))
        await repository.delete(orders.key(4))
        await repository.put(orders.new_order(1000))
    await Migrator(PLAN, gateway=gateway).run()
    return gateway


async def check(gateway: Gateway, level: Any = "content") -> dict[str, Any]:
    """Return the findings that are not zero, and the examples as (kind, id)."""
    report = await Verifier(PLAN, level=level, gateway=gateway).run()
    names = ("checked", "missing", "different", "rewritten", "deleted", "extra")
    found = {name: getattr(report, name) for name in names if getattr(report, name)}
    examples = {(example.kind, example.key["id"]) for example in report.examples}
    return {**found, "ok": report.ok, "examples": examples}


WELL = {"checked": 30, "rewritten": 1, "deleted": 1, "ok": True, "examples": set()}


@pytest.mark.parametrize("level", ["keys", "content"])
async def test_a_good_migration_passes(gateway: MemoryGateway, level: str) -> None:
    """What production rewrote, deleted and added is not held against the copy."""
    assert await check(gateway, level) == WELL


async def test_a_missing_item_is_found(gateway: MemoryGateway) -> None:
    """The report's own check: no key of old may be missing in new."""
    await gateway.delete(PLAN.new, codec.encode(orders.key(7)))
    for level in ("keys", "content"):
        found = await check(gateway, level)
        assert (found["missing"], found["ok"]) == (1, False)
        assert found["examples"] == {("missing", "o-7")}


async def test_a_changed_copy_is_found_by_content_alone(gateway: MemoryGateway) -> None:
    """A copy that nobody rewrote must equal what the transform yields."""
    await orders.fill(gateway, PLAN.new, [orders.new_order(7, total=0)])
    assert await check(gateway, "keys") == WELL
    found = await check(gateway)
    assert (found["different"], found["examples"]) == (1, {("different", "o-7")})


async def test_equal_values_in_other_spelling_are_equal(gateway: MemoryGateway) -> None:
    """The order of a set and the zeros of a number are no difference."""
    item = codec.encode(orders.new_order(7))
    item["total"] = {"N": f"{Decimal(725):.2f}"}
    await gateway.put(PLAN.new, item)
    assert (await check(gateway))["ok"]


async def test_what_came_from_nowhere_is_found_by_content(gateway: MemoryGateway) -> None:
    """An item that no old one yields and no repository wrote is somebody else's."""
    await orders.fill(gateway, PLAN.new, [orders.new_order(500)])
    assert await check(gateway, "keys") == WELL
    found = await check(gateway)
    assert (found["extra"], found["ok"], found["examples"]) == (1, False, {("extra", "o-500")})


async def test_an_item_that_cannot_be_transformed_is_missing(gateway: MemoryGateway) -> None:
    """A dead letter is not proved away, and the example tells no values."""
    await orders.fill(gateway, PLAN.old, [orders.old_order(600, total="a secret")])
    report = await Verifier(PLAN, gateway=gateway).run()
    assert (report.missing, report.ok) == (1, False)
    assert "TransformError" in report.examples[0].reason
    assert "secret" not in repr(report)


async def test_examples_are_limited(gateway: MemoryGateway) -> None:
    """A table full of differences must not fill the memory with examples."""
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(700, 800)])
    report = await Verifier(PLAN, level="keys", gateway=gateway).run()
    assert report.missing == 100
    kinds = Counter(example.kind for example in report.examples)
    assert kinds == {"missing": 20, "changed_old": 20}


async def test_an_unfinished_migration_does_not_pass() -> None:
    """Before the copy, everything is missing."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(5)])
    assert (await check(gateway, "keys"))["missing"] == 5


async def test_a_verification_only_reads(gateway: MemoryGateway) -> None:
    """Proving must change neither table."""
    before = [await orders.digest(gateway, name) for name in (PLAN.old, PLAN.new)]
    await check(gateway)
    assert [await orders.digest(gateway, name) for name in (PLAN.old, PLAN.new)] == before


async def test_what_it_will_cost_is_said_before_anything_is_read(
    gateway: MemoryGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever sees that it is too much can still stop it."""
    caplog.set_level(logging.INFO, "dualtable")

    class Listening(Faults):
        said: logging.LogRecord | None = None

        async def before(self, operation: str, table: str) -> None:
            if operation == "scan" and self.said is None:
                found = [r for r in caplog.records if r.getMessage() == "verification begins"]
                assert found, "it reads before it has said anything"
                self.said = found[0]

    gateway.faults = listening = Listening()
    report = await Verifier(PLAN, gateway=gateway).run()
    said = vars(listening.said)
    assert said["items_about"] == 30 + 31  # production has deleted one, and put one
    assert report.read_units / 2 < said["read_units_about"] < report.read_units * 2


async def test_bad_settings_and_missing_tables() -> None:
    """Wrong use has one clear error each."""
    with pytest.raises(DualTableError, match="level"):
        Verifier(PLAN, level="everything")  # type: ignore[arg-type]
    gateway = MemoryGateway()
    for missing in (PLAN.new, PLAN.old):
        with pytest.raises(TableNotFoundError, match=missing):
            await Verifier(PLAN, gateway=gateway).run()
        await gateway.create_table(orders.table(missing))
