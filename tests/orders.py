"""The orders of a shop in the format of the production report, and their migration.

Old: the region to be indexed is nested, totals are text, a name is misspelt. New: region at the
root, totals are numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dualtable import Chain, Convert, Drop, Index, KeySchema, Migration, Move, Rename
from dualtable._wire import codec
from dualtable._wire.json import to_sorted_json
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireItem


def to_cents(total: str) -> int:
    return int(Decimal(total) * 100)


def from_cents(cents: Decimal) -> str:
    return str(cents / 100)


def skip_tests(item: dict[str, Any]) -> dict[str, Any] | None:
    """Leave test orders out."""
    return None if item.get("test") else item


TRANSFORM = Chain(
    Move("customer.region", "region"),
    Rename("customer.nme", "name"),
    Convert("total", to_cents, back=from_cents),
    Drop("legacy"),
    skip_tests,
)


def packed(items: Sequence[WireItem]) -> list[PackedItem]:
    """Return items as they are inserted."""
    return [PackedItem.of(item) for item in items]


def migration(name: str, transform: Any = TRANSFORM, **settings: Any) -> Migration:
    """Return a migration with tables of its own, named after it."""
    settings.setdefault("indexes", [Index("by-region", KeySchema("region", ("total", "N")))])
    settings.setdefault("old", f"{name}-old")
    settings.setdefault("new", f"{name}-new")
    settings.setdefault("control_table", f"{name}-control")
    return Migration(name=name, transform=transform, **settings)


def table(name: str, *key: tuple[str, str]) -> dict[str, Any]:
    """Return a CreateTable request for an on-demand table; the key is `id` unless given."""
    key = key or (("id", "S"),)
    kinds = ("HASH", "RANGE")
    return {
        "TableName": name,
        "KeySchema": [
            {"AttributeName": n, "KeyType": kind} for (n, _), kind in zip(key, kinds, strict=False)
        ],
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in key],
        "BillingMode": "PAY_PER_REQUEST",
    }


def key(number: int) -> dict[str, Any]:
    return {"id": f"o-{number}"}


def old_order(number: int, **changes: Any) -> dict[str, Any]:
    """Return an order in the old format."""
    return {
        **key(number),
        "customer": {"nme": f"Customer {number}", "region": ("eu", "us", "ap")[number % 3]},
        "total": f"{number}.25",
        "lines": [{"sku": f"s-{number}", "count": number % 7}],
        "legacy": True,
        **changes,
    }


def new_order(number: int, **changes: Any) -> dict[str, Any]:
    """Return the same order in the new format."""
    return {
        **key(number),
        "customer": {"name": f"Customer {number}"},
        "region": ("eu", "us", "ap")[number % 3],
        "total": Decimal(number * 100 + 25),
        "lines": [{"sku": f"s-{number}", "count": Decimal(number % 7)}],
        **changes,
    }


async def create(gateway: Any, plan: Migration) -> None:
    """Make both tables of a migration, as `create_table` would."""
    await gateway.create_table(table(plan.old))
    await gateway.create_table(table(plan.new))


async def fill(gateway: Any, name: str, items: list[dict[str, Any]]) -> None:
    """Put plain items into a table."""
    for start in range(0, len(items), 25):
        batch = [codec.encode(item) for item in items[start : start + 25]]
        assert not await gateway.batch_put(name, batch)


async def everything(gateway: Any, name: str) -> list[dict[str, Any]]:
    """Return all items of a table in wire form, in no order."""
    items: list[dict[str, Any]] = []
    start_key = None
    while True:
        page = await gateway.scan(
            name, segment=0, total_segments=1, start_key=start_key, consistent_read=True
        )
        items += page.items
        start_key = page.last_key
        if start_key is None:
            return items


async def digest(gateway: Any, name: str) -> str:
    """Return what is equal only for equal contents of a table."""
    lines = sorted(map(to_sorted_json, await everything(gateway, name)))
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
