"""Queries of the logical table: order, overlay, paging, indexes, and partitions that are mapped."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr, Key

from dualtable import (
    Chain,
    Convert,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Rename,
)
from dualtable._dynamodb.gateway import Gateway
from dualtable.errors import (
    IndexNotReadyError,
    InvalidKeyError,
    InvalidTokenError,
    TransformError,
    UnknownIndexError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = Migration(
    "days", "days-old", "days-new", Chain(Rename("nme", "name"), Convert("total", int, back=str))
)
KEY = (("customer", "S"), ("day", "N"))
C7 = Key("customer").eq("c-7")


def old_day(day: int, customer: str = "c-7", **changes: Any) -> dict[str, Any]:
    return {"customer": customer, "day": day, "nme": f"old {day}", "total": str(day), **changes}


def new_day(day: int, **changes: Any) -> dict[str, Any]:
    return {"customer": "c-7", "day": day, "name": f"new {day}", "total": day * 10, **changes}


def gsi(table: dict[str, Any], name: str, *key: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Add a global index to a table's definition."""
    types = {a["AttributeName"] for a in table["AttributeDefinitions"]}
    for attribute, tag in key:
        if attribute not in types:
            table["AttributeDefinitions"].append({"AttributeName": attribute, "AttributeType": tag})
    table.setdefault("GlobalSecondaryIndexes", []).append(
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": attribute, "KeyType": kind}
                for (attribute, _), kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            "Projection": {"ProjectionType": "ALL", **more},
        }
    )
    return table


async def names(found: Any) -> list[str]:
    return [item["name"] async for item in found]


async def make(gateway: Gateway, plan: Migration = PLAN, key: Any = KEY) -> None:
    await gateway.create_table(orders.table(plan.old, *key))
    await gateway.create_table(orders.table(plan.new, *key))


@pytest.fixture
async def gateway() -> MemoryGateway:
    """Ten days in the old table; of these, 3 is rewritten and 5 deleted; 11 is new; 7 is copied."""
    gateway = MemoryGateway()
    await make(gateway)
    await orders.fill(gateway, PLAN.old, [old_day(n) for n in range(10)])
    await orders.fill(gateway, PLAN.old, [old_day(n, "c-8") for n in range(3)])
    await orders.fill(gateway, PLAN.new, [{**new_day(7), "name": "old 7", "total": 7}])
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        await days.put(new_day(3))
        await days.delete({"customer": "c-7", "day": 5})
        await days.put(new_day(11))
    return gateway


LOGICAL = ["old 0", "old 1", "old 2", "new 3", "old 4", *(f"old {n}" for n in range(6, 10))]
LOGICAL += ["new 11"]


@pytest.mark.parametrize("consistent_read", [False, True])
@pytest.mark.parametrize("descending", [False, True])
async def test_a_query_is_that_of_one_table(
    gateway: MemoryGateway, consistent_read: bool, descending: bool
) -> None:
    """New over old, tombstones gone, both in the order of the sort key."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        found = days.query(C7, descending=descending, consistent_read=consistent_read)
        assert await names(found) == (LOGICAL[::-1] if descending else LOGICAL)
        assert found.token is None


each_range = pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Key("day").eq(3), ["new 3"]),
        (Key("day").eq(5), []),
        (Key("day").lt(2), ["old 0", "old 1"]),
        (Key("day").lte(2), ["old 0", "old 1", "old 2"]),
        (Key("day").gt(8), ["old 9", "new 11"]),
        (Key("day").gte(9), ["old 9", "new 11"]),
        (Key("day").between(2, 4), ["old 2", "new 3", "old 4"]),
    ],
)


@each_range
async def test_conditions_on_the_sort_key(
    gateway: MemoryGateway, sort: Any, expected: list[str]
) -> None:
    """Every comparison that a query takes reaches both tables."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        assert await names(days.query(C7 & sort)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_survive_a_process(gateway: MemoryGateway, size: int, descending: bool) -> None:
    """Limits count logical items, and a token leads on wherever it is put, through JSON."""
    found: list[str] = []
    token = None
    while True:
        async with DualTableRepository(PLAN, gateway=gateway) as days:
            page = days.query(C7, limit=size, descending=descending, token=token)
            got = await names(page)
            found += got
            assert len(got) <= size
            token = json.loads(json.dumps(page.token))
        if token is None:
            break
    assert found == (LOGICAL[::-1] if descending else LOGICAL)


