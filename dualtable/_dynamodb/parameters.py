"""From the port's words to the parameters of DynamoDB's API, and from its answers back.

The rule: what is empty is left out, since DynamoDB refuses it; and what the server did not say is
nothing, never a guess. Items with the same attribute names share one statement of PartiQL; an item
whose statement DynamoDB might not take has none, and goes by a conditional ``PutItem``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from dualtable._dynamodb.gateway import (
    Page,
    TransactAction,
    TransactDelete,
    TransactPut,
    TransactUpdate,
)
from dualtable._expressions.texts import Condition, Update, apart, names_and_values
from dualtable._wire.layouts import is_arn
from dualtable._wire.types import WireItem

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html
MAX_STATEMENT_CHARACTERS = 8192


def placeholders(*expressions: Condition | Update | None) -> dict[str, Any]:
    """Return the parameters of all names and values; DynamoDB refuses either where it is empty."""
    names, values = names_and_values(*expressions)
    parameters: dict[str, Any] = {}
    if names:
        parameters["ExpressionAttributeNames"] = names
    if values:
        parameters["ExpressionAttributeValues"] = values
    return parameters


def conditional(condition: Condition | None) -> dict[str, Any]:
    return {**_judging(condition), **placeholders(condition)}


def updating(update: Update, condition: Condition | None) -> dict[str, Any]:
    condition = condition and apart(condition, update)
    return {
        "UpdateExpression": update.expression,
        **_judging(condition),
        **placeholders(update, condition),
    }


def _judging(condition: Condition | None) -> dict[str, Any]:
    if condition is None:
        return {}
    return {
        "ConditionExpression": condition.expression,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def projecting(attributes: Sequence[str] | None) -> dict[str, Any]:
    """Return the parameters that ask for some attributes; None asks for all."""
    if attributes is None:
        return {}
    names = {f"#a{number}": name for number, name in enumerate(attributes)}
    return {"ExpressionAttributeNames": names, "ProjectionExpression": ", ".join(names)}


def returning_old(return_old: bool) -> dict[str, Any]:
    return {"ReturnValues": "ALL_OLD"} if return_old else {}


def transact_item(action: TransactAction) -> dict[str, Any]:
    """Return one member of a transaction as the API names it."""
    if isinstance(action, TransactPut):
        kind, parameters = "Put", {"Item": action.item, **conditional(action.condition)}
    elif isinstance(action, TransactUpdate):
        kind, parameters = (
            "Update",
            {
                "Key": action.key,
                **updating(action.update, action.condition),
            },
        )
    else:
        kind = "Delete" if isinstance(action, TransactDelete) else "ConditionCheck"
        parameters = {"Key": action.key, **conditional(action.condition)}
    return {kind: {"TableName": action.table, **parameters}}


def attributes_of(response: dict[str, Any]) -> WireItem | None:
    return response.get("Attributes") or None


def page_of(response: dict[str, Any]) -> Page:
    return Page(response["Items"], response.get("LastEvaluatedKey"), consumed_units(response))


def consumed_units(response: dict[str, Any]) -> float:
    """Return the units that a response reports, 0 where it reports none."""
    capacity = response.get("ConsumedCapacity") or []
    tables = capacity if isinstance(capacity, list) else [capacity]
    return float(sum(table.get("CapacityUnits", 0) for table in tables))


@functools.lru_cache(maxsize=4096)
def insert_statement(table: str, names: tuple[str, ...]) -> str | None:
    """Return the statement for items with these names; None where it cannot be one.

    A table that is given by its ARN has none, since PartiQL knows no ARNs. Names with a quote have
    none: servers differ in how they read a doubled one. Nor have those that begin as placeholders
    do: as the partition key, DynamoDB Local takes them for one.
    """
    if is_arn(table) or '"' in table or any(map(_is_misread, names)):
        return None
    members = ", ".join(f"'{name}': ?" for name in names)
    statement = f'INSERT INTO "{table}" VALUE {{{members}}}'
    return statement if len(statement) <= MAX_STATEMENT_CHARACTERS else None


def _is_misread(name: str) -> bool:
    return name.startswith(("#", ":")) or "'" in name or '"' in name
