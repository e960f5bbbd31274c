"""What happened in one run: every call as a step, and every operation with its answer.

The rule: nothing is judged here. A step says who called what, and what the key was before and after
in the new table; an operation says between which steps it ran and what its caller was told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from dualtable import DualTableRepository

Logical: TypeAlias = tuple[str, ...] | None
"""The logical item of the key: the words of its log in their order, None where there is none."""

Answer: TypeAlias = Any
"""What an operation's caller was told: a `Logical`, or a word such as ``done`` or ``exists``."""

Repository: TypeAlias = DualTableRepository[Any]

Key: TypeAlias = dict[str, Any]

Act: TypeAlias = Callable[[Repository, Key, str], Awaitable[Answer]]
"""Use a repository on a key, with the word that is the actor's, and say what it answered."""

Spec: TypeAlias = Callable[[Logical, str], tuple[Logical, Answer]]
"""One DynamoDB item: from its state and the actor's word to its next state and the answer."""


@attrs.frozen
class InOld:
    """What the old table holds under the key, where it moves."""

    yields: Logical = None
    dropped: str | None = None
    """What the transform drops of it."""
    token: str | None = None

    def __str__(self) -> str:
        dropped = "" if self.dropped is None else f" and {self.dropped}"
        return f"[{' '.join(self.yields)}]{dropped}" if self.yields is not None else "nothing"


@attrs.frozen
class Record:
    """What the new table holds under the key."""

    kind: str  # absent, live, tombstone
    log: tuple[str, ...] = ()
    token: str | None = None
    final: bool = attrs.field(default=False, eq=False)
    """The migration is finished: nobody may believe old any more."""
    old: InOld | None = None
    """None where old does not move: what it yields is known beforehand."""

    def logical(self, yielded: Logical) -> Logical:
        """Return the logical item, given what the old table yields."""
        if self.kind == "absent":
            yielded = yielded if self.old is None else self.old.yields
            return None if self.final else yielded
        return self.log if self.kind == "live" else None

    def __str__(self) -> str:
        return self._in_new() + ("" if self.old is None else f", old {self.old}")

    def _in_new(self) -> str:
        if self.kind != "live":
            return self.kind
        return f"[{' '.join(self.log)}]" + (f" #{self.token}" if self.token else " copied")


def is_verifier(actor: str) -> bool:
    """Tell verifiers from all others, by their names."""
    return actor.startswith("verifier")


def is_migrator(actor: str) -> bool:
    """Tell migrators from those who use a repository, by their names."""
    return actor.startswith("migrator")


@attrs.frozen
class Step:
    """One call that took effect."""

    actor: str
    operation: str
    table: str  # old, new or control
    text: str
    arguments: Mapping[str, Any]
    before: Record
    after: Record
    answer: Any
    visible: bool
    copying: bool = False
    """Whoever made it may write copies and nothing else: a migrator, or one that reads."""
    note: str = ""
    phase: str = ""
    """Of the migration, where it rolls."""

    @property
    def by_migrator(self) -> bool:
        return is_migrator(self.actor)


@attrs.frozen
class Role:
    """One operation of the repository, and what one table would do in its place."""

    name: str
    act: Act
    spec: Spec
    reads: bool = False
    eventual: bool = False
    """It may return an older state, as on one table; I1 says which."""
    updates: bool = False
    """It adds to what is there."""
    deletes: bool = False
    repeats: bool = False
    """Where a response is lost, it may take effect twice, as on one table."""
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the repository."""


@attrs.define
class Operation:
    """One call of the repository; `first` and `last` are the numbers, or times, of its ends."""

    actor: str
    word: str
    role: Role
    first: float | None = None
    last: float | None = None
    answer: Answer = None
    done: bool = False
    unsure_at: tuple[int, ...] | None = None
    """How many states the item had had when the response of a write was lost."""
    may_repeat: bool = False
    """Others wrote before that request was sent again: nobody can tell whether it took effect."""
    waited: float = 0.0
    """So many seconds it had nothing to wait for but news of a phase that it need not know."""

    def refuse(self, answer: str) -> None:
        """Note that the caller was told by an error that nothing was done."""
        self.answer = answer
        self.role = attrs.evolve(
            self.role, spec=lambda state, _: (state, answer), reads=False, updates=False
        )


@attrs.define
class History:
    """One run of one cast."""

    title: str
    yielded: Logical
    initial: tuple[Record, ...]
    """Every record that the new table has held under the key before the run, oldest first."""
    steps: list[Step] = attrs.field(factory=list)
    operations: list[Operation] = attrs.field(factory=list)
    shared: bool = False
    """Several migrators at once: one that has lost its lease may repeat a page unknowingly."""
    reports: list[Any] = attrs.field(factory=list)
    settled: Any = None
    """What the checkpoints say became of the old items, at the end."""
    old_items: int = 0
    not_in_new: list[str] = attrs.field(factory=list)
    finished: bool = False
    spoilt: bool = False
    """What was copied is not there any more, and nobody is to bring it back."""
    runs: bool = False
    """Several runs follow each other; see `runs`."""
    paired: bool = False
    """The other key is watched as well; it begins as the old table's."""

    def begun(self) -> Answer:
        """Return the logical state at the beginning, of both keys where both are watched."""
        watched = self.initial[-1].logical(self.yielded)
        return (watched, ("old",)) if self.paired else watched

    def timeline(self) -> list[Record]:
        """Return the record before each step, and after the last one."""
        return [self.initial[-1], *(step.after for step in self.steps)]

    def outcome(self) -> str:
        """Return what came out: every answer, what the key holds, and what the copy counted."""
        answers = [(op.actor, op.answer) for op in sorted(self.operations, key=lambda op: op.actor)]
        return f"{answers} {self.timeline()[-1].log} {self.settled}"

    def trace(self) -> str:
        """Return the interleaving as numbered lines."""
        width = max((len(step.actor) for step in self.steps), default=0)
        lines = [self.title]
        lines += [_line(n, step, width) for n, step in enumerate(self.steps) if _worth(step)]
        lines += [
            f"      {op.actor:{width}}  {op.role.name} answered {show(op.answer)}"
            for op in self.operations
            if op.done
        ]
        return "\n".join(lines)


def show(answer: Answer) -> str:
    """Return an answer for readers."""
    if isinstance(answer, tuple):
        return f"[{' '.join(each if isinstance(each, str) else show(each) for each in answer)}]"
    return "nothing" if answer is None else str(answer)


def _worth(step: Step) -> bool:
    return step.visible or bool(step.note) or not step.operation.startswith("describe")


def _line(number: int, step: Step, width: int) -> str:
    change = f"{step.before}"
    if step.after != step.before:
        change += f" -> {step.after}"
    note = f"  ({step.note})" if step.note else ""
    return f"{number:4}  {step.actor:{width}}  {step.text:44}  {change}{note}"


def logicals(history: History) -> Sequence[Logical]:
    """Return the logical item before each step, and after the last one."""
    return [record.logical(history.yielded) for record in history.timeline()]
