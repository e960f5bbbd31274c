"""A migration with everything that a fingerprint is made of; its own is written down in a test.

Any change to this file changes it, by design. Nothing here may depend on the Python version.
"""

from __future__ import annotations

import datetime
import enum
import functools
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from dualtable import Chain, Convert, Default, Drop, Move, Rename
from dualtable._transforms.models import ModelTransform

RATES = {"eu": Decimal("1.10"), "us": Decimal(1), "none": None}
WORDS = re.compile(r"\w+ 🫠")  # newer than the Unicode of some Python versions
FROM = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
LABELS = frozenset({"red", "green", "blue", "black", "white"})


class Status(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


def times(factor: int) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def decorate(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(function)
        def wrapped(value: Any) -> Any:
            return function(value) * factor

        return wrapped

    return decorate


@times(2)
def doubled(value: Any) -> Any:
    return even(int(value))


def even(number: int) -> int:
    return number if number % 2 == 0 else odd(number)


def odd(number: int) -> int:
    return 0 if number < 0 else even(number + 1)


@functools.cache
def rate(region: str) -> Decimal | None:
    return RATES[region]


class Base:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix


class Prefixed(Base):
    __slots__ = ()

    def forward(self, item: dict[str, Any]) -> dict[str, Any]:
        status = Status.OPEN if rate(item["region"]) else Status.CLOSED
        return {**item, "id": self.prefix + item["id"], "status": status.value}

    def old_key(self, key: dict[str, Any]) -> dict[str, Any]:
        return {"id": key["id"].removeprefix(self.prefix)}


@attrs.frozen
class Line:
    sku: str


@attrs.frozen
class Order:
    id: str
    lines: list[Line]


def upgrade(order: Order) -> Order | None:
    return order if WORDS.match(order.id) and order.id not in LABELS and FROM else None


def marked(item: dict[str, Any], *, mark: tuple[str, float] = ("a", 0.1)) -> dict[str, Any]:
    return {**item, "mark": json.dumps(mark)}


TRANSFORM = Chain(
    Move("customer.region", "region"),
    Rename("nme", "name"),
    Convert("total", doubled),
    Convert("state", {"o": "open", "c": "closed"}.get),
    *(Convert("a", lambda a: a + 1), Convert("b", lambda b: b + 2)),
    Convert("when", datetime.date.fromisoformat, back=str),
    Convert("note", json.loads),
    Default("labels", {"red", "green", "blue"}),
    Drop(("a.b", "c")),
    Prefixed("o-"),
    functools.partial(marked, mark=("b", 0.2)),
    ModelTransform(Order, Order, upgrade),
)
