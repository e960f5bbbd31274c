"""Every interleaving of a cast: depth first over the choices, by repeating prefixes.

The rule: a run is a function of its choices, so the tree of choices is walked without ever storing
a state of the code under proof: each run repeats the choices so far, makes a new one, and goes on
with the first move each time (stateless model checking).

A state that was met before is not entered again. Two prefixes have one state when the item has had
the same states in the new table, the control table is the same, the time and what may still happen
are the same, and each actor has made the same calls with the same answers, seen as many states of
the item at each of them, and begun its operation after the same others had ended. Actors are
deterministic and know only the answers that they got, so the same will follow; and this is all that
the invariants look at, so they would judge it the same. Steps are judged in each prefix by
themselves. A migrator that is alone needs no memory: it knows what the control table says and which
call it waits with, and the number of a revision tells it nothing but that nobody else has stored
one. (A state is kept as a 64-bit hash: with a million states, the chance that any two
coincide is below one in ten million.)

Interleavings are counted as the paths through this graph, each once, though most are not run.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

import attrs

from dualtable.errors import DualTableError
from proof.casts import Cast
from proof.history import History, is_migrator
from proof.invariants import Violation, check_end, check_steps
from proof.loop import VirtualLoop
from proof.moves import PROCESS, Move, Pruned
from proof.stage import Stage
from proof.tables import CONTROL

_REVISION = re.compile(r"'revision': {'N': '\d+'}|':v': {'N': '\d+'}")
_REVISION_OR_TIME = re.compile(_REVISION.pattern + r"|'(at|since)': {'N': '[\d.]+'}")

_RUNS_OF_GARBAGE = 50
"""After so many runs what they left is collected: dead tasks slow down whoever lists the live."""


@attrs.frozen
class Exploration:
    """What was looked at, and the first violation with its history."""

    states: int = 0
    interleavings: int = 0
    runs: int = 0
    outcomes: frozenset[str] = frozenset()
    violation: Violation | None = None

    def __add__(self, other: Exploration) -> Exploration:
        return Exploration(
            self.states + other.states,
            self.interleavings + other.interleavings,
            self.runs + other.runs,
            self.outcomes | other.outcomes,
            self.violation or other.violation,
        )


@attrs.define
class _Choice:
    """One choice on the path: its state, how many moves there were, and which one is tried."""

    state: int
    moves: int
    taken: int = 0
    interleavings: int = 0


@attrs.define
class _Walk:
    """The tree of one cast: the path to the run that is under way, and all states behind it."""

    path: list[_Choice] = attrs.field(factory=list)
    known: dict[int, int] = attrs.field(factory=dict)  # state -> interleavings from it
    merged: bool = True
    depth: int = 0
    interleavings: int = 0

    def choose(self, stage: Stage, moves: Sequence[Move]) -> Move:
        """Repeat the path, then take the first move of each new state."""
        if self.depth == len(self.path):
            state = _state(stage) if self.merged else hash(object())
            if state in self.known:
                self.count(self.known[state])
                raise Pruned
            self.path.append(_Choice(state, len(moves)))
        choice = self.path[self.depth]
        if len(moves) != choice.moves:
            raise AssertionError("a run was not a function of its choices")
        self.depth += 1
        return moves[choice.taken]

    def backtrack(self) -> bool:
        """Go on to the next path; tell whether there is one."""
        self.depth = 0
        while self.path:
            choice = self.path[-1]
            choice.taken += 1
            if choice.taken < choice.moves:
                return True
            self.path.pop()
            self.known[choice.state] = choice.interleavings
            self.count(choice.interleavings)
        return False

    def count(self, interleavings: int) -> None:
        """Count paths from the last choice, or from the beginning where there is none."""
        if self.path:
            self.path[-1].interleavings += interleavings
        else:
            self.interleavings += interleavings


def explore(cast: Cast, *, reduced: bool = True) -> Exploration:
    """Run every interleaving of a cast, up to the first violation.

    Without reductions no call is made at once and no state is merged; the same must come out.
    """
    walk, runs, outcomes = _Walk(merged=reduced), 0, set()
    while True:
        runs += 1
        if runs % _RUNS_OF_GARBAGE == 0:
            gc.collect()
        try:
            history = run(cast, walk, reduced=reduced)
        except Violation as violation:
            return Exploration(len(walk.known) + len(walk.path), 0, runs, violation=violation)
        if history.finished:
            outcomes.add(history.outcome())
        if not walk.backtrack():
            return Exploration(len(walk.known), walk.interleavings, runs, frozenset(outcomes))


def run(cast: Cast, walk: _Walk, *, reduced: bool) -> History:
    """Play one interleaving, to its end or to a known state, and judge it."""
    history = cast.history()
    stage = cast.stage_class(
        history,
        cast.budget,
        walk.choose,
        shared_control=cast.shares,
        moves_on=cast.moves_on,
        hangs=cast.hangs,
        old_moves=cast.old_moves,
        gate=cast.gate(),
        group=cast.group,
        small_pages=cast.small_pages,
        reduced=reduced,
    )
    with repeatable():
        try:
            _play(cast, stage)
            walk.count(1)
        except Pruned:
            pass
        except DualTableError as error:
            raise Violation("No error", f"{type(error).__name__}: {error}", history) from error
    check_steps(history)
    if history.finished:
        check_end(history)
    return history


def _play(cast: Cast, stage: Stage) -> None:
    loop = VirtualLoop(stage.idle)
    try:
        loop.run_until_complete(cast.play(stage))
    finally:
        stage.closed = True
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(_all_ended(tasks))
        loop.close()


async def _all_ended(tasks: set[asyncio.Task[object]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def repeatable() -> Iterator[None]:
    """Make chance the same in every run, and keep the library's warnings to itself."""
    numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(1))

    def token(_size: int | None = None) -> str:
        return f"{PROCESS.get()}.{next(numbers[PROCESS.get()])}"

    random.seed(0)
    logging.disable()
    with (
        patch.object(secrets, "token_urlsafe", token),
        patch.object(secrets, "token_hex", token),
        patch.object(gc, "get_freeze_count", lambda: 1),  # to count takes as long as a whole run
    ):
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _state(stage: Stage) -> int:
    records = stage.gateway._tables[CONTROL].items()
    control = [record for record in records if not stage.is_aside({"item": record["record"]})]
    minds = dict(stage.memories)
    waiting = ""
    if not stage.history.shared:
        minds = {actor: mind for actor, mind in minds.items() if not is_migrator(actor)}
        waiting = str([call.arguments for call in stage.pending if is_migrator(call.actor)])
    minds_now = [mind() for mind in stage.minds]
    seconds = stage.seconds if stage.time_counts() else 0
    known = (sorted(minds.items()), minds_now, seconds, stage.budget, repr(stage.states()))
    unsaid = _REVISION if stage.time_counts() else _REVISION_OR_TIME
    return hash((str(known), unsaid.sub("", f"{control} {waiting}")))
