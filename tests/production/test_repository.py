"""The repository is one table to its callers, whatever state the migration is in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orders
import pytest

from dualtable import DualTableError, DualTableRepository, Migration, Migrator
from dualtable._dynamodb.retry import RetryPolicy
from dualtable._wire import codec
from dualtable.errors import (
    ConcurrentUpdateError,
    InvalidItemError,
    InvalidKeyError,
    ItemExistsError,
    ItemNotFoundError,
    TableNotFoundError,
    ThrottledError,
    TransformError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
COPIED, OLD_ONLY, MISSING = orders.key(1), orders.key(2), orders.key(99)


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Orders 1 to 9 in the old table, order 1 copied already."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
    await orders.fill(gateway, PLAN.new, [orders.new_order(1)])
    return gateway


@pytest.fixture
async def repository(gateway: MemoryGateway) -> AsyncIterator[DualTableRepository]:
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        yield repository


async def in_new(gateway: MemoryGateway, key: dict[str, Any]) -> dict[str, Any] | None:
    item = await gateway.get(PLAN.new, codec.encode(key), consistent_read=True)
    return item and codec.decode(item)


async def test_get_reads_new_then_old(repository: DualTableRepository) -> None:
    """A caller cannot tell a copied item from one that only the old table has."""
    assert await repository.get(COPIED) == orders.new_order(1)
    assert await repository.get(OLD_ONLY) == orders.new_order(2)
    assert await repository.get(MISSING) is None


async def test_batch_get_keeps_order_duplicates_and_gaps(repository: DualTableRepository) -> None:
    """BatchGetItem's limits and disorder must not reach the caller."""
    keys = [orders.key(n % 12) for n in range(1, 251)]
    expected = [orders.new_order(n % 12) if 1 <= n % 12 <= 9 else None for n in range(1, 251)]
    assert await repository.batch_get(keys) == expected
    assert await repository.batch_get([]) == []


async def test_put_wins_over_old(repository: DualTableRepository, gateway: MemoryGateway) -> None:
    """A write goes to the new table, with a token that callers never see."""
    await repository.put(orders.new_order(2, total=5))
    assert await repository.get(OLD_ONLY) == orders.new_order(2, total=Decimal(5))
    stored = await in_new(gateway, OLD_ONLY)
    assert stored is not None
    assert PLAN.token_attribute in stored


async def test_delete_leaves_a_tombstone(
    repository: DualTableRepository, gateway: MemoryGateway
) -> None:
    """I3: neither a fallback read nor the migrator brings a deleted item back."""
    await repository.delete(OLD_ONLY)
    await repository.delete(COPIED)
    assert await repository.batch_get([OLD_ONLY, COPIED]) == [None, None]
    assert await in_new(gateway, OLD_ONLY) == {**OLD_ONLY, PLAN.tombstone_attribute: True}
    await Migrator(PLAN, gateway=gateway).run()
    assert await repository.batch_get([OLD_ONLY, COPIED]) == [None, None]


async def test_if_absent_asks_both_tables(repository: DualTableRepository) -> None:
    """Absent means absent from the logical table; a tombstone counts as absent."""
    for key, number in ((COPIED, 1), (OLD_ONLY, 2)):
        with pytest.raises(ItemExistsError) as caught:
            await repository.put(orders.new_order(number), if_absent=True)
        assert caught.value.key == key
    await repository.delete(OLD_ONLY)
    await repository.put(orders.new_order(2, total=7), if_absent=True)
    await repository.put(orders.new_order(99), if_absent=True)
    with pytest.raises(ItemExistsError):
        await repository.put(orders.new_order(99), if_absent=True)


async def test_batch_put_takes_any_number_and_the_last_of_a_key(
    repository: DualTableRepository,
) -> None:
    """BatchWriteItem refuses more than 25 items and doubled keys; the repository does not."""
    items = [orders.new_order(n, total=n) for n in range(60)] + [orders.new_order(3, total=1000)]
    await repository.batch_put(items)
    found = await repository.batch_get([orders.key(n) for n in range(60)])
    assert [item and item["total"] for item in found] == [
        Decimal(1000 if n == 3 else n) for n in range(60)
    ]


