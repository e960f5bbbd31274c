"""One copied item that differs is copied again, because somebody has asked for it by its key.

The rule: it is put over just the state that was seen, and only where that is a copy; what
production has written or deleted is production's. Where there are more attributes than can be
compared in one request, those that differ are compared and changed, and the rest stays. It carries
a token, by which whoever has read the state before notices: a copy without one is taken for the
copy that it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._expressions.requests import has_room
from dualtable._expressions.texts import Condition, changing
from dualtable._transforms.lineage import Lineage
from dualtable._wire.differences import differing_paths
from dualtable._wire.keys import plain
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import equal
from dualtable.errors import ConcurrentUpdateError, ConditionFailedError, InvalidItemError


async def mend(gateway: Gateway, lineage: Lineage, key: WireKey) -> list[str]:
    """Copy the old item of a new key again; return the paths at which the copy was otherwise.

    Raises:
        ConditionFailedError: The new table has no copy under the key, or no old item yields it.
        ConcurrentUpdateError: Somebody has written to the item meanwhile.
        InvalidItemError: More attributes are otherwise than can be compared in one request.
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
        await _put_over(gateway, lineage.new, wanted, found, lineage.marks)
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
    gateway: Gateway, table: Layout, item: WireItem, seen: WireItem, marks: Marks
) -> None:
    copied, whole = marks.copied_again(item), _still(seen, seen, marks)
    try:
        if has_room(whole):
            await gateway.put(table.table, copied, whole)
        else:
            await _change(gateway, table, copied, seen, marks)
    except ConditionFailed:
        raise ConcurrentUpdateError(
            f"an item of {table.table} was written to meanwhile, and stays as it is; look at it"
            " again"
        ) from None


async def _change(
    gateway: Gateway, table: Layout, item: WireItem, seen: WireItem, marks: Marks
) -> None:
    """Change what is otherwise, and nothing else: there is no room to compare the whole item.

    Whoever writes to the rest of it meanwhile loses nothing: what is compared is what is changed.
    """
    key = {name: seen[name] for name in table.key.names}
    setting = {n: v for n, v in item.items() if n not in seen or not equal(seen[n], v)}
    removing = [name for name in seen if name not in item]
    update, guard = changing(setting, removing), _still(seen, [*key, *setting, *removing], marks)
    if not (has_room(update) and has_room(guard)):
        raise InvalidItemError(
            f"{plain(key)} of {table.table} is otherwise in more attributes than can be compared in"
            " one request, some 140, and stays as it is; delete it there, under the condition"
            f" attribute_not_exists({marks.token}), and dualtable verify --repair copies it anew",
            key=plain(key),
        )
    await gateway.update(table.table, key, update, guard)


def _still(seen: WireItem, names: Iterable[str], marks: Marks) -> Condition:
    """The item is the copy that was seen, as far as these names go."""
    asked = dict.fromkeys([*names, marks.tombstone, marks.token])
    numbered = {f"#a{number}": name for number, name in enumerate(asked)}
    values = {f":{n[1:]}": seen[name] for n, name in numbered.items() if name in seen}
    parts = [
        f"{n} = :{n[1:]}" if name in seen else f"attribute_not_exists({n})"
        for n, name in numbered.items()
    ]
    return Condition(" AND ".join(parts), numbered, values)
