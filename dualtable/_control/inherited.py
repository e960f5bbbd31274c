"""What an earlier migration has left in the old table: its tombstones and write tokens.

The rule: they are known by the names that the earlier migration gave them. So each table is on
record with them, by its identity, and a migration that would take them for items is refused.
"""

from __future__ import annotations

from contextlib import suppress

from dualtable._control.records import ABSENT, Records
from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._transforms.migration import Migration
from dualtable._wire.marks import Marks
from dualtable._wire.types import Item
from dualtable.errors import TableMismatchError

MARKS = "marks"
"""The record of a table, which stands among those of migrations."""


async def note_marks(gateway: Gateway, migration: Migration, new: str) -> None:
    """Store under which names the library's attributes are in the new table, by its identity."""
    fields = {"tombstone": migration.tombstone_attribute, "token": migration.token_attribute}
    with suppress(ConditionFailed):
        await _of(gateway, migration, new).put(MARKS, fields, ABSENT)


async def check_marks(gateway: Gateway, migration: Migration, old: str) -> None:
    """Check that what an earlier migration has left in the old table is known as such.

    Raises:
        TableMismatchError: It had other names for tombstones or tokens.
    """
    marks = await _of(gateway, migration, old).get(MARKS, _marks)
    if marks not in (None, migration.marks):
        raise TableMismatchError(
            f"{old} was filled by an earlier migration, with the tombstone attribute"
            f" {marks.tombstone!r} and the token attribute {marks.token!r}, which this one would"
            " take for items; give it the same: Migration(tombstone_attribute=…,"
            " token_attribute=…)"
        )


def _of(gateway: Gateway, migration: Migration, table: str) -> Records:
    return Records(gateway, migration.control_table, f"table {table}")


def _marks(item: Item) -> Marks:
    return Marks(item["tombstone"], item["token"])
