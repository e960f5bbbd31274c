"""Several calls one after the other, as a program makes them: what only shows over time.

Each takes a table, works in a partition of its own beside the items that are there, and takes away
what it has made.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

from drop_in_cases.words import C7, PARTITION, Case, K

Program = Callable[[Any], Awaitable[Any]]

MINE = "c-9"
ME = Key("customer").eq(MINE)
OPEN = Key("state").eq("open")


@asynccontextmanager
async def items_of_mine(table: Any, *days: Any, **attributes: Any) -> AsyncIterator[None]:
    """Let there be an item a day, with some attributes, and none afterwards."""
    for day in days:
        await table.put_item(Item={"customer": MINE, "day": day, **attributes})
    try:
        yield
    finally:
        found = await everything(table.query, KeyConditionExpression=ME)
        for item in found:
            await table.delete_item(Key={"customer": MINE, "day": item["day"]})


async def pages(call: Any, **parameters: Any) -> list[dict[str, Any]]:
    """Return all pages, each begun where the last has ended."""
    found = [await call(**parameters)]
    while "LastEvaluatedKey" in found[-1]:
        assert len(found) < 50
        found.append(await call(**parameters, ExclusiveStartKey=found[-1]["LastEvaluatedKey"]))
    return found


async def everything(call: Any, **parameters: Any) -> list[Any]:
    return [item for page in await pages(call, **parameters) for item in page["Items"]]


def numbers(found: list[dict[str, Any]]) -> list[Any]:
    return [(page["Count"], page["ScannedCount"], page.get("LastEvaluatedKey")) for page in found]


def with_items(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out an empty last page: not every server knows at the page before that it is the last.

    Nor does that page say so everywhere.
    """
    return [page for page in found if page["Items"]]


def days(items: list[Any]) -> list[tuple[Any, Any]]:
    return sorted((item["customer"], item["day"]) for item in items)


async def failure(call: Awaitable[Any]) -> Any:
    """Return all that an error says which code may look at, but for its text."""
    try:
        return await call
    except ClientError as error:
        return type(error).__name__, error.operation_name, error.response["Error"]["Code"]


async def pages_of_a_query(table: Any) -> Any:
    return [
        numbers(
            await pages(
                table.query, KeyConditionExpression=C7, Limit=limit, ScanIndexForward=forward
            )
        )
        for limit in (1, 2, 3, 20)
        for forward in (True, False)
    ]


async def pages_of_a_range(table: Any) -> Any:
    condition = C7 & Key("day").between(2, 7)
    found = [
        with_items(
            await pages(
                table.query, KeyConditionExpression=condition, Limit=2, ScanIndexForward=forward
            )
        )
        for forward in (True, False)
    ]
    return [(numbers(each)[:-1], [page["Items"] for page in each]) for each in found]


async def filtered_pages(table: Any) -> Any:
    found = await pages(
        table.query,
        KeyConditionExpression=C7,
        FilterExpression=Attr("state").eq("done"),
        ProjectionExpression="amount, address.city",
        Limit=2,
    )
    return numbers(found), [page["Items"] for page in found]


async def pages_that_count(table: Any) -> Any:
    found = await pages(table.query, KeyConditionExpression=C7, Select="COUNT", Limit=4)
    return numbers(found), ["Items" in page for page in found]


async def pages_of_a_scan(table: Any) -> Any:
    found = await pages(table.scan, Limit=3)
    sizes = {page["Count"] <= 3 and page["Count"] == page["ScannedCount"] for page in found}
    return sizes, days([item for page in found for item in page["Items"]])


async def filtered_scan(table: Any) -> Any:
    found = await pages(table.scan, Limit=2, FilterExpression=Attr("amount").gt(2))
    scanned = sum(page["ScannedCount"] for page in found)
    return scanned, days([item for page in found for item in page["Items"]])


async def counted_scan(table: Any) -> Any:
    found = await pages(table.scan, Limit=4, Select="COUNT")
    return sum(page["Count"] for page in found), ["Items" in page for page in found][:1]


async def scan_in_segments(table: Any) -> Any:
    found = await asyncio.gather(
        *[everything(table.scan, Segment=n, TotalSegments=4, Limit=2) for n in range(4)]
    )
    return days([item for segment in found for item in segment])


async def pages_of_an_index(table: Any) -> Any:
    return [
        numbers(
            await pages(
                table.query,
                IndexName="by-state",
                KeyConditionExpression=OPEN,
                Limit=2,
                ScanIndexForward=forward,
            )
        )
        for forward in (True, False)
    ]


async def pages_of_a_local_index(table: Any) -> Any:
    condition = C7 & Key("name").begins_with("live")
    parameters = {"IndexName": "by-name", "KeyConditionExpression": condition, "Limit": 2}
    found = await pages(table.query, **parameters)
    return numbers(found), [page["Items"] for page in found]