@pytest.mark.parametrize("key", [COPIED, OLD_ONLY], ids=["copied", "old only"])
async def test_update_changes_what_is_there(
    repository: DualTableRepository, key: dict[str, Any]
) -> None:
    """Read-modify-write works the same wherever the item is, and again on its own result."""

    def raise_total(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "total": item["total"] + 1}

    before = await repository.get(key)
    assert before is not None
    await repository.update(key, raise_total)
    after = await repository.update(key, raise_total)
    assert after == {**before, "total": before["total"] + 2} == await repository.get(key)


async def test_update_of_nothing(repository: DualTableRepository) -> None:
    """What is in no table, or deleted, is only updated on request."""

    async def mark(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "marked": True}

    await repository.delete(OLD_ONLY)
    for key in (MISSING, OLD_ONLY):
        with pytest.raises(ItemNotFoundError):
            await repository.update(key, mark)
        assert await repository.update(key, mark, create=True) == {**key, "marked": True}
        assert await repository.get(key) == {**key, "marked": True}


@pytest.mark.parametrize("key", [COPIED, OLD_ONLY], ids=["copied", "old only"])
@pytest.mark.parametrize("between", ["put", "delete", "copy", "update"])
async def test_update_does_not_lose_what_happens_in_between(
    repository: DualTableRepository, gateway: MemoryGateway, key: dict[str, Any], between: str
) -> None:
    """I4: a write between read and write is built upon, not overwritten."""
    calls = 0

    async def change(item: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await interfere()
        return {**item, "total": item.get("total", 0) + 1}

    async def interfere() -> None:
        if between == "put":
            await repository.put({**key, "total": 500, "region": "xx"})
        elif between == "delete":
            await repository.delete(key)
        elif between == "update":
            await repository.update(key, lambda item: {**item, "total": item["total"] + 50})
        else:
            await Migrator(PLAN, gateway=gateway).run()

    before = await repository.get(key)
    assert before is not None
    after = await repository.update(key, change, create=True)
    untouched = {"put": 500, "delete": 0, "update": before["total"] + 50}
    assert after["total"] == untouched.get(between, before["total"]) + 1
    assert ("customer" in after) is (between in ("copy", "update"))
    assert await repository.get(key) == after


async def test_update_gives_up_in_the_end(repository: DualTableRepository) -> None:
    """An update that is overtaken each time ends with an error and writes nothing."""

    async def overtaken(item: dict[str, Any]) -> dict[str, Any]:
        await repository.put(orders.new_order(1, total=1))
        return {**item, "total": 2}

    with pytest.raises(ConcurrentUpdateError):
        await repository.update(COPIED, overtaken)
    assert await repository.get(COPIED) == orders.new_order(1, total=Decimal(1))


async def test_update_refuses_a_bad_result(repository: DualTableRepository) -> None:
    """A change that loses the key or the item must not reach the table."""
    for bad in (lambda item: {**item, "id": "other"}, lambda _item: None, lambda _item: {"a": 1}):
        with pytest.raises((InvalidItemError, InvalidKeyError)):
            await repository.update(COPIED, bad)
    assert await repository.get(COPIED) == orders.new_order(1)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ({}, "'id' is missing"),
        ({"id": ""}, "'id' is empty"),
        ({"id": 1}, "'id' must be text (S), not N"),
        ({"id": "o-1", "day": 1}, "'day' is no key attribute"),
        ({"id": 1.5}, "float"),
        ("o-1", "must be a dict"),
    ],
)
async def test_bad_keys_are_named(repository: DualTableRepository, key: Any, named: str) -> None:
    """A wrong key gets one clear error in every method, before anything is sent."""
    for call in (
        repository.get(key),
        repository.batch_get([key]),
        repository.delete(key),
        repository.update(key, lambda item: item),
    ):
        with pytest.raises(InvalidKeyError) as caught:
            await call
        assert named in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"total": 1.5}, "total"),
        ({"tags": set()}, "tags"),
        ({"region": 5}, "region"),
        ({"_dualtable_token": "x"}, "_dualtable_token"),
        ({"_dualtable_deleted": True}, "_dualtable_deleted"),
        ({"text": "x" * 410_000}, "bytes"),
        ({"big": 10**38 + 1}, "38 digits"),
    ],
)
async def test_bad_items_are_named(change: dict[str, Any], named: str) -> None:
    """A wrong item gets one clear error before anything is sent, also inside a batch."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(PLAN.old))
    new = orders.table(PLAN.new)
    new["AttributeDefinitions"].append({"AttributeName": "region", "AttributeType": "S"})
    new["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-region",
            "KeySchema": [{"AttributeName": "region", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    await gateway.create_table(new)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        with pytest.raises((InvalidItemError, InvalidKeyError)) as caught:
            await repository.put(orders.new_order(1, **change))
        assert named in str(caught.value)
        with pytest.raises((InvalidItemError, InvalidKeyError)):
            await repository.batch_put([orders.new_order(2), orders.new_order(1, **change)])
        assert await orders.everything(gateway, PLAN.new) == []


async def test_a_closed_repository_says_so(gateway: MemoryGateway) -> None:
    """Use before or after the context is a programming error with a clear name."""
    repository = DualTableRepository(PLAN, gateway=gateway)
    with pytest.raises(DualTableError, match="async with"):
        await repository.get(COPIED)
    async with repository:
        await repository.get(COPIED)
    with pytest.raises(DualTableError, match="async with"):
        await repository.put(orders.new_order(1))


async def test_missing_table_is_named_on_opening() -> None:
    """A wrong table name must show at start-up, not at the first miss."""
    with pytest.raises(TableNotFoundError, match=PLAN.new):
        async with DualTableRepository(PLAN, gateway=MemoryGateway()):
            pass


async def test_a_failing_transform_is_no_missing_item(gateway: MemoryGateway) -> None:
    """An item that cannot be transformed exists: the caller must not take it for absent."""
    await orders.fill(gateway, PLAN.old, [orders.old_order(50, total="no number")])
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        for call in (
            repository.get(orders.key(50)),
            repository.batch_get([orders.key(50)]),
            repository.put(orders.new_order(50), if_absent=True),
        ):
            with pytest.raises(TransformError) as caught:
                await call
            assert caught.value.key == orders.key(50)
            assert "no number" not in str(caught.value)


async def test_one_item_becomes_several() -> None:
    """With a transform that splits items and changes keys, each new key finds its origin."""

    class Split:
        def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
            return [
                {"order": item["id"], "line": n, "sku": sku} for n, sku in enumerate(item["skus"])
            ]

        def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
            return {"id": new_key["order"]}

    plan = Migration("split", "orders", "lines", Split())
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await gateway.create_table(orders.table(plan.new, ("order", "S"), ("line", "N")))
    await orders.fill(gateway, plan.old, [{"id": "o-1", "skus": ["a", "b", "c"]}])
    async with DualTableRepository(plan, gateway=gateway) as lines:
        await lines.delete({"order": "o-1", "line": 1})
        keys = [{"order": "o-1", "line": n} for n in range(4)]
        found = await lines.batch_get(keys)
        assert [line and line["sku"] for line in found] == ["a", None, "c", None]


async def test_batch_put_sends_what_was_left_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchWriteItem may take only a part; the repository puts all or says that it could not."""
    monkeypatch.setattr(
        "dualtable._production.opened.PRODUCTION", RetryPolicy(tries=4, base_seconds=0.001)
    )

    class TakesHalf(Faults):
        refuses_all = False

        def left_over(self, operation: str, table: str, members: int) -> set[int]:
            if operation != "batch_put":
                return set()
            return set(range(0 if self.refuses_all else (members + 1) // 2, members))

    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    gateway.faults = faults = TakesHalf()
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.batch_put(orders.new_order(n) for n in range(7))
        assert len(await orders.everything(gateway, PLAN.new)) == 7
        faults.refuses_all = True
        with pytest.raises(ThrottledError, match="left 3 undone"):
            await repository.batch_put(orders.new_order(n) for n in range(10, 13))
