"""What the transform makes of a sample, item by item.

The rule: pure. Each item goes the way that the migrator would send it, and is measured by the same
functions that the dry run counts with; what would fail is counted and goes no further.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import attrs

from dualtable._planning.extrapolation import Tally
from dualtable._planning.failures import Failures
from dualtable._transforms.lineage import Lineage, Output
from dualtable._wire.costs import index_entries, insert_units
from dualtable._wire.keys import key_of, plain
from dualtable._wire.sizes import item_bytes, read_units, write_units
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import DualTableError


@attrs.define(kw_only=True)
class Survey:
    """What is found in a sample; one tally for each of its segments."""

    lineage: Lineage
    rolling: bool = False
    tallies: list[Tally] = attrs.field(factory=list)
    failures: Failures = attrs.field(factory=Failures)
    old_sizes: list[int] = attrs.field(factory=list)
    new_sizes: list[int] = attrs.field(factory=list)
    index_sizes: dict[str, list[int]] = attrs.field(factory=dict)
    seconds: float = 0.0
    changed: bool = False
    """Whether any item yields something other than itself."""

    def take(self, items: Iterable[WireItem]) -> None:
        """Measure the items of one segment."""
        tally: dict[str, float] = defaultdict(float)
        for item in items:
            self._measure(item, tally)
        self.tallies.append(tally)

    def _measure(self, item: WireItem, tally: dict[str, float]) -> None:
        size = item_bytes(item)
        tally["old_items"] += 1
        tally["old_bytes"] += size
        if self.lineage.marks.is_tombstone(item):
            return
        self.old_sizes.append(size)
        key = key_of(item, self.lineage.old.key, self.lineage.old.table)
        try:
            outputs = self.lineage.outputs(item, key)
        except DualTableError as error:
            self._fails(error, key, tally)
            return
        tally["dropped"] += not outputs
        self.changed = self.changed or [output.item for output in outputs] != [item]
        for output in outputs:
            self._weigh(output, tally)
            tally["old_gets"] += read_units(size, consistent_read=True)
            if self.rolling:
                self._try_back(output, tally)

    def _weigh(self, output: Output, tally: dict[str, float]) -> None:
        size = item_bytes(output.item)
        self.new_sizes.append(size)
        tally["new_items"] += 1
        tally["new_bytes"] += size
        tally["new_gets"] += read_units(size, consistent_read=True)
        tally["table_units"] += write_units(size)
        tally["write_units"] += insert_units(output.item, self.lineage.new)
        for name, entry in index_entries(output.item, self.lineage.new):
            held = item_bytes(entry)
            self.index_sizes.setdefault(name, []).append(held)
            tally[f"items of {name}"] += 1
            tally[f"bytes of {name}"] += held
            tally[f"units of {name}"] += write_units(held)

    def _try_back(self, output: Output, tally: dict[str, float]) -> None:
        try:
            self.lineage.old_item(output.item)
        except DualTableError as error:
            self._fails(error, output.key, tally, rule="I9")

    def _fails(
        self, error: DualTableError, key: WireKey, tally: dict[str, float], *, rule: str = ""
    ) -> None:
        tally["failures"] += 1
        tally[" ".join(self.failures.note(error, plain(key), rule=rule))] += 1
