"""What each guard of the protocol is good for: without it, the proof fails.

The rule: a guard is removed by replacing the one function or condition that is the guard, here in
the test; the library knows nothing of it. Beside it stands the smallest cast that needs it, and the
rule that is broken without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch

import attrs

from dualtable import Migration, Phase
from dualtable._control import phases
from dualtable._control.phase_watch import PhaseWatch
from dualtable._control.phases import ROUTES
from dualtable._control.run_records import RunRecords
from dualtable._control.segments import Progress
from dualtable._copy.run import Run
from dualtable._copy.segment_copy import SegmentCopy
from dualtable._copy.shuffle import Outgoing, RangePace
from dualtable._dynamodb.gateway import Insert, Outcome, TransactCheck
from dualtable._expressions.requests import Changes
from dualtable._expressions.texts import Condition, apart
from dualtable._expressions.updates import UpdateTree
from dualtable._production import judged_writes, planned_steps, repository, transactions
from dualtable._production.copy_on_read import copy_on_read
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Overlay, Seen
from dualtable._reading.iteration import ItemIterator
from dualtable._reading.pass_over_new import OverNew
from dualtable._reading.places import ScanPlace
from dualtable._reading.queries import QueryPlace, _Reader
from dualtable._transforms.lineage import Lineage, Output
from dualtable._wire import codec, keys
from dualtable._wire.items import check_item
from dualtable._wire.marks import new_token
from dualtable._wire.packed import PackedItem
from dualtable.testing import _memory
from proof.casts import WORLDS, Cast, by_index, grouped, hanging, paired, with_text_keys
from proof.moves import Budget
from proof.pages import OTHER_PUTTER, OTHER_QUERIER, first
from proof.pages import SCANNER as SCANNER_BY_PAGES
from proof.pairs import APPENDER_TO_BOTH, OTHER_PUTTER_IF, PUTTER_IF_OTHER, SEER_OF_BOTH
from proof.roles import (
    APPENDER,
    CONDITIONAL_DELETER,
    COPIER,
    CREATOR,
    DELETER,
    FOUNDER,
    GLANCER,
    INDEX_QUERIER,
    LONG_APPENDER,
    MOVER,
    PUTTER,
    READER,
    REMOVER,
    SCANNER,
    TAKER,
    TRANSACTOR,
    UPDATER,
)
from proof.tables import CONTROL, MARKS, NEW, OLD, OTHER, WATCHED

ONLY_OLD, COPIED, WRITTEN, DELETED, NOWHERE, ONLY_NEW, _ = WORLDS
ANYTHING = Condition("attribute_exists(#k) OR attribute_not_exists(#k)", {"#k": "id"})


@attrs.frozen
class Guard:
    """A guard, how it is removed, the cast that needs it, and the rule that is broken then."""

    name: str
    removed: Callable[[], AbstractContextManager[Any]]
    cast: Cast
    rule: str


def cast(*roles: Any, world: Any = ONLY_OLD, **settings: Any) -> Cast:
    """Return a cast of actors with one operation each."""
    return Cast(tuple((role,) for role in roles), world, **settings)


def replaced(owner: Any, name: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    return partial(patch.object, owner, name, by)


def together(
    *removals: Callable[[], AbstractContextManager[Any]],
) -> Callable[[], AbstractContextManager[Any]]:
    """Remove a guard that stands at several places."""

    @contextmanager
    def removed() -> Iterator[None]:
        with ExitStack() as stack:
            for removal in removals:
                stack.enter_context(removal())
            yield

    return removed


def everywhere(function: Any, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Replace a function in each module that has imported it by name."""

    @contextmanager
    def removed() -> Iterator[None]:
        with ExitStack() as stack:
            for module in [m for n, m in sys.modules.items() if n.startswith("dualtable")]:
                for name in [n for n, value in vars(module).items() if value is function]:
                    stack.enter_context(patch.object(module, name, by))
            yield

    return removed


@contextmanager
def any_spelling() -> Iterator[None]:
    """Let a number of a key be spelled as whoever hands it in spells it."""
    with (
        patch.object(codec, "spelled", str),
        patch.object(keys, "canonical", lambda number: number),
    ):
        yield


# -- reads -----------------------------------------------------------------------------------------

_fall_back = LogicalTable._fall_back


async def believe_a_stale_miss(self: Any, missing: Any, *, confirmed: bool) -> Any:
    return await _fall_back(self, missing, confirmed=True)


