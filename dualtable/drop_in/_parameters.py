"""Which parameters an operation takes, as botocore would check them before a request is sent.

The rule: a parameter is done as DynamoDB does it, or it is refused by name; none is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from dualtable._expressions.boto3_conditions import ConditionBase
from dualtable.drop_in._errors import not_valid, wrong_parameter
from dualtable.errors import RequestRefusedError

_LEGACY = "is one of DynamoDB's legacy parameters; write an expression instead"
_COSTS = "cannot be said of two tables by one number; leave it out, or read the metrics of both"

# Parameter -> why it is not taken.
REFUSED: Mapping[str, str] = {
    "AttributesToGet": _LEGACY,
    "AttributeUpdates": _LEGACY,
    "ConditionalOperator": _LEGACY,
    "Expected": _LEGACY,
    "KeyConditions": _LEGACY,
    "QueryFilter": _LEGACY,
    "ScanFilter": _LEGACY,
    "ReturnConsumedCapacity": _COSTS,
    "ReturnItemCollectionMetrics": _COSTS,
}

# What two tables have no one number for, and the words that DynamoDB takes for it.
_WORDS = {
    "ReturnConsumedCapacity": ("INDEXES", "TOTAL", "NONE"),
    "ReturnItemCollectionMetrics": ("SIZE", "NONE"),
}

_EXPRESSION = (str, ConditionBase)
_KINDS: Mapping[str, Any] = {
    "ConditionExpression": _EXPRESSION,
    "ConsistentRead": bool,
    "ExclusiveStartKey": Mapping,
    "ExpressionAttributeNames": Mapping,
    "ExpressionAttributeValues": Mapping,
    "FilterExpression": _EXPRESSION,
    "IndexName": str,
    "Item": Mapping,
    "Key": Mapping,
    "Keys": (list, tuple),
    "KeyConditionExpression": _EXPRESSION,
    "Limit": int,
    "ProjectionExpression": str,
    "RequestItems": Mapping,
    "ReturnConsumedCapacity": str,
    "ReturnItemCollectionMetrics": str,
    "ReturnValues": str,
    "ReturnValuesOnConditionCheckFailure": str,
    "ScanIndexForward": bool,
    "Segment": int,
    "Select": str,
    "TotalSegments": int,
    "TransactItems": (list, tuple),
    "UpdateExpression": str,
    "ClientRequestToken": str,
    "TableName": str,
}
_OF_DICTS = ("Keys", "TransactItems")
_LEAST = {"Limit": 1, "Segment": 0, "TotalSegments": 1}
_SHORTEST = {"IndexName": 3, "ClientRequestToken": 1}
_LONGEST = {"IndexName": 255, "ClientRequestToken": 36}

_CONDITION = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)
_PROJECTION = ("ProjectionExpression", "ExpressionAttributeNames")
_PAGE = (
    *_PROJECTION,
    "ConsistentRead",
    "ExclusiveStartKey",
    "ExpressionAttributeValues",
    "FilterExpression",
    "Limit",
    "Select",
)


@attrs.frozen
class Taken:
    """What an operation takes: what it needs, and what it may be given."""

    operation: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]


GET = Taken("GetItem", ("Key",), (*_PROJECTION, "ConsistentRead"))
PUT = Taken("PutItem", ("Item",), (*_CONDITION, "ReturnValues"))
UPDATE = Taken("UpdateItem", ("Key",), (*_CONDITION, "UpdateExpression", "ReturnValues"))
DELETE = Taken("DeleteItem", ("Key",), (*_CONDITION, "ReturnValues"))
QUERY = Taken("Query", (), (*_PAGE, "IndexName", "KeyConditionExpression", "ScanIndexForward"))
SCAN = Taken("Scan", (), (*_PAGE, "IndexName", "Segment", "TotalSegments"))
BATCH_GET = Taken("BatchGetItem", ("RequestItems",), ())
BATCH_WRITE = Taken("BatchWriteItem", ("RequestItems",), ())
TRANSACT_GET = Taken("TransactGetItems", ("TransactItems",), ())
TRANSACT_WRITE = Taken("TransactWriteItems", ("TransactItems",), ("ClientRequestToken",))

IN_BATCH: Mapping[str, Taken] = {
    "PutRequest": Taken("BatchWriteItem", ("Item",), ()),
    "DeleteRequest": Taken("BatchWriteItem", ("Key",), ()),
}
GETS = Taken("BatchGetItem", ("Keys",), (*_PROJECTION, "ConsistentRead"))
IN_TRANSACTION: Mapping[str, Taken] = {
    "Put": Taken("TransactWriteItems", ("Item", "TableName"), _CONDITION),
    "Update": Taken("TransactWriteItems", ("Key", "UpdateExpression", "TableName"), _CONDITION),
    "Delete": Taken("TransactWriteItems", ("Key", "TableName"), _CONDITION),
    "ConditionCheck": Taken(
        "TransactWriteItems", ("Key", "ConditionExpression", "TableName"), _CONDITION
    ),
    "Get": Taken("TransactGetItems", ("Key", "TableName"), _PROJECTION),
}


def check(taken: Taken, parameters: Mapping[str, Any]) -> None:
    """Check the parameters of an operation by themselves.

    Raises:
        ParamValidationError: botocore would not send them.
        RequestRefusedError: One is not done here; the message has its name.
        ClientError: One is empty.
    """
    if not isinstance(parameters, Mapping):
        raise wrong_parameter(f"Invalid type, type: {type(parameters)}, valid types: {dict}")
    for name, value in parameters.items():
        _check_name(taken, name, value)
    for name in taken.needed:
        if name not in parameters:
            raise wrong_parameter(f'Missing required parameter in input: "{name}"')
    builds = any(isinstance(value, ConditionBase) for value in parameters.values())
    for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if name in parameters and not parameters[name] and not builds:  # boto3 adds its own
            raise not_valid(f"{name} must not be empty", taken.operation)
    for name, most in _LONGEST.items():
        if len(parameters.get(name, "")) > most:
            raise not_valid(f"{name} has more than {most} characters", taken.operation)
    _check_return(taken, parameters)


def _check_name(taken: Taken, name: str, value: Any) -> None:
    known = (*taken.needed, *taken.optional)
    if name in known or name in _WORDS:
        check_kind(name, value)
    if name in _WORDS and value not in _WORDS[name]:
        raise not_valid(f"{name}={value!r} must be one of {_WORDS[name]}", taken.operation)
    if name not in known and name not in REFUSED:
        raise wrong_parameter(
            f'Unknown parameter in input: "{name}", must be one of: {", ".join(known)}'
        )
    if name in REFUSED and (name not in _WORDS or value != "NONE"):
        raise RequestRefusedError(f"{taken.operation}: {name} {REFUSED[name]}")


def _check_return(taken: Taken, parameters: Mapping[str, Any]) -> None:
    wanted = parameters.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise not_valid(
            f"ReturnValuesOnConditionCheckFailure={wanted!r} must be ALL_OLD or NONE",
            taken.operation,
        )


def check_kind(name: str, value: Any) -> None:
    """Raise ``ParamValidationError`` where a parameter has no value that botocore would send."""
    kind = _KINDS.get(name, object)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise wrong_parameter(
            f"Invalid type for parameter {name}, type: {type(value)}, valid types: {kind}"
        )
    if name in _OF_DICTS and not all(isinstance(member, Mapping) for member in value):
        raise wrong_parameter(f"Invalid type for a member of {name}, valid types: {dict}")
    if name == "ExpressionAttributeNames" and not all(
        isinstance(text, str) for pair in value.items() for text in pair
    ):
        raise wrong_parameter(f"Invalid type for a member of {name}, valid types: {str}")
    if name in _SHORTEST and len(value) < _SHORTEST[name]:
        raise wrong_parameter(
            f"Invalid length for parameter {name}, value: {len(value)}, valid min length:"
            f" {_SHORTEST[name]}"
        )
    if name in _LEAST and value < _LEAST[name]:
        raise wrong_parameter(
            f"Invalid value for parameter {name}, value: {value}, valid min value: {_LEAST[name]}"
        )


def returns_old(taken: Taken, parameters: Mapping[str, Any]) -> bool:
    """Tell whether a put or a delete returns what was there.

    Raises:
        ClientError: It can return no such thing.
    """
    wanted = parameters.get("ReturnValues", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise not_valid(f"ReturnValues={wanted!r} must be ALL_OLD or NONE", taken.operation)
    return bool(wanted == "ALL_OLD")


def counts_only(taken: Taken, parameters: Mapping[str, Any]) -> bool:
    """Tell whether a query or scan is asked for numbers alone.

    Raises:
        ClientError: What it selects and what it projects do not go together.
    """
    projects, index = "ProjectionExpression" in parameters, parameters.get("IndexName")
    select = parameters.get("Select", "SPECIFIC_ATTRIBUTES" if projects else "ALL_ATTRIBUTES")
    known = ("ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT")
    if select not in known:
        raise not_valid(f"Select={select!r} must be one of {', '.join(known)}", taken.operation)
    if projects is not (select == "SPECIFIC_ATTRIBUTES"):
        raise not_valid(
            "ProjectionExpression goes with Select=SPECIFIC_ATTRIBUTES", taken.operation
        )
    if select == "ALL_PROJECTED_ATTRIBUTES" and index is None:
        raise not_valid("ALL_PROJECTED_ATTRIBUTES needs an IndexName", taken.operation)
    return bool(select == "COUNT")
