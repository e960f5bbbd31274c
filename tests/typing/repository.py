"""What type checkers make of the repository; run by mypy, never executed."""

from typing import Any, assert_type

import attrs

from dualtable import Chain, DualTableRepository, Get, Migration, ModelTransform, sync


@attrs.frozen
class OldOrder:
    id: str


@attrs.frozen
class Order:
    id: str
    total: int = 0


async def ship(order: Order) -> Order:
    return attrs.evolve(order, total=1)


transform = ModelTransform(OldOrder, Order, lambda old: Order(old.id))
assert_type(transform, ModelTransform[OldOrder, Order])
several: ModelTransform[OldOrder, OldOrder | Order] = ModelTransform(
    OldOrder, OldOrder | Order, lambda old: Order(old.id)
)
pair = Chain((dict.copy, dict.copy))
assert_type(
    Migration("m", "old", "new", pair, rolling=True, settle_seconds=5).reversed(into="restored"),
    Migration,
)
migration = Migration("orders-v2", "orders", "orders-v2", transform)


async def items(bare: DualTableRepository) -> None:
    assert_type(await bare.get({"id": "o-1"}), dict[str, Any] | None)
    async with DualTableRepository(migration) as orders:
        assert_type(orders, DualTableRepository[dict[str, Any]])
        assert_type(await orders.get({"id": "o-1"}), dict[str, Any] | None)
        assert_type(await orders.batch_get([{"id": "o-1"}]), list[dict[str, Any] | None])
        await orders.put({"id": "o-1"}, if_absent=True)
        assert_type(await orders.update({"id": "o-1"}, lambda order: order), dict[str, Any])


async def models() -> None:
    async with DualTableRepository(migration, model=Order, region_name="eu-west-1") as orders:
        assert_type(orders, DualTableRepository[Order])
        assert_type(await orders.get({"id": "o-1"}), Order | None)
        assert_type(await orders.batch_get([{"id": "o-1"}]), list[Order | None])
        assert_type(await orders.transact_get([{"id": "o-1"}]), list[Order | None])
        assert_type(await orders.transact_get([Get({"id": "e-1"}, table="ledger")]), list[Any])
        assert_type(await orders.scan(index="by-region").count(), int)
        await orders.put(Order("o-1"))
        await orders.put({"id": "o-1"})  # type: ignore[arg-type]
        assert_type(await orders.update({"id": "o-1"}, ship), Order)
        assert_type([order async for order in orders.scan()], list[Order])
        assert_type(await orders.update({"id": "o-1"}, lambda order: order), Order)


async def kinds() -> None:
    async with DualTableRepository[OldOrder | Order](migration, model=OldOrder | Order) as orders:
        assert_type(await orders.get({"id": "o-1"}), OldOrder | Order | None)
        await orders.put(OldOrder("o-1"))
        await orders.put({"id": "o-1"})  # type: ignore[arg-type]


def blocking(bare: sync.DualTableRepository) -> None:
    assert_type(bare.get({"id": "o-1"}), dict[str, Any] | None)
    with sync.DualTableRepository(migration) as items:
        assert_type(items.batch_get([{"id": "o-1"}]), list[dict[str, Any] | None])
        assert_type(list(items.scan()), list[dict[str, Any]])
    with sync.DualTableRepository(migration, model=Order) as orders:
        assert_type(orders.get({"id": "o-1"}), Order | None)
        assert_type(orders.update({"id": "o-1"}, lambda order: order), Order)
        assert_type(list(orders.scan()), list[Order])
        orders.put({"id": "o-1"})  # type: ignore[arg-type]
