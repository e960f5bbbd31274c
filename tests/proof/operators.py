"""An operator who takes the migration from phase to phase while others work.

The rule: he moves on at any moment that his gate allows, and at none before. A gate asks two
things, and each of them is played by itself, since each has to be enough: that every repository
that is alive has acknowledged the phase (nobody is declared dead, and no time need pass), or that
the phase has lasted longer than anybody goes by what he knew (whoever is frozen has been declared
dead, and nobody asks him). Of a process that has looked at the phase and not spoken yet nobody
knows, so where one starts step by step, time has to be enough, and both are asked. Old code must be
gone before he leaves its phase.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import attrs

from dualtable import Phase
from dualtable._control.control_table import Control
from dualtable._control.phases import Times
from proof.history import Record, Step, is_migrator
from proof.moves import Move
from proof.old_code import OldCode
from proof.stage import Stage
from proof.tables import CONTROL, NEW, OLD, ROLLING

_T = TypeVar("_T")
TIMES = Times(ROLLING.settle_seconds)


@attrs.frozen
class Operator:
    """The steps that he takes, and which half of the gate he goes by."""

    steps: tuple[Phase, ...]
    by_time: bool = False
    by_word: bool = attrs.field()

    @by_word.default
    def _one_of_both(self) -> bool:
        return not self.by_time

    @property
    def title(self) -> str:
        how = " and ".join(["in time"] * self.by_time + ["when all have said so"] * self.by_word)
        return f"operator to {' and '.join(self.steps)} {how}"

    def counts(self, record: str) -> bool:
        """Tell whether what is written to a record of the control table may open the gate."""
        return self.by_word and record.startswith("repository#")

    def moves(self, stage: Stage) -> list[Move]:
        """Return the next step, where the gate is open, and what time may do."""
        moves = []
        if stage.budget.expiries:
            moves.append(Move("news are due", lambda: _pass(stage, "expiries")))
        if stage.budget.freezes:
            moves.append(Move("all are frozen for long", lambda: _pass(stage, "freezes")))
        state = at_once(_control(stage).state())
        if state.step < stage.begins_at + len(self.steps) and self._is_open(stage, state):
            moves.append(Move("operator: goes on", lambda: self._go_on(stage, state)))
        return moves

    def _is_open(self, stage: Stage, state: Any) -> bool:
        if old_code_runs(stage):
            return False
        if self.steps[state.step - stage.begins_at] is Phase.MIGRATED and not copied(stage):
            return False
        if self.by_time and not settled(stage, state):
            return False
        return not self.by_word or acknowledged(stage, state)

    def _go_on(self, stage: Stage, state: Any) -> None:
        to = self.steps[state.step - stage.begins_at]
        at_once(_control(stage).move(state, to, stage.now()))
        step = note("operator", f"goes on to {to}", stage.record(), stage.phase())
        stage.history.steps.append(step)


def note(actor: str, text: str, record: Record, phase: str) -> Step:
    """Return a step that is on no table."""
    return Step(actor, "", "control", text, {}, record, record, None, visible=True, phase=phase)


def acknowledged(stage: Stage, state: Any) -> bool:
    """Everybody who is alive has said that no operation of his goes by the phase before."""
    return all(beat.step == state.step for beat in at_once(_control(stage).heartbeats()))


def settled(stage: Stage, state: Any) -> bool:
    """The phase has lasted longer than anybody goes by what he knew."""
    return stage.now() - (state.since or 0.0) > TIMES.settle_seconds


def copied(stage: Stage) -> bool:
    """Every key of `old` is in `new`, and no migrator is at work."""
    works = any(is_migrator(call.actor) for call in stage.pending)
    old, new = (
        {str(item["id"]) for item in stage.gateway._tables[name].items()} for name in (OLD, NEW)
    )
    return old <= new and not (works and not stage.history.reports)


def old_code_runs(stage: Stage) -> bool:
    pending = {call.actor for call in stage.pending if call.operation == "begin"}
    begun = [op for op in stage.history.operations if isinstance(op.role, OldCode)]
    return any(not op.done and op.actor not in pending for op in begun)


def at_once(call: Coroutine[Any, Any, _T]) -> _T:
    """Run what has nothing to wait for."""
    try:
        call.send(None)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def _pass(stage: Stage, budget: str) -> None:
    stage.budget = stage.budget.less(budget)
    frozen = budget == "freezes"
    stage.seconds += TIMES.settle_seconds + 1 if frozen else TIMES.refresh_seconds + 1


def _control(stage: Stage) -> Control:
    return Control(stage.gateway, CONTROL, ROLLING.name)
