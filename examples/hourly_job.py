"""A production job: reads, updates, adds and deletes orders, before, during and after the copy."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

from orders_migration import migration

from dualtable import DualTableRepository
from dualtable.errors import ItemNotFoundError


def ship(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "status": "shipped", "shipped_on": "2026-01-31"}


async def main() -> None:
    async with DualTableRepository(migration) as orders:
        found = await orders.batch_get([{"id": f"o-{number}"} for number in range(10)])
        open_orders = [order for order in found if order and order["status"] == "open"]
        for order in open_orders[:3]:
            try:
                await orders.update({"id": order["id"]}, ship)
            except ItemNotFoundError:
                print(f"{order['id']} was cancelled meanwhile")
        await orders.put(
            {
                "id": str(uuid.uuid4()),
                "customer": {"name": "Ann"},
                "region": "eu",
                "total": Decimal("12.50"),
                "status": "open",
            },
            if_absent=True,
        )
        await orders.delete({"id": "o-9"})
        print(f"{len(open_orders[:3])} shipped, 1 added, 1 cancelled")


if __name__ == "__main__":
    asyncio.run(main())
