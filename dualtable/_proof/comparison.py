"""A page of either table, compared with the other table.

The rule: an item of `new` is judged by its marks: a tombstone was deleted by production, a write
token says that production has rewritten it, and what has neither was copied and must still equal
what the transform yields. Whatever looks bad is read again, strongly consistently and in both
tables, before it is said; so neither production nor a copy at work makes a false alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import attrs

from dualtable._control.digests import Digests, bucket_of, digests, in_order
from dualtable._proof.findings import BAD, MAX_PATHS, Example, Findings, Kind, Level
from dualtable._proof.reader import Reader, Spent
from dualtable._proof.repair import Repairs
from dualtable._transforms.lineage import Lineage, Output
from dualtable._wire.differences import differing_paths
from dualtable._wire.keys import identity, key_of, plain
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import equal_items
from dualtable.errors import DualTableError


@attrs.frozen
class _Source:
    """An old item's key, and what it yields; or why it yields nothing.

    The values of what it yields are here as JSON in order, too: to compare two such texts, and to
    sum one up, takes much less than to hold all that they are made of for a whole page.
    """

    key: WireKey
    outputs: Sequence[Output] = ()
    failure: str = ""
    texts: Sequence[bytes] = attrs.field(init=False)

    @texts.default
    def _in_order(self) -> Sequence[bytes]:
        return [in_order(output.packed) for output in self.outputs]

    def yields(self) -> Iterator[tuple[Output, bytes]]:
        """Yield each output with its values in order."""
        return zip(self.outputs, self.texts, strict=True)


@attrs.frozen
class _Verdict:
    """What was found about one key, the old item that it comes from, and what is there instead."""

    kind: Kind
    key: WireKey
    source: WireKey | None = None
    output: Output | None = None
    reason: str = ""
    paths: Sequence[str] = ()
    instead: PackedItem | None = None


@attrs.frozen(kw_only=True)
class Comparison:
    """What pages are compared with."""

    level: Level
    lineage: Lineage
    old: Reader
    new: Reader
    repairs: Repairs | None = None

    @property
    def marks_and_key(self) -> tuple[str, ...]:
        """The attributes of a new item that tell what it is."""
        marks = self.lineage.marks
        return (*self.new.layout.key.names, marks.tombstone, marks.token)

    async def old_page(self, items: Sequence[WireItem], spent: Spent) -> Findings:
        """Look for everything that a page of the old table yields."""
        sources = [self._source(i) for i in items if not self.lineage.marks.is_tombstone(i)]
        verdicts = await self._judged(sources, spent, consistent_read=False)
        bad = [v.source for v in verdicts if v.kind in BAD and v.source is not None]
        if doubtful := {identity(source): source for source in bad}:
            olds = await self.old.fetch(doubtful, spent, consistent_read=True)
            again = [self._source(item) for item in olds.values()]
            verdicts = [v for v in verdicts if not v.source or identity(v.source) not in doubtful]
            verdicts += await self._judged(again, spent, consistent_read=True)
            sources = [s for s in sources if identity(s.key) not in doubtful] + again
        if self.repairs is not None:
            verdicts = await self._repaired(self.repairs, verdicts, spent)
        return self._findings(verdicts, sources)

    async def new_page(self, items: Sequence[WireItem], spent: Spent) -> Findings:
        """Look for items of the new table that no old item yields and production did not write."""
        copied = self._copied(items)
        doubtful = await self._unyielded(copied, spent, consistent_read=False)
        if doubtful:
            found = await self.new.fetch(
                doubtful, spent, consistent_read=True, attributes=self.marks_and_key
            )
            still = self._copied(found.values())
            doubtful = await self._unyielded(still, spent, consistent_read=True)
        reason = f"nothing in {self.old.layout.table} yields it"
        verdicts = [_Verdict(Kind.EXTRA, key, reason=reason) for key in doubtful.values()]
        return attrs.evolve(self._findings(verdicts, ()), scanned=len(items))

    def _source(self, old_item: WireItem) -> _Source:
        table = self.old.layout
        key = key_of(old_item, table.key, table.table)
        try:
            return _Source(key, self.lineage.outputs(old_item, key, twice=False))
        except DualTableError as error:
            return _Source(key, failure=f"{type(error).__name__}: {error}")

    async def _judged(
        self, sources: Sequence[_Source], spent: Spent, *, consistent_read: bool
    ) -> list[_Verdict]:
        named = [
            (identity(output.key), source, output, text)
            for source in sources
            for output, text in source.yields()
        ]
        left_out = self._left_out(sources)
        keys = {name: output.key for name, _, output, _ in named} | left_out
        found = await self.new.fetch(
            keys,
            spent,
            consistent_read=consistent_read,
            attributes=None if self.level == "content" else self.marks_and_key,
        )
        failures = [source for source in sources if source.failure]
        verdicts = [_Verdict(Kind.MISSING, f.key, f.key, reason=f.failure) for f in failures]
        verdicts += [self._judge(s, out, text, found.get(name)) for name, s, out, text in named]
        kept = self._copied(found[name] for name in left_out if name in found)
        reason = "the transform leaves its old item out"
        return verdicts + [_Verdict(Kind.EXTRA, key, key, reason=reason) for key in kept.values()]

    def _left_out(self, sources: Iterable[_Source]) -> dict[Hashable, WireKey]:
        """Return the keys of items that yield nothing, where the new table must lack the same keys.

        So the pass over the new table has only to see that an old item is there.
        """
        if self.level != "content" or not self.lineage.keeps_keys:
            return {}
        return {identity(s.key): s.key for s in sources if not s.outputs and not s.failure}

    def _judge(
        self, source: _Source, output: Output, text: bytes, found: WireItem | None
    ) -> _Verdict:
        marks = self.lineage.marks
        if found is None:
            reason = f"not in {self.new.layout.table}"
            return _Verdict(Kind.MISSING, output.key, source.key, output, reason)
        if marks.is_tombstone(found):
            return _Verdict(Kind.DELETED, output.key, source.key)
        if not marks.is_copy(found):
            return _Verdict(Kind.REWRITTEN, output.key, source.key)
        if marks.token in found:
            found = marks.strip(found)
        if self.level != "content":
            return _Verdict(Kind.SAME, output.key, source.key)
        there = PackedItem.of(found)
        if not _is_alike(there, output.packed, text) and not equal_items(output.item, found):
            paths = differing_paths(output.item, found)[:MAX_PATHS]
            return _Verdict(
                Kind.DIFFERENT, output.key, source.key, output, paths=paths, instead=there
            )
        return _Verdict(Kind.SAME, output.key, source.key)

    async def _repaired(
        self, repairs: Repairs, verdicts: Sequence[_Verdict], spent: Spent
    ) -> list[_Verdict]:
        """Copy what is missing, and judge it once more."""
        lost = [v for v in verdicts if v.kind is Kind.MISSING and v.output is not None]
        if not lost:
            return list(verdicts)
        await repairs.copy([v.output.packed for v in lost if v.output is not None])
        sources = [_Source(v.source, [v.output]) for v in lost if v.source and v.output]
        again = await self._judged(sources, spent, consistent_read=True)
        return [
            *(v for v in verdicts if v not in lost),
            *(attrs.evolve(v, kind=Kind.REPAIRED) if v.kind is Kind.SAME else v for v in again),
        ]

    def _copied(self, items: Iterable[WireItem]) -> dict[Hashable, WireKey]:
        """Return the keys of those items that production has neither written nor deleted."""
        marks, table = self.lineage.marks, self.new.layout
        copied = filter(marks.is_copy, items)
        keys = [key_of(item, table.key, table.table) for item in copied]
        return {identity(key): key for key in keys}

    async def _unyielded(
        self, keys: Mapping[Hashable, WireKey], spent: Spent, *, consistent_read: bool
    ) -> dict[Hashable, WireKey]:
        """Return those keys that no old item yields."""
        origins = {name: self._origin(name, key) for name, key in keys.items()}
        olds = await self.old.fetch(
            {origin: old for origin, old in origins.values() if old is not None},
            spent,
            consistent_read=consistent_read,
            attributes=self.old.layout.key.names if self.lineage.keeps_keys else None,
        )
        found = {name: olds.get(origin) for name, (origin, _) in origins.items()}
        return {
            name: key
            for name, key in keys.items()
            if (old_item := found[name]) is None or not self._yields(old_item, key)
        }

    def _origin(self, name: Hashable, key: WireKey) -> tuple[Hashable, WireKey | None]:
        """Return the key of the old item that yields a new key, with its identity."""
        if self.lineage.keeps_keys:
            return name, key
        origin = self.lineage.origin(key)
        return (None if origin is None else identity(origin)), origin

    def _yields(self, old_item: WireItem, key: WireKey) -> bool:
        return self.lineage.keeps_keys or key in self.lineage.new_keys(old_item)

    def _findings(self, verdicts: Iterable[_Verdict], sources: Sequence[_Source]) -> Findings:
        counts: Counter[Kind] = Counter()
        in_buckets: Counter[str] = Counter()
        examples, different = [], []
        for verdict in verdicts:
            counts[verdict.kind] += 1
            if verdict.kind in BAD:
                examples.append(_example(verdict))
            if word := _BUCKETED.get(verdict.kind):
                in_buckets[f"{word}{bucket_of(verdict.key)}"] += 1
            if verdict.kind is Kind.DIFFERENT:
                different.append(verdict)
        outputs = [each for source in sources for each in source.yields()]
        return Findings(
            **{kind.value: count for kind, count in counts.items()},
            scanned=len(sources),
            dropped=sum(not s.outputs and not s.failure for s in sources),
            digests=digests((output.key, output.packed, text) for output, text in outputs),
            apart=_apart(different),
            in_buckets=in_buckets,
            examples=tuple(examples),
        )


_BUCKETED = {
    Kind.DIFFERENT: "different ",
    Kind.MISSING: "bad ",
    Kind.REPAIRED: "bad ",
    Kind.EXTRA: "bad ",
    Kind.REWRITTEN: "touched ",
    Kind.DELETED: "touched ",
}


def _apart(different: Sequence[_Verdict]) -> Digests:
    """Return by how much the digests of what is there are other than of what should be there."""
    there = [(v.key, v.instead) for v in different if v.instead is not None]
    wanted = [(v.key, v.output.packed) for v in different if v.output is not None]
    return _summed_up(there) - _summed_up(wanted) if different else Digests()


def _summed_up(items: Sequence[tuple[WireKey, PackedItem]]) -> Digests:
    return digests((key, packed, in_order(packed)) for key, packed in items)


def _is_alike(there: PackedItem, wanted: PackedItem, text: bytes) -> bool:
    """Tell whether an item has the same text, as it came or in order; if not, it may be equal."""
    if there.names != wanted.names:
        return False
    return there.values == wanted.values or in_order(there) == text


def _example(verdict: _Verdict) -> Example:
    return Example(
        kind=verdict.kind.value,
        key=plain(verdict.key),
        reason=verdict.reason,
        paths=tuple(verdict.paths),
    )
