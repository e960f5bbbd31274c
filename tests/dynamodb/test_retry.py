"""One layer of retries: patient, with full jitter, and only for what is left. In simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orders
import pytest
import simulated

from dualtable._dynamodb.gateway import (
    ConditionFailed,
    TransactionCancelled,
    TransactPut,
    TransactUpdate,
)
from dualtable._dynamodb.retry import ONE_OFF, PRODUCTION, RetryingGateway, RetryPolicy, retried
from dualtable._expressions.texts import Condition, Update
from dualtable.errors import (
    AccessError,
    RequestRefusedError,
    RetryableError,
    ThrottledError,
    UnavailableError,
)
from dualtable.testing import Faults, MemoryGateway

POLICY = RetryPolicy(tries=6, base_seconds=0.1, cap_seconds=1.0)


async def pauses(policy: RetryPolicy) -> list[float]:
    """Return how long each pause of a call that never succeeds was."""
    tried_at: list[float] = []

    async def fail() -> None:
        tried_at.append(simulated.seconds())
        raise UnavailableError("down")

    with pytest.raises(UnavailableError):
        await retried(fail, policy, RetryableError)
    return [later - earlier for earlier, later in pairwise(tried_at)]


def test_pauses_are_random_and_bounded() -> None:
    """Full jitter: from nothing to the bound, which doubles up to the cap."""

    async def many() -> list[list[float]]:
        return [await pauses(POLICY) for _ in range(400)]

    runs = simulated.run(many())
    bounds = [min(0.1 * 2**n, 1.0) for n in range(5)]
    for n, bound in enumerate(bounds):
        column = [run[n] for run in runs]
        assert 0 <= min(column) < 0.1 * bound
        assert 0.9 * bound < max(column) <= bound + 1e-9
        assert 0.4 * bound < sum(column) / len(column) < 0.6 * bound
    assert {len(run) for run in runs} == {POLICY.tries - 1}


@pytest.mark.parametrize(("policy", "least", "most"), [(PRODUCTION, 4, 13), (ONE_OFF, 200, 400)])
def test_how_long_the_policies_last(policy: RetryPolicy, least: float, most: float) -> None:
    """Production gives up while its caller still waits; a migration rides out an outage."""

    async def many() -> float:
        return sum([sum(await pauses(policy)) for _ in range(40)]) / 40

    assert least < simulated.run(many()) < most


class Failing(Faults):
    """Raises the errors that are in line, then lets everything pass."""

    def __init__(self, *errors: Exception | None, left: Sequence[set[int]] = ()) -> None:
        self.errors = list(errors)
        self.left = list(left)
        self.calls: list[tuple[str, int]] = []

    async def before(self, operation: str, table: str) -> None:
        self.calls.append((operation, 0))
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error

    def left_over(self, operation: str, table: str, members: int) -> set[int]:
        self.calls[-1] = (operation, members)
        return self.left.pop(0) if self.left else set()


async def opened(faults: Faults, on_retry: Any = lambda _: None) -> RetryingGateway:
    memory = MemoryGateway()
    await memory.create_table(orders.table("orders"))
    memory.faults = faults
    return RetryingGateway(memory, POLICY, on_retry)


def items(count: int) -> list[dict[str, Any]]:
    return [{"id": {"S": f"o-{n}"}} for n in range(count)]


def test_what_passes_is_tried_again_and_heard_of() -> None:
    """Each retry is told to whoever counts them, with its error."""
    heard: list[RetryableError] = []
    errors = [ThrottledError("slow down"), UnavailableError("down"), ThrottledError("still")]

    async def main() -> None:
        gateway = await opened(Failing(*errors), heard.append)
        assert await gateway.get("orders", items(1)[0], consistent_read=True) is None

    simulated.run(main())
    assert heard == errors


@pytest.mark.parametrize("error", [AccessError("no"), RequestRefusedError("no"), ValueError("no")])
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    """Sending an invalid request again would not help, nor would it be kind."""
    faults = Failing(error)

    async def main() -> None:
        gateway = await opened(faults)
        with pytest.raises(type(error)):
            await gateway.put("orders", items(1)[0])

    simulated.run(main())
    assert len(faults.calls) == 1


def test_the_last_error_is_raised() -> None:
    """Which one it was in the end is what a person must know."""
    errors = [UnavailableError(str(n)) for n in range(POLICY.tries + 3)]
    faults = Failing(*errors)

    async def main() -> None:
        gateway = await opened(faults)
        with pytest.raises(UnavailableError) as caught:
            await gateway.scan("orders", segment=0, total_segments=1)
        assert caught.value is errors[POLICY.tries - 1]

    simulated.run(main())
    assert len(faults.calls) == POLICY.tries


def test_only_the_first_contact_is_given_up_soon() -> None:
    """A wrong endpoint shows within seconds; a throttled description in mid-run ends nothing."""

    class Down(Faults):
        left = 0

        async def before(self, operation: str, table: str) -> None:
            self.left -= 1
            if self.left >= 0:
                raise ThrottledError("slow down")

    async def main() -> None:
        faults = Down()
        gateway = RetryingGateway(MemoryGateway(faults), ONE_OFF)
        await gateway.create_table(orders.table("orders"))
        faults.left = 4
        with pytest.raises(ThrottledError):
            await gateway.describe_table("orders")
        await gateway.describe_table("orders")
        faults.left = 30
        await gateway.describe_table("orders")

    simulated.run(main())


@pytest.mark.parametrize("operation", ["batch_get", "batch_put"])
def test_only_what_is_left_is_sent_again(operation: str) -> None:
    """Members that are done are not repeated: 10, then the 3 left over, then the last one."""
    faults = Failing(left=[{2, 5, 9}, {1}])

    async def main() -> Any:
        gateway = await opened(faults)
        if operation == "batch_get":
            for item in items(10):
                await gateway._gateway.put("orders", item)  # type: ignore[attr-defined]
            faults.calls.clear()
            found = await gateway.batch_get("orders", items(10), consistent_read=True)
            assert len(found.items) == 10
            assert found.unprocessed == ()
            assert found.read_units == 10
        else:
            assert await gateway.batch_put("orders", items(10)) == ()
        faults.left.clear()
        page = await gateway.scan("orders", segment=0, total_segments=1)
        assert len(page.items) == 10

    simulated.run(main())
    assert [members for name, members in faults.calls if name == operation] == [10, 3, 1]


@pytest.mark.parametrize("operation", ["batch_get", "batch_put"])
def test_a_batch_that_stays_undone_is_an_error(operation: str) -> None:
    """Never a half-silent success: what is left in the end is said."""
    faults = Failing(left=[{0}] * 10)

    async def main() -> None:
        gateway = await opened(faults)
        calls = {
            "batch_get": lambda: gateway.batch_get("orders", items(2), consistent_read=True),
            "batch_put": lambda: gateway.batch_put("orders", items(2)),
        }
        with pytest.raises(ThrottledError, match="on orders left 1 undone"):
            await calls[operation]()

    simulated.run(main())
    assert len(faults.calls) == POLICY.tries


def test_statements_that_are_left_over_are_for_the_migrator_to_send() -> None:
    """Among others: one throttled partition must not hold up a batch that is spread over many."""
    faults = Failing(left=[{2, 5}])

    async def main() -> None:
        gateway = await opened(faults)
        result = await gateway.insert("orders", orders.packed(items(10)), key_name="id")
        left = [n for n, answer in enumerate(result.outcomes) if answer.outcome.name == "RETRY"]
        assert left == [2, 5]

    simulated.run(main())
    assert [members for name, members in faults.calls if name == "insert"] == [10]


def test_a_cancelled_pause_ends_at_once() -> None:
    """Whoever stops a run does not wait for its pauses, and nothing is sent afterwards."""
    faults = Failing(*[UnavailableError("down")] * 10)

    async def main() -> None:
        gateway = await opened(faults)
        call = asyncio.ensure_future(gateway.get("orders", items(1)[0], consistent_read=True))
        while not faults.calls:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(100)

    simulated.run(main())
    assert len(faults.calls) <= 2


class LosingAnswers(Faults):
    """Loses the answers of transactions, or says that somebody else was there, a few times."""

    def __init__(self, *, before: int = 0, after: int = 0) -> None:
        self.left = {"before": before, "after": after}

    async def before(self, operation: str, table: str) -> None:
        self._fail("before", operation)

    async def after(self, operation: str, table: str) -> None:
        self._fail("after", operation)

    def _fail(self, when: str, operation: str) -> None:
        if operation == "transact_write" and self.left[when]:
            self.left[when] -= 1
            raise UnavailableError("a conflict, or a lost answer", code="TransactionConflict")


def test_a_transaction_counts_once_however_often_it_is_sent() -> None:
    """All tries carry one token, so a lost answer to a transaction that was taken does no harm."""

    async def main() -> Any:
        memory = MemoryGateway(LosingAnswers(before=2, after=2))
        await memory.create_table(orders.table("t"))
        gateway = RetryingGateway(memory, POLICY)
        key = {"id": {"S": "k"}}
        add = TransactUpdate("t", key, Update("ADD n :one", {}, {":one": {"N": "1"}}))
        await gateway.transact_write([add])
        await gateway.transact_write([add])
        return await gateway.get("t", key, consistent_read=True)

    assert simulated.run(main()) == {"id": {"S": "k"}, "n": {"N": "2"}}


def test_a_condition_that_failed_is_not_tried_again() -> None:
    """It is an answer, also within a transaction."""
    asked: list[str] = []

    class Counting(Faults):
        async def before(self, operation: str, table: str) -> None:
            asked.append(operation)

    async def main() -> None:
        memory = MemoryGateway(Counting())
        await memory.create_table(orders.table("t"))
        gateway = RetryingGateway(memory, POLICY)
        key, there = {"id": {"S": "k"}}, Condition("attribute_exists(id)")
        with pytest.raises(ConditionFailed):
            await gateway.update("t", key, Update("REMOVE x"), there)
        with pytest.raises(TransactionCancelled):
            await gateway.transact_write([TransactPut("t", key, there)])

    simulated.run(main())
    assert asked == ["create_table", "update", "transact_write"]