async def believe_anything(self: Any) -> None:
    """Ask nobody how old the phase is."""


_refreshed = PhaseWatch._refreshed


async def wait_for_news(self: Any, seconds: Any = None) -> None:
    await _refreshed(self)


def never_too_late(self: Any, sighting: Any) -> None:
    """Send whatever was decided, however long ago."""


_get = LogicalTable.get


async def read_weakly(self: Any, key: Any, *, consistent_read: bool) -> Any:
    return await _get(self, key, consistent_read=False)


async def see_weakly(self: Any, key: Any) -> Seen:
    item = await self.gateway.get(self.new.table, key, consistent_read=False)
    return await self.seen_with(key, item)


_new = _Reader.new


def new_whole(self: Any, hidden: Any = frozenset()) -> Any:
    return _new(self)


async def nothing_newer(self: Any, keys: Any, *, consistent_read: bool) -> Any:
    return {}


_next = ItemIterator._next


async def next_behind_so_many(self: Any) -> Any:
    """Begin anew, and pass over as many items as have come before."""
    if self._source is None:
        self._before = int(self._token or 0)
        self._source = await self._open_source(self._failures)
        for _ in range(self._before):
            await self._source.next()
    item = await _next(self)
    self._before += 1
    return item


@contextmanager
def counted() -> Iterator[None]:
    """Let a token say how many items have come, and not which one came last."""
    token = property(lambda self: None if self._ended else str(self._before))
    with ExitStack() as stack:
        for owner, name, by in (
            (ItemIterator, "token", token),
            (ItemIterator, "_next", next_behind_so_many),
            (repository, "from_token", lambda token, question: token),
            (ScanPlace, "of", lambda *_: None),
            (QueryPlace, "of", lambda *_: None),
        ):
            stack.enter_context(patch.object(owner, name, by))
        yield


async def nothing_brought(self: Any, keys: Any) -> set[Any]:
    return set()


# -- writes ----------------------------------------------------------------------------------------


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


# -- the copy --------------------------------------------------------------------------------------


def overwrite(table: Any, item: Any) -> Insert:
    table.store(*table.checked_item(item))
    return Insert(Outcome.WRITTEN)


_insert = _memory.insert_one


def overwrite_tombstones(table: Any, item: Any) -> Insert:
    there = table.versions({"id": item["id"]})[-1] or {}
    return overwrite(table, item) if MARKS.is_tombstone(there) else _insert(table, item)


async def copy_over(gateway: Any, new: Any, items: Any) -> None:
    await gateway.batch_put(new.table, items)


async def settle_first(self: Any, held: Any, room: Any) -> None:
    copying = SegmentCopy(self.lineage, self.destination, held.segment.number, RangePace())
    while not held.segment.checkpoint.done:
        page = copying.transform(await self._scan(held), room.leave)
        held.note(page.counts + Progress(written=page.counts.scanned), page.last_key)
        await self._store(held)
        await copying.copy(page)


async def store_over_others(self: Any, segment: Any) -> None:
    gateway = self._records.gateway
    stored = patch.object(gateway, "put", _without_condition(gateway.put))
    with stored:
        await _store(self, segment)


_store = RunRecords.store


def _without_condition(put: Any) -> Any:
    async def put_anyway(table: str, item: Any, condition: Any = None) -> None:
        await put(table, item)

    return put_anyway


def unchecked(self: Any, output: Any, source: Any) -> Any:
    return Output(check_item(output, self.new), output, PackedItem.of(output))


def forget(*_: Any) -> None:
    """Take no note of an item that could not be copied."""


def moved(item: dict[str, Any]) -> dict[str, Any]:
    """Change the key, and do not say the way back."""
    return {"id": WATCHED["id"] if item["id"] == 7 else item["id"], "log": [item["word"]]}


