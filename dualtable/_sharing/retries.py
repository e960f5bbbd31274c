"""What was sent again.

The rule: a table that throttles as a whole slows the pace down; a key range alone does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from dualtable._control.capacity import Paces
from dualtable.errors import RetryableError, ThrottledError

STATEMENTS = "key ranges of the new table"
"""The reason of throttled statements: DynamoDB says none, and answers others of the same batch."""

_UNSAID = "no reason said"


@attrs.define
class Retries:
    """What was sent again, and how often that was for want of capacity."""

    paces: Paces | None = None
    count: int = 0
    throttled: int = 0
    throttles: Counter[str] = attrs.field(factory=Counter)  # by reason
    failures: Counter[str] = attrs.field(factory=Counter)  # what was no throttle, by error

    def note(self, error: RetryableError) -> None:
        """Take note of a request that is sent again as a whole."""
        self.count += 1
        if isinstance(error, ThrottledError):
            self.throttled += 1
            self.throttles.update(error.reasons or (error.code or _UNSAID,))
            for kind in ("Read", "Write"):
                if self.paces is not None and _is_tables(error.reasons, kind):
                    self.paces.slow_down(kind)
        else:
            self.failures[type(error).__name__] += 1

    def note_statements(self, number: int) -> None:
        """Take note of statements that are sent again."""
        self.count += number
        self.throttled += number
        if number:
            self.throttles[STATEMENTS] += number


def _is_tables(reasons: Sequence[str], kind: str) -> bool:
    """Tell whether a throttle is about all of a table's reads or writes, not about a key range."""
    return not reasons or any(kind in name and "KeyRange" not in name for name in reasons)
