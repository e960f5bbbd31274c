"""What each guard of a verification is good for, shared or alone.

The rule: as in `proof.removals`.
"""

from __future__ import annotations

from typing import Any

from dualtable._control.control_table import Control
from dualtable._control.run_records import RunRecords
from dualtable._proof.comparison import Comparison
from dualtable._proof.findings import Findings
from dualtable._proof.passes import Passes
from dualtable._proof.reader import Spent
from dualtable._proof.shared import Copied
from dualtable._sharing.membership import Membership
from dualtable.testing import _memory
from proof.copy_guards import act_anyway, overwrite, store_over_others
from proof.removals import Guard, replaced
from proof.verifying import (
    BESIDE_A_COPY,
    ONE_DIES,
    ONE_EARLY,
    REPAIRS,
    REPAIRS_ANOTHER,
    REPAIRS_LATE,
    TWO,
)


async def believe_at_once(self: Any, items: Any, spent: Any) -> Any:
    sources = [self._source(item) for item in items]
    return self._findings(await self._judged(sources, spent, consistent_read=False), sources)


async def settle_first(self: Any, held: Any, room: Any) -> None:
    while not held.segment.checkpoint.done:
        await room.enter()
        page = await self._scan(held, Spent(), new=False)
        number = len(page.items)
        held.note(Findings(scanned=number, same=number, pages=1), page.last_key)
        await self._store(held)
        held.note(await self.comparison.old_page(page.items, Spent()), page.last_key)


def believe_in_the_run(self: Any, present: Any, migration: str) -> None:
    """Go on, whatever has become of the copy."""


async def words_of_migrators(self: Any, run: Any) -> Any:
    return await self.of(run).words()


VERIFYING_GUARDS = (
    Guard(
        "what looks bad is read again before it is said",
        replaced(Comparison, "old_page", believe_at_once),
        ONE_EARLY,
        "No false alarm",
    ),
    Guard(
        "a page is compared before its checkpoint",
        replaced(Passes, "_compare_pages", settle_first),
        ONE_DIES,
        "Nothing is overlooked",
    ),
    Guard(
        "findings are stored over the revision that was read",
        replaced(RunRecords, "store", store_over_others),
        TWO,
        "No checkpoint goes back",
    ),
    Guard(
        "the absence condition of a repair",
        replaced(_memory, "insert_one", overwrite),
        REPAIRS,
        "I2",
    ),
    Guard(
        "no repair leaves while no word counts",
        replaced(Membership, "acting", act_anyway),
        REPAIRS_LATE,
        "I3",
    ),
    Guard(
        "a repair is of one run of the copy",
        replaced(Copied, "check_present", believe_in_the_run),
        REPAIRS_ANOTHER,
        "A repair is of one run",
    ),
    Guard(
        "an end waits for the words of those who repair",
        replaced(Control, "words_for", words_of_migrators),
        REPAIRS_ANOTHER,
        "A repair is of one run",
    ),
    Guard(
        "a proof is of the copy as it stood when it began",
        replaced(Copied, "complete", property(lambda _: True)),
        BESIDE_A_COPY,
        "A proof is of a whole copy",
    ),
)
