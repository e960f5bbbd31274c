"""Conformance: the port means the same in memory and on each real server.

The cases run on `MemoryGateway` and on the servers of `servers.py`. DynamoDB Local and dynoxide are
the references where they agree; where a server is known to be wrong or to lack something, the case
says so (`wrong_on`), and fails once that is no longer true.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import attrs
import pytest
from expression_cases import (
    CONDITIONS,
    ITEM,
    REFUSED,
    RETURNED_OF_LISTS,
    RETURNED_OF_MAPS,
    UPDATES,
    Case,
    L,
    M,
    N,
    Returned,
    S,
    expected_item,
)
from orders import everything, packed, table
from servers import SERVERS

from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Gateway,
    Outcome,
    Page,
    Policy,
    ReturnValues,
    TimeToLive,
    TransactCheck,
    TransactDelete,
    TransactGet,
    TransactionCancelled,
    TransactPut,
    TransactUpdate,
    Verdict,
)
from dualtable._dynamodb.retry import RetryPolicy
from dualtable._expressions.texts import Condition, Update
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import equal_items, normal_item
from dualtable.errors import RequestRefusedError, TableNotFoundError
from dualtable.testing import MemoryGateway

wrong_on = pytest.mark.wrong_on
ONE_TRY = RetryPolicy(tries=1)
MEMORY = "memory"
ABSENT = Condition("attribute_not_exists(#k)", {"#k": "id"})
at_the_end = wrong_on(ministack="reads nothing")
SET_X = Update("SET x = :v REMOVE y", {}, {":v": N("2")})
ADD_ONE = Update("ADD #c :one", {"#c": "count"}, {":one": N("1")})


@pytest.fixture(params=[MEMORY, *SERVERS])
def where(request: pytest.FixtureRequest) -> str:
    """The name of what a case runs on."""
    for marker in request.node.iter_markers("wrong_on"):
        if reason := marker.kwargs.get(request.param.replace("-", "_")):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return str(request.param)


@pytest.fixture
async def gateway(where: str, running: Callable[[str], str]) -> AsyncIterator[Gateway]:
    """A gateway as the library opens it, that tries once."""
    connection = (
        {"gateway": MemoryGateway()} if where == MEMORY else {"endpoint_url": running(where)}
    )
    async with connect(connection, ONE_TRY) as gateway:
        yield gateway


@pytest.fixture
async def simple(gateway: Gateway, table_name: str) -> str:
    """The name of an empty table with the key `id`."""
    await gateway.create_table(table(table_name))
    return table_name


@pytest.fixture
async def sorted_table(gateway: Gateway, table_name: str) -> str:
    """The name of an empty table with the key `id`, `day` and some indexes."""
    definition = table(table_name, ("id", "S"), ("day", "N"))
    definition["AttributeDefinitions"] += [
        {"AttributeName": "region", "AttributeType": "S"},
        {"AttributeName": "total", "AttributeType": "N"},
        {"AttributeName": "tag", "AttributeType": "B"},
    ]
    definition["GlobalSecondaryIndexes"] = [
        index("by-region", "region", "total", {"ProjectionType": "ALL"}),
        index("by-region-keys", "region", None, {"ProjectionType": "KEYS_ONLY"}),
        index("by-tag", "tag", "day", include("note")),
    ]
    definition["LocalSecondaryIndexes"] = [
        index("by-total", "id", "total", {"ProjectionType": "ALL"})
    ]
    await gateway.create_table(definition)
    return table_name


def index(name: str, partition: str, sort: str | None, projection: dict[str, Any]) -> Any:
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    if sort is not None:
        schema.append({"AttributeName": sort, "KeyType": "RANGE"})
    return {"IndexName": name, "KeySchema": schema, "Projection": projection}


def include(*names: str) -> dict[str, Any]:
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": [*names]}


def key(number: int | str = "k") -> WireKey:
    return {"id": S(str(number))}


def day(id_: str, number: int | str, **attributes: Any) -> WireItem:
    return {"id": S(id_), "day": N(str(number)), **attributes}


def has_id(id_: str) -> Condition:
    return Condition("#k = :k", {"#k": "id"}, {":k": S(id_)})


def has_region(region: str) -> Condition:
    return Condition("#r = :r", {"#r": "region"}, {":r": S(region)})


async def stored(gateway: Gateway, name: str, key: WireKey) -> WireItem | None:
    return await gateway.get(name, key, consistent_read=True)


def same(one: WireItem | None, other: WireItem | None) -> bool:
    return one == other or (one is not None and other is not None and equal_items(one, other))


async def not_refused(**attempts: Awaitable[Any]) -> list[str]:
    """Return the names of the attempts that are not refused; all are made."""
    taken = []
    for name, attempt in attempts.items():
        try:
            await attempt
        except RequestRefusedError:
            continue
        taken.append(name)
    return taken


Pages: TypeAlias = Callable[[WireKey | None], Any]


async def all_pages(read: Pages) -> tuple[list[WireItem], list[Page]]:
    """Read page after page to the end."""
    pages: list[Page] = []
    while not pages or pages[-1].last_key is not None:
        pages.append(await read(pages[-1].last_key if pages else None))
        assert len(pages) < 200
    return [item for page in pages for item in page.items], pages


def days(items: list[WireItem]) -> list[int]:
    return [int(item["day"]["N"]) for item in items]


# Tables


async def test_a_table_is_as_it_was_made(gateway: Gateway, sorted_table: str) -> None:
    """What describes a table is what creation compares with the plan."""
    described = await gateway.describe_table(sorted_table)
    assert described["TableName"] == sorted_table
    assert described["TableStatus"] == "ACTIVE"
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [part["AttributeName"] for part in described["KeySchema"]] == ["id", "day"]
    names = {i["IndexName"] for i in described["GlobalSecondaryIndexes"]}
    assert names == {"by-region", "by-region-keys", "by-tag"}
    assert [i["IndexName"] for i in described["LocalSecondaryIndexes"]] == ["by-total"]


async def test_an_existing_table_is_left_as_it_is(gateway: Gateway, simple: str) -> None:
    """Creation may be repeated, also after a lost answer."""
    await gateway.put(simple, key())
    await gateway.create_table(table(simple, ("other", "N")))
    assert await stored(gateway, simple, key()) == key()


DENY = {
    "Sid": "Deny",
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["dynamodb:PutItem"],
}
no_policies = wrong_on(dynamodb_local="unknown operation", dynoxide="unknown operation")


async def policy_text(gateway: Gateway, table_name: str, **changes: Any) -> str:
    arn = (await gateway.describe_table(table_name))["TableArn"]
    statement = {**DENY, "Resource": arn, **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@no_policies
async def test_a_policy_comes_back_as_it_was_put(gateway: Gateway, simple: str) -> None:
    """Put over what was read, replaced and deleted; absent before and after."""
    assert await gateway.policy(simple) is None
    first = await policy_text(gateway, simple)
    await gateway.put_policy(simple, first, over=None)
    found = await gateway.policy(simple)
    assert found is not None
    assert json.loads(found.text) == json.loads(first)
    second = await policy_text(gateway, simple, Sid="Other")
    await gateway.put_policy(simple, second, over=found)
    found = await gateway.policy(simple)
    assert found is not None
    assert json.loads(found.text) == json.loads(second)
    await gateway.delete_policy(simple, over=found)
    assert await gateway.policy(simple) is None


@no_policies
async def test_a_policy_is_put_over_what_was_read_alone(gateway: Gateway, simple: str) -> None:
    """What somebody else has put meanwhile is not overwritten."""
    text = await policy_text(gateway, simple)
    await gateway.put_policy(simple, text, over=None)
    stale = Policy(text, "another")
    for change in (
        gateway.put_policy(simple, text, over=None),
        gateway.put_policy(simple, text, over=stale),
        gateway.delete_policy(simple, over=stale),
    ):
        with pytest.raises(RequestRefusedError) as caught:
            await change
        assert caught.value.code == "PolicyNotFoundException"


@wrong_on(memory="has policies", ministack="has policies")
async def test_a_server_without_policies_says_so(gateway: Gateway, simple: str) -> None:
    """`freeze` tells by the code that there are none."""
    with pytest.raises(RequestRefusedError) as caught:
        await gateway.policy(simple)
    assert caught.value.code == "UnknownOperationException"


async def test_ttl_is_switched_on_once(gateway: Gateway, simple: str) -> None:
    """And shows in the table's extras from then on."""
    await gateway.switch_ttl_on(simple, "expires")
    assert (await gateway.describe_extras(simple)).ttl == TimeToLive("expires")


