"""Reads one table as fast as it may, and says what that cost.

The rule: every read goes through the pace of its table.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial

import attrs

from dualtable._control.capacity import Pace
from dualtable._dynamodb.gateway import MAX_BATCH_GET, Gateway, Page, batches
from dualtable._sharing.costs import PaidReads
from dualtable._wire.keys import identity
from dualtable._wire.layouts import Layout
from dualtable._wire.sizes import MOST_BATCH_GET_UNITS, MOST_SCAN_UNITS
from dualtable._wire.types import WireItem, WireKey


@attrs.define(eq=False)
class Spent:
    """The read units of one page and of all that was looked up for it."""

    read_units: float = 0.0


@attrs.frozen
class Reader:
    """Reads one table within its pace."""

    gateway: Gateway
    layout: Layout
    scans: PaidReads
    gets: PaidReads

    @classmethod
    def of(cls, gateway: Gateway, layout: Layout, pace: Pace) -> Reader:
        """Return what reads a table at a pace."""
        return cls(
            gateway,
            layout,
            PaidReads(pace.bucket, MOST_SCAN_UNITS, pace),
            PaidReads(pace.bucket, MOST_BATCH_GET_UNITS, pace),
        )

    async def scan(
        self,
        segment: int,
        total_segments: int,
        start_key: WireKey | None,
        spent: Spent,
        *,
        limit: int,
        attributes: Sequence[str] | None = None,
    ) -> Page:
        """Read a page of a segment."""
        page = await self.scans.paid(
            limit,
            lambda: self.gateway.scan(
                self.layout.table,
                segment=segment,
                total_segments=total_segments,
                start_key=start_key,
                limit=limit,
                attributes=attributes,
            ),
            lambda page: page.read_units,
        )
        spent.read_units += page.read_units
        return page

    async def fetch(
        self,
        keys: Mapping[Hashable, WireKey],
        spent: Spent,
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> dict[Hashable, WireItem]:
        """Read items by their keys; what is not there is left out."""
        found: dict[Hashable, WireItem] = {}
        names = self.layout.key.names
        for batch in batches(keys.values(), MAX_BATCH_GET):
            answer = await self.gets.paid(
                len(batch),
                partial(
                    self.gateway.batch_get,
                    self.layout.table,
                    batch,
                    consistent_read=consistent_read,
                    attributes=attributes,
                ),
                lambda answer: answer.read_units,
            )
            spent.read_units += answer.read_units
            for item in answer.items:  # whose keys need no check: they are those that were asked
                found[identity({name: item[name] for name in names})] = item
        return found
