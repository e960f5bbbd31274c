"""Dead letters are tried again: just those, with the transform as it is now.

The rule: an item is copied as it would have been by its scan, only if it is absent (I2); after that
its letter is taken out and no longer counted, in one transaction. So who is killed in between has
copied it and finds the letter, and copies it again in vain. It costs what the letters cost, and
nothing of the table beside them.

Since the old table is frozen, its items are read eventually consistent; only what is not found is
looked for once more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Self

import attrs

from dualtable._control.letters import MOST_AT_ONCE, DeadLetter, LetterRecords
from dualtable._control.segments import Progress
from dualtable._copy.dead_letters import read_keys
from dualtable._copy.report import RetryReport
from dualtable._copy.segment_copy import Destination, SegmentCopy
from dualtable._copy.shuffle import RangePace
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import ConditionFailed, Gateway, Page, batches
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.membership import Membership
from dualtable._tasks import leaving, run_all
from dualtable._transforms.lineage import Lineage
from dualtable._wire.keys import check_key, identity, key_of
from dualtable._wire.layouts import Layout
from dualtable._wire.types import Key, WireItem, WireKey
from dualtable.errors import LeaseLostError, MigrationMismatchError

_EXAMPLES = 20
_FEW_KEYS = 100  # so many are looked up, and do not have all letters read
_AT_ONCE = 1_000  # letters in hand


@attrs.define(kw_only=True, eq=False)
class Retrial:
    """Tries dead letters of one run again.

    Args:
        gateway: To read the old table with.
        lineage: The transform as it is now.
        membership: That this process belongs to the run.
        destination: The new table.
        reads: How the old table's reads are paid for.
        concurrency: Segments whose letters are tried at once.
        is_stopped: Whether no more shall be begun.
    """

    gateway: Gateway
    lineage: Lineage
    membership: Membership
    destination: Destination
    reads: PaidReads
    concurrency: int
    is_stopped: Callable[[], bool]
    report: RetryReport = attrs.field(init=False, factory=RetryReport)
    _slots: asyncio.Semaphore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)

    async def work(self, wanted: Chosen) -> None:
        """Try the letters that are wanted."""
        unseen = {identity(key) for key in wanted.keys}
        async with aclosing(wanted.letters(self.membership.records.letters)) as windows:
            async for window in windows:
                unseen -= {identity(letter.key) for letter in window}
                await self._work(window)
                if self.is_stopped():
                    self._count(complete=False)
                    return
        self._count(not_open=len(unseen))

    async def _work(self, letters: Sequence[DeadLetter]) -> None:
        """Try some letters, those of a segment together."""
        in_order = sorted(letters, key=lambda letter: letter.segment)
        await run_all(
            self._in_turn(number, some)
            for number, of_segment in groupby(in_order, key=lambda letter: letter.segment)
            for some in batches(of_segment, MOST_AT_ONCE)
        )

    async def _in_turn(self, number: int, letters: Sequence[DeadLetter]) -> None:
        async with self._slots:
            if not self.is_stopped():
                with leaving():
                    await self._again(number, letters)

    async def _again(self, number: int, letters: Sequence[DeadLetter]) -> None:
        items, read_units = await self._old_items([letter.key for letter in letters])
        copy = SegmentCopy(self.lineage, self.destination, number, RangePace())
        page = copy.transform(Page(list(items.values()), None, read_units), lambda: None)
        done, failed = await copy.copy(page)
        again = {identity(letter.key): letter for letter in failed}
        settled = [letter for letter in letters if identity(letter.key) not in again]
        out = await self._take_out(number, settled, done)
        await run_all(self._rewrite(letter) for letter in failed)
        self.report = attrs.evolve(
            self.report, examples=(*self.report.examples, *failed)[:_EXAMPLES]
        )
        self._count(
            tried=len(letters),
            written=done.written,
            already_present=done.already_present,
            dropped=done.dropped,
            gone=sum(identity(letter.key) not in items for letter in out),
            failed=len(failed),
            read_units=done.read_units,
            write_units=done.write_units,
        )

    async def _take_out(
        self, number: int, letters: Sequence[DeadLetter], done: Progress
    ) -> Sequence[DeadLetter]:
        """Take settled letters out, with what became of their items."""
        counted = attrs.evolve(done, scanned=0, pages=0, empty_pages=0)
        records = self.membership.records
        try:
            return await self.membership.acting(lambda: records.deliver(number, letters, counted))
        except LeaseLostError:
            raise MigrationMismatchError(
                "the migration has been begun anew meanwhile, so these dead letters count no more"
            ) from None

    async def _rewrite(self, letter: DeadLetter) -> None:
        records = self.membership.records
        try:
            await self.membership.acting(
                lambda: records.letters.rewrite(letter, records.run.fingerprint)
            )
        except ConditionFailed:  # another process has copied it meanwhile
            return

    async def _old_items(self, keys: Sequence[WireKey]) -> tuple[Mapping[object, WireItem], float]:
        """Return what the old table has for some keys, and what it cost."""
        found, read_units = await self._fetch(keys, consistent_read=False)
        if missing := [key for key in keys if identity(key) not in found]:
            late, more = await self._fetch(missing, consistent_read=True)
            found, read_units = {**found, **late}, read_units + more
        return found, read_units

    async def _fetch(
        self, keys: Sequence[WireKey], *, consistent_read: bool
    ) -> tuple[dict[object, WireItem], float]:
        old = self.lineage.old
        answer = await self.reads.paid(
            len(keys),
            lambda: self.gateway.batch_get(old.table, keys, consistent_read=consistent_read),
            lambda answer: answer.read_units,
        )
        items = {identity(key_of(item, old.key, old.table)): item for item in answer.items}
        return items, answer.read_units

    def _count(self, *, complete: bool = True, **more: float) -> None:
        added = {name: getattr(self.report, name) + number for name, number in more.items()}
        complete = complete and self.report.complete
        self.report = attrs.evolve(self.report, complete=complete, **added)


@attrs.frozen
class Chosen:
    """Which letters are tried: those of some keys, and those that some files name; else all.

    What a file names may have been copied since; a key that somebody gives is meant to be one.
    """

    keys: Sequence[WireKey]
    filed: Sequence[WireKey]

    @classmethod
    async def of(
        cls,
        keys: Iterable[Key],
        files: Iterable[str | os.PathLike[str]],
        run: str,
        old: Layout,
        connection: Connection,
    ) -> Self:
        """Return what somebody has chosen.

        Raises:
            InvalidKeyError: One is no key of the old table; of a file, with the line.
            InvalidSettingError: A file cannot be read, or holds nothing of this run.
        """
        given = [check_key(key, old.key, old.table) for key in keys]
        filed = [key for file in files for key in await read_keys(file, run, old, connection)]
        return cls(given, filed)

    async def letters(self, letters: LetterRecords) -> AsyncGenerator[list[DeadLetter], None]:
        """Yield those that are open, some at a time."""
        wanted = {identity(key): key for key in (*self.keys, *self.filed)}
        if 0 < len(wanted) <= _FEW_KEYS:
            found = await run_all(letters.at(key) for key in wanted.values())
            yield [letter for letter in found if letter is not None]
            return
        async with aclosing(letters.pages()) as pages:
            async for page in pages:
                for some in batches(page, _AT_ONCE):
                    yield [each for each in some if not wanted or identity(each.key) in wanted]
