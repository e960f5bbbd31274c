"""The tables that the casts play on, and how their calls and records read.

The rule: one key is watched. Its item is a log of words: each write adds one, so whatever is lost,
doubled or brought back shows in the log. A second key in the old table makes the scan have more
pages, and is nobody's business but the migrator's.

The key is a number, and every actor spells it in its own way. The old table may hold it as text,
which has one spelling of its own that the number must lead back to.

Where transactions of two keys play (`pairs`), or somebody reads page by page (`pages`), the second
key is watched as well. The two may be in one partition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from dualtable import Chain, Convert, Drop, Index, KeySchema, Migration, Move, Rename
from dualtable._dynamodb.gateway import TransactPut
from dualtable._wire import codec
from dualtable._wire.keys import identity
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireItem
from dualtable.testing import MemoryGateway
from proof.history import InOld, Logical, Record

OLD, NEW, CONTROL = "proof-old", "proof-new", "proof-control"
WATCHED = {"id": Decimal("12.5")}
SPELLINGS = [{"id": Decimal(text)} for text in ("12.50", "125E-1", "12.5", "12.500")]
KEY = identity(codec.encode(WATCHED))
STATE = {"migration": {"S": "proof"}, "record": {"S": "state"}}
OTHER = {"id": Decimal(20)}  # comes first in a scan
OTHER_KEY = identity(codec.encode(OTHER))
GROUP = {"group": "g"}
"""The partition of both keys, where a cast has them in one: then `id` is a sort key."""


def upgrade(item: dict[str, Any]) -> dict[str, Any]:
    """Turn the old format into the new one."""
    word = item.pop("word")
    return {**item, "log": [word]}


MIGRATION = Migration(
    "proof", OLD, NEW, upgrade, control_table=CONTROL, version="1", key=None, indexes=()
)
TEXT_KEYS = attrs.evolve(
    MIGRATION,
    transform=Chain(Convert("id", Decimal, back=str), upgrade),
    key=KeySchema(("id", "N")),
)
INDEX = "by-place"


def placed(item: dict[str, Any], place: int = 1) -> dict[str, Any]:
    """Give an item its place in the index."""
    return {**item, "place": place}


def upgrade_placed(item: dict[str, Any]) -> dict[str, Any]:
    return placed(upgrade(item))


INDEXED = attrs.evolve(
    MIGRATION,
    transform=upgrade_placed,
    indexes=[Index(INDEX, KeySchema(("id", "N"), ("place", "N")), old_index=INDEX)],
)
"""With an index in which an item may stand at one place late and at another one by now."""
ROLLING = attrs.evolve(
    MIGRATION,
    transform=Chain(
        Convert("words", str.split, back=" ".join),
        Rename("words", "log"),
        Move("meta.note", "note"),
        Drop("legacy"),
    ),
    rolling=True,
)
ROLLING_INDEXED = attrs.evolve(ROLLING, indexes=INDEXED.indexes)
BESIDE = {"extra": "+", "note": "@"}
"""What an item may hold beside its log, and how it is told from the words of that."""
MARKS = MIGRATION.marks


def wire(log: Sequence[str], token: str | None = None) -> dict[str, Any]:
    """Return the watched item as the new table holds it."""
    item = codec.encode({**WATCHED, "log": list(log)})
    return item if token is None else MARKS.stamp(item, token)


def tombstone() -> dict[str, Any]:
    return MARKS.bury(codec.encode(WATCHED))


def record_of(item: Mapping[str, Any] | None, *, final: bool = False) -> Record:
    """Return what a state of the watched item amounts to."""
    if item is None:
        return Record("absent", final=final)
    if MARKS.is_tombstone(item):
        return Record("tombstone", final=final)
    log = logical_of(codec.decode(item)) or ()
    return Record("live", log, MARKS.token_of(item), final)


def in_old(item: Mapping[str, Any] | None) -> InOld:
    """Return what a state of the watched item in an old table that moves amounts to."""
    if item is None:
        return InOld()
    plain = codec.decode(MARKS.strip(item))
    return InOld(
        logical_of(ROLLING.transform.forward(plain)), plain.get("legacy"), MARKS.token_of(item)
    )


def logical_of(item: Mapping[str, Any] | None) -> Logical:
    """Return the words of an item as a repository returns it, and what else it may hold."""
    if item is None:
        return None
    beside = [mark + item[name] for name, mark in BESIDE.items() if name in item]
    return (*item.get("log", ()), *beside)


def other_of(key: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other key, in the group of this one where it has one."""
    return {**key, **OTHER}


