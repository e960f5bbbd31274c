"""Where a scan is, and which part of the tables it reads.

The rule: a place names the key that was yielded last, and what the scan goes by was settled at its
beginning, whatever becomes of the phase.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import attrs

from dualtable._reading.tables import Tables
from dualtable._reading.tokens import Position, checked_names, damaged, key_in
from dualtable._wire.layouts import Index, KeySchema
from dualtable._wire.types import WireKey
from dualtable.errors import InvalidTokenError

Mode: TypeAlias = Literal["new", "keys", "partitions"]
"""What the pass over `old` goes by; ``new`` where there is none."""

_PAGE_ITEMS = 100


@attrs.frozen(kw_only=True)
class Scan:
    """Which part of both tables is read, and how."""

    segment: int = 0
    total_segments: int = 1
    index: Index | None = None
    consistent_read: bool = False
    page_items: int | None = None

    def over_tables(self) -> Scan:
        """Return the scan of both tables that finds what belongs into the index.

        How much of them does, nobody knows, so pages are not as short as what is asked for.
        """
        if self.index is None or self.page_items is None:
            return attrs.evolve(self, index=None)
        return attrs.evolve(self, index=None, page_items=max(self.page_items, _PAGE_ITEMS))

    @property
    def key_schemas(self) -> tuple[KeySchema, ...]:
        """The keys beside the table's that a place in the index holds."""
        return () if self.index is None else (self.index.key,)


@attrs.frozen(kw_only=True)
class ScanPlace:
    """Behind the key that was yielded last.

    In the pass over `new`, when the scan has `passed` `old`, that is `after`; with the key of the
    index, where that alone is read. In the pass over `old` it is `last`, and `after` is the old
    item to go on behind; None for `last` where that item has yielded all that it has.
    """

    mode: Mode
    old_key: str
    """The attributes of the old key, by which the mode goes."""
    passed: bool
    after: WireKey | None = None
    last: WireKey | None = None

    @classmethod
    def first(cls, tables: Tables) -> ScanPlace:
        """Return where a scan begins that goes by the phase of now."""
        mode = _mode(tables)
        return cls(mode=mode, old_key=described(tables.old.key), passed=mode == "new")

    @classmethod
    def of(cls, position: Position, tables: Tables, scan: Scan) -> ScanPlace:
        """Return the place that a token holds.

        Raises:
            InvalidTokenError: It holds none, or one in an old table that is not known here.
        """
        checked_names(position, {field.name for field in attrs.fields(cls)})
        mode, passed = position["mode"], position["passed"]
        if mode not in get_args(Mode) or type(passed) is not bool:
            raise damaged()
        if mode != "new" and position["old_key"] != described(tables.old.key):
            raise InvalidTokenError(
                "the page token was given out before the cut-over, and the old table is not known"
                " here any more; begin anew without it"
            )
        beside = scan.key_schemas if mode == "new" else ()
        after = key_in(position, "after", tables.new.key if passed else tables.old.key, *beside)
        place = cls(
            mode=mode,
            old_key=position["old_key"],
            passed=passed,
            after=after,
            last=key_in(position, "last", tables.new.key),
        )
        if not place._is_sound(tables):
            raise damaged()
        return place

    def _is_sound(self, tables: Tables) -> bool:
        """Tell whether a scan could have come here."""
        if self.after is None or (self.passed and self.last is not None):
            return False
        if self.mode != "partitions" or self.passed:
            return self.mode != "new" or self.passed
        name = tables.new.key.partition.name
        return (
            tables.lineage.keeps_keys
            and self.last is not None
            and self.last[name] == self.after[name]
        )


def described(schema: KeySchema) -> str:
    """Return the attributes of a key as a text."""
    return ",".join(f"{attribute.name}:{attribute.type}" for attribute in schema.attributes)


def _mode(tables: Tables) -> Mode:
    if not tables.route.asks_old:
        return "new"
    sorted_alike = tables.lineage.keeps_keys and tables.new.key.sort is not None
    return "partitions" if sorted_alike and not tables.route.old_moves else "keys"
