"""What was sent again.

The rule: a table that throttles as a whole slows the pace down; a key range alone does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from dualtable._control.capacity import Paces
from dualtable.errors import RetryableError, ThrottledError


@attrs.define
class Retries:
    """What was sent again, and how often that was for want of capacity."""

    paces: Paces | None = None
    count: int = 0
    throttled: int = 0

    def note(self, error: RetryableError) -> None:
        """Take note of a request that is sent again as a whole."""
        self.count += 1
        if isinstance(error, ThrottledError):
            self.throttled += 1
            for kind in ("Read", "Write"):
                if self.paces is not None and _is_tables(error.reasons, kind):
                    self.paces.slow_down(kind)

    def note_statements(self, number: int) -> None:
        """Take note of statements that are sent again."""
        self.count += number
        self.throttled += number


def _is_tables(reasons: Sequence[str], kind: str) -> bool:
    """Tell whether a throttle is about all of a table's reads or writes, not about a key range."""
    return not reasons or any(kind in name and "KeyRange" not in name for name in reasons)
