"""What a transaction is made of, as a caller writes it.

The rule: plain data; nothing is checked before the repository knows the table. A `table` is another
one than the migrated: DynamoDB alone knows it, and judges what is asked of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from dualtable._expressions.boto3_conditions import ConditionBase
from dualtable._wire.types import Key

Projected: TypeAlias = Sequence[str] | str
"""What is wanted of an item: a list of paths, or a projection expression."""


@attrs.frozen
class Put:
    """Put an item, as one action of `DualTableRepository.transact_write`.

    Args:
        item: The item in the new table's format, or an instance of the repository's model.
        condition: A condition on the logical item that is there before: an ``Attr`` object, or an
            expression with `names` and `values`.
        names: What the ``#names`` of an expression stand for.
        values: What the ``:values`` of an expression stand for, as plain values.
        table: Another table than the migrated one, whose item it is, as a dict; by default (None)
            it is one of the migrated table.

    Example:
        >>> from boto3.dynamodb.conditions import Attr
        >>> from dualtable import Put
        >>> Put({"id": "o-1"}, Attr("id").not_exists()).item
        {'id': 'o-1'}
    """

    item: Any
    condition: ConditionBase | str | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    values: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    table: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Update:
    """Update an item, as one action of `DualTableRepository.transact_write`.

    Args:
        key: The key of the item, which is created where there is none.
        expression: DynamoDB's update expression; None changes nothing, and creates the item.
        condition: A condition on the logical item: an ``Attr`` object, or an expression, which
            shares `names` and `values`.
        names: What the ``#names`` of the expressions stand for.
        values: What the ``:values`` of the expressions stand for, as plain values.
        table: As for `Put`.

    Example:
        >>> from dualtable import Update
        >>> Update({"id": "o-1"}, "ADD visits :one", values={":one": 1}).expression
        'ADD visits :one'
    """

    key: Key
    expression: str | None
    condition: ConditionBase | str | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    values: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    table: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Delete:
    """Delete an item, as one action of `DualTableRepository.transact_write`.

    Args:
        key: The key of the item.
        condition: As for `Put`.
        names: As for `Put`.
        values: As for `Put`.
        table: As for `Put`.

    Example:
        >>> from dualtable import Delete
        >>> Delete({"id": "o-1"}).key
        {'id': 'o-1'}
    """

    key: Key
    condition: ConditionBase | str | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    values: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    table: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ConditionCheck:
    """Let `DualTableRepository.transact_write` depend on an item that it does not write.

    Args:
        key: The key of the item.
        condition: As for `Put`.
        names: As for `Put`.
        values: As for `Put`.
        table: As for `Put`.

    Example:
        >>> from boto3.dynamodb.conditions import Attr
        >>> from dualtable import ConditionCheck
        >>> ConditionCheck({"id": "c-7"}, Attr("status").eq("open")).key
        {'id': 'c-7'}
    """

    key: Key
    condition: ConditionBase | str
    names: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    values: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    table: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Get:
    """Read an item, as one of several of `DualTableRepository.transact_get`.

    Args:
        key: The key of the item.
        projection: What is wanted of it, as for `DualTableRepository.query`; all by default.
        names: What the ``#names`` of the projection stand for; all of them must be used.
        table: As for `Put`.

    Example:
        >>> from dualtable import Get
        >>> Get({"id": "c-7"}, ["name"], table="customers").table
        'customers'
    """

    key: Key
    projection: Projected | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    table: str | None = attrs.field(default=None, kw_only=True)


Action: TypeAlias = Put | Update | Delete | ConditionCheck
