"""What each guard of the copy is good for, and of runs that follow each other.

The rule: as in `proof.removals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from dualtable import Migration
from dualtable._control.control_table import Control
from dualtable._control.run_records import RunRecords
from dualtable._control.segments import Progress
from dualtable._copy.agreement import Agreement
from dualtable._copy.run import Run
from dualtable._copy.segment_copy import SegmentCopy
from dualtable._copy.shuffle import Outgoing, RangePace
from dualtable._dynamodb.gateway import Insert, Outcome
from dualtable._production.copy_on_read import copy_on_read
from dualtable._sharing.membership import Membership, check_tables, end_run
from dualtable._transforms.lineage import Lineage, Output
from dualtable._wire.items import check_item
from dualtable._wire.packed import PackedItem
from dualtable.testing import _memory
from proof.casts import with_text_keys
from proof.moves import Budget
from proof.removals import (
    Guard,
    any_spelling,
    cast,
    everywhere,
    replaced,
)
from proof.roles import (
    COPIER,
    DELETER,
    PUTTER,
)
from proof.runs import (
    MADE_ANEW,
    STANDS_STILL_AT_A_WORD,
    STANDS_STILL_AT_AN_INSERT,
    STANDS_STILL_TWICE,
)
from proof.tables import CONTROL, MARKS, NEW, OLD, OTHER, WATCHED


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


# -- runs ------------------------------------------------------------------------------------------


async def act_anyway(self: Any, call: Any) -> Any:
    return await call()


async def look_at_nothing(*_: Any) -> None:
    """Give a word, or go on, without a look at what it was given for."""


async def end_at_once(control: Control, run: Any, clock: Any) -> None:
    await control.forget(run if run.ended else await control.end(run))


async def end_unannounced(control: Control, run: Any, clock: Any) -> None:
    words = await control.of(run).words()
    await clock.sleep(max([word.until - clock.now() for word in words], default=0))
    await control.forget(run)


@contextmanager
def begun_beside_others() -> Iterator[None]:
    """Begin anew whoever is at work, and wait for nobody."""
    alone = replaced(Agreement, "_check_nobody_works", look_at_nothing)
    with alone(), everywhere(end_run, end_at_once)():
        yield


COPY_GUARDS = (
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
        "the absence condition of a copy on read",
        everywhere(copy_on_read, copy_over),
        cast(COPIER, PUTTER),
        "I2",
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
        "a way back that depends on the spelling is a dead letter",
        any_spelling,
        with_text_keys(cast(yielded=None), "12.50"),
        "I8",
    ),
    Guard(
        "no request leaves for a run while no word counts",
        replaced(Membership, "acting", act_anyway),
        STANDS_STILL_AT_AN_INSERT,
        "One run at a time",
    ),
    Guard(
        "after a word one looks whether the run is still there",
        replaced(Membership, "_check", look_at_nothing),
        STANDS_STILL_AT_A_WORD,
        "One run at a time",
    ),
    Guard(
        "who begins anew waits until no word counts",
        begun_beside_others,
        STANDS_STILL_AT_AN_INSERT,
        "One run at a time",
    ),
    Guard(
        "a run is ended before its words are read",
        everywhere(end_run, end_unannounced),
        STANDS_STILL_TWICE,
        "One run at a time",
    ),
    Guard(
        "tables made anew are noticed before a copy calls itself complete",
        everywhere(check_tables, look_at_nothing),
        MADE_ANEW,
        "I6",
    ),
)
