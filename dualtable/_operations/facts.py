"""All that a gate is judged from, read at one moment.

The rule: it only reads; and the state first, so that whoever moves by it is refused where somebody
else has moved meanwhile. A sample of the old table costs a few pages whatever its size; what it
shows is so, and what it does not show may be so all the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from dualtable._control.control_table import Heartbeat
from dualtable._control.milestones import Dead, Expiry, Milestones, Verification, check_noted
from dualtable._control.phases import ROUTES, Phase, Requirement, next_phase, requirements
from dualtable._control.run_records import Run
from dualtable._control.segments import Segment
from dualtable._control.state import State
from dualtable._dynamodb.gateway import Gateway, TimeToLive
from dualtable._operations.expiry import Expiries, new_attribute
from dualtable._tasks import run_all
from dualtable._transforms.migration import Migration
from dualtable._wire.keys import identity as key_identity
from dualtable._wire.keys import key_of
from dualtable._wire.layouts import identity, layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import Description, WireItem
from dualtable._wire.values import equal_items
from dualtable.errors import MigrationMismatchError, TableNotFoundError

BETWEEN_LOOKS_SECONDS = 1.0
"""Between two looks at the same items, which tell whether somebody writes to them."""

_PAGES = 4
_PAGE_ITEMS = 100
_MOST_SEGMENTS = 10_000


@attrs.frozen
class Places:
    """Where a sample is taken: the first pages of some segments."""

    segments: tuple[int, ...]
    total_segments: int

    @classmethod
    def of(cls, table: Description) -> Places:
        """Choose at random; of a small table, all of it."""
        total = min(_MOST_SEGMENTS, max(1, int(table.get("ItemCount", 0)) // _PAGE_ITEMS))
        return cls(tuple(random.sample(range(total), min(_PAGES, total))), total)


@attrs.frozen
class Sample:
    """The items at some places, by their keys."""

    items: Mapping[Any, WireItem]

    def untouched(self, marks: Marks) -> int:
        """Return how many carry no write token."""
        return sum(marks.token_of(item) is None for item in self.items.values())

    def written(self, later: Sample) -> int:
        """Return how many were written since, as far as both have them."""
        both = self.items.keys() & later.items.keys()
        return sum(not equal_items(self.items[key], later.items[key]) for key in both)

    def written_without(self, marks: Marks, later: Sample) -> int:
        """Return how many were written since by somebody who gave them no new token.

        Keys that were absent from one of the two do not count: a page may end elsewhere.
        """
        return sum(
            not equal_items(item, later.items[key])
            and marks.token_of(later.items[key]) in (None, marks.token_of(item))
            for key, item in self.items.items()
            if key in later.items
        )


async def take(gateway: Gateway, table: Description, places: Places) -> Sample:
    """Read a sample, strongly consistent."""
    keys = layout(table)
    pages = await run_all(
        gateway.scan(
            keys.table,
            segment=segment,
            total_segments=places.total_segments,
            limit=_PAGE_ITEMS,
            consistent_read=True,
        )
        for segment in places.segments
    )
    items = [item for page in pages for item in page.items]
    return Sample({key_identity(key_of(item, keys.key, keys.table)): item for item in items})


@attrs.frozen
class Word:
    """What an operator says and nobody can see."""

    old_code_is_gone: bool = False
    expiry: Expiry | None = None


@attrs.frozen(kw_only=True)
class Facts:
    """All that gates are judged from, read at one moment after `state`."""

    migration: Migration
    state: State
    now: float
    tables_before: tuple[str, str] | None
    tables_now: tuple[str | None, str]
    heartbeats: Sequence[Heartbeat]
    dead: Sequence[Dead]
    run: Run | None
    segments: Sequence[Segment]
    verification: Verification | None
    expiries: Expiries | None
    """None where no gate asks for them."""
    expiry: Expiry | None
    """What was decided, by an operator or an earlier step."""
    sampled: int = 0
    untouched: int = 0
    written_without: int = 0
    """Of a sample of the old table: items, those without a token, those written without one."""
    old_code_is_gone: bool = False


@attrs.define(eq=False)
class Observatory:
    """Looks at a migration, again and again; it remembers a sample of the old table."""

    gateway: Gateway
    migration: Migration
    milestones: Milestones = attrs.field(init=False)
    _places: Places | None = attrs.field(init=False, default=None)
    _first: Sample | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.milestones = Milestones(
            self.gateway, self.migration.control_table, self.migration.name
        )

    async def state(self) -> State:
        """Return the state of the migration.

        Raises:
            MigrationMismatchError: It begins with a phase that somebody must note, and nobody has.
        """
        state = await self.milestones.known_state()
        if state is None and self.migration.rolling:
            raise MigrationMismatchError(
                f"no phase of {self.migration.name} is recorded in"
                f" {self.migration.control_table}; it begins with dualtable create"
            )
        return state or State()

    async def look(self, word: Word, now: float, to: Phase | None) -> Facts:
        """Read what the gate to a phase is judged from; None for the phase that comes next."""
        state = await self.state()
        needed = _needed(state.phase, to)
        old, new = await self.old_table(), await self.new_table()
        run = await self.milestones.run()
        noted = await self.milestones.tables()
        check_noted(self.migration, noted)
        decided = await self.milestones.expiry()
        facts = Facts(
            migration=self.migration,
            state=state,
            now=now,
            tables_before=noted if run is None else (run.old, run.new),
            tables_now=(None if old is None else identity(old), identity(new)),
            heartbeats=await self.milestones.heartbeats(),
            dead=await self.milestones.dead(),
            run=run,
            segments=() if run is None else await self.milestones.of(run).segments(),
            verification=await self.milestones.verification(),
            expiries=None,
            expiry=word.expiry or decided,
            old_code_is_gone=word.old_code_is_gone,
        )
        if Requirement.OLD_CODE_GONE in needed and old is not None:
            facts = await self._with_sample(facts, old)
        if Requirement.EXPIRY in needed or not ROUTES[state.phase].asks_old:
            facts = attrs.evolve(facts, expiries=await self._expiries(state, old))
        return facts

    async def _with_sample(self, facts: Facts, old: Description) -> Facts:
        """Look at some items of the old table, at the same ones as before."""
        marks = self.migration.marks
        self._places = self._places or Places.of(old)
        seen = await take(self.gateway, old, self._places)
        self._first = first = self._first or seen
        return attrs.evolve(
            facts,
            sampled=len(seen.items),
            untouched=seen.untouched(marks),
            written_without=first.written_without(marks, seen),
        )

    async def _expiries(self, state: State, old: Description | None) -> Expiries:
        """Ask both tables; what was noted of the old one counts where TTL does not show any more.

        It is to be off there while items are copied, and the table may be gone.
        """
        noted = TimeToLive(state.ttl_attribute) if state.ttl_known else None
        now = None if old is None else await self._ttl(self.migration.old)
        ttl = now if now is not None and now.attribute else noted or now
        present = await self._ttl(self.migration.new)
        found = Expiries(
            old=ttl.attribute if ttl else None,
            known=ttl is not None,
            present=present.attribute if present else None,
        )
        if found.old is None or old is None:
            return found
        sample = await take(self.gateway, old, Places.of(old))
        name = new_attribute(self.migration, layout(old), found.old, sample.items.values())
        return attrs.evolve(found, new=name)

    async def _ttl(self, table: str) -> TimeToLive | None:
        return (await self.gateway.describe_extras(table)).ttl

    async def old_table(self) -> Description | None:
        """Return the old table, None where it is gone."""
        try:
            return await self.gateway.describe_table(self.migration.old)
        except TableNotFoundError:
            return None

    async def new_table(self) -> Description:
        """Return the new table; as a first request, it shows within seconds what is wrong."""
        return await self.gateway.describe_table(self.migration.new)


def _needed(phase: Phase, to: Phase | None) -> tuple[Requirement, ...]:
    to = to or next_phase(phase)
    return () if to is None else requirements(phase, to)
