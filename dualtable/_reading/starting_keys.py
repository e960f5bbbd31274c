"""Where a query or scan goes on when all that is known is the key that came last.

The rule: in which pass of a scan a key has come depends on what `old` has, so it is asked, by the
phase of now. A scan that was begun before the cut-over and goes on behind it needs a token.
"""

from __future__ import annotations

import attrs

from dualtable._reading.pass_over_new import is_in_old
from dualtable._reading.places import ScanPlace
from dualtable._reading.query_parts import Behind, Query, QueryPlace
from dualtable._reading.tables import Tables
from dualtable._wire.keys import check_key, identity
from dualtable._wire.layouts import KeyAttribute, KeySchema, Layout
from dualtable._wire.types import Key, WireKey
from dualtable.errors import DualTableError, InvalidTokenError


def starting_key(key: Key, layout: Layout, schema: KeySchema | None = None) -> WireKey:
    """Return the key that came last in wire form; `schema` is that of an index.

    Raises:
        InvalidTokenError: It is no such key.
    """
    attributes = {each.name: each for each in (*layout.key.attributes, *_attributes(schema))}
    try:
        found: WireKey = {}
        for each in attributes.values():
            found |= check_key({each.name: key[each.name]}, KeySchema(each), layout.table)
        if extra := set(key) - attributes.keys():
            raise InvalidTokenError(f"{min(map(str, extra))!r} is in no key that this goes by")
    except (DualTableError, KeyError, TypeError) as error:
        raise InvalidTokenError(f"the starting key is not valid: {error}") from error
    return found


def _attributes(schema: KeySchema | None) -> tuple[KeyAttribute, ...]:
    return () if schema is None else tuple(schema.attributes)


def query_place(key: WireKey, query: Query) -> QueryPlace | Behind:
    """Return the place behind a key of a query.

    Raises:
        InvalidTokenError: The query does not come by there.
    """
    if not query.condition.holds(key):
        raise InvalidTokenError("the starting key is outside of what the query asks for")
    return Behind(key) if query.index is not None else QueryPlace(key)


async def scan_place(tables: Tables, key: WireKey) -> ScanPlace:
    """Return the place behind a key of a scan, of an index with both keys."""
    first = ScanPlace.first(tables)
    if first.passed:
        return attrs.evolve(first, after=key)
    key = {name: key[name] for name in tables.new.key.names}
    over_new = attrs.evolve(first, passed=True, after=key)
    if first.mode == "keys":
        return await _by_keys(tables, key, first) or over_new
    name = tables.new.key.partition.name
    if not await is_in_old(tables, {name: key[name]}):
        return over_new
    return attrs.evolve(first, after=key, last=key)


async def _by_keys(tables: Tables, key: WireKey, first: ScanPlace) -> ScanPlace | None:
    """Return the place behind what `old` yields; None where the key has not come from there."""
    source = tables.lineage.origin(key)
    if source is None:
        return None
    olds = await tables.fetch(tables.old, {identity(source): source}, consistent_read=True)
    yielded = [identity(each) for item in olds.values() for each in tables.lineage.new_keys(item)]
    if identity(key) in yielded:
        last = None if yielded[-1] == identity(key) else key
        return attrs.evolve(first, after=source, last=last)
    if not tables.route.old_moves:
        return None
    # It may have been deleted in `old`, in earnest; what `new` has, has come from there.
    in_new = tables.route.asks_new and await tables.fetch(
        tables.new, {identity(key): key}, consistent_read=True
    )
    return None if in_new else attrs.evolve(first, after=source)
