"""Page tokens that nobody gave out: each is refused by one error, before anything is sent."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import orders
import pytest
from boto3.dynamodb.conditions import Key
from hypothesis import given
from hypothesis import strategies as st

from dualtable import DualTableRepository, Index, KeySchema, Migration, Phase
from dualtable._clock import SystemClock
from dualtable._control.control_table import Control
from dualtable._reading.tokens import digest, from_token
from dualtable.errors import InvalidTokenError
from dualtable.testing import MemoryGateway

KEY = (("customer", "S"), ("day", "N"))
PLAN = Migration(
    "days",
    "days-old",
    "days-new",
    lambda item: item,
    indexes=[Index("by-day", KeySchema(("day", "N")), old_index="by-day")],
)
Shop = DualTableRepository[dict[str, Any]]
Ask = Callable[[Shop, str | None], Any]

ASKED: dict[str, Ask] = {
    "scan": lambda shop, token: shop.scan(limit=2, token=token),
    "segment": lambda shop, token: shop.scan(segment=1, total_segments=2, token=token),
    "query": lambda shop, token: shop.query(
        Key("customer").eq("c-1") & Key("day").gt(1), limit=2, token=token
    ),
    "index": lambda shop, token: shop.query(Key("day").eq(2), index="by-day", limit=2, token=token),
}
each_question = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


def indexed(name: str) -> dict[str, Any]:
    definition = orders.table(name, *KEY)
    definition["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-day",
            "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    return definition


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Five customers with five days each, one of them put since."""
    gateway = MemoryGateway()
    for name in (PLAN.old, PLAN.new):
        await gateway.create_table(indexed(name))
    days = [{"customer": f"c-{c}", "day": d} for c in range(5) for d in range(5)]
    await orders.fill(gateway, PLAN.old, days)
    async with DualTableRepository(PLAN, gateway=gateway) as opened:
        await opened.put({"customer": "c-1", "day": 2, "put": True})
        yield opened


async def token_of(shop: Shop, ask: Ask) -> str:
    page = ask(shop, None)
    await anext(page)
    assert page.token is not None
    return str(page.token)


def opened(token: str) -> list[Any]:
    content: list[Any] = msgspec.json.decode(base64.urlsafe_b64decode(token + "==="))
    return content


def sealed(content: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")


def refused(shop: Shop, ask: Ask, token: Any) -> str:
    with pytest.raises(InvalidTokenError) as caught:
        ask(shop, token)
    return str(caught.value)


@each_question
@pytest.mark.parametrize(
    "token", ["", "x", "é", "\ud800", "====", "bnVsbA", "e30", "W10", 5, b"x", [], {}, object()]
)
async def test_what_is_no_token(shop: Shop, ask: Ask, token: Any) -> None:
    """Any text and any object, null, {} and [] in base64 among them."""
    assert "no page token" in refused(shop, ask, token)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_any_text_is_refused(text: str) -> None:
    """Nothing but an InvalidTokenError comes of a text that nobody gave out."""
    with pytest.raises(InvalidTokenError):
        from_token(text, digest("question"))


@each_question
async def test_a_token_of_another_kind_or_version(shop: Shop, ask: Ask) -> None:
    """Said apart, because what to do next differs."""
    token = await token_of(shop, ask)
    for other in ASKED.values():
        if other is not ask:
            assert "another query or scan" in refused(shop, ask, await token_of(shop, other))
    version, question, position = opened(token)
    for wrong in (version - 1, version + 1):
        message = refused(shop, ask, sealed([wrong, question, position]))
        assert "another version" in message
    for damaged in (
        [True, question, position],
        [version, 5, position],
        [version, question],
        [version, question, [position]],
        [version, question, None],
        {"version": version},
    ):
        assert "no page token" in refused(shop, ask, sealed(damaged))


WRONG_KEYS: list[Any] = [
    5,
    [],
    "c-1",
    {},
    {"customer": {"S": "c-1"}},
    {"customer": {"S": "c-1"}, "day": {"N": "2"}, "more": {"S": "x"}},
    {"customer": {"S": "c-1"}, "day": "2"},
    {"customer": {"S": "c-1"}, "day": {"N": 2}},
    {"customer": {"S": "c-1"}, "day": {"S": "2"}},
    {"customer": {"S": "c-1"}, "day": {"N": "two"}},
    {"customer": {"S": "c-1"}, "day": {"N": "2" * 39}},
    {"customer": {"S": "c-1"}, "day": {"N": "2", "S": "2"}},
    {"customer": {"S": ""}, "day": {"N": "2"}},
    {"customer": {"S": "c" * 3000}, "day": {"N": "2"}},
    {"customer": {"NULL": True}, "day": {"N": "2"}},
    {"customer": None, "day": None},
    {"customer": {"L": [{"S": "c-1"}]}, "day": {"N": "2"}},
]


@each_question
async def test_a_token_whose_position_was_forged(shop: Shop, ask: Ask) -> None:
    """Each field gone, added, of another type; each key one that no table here could have."""
    version, question, position = opened(await token_of(shop, ask))

    def forged(**changes: Any) -> str:
        return refused(shop, ask, sealed([version, question, {**position, **changes}]))

    for name in position:
        less = {each: value for each, value in position.items() if each != name}
        refused(shop, ask, sealed([version, question, less]))
    forged(more=1)
    keys = [name for name, value in position.items() if isinstance(value, dict)]
    assert keys
    for name in keys:
        for wrong in WRONG_KEYS:
            forged(**{name: wrong})
    for name in position.keys() - keys:
        for value in (7, "old", [], {}, 1.5):
            if value != position[name]:
                forged(**{name: value})
    forged(**dict.fromkeys(position))


async def test_a_token_leads_into_no_other_partition(shop: Shop) -> None:
    """Whoever pages for somebody else may pass tokens on: they cannot be turned to other items."""
    version, question, position = opened(await token_of(shop, ASKED["query"]))
    for customer, day in (("c-2", "3"), ("c-1", "1")):
        position["new"] = {"customer": {"S": customer}, "day": {"N": day}}
        refused(shop, ASKED["query"], sealed([version, question, position]))


async def test_a_key_in_a_token_has_its_one_spelling(shop: Shop) -> None:
    """A number that was spelled otherwise on its way is the same number."""
    version, question, position = opened(await token_of(shop, ASKED["query"]))
    position["new"]["day"] = {"N": "2.0e0"}
    rest = ASKED["query"](shop, sealed([version, question, position]))
    assert [int(item["day"]) async for item in rest] == [3, 4]


async def test_a_place_in_an_old_table_that_is_not_known_is_refused() -> None:
    """After the cut-over nobody asks the old table; what had been brought cannot be told then."""
    plan = Migration("split", "split-old", "split-new", Split(), control_table="split-control")
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(plan.old))
    await gateway.create_table(orders.table(plan.new, ("order", "S"), ("line", "N")))
    await orders.fill(gateway, plan.old, [{"id": "o-1"}, {"id": "o-2"}])
    async with DualTableRepository(plan, gateway=gateway) as lines:
        page = lines.scan(limit=3)
        assert len([item async for item in page]) == 3
    control = Control(gateway, plan.control_table, plan.name)
    await control.ensure_table()
    await control.advance(Phase.MIGRATED, SystemClock().now())
    async with DualTableRepository(plan, gateway=gateway) as lines:
        with pytest.raises(InvalidTokenError, match="before the cut-over"):
            lines.scan(token=page.token)


class Split:
    """An order becomes its two lines."""

    def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"order": item["id"], "line": n} for n in range(2)]

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["order"]}
