"""What each guard of writes is good for, and of transactions.

The rule: as in `proof.removals`.
"""

from __future__ import annotations

from typing import Any

import attrs

from dualtable import Phase
from dualtable._control import phases
from dualtable._control.phases import ROUTES
from dualtable._dynamodb.gateway import TransactCheck
from dualtable._expressions.requests import Changes
from dualtable._expressions.texts import Condition, apart
from dualtable._expressions.updates import UpdateTree
from dualtable._production import judged_writes, planned_steps, transactions
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Overlay, Seen
from dualtable._wire.marks import new_token
from proof.casts import paired
from proof.moves import Budget
from proof.pairs import APPENDER_TO_BOTH, OTHER_PUTTER_IF, PUTTER_IF_OTHER, SEER_OF_BOTH
from proof.removals import (
    ANYTHING,
    COPIED,
    DELETED,
    WRITTEN,
    Guard,
    cast,
    everywhere,
    replaced,
)
from proof.roles import (
    APPENDER,
    CONDITIONAL_DELETER,
    CREATOR,
    DELETER,
    FOUNDER,
    LONG_APPENDER,
    PUTTER,
    REMOVER,
    TAKER,
    TRANSACTOR,
    UPDATER,
)
from proof.tables import OLD


def deleted_or_absent(self: Overlay) -> Condition:
    return self.nothing()


def unguarded(self: Overlay) -> Condition:
    return ANYTHING


_missing = Overlay.missing


def missing_unguarded(self: Overlay, from_old: Any, origin: Any = None) -> Seen:
    return attrs.evolve(_missing(self, from_old, origin), unchanged=ANYTHING)


_present = Overlay.present


def tombstone_unguarded(self: Overlay, item: Any) -> Seen:
    seen = _present(self, item)
    return Seen(None, ANYTHING) if seen.item is None else seen


_same = Overlay._same


def copy_unguarded(self: Overlay, item: Any) -> Condition:
    return ANYTHING if self.marks.token_of(item) is None else _same(self, item)


async def put_and_forget(self: Any, stamped: Any, guard: Condition) -> None:
    await self.gateway.put(self.new.table, stamped, guard)


REAL_DELETES = {**ROUTES, Phase.MIGRATING: attrs.evolve(ROUTES[Phase.MIGRATING], buries=False)}

_delete = judged_writes.delete


async def delete_in_both(tables: Any, exchange: Any, step: Any, *, return_old: bool) -> Any:
    await tables.gateway.delete(OLD, step.key)
    return await _delete(tables, exchange, step, return_old=return_old)


_stamped = Changes.stamped


def same_unguarded(self: Overlay, item: Any) -> Condition:
    return ANYTHING


def made_of_nothing(self: Any, key: Any, item: Any) -> Any:
    return self.apply(item or key)


def check_nothing(table: str, key: Any, guard: Condition) -> TransactCheck:
    return TransactCheck(table, key, ANYTHING)


async def read_one_by_one(tables: Any, keys: Any, elsewhere: Any) -> Any:
    found = {name: await tables.get(key, consistent_read=True) for name, key in keys.items()}
    return {name: item for name, item in found.items() if item is not None}, elsewhere


def stamped_alike(self: Any, marks: Any, token: str) -> Any:
    return _stamped(self, marks, "earlier")


WRITE_GUARDS = (
    Guard(
        "the tombstone",
        replaced(phases, "ROUTES", REAL_DELETES),
        cast(DELETER),
        "I3",
    ),
    Guard(
        "the token",
        everywhere(new_token, lambda: "earlier"),
        cast(UPDATER, UPDATER, world=WRITTEN),
        "I4",
    ),
    Guard(
        "the absence condition of an update from old",
        replaced(Overlay, "absent", unguarded),
        cast(UPDATER, PUTTER),
        "I4",
    ),
    Guard(
        "the condition of an update of an untouched copy",
        replaced(Overlay, "_same", copy_unguarded),
        cast(UPDATER, PUTTER, world=COPIED),
        "I4",
    ),
    Guard(
        "the condition of an update that begins on a tombstone",
        replaced(Overlay, "present", tombstone_unguarded),
        cast(CREATOR, PUTTER, world=DELETED),
        "I4",
    ),
    Guard(
        "the retry that recognises its own write",
        replaced(LogicalTable, "put_once", put_and_forget),
        cast(UPDATER, world=COPIED, budget=Budget(losses=1)),
        "I4",
    ),
    Guard(
        "put if absent asks old too",
        replaced(Overlay, "deleted", deleted_or_absent),
        cast(FOUNDER),
        "Linearizability",
    ),
    Guard(
        "an update expression meets a live item",
        replaced(Overlay, "live", unguarded),
        cast(APPENDER),
        "I4",
    ),
    Guard(
        "an update expression gives the item a fresh token",
        replaced(Changes, "stamped", stamped_alike),
        cast(UPDATER, APPENDER, world=WRITTEN),
        "I4",
    ),
    Guard(
        "the library's placeholders make room for a caller's",
        everywhere(apart, lambda own, *_others: own),
        cast(CONDITIONAL_DELETER, world=COPIED, migrators=0),
        "Linearizability",
    ),
    Guard(
        "a transaction carries along what only old has, if it is still so",
        replaced(Overlay, "missing", missing_unguarded),
        cast(TRANSACTOR, PUTTER),
        "Linearizability",
    ),
    Guard(
        "a delete that returns what was there deletes just that",
        replaced(Overlay, "missing", missing_unguarded),
        cast(TAKER, PUTTER, migrators=0),
        "Linearizability",
    ),
    Guard(
        "an update that leaves no room for a guard is compare-and-set",
        replaced(Overlay, "_same", same_unguarded),
        cast(LONG_APPENDER, PUTTER, world=WRITTEN, migrators=0),
        "I4",
    ),
    Guard(
        "taking away from nothing makes nothing",
        replaced(UpdateTree, "make", made_of_nothing),
        cast(REMOVER, world=DELETED, migrators=0),
        "Linearizability",
    ),
    Guard(
        "a transaction is taken only while what it builds on is so, also of keys that it leaves",
        replaced(planned_steps, "TransactCheck", check_nothing),
        paired(PUTTER_IF_OTHER, OTHER_PUTTER_IF, migrators=0),
        "Linearizability",
    ),
    Guard(
        "a transaction of reads sees all keys at one moment",
        replaced(transactions, "_read_new", read_one_by_one),
        paired(APPENDER_TO_BOTH, SEER_OF_BOTH),
        "Linearizability",
    ),
    Guard(
        "deletes leave old as it is",
        replaced(judged_writes, "delete", delete_in_both),
        cast(DELETER),
        "I5",
    ),
)
