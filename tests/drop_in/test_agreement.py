"""The drop-in answers as a plain table would: each case on both, wherever the item is.

Results are equal; errors by class, code, operation, and the items that they bring. After a write,
what is there is equal too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from drop_in_cases import CASES, UPDATES
from drop_in_worlds import PLACES, World, world_on

from dualtable import Phase

OPERATIONS = sorted({operation for _, operation, _ in CASES})
SERVERS = ("dynamodb-local", "dynoxide")

# Where a server is known to be wrong, by case, and why.
_LAX = "it does not look at the value"
_CANCELS = "it cancels the transaction, where the others refuse the request"
_BY_TEXT = "it compares keys as they are spelled"
_ORDER = "it judges the condition before it looks at the names"
_BROKEN = ("malformed", "an undefined value", "a reserved word", "an unused name", "no names")
WRONG: dict[str, dict[str, str]] = {
    "dynamodb-local": {"client.batch_get_item: a key twice, spelled otherwise": _BY_TEXT},
    "dynoxide": {
        "client.batch_get_item: a key twice, spelled otherwise": _BY_TEXT,
        "put_item: if a wrong wish": _LAX,
        "delete_item: if a wrong wish": _LAX,
        "client.transact_write_items: put if a wrong wish": _LAX,
        "client.transact_write_items: check if a wrong wish": _LAX,
        "query: a wrong type": "it finds nothing instead",
        "query: behind a key of another partition": "it accepts it",
        "client.transact_get_items: projections": "it adds the key",
        "put_item: if an unused name": _ORDER,
        "delete_item: if an unused name": _ORDER,
        "client.transact_write_items: an update that does not fit": _CANCELS,
        "client.transact_write_items: a sum": _CANCELS,
        "client.transact_write_items: a difference": _CANCELS,
        **{
            f"client.transact_write_items: {kind} if {what}": _CANCELS
            for kind in ("put", "check")
            for what in _BROKEN
        },
    },
}
_SHOWS_THE_KEY = "it returns the key of an item that was not there"
for _update in UPDATES:
    WRONG["dynoxide"][f"update_item: {_update}, ALL_OLD"] = _SHOWS_THE_KEY


ALL = [(phase, place) for phase, places in PLACES.items() for place in places]
ASKED_BY_CI = (Phase.MIGRATING, "old only")


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
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("phase", "placement"),
    [
        pytest.param(*each, marks=() if each == ASKED_BY_CI else pytest.mark.conformance)
        for each in ALL
    ],
)
async def test_each_case_is_answered_alike(
    world: World, placement: str, operation: str, request: pytest.FixtureRequest
) -> None:
    """Code that is written for one table cannot tell where its item is, nor in which phase."""
    wrong = WRONG[request.node.callspec.params["world"]]
    different = []
    for name, called, parameters in CASES:
        if called != operation or name in wrong:
            continue
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
