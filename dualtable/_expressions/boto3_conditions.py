"""boto3's ``Key`` and ``Attr`` objects as expressions; the only module that knows them.

The rule: what goes in is what users of boto3 write, what comes out is a `Condition` in wire form
that can be sent or judged here; a value that DynamoDB cannot store is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from boto3.exceptions import DynamoDBNeedsKeyConditionError

from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable.errors import InvalidKeyError, RequestRefusedError

__all__ = ["ConditionBase", "condition_of", "key_condition_of"]


def condition_of(
    condition: ConditionBase | str,
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Condition:
    """Return a condition with the names and plain values that belong to its text.

    Raises:
        RequestRefusedError: It is neither text nor made of ``Attr`` objects.
        InvalidItemError: DynamoDB cannot store one of its values.
    """
    if isinstance(condition, str):
        return Condition(condition, dict(names or {}), codec.encode(values or {}))
    if names or values:
        raise RequestRefusedError("names and values belong to a condition in text; leave them out")
    return _built(condition, is_key_condition=False)


def key_condition_of(condition: ConditionBase) -> Condition:
    """Return a key condition.

    Raises:
        InvalidKeyError: It is not made of ``Key`` objects alone, or a value cannot be a key.
    """
    try:
        return _built(condition, is_key_condition=True)
    except (RequestRefusedError, DynamoDBNeedsKeyConditionError) as error:
        raise InvalidKeyError(
            'a query needs a key condition such as Key("customer").eq("c-7")'
        ) from error


def _built(condition: ConditionBase, *, is_key_condition: bool) -> Condition:
    if not isinstance(condition, ConditionBase):
        raise RequestRefusedError(
            f'{type(condition).__name__} is no condition; write one such as Attr("total").gt(5)'
        )
    built = ConditionExpressionBuilder().build_expression(
        condition, is_key_condition=is_key_condition
    )
    return Condition(
        built.condition_expression,
        built.attribute_name_placeholders,
        codec.encode(built.attribute_value_placeholders),
    )
