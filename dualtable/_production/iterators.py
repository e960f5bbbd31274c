"""What a query or scan gives to a caller, put together of what he asks for.

The rule: whatever is wrong with it is found before anything is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dualtable._expressions.actions import Projected
from dualtable._expressions.grammar import Placeholders
from dualtable._production.exchange import Exchange, check_function
from dualtable._reading.iteration import Bound, ItemIterator, Operations, Source
from dualtable._reading.offers import Failures, OnError
from dualtable._reading.tokens import Digest
from dualtable._transforms.migration import check_range
from dualtable._transforms.models import Model
from dualtable._wire.layouts import Index
from dualtable._wire.types import WireItem


def iterator(
    exchange: Exchange[Model],
    open_source: Callable[[Failures], Awaitable[Source]],
    *,
    operations: Operations,
    keep: Callable[[WireItem], bool],
    projection: Projected | None,
    given: Placeholders,
    limit: int | None,
    max_read_items: int | None,
    max_read_bytes: int | None,
    index: Index | None,
    question: Digest,
    token: str | None,
    on_error: OnError | None,
) -> ItemIterator[Model]:
    """Return the iterator over a source's items; see `DualTableRepository.query`.

    Raises:
        InvalidSettingError: A bound is no whole number from 1, or `on_error` no function.
        RequestRefusedError: The projection is malformed; a name or value is not used.
    """
    check_range("limit", limit, 1, whole=True)
    check_range("max_read_items", max_read_items, 1, whole=True)
    check_range("max_read_bytes", max_read_bytes, 1, whole=True)
    if on_error is not None:
        check_function("on_error", on_error)
    show = exchange.projection(projection, given, index)
    given.check_all_used()
    return ItemIterator(
        open_source,
        operations=operations,
        keep=keep,
        show=show,
        limit=limit,
        question=question,
        token=token,
        on_error=on_error,
        bound=Bound(max_read_items, max_read_bytes),
        key=exchange.keys_of(index),
    )
