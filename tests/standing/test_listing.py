"""All migrations of a control table, in brief."""

from __future__ import annotations

from pathlib import Path

import attrs
import orders
import pytest
from clocks import HandClock

from dualtable import DualTableRepository, Migration, Migrator, Phase, Verifier, create_table
from dualtable._operations.rate import pause
from dualtable._standing.listing import Listing, list_migrations
from dualtable._telling.listings import listing_text
from dualtable.errors import MigrationMismatchError
from dualtable.testing import MemoryGateway


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


def plan(name: str) -> Migration:
    return attrs.evolve(orders.migration(name), control_table="dualtable-control")


async def made(gateway: MemoryGateway, *plans: Migration) -> None:
    for plan in plans:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(9)])
        await create_table(plan, gateway=gateway)


async def test_each_migration_is_listed_with_how_far_it_is() -> None:
    """Also those whose code is not at hand: who comes new to an account sees what is going on."""
    gateway = MemoryGateway()
    first, second, third = map(plan, ("first", "second", "third"))
    await made(gateway, first, second, third)
    await Migrator(second, gateway=gateway, total_segments=3).run()
    await Verifier(second, gateway=gateway).run()
    await pause(third, gateway=gateway)
    async with DualTableRepository(third, gateway=gateway):
        listing = await list_migrations(first.control_table, gateway=gateway, clock=HandClock())
    by_name = {each.name: each for each in listing.migrations}
    assert list(by_name) == sorted([first.name, second.name, third.name])
    assert by_name[first.name].phase is Phase.MIGRATING
    assert by_name[first.name].total_segments == 0
    done = by_name[second.name]
    assert (done.old, done.new) == (second.old, second.new)
    assert (done.segments_done, done.total_segments, done.verified) == (3, 3, True)
    assert by_name[third.name].paused
    assert by_name[third.name].repositories == 1
    lines = listing_text(listing)
    assert any("all, verified" in line and second.name in line for line in lines)
    assert any("not begun" in line and first.name in line for line in lines)


async def test_what_cannot_be_read_hides_no_other() -> None:
    """A later version's records, or somebody else's, are named with the reason."""
    gateway = MemoryGateway()
    first = plan("first")
    await made(gateway, first)
    await gateway.put(
        first.control_table,
        {"migration": {"S": "later"}, "record": {"S": "state"}, "schema_version": {"N": "99"}},
    )
    listing = await list_migrations(first.control_table, gateway=gateway)
    later = next(each for each in listing.migrations if each.name == "later")
    assert "upgrade it" in later.problem
    assert len(listing.migrations) == 2
    assert any("later: " in line for line in listing_text(listing))


async def test_no_control_table_is_no_migration() -> None:
    """That is an answer, and no error."""
    listing = await list_migrations(gateway=MemoryGateway())
    assert listing == Listing(control_table="dualtable-control", exists=False)
    assert listing_text(listing) == [
        "There is no table dualtable-control, so no migration was begun here."
    ]


async def test_a_table_of_something_else_is_refused() -> None:
    """A scan of orders would list orders."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders"))
    with pytest.raises(MigrationMismatchError, match="no control table"):
        await list_migrations("orders", gateway=gateway)
