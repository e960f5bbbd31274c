"""What each guard of the way in is good for, and of each step to the next phase.

The rule: as in `proof.removals`; the casts are those of `proof.entry`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs

from dualtable import Phase
from dualtable._control import phases
from dualtable._control.phases import ROUTES
from dualtable._dynamodb import gateway
from dualtable._dynamodb.gateway import TransactCheck, TransactionCancelled, TransactPut, Verdict
from dualtable._dynamodb.retry import RetryingGateway
from dualtable._expressions.texts import Condition
from dualtable._production import logical, old_writes, planned_steps, transactions
from dualtable._production.logical import LogicalTable
from dualtable._production.old_writes import OldWrites
from dualtable._production.overlay import Overlay
from dualtable._production.reads import LogicalReads
from dualtable._proof import mending
from proof.entry import (
    BARE,
    COPIED,
    DAMAGED,
    NOWHERE,
    OLD_HAS_IT,
    WRITTEN,
    EntryWorld,
    Part,
    entry,
)
from proof.moves import Budget
from proof.old_code import MENDER, OLD_ADDER, OLD_DELETER, OLD_PUTTER, OldCode
from proof.pairs import APPENDER_TO_BOTH, SEER_OF_BOTH
from proof.removals import ANYTHING, Guard, replaced
from proof.roles import (
    BATCH_PUTTER,
    COPIER,
    DELETER,
    FOUNDER,
    PUTTER,
    READER,
    SIGNER,
    TAKER,
    TRANSACTOR,
    UPDATER,
)
from proof.write_guards import check_nothing, read_one_by_one

RO, RB, WN, MI, MD, FI = Phase


def parts(*who: Any) -> list[Part]:
    """Return a part of each role by its phase; old code has none."""
    return [
        Part((each,)) if isinstance(each, OldCode) else Part((each[0],), each[1]) for each in who
    ]


def mix(*who: Any, world: EntryWorld = OLD_HAS_IT, **settings: Any) -> Any:
    return entry(*parts(*who), world=world, **settings)


# -- writes to old ---------------------------------------------------------------------------------

_as_read = OldWrites._as_read
_comparing = old_writes._comparing
_update = OldWrites._update
_write = OldWrites.write


def only_there(self: Any, item: Any, absent: Any = ()) -> Condition:
    token = {name: item[name] for name in item if name == self._marks.token}
    return _comparing(self._old.key.partition.name, token, ())


def absences_uncompared(self: Any, item: Any, absent: Any = ()) -> Condition:
    return _as_read(self, item)


def compare_without_exists(key: str, present: Any, missing: Any) -> Condition:
    condition = _comparing(key, present, missing)
    _, *others = condition.expression.split(" AND ")
    names = {name: value for name, value in condition.names.items() if name != "#k"}
    return Condition(" AND ".join(others), names, condition.values)


def the_whole_item(self: Any, origin: Any, before: Any, stamped: Any) -> Any:
    if origin.item is None or before is None:
        return _write(self, origin, before, stamped)
    return TransactPut(self._old.table, self._back(stamped), self.unchanged(origin))


def no_check_of_old(self: Any, origin: Any) -> Any:
    return TransactCheck(self._old.table, origin.key, ANYTHING)


def not_ours(self: Any, found: Any, stamped: Any) -> bool:
    return False


def delete_and_tell_nothing(self: Any, key: Any, seen: Any) -> Any:
    return _remove(self, key, seen)


_remove = LogicalTable.remove


async def return_what_was_seen(self: Any, key: Any, seen: Any) -> Any:
    await _remove(self, key, seen)
    return seen.item


async def put_a_batch_anyway(self: Any, batch: Any) -> None:
    writes = [self.old_writes.put(stamped) for _, stamped in batch]
    await self.gateway.batch_put(self.old.table, [write.item for write in writes])


def cancelled_anyway(reasons: Any) -> Any:
    return TransactionCancelled(reasons)


def conflict_taken_for_a_condition() -> Any:
    """Let a conflict be told as a failed condition, and be taken for one."""
    from contextlib import ExitStack
    from unittest.mock import patch

    stack = ExitStack()
    stack.enter_context(patch.object(gateway, "cancellation", cancelled_anyway))
    taken = SimpleNamespace(CONDITION_FAILED=Verdict.CONFLICT)
    stack.enter_context(patch.object(logical, "Verdict", taken))
    return stack


# -- reads -----------------------------------------------------------------------------------------

_fetch_old = LogicalReads._fetch_old


async def fetch_old_weakly(self: Any, keys: Any, *, consistent_read: bool = True) -> Any:
    return await _fetch_old(self, keys, consistent_read=False)


async def read_both_one_by_one(tables: Any, keys: Any, elsewhere: Any) -> Any:
    return await read_one_by_one(tables, keys, elsewhere)


# -- writes to new ---------------------------------------------------------------------------------


def token_alone(self: Overlay, item: Any) -> Condition:
    token, names = self.marks.token_of(item), {"#t": self.marks.token}
    if token is not None:
        return Condition("#t = :t", names, {":t": {"S": token}})
    return Condition("attribute_not_exists(#t)", names)


def with_route(phase: Phase, **changes: Any) -> Any:
    return {**ROUTES, phase: attrs.evolve(ROUTES[phase], **changes)}


_transact_write = RetryingGateway.transact_write


async def transact_without_a_token(self: Any, actions: Any, *, token: Any = None) -> None:
    await self._retried(lambda: self._gateway.transact_write(actions))


ENTRY_GUARDS = (
    Guard(
        "a write to old goes together with a check that new lacks the key",
        replaced(logical, "TransactCheck", check_nothing),
        mix((PUTTER, RB), (PUTTER, WN)),
        "Linearizability",
    ),
    Guard(
        "so does each of a transaction",
        replaced(planned_steps, "TransactCheck", check_nothing),
        mix((TRANSACTOR, RB), (UPDATER, WN)),
        "Linearizability",
    ),
    Guard(
        "a write to new that builds on old checks that old is unchanged",
        replaced(OldWrites, "check", no_check_of_old),
        mix((UPDATER, WN), (UPDATER, RB)),
        "I4",
    ),
    Guard(
        "and so does one that builds on its absence",
        replaced(OldWrites, "check", no_check_of_old),
        mix((FOUNDER, WN), (PUTTER, RB), world=NOWHERE),
        "Linearizability",
    ),
    Guard(
        "beside old code every value that was read is compared",
        replaced(OldWrites, "_as_read", only_there),
        mix(OLD_PUTTER, (UPDATER, RO)),
        "I4",
    ),
    Guard(
        "and the absence of every attribute that is set",
        replaced(OldWrites, "_as_read", absences_uncompared),
        mix(OLD_ADDER, (SIGNER, RO)),
        "Linearizability",
    ),
    Guard(
        "and that there is an item",
        replaced(old_writes, "_comparing", compare_without_exists),
        mix(OLD_DELETER, (UPDATER, RO), world=BARE),
        "I4",
    ),
    Guard(
        "what old code adds survives: changes alone are sent to old",
        replaced(OldWrites, "write", the_whole_item),
        mix(OLD_ADDER, (UPDATER, RO), world=BARE),
        "I4",
    ),
    Guard(
        "what the transform drops survives: changes alone are sent to old",
        replaced(OldWrites, "write", the_whole_item),
        mix((UPDATER, RB)),
        "What the transform drops survives",
    ),
    Guard(
        "a delete returns what the table had",
        replaced(LogicalTable, "remove", return_what_was_seen),
        mix(OLD_ADDER, (TAKER, RO)),
        "Linearizability",
    ),
    Guard(
        "a batch knows no conditions, so it becomes transactions",
        replaced(LogicalTable, "batch_put", put_a_batch_anyway),
        mix((BATCH_PUTTER, RB), (PUTTER, WN)),
        "Linearizability",
    ),
    Guard(
        "the retry that recognises its own write to old",
        replaced(LogicalTable, "_is_ours", not_ours),
        mix((UPDATER, RO), budget=Budget(losses=1)),
        "I4",
    ),
    Guard(
        "a transaction keeps its token across its tries",
        replaced(RetryingGateway, "transact_write", transact_without_a_token),
        mix((TRANSACTOR, RB), budget=Budget(losses=1)),
        "Linearizability",
    ),
    Guard(
        "a conflict does not mean that new has the key",
        conflict_taken_for_a_condition,
        mix((PUTTER, RB), budget=Budget(conflicts=1)),
        "I5",
    ),
    Guard(
        "an old table that moves is read strongly",
        replaced(LogicalReads, "_fetch_old", fetch_old_weakly),
        mix((READER, RB)),
        "I1",
    ),
    Guard(
        "where old moves, a transaction of reads sees both tables at one moment",
        replaced(transactions, "_read_both", read_both_one_by_one),
        mix((APPENDER_TO_BOTH, RB), (SEER_OF_BOTH, WN), paired=True),
        "Linearizability",
    ),
    Guard(
        "where new has the key, a delete leaves a tombstone while writes go to old",
        replaced(phases, "ROUTES", with_route(RB, buries=False)),
        mix((DELETER, RB), world=WRITTEN),
        "I3",
    ),
    Guard(
        "while old moves, what a read has found there is not copied",
        replaced(phases, "ROUTES", with_route(WN, copies=True)),
        mix((COPIER, WN), (UPDATER, RB)),
        "I8",
    ),
    Guard(
        "no token means a copy only beside the absence of a tombstone",
        replaced(Overlay, "_same", token_alone),
        mix((UPDATER, MI), (DELETER, MI), world=COPIED),
        "I4",
    ),
    Guard(
        "a copy is mended over just the state that was seen",
        replaced(mending, "_still", lambda *_: ANYTHING),
        entry(Part((MENDER,)), Part((PUTTER,), MI), world=DAMAGED),
        "Linearizability",
    ),
)