@wrong_on(dynoxide="takes the later one", ministack="takes the later one")
async def test_ttl_cannot_be_switched_on_twice(gateway: Gateway, simple: str) -> None:
    """Neither by another attribute nor by the same one; whoever wants that looks first."""
    await gateway.switch_ttl_on(simple, "expires")
    for attribute in ("expires", "until"):
        with pytest.raises(RequestRefusedError):
            await gateway.switch_ttl_on(simple, attribute)


async def test_extras_are_never_an_error(gateway: Gateway, simple: str) -> None:
    """Servers and roles that do not know TTL or tags are no reason to stop."""
    extras = await gateway.describe_extras(simple)
    assert extras.ttl in (None, TimeToLive())
    assert extras.tags in (None, ())


async def test_a_missing_table_is_named(gateway: Gateway, table_name: str) -> None:
    """Each operation says so by the same error."""
    for attempt in (
        gateway.describe_table(table_name),
        gateway.get(table_name, key(), consistent_read=True),
        gateway.batch_get(table_name, [key()], consistent_read=True),
        gateway.put(table_name, key()),
        gateway.update(table_name, key(), ADD_ONE),
        gateway.delete(table_name, key()),
        gateway.batch_put(table_name, [key()]),
        gateway.insert(table_name, packed([key()]), key_name="id"),
        gateway.scan(table_name, segment=0, total_segments=1),
        gateway.query(table_name, has_id("k")),
        gateway.transact_write([TransactPut(table_name, key())]),
        gateway.transact_get([TransactGet(table_name, key())]),
    ):
        with pytest.raises(TableNotFoundError):
            await attempt


# Single items


async def test_put_get_and_delete(gateway: Gateway, simple: str) -> None:
    """The plain cycle, and what the old item is on the way."""
    item = {**key(), **ITEM}
    assert await stored(gateway, simple, key()) is None
    assert await gateway.put(simple, item) is None
    assert same(await stored(gateway, simple, key()), item)
    assert same(await gateway.get(simple, key(), consistent_read=False), item)
    assert same(await gateway.put(simple, key(), return_old=True), item)
    assert await gateway.delete(simple, key(), return_old=True) == key()
    assert await gateway.delete(simple, key(), return_old=True) is None
    assert await gateway.delete(simple, key()) is None


async def test_put_returns_nothing_where_nothing_was(gateway: Gateway, simple: str) -> None:
    """None, not an empty item."""
    assert await gateway.put(simple, key(), return_old=True) is None


async def test_all_types_come_back_exactly(gateway: Gateway, simple: str) -> None:
    """Numbers keep 38 digits, and every type its contents."""
    deep: dict[str, Any] = S("innermost")
    for level in range(31):
        deep = L(deep) if level % 2 else M(m=deep)
    item = {
        **key(),
        "digits": N("-1.2345678901234567890123456789012345678"),
        "large": N("9.9999999999999999999999999999999999999E+125"),
        "small": N("1E-130"),
        "numbers": {"NS": ["1", "-2.5", "12345678901234567890123456789012345678"]},
        "binary": {"B": "AP8="},
        "binaries": {"BS": ["AA==", "/w=="]},
        "texts": {"SS": ["a", "é", "😀"]},
        'it\'s "quoted"': S("'"),
        "a.b[0]": N("1"),
        "deep": deep,
        **ITEM,
    }
    await gateway.put(simple, item)
    found = await stored(gateway, simple, key())
    assert found is not None
    assert equal_items(found, item)


async def test_a_number_has_one_spelling(gateway: Gateway, simple: str) -> None:
    """DynamoDB gives numbers back without exponents or idle zeros; so does the fake."""
    numbers = {"a": N("1.50"), "b": N("1E+3"), "c": N("-0"), "d": N("0012.0"), "e": N("1.5E-7")}
    await gateway.put(simple, {**key(), **numbers})
    found = await stored(gateway, simple, key())
    assert found == {
        **key(), "a": N("1.5"), "b": N("1000"), "c": N("0"), "d": N("12"), "e": N("0.00000015")
    }  # fmt: skip
    assert normal_item(numbers).items() <= found.items()


WRONG = {
    "39 digits": {"x": N("1" * 39)},
    "large number": {"x": N("1E126")},
    "small number": {"x": N("1E-131")},
    "no number": {"x": N("five")},
    "empty set": {"x": {"SS": []}},
    "twice in a set": {"x": {"SS": ["a", "a"]}},
    "twice in a set of numbers": {"x": {"NS": ["1", "1.0"]}},
    "400 KB": {"x": S("x" * 400 * 1024)},
    "wrong key type": {"id": N("1")},
    "empty key": {"id": S("")},
}


@pytest.mark.parametrize("attributes", WRONG.values(), ids=WRONG)
async def test_a_wrong_item_is_refused(
    gateway: Gateway, simple: str, attributes: dict[str, Any]
) -> None:
    """What DynamoDB refuses is refused by whichever write, and nothing is stored."""
    item = {**key(), **attributes}
    taken = await not_refused(
        put=gateway.put(simple, item),
        batch_put=gateway.batch_put(simple, [item]),
        transact_write=gateway.transact_write([TransactPut(simple, item)]),
    )
    assert taken == []
    assert await everything(gateway, simple) == []


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            attributes,
            id=name,
            marks=() if name == "empty key" else wrong_on(ministack="PartiQL stores any item"),
        )
        for name, attributes in WRONG.items()
    ],
)
async def test_a_wrong_item_is_not_inserted(
    gateway: Gateway, simple: str, attributes: dict[str, Any]
) -> None:
    """It is refused for itself, with a reason: it goes to the dead letters."""
    insert = await gateway.insert(simple, packed([{**key(), **attributes}]), key_name="id")
    assert [answer.outcome for answer in insert.outcomes] == [Outcome.REFUSED]
    assert insert.outcomes[0].reason
    assert await everything(gateway, simple) == []