async def create_tables(
    gateway: MemoryGateway,
    old_key: Mapping[str, Any],
    new_key: Mapping[str, Any],
    *,
    indexed: bool = False,
) -> None:
    """Make the three tables, empty, for keys such as these."""
    places = {OLD: {"id": "N"}, NEW: {"id": "N", "place": "N"}}
    for table, key in ((OLD, old_key), (NEW, new_key)):
        wire = codec.encode(key)
        definition = _definition(table, {n: "".join(v) for n, v in wire.items()})
        definition = _with_index(definition, **places[table]) if indexed else definition
        await gateway.create_table(definition)
    await gateway.create_table(_definition(CONTROL, {"migration": "S", "record": "S"}))


def _definition(table: str, names: Mapping[str, str]) -> dict[str, Any]:
    kinds = ("HASH", "RANGE")
    return {
        "TableName": table,
        "KeySchema": [
            {"AttributeName": n, "KeyType": kind} for n, kind in zip(names, kinds, strict=False)
        ],
        "AttributeDefinitions": [
            {"AttributeName": n, "AttributeType": tag} for n, tag in names.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _with_index(definition: dict[str, Any], **key: str) -> dict[str, Any]:
    types = {each["AttributeName"]: each for each in definition["AttributeDefinitions"]}
    schema = _definition(INDEX, key)
    types |= {each["AttributeName"]: each for each in schema["AttributeDefinitions"]}
    index = {
        "IndexName": INDEX,
        "KeySchema": schema["KeySchema"],
        "Projection": {"ProjectionType": "ALL"},
    }
    return {
        **definition,
        "AttributeDefinitions": list(types.values()),
        "GlobalSecondaryIndexes": [index],
    }


def keys_of(arguments: Mapping[str, Any]) -> set[Any]:
    """Return the identities of the keys that a call names; none where it names none."""
    named = [arguments[name] for name in ("key", "item") if name in arguments]
    named += [*arguments.get("keys", ()), *_unpacked(arguments.get("items", ()))]
    for action in (*arguments.get("actions", ()), *arguments.get("gets", ())):
        named.append(action.item if isinstance(action, TransactPut) else action.key)
    return {identity({"id": key["id"]}) for key in named if "id" in key}


def tables_of(arguments: Mapping[str, Any]) -> list[str]:
    """Return the tables that a call is on, more than one for a transaction only."""
    actions = [*arguments.get("actions", ()), *arguments.get("gets", ())]
    tables = dict.fromkeys(action.table for action in actions)
    return list(tables) or [str(arguments.get("table", NEW))]


def _unpacked(items: Iterable[WireItem | PackedItem]) -> list[WireItem]:
    return [item.item() if isinstance(item, PackedItem) else item for item in items]


def record_named(arguments: Mapping[str, Any]) -> str:
    """Return which record of the control table a call names; no name where it names none."""
    key = arguments.get("key") or arguments.get("item") or {}
    return str(key.get("record", {}).get("S", ""))


def is_about_rates(arguments: Mapping[str, Any]) -> bool:
    """Tell whether a call is about who shares the rate; there is no ceiling here to be shared."""
    names = ("key", "item", "key_condition")
    return any("migrator#" in str(arguments[name]) for name in names if name in arguments)


def called(operation: str, table: str, arguments: Mapping[str, Any]) -> str:
    """Return a call as a reader of the trace wants it."""
    parts = [f"{operation} {table}".strip()]
    if "consistent_read" in arguments and operation != "scan":
        parts.append("strongly" if arguments["consistent_read"] else "eventually consistent")
    parts += [_item(arguments["item"])] if "item" in arguments else []
    parts += [_action(action) for action in arguments.get("actions", ())]
    if "items" in arguments:
        parts.append(", ".join(map(_item, _unpacked(arguments["items"]))))
    if arguments.get("condition") is not None:
        parts.append(f"if {_condition(arguments['condition'])}")
    return " ".join(parts)


def _action(action: Any) -> str:
    what = _item(action.item) if isinstance(action, TransactPut) else type(action).__name__
    return what + ("" if action.condition is None else f" if {_condition(action.condition)}")


def _item(item: Mapping[str, Any]) -> str:
    if "record" in item:
        return str(item["record"]["S"]) + _checkpoint(item)
    if identity({"id": item["id"]}) != KEY:
        return "the other key"
    return str(record_of(item))


def _checkpoint(item: Mapping[str, Any]) -> str:
    if "done" not in item:
        return ""
    done = item["done"]["BOOL"]
    return " done" if done else " at a page" if "M" in item["last_key"] else " claimed"


def _condition(condition: Any) -> str:
    known = {**condition.names, **{k: next(iter(v.values())) for k, v in condition.values.items()}}
    return re.sub(r"[#:]\w+", lambda name: str(known[name[0]]), condition.expression)
