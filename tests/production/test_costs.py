"""What an operation costs in each phase: the table of the guide is what is counted here.

Items are small: a write unit each, a read unit for a strongly consistent read, half of one for
another; a transaction costs twice that for each of its items.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import orders
from pages import ROOT

from dualtable import DualTableRepository, Migration, Phase, Rename, create_table
from dualtable._control.control_table import Control
from dualtable._wire import codec
from dualtable.testing import MemoryGateway

PAGE = ROOT / "docs" / "guides" / "rolling-out.md"
BEGIN, END = "<!-- made by: tests/production/test_costs.py -->\n", "<!-- end -->"
KEY = {"id": "o-1"}


def changed(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "name": "Bob"}


Repository = DualTableRepository[dict[str, Any]]
OPERATIONS: dict[str, Callable[[Repository], Awaitable[Any]]] = {
    "`get`": lambda items: items.get(KEY),
    "`get`, consistent": lambda items: items.get(KEY, consistent_read=True),
    "`put`": lambda items: items.put({**KEY, "name": "Ann"}),
    "`update`": lambda items: items.update(KEY, changed),
    "`update_item`": lambda items: items.update_item(
        KEY, UpdateExpression="SET visits = :v", ExpressionAttributeValues={":v": 1}
    ),
    "`delete`": lambda items: items.delete(KEY),
}


@attrs.define
class Counting:
    """A gateway that counts what is asked of the two tables of items."""

    gateway: MemoryGateway
    tables: frozenset[str]
    requests: int = 0
    reads: float = 0.0
    writes: float = 0.0

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.gateway, operation)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.count(operation, *args, **kwargs)
            return await method(*args, **kwargs)

        return counted

    def count(self, operation: str, asked: Any, *args: Any, **kwargs: Any) -> None:
        each = 1.0 if kwargs.get("consistent_read") else 0.5
        if operation == "transact_write":
            self.note(writes=2.0 * len(asked))
        elif asked not in self.tables or operation == "describe_table":
            return
        elif operation in ("get", "batch_get"):
            self.note(reads=each * (len(args[0]) if operation == "batch_get" else 1))
        else:
            self.note(writes=1.0)

    def note(self, *, reads: float = 0.0, writes: float = 0.0) -> None:
        self.requests += 1
        self.reads += reads
        self.writes += writes


async def cost(phase: Phase, place: str, operation: Callable[[Repository], Awaitable[Any]]) -> str:
    gateway = MemoryGateway()
    plan = Migration("costs", "c-old", "c-new", Rename("nme", "name"), rolling=True)
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    if place == "old":
        await gateway.put(plan.old, codec.encode({**KEY, "nme": "Ann"}))
    else:
        item = codec.encode({**KEY, "name": "Ann"})
        await gateway.put(plan.new, plan.marks.stamp(item, "before"))
    control = Control(gateway, plan.control_table, plan.name)
    for following in list(Phase)[1 : list(Phase).index(phase) + 1]:
        await control.advance(following, 1)
    counting = Counting(gateway, frozenset({plan.old, plan.new}))
    async with DualTableRepository(plan, gateway=counting) as items:  # type: ignore[arg-type]
        counting.requests, counting.reads, counting.writes = 0, 0.0, 0.0
        await operation(items)
    units = [
        f"{number:g} {unit}"
        for number, unit in ((counting.reads, "R"), (counting.writes, "W"))
        if number
    ]
    return f"{counting.requests}: {' + '.join(units)}"


PLACES = {
    Phase.ROLLING_OUT: ("old",),
    Phase.READING_BOTH: ("old", "new"),
    Phase.WRITING_NEW: ("old", "new"),
    Phase.MIGRATING: ("old", "new"),
    Phase.MIGRATED: ("new",),
    Phase.FINISHED: ("new",),
}


async def table() -> str:
    rows = ["| phase | item in | " + " | ".join(OPERATIONS) + " |"]
    rows.append("|---" * (2 + len(OPERATIONS)) + "|")
    for phase, places in PLACES.items():
        for place in places:
            cells = [await cost(phase, place, operation) for operation in OPERATIONS.values()]
            rows.append(f"| `{phase}` | {place} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


async def test_the_guide_says_what_each_phase_costs() -> None:
    """A cost that changes is noticed, and told where one decides."""
    text = PAGE.read_text(encoding="utf-8")
    told = text.partition(BEGIN)[2].partition(END)[0]
    assert told.strip() == (await table()).strip()
