"""DynamoDB's expressions: from text to a tree that can judge, change or cut an item.

The rule: what is refused here is what DynamoDB refuses before it looks at an item; redundant
parentheses, too.

    condition   := conjunction (OR conjunction)*
    conjunction := negation (AND negation)*
    negation    := NOT negation | '(' condition ')' | predicate
    predicate   := function '(' operand, … ')' | operand comparator operand
                 | operand BETWEEN operand AND operand | operand IN '(' operand, … ')'
    operand     := path | :value | size '(' operand ')' | '(' operand ')'

    update      := clause+, each of them once
    clause      := SET assignment, … | REMOVE path, … | ADD path :value, … | DELETE path :value, …
    assignment  := path '=' result
    result      := source | source '+' source | source '-' source
    source      := argument | list_append '(' argument, argument ')' | '(' result ')'
    argument    := path | :value | if_not_exists '(' path, argument ')'

    projection  := path, …
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dualtable._expressions.conditions import (
    And,
    BeginsWith,
    Between,
    Comparison,
    ConditionTree,
    Contains,
    Exists,
    HasType,
    Literal,
    Not,
    OneOf,
    Operand,
    Or,
    Size,
)
from dualtable._expressions.grammar import COMPARATORS, Placeholders, Words
from dualtable._expressions.projections import Projection
from dualtable._expressions.updates import (
    Action,
    Add,
    Assign,
    Concatenation,
    Default,
    Discard,
    Remove,
    Source,
    Sum,
    UpdateTree,
)
from dualtable._wire.paths import Path

__all__ = ["Placeholders", "parse_condition", "parse_projection", "parse_update"]

_T = TypeVar("_T")


def parse_condition(text: str, placeholders: Placeholders) -> ConditionTree:
    """Return the tree of a condition, key condition or filter expression.

    Raises:
        RequestRefusedError: The expression is malformed, or a placeholder is not defined.
    """
    words = Words(text, placeholders)
    return _whole(words, _Conditions(words).condition)


def parse_update(text: str, placeholders: Placeholders) -> UpdateTree:
    """Return the tree of an update expression.

    Raises:
        RequestRefusedError: The expression is malformed, or a placeholder is not defined.
    """
    words = Words(text, placeholders)
    return _whole(words, _Updates(words).update)


def parse_projection(text: str, placeholders: Placeholders) -> Projection:
    """Return the paths of a projection expression.

    Raises:
        RequestRefusedError: The expression is malformed, or a placeholder is not defined.
    """
    words = Words(text, placeholders)
    return Projection(tuple(_whole(words, lambda: words.listed(words.path))))


def _whole(words: Words, read: Callable[[], _T]) -> _T:
    """Read all the words."""
    try:
        found = read()
    except RecursionError:
        raise words.error("it is nested too deeply") from None
    words.end()
    return found


class _Conditions:
    """The grammar of conditions: one method for each of its rules."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def condition(self) -> ConditionTree:
        left = self._conjunction()
        while self._words.takes("OR"):
            left = Or(left, self._conjunction())
        return left

    def _conjunction(self) -> ConditionTree:
        left = self._negation()
        while self._words.takes("AND"):
            left = And(left, self._negation())
        return left

    def _negation(self) -> ConditionTree:
        if self._words.takes("NOT"):
            return Not(self._negation())
        if self._words.peek() == "(" and not self._is_operand():
            return self._words.group(self.condition)
        return self._predicate()

    def _is_operand(self) -> bool:
        """Tell whether the parentheses that begin here are around an operand."""
        behind = self._words.behind_group()
        return behind in COMPARATORS or behind.upper() in ("BETWEEN", "IN")

    def _predicate(self) -> ConditionTree:
        if self._words.called() not in ("", "size"):
            return self._function()
        left = self._operand()
        if self._words.takes("BETWEEN"):
            low = self._operand()
            self._words.expect("AND")
            return Between(left, low, self._operand())
        if self._words.takes("IN"):
            return OneOf(left, tuple(self._words.arguments(self._operand)))
        return Comparison(self._words.comparator(), left, self._operand())

    def _function(self) -> ConditionTree:
        name = self._words.next()
        if name not in _FUNCTIONS:
            raise self._words.error(f"there is no function {name} in conditions")
        needed, make = _FUNCTIONS[name]
        return make(*_arguments(self._words, name, self._operand, needed))

    def _operand(self) -> Operand:
        if self._words.peek() == "(":
            return self._words.group(self._operand)
        if self._words.called() == "size":
            name = self._words.next()
            (sized,) = _arguments(self._words, name, self._operand, ((Path, Literal),))
            return Size(sized)  # type: ignore[arg-type]  # it was checked to be one
        return self._words.literal() or self._words.path()