WRONG_KEYS = {
    "none": {},
    "type": {"id": N("1")},
    "empty": {"id": S("")},
    "more": {"id": S("a"), "x": S("b")},
    "other": {"x": S("b")},
}


@pytest.mark.parametrize("wrong_key", WRONG_KEYS.values(), ids=WRONG_KEYS)
async def test_a_wrong_key_is_refused(gateway: Gateway, simple: str, wrong_key: WireKey) -> None:
    """A key has the table's attributes, no more and no fewer, of the right types."""
    taken = await not_refused(
        get=gateway.get(simple, wrong_key, consistent_read=True),
        batch_get=gateway.batch_get(simple, [wrong_key], consistent_read=True),
        update=gateway.update(simple, wrong_key, ADD_ONE),
        delete=gateway.delete(simple, wrong_key),
    )
    assert taken == []


@pytest.mark.parametrize("wrong_key", WRONG_KEYS.values(), ids=WRONG_KEYS)
@wrong_on(ministack="transactions do not check all keys")
async def test_a_wrong_key_is_refused_in_a_transaction(
    gateway: Gateway, simple: str, wrong_key: WireKey
) -> None:
    """The same, one action among others."""
    taken = await not_refused(
        get=gateway.transact_get([TransactGet(simple, wrong_key)]),
        write=gateway.transact_write([TransactDelete(simple, wrong_key)]),
    )
    assert taken == []


async def test_an_index_key_of_a_wrong_type_is_refused(gateway: Gateway, sorted_table: str) -> None:
    """It would be a dead letter of the migration; without the attribute, the index lacks it."""
    taken = await not_refused(
        type=gateway.put(sorted_table, day("a", 1, region=N("1"))),
        empty=gateway.put(sorted_table, day("a", 1, region=S(""))),
    )
    assert taken == []
    await gateway.put(sorted_table, day("a", 1))


@wrong_on(dynoxide="takes any length", ministack="takes any length")
async def test_an_index_key_that_is_too_long_is_refused(
    gateway: Gateway, sorted_table: str
) -> None:
    """2,048 bytes for a partition; this one too would be a dead letter."""
    await gateway.put(sorted_table, day("a", 1, region=S("x" * 2048)))
    taken = await not_refused(
        long=gateway.put(sorted_table, day("a", 2, region=S("x" * 2049))),
    )
    assert taken == []


@wrong_on(dynamodb_local="checks index keys of puts only")
async def test_an_update_cannot_make_a_wrong_index_key(gateway: Gateway, sorted_table: str) -> None:
    """An item that fails the checks stays as it was."""
    await gateway.put(sorted_table, day("a", 1, total=N("1")))
    wrong = Update("SET #t = :t", {"#t": "total"}, {":t": S("1")})
    assert await not_refused(update=gateway.update(sorted_table, day("a", 1), wrong)) == []
    assert await everything(gateway, sorted_table) == [day("a", 1, total=N("1"))]


# Expressions


async def test_conditions_mean_the_same(gateway: Gateway, simple: str, where: str) -> None:
    """Each condition holds or not as DynamoDB Local judges it."""
    item = {**key(), **ITEM}
    await gateway.put(simple, item)

    async def answer(case: Case) -> Any:
        try:
            await gateway.put(simple, item, Condition(case.expression, {}, case.values))
        except ConditionFailed:
            return False
        return True

    assert await surprises(CONDITIONS, answer, where) == []


COUNTS_NO_OPERATORS = "counts no operators"
COUNTS_NO_LEVELS = "counts no levels of a path"


def repeated(text: str, times: int, joint: str = " OR ") -> str:
    return joint.join([text] * times)


def sums(times: int) -> str:
    return "SET " + ",".join(f"x{n}=n+n" for n in range(times))


@wrong_on(dynoxide=COUNTS_NO_OPERATORS, ministack=COUNTS_NO_OPERATORS)
@pytest.mark.parametrize(
    ("most", "more"),
    [
        (repeated("NOT n < n2", 100), repeated("NOT n < n2", 101)),
        (repeated("attribute_exists(n)", 150), repeated("attribute_exists(n)", 151)),
        (repeated("n BETWEEN n2 AND n3", 150), repeated("n BETWEEN n2 AND n3", 151)),
        (repeated("n IN (n2)", 150), repeated("n IN (n2)", 151)),
        (repeated("size(s) < n", 100), repeated("size(s) < n", 101)),
        (sums(300), sums(301)),
    ],
)
async def test_an_expression_has_at_most_300_operators(
    gateway: Gateway, simple: str, most: str, more: str
) -> None:
    """Functions count, commas and parentheses do not."""
    await gateway.put(simple, {**key(), **ITEM})

    async def send(text: str) -> None:
        if text.startswith("SET"):
            await gateway.update(simple, key(), Update(text))
        else:
            with contextlib.suppress(ConditionFailed):
                await gateway.put(simple, key(), Condition(text))
            await gateway.put(simple, {**key(), **ITEM})

    await send(most)
    with pytest.raises(RequestRefusedError):
        await send(more)


@wrong_on(dynoxide=COUNTS_NO_LEVELS, ministack=COUNTS_NO_LEVELS)
@pytest.mark.parametrize("step", [".m", "[0]"])
async def test_a_path_has_at_most_32_levels(gateway: Gateway, simple: str, step: str) -> None:
    """In conditions and updates; positions in lists are levels, too."""
    deep = "m" + step * 31
    await gateway.put(simple, key(), Condition(f"attribute_not_exists({deep})"))
    taken = await not_refused(
        condition=gateway.put(simple, key(), Condition(f"attribute_not_exists({deep}{step})")),
        update=gateway.update(simple, key(), Update(f"REMOVE y, {deep}{step}")),
    )
    assert taken == []


async def test_an_expression_has_at_most_4096_bytes(gateway: Gateway, simple: str) -> None:
    """Spaces count, wherever they are."""
    condition, update = "attribute_not_exists(y)".ljust(4096), "SET x =" + ":v".rjust(4089)
    await gateway.put(simple, key(), Condition(condition))
    await gateway.update(simple, key(), Update(update, {}, {":v": N("1")}))
    taken = await not_refused(
        condition=gateway.put(simple, key(), Condition(f"{condition} ")),
        update=gateway.update(simple, key(), Update(f"{update} ", {}, {":v": N("1")})),
    )
    assert taken == []


@pytest.mark.parametrize("returned", ["none", "DOG", "", "all_new"])
async def test_an_update_returns_one_of_five(gateway: Gateway, simple: str, returned: Any) -> None:
    """In capitals; whatever else is asked for is refused, and nothing is written."""
    with pytest.raises(RequestRefusedError):
        await gateway.update(simple, key(), ADD_ONE, return_values=returned)
    assert await everything(gateway, simple) == []


