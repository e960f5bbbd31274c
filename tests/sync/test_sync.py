"""The blocking repository is the asynchronous one, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_overloads

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Attr

import dualtable
from dualtable import DualTableError, Migration, create_table, sync
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import (
    InvalidItemError,
    InvalidSettingError,
    ItemExistsError,
    ItemNotFoundError,
    TableNotFoundError,
)
from dualtable.testing import Faults, MemoryGateway

PLAN = orders.migration("shop")
COPIED, OLD_ONLY, MISSING = orders.key(1), orders.key(2), orders.key(99)


class Gate(Faults):
    """Holds reads up until it is opened."""

    def __init__(self) -> None:
        self.closed = False
        self.waiting = threading.Event()

    async def before(self, operation: str, table: str) -> None:
        if self.closed and operation == "get" and table == PLAN.new:
            self.waiting.set()
            await asyncio.Event().wait()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gateway(gate: Gate) -> MemoryGateway:
    """Orders 1 to 9 in the old table, order 1 copied already."""

    async def filled() -> MemoryGateway:
        gateway = MemoryGateway(gate)
        await orders.create(gateway, PLAN)
        await orders.fill(gateway, PLAN.old, [orders.old_order(n) for n in range(1, 10)])
        await orders.fill(gateway, PLAN.new, [orders.new_order(1)])
        return gateway

    return asyncio.run(filled())


@pytest.fixture
def repository(gateway: MemoryGateway) -> Iterator[sync.DualTableRepository[dict[str, Any]]]:
    before = threading.active_count()
    with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
        yield repository
    assert threading.active_count() == before, "no thread is left"


# -- in step with the asynchronous class ---------------------------------------------------------


def public(cls: type) -> dict[str, Callable[..., Any]]:
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_") and callable(member)
    }


def shape(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


ASYNCHRONOUS = public(dualtable.DualTableRepository)
ITERATING = {"query", "scan"}


def test_no_method_is_missing_or_more() -> None:
    """A method that is added to one class must be added to the other."""
    assert public(sync.DualTableRepository).keys() == ASYNCHRONOUS.keys()


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_a_method_is_its_twin(name: str) -> None:
    """Same parameters with the same defaults, same words, same annotations; and it blocks."""
    twin, method = ASYNCHRONOUS[name], getattr(sync.DualTableRepository, name)
    assert shape(method) == shape(twin)
    assert inspect.getdoc(method) == inspect.getdoc(twin)
    assert inspect.getdoc(method)
    assert method.__annotations__ == twin.__annotations__
    assert not inspect.iscoroutinefunction(method)
    assert inspect.iscoroutinefunction(twin) is (name not in ITERATING)


def test_the_settings_are_the_same() -> None:
    """What the asynchronous class can be told, the blocking one can, for type checkers too."""
    both = (dualtable.DualTableRepository, sync.DualTableRepository)
    (ours, theirs) = ([shape(each) for each in get_overloads(cls.__init__)] for cls in both)
    assert ours == theirs
    assert len(ours) == 2


# -- methods -------------------------------------------------------------------------------------


def test_all_methods_block_and_answer(
    repository: sync.DualTableRepository[dict[str, Any]],
) -> None:
    """Each one does what its twin does."""
    assert repository.get(OLD_ONLY) == orders.new_order(2)
    assert repository.batch_get(iter([COPIED, MISSING])) == [orders.new_order(1), None]
    repository.put(orders.new_order(99, total=1), condition=Attr("id").not_exists())
    with pytest.raises(ItemExistsError):
        repository.put(orders.new_order(2), if_absent=True)
    repository.batch_put(orders.new_order(n) for n in (20, 21))
    added = repository.update_item(
        OLD_ONLY,
        UpdateExpression="SET #t = :t",
        ExpressionAttributeNames={"#t": "total"},
        ExpressionAttributeValues={":t": 7},
        ReturnValues="ALL_NEW",
    )
    assert added == orders.new_order(2, total=7)
    assert repository.delete(COPIED, return_old=True) == orders.new_order(1)
    assert repository.update(COPIED, lambda item: {**item, "n": 1}, create=True)["n"] == 1
    with pytest.raises(ItemNotFoundError):
        repository.update(orders.key(77), lambda item: item)
    repository.transact_write([dualtable.Put(orders.new_order(30))])
    assert repository.transact_get([orders.key(30)]) == [orders.new_order(30)]


def test_iterators_block_and_may_be_left(
    repository: sync.DualTableRepository[dict[str, Any]],
) -> None:
    """A scan reads page by page, ends once, gives tokens, and leaves nothing when it is left."""
    scan = repository.scan(limit=4)
    first = [item["id"] for item in scan]
    rest = [item["id"] for item in repository.scan(token=scan.token)]
    assert len(first) == 4
    assert sorted(first + rest) == [f"o-{n}" for n in range(1, 10)]
    everything = repository.scan()
    assert everything.token is None
    assert len(list(everything)) == 9
    assert list(everything) == []
    for _ in repository.scan():
        break


def test_what_is_handed_in_may_use_the_repository(
    repository: sync.DualTableRepository[dict[str, Any]],
) -> None:
    """It runs in the caller's thread, so it neither blocks the loop nor waits for itself."""
    threads = set()

    def change(item: dict[str, Any]) -> dict[str, Any]:
        threads.add(threading.current_thread())
        other = repository.get(COPIED)
        assert other is not None
        return {**item, "total": other["total"]}

    assert repository.update(OLD_ONLY, change)["total"] == orders.new_order(1)["total"]
    assert threads == {threading.current_thread()}
    found = repository.batch_get({"id": item["id"]} for item in repository.scan())
    assert len(found) == 9