@pytest.mark.parametrize("descending", [False, True])
@each_range
async def test_pages_of_a_range_end_with_it(
    gateway: MemoryGateway, sort: Any, expected: list[str], descending: bool
) -> None:
    """DynamoDB refuses a page that begins at the end of the range."""
    found: list[str] = []
    token = None
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        for _ in range(len(expected) + 1):
            page = days.query(C7 & sort, limit=1, descending=descending, token=token)
            found += await names(page)
            token = page.token
    assert token is None
    assert found == (expected[::-1] if descending else expected)


async def test_filters_come_after_the_overlay(gateway: MemoryGateway) -> None:
    """A filter on the server would hide the newer version and let the older one through."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        assert await names(days.query(C7, filter=Attr("total").lt(5))) == [*LOGICAL[:3], "old 4"]
        assert await names(days.query(C7, filter=Attr("total").eq(30), limit=1)) == ["new 3"]


async def test_a_projection_cuts_items(gateway: MemoryGateway) -> None:
    """What is not asked for does not come, whatever table the item is from."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        found = days.query(C7 & Key("day").lte(3), projection=["name", "missing"])
        assert [item async for item in found] == [{"name": name} for name in LOGICAL[:4]]


async def test_a_finished_copy_changes_nothing(gateway: MemoryGateway) -> None:
    """The migrator may run between any two pages."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        found = days.query(C7, limit=4)
        first = await names(found)
        assert (await Migrator(PLAN, gateway=gateway).run()).ok
        assert first + await names(days.query(C7, token=found.token)) == LOGICAL


async def test_an_eventually_consistent_query_may_be_stale_and_a_consistent_one_not() -> None:
    """I1: staleness is that of one table, and only where it was asked for."""

    class Stale(Faults):
        def stale(self, table: str, versions: Any) -> Any:
            return versions[0] if table == PLAN.new else versions[-1]

    gateway = MemoryGateway(Stale())
    await make(gateway)
    await orders.fill(gateway, PLAN.old, [old_day(1)])
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        await days.put(new_day(1))
        assert await names(days.query(C7)) == ["old 1"]
        assert await names(days.query(C7, consistent_read=True)) == ["new 1"]


# Keys that change


class ByOrder:
    """Lines of an order as items of their own: one old item becomes several."""

    def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"order": item["id"], "line": n, "name": sku} for n, sku in enumerate(item["skus"])]

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["order"]}


class ByHash:
    """A partition that depends on the whole old key, so that it cannot be told from itself."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"bucket": "b", "id": item["id"], "name": item["id"]}

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"]}


async def test_a_partition_that_is_mapped_back() -> None:
    """The old partition is read whole, transformed, and sorted by the new sort key."""
    plan = Migration("lines", "orders", "lines", ByOrder())
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await gateway.create_table(orders.table(plan.new, ("order", "S"), ("line", "N")))
    await orders.fill(gateway, plan.old, [{"id": "o-1", "skus": list("abcdef")}])
    async with DualTableRepository(plan, gateway=gateway) as lines:
        await lines.delete({"order": "o-1", "line": 1})
        await lines.put({"order": "o-1", "line": 3, "name": "D"})
        await lines.put({"order": "o-1", "line": 9, "name": "z"})
        of_order = Key("order").eq("o-1")
        assert await names(lines.query(of_order)) == list("acDefz")
        assert await names(lines.query(of_order & Key("line").gte(3))) == list("Defz")
        assert await names(lines.query(of_order, descending=True)) == list("zfeDca")
        page = lines.query(of_order, limit=2)
        assert await names(page) == ["a", "c"]
        assert await names(lines.query(of_order, token=page.token)) == list("Defz")
        assert await names(lines.query(Key("order").eq("o-2"))) == []


