"""What a verification may find, and its report.

The rule: findings name keys and reasons, never values.
"""

from __future__ import annotations

import enum
from typing import Literal

import attrs

from dualtable._wire.types import Key

Level = Literal["keys", "content"]


MAX_EXAMPLES = 20
"""Examples kept of each kind."""


class Kind(enum.StrEnum):
    """What a verification may find about one key."""

    MISSING = "missing"
    DIFFERENT = "different"
    REWRITTEN = "rewritten"
    DELETED = "deleted"
    EXTRA = "extra"
    SAME = "same"


@attrs.frozen(kw_only=True)
class Example:
    """One finding: its kind, the key in plain values, and a reason where there is one."""

    kind: str
    key: Key
    reason: str = ""


@attrs.frozen(kw_only=True)
class VerificationReport:
    """What a verification found.

    Attributes:
        level: ``keys`` or ``content``.
        checked: New items that the old table yields, each looked up in the new table.
        missing: Of those, not in the new table, or the transform fails on the old item.
        different: Copied, never rewritten, and not equal to what the transform yields
            (level ``content``).
        rewritten: Written by production since; their content is production's.
        deleted: Deleted by production since.
        extra: In the new table, neither written by production nor yielded by any old item
            (level ``content``).
        seconds: How long it took.
        examples: Up to 20 of each of missing, different and extra; keys only.

    Example:
        >>> from dualtable import VerificationReport
        >>> VerificationReport(level="keys", checked=3, deleted=1).ok
        True
    """

    level: Level
    checked: int = 0
    missing: int = 0
    different: int = 0
    rewritten: int = 0
    deleted: int = 0
    extra: int = 0
    seconds: float = 0.0
    examples: tuple[Example, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, different or extra."""
        return not (self.missing or self.different or self.extra)
