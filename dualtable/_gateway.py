"""The port: what the library asks of DynamoDB.

The rule: every method is one request or one batch of them, in wire form, and says all that the
server said. A batch returns what is done and what is left; nothing is retried or dropped here.
Whoever implements this raises the errors below `GatewayError` and no others, but for
`ConditionFailed`, which is an answer.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import attrs

from dualtable._tables import Definition, Description
from dualtable._types import WireItem, WireKey, WireValue

_T = TypeVar("_T")

MAX_BATCH_GET = 100  # keys of a BatchGetItem
MAX_BATCH_WRITE = 25  # requests of a BatchWriteItem, statements of a BatchExecuteStatement


def batches(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Cut any number of values into lists of at most `size`."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


@attrs.frozen
class Condition:
    """A condition expression with its names and values, in DynamoDB's own syntax."""

    expression: str
    names: Mapping[str, str] = attrs.field(factory=dict)
    values: Mapping[str, WireValue] = attrs.field(factory=dict)


class ConditionFailed(Exception):  # noqa: N818 - an answer, not an error
    """The condition did not hold; `item` is what was there, None where there was nothing."""

    def __init__(self, item: WireItem | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


@attrs.frozen
class Page:
    """One page of a scan. An empty one with a `last_key` is not the end."""

    items: Sequence[WireItem]
    last_key: WireKey | None
    read_units: float


@attrs.frozen
class BatchGet:
    """What a batch read found, in no order, and the keys that it did not get to."""

    items: Sequence[WireItem]
    unprocessed: Sequence[WireKey]
    read_units: float


class Outcome(enum.Enum):
    """What became of one item of a batch of inserts."""

    WRITTEN = "written"
    PRESENT = "present"
    REFUSED = "refused"
    RETRY = "retry"


@attrs.frozen
class Insert:
    """What became of one item: its outcome, and the server's reason where it was not taken."""

    outcome: Outcome
    reason: str = ""


@attrs.frozen
class InsertBatch:
    """The outcomes of a batch of inserts, in the order of its items."""

    outcomes: Sequence[Insert]
    write_units: float


class Gateway(Protocol):
    """What the library asks of DynamoDB; all items, keys and values are in wire form.

    Every method raises `TableNotFoundError`, `AccessError`, `RequestRefusedError`,
    `ThrottledError` and `UnavailableError` as they apply.
    """

    async def describe_table(self, table: str) -> Description:
        """Return the ``Table`` structure of a table."""

    async def create_table(self, definition: Definition) -> None:
        """Create a table and return when it is active; an existing one is left as it is."""

    async def describe_extras(self, table: str) -> dict[str, Any]:
        """Return what ``DescribeTable`` does not say, where the server knows it.

        ``ttl_attribute``: the name of the TTL attribute, absent where TTL is off.
        ``tags``: the table's tags as DynamoDB lists them.
        """

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        """Return the item, or None."""

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        """Read up to 100 different keys; `attributes` are names at the root to be returned."""

    async def put(self, table: str, item: WireItem, condition: Condition | None = None) -> None:
        """Put an item; raise `ConditionFailed` where the condition does not hold."""

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        """Put up to 25 items with different keys; return those that were not processed."""

    async def insert(self, table: str, items: Sequence[WireItem], *, key_name: str) -> InsertBatch:
        """Put each of up to 25 items with different keys only if its key is not there yet.

        `key_name` is the table's partition key, whose absence is the absence of the item.
        """

    async def delete(self, table: str, key: WireKey, condition: Condition | None = None) -> None:
        """Delete an item; raise `ConditionFailed` where the condition does not hold."""

    async def scan(
        self,
        table: str,
        *,
        segment: int,
        total_segments: int,
        start_key: WireKey | None = None,
        limit: int | None = None,
        consistent_read: bool = False,
    ) -> Page:
        """Read one page of one segment."""

    async def query(
        self, table: str, key_condition: Condition, *, start_key: WireKey | None = None
    ) -> Page:
        """Read one page of the items that meet a key condition, strongly consistent."""
