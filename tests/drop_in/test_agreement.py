"""The drop-in answers as a plain table would: each case on both, wherever the item is.

Results are equal; errors by class, code, operation, and the items that they bring. After a write,
what is there is equal too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from drop_in_cases import CASES
from drop_in_cases.faults import is_asked
from drop_in_cases.words import Case
from drop_in_worlds import PLACES, World, world_on

from dualtable import Phase

OPERATIONS = sorted({operation for _, operation, _ in CASES})
SERVERS = ("dynamodb-local", "dynoxide")

ALL = [(phase, place) for phase, places in PLACES.items() for place in places]


@pytest.fixture(params=SERVERS)
async def world(
    request: pytest.FixtureRequest,
    phase: Phase,
    running: Callable[[str], str],
    table_name: str,
) -> AsyncIterator[World]:
    async with world_on(running(request.param), phase, table_name) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.MIGRATING])
async def test_each_eighth_case_is_answered_alike(
    world: World, request: pytest.FixtureRequest
) -> None:
    """So many as fit into a run of all tests, of an item that only old has."""
    asked = asked_of(world, "old only", request)
    await check(world, "old only", asked[::8])


@pytest.mark.slow
@pytest.mark.conformance
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("phase", "placement"), ALL)
async def test_each_case_is_answered_alike(
    world: World, placement: str, operation: str, request: pytest.FixtureRequest
) -> None:
    """Code that is written for one table cannot tell where its item is, nor in which phase."""
    asked = asked_of(world, placement, request)
    await check(world, placement, (case for case in asked if case[1] == operation))


def asked_of(world: World, placement: str, request: pytest.FixtureRequest) -> list[Case]:
    server = request.node.callspec.params["world"]
    return [case for case in CASES if is_asked(case, server, world.phase, placement)]


async def check(world: World, placement: str, cases: Iterable[Case]) -> None:
    different = []
    for name, called, parameters in cases:
        found = []
        for table in (world.plain, world.table):
            await world.place(placement)
            answer = await world.outcome(table, called, parameters)
            found.append((answer, await world.left(table) if is_write(called) else None))
        if found[0] != found[1]:
            different.append((name, "expected", found[0], "found", found[1]))
    assert not different, "\n\n".join(map(str, different))


def is_write(operation: str) -> bool:
    return "get" not in operation and not operation.endswith(("query", "scan"))
