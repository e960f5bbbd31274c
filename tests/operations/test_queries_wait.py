"""Whether production must wait with queries until the cut-over is told when the table is made."""

from __future__ import annotations

import inspect
from typing import Any

import orders
import pytest

from dualtable import Chain, Convert, CreationReport, KeySchema, Migration, Rename, create_table
from dualtable._telling.creations import creation_text
from dualtable._transforms.lineage import Lineage
from dualtable._wire import codec
from dualtable._wire.layouts import Layout
from dualtable.errors import AccessError
from dualtable.testing import Faults, MemoryGateway

ITEMS = [{"id": f"o-{n}", "day": f"0{n}", "shop": "s"} for n in range(3)]


class ByShop:
    """Orders of many partitions are gathered in the one of their shop."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return item

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"]}


class Guessing(ByShop):
    """It makes up what it cannot know, and is right only where it can."""

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": {"id": "o-1", **new_key}["id"]}


class Broken(ByShop):
    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        raise ValueError


class Prefixed:
    """A partition that can be told from the new one alone."""

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "id": f"#{item['id']}"}

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"][1:]}


def migration(transform: Any, *key: str) -> Migration:
    key = key or ("id", "day")
    return Migration("m", "orders", "orders-v2", transform, key=KeySchema(*key))


async def created(
    plan: Migration, items: list[dict[str, Any]] = ITEMS, faults: Faults | None = None
) -> CreationReport:
    gateway = MemoryGateway(faults)
    await gateway.create_table(orders.table(plan.old))
    await orders.fill(gateway, plan.old, items)
    return await create_table(plan, gateway=gateway)


SHOP = ("shop", "id")


@pytest.mark.parametrize(
    "plan",
    [
        migration(Chain(Rename("old", "new"), Convert("day", str.title))),  # keeps partitions
        migration(Prefixed()),
        migration(Chain(Rename("no", "id"))),  # nothing comes of these items
        migration(Broken(), *SHOP),
    ],
)
async def test_queries_need_not_wait(plan: Migration) -> None:
    """Where a new partition leads back to an old one, and where nothing is known of any."""
    assert (await created(plan)).queries_wait is None
    assert (await created(plan, [])).queries_wait is None


async def test_many_partitions_that_become_one() -> None:
    """It is said at once, by the place that needs more than the partition, and to people too."""
    plan = migration(ByShop(), *SHOP)
    report = await created(plan)
    line = inspect.getsourcelines(ByShop.old_key)[1] + 1
    assert report.ok
    assert report.queries_wait is not None
    assert f"KeyError at test_queries_wait.py:{line}" in report.queries_wait
    assert "only be queried after the cut-over" in report.queries_wait
    assert any(report.queries_wait in line for line in creation_text(report, plan, "m:m"))


async def test_a_partition_that_is_guessed() -> None:
    """A query would answer, and leave items out."""
    report = await created(migration(Guessing(), *SHOP))
    assert "would miss them" in str(report.queries_wait)
    assert (await created(migration(Guessing(), *SHOP), ITEMS[1:2])).queries_wait is None


class Closed(Faults):
    async def before(self, operation: str, table: str) -> None:
        if operation == "scan":
            raise AccessError("no dynamodb:Scan", code="AccessDeniedException")


async def test_who_may_not_read_is_told_that_nothing_is_known() -> None:
    """Whoever makes tables need not be who reads items."""
    report = await created(migration(ByShop(), *SHOP), faults=Closed())
    assert report.created
    assert "can be queried until then: no dynamodb:Scan" in str(report.queries_wait)
    kept = migration(Rename("a", "b"))
    assert (await created(kept, faults=Closed())).queries_wait is None


def test_a_sort_key_that_changes_takes_no_query_away() -> None:
    """The partition is known to be the same, whatever the steps do to the rest of the key."""
    transform = Chain(Convert("day", int, back=str))
    old, new = KeySchema("id", "day"), KeySchema("id", ("day", "N"))
    marks = migration(transform).marks
    lineage = Lineage(transform, marks, Layout("old", old, {}), Layout("new", new, {}))
    assert lineage.old_partition(codec.encode({"id": "o-1"})) == {"S": "o-1"}
