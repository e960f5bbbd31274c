"""The repository beside a plain dict: any operations in any order, in every phase.

The rule: after each operation the repository must have answered as the dict does, whatever the
migrator has done in between. Nothing runs at once here, so every read must see the last write; what
runs at once is the business of the interleavings and of the fleet.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import attrs
import orders
from boto3.dynamodb.conditions import Attr, Key
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dualtable import (
    Chain,
    Convert,
    Delete,
    DualTableRepository,
    Index,
    KeySchema,
    Migration,
    Migrator,
    Phase,
    Put,
    Rename,
    Update,
)
from dualtable._clock import SystemClock
from dualtable._control.control_table import Control
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import (
    ConditionFailedError,
    IndexNotReadyError,
    ItemExistsError,
    ItemNotFoundError,
)
from dualtable.testing import MemoryGateway

_T = TypeVar("_T")

Connect = Callable[[], AbstractAsyncContextManager[Gateway]]
Item = dict[str, Any]

CUSTOMERS, DAYS = ("a", "b"), range(5)
customers = st.sampled_from(CUSTOMERS)


def _scientific(day: int) -> Decimal:
    return Decimal(f"{day * 100}E-2")


LEASE_SECONDS = 30.0
SETTINGS: tuple[dict[str, Any], ...] = ({}, {"copy_on_read": True}, {"one_round_trip": True})

numerals = st.sampled_from([int, Decimal, lambda day: Decimal(f"{day}.00"), _scientific])
days = st.builds(lambda day, spelled: spelled(day), st.sampled_from(DAYS), numerals)
keys = st.builds(lambda customer, day: {"customer": customer, "day": day}, customers, days)
totals = st.integers(0, 99)
numbers = st.integers(0, len(SETTINGS) - 1)
limits = st.none() | st.integers(1, 3)

Spelling = Callable[[int], dict[str, Any]]
"""How a caller asks for a total of at least so much: what `put` and `delete` take for it."""


def in_text(name: str, value: str, *, padded: int = 0) -> Spelling:
    """Ask in text, with these placeholders."""
    text = f"{name} {'>=':<{padded}} {value}"
    return lambda least: {"condition": text, "names": {name: "total"}, "values": {value: least}}


spellings = st.sampled_from(
    [
        lambda least: {"condition": Attr("total").gte(least)},
        *map(in_text, ("#k", "#d", "#t", "#_t", "#d2"), (":k", ":t", ":t", ":_t", ":t2")),
        in_text("#k", ":t", padded=4000),
    ]
)


placeholders = st.tuples(
    st.permutations(("#k", "#d", "#t", "#n")), st.permutations((":k", ":d", ":t", ":by"))
).map(lambda found: [*found[0][:2], *found[1][:3]])
"""Two names and three values, called as the library may call its own."""


class Killed(BaseException):
    """The migrator's process has died."""


