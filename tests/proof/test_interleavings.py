"""Small casts in every interleaving, and what becomes of them without each guard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import attrs
import pytest

from proof.casts import (
    WORLDS,
    Cast,
    World,
    by_index,
    casts,
    grouped,
    hanging,
    iterating,
    paired,
    with_text_keys,
)
from proof.explorer import Exploration, explore
from proof.guards import MIGRATING_GUARDS
from proof.history import Operation, Role
from proof.linearizability import linearizable
from proof.moves import Budget
from proof.pages import BESIDE, ITERATORS, QUERIERS, SCANNERS
from proof.pairs import OTHER_PUTTER_IF, PAIRED, PUTTER_IF_OTHER, SEER_OF_BOTH
from proof.removals import Guard
from proof.roles import (
    DELETER,
    GLANCER,
    GLANCERS,
    INDEX_QUERIER,
    MOVER,
    PUTTER,
    QUERIER,
    READER,
    ROLES,
    SCANNER,
    UPDATER,
)
from proof.runs import MADE_ANEW, STANDS_STILL_AT_AN_INSERT, WAKES_WHEN_FINISHED, RunCast

ONLY_OLD, COPIED, WRITTEN, DELETED, NOWHERE, ONLY_NEW, _ = WORLDS


def name_of(named: Any) -> str:
    return str(named.name)


def in_suite(*worlds: World, beside: Sequence[World] = ()) -> list[Any]:
    """Return worlds as parameters; those `beside` are left to the long sessions."""
    return [*worlds, *(pytest.param(world, marks=pytest.mark.thorough) for world in beside)]


def sound(cast: Cast) -> Exploration:
    found = explore(cast)
    assert found.violation is None, found.violation
    return found


@pytest.mark.parametrize("world", WORLDS, ids=name_of)
def test_each_operation_beside_a_migrator(world: World) -> None:
    """I1 to I8 hold for every operation alone, wherever the item is."""
    for cast in casts(1, worlds=[world]):
        sound(cast)


@pytest.mark.parametrize("world", [ONLY_OLD, DELETED], ids=name_of)
def test_each_operation_on_a_key_that_old_spells_as_text(world: World) -> None:
    """I8: callers spell the number as they like; it leads back to the one text for it."""
    for cast in casts(1, worlds=[world]):
        sound(with_text_keys(cast))


def test_a_text_that_its_number_does_not_lead_back_to() -> None:
    """I6, I8: it is a dead letter, and nobody ever reads it under the number."""
    for cast in casts(1, worlds=[ONLY_OLD]):
        if cast.scripts[0][0] not in (QUERIER, SCANNER):  # these meet it, and say so
            sound(attrs.evolve(with_text_keys(cast, "12.50"), yielded=None))


@pytest.mark.parametrize("world", in_suite(DELETED, beside=[ONLY_OLD]), ids=name_of)
def test_a_write_beside_a_migrator_that_dies(world: World) -> None:
    """I7: the migrator may die before any of its calls, or after it, and is started again."""
    for cast in casts(1, (UPDATER, PUTTER, DELETER), [world], Budget(crashes=1)):
        sound(cast)


@pytest.mark.parametrize("world", in_suite(COPIED, beside=[ONLY_OLD, DELETED]), ids=name_of)
def test_each_operation_whose_response_is_lost(world: World) -> None:
    """A request that is sent again because its response was lost takes effect once."""
    for cast in casts(1, worlds=[world], budget=Budget(losses=1)):
        sound(cast)


@pytest.mark.parametrize("world", in_suite(DELETED, beside=[ONLY_OLD]), ids=name_of)
def test_each_operation_while_the_control_table_hangs(world: World) -> None:
    """Nobody waits for news that nobody needs, and everybody is answered as ever."""
    for role in ROLES:
        sound(hanging(role, UPDATER, world=world))


@pytest.mark.parametrize("world", WORLDS, ids=name_of)
def test_an_index_query_beside_others(world: World) -> None:
    """Neither what the index shows late nor what old has completes it twice, or wrongly."""
    for other in (UPDATER, MOVER, DELETER):
        sound(by_index(INDEX_QUERIER, other, world=world))


@pytest.mark.parametrize("other", [UPDATER, PUTTER, DELETER, GLANCER], ids=name_of)
def test_an_update_beside_others(other: Role) -> None:
    """I4: an update, another operation and the migrator in each order of their calls."""
    found = sound(Cast(((UPDATER,), (other,)), ONLY_OLD))
    assert found.interleavings > found.states > 10


@pytest.mark.parametrize(
    "roles",
    [*combinations_with_replacement(PAIRED, 2)],
    ids=lambda roles: ", ".join(role.name for role in roles),
)
def test_transactions_of_two_keys(roles: Sequence[Role]) -> None:
    """Both keys are written and seen at one moment, beside a migrator that copies both."""
    sound(paired(*roles))


def test_transactions_of_two_keys_that_somebody_sees() -> None:
    """What two transactions that build on each other's key have done is never seen halfway."""
    sound(paired(PUTTER_IF_OTHER, OTHER_PUTTER_IF, SEER_OF_BOTH, world=COPIED, migrators=0))


