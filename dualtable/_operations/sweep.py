"""One process's part of a cleanup: pages of the new table, swept.

The rule: a tombstone goes by a delete on the condition that it still is one, a token on the
condition that it is still the same; whether anybody may compare tokens is looked at again after
each page was read. The sweep counts what it does, and is told of by that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import attrs

from dualtable._clock import Clock
from dualtable._control import segments
from dualtable._control.capacity import Paces
from dualtable._control.milestones import Cleanup, Milestones, Swept
from dualtable._control.run_records import Run, RunRecords
from dualtable._control.segments import Lease, Progress, Segment
from dualtable._copy.lately import Lately
from dualtable._dynamodb.gateway import ConditionFailed, Gateway, Page
from dualtable._events.interval import Interval
from dualtable._events.recorder import Recorder
from dualtable._events.requests import Requests
from dualtable._events.told import Told, event_file
from dualtable._expressions.texts import Condition, Update
from dualtable._sharing.board import name_of_migrator
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.retries import Retries
from dualtable._tasks import beside, run_all
from dualtable._transforms.migration import Migration
from dualtable._wire.keys import key_of
from dualtable._wire.layouts import Layout, identity, layout
from dualtable._wire.sizes import MOST_SCAN_UNITS, item_bytes, write_units
from dualtable._wire.types import Description, WireItem, WireKey
from dualtable.errors import LeaseLostError, MigrationMismatchError

_PAGE_ITEMS = 1_000
_WORKERS = 64
_LOOK_SECONDS, _FOLLOW_SECONDS = 1.0, 2.0
_COUNTED = ("scanned", "tombstones", "tokens", "overtaken")


@attrs.frozen(kw_only=True)
class CleanupReport:
    """What a cleanup did; a machine reads the same fields.

    Attributes:
        scanned: Items of the new table that were looked at.
        tombstones: Tombstones deleted.
        tokens: Write tokens removed.
        overtaken: Tombstones and tokens that somebody has replaced meanwhile; they are left alone.
        read_units: Read units consumed.
        write_units: Write units consumed, estimated by item size.
        share_done: From 0 to 1, by segments, whoever has done them.
        complete: Every segment is done, by this run or earlier ones.
        settled: Whether nobody could leave a further tombstone when it began. Where not, run it
            once more after `FINISHED` has settled.
        tokens_wanted: Whether tokens were to be removed.

    Example:
        >>> from dualtable import CleanupReport
        >>> CleanupReport(tombstones=3, complete=True, settled=True).ok
        True
    """

    scanned: int = 0
    tombstones: int = 0
    tokens: int = 0
    overtaken: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    share_done: float = 0.0
    complete: bool = False
    settled: bool = False
    tokens_wanted: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be swept."""
        return self.complete and self.settled


@attrs.frozen(kw_only=True)
class CleanupProgress(CleanupReport):
    """How a running cleanup stands; what an observer gets.

    It has what a `CleanupReport` has, of what is settled so far. Where no page is settled for a
    second it gets one all the same, so that a pause can be seen.

    Attributes:
        held_back_by: What it could not go faster for in the last ten seconds, in a few words such
            as ``read ceiling``; empty in the first one.
        paused_by: Who lets it stand still; empty where nobody does.
        may_read_units: Units a second that it may read at the moment; None for no bound.
        may_write_units: The same for writes.

    Example:
        >>> from dualtable import CleanupProgress
        >>> CleanupProgress(tombstones=3, paused_by="dualtable pause or rate").ok
        False
    """

    held_back_by: str = ""
    paused_by: str = ""
    may_read_units: float | None = None
    may_write_units: float | None = None

    @classmethod
    def of(cls, report: CleanupReport, **present: Any) -> Self:
        """Return what was done so far, and how it goes at present."""
        return cls(**attrs.asdict(report, recurse=False), **present)


async def check_nobody_compares(milestones: Milestones) -> None:
    """Raise `MigrationMismatchError` where a repository is open."""
    if beats := await milestones.heartbeats():
        open_ones = "; ".join(f"{b.repository} on {b.host}, process {b.process}" for b in beats)
        raise MigrationMismatchError(
            "tokens are what open repositories tell changes by, and these are open: "
            f"{open_ones}. Take the library out first; where one is dead, declare that"
        )


