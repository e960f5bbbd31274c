"""The key condition of a query: which partition, and which of its sort keys.

The rule: it is checked against the schema of the table or index before anything is sent, and can
judge an item here as DynamoDB does there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

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
)
from dualtable._expressions.grammar import Placeholders
from dualtable._expressions.parser import parse_condition
from dualtable._expressions.texts import Condition
from dualtable._wire.keys import order, type_name
from dualtable._wire.layouts import KeyAttribute, KeySchema
from dualtable._wire.paths import Path
from dualtable._wire.types import WireValue
from dualtable.errors import InvalidKeyError, RequestRefusedError

_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS: dict[type, str] = {
    Or: "OR",
    Not: "NOT",
    OneOf: "IN",
    Exists: "attribute_exists",
    HasType: "attribute_type",
    Contains: "contains",
}


@attrs.frozen
class KeyCondition:
    """A checked key condition, and the schema that it was checked against.

    `partitions` are the values of all attributes that make up the partition; `sorts` are about the
    first of those that make up the order: each but the last fixes one value.
    """

    schema: KeySchema
    partitions: tuple[WireValue, ...]
    sorts: tuple[ConditionTree, ...]
    sent: Condition

    @property
    def partition(self) -> WireValue:
        """The value of the partition key, where it is one attribute."""
        (value,) = self.partitions
        return value

    def holds(self, item: Mapping[str, WireValue]) -> bool:
        """Tell whether an item is in the partition and its sort key is among those asked for."""
        for attribute, value in zip(self.schema.partitions, self.partitions, strict=True):
            found = item.get(attribute.name, {})
            if attribute.type not in found or order(found) != order(value):
                return False
        return self._is_sorted(item) and all(sort.holds(dict(item)) for sort in self.sorts)

    def ends_at(self, key: Mapping[str, WireValue], *, descending: bool) -> bool:
        """Tell whether a key of the table is at the end that the range includes.

        Nothing comes after it, and DynamoDB refuses to let a page begin there.
        """
        match self.sorts:
            case (Comparison(operator=">=", right=Literal(value)),) if descending:
                end = value
            case (Comparison(operator="<=", right=Literal(value)),) if not descending:
                end = value
            case (Between(low=Literal(low), high=Literal(high)),):
                end = low if descending else high
            case _:
                return False
        sort = self.schema.sort
        return sort is not None and order(key[sort.name]) == order(end)

    def _is_sorted(self, item: Mapping[str, WireValue]) -> bool:
        """Tell whether the item has the sort key; without it, it is in no index that has one."""
        return all(sort.type in item.get(sort.name, {}) for sort in self.schema.sorts)


def checked(condition: Condition, schema: KeySchema, where: str) -> KeyCondition:
    """Check a condition on the keys of `where`, a table or an index.

    Raises:
        InvalidKeyError: It does not fix the partition key, names what is no key attribute, compares
            with a value of the wrong type, or in a way that a query cannot.
    """
    placeholders = Placeholders(condition.names, condition.values)
    try:
        parts = list(_conjuncts(parse_condition(condition.expression, placeholders)))
        placeholders.check_all_used()
    except RequestRefusedError as error:
        raise InvalidKeyError(f"key condition on {where}: {error}") from error
    by_name: dict[str, ConditionTree] = {}
    for part in parts:
        attribute = _attribute_of(part, schema, where)
        if attribute.name in by_name:
            raise InvalidKeyError(f"key condition on {where}: {attribute.name!r} comes twice")
        by_name[attribute.name] = part
    fixed = tuple(_fixed(by_name.pop(p.name, None), p, where) for p in schema.partitions)
    return KeyCondition(schema, fixed, tuple(_in_order(by_name, schema, where)), condition)


def _in_order(
    by_name: Mapping[str, ConditionTree], schema: KeySchema, where: str
) -> Iterator[ConditionTree]:
    """Yield the parts about the order, from its first attribute on; only the last is a range."""
    names = [sort.name for sort in schema.sorts]
    asked = names[: len(by_name)]
    if missing := [name for name in asked if name not in by_name]:
        raise InvalidKeyError(
            f"key condition on {where}: {missing[0]!r} is left out before"
            f" {next(iter(by_name.keys() - set(asked)))!r}; its order is {', '.join(names)}"
        )
    for name in asked:
        if name != asked[-1] and not _is_equality(by_name[name]):
            raise InvalidKeyError(
                f"key condition on {where}: {name!r} must be equal to one value, since"
                f" {asked[-1]!r} comes after it in its order"
            )
        yield by_name[name]


def _is_equality(part: ConditionTree) -> bool:
    return isinstance(part, Comparison) and part.operator == "="


def _conjuncts(tree: ConditionTree) -> Iterator[ConditionTree]:
    if isinstance(tree, And):
        yield from _conjuncts(tree.left)
        yield from _conjuncts(tree.right)
    elif isinstance(tree, Comparison) and isinstance(tree.left, Literal):
        yield Comparison(_TURNED[tree.operator], tree.right, tree.left)
    else:
        yield tree


def _attribute_of(part: ConditionTree, schema: KeySchema, where: str) -> KeyAttribute:
    """Return the key attribute that a part is about, with its values checked."""
    subject, values = _operands(part)
    if not isinstance(subject, Path):
        raise InvalidKeyError(
            f"key condition on {where}: {_wrong(part)}; a query takes comparisons of key attributes"
            " with values (=, <, <=, >, >=, BETWEEN, begins_with), joined by AND"
        )
    for attribute in schema.attributes:
        if subject.steps == (attribute.name,):
            for value in values:
                _check_type(value, attribute, where)
            return attribute
    raise InvalidKeyError(
        f"key condition on {where}: {str(subject)!r} is no key attribute; its key is"
        f" {', '.join(schema.names)}"
    )


def _operands(part: ConditionTree) -> tuple[Operand | None, tuple[Operand, ...]]:
    if isinstance(part, Comparison) and part.operator != "<>":
        return part.left, (part.right,)
    if isinstance(part, Between):
        return part.operand, (part.low, part.high)
    if isinstance(part, BeginsWith):
        return part.operand, (part.prefix,)
    return None, ()


def _wrong(part: ConditionTree) -> str:
    """Say what of a part cannot be in a key condition."""
    if isinstance(part, Not) and isinstance(part.condition, Exists):
        return "attribute_not_exists is not possible"
    is_unequal = isinstance(part, Comparison) and part.operator == "<>"
    word = "<>" if is_unequal else _WORDS.get(type(part))
    return "the left side is no key attribute" if word is None else f"{word} is not possible"


def _check_type(value: Operand, attribute: KeyAttribute, where: str) -> None:
    if not isinstance(value, Literal) or attribute.type not in value.value:
        raise InvalidKeyError(
            f"key condition on {where}: {attribute.name!r} must be compared with"
            f" {type_name(attribute.type)}"
        )


def _fixed(part: ConditionTree | None, attribute: KeyAttribute, where: str) -> WireValue:
    if isinstance(part, Comparison) and part.operator == "=" and isinstance(part.right, Literal):
        return part.right.value
    raise InvalidKeyError(
        f"key condition on {where}: {attribute.name!r} must be equal to one value"
    )
