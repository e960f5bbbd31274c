"""A drop-in table in some phase, and one plain table that holds what it should.

An item is placed where a phase may have it; what it is logically, the plain table has.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import aioboto3
import attrs
import orders
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError, ParamValidationError
from drop_in_cases.words import OTHER_TABLE, TABLE, TOKEN

from dualtable import (
    Chain,
    Convert,
    Index,
    KeySchema,
    Migration,
    Phase,
    Rename,
    create_table,
    drop_in,
)
from dualtable._control.control_table import Control
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

PLACEMENTS = ("new only", "old only", "stale in old", "tombstoned", "nowhere")
COPIED = ("new only", "copied", "stale in old", "tombstoned", "nowhere")
PLACES: dict[Phase, tuple[str, ...]] = {
    Phase.ROLLING_OUT: ("old only", "nowhere"),
    Phase.READING_BOTH: PLACEMENTS,
    Phase.WRITING_NEW: PLACEMENTS,
    Phase.MIGRATING: PLACEMENTS,
    Phase.MIGRATED: COPIED,
    Phase.FINISHED: COPIED,
}
"""Where an item may be, by phase."""

TRANSFORM = Chain(Rename("nme", "name"), Convert("state", str.lower, back=str.upper))
BY_STATE = KeySchema("state", ("day", "N"))
BY_NAME = KeySchema("customer", "name")


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


def placed(item: dict[str, Any], placement: str) -> tuple[Any, Any, Any]:
    """Return what is in old, in new, and logically; None for nothing."""
    stale = old_day({**item, "name": "stale", "amount": Decimal(-1), "state": "stale"})
    written = {**item, "_dualtable_token": "t"}
    tombstone = {name: item[name] for name in ("customer", "day")} | {"_dualtable_deleted": True}
    return {
        "new only": (None, written, item),
        "old only": (old_day(item), None, item),
        "copied": (old_day(item), item, item),
        "stale in old": (stale, written, item),
        "tombstoned": (stale, tombstone, None),
        "nowhere": (None, None, None),
    }[placement]


@attrs.frozen
class World:
    """The drop-in under test, the plain table, and another one that both may name."""

    table: Any
    plain: Any
    resource: Any
    plan: Migration
    phase: Phase
    other: str

    async def place(self, placement: str) -> None:
        """Let the item be there, and no item that a case has made."""
        await self.write(new_day(3), placement)
        for day in (50, 51, 60, 99):
            await self.write(new_day(day), "nowhere")
        await self.fill_other()

    async def fill_other(self) -> None:
        client = self.resource.meta.client
        items = [{"id": "a", "count": 1}, {"id": "b", "count": 2}]
        puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        gone = {"DeleteRequest": {"Key": {"id": "c"}}}
        await client.batch_write_item(RequestItems={self.other: [*puts, gone]})

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

    async def left(self, table: Any) -> Any:
        """Return all that is there, of the one table and of the other."""
        query = await table.query(KeyConditionExpression=Key("customer").eq("c-7"))
        other = await (await self.resource.Table(self.other)).scan()
        return query["Items"], sorted(other["Items"], key=lambda item: str(item["id"]))

    def named(self, parameters: Any, table: Any) -> Any:
        """Return the parameters of a case, with the names that the tables have here."""
        if isinstance(parameters, dict):
            return {
                self.named(name, table): self.named(value, table)
                for name, value in parameters.items()
            }
        if isinstance(parameters, list):
            return [self.named(each, table) for each in parameters]
        if isinstance(parameters, str):
            called = {TABLE: table.name, OTHER_TABLE: self.other, TOKEN: uuid.uuid4().hex}
            return called.get(parameters, parameters)
        return parameters

    async def outcome(self, table: Any, operation: str, parameters: dict[str, Any]) -> Any:
        """Return what a call answers, in a form that is equal where it should be."""
        of_client = operation.startswith("client.")
        method = getattr(
            table.meta.client if of_client else table, operation.removeprefix("client.")
        )
        try:
            answer = await method(**self.named(parameters, table))
        except ClientError as error:
            return error.operation_name, type(error).__name__, *_said(error.response)
        except ParamValidationError:
            return ParamValidationError
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be equal
            return type(error)
        answer.pop("ResponseMetadata")
        answer.pop("ConsumedCapacity", None)  # DynamoDB Local tells it unasked
        for name in ("UnprocessedItems", "UnprocessedKeys"):
            assert not answer.pop(name, None)
        if operation.endswith("scan"):
            answer.get("Items", []).sort(key=_order)
        if operation == "client.batch_get_item":
            found = answer["Responses"]
            answer["Responses"] = {
                name.replace(table.name, TABLE): sorted(items, key=_order)
                for name, items in found.items()
            }
        return answer


def _said(response: dict[str, Any]) -> tuple[Any, ...]:
    reasons = [
        (reason["Code"], _in_order(reason.get("Item")))
        for reason in response.get("CancellationReasons", [])
    ]
    return response["Error"]["Code"], _in_order(response.get("Item")), reasons


def _in_order(item: dict[str, Any] | None) -> Any:
    """Return a typed item whose sets, which are lists there, have an order."""
    return item and {
        name: sorted(value["SS"]) if "SS" in value else value for name, value in item.items()
    }


def _order(value: Any) -> str:
    """Return what items are sorted by, whatever order their names and sets have."""
    if isinstance(value, dict):
        return repr({name: _order(value[name]) for name in sorted(value)})
    return repr(sorted(map(repr, value)) if isinstance(value, set) else value)


@asynccontextmanager
async def world_on(server: str, phase: Phase, name: str) -> AsyncIterator[World]:
    """Make the tables on a server, in a phase, with some items around the one that is placed."""
    plan = Migration(
        name,
        f"{name}-old",
        f"{name}-new",
        TRANSFORM,
        indexes=[
            Index("by-state", BY_STATE, old_index="old-by-state", old_value=str.upper),
            Index("by-name", BY_NAME, "KEYS_ONLY", local=True),
        ],
        control_table=f"{name}-control",
        rolling=phase in _ENTRY,
    )
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(connect({"endpoint_url": server}, PRODUCTION))
        await gateway.create_table(_table(plan.old, "old-by-state", local=False))
        await gateway.create_table(_table(f"{name}-one", "by-state", local=True))
        await gateway.create_table(orders.table(f"{name}-other", ("id", "S")))
        assert (await create_table(plan, endpoint_url=server)).ok
        control = Control(gateway, plan.control_table, plan.name)
        while (now := (await control.state()).phase) is not phase:
            await control.advance(_NEXT[now], time.time())
        session = aioboto3.Session()
        resource = await stack.enter_async_context(
            session.resource("dynamodb", endpoint_url=server)
        )
        table = await stack.enter_async_context(drop_in.Table(plan, endpoint_url=server))
        plain = await resource.Table(f"{name}-one")
        found = World(table, plain, resource, plan, phase, f"{name}-other")
        places = PLACES[phase]
        for day in range(9):
            await found.write(new_day(day), places[day % len(places)])
        alive = [place for place in places if place not in ("tombstoned", "nowhere")]
        for day in range(100, 104):
            await found.write(new_day(day, "c-8"), alive[day % len(alive)])
        yield found


_ENTRY = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
_NEXT = dict(zip(Phase, list(Phase)[1:], strict=False))


def _table(name: str, index: str, *, local: bool) -> dict[str, Any]:
    table = orders.table(name, ("customer", "S"), ("day", "N"))
    table["AttributeDefinitions"].append({"AttributeName": "state", "AttributeType": "S"})
    table["GlobalSecondaryIndexes"] = [
        {
            "IndexName": index,
            "KeySchema": _key("state", "day"),
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    if local:
        table["AttributeDefinitions"].append({"AttributeName": "name", "AttributeType": "S"})
        table["LocalSecondaryIndexes"] = [
            {
                "IndexName": "by-name",
                "KeySchema": _key("customer", "name"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    return table


def _key(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
