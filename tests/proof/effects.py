"""What a call does once it is granted, and what its actor and the history remember of it.

The rule: an operation counts as begun with its first visible call and as ended with its last one.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any

from dualtable._dynamodb import gateway
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Reason,
    TransactionCancelled,
    Verdict,
)
from dualtable.errors import UnavailableError
from proof.history import Operation, Record, Step, is_migrator, is_verifier
from proof.moves import (
    OPERATION,
    Grant,
    Pending,
)
from proof.scene import Scene
from proof.tables import (
    CONTROL,
    NEW,
    OLD,
    called,
)

_NAMES = {OLD: "old", NEW: "new", CONTROL: "control"}


class Effects(Scene):
    """Calls that take effect, and are noted."""

    async def _take_effect(self, call: Pending, grant: Grant, effect: Awaitable[Any]) -> Any:
        before, visible = self.record(), call.visible
        self._begin(call, visible=visible)
        self._doubt(call)
        self._version = grant.version
        answer: Any = None
        try:
            answer = await (_refused(call, effect) if grant.conflict else effect)
        except Exception as error:
            answer = error
            raise
        finally:
            note = "the response is lost" if grant.lost else _said(answer)
            self._note(call, note, visible=visible, before=before, answer=answer)
        if grant.lost:
            if call.inside is not None:
                call.inside.unsure_at = self._ages()
            raise UnavailableError("the response is lost")
        return answer

    def _doubt(self, call: Pending) -> None:
        """Note a request that is sent again after others have written over what it wrote."""
        if call.inside is not None and call.inside.unsure_at is not None:
            overtaken = call.inside.unsure_at != self._ages()
            call.inside.may_repeat = overtaken or call.inside.role.repeats
            call.inside.unsure_at = None

    def _begin(self, call: Pending, *, visible: bool) -> None:
        inside = call.inside
        if not self._is_of_operation(call, visible) or inside is None or inside.first is not None:
            return
        inside.first = len(self.history.steps)
        ended = tuple(n for n, op in enumerate(self.history.operations) if op.done)
        self._remember(call.actor, ("after", ended))

    def _is_of_operation(self, call: Pending, visible: bool) -> bool:
        """Tell whether an operation is under way with a call: news of the phase are not its own."""
        return visible and (self._gate is None or call.table != CONTROL)

    def _note(
        self,
        call: Pending,
        note: str,
        *,
        visible: bool,
        before: Record | None = None,
        answer: Any = None,
    ) -> None:
        actor, after = call.actor, self.record()
        table = " and ".join(_NAMES.get(name, "") for name in call.tables)
        text = called(call.operation, table, call.arguments)
        if call.inside is not None and self._is_of_operation(call, visible):
            call.inside.last = len(self.history.steps)
        self.history.steps.append(
            Step(
                actor=actor,
                operation=call.operation,
                table=table,
                text=text,
                arguments=call.arguments,
                before=before or after,
                after=after,
                answer=answer,
                visible=visible,
                copying=call.inside is None or call.inside.role.reads,
                note=note,
                phase=self.phase() if self._old_moves else "",
            )
        )
        if not self.is_aside(call.arguments):
            self._remember(actor, (text, repr(answer), self._ages()))

    def _remember(self, actor: str, what: object) -> None:
        times = self._moves_on or self._hangs or (self._gate is not None and self._gate.by_time)
        looks_at_the_clock = times or is_migrator(actor) or is_verifier(actor)
        seconds = self.seconds if looks_at_the_clock else 0
        self.memories[actor] = hash((self.memories.get(actor, 0), seconds, what))


def under_way() -> Operation | None:
    """Return the operation that calls; a task that it has left behind is inside none."""
    operation = OPERATION.get()
    return None if operation is None or operation.done else operation


def _said(answer: Any) -> str:
    failed = isinstance(answer, (ConditionFailed, TransactionCancelled))
    return "the condition fails" if failed else ""


async def _refused(call: Pending, effect: Awaitable[Any]) -> Any:
    """Answer as a table does where another transaction is at the first of the items."""
    if inspect.iscoroutine(effect):
        effect.close()
    _, *others = call.arguments["actions"]
    raise gateway.cancellation([Reason(Verdict.CONFLICT), *(Reason(Verdict.FINE) for _ in others)])


def death(call: Pending, record: Record) -> Step:
    text = called(call.operation, _NAMES.get(call.table, ""), call.arguments)
    actor = call.actor
    return Step(actor, "dies", "", f"killed before {text}", {}, record, record, None, visible=False)
