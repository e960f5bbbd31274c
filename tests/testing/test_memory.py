"""What the memory gateway does on demand: failures, left-overs, stale reads, empty pages.

That it means the same as DynamoDB otherwise is shown by `test_gateway` and `test_agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from expression_cases import N, S
from orders import packed, table

from dualtable._dynamodb.gateway import Gateway, Outcome, Page, TransactGet, TransactPut
from dualtable._expressions.texts import Condition, Update
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import ThrottledError, UnavailableError
from dualtable.testing import Faults, MemoryGateway

SORTED = table("t", ("id", "S"), ("day", "N"))
IN_A = Condition("id = :id", {}, {":id": S("a")})


def day(number: int, **attributes: Any) -> WireItem:
    return {"id": S("a"), "day": N(str(number)), **attributes}


async def filled(faults: Faults | None = None, days: int = 5) -> MemoryGateway:
    """Return a gateway with a table `t` of so many days."""
    gateway = MemoryGateway(faults)
    await gateway.create_table(SORTED)
    for number in range(days):
        await gateway.put("t", day(number))
    return gateway


def days(items: Sequence[WireItem]) -> list[int]:
    return [int(item["day"]["N"]) for item in items]


class Recorder(Faults):
    """Notes what is called."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    async def before(self, operation: str, table: str) -> None:
        self.seen.append(("before", operation, table))

    async def after(self, operation: str, table: str) -> None:
        self.seen.append(("after", operation, table))


async def call(gateway: Gateway, operation: str) -> None:
    """Call one operation of the port on the table `t`."""
    await {
        "get": lambda: gateway.get("t", day(0), consistent_read=True),
        "batch_get": lambda: gateway.batch_get("t", [day(0)], consistent_read=True),
        "put": lambda: gateway.put("t", day(9)),
        "update": lambda: gateway.update("t", day(9), Update("SET x = :x", {}, {":x": N("1")})),
        "delete": lambda: gateway.delete("t", day(0)),
        "batch_put": lambda: gateway.batch_put("t", [day(9)]),
        "insert": lambda: gateway.insert("t", packed([day(9)]), key_name="id"),
        "scan": lambda: gateway.scan("t", segment=0, total_segments=1),
        "query": lambda: gateway.query("t", IN_A),
        "transact_write": lambda: gateway.transact_write([TransactPut("t", day(9))]),
        "transact_get": lambda: gateway.transact_get([TransactGet("t", day(0))]),
    }[operation]()


WRITES = ["put", "update", "delete", "batch_put", "insert", "transact_write"]
READS = ["get", "batch_get", "scan", "query", "transact_get"]


@pytest.mark.parametrize("operation", WRITES + READS)
async def test_every_operation_asks_before_and_after(operation: str) -> None:
    """A test can stop or fail each of them at both moments."""
    faults = Recorder()
    gateway = await filled(faults)
    faults.seen.clear()
    await call(gateway, operation)
    assert faults.seen == [("before", operation, "t"), ("after", operation, "t")]


@pytest.mark.parametrize("operation", WRITES)
async def test_a_failure_is_before_or_after_the_effect(operation: str) -> None:
    """An error before leaves everything as it was; one after it loses the answer alone."""

    class Failing(Faults):
        when = ""

        async def before(self, operation: str, table: str) -> None:
            if self.when == "before":
                raise ThrottledError("slow down")

        async def after(self, operation: str, table: str) -> None:
            if self.when == "after":
                raise UnavailableError("the answer is lost")

    faults = Failing()
    gateway = await filled(faults)
    untouched = days((await gateway.query("t", IN_A)).items)
    faults.when = "before"
    with pytest.raises(ThrottledError):
        await call(gateway, operation)
    faults.when = ""
    assert days((await gateway.query("t", IN_A)).items) == untouched
    faults.when = "after"
    with pytest.raises(UnavailableError):
        await call(gateway, operation)
    faults.when = ""
    assert days((await gateway.query("t", IN_A)).items) != untouched


async def test_a_transaction_names_all_its_tables() -> None:
    """So that a fault can be bound to one of them."""
    faults = Recorder()
    gateway = MemoryGateway(faults)
    for name in ("b", "a"):
        await gateway.create_table({**SORTED, "TableName": name})
    faults.seen.clear()
    await gateway.transact_write([TransactPut("b", day(1)), TransactPut("a", day(1))])
    assert faults.seen[0] == ("before", "transact_write", "a,b")


async def test_members_that_are_left_over() -> None:
    """They are returned as they came, and have no effect."""

    class LeavingFirst(Faults):
        def left_over(self, operation: str, table: str, members: int) -> set[int]:
            return {0}

    gateway = await filled(LeavingFirst(), days=2)
    keys = [day(0), day(1)]
    batch = await gateway.batch_get("t", keys, consistent_read=True)
    assert (list(batch.items), list(batch.unprocessed)) == ([day(1)], [day(0)])
    assert await gateway.batch_put("t", [day(7), day(8)]) == [day(7)]
    insert = await gateway.insert("t", packed([day(7), day(9)]), key_name="id")
    assert [answer.outcome for answer in insert.outcomes] == [Outcome.RETRY, Outcome.WRITTEN]
    assert days((await gateway.query("t", IN_A)).items) == [0, 1, 8, 9]


async def test_a_batch_read_stops_at_16_megabytes() -> None:
    """The rest is unprocessed, as DynamoDB has it."""
    gateway = await filled(days=0)
    for number in range(60):
        await gateway.put("t", day(number, x=S("x" * 390 * 1024)))
    keys = [day(number) for number in range(60)]
    batch = await gateway.batch_get("t", keys, consistent_read=True)
    assert 0 < len(batch.unprocessed) < 60
    assert len(batch.items) + len(batch.unprocessed) == 60


