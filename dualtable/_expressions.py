"""DynamoDB's condition expressions: text to a function of an item.

The rule: pure, on wire form, and as strict as DynamoDB: an unknown name, an unused value or a wrong
operand type is an error, and an attribute that is not there makes a comparison false.

    condition  := conjunction (OR conjunction)*
    conjunction:= negation (AND negation)*
    negation   := NOT negation | '(' condition ')' | predicate
    predicate  := function '(' … ')' | operand comparator operand
                | operand BETWEEN operand AND operand | operand IN '(' operand, … ')'

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dualtable import _codec, _items
from dualtable._types import WireItem, WireValue
from dualtable.errors import RequestRefusedError

Predicate: TypeAlias = Callable[[WireItem], bool]
Operand: TypeAlias = Callable[[WireItem], WireValue | None]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),.\[\]]|[#:]?[A-Za-z_][A-Za-z0-9_]*|\d+)")
_WORDS = ("AND", "OR", "NOT", "BETWEEN", "IN")
_COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED = ("S", "N", "B")


def parse_condition(
    expression: str, names: Mapping[str, str], values: Mapping[str, WireValue]
) -> Predicate:
    """Return the function that judges an item (``{}`` where there is none).

    Raises:
        RequestRefusedError: The expression is malformed, or names and values do not fit it.
    """
    parser = _Parser(expression, names, values)
    predicate = parser.condition()
    parser.finish()
    return predicate


class _Parser:
    """One recursive descent over the tokens of an expression."""

    def __init__(
        self, expression: str, names: Mapping[str, str], values: Mapping[str, WireValue]
    ) -> None:
        self._expression = expression
        self._names = names
        self._values = values
        self._used: set[str] = set()
        self._tokens = _tokens(expression)
        self._at = 0

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._at]!r}")
        if unused := (set(self._names) | set(self._values)) - self._used:
            raise self._error(f"{min(unused)} is not used")

    def condition(self) -> Predicate:
        first = self._conjunction()
        while self._takes("OR"):
            first = _either(first, self._conjunction())
        return first

    def _conjunction(self) -> Predicate:
        first = self._negation()
        while self._takes("AND"):
            first = _both(first, self._negation())
        return first

    def _negation(self) -> Predicate:
        if self._takes("NOT"):
            inner = self._negation()
            return lambda item: not inner(item)
        if self._takes("("):
            inner = self.condition()
            self._expect(")")
            return inner
        return self._predicate()

    def _predicate(self) -> Predicate:
        if self._peek(1) == "(" and self._peek() in _FUNCTIONS:
            return self._function()
        left = self._operand()
        if self._takes("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            return _both(_compare(">=", left, low), _compare("<=", left, high))
        if self._takes("IN"):
            return _any_of([_compare("=", left, other) for other in self._arguments()])
        return _compare(self._next(), left, self._operand())

    def _function(self) -> Predicate:
        name = self._next()
        return _FUNCTIONS[name](*self._arguments())

    def _arguments(self) -> list[Operand]:
        self._expect("(")
        arguments = [self._operand()]
        while self._takes(","):
            arguments.append(self._operand())
        self._expect(")")
        return arguments

    def _operand(self) -> Operand:
        if self._peek() == "size" and self._peek(1) == "(":
            self._next()
            (inner,) = self._arguments()
            return lambda item: _size(inner(item))
        token = self._next()
        if token.startswith(":"):
            return self._value(token)
        return self._path(token)

    def _value(self, token: str) -> Operand:
        if token not in self._values:
            raise self._error(f"{token} is not defined")
        self._used.add(token)
        value = self._values[token]
        return lambda _: value

    def _path(self, token: str) -> Operand:
        steps: list[str | int] = [self._name(token)]
        while self._peek() in (".", "["):
            if self._next() == ".":
                steps.append(self._name(self._next()))
            else:
                steps.append(int(self._next()))
                self._expect("]")
        return lambda item: _follow(item, steps)

    def _name(self, token: str) -> str:
        if not token.startswith("#"):
            if not (token[0].isalpha() or token[0] == "_") or token.upper() in _WORDS:
                raise self._error(f"unexpected {token!r}")
            return token
        if token not in self._names:
            raise self._error(f"{token} is not defined")
        self._used.add(token)
        return self._names[token]

    def _peek(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._error("it ends too early")
        self._at += 1
        return token

    def _takes(self, token: str) -> bool:
        found = self._peek().upper() == token
        self._at += found
        return found

    def _expect(self, token: str) -> None:
        if not self._takes(token):
            raise self._error(f"expected {token!r}, found {self._peek()!r}")

    def _error(self, problem: str) -> RequestRefusedError:
        return RequestRefusedError(
            f"invalid expression {self._expression!r}: {problem}", code="ValidationException"
        )


def _tokens(expression: str) -> list[str]:
    tokens, place = [], 0
    text = expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise RequestRefusedError(
                f"invalid expression {expression!r}: at {text[place:]!r}",
                code="ValidationException",
            )
        tokens.append(match[1])
        place = match.end()
    return tokens


def _either(one: Predicate, other: Predicate) -> Predicate:
    return lambda item: one(item) or other(item)


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda item: one(item) and other(item)


def _any_of(predicates: list[Predicate]) -> Predicate:
    return lambda item: any(predicate(item) for predicate in predicates)


def _follow(item: WireItem, steps: list[str | int]) -> WireValue | None:
    value: Any = {"M": item}
    for step in steps:
        inside = value.get("M" if isinstance(step, str) else "L")
        if isinstance(step, str):
            value = None if inside is None else inside.get(step)
        else:
            value = inside[step] if inside is not None and step < len(inside) else None
        if value is None:
            return None
    return value  # type: ignore[no-any-return]


def _compare(comparator: str, left: Operand, right: Operand) -> Predicate:
    def judge(item: WireItem) -> bool:
        one, other = left(item), right(item)
        if one is None or other is None:
            return comparator == "<>"
        if comparator in ("=", "<>"):
            same = _codec.same_item({"v": one}, {"v": other})
            return same is (comparator == "=")
        return _ordered(comparator, one, other)

    if comparator not in ("=", "<>", *_COMPARATORS):
        raise RequestRefusedError(f"{comparator!r} is no comparator", code="ValidationException")
    return judge


def _ordered(comparator: str, one: WireValue, other: WireValue) -> bool:
    (tag,) = one
    if tag not in _ORDERED or tag not in other:
        return False
    return _COMPARATORS[comparator](_items.order(one), _items.order(other))


def _size(value: WireValue | None) -> WireValue | None:
    if value is None:
        return None
    plain = _codec.decode_value(value)
    if isinstance(plain, str):
        plain = plain.encode()
    return {"N": str(len(plain))} if hasattr(plain, "__len__") else None


def _begins_with(path: Operand, prefix: Operand) -> Predicate:
    def judge(item: WireItem) -> bool:
        value, start = path(item), prefix(item)
        if not value or not start or value.keys() != start.keys() or not {"S", "B"} & value.keys():
            return False
        return bool(_codec.decode_value(value).startswith(_codec.decode_value(start)))

    return judge


def _contains(path: Operand, part: Operand) -> Predicate:
    def judge(item: WireItem) -> bool:
        value, wanted = path(item), part(item)
        if not value or not wanted:
            return False
        if "S" in value and "S" not in wanted:
            return False
        inside = _codec.decode_value(value)
        return hasattr(inside, "__contains__") and _codec.decode_value(wanted) in inside

    return judge


def _attribute_type(path: Operand, wanted: Operand) -> Predicate:
    return lambda item: (wanted(item) or {}).get("S") in (path(item) or {})


_FUNCTIONS: dict[str, Callable[..., Predicate]] = {
    "attribute_exists": lambda path: lambda item: path(item) is not None,
    "attribute_not_exists": lambda path: lambda item: path(item) is None,
    "attribute_type": _attribute_type,
    "begins_with": _begins_with,
    "contains": _contains,
}
