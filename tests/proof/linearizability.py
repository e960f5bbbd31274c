"""Is there an order in which one DynamoDB item would have given these answers?

The rule: an operation takes effect at one moment between its first and its last call, so one that
ended before another began comes first. The search is Wing and Gong's: take any operation that no
other one precedes, let the item answer it, and go on if the answer is the one that was given; what
was tried is remembered. Eventually consistent reads are judged by I1 instead.

J. M. Wing, C. Gong: Testing and Verifying Concurrent Objects, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from proof.history import Logical, Operation


def linearizable(initial: Logical, operations: Iterable[Operation]) -> bool:
    """Tell whether some order of the operations explains all their answers."""
    calls = sorted(map(_Call.of, operations), key=lambda call: call.first)
    everything = frozenset(range(len(calls)))
    ghosts = frozenset(n for n in everything if calls[n].operation.may_repeat)
    return _Search(calls).explains(initial, everything, ghosts)


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


@attrs.define
class _Search:
    """Depth first over the orders; a ghost is a second effect of a call, which need not be."""

    calls: Sequence[_Call]
    tried: set[tuple[Logical, frozenset[int], frozenset[int]]] = attrs.field(factory=set)

    def explains(self, state: Logical, left: frozenset[int], ghosts: frozenset[int]) -> bool:
        if not left:
            return True
        if (state, left, ghosts) in self.tried:
            return False
        self.tried.add((state, left, ghosts))
        return any(self._taken(n, state, left, ghosts) for n in self._next(left)) or any(
            self.explains(self._effect(n, state), left, ghosts - {n}) for n in ghosts
        )

    def _next(self, left: frozenset[int]) -> list[int]:
        horizon = min(self.calls[n].last for n in left)
        return [n for n in left if self.calls[n].first <= horizon]

    def _taken(self, n: int, state: Logical, left: frozenset[int], ghosts: frozenset[int]) -> bool:
        operation = self.calls[n].operation
        after, answer = operation.role.spec(state, operation.word)
        if answer != operation.answer:
            return False
        still = frozenset(g for g in ghosts if self.calls[g].last >= self.calls[n].first)
        return self.explains(after, left - {n}, still)

    def _effect(self, n: int, state: Logical) -> Logical:
        operation = self.calls[n].operation
        return operation.role.spec(state, operation.word)[0]