async def test_updates_mean_the_same(gateway: Gateway, simple: str, where: str) -> None:
    """Each update makes of an item what DynamoDB Local makes of it."""

    async def answer(case: Case) -> Any:
        await gateway.put(simple, {**key(), **ITEM})
        update = Update(case.expression, {}, case.values)
        new = await gateway.update(simple, key(), update, return_values="ALL_NEW")
        assert same(new, await stored(gateway, simple, key()))
        wanted = {**key(), **expected_item(case)} if case.expected is not REFUSED else None
        return case.expected if same(new, wanted) else new

    assert await surprises(UPDATES, answer, where) == []


async def surprises(
    cases: tuple[Case, ...], answer: Callable[[Case], Any], where: str
) -> list[str]:
    """Return the cases that are answered otherwise than expected, or no longer are."""
    found = []
    for case in cases:
        try:
            answered = await answer(case)
        except RequestRefusedError:
            answered = REFUSED
        if (answered != case.expected) is not case.is_wrong_on(where):
            found.append(f"{case}: {answered}")
    return found


CREATES = "makes an item of its key"
WHOLE = "returns the whole attribute"


@wrong_on(dynamodb_local=CREATES, dynoxide=CREATES, ministack=CREATES)
@pytest.mark.parametrize("in_transaction", [False, True])
async def test_taking_away_from_nothing_makes_nothing(
    gateway: Gateway, simple: str, in_transaction: bool
) -> None:
    """As suites say that were checked on AWS; no server that runs here does so."""
    for expression in ("REMOVE x", "REMOVE x.y", "REMOVE x[0]", "DELETE x :v", "REMOVE y ADD x :v"):
        values = {":v": {"SS": ["a"]}} if ":v" in expression else {}
        update = Update(expression, {}, values)
        if in_transaction:
            await gateway.transact_write([TransactUpdate(simple, key(), update)])
        else:
            returned = await gateway.update(simple, key(), update, return_values="ALL_NEW")
            assert (returned is None) is ("ADD" not in expression)
        made = None if "ADD" not in expression else {**key(), "x": values[":v"]}
        assert await stored(gateway, simple, key()) == made


async def all_returned(gateway: Gateway, name: str, cases: tuple[Returned, ...]) -> list[str]:
    """Return the updates that return otherwise than expected."""
    found = []
    for case in cases:
        update = Update(case.expression, {}, case.values)
        for wanted, expected in (("UPDATED_OLD", case.old), ("UPDATED_NEW", case.new)):
            await gateway.put(name, {**key(), **ITEM})
            answer = await gateway.update(name, key(), update, return_values=wanted)
            if not same(answer, expected or None):
                found.append(f"{case}, {wanted}: {answer}")
    return found


@wrong_on(dynamodb_local=WHOLE, ministack=WHOLE)
async def test_updated_values_inside_a_map(gateway: Gateway, simple: str) -> None:
    """AWS returns no more than what is at the paths; dynoxide was checked against it."""
    assert await all_returned(gateway, simple, RETURNED_OF_MAPS) == []


@wrong_on(dynamodb_local=WHOLE, dynoxide=WHOLE, ministack=WHOLE)
async def test_updated_values_inside_a_list(gateway: Gateway, simple: str) -> None:
    """AWS looks at the positions; where a member is removed, that is the one that moved up.

    A suite that is run on AWS says so; no server that runs here does so.
    """
    assert await all_returned(gateway, simple, RETURNED_OF_LISTS) == []


@wrong_on(ministack="takes a right side for a change of the key")
async def test_an_update_that_creates_sees_the_key(gateway: Gateway, simple: str) -> None:
    """The right sides may refer to it."""
    await gateway.update(simple, key(2), Update("SET x = id"))
    assert await stored(gateway, simple, key(2)) == {**key(2), "x": S("2")}


async def test_an_update_returns_what_is_asked_for(gateway: Gateway, simple: str) -> None:
    """All five values."""
    for values, expected in (
        ("NONE", None),
        ("ALL_OLD", {**key(), "x": N("1"), "y": N("1"), "z": N("1")}),
        ("UPDATED_OLD", {"x": N("1"), "y": N("1")}),
        ("ALL_NEW", {**key(), "x": N("2"), "z": N("1")}),
        ("UPDATED_NEW", {"x": N("2")}),
    ):
        await gateway.put(simple, {**key(), "x": N("1"), "y": N("1"), "z": N("1")})
        assert await gateway.update(simple, key(), SET_X, return_values=values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("NONE", None),
        pytest.param("ALL_OLD", None, marks=wrong_on(dynoxide="returns the key")),
        ("UPDATED_OLD", None),
        ("ALL_NEW", {**key(), "x": N("2")}),
        ("UPDATED_NEW", {"x": N("2")}),
    ],
)
async def test_an_update_that_creates_returns_no_old_values(
    gateway: Gateway, simple: str, values: ReturnValues, expected: WireItem | None
) -> None:
    """None where nothing was."""
    assert await gateway.update(simple, key(), SET_X, return_values=values) == expected


async def test_an_update_with_a_condition_shares_placeholders(
    gateway: Gateway, simple: str
) -> None:
    """A request has one set of names and values; what one means is for its expression to say."""
    await gateway.put(simple, {**key(), "count": N("1")})
    below = Condition("#c < :most", {"#c": "count"}, {":most": N("2")})
    await gateway.update(simple, key(), ADD_ONE, below)
    with pytest.raises(ConditionFailed) as failed:
        await gateway.update(simple, key(), ADD_ONE, below)
    assert failed.value.item == {**key(), "count": N("2")}
    other = Condition("attribute_not_exists(#c) AND id = :one", {"#c": "x"}, {":one": S("k")})
    await gateway.update(simple, key(), ADD_ONE, other)
    await gateway.transact_write([TransactUpdate(simple, key(), ADD_ONE, other)])
    assert await stored(gateway, simple, key()) == {**key(), "count": N("4")}


async def test_a_key_is_never_updated(gateway: Gateway, sorted_table: str) -> None:
    """Not even to the same value; an item that fails its checks stays as it was."""
    await gateway.put(sorted_table, day("a", 1, region=S("eu")))
    item_key, large = day("a", 1), S("x" * 400 * 1024)
    taken = await not_refused(
        set=gateway.update(sorted_table, item_key, Update("SET id = :v", {}, {":v": S("a")})),
        remove=gateway.update(sorted_table, item_key, Update("REMOVE #k", {"#k": "day"})),
        large=gateway.update(sorted_table, item_key, Update("SET x = :v", {}, {":v": large})),
    )
    assert taken == []
    assert await everything(gateway, sorted_table) == [day("a", 1, region=S("eu"))]


async def test_a_failed_condition_tells_what_was_there(gateway: Gateway, simple: str) -> None:
    """The item, or None; put, update and delete alike."""
    item = {**key("there"), "x": N("1")}
    await gateway.put(simple, item)
    for id_, condition, expected in (
        ("absent", Condition("attribute_exists(id)"), None),
        ("there", ABSENT, item),
    ):
        for write in (
            partial(gateway.put, simple, key(id_)),
            partial(gateway.update, simple, key(id_), ADD_ONE),
            partial(gateway.delete, simple, key(id_)),
        ):
            with pytest.raises(ConditionFailed) as failed:
                await write(condition)
            assert failed.value.item == expected


