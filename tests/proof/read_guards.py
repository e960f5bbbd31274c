"""What each guard of reads is good for, of queries and of scans.

The rule: as in `proof.removals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from dualtable._control.phase_watch import PhaseWatch
from dualtable._production import repository
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Seen
from dualtable._reading.iteration import ItemIterator
from dualtable._reading.pass_over_new import OverNew
from dualtable._reading.places import ScanPlace
from dualtable._reading.query_parts import Parts, QueryPlace
from dualtable._reading.streams import Stream
from proof.casts import by_index, grouped, hanging, iterating, paired, with_text_keys
from proof.moves import Budget
from proof.pages import OTHER_PUTTER, OTHER_QUERIER, QUERY_ON, first
from proof.pages import SCANNER as SCANNER_BY_PAGES
from proof.removals import (
    COPIED,
    DELETED,
    NOWHERE,
    ONLY_NEW,
    ONLY_OLD,
    WRITTEN,
    Guard,
    any_spelling,
    cast,
    replaced,
    together,
)
from proof.roles import (
    GLANCER,
    INDEX_QUERIER,
    MOVER,
    PUTTER,
    READER,
    SCANNER,
    UPDATER,
)

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


_new = Parts.new


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


def keep_what_was_read(self: Any, last: Any) -> None:
    """Judge a later page of `old` by an earlier one of `new`."""


async def nothing_brought(self: Any, keys: Any) -> set[Any]:
    return set()


READ_GUARDS = (
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
        "an update begins with a strong read",
        replaced(LogicalTable, "see", see_weakly),
        cast(UPDATER, world=ONLY_NEW, migrators=0),
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
        replaced(Parts, "new", new_whole),
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
        "with each page of old, a query reads new from the same place on",
        replaced(Stream, "rewind", keep_what_was_read),
        iterating(QUERY_ON, first(PUTTER)),
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
        "a key has one spelling when it is mapped back",
        any_spelling,
        with_text_keys(cast(GLANCER, migrators=0)),
        "I1",
    ),
)