class SeesFirst(Faults):
    """Eventually consistent reads see the first version of everything."""

    def stale(self, table: str, versions: Sequence[WireItem | None]) -> WireItem | None:
        return versions[0] if len(versions) == 1 else versions[1]


INDEXED = {
    **SORTED,
    "AttributeDefinitions": [
        *SORTED["AttributeDefinitions"],
        {"AttributeName": "region", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-region",
            "KeySchema": [{"AttributeName": "region", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


async def of_region(gateway: Gateway, region: str) -> list[WireItem]:
    condition = Condition("#r = :r", {"#r": "region"}, {":r": S(region)})
    page = await gateway.query("t", condition, index="by-region", consistent_read=False)
    return list(page.items)


async def test_stale_reads_of_every_kind() -> None:
    """An old version, a deleted item, and the old place in an index can all be seen."""
    gateway = MemoryGateway(SeesFirst())
    await gateway.create_table(INDEXED)
    await gateway.put("t", day(1, region=S("eu")))
    await gateway.put("t", day(1, region=S("us")))
    await gateway.put("t", day(2, region=S("eu")))
    await gateway.delete("t", day(2))
    old = [day(1, region=S("eu")), day(2, region=S("eu"))]
    assert await gateway.get("t", day(2), consistent_read=False) == old[1]
    page = await gateway.query("t", IN_A, consistent_read=False)
    assert list(page.items) == old
    page = await gateway.scan("t", segment=0, total_segments=1)
    assert list(page.items) == old

    assert await of_region(gateway, "eu") == old
    assert await of_region(gateway, "us") == []
    assert list((await gateway.query("t", IN_A)).items) == [day(1, region=S("us"))]


async def test_a_page_sees_each_item_in_one_version() -> None:
    """However often a hook changes its mind, an item that moved is not there twice."""

    class Changing(Faults):
        def __init__(self) -> None:
            self.asked = 0

        def stale(self, table: str, versions: Sequence[WireItem | None]) -> WireItem | None:
            self.asked += 1
            return versions[-(self.asked % len(versions)) - 1]

    gateway = MemoryGateway(Changing())
    await gateway.create_table(INDEXED)
    for region in ("eu", "us", "eu"):
        await gateway.put("t", day(1, region=S(region), count=N("1")))
    for _ in range(6):
        assert len(await of_region(gateway, "eu")) <= 1


async def test_a_page_ends_within_the_range_that_is_asked_for() -> None:
    """Its last key is where the next one may begin."""

    class ShortPages(Faults):
        def page_places(self, operation: str, table: str) -> int | None:
            return 1

    gateway = await filled(ShortPages(), days=7)
    range_of_days = Condition(
        "id = :id AND #d >= :low", {"#d": "day"}, {":id": S("a"), ":low": N("5")}
    )
    first = await gateway.query("t", range_of_days)
    assert days(first.items) == [5]
    assert days((await gateway.query("t", range_of_days, start_key=first.last_key)).items) == [6]


async def test_pages_that_pass_only_deleted_items_are_empty() -> None:
    """They carry a last key, and are not the end."""

    class ShortPages(Faults):
        def page_places(self, operation: str, table: str) -> int | None:
            return 2

    gateway = await filled(ShortPages(), days=7)
    for number in range(4):
        await gateway.delete("t", day(number))

    async def pages(read: Any) -> list[Page]:
        found: list[Page] = []
        while not found or found[-1].last_key is not None:
            found.append(await read(found[-1].last_key if found else None))
        return found

    async def query(start_key: WireKey | None) -> Page:
        return await gateway.query("t", IN_A, start_key=start_key)

    async def scan(start_key: WireKey | None) -> Page:
        return await gateway.scan("t", segment=0, total_segments=1, start_key=start_key)

    for read in (query, scan):
        found = await pages(read)
        assert [len(page.items) for page in found] == [0, 0, 2, 1]
        assert days([item for page in found for item in page.items]) == [4, 5, 6]


async def test_nothing_is_shared_with_callers() -> None:
    """What goes in and what comes out may be changed without an effect on the table."""
    gateway = await filled(days=0)
    item = day(1, list={"L": [N("1")]}, set={"NS": ["1"]})
    await gateway.put("t", item)
    item["list"]["L"].append(N("2"))
    for found in (
        await gateway.get("t", day(1), consistent_read=True),
        (await gateway.query("t", IN_A)).items[0],
        (await gateway.scan("t", segment=0, total_segments=1)).items[0],
        (await gateway.batch_get("t", [day(1)], consistent_read=True)).items[0],
        (await gateway.transact_get([TransactGet("t", day(1))]))[0],
        await gateway.update(
            "t", day(1), Update("SET x = :x", {}, {":x": N("1")}), return_values="ALL_OLD"
        ),
    ):
        assert found is not None
        found["list"]["L"].clear()
        found["set"]["NS"].clear()
    assert await gateway.get("t", day(1), consistent_read=True) == day(
        1, list={"L": [N("1")]}, set={"NS": ["1"]}, x=N("1")
    )


async def test_segments_divide_the_table() -> None:
    """Each item is in one segment, also at the borders."""
    total = 16
    gateway = MemoryGateway()
    await gateway.create_table(table("t"))
    for number in range(200):
        await gateway.put("t", {"id": S(str(number))})
    found = [
        item["id"]["S"]
        for segment in range(total)
        for item in (await gateway.scan("t", segment=segment, total_segments=total)).items
    ]
    assert sorted(found, key=int) == [str(number) for number in range(200)]
