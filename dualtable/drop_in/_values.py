"""Values, clients and batch writers as boto3 gives them; the only module here that knows `boto3`.

The rule: what goes in is checked by the repository; what comes out is what boto3 would have made of
the same item. What boto3 itself refuses to send fails with boto3's own error, also where the
repository would have taken it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aioboto3
import aioboto3.dynamodb.table
import boto3.dynamodb.table
from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import DYNAMODB_CONTEXT, Binary, TypeSerializer

BatchWriter = aioboto3.dynamodb.table.BatchWriter
BlockingBatchWriter = boto3.dynamodb.table.BatchWriter

_PLAIN = ("Item", "Key", "Keys", "ExpressionAttributeValues", "ExclusiveStartKey")


@asynccontextmanager
async def open_client(settings: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Yield the client of a boto3 resource, which takes and gives plain values."""
    given = dict(settings)
    profile_name = given.pop("profile_name", None)
    session = given.pop("session", None) or aioboto3.Session(profile_name=profile_name)
    async with session.resource("dynamodb", **given) as resource:
        yield resource.meta.client


def shown(value: Any) -> Any:
    """Return a plain value with its bytes as boto3 wraps them."""
    kind = type(value)
    if kind is dict:
        return {name: shown(member) for name, member in value.items()}
    if kind is list:
        return [shown(member) for member in value]
    if kind is bytes:
        return Binary(value)
    if kind is set and any(type(member) is bytes for member in value):
        return {Binary(member) for member in value}
    return value


def metadata(status: int = 200) -> dict[str, Any]:
    """Return what boto3 says of a request; the identity is empty, since there may be several."""
    return {"RequestId": "", "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}


def typed(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with the type of each value beside it, as errors of boto3 have it."""
    return TypeSerializer().serialize(item)["M"]  # type: ignore[no-any-return]


def check_numbers(value: Any) -> None:
    """Raise what boto3 raises where a number of a request has to be rounded to be sent."""
    if isinstance(value, int | Decimal):
        DYNAMODB_CONTEXT.create_decimal(value)
    elif isinstance(value, Mapping):
        for member in value.values():
            check_numbers(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            check_numbers(member)
    elif isinstance(value, ConditionBase):
        check_numbers(value.get_expression()["values"])


def names_in(parameters: Any) -> Iterator[Any]:
    """Yield the names of attributes and in maps that the plain values of a request have."""
    for each in _plain_in(parameters):
        yield from _names(each)


def _names(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for member in value:
        yield from _names(member)


def check_as_boto3(parameters: Any) -> None:
    """Raise what boto3 raises where it has no type for a value, or a number is too long.

    The same where a condition is not of the objects that it takes in its place.
    """
    for each in _plain_in(parameters):
        TypeSerializer().serialize(each)
    for name, of_key in (("KeyConditionExpression", True), ("FilterExpression", False)):
        _check_condition(parameters.get(name), of_key=of_key)
    _check_condition(parameters.get("ConditionExpression"), of_key=False)


def _check_condition(condition: Any, *, of_key: bool) -> None:
    if isinstance(condition, ConditionBase):
        built = ConditionExpressionBuilder().build_expression(condition, is_key_condition=of_key)
        TypeSerializer().serialize(built.attribute_value_placeholders)


def _plain_in(parameters: Any) -> Iterator[Any]:
    """Yield the parts of a request that hold plain values."""
    members = parameters if isinstance(parameters, list) else []
    if isinstance(parameters, Mapping):
        yield from (parameters[name] for name in _PLAIN if name in parameters)
        members = [each for name, each in parameters.items() if name not in _PLAIN]
    for member in members:
        yield from _plain_in(member)
