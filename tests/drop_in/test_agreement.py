"""The drop-in answers as a plain table would: each case on both, wherever the item is.

Results are equal; errors by class, code, operation, and the items that they bring. After a write,
what is there is equal too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import aioboto3
import attrs
import orders
import pytest
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError, ParamValidationError
from drop_in_cases import CASES, TABLE, UPDATES

from dualtable import Chain, Convert, Index, KeySchema, Migration, Rename, create_table, drop_in
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

PLACEMENTS = ("new only", "old only", "stale in old", "tombstoned", "nowhere")
OPERATIONS = sorted({operation for _, operation, _ in CASES})
SERVERS = ("dynamodb-local", "dynoxide")

# Where a server is known to be wrong, by case, and why.
_LAX = "it does not look at the value"
_CANCELS = "it cancels the transaction, where the others refuse the request"
_BY_TEXT = "it compares keys as they are spelled"
_ORDER = "it judges the condition before it looks at the names"
_BROKEN = ("malformed", "an undefined value", "a reserved word", "an unused name", "no names")
WRONG: dict[str, dict[str, str]] = {
    "dynamodb-local": {"client.batch_get_item: a key twice, spelled otherwise": _BY_TEXT},
    "dynoxide": {
        "client.batch_get_item: a key twice, spelled otherwise": _BY_TEXT,
        "put_item: if a wrong wish": _LAX,
        "delete_item: if a wrong wish": _LAX,
        "client.transact_write_items: put if a wrong wish": _LAX,
        "client.transact_write_items: check if a wrong wish": _LAX,
        "query: a wrong type": "it finds nothing instead",
        "query: behind a key of another partition": "it accepts it",
        "client.transact_get_items: projections": "it adds the key",
        "put_item: if an unused name": _ORDER,
        "delete_item: if an unused name": _ORDER,
        "client.transact_write_items: an update that does not fit": _CANCELS,
        "client.transact_write_items: a sum": _CANCELS,
        "client.transact_write_items: a difference": _CANCELS,
        **{
            f"client.transact_write_items: {kind} if {what}": _CANCELS
            for kind in ("put", "check")
            for what in _BROKEN
        },
    },
}
_SHOWS_THE_KEY = "it returns the key of an item that was not there"
for _update in UPDATES:
    WRONG["dynoxide"][f"update_item: {_update}, ALL_OLD"] = _SHOWS_THE_KEY


def new_day(day: int, customer: str = "c-7", **changes: Any) -> dict[str, Any]:
    return {
        "customer": customer,
        "day": day,
        "name": f"live {day}",
        "state": "open" if day % 2 else "done",
        "amount": Decimal(day),
        "payload": b"\x01",
        "tags": {"a", "b"},
        "parts": ["p", "q"],
        "address": {"city": "Ulm", "zip": "1"},
        "a.b": 7,
        **changes,
    }


def old_day(item: dict[str, Any]) -> dict[str, Any]:
    old = {**item, "nme": item["name"], "state": item["state"].upper()}
    del old["name"]
    return old


def tombstone(item: dict[str, Any]) -> dict[str, Any]:
    return {"customer": item["customer"], "day": item["day"], "_dualtable_deleted": True}


def placed(item: dict[str, Any], placement: str) -> tuple[Any, Any, Any]:
    """Return what is in old, in new, and logically; None for nothing."""
    stale = old_day({**item, "name": "stale", "amount": Decimal(-1), "state": "stale"})
    written = {**item, "_dualtable_token": "t"}
    return {
        "new only": (None, written, item),
        "old only": (old_day(item), None, item),
        "stale in old": (stale, written, item),
        "tombstoned": (stale, tombstone(item), None),
        "nowhere": (None, None, None),
    }[placement]


def request(key: dict[str, Any], item: dict[str, Any] | None) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key}} if item is None else {"PutRequest": {"Item": item}}


@attrs.frozen
class World:
    """The drop-in under test, and one plain table that holds what it should."""

    table: Any
    plain: Any
    resource: Any
    plan: Migration

    async def place(self, placement: str) -> None:
        """Let the item be there, and no item that a case has made."""
        await self.write(new_day(3), placement)
        for day in (50, 51, 60, 99):
            await self.write(new_day(day), "nowhere")

    async def write(self, item: dict[str, Any], placement: str) -> None:
        names = self.plan.old, self.plan.new, self.plain.name
        key = {name: item[name] for name in ("customer", "day")}
        found = placed(item, placement)
        requests = {
            name: [
                {"DeleteRequest": {"Key": key}} if each is None else {"PutRequest": {"Item": each}}
            ]
            for name, each in zip(names, found, strict=True)
        }
        await self.resource.meta.client.batch_write_item(RequestItems=requests)


@pytest.fixture(params=SERVERS)
async def world(
    request: pytest.FixtureRequest, running: Callable[[str], str], table_name: str
) -> AsyncIterator[World]:
    server = running(request.param)
    plan = Migration(
        table_name,
        f"{table_name}-old",
        f"{table_name}-new",
        Chain(Rename("nme", "name"), Convert("state", str.lower, back=str.upper)),
        indexes=[
            Index(
                "by-state",
                KeySchema("state", ("day", "N")),
                old_index="old-by-state",
                old_value=str.upper,
            )
        ],
        control_table=f"{table_name}-control",
    )
    index = {
        "KeySchema": [
            {"AttributeName": "state", "KeyType": "HASH"},
            {"AttributeName": "day", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connect({"endpoint_url": server}, PRODUCTION))
        for name, called in ((plan.old, "old-by-state"), (f"{table_name}-one", "by-state")):
            table = orders.table(name, ("customer", "S"), ("day", "N"))
            table["AttributeDefinitions"].append({"AttributeName": "state", "AttributeType": "S"})
            table["GlobalSecondaryIndexes"] = [{"IndexName": called, **index}]
            await gateway.create_table(table)
        assert (await create_table(plan, endpoint_url=server)).ok
        session = aioboto3.Session()
        resource = await stack.enter_async_context(
            session.resource("dynamodb", endpoint_url=server)
        )
        table = await stack.enter_async_context(drop_in.Table(plan, endpoint_url=server))
        found = World(table, await resource.Table(f"{table_name}-one"), resource, plan)
        for day in range(9):
            await found.write(new_day(day), PLACEMENTS[day % 5])
        for day in range(100, 104):
            await found.write(new_day(day, "c-8"), PLACEMENTS[day % 3])
        yield found


async def outcome(table: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """Return what a call answers, in a form that is equal where it should be."""
    of_client = operation.startswith("client.")
    method = getattr(table.meta.client if of_client else table, operation.removeprefix("client."))
    try:
        answer = await method(**named(parameters, table.name))
    except ClientError as error:
        reasons = [
            (reason["Code"], in_order(reason.get("Item")))
            for reason in error.response.get("CancellationReasons", [])
        ]
        code, item = error.response["Error"]["Code"], in_order(error.response.get("Item"))
        return code, error.operation_name, type(error).__name__, item, reasons
    except ParamValidationError:
        return ParamValidationError
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be equal
        return type(error)
    answer.pop("ResponseMetadata")
    answer.pop("ConsumedCapacity", None)  # DynamoDB Local tells it unasked
    for name in ("UnprocessedItems", "UnprocessedKeys"):
        assert not answer.get(name)
    if operation == "scan":
        answer.get("Items", []).sort(key=repr_of)
    if operation == "client.batch_get_item":
        answer["Responses"] = sorted(answer["Responses"][table.name], key=repr_of)
    return answer


def in_order(item: dict[str, Any] | None) -> Any:
    """Return a typed item whose sets, which are lists there, have an order."""
    return item and {
        name: sorted(value["SS"]) if "SS" in value else value for name, value in item.items()
    }


def repr_of(item: dict[str, Any]) -> str:
    return f"{item.get('customer')} {item.get('day', 0):05} {item.get('name')}"


def named(parameters: Any, name: str) -> Any:
    if isinstance(parameters, dict):
        return {named(k, name): named(v, name) for k, v in parameters.items()}
    if isinstance(parameters, list):
        return [named(each, name) for each in parameters]
    return name if isinstance(parameters, str) and parameters == TABLE else parameters


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "placement",
    [
        pytest.param(place, marks=() if place == "old only" else pytest.mark.conformance)
        for place in PLACEMENTS
    ],
)
async def test_each_case_is_answered_alike(
    world: World, placement: str, operation: str, request: pytest.FixtureRequest
) -> None:
    """Code that is written for one table cannot tell where its item is."""
    wrong = WRONG[request.node.callspec.params["world"]]
    different = []
    for name, called, parameters in CASES:
        if called != operation or name in wrong:
            continue
        await world.place(placement)
        expected = await outcome(world.plain, called, parameters)
        found = await outcome(world.table, called, parameters)
        if found != expected:
            different.append((name, "expected", expected, "found", found))
        if "get" not in called and called not in ("query", "scan"):
            left, there = await everything(world.plain), await everything(world.table)
            if left != there:
                different.append((name, "left", left, "there", there))
    assert not different, "\n\n".join(map(str, different))


async def everything(table: Any) -> list[dict[str, Any]]:
    query = await table.query(KeyConditionExpression=Key("customer").eq("c-7"))
    return query["Items"]
