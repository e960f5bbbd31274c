"""Whether production must wait with queries until the cut-over, told where one decides.

The rule: it is tried on a few items of the old table, by the very way back that a query takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualtable._dynamodb.gateway import Gateway
from dualtable._transforms.lineage import Lineage
from dualtable._wire.keys import identity
from dualtable._wire.types import WireItem
from dualtable.errors import AccessError, DualTableError, TransformError

_SAMPLE = 100


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
            if found is None or identity({name: found}) != identity({name: item[name]}):
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
