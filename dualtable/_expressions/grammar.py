"""What all of DynamoDB's expressions are made of: words, placeholders, names and paths.

The rule: as strict as DynamoDB. A reserved word or an unknown placeholder is refused, and so is a
name or value that no expression of the request uses, a path into a key attribute, and what is too
long, too deep or too much. An error quotes what its caller has written, and nothing else.

    path := name ('.' name | '[' position ']')*
    name := word | #placeholder

Keywords are of any case, names of functions are not.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import attrs

from dualtable._expressions.conditions import Literal, checked_path
from dualtable._expressions.reserved_words import RESERVED_WORDS
from dualtable._expressions.texts import PLACEHOLDER, Condition
from dualtable._wire.paths import Path
from dualtable._wire.types import WireValue
from dualtable._wire.values import refused
from dualtable.errors import RequestRefusedError

_T = TypeVar("_T")

_MAX_BYTES = 4096  # of one expression
_MAX_OPERATORS = 300  # and functions, of one expression
_MAX_POSITION = 2**31 - 1  # in a list
_OPERATORS = ("AND", "OR", "NOT", "+", "-")  # BETWEEN is known by its AND
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_SPACE = " \t\r\n"  # and no other white space
_TOKEN = re.compile(
    rf"[{_SPACE}]*(<>|<=|>=|[-+=<>(),.\[\]]|[#:][A-Za-z0-9_]+|[A-Za-z]\w*|0|[1-9]\d*)", re.ASCII
)
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def check_names(names: Mapping[str, str]) -> None:
    """Raise `RequestRefusedError` where placeholders do not stand for names of attributes."""
    if not isinstance(names, Mapping):
        raise refused(f"names must be a dict such as {{'#n': 'name'}}, not {type(names).__name__}")
    for token, name in names.items():
        if not isinstance(name, str):
            raise refused(f"{token} must stand for a name, and is of type {type(name).__name__}")
        if not name:
            raise refused(f"{token} stands for an empty name")
        _utf8(name, token)


def check_values(values: Mapping[str, Any]) -> None:
    """Raise `RequestRefusedError` where there are no placeholders with what they stand for."""
    if not isinstance(values, Mapping):
        raise refused(f"values must be a dict such as {{':v': 1}}, not {type(values).__name__}")


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise refused(f"{what} is not valid Unicode (it has a lone surrogate)") from None


@attrs.frozen
class Placeholders:
    """The names and values of one request, shared by all its expressions.

    Call `check_all_used` once they are all parsed.
    """

    names: Mapping[str, str]
    values: Mapping[str, WireValue]
    keys: Collection[str] = ()
    """The attributes of the table's key and of those of its indexes; nothing is inside of them."""
    roots: set[str] = attrs.field(factory=set, init=False)
    """The names of all attributes that the expressions are about."""
    _used: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        check_names(self.names)
        for sign, defined in (("#", self.names), (":", self.values)):
            for token in defined:
                if not str(token).startswith(sign) or not PLACEHOLDER.fullmatch(str(token)):
                    raise refused(f"{token!r} is no placeholder")

    def name(self, token: str) -> str:
        """Return the attribute name that a ``#name`` stands for."""
        return self._take(token, self.names)

    def value(self, token: str) -> Literal:
        """Return the value that a ``:value`` stands for."""
        return Literal(self._take(token, self.values))

    def path(self, steps: Sequence[str | int]) -> Path:
        """Return the path of some steps, of which the first is the name of an attribute."""
        root = str(steps[0])
        if len(steps) > 1 and root in self.keys:
            raise refused(f"{root!r} is a key attribute, and nothing is inside of one")
        self.roots.add(root)
        return checked_path(Path(tuple(steps)))

    def cut_out(self, text: str) -> Condition:
        """Return one of several expressions, with the names and values that are its own."""
        tokens = set(PLACEHOLDER.findall(text))
        self._used.update(tokens)
        names = {token: name for token, name in self.names.items() if token in tokens}
        values = {token: value for token, value in self.values.items() if token in tokens}
        return Condition(text, names, values)

    def check_all_used(self) -> None:
        """Raise `RequestRefusedError` where one was not needed."""
        if unused := (self.names.keys() | self.values.keys()) - self._used:
            raise refused(f"{min(unused)} is not used in any expression")

    def _take(self, token: str, defined: Mapping[str, _T]) -> _T:
        if token not in defined:
            raise refused(f"{token} is used in an expression and not defined")
        self._used.add(token)
        return defined[token]


@lru_cache  # a program writes few of them, and sends them again and again
def _words(text: str) -> Sequence[str]:
    if len(_utf8(text, "an expression")) > _MAX_BYTES:
        raise refused(f"an expression is longer than {_MAX_BYTES} bytes")
    whole = text.rstrip(_SPACE)
    words, at = [], 0
    while at < len(whole):
        match = _TOKEN.match(whole, at)
        if match is None:
            raise _invalid(text, f"syntax error at {whole[at:].lstrip(_SPACE)[:10]!r}")
        words.append(match[1])
        at = match.end()
    return (*words, "")


