"""What all cases are made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

from boto3.dynamodb.conditions import Key

PARTITION = "c-7"
K = {"customer": PARTITION, "day": 3}
NOWHERE = {"customer": PARTITION, "day": 99}
ITEM = {**K, "name": "put", "amount": Decimal("1.5"), "payload": b"\x00\xff", "tags": {"a", "b"}}
C7 = Key("customer").eq(PARTITION)
TABLE = "TABLE"
OTHER_TABLE = "OTHER TABLE"
TOKEN = "A TOKEN"
"""A client token, of which each world has another."""

Case: TypeAlias = tuple[str, str, dict[str, Any]]
NAMES = {"#n": "name"}


NO_DICTS: dict[str, Any] = {"None": None, "1": 1, "x": "x", "[]": []}
"""What boto3 does not send where a dict belongs."""

ROUNDED = {"zeros": 10**40, "point": Decimal("1" * 38 + ".0"), "no number": Decimal("0E+500")}
"""Numbers that boto3 would have to round, although DynamoDB holds their values."""


def case(name: str, operation: str, **parameters: Any) -> Case:
    return f"{operation}: {name}", operation, parameters


def on_failure(**parameters: Any) -> dict[str, Any]:
    return {**parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def nested(depth: int) -> Any:
    """Return a list in a list, and so on."""
    return [nested(depth - 1)] if depth else 1
