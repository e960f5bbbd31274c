"""That a migrator still belongs to the run with which it began.

The rule: who writes for a run has said lately that it is at work there, and has seen after that
that all is as it was when it began: the run, the phase, both tables. Who ends a run says so first,
and then waits until no word that was given before counts any more. So of two runs never two write
at the same time, and none in a phase in which nothing may be copied, however long a process was
frozen.

    a migrator                        whoever begins anew
    says: at work, for so long        says: this run has ended
    sees: the run has not ended       sees: at work, for so long; waits as long
    writes for some of that time      forgets the run, and begins another

Each measures by its own clock alone, since clocks differ.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import attrs

from dualtable._clock import Clock
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from dualtable._control.run_records import Doing, Run, RunRecords, Word
from dualtable._dynamodb.fence import fenced
from dualtable._dynamodb.gateway import Gateway
from dualtable._sharing.roster import Roster
from dualtable._transforms.migration import Migration
from dualtable._wire.layouts import check_usable, identity
from dualtable._wire.types import Description
from dualtable.errors import DualTableError, MigrationMismatchError, StalePhaseError

_T = TypeVar("_T")

_RENEWED_SHARE = 1 / 3
"""Of a word's time: after so long the next one is given."""

_BELIEVED_SHARE = 2 / 3
"""Of a word's time: for so long its migrator goes by it, if anybody may go by a phase for so long.
The rest is for a request on its way, and for clocks that differ."""


