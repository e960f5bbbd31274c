"""One write to a table in memory: what its expressions make of the item that is there.

The rule: a write is prepared, all of it, before any of it takes effect; preparing changes nothing.
"""

from __future__ import annotations

import attrs

from dualtable._dynamodb.gateway import (
    BILLED,
    ConditionFailed,
    Insert,
    Outcome,
    ReturnValues,
    TransactAction,
    TransactCheck,
    TransactPut,
    TransactUpdate,
)
from dualtable._expressions.conditions import ConditionTree
from dualtable._expressions.parser import Placeholders, parse_condition, parse_update
from dualtable._expressions.texts import Condition, apart, names_and_values
from dualtable._expressions.updates import UpdateTree
from dualtable._wire.costs import insert_units
from dualtable._wire.sizes import item_bytes, write_units
from dualtable._wire.types import WireItem, WireKey
from dualtable._wire.values import copied, refused
from dualtable.errors import RequestRefusedError
from dualtable.testing._policies import action_of, check_permitted
from dualtable.testing._stored import StoredTable


@attrs.frozen
class Write:
    """One write that is about to take effect: the item before and after."""

    table: StoredTable
    key: WireKey
    old: WireItem | None
    new: WireItem | None
    update: UpdateTree | None = None

    def take_effect(self) -> None:
        if self.new is not self.old:
            self.table.store(self.key, self.new)

    def returned(self, return_values: ReturnValues) -> WireItem | None:
        """Return a copy of what an update returns, None where that is nothing."""
        item = self.new if return_values.endswith("NEW") else self.old
        if return_values == "NONE" or item is None:
            return None
        if self.update is not None and return_values == "UPDATED_OLD":
            item = self.update.updated_old(item)
        if self.update is not None and return_values == "UPDATED_NEW":
            item = self.update.updated_new(item)
        return copied(item) or None


def prepared(table: StoredTable, action: TransactAction) -> Write:
    """Return what an action writes.

    Raises:
        AccessError: The table's policy denies it.
        ConditionFailed: Its condition does not hold.
        RequestRefusedError: DynamoDB would not take it.
    """
    check_permitted(table.policy, action_of(action), table.name)
    if isinstance(action, TransactUpdate):
        return _updated(table, action)
    if isinstance(action, TransactPut):
        key, new = table.checked_item(action.item)
    else:
        key, new = table.checked_key(action.key), None
    old = table.versions(key)[-1]
    if action.condition is not None:
        _judge(_parsed(action.condition), old)
    return Write(table, key, old, old if isinstance(action, TransactCheck) else new)


def _updated(table: StoredTable, action: TransactUpdate) -> Write:
    key = table.checked_key(action.key)
    update, condition = _parsed_together(action)
    if fixed := {path.steps[0] for path in update.paths} & key.keys():
        raise refused(f"{min(map(str, fixed))} is part of the key and cannot be updated")
    old = table.versions(key)[-1]
    if condition is not None:
        _judge(condition, old)
    new = update.make(key, old)
    return Write(table, key, old, None if new is None else table.checked_item(new)[1], update)


def _parsed_together(action: TransactUpdate) -> tuple[UpdateTree, ConditionTree | None]:
    sent = action.condition and apart(action.condition, action.update)
    placeholders = Placeholders(*names_and_values(action.update, sent))
    update = parse_update(action.update.expression, placeholders)
    condition = None if sent is None else parse_condition(sent.expression, placeholders)
    placeholders.check_all_used()
    return update, condition


def _parsed(condition: Condition) -> ConditionTree:
    placeholders = Placeholders(condition.names, condition.values)
    tree = parse_condition(condition.expression, placeholders)
    placeholders.check_all_used()
    return tree


def _judge(condition: ConditionTree, item: WireItem | None) -> None:
    if not condition.holds(item or {}):
        raise ConditionFailed(None if item is None else copied(item))


def insert_one(table: StoredTable, item: WireItem) -> Insert:
    """Put an item if its key is not there yet."""
    try:
        key, item = table.checked_item(item)
    except RequestRefusedError as error:
        return Insert(Outcome.REFUSED, str(error))
    if table.versions(key)[-1] is not None:
        return Insert(Outcome.PRESENT)
    table.store(key, item)
    return Insert(Outcome.WRITTEN)


def insert_cost(table: StoredTable, item: WireItem, answer: Insert) -> int:
    """Return the write units of an insert that ended so."""
    if answer.outcome is Outcome.WRITTEN:
        return insert_units(item, table.layout)
    return write_units(item_bytes(item)) if answer.outcome in BILLED else 0
