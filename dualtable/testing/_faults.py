"""What a table does now and then, on demand: failures, left-overs, stale reads, empty pages.

The rule: these hooks decide, and `dualtable.testing._memory` does; a hook never touches a table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dualtable._wire.types import WireItem


class Faults:
    """What goes wrong, and when; this one lets nothing go wrong. Override what a test needs.

    An operation has the name of the port's method, such as ``"insert"``. For a transaction,
    `table` holds the names of all its tables, with commas between them.

    Example:
        >>> from dualtable.errors import ThrottledError
        >>> from dualtable.testing import Faults
        >>> class ThrottleWrites(Faults):
        ...     async def before(self, operation, table):
        ...         if operation == "insert":
        ...             raise ThrottledError("slow down")
    """

    async def before(self, operation: str, table: str) -> None:
        """Wait, or raise before the operation takes effect."""
        await asyncio.sleep(0)

    async def after(self, operation: str, table: str) -> None:
        """Raise after the operation has taken effect: the response is lost."""

    def left_over(self, operation: str, table: str, members: int) -> set[int]:
        """Return the members of a batch that are not processed this time, by position."""
        return set()

    def stale(self, table: str, versions: Sequence[WireItem | None]) -> WireItem | None:
        """Choose what an eventually consistent read sees of an item.

        `versions` holds every state of the item from the first to the last, None for absent. A scan
        or query asks once for each item that is or was in its range.
        """
        return versions[-1]

    def page_places(self, operation: str, table: str) -> int | None:
        """Return past how many places a page of a scan or query goes at most; None: any number.

        The places of items that were deleted count: a page that has passed only such is empty and
        not the end.
        """
        return None
