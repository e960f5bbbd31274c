"""By which attribute items shall expire in the new table, and when that may begin.

The rule: nobody guesses. The attribute is the one in which the transform puts the old one's value,
on items that are there; where that cannot be seen, an operator says it. TTL is switched on once
nobody can believe the old table any more: till then, what expires would come back from there.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from dualtable._transforms.applying import forward_wire
from dualtable._transforms.migration import Migration
from dualtable._wire.layouts import Layout
from dualtable._wire.types import WireItem, WireValue
from dualtable._wire.values import equal
from dualtable.errors import DualTableError

_PROBE: WireValue = {"N": "1924991999"}
_KEY_VALUES: dict[str, WireValue] = {
    "S": {"S": "dualtable"},
    "N": {"N": "1"},
    "B": {"B": "ZHVhbHRhYmxl"},
}


@attrs.frozen(kw_only=True)
class Expiries:
    """How items expire in both tables, as far as it is known.

    Args:
        old: The attribute in the old table; None where TTL is off.
        known: Whether the old table's setting could be read, now or by `create`.
        new: The same attribute in the new format; None where it could not be found, or `old` is.
        present: The attribute by which items of the new table expire already; None where TTL is
            off.
    """

    old: str | None = None
    known: bool = True
    new: str | None = None
    present: str | None = None


def new_attribute(
    migration: Migration, old: Layout, attribute: str, items: Iterable[WireItem]
) -> str | None:
    """Return what the old table's TTL attribute is called in the new format, if it can be seen.

    Args:
        migration: Whose transform says so.
        old: The keys of the old table.
        attribute: The attribute in the old table.
        items: Items of the old table; those that have the attribute tell.
    """
    telling = [item for item in items if "N" in item.get(attribute, ())]
    seen = [_holders(migration, item, attribute) for item in telling]
    names = frozenset.intersection(*filter(None, seen)) if any(seen) else frozenset()
    names = names or _holders(migration, _probe(old, attribute), attribute)
    if attribute in names:
        return attribute
    return next(iter(names)) if len(names) == 1 else None


def _probe(old: Layout, attribute: str) -> WireItem:
    """Return an item with nothing but a key and the attribute; some transforms take it."""
    key = {part.name: _KEY_VALUES[part.type] for part in old.key.attributes}
    return {**key, attribute: _PROBE}


def _holders(migration: Migration, item: WireItem, attribute: str) -> frozenset[str]:
    """Return the attributes of what an item becomes that have the value of one of its own."""
    value = item[attribute]
    try:
        outputs = forward_wire(migration.transform, migration.marks.strip(item))
    except DualTableError:
        return frozenset()
    return frozenset(
        name
        for output in outputs
        for name, found in output.items()
        if "N" in found and equal(found, value)
    )