async def test_a_partition_that_cannot_be_mapped_back_says_so() -> None:
    """No answer is better than one that lacks what is not copied yet."""
    plan = Migration("buckets", "ids", "buckets", ByHash())
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await gateway.create_table(orders.table(plan.new, ("bucket", "S"), ("id", "S")))
    async with DualTableRepository(plan, gateway=gateway) as buckets:
        with pytest.raises(TransformError, match="cannot map a partition of buckets back"):
            await names(buckets.query(Key("bucket").eq("b")))


# Indexes


@pytest.fixture
async def indexed() -> tuple[Migration, MemoryGateway]:
    """A table with an index on `state`; the old one has it under another name and in capitals."""
    plan = Migration(
        "states",
        "days-old",
        "days-new",
        Chain(Rename("nme", "name"), Convert("state", str.lower)),
        indexes=[
            Index(
                "by-state",
                KeySchema("state", ("day", "N")),
                old_index="state-index",
                old_value=str.upper,
            ),
            Index("by-name", KeySchema("name")),
        ],
    )
    gateway = MemoryGateway()
    await gateway.create_table(
        gsi(orders.table(plan.old, *KEY), "state-index", ("state", "S"), ProjectionType="KEYS_ONLY")
    )
    new = gsi(orders.table(plan.new, *KEY), "by-state", ("state", "S"), ("day", "N"))
    await gateway.create_table(gsi(new, "by-name", ("name", "S")))
    days = [old_day(n, state="OPEN" if n % 2 else "DONE") for n in range(8)]
    await orders.fill(gateway, plan.old, days)
    return plan, gateway


@pytest.mark.parametrize(
    ("lead", "reason"),
    [
        (lambda state: {"open": "OPEN"}[state], r"KeyError at test_queries\.py:\d+"),
        (Decimal, r"raised InvalidOperation in Decimal"),
        (lambda state: 1.5, "float is not a"),
    ],
)
async def test_an_old_value_that_fails_is_told(
    indexed: tuple[Migration, MemoryGateway], lead: Any, reason: str
) -> None:
    """It is the user's code, and no reason for a raw error."""
    plan, gateway = indexed
    index = attrs.evolve(plan.indexes[0], old_value=lead)  # type: ignore[index]
    plan = attrs.evolve(plan, indexes=[index])
    async with DualTableRepository(plan, gateway=gateway) as days:
        with pytest.raises(TransformError, match=f"old_value of index 'by-state'.*{reason}"):
            await names(days.query(Key("state").eq("closed"), index="by-state"))


async def test_an_index_is_completed_by_one_of_the_old_table(
    indexed: tuple[Migration, MemoryGateway],
) -> None:
    """Rewritten, deleted, copied or untouched: an index query finds what one table would."""
    plan, gateway = indexed
    async with DualTableRepository(plan, gateway=gateway) as days:
        await days.put(new_day(1, state="done"))
        await days.put(new_day(2, state="open"))
        await days.delete({"customer": "c-7", "day": 3})
        await days.put(new_day(20, state="open"))
        is_open = Key("state").eq("open")
        wanted = ["new 2", "old 5", "old 7", "new 20"]
        for _ in ("before the copy", "after it"):
            assert await names(days.query(is_open, index="by-state")) == wanted
            assert (
                await names(days.query(is_open, index="by-state", descending=True)) == wanted[::-1]
            )
            assert (
                await names(days.query(is_open & Key("day").gt(5), index="by-state")) == wanted[2:]
            )
            page = days.query(is_open, index="by-state", limit=3)
            assert await names(page) == wanted[:3]
            rest = days.query(is_open, index="by-state", token=page.token)
            assert await names(rest) == wanted[3:]
            await Migrator(plan, gateway=gateway).run()


