"""The pure rules that repository and migrator stand on: segments, overlay, batched inserts."""

from __future__ import annotations

from contextlib import nullcontext

import orders
import pytest
from clocks import HandClock
from hypothesis import given
from hypothesis import strategies as st

from dualtable._control import segments
from dualtable._control.capacity import Paces
from dualtable._control.segments import Checkpoint, Lease, Progress, Segment
from dualtable._copy.page_size import PageSize, told_item_bytes
from dualtable._dynamodb.gateway import ConditionFailed
from dualtable._dynamodb.parameters import MAX_STATEMENT_CHARACTERS, insert_statement
from dualtable._production.overlay import Overlay
from dualtable._wire.marks import Marks
from dualtable.testing import MemoryGateway

ME = Lease("me")
MARKS = Marks("_deleted", "_token")
KEY = {"id": {"S": "o-1"}}


def nobody(migrator: str) -> bool:
    """Tell that nobody is gone."""
    return False


def test_a_segment_from_free_to_done() -> None:
    """Claimed, advanced, released, taken over, finished; each step is a new revision."""
    free = Segment(7)
    assert segments.is_claimable(free, nobody)
    held = segments.claim(free, ME)
    assert not segments.is_claimable(held, nobody)
    assert segments.is_claimable(held, ["me"].__contains__)  # nothing is heard of its owner
    page = Progress(scanned=3, written=2, dropped=1, pages=1, read_units=0.5)
    further = segments.advance(held, page, KEY, ME)
    assert (further.checkpoint, further.lease) == (Checkpoint(KEY), ME)
    left = segments.release(further)
    assert segments.is_claimable(left, nobody)
    assert left.checkpoint == further.checkpoint
    done = segments.advance(segments.claim(left, Lease("other")), page, None, ME)
    assert done.checkpoint.done
    assert done.lease is None
    assert not segments.is_claimable(done, lambda _: True)
    assert done.progress == Progress(scanned=6, written=4, dropped=2, pages=2, read_units=1.0)
    assert [s.revision for s in (free, held, further, left, done)] == [0, 1, 2, 3, 5]
    assert segments.complete([done], 1)
    assert not segments.complete([done], 2)
    assert not segments.complete([left], 1)


@given(st.lists(st.integers(0, 1000), max_size=5))
def test_totals_add_up(scanned: list[int]) -> None:
    """The report of a run is the sum over its segments."""
    several = [Segment(n, progress=Progress(scanned=s)) for n, s in enumerate(scanned)]
    assert segments.total(several).scanned == sum(scanned)


OVERLAY = Overlay("id", MARKS)
STATES = {
    "absent": None,
    "copied": {**KEY, "x": {"N": "1"}},
    "copied again": {**KEY, "x": {"N": "2"}},
    "written": {**KEY, "_token": {"S": "t1"}},
    "rewritten": {**KEY, "_token": {"S": "t2"}},
    "tombstone": MARKS.bury(KEY),
}
CONDITIONS = {
    # what was seen, or what is asked for -> the states in which a write goes through
    "absent": (OVERLAY.missing(None).unchanged, {"absent"}),
    "only in old": (OVERLAY.missing({"x": {"N": "1"}}).unchanged, {"absent"}),
    "copied": (OVERLAY.present(STATES["copied"]).unchanged, {"copied", "copied again"}),
    "written": (OVERLAY.present(STATES["written"]).unchanged, {"written"}),
    "tombstone": (OVERLAY.present(STATES["tombstone"]).unchanged, {"tombstone"}),
    "nothing": (OVERLAY.nothing(), {"absent", "tombstone"}),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("state", STATES)
async def test_a_write_goes_through_only_over_what_was_seen(name: str, state: str) -> None:
    """I4: every condition against every state that a key can be in."""
    condition, allowed = CONDITIONS[name]
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("new"))
    if (item := STATES[state]) is not None:
        await gateway.put("new", item)
    outcome = nullcontext() if state in allowed else pytest.raises(ConditionFailed)
    with outcome:
        await gateway.put("new", {**KEY, "_token": {"S": "mine"}}, condition)


def test_what_is_seen_has_no_marks() -> None:
    """Callers and transforms never meet a token or a tombstone."""
    assert OVERLAY.present(STATES["written"]).item == KEY
    assert OVERLAY.present(STATES["tombstone"]).item is None
    assert OVERLAY.missing(None).item is None


def test_statements_and_what_has_none() -> None:
    """Too long a statement and names that servers read differently go another way."""
    assert insert_statement("a-b.c", ("id", "né")) == (
        """INSERT INTO "a-b.c" VALUE {'id': ?, 'né': ?}"""
    )
    assert insert_statement("t", ("it's",)) is None
    assert insert_statement('"', ("id",)) is None
    frame = len(insert_statement("t", ("",)) or "")
    longest = "x" * (MAX_STATEMENT_CHARACTERS - frame)
    assert len(insert_statement("t", (longest,)) or "") == MAX_STATEMENT_CHARACTERS
    assert insert_statement("t", (longest + "x",)) is None


def test_all_pages_together_have_eight_megabytes() -> None:
    """Also where a table's statistics are missing, or half of them, as some servers have it."""
    told = orders.table("orders")
    paces = Paces.of(told, told, HandClock())

    def items(statistics: dict[str, int], empty_pages: int = 0) -> int:
        size = PageSize(None, told_item_bytes(told | statistics), 32, paces)
        return size.items(empty_pages)

    assert items({"ItemCount": 10, "TableSizeBytes": 10 * 4096}) == 8 * 2**20 / 4096 / 32
    assert items({"ItemCount": 10, "TableSizeBytes": 10 * 4096}, empty_pages=2) == 64 * 16
    assert items({}) == items({"ItemCount": 10, "TableSizeBytes": 0}) == 8 * 2**20 // 2000 // 32
    assert PageSize(7, 4096, 32, paces).items(2) == 7


def test_how_large_items_are_is_learned_where_nobody_tells() -> None:
    """By what pages with items are billed, half a unit for each 4 KB."""
    told = orders.table("orders")
    paces = Paces.of(told, told, HandClock())
    size, known = (PageSize(None, told, 32, paces) for told in (None, 2_000))
    for each in (size, known):
        each.note(0, 128.0)
        each.note(99, 25.0)
        assert each.items(0) == 8 * 2**20 // 2000 // 32
        each.note(101, 25.0)
    assert size.items(0) == 8 * 2**20 // 2048 // 32
    assert known.items(0) == 8 * 2**20 // 2000 // 32
