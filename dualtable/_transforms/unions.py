"""Which class of a union an item is of, as where one table holds several kinds of items.

The rule: classes are told apart by the names of their attributes and by what fields of a
``Literal`` type hold, never by trying one after the other. Two that no item could tell apart are
refused when they are declared.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, get_args, get_origin

import attrs

from dualtable._transforms.fields import (
    attribute_name,
    bare,
    is_required,
    members_of,
    stored_fields,
)
from dualtable.errors import InvalidItemError


@attrs.frozen
class Signs:
    """What tells an item of one class."""

    cls: type
    required: frozenset[str]
    known: frozenset[str]
    literals: dict[str, tuple[Any, ...]]

    @classmethod
    def of(cls, model: type) -> Signs:
        """Read them off a class."""
        fields = {attribute_name(field): field for field in stored_fields(model)}
        return cls(
            model,
            frozenset(name for name, field in fields.items() if is_required(field)),
            frozenset(fields),
            {
                name: tuple(map(plain_literal, get_args(bare(field.type))))
                for name, field in fields.items()
                if is_literal(bare(field.type))
            },
        )

    def contradict(self, other: Signs) -> bool:
        """Tell whether no item can be of both classes."""
        if not (self.required <= other.known and other.required <= self.known):
            return True
        return any(
            not any(holds(other.literals[name], value) for value in self.literals[name])
            for name in self.literals.keys() & other.literals.keys()
        )


def is_union_of_classes(type_: Any) -> bool:
    """Tell whether a type is several attrs classes."""
    members = members_of(type_)
    return len(members) > 1 and all(map(attrs.has, members))


def is_literal(type_: Any) -> bool:
    """Tell whether it is a Literal type."""
    return get_origin(type_) is Literal


def literal(value: Any, type_: Any) -> Any:
    """Return the member of a Literal type that an item has.

    Raises:
        InvalidItemError: It is none of them.
    """
    for member in get_args(type_):
        if holds((plain_literal(member),), value):
            return member
    raise InvalidItemError(f"expected one of {', '.join(map(repr, get_args(type_)))}")


def plain_literal(member: Any) -> Any:
    """Return what an item has for a member of a Literal type."""
    return member.value if isinstance(member, enum.Enum) else member


def holds(members: Sequence[Any], value: Any) -> bool:
    """Tell whether a value is one of these, where True is not 1."""
    return any(
        member == value and isinstance(member, bool) is isinstance(value, bool)
        for member in members
    )


# From what says most to what says least. What fits a class entirely passes each of them.
_TESTS: tuple[Callable[[Signs, Mapping[str, Any]], bool], ...] = (
    lambda signs, item: all(
        name not in item or holds(members, item[name]) for name, members in signs.literals.items()
    ),
    lambda signs, item: signs.required <= item.keys(),
    lambda signs, item: item.keys() <= signs.known,
    lambda signs, item: signs.literals.keys() <= item.keys(),
)


def teller(classes: Sequence[type]) -> Callable[[Mapping[str, Any]], type]:
    """Return what tells the class of an item; whether it fits that class is another question.

    Raises:
        InvalidItemError: Two of the classes cannot be told apart.
    """
    all_signs = [Signs.of(cls) for cls in classes]
    for one, other in combinations(all_signs, 2):
        if not one.contradict(other):
            raise InvalidItemError(
                f"{one.cls.__name__} and {other.cls.__name__} cannot be told apart: let one have a"
                " field without default that the other lacks, or both a field of a Literal type,"
                " such as kind: Literal['meta'] = 'meta'"
            )
    return lambda item: _told(all_signs, item)


def _told(candidates: list[Signs], item: Mapping[str, Any]) -> type:
    for test in _TESTS:
        candidates = [signs for signs in candidates if test(signs, item)] or candidates
    if len(candidates) > 1:
        names = ", ".join(signs.cls.__name__ for signs in candidates)
        raise InvalidItemError(f"its attributes do not tell which of {names} it is")
    return candidates[0].cls
