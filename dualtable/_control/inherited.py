"""What an earlier migration has left in the old table: its tombstones and write tokens.

The rule: they are known by the names that the earlier migration gave them. So each table is on
record with them, by its identity, and a migration that would take them for items is refused; and so
is one from a table that the earlier migration has not filled yet, since what it lacks would be lost
on the way. One that rolls begins with real deletes there, so nobody may look behind that table any
more for what it lacks.
"""

from __future__ import annotations

from contextlib import suppress

from dualtable._control.control_table import Control
from dualtable._control.phases import ROUTES, Phase
from dualtable._control.records import ABSENT, Records
from dualtable._control.segments import complete, total
from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._transforms.migration import Migration
from dualtable._wire.marks import Marks
from dualtable._wire.types import Item
from dualtable.errors import TableMismatchError

MARKS = "marks"
"""The record of a table, which stands among those of migrations."""


async def note_marks(gateway: Gateway, migration: Migration, new: str) -> None:
    """Store under which names the library's attributes are in the new table, by its identity."""
    fields = {
        "tombstone": migration.tombstone_attribute,
        "token": migration.token_attribute,
        "migration_name": migration.name,
    }
    with suppress(ConditionFailed):
        await _of(gateway, migration, new).put(MARKS, fields, ABSENT)


async def check_marks(
    gateway: Gateway, migration: Migration, old: str, *, filled: bool = False
) -> None:
    """Check that what an earlier migration has left in the old table is known as such.

    Args:
        gateway: Where the control table is.
        migration: The one that is about to read the old table.
        old: The old table's identity.
        filled: Check, too, that the earlier migration is through with it.

    Raises:
        TableMismatchError: It had other names for tombstones or tokens, or is not through.
    """
    found = await _of(gateway, migration, old).get(MARKS, _inherited)
    if found is None:
        return
    marks, earlier = found
    if filled and earlier not in (None, migration.name):
        await _check_filled(Control(gateway, migration.control_table, earlier), earlier, migration)
    if marks != migration.marks:
        raise TableMismatchError(
            f"{old} was filled by an earlier migration, with the tombstone attribute"
            f" {marks.tombstone!r} and the token attribute {marks.token!r}, which this one would"
            " take for items; give it the same: Migration(tombstone_attribute=…,"
            " token_attribute=…)"
        )


async def _check_filled(control: Control, earlier: str, migration: Migration) -> None:
    state = await control.known_state()
    if state is None or state.phase is Phase.FINISHED:
        return
    if ROUTES[state.phase].asks_old and not await _has_all(control):
        raise TableMismatchError(
            f"{migration.old} is still being filled by {earlier}, which is in phase {state.phase}:"
            f" what has not arrived would be lost to {migration.name}; finish that copy first, or"
            f" step back if {earlier} has never entered WRITING_NEW"
        )
    if migration.rolling:
        raise TableMismatchError(
            f"{earlier} is in phase {state.phase}, in which its repositories may look behind"
            f" {migration.old}: what {migration.name} deletes there, as it rolls, would come back;"
            f" advance {earlier} to FINISHED first, or stop its processes and let"
            f" {migration.name} not roll"
        )


async def _has_all(control: Control) -> bool:
    run = await control.run()
    segments = [] if run is None else await control.of(run).segments()
    return run is not None and complete(segments, run.total_segments) and not total(segments).failed


def _of(gateway: Gateway, migration: Migration, table: str) -> Records:
    return Records(gateway, migration.control_table, f"table {table}")


def _inherited(item: Item) -> tuple[Marks, str | None]:
    return Marks(item["tombstone"], item["token"]), item.get("migration_name")
