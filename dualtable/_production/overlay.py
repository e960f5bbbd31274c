"""What the logical item of a key is, and what must still hold for a write that builds on it.

The rule: pure functions over what was read from `new` and from `old`. The logical item of a key is
the live item in `new`; nothing, if `new` has a tombstone; else what `old` yields; else nothing. A
write built on what was seen is guarded by a condition on `new` that fails once anybody has written
the key since (I4).
"""

from __future__ import annotations

import attrs

from dualtable._expressions.texts import Condition
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey


@attrs.frozen
class Origin:
    """The old item that a new key leads to, as it was read; no `key` where there can be none."""

    key: WireKey | None
    item: WireItem | None = None


@attrs.frozen
class Seen:
    """The logical item, without the library's attributes, and the guard for writes built on it.

    The guard of one that was seen `in_old` holds only as long as every delete leaves a tombstone.
    """

    item: WireItem | None
    unchanged: Condition
    in_old: bool = False
    live: bool = False
    """Whether `new` has a live item: then a server can judge it."""
    origin: Origin | None = None
    """What `old` has, where `new` lacks the key and somebody may still write to `old`."""

    def token(self, marks: Marks) -> str | None:
        """Return the write token of what was seen; None where it has none."""
        if self.origin is not None and self.origin.item is not None:
            return marks.token_of(self.origin.item)
        return self.unchanged.values.get(":t", {}).get("S")


@attrs.frozen
class Overlay:
    """The rules for one new table: its partition key and the names of the library's marks."""

    key_name: str
    marks: Marks

    def present(self, item: WireItem) -> Seen:
        """Return what is seen of a key that `new` holds, live or as a tombstone."""
        if self.marks.is_tombstone(item):
            return Seen(None, self.deleted())
        return Seen(self.marks.strip(item), self._same(item), live=True)

    def missing(self, from_old: WireItem | None, origin: Origin | None = None) -> Seen:
        """Return what is seen of a key that `new` does not hold, given what `old` yields."""
        return Seen(from_old, self.absent(), in_old=from_old is not None, origin=origin)

    def absent(self) -> Condition:
        """The key is not in `new`: neither copied nor written nor deleted."""
        return Condition("attribute_not_exists(#k)", {"#k": self.key_name})

    def deleted(self) -> Condition:
        """The key has a tombstone."""
        return Condition("attribute_exists(#d)", {"#d": self.marks.tombstone})

    def live(self) -> Condition:
        """The key has a live item."""
        names = {"#k": self.key_name, "#d": self.marks.tombstone}
        return Condition("attribute_exists(#k) AND attribute_not_exists(#d)", names)

    def nothing(self) -> Condition:
        """No live item: the key is not in `new`, or has a tombstone."""
        names = {"#k": self.key_name, "#d": self.marks.tombstone}
        return Condition("attribute_not_exists(#k) OR attribute_exists(#d)", names)

    def never(self) -> Condition:
        """Nothing at all: whoever asks this wants to know what else would fail."""
        names = {"#k": self.key_name}
        return Condition("attribute_exists(#k) AND attribute_not_exists(#k)", names)

    def _same(self, item: WireItem) -> Condition:
        """The item is the one that was read: same write token, or still the untouched copy."""
        token = self.marks.token_of(item)
        names = {"#t": self.marks.token}
        if token is not None:
            return Condition("#t = :t", names, {":t": {"S": token}})
        return Condition(
            "attribute_exists(#k) AND attribute_not_exists(#t) AND attribute_not_exists(#d)",
            {**names, "#k": self.key_name, "#d": self.marks.tombstone},
        )
