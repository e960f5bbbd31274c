"""Copy one page: transform its items, put them if absent, say what became of each.

The rule: every old item of the page is accounted for exactly once, as copied, already there,
dropped, or a dead letter (I6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import attrs

from dualtable._control.capacity import Paces
from dualtable._control.digests import Digests, add
from dualtable._control.letters import DeadLetter
from dualtable._control.segments import Progress
from dualtable._copy.look_first import WORTH_IT_SHARE, LookFirst
from dualtable._copy.shuffle import Copy, Outgoing, RangePace, Tally
from dualtable._copy.writer import Writer
from dualtable._dynamodb.gateway import Page
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.membership import Membership
from dualtable._sharing.retries import Retries
from dualtable._transforms.lineage import Lineage
from dualtable._wire.costs import insert_units
from dualtable._wire.keys import key_of
from dualtable._wire.layouts import Layout, layout
from dualtable._wire.sizes import MOST_BATCH_GET_UNITS
from dualtable._wire.types import Description, WireItem, WireKey
from dualtable.errors import DualTableError, TransformError


@attrs.frozen
class Destination:
    """The new table, to look into and to write to."""

    look: LookFirst
    writer: Writer

    @classmethod
    def of(
        cls,
        new: Description,
        paces: Paces,
        retries: Retries,
        membership: Membership,
        *,
        concurrency: int,
        fresh: bool,
    ) -> Self:
        """Return the new table for a member of a run; a `fresh` one is taken to have no copies."""
        table, gateway, clock = layout(new), membership.gateway, membership.clock
        reads = PaidReads(paces.looks.bucket, MOST_BATCH_GET_UNITS, paces.looks)
        return cls(
            LookFirst(gateway, table, reads, expected=False if fresh else None),
            Writer(gateway, table, paces.writes, retries, clock, concurrency, membership.acting),
        )


@attrs.frozen(eq=False)
class TransformedPage:
    """What is left to do for one page, where the next one begins, and what is known by now."""

    last_key: WireKey | None
    counts: Progress
    out: Outgoing


@attrs.define(eq=False)
class SegmentCopy:
    """Copies the pages of one segment; without a destination it only tries the transform."""

    lineage: Lineage
    destination: Destination | None
    segment: int
    pace: RangePace
    _looks_first: bool | None = attrs.field(init=False, default=None)

    def transform(self, page: Page, on_slow: Callable[[], None]) -> TransformedPage:
        """Make the copies of a page's items, and empty the page.

        An item is some hundred objects. They are let go one item after the other, each while it is
        still in the processor's cache, and none waits for the writes.
        """
        out = Outgoing(self.segment, self.pace, on_slow)
        empty_pages, scanned = not page.items, 0
        copies: list[Copy] = []
        while page.items:
            item = page.items.pop()
            if not self.lineage.marks.is_tombstone(item):
                copies += self._transformed(item, out)
                scanned += 1
        out.load(copies)
        counts = Progress(
            scanned=scanned, pages=1, empty_pages=empty_pages, read_units=page.read_units
        )
        return TransformedPage(page.last_key, counts, out)

    def _transformed(self, item: WireItem, out: Outgoing) -> list[Copy]:
        old_key = key_of(item, self.lineage.old.key, self.lineage.old.table)
        try:
            outputs = self.lineage.outputs(item, old_key)
        except DualTableError as error:
            where = error.where if isinstance(error, TransformError) else ""
            out.fail(old_key, type(error).__name__, str(error), where)
            return []
        out.tally.dropped += not outputs
        for output in outputs:
            add(out.tally.digests, output.key, output.packed)
        return [Copy(old_key, output.key, output.packed) for output in outputs]

    async def copy(self, page: TransformedPage) -> tuple[Progress, Sequence[DeadLetter]]:
        """Settle every item of a page; return the counts and the items that failed."""
        out = page.out
        if self.destination is None:
            _pretend(out, self.lineage.new)
        elif out.waiting:
            await self._send(out, self.destination)
        return page.counts + _progress(out.tally), list(out.tally.failures.values())

    async def _send(self, out: Outgoing, to: Destination) -> None:
        number = len(out.waiting)
        looks_first = to.look.expected if self._looks_first is None else self._looks_first
        if looks_first is None:
            looks_first = await to.look.is_worth_it(out.waiting, out.tally)
        if looks_first:
            out.load(await to.look.missing(out.waiting, out.tally))
            out.tally.already_present += number - out.unsettled
        await to.writer.deliver(out)
        share = out.tally.already_present / number
        self._looks_first = to.look.expected = share >= WORTH_IT_SHARE


def _pretend(out: Outgoing, new: Layout) -> None:
    out.tally.written += len(out.waiting)
    out.tally.write_units += sum(insert_units(copy.item.item(), new) for copy in out.waiting)


def _progress(tally: Tally) -> Progress:
    return Progress(
        written=tally.written,
        already_present=tally.already_present,
        dropped=tally.dropped,
        read_units=tally.read_units,
        write_units=tally.write_units,
        digests=Digests(tuple(tally.digests)),
    )