# Batches


async def test_batch_put_and_get(gateway: Gateway, simple: str) -> None:
    """25 in, 100 out, missing ones left out, and all of it paid for."""
    items = [{**key(n), "x": N(str(n)), "y": S("y")} for n in range(50)]
    for start in (0, 25):
        assert await gateway.batch_put(simple, items[start : start + 25]) == ()
    batch = await gateway.batch_get(simple, [key(n) for n in range(100)], consistent_read=True)
    assert {item["id"]["S"] for item in batch.items} == {str(n) for n in range(50)}
    assert batch.unprocessed == ()
    cut = await gateway.batch_get(simple, [key(7)], consistent_read=False, attributes=["id", "x"])
    assert cut.items == [{**key(7), "x": N("7")}]


@wrong_on(ministack="reports no capacity of batch reads")
async def test_a_batch_read_is_paid_for(gateway: Gateway, simple: str) -> None:
    """The rate limit of a verification depends on it."""
    await gateway.put(simple, key())
    assert (await gateway.batch_get(simple, [key()], consistent_read=True)).read_units > 0


async def test_a_batch_holds_each_key_once(gateway: Gateway, simple: str) -> None:
    """One key twice refuses the whole batch."""
    taken = await not_refused(
        put=gateway.batch_put(simple, [key(), {**key(), "x": N("1")}]),
        get=gateway.batch_get(simple, [key(), key()], consistent_read=True),
    )
    assert taken == []
    assert await everything(gateway, simple) == []


async def test_batches_have_limits(gateway: Gateway, simple: str) -> None:
    """25 puts, 100 gets."""
    taken = await not_refused(
        put=gateway.batch_put(simple, [key(n) for n in range(26)]),
        get=gateway.batch_get(simple, [key(n) for n in range(101)], consistent_read=True),
    )
    assert taken == []


@wrong_on(ministack="takes empty batches")
async def test_batches_are_not_empty(gateway: Gateway, simple: str) -> None:
    """The library never sends one; if it did, it should hear of it."""
    taken = await not_refused(
        put=gateway.batch_put(simple, []),
        get=gateway.batch_get(simple, [], consistent_read=True),
    )
    assert taken == []


async def test_insert_writes_what_is_absent(gateway: Gateway, simple: str) -> None:
    """Each item has an answer of its own, in order; what is there stays as it is."""
    there = {**key(1), "x": S("old")}
    await gateway.put(simple, there)
    items = [{**key(n), "x": S("new"), "it's": N("1")} for n in range(5)]
    batch = await gateway.insert(simple, packed(items), key_name="id")
    outcomes = [answer.outcome for answer in batch.outcomes]
    assert outcomes == [Outcome.WRITTEN, Outcome.PRESENT, *[Outcome.WRITTEN] * 3]
    assert batch.write_units > 0
    assert await stored(gateway, simple, key(1)) == there
    assert await stored(gateway, simple, key(2)) == items[2]


@wrong_on(
    dynamodb_local="reports no capacity of statements", ministack="counts indexes in its own way"
)
async def test_insert_pays_for_indexes(gateway: Gateway, sorted_table: str) -> None:
    """An index that takes part is billed for what it holds."""
    await _pays_for_indexes(gateway, sorted_table, "note")


@wrong_on(ministack="counts indexes in its own way")
async def test_an_insert_by_itself_pays_for_indexes(gateway: Gateway, sorted_table: str) -> None:
    """One by one as in batches."""
    await _pays_for_indexes(gateway, sorted_table, "it's a note")


async def _pays_for_indexes(gateway: Gateway, name: str, attribute: str) -> None:
    item = day("k", 1, region=S("EU"), total=N("5"), **{attribute: S("x" * 2_500)})
    batch = await gateway.insert(name, packed([item]), key_name="id")
    assert batch.write_units == 3 + 3 + 1 + 3  # the table, two indexes of all, one of the keys
    again = await gateway.insert(name, packed([item]), key_name="id")
    assert again.write_units == 3


async def test_insert_pays_also_where_all_are_present(gateway: Gateway, simple: str) -> None:
    """A server that reports nothing then would blind the rate limit, so it is estimated."""
    items = [key(n) for n in range(25)]
    await gateway.batch_put(simple, items)
    batch = await gateway.insert(simple, packed(items), key_name="id")
    assert {answer.outcome for answer in batch.outcomes} == {Outcome.PRESENT}
    assert batch.write_units >= 25


@wrong_on(dynamodb_local="refuses the whole batch, but has written the first by then")
async def test_insert_of_one_key_twice_writes_one(gateway: Gateway, simple: str) -> None:
    """The library never sends that; if it did, nothing would be overwritten."""
    batch = await gateway.insert(
        simple, packed([{**key(), "x": N("1")}, {**key(), "x": N("2")}]), key_name="id"
    )
    outcomes = sorted(answer.outcome.value for answer in batch.outcomes)
    assert outcomes == ["present", "written"]


async def test_insert_takes_large_and_odd_items(gateway: Gateway, simple: str) -> None:
    """A statement is limited to 8,192 characters and its names to what all servers read alike."""
    items = [
        {**key("many"), **{f"attribute-{n}": N(str(n)) for n in range(900)}},
        {**key("long"), "n" * 9000: N("1")},
        {**key("odd"), "it's": N("1"), '"': N("2"), "a b": N("3"), "?": N("4"), "é": N("5")},
        {**key("types"), **ITEM},
        {**key("large"), "x": S("x" * 390 * 1024)},
    ]
    batch = await gateway.insert(simple, packed(items), key_name="id")
    assert {answer.outcome for answer in batch.outcomes} == {Outcome.WRITTEN}
    for item in items:
        assert same(await stored(gateway, simple, {"id": item["id"]}), item)


@wrong_on(ministack="PartiQL stores any item")
async def test_one_bad_item_spoils_no_batch(gateway: Gateway, sorted_table: str) -> None:
    """It is refused with a reason, the others are written."""
    items = [
        day("a", 1),
        day("a", 2, region=N("1")),
        day("a", 3, x=S("x" * 400 * 1024)),
        day("a", 4, region=S("eu")),
    ]
    batch = await gateway.insert(sorted_table, packed(items), key_name="id")
    outcomes = [answer.outcome for answer in batch.outcomes]
    assert outcomes == [Outcome.WRITTEN, Outcome.REFUSED, Outcome.REFUSED, Outcome.WRITTEN]
    assert all(answer.reason for answer in batch.outcomes if answer.outcome is Outcome.REFUSED)


# Scans and queries


async def test_scan_yields_each_item_once(gateway: Gateway, sorted_table: str) -> None:
    """Over all segments and pages, whatever their size."""
    items = [day(f"p-{n % 7}", n) for n in range(60)]
    for start in range(0, 60, 20):
        await gateway.batch_put(sorted_table, items[start : start + 20])
    found: list[WireItem] = []
    for segment in range(4):

        async def read(start_key: WireKey | None, segment: int = segment) -> Page:
            return await gateway.scan(
                sorted_table,
                segment=segment,
                total_segments=4,
                start_key=start_key,
                limit=6,
                consistent_read=True,
            )

        of_segment, pages = await all_pages(read)
        assert all(len(page.items) <= 6 for page in pages)
        assert all(page.read_units > 0 for page in pages if page.items)
        found += of_segment
    assert sorted(days(found)) == list(range(60))


