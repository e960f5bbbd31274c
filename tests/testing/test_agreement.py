"""Random expressions on random items: the memory gateway answers as the reference servers do.

DynamoDB Local is to agree in everything. dynoxide does not check all operands before it looks at
the item, and is wrong about positions in lists (see `expression_cases.PADS` and `SHIFTS`): what is
refused in memory need not be refused there, and updates leave lists alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import attrs
import pytest
from expression_cases import L, M, N, S
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from orders import table

from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._expressions.texts import Condition, Update
from dualtable._wire.values import equal_items, normal
from dualtable.errors import RequestRefusedError
from dualtable.testing import MemoryGateway

REFERENCES = ["dynamodb-local", "dynoxide"]
EXAMPLES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
KEY = {"id": S("k")}

numbers = st.sampled_from(["0", "1", "-1", "2.5", "100", "1E+20", "12345678901234567890"])
texts = st.sampled_from(["", "a", "ab", "b", "é", "😀"])
binaries = st.sampled_from(["", "AQ==", "AQI=", "/w=="])
scalars = (
    numbers.map(N)
    | texts.map(S)
    | binaries.map(lambda content: {"B": content})
    | st.booleans().map(lambda content: {"BOOL": content})
    | st.just({"NULL": True})
)
ordered = numbers.map(N) | texts.map(S)
sets = (
    st.sets(numbers, min_size=1, max_size=3).map(lambda members: {"NS": sorted(members)})
    | st.sets(texts, min_size=1, max_size=3).map(lambda members: {"SS": sorted(members)})
    | st.sets(binaries, min_size=1, max_size=3).map(lambda members: {"BS": sorted(members)})
)
names = st.sampled_from(["a", "b", "c", "d"])
values = st.recursive(
    scalars | sets,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda members: L(*members))
        | st.dictionaries(names, inner, max_size=3).map(lambda members: M(**members))
    ),
    max_leaves=6,
)
items = st.dictionaries(names, values, min_size=2, max_size=4)


@attrs.frozen
class Expression:
    """A text and the values that belong to it."""

    text: str
    values: dict[str, Any]


class Writer:
    """Writes an expression at random; each value gets a placeholder of its own."""

    def __init__(self, draw: st.DrawFn, positions: bool) -> None:
        self.draw = draw
        self.positions = positions
        self.values: dict[str, Any] = {}

    def literal(self, among: st.SearchStrategy[Any] = values) -> str:
        token = f":v{len(self.values)}"
        self.values[token] = self.draw(among)
        return token

    def path(self) -> str:
        text = self.draw(st.sampled_from("abcde"))
        for _ in range(self.draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))):
            is_position = self.positions and self.draw(st.booleans())
            text += f"[{self.draw(st.integers(0, 3))}]" if is_position else f".{self.draw(names)}"
        return text

    def one_of(self, *writers: Callable[[], str]) -> str:
        return self.draw(st.sampled_from(writers))()

    def operand(self) -> str:
        return self.one_of(
            self.path,
            self.path,
            self.literal,
            lambda: self.literal(ordered),
            lambda: f"size({self.path()})",
        )

    def predicate(self) -> str:
        return self.one_of(
            lambda: f"{self.operand()} {self.draw(comparators)} {self.operand()}",
            lambda: f"{self.operand()} BETWEEN {self.operand()} AND {self.operand()}",
            lambda: f"{self.operand()} IN ({self.operand()}, {self.operand()})",
            lambda: f"attribute_exists({self.path()})",
            lambda: f"attribute_not_exists({self.path()})",
            lambda: f"attribute_type({self.path()}, {self.literal(types)})",
            lambda: f"begins_with({self.path()}, {self.operand()})",
            lambda: f"contains({self.path()}, {self.operand()})",
        )

    def condition(self, depth: int = 2) -> str:
        if not depth or self.draw(st.booleans()):
            return self.predicate()
        return self.one_of(
            lambda: f"NOT {self.condition(depth - 1)}",
            lambda: f"({self.condition(depth - 1)}) AND ({self.condition(depth - 1)})",
            lambda: f"{self.condition(depth - 1)} OR {self.condition(depth - 1)}",
            lambda: f"{self.condition(depth - 1)} AND {self.condition(depth - 1)}",
        )

    def source(self) -> str:
        return self.one_of(
            self.path,
            self.literal,
            self.literal,
            lambda: self.literal(numbers.map(N)),
            lambda: f"if_not_exists({self.path()}, {self.literal()})",
            lambda: f"list_append({self.path()}, {self.literal(lists)})",
        )

    def result(self) -> str:
        return self.one_of(
            self.source,
            self.source,
            self.source,
            lambda: f"{self.source()} + {self.literal(numbers.map(N))}",
            lambda: f"{self.literal(numbers.map(N))} - {self.source()}",
        )

    def clauses(self) -> str:
        written = {
            "SET": lambda: f"{self.path()} = {self.result()}",
            "REMOVE": self.path,
            "ADD": lambda: f"{self.path()} {self.literal(numbers.map(N) | sets)}",
            "DELETE": lambda: f"{self.path()} {self.literal(sets)}",
        }
        chosen = self.draw(
            st.lists(st.sampled_from([*written]), min_size=1, max_size=2, unique=True)
        )
        return " ".join(
            f"{clause} {', '.join(written[clause]() for _ in range(self.draw(st.integers(1, 2))))}"
            for clause in chosen
        )


comparators = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
types = st.sampled_from(["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"]).map(S)
lists = st.lists(scalars, max_size=2).map(lambda members: L(*members))


@st.composite
def conditions(draw: st.DrawFn) -> Expression:
    writer = Writer(draw, positions=True)
    return Expression(writer.condition(), writer.values)


@st.composite
def updates(draw: st.DrawFn, positions: bool) -> Expression:
    writer = Writer(draw, positions)
    return Expression(writer.clauses(), writer.values)


async def judged(gateway: Gateway, name: str, item: dict[str, Any], one: Expression) -> Any:
    """Return whether a condition holds, or that it is refused."""
    await gateway.put(name, item)
    try:
        await gateway.put(name, item, Condition(one.text, {}, one.values))
    except ConditionFailed:
        return False
    except RequestRefusedError:
        return "refused"
    return True


async def updated(gateway: Gateway, name: str, item: dict[str, Any], one: Expression) -> Any:
    """Return what an update makes of an item, or that it is refused."""
    await gateway.put(name, item)
    try:
        await gateway.update(name, KEY, Update(one.text, {}, one.values))
    except RequestRefusedError:
        return "refused"
    return await gateway.get(name, KEY, consistent_read=True)


def agree(mine: Any, theirs: Any, server: str) -> bool:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return equal_items(mine, theirs)
    return mine == theirs or (server == "dynoxide" and mine == "refused")


@pytest.fixture(params=REFERENCES)
def pair(request: pytest.FixtureRequest, running: Any, table_name: str) -> Any:
    """Return a function that asks the memory gateway and a server, and whether they agree."""
    endpoint = running(request.param)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        memory = MemoryGateway()
        server = runner.run(
            stack.enter_async_context(connect({"endpoint_url": endpoint}, PRODUCTION))
        )
        for gateway in (memory, server):
            runner.run(gateway.create_table(table(table_name)))

        def check(ask: Any, item: dict[str, Any], one: Expression) -> None:
            mine, theirs = (
                runner.run(ask(gateway, table_name, {**KEY, **item}, one))
                for gateway in (memory, server)
            )
            assert agree(mine, theirs, request.param), f"{one}: {mine} in memory, {theirs} there"

        check.server = request.param  # type: ignore[attr-defined]
        yield check
        runner.run(stack.aclose())


def test_random_conditions_are_judged_alike(pair: Any) -> None:
    """The fake and the engine may not drift from DynamoDB in some corner that nobody listed."""

    @EXAMPLES
    @given(items, conditions())
    @example({"a": S("a")}, Expression("a = :v", {":v": S("a")}))
    def check(item: dict[str, Any], condition: Expression) -> None:
        pair(judged, item, condition)

    check()


def _spelled(update: Expression) -> Expression:
    """Return an update with its sets as DynamoDB spells them; dynoxide compares them as texts."""
    values = dict(update.values)
    for token, value in values.items():
        with suppress(RequestRefusedError):
            values[token] = normal(value) if "NS" in value else value
    return Expression(update.text, values)


def test_random_updates_are_applied_alike(pair: Any) -> None:
    """The same for what updates make of items."""

    @EXAMPLES
    @given(items, updates(positions=pair.server != "dynoxide"))
    @example({"a": N("1")}, Expression("SET a = a + :v", {":v": N("1")}))
    @example({"a": {"NS": ["1E+20"]}}, Expression("DELETE a :v", {":v": {"NS": ["1E+20"]}}))
    def check(item: dict[str, Any], update: Expression) -> None:
        pair(updated, item, _spelled(update) if pair.server == "dynoxide" else update)

    check()