class MortalGateway:
    """A gateway whose process dies at one of its calls, before or after it took effect."""

    def __init__(self, gateway: Gateway, calls: int, *, after: bool) -> None:
        self._gateway = gateway
        self._left = calls
        self._after = after

    def __getattr__(self, operation: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Killed
            answer = await getattr(self._gateway, operation)(*args, **kwargs)
            if self._left < 0:
                raise Killed
            return answer

        return call


_MOMENT_SECONDS = 0.005


class ShiftedClock(SystemClock):
    """Real time, and what a test adds to it; who sleeps adds that.

    A sleep lasts a moment nevertheless: whoever looks after something every few seconds would else
    let minutes go by, and leases run out, while a request is on its way to a server.
    """

    shift = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.shift

    def now(self) -> float:
        return super().now() + self.shift

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(_MOMENT_SECONDS)
        self.shift += seconds


def name_of(item: Item) -> tuple[str, int]:
    return item["customer"], int(item["day"])


class Lists:
    """One old item is all days of a customer; each becomes an item of its own."""

    def forward(self, item: Item) -> list[Item]:
        return [
            {"customer": item["customer"], "day": day, "name": f"old {day}", "total": day}
            for day in item["days"]
        ]

    def old_key(self, new_key: Item) -> Item:
        return {"customer": new_key["customer"]}


FORMS = ("days", "text days", "lists of days")
"""How the old table holds what the new one has as items of a day each."""


def old_items(form: str, names: Iterable[tuple[str, int]]) -> list[Item]:
    """Return the old items that yield these."""
    if form == "lists of days":
        lists: dict[str, list[int]] = {}
        for customer, day in names:
            lists.setdefault(customer, []).append(day)
        return [{"customer": customer, "days": found} for customer, found in lists.items()]
    kind = str if form == "text days" else int
    return [
        {"customer": customer, "day": kind(day), "nme": f"old {day}", "total": str(day)}
        for customer, day in names
    ]


@attrs.define
class Paging:
    """A query or scan that somebody goes through page by page, while others write."""

    page: Callable[[str | None], Any]
    there: set[tuple[str, int]]
    """The keys that have been there since it began."""
    in_order: bool = False
    descending: bool = False
    token: str | None = None
    found: list[tuple[str, int]] = attrs.field(factory=list)

    async def go_on(self) -> bool:
        """Read the next page; tell whether it was the last."""
        items = self.page(self.token)
        self.found += [name_of(item) async for item in items]
        self.token = items.token
        return self.token is None

    def check(self) -> None:
        """Nothing that was there all the time was left out, nothing came twice."""
        assert self.there <= set(self.found)
        assert len(set(self.found)) == len(self.found)
        if self.in_order:
            assert self.found == sorted(self.found, reverse=self.descending)


class DictMachine(RuleBasedStateMachine):
    """Three repositories on one migration, with different settings, and the dict `model`."""

    connect: ClassVar[Connect]
    steps: ClassVar[int] = 0
    paging: ClassVar[type[Paging]] = Paging

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.model: dict[tuple[str, int], Item] = {}
        self.phase = Phase.MIGRATING
        self.complete = False
        self.pagings: list[Paging] = []

    # -- the beginning and the end -----------------------------------------------------------------

    @initialize(olds=st.lists(keys, unique_by=name_of, max_size=8), form=st.sampled_from(FORMS))
    def begin(self, olds: list[Item], form: str) -> None:
        """Fill the old table, in one of its forms, and open the repositories."""
        self.run(self._begin(olds, form))

    async def _begin(self, olds: list[Item], form: str) -> None:
        self.gateway = await self._stack.enter_async_context(type(self).connect())
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.plan = _plan(f"m-{uuid.uuid4().hex[:12]}", form)
        await self.gateway.create_table(old_definition(self.plan.old, form))
        await self.gateway.create_table(definition(self.plan.new, "by-name"))
        await orders.fill(self.gateway, self.plan.old, old_items(form, map(name_of, olds)))
        for customer, day in map(name_of, olds):
            item = {"day": Decimal(day), "name": f"old {day}", "total": Decimal(day)}
            self.model[customer, day] = {"customer": customer, **item}
        self.control = Control(self.gateway, self.plan.control_table, self.plan.name)
        await self.control.ensure_table()
        self.before = await orders.digest(self.gateway, self.plan.old)
        self.clock = ShiftedClock()
        self.repositories = [
            await self._stack.enter_async_context(
                DualTableRepository(self.plan, gateway=self.gateway, clock=self.clock, **settings)
            )
            for settings in SETTINGS
        ]

    def teardown(self) -> None:
        """Compare everything once more, and close what was opened."""
        try:
            if hasattr(self, "repositories"):
                self.scan(0, None, 3)
                assert self.run(orders.digest(self.gateway, self.plan.old)) == self.before
        finally:
            self.run(self._stack.aclose())
            self._runner.close()

    def run(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Do one thing after the other."""
        type(self).steps += 1
        return self._runner.run(call)

    # -- reads -------------------------------------------------------------------------------------

    @rule(n=numbers, key=keys, consistent_read=st.booleans())
    def get(self, n: int, key: Item, consistent_read: bool) -> None:
        found = self.run(self.repositories[n].get(key, consistent_read=consistent_read))
        assert found == self.model.get(name_of(key))

    @rule(n=numbers, wanted=st.lists(keys, max_size=6))
    def batch_get(self, n: int, wanted: list[Item]) -> None:
        found = self.run(self.repositories[n].batch_get(wanted))
        assert found == [self.model.get(name_of(key)) for key in wanted]

    @rule(n=numbers, wanted=st.lists(keys, min_size=1, max_size=4, unique_by=name_of))
    def transact_get(self, n: int, wanted: list[Item]) -> None:
        found = self.run(self.repositories[n].transact_get(wanted))
        assert found == [self.model.get(name_of(key)) for key in wanted]

    @rule(
        n=numbers,
        customer=customers,
        low=days,
        descending=st.booleans(),
        limit=limits,
        least=st.none() | totals,
    )
    def query(self, **asked: Any) -> None:
        """A range of a partition, in either direction, page by page, under a filter."""
        customer, low, least = asked["customer"], asked["low"], asked["least"]
        wanted = [
            item
            for (its, day), item in sorted(self.model.items())
            if its == customer and day >= low and (least is None or item["total"] >= least)
        ]
        condition = Key("customer").eq(customer) & Key("day").gte(low)
        kept = None if least is None else Attr("total").gte(least)

        def page(token: str | None) -> Any:
            return self.repositories[asked["n"]].query(
                condition,
                filter=kept,
                descending=asked["descending"],
                limit=asked["limit"],
                consistent_read=True,
                token=token,
            )

        found = self.run(all_pages(page))
        assert found == (wanted[::-1] if asked["descending"] else wanted)

    def _may_page(self) -> bool:
        """Tell whether a page may begin after an item that is gone: dynoxide finds nothing then."""
        return self.phase is not Phase.FINISHED or isinstance(self.gateway, MemoryGateway)

    @precondition(lambda self: self._may_page() and len(self.pagings) < 3)
    @rule(n=numbers, limit=st.integers(1, 3), consistent_read=st.booleans())
    def begin_a_scan(self, n: int, **asked: Any) -> None:
        """Scan page by page, and let the other rules come in between."""
        repository = self.repositories[n]
        page = lambda token: repository.scan(token=token, **asked)  # noqa: E731
        self.pagings.append(self.paging(page, set(self.model)))

    @precondition(lambda self: self._may_page() and len(self.pagings) < 3)
    @rule(n=numbers, customer=customers, limit=st.integers(1, 3), descending=st.booleans())
    def begin_a_query(self, n: int, customer: str, **asked: Any) -> None:
        """Query page by page, and let the other rules come in between."""
        repository, condition = self.repositories[n], Key("customer").eq(customer)
        page = lambda token: repository.query(condition, token=token, **asked)  # noqa: E731
        there = {name for name in self.model if name[0] == customer}
        paging = self.paging(page, there, in_order=True, descending=asked["descending"])
        self.pagings.append(paging)

    @precondition(lambda self: self._may_page() and self.pagings)
    @rule(which=st.integers(0, 2))
    def read_a_page(self, which: int) -> None:
        """Go on with one of those, and see at its end that nothing is missing or came twice."""
        paging = self.pagings[which % len(self.pagings)]
        if self.run(paging.go_on()):
            self.pagings.remove(paging)
            paging.check()

    @invariant()
    def note_what_has_gone(self) -> None:
        """What is deleted need not come, also where it is written again."""
        for paging in self.pagings:
            paging.there &= self.model.keys()

    @rule(n=numbers, limit=limits, total_segments=st.integers(1, 3))
    def scan(self, n: int, limit: int | None, total_segments: int) -> None:
        found = []
        for segment in range(total_segments):

            def page(token: str | None, segment: int = segment) -> Any:
                return self.repositories[n].scan(
                    limit=limit,
                    segment=segment,
                    total_segments=total_segments,
                    consistent_read=True,
                    token=token,
                )

            found += self.run(all_pages(page))
        assert sorted(found, key=name_of) == [item for _, item in sorted(self.model.items())]

    @rule(n=numbers, name=st.sampled_from(["old 1", "new"]))
    def query_index(self, n: int, name: str) -> None:
        """An index of the new table alone is complete when the migration is."""

        def page(token: str | None) -> Any:
            return self.repositories[n].query(Key("name").eq(name), index="by-name", token=token)

        try:
            found = self.run(all_pages(page))
        except IndexNotReadyError:
            assert self.phase is Phase.MIGRATING
            return
        assert self.phase is not Phase.MIGRATING
        wanted = [item for _, item in sorted(self.model.items()) if item.get("name") == name]
        assert sorted(found, key=name_of) == wanted

    # -- writes ------------------------------------------------------------------------------------

    @rule(n=numbers, key=keys, total=totals)
    def put(self, n: int, key: Item, total: int) -> None:
        self.run(self.repositories[n].put(_new(key, total)))
        self.model[name_of(key)] = _new(key, total)

    @rule(n=numbers, chosen=st.lists(st.tuples(keys, totals), max_size=5))
    def batch_put(self, n: int, chosen: list[tuple[Item, int]]) -> None:
        items = [_new(key, total) for key, total in chosen]
        self.run(self.repositories[n].batch_put(items))
        self.model |= {name_of(item): item for item in items}

    @rule(n=numbers, key=keys, total=totals)
    def put_if_absent(self, n: int, key: Item, total: int) -> None:
        self._expect(
            self.repositories[n].put(_new(key, total), if_absent=True),
            ItemExistsError if name_of(key) in self.model else None,
        )
        self.model.setdefault(name_of(key), _new(key, total))

    @rule(n=numbers, key=keys, total=totals, least=totals, spelt=spellings)
    def put_if(self, n: int, key: Item, total: int, least: int, spelt: Spelling) -> None:
        holds = self._has_total(key, least)
        call = self.repositories[n].put(_new(key, total), **spelt(least))
        self._expect(call, None if holds else ConditionFailedError)
        if holds:
            self.model[name_of(key)] = _new(key, total)

    @rule(n=numbers, key=keys, create=st.booleans())
    def update(self, n: int, key: Item, create: bool) -> None:
        def change(item: Item) -> Item:
            return {**item, "total": item.get("total", 0) + 1, "changed": True}

        there = self.model.get(name_of(key))
        call = self.repositories[n].update(key, change, create=create)
        found = self._expect(call, ItemNotFoundError if there is None and not create else None)
        if there is not None or create:
            self.model[name_of(key)] = change(there or key)
            assert found == self.model[name_of(key)]

    @rule(n=numbers, key=keys, by=totals, least=st.none() | totals, called=placeholders)
    def update_item(self, n: int, key: Item, by: int, least: int | None, called: list[str]) -> None:
        total, name, added, new, limit = called
        values = {added: by, new: "new"} | ({} if least is None else {limit: least})
        call = self.repositories[n].update_item(
            key,
            UpdateExpression=f"ADD {total} {added} SET {name} = {new} REMOVE changed",
            ConditionExpression=None if least is None else f"{total} >= {limit}",
            ExpressionAttributeNames={total: "total", name: "name"},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        holds = least is None or self._has_total(key, least)
        found = self._expect(call, None if holds else ConditionFailedError)
        if holds:
            self._added(key, by)
            assert found == self.model[name_of(key)]

    @rule(n=numbers, key=keys, return_old=st.booleans())
    def delete(self, n: int, key: Item, return_old: bool) -> None:
        found = self.run(self.repositories[n].delete(key, return_old=return_old))
        there = self.model.pop(name_of(key), None)
        assert found == (there if return_old else None)

    @rule(n=numbers, key=keys)
    def take_away(self, n: int, key: Item) -> None:
        """Where there is nothing, nothing is made."""
        call = self.repositories[n].update_item(
            key, UpdateExpression="REMOVE changed, #n", ExpressionAttributeNames={"#n": "name"}
        )
        self.run(call)
        for name in ("changed", "name"):
            self.model.get(name_of(key), {}).pop(name, None)

    @rule(n=numbers, key=keys, least=totals, spelt=spellings)
    def delete_if(self, n: int, key: Item, least: int, spelt: Spelling) -> None:
        holds = self._has_total(key, least)
        call = self.repositories[n].delete(key, **spelt(least))
        self._expect(call, None if holds else ConditionFailedError)
        if holds:
            del self.model[name_of(key)]

    @rule(
        n=numbers,
        chosen=st.lists(keys, min_size=3, max_size=3, unique_by=name_of),
        total=totals,
        least=st.none() | totals,
        called=placeholders,
    )
    def transact_write(
        self, n: int, chosen: list[Item], total: int, least: int | None, called: list[str]
    ) -> None:
        """A put, an update and a delete, all or none, under a condition of the put."""
        put, update, delete = chosen
        holds = least is None or self._has_total(put, least)
        t, name, added, new, _ = called
        adding = {"names": {t: "total", name: "name"}, "values": {added: 2, new: "new"}}
        actions = [
            Put(_new(put, total), None if least is None else Attr("total").gte(least)),
            Update(update, f"ADD {t} {added} SET {name} = {new} REMOVE changed", **adding),
            Delete(delete),
        ]
        call = self.repositories[n].transact_write(actions)
        self._expect(call, None if holds else ConditionFailedError)
        if holds:
            self.model[name_of(put)] = _new(put, total)
            self._added(update, 2)
            self.model.pop(name_of(delete), None)

    def _expect(self, call: Coroutine[Any, Any, Any], error: type[Exception] | None) -> Any:
        """Return the answer; the error must come where there is to be one."""
        if error is None:
            return self.run(call)
        try:
            self.run(call)
        except error:
            return None
        raise AssertionError(f"{error.__name__} did not come")

    def _has_total(self, key: Item, least: int) -> bool:
        there = self.model.get(name_of(key))
        return there is not None and there["total"] >= least

    def _added(self, key: Item, by: int) -> None:
        there = self.model.get(name_of(key), key)
        item = {**there, "total": there.get("total", 0) + by, "name": "new"}
        item.pop("changed", None)
        self.model[name_of(key)] = item

    # -- the migration -----------------------------------------------------------------------------

    def _migrating(self) -> bool:
        return self.phase is Phase.MIGRATING

    @precondition(_migrating)
    @rule(pages=st.integers(1, 3))
    def copy_some_pages(self, pages: int) -> None:
        """Run a migrator that is stopped after some pages."""
        migrator = self._migrator(
            self.gateway, lambda progress: progress.report.pages >= pages and migrator.stop()
        )
        self.run(migrator.run())

    @precondition(_migrating)
    @rule()
    def copy_the_rest(self) -> None:
        """Run a migrator to its end.

        Only this makes the way free for the next phase: how far the others come depends, on a
        server, on which request is answered first, and a run must be the same when it is repeated.
        """
        report = self.run(self._migrator(self.gateway).run())
        assert report.ok
        self.complete = True

    @precondition(_migrating)
    @rule(calls=st.integers(0, 30), after=st.booleans())
    def kill_a_migrator(self, calls: int, after: bool) -> None:
        """Run a migrator whose process dies, and wait until its leases have run out."""
        mortal: Any = MortalGateway(self.gateway, calls, after=after)
        try:
            self.run(self._migrator(mortal).run())
        except Killed:
            self.clock.shift += LEASE_SECONDS + 1

    @precondition(lambda self: self.complete and self.phase is not Phase.FINISHED)
    @rule()
    def enter_the_next_phase(self) -> None:
        """Move on when everybody has seen the phase before, and let everybody see the new one."""
        to = Phase.MIGRATED if self._migrating() else Phase.FINISHED
        state = self.run(self.control.advance(to, self.clock.now()))
        self.phase = state.phase
        self.clock.shift += 60

    @precondition(lambda self: self.phase is Phase.FINISHED)
    @rule()
    def sweep_tombstones(self) -> None:
        """Delete what only reminded of deletes; there is nothing to fall back to."""
        marks = self.plan.marks
        for item in self.run(orders.everything(self.gateway, self.plan.new)):
            if marks.is_tombstone(item):
                key = {name: item[name] for name in ("customer", "day")}
                self.run(self.gateway.delete(self.plan.new, key))

    def _migrator(self, gateway: Gateway, observer: Any = None) -> Migrator:
        return Migrator(
            self.plan,
            gateway=gateway,
            total_segments=2,
            concurrency=2,
            page_items=2,
            lease_seconds=LEASE_SECONDS,
            dead_letters=self.folder / "dead-letters",
            clock=self.clock,
            observer=observer,
        )


def compare(
    connect_to: Connect,
    examples: int,
    steps: int,
    machine: type[DictMachine] = DictMachine,
    **how: Any,
) -> int:
    """Run a machine, and return how many steps it took."""
    machine = type("Machine", (machine,), {"connect": staticmethod(connect_to), "steps": 0})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **how,
    )
    run_state_machine_as_test(machine, settings=chosen)
    return machine.steps


@asynccontextmanager
async def memory() -> AsyncIterator[Gateway]:
    """Give each example tables of its own."""
    yield MemoryGateway()


def at(url: str) -> Connect:
    """Return what connects to a server."""
    return lambda: connect({"endpoint_url": url}, PRODUCTION)


async def all_pages(page: Callable[[str | None], Any]) -> list[Item]:
    """Iterate from token to token until there is none."""
    found: list[Item] = []
    token = None
    while True:
        iterator = page(token)
        found += [item async for item in iterator]
        token = iterator.token
        if token is None:
            return found


def _new(key: Item, total: int) -> Item:
    return {**key, "name": "new", "total": Decimal(total)}


def _plan(name: str, form: str) -> Migration:
    steps = (Rename("nme", "name"), Convert("total", int, back=str))
    transforms = {
        "days": Chain(*steps),
        "text days": Chain(*steps, Convert("day", Decimal, back=str)),
        "lists of days": Lists(),
    }
    return Migration(
        name,
        f"{name}-old",
        f"{name}-new",
        transforms[form],
        control_table=f"{name}-control",
        indexes=[Index("by-name", KeySchema("name"))],
    )


def old_definition(name: str, form: str) -> dict[str, Any]:
    days = {"days": [("day", "N")], "text days": [("day", "S")], "lists of days": []}
    return orders.table(name, ("customer", "S"), *days[form])


def definition(name: str, index: str) -> dict[str, Any]:
    definition = orders.table(name, ("customer", "S"), ("day", "N"))
    definition["AttributeDefinitions"].append({"AttributeName": "name", "AttributeType": "S"})
    definition["GlobalSecondaryIndexes"] = [
        {
            "IndexName": index,
            "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    return definition