@pytest.mark.parametrize("projection", ["ALL", "KEYS_ONLY"])
async def test_tombstones_in_an_index_of_key_attributes_are_no_items(projection: str) -> None:
    """An inverted index has tombstones too, and with few attributes they look like items there."""
    plan = Migration(
        "inverted",
        "days-old",
        "days-new",
        lambda item: item,
        indexes=[Index("by-day", KeySchema(("day", "N"), "customer"), old_index="by-day")],
    )
    gateway = MemoryGateway()
    for table in (plan.old, plan.new):
        definition = orders.table(table, *KEY)
        await gateway.create_table(gsi(definition, "by-day", *KEY[::-1], ProjectionType=projection))
    await orders.fill(gateway, plan.old, [{"customer": f"c-{n}", "day": 1} for n in range(4)])
    async with DualTableRepository(plan, gateway=gateway) as days:
        await days.delete({"customer": "c-0", "day": 1})
        await days.put({"customer": "c-9", "day": 1})
        await days.delete({"customer": "c-9", "day": 1})
        for _ in ("before the copy", "after it"):
            found = days.query(Key("day").eq(1), index="by-day")
            assert [day["customer"] async for day in found] == ["c-1", "c-2", "c-3"]
            await Migrator(plan, gateway=gateway).run()


async def test_an_index_that_nothing_completes_refuses(
    indexed: tuple[Migration, MemoryGateway],
) -> None:
    """Until the migration is complete, an index of the new table alone would lose items."""
    plan, gateway = indexed
    async with DualTableRepository(plan, gateway=gateway) as days:
        with pytest.raises(IndexNotReadyError, match=r"by-name.*old_index"):
            await names(days.query(Key("name").eq("old 1"), index="by-name"))


async def test_an_unknown_index_is_named(gateway: MemoryGateway) -> None:
    """A typing error in an index name is found before anything is sent."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        with pytest.raises(UnknownIndexError, match=r"days-new has no index 'by-nme'"):
            days.query(C7, index="by-nme")


# What is refused


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        (Key("day").eq(1), "'customer' must be equal to one value"),
        (Key("customer").begins_with("c"), "'customer' must be equal to one value"),
        (Key("customer").eq(7), "'customer' must be compared with text"),
        (C7 & Key("day").eq("1"), "'day' must be compared with a number"),
        (C7 & Key("total").eq(1), "'total' is no key attribute"),
        (C7 & C7, "'customer' comes twice"),
        (C7 & Attr("day").eq(1), "Key"),
        ("customer = :c", ":c is used in an expression and not defined"),
        (None, "Key"),
        (5, "Key"),
    ],
)
async def test_bad_key_conditions_are_named(
    gateway: MemoryGateway, condition: Any, named: str
) -> None:
    """What DynamoDB would refuse, or what would read the wrong partition, is refused at once."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        with pytest.raises(InvalidKeyError, match=named):
            days.query(condition)


async def test_foreign_and_damaged_tokens_are_refused(gateway: MemoryGateway) -> None:
    """A token for another query would skip or repeat items."""
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        page = days.query(C7, limit=2)
        await names(page)
        assert page.token is not None
        for condition, token in (
            (Key("customer").eq("c-8"), page.token),
            (C7, page.token[:-4]),
            (C7, "x"),
        ):
            with pytest.raises(InvalidTokenError, match="token"):
                days.query(condition, token=token)
        with pytest.raises(InvalidTokenError, match="another"):
            days.scan(token=page.token)


async def test_order_is_typed() -> None:
    """Numbers sort by value, also across the two tables."""
    gateway = MemoryGateway()
    await make(gateway)
    values = [-20, -3, 0, Decimal("0.5"), 2, 10, 100]
    await orders.fill(
        gateway, PLAN.old, [old_day(0) | {"day": v, "nme": str(v)} for v in values[::2]]
    )
    async with DualTableRepository(PLAN, gateway=gateway) as days:
        for value in values[1::2]:
            await days.put(new_day(0) | {"day": value, "name": str(value)})
        assert await names(days.query(C7)) == [str(value) for value in values]
