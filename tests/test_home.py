"""What is open works where it was opened; anywhere else it says so at once."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orders
import pytest

from dualtable import DualTableError, DualTableRepository, Migration, sync
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
KEY = orders.key(2)

# From Python 3.12 on, a fork beside threads warns; that is what is done here on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Yielding(Faults):
    """Lets others have a turn at each call, as a network does."""

    async def before(self, operation: str, table: str) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def gateway() -> MemoryGateway:
    async def filled() -> MemoryGateway:
        gateway = MemoryGateway(Yielding())
        await orders.create(gateway, PLAN)
        await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
        return gateway

    return asyncio.run(filled())


def in_child(call: Callable[[], Any]) -> str:
    """Fork, and return what a call in the child raised or returned; a hang ends with an alarm."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        os.write(writer, _outcome(call).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said or "it hung"


def _outcome(call: Callable[[], Any]) -> str:
    try:
        return f"returned {call()!r}"
    except DualTableError as error:
        return f"DualTableError: {error}"
    except BaseException as error:  # noqa: BLE001 - it is what the test wants to know
        return f"{type(error).__name__}: {error}"


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "get": lambda repository: repository.get(KEY),
    "batch_get": lambda repository: repository.batch_get([KEY]),
    "put": lambda repository: repository.put(orders.new_order(2)),
    "update": lambda repository: repository.update(KEY, lambda item: item),
    "delete": lambda repository: repository.delete(KEY),
    "scan": lambda repository: list(repository.scan()),
    "open again": lambda repository: repository.__enter__(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_blocking_repository_after_a_fork(gateway: MemoryGateway, operation: str) -> None:
    """The child has no thread that would answer: it hung for ever."""
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        said = in_child(lambda: OPERATIONS[operation](repository))
        assert said.startswith("DualTableError: the repository was opened in process"), said
        assert f"process {os.getpid()}" in said
        assert "open one in each process, after the fork" in said
        assert repository.get(KEY) == orders.new_order(2), "the parent's goes on"


def test_a_fork_while_a_thread_is_in_a_call(gateway: MemoryGateway) -> None:
    """Even where another thread held a lock at that moment, the child does not wait for it."""
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        with repository._thread._lock:
            said = in_child(lambda: repository.get(KEY))
            left = in_child(lambda: repository.__exit__(None, None, None))
        assert said.startswith("DualTableError: the repository was opened in process"), said
        assert left == "returned None", "what is the parent's is not closed here"
        assert repository.get(KEY) == orders.new_order(2)


def test_an_iterator_after_a_fork(gateway: MemoryGateway) -> None:
    """A scan that has begun in the parent cannot go on in the child."""
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        items = repository.scan()
        next(items)
        assert in_child(lambda: next(items)).startswith("DualTableError: the repository was opened")
        assert len(list(items)) == 8


def test_an_asynchronous_repository_after_a_fork(gateway: MemoryGateway) -> None:
    """A child's own event loop does not help: connections are the parent's."""
    with asyncio.Runner() as runner:
        repository = DualTableRepository(PLAN, gateway=gateway)
        runner.run(repository.__aenter__())
        said = in_child(lambda: asyncio.run(repository.get(KEY)))
        assert said.startswith("DualTableError: the repository was opened in process"), said
        closing = in_child(lambda: asyncio.run(repository.__aexit__(None, None, None)))
        assert closing == "returned None"
        assert runner.run(repository.get(KEY)) == orders.new_order(2)
        runner.run(repository.__aexit__(None, None, None))


def test_a_repository_that_is_opened_in_the_child(gateway: MemoryGateway) -> None:
    """Made before the fork and opened after it, as pre-forking servers can do."""
    repository = sync.DualTableRepository(PLAN, gateway=gateway)

    def use() -> Any:
        with repository:
            return repository.get(KEY) == orders.new_order(2)

    assert in_child(use) == "returned True"


@pytest.mark.parametrize("call", ["get", "scan", "open again", "close"])
def test_an_asynchronous_repository_on_another_loop(gateway: MemoryGateway, call: str) -> None:
    """Its connections answer on the first loop alone: an outage, to all appearances."""
    repository = DualTableRepository(PLAN, gateway=gateway)

    async def use() -> None:
        if call == "get":
            await repository.get(KEY)
        elif call == "scan":
            _ = [item async for item in repository.scan()]
        elif call == "open again":
            await repository.__aenter__()
        else:
            await repository.__aexit__(None, None, None)

    with asyncio.Runner() as runner:
        runner.run(repository.__aenter__())
        for run in (asyncio.run, _run_in_thread):
            with pytest.raises(DualTableError, match=r"on another event loop.*open one on each"):
                run(use())
        assert runner.run(repository.get(KEY)) == orders.new_order(2)
        runner.run(repository.__aexit__(None, None, None))


def _run_in_thread(call: Coroutine[Any, Any, None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, call).result()


def test_an_asynchronous_repository_without_a_loop(gateway: MemoryGateway) -> None:
    """Another kind of loop, or none, gets words instead of a RuntimeError."""
    repository = DualTableRepository(PLAN, gateway=gateway)
    with pytest.raises(DualTableError, match=r"asyncio event loop, and none runs here.*sync"):
        repository.__aenter__().send(None)


def test_an_iterator_on_another_loop(gateway: MemoryGateway) -> None:
    """Also for the items that its page still holds: it must not depend on luck."""
    with asyncio.Runner() as runner:
        repository = DualTableRepository(PLAN, gateway=gateway)
        runner.run(repository.__aenter__())
        items = repository.scan()
        runner.run(items.__anext__())
        with pytest.raises(DualTableError, match="the iterator was opened on another event loop"):
            asyncio.run(items.__anext__())
        runner.run(items.__anext__())
        runner.run(repository.__aexit__(None, None, None))


async def test_an_iterator_shared_by_two_tasks(gateway: MemoryGateway) -> None:
    """Both would take from one page and read the next one twice; the first goes on."""
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        items = repository.scan()
        answers = await asyncio.gather(items.__anext__(), items.__anext__(), return_exceptions=True)
        assert isinstance(answers[0], dict)
        assert isinstance(answers[1], DualTableError)
        assert "by another task or thread" in str(answers[1])
        assert len([item async for item in items]) == 8, "none is lost or doubled"


def test_an_iterator_shared_by_two_threads(gateway: MemoryGateway) -> None:
    """Whatever the threads do, each item comes once, or a call says that it was not its turn."""
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        items, found, told = repository.scan(), [], []

        def read() -> None:
            while True:
                try:
                    found.append(next(items)["id"])
                except DualTableError as error:
                    told.append(str(error))
                except StopIteration:
                    return

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(f"o-{n}" for n in range(1, 10))
    assert all("another task or thread" in said for said in told)


def test_a_blocking_repository_inside_itself(gateway: MemoryGateway) -> None:
    """A transform that asks the repository would wait for the loop that it runs on."""
    asked: list[sync.DualTableRepository[Any]] = []

    def enriched(item: dict[str, Any]) -> dict[str, Any]:
        asked[0].get(orders.key(1))
        return item

    plan = Migration("shop", PLAN.old, PLAN.new, enriched, version="1")
    with sync.DualTableRepository(plan, gateway=gateway) as repository:
        asked.append(repository)
        with pytest.raises(DualTableError, match="inside one of its own operations"):
            repository.get(KEY)
        assert repository.get(orders.key(99)) is None


def _things(gateway: MemoryGateway) -> Iterator[Any]:
    yield DualTableRepository(PLAN, gateway=gateway)
    yield sync.DualTableRepository(PLAN, gateway=gateway)
    yield DualTableRepository(PLAN, gateway=gateway).scan
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        yield repository
        yield repository.scan()
        yield repository._repository.scan()


def test_nothing_that_is_open_travels(gateway: MemoryGateway) -> None:
    """Multiprocessing pickles what it sends: the error is ours, and says what to send instead."""
    for thing in _things(gateway):
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            if callable(thing) and way is not pickle.dumps:
                continue  # a bound method is copied as it is
            with pytest.raises(DualTableError, match=r"cannot be pickled.*make one there"):
                way(thing)


def test_multiprocessing_says_so(gateway: MemoryGateway) -> None:
    """A pool with fresh processes fails where the repository is handed over, not later."""
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        process = multiprocessing.get_context("spawn").Process(target=print, args=(repository,))
        with pytest.raises(DualTableError, match="a repository cannot be pickled"):
            process.start()
