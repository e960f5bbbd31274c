"""A batched put-if-absent stores each attribute under the very name that it has."""

from __future__ import annotations

from collections.abc import Callable

import orders
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from dualtable._dynamodb.aws import open_gateway
from dualtable._dynamodb.client import local_settings
from dualtable._dynamodb.gateway import Outcome
from dualtable._dynamodb.parameters import insert_statement
from dualtable._wire import codec

ODD_NAMES = (
    "a.b",
    "a b",
    "a-b",
    "a#",
    "a:",
    "?",
    "{}",
    "[0]",
    "\\",
    "\n",
    "--",
    "select",
    "né",
)


def test_items_with_the_same_names_share_a_statement() -> None:
    """The text is made once, not for each item; order matters, for parameters go by position."""
    first = insert_statement("t", ("id", "total"))
    assert insert_statement("t", ("id", "total")) is first
    assert insert_statement("t", ("total", "id")) != first
    assert insert_statement("u", ("id", "total")) != first


@given(st.lists(strategies.names, unique=True))
def test_a_statement_has_a_place_for_each_name(names: list[str]) -> None:
    """As many question marks as parameters, whatever else a name holds."""
    statement = insert_statement("t", tuple(names))
    if any(name.startswith(("#", ":")) or "'" in name or '"' in name for name in names):
        assert statement is None
    else:
        assert statement is not None
        assert statement.count("': ?") >= len(names)


@pytest.mark.parametrize("name", ["dynamodb-local", "dynoxide"])
async def test_odd_names_are_stored_as_they_are(
    name: str, running: Callable[[str], str], table_name: str
) -> None:
    """Nothing in a name is read as syntax; the embedded server is not up to some of these."""
    items = [codec.encode({"id": f"o-{number}", n: "x"}) for number, n in enumerate(ODD_NAMES)]
    assert all(insert_statement(table_name, tuple(item)) for item in items)
    async with open_gateway(**local_settings(running(name))) as gateway:
        await gateway.create_table(orders.table(table_name))
        batch = await gateway.insert(table_name, orders.packed(items), key_name="id")
        assert {answer.outcome for answer in batch.outcomes} == {Outcome.WRITTEN}
        found = await orders.everything(gateway, table_name)
    assert {item["id"]["S"]: item for item in found} == {i["id"]["S"]: i for i in items}


async def test_what_partiql_refuses_goes_by_put_item(server: str, table_name: str) -> None:
    """A server that stumbles over a name (the embedded one over this) gets the item otherwise."""
    items = [codec.encode({"id": f"o-{number}", "a:b": "x"}) for number in range(2)]
    async with open_gateway(**local_settings(server)) as gateway:
        await gateway.create_table(orders.table(table_name))
        for outcome in (Outcome.WRITTEN, Outcome.PRESENT):
            batch = await gateway.insert(table_name, orders.packed(items), key_name="id")
            assert [answer.outcome for answer in batch.outcomes] == [outcome] * 2


@pytest.mark.parametrize("name", ["#id", ":id", "#", ":", '"id"', "it's", "#a.b", ":id?"])
async def test_a_key_that_reads_as_syntax_goes_by_put_item(
    name: str, server: str, table_name: str
) -> None:
    """Put if absent holds whatever the partition key and another attribute are called."""
    items = [codec.encode({name: f"o-{number}", f"{name}2": "x"}) for number in range(2)]
    assert insert_statement(table_name, tuple(items[0])) is None
    async with open_gateway(**local_settings(server)) as gateway:
        await gateway.create_table(orders.table(table_name, (name, "S")))
        for outcome in (Outcome.WRITTEN, Outcome.PRESENT):
            batch = await gateway.insert(table_name, orders.packed(items), key_name=name)
            assert [answer.outcome for answer in batch.outcomes] == [outcome] * 2
        found = await orders.everything(gateway, table_name)
    assert sorted(found, key=lambda item: item[name]["S"]) == items
