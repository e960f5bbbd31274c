"""How much a request may ask for at once.

The rule: what DynamoDB refuses for its size alone is refused before a table is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualtable._wire.keys import identity
from dualtable._wire.sizes import item_bytes
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import refused

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024


def check_batch(keys: Sequence[WireKey], most: int) -> None:
    """Refuse a batch that is empty, too large, or has a key twice."""
    if not 0 < len(keys) <= most:
        raise refused(f"{len(keys)} members in a batch, 1 to {most} are allowed")
    if len({identity(key) for key in keys}) < len(keys):
        raise refused("a batch contains one key twice")


def check_size_of_all(items: Iterable[WireItem]) -> None:
    """Refuse a transaction that puts more than 4 MB."""
    size = sum(map(item_bytes, items))
    if size > MAX_TRANSACTION_BYTES:
        raise refused(f"a transaction of {size:,} bytes, {MAX_TRANSACTION_BYTES:,} are allowed")


def check_limit(limit: int | None) -> None:
    """Refuse a page of nothing."""
    if limit is not None and limit < 1:
        raise refused(f"a limit of {limit}, at least 1 is needed")
