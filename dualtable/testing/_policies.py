"""What a resource policy denies, as far as tests need it.

The rule: of a policy only that counts which denies everybody, without a condition; whom a condition
means, nobody in memory is.
"""

from __future__ import annotations

import json
from typing import Any

from dualtable._dynamodb.gateway import (
    Policy,
    TransactAction,
    TransactDelete,
    TransactPut,
    TransactUpdate,
)
from dualtable._wire.values import refused
from dualtable.errors import AccessError

_ACTIONS: dict[type, str] = {
    TransactPut: "dynamodb:PutItem",
    TransactUpdate: "dynamodb:UpdateItem",
    TransactDelete: "dynamodb:DeleteItem",
}


def check_policy(text: str) -> None:
    """Refuse what is no policy."""
    try:
        statements(text)
    except (ValueError, LookupError, TypeError):
        raise refused("the text is no policy") from None


def statements(text: str) -> list[dict[str, Any]]:
    """Return the statements of a policy; one may stand without a list."""
    found = json.loads(text)["Statement"]
    return [found] if isinstance(found, dict) else list(found)


def action_of(action: TransactAction) -> str | None:
    """Return what must be permitted for an action; None for one that writes nothing."""
    return _ACTIONS.get(type(action))


def check_permitted(policy: Policy | None, action: str | None, table: str) -> None:
    """Raise `AccessError` where a policy denies an action to everybody."""
    if policy is None or action is None:
        return
    for statement in statements(policy.text):
        if _denies_everybody(statement) and action in _listed(statement["Action"]):
            raise AccessError(
                f"{action} on {table}: explicitly denied by its resource policy",
                code="AccessDeniedException",
            )


def _denies_everybody(statement: dict[str, Any]) -> bool:
    everybody = statement.get("Principal") in ("*", {"AWS": "*"})
    return statement["Effect"] == "Deny" and everybody and not statement.get("Condition")


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
