"""The way in, in every interleaving: old code, and processes that go by neighbouring phases."""

from __future__ import annotations

import pytest

from dualtable import Phase
from proof.entry import OLD_HAS_IT, EntryCast, Part, beside, moving
from proof.entry_casts import frozen_in_the_first_phase
from proof.explorer import Exploration, explore
from proof.guards import ROLLING_GUARDS
from proof.history import Role
from proof.old_code import OLD_CODE
from proof.removals import Guard
from proof.roles import APPENDER, CREATOR, DELETER, FOUNDER, PUTTER, READER, TAKER, UPDATER

RO, RB, WN, MI, MD, FI = Phase


def sound(cast: EntryCast) -> Exploration:
    found = explore(cast)
    assert found.violation is None, found.violation
    return found


@pytest.mark.parametrize(
    "role", [UPDATER, APPENDER, PUTTER, FOUNDER, TAKER, READER], ids=lambda role: role.name
)
def test_an_operation_beside_old_code(role: Role) -> None:
    """I4: nobody loses what old code writes, and the caller is told what has become of it."""
    for cast in beside(OLD_CODE, [role], (RO, RO), [OLD_HAS_IT]):
        sound(cast)


@pytest.mark.parametrize("phases", [(RO, RB), (RB, WN)], ids=" and ".join)
@pytest.mark.parametrize(
    "role", [UPDATER, CREATOR, PUTTER, FOUNDER, DELETER, READER], ids=lambda role: role.name
)
def test_operations_by_neighbouring_phases(role: Role, phases: tuple[Phase, Phase]) -> None:
    """I10: who goes by one phase and who goes by the next see one table."""
    for cast in beside([role], [UPDATER, DELETER], phases):
        sound(cast)


@pytest.mark.parametrize(
    "role", [UPDATER, CREATOR, PUTTER, FOUNDER, DELETER, READER], ids=lambda role: role.name
)
def test_who_is_left_in_writing_new_when_all_is_migrated(role: Role) -> None:
    """I10: it is MIGRATING with more checks, so the gate to MIGRATED has no harm to prevent.

    Nor has the one to READING_BOTH, before which there is but one phase. That they ask whether all
    have acknowledged, and for how long, is no guard; the gates after them would wait as long.
    """
    for cast in beside([role], [UPDATER, DELETER], (WN, MD)):
        sound(cast)


@pytest.mark.parametrize("guard", ROLLING_GUARDS, ids=lambda guard: guard.name)
def test_no_guard_of_the_way_in_is_in_vain(guard: Guard) -> None:
    """The proof can fail: without the guard it reports the broken rule and the interleaving."""
    with guard.removed():
        found = explore(guard.cast)
    assert found.violation is not None
    assert found.violation.rule.startswith(guard.rule)
    sound(guard.cast)


@pytest.mark.parametrize("steps", [(RB, WN), (WN, MI)], ids=" and ".join)
@pytest.mark.parametrize("role", [UPDATER, PUTTER, DELETER, READER], ids=lambda role: role.name)
def test_an_operation_that_is_frozen_while_an_operator_moves_on(
    role: Role, steps: tuple[Phase, ...]
) -> None:
    """I5, I10: at any of its calls, for longer than anybody may go by what he knew."""
    before = Phase.ROLLING_OUT if steps[0] is RB else RB
    sound(moving(Part((role,), before), steps=steps, by_time=True))


@pytest.mark.parametrize("role", [DELETER, APPENDER], ids=lambda role: role.name)
def test_who_is_frozen_in_the_first_phase_writes_over_nobody(role: Role) -> None:
    """I4, I10: his write to old comes too late, when another has written the key to new."""
    sound(frozen_in_the_first_phase(role))