class _Updates:
    """The grammar of updates."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def update(self) -> UpdateTree:
        clauses = {
            "SET": self._assignment,
            "REMOVE": lambda: Remove(self._words.path()),
            "ADD": lambda: Add(self._words.path(), self._value()),
            "DELETE": lambda: Discard(self._words.path(), self._value()),
        }
        actions: list[Action] = []
        while word := self._words.peek():
            read = clauses.pop(word.upper(), None)
            if read is None:
                raise self._words.misplaced("a clause, each of which once,")
            self._words.next()
            actions += self._words.listed(read)
        if not actions:
            raise self._words.error("it is empty")
        return UpdateTree(tuple(actions))

    def _assignment(self) -> Action:
        path = self._words.path()
        self._words.expect("=")
        return Assign(path, self._result())

    def _result(self) -> Source:
        left = self._source()
        for sign in ("+", "-"):
            if self._words.takes(sign):
                right = self._source()
                if isinstance(left, Sum) or isinstance(right, Sum):
                    raise self._words.error(f"{sign} takes no sum as an operand")
                return Sum(sign, left, right)
        return left

    def _source(self) -> Source:
        if self._words.peek() == "(":
            return self._words.group(self._result)
        name = self._words.called()
        if not name:
            return self._words.literal() or self._words.path()
        if name not in _SOURCES:
            raise self._words.error(f"there is no function {name} in updates")
        needed, make = _SOURCES[self._words.next()]
        return make(*_arguments(self._words, name, self._source, needed))

    def _value(self) -> Literal:
        value = self._words.literal()
        if value is None:
            raise self._words.misplaced("a :value")
        return value


_Kinds = tuple[tuple[type, ...], ...]


def _arguments(words: Words, name: str, read: Callable[[], _T], needed: _Kinds) -> list[_T]:
    """Read the arguments of a function and check their number and kinds."""
    arguments = words.arguments(read)
    if len(arguments) != len(needed):
        raise words.error(f"{name} takes {len(needed)} operands")
    for argument, kinds in zip(arguments, needed, strict=True):
        if not isinstance(argument, kinds):
            wanted = " or ".join(_CALLED[kind] for kind in kinds)
            raise words.error(f"{name} needs a {wanted}")
    return arguments


_CALLED: dict[type, str] = {
    Path: "path",
    Literal: ":value",
    Size: "size",
    Default: "if_not_exists",
}
_OPERAND: tuple[type, ...] = (Path, Literal, Size)
_ARGUMENT: tuple[type, ...] = (Path, Literal, Default)
_FUNCTIONS: dict[str, tuple[_Kinds, Callable[..., ConditionTree]]] = {
    "attribute_exists": (((Path,),), Exists),
    "attribute_not_exists": (((Path,),), lambda path: Not(Exists(path))),
    "attribute_type": ((_OPERAND, (Literal,)), HasType),
    "begins_with": ((_OPERAND, _OPERAND), BeginsWith),
    "contains": ((_OPERAND, _OPERAND), Contains),
}
_SOURCES: dict[str, tuple[_Kinds, Callable[..., Source]]] = {
    "if_not_exists": (((Path,), _ARGUMENT), Default),
    "list_append": ((_ARGUMENT, _ARGUMENT), Concatenation),
}
