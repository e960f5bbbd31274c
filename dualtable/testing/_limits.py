"""How much a request may ask for at once.

The rule: what DynamoDB refuses for its size alone is refused before a table is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualtable._wire.keys import identity
from dualtable._wire.types import WireKey
from dualtable._wire.values import refused


def check_batch(keys: Sequence[WireKey], most: int) -> None:
    """Refuse a batch that is empty, too large, or has a key twice."""
    if not 0 < len(keys) <= most:
        raise refused(f"{len(keys)} members in a batch, 1 to {most} are allowed")
    if len({identity(key) for key in keys}) < len(keys):
        raise refused("a batch contains one key twice")


def check_limit(limit: int | None) -> None:
    """Refuse a page of nothing."""
    if limit is not None and limit < 1:
        raise refused(f"a limit of {limit}, at least 1 is needed")
