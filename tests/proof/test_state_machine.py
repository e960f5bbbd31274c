"""All operations in all phases beside a plain dict, with the migrator in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import Phase

from dualtable import DualTableError
from proof.guards import GUARDS
from proof.machine import DictMachine, at, compare, memory
from proof.rolling_machine import RollingMachine

MACHINES = (DictMachine, RollingMachine)


@pytest.mark.parametrize("machine", MACHINES)
def test_in_memory(machine: type[DictMachine]) -> None:
    """Whatever is done in whatever order, in whatever phase: it is one table."""
    assert compare(memory, 40, 30, machine, derandomize=True) > 400


@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["dynamodb-local", "dynoxide"])
def test_on_a_server(running: Callable[[str], str], name: str, machine: type[DictMachine]) -> None:
    """The same on real servers, which may see an expression otherwise."""
    assert compare(at(running(name)), 4, 25, machine, derandomize=True) > 40


@pytest.mark.parametrize(
    "name",
    [
        "the tombstone",
        "put if absent asks old too",
        "a key has one spelling when it is mapped back",
        "the library's placeholders make room for a caller's",
        "a token of a query names what came last",
        "a scan leaves out of new what old has brought",
    ],
)
def test_it_can_fail(name: str) -> None:
    """Without a guard the repository is no dict any more, and the machine notices."""
    (guard,) = (guard for guard in GUARDS if guard.name == name)
    with guard.removed(), pytest.raises((AssertionError, ExceptionGroup, DualTableError)):
        compare(memory, 100, 30, derandomize=True, phases=[Phase.generate])


def test_it_can_fail_on_the_way_in() -> None:
    """Without a guard somebody writes behind the back of one who is a phase further."""
    name = "a batch knows no conditions, so it becomes transactions"
    (guard,) = (guard for guard in GUARDS if guard.name == name)
    with guard.removed(), pytest.raises((AssertionError, ExceptionGroup, DualTableError)):
        compare(memory, 200, 40, RollingMachine, derandomize=True, phases=[Phase.generate])
