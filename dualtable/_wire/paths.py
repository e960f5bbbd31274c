"""Where in an item something is: names in maps and positions in lists.

The rule: there is one grammar for paths in plain text, whoever is given one: a step, a projection.
A name is any text without dots and brackets; one that has some is written as a tuple, or stands
behind a ``#name`` of an expression.

    path := name ('[' position ']')* ('.' name ('[' position ']')*)*

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.Attributes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from dualtable._wire.types import WireItem, WireValue

_POSITION = r"\[(0|[1-9][0-9]{0,8})\]"
_NAME = r"[^.\[\]]+"
_WHOLE = re.compile(rf"{_NAME}(?:{_POSITION})*(?:\.{_NAME}(?:{_POSITION})*)*", re.DOTALL)
_STEP = re.compile(rf"{_POSITION}|({_NAME})", re.DOTALL)


@attrs.frozen
class Path:
    """An attribute, or what is inside it: names and list positions from the root."""

    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        return "".join(f".{s}" if isinstance(s, str) else f"[{s}]" for s in self.steps)[1:]

    def read(self, item: WireItem) -> WireValue | None:
        """Return the value that is there, None where there is none."""
        return get_at(item, self.steps)


def as_name(value: str) -> str:
    """Return a text as one of Python's own class; a member of an enum is formatted otherwise."""
    return str.__str__(value) if isinstance(value, str) else value


def document_path(text: str) -> Path | None:
    """Return the path that a text such as ``lines[0].sku`` stands for, None where it is none."""
    if not _WHOLE.fullmatch(text):
        return None
    found = _STEP.findall(text)
    return Path(tuple(int(position) if position else name for position, name in found))


def get_at(item: Mapping[str, WireValue], steps: tuple[Any, ...]) -> WireValue | None:
    """Return the value at the end of the steps, of which the first is a name; None for none."""
    found = item.get(steps[0])
    if len(steps) > 1:  # seldom, and this runs for each step on each item
        for step in steps[1:]:
            found = found and _inside(found, step)
    return found


def _inside(value: WireValue, step: str | int) -> WireValue | None:
    if isinstance(step, str):
        members: Mapping[str, WireValue] = value.get("M", {})
        return members.get(step)
    listed: Sequence[WireValue] = value.get("L", ())
    return listed[step] if step < len(listed) else None
