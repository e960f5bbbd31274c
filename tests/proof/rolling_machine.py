"""The repository beside a plain dict through all six phases, with old code beside it at first.

The rule: as in `proof.machine`. Each repository hears of a phase for itself, so some go by the one
before; but nobody moves on until all have heard. Old code writes to the old table in its format,
without a token; what it adds survives whatever the repositories change.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orders
from boto3.dynamodb.conditions import Key
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from dualtable import (
    Chain,
    Convert,
    Drop,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Move,
    Phase,
    Rename,
)
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._expressions.texts import Update
from dualtable._wire import codec
from dualtable.errors import IndexNotReadyError
from dualtable.testing import MemoryGateway
from proof.machine import (
    SETTINGS,
    DictMachine,
    Item,
    Paging,
    ShiftedClock,
    all_pages,
    definition,
    keys,
    name_of,
    numbers,
    old_definition,
    totals,
)

PHASES = list(Phase)
FORMS = ("days", "text days")
_NEWS_SECONDS = 60.0


class RollingPaging(Paging):
    """A key that was really deleted and written again meanwhile may come twice."""

    def check(self) -> None:
        assert self.there <= set(self.found)
        assert all(self.found.count(name) == 1 for name in self.there)
        if self.in_order:
            assert self.found == sorted(self.found, reverse=self.descending)


class RollingMachine(DictMachine):
    """Old code, three repositories that hear of the phases one by one, and the dict `model`."""

    paging = RollingPaging

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.ROLLING_OUT
        self.clocks = [ShiftedClock() for _ in SETTINGS]
        self.behind: set[int] = set()

    @initialize(
        olds=st.lists(keys, unique_by=name_of, max_size=8),
        form=st.sampled_from(FORMS),
        steps=st.integers(0, 3),
    )
    def begin(self, olds: list[Item], form: str, steps: int) -> None:
        """Fill the old table as old code has, open the repositories, and take some steps."""
        self.run(self._begin(olds, form))
        for _ in range(steps):
            self.enter_the_next_phase()

    async def _begin(self, olds: list[Item], form: str) -> None:
        self.gateway = await self._stack.enter_async_context(type(self).connect())
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.plan, self.text_days = _plan(f"m-{uuid.uuid4().hex[:12]}", form), form == "text days"
        await self.gateway.create_table(old_definition(self.plan.old, form))
        await self.gateway.create_table(definition(self.plan.new, "by-name"))
        for key in olds:
            await self._put_old(key, 1)
        self.control = Control(self.gateway, self.plan.control_table, self.plan.name)
        await self.control.ensure_table()
        self.clock = ShiftedClock()
        await self.control.note_state(State.first(rolling=True, now=self.clock.now()))
        self.repositories = [
            await self._stack.enter_async_context(
                DualTableRepository(self.plan, gateway=self.gateway, clock=clock, **settings)
            )
            for clock, settings in zip(self.clocks, SETTINGS, strict=True)
        ]

    def teardown(self) -> None:
        """Compare everything; the old table is as it was when the copy could begin."""
        if hasattr(self, "repositories") and not self._is_past(Phase.MIGRATING):
            self.before = self.run(orders.digest(self.gateway, self.plan.old))
        super().teardown()

    # -- old code ----------------------------------------------------------------------------------

    def _old_code_runs(self) -> bool:
        return self.phase is Phase.ROLLING_OUT

    @precondition(_old_code_runs)
    @rule(key=keys, total=totals)
    def put_by_old_code(self, key: Item, total: int) -> None:
        self.run(self._put_old(key, total))

    async def _put_old(self, key: Item, total: int) -> None:
        old = {"nme": "old", "total": str(total), "more": {"mark": "m"}, "legacy": "kept"}
        await self.gateway.put(self.plan.old, codec.encode({**self._old_key(key), **old}))
        item = {"name": "old", "total": Decimal(total), "more": {}, "mark": "m"}
        self.model[name_of(key)] = {**key, **item}

    @precondition(_old_code_runs)
    @rule(key=keys, total=totals)
    def change_by_old_code(self, key: Item, total: int) -> None:
        """Set one attribute that the repositories know, and one that nobody knows."""
        if name_of(key) not in self.model:
            return
        update = Update(
            "SET nme = :n, extra = :e", {}, codec.encode({":n": "new", ":e": f"e{total}"})
        )
        self.run(self.gateway.update(self.plan.old, codec.encode(self._old_key(key)), update))
        self.model[name_of(key)] |= {"name": "new", "extra": f"e{total}"}

    @precondition(_old_code_runs)
    @rule(key=keys)
    def delete_by_old_code(self, key: Item) -> None:
        self.run(self.gateway.delete(self.plan.old, codec.encode(self._old_key(key))))
        self.model.pop(name_of(key), None)

    @precondition(_old_code_runs)
    @rule(key=keys)
    def get_by_old_code(self, key: Item) -> None:
        """Old code finds what the repositories have written, in its own format."""
        wire = codec.encode(self._old_key(key))
        found = self.run(self.gateway.get(self.plan.old, wire, consistent_read=True))
        shown = found and self.plan.transform.forward(codec.decode(self.plan.marks.strip(found)))
        assert shown == self.model.get(name_of(key))

    def _old_key(self, key: Item) -> Item:
        customer, day = name_of(key)
        return {"customer": customer, "day": str(day) if self.text_days else day}

    # -- from phase to phase -----------------------------------------------------------------------

    def _is_past(self, phase: Phase) -> bool:
        return PHASES.index(self.phase) >= PHASES.index(phase)

    def _may_page(self) -> bool:
        """Tell whether a page may begin after an item that is gone: dynoxide finds nothing then."""
        stays = self._is_past(Phase.WRITING_NEW) and self.phase is not Phase.FINISHED
        return stays or isinstance(self.gateway, MemoryGateway)

    @precondition(lambda self: self.phase is not Phase.FINISHED)
    @rule()
    def enter_the_next_phase(self) -> None:
        """Move on when everybody has heard of the phase before."""
        if self.phase is Phase.MIGRATING and not self.complete:
            return
        self._move(PHASES[PHASES.index(self.phase) + 1])

    @precondition(lambda self: self.phase is Phase.READING_BOTH)
    @rule()
    def step_back(self) -> None:
        """Nothing has been written to the new table: old code may come back."""
        self._move(Phase.ROLLING_OUT)

    def _move(self, to: Phase) -> None:
        for n in list(self.behind):
            self.hear(n)
        self.phase = self.run(self.control.advance(to, self.clock.now())).phase
        self.behind = set(range(len(SETTINGS)))
        if self.phase is Phase.MIGRATING:
            self.before = self.run(orders.digest(self.gateway, self.plan.old))

    @rule(n=numbers)
    def hear(self, n: int) -> None:
        """Let a repository hear of the phase."""
        self.clocks[n].shift += _NEWS_SECONDS
        self.run(self.repositories[n].get({"customer": "a", "day": 99}))
        self.behind.discard(n)

    @rule(n=numbers, name=st.sampled_from(["old", "new"]))
    def query_index(self, n: int, name: str) -> None:
        """An index of the new table alone is complete when the migration is."""

        def page(token: str | None) -> Any:
            return self.repositories[n].query(Key("name").eq(name), index="by-name", token=token)

        try:
            found = self.run(all_pages(page))
        except IndexNotReadyError:
            assert n in self.behind or not self._is_past(Phase.MIGRATED)
            return
        assert self._is_past(Phase.MIGRATED)
        wanted = [item for _, item in sorted(self.model.items()) if item.get("name") == name]
        assert sorted(found, key=name_of) == wanted


def _plan(name: str, form: str) -> Migration:
    steps: tuple[Any, ...] = (
        Rename("nme", "name"),
        Convert("total", int, back=str),
        Move("more.mark", "mark"),
        Drop("legacy"),
    )
    day: Callable[..., Any] = Decimal
    return Migration(
        name,
        f"{name}-old",
        f"{name}-new",
        Chain(*steps, Convert("day", day, back=str)) if form == "text days" else Chain(*steps),
        control_table=f"{name}-control",
        indexes=[Index("by-name", KeySchema("name"))],
        rolling=True,
    )
