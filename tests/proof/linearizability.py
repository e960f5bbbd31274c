"""Is there an order in which one DynamoDB item would have given these answers?

The rule: an operation takes effect at one moment between its first and its last call, so one that
ended before another began comes first. The search is Wing and Gong's: take any operation that no
other one precedes, let the item answer it, and go on if the answer is the one that was given; what
was tried is remembered. A history is cut where nothing was under way: what can be there at the end
of one piece is what the next one begins with, so long histories take time in proportion.

J. M. Wing, C. Gong: Testing and Verifying Concurrent Objects, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import attrs

from proof.history import Logical, Operation


def linearizable(initial: Logical, operations: Iterable[Operation]) -> bool:
    """Tell whether some order of the operations explains all their answers."""
    return unexplained(initial, operations) is None


def unexplained(initial: Logical, operations: Iterable[Operation]) -> list[Operation] | None:
    """Return the first piece of a history that no order explains; None where there is none."""
    states = {initial}
    for piece in _pieces(sorted(map(_Call.of, operations), key=lambda call: call.first)):
        states = {end for state in states for end in _Search(piece).ends(state)}
        if not states:
            return [call.operation for call in piece]
    return None


@attrs.frozen
class _Call:
    operation: Operation
    first: float
    last: float

    @classmethod
    def of(cls, operation: Operation) -> _Call:
        first = -math.inf if operation.first is None else operation.first
        last = math.inf if operation.last is None else operation.last
        return cls(operation, first, last)


def _pieces(calls: Sequence[_Call]) -> Iterator[list[_Call]]:
    """Cut calls, in the order of their beginnings, where none is under way."""
    piece: list[_Call] = []
    end = -math.inf
    for call in calls:
        if piece and call.first > end:
            yield piece
            piece = []
        piece.append(call)
        end = max(end, call.last)
    if piece:
        yield piece


@attrs.define
class _Search:
    """Depth first over the orders; a ghost is a second effect of a call, which need not be."""

    calls: Sequence[_Call]
    tried: set[tuple[Logical, frozenset[int], frozenset[int]]] = attrs.field(factory=set)
    found: set[Logical] = attrs.field(factory=set)

    def ends(self, state: Logical) -> set[Logical]:
        """Return every state that the item can be in when all calls have been answered."""
        everything = frozenset(range(len(self.calls)))
        ghosts = frozenset(n for n in everything if self.calls[n].operation.may_repeat)
        self._go_on(state, everything, ghosts)
        return self.found

    def _go_on(self, state: Logical, left: frozenset[int], ghosts: frozenset[int]) -> None:
        if (state, left, ghosts) in self.tried:
            return
        self.tried.add((state, left, ghosts))
        if not left:
            self.found.add(state)
        for n in self._next(left):
            self._take(n, state, left, ghosts)
        for n in ghosts:
            after, _ = self._answer(n, state)
            self._go_on(after, left, ghosts - {n})

    def _next(self, left: frozenset[int]) -> list[int]:
        horizon = min((self.calls[n].last for n in left), default=0)
        return [n for n in left if self.calls[n].first <= horizon]

    def _take(self, n: int, state: Logical, left: frozenset[int], ghosts: frozenset[int]) -> None:
        after, answer = self._answer(n, state)
        if answer == self.calls[n].operation.answer:
            still = frozenset(g for g in ghosts if self.calls[g].last >= self.calls[n].first)
            self._go_on(after, left - {n}, still)

    def _answer(self, n: int, state: Logical) -> tuple[Logical, object]:
        operation = self.calls[n].operation
        return operation.role.spec(state, operation.word)
