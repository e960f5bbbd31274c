"""The deterministic scheduler: actors play on one table, and one call is granted at a time.

The rule: every call of every actor's gateway waits here. When all actors wait (or are done), the
loop is idle, the enabled moves are listed in a fixed order, and `choose` says which one is made. A
run is therefore a function of its choices, and can be repeated.

Moves: a call takes effect (an eventually consistent read: with each state that the item ever had);
a write takes effect and its response is lost; the migrator's process dies; time passes so that
leases run out. A call that fails before it takes effect is no move: it changes nothing and is sent
again, which is the same as being granted later. Dying after a call took effect is dying before the
next one: in between a process touches nothing that others can see.

Calls that nobody else's calls depend on are no choice, they are made at once (a persistent set of
one): reads of the old table, and of the phase where nobody moves it; descriptions; what is said of
shared rates, since none is limited here; the control table where one migrator alone uses it, though
it may die there; copies of another key. They commute with every move of every other actor, now and
later, so each interleaving equals one in which they come first. For the same reason an operation
counts as begun with its first visible call and as ended with its last one: some equal interleaving
is that tight, and a tight history is the harder one to explain.

Where the control table hangs, it does so for the repositories alone: what they ask it is never
answered, and that somebody runs out of patience is a move. (Where the migration moves on besides,
it happens at once: what is asked there is what may be done without news.)

Where `old` moves as well (`entry`), reads of it are choices like all others, and the item's states
in both tables count.

Where the migration moves on to its end, a repository looks at the clock between its calls, so none
of them is made at once. No time passes between its last look and the arrival of the write that it
has then sent: that is what the library waits for before it lets deletes be real, and no table could
check it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import attrs

from dualtable.testing import MemoryGateway
from proof.effects import Effects, death, under_way
from proof.loop import VirtualLoop
from proof.moves import (
    UNSEEN,
    Grant,
    Move,
    Pending,
    StageGateway,
)
from proof.tables import (
    CONTROL,
    NEW,
    OLD,
    keys_of,
    record_named,
)

LEASE_SECONDS = 30.0

_READS = ("get", "batch_get", "scan", "query")
_WRITES = ("put", "delete", "insert", "batch_put", "update", "transact_write")


class Stage(Effects):
    """One run: the tables, who waits for what, and what has happened."""

    # -- what actors use ---------------------------------------------------------------------------

    async def call(self, gateway: StageGateway, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Wait for the grant, let the call take effect, and note what it did."""
        method = getattr(self.gateway, operation)
        if not self.playing or UNSEEN.get():
            return await method(*args, **kwargs)
        if gateway.dead or self.closed:
            raise asyncio.CancelledError
        arguments = _signature(operation).bind(*args, **kwargs).arguments
        granted = asyncio.get_running_loop().create_future()
        pending = Pending(gateway, operation, arguments, granted, under_way())
        pending = attrs.evolve(pending, visible=self._is_visible(pending))
        self.pending.append(pending)
        if self._gate is not None:
            self._remember(pending.actor, ("knows", gateway.mind()))
        try:
            grant = await granted
        finally:
            self.pending.remove(pending)
        return await self._take_effect(pending, grant, method(*args, **kwargs))

    async def turn(self, gateway: StageGateway) -> None:
        """Wait for the moment at which something begins, where that makes a difference."""
        granted = asyncio.get_running_loop().create_future()
        pending = Pending(gateway, "begin", {"table": CONTROL}, granted, None)
        self.pending.append(pending)
        try:
            await granted
        finally:
            self.pending.remove(pending)
        self._remember(pending.actor, "begins")

    def mortal(self, gateway: StageGateway, task: asyncio.Task[Any]) -> None:
        """Let a process die at any of its calls."""
        self._mortals[gateway.actor] = (gateway, task)

    # -- what the loop and the tables use ----------------------------------------------------------

    def idle(self) -> None:
        """Make the next move; called when no actor can go on by itself."""
        if self.closed:
            return
        moves = self._local_moves() or self._visible_moves() or self._time_passes()
        if not moves:
            raise AssertionError(f"nobody can go on\n{self.history.trace()}")
        (self._choose(self, moves) if len(moves) > 1 else moves[0]).make()

    # -- moves -------------------------------------------------------------------------------------

    def _local_moves(self) -> list[Move]:
        local = (call for call in self._answered() if not call.visible)
        first = next(local, None)
        if first is not None:
            return self._outcomes(first)
        return self._impatience() if self._moves_on else []

    def _visible_moves(self) -> list[Move]:
        moves = [move for call in self._answered() for move in self._outcomes(call)]
        moves += self._expiry() if self._may_expire() else []
        return moves + self._impatience() + ([] if self._gate is None else self._gate.moves(self))

    def _answered(self) -> list[Pending]:
        return [call for call in self.pending if not self._is_hanging(call)]

    def _is_hanging(self, call: Pending) -> bool:
        return self._hangs and call.table == CONTROL and not call.gateway.actor

    def _impatience(self) -> list[Move]:
        """Whoever has waited longest for the control table gives it up."""
        if not self._hangs:
            return []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        seconds = loop.patience()
        if seconds is None:
            return []
        return [Move("patience runs out", partial(self._run_out, loop, seconds))]

    def _run_out(self, loop: VirtualLoop, seconds: float) -> None:
        asking = {id(call.inside) for call in self._answered()}
        for operation in self.history.operations:
            if not operation.done and id(operation) not in asking and not self._moves_on:
                operation.waited += seconds
        self.memories["patience"] = hash((self.memories.get("patience", 0), self.seconds, seconds))
        self._wake(self.seconds + seconds)
        loop.run_out(seconds)

    def _may_expire(self) -> bool:
        checked = any(call.inside and call.operation in _WRITES for call in self.pending)
        return bool(self.budget.expiries and self._waking()) and not (self._moves_on and checked)

    def _outcomes(self, call: Pending) -> list[Move]:
        moves = [_granted(call, Grant(version)) for version in self._choices(call)]
        if self.budget.losses and call.operation in _WRITES and CONTROL not in call.tables:
            moves.append(Move(f"{call.actor}: response lost", partial(self._lose, call)))
        if self.budget.conflicts and call.operation == "transact_write":
            moves.append(Move(f"{call.actor}: conflict", partial(self._collide, call)))
        if self.budget.crashes and call.actor in self._mortals:
            moves.append(Move(f"{call.actor}: dies", partial(self._die, call)))
        return moves

    def _choices(self, call: Pending) -> Sequence[int]:
        """Return the versions that a read may see: one of each for an eventually consistent one."""
        where = [NEW, OLD] if self._old_moves else [NEW]
        if call.arguments.get("consistent_read", True) or call.table not in where:
            return [-1]
        distinct: list[int] = []
        versions = self.gateway._tables[call.table].versions(self._keys[0])
        oldest = self.oldest.get(call.table, 0)
        for n in reversed(range(oldest, len(versions))):
            if not any(versions[n] == versions[m] for m in distinct):
                distinct.append(n)
        return distinct

    def _is_visible(self, call: Pending) -> bool:
        if not self._reduced or (self._moves_on and call.inside is not None):
            return True
        if call.operation.startswith(("describe", "create_table")):
            return False
        if call.table == OLD and call.operation in _READS and not self._old_moves:
            return False
        if self.is_aside(call.arguments):
            return False
        if call.table == CONTROL:
            record = record_named(call.arguments)
            if self._gate is not None:
                return record == "state" or self._gate.counts(record)
            if record == "state":
                return self._moves_on
            return self._shared_control and record != "run"  # that one has been fixed before
        keys = keys_of(call.arguments)
        return not keys or not keys.isdisjoint(self._watched())

    def _lose(self, call: Pending) -> None:
        self.budget = self.budget.less("losses")
        call.granted.set_result(Grant(lost=True))

    def _collide(self, call: Pending) -> None:
        self.budget = self.budget.less("conflicts")
        call.granted.set_result(Grant(conflict=True))

    def _die(self, call: Pending) -> None:
        self.budget = self.budget.less("crashes")
        gateway, task = self._mortals.pop(call.actor)
        gateway.dead = True
        self.seconds += LEASE_SECONDS + 1
        self.memories[gateway.actor] = hash("reborn")
        task.cancel("killed")
        self.history.steps.append(death(call, self.record()))

    def _expiry(self) -> list[Move]:
        def expire() -> None:
            self.budget = self.budget.less("expiries")
            self._wake(max(self.seconds + LEASE_SECONDS + 1, min(self._waking())))

        return [Move("leases run out, and what is known of the phase becomes old", expire)]


def _granted(call: Pending, grant: Grant) -> Move:
    return Move(f"{call.actor}: {call.operation}", lambda: call.granted.set_result(grant))


@cache
def _signature(operation: str) -> inspect.Signature:
    return inspect.signature(getattr(MemoryGateway(), operation))
