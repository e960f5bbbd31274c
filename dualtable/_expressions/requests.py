"""What a caller asks in expressions, checked before anything is sent, and ready to be judged here.

The rule: an expression that the caller wrote reaches the server with the library's own conditions
beside it, never in place of them; it may not name what the library owns.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias, TypeGuard

import attrs

from dualtable._expressions.conditions import ConditionTree, Or
from dualtable._expressions.grammar import Placeholders
from dualtable._expressions.parser import parse_condition, parse_update
from dualtable._expressions.texts import Condition, Update, apart
from dualtable._expressions.updates import UpdateTree
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey
from dualtable.errors import RequestRefusedError

_ROOMY = 1000  # characters, which neither limit of an expression is reached with
_SET = re.compile(r"(?<![#:\w.])SET(?!\w)", re.IGNORECASE)


@attrs.frozen
class Judged:
    """A condition: as it is sent, and as a tree that judges an item here."""

    sent: Condition
    tree: ConditionTree
    roots: Collection[str] = ()
    """The names of the attributes that it is about."""

    def holds(self, item: WireItem | None) -> bool:
        """Tell whether it holds for a logical item, None where there is none."""
        return self.tree.holds(item or {})

    def and_also(self, guard: Condition) -> Condition:
        """Return the condition together with one of the library's."""
        guard = apart(guard, self.sent)
        text = self.sent.expression.strip()
        if isinstance(self.tree, Or) and not _is_in_parentheses(text):
            text = f"({text})"
        return Condition(
            f"{text} AND {guard.expression}",
            {**self.sent.names, **guard.names},
            {**self.sent.values, **guard.values},
        )


@attrs.frozen
class Changes:
    """An update: as it is sent, and as a tree that updates an item here."""

    sent: Update
    tree: UpdateTree

    def stamped(self, marks: Marks, token: str) -> Update:
        """Return the update with a write token set beside it."""
        setting = Update("SET #t = :t", {"#t": marks.token}, {":t": {"S": token}})
        setting = apart(setting, self.sent)
        text, found = _SET.subn(f"{setting.expression},", self.sent.expression, count=1)
        return Update(
            text if found else f"{text} {setting.expression}",
            {**self.sent.names, **setting.names},
            {**self.sent.values, **setting.values},
        )


@attrs.frozen
class PutStep:
    """Put an item, which has its write token already."""

    key: WireKey
    condition: Judged | None
    stamped: WireItem


@attrs.frozen
class UpdateStep:
    """Update an item."""

    key: WireKey
    condition: Judged | None
    changes: Changes


@attrs.frozen
class DeleteStep:
    """Delete an item."""

    key: WireKey
    condition: Judged | None


@attrs.frozen
class CheckStep:
    """Only check an item."""

    key: WireKey
    condition: Judged


Step: TypeAlias = PutStep | UpdateStep | DeleteStep | CheckStep
"""What a caller asks of one key, checked and in wire form."""


def is_blind(step: Step) -> TypeGuard[PutStep | DeleteStep]:
    """Tell whether what a step does does not depend on the item that is there."""
    return isinstance(step, PutStep | DeleteStep) and step.condition is None


def has_room(expression: Condition | Update) -> bool:
    """Tell whether DynamoDB takes a caller's expression with what the library has added to it."""
    if len(expression.expression) <= _ROOMY:
        return True
    parse = parse_update if isinstance(expression, Update) else parse_condition
    try:
        parse(expression.expression, Placeholders(expression.names, expression.values))
    except RequestRefusedError:
        return False
    return True


def judged(condition: Condition, marks: Marks, keys: Collection[str]) -> Judged:
    """Check a caller's condition; `keys` are as for `Placeholders`.

    Raises:
        RequestRefusedError: It is malformed, or names an attribute that the library owns.
    """
    placeholders = Placeholders(condition.names, condition.values, keys)
    tree = parse_condition(condition.expression, placeholders)
    placeholders.check_all_used()
    _check_free(placeholders, marks)
    return Judged(condition, tree, placeholders.roots)


def changes(
    update: Update,
    condition: str | None,
    marks: Marks,
    kept: Collection[str],
    keys: Collection[str],
) -> tuple[Changes, Judged | None]:
    """Check a caller's update, and the condition that shares its names and values.

    Args:
        update: What is asked.
        condition: Under which condition.
        marks: The attributes that the library owns.
        kept: The attributes that no update may write to.
        keys: As for `Placeholders`.

    Raises:
        RequestRefusedError: One is malformed, or names an attribute that the library owns, or the
            update writes to a key attribute.
    """
    placeholders = Placeholders(update.names, update.values, keys)
    tree = UpdateTree(())  # of no expression, which DynamoDB takes
    if update.expression:
        tree = parse_update(update.expression, placeholders)
    judgement = None
    if condition is not None:
        sent = Condition(condition, update.names, update.values)
        judgement = Judged(sent, parse_condition(condition, placeholders))
    placeholders.check_all_used()
    _check_free(placeholders, marks)
    for path in tree.paths:
        if path.steps[0] in kept:
            raise RequestRefusedError(
                f"the update writes to the key attribute {path.steps[0]!r}; an item keeps its key,"
                " so put a new one and delete this"
            )
    return Changes(update, tree), judgement


def _check_free(placeholders: Placeholders, marks: Marks) -> None:
    for name in (marks.tombstone, marks.token):
        if name in placeholders.roots:
            raise RequestRefusedError(
                f"{name!r} belongs to dualtable; an expression may not read or write it"
            )


def _is_in_parentheses(text: str) -> bool:
    """Tell whether one pair of parentheses is around the whole text."""
    if not text.startswith("("):
        return False
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return at == len(text) - 1
    return False