def _invalid(text: str, problem: str) -> RequestRefusedError:
    return refused(f"invalid expression {text!r}: {problem}")


class Words:
    """The words of one expression, read from left to right; ``""`` is the word at the end."""

    def __init__(self, text: str, placeholders: Placeholders) -> None:
        self._text = text
        self._placeholders = placeholders
        if not isinstance(text, str):
            raise refused(f"an expression is a text, not of type {type(text).__name__}")
        self._words = _words(text)
        self._at = 0
        self._operators = 0
        self._last_group = (0, 0)  # where the last parentheses that were closed begin and end

    def peek(self) -> str:
        """Return the next word and leave it there."""
        return self._words[self._at]

    def next(self) -> str:
        """Return the next word; refuse the end."""
        word = self.peek()
        if not word:
            raise self.error("it ends too early")
        self._at += 1
        return word

    def takes(self, word: str) -> bool:
        """Go past this word, in capitals, where it is the next one."""
        found = self.peek().upper() == word
        self._at += found
        self._operators += found and word in _OPERATORS
        return found

    def expect(self, word: str) -> None:
        """Go past this word, in capitals; refuse any other."""
        if not self.takes(word):
            raise self.misplaced(repr(word))

    def end(self) -> None:
        """Refuse any word that is left, and an expression of too many operators."""
        if self.peek():
            raise self.misplaced("the end")
        if self._operators > _MAX_OPERATORS:
            raise refused(
                f"an expression has {self._operators} operators and functions; DynamoDB takes"
                f" {_MAX_OPERATORS}"
            )

    def comparator(self) -> str:
        """Read a comparator."""
        if self.peek() not in COMPARATORS:
            raise self.misplaced("a comparator")
        self._operators += 1
        return self.next()

    def called(self) -> str:
        """Return the name of the function that is called here, ``""`` where none is."""
        is_call = bool(_NAME.fullmatch(self.peek())) and self._words[self._at + 1] == "("
        return self.peek() if is_call else ""

    def arguments(self, read: Callable[[], _T]) -> list[_T]:
        """Read the operands of a function, or of IN: in parentheses, divided by commas."""
        self._operators += 1
        self.expect("(")
        found = self.listed(read)
        self.expect(")")
        return found

    def group(self, read: Callable[[], _T]) -> _T:
        """Read what is in parentheses; refuse a second pair around the same."""
        self.expect("(")
        first = self._at
        found = read()
        if self._last_group == (first, self._at):
            raise self.error("redundant parentheses")
        self.expect(")")
        self._last_group = (first - 1, self._at)
        return found

    def behind_group(self) -> str:
        """Return the word behind the parentheses that begin here, ``""`` where they do not end."""
        depth = 0
        for at in range(self._at, len(self._words) - 1):
            depth += (self._words[at] == "(") - (self._words[at] == ")")
            if depth == 0:
                return self._words[at + 1]
        return ""

    def listed(self, read: Callable[[], _T]) -> list[_T]:
        """Read one or more things that are divided by commas."""
        found = [read()]
        while self.takes(","):
            found.append(read())
        return found

    def path(self) -> Path:
        """Read a path."""
        steps: list[str | int] = [self._name()]
        while self.peek() in (".", "["):
            steps.append(self._name() if self.takes(".") else self._position())
        return self._placeholders.path(steps)

    def literal(self) -> Literal | None:
        """Read a ``:value`` where there is one."""
        if not self.peek().startswith(":"):
            return None
        return self._placeholders.value(self.next())

    def error(self, problem: str) -> RequestRefusedError:
        """Return the error that says what is wrong with this expression."""
        return _invalid(self._text, problem)

    def misplaced(self, wanted: str) -> RequestRefusedError:
        """Return the error that says what should be here instead."""
        found = self.peek()
        there = f"there is {found!r}" if found else "it ends"
        return self.error(f"{there} where {wanted} should be")

    def _position(self) -> int:
        self.expect("[")
        if not self.peek().isdecimal():
            raise self.misplaced("a position")
        position = int(self.next())
        if position > _MAX_POSITION:
            raise self.error(f"a list has no more than {_MAX_POSITION} as a position")
        self.expect("]")
        return position

    def _name(self) -> str:
        word = self.peek()
        if word.upper() in RESERVED_WORDS:
            raise self.error(f"{word!r} is a reserved word; use a name such as #n for it")
        if not word.startswith("#") and not _NAME.fullmatch(word):
            raise self.misplaced("a name")
        self.next()
        return self._placeholders.name(word) if word.startswith("#") else word