async def scans_of_indexes(table: Any) -> Any:
    return [
        days(await everything(table.scan, IndexName=name, Limit=2))
        for name in ("by-state", "by-name")
    ]


async def order_of_numbers(table: Any) -> Any:
    spelled = [Decimal(n) for n in ("-1E+20", "-2.5", "-1E-20", "0", "1E-20", "2", "10", "1E+20")]
    async with items_of_mine(table, *reversed(spelled)):
        return [
            [
                item["day"]
                for item in await everything(
                    table.query, KeyConditionExpression=condition, ScanIndexForward=forward, Limit=3
                )
            ]
            for condition in (ME, ME & Key("day").between(-3, 9), ME & Key("day").lt(0))
            for forward in (True, False)
        ]


async def sparse_index(table: Any) -> Any:
    async with items_of_mine(table, 1, 2), items_of_mine(table, 3, state="open"):
        found = await everything(table.query, IndexName="by-state", KeyConditionExpression=OPEN)
        scanned = await everything(table.scan, IndexName="by-state")
        await table.update_item(
            Key={"customer": MINE, "day": 3},
            UpdateExpression="REMOVE #s",
            ExpressionAttributeNames={"#s": "state"},
        )
        later = await everything(table.query, IndexName="by-state", KeyConditionExpression=OPEN)
        return days(found), days(scanned), days(later)


async def one_token(table: Any) -> Any:
    """A transaction that comes twice is done once; another under its token is refused."""

    def called(amount: int) -> Awaitable[Any]:
        update = {
            "TableName": table.name,
            "Key": K,
            "UpdateExpression": "ADD visits :n",
            "ExpressionAttributeValues": {":n": amount},
        }
        return failure(
            table.meta.client.transact_write_items(
                TransactItems=[{"Update": update}], ClientRequestToken=token
            )
        )

    token = uuid.uuid4().hex
    await called(1)
    await called(1)
    other = await called(2)
    return other, (await table.get_item(Key=K))["Item"].get("visits")


async def counter(table: Any) -> Any:
    update = {
        "UpdateExpression": "ADD visits :n SET last_seen = if_not_exists(last_seen, :n)",
        "ExpressionAttributeValues": {":n": 1},
    }
    return [
        (await table.update_item(Key=K, ReturnValues=wanted, **update)).get("Attributes")
        for wanted in ("UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD", "NONE")
    ]


async def counters_at_once(table: Any) -> Any:
    update = {"UpdateExpression": "ADD visits :n", "ExpressionAttributeValues": {":n": 1}}
    found = await asyncio.gather(
        *[table.update_item(Key=K, ReturnValues="UPDATED_NEW", **update) for _ in range(4)]
    )
    return sorted(each["Attributes"]["visits"] for each in found)


async def optimistic_lock(table: Any) -> Any:
    def called(version: int) -> Awaitable[Any]:
        return failure(
            table.update_item(
                Key=K,
                UpdateExpression="SET version = :new",
                ConditionExpression=Attr("version").not_exists() | Attr("version").eq(version),
                ExpressionAttributeValues={":new": version + 1},
                ReturnValues="UPDATED_NEW",
            )
        )

    found = [await called(version) for version in (0, 1, 1, 2, 7)]
    return [each.get("Attributes") if isinstance(each, dict) else each for each in found]


async def put_once(table: Any) -> Any:
    put = {"Item": {**K, "name": "first"}, "ConditionExpression": "attribute_not_exists(customer)"}
    await table.delete_item(Key=K)
    gone = "Item" in await table.get_item(Key=K)
    first = "Attributes" in await table.put_item(**put, ReturnValues="ALL_OLD")
    return gone, first, await failure(table.put_item(**put))


async def deleted_twice(table: Any) -> Any:
    first = await table.delete_item(Key=K, ReturnValues="ALL_OLD")
    second = await table.delete_item(Key=K, ReturnValues="ALL_OLD")
    third = await failure(table.delete_item(Key=K, ConditionExpression=Attr("customer").exists()))
    return first.get("Attributes"), second.get("Attributes"), third


def _parts(error: ClientError) -> list[str]:
    """Return what a response has beside its message, which servers spell in two ways."""
    return sorted(error.response.keys() - {"message", "Message"})


