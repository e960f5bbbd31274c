"""What a read has found in the old table only, put into the new one in passing.

The rule: a copy like the migrator's, put if absent and without a token (I2), after the read has its
answer and has confirmed it. Nothing that goes wrong here reaches the reader, and a reader waits no
longer than a second for it: the migrator will come by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from dualtable._dynamodb.gateway import MAX_BATCH_WRITE, Gateway, Outcome, batches
from dualtable._wire.keys import key_of, plain
from dualtable._wire.layouts import Layout
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import Key, WireItem
from dualtable.errors import DualTableError

_log = logging.getLogger("dualtable.repository")

_PATIENCE_SECONDS = 1.0


async def copy_on_read(gateway: Gateway, new: Layout, items: Sequence[WireItem]) -> None:
    """Put items into the new table where their keys are not there yet; failures are logged."""
    left = list(items)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for batch in batches(items, MAX_BATCH_WRITE):
                await _insert(gateway, new, batch)
                del left[: len(batch)]
    except (DualTableError, TimeoutError) as error:
        _warn(new, left, error=type(error).__name__, reason=str(error))


async def _insert(gateway: Gateway, new: Layout, batch: Sequence[WireItem]) -> None:
    packed = [PackedItem.of(item) for item in batch]
    answer = await gateway.insert(new.table, packed, key_name=new.key.partition.name)
    for item, insert in zip(batch, answer.outcomes, strict=True):
        if insert.outcome is Outcome.REFUSED:
            _warn(new, [item], error="RequestRefusedError", reason=insert.reason)


def _warn(new: Layout, items: Iterable[WireItem], **about: Any) -> None:
    keys: list[Key] = [plain(key_of(item, new.key, new.table)) for item in items]
    _log.warning("items could not be copied on read", extra={"keys": keys, **about})
