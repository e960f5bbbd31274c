"""What a verification may find, and its report.

The rule: findings name keys, paths and reasons, never values. Those of a segment are stored with
its checkpoint, so no process has to find them again.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import attrs

from dualtable._control.digests import Digests
from dualtable._control.records import brief
from dualtable._control.segments import Progress
from dualtable._wire.types import Key

Level = Literal["keys", "content"]


MAX_EXAMPLES = 20
"""Examples kept of each kind."""

MAX_PATHS = 10
"""Paths kept of each example."""

_MOST_OF_REASON, _MOST_OF_PATH = 500, 100  # bytes: a record holds the examples of all kinds


class Kind(enum.StrEnum):
    """What a verification may find about one key."""

    MISSING = "missing"
    DIFFERENT = "different"
    CHANGED_OLD = "changed_old"
    REWRITTEN = "rewritten"
    DELETED = "deleted"
    EXTRA = "extra"
    SAME = "same"
    REPAIRED = "repaired"


def _brief_reason(reason: Any) -> Any:
    return brief(reason, _MOST_OF_REASON)


def _brief_paths(paths: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(brief(path, _MOST_OF_PATH) for path in paths)


BAD = (Kind.MISSING, Kind.DIFFERENT, Kind.CHANGED_OLD, Kind.EXTRA)
"""What is held against the copy."""


@attrs.frozen(kw_only=True)
class Example:
    """One finding.

    Attributes:
        kind: ``missing``, ``different``, ``changed_old`` or ``extra``.
        key: The key in the new table, in plain values; in the old one where its item cannot be
            transformed. Empty where it is not known.
        reason: In words, where there is more to say.
        paths: Where the two items differ, in DynamoDB's notation, such as ``lines[0].sku``.
    """

    kind: str
    key: Key
    reason: str = attrs.field(default="", converter=_brief_reason)
    paths: tuple[str, ...] = attrs.field(default=(), converter=_brief_paths)


@attrs.frozen(kw_only=True)
class Findings(Progress):
    """What was found in the settled pages; `scanned` counts the items of both tables.

    `in_buckets` says for each bucket of keys, see `digests`, how many were found to differ, how
    many were otherwise bad, though they may be repaired by now, and how many production has written
    to. `apart` is what must be added to `digests` to have those of what the copies that differ are.
    Of `changed_old`, `untold` are changes of which nobody knows the key.
    """

    same: int = attrs.field(default=0, converter=int)
    missing: int = attrs.field(default=0, converter=int)
    different: int = attrs.field(default=0, converter=int)
    changed_old: int = attrs.field(default=0, converter=int)
    rewritten: int = attrs.field(default=0, converter=int)
    deleted: int = attrs.field(default=0, converter=int)
    extra: int = attrs.field(default=0, converter=int)
    repaired: int = attrs.field(default=0, converter=int)
    untold: int = attrs.field(default=0, converter=int)
    apart: Digests = attrs.field(factory=Digests)
    in_buckets: Counter[str] = attrs.field(factory=Counter)
    examples: tuple[Example, ...] = ()

    def __add__(self, other: Progress) -> Self:
        """Add the counts, and keep some examples of each kind."""
        added = super().__add__(other)
        return attrs.evolve(added, examples=_some(added.examples))

    def fields(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        examples = [{**attrs.asdict(e), "paths": list(e.paths)} for e in self.examples]
        return {
            **super().fields(),
            "apart": self.apart.to_bytes(),
            "in_buckets": dict(self.in_buckets),
            "examples": examples,
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Return what a record holds."""
        examples = tuple(Example(**{**e, "paths": tuple(e["paths"])}) for e in fields["examples"])
        buckets = Counter({bucket: int(count) for bucket, count in fields["in_buckets"].items()})
        apart = Digests.from_bytes(fields.get("apart", b""))
        return super().of({**fields, "apart": apart, "in_buckets": buckets, "examples": examples})


def _some(examples: Iterable[Example]) -> tuple[Example, ...]:
    seen: Counter[str] = Counter()
    kept = []
    for example in examples:
        seen[example.kind] += 1
        if seen[example.kind] <= MAX_EXAMPLES:
            kept.append(example)
    return tuple(kept)


@attrs.frozen(kw_only=True)
class VerificationReport:
    """What a verification found, by all processes that share it.

    Attributes:
        level: ``keys`` or ``content``.
        checked: New items that the old table yields, each looked up in the new table.
        missing: Of those, not in the new table, or the transform fails on the old item.
        different: Copied, never rewritten, and not equal to what the transform yields
            (level ``content``).
        changed_old: Old items, at least, that are not as they were copied: somebody has written to
            the old table since. Told by digests that the copy leaves. What differs is called so
            where it is certain; else it counts as `different`, and what has changed is counted
            here without its key.
        rewritten: Written by production since; their content is production's.
        deleted: Deleted by production since.
        dropped: Old items that the transform leaves out.
        extra: In the new table, neither written by production nor yielded by any old item
            (level ``content``).
        repaired: Were missing, have been copied now, and were then found to be as they should.
        read_units: Read units consumed on both tables.
        share_done: From 0 to 1.
        seconds: How long this process took.
        examples: Up to 20 of each of missing, different, changed_old and extra; keys and paths
            only.

    Example:
        >>> from dualtable import VerificationReport
        >>> VerificationReport(level="keys", checked=3, deleted=1).ok
        True
    """

    level: Level
    checked: int = 0
    missing: int = 0
    different: int = 0
    changed_old: int = 0
    rewritten: int = 0
    deleted: int = 0
    dropped: int = 0
    extra: int = 0
    repaired: int = 0
    read_units: float = 0.0
    share_done: float = 1.0
    seconds: float = 0.0
    examples: tuple[Example, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything has been looked at."""
        return self.share_done == 1

    @property
    def ok(self) -> bool:
        """Whether everything has been looked at and nothing is held against the copy."""
        bad = self.missing or self.different or self.changed_old or self.extra
        return self.complete and not bad


@attrs.frozen(kw_only=True)
class VerificationProgress(VerificationReport):
    """How a running verification stands; what an observer gets.

    It has what a `VerificationReport` has, of what is settled so far. Where no page is settled for
    a second it gets one all the same, so that a pause can be seen.

    Attributes:
        held_back_by: What this verifier could not go faster for in the last ten seconds, in a few
            words such as ``read ceiling``; empty in the first one.
        paused_by: Who lets it stand still; empty where nobody does.
        may_read_units: Units a second that this one may read of both tables together at the
            moment; None for no bound.
        used_read_units: Read units that this one has used on both tables so far.

    Example:
        >>> from dualtable import VerificationProgress
        >>> VerificationProgress(level="keys", checked=3, paused_by="dualtable pause or rate").ok
        True
    """

    held_back_by: str = ""
    paused_by: str = ""
    may_read_units: float | None = None
    used_read_units: float = 0.0

    @classmethod
    def of(cls, report: VerificationReport, **present: Any) -> Self:
        """Return what was found so far, and how it goes at present."""
        return cls(**attrs.asdict(report, recurse=False), **present)
