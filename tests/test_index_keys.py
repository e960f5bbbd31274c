"""Indexes whose partition or order is made up of several attributes, from the table to the query.

No server of the tests knows them, and each says so; MemoryGateway does as DynamoDB does.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Key

from dualtable import (
    Chain,
    DualTableRepository,
    Index,
    KeyAttribute,
    KeySchema,
    Migration,
    Migrator,
    Rename,
    Verifier,
    create_table,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._dynamodb.tables import differences, new_table
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.layouts import layout
from dualtable.errors import (
    DualTableError,
    InvalidKeyError,
    RequestRefusedError,
    TableMismatchError,
    TransformError,
)
from dualtable.testing import MemoryGateway

MATCHES = KeySchema(["tournament", "region"], [("round", "N"), "bracket", ("seat", "N")])
INDEX = Index("matches", MATCHES, old_index="matches")
PLAN = Migration(
    "games", "games", "games-v2", Chain(Rename("nme", "name")), indexes=[INDEX], version="1"
)
WHERE = Key("tournament").eq("t-1") & Key("region").eq("eu")


def table(name: str, key: KeySchema = MATCHES, index: str = "matches") -> dict[str, Any]:
    """Return the definition of a table that has the index already."""
    return new_table(
        orders.table(name), name=name, key=KeySchema("id"), indexes=[Index(index, key)]
    )


def game(number: int, **changes: Any) -> dict[str, Any]:
    """Return one of some games in the old format; the numbers sort otherwise than their texts."""
    return {
        "id": f"g-{number}",
        "tournament": f"t-{1 + number % 2}",
        "region": ("eu", "us")[number // 2 % 2],
        "round": number // 8 * 9 + 1,
        "bracket": ("lower", "upper")[number // 4 % 2],
        "seat": 30 - number,
        "nme": f"game {number}",
        **changes,
    }


def order_of(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["round"], item["bracket"], item["seat"]


@pytest.fixture
async def gateway() -> MemoryGateway:
    gateway = MemoryGateway()
    await gateway.create_table(table("games"))
    await orders.fill(gateway, "games", [game(number) for number in range(32)])
    return gateway


# -- declaring, cloning, comparing -----------------------------------------------------------------


def test_how_it_is_declared() -> None:
    """Lists are several attributes; a tuple is one with its type, as ever."""
    assert KeySchema("day", ("n", "N")).names == ("day", "n")
    assert KeySchema(("day", "N")).partitions == (KeyAttribute("day", "N"),)
    assert KeySchema(["day", "N"]).partitions == (KeyAttribute("day"), KeyAttribute("N"))
    assert MATCHES.names == ("tournament", "region", "round", "bracket", "seat")
    assert [sort.type for sort in MATCHES.sorts] == ["N", "S", "N"]
    assert attrs.evolve(MATCHES) == MATCHES
    assert KeySchema(["a"], ["b"]) == KeySchema("a", "b")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: KeySchema([]), "0 partition"),
        (lambda: KeySchema(["a", "b", "c", "d", "e"]), "5 partition"),
        (lambda: KeySchema("a", ["b", "c", "d", "e", "f"]), "5 sort"),
        (lambda: KeySchema(["a", "b"], "a"), "'a'|a, b, a"),
        (lambda: KeySchema(["a", ("b", "X")]), "type 'X'"),
        (lambda: KeySchema(["a", 5]), "5 names no key attribute"),
        (lambda: Index("i", KeySchema("a", ["b", "c"]), local=True), "local index 'i'"),
        (lambda: orders.migration("t", key=KeySchema(["a", "b"])), "new table's key"),
        (lambda: orders.migration("t", key=KeySchema("a", ["b", "c"])), "new table's key"),
    ],
)
def test_what_dynamodb_has_not(wrong: Any, said: str) -> None:
    """Said when it is declared; only a global index may have several."""
    with pytest.raises(TableMismatchError, match=said):
        wrong()


def test_nobody_takes_one_of_several_for_the_key() -> None:
    """Code that knows of one attribute gets an error, and never another index."""
    for ask in (lambda: MATCHES.partition, lambda: MATCHES.sort):
        with pytest.raises(TableMismatchError, match="tournament, region, round, bracket, seat"):
            ask()


def test_a_clone_has_the_same_index() -> None:
    """The last of each kind was left: another index, and the comparison was blind to it."""
    old = table("games")
    described = {**old, "TableStatus": "ACTIVE"}
    clone = new_table(described, name="games-v2", key=None, indexes=None)
    (index,) = clone["GlobalSecondaryIndexes"]
    assert index["KeySchema"] == [
        {"AttributeName": "tournament", "KeyType": "HASH"},
        {"AttributeName": "region", "KeyType": "HASH"},
        {"AttributeName": "round", "KeyType": "RANGE"},
        {"AttributeName": "bracket", "KeyType": "RANGE"},
        {"AttributeName": "seat", "KeyType": "RANGE"},
    ]
    assert layout(clone).indexes["matches"].key == MATCHES
    assert differences(clone, {**clone, "TableStatus": "ACTIVE"}) == []


@pytest.mark.parametrize(
    "other",
    [
        KeySchema("tournament", [*MATCHES.sorts]),
        KeySchema(["region", "tournament"], [*MATCHES.sorts]),
        KeySchema(["tournament", "region", ("round", "N")], ["bracket", ("seat", "N")]),
        KeySchema(["tournament", "region"], [("round", "N"), ("seat", "N"), "bracket"]),
        KeySchema(["tournament", "region"], [("round", "N"), "bracket"]),
        KeySchema("region", ("seat", "N")),
    ],
)
def test_another_key_is_a_difference(other: KeySchema) -> None:
    """Order, number, and on which side an attribute stands: each makes another index."""
    (said,) = differences(table("games"), table("games", other))
    assert "tournament:S+region:S, round:N+bracket:S+seat:N" in said


async def test_no_server_makes_another_index_of_it(server: str, table_name: str) -> None:
    """Those that do not know such keys refuse the request; nothing is made in silence."""
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        try:
            await gateway.create_table(table(table_name))
        except RequestRefusedError:
            return
        made = layout(await gateway.describe_table(table_name))
        assert made.indexes["matches"].key == MATCHES


# -- queries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (WHERE, lambda g: True),
        (WHERE & Key("round").eq(10), lambda g: g["round"] == 10),
        (WHERE & Key("round").between(2, 10), lambda g: 2 <= g["round"] <= 10),
        (
            WHERE & Key("round").eq(10) & Key("bracket").begins_with("u"),
            lambda g: g["round"] == 10 and g["bracket"] == "upper",
        ),
        (
            WHERE & Key("round").eq(1) & Key("bracket").eq("lower") & Key("seat").gt(28),
            lambda g: g["round"] == 1 and g["bracket"] == "lower" and g["seat"] > 28,
        ),
    ],
)
@pytest.mark.parametrize("when", ["before", "halfway", "after"])
@pytest.mark.parametrize("descending", [False, True])
async def test_a_query_finds_what_is_there(
    gateway: MemoryGateway, condition: Any, wanted: Any, when: str, descending: bool
) -> None:
    """Before the copy, while both tables hold some, and after it: the same items, in order."""
    await create_table(PLAN, gateway=gateway)
    games = {number: game(number) for number in range(32)}
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        if when == "halfway":
            moved = game(6, tournament="t-1", region="eu", round=1, seat=99)  # into the partition
            games[6] = moved
            await repository.put({**moved, "name": moved["nme"]} | {"nme": "x"})
            await repository.delete({"id": "g-8"})
            del games[8]
            await repository.update({"id": "g-0"}, lambda item: {**item, "region": "us"})
            games[0]["region"] = "us"
        if when == "after":
            assert (await Migrator(PLAN, gateway=gateway).run()).ok
        asked = {"index": "matches", "descending": descending}
        found = [item async for item in repository.query(condition, **asked)]
        paged = await _paged(repository, condition, asked)
    expected = [g for g in games.values() if g["tournament"] == "t-1" and g["region"] == "eu"]
    expected = sorted(filter(wanted, expected), key=order_of, reverse=descending)
    assert [item["id"] for item in found] == [g["id"] for g in expected]
    assert paged == found


async def _paged(
    repository: DualTableRepository, condition: Any, asked: dict[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = repository.query(condition, limit=2, token=token, **asked)
        found += [item async for item in page]
        token = page.token
        if token is None:
            return found


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Key("tournament").eq("t-1"), "'region' must be equal to one value"),
        (Key("tournament").eq("t-1") & Key("region").gt("a"), "'region' must be equal"),
        (WHERE & Key("bracket").eq("upper"), "'round' is left out before 'bracket'"),
        (WHERE & Key("round").eq(1) & Key("seat").eq(1), "'bracket' is left out before 'seat'"),
        (WHERE & Key("round").gt(1) & Key("bracket").eq("upper"), "'round' must be equal"),
        (WHERE & Key("round").eq("1"), "'round' must be compared with a number"),
        (WHERE & Key("id").eq("g-1"), "'id' is no key attribute"),
    ],
)
async def test_a_query_that_dynamodb_refuses(
    gateway: MemoryGateway, condition: Any, said: str
) -> None:
    """All of the partition, the order from its first attribute on, and one range, the last."""
    await create_table(PLAN, gateway=gateway)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        with pytest.raises(InvalidKeyError, match=said):
            _ = [item async for item in repository.query(condition, index="matches")]


async def test_an_item_without_one_of_them_is_in_no_index(gateway: MemoryGateway) -> None:
    """It is sparse by each of its attributes; in the table the item is all the same."""
    await create_table(PLAN, gateway=gateway)
    await Migrator(PLAN, gateway=gateway).run()
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        for name in MATCHES.names:
            whole = game(100, tournament="t-9", region="eu", name="x")
            await repository.put({k: v for k, v in whole.items() if k != name})
            asked = Key("tournament").eq("t-9") & Key("region").eq("eu")
            assert [item async for item in repository.query(asked, index="matches")] == []
            assert await repository.get({"id": "g-100"})


async def test_a_wrong_type_of_any_of_them_is_a_dead_letter(tmp_path: Path) -> None:
    """DynamoDB would refuse the item for the fifth attribute as for the first."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("games"))
    wrong = {"tournament": 5, "region": 5, "round": "text", "bracket": 5, "seat": "text"}
    await orders.fill(gateway, "games", [game(0, **{n: wrong[n]}, id=n) for n in MATCHES.names])
    await create_table(PLAN, gateway=gateway)
    letters = tmp_path / "letters"
    report = await Migrator(PLAN, gateway=gateway, dead_letters=letters).run()
    assert report.failed == 5
    for line in map(json.loads, letters.read_text().splitlines()):
        name = line["key"]["id"]["S"]
        assert f"key of index matches: '{name}' must be" in line["reason"]


