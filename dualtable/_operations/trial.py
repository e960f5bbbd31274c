"""Try the transform on real items, before anything is begun.

The rule: it only reads. What it returns are whole items, since whoever asks wants to see them; so
nobody but the operator's own terminal may get them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Unpack

import attrs

from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import MAX_BATCH_GET, Gateway, batches
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._dynamodb.tables import new_table
from dualtable._proof.sampling import segments_for
from dualtable._transforms.applying import no_way_back
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration, check_range
from dualtable._wire import codec
from dualtable._wire.keys import check_key, identity, key_of, plain
from dualtable._wire.layouts import Layout, layout
from dualtable._wire.types import Description, Item, Key, WireItem, WireKey
from dualtable.errors import DualTableError, TableNotFoundError


@attrs.frozen(kw_only=True)
class Trial:
    """What the transform makes of one old item, and whether it keeps its promises.

    Attributes:
        key: The key in the old table.
        old: The old item; None where there is none.
        new: The new items that it yields.
        back: For each of them the old item that it leads back to; None where it does not.
        failure: Why it would be a dead letter (I8); empty where it would not.
        no_way_back: Why something does not come back (I9); empty where all of it does.

    Example:
        >>> from dualtable import Trial
        >>> trial = Trial(key={"id": "o-1"}, old={"id": "o-1"}, new=({"id": "o-1"},))
        >>> trial.failure
        ''
    """

    key: Key
    old: Item | None = None
    new: tuple[Item, ...] = ()
    back: tuple[Item | None, ...] = ()
    failure: str = ""
    no_way_back: str = ""


async def try_transform(
    migration: Migration,
    *,
    keys: Iterable[Key] = (),
    sample: int = 0,
    **connection: Unpack[Connection],
) -> tuple[Trial, ...]:
    """Show what the transform makes of some old items, and write nothing.

    Args:
        migration: What will be migrated. The old table must exist; the new one need not.
        keys: Keys of the old table, in plain values.
        sample: How many more items to draw at random, about; 0 to 10,000.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Returns:
        One for each key, in order, then those that were drawn. They hold whole items.

    Raises:
        InvalidSettingError: `sample` is out of range.
        InvalidKeyError: A key is none of the old table.
        TableNotFoundError: The old table does not exist.
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, try_transform
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await try_transform(migration, keys=[{"id": "o-1"}], gateway=gateway)
        >>> asyncio.run(main())[0].new
        ({'id': 'o-1', 'name': 'Ann'},)
    """
    check_range("sample", sample, 0, 10_000, whole=True, optional=False)
    async with connect(connection, ONE_OFF) as gateway:
        described = await gateway.describe_table(migration.old)
        old = layout(described)
        lineage = Lineage.of(migration, old, await _new_layout(gateway, migration, described))
        asked = [check_key(key, old.key, old.table) for key in keys]
        found = await _fetch(gateway, old, asked)
        drawn = await _drawn(gateway, old, sample, int(described.get("ItemCount", 0)))
        return (
            *(_tried(lineage, key, found.get(identity(key))) for key in asked),
            *(_tried(lineage, key_of(item, old.key, old.table), item) for item in drawn),
        )


async def _new_layout(gateway: Gateway, migration: Migration, old: Description) -> Layout:
    """Return the keys and indexes of the new table as it is, or as it would be made."""
    try:
        return layout(await gateway.describe_table(migration.new))
    except TableNotFoundError:
        return layout(
            new_table(old, name=migration.new, key=migration.key, indexes=migration.indexes)
        )


async def _fetch(gateway: Gateway, old: Layout, keys: Sequence[WireKey]) -> dict[object, WireItem]:
    found: dict[object, WireItem] = {}
    for batch in batches({identity(key): key for key in keys}.values(), MAX_BATCH_GET):
        answer = await gateway.batch_get(old.table, batch, consistent_read=True)
        found |= {identity(key_of(item, old.key, old.table)): item for item in answer.items}
    return found


async def _drawn(gateway: Gateway, old: Layout, sample: int, items: int) -> list[WireItem]:
    """Return some items of segments that are drawn at random."""
    total_segments = segments_for(items)
    drawn: list[WireItem] = []
    for segment in random.sample(range(total_segments), total_segments) if sample else ():
        page = await gateway.scan(
            old.table, segment=segment, total_segments=total_segments, limit=sample
        )
        drawn += page.items
        if len(drawn) >= sample:
            break
    return drawn[:sample]


def _tried(lineage: Lineage, key: WireKey, old_item: WireItem | None) -> Trial:
    shown = plain(key)
    if old_item is None:
        return Trial(key=shown, failure=f"not in {lineage.old.table}")
    old = codec.decode(old_item)
    try:
        outputs = [output.item for output in lineage.outputs(old_item, key)]
    except DualTableError as error:
        return Trial(key=shown, old=old, failure=f"{type(error).__name__}: {error}")
    new = tuple(map(codec.decode, outputs))
    if reason := no_way_back(lineage.transform):
        return Trial(key=shown, old=old, new=new, no_way_back=reason)
    ways = [_way_back(lineage, output) for output in outputs]
    reasons = [reason for _, reason in ways if reason]
    back = tuple(item for item, _ in ways)
    return Trial(key=shown, old=old, new=new, back=back, no_way_back="; ".join(reasons))


def _way_back(lineage: Lineage, new_item: WireItem) -> tuple[Item | None, str]:
    try:
        return codec.decode(lineage.old_item(new_item)), ""
    except DualTableError as error:
        return None, str(error)
