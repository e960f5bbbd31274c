"""What is on the stage: the tables, the time, and what has happened so far.

The rule: nothing is decided here. Time passes when somebody lets it; a table answers with whatever
state of an item a read is granted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from dualtable import Phase
from dualtable._wire import codec
from dualtable.testing import Faults, MemoryGateway
from proof.history import History, InOld, Record
from proof.moves import (
    Budget,
    Gate,
    Move,
    Pending,
    StageGateway,
)
from proof.tables import (
    CONTROL,
    KEY,
    NEW,
    OLD,
    OTHER,
    OTHER_KEY,
    STATE,
    WATCHED,
    in_old,
    is_about_rates,
    record_of,
)

_PAUSE_SECONDS = 0.05
"""Whoever pauses for less keeps to a pace. That is no move: to be granted the next call a while
later is the same, and is explored anyway."""


class Scene(Faults):
    """The tables of one run, its time and its history."""

    def __init__(
        self,
        history: History,
        budget: Budget,
        choose: Callable[[Any, Sequence[Move]], Move],
        *,
        shared_control: bool = False,
        moves_on: bool = False,
        hangs: bool = False,
        old_moves: bool = False,
        gate: Gate | None = None,
        group: Mapping[str, Any] | None = None,
        small_pages: bool = False,
        reduced: bool = True,
    ) -> None:
        self.gateway = MemoryGateway(self)
        self.history = history
        self.budget = budget
        self.seconds = 1_000_000.0
        self.memories: dict[str, int] = {}
        self.oldest: dict[str, int] = {}
        """States of a table before this one are seen by nobody any more."""
        self.begins_at = 0
        """So many moves from phase to phase were made before the play."""
        self.minds: list[Callable[[], object]] = []
        self.playing = False  # calls pass unseen until the play begins, and after it has ended
        self.closed = False
        self._choose = choose
        self._shared_control = shared_control
        self._moves_on = moves_on
        self._hangs = hangs
        self._old_moves = old_moves
        self._gate = gate
        self._keys = [codec.encode({**(group or {}), **key}) for key in (WATCHED, OTHER)]
        self._small_pages = small_pages
        self._reduced = reduced
        self.pending: list[Pending] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._mortals: dict[str, tuple[StageGateway, asyncio.Task[Any]]] = {}
        self._version = -1

    # -- the tables --------------------------------------------------------------------------------

    async def before(self, operation: str, table: str) -> None:
        """Let the call take effect at once; it has waited already."""

    def page_places(self, operation: str, table: str) -> int | None:
        return 1 if self._small_pages else super().page_places(operation, table)

    def stale(self, table: str, versions: Sequence[Any]) -> Any:
        return versions[self._version if any(versions is each for each in self.states()) else -1]

    def record(self) -> Record:
        """Return what the new table holds under the key."""
        ends = self._moves_on or self._old_moves
        final = ends and self.phase() == Phase.FINISHED
        record = record_of(self.versions()[-1], final=final)
        return attrs.evolve(record, old=self._in_old()) if self._old_moves else record

    def phase(self) -> str:
        """Return the phase that the control table has, nothing where it has none."""
        state = self.gateway._tables[CONTROL].versions(STATE)[-1]
        return "" if state is None else str(state["phase"]["S"])

    def _in_old(self) -> InOld:
        return in_old(self.gateway._tables[OLD].versions(self._keys[0])[-1])

    def versions(self) -> Sequence[Any]:
        """Return every state that the item has had in the new table."""
        return self.gateway._tables[NEW].versions(self._keys[0])

    def settle(self, table: str) -> None:
        """Let nobody see what was before: `old` is frozen for long, a verification takes long."""
        self.oldest[table] = len(self.gateway._tables[table].versions(self._keys[0])) - 1

    def states(self) -> Sequence[Any]:
        """Return every state that each watched item has had, in the tables where it moves."""
        keys = self._keys if self.history.paired else self._keys[:1]
        tables = [NEW, OLD] if self._old_moves else [NEW]
        return [self.gateway._tables[table].versions(key) for table in tables for key in keys]

    def _ages(self) -> tuple[int, ...]:
        return tuple(len(states) for states in self.states())

    def _watched(self) -> set[Any]:
        return {KEY, OTHER_KEY} if self.history.paired else {KEY}

    def is_aside(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a call, or a record, is of no account for what follows."""
        return is_about_rates(arguments)

    # -- time --------------------------------------------------------------------------------------

    def time_counts(self) -> bool:
        """Tell whether it matters how late it is, and not only in which order things happen."""
        return self._gate is None or self._gate.by_time

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until time passes, which is a move; but for the pauses of a pace."""
        if seconds < _PAUSE_SECONDS:
            self.seconds = max(self.seconds + seconds, math.nextafter(self.seconds, math.inf))
            await asyncio.sleep(0)
            return
        until = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, until))
        await until

    def _time_passes(self) -> list[Move]:
        """Nobody has a call to make: time goes on to the first that wakes."""
        asleep = self._waking()
        return [Move("time passes", partial(self._wake, min(asleep)))] if asleep else []

    def _waking(self) -> list[float]:
        """Return when each of those will wake who sleep now."""
        return [at for at, until in self._sleepers if not until.done()]

    def _wake(self, seconds: float) -> None:
        self.seconds = seconds
        for at, until in self._sleepers:
            if at <= seconds and not until.done():
                until.set_result(None)
        self._sleepers = [(at, until) for at, until in self._sleepers if not until.done()]
