"""A drop-in table in some phase, or a plain one that holds what the drop-in does logically.

An item is placed where a phase may have it; a plain table has it, or has not.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias

import aioboto3
import attrs
import orders
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError, ParamValidationError
from drop_in_cases.words import OTHER_TABLE, TABLE, TOKEN, Case

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
from dualtable._dynamodb.gateway import MAX_BATCH_WRITE, batches
from dualtable._dynamodb.retry import PRODUCTION

PLACEMENTS = ("new only", "old only", "stale in old", "tombstoned", "nowhere")
COPIED = ("new only", "copied", "stale in old", "tombstoned", "nowhere")
ABSENT = ("tombstoned", "nowhere")
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

Place: TypeAlias = tuple[str, int]
_WRITTEN = {("c-7", day) for day in (3, 50, 51, 60, 99)}
"""What a write may change without a trace in a query: a tombstone is none."""
_OTHERS: list[Any] = [
    {"PutRequest": {"Item": {"id": "a", "count": 1}}},
    {"PutRequest": {"Item": {"id": "b", "count": 2}}},
    {"DeleteRequest": {"Key": {"id": "c"}}},
]


def places_of(phase: Phase, placement: str) -> dict[Place, str]:
    """Return where each item is: the one that the cases are about, and some around it."""
    places = PLACES[phase]
    alive = [place for place in places if place not in ABSENT]
    around = {("c-7", day): places[day % len(places)] for day in range(9)}
    beside = {("c-8", day): alive[day % len(alive)] for day in range(100, 104)}
    return {**around, **beside, ("c-7", 3): placement}


def there(places: Mapping[Place, str]) -> frozenset[Place]:
    """Return which items there are logically."""
    return frozenset(place for place, placement in places.items() if placement not in ABSENT)


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


def placed(item: dict[str, Any], placement: str) -> tuple[Any, Any]:
    """Return what is in old and in new; None for nothing."""
    stale = old_day({**item, "name": "stale", "amount": Decimal(-1), "state": "stale"})
    written = {**item, "_dualtable_token": "t"}
    tombstone = {name: item[name] for name in ("customer", "day")} | {"_dualtable_deleted": True}
    return {
        "new only": (None, written),
        "old only": (old_day(item), None),
        "copied": (old_day(item), item),
        "stale in old": (stale, written),
        "tombstoned": (stale, tombstone),
        "nowhere": (None, None),
    }[placement]


def _logically(item: dict[str, Any], placement: str) -> tuple[Any]:
    """Return what is in a plain table."""
    return (None if placement in ABSENT else item,)


@attrs.define
class World:
    """A table, what is in it, and another one that a case may name.

    Each case finds what was there at the beginning: what an earlier one has changed is put back.
    """

    table: Any
    client: Any
    tables: tuple[str, ...]
    other: str
    places: Mapping[Place, str]
    _changed: set[Place] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._changed = _WRITTEN | self.places.keys()

    async def answer(self, case: Case) -> Any:
        """Return what a call answers; after a write also what is there."""
        _, operation, parameters = case
        if is_write(operation):
            self._changed |= _WRITTEN
        await self._put_back()
        found = await self.outcome(operation, parameters)
        if not is_write(operation):
            return found
        self._changed |= _WRITTEN
        beside = await self._left_in_other() if operation.startswith("client.") else None
        return found, await self._left(), beside

    async def _put_back(self) -> None:
        for some in batches(self._missing(), MAX_BATCH_WRITE):
            by_table: dict[str, list[Any]] = {}
            for name, request in some:
                by_table.setdefault(name, []).append(request)
            await self.client.batch_write_item(RequestItems=by_table)
        self._changed.clear()

    def _missing(self) -> Iterator[tuple[str, Any]]:
        if self._changed:
            yield from ((self.other, each) for each in _OTHERS)
        placing = placed if len(self.tables) > 1 else _logically
        for customer, day in self._changed:
            item = new_day(day, customer)
            contents = placing(item, self.places.get((customer, day), "nowhere"))
            for name, each in zip(self.tables, contents, strict=True):
                yield name, _written(item, each)

    async def _left(self) -> Any:
        """Return what is there, and note what was otherwise in the beginning."""
        found = (await self.table.query(KeyConditionExpression=Key("customer").eq("c-7")))["Items"]
        now = {("c-7", int(item["day"])): item for item in found}
        before = {place: new_day(place[1]) for place in there(self.places) if place[0] == "c-7"}
        self._changed |= {p for p in now.keys() | before.keys() if now.get(p) != before.get(p)}
        return found

    async def _left_in_other(self) -> Any:
        found = (await self.client.scan(TableName=self.other))["Items"]
        return sorted(found, key=lambda item: str(item["id"]))

    def named(self, parameters: Any) -> Any:
        """Return the parameters of a case, with the names that the tables have here."""
        if isinstance(parameters, dict):
            return {self.named(name): self.named(value) for name, value in parameters.items()}
        if isinstance(parameters, list):
            return [self.named(each) for each in parameters]
        if isinstance(parameters, str):
            called = {TABLE: self.table.name, OTHER_TABLE: self.other, TOKEN: uuid.uuid4().hex}
            return called.get(parameters, parameters)
        return parameters

    async def outcome(self, operation: str, parameters: dict[str, Any]) -> Any:
        """Return what a call answers, in a form that is equal where it should be."""
        called = self.table.meta.client if operation.startswith("client.") else self.table
        try:
            if operation == "program":
                return await parameters["run"](self.table)
            answer = await getattr(called, operation.removeprefix("client."))(
                **self.named(parameters)
            )
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
            names = {self.table.name: TABLE, self.other: OTHER_TABLE}
            found = answer["Responses"]
            answer["Responses"] = {
                names[name]: sorted(items, key=_order) for name, items in found.items()
            }
        return answer


def is_write(operation: str) -> bool:
    return "get" not in operation and not operation.endswith(("query", "scan"))


def _written(item: dict[str, Any], there: dict[str, Any] | None) -> dict[str, Any]:
    """Return a member of a batch that lets something be there, or nothing."""
    if there is not None:
        return {"PutRequest": {"Item": there}}
    return {"DeleteRequest": {"Key": {name: item[name] for name in ("customer", "day")}}}


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
async def plain_world(server: str, name: str, places: Mapping[Place, str]) -> AsyncIterator[World]:
    """Make a plain table on a server."""
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway, _boto3(server) as boto3:
        await gateway.create_table(_table(f"{name}-one", "by-state", local=True))
        await gateway.create_table(orders.table(f"{name}-plain-other", ("id", "S")))
        table = await boto3.Table(f"{name}-one")
        yield World(table, boto3.meta.client, (table.name,), f"{name}-plain-other", places)


@asynccontextmanager
async def world_in(
    server: str, phase: Phase, name: str, places: Mapping[Place, str]
) -> AsyncIterator[World]:
    """Make a drop-in table in a phase."""
    plan = _plan(phase, name)
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await gateway.create_table(_table(plan.old, "old-by-state", local=False))
        await gateway.create_table(orders.table(f"{name}-other", ("id", "S")))
        assert (await create_table(plan, endpoint_url=server)).ok
        control = Control(gateway, plan.control_table, plan.name)
        while (now := (await control.state()).phase) is not phase:
            await control.advance(_NEXT[now], time.time())
    async with _boto3(server) as boto3, drop_in.Table(plan, endpoint_url=server) as table:
        yield World(table, boto3.meta.client, (plan.old, plan.new), f"{name}-other", places)


def _plan(phase: Phase, name: str) -> Migration:
    indexes = [
        Index("by-state", BY_STATE, old_index="old-by-state", old_value=str.upper),
        Index("by-name", BY_NAME, "KEYS_ONLY", local=True),
    ]
    return Migration(
        name,
        f"{name}-old",
        f"{name}-new",
        TRANSFORM,
        indexes=indexes,
        control_table=f"{name}-control",
        rolling=phase in _ENTRY,
    )


def _boto3(server: str) -> Any:
    return aioboto3.Session().resource("dynamodb", endpoint_url=server)


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
