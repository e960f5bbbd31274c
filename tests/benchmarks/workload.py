"""The migration that all contenders do: the items, what becomes of them, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orders

from dualtable._dynamodb.gateway import Gateway, batches
from dualtable._wire import codec

REGION = "eu-west-1"
CREDENTIALS = ("test", "test")
_PROSE = (
    "Please leave the parcel with the neighbour on the second floor if nobody answers the bell;"
    " the courier has the code of the front door. "
)
_STEPS = ("placed", "paid", "packed", "shipped")


def item_id(number: int) -> str:
    return f"order#{number:010d}"


def old_item(number: int) -> dict[str, Any]:
    """Return an order of about 3.5 KB: 27 attributes, 70 values, lists of maps."""
    return {
        "id": item_id(number),
        "customer": {
            "name": f"Customer {number}",
            "email": f"customer.{number}@example.com",
            "region": ("eu-central", "us-east", "ap-south")[number % 3],
            "phone": f"+49 30 {number:08d}",
            "address": {
                "street": f"{number % 200} Long Street",
                "city": "Springfield",
                "postcode": f"{number % 100_000:05d}",
                "country": "DE",
            },
        },
        "lines": [
            {
                "sku": f"SKU-{number % 997:05d}-{line}",
                "title": f"A thing of some kind, size {line}, in the season's colour, washable",
                "quantity": Decimal(1 + (number + line) % 9),
                "price": Decimal(1999 + line),
                "tax": Decimal("0.19"),
            }
            for line in range(4)
        ],
        "events": [
            {"at": Decimal(1_700_000_000 + number + step), "status": status, "by": "system"}
            for step, status in enumerate(_STEPS)
        ],
        "total": Decimal(1234 + 100 * (number % 1000)),
        "shipping": Decimal("4.90"),
        "discount": Decimal(number % 15),
        "weight_grams": Decimal(350 + number % 5000),
        "revision": Decimal(number % 12),
        "created_at": Decimal(1_700_000_000 + number),
        "updated_at": Decimal(1_700_086_400 + number),
        "currency": "EUR",
        "status": ("open", "shipped", "returned")[number % 3],
        "channel": "web",
        "warehouse": f"wh-{number % 7}",
        "carrier": "standard",
        "tracking": f"JJD{number:018d}",
        "invoice": f"2026-{number:09d}",
        "locale": "de-DE",
        "gift": number % 10 == 0,
        "express": number % 4 == 0,
        "coupon": None,
        "tags": {"autumn", "returning", f"cohort-{number % 52}"},
        "instructions": _PROSE * 9,
        "gift_message": _PROSE * 2,
        "internal_note": _PROSE * 6,
        "source": f"campaign-{number % 31}/newsletter/week-{number % 52}",
    }


def flat_item(number: int) -> dict[str, Any]:
    """Return an item of about 3.5 KB, nearly all of it text at the root."""
    texts = {f"text_{n}": f"{number} {_PROSE[: 100 + 7 * n]}" for n in range(20)}
    return {**_head(number), **texts}


def nested_item(number: int) -> dict[str, Any]:
    """Return an item of about 3.5 KB with a map of 12 numbers and a list of 20 small maps."""
    rows = [
        {
            "sku": f"SKU-{number % 997:05d}-{row}",
            "price": Decimal(1999 + row),
            "is_gift": row % 3 == 0,
        }
        | {"note": _PROSE[:60]}
        for row in range(20)
    ]
    numbers = {f"month_{n}": Decimal(number * n) / 100 for n in range(12)}
    return {**_head(number), "sold": numbers, "rows": rows}


def _head(number: int) -> dict[str, Any]:
    region = ("eu-central", "us-east", "ap-south")[number % 3]
    customer = {"name": f"Customer {number}", "region": region}
    return {"id": item_id(number), "customer": customer, "total": Decimal(1234 + number % 1000)}


Make = Callable[[int], dict[str, Any]]
WORKLOADS: dict[str, Make] = {"flat": flat_item, "nested": nested_item}


def to_new_in_place(item: dict[str, Any]) -> dict[str, Any]:
    """Do the same by touching three attributes of the item that is given, and returning it."""
    item["region"] = item["customer"].pop("region")
    item["total"] = item["total"] / 100
    return item


def to_new(item: dict[str, Any]) -> dict[str, Any]:
    """Move the customer's region to the root and turn cents into euros, as anybody would."""
    customer = dict(item["customer"])
    region = customer.pop("region")
    return {**item, "customer": customer, "region": region, "total": item["total"] / 100}


async def fill(gateway: Gateway, table: str, count: int, make: Make = old_item) -> None:
    """Make a table of that many old items."""
    await gateway.create_table(orders.table(table))
    for numbers in batches(range(count), 25):
        left = await gateway.batch_put(table, [codec.encode(make(n)) for n in numbers])
        assert not left


async def check(gateway: Gateway, table: str, count: int, make: Make = old_item) -> None:
    """Raise unless a table holds exactly the new items."""
    seen = 0
    for item in await orders.everything(gateway, table):
        plain = codec.decode(item)
        number = int(plain["id"].removeprefix("order#"))
        assert plain == to_new(make(number)), f"{table} holds a wrong {plain['id']}"
        seen += 1
    assert seen == count, f"{table} holds {seen} items of {count}"


def chunks_of(items: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Cut a page into pieces."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
