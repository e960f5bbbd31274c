"""One copied item that differs is copied again, because somebody has asked for it by its key.

The rule: it is put over just the state that was seen, and only where that is a copy; what
production has written or deleted is production's. It carries a token, by which whoever has read the
state before notices: a copy without one is taken for the copy that it was.
"""

from __future__ import annotations

from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._expressions.texts import Condition
from dualtable._transforms.lineage import Lineage
from dualtable._wire.differences import differing_paths
from dualtable._wire.keys import plain
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import ConcurrentUpdateError, ConditionFailedError


async def mend(gateway: Gateway, lineage: Lineage, key: WireKey) -> list[str]:
    """Copy the old item of a new key again; return the paths at which the copy was otherwise.

    Raises:
        ConditionFailedError: The new table has no copy under the key, or no old item yields it.
        ConcurrentUpdateError: Somebody has written to the item meanwhile.
        TransformError: The old item cannot be transformed.
    """
    table = lineage.new.table
    found = await _read(gateway, table, key)
    wanted = await _wanted(gateway, lineage, key)
    if wanted is None:
        raise ConditionFailedError(f"no item of {lineage.old.table} yields {plain(key)}")
    if found is None:
        raise ConditionFailedError(
            f"{plain(key)} is not in {table}; dualtable verify --repair copies what is missing"
        )
    if not lineage.marks.is_copy(found):
        raise ConditionFailedError(
            f"production has written or deleted {plain(key)} in {table}; it stays as it is"
        )
    if paths := differing_paths(wanted, lineage.marks.strip(found)):
        await _put_over(gateway, table, wanted, found, lineage.marks)
    return paths


async def _wanted(gateway: Gateway, lineage: Lineage, key: WireKey) -> WireItem | None:
    source = lineage.old_key(key)
    if source is None:
        return None
    old_item = await _read(gateway, lineage.old.table, source)
    return None if old_item is None else lineage.new_item(old_item, key)


async def _read(gateway: Gateway, table: str, key: WireKey) -> WireItem | None:
    """Read an item by the request that the rest of a verification needs the permission for."""
    answer = await gateway.batch_get(table, [key], consistent_read=True)
    return next(iter(answer.items), None)


async def _put_over(
    gateway: Gateway, table: str, item: WireItem, seen: WireItem, marks: Marks
) -> None:
    try:
        await gateway.put(table, marks.copied_again(item), _still(seen, marks))
    except ConditionFailed:
        raise ConcurrentUpdateError(
            f"an item of {table} was written to meanwhile, and stays as it is; look at it again"
        ) from None


def _still(seen: WireItem, marks: Marks) -> Condition:
    """The item is the copy that was seen."""
    names = {f"#a{number}": name for number, name in enumerate(seen)}
    values = {f":a{number}": value for number, value in enumerate(seen.values())}
    marked = {"#tombstone": marks.tombstone, "#token": marks.token}
    lacking = {name: mark for name, mark in marked.items() if mark not in seen}
    equal = [f"{name} = :{name[1:]}" for name in names]
    unmarked = [f"attribute_not_exists({name})" for name in lacking]
    return Condition(" AND ".join(equal + unmarked), names | lacking, values)
