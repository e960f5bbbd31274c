"""The file of a migration, written from what the old table says of itself.

The rule: names and kinds alone, never a value of an item; whatever a name is, the file is Python
that can be imported and run as it stands, and so it is with each of its proposals.
"""

from __future__ import annotations

import keyword
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Unpack

import attrs

from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._transforms.chain import Chain
from dualtable._transforms.migration import Migration
from dualtable._transforms.paths import path_text
from dualtable._wire.layouts import Index, KeySchema, Layout, layout, short_name
from dualtable._wire.types import WireItem, WireKey, WireValue
from dualtable.errors import InvalidSettingError

_ITEMS = 25  # looked at
_MOST_PAGES = 20  # of which all may be empty
_MOST_LINES = 60  # of attributes
_DEEPEST = 3  # names from the root

_KINDS = {
    "S": "text",
    "N": "number",
    "B": "bytes",
    "BOOL": "true or false",
    "NULL": "null",
    "M": "map",
    "L": "list",
    "SS": "set of texts",
    "NS": "set of numbers",
    "BS": "set of bytes",
}
_NUMBER_IN_TEXT = "text of a number"

_IMPORTED = [
    "Chain",
    "Convert",
    "Default",
    "Drop",
    "Index",
    "KeySchema",
    "Migration",
    "Move",
    "Rename",
]
_ABOVE_STEPS = (
    "        # One step after the other, or functions of your own: item -> item, several items,",
    "        # or None for one that is left out. Such steps are possible with this table:",
)

Where = tuple[str, ...]
Kinds = Mapping[Where, Counter[str]]
"""By where in an item: how many of the items have a value of which kind there."""


@attrs.frozen(kw_only=True)
class Draft:
    """A migration's file that has been written.

    Attributes:
        path: Where it is.
        reference: The migration as the commands take it, ``MODULE:ATTRIBUTE``.
        old: The old table.
        new: The new table, which need not exist.
        items: Items that were looked at for it.
        read_units: What that has cost.
    """

    path: str
    reference: str
    old: str
    new: str
    items: int
    read_units: float


async def draft_migration(
    old: str, new: str | None = None, *, path: str | None = None, **connection: Unpack[Connection]
) -> Draft:
    """Write the file of a migration, which then is the user's.

    Args:
        old: The old table, by its name or ARN.
        new: The new table's name. Default: that of the old one with ``-v2`` behind it.
        path: Where to write it. Default: after the old table, in the working directory.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: There is a file already, or it cannot be written, or not be imported by
            its name.
        TableNotFoundError: The old table does not exist.
        TableMismatchError: A name is none of a table.
        GatewayError: DynamoDB refused a request or stayed out of reach.
    """
    new = new or f"{short_name(old)}-v2"
    migration = Migration(new, old, new, Chain())
    file = _free(Path(path or f"{_identifier(short_name(old))}_migration.py"))
    async with connect(connection, ONE_OFF) as gateway:
        table = await gateway.describe_table(old)
        found, units = await _some_items(gateway, old)
    items = [item for item in found if not migration.marks.is_tombstone(item)]
    text = migration_text(migration, layout(table), items, f"{file.stem}:migration")
    _write(file, text)
    return Draft(
        path=str(file),
        reference=f"{file.stem}:migration",
        old=old,
        new=new,
        items=len(items),
        read_units=units,
    )


async def _some_items(gateway: Gateway, table: str) -> tuple[list[WireItem], float]:
    """Return the items of the first page that has some, and what reading them has cost."""
    units = 0.0
    start_key: WireKey | None = None
    for _ in range(_MOST_PAGES):
        page = await gateway.scan(
            table, segment=0, total_segments=1, start_key=start_key, limit=_ITEMS
        )
        units, start_key = units + page.read_units, page.last_key
        if page.items or start_key is None:
            return list(page.items), units
    return [], units


# The file


def _free(path: Path) -> Path:
    """Return a path at which a module may be written."""
    if path.suffix != ".py" or not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise InvalidSettingError(
            f"{str(path)!r} cannot be imported; a name such as orders_migration.py can"
        )
    if os.path.lexists(path):
        raise InvalidSettingError(
            f"{path} exists, and is left as it is; give another name with --file, or move it away"
        )
    return path


def _identifier(name: str) -> str:
    """Return a table's name as the beginning of a module's."""
    safe = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "table"
    return f"table_{safe}" if safe[0].isdigit() else safe


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InvalidSettingError(f"cannot write {path}: {error.strerror}") from error


# What is in it


