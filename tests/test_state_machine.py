"""All operations in all phases beside a plain dict, with the migrator in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from proof.guards import GUARDS
from proof.machine import Connect, DictMachine

from dualtable._connect import connect
from dualtable._gateway import Gateway
from dualtable._retry import PRODUCTION
from dualtable.testing import MemoryGateway


@asynccontextmanager
async def memory() -> AsyncIterator[Gateway]:
    yield MemoryGateway()


def check(connect_to: Connect, examples: int, steps: int, *phases: Phase) -> None:
    """Run the machine; its class is its own, so that its steps are counted by themselves."""
    machine = type("Machine", (DictMachine,), {"connect": staticmethod(connect_to), "steps": 0})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        phases=phases or tuple(Phase),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
    assert machine.steps > examples


def test_in_memory() -> None:
    """Whatever is done in whatever order, in whatever phase: it is one table."""
    check(memory, examples=40, steps=30)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["dynamodb-local", "dynoxide"])
def test_on_a_server(running: Callable[[str], str], name: str) -> None:
    """The same on real servers, which may see an expression otherwise."""
    url = running(name)
    check(lambda: connect({"endpoint_url": url}, PRODUCTION), examples=4, steps=25)


@pytest.mark.parametrize("name", ["the tombstone", "put if absent asks old too"])
def test_it_can_fail(name: str) -> None:
    """Without a guard the repository is no dict any more, and the machine notices."""
    (guard,) = (guard for guard in GUARDS if guard.name == name)
    with guard.removed(), pytest.raises((AssertionError, ExceptionGroup)):
        check(memory, 100, 30, Phase.generate)
