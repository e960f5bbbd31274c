"""The old table is frozen by its policy, which keeps what it had and gets it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orders
import pytest

from dualtable import DualTableError, DualTableRepository, Migration, create_table, freeze
from dualtable._control.control_table import Control
from dualtable._control.phases import Phase
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway, TransactPut
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._expressions.texts import Update
from dualtable._wire import codec
from dualtable.errors import AccessError, MigrationMismatchError
from dualtable.testing import Faults, MemoryGateway

ROLE = "arn:aws:iam::123456789012:role/old-code"
ITEM = codec.encode(orders.old_order(1))
KEY = codec.encode(orders.key(1))
THEIRS = {
    "Sid": "Theirs",
    "Effect": "Allow",
    "Principal": {"AWS": "123456789012"},
    "Action": "dynamodb:GetItem",
    "Resource": "*",
}


@pytest.fixture(params=["memory", "ministack"])
def connection(request: pytest.FixtureRequest, running: Callable[[str], str]) -> Connection:
    if request.param == "memory":
        return {"gateway": MemoryGateway()}
    return {"endpoint_url": running(request.param)}


async def made(name: str, connection: Connection, **settings: Any) -> Migration:
    plan = orders.migration(name, **settings)
    async with connect(connection, ONE_OFF) as gateway:
        await gateway.create_table(orders.table(plan.old))
        await orders.fill(gateway, plan.old, [orders.old_order(1)])
    await create_table(plan, **connection)
    return plan


async def policy_of(plan: Migration, connection: Connection) -> Any:
    async with connect(connection, ONE_OFF) as gateway:
        found = await gateway.policy(plan.old)
    return found and found.text


async def give(plan: Migration, connection: Connection, text: str) -> None:
    async with connect(connection, ONE_OFF) as gateway:
        await gateway.put_policy(plan.old, text, over=await gateway.policy(plan.old))


async def test_a_table_without_a_policy_has_none_again(
    connection: Connection, table_name: str
) -> None:
    """Frozen once, however often it is asked for, and thawed."""
    plan = await made(table_name, connection)
    first = await freeze(plan, **connection)
    assert (first.table, first.frozen, first.changed) == (plan.old, True, True)
    assert not (await freeze(plan, **connection)).changed
    (statement,) = json.loads(await policy_of(plan, connection))["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    thawed = await freeze(plan, undo=True, **connection)
    assert (thawed.frozen, thawed.changed) == (False, True)
    assert await policy_of(plan, connection) is None
    assert not (await freeze(plan, undo=True, **connection)).changed


@pytest.mark.parametrize("statement", [THEIRS, [THEIRS]], ids=["alone", "in a list"])
async def test_a_policy_comes_back_word_for_word(
    connection: Connection, table_name: str, statement: Any
) -> None:
    """Also as it was spelled; while it is frozen, what it says goes on."""
    plan = await made(table_name, connection)
    before = json.dumps({"Id": "ours", "Version": "2012-10-17", "Statement": statement}, indent=3)
    await give(plan, connection, before)
    await freeze(plan, role=ROLE, **connection)
    await freeze(plan, **connection)
    frozen = json.loads(await policy_of(plan, connection))
    assert (frozen["Id"], frozen["Statement"][0]) == ("ours", THEIRS)
    assert len(frozen["Statement"]) == 3
    await freeze(plan, undo=True, **connection)
    assert await policy_of(plan, connection) == before


async def test_what_others_add_meanwhile_stays(connection: Connection, table_name: str) -> None:
    """Only what is ours is taken away."""
    plan = await made(table_name, connection)
    await freeze(plan, **connection)
    policy = json.loads(await policy_of(plan, connection))
    policy["Statement"].insert(0, THEIRS)
    await give(plan, connection, json.dumps(policy))
    await freeze(plan, undo=True, **connection)
    assert json.loads(await policy_of(plan, connection))["Statement"] == [THEIRS]


@pytest.mark.parametrize("sid", ["DualtableFreezer", "DualtableFreeze" + "a" * 16])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
async def test_a_statement_with_a_name_like_ours_stays(
    connection: Connection, table_name: str, sid: str, effect: str
) -> None:
    """Somebody else's statement is not taken away with ours, nor taken for one."""
    plan = await made(table_name, connection)
    theirs = {**THEIRS, "Sid": sid, "Effect": effect}
    await give(plan, connection, json.dumps({"Statement": [theirs]}))
    assert (await freeze(plan, **connection)).roles == ()
    await freeze(plan, undo=True, **connection)
    assert json.loads(await policy_of(plan, connection))["Statement"] == [theirs]