async def errors_by_class(table: Any) -> Any:
    """What is caught by its class, and what it has."""
    client, found = table.meta.client, []
    fails = {"ConditionExpression": "attribute_exists(nothing)"}
    shown = {**fails, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    try:
        await table.put_item(Item=dict(K), **shown)
    except client.exceptions.ConditionalCheckFailedException as error:
        found.append((error.response["Error"], _parts(error), str(error)))
    try:
        delete = {"TableName": table.name, "Key": dict(K), **shown}
        other = {"TableName": table.name, "Item": {**K, "day": 60}}
        await client.transact_write_items(TransactItems=[{"Delete": delete}, {"Put": other}])
    except client.exceptions.TransactionCanceledException as error:
        reasons = error.response["CancellationReasons"]
        said = [(each["Code"], each.get("Message")) for each in reasons]
        found.append((error.response["Error"]["Code"], _parts(error), said))
    try:
        await client.get_item(TableName="nowhere-at-all", Key=dict(K))
    except client.exceptions.ResourceNotFoundException as error:
        found.append((error.response["Error"]["Code"], error.operation_name))
    try:
        await table.get_item(Key={"customer": MINE})
    except client.exceptions.ClientError as error:
        found.append((error.response["Error"]["Code"], sorted(error.response["Error"])))
    return found


async def answers_by_name(table: Any) -> Any:
    """What an answer has beside what was asked for."""
    answers = [
        await table.put_item(Item=dict(K)),
        await table.get_item(Key=K),
        await table.query(KeyConditionExpression=C7),
        await table.scan(Limit=1),
        await table.update_item(Key=K),
        await table.delete_item(Key=K),
        await table.get_item(Key=K),
        await table.meta.client.batch_get_item(RequestItems={table.name: {"Keys": [K]}}),
        await table.meta.client.transact_get_items(
            TransactItems=[{"Get": {"TableName": table.name, "Key": K}}]
        ),
    ]
    metadata = {"HTTPStatusCode", "HTTPHeaders", "RetryAttempts", "RequestId"}
    return [
        (
            sorted(answer.keys() - {"ConsumedCapacity"}),
            sorted(metadata & answer["ResponseMetadata"].keys()),
            answer["ResponseMetadata"]["HTTPStatusCode"],
        )
        for answer in answers
    ]


async def attributes_of_the_table(table: Any) -> Any:
    await table.load()
    await table.reload()
    definitions = sorted(await table.attribute_definitions, key=lambda each: each["AttributeName"])
    indexes = [each["IndexName"] for each in await table.global_secondary_indexes]
    status, names = await table.table_status, table.table_name == table.name
    return await table.key_schema, definitions, indexes, status, names, type(await table.item_count)


async def in_batches(table: Any) -> Any:
    async with items_of_mine(table):
        async with table.batch_writer() as batch:
            for day in range(30):
                await batch.put_item(Item={"customer": MINE, "day": day, "n": day})
        async with table.batch_writer(flush_amount=4) as batch:
            for day in range(0, 30, 3):
                await batch.delete_item(Key={"customer": MINE, "day": day})
        first = days(await everything(table.query, KeyConditionExpression=ME))
        async with table.batch_writer(overwrite_by_pkeys=["customer", "day"]) as batch:
            for n in range(5):
                await batch.put_item(Item={"customer": MINE, "day": n % 2, "n": n})
        return first, (await everything(table.query, KeyConditionExpression=ME))[:4]


async def all_types(table: Any) -> Any:
    item = {
        **K,
        "number": Decimal("-1.50E+3"),
        "int": 7,
        "nothing": None,
        "no": False,
        "bytes": b"\x00\xff",
        "binary": Binary(b"x"),
        "list": [1, [b"y", {"deep": {Decimal("1.0"), 2}}]],
        "set": {"a", "b"},
        "byteset": {b"a", Binary(b"b")},
        "empty": {"s": "", "b": b"", "l": [], "m": {}},
        "größe": "ß",
    }
    await table.put_item(Item=item)
    found = (await table.get_item(Key=K, ConsistentRead=True))["Item"]
    return found, sorted((name, type(value).__name__) for name, value in found.items())


async def exact_numbers(table: Any) -> Any:
    """By value: some servers keep the zeros at the end that a caller has written."""
    found = []
    for was, added in (
        ("0.1", "0.2"),
        ("9" * 37, "1"),
        ("1E+37", "1"),
        ("-1E-130", "0"),
        ("1.50", "-0.50"),
        ("100", "1E+2"),
    ):
        await table.put_item(Item={**K, "n": Decimal(was)})
        values = {"ExpressionAttributeValues": {":v": Decimal(added)}, "ReturnValues": "ALL_NEW"}
        for text in ("SET n = n + :v", "ADD n :v", "SET n = n - :v"):
            changed = await failure(table.update_item(Key=K, UpdateExpression=text, **values))
            found.append(changed["Attributes"]["n"] if isinstance(changed, dict) else changed)
    return found


async def pages_of_a_megabyte(table: Any) -> Any:
    """Over 1 MB is no one page; behind which item the first ends, each server says otherwise."""
    async with items_of_mine(table, *range(5), x="x" * 300_000):
        found = await pages(
            table.query, KeyConditionExpression=ME, ProjectionExpression="#d", **DAY
        )
        back = await pages(
            table.query, KeyConditionExpression=ME, ScanIndexForward=False, Select="COUNT"
        )
    sizes = [{page["Count"] in (1, 2, 3, 4) for page in each} for each in (found, back)]
    there = [item for page in found for item in page["Items"]]
    return there, sum(page["Count"] for page in back), sizes


DAY: Any = {"ExpressionAttributeNames": {"#d": "day"}}


async def largest_item(table: Any) -> Any:
    """An item of 400 KB is none if it has another byte; a write token needs some of them."""
    names = len("customer") + len("c-9") + len("day") + 2 + len("x")
    most = 400 * 1024 - names
    async with items_of_mine(table):
        answers = [
            await failure(
                table.put_item(Item={"customer": MINE, "day": 1, "x": "x" * (most + more)})
            )
            for more in (-60, 1)
        ]
    return [sorted(each) if isinstance(each, dict) else each for each in answers]


async def built_up(table: Any) -> Any:
    """An item that is made by updates alone."""
    await table.delete_item(Key=K)
    found = []
    for text, values in (
        ("SET address = :m, parts = :l", {":m": {"city": "Ulm"}, ":l": [1]}),
        ("SET address.zip = :v, parts[1] = :v", {":v": "89"}),
        ("SET parts = list_append(:l, parts) ADD tags :s", {":l": [0], ":s": {"t"}}),
        ("ADD tags :s, visits :n", {":s": {"u"}, ":n": 2}),
        ("REMOVE parts[0], address.city DELETE tags :s", {":s": {"t", "u"}}),
        ("SET address.#n = if_not_exists(address.#n, :n) + :n", {":n": 1}),
    ):
        names = {"ExpressionAttributeNames": {"#n": "n.x"}} if "#n" in text else {}
        answer = await table.update_item(
            Key=K,
            UpdateExpression=text,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            **names,
        )
        found.append(answer["Attributes"])
    return found


async def moved_by_a_transaction(table: Any) -> Any:
    """An item gets another key: one is deleted, one put; who comes too late is told why."""
    there = {**K, "day": 60}
    actions = [
        {
            "Delete": {
                "TableName": table.name,
                "Key": K,
                "ConditionExpression": "attribute_exists(customer)",
            }
        },
        {
            "Put": {
                "TableName": table.name,
                "Item": there,
                "ConditionExpression": "attribute_not_exists(customer)",
            }
        },
    ]
    found = []
    for _ in range(2):
        try:
            await table.meta.client.transact_write_items(TransactItems=actions)
            found.append("done")
        except ClientError as error:
            found.append([each["Code"] for each in error.response["CancellationReasons"]])
    return found


async def queried_while_it_changes(table: Any) -> Any:
    """A page's end is a place: what is behind it may be deleted, and new items come in order."""
    async with items_of_mine(table, 1, 2, 3, 5):
        first = await table.query(KeyConditionExpression=ME, Limit=2)
        start = first["LastEvaluatedKey"]
        await table.delete_item(Key=start)
        await table.put_item(Item={"customer": MINE, "day": 4})
        rest = await table.query(KeyConditionExpression=ME, ExclusiveStartKey=start)
        return first["Items"], rest["Items"]


async def key_of_text(table: Any) -> Any:
    """A starting key survives JSON, as pages of a web service hand it on."""
    first = await table.query(KeyConditionExpression=C7, Limit=2)
    start = {name: str(value) for name, value in first["LastEvaluatedKey"].items()}
    again = {"customer": start["customer"], "day": Decimal(start["day"])}
    assert start["customer"] == PARTITION
    return (await table.query(KeyConditionExpression=C7, ExclusiveStartKey=again))["Items"]


_ALL: tuple[Program, ...] = (
    pages_of_a_query,
    pages_of_a_range,
    filtered_pages,
    pages_that_count,
    pages_of_a_scan,
    filtered_scan,
    counted_scan,
    scan_in_segments,
    pages_of_an_index,
    pages_of_a_local_index,
    scans_of_indexes,
    order_of_numbers,
    sparse_index,
    one_token,
    counter,
    counters_at_once,
    optimistic_lock,
    put_once,
    deleted_twice,
    errors_by_class,
    answers_by_name,
    attributes_of_the_table,
    in_batches,
    all_types,
    exact_numbers,
    pages_of_a_megabyte,
    largest_item,
    built_up,
    moved_by_a_transaction,
    queried_while_it_changes,
    key_of_text,
)

PROGRAMS: list[Case] = [
    (f"program: {run.__name__.replace('_', ' ')}", "program", {"run": run}) for run in _ALL
]
