"""Make sure that nobody writes to the old table, by the table's own policy.

The rule: what stands in the policy already stays, word for word, and comes back as it was; only
statements of ours are added and taken away. A denial of everybody is for the time when the
repository does not write to the old table either.

Transactions and PartiQL need no actions of their own: a transaction asks for those of its members.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Unpack

import attrs

from dualtable._control.connected import begun
from dualtable._control.phases import ROUTES
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway, Policy
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.facts import Observatory
from dualtable._transforms.migration import Migration, check_flags
from dualtable._wire.layouts import check_apart, identity
from dualtable.errors import DualTableError, MigrationMismatchError, RequestRefusedError

_SID = "DualtableFreeze"
_ACTIONS = [
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
]
_VERSION = "2012-10-17"
# A wildcard would deny the repository's role, too, while it still writes to the old table.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: names of roles
_ROLE = re.compile(
    r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[!-#%-)+->@-~]+/)?[\w+=,.@-]{1,64}", re.ASCII
)


@attrs.frozen(kw_only=True)
class FreezeReport:
    """What `freeze` did.

    Attributes:
        table: The old table.
        frozen: Whether its policy denies everybody to write now.
        roles: The roles that it denies alone.
        changed: Whether the policy was changed now.

    Example:
        >>> from dualtable import FreezeReport
        >>> FreezeReport(table="orders", frozen=True, changed=True).roles
        ()
    """

    table: str
    frozen: bool = False
    roles: tuple[str, ...] = ()
    changed: bool = False


async def freeze(
    migration: Migration,
    *,
    role: str | None = None,
    undo: bool = False,
    **connection: Unpack[Connection],
) -> FreezeReport:
    """Deny every write to the old table, by a resource policy of that table.

    DynamoDB takes some seconds to go by it, and refuses a second change within 15 seconds.

    Args:
        migration: Whose old table it is.
        role: The ARN of a role: deny that one alone. That is for the way in, where the repository
            still writes to the old table, and old code has a role of its own.
        undo: Take the denial away, of `role` alone where it is given; a policy that was there
            before is then as it was.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        MigrationMismatchError: The repository itself still writes to the old table in this phase.
        DualTableError: `role` is no ARN of a role, or the server knows no resource policies.
        TableNotFoundError: The old table does not exist.
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, create_table, freeze
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     await create_table(migration, gateway=gateway)
        ...     await freeze(migration, gateway=gateway)
        ...     await gateway.put("orders", {"id": {"S": "o-1"}})
        >>> asyncio.run(main())
        Traceback (most recent call last):
        dualtable.errors.AccessError: dynamodb:PutItem on orders: explicitly denied ...
    """
    check_flags(undo=undo)
    if role is not None:
        _check_role(role)
    async with connect(connection, ONE_OFF) as gateway:
        old = await gateway.describe_table(migration.old)
        arn = str(old["TableArn"])
        present = await _policy(gateway, migration.old)
        observatory = Observatory(gateway, migration)
        if not undo:
            new = await gateway.describe_table(migration.new)
            check_apart({migration.old: identity(old), migration.new: identity(new)})
        if not undo and role is None:
            await _check_phase(observatory)
        before = _statements(present)
        after = _thawed(before, role) if undo else _frozen(before, arn, role)
        if after != before:
            with begun():
                await _store(observatory, present, after)
        denied = [_role(statement) for statement in after if _is_ours(statement)]
        return FreezeReport(
            table=migration.old,
            frozen=None in denied,
            roles=tuple(role for role in denied if role is not None),
            changed=after != before,
        )


def _check_role(role: str) -> None:
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise DualTableError(
            f"role={role!r} is no role; write arn:aws:iam::123456789012:role/NAME, one role's name"
            " in full"
        )


async def _check_phase(observatory: Observatory) -> None:
    phase = (await observatory.state()).phase
    if ROUTES[phase].old_moves:
        raise MigrationMismatchError(
            f"{observatory.migration.name} is in phase {phase}, in which the repository itself may"
            f" write to {observatory.migration.old}; deny the role of the old code alone"
        )


async def _policy(gateway: Gateway, table: str) -> Policy | None:
    try:
        return await gateway.policy(table)
    except RequestRefusedError as error:
        if error.code == "UnknownOperationException":
            raise DualTableError(
                f"this server knows no resource policies ({error}), so nothing was frozen; deny"
                f" the writes to {table} in the policies of the roles"
            ) from error
        raise


async def _store(
    observatory: Observatory, present: Policy | None, after: list[dict[str, Any]]
) -> None:
    """Store a policy with these statements; what was there before ours is kept beside."""
    gateway, table = observatory.gateway, observatory.migration.old
    milestones = observatory.milestones
    await milestones.ensure_table()
    if not any(map(_is_ours, _statements(present))):
        await milestones.note_policy(None if present is None else present.text)
    try:
        if (text := _text(present, after, await milestones.policy())) is not None:
            await gateway.put_policy(table, text, over=present)
        elif present is not None:
            await gateway.delete_policy(table, over=present)
    except RequestRefusedError as error:
        if error.code == "PolicyNotFoundException":
            raise DualTableError(
                f"the policy of {table} has changed meanwhile, or a moment ago; run it again"
            ) from error
        raise


def _text(
    present: Policy | None, statements: list[dict[str, Any]], before: str | None
) -> str | None:
    """Return the text of a policy: the one that was before, where it is that one again."""
    if before is not None and _statements(Policy(before, "")) == statements:
        return before
    if not statements:
        return None
    rest = {"Version": _VERSION} if present is None else json.loads(present.text)
    return json.dumps({**rest, "Statement": statements})


def _statements(policy: Policy | None) -> list[dict[str, Any]]:
    if policy is None:
        return []
    found = json.loads(policy.text)["Statement"]
    return [found] if isinstance(found, dict) else found


def _frozen(statements: list[dict[str, Any]], arn: str, role: str | None) -> list[dict[str, Any]]:
    wanted = _denial(arn, role)
    return statements if wanted in statements else [*_others(statements, wanted["Sid"]), wanted]


def _thawed(statements: list[dict[str, Any]], role: str | None) -> list[dict[str, Any]]:
    if role is None:
        return [each for each in statements if not _is_ours(each)]
    return _others(statements, _sid(role))


def _others(statements: list[dict[str, Any]], sid: str) -> list[dict[str, Any]]:
    return [each for each in statements if not _is_ours(each) or each["Sid"] != sid]


def _denial(arn: str, role: str | None) -> dict[str, Any]:
    """Return the statement that denies all writes, to everybody or to one role's sessions."""
    statement: dict[str, Any] = {
        "Sid": _sid(role),
        "Effect": "Deny",
        "Principal": "*",
        "Action": _ACTIONS,
        "Resource": arn,
    }
    if role is not None:
        statement["Condition"] = {"ArnEquals": {"aws:PrincipalArn": role}}
    return statement


def _sid(role: str | None) -> str:
    """Return what tells our statements from others; letters and digits are allowed there."""
    return _SID if role is None else _SID + hashlib.sha256(role.encode()).hexdigest()[:16]


def _is_ours(statement: dict[str, Any]) -> bool:
    """Tell whether it denies what one of ours of that name denies; a name alone says nothing."""
    return statement.get("Effect") == "Deny" and statement.get("Sid") == _sid(_role(statement))


def _role(statement: dict[str, Any]) -> str | None:
    """Return whom it denies alone, None for everybody."""
    condition = statement.get("Condition") or {}
    role: str | None = condition.get("ArnEquals", {}).get("aws:PrincipalArn")
    return role