@wrong_on(ministack="pages have any size")
async def test_a_page_holds_a_megabyte(gateway: Gateway, sorted_table: str) -> None:
    """A scan and a query go on after it with the last key."""
    for number in range(8):
        await gateway.put(sorted_table, day("a", number, x=S("x" * 300 * 1024)))

    async def scan(start_key: WireKey | None) -> Page:
        return await gateway.scan(
            sorted_table, segment=0, total_segments=1, start_key=start_key, consistent_read=True
        )

    async def query(start_key: WireKey | None) -> Page:
        return await gateway.query(sorted_table, has_id("a"), start_key=start_key)

    for read in (scan, query):
        items, pages = await all_pages(read)
        assert sorted(days(items)) == list(range(8))
        assert len(pages[0].items) in (3, 4)  # servers stop just before or after a megabyte
        assert pages[0].last_key == day("a", days(list(pages[0].items))[-1])
        assert pages[0].read_units > 100


async def test_a_scan_of_some_attributes(gateway: Gateway, simple: str) -> None:
    """What is at the root under these names, and nothing of an item that has none of them."""
    await gateway.put(simple, {**key(1), "x": S("a"), "size of": N("1"), "y": S("b")})
    await gateway.put(simple, key(2))
    page = await gateway.scan(
        simple, segment=0, total_segments=1, attributes=["id", "x", "size of"]
    )
    found = sorted(page.items, key=lambda item: item["id"]["S"])
    assert found == [{**key(1), "x": S("a"), "size of": N("1")}, key(2)]


async def test_a_scan_has_segments_within_bounds(gateway: Gateway, simple: str) -> None:
    """And a limit of at least one."""
    taken = await not_refused(
        segment=gateway.scan(simple, segment=2, total_segments=2),
        segments=gateway.scan(simple, segment=0, total_segments=1_000_001),
        limit=gateway.scan(simple, segment=0, total_segments=1, limit=0),
        start=gateway.scan(simple, segment=0, total_segments=1, start_key={"x": S("x")}),
    )
    assert taken == []


async def test_query_in_both_directions(gateway: Gateway, sorted_table: str) -> None:
    """By the numbers of the sort key, from any key on."""
    numbers = [9, 10, -1, 100, 0]
    await gateway.batch_put(sorted_table, [day("a", n) for n in numbers] + [day("b", 5)])
    page = await gateway.query(sorted_table, has_id("a"))
    assert days(list(page.items)) == [-1, 0, 9, 10, 100]
    assert page.last_key is None
    assert page.read_units > 0
    page = await gateway.query(sorted_table, has_id("a"), descending=True, limit=2)
    assert days(list(page.items)) == [100, 10]
    assert page.last_key == day("a", 10)
    page = await gateway.query(
        sorted_table, has_id("a"), descending=True, start_key=page.last_key, consistent_read=False
    )
    assert days(list(page.items)) == [9, 0, -1]
    page = await gateway.query(sorted_table, has_id("a"), start_key=day("a", "9.5"))
    assert days(list(page.items)) == [10, 100]


async def test_a_limit_at_the_end_is_not_known_to_be_the_end(
    gateway: Gateway, sorted_table: str
) -> None:
    """A page that is full carries a last key, and the next one is empty."""
    await gateway.batch_put(sorted_table, [day("a", n) for n in range(2)])
    page = await gateway.query(sorted_table, has_id("a"), limit=2)
    assert page.last_key == day("a", 1)
    page = await gateway.query(sorted_table, has_id("a"), limit=2, start_key=page.last_key)
    assert (list(page.items), page.last_key) == ([], None)


def on_day(expression: str) -> Condition:
    """Return a key condition with the placeholders that it uses."""
    values = {":k": S("a"), ":a": N("2"), ":b": N("3")}
    return Condition(
        expression,
        {"#d": "day"} if "#d" in expression else {},
        {name: value for name, value in values.items() if name in expression},
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = :k AND #d = :a", [2]),
        ("id = :k AND #d < :a", [0, 1]),
        ("id = :k AND #d <= :a", [0, 1, 2]),
        ("id = :k AND #d > :a", [3, 4]),
        ("id = :k AND #d >= :a", [2, 3, 4]),
        ("#d >= :a AND id = :k", [2, 3, 4]),
        ("id = :k AND #d BETWEEN :a AND :b", [2, 3]),
        ("(id = :k) AND (#d > :a)", [3, 4]),
        ("(id = :k AND #d > :a)", [3, 4]),
        (":k = id AND :a < #d", [3, 4]),
        (":k = id AND :a >= #d", [0, 1, 2]),
    ],
)
async def test_key_conditions(
    gateway: Gateway, sorted_table: str, condition: str, expected: list[int]
) -> None:
    """Every comparison that a query takes."""
    await gateway.batch_put(sorted_table, [day("a", n) for n in range(5)])
    page = await gateway.query(sorted_table, on_day(condition))
    assert days(list(page.items)) == expected


async def test_text_is_sorted_by_its_bytes(gateway: Gateway, table_name: str) -> None:
    """UTF-8 puts an emoji behind what UTF-16 puts it before; and begins_with goes by text."""
    await gateway.create_table(table(table_name, ("id", "S"), ("name", "S")))
    names = ["a", "ab", "b", "é", "\uffee", "😀"]
    items = [{**key(), "name": S(name)} for name in names]
    await gateway.batch_put(table_name, items[::-1])
    page = await gateway.query(table_name, has_id("k"))
    assert [item["name"]["S"] for item in page.items] == names
    starts = Condition(
        "id = :k AND begins_with(#n, :a)", {"#n": "name"}, {":k": S("k"), ":a": S("a")}
    )
    page = await gateway.query(table_name, starts)
    assert [item["name"]["S"] for item in page.items] == ["a", "ab"]


UNCHECKED = "does not check all key conditions"


@pytest.mark.parametrize(
    "condition",
    [
        "#d = :a",
        "id > :k",
        "id = id",
        "id = :k AND x = :a",
        "id = :k AND #d IN (:a)",
        pytest.param("id = :a", marks=wrong_on(dynoxide=UNCHECKED)),
        pytest.param("id = :k AND #d = :k", marks=wrong_on(dynoxide=UNCHECKED)),
        pytest.param("id = :k OR #d = :a", marks=wrong_on(ministack=UNCHECKED)),
        pytest.param("id = :k AND #d <> :a", marks=wrong_on(ministack=UNCHECKED)),
        pytest.param("id = :k AND NOT #d = :a", marks=wrong_on(ministack=UNCHECKED)),
        pytest.param("id = :k AND attribute_exists(#d)", marks=wrong_on(ministack=UNCHECKED)),
        pytest.param("id = :k AND #d > :a AND #d < :b", marks=wrong_on(ministack=UNCHECKED)),
    ],
)
async def test_wrong_key_conditions(gateway: Gateway, sorted_table: str, condition: str) -> None:
    """A query reads one partition and one range of its sort key; nothing else is one."""
    with pytest.raises(RequestRefusedError):
        await gateway.query(sorted_table, on_day(condition))