async def test_one_role_alone(connection: Connection, table_name: str) -> None:
    """The way in: old code is denied, the repository is not; each can be taken back by itself."""
    plan = await made(table_name, connection)
    report = await freeze(plan, role=ROLE, **connection)
    assert (report.frozen, report.roles) == (False, (ROLE,))
    (statement,) = json.loads(await policy_of(plan, connection))["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    other = await freeze(plan, role=f"{ROLE}-2", **connection)
    assert other.roles == (ROLE, f"{ROLE}-2")
    assert (await freeze(plan, role=ROLE, undo=True, **connection)).roles == (f"{ROLE}-2",)


WRITES: list[Callable[[Gateway, str], Any]] = [
    lambda gateway, table: gateway.put(table, ITEM),
    lambda gateway, table: gateway.update(table, KEY, Update("REMOVE legacy")),
    lambda gateway, table: gateway.delete(table, KEY),
    lambda gateway, table: gateway.batch_put(table, [ITEM]),
    lambda gateway, table: gateway.insert(
        table, orders.packed([codec.encode(orders.old_order(2))]), key_name="id"
    ),
    lambda gateway, table: gateway.transact_write([TransactPut(table, ITEM)]),
]


@pytest.mark.parametrize("write", WRITES, ids=["put", "update", "delete", "batch", "insert", "tx"])
async def test_every_write_is_denied_and_every_read_goes_on(write: Any) -> None:
    """Production reads the old table until the end."""
    gateway = MemoryGateway()
    plan = await made("shop", {"gateway": gateway})
    before = await orders.digest(gateway, plan.old)
    await freeze(plan, gateway=gateway)
    with pytest.raises(AccessError, match="explicitly denied"):
        await write(gateway, plan.old)
    assert await orders.digest(gateway, plan.old) == before
    async with DualTableRepository(plan, gateway=gateway) as repository:
        assert await repository.get(orders.key(1)) == orders.new_order(1)
    await freeze(plan, undo=True, gateway=gateway)
    await write(gateway, plan.old)


@pytest.mark.parametrize("phase", [Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW])
async def test_nobody_freezes_what_the_repository_writes_to(phase: Phase) -> None:
    """Production would stop; one role may be denied all the same."""
    gateway = MemoryGateway()
    plan = await made("shop", {"gateway": gateway}, transform=orders.Drop("legacy"), rolling=True)
    control = Control(gateway, plan.control_table, plan.name)
    while (await control.state()).phase is not phase:
        state = await control.state()
        await control.move(state, list(Phase)[state.step + 1], 0)
    with pytest.raises(MigrationMismatchError, match=f"phase {phase}"):
        await freeze(plan, gateway=gateway)
    assert await gateway.policy(plan.old) is None
    assert (await freeze(plan, role=ROLE, gateway=gateway)).changed


@pytest.mark.parametrize(
    "role",
    [
        "old-code",
        "arn:aws:iam::123456789012:user/ann",
        "",
        5,
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/old-cod?",
        "arn:aws:iam::123456789012:role/*/old-code",
        "arn:aws:iam::*:role/old-code",
        "arn:aws:iam::123456789012:role/${aws:username}",
        "arn:aws:iam::123456789012:role/old code",
    ],
)
async def test_a_role_that_is_none(role: Any) -> None:
    """It would deny nobody, and look as if it had; a pattern would deny the repository, too."""
    with pytest.raises(DualTableError, match="is no role"):
        await freeze(orders.migration("shop"), role=role, gateway=MemoryGateway())


async def test_a_change_meanwhile_is_not_overwritten() -> None:
    """Somebody else's policy is not lost, and nothing looks frozen that is not."""
    gateway = MemoryGateway()
    plan = await made("shop", {"gateway": gateway})
    text = json.dumps({"Version": "2012-10-17", "Statement": [THEIRS]})

    class Overtaken(Faults):
        async def before(self, operation: str, table: str) -> None:
            if operation == "put_policy":
                gateway.faults = Faults()
                await gateway.put_policy(table, text, over=None)

    gateway.faults = Overtaken()
    with pytest.raises(DualTableError, match="has changed meanwhile"):
        await freeze(plan, gateway=gateway)
    found = await gateway.policy(plan.old)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("name", ["dynamodb-local", "dynoxide"])
async def test_a_server_without_policies(
    running: Callable[[str], str], table_name: str, name: str
) -> None:
    """It is told by its name, and where else the denial may stand."""
    connection: Connection = {"endpoint_url": running(name)}
    plan = await made(table_name, connection)
    with pytest.raises(DualTableError, match="knows no resource policies"):
        await freeze(plan, **connection)
