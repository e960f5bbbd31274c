"""The policies of the permissions guide are what each role sends, no less and no more."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import aioboto3
import attrs
import orders
import pages
import pytest
from boto3.dynamodb.conditions import Attr, Key
from clocks import HandClock

from dualtable import (
    Chain,
    ConditionCheck,
    Convert,
    Delete,
    Drop,
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Move,
    Phase,
    Planner,
    Put,
    Rename,
    Update,
    Verifier,
    clean_up,
    create_table,
    freeze,
    read_dead_letters,
    read_status,
    retry_dead_letters,
    try_transform,
    write_report,
)
from dualtable._control.milestones import Milestones
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._operations.precautions import check_precautions
from dualtable._operations.rate import change_limits, pause, resume
from dualtable._planning.draft import draft_migration
from dualtable._standing.listing import list_migrations
from dualtable._wire import codec
from dualtable.testing import MemoryGateway

PAGE = pages.ROOT / "docs" / "guides" / "permissions.md"
PRODUCTION_POLICY, SOME_PRODUCTION, MIGRATOR_POLICY, SOME_COMMANDS, FROZEN_POLICY = (
    json.loads(block.code)["Statement"] for block in pages.blocks(PAGE)
)
WRITES = {
    "BatchWriteItem",
    "DeleteItem",
    "PartiQLDelete",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PutItem",
    "UpdateItem",
}
"""All that changes an item; a transaction asks for those of its members."""
WAY_IN = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)

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


def allowed(policy: list[dict[str, Any]], *sids: str) -> Allowed:
    """Return what some statements of a policy allow; without names, all of them."""
    roles = {"orders": "old", "orders-v2": "new", "dualtable-control": "control"}
    return {
        (action.removeprefix("dynamodb:"), roles[statement["Resource"].rpartition("/")[2]])
        for statement in policy
        for action in statement["Action"]
        if not sids or statement["Sid"] in sids
    }


@attrs.define
class Shop:
    """A rolling migration, and what each role has asked for while it did its work."""

    plan: Migration
    endpoint: str
    clock: HandClock = attrs.field(factory=HandClock)
    sessions: dict[str, Recorder] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sessions = defaultdict(lambda: Recorder(self.plan))

    def acting(self, role: str) -> dict[str, Any]:
        return {"session": self.sessions[role], "endpoint_url": self.endpoint}

    def used(self, *roles: str) -> Allowed:
        return {pair for role in roles for pair in self.sessions[role].used}

    def tables(self) -> Any:
        """Return a gateway that nobody records."""
        return connect({"endpoint_url": self.endpoint}, PRODUCTION)

    async def fill(self) -> None:
        async with self.tables() as gateway:
            definition = orders.table(self.plan.old) | {"Tags": [{"Key": "team", "Value": "shop"}]}
            await gateway.create_table(definition)
            await gateway.switch_ttl_on(self.plan.old, "until")
            await orders.fill(gateway, self.plan.old, [orders.old_order(n) for n in range(80)])

    async def produce(self, role: str, first: int, **settings: Any) -> None:
        """Do all that a repository can do, to ten orders that only one phase works on."""
        key, new = orders.key, orders.new_order
        async with DualTableRepository(
            self.plan, clock=self.clock, **settings, **self.acting(role)
        ) as repository:
            await repository.get(key(first))
            await repository.batch_get([key(first), key(first + 1)])
            await repository.transact_get([key(first), key(first + 1)])
            await repository.put(new(first))
            await repository.put(new(first + 100), if_absent=True)
            await repository.put(new(first + 1), condition=Attr("id").exists())
            await repository.batch_put([new(first), new(first + 2)])
            await repository.update(key(first + 3), lambda order: {**order, "seen": 1})
            await repository.update_item(key(first + 4), UpdateExpression="SET seen = id")
            await repository.delete(key(first + 5))
            await repository.delete(key(first + 6), condition=Attr("id").exists())
            await repository.batch_delete([key(first + 7)])
            await self._read_on(repository, key(first))
            await repository.transact_write(
                [
                    Put(new(first)),
                    Update(key(first + 1), "SET seen = :n", values={":n": 2}),
                    Delete(key(first + 8)),
                    ConditionCheck(key(first + 9), Attr("id").exists()),
                ]
            )

    async def _read_on(self, repository: DualTableRepository, key: Any) -> None:
        await repository.query(Key("id").eq(key["id"])).count()
        await repository.scan().count()
        await repository.scan(index="by-region").count()

    async def begin(self, role: str) -> None:
        as_role = self.acting(role)
        await draft_migration(self.plan.old, path="draft_migration.py", **as_role)
        await try_transform(self.plan, sample=2, keys=[orders.key(1)], **as_role)
        await Planner(self.plan, **as_role).run()
        await create_table(self.plan, clock=self.clock, **as_role)

    async def advance(self, role: str) -> None:
        lifecycle = Lifecycle(self.plan, clock=self.clock, **self.acting(role))
        await lifecycle.gate()
        await lifecycle.advance(wait=True, old_code_is_gone=True)

    async def migrate(self, role: str) -> None:
        """Copy, with a dead letter that is mended, and look after it."""
        as_role = self.acting(role)
        await self.replace(self.plan.old, orders.old_order(55, total="none"))
        await check_precautions(self.plan, despite=["ttl", "no-repository"], **as_role)
        await Migrator(self.plan, dry_run=True, **as_role).run()
        report = await Migrator(self.plan, total_segments=2, **as_role).run()
        assert report.failed == 1
        assert len(await read_dead_letters(self.plan, **as_role)) == 1
        await retry_dead_letters(self.plan, **as_role)
        await self.replace(self.plan.old, orders.old_order(55))
        assert (await retry_dead_letters(self.plan, **as_role)).written == 1
        await Migrator(self.plan, restart=True, total_segments=2, **as_role).run()

    async def verify(self, role: str) -> None:
        """Prove it, with a copy that is missing and one that is wrong."""
        as_role = self.acting(role)
        await self.replace(self.plan.new, orders.new_order(56, total=0))
        async with self.tables() as gateway:
            await gateway.delete(self.plan.new, codec.encode(orders.key(57)))
        await Verifier(self.plan, **as_role).sample(10)
        assert await Verifier(self.plan, **as_role).repair_key(orders.key(56))
        assert (await Verifier(self.plan, repair=True, **as_role).run()).repaired == 1
        assert (await Verifier(self.plan, **as_role).run()).ok

    async def look(self, role: str) -> None:
        as_role = self.acting(role)
        await read_status(self.plan, **as_role)
        await write_report(self.plan, **as_role)
        await change_limits(self.plan, {"max_write_units": None}, **as_role)
        await pause(self.plan, **as_role)
        await resume(self.plan, **as_role)

    async def declare_dead(self, role: str) -> None:
        repository = DualTableRepository(self.plan, clock=self.clock, endpoint_url=self.endpoint)
        async with repository, self.tables() as gateway:
            milestones = Milestones(gateway, self.plan.control_table, self.plan.name)
            (beat,) = await milestones.heartbeats()
            lifecycle = Lifecycle(self.plan, clock=self.clock, **self.acting(role))
            await lifecycle.declare_dead(beat.repository)

    async def replace(self, table: str, item: dict[str, Any]) -> None:
        async with self.tables() as gateway:
            await gateway.put(table, codec.encode(item))


ROLLING = Chain(
    Move("customer.region", "region"),
    Rename("customer.nme", "name"),
    Convert("total", orders.to_cents, back=orders.from_cents),
    Drop("legacy"),
)


@pytest.mark.timeout(600)  # all that can be done, in each phase, on a server
async def test_policies_are_exact(endpoint: str, table_name: str) -> None:
    """Least privilege that somebody can rely on: a policy that is too narrow stops production."""
    shop = Shop(orders.migration(table_name, ROLLING, rolling=True), endpoint)
    await shop.fill()
    await shop.begin("operator")
    for number in range(len(WAY_IN)):
        await shop.produce("way in", 10 * number)
        await shop.advance("operator")
    await freeze(shop.plan, **shop.acting("freeze"))
    await freeze(shop.plan, undo=True, **shop.acting("freeze"))
    await shop.produce("production", 30)
    await shop.produce("copy on read", 40, copy_on_read=True)
    await shop.migrate("operator")
    await shop.produce("shadow", 60, shadow_share=1.0)
    await shop.verify("operator")
    await shop.look("operator")
    await shop.declare_dead("operator")
    await shop.advance("operator")
    await shop.produce("production", 50)
    await shop.advance("operator")
    await shop.produce("production", 70)
    await list_migrations(shop.plan.control_table, **shop.acting("list"))
    await clean_up(shop.plan, tokens=True, clock=shop.clock, **shop.acting("cleanup"))
    production, operator = shop.used("production"), shop.used("operator")
    assert production == allowed(PRODUCTION_POLICY)
    assert operator == allowed(MIGRATOR_POLICY)
    for role, sid in (
        ("way in", "WriteTheOldTableOnTheWayIn"),
        ("copy on read", "CopyOnRead"),
        ("shadow", "ReadInTheShadow"),
    ):
        assert shop.used(role) - production == allowed(SOME_PRODUCTION, sid)
    for role, sid in (("freeze", "Freeze"), ("cleanup", "Cleanup"), ("list", "List")):
        assert shop.used(role) - operator == allowed(SOME_COMMANDS, sid)


def test_no_role_may_write_to_the_old_table() -> None:
    """I5, without having to trust the code; what the way in needs is taken away after it."""
    asked = allowed(PRODUCTION_POLICY) | allowed(MIGRATOR_POLICY) | allowed(SOME_COMMANDS)
    assert not {action for action, table in asked if table == "old" and action in WRITES}


async def test_a_freeze_denies_every_write_and_adds_what_the_guide_shows() -> None:
    """One action too few is a way into a table that everybody believes to stand still."""
    gateway, plan = MemoryGateway(), orders.migration("shop")
    await orders.create(gateway, plan)
    await freeze(plan, gateway=gateway)
    policy = await gateway.policy(plan.old)
    assert policy is not None
    (statement,) = json.loads(policy.text)["Statement"]
    arn = (await gateway.describe_table(plan.old))["TableArn"]
    assert statement == {**FROZEN_POLICY[0], "Resource": arn}
    assert sorted(statement["Action"]) == [f"dynamodb:{action}" for action in sorted(WRITES)]