async def test_an_index_holds_items_that_have_its_keys(gateway: Gateway, sorted_table: str) -> None:
    """In the order of its sort key, whatever their partition in the table; updates move them."""
    for number in range(6):
        item = day(f"p-{number}", number, region=S("eu"), total=N(str(-number)))
        await gateway.put(sorted_table, item)
    await gateway.put(sorted_table, day("sparse", 1, region=S("eu")))
    await gateway.update(sorted_table, day("p-5", 5), Update("REMOVE #t", {"#t": "total"}))
    await gateway.update(
        sorted_table, day("p-4", 4), Update("SET #t = :t", {"#t": "total"}, {":t": N("9")})
    )
    await gateway.update(
        sorted_table, day("p-3", 3), Update("SET #r = :r", {"#r": "region"}, {":r": S("us")})
    )
    await gateway.delete(sorted_table, day("p-2", 2))
    assert days(await index_items(gateway, sorted_table, "by-region")) == [1, 0, 4]
    rest = await index_items(gateway, sorted_table, "by-region", descending=True)
    assert days(rest) == [4, 0, 1]
    found = {
        (item["id"]["S"], *item)
        for item in await index_items(gateway, sorted_table, "by-region-keys")
    }
    assert {name for name, *_ in found} == {"p-0", "p-1", "p-4", "p-5", "sparse"}


async def index_items(
    gateway: Gateway, name: str, index: str, limit: int | None = None, *, descending: bool = False
) -> list[WireItem]:
    """Read all items of a region from an index, page after page."""

    async def read(start_key: WireKey | None) -> Page:
        return await gateway.query(
            name,
            has_region("eu"),
            index=index,
            start_key=start_key,
            limit=limit,
            descending=descending,
            consistent_read=False,
        )

    items, _ = await all_pages(read)
    return items


async def test_an_index_returns_what_it_projects(gateway: Gateway, sorted_table: str) -> None:
    """All, keys only, or what is named besides the keys."""
    item = day("a", 1, region=S("eu"), total=N("5"), tag={"B": "AQ=="}, note=S("n"), rest=S("r"))
    await gateway.put(sorted_table, item)
    assert await index_items(gateway, sorted_table, "by-region") == [item]
    keys = [day("a", 1, region=S("eu"))]
    assert await index_items(gateway, sorted_table, "by-region-keys") == keys
    tagged = Condition("tag = :t AND #d < :d", {"#d": "day"}, {":t": {"B": "AQ=="}, ":d": N("2")})
    page = await gateway.query(sorted_table, tagged, index="by-tag", consistent_read=False)
    assert list(page.items) == [day("a", 1, tag={"B": "AQ=="}, note=S("n"))]


async def test_pages_of_an_index_go_on_by_both_keys(gateway: Gateway, sorted_table: str) -> None:
    """Many items may have one index key; the last key tells them apart by the table's."""
    for number in range(7):
        await gateway.put(sorted_table, day(f"p-{number}", 1, region=S("eu"), total=N("5")))
    page = await gateway.query(
        sorted_table, has_region("eu"), index="by-region", limit=2, consistent_read=False
    )
    assert page.last_key is not None
    assert page.last_key.keys() == {"id", "day", "region", "total"}
    for descending in (False, True):
        items = await index_items(gateway, sorted_table, "by-region", 2, descending=descending)
        assert sorted(item["id"]["S"] for item in items) == [f"p-{n}" for n in range(7)]


async def test_a_scan_of_an_index_finds_what_is_in_it(gateway: Gateway, sorted_table: str) -> None:
    """Page by page by both keys, in segments; what lacks a key of the index is not there."""
    for number in range(7):
        region = {"region": S("eu" if number % 2 else "us"), "total": N(str(number))}
        await gateway.put(sorted_table, day(f"p-{number}", 1, **region, rest=S("r")))
    await gateway.put(sorted_table, day("p-7", 1))
    found: list[WireItem] = []
    for segment in range(2):

        async def read(start_key: WireKey | None, segment: int = segment) -> Page:
            page = await gateway.scan(
                sorted_table,
                segment=segment,
                total_segments=2,
                index="by-region-keys",
                start_key=start_key,
                limit=2,
            )
            assert page.last_key is None or page.last_key.keys() == {"id", "day", "region"}
            return page

        items, _ = await all_pages(read)
        found += items
    assert sorted(item["id"]["S"] for item in found) == [f"p-{n}" for n in range(7)]
    assert all(item.keys() == {"id", "day", "region"} for item in found)
    for wrong in ("by-region", "nope"):
        with pytest.raises(RequestRefusedError):
            await gateway.scan(
                sorted_table, segment=0, total_segments=1, index=wrong, consistent_read=True
            )


async def test_a_local_index_can_be_read_consistently(gateway: Gateway, sorted_table: str) -> None:
    """A global one cannot; one that does not exist is refused."""
    for number in range(3):
        await gateway.put(sorted_table, day("a", number, total=N(str(-number))))
    page = await gateway.query(sorted_table, has_id("a"), index="by-total")
    assert days(list(page.items)) == [2, 1, 0]
    for wrong in ("by-region", "nope"):
        with pytest.raises(RequestRefusedError):
            await gateway.query(sorted_table, has_region("eu"), index=wrong)


@pytest.mark.parametrize(
    "start_key",
    [
        pytest.param(day("b", 1), id="partition", marks=wrong_on(dynoxide="reads nothing")),
        pytest.param({"id": S("a")}, id="less"),
        pytest.param(
            day("a", 1, region=S("eu")), id="more", marks=wrong_on(ministack="reads nothing")
        ),
    ],
)
async def test_a_page_starts_at_a_key_of_its_query(
    gateway: Gateway, sorted_table: str, start_key: WireKey
) -> None:
    """A key of another partition or schema is refused."""
    with pytest.raises(RequestRefusedError):
        await gateway.query(sorted_table, has_id("a"), start_key=start_key)


@pytest.mark.parametrize(
    ("condition", "descending", "begins"),
    [
        pytest.param("#d >= :b", False, 4, id="in the range"),
        pytest.param("#d >= :b", False, 3, id="at the near end"),
        pytest.param("#d >= :b", True, 4, id="before the far end"),
        pytest.param("#d > :a", True, 3, id="before the far end, which is not included"),
        pytest.param("#d BETWEEN :a AND :b", False, 2, id="between"),
    ],
)
async def test_a_page_starts_within_the_range(
    gateway: Gateway, sorted_table: str, condition: str, descending: bool, begins: int
) -> None:
    """A key that the condition holds for, where something may come after it, is fine."""
    await gateway.query(
        sorted_table,
        on_day(f"id = :k AND {condition}"),
        start_key=day("a", begins),
        descending=descending,
    )