async def test_a_page_goes_on_where_the_last_one_ended(gateway: MemoryGateway) -> None:
    """A last key holds all attributes of both keys, and pages make up the whole."""
    condition, names = "#t = :t AND #r = :r", {"#t": "tournament", "#r": "region"}
    asked = Condition(condition, names, {":t": {"S": "t-1"}, ":r": {"S": "eu"}})
    found, start = [], None
    while True:
        page = await gateway.query(
            "games", asked, index="matches", start_key=start, limit=3, consistent_read=False
        )
        found += page.items
        start = page.last_key
        if start is None:
            break
        assert set(start) == {"id", *MATCHES.names}
    assert len(found) == 8
    plain = [codec.decode(item) for item in found]
    assert all(order_of(one) < order_of(other) for one, other in pairwise(plain))


# -- completed by an index of the old table --------------------------------------------------------


def _plan(old_key: KeySchema, **more: Any) -> tuple[Migration, dict[str, Any]]:
    index = Index("matches", MATCHES, old_index="before", **more)
    plan = Migration("games", "games", "games-v2", Rename("nme", "name"), indexes=[index])
    return plan, table("games", old_key, "before")


async def _asked(plan: Migration, old: dict[str, Any]) -> list[str]:
    gateway = MemoryGateway()
    await gateway.create_table(old)
    games = [
        {**game(n), "place": f"{game(n)['tournament']}/{game(n)['region']}"} for n in range(32)
    ]
    await orders.fill(gateway, "games", games)
    await create_table(plan, gateway=gateway)
    async with DualTableRepository(plan, gateway=gateway) as repository:
        return [item["id"] async for item in repository.query(WHERE, index="matches")]


