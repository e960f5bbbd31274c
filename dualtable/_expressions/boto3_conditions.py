"""boto3's ``Key`` and ``Attr`` objects as expressions; the only module that knows them.

The rule: what goes in is what users of boto3 write, what comes out is a `Condition` in wire form
that can be sent or judged here; a value that DynamoDB cannot store is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from boto3.exceptions import DynamoDBNeedsKeyConditionError

from dualtable._expressions.grammar import Placeholders, check_names, check_values
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.types import WireValue
from dualtable.errors import InvalidItemError, InvalidKeyError, RequestRefusedError

__all__ = ["ConditionBase", "condition_of", "filter_of", "key_condition_of"]


def condition_of(
    condition: ConditionBase | str | None, names: Mapping[str, str], values: Mapping[str, Any]
) -> Condition | None:
    """Return a condition with the names and plain values that belong to its text; None for none.

    Raises:
        RequestRefusedError: It is neither text nor made of ``Attr`` objects, or there are names or
            values and no text, as where a condition was forgotten.
        InvalidItemError: DynamoDB cannot store one of its values.
    """
    check_names(names)
    check_values(values)
    if isinstance(condition, str):
        return Condition(condition, dict(names), codec.encode(values))
    if names or values:
        raise RequestRefusedError(
            "names and values belong to a condition in text, and there is none; leave them out, or"
            " give the condition"
        )
    return None if condition is None else _built(condition, is_key_condition=False)


def filter_of(condition: ConditionBase | str, given: Placeholders) -> Condition:
    """Return one of several expressions that share the names and values of their text.

    Raises:
        RequestRefusedError: It is neither text nor made of ``Attr`` objects.
        InvalidItemError: DynamoDB cannot store one of its values.
    """
    if isinstance(condition, str):
        return given.cut_out(condition)
    return _built(condition, is_key_condition=False)


def key_condition_of(condition: ConditionBase | str, given: Placeholders) -> Condition:
    """Return a key condition, which shares the names and values of its text with others.

    Raises:
        InvalidKeyError: It is neither text nor made of ``Key`` objects alone.
        InvalidItemError: DynamoDB cannot store one of its values.
    """
    if isinstance(condition, str):
        return given.cut_out(condition)
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
    try:
        built = ConditionExpressionBuilder().build_expression(
            condition, is_key_condition=is_key_condition
        )
    except RecursionError:
        raise RequestRefusedError("a condition is nested too deeply") from None
    return Condition(
        built.condition_expression,
        built.attribute_name_placeholders,
        {token: _value(each) for token, each in built.attribute_value_placeholders.items()},
    )


def _value(value: Any) -> WireValue:
    """Return a value in wire form; of its placeholder, which boto3 has made, no error speaks."""
    try:
        return codec.encode_value(value)
    except InvalidItemError as error:
        raise InvalidItemError(f"a value of a condition: {error}") from error