async def is_done(milestones: Milestones, cleanup: Cleanup) -> bool:
    known = await records_of(milestones, cleanup).segments()
    return segments.complete(known, cleanup.total_segments)


def records_of(milestones: Milestones, cleanup: Cleanup) -> RunRecords:
    run = Run(
        id=f"cleanup-{cleanup.id}",
        fingerprint="",
        total_segments=cleanup.total_segments,
        old="",
        new=cleanup.new,
    )
    return milestones.of(run, Swept)


def report_of(cleanup: Cleanup, swept: Progress, segments_done: int) -> CleanupReport:
    return CleanupReport(
        **{name: getattr(swept, name) for name in (*_COUNTED, "read_units", "write_units")},
        share_done=segments_done / cleanup.total_segments,
        settled=cleanup.settled,
        tokens_wanted=cleanup.tokens,
    )


@attrs.define(kw_only=True, eq=False)
class Sweep:
    """One run of a cleanup.

    Args:
        gateway: Where the table is.
        migration: The migration.
        milestones: Its records.
        cleanup: What all processes have agreed on.
        description: The new table's.
        paces: How fast it is read and written.
        requests: What has heard of the requests.
        retries: What was sent again.
        clock: Where time comes from.
        observer: Called with how it stands after each page, and once a second at least.
        folder: Where its event file goes, if anywhere.
    """

    gateway: Gateway
    migration: Migration
    milestones: Milestones
    cleanup: Cleanup
    description: Description
    paces: Paces
    requests: Requests
    retries: Retries
    clock: Clock
    observer: Callable[[CleanupProgress], None]
    folder: Path | None
    lease: Lease = attrs.field(init=False, factory=lambda: Lease(name_of_migrator()))
    new: Layout = attrs.field(init=False)
    paid: PaidReads = attrs.field(init=False)
    done: Swept = attrs.field(init=False, factory=Swept)
    segments_done: int = attrs.field(init=False, default=0)
    segments_held: int = attrs.field(init=False, default=0)
    _goes: dict[str, Any] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.new = layout(self.description)
        self.paid = PaidReads(self.paces.looks.bucket, MOST_SCAN_UNITS, self.paces.looks)

    async def run(self) -> CleanupReport:
        """Sweep what earlier runs have left, and tell of it."""
        told = Told(self.clock, self.requests, self.paces, self.retries)
        async with self._recorder(told).telling() as recorder:
            lately = Lately(lambda: self._so_far(told))
            report = await beside(self._sweep_all(), self._follow_limits(), self._watch(lately))
            recorder.report = {**attrs.asdict(report), "ok": report.ok}
        return report

    def _recorder(self, told: Told) -> Recorder:
        file = event_file(
            self.folder,
            "cleanup",
            self.migration,
            self.lease.owner,
            self.clock,
            total_segments=self.cleanup.total_segments,
            settings={"tokens": self.cleanup.tokens},
            tables={"new": self.description},
        )
        return Recorder(self.clock, lambda: self._so_far(told), file)

    def _so_far(self, told: Told) -> Interval:
        return told.so_far(
            counts={name: getattr(self.done, name) for name in _COUNTED},
            segments_done=self.segments_done,
            segments_held=self.segments_held,
        )

    async def _sweep_all(self) -> CleanupReport:
        await self._go_by_limits()
        records = records_of(self.milestones, self.cleanup)
        known = {segment.number: segment for segment in await records.segments()}
        every = [known.get(n) or records.untouched(n) for n in range(self.cleanup.total_segments)]
        left = [segment for segment in every if not segment.checkpoint.done]
        self.segments_done = len(every) - len(left)
        random.shuffle(left)
        await run_all(self._work(left, records) for _ in range(min(_WORKERS, len(left))))
        await self._check_table()
        done = await is_done(self.milestones, self.cleanup)
        segments_done = len(every) if done else self.segments_done
        return attrs.evolve(report_of(self.cleanup, self.done, segments_done), complete=done)

    async def _check_table(self) -> None:
        """Raise `MigrationMismatchError` where it is not the table any more that was swept."""
        before, now = self.cleanup.new, await self.gateway.describe_table(self.new.table)
        if identity(now) != before:
            raise MigrationMismatchError(
                f"{self.new.table} has been made anew while it was swept: it was {before} and is"
                f" {identity(now)}; see that it is the right one, and sweep again"
            )

    async def _work(self, left: list[Segment], records: RunRecords) -> None:
        while left:
            await self._sweep(left.pop(), records)

    async def _sweep(self, segment: Segment, records: RunRecords) -> None:
        with suppress(LeaseLostError), self._holding():  # another cleanup is at work on it
            segment = segments.claim(segment, self.lease)
            await records.store(segment)
            while not segment.checkpoint.done:
                page = await self._page(segment)
                swept = await self._sweep_page(page)  # others add to what is done meanwhile
                self.done += swept
                read = Swept(scanned=len(page.items), pages=1, read_units=page.read_units)
                segment = segments.advance(segment, read + swept, page.last_key, self.lease)
                await records.store(segment)
                self.done += read
                self.segments_done += segment.checkpoint.done
                self._observe()
                await self._go_by_limits()

    @contextmanager
    def _holding(self) -> Iterator[None]:
        self.segments_held += 1
        try:
            yield
        finally:
            self.segments_held -= 1

    async def _page(self, segment: Segment) -> Page:
        return await self.paid.paid(
            _PAGE_ITEMS,
            lambda: self.gateway.scan(
                self.new.table,
                segment=segment.number,
                total_segments=self.cleanup.total_segments,
                start_key=segment.checkpoint.last_key,
                limit=_PAGE_ITEMS,
            ),
            lambda page: page.read_units,
        )

    async def _sweep_page(self, page: Page) -> Swept:
        swept, marks = Swept(), self.migration.marks
        for item in page.items:
            if marks.is_tombstone(item):
                swept += await self._delete(key_of(item, self.new.key, self.new.table), item)
        stamped = [item for item in page.items if marks.token_of(item) is not None]
        if not self.cleanup.tokens or not stamped:
            return swept
        await check_nobody_compares(self.milestones)
        for item in stamped:
            swept += await self._remove_token(key_of(item, self.new.key, self.new.table), item)
        return swept

    async def _delete(self, key: WireKey, item: WireItem) -> Swept:
        still = Condition("attribute_exists(#d)", {"#d": self.migration.marks.tombstone})
        units = await self._pay(item)
        try:
            await self.gateway.delete(self.new.table, key, still)
        except ConditionFailed:
            return Swept(overtaken=1, write_units=units)
        return Swept(tombstones=1, write_units=units)

    async def _remove_token(self, key: WireKey, item: WireItem) -> Swept:
        units = await self._pay(item)
        token = self.migration.token_attribute
        still = Condition("#t = :t", {"#t": token}, {":t": item[token]})
        try:
            await self.gateway.update(
                self.new.table, key, Update("REMOVE #r", {"#r": token}), still
            )
        except ConditionFailed:
            return Swept(overtaken=1, write_units=units)
        return Swept(tokens=1, write_units=units)

    async def _pay(self, item: WireItem) -> float:
        units = write_units(item_bytes(item))
        await self.paces.writes.bucket.admit(units)
        self.paces.writes.note(units)
        return units

    async def _follow_limits(self) -> None:
        """Go by the ceilings also while no page comes, or nobody would notice a pause's end."""
        while True:
            await self.clock.sleep(_FOLLOW_SECONDS)
            await self._go_by_limits()

    async def _watch(self, lately: Lately) -> None:
        """Tell how it stands also while no page is settled, so that a pause can be seen."""
        names = attrs.fields_dict(CleanupProgress).keys() - attrs.fields_dict(CleanupReport).keys()
        while True:
            await self.clock.sleep(_LOOK_SECONDS)
            present = lately.present().fields()
            self._goes = {name: present[name] for name in names}
            self._observe()

    def _observe(self) -> None:
        report = report_of(self.cleanup, self.done, self.segments_done)
        self.observer(CleanupProgress.of(report, **self._goes))

    async def _go_by_limits(self) -> None:
        """Go by the ceilings in force, which may be changed at any time."""
        limits = await self.milestones.limits()
        self.paces.limit(limits.max_read_units, limits.max_write_units)
