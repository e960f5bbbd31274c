"""Which casts of the way in, and of each later step, are explored by `python -m proof`.

The rule: every operation beside every other one by each pair of neighbouring phases, beside old
code where there is some, beside a migrator where one may run; and beside an operator who moves on,
with everybody frozen at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import attrs

from dualtable import Phase
from proof.entry import (
    DAMAGED,
    DELETED,
    NOWHERE,
    OLD_HAS_IT,
    STAMPED,
    EntryCast,
    Part,
    beside,
    entry,
    indexed,
    moving,
)
from proof.history import Role
from proof.moves import Budget
from proof.old_code import MENDER, OLD_CODE, SWEEPER
from proof.pages import BESIDE, INDEX_PAGER, QUERY_ON, SCAN_ON, SCANNERS, first
from proof.pairs import PAIRED
from proof.roles import (
    APPENDER,
    BATCH_PUTTER,
    BOTH,
    COPIER,
    CORE,
    DELETER,
    FOUNDER,
    GLANCER,
    GLANCERS,
    LOOKER,
    PUTTER,
    READER,
    REMOVER,
    ROLES,
    SCANNER,
    SIGNER,
    TAKER,
    TRANSACTOR,
    UPDATER,
)
from proof.tables import GROUP

RO, RB, WN, MI, MD, FI = Phase
IN_ONE_OR_TWO = attrs.evolve(BOTH, eventual=True)  # where there is one table, it reads as asked
ENTRY_ROLES = (*(IN_ONE_OR_TWO if r is BOTH else r for r in ROLES), BATCH_PUTTER, GLANCERS, SIGNER)
STEPS = ((RO, RB, WN), (RB, WN, MI), (RB, RO, RB), (WN, MI))
SOME = (UPDATER, PUTTER, DELETER, FOUNDER, TRANSACTOR, TAKER)


def every_entry_cast() -> Iterator[EntryCast]:
    """Yield what is explored."""
    yield from beside(OLD_CODE, ENTRY_ROLES, (RO, RO))
    yield from beside(ENTRY_ROLES, ENTRY_ROLES, (RO, RB), (OLD_HAS_IT, NOWHERE))
    yield from beside(ENTRY_ROLES, SOME, (RB, WN))
    yield from beside(SOME, ENTRY_ROLES, (RB, WN), (OLD_HAS_IT, NOWHERE, DELETED))
    yield from beside(CORE, SOME, (WN, MI), migrators=1)
    yield from beside(ENTRY_ROLES, CORE, (MI, MD))
    yield from beside(ENTRY_ROLES, CORE, (WN, MD))  # no neighbours, and safe all the same
    who_writes_what_shows = [role for role in ENTRY_ROLES if role is not REMOVER]
    yield from beside([MENDER], who_writes_what_shows, (MI, MI), (DAMAGED, OLD_HAS_IT, DELETED))
    yield from beside((*CORE, SWEEPER), ENTRY_ROLES, (MD, FI))
    yield from _whose_responses_are_lost()
    yield from _of_two_keys()
    yield from _of_three()
    yield from _while_an_operator_moves_on()
    yield from _who_is_frozen_in_the_first_phase()
    yield from _who_starts_meanwhile()
    yield from _page_by_page()


def _whose_responses_are_lost() -> Iterator[EntryCast]:
    for phase, budget in product((RO, RB, WN), (Budget(losses=1), Budget(conflicts=1))):
        for role, world in product(ENTRY_ROLES, (OLD_HAS_IT, NOWHERE)):
            yield entry(Part((role,), phase), world=world, budget=budget)
            yield entry(Part((role,), phase), Part((PUTTER,), phase), world=world, budget=budget)


def _of_two_keys() -> Iterator[EntryCast]:
    for phases in ((RO, RB), (RB, WN)):
        yield from beside(PAIRED, PAIRED, phases, (OLD_HAS_IT, NOWHERE), paired=True)


def _of_three() -> Iterator[EntryCast]:
    for phases in ((RO, RB, RB), (RB, WN, RB), (RB, WN, WN)):
        for roles in ((UPDATER, PUTTER, DELETER), (UPDATER, UPDATER, GLANCER)):
            parts = [Part((role,), phase) for role, phase in zip(roles, phases, strict=True)]
            yield entry(*parts, world=OLD_HAS_IT)


def _while_an_operator_moves_on() -> Iterator[EntryCast]:
    for begin, *steps in STEPS:
        for role in (*SOME, READER, GLANCER, SCANNER):
            yield moving(Part((role,), begin), steps=tuple(steps), by_time=True, world=STAMPED)
            yield moving(
                Part((role,), begin),
                Part((LOOKER,), begin),
                Part((UPDATER,), begin, 1, late=True),
                steps=tuple(steps),
            )


def _who_is_frozen_in_the_first_phase() -> Iterator[EntryCast]:
    yield from map(frozen_in_the_first_phase, (*SOME, APPENDER, BATCH_PUTTER))


def frozen_in_the_first_phase(role: Role) -> EntryCast:
    """Return the cast of a write to `old` that comes too late.

    Only beside somebody who writes to `new` by then is anything lost.
    """
    newcomer = Part((UPDATER,), RO, 1, late=True)
    return moving(Part((role,), RO), newcomer, steps=(RB, WN), by_time=True)


def _who_starts_meanwhile() -> Iterator[EntryCast]:
    """Yield the casts with a process that has looked at the phase and not spoken yet."""
    for begin, *steps in STEPS:
        for role in (*SOME, READER):
            newcomer = Part((role,), begin, late=True, slow=True)
            yield moving(newcomer, steps=tuple(steps), by_time=True, world=STAMPED)


def _page_by_page() -> Iterator[EntryCast]:
    """Yield the casts with somebody who reads page by page from phase to phase.

    An iterator may be left for long, so no phase waits until it has ended, but for the page that is
    being read; and time has to be enough as well.
    """
    for phases in ((RO, RB), (RB, WN), (WN, MI)):
        yield from beside(SCANNERS, BESIDE, phases, (OLD_HAS_IT, NOWHERE), paired=True)
    for begin, *steps in STEPS:
        writer = Part((first(PUTTER),), begin, 1, late=True)
        whole = {"steps": tuple(steps), "paired": True, "small_pages": True}
        for pager in SCANNERS:
            yield moving(Part((pager,), begin), writer, by_time=True, **whole)
            yield moving(Part((pager,), begin), Part((LOOKER,), begin), writer, **whole)
        for (beginner, rest), group in ((SCAN_ON, {}), (QUERY_ON, GROUP)):
            whole["group"] = group
            yield moving(Part((beginner, rest), begin), writer, by_time=True, **whole)
            yield moving(Part((beginner, LOOKER, rest), begin), writer, **whole)
    yield indexed(
        Part((INDEX_PAGER,), MI), Part((LOOKER,), MI), Part((COPIER,), MI, 1), steps=(MD,)
    )
