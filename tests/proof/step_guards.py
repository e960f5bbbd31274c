"""What each guard of a step to the next phase is good for: gates, times, and who was frozen.

The rule: as in `proof.removals`. A gate keeps phases apart that are two steps from each other, so
the cast of one begins a step before it; each of its two halves is enough by itself, and is removed
by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import attrs

from dualtable import Phase
from dualtable._control.phase_watch import PhaseWatch
from dualtable._production.logical import LogicalTable
from dualtable._production.old_writes import OldWrites
from dualtable._reading import queries
from dualtable._reading.iteration import ItemIterator
from dualtable._reading.queries import QueryReader
from dualtable._sharing.membership import Membership
from dualtable.errors import StalePhaseError
from proof import operators
from proof.copy_guards import act_anyway
from proof.entry import COPIED, STAMPED, Part, indexed, moving
from proof.entry_casts import frozen_in_the_first_phase
from proof.old_code import OLD_PUTTER, OLD_WRITER
from proof.pages import PLACER, QUERY_BEGINNER, REST, REST_OF_INDEX, first
from proof.removals import Guard, everywhere, replaced
from proof.roles import BATCH_PUTTER, DELETER, LOOKER, PUTTER, READER, SCANNER, UPDATER
from proof.runs import WAKES_WHEN_FINISHED
from proof.tables import GROUP

RO, RB, WN, MI, MD, FI = Phase


def open_gate(*_: Any) -> bool:
    return True


def unfenced(self: Any) -> Any:
    return nullcontext()


async def believed(self: Any) -> None:
    """Ask nobody how old the phase is."""


_over_old = LogicalTable._over_old
_batch_put = LogicalTable.batch_put


async def over_old_at_any_time(self: Any, key: Any, write: Any, stamped: Any) -> Any:
    """Change what only `old` may have, however long ago the phase was looked at."""
    if self.route.asks_new:
        return await _over_old(self, key, write, stamped)
    return self._came_of(await self._send(write, stamped), key) or stamped


async def batch_put_at_any_time(self: Any, batch: Any) -> None:
    if self.route.asks_new or not self.route.writes_old:
        return await _batch_put(self, batch)
    await self.confirm()
    writes = [self.old_writes.put(stamped) for _, stamped in batch]
    return await self.gateway.batch_put(self.old.table, [write.item for write in writes])


async def count_nothing(self: Any) -> int:
    return int((await self.look()).step)


def no_old_code(self: Any) -> OldWrites:
    return OldWrites(self.lineage, old_code=not self.route.asks_new)


def never_runs(stage: Any) -> bool:
    """Believe that old code is gone."""
    return False


def check_the_latest(self: Any, sighting: Any) -> None:
    """Take news of a later phase for news of the one by which an attempt has read."""
    if self._is_stale(self._latest):
        raise StalePhaseError("without news of the phase")


_open_query = queries.open_query


async def open_by_the_phase(
    tables: Any, query: Any, place: Any, failures: Any, offers: Any = None
) -> Any:
    """Read an index in as many streams as the phase of now wants, whatever a token says."""
    if isinstance(place, queries.QueryPlace) and query.index is not None:
        place = attrs.evolve(place, overlaid=tables.route.asks_old)
    return await _open_query(tables, query, place, failures, offers)


async def read_of_no_operation(self: Any, read: Callable[[], Awaitable[Any]]) -> Any:
    """Read a page that no acknowledgement of a phase waits for."""
    return await read()


async def read_on_as_begun(self: Any) -> None:
    """Read each page by the phase of the first."""
    await self._merged.read()


# -- who goes by a phase that a gate must have left behind -----------------------------------------

FROZEN = {
    WN: moving(
        Part((PUTTER,), RO), Part((PUTTER,), RO, 1, late=True), steps=(RB, WN), by_time=True
    ),
    MI: moving(Part((UPDATER,), RB), steps=(WN, MI), by_time=True),
    FI: moving(
        Part((READER,), MI),
        Part((DELETER,), MI, 1, late=True),
        steps=(MD, FI),
        by_time=True,
        world=COPIED,
    ),
}
"""By the phase into which the gate leads: somebody is frozen for long, and nobody asks him."""
SLOW = {
    to: moving(*cast.parts, Part((LOOKER,), cast.parts[0].phase), **settings)
    for to, cast, settings in (
        (WN, FROZEN[WN], {"steps": (RB, WN)}),
        (MI, FROZEN[MI], {"steps": (WN, MI)}),
        (FI, FROZEN[FI], {"steps": (MD, FI), "world": COPIED}),
    )
}
"""The same, but no time passes: somebody has not said yet that he goes by the phase."""
BROKEN = {WN: "Linearizability", MI: "I5", FI: "I1"}
NEWCOMER = moving(Part((UPDATER,), RB, late=True, slow=True), steps=(WN, MI), by_time=True)
OLD_CODE_LEFT = moving(Part((OLD_PUTTER,)), Part((UPDATER,), RO, late=True), steps=(RB, WN))
PAGES_ON = indexed(
    Part((REST_OF_INDEX,), MI), Part((LOOKER,), MI), Part((PLACER,), MI, 1), steps=(MD,)
)
SCANS = moving(
    Part((SCANNER,), RO),
    Part((LOOKER,), RO),
    Part((UPDATER,), RO, 1, late=True),
    steps=(RB, WN),
)
QUERIES_ON = moving(
    Part((QUERY_BEGINNER, LOOKER, REST), RO),
    Part((first(PUTTER),), RO, 1, late=True),
    steps=(RB, WN),
    paired=True,
    small_pages=True,
    group=GROUP,
)
BACK_AND_FORTH = moving(
    Part((UPDATER,), RB),
    Part((LOOKER,), RB),
    Part((OLD_WRITER,), late=True),
    steps=(RO, RB),
    by_time=True,
    world=STAMPED,
)


def gate_guards() -> list[Guard]:
    """Return the guards of each gate behind which two phases could meet that may not."""
    found = []
    for to, rule in BROKEN.items():
        asks = f"the gate to {to} asks"
        said = replaced(operators, "acknowledged", open_gate)
        lasted = replaced(operators, "settled", open_gate)
        found += [
            Guard(f"{asks} that all have acknowledged the phase", said, SLOW[to], rule),
            Guard(f"{asks} that the phase has lasted long enough", lasted, FROZEN[to], rule),
        ]
    return found


STEP_GUARDS = (
    *gate_guards(),
    Guard(
        "a phase is acknowledged when the operations begun before it have ended",
        replaced(PhaseWatch, "begin", count_nothing),
        SLOW[WN],
        "Linearizability",
    ),
    Guard(
        "and so have the pages that were being read",
        replaced(ItemIterator, "_reading", read_of_no_operation),
        SCANS,
        "I1",
    ),
    Guard(
        "a query looks at the phase at each page",
        replaced(QueryReader, "_read", read_on_as_begun),
        QUERIES_ON,
        "Linearizability",
    ),
    Guard(
        "a request is not sent by a phase that is too old",
        replaced(LogicalTable, "fence", unfenced),
        FROZEN[MI],
        "I5",
    ),
    Guard(
        "nor what is sent over an old item in the first phase",
        replaced(LogicalTable, "_over_old", over_old_at_any_time),
        frozen_in_the_first_phase(UPDATER),
        "I4",
    ),
    Guard(
        "nor a batch of puts into the old table",
        replaced(LogicalTable, "batch_put", batch_put_at_any_time),
        frozen_in_the_first_phase(BATCH_PUTTER),
        "Linearizability",
    ),
    Guard(
        "a phase lasts longer than anybody takes who has looked at it and not spoken yet",
        replaced(operators, "settled", open_gate),
        NEWCOMER,
        "I5",
    ),
    Guard(
        "old code is gone before its phase ends",
        replaced(operators, "old_code_runs", never_runs),
        OLD_CODE_LEFT,
        "Linearizability",
    ),
    Guard(
        "who has not heard yet of a step back counts with old code, too",
        replaced(LogicalTable, "old_writes", property(no_old_code)),
        BACK_AND_FORTH,
        "I4",
    ),
    Guard(
        "one attempt goes by one phase, whatever is known of a later one by then",
        replaced(PhaseWatch, "check", check_the_latest),
        FROZEN[MI],
        "I5",
    ),
    Guard(
        "a token of an index says in how many streams it is read, whatever the phase has become",
        everywhere(queries.open_query, open_by_the_phase),
        PAGES_ON,
        "Linearizability",
    ),
    Guard(
        "a migrator that was frozen with an insert in hand lets it be",
        replaced(Membership, "acting", act_anyway),
        WAKES_WHEN_FINISHED,
        "I3",
    ),
)