@pytest.mark.parametrize("error", [ValueError("mine"), StopIteration("mine")])
def test_an_error_of_the_change_comes_through(
    repository: sync.DualTableRepository[dict[str, Any]], error: Exception
) -> None:
    """The caller's own error reaches the caller, and nothing is written."""

    def change(item: dict[str, Any]) -> dict[str, Any]:
        raise error

    with pytest.raises((ValueError, RuntimeError)) as caught:
        repository.update(OLD_ONLY, change)
    assert error in (caught.value, caught.value.__cause__)
    assert repository.get(OLD_ONLY) == orders.new_order(2)


def test_a_change_may_be_interrupted(
    repository: sync.DualTableRepository[dict[str, Any]],
) -> None:
    """Control-C in the caller's function ends the call, not the loop."""

    def change(item: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repository.update(OLD_ONLY, change)
    assert repository.get(OLD_ONLY) == orders.new_order(2)


def test_a_bad_change_is_named(repository: sync.DualTableRepository[dict[str, Any]]) -> None:
    """The checks are those of the twin."""
    with pytest.raises(InvalidItemError, match="must be a dict, not NoneType"):
        repository.update(OLD_ONLY, lambda item: None)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    "name", ["batch_get", "batch_put", "batch_delete", "transact_get", "transact_write"]
)
def test_what_is_no_list_is_told_as_by_the_twin(
    repository: sync.DualTableRepository[dict[str, Any]], name: str
) -> None:
    with pytest.raises(InvalidSettingError, match="must come as a list"):
        getattr(repository, name)(None)


def test_models_go_in_and_out(gateway: MemoryGateway) -> None:
    """`model` works as in the twin."""

    @attrs.frozen
    class Thing:
        id: str
        size: int = 0

    plan = Migration("things", "things-old", "things-new", lambda item: item)
    asyncio.run(orders.create(gateway, plan))
    with sync.DualTableRepository(plan, model=Thing, gateway=gateway) as things:
        things.put(Thing("a", 1))
        grown = things.update({"id": "a"}, lambda thing: attrs.evolve(thing, size=2))
        assert grown == Thing("a", 2) == things.get({"id": "a"})
        assert list(things.scan()) == [Thing("a", 2)]


# -- threads, loops, ends ------------------------------------------------------------------------


def test_many_threads_share_one_repository(
    repository: sync.DualTableRepository[dict[str, Any]],
) -> None:
    """I4 across threads: no update is lost, whoever makes it."""
    repository.put({**MISSING, "total": 0})

    def count(_: int) -> None:
        repository.update(MISSING, lambda item: {**item, "total": item["total"] + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    found = repository.get(MISSING)
    assert found is not None
    assert found["total"] == 20


async def test_it_works_beside_a_running_loop(gateway: MemoryGateway) -> None:
    """Blocking code called from a program that has a loop: in another thread, or even on it."""

    def work() -> Any:
        with sync.DualTableRepository(PLAN, gateway=gateway) as repository:
            return repository.get(OLD_ONLY)

    assert await asyncio.to_thread(work) == orders.new_order(2)
    assert work() == orders.new_order(2)


def test_closing_ends_the_calls_of_other_threads(gateway: MemoryGateway, gate: Gate) -> None:
    """A thread that waits for an answer must not wait for ever."""
    repository = sync.DualTableRepository(PLAN, gateway=gateway)
    with ThreadPoolExecutor(1) as pool:
        with repository:
            gate.closed = True
            waiting = pool.submit(repository.get, COPIED)
            assert gate.waiting.wait(10)
        with pytest.raises(DualTableError, match="closed during the call"):
            waiting.result(10)


def test_a_closed_repository_says_so(gateway: MemoryGateway) -> None:
    """Use before or after the block is a programming error; a second block is none."""
    repository = sync.DualTableRepository(PLAN, gateway=gateway)
    for _ in range(2):
        for call in (
            lambda: repository.get(COPIED),
            lambda: repository.update(COPIED, lambda item: item),
            repository.scan,
        ):
            with pytest.raises(DualTableError, match="not open"):
                call()
        with repository:
            assert repository.get(COPIED) == orders.new_order(1)
            with pytest.raises(DualTableError, match="open already"):
                repository.__enter__()
            assert repository.get(COPIED) == orders.new_order(1)


def test_a_failed_opening_leaves_nothing() -> None:
    """A wrong table name is told as by the twin, and the thread is gone."""
    before = threading.active_count()
    with pytest.raises(TableNotFoundError, match=PLAN.new):
        sync.DualTableRepository(PLAN, gateway=MemoryGateway()).__enter__()
    assert threading.active_count() == before


def test_blocking_on_real_servers(server: str, table_name: str) -> None:
    """One client in its own thread, used by several, and no socket left open in the end."""
    plan = orders.migration(table_name)

    async def prepare() -> None:
        async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
            await gateway.create_table(orders.table(plan.old))
            await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(1, 10)])
            await create_table(plan, endpoint_url=server)

    asyncio.run(prepare())
    before = threading.active_count()
    with (
        sync.DualTableRepository(plan, endpoint_url=server) as repository,
        ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(lambda n: repository.get(orders.key(n)), range(1, 10)))
        assert found == [orders.new_order(n) for n in range(1, 10)]
        repository.update(OLD_ONLY, lambda item: {**item, "total": 1})
        assert sorted(item["id"] for item in repository.scan()) == [f"o-{n}" for n in range(1, 10)]
    assert threading.active_count() == before