@pytest.mark.parametrize(
    ("condition", "descending", "begins"),
    [
        pytest.param("#d >= :b", False, 2, id="below"),
        pytest.param("#d >= :b", True, 2, id="below, backward"),
        pytest.param("#d >= :b", True, 3, id="at the far end", marks=at_the_end),
        pytest.param("#d <= :b", False, 3, id="at the far end, forward", marks=at_the_end),
        pytest.param("#d BETWEEN :a AND :b", False, 3, id="at the end between", marks=at_the_end),
        pytest.param(
            "#d BETWEEN :a AND :b", True, 2, id="at the other end between", marks=at_the_end
        ),
        pytest.param("#d > :b", False, 3, id="at the end, which is not included"),
    ],
)
@wrong_on(dynoxide="reads what is in the range")
async def test_a_page_starts_nowhere_else(
    gateway: Gateway, sorted_table: str, condition: str, descending: bool, begins: int
) -> None:
    """Also a key that nothing can come after is refused."""
    with pytest.raises(RequestRefusedError):
        await gateway.query(
            sorted_table,
            on_day(f"id = :k AND {condition}"),
            start_key=day("a", begins),
            descending=descending,
        )


# Transactions


async def test_a_transaction_takes_all_actions(
    gateway: Gateway, simple: str, sorted_table_too: str
) -> None:
    """Put, update, delete and check, on several tables at once."""
    await gateway.put(simple, {**key("gone"), "x": N("1")})
    await gateway.put(simple, {**key("count"), "count": N("1")})
    await gateway.transact_write(
        [
            TransactPut(simple, {**key("new"), "x": N("1.0")}, ABSENT),
            TransactUpdate(simple, key("count"), ADD_ONE, Condition("#c = :one", {"#c": "count"})),
            TransactUpdate(simple, key("made"), ADD_ONE),
            TransactDelete(simple, key("gone"), Condition("x = :x", {}, {":x": N("1")})),
            TransactDelete(simple, key("never"), None),
            TransactCheck(simple, key("absent"), ABSENT),
            TransactPut(sorted_table_too, day("a", 1)),
        ]
    )
    got = await gateway.transact_get(
        [
            TransactGet(simple, key("new")),
            TransactGet(simple, key("gone")),
            TransactGet(sorted_table_too, day("a", 1)),
            TransactGet(simple, key("count")),
            TransactGet(simple, key("made")),
        ]
    )
    assert got == [
        {**key("new"), "x": N("1")},
        None,
        day("a", 1),
        {**key("count"), "count": N("2")},
        {**key("made"), "count": N("1")},
    ]
    assert await stored(gateway, simple, key("absent")) is None


@pytest.fixture
async def sorted_table_too(gateway: Gateway) -> str:
    """A second table."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    await gateway.create_table(table(name, ("id", "S"), ("day", "N")))
    return name


async def test_a_cancelled_transaction_says_why_and_does_nothing(
    gateway: Gateway, simple: str
) -> None:
    """A verdict for each action, and what was there where a condition failed."""
    await gateway.put(simple, {**key("there"), "x": N("1")})
    with pytest.raises(TransactionCancelled) as cancelled:
        await gateway.transact_write(
            [
                TransactPut(simple, key("new")),
                TransactPut(simple, key("there"), ABSENT),
                TransactCheck(simple, key("absent"), Condition("attribute_exists(id)")),
                TransactUpdate(simple, key("made"), ADD_ONE),
            ]
        )
    reasons = cancelled.value.reasons
    assert [reason.verdict for reason in reasons] == [
        Verdict.FINE,
        Verdict.CONDITION_FAILED,
        Verdict.CONDITION_FAILED,
        Verdict.FINE,
    ]
    assert [reason.item for reason in reasons] == [None, {**key("there"), "x": N("1")}, None, None]
    assert await everything(gateway, simple) == [{**key("there"), "x": N("1")}]


ANY_ACTION = wrong_on(ministack="transactions do not check their actions")
NUMBER = {":v": N("1")}


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(TransactPut("", day("b", 1, region=N("1"))), id="index key", marks=ANY_ACTION),
        pytest.param(TransactPut("", day("b", 1, x=S("x" * 400 * 1024))), id="400 KB"),
        pytest.param(TransactPut("", {"id": S("b")}), id="no key", marks=ANY_ACTION),
        pytest.param(TransactPut("", day("a", 1)), id="key twice"),
        pytest.param(
            TransactUpdate("", day("b", 1), Update("SET x.y = :v", {}, NUMBER)), id="path"
        ),
        pytest.param(
            TransactUpdate("", day("b", 1), Update("SET nonsense")), id="syntax", marks=ANY_ACTION
        ),
        pytest.param(
            TransactUpdate("", day("b", 1), Update("SET #d = :v", {"#d": "day"}, NUMBER)),
            id="key changed",
            marks=wrong_on(dynoxide="takes it", ministack="takes it"),
        ),
    ],
)
async def test_a_refused_action_refuses_the_transaction(
    gateway: Gateway, sorted_table: str, bad: TransactPut | TransactUpdate
) -> None:
    """Sending it again would not help; nothing is written."""
    good = TransactPut(sorted_table, day("a", 1))
    with pytest.raises(RequestRefusedError):
        await gateway.transact_write([good, attrs.evolve(bad, table=sorted_table)])
    assert await everything(gateway, sorted_table) == []


async def test_transactions_have_limits(gateway: Gateway, simple: str) -> None:
    """1 to 100 actions or gets."""
    puts = [TransactPut(simple, key(n)) for n in range(101)]
    gets = [TransactGet(simple, key(n)) for n in range(101)]
    taken = await not_refused(
        write=gateway.transact_write(puts),
        write_none=gateway.transact_write([]),
        get=gateway.transact_get(gets),
        get_none=gateway.transact_get([]),
    )
    assert taken == []
    await gateway.transact_write(puts[:100])
    assert None not in await gateway.transact_get(gets[:100])


async def test_a_token_makes_a_transaction_count_once(gateway: Gateway, simple: str) -> None:
    """An answer may get lost, so the retry layer sends the same again; another one is refused."""
    token = uuid.uuid4().hex
    add = [TransactUpdate(simple, key(), ADD_ONE)]
    for _ in range(3):
        await gateway.transact_write(add, token=token)
    assert await stored(gateway, simple, key()) == {**key(), "count": N("1")}
    with pytest.raises(RequestRefusedError):
        await gateway.transact_write([TransactPut(simple, key())], token=token)
    await gateway.transact_write(add)
    assert await stored(gateway, simple, key()) == {**key(), "count": N("2")}


async def test_writes_at_the_same_time_take_turns(gateway: Gateway, simple: str) -> None:
    """Of many conditional writes to one key, one wins; of many counts, none is lost."""

    async def claim(number: int) -> bool:
        try:
            await gateway.put(simple, {**key("claim"), "by": N(str(number))}, ABSENT)
        except ConditionFailed:
            return False
        return True

    assert sum(await asyncio.gather(*(claim(n) for n in range(12)))) == 1
    await asyncio.gather(*(gateway.update(simple, key(), ADD_ONE) for _ in range(12)))
    assert await stored(gateway, simple, key()) == {**key(), "count": N("12")}