def failing(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == OTHER["id"]:
        raise ValueError
    return {"id": item["id"], "log": [item["word"]]}


def _plan(transform: Any) -> Migration:
    return Migration("proof", OLD, NEW, transform, control_table=CONTROL, version="1", indexes=())


GUARDS = (
    Guard(
        "the strong read that confirms a miss",
        replaced(LogicalTable, "_fall_back", believe_a_stale_miss),
        cast(UPDATER, GLANCER),
        "I1",
    ),
    Guard(
        "consistent reads are strong reads of new",
        replaced(LogicalTable, "get", read_weakly),
        cast(READER, world=DELETED),
        "I1",
    ),
    Guard(
        "the absence condition of the copy",
        replaced(_memory, "insert_one", overwrite),
        cast(PUTTER),
        "I2",
    ),
    Guard(
        "a tombstone counts as present in the copy's condition",
        replaced(_memory, "insert_one", overwrite_tombstones),
        cast(DELETER),
        "I2",
    ),
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
        "an update begins with a strong read",
        replaced(LogicalTable, "see", see_weakly),
        cast(UPDATER, world=ONLY_NEW, migrators=0),
        "Linearizability",
    ),
    Guard(
        "put if absent asks old too",
        replaced(Overlay, "deleted", deleted_or_absent),
        cast(FOUNDER),
        "Linearizability",
    ),
    Guard(
        "an index query lets new have the say over what completes it",
        replaced(LogicalTable, "newer", nothing_newer),
        by_index(INDEX_QUERIER, world=WRITTEN),
        "I1",
    ),
    Guard(
        "an index query takes no key from the new index that old completes",
        replaced(_Reader, "new", new_whole),
        by_index(INDEX_QUERIER, MOVER, world=COPIED),
        "I1",
    ),
    Guard(
        "a scan lets new have the say over what old yields",
        replaced(LogicalTable, "newer", nothing_newer),
        cast(SCANNER, world=WRITTEN),
        "I1",
    ),
    Guard(
        "a token of a scan names what came last",
        counted,
        paired(SCANNER_BY_PAGES, OTHER_PUTTER, world=ONLY_NEW, migrators=0, others=False),
        "Linearizability",
    ),
    Guard(
        "a token of a query names what came last",
        counted,
        grouped(OTHER_QUERIER, first(PUTTER), world=NOWHERE),
        "Linearizability",
    ),
    Guard(
        "a scan leaves out of new what old has brought",
        replaced(OverNew, "_brought", nothing_brought),
        cast(SCANNER, world=COPIED),
        "I1",
    ),
    Guard(
        "a scan leaves out of new the partitions that old has brought",
        replaced(OverNew, "_brought", nothing_brought),
        grouped(SCANNER_BY_PAGES, first(PUTTER), world=COPIED),
        "Linearizability",
    ),
    Guard(
        "the absence condition of a copy on read",
        everywhere(copy_on_read, copy_over),
        cast(COPIER, PUTTER),
        "I2",
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
        "what old has said is not built upon when the phase may have moved on twice",
        together(
            replaced(LogicalTable, "confirm", believe_anything),
            replaced(PhaseWatch, "check", never_too_late),
        ),
        cast(UPDATER, migrators=0, moves_on=True, budget=Budget(expiries=1), others=False),
        "I4",
    ),
    Guard(
        "whoever asks a control table that hangs waits for a moment only",
        replaced(PhaseWatch, "_refreshed", wait_for_news),
        hanging(UPDATER, GLANCER, world=ONLY_OLD),
        "Nobody waits",
    ),
    Guard(
        "without news of the phase old is not believed for ever",
        together(
            replaced(LogicalTable, "confirm", believe_anything),
            replaced(PhaseWatch, "check", never_too_late),
        ),
        hanging(READER, world=ONLY_OLD, moves_on=True),
        "I1",
    ),
    Guard(
        "deletes leave old as it is",
        replaced(judged_writes, "delete", delete_in_both),
        cast(DELETER),
        "I5",
    ),
    Guard(
        "a page is settled before its checkpoint",
        replaced(Run, "_copy_pages", settle_first),
        cast(budget=Budget(crashes=1)),
        "I6",
    ),
    Guard(
        "an item that cannot be copied is counted",
        replaced(Outgoing, "fail", forget),
        cast(migration=_plan(failing)),
        "I6",
    ),
    Guard(
        "a checkpoint is stored over the one that was read",
        replaced(RunRecords, "store", store_over_others),
        cast(migrators=2, budget=Budget(expiries=1), others=False),
        "I7",
    ),
    Guard(
        "a copy whose key does not lead back is a dead letter",
        replaced(Lineage, "_checked_output", unchecked),
        cast(migration=_plan(moved), old_key={"id": Decimal(7)}, yielded=None),
        "I8",
    ),
    Guard(
        "a key has one spelling when it is mapped back",
        any_spelling,
        with_text_keys(cast(GLANCER, migrators=0)),
        "I1",
    ),
    Guard(
        "a way back that depends on the spelling is a dead letter",
        any_spelling,
        with_text_keys(cast(yielded=None), "12.50"),
        "I8",
    ),
)