@attrs.define(eq=False)
class Membership:
    """The word of one migrator, renewed and looked after.

    Args:
        gateway: To look at the tables.
        migration: What is migrated.
        control: Its records.
        run: The run that the migrator has begun or joined.
        migrator: The name by which others know it.
        clock: Where time comes from.
        lease_seconds: How long a word counts.

    Attributes:
        doing: Says what the migrator has been doing; for those who look from elsewhere.
    """

    gateway: Gateway
    migration: Migration
    control: Control
    run: Run
    migrator: str
    clock: Clock
    lease_seconds: float
    doing: Callable[[], Doing | None] = attrs.field(init=False, default=lambda: None)
    records: RunRecords = attrs.field(init=False)
    roster: Roster = attrs.field(init=False)
    parts: tuple[tuple[float, float], ...] = attrs.field(init=False, default=())
    paused_by: Callable[[], str] = attrs.field(init=False, default=lambda: "")
    _believed_seconds: float = attrs.field(init=False)
    _given_at: tuple[float, float] | None = attrs.field(init=False, default=None)
    _number: int = attrs.field(init=False, default=0)
    _giving: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        self.records = self.control.of(self.run)
        self.roster = Roster(self.migrator)
        stale_seconds = Times(self.migration.settle_seconds).stale_seconds
        self._believed_seconds = min(self.lease_seconds * _BELIEVED_SHARE, stale_seconds)

    async def confirm(self) -> None:
        """Return at once while the last word counts; else give a new one first.

        Raises:
            MigrationMismatchError: The run, the phase or a table is another one by now. Nothing
                may be done for this run any more.
        """
        if self._age() >= self._believed_seconds:
            async with self._giving:
                if self._age() >= self._believed_seconds:
                    await self._give()

    def check(self) -> None:
        """Raise `StalePhaseError` where the last word counts no more: a fence, see `fenced`."""
        if self._age() >= self._believed_seconds:
            raise StalePhaseError("this migrator's word that it is at work has run out")

    async def acting(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call for the run, each request of which is sent only while a word counts.

        Raises:
            MigrationMismatchError: As for `confirm`.
        """
        while True:
            await self.confirm()
            with suppress(StalePhaseError), fenced(self.check):
                return await call()

    async def renew(self) -> None:
        """Give a new word, and look whether all is as it was.

        Raises:
            MigrationMismatchError: As for `confirm`.
        """
        async with self._giving:
            await self._give()

    async def beat(self) -> None:
        """Let others hear that this one is at work; give a new word in time."""
        if self._age() >= self.lease_seconds * _RENEWED_SHARE:
            await self.renew()
        else:
            async with self._giving:
                await self._say()

    async def look(self, *, consistent_read: bool = True) -> None:
        """Look who is at work, on a copy or a verification, and bury who has long been gone."""
        asked = self.clock.monotonic()
        words = await self.records.all_words(consistent_read=consistent_read)
        self.roster.note(words, asked, self.clock.monotonic())
        gone = [word for word in words if self.roster.is_long_gone(word.migrator)]
        if gone and random.random() * len(words) < 1:  # noqa: S311 - one of all is enough
            await self.records.bury(gone[0])

    async def leave(self) -> None:
        """Take the word back: nothing of this migrator is on its way any more."""
        self._given_at = None
        await self.records.take_word_back(self.migrator)

    async def _say(self) -> None:
        now = self.clock.now()
        self._number += 1
        until, doing, paused_by = now + self.lease_seconds, self.doing(), self.paused_by()
        word = Word(self.migrator, now, until, self._number, self.parts, doing, paused_by)
        await self.records.give_word(word)

    async def _give(self) -> None:
        if self._age() >= self._believed_seconds:
            await self._check()  # a run that is over is not touched
        monotonic, now = self.clock.monotonic(), self.clock.now()
        await self._say()
        try:
            await self._check()
        except MigrationMismatchError:
            with suppress(DualTableError):
                await self.leave()
            raise
        self._given_at = (monotonic, now)

    def _age(self) -> float:
        """Return the age of the last word, by the clock that has gone farther."""
        if self._given_at is None:
            return float("inf")
        monotonic, now = self._given_at
        return max(self.clock.monotonic() - monotonic, self.clock.now() - now)

    async def _check(self) -> None:
        await check_run(self.control, self.run, self.migration.name)
        await self.control.check_phase()
        await check_tables(self.gateway, self.migration, self.run.old, self.run.new)


async def check_run(control: Control, run: Run, migration: str) -> None:
    """Raise `MigrationMismatchError` where a run is not the present one any more."""
    present = await control.run()
    if present is None or present.id != run.id or present.ended:
        raise MigrationMismatchError(
            f"{migration} has been begun anew while this process was at work or stood still; it"
            " has stopped, and touches nothing of the new run"
        )
    if present.earlier != run.earlier:
        raise MigrationMismatchError(
            f"the transform of {migration} has been changed, to {present.fingerprint}, while this"
            " process was at work or stood still; deploy that one here, too"
        )


async def check_tables(gateway: Gateway, migration: Migration, *seen: str) -> None:
    """Raise `MigrationMismatchError` where a table is not the one that was seen before."""
    for name, before in zip((migration.old, migration.new), seen, strict=True):
        check_same({**await gateway.describe_table(name), "TableName": name}, before)


def check_same(table: Description, before: str) -> None:
    """Raise `MigrationMismatchError` where a table is not the one that was seen before."""
    check_usable(table)
    now = identity(table)
    if now != before:
        raise MigrationMismatchError(
            f"table {table['TableName']} has been made anew: it was {before} and is {now}, so what"
            " was done with it counts no more; see that it is the right one, and begin anew (a copy"
            " with restart)"
        )


async def end_run(control: Control, run: Run, clock: Clock) -> None:
    """End a run and forget it, once nobody can do anything for it any more."""
    ended = run if run.ended else await control.end(run)
    await _outlast(control, ended, clock)
    await control.forget(ended)


async def change_transform(control: Control, run: Run, fingerprint: str, clock: Clock) -> Run:
    """Let a run go on with another transform, once nobody can write by the present one any more."""
    changed = await control.change_transform(run, fingerprint)
    await _outlast(control, changed, clock)
    return changed


async def _outlast(control: Control, run: Run, clock: Clock) -> None:
    """Wait until no word that was given before counts any more, by whatever clock it was given."""
    if words := await control.words_for(run):
        await clock.sleep(max(word.seconds for word in words))
