"""Make the new table like the old one, and the control table.

The rule: a table that exists is never changed; what it has otherwise is said. Whether production
must wait with queries until the cut-over is told where one decides: it is tried on a few items of
the old table, by the very way back that a query takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._control.connected import begun
from dualtable._control.inherited import check_marks, note_marks
from dualtable._control.milestones import Milestones
from dualtable._control.state import State
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Extras, Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._dynamodb.tables import differences, index_names, new_table
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration
from dualtable._wire import keys
from dualtable._wire.layouts import check_apart, check_usable, identity, layout
from dualtable._wire.types import Definition, Description, WireItem
from dualtable.errors import AccessError, DualTableError, TableNotFoundError, TransformError

_SAMPLE = 100  # old items by which it is told whether queries must wait


@attrs.frozen(kw_only=True)
class CreationReport:
    """What `create_table` did.

    Attributes:
        table: The new table's name.
        created: Whether it was made now; False where it existed and stays as it is.
        differences: How an existing table differs from what would have been made, a line each.
        left_out: Names of the old table's indexes that the migration's ``indexes`` do not have.
        ttl_attribute: The TTL attribute of the old table, None where TTL is off. In the new table
            it stays off until the cut-over: an item that expired there would come back from the
            old table.
        ttl_known: Whether that could be told; where not (a role without
            ``dynamodb:DescribeTimeToLive``), TTL may be on in the old table.
        tags_left_out: Tags of the old table that are AWS's own (``aws:…``), which nobody else may
            set.
        tags_known: Whether the old table's tags could be read; where not, the new table has none.
        queries_wait: Why `query` of the new table is refused until the cut-over, or would miss
            items, as far as 100 items of the old table tell; None where it works at once. A key
            change that gathers many old partitions in one new one is such a reason.

    Example:
        >>> from dualtable import CreationReport
        >>> CreationReport(table="orders-v2", created=True).ok
        True
    """

    table: str
    created: bool
    differences: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    ttl_attribute: str | None = None
    ttl_known: bool = True
    tags_left_out: tuple[str, ...] = ()
    tags_known: bool = True
    queries_wait: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the new table is as it should be."""
        return not self.differences


async def create_table(
    migration: Migration, *, clock: Clock | None = None, **connection: Unpack[Connection]
) -> CreationReport:
    """Create the new table like the old one, with the migration's keys and indexes.

    Billing, stream, encryption, table class and tags are those of the old table, but for AWS's own
    tags. A table that exists is not changed. The control table is created where it does not exist.
    Where the partition key changes, some items of the old table are read to see whether production
    can query meanwhile.

    Args:
        migration: What will be migrated. The old table must exist.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        TableNotFoundError: The old table does not exist.
        MigrationMismatchError: Its name is that of a migration of other tables.
        TableMismatchError: The keys and indexes that the migration asks for contradict each other,
            or the old table is one that an earlier migration is still filling.
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio
        >>> from dualtable import Index, KeySchema, Migration, Move, create_table
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration(
        ...         "orders-v2", "orders", "orders-v2", Move("customer.region", "region"),
        ...         indexes=[Index("by-region", KeySchema("region"))],
        ...     )
        ...     return await create_table(migration, gateway=gateway)
        >>> asyncio.run(main()).created
        True
    """
    async with connect(connection, ONE_OFF) as gateway:
        old = await gateway.describe_table(migration.old)
        check_usable(old)
        extras = await gateway.describe_extras(migration.old)
        wanted = new_table(old, name=migration.new, key=migration.key, indexes=migration.indexes)
        tags, tags_left_out = _tags(extras)
        if tags:
            wanted["Tags"] = tags
        lineage = Lineage.of(migration, layout(old), layout(wanted))
        waiting = await queries_wait(gateway, lineage)
        control = Milestones(gateway, migration.control_table, migration.name)
        await control.check_apart_from(old)
        await control.check_tables(migration)
        await check_marks(gateway, migration, identity(old), filled=True)
        created, found = await _make(gateway, wanted, old)
        with begun():
            await control.ensure_table()
            if created or await control.tables() is None:
                new = await gateway.describe_table(migration.new)
                await control.note_tables(identity(old), identity(new))
                await note_marks(gateway, migration, identity(new))
            await control.note_state(
                State.first(
                    rolling=migration.rolling,
                    now=(clock or SystemClock()).now(),
                    ttl=extras.ttl,
                )
            )
            await control.note_ttl(extras.ttl)
        return CreationReport(
            table=migration.new,
            created=created,
            differences=tuple(found),
            left_out=tuple(sorted(index_names(old) - index_names(wanted))),
            ttl_attribute=extras.ttl.attribute if extras.ttl else None,
            ttl_known=extras.ttl is not None,
            tags_left_out=tags_left_out,
            tags_known=extras.tags is not None,
            queries_wait=waiting,
        )


def _tags(extras: Extras) -> tuple[list[Mapping[str, str]], tuple[str, ...]]:
    """Return the tags that the new table gets, and the names of those that it cannot have."""
    tags = extras.tags or ()
    reserved = [tag for tag in tags if tag["Key"].lower().startswith("aws:")]
    return [t for t in tags if t not in reserved], tuple(sorted(tag["Key"] for tag in reserved))


async def _make(gateway: Gateway, wanted: Definition, old: Description) -> tuple[bool, list[str]]:
    """Create the table, or say how the one that is there differs."""
    try:
        actual = await gateway.describe_table(wanted["TableName"])
    except TableNotFoundError:
        await gateway.create_table(wanted)
        return True, []
    check_usable(actual)
    check_apart({t["TableName"]: identity(t) for t in (old, actual)})
    return False, differences(wanted, actual)


async def queries_wait(gateway: Gateway, lineage: Lineage) -> str | None:
    """Return why queries of the new table are refused until the cut-over; None if they are not."""
    if lineage.keeps_partitions:
        return None
    old = lineage.old.table
    try:
        page = await gateway.scan(old, segment=0, total_segments=1, limit=_SAMPLE)
    except AccessError as error:
        return f"it is not known whether {lineage.new.table} can be queried until then: {error}"
    return reason_to_wait(lineage, page.items)


def reason_to_wait(lineage: Lineage, old_items: Sequence[WireItem]) -> str | None:
    """Return why a query cannot find what one of these items yields; None if it can."""
    for item in old_items:
        for partition in _new_partitions(lineage, item):
            try:
                found = lineage.old_partition(partition)
            except TransformError as error:
                return str(error)
            name = lineage.old.key.partition.name
            if found is None or keys.identity({name: found}) != keys.identity({name: item[name]}):
                return (
                    f"old_key of {lineage.transform!r} maps a partition of {lineage.new.table} back"
                    f" to another one of {lineage.old.table} than its items come from; a query"
                    " would miss them"
                )
    return None


def _new_partitions(lineage: Lineage, old_item: WireItem) -> list[WireItem]:
    """Return the partition of each item that an old one yields, none where it fails."""
    name = lineage.new.key.partition.name
    try:
        return [{name: key[name]} for key, _ in lineage.new_items(old_item)]
    except DualTableError:
        return []
