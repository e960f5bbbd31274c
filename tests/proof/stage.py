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
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import attrs

from dualtable import Phase
from dualtable._dynamodb import gateway
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Reason,
    TransactionCancelled,
    Verdict,
)
from dualtable._wire import codec
from dualtable.errors import UnavailableError
from dualtable.testing import Faults, MemoryGateway
from proof.history import History, InOld, Operation, Record, Step, is_migrator
from proof.loop import VirtualLoop
from proof.moves import (
    OPERATION,
    UNSEEN,
    Budget,
    Gate,
    Grant,
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
    called,
    in_old,
    is_about_rates,
    keys_of,
    record_named,
    record_of,
)

LEASE_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
"""Whoever pauses for less keeps to a pace. That is no move: to be granted the next call a while
later is the same, and is explored anyway."""

_READS = ("get", "batch_get", "scan", "query")
_WRITES = ("put", "delete", "insert", "batch_put", "update", "transact_write")
_NAMES = {OLD: "old", NEW: "new", CONTROL: "control"}


class Stage(Faults):
    """One run: the tables, who waits for what, and what has happened."""

    def __init__(
        self,
        history: History,
        budget: Budget,
        choose: Callable[[Stage, Sequence[Move]], Move],
        *,
        shared_control: bool = False,
        moves_on: bool = False,
        hangs: bool = False,
        old_moves: bool = False,
        gate: Gate | None = None,
        group: Mapping[str, Any] | None = None,
        reduced: bool = True,
    ) -> None:
        self.gateway = MemoryGateway(self)
        self.history = history
        self.budget = budget
        self.seconds = 1_000_000.0
        self.memories: dict[str, int] = {}
        self.oldest = 0
        """States of the new table before this one are seen by nobody any more."""
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
        self._reduced = reduced
        self.pending: list[Pending] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._mortals: dict[str, tuple[StageGateway, asyncio.Task[Any]]] = {}
        self._version = -1

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
        pending = Pending(gateway, operation, arguments, granted, _under_way())
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

    # -- what the loop and the tables use ----------------------------------------------------------

    def idle(self) -> None:
        """Make the next move; called when no actor can go on by itself."""
        if self.closed:
            return
        moves = self._local_moves() or self._visible_moves() or self._time_passes()
        if not moves:
            raise AssertionError(f"nobody can go on\n{self.history.trace()}")
        (self._choose(self, moves) if len(moves) > 1 else moves[0]).make()

    async def before(self, operation: str, table: str) -> None:
        """Let the call take effect at once; it has waited already."""

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

    def states(self) -> Sequence[Any]:
        """Return every state that each watched item has had, in the tables where it moves."""
        keys = self._keys if self.history.paired else self._keys[:1]
        tables = [NEW, OLD] if self._old_moves else [NEW]
        return [self.gateway._tables[table].versions(key) for table in tables for key in keys]

    def _ages(self) -> tuple[int, ...]:
        return tuple(len(states) for states in self.states())

    def _watched(self) -> set[Any]:
        return {KEY, OTHER_KEY} if self.history.paired else {KEY}

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
        oldest = self.oldest if call.table == NEW else 0
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
        if is_about_rates(call.arguments):
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
        self.history.steps.append(_death(call, self.record()))

    def _expiry(self) -> list[Move]:
        def expire() -> None:
            self.budget = self.budget.less("expiries")
            self._wake(max(self.seconds + LEASE_SECONDS + 1, min(self._waking())))

        return [Move("leases run out, and what is known of the phase becomes old", expire)]

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

    # -- effects -----------------------------------------------------------------------------------

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
        if not is_about_rates(call.arguments):
            self._remember(actor, (text, repr(answer), self._ages()))

    def _remember(self, actor: str, what: object) -> None:
        times = self._moves_on or self._hangs or (self._gate is not None and self._gate.by_time)
        looks_at_the_clock = times or is_migrator(actor)
        seconds = self.seconds if looks_at_the_clock else 0
        self.memories[actor] = hash((self.memories.get(actor, 0), seconds, what))


def _under_way() -> Operation | None:
    """Return the operation that calls; a task that it has left behind is inside none."""
    operation = OPERATION.get()
    return None if operation is None or operation.done else operation


def _death(call: Pending, record: Record) -> Step:
    text = called(call.operation, _NAMES.get(call.table, ""), call.arguments)
    actor = call.actor
    return Step(actor, "dies", "", f"killed before {text}", {}, record, record, None, visible=False)


def _granted(call: Pending, grant: Grant) -> Move:
    return Move(f"{call.actor}: {call.operation}", lambda: call.granted.set_result(grant))


def _said(answer: Any) -> str:
    failed = isinstance(answer, (ConditionFailed, TransactionCancelled))
    return "the condition fails" if failed else ""


async def _refused(call: Pending, effect: Awaitable[Any]) -> Any:
    """Answer as a table does where another transaction is at the first of the items."""
    if inspect.iscoroutine(effect):
        effect.close()
    _, *others = call.arguments["actions"]
    raise gateway.cancellation([Reason(Verdict.CONFLICT), *(Reason(Verdict.FINE) for _ in others)])


@cache
def _signature(operation: str) -> inspect.Signature:
    return inspect.signature(getattr(MemoryGateway(), operation))