async def test_an_old_index_with_a_joined_key() -> None:
    """The usual case: what was one text glued together becomes several attributes."""
    plan, old = _plan(KeySchema("place"), old_value="/".join)
    expected = [g for g in map(game, range(32)) if (g["tournament"], g["region"]) == ("t-1", "eu")]
    assert await _asked(plan, old) == [g["id"] for g in sorted(expected, key=order_of)]


async def test_an_old_index_with_fewer_attributes() -> None:
    """Where it leads to what holds more, the rest is judged here."""
    plan, old = _plan(KeySchema("tournament"), old_value=lambda partition: partition[0])
    assert len(await _asked(plan, old)) == 8


async def test_an_old_index_that_does_not_fit() -> None:
    """Nobody guesses which of the values is meant."""
    plan, old = _plan(KeySchema("tournament"))
    with pytest.raises(TransformError, match=r"has 2 values.*'before'.*has 1.*old_value"):
        await _asked(plan, old)


async def test_a_whole_migration(gateway: MemoryGateway) -> None:
    """Cloned, copied, verified: the new table's index is the old one's."""
    plan = attrs.evolve(PLAN, indexes=None)
    report = await create_table(plan, gateway=gateway)
    assert report.ok
    assert (await create_table(plan, gateway=gateway)).ok, "and shows no difference"
    assert (await Migrator(plan, gateway=gateway).run()).ok
    assert (await Verifier(plan, gateway=gateway).run()).ok
    made = layout(await gateway.describe_table("games-v2"))
    assert made.indexes["matches"].key == MATCHES


@pytest.mark.parametrize(
    "change",
    [
        {"KeySchema": [{"AttributeName": n, "KeyType": "HASH"} for n in ("id", "region")]},
        {
            "LocalSecondaryIndexes": [
                {
                    "IndexName": "local",
                    "KeySchema": [
                        {"AttributeName": "id", "KeyType": "HASH"},
                        {"AttributeName": "region", "KeyType": "RANGE"},
                        {"AttributeName": "bracket", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ]
        },
    ],
)
async def test_the_gateway_in_memory_has_them_in_global_indexes_alone(
    change: dict[str, Any],
) -> None:
    """As DynamoDB: a table and a local index have one attribute of each kind."""
    with pytest.raises(DualTableError, match="several attributes"):
        await MemoryGateway().create_table({**table("games"), **change})
