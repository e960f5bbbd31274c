"""The drop-in answers as a plain table would: each case on both, wherever the item is.

Results are equal; errors by class, code, operation, and the items that they bring. After a write,
what is there is equal too. A plain table is asked once for what is logically there, since it cannot
know where that would be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import pytest
from drop_in_cases import CASES
from drop_in_cases.faults import WRONG, is_asked
from drop_in_cases.words import Case
from drop_in_worlds import PLACES, Place, World, places_of, plain_world, there, world_in

from dualtable import Phase

SERVERS = ("dynamodb-local", "dynoxide")
ALL = [(phase, place) for phase, places in PLACES.items() for place in places]

Answers: TypeAlias = dict[tuple[str, frozenset[Place]], dict[str, Any]]
Different: TypeAlias = tuple[Case, Any, Any]
Ask: TypeAlias = Callable[[str, Phase, str, Sequence[Case]], Awaitable[list[Different]]]


@pytest.fixture(scope="module")
def of_plain() -> Answers:
    """What a plain table has answered, by server and by what is there."""
    return {}


@pytest.fixture
def ask(running: Callable[[str], str], table_name: str, of_plain: Answers) -> Ask:
    """Ask both; return the cases that are answered otherwise, with what is right and what is."""

    async def asked(
        server: str, phase: Phase, placement: str, cases: Sequence[Case]
    ) -> list[Different]:
        url, places = running(server), places_of(phase, placement)
        expected = of_plain.setdefault((server, there(places)), {})
        if new := [case for case in cases if case[0] not in expected]:
            async with plain_world(url, table_name, places) as plain:
                expected |= await answers(plain, new)
        async with world_in(url, phase, table_name, places) as world:
            found = await answers(world, cases)
        both = [(case, expected[case[0]], found[case[0]]) for case in cases]
        return [(case, right, wrong) for case, right, wrong in both if right != wrong]

    return asked


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("server", "each"), [("dynamodb-local", 24), ("dynoxide", 12)])
async def test_some_cases_are_answered_alike(server: str, each: int, ask: Ask) -> None:
    """So many as fit into a run of all tests, of an item that only old has."""
    cases = asked_of(server, Phase.MIGRATING, "old only")[::each]
    different = await ask(server, Phase.MIGRATING, "old only", cases)
    assert not different, said(different, cases)


@pytest.mark.slow
@pytest.mark.conformance
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("phase", "placement"), ALL)
async def test_each_case_is_answered_alike(
    server: str, phase: Phase, placement: str, ask: Ask, record_property: Callable[..., None]
) -> None:
    """Code that is written for one table cannot tell where its item is, nor in which phase."""
    cases = asked_of(server, phase, placement)
    different = await ask(server, phase, placement, cases)
    wrong = Counter(operation for (_, operation, _), _, _ in different)
    for operation, number in Counter(operation for _, operation, _ in cases).items():
        record_property(operation, f"{number - wrong[operation]} of {number} equal")
    assert not different, said(different, cases)


def test_no_two_cases_have_one_name() -> None:
    """A case that is left out by its name must not take another one with it."""
    names = Counter(name for name, _, _ in CASES)
    assert [name for name, number in names.items() if number > 1] == []


def test_no_fault_is_of_a_case_that_is_gone() -> None:
    """Nobody would notice that a renamed case is asked again, or one that came for it is not."""
    names = {name for name, _, _ in CASES}
    assert {name for faults in WRONG.values() for name in faults} <= names


def asked_of(server: str, phase: Phase, placement: str) -> list[Case]:
    return [case for case in CASES if is_asked(case, server, phase, placement)]


async def answers(world: World, cases: Sequence[Case]) -> dict[str, Any]:
    return {case[0]: await world.answer(case) for case in cases}


def said(different: Sequence[Different], cases: Sequence[Case]) -> str:
    each = [
        f"{name}\n  expected {right}\n  found    {wrong}"
        for (name, _, _), right, wrong in different
    ]
    return "\n\n".join([f"{len(different)} of {len(cases)}", *each])
