"""The policies of the permissions guide are what each role sends, no less and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aioboto3
import orders
import pages
from boto3.dynamodb.conditions import Attr, Key

from dualtable import (
    ConditionCheck,
    Delete,
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Planner,
    Put,
    Update,
    Verifier,
    create_table,
    read_status,
)
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

PAGE = pages.ROOT / "docs" / "guides" / "permissions.md"
PRODUCTION_POLICY, MIGRATOR_POLICY, FROZEN_POLICY = (
    json.loads(block.code)["Statement"] for block in pages.blocks(PAGE)
)
WRITES = {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem", "PartiQLInsert"}

Allowed = set[tuple[str, str]]
"""Pairs of an action and ``old``, ``new`` or ``control``."""


class Recorder(aioboto3.Session):
    """A session that notes which actions are asked of which table."""

    def __init__(self, plan: Migration) -> None:
        super().__init__()
        self.used: Allowed = set()
        self._roles = {plan.old: "old", plan.new: "new", plan.control_table: "control"}
        self.events.register("provide-client-params.dynamodb", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.used |= {(action, self._roles[table]) for action, table in _needs(model.name, params)}


def _needs(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the actions that a request needs, each with its table."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for member in params["TransactItems"]:
            for kind, request in member.items():
                yield f"{kind}Item", request["TableName"]
    elif operation == "BatchExecuteStatement":
        for statement in params["Statements"]:
            yield "PartiQLInsert", re.findall(r'"([^"]+)"', statement["Statement"])[0]
    elif "ResourceArn" in params:
        yield operation, params["ResourceArn"].rpartition("/")[2]
    else:
        for table in params.get("RequestItems") or [params["TableName"]]:
            yield operation, table
    if params.get("Tags"):
        yield "TagResource", params["TableName"]


def allowed(policy: list[dict[str, Any]]) -> Allowed:
    roles = {"orders": "old", "orders-v2": "new", "dualtable-control": "control"}
    return {
        (action.removeprefix("dynamodb:"), roles[statement["Resource"].rpartition("/")[2]])
        for statement in policy
        for action in statement["Action"]
    }


async def recorded(server: str, plan: Migration, work: Callable[[Any], Awaitable[None]]) -> Allowed:
    """Return what a role asks for while it does its work."""
    session = Recorder(plan)
    await work({"session": session, "endpoint_url": server})
    return session.used


async def test_policies_are_exact(endpoint: str, table_name: str) -> None:
    """Least privilege that somebody can rely on: a policy that is too narrow stops production."""
    plan = orders.migration(table_name, settle_seconds=1)
    async with connect({"endpoint_url": endpoint}, PRODUCTION) as gateway:
        definition = orders.table(plan.old) | {"Tags": [{"Key": "team", "Value": "shop"}]}
        await gateway.create_table(definition)
        await gateway.switch_ttl_on(plan.old, "until")
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(50)])

    async def create(connection: Any) -> None:
        await Planner(plan, **connection).run()
        await create_table(plan, **connection)

    async def produce(connection: Any) -> None:
        async with DualTableRepository(plan, **connection) as repository:
            await repository.get(orders.key(1))
            await repository.batch_get([orders.key(1), orders.key(2)])
            await repository.put(orders.new_order(1))
            await repository.put(orders.new_order(60), if_absent=True)
            await repository.batch_put([orders.new_order(2), orders.new_order(3)])
            await repository.update(orders.key(4), lambda order: order)
            await repository.delete(orders.key(5))
            async for _ in repository.query(Key("id").eq("o-6")):
                pass
            async for _ in repository.scan():
                pass
            await repository.update_item(orders.key(1), UpdateExpression="REMOVE seen")
            await repository.transact_write(
                [
                    Put(orders.new_order(70)),
                    Update(orders.key(1), "SET seen = :n", values={":n": 2}),
                    Delete(orders.key(8)),
                    ConditionCheck(orders.key(2), Attr("id").exists()),
                ]
            )
            await repository.transact_get([orders.key(1), orders.key(9)])

    async def migrate(connection: Any) -> None:
        await Migrator(plan, total_segments=2, **connection).run()
        await Migrator(plan, restart=True, **connection).run()
        await Verifier(plan, **connection).run()
        await read_status(plan, **connection)
        await Lifecycle(plan, **connection).advance(wait=True)

    creation = await recorded(endpoint, plan, create)
    production = await recorded(endpoint, plan, produce)
    migration = await recorded(endpoint, plan, migrate)
    # A real delete comes with the last phase, a single PutItem with an item of a long statement.
    assert production | {("DeleteItem", "new")} == allowed(PRODUCTION_POLICY)
    assert creation | migration | {("PutItem", "new")} == allowed(MIGRATOR_POLICY)


def test_no_role_may_write_to_the_old_table() -> None:
    """I5, without having to trust the code."""
    asked = allowed(PRODUCTION_POLICY) | allowed(MIGRATOR_POLICY)
    assert not {action for action, table in asked if table == "old" and action in WRITES}
    denied = {action.removeprefix("dynamodb:") for action in FROZEN_POLICY[0]["Action"]}
    assert denied >= WRITES