def migration_text(
    migration: Migration, old: Layout, items: Iterable[WireItem], reference: str
) -> str:
    """Return the source of a module with a migration that changes nothing yet."""
    sample = list(items)
    found = kinds(sample, apart_from={migration.token_attribute})
    steps = proposals(found, set(old.key.names))
    needs_decimal = any("Decimal" in step for step in steps)
    lines = [
        f'"""The migration of {migration.old} to {migration.new}.',
        "",
        "Production, scripts and the command line all import it. It changes nothing yet: write in",
        "`transform` what a new item is, then look at what becomes of real ones, without writing:",
        "",
        f"    dualtable try {reference} --sample 5",
        '"""',
        "",
        *(["from decimal import Decimal  # noqa: F401", ""] if needs_decimal else []),
        "from dualtable import (  # noqa: F401",
        *(f"    {name}," for name in _IMPORTED),
        ")",
        "",
        *_comment(_about(migration.old, old)),
        "#",
        *_comment(_attributes(found, len(sample), set(old.key.names))),
        "",
        "migration = Migration(",
        f"    name={migration.name!r},",
        f"    old={migration.old!r},",
        f"    new={migration.new!r},",
        "    transform=Chain(",
        *_ABOVE_STEPS,
        *(f"        # {step}," for step in steps),
        "    ),",
        "    # The new table gets the indexes of the old one; here they are all given anew:",
        "    # indexes=[Index('by-day', KeySchema('customer', ('day', 'S')))],",
        "    # Where old and new code run side by side for a while, begin with ROLLING_OUT:",
        "    # rolling=True,",
        ")",
        "",
    ]
    return "\n".join(lines)


def _comment(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in lines)


def _about(table: str, old: Layout) -> Iterator[str]:
    yield f"Keys of {table}: {_key(old.key)}."
    for name, index in old.indexes.items():
        yield f"Index {name!a}: {_index(index)}."


def _key(key: KeySchema) -> str:
    parts = [("partition", key.partitions), ("sort", key.sorts)]
    return ", ".join(
        f"{attribute.name!a} ({_KINDS[attribute.type]}, {role})"
        for role, attributes in parts
        for attribute in attributes
    )


def _index(index: Index) -> str:
    return f"{_key(index.key)}{', local' if index.local else ''}"


def _attributes(found: Kinds, items: int, keys: set[str]) -> Iterator[str]:
    if not items:
        yield "The table is empty, or its first pages are: no item was looked at."
        return
    yield f"Attributes of {items} items (of how many, and as what; no values):"
    for where, counts in list(found.items())[:_MOST_LINES]:
        which = " or ".join(kind for kind, _ in counts.most_common())
        key = ", key" if len(where) == 1 and where[0] in keys else ""
        yield f"  {path_text(where)}: {counts.total()}, {which}{key}"
    if len(found) > _MOST_LINES:
        yield f"  and {len(found) - _MOST_LINES} more"


def kinds(items: Iterable[WireItem], apart_from: set[str]) -> Kinds:
    """Return what the items have where, members of maps included."""
    found: dict[Where, Counter[str]] = {}
    for item in items:
        for where, kind in _walk(item, ()):
            if where[0] not in apart_from:
                found.setdefault(where, Counter())[kind] += 1
    return dict(sorted(found.items()))


def _walk(members: Mapping[str, WireValue], above: Where) -> Iterator[tuple[Where, str]]:
    for name, value in members.items():
        where = (*above, name)
        ((kind, content),) = value.items()
        yield where, _NUMBER_IN_TEXT if kind == "S" and _is_number(content) else _KINDS[kind]
        if kind == "M" and len(where) < _DEEPEST:
            yield from _walk(content, where)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def proposals(found: Kinds, keys: set[str]) -> list[str]:
    """Return steps that could be taken with what the items have, as they are written."""
    free = [where for where in found if len(where) > 1 or where[0] not in keys]
    roots = [where for where in free if len(where) == 1]
    nested = [where for where in free if len(where) > 1 and where[-1:] not in found]
    numbers = [where for where in free if set(found[where]) == {_NUMBER_IN_TEXT}]
    return [
        *(f"Move({path_text(where)}, {where[-1]!a})" for where in nested[:1]),
        *(f"Rename({path_text(where)}, {'new_' + where[0]!a})" for where in roots[:1]),
        *(f"Convert({path_text(where)}, Decimal, back=str)" for where in numbers[:3]),
        *(f"Drop({path_text(where)})" for where in roots[-1:]),
        "Default('schema', 2)",
    ]