@pytest.mark.parametrize("pager", SCANNERS, ids=name_of)
@pytest.mark.parametrize("world", in_suite(ONLY_NEW, beside=[ONLY_OLD]), ids=name_of)
def test_a_scan_by_pages(pager: Role, world: World) -> None:
    """Writes and copies between two pages leave no key out and repeat none."""
    for beside in BESIDE:
        sound(paired(pager, beside, world=world))


@pytest.mark.parametrize("pager", [*SCANNERS, *QUERIERS], ids=name_of)
@pytest.mark.parametrize("world", in_suite(NOWHERE, beside=[ONLY_OLD]), ids=name_of)
def test_pages_of_one_partition(pager: Role, world: World) -> None:
    """The same where both keys are in one partition, which a scan reads as a query does."""
    for beside in BESIDE:
        sound(grouped(pager, beside, world=world))


@pytest.mark.parametrize("script", ITERATORS, ids=lambda script: script[0].name)
@pytest.mark.parametrize("beside", BESIDE, ids=name_of)
def test_an_iterator_that_is_left_between_two_pages(script: tuple[Role, ...], beside: Role) -> None:
    """I1: what is written before a page is read is seen, in whichever table the page lies."""
    sound(iterating(script, beside))


@pytest.mark.parametrize(
    "cast",
    [STANDS_STILL_AT_AN_INSERT, WAKES_WHEN_FINISHED, MADE_ANEW],
    ids=lambda cast: cast.title,
)
def test_a_run_and_what_comes_after_it(cast: RunCast) -> None:
    """I3, I6: who stands still with an insert in hand lets it be when others have gone on."""
    sound(cast)


@pytest.mark.timeout(600)  # two migrators with leases that expire take half a minute
@pytest.mark.parametrize("guard", MIGRATING_GUARDS, ids=name_of)
def test_no_guard_is_in_vain(guard: Guard) -> None:
    """The proof can fail: without the guard it reports the broken rule and the interleaving."""
    with guard.removed():
        found = explore(guard.cast)
    assert found.violation is not None
    assert found.violation.rule.startswith(guard.rule)
    assert re.search(r"\n +\d+  \S+-1", str(found.violation))
    if guard.cast.migrators < 2:
        sound(guard.cast)


@pytest.mark.parametrize(
    "cast",
    [
        Cast(((PUTTER,), (GLANCERS,)), DELETED, migrators=0),
        Cast(((UPDATER,),), ONLY_OLD, others=False),
        Cast(((READER,), (DELETER,)), COPIED, migrators=0),
    ],
    ids=lambda cast: cast.title,
)
def test_the_reductions_leave_nothing_out(cast: Cast) -> None:
    """The same comes out when every order of all calls is run and no state is merged."""
    reduced, whole = sound(cast), explore(cast, reduced=False)
    assert whole.violation is None
    assert reduced.outcomes == whole.outcomes
    assert reduced.interleavings <= whole.interleavings


def operation(role: Role, word: str, first: int, last: int, answer: object) -> Operation:
    return Operation("", word, role, first, last, answer, done=True)


def test_linearizability_respects_time() -> None:
    """The checker finds an order that respects time, and refuses answers that have none."""
    put = operation(PUTTER, "a", 0, 1, "done")
    for answer, first, expected in (
        (("a",), 2, True),
        (None, 2, False),
        (None, 1, True),
        (("b",), 1, False),
    ):
        get = operation(READER, "", first, 3, answer)
        assert linearizable(None, [put, get]) is expected


def test_a_doubtful_write_may_take_effect_twice() -> None:
    """A lost response after which others wrote leaves room for a second effect, in its time."""
    put = operation(PUTTER, "a", 0, 3, "done")
    delete = operation(DELETER, "b", 1, 2, "done")
    before, after, late = (operation(READER, "", n, n, ("a",)) for n in (0, 3, 4))
    nothing = operation(READER, "", 2, 2, None)
    history = [put, before, delete, nothing, after]
    assert not linearizable(None, history)
    put.may_repeat = True
    assert linearizable(None, history)
    gone = operation(READER, "", 5, 5, None)
    assert not linearizable(None, [put, delete, late, gone, operation(READER, "", 6, 6, ("a",))])
