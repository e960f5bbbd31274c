"""The port: what the library asks of DynamoDB.

The rule: every method is one request or one batch of them, in wire form, and says all that the
server said. A batch returns what is done and what is left; nothing is retried or dropped here.
Whoever implements this raises the errors below `GatewayError` and no others, but for
`ConditionFailed` and `TransactionCancelled`, which are answers.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal, Protocol, TypeAlias, TypeVar, get_args

import attrs

from dualtable._expressions.texts import Condition, Update
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import Definition, Description, WireItem, WireKey
from dualtable.errors import (
    GatewayError,
    RequestRefusedError,
    ThrottledError,
    UnavailableError,
)

_T = TypeVar("_T")

MAX_BATCH_GET = 100  # keys of a BatchGetItem
MAX_BATCH_WRITE = 25  # requests of a BatchWriteItem, statements of a BatchExecuteStatement
MAX_TRANSACTION = 100  # actions of a TransactWriteItems, gets of a TransactGetItems

ReturnValues: TypeAlias = Literal["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]
"""What an update returns: nothing; or the item, or the attributes that it names, before or after.
"""


def check_return_values(return_values: str) -> None:
    """Raise `RequestRefusedError` where an update can return no such thing."""
    if return_values not in get_args(ReturnValues):
        raise RequestRefusedError(
            f"ReturnValues={return_values!r} must be one of {', '.join(get_args(ReturnValues))}",
            code="ValidationException",
        )


def batches(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Cut any number of values into lists of at most `size`."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


class ConditionFailed(Exception):  # noqa: N818 - an answer, not an error
    """The condition did not hold; `item` is what was there, None where there was nothing."""

    def __init__(self, item: WireItem | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


@attrs.frozen
class TransactPut:
    """Put an item, as a part of a transaction."""

    table: str
    item: WireItem
    condition: Condition | None = None


@attrs.frozen
class TransactUpdate:
    """Update an item, as a part of a transaction."""

    table: str
    key: WireKey
    update: Update
    condition: Condition | None = None


@attrs.frozen
class TransactDelete:
    """Delete an item, as a part of a transaction."""

    table: str
    key: WireKey
    condition: Condition | None = None


@attrs.frozen
class TransactCheck:
    """Let the transaction depend on an item that it does not write."""

    table: str
    key: WireKey
    condition: Condition


TransactAction: TypeAlias = TransactPut | TransactUpdate | TransactDelete | TransactCheck


@attrs.frozen
class TransactGet:
    """Read an item, as a part of a transaction."""

    table: str
    key: WireKey


@attrs.frozen
class TimeToLive:
    """Which attribute says when an item expires; None where none does."""

    attribute: str | None = None


@attrs.frozen
class Policy:
    """The resource policy of a table: its JSON text, and the revision that it has."""

    text: str
    revision: str


@attrs.frozen
class Extras:
    """What ``DescribeTable`` does not say; None is unknown, and never the same as nothing.

    A role may not ask, or a server does not know the question.
    """

    ttl: TimeToLive | None = None
    tags: tuple[Mapping[str, str], ...] | None = None


class Verdict(enum.Enum):
    """What became of one action of a transaction that was cancelled."""

    FINE = "fine"
    CONDITION_FAILED = "condition failed"
    REFUSED = "refused"
    CONFLICT = "conflict"
    THROTTLED = "throttled"


@attrs.frozen
class Reason:
    """What one action has to do with the cancellation.

    Args:
        verdict: What became of it.
        message: The server's words, if it had any.
        item: What was there where its condition failed, None where there was nothing.
    """

    verdict: Verdict
    message: str = ""
    item: WireItem | None = None


class TransactionCancelled(Exception):  # noqa: N818 - an answer, not an error
    """A condition of the transaction did not hold; `reasons` are in the order of its actions."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__("a condition of the transaction does not hold")
        self.reasons = reasons


def cancellation(reasons: Sequence[Reason]) -> TransactionCancelled | GatewayError:
    """Return what to raise for a cancelled transaction.

    That is the answer where a condition failed; an error where an action was refused; and else one
    that may pass by itself, since others were at the items or capacity ran short.
    """
    by_verdict = {reason.verdict: number for number, reason in reversed([*enumerate(reasons)])}
    if Verdict.CONDITION_FAILED in by_verdict:
        return TransactionCancelled(reasons)
    if Verdict.REFUSED in by_verdict:
        refused = [(n, r.message) for n, r in enumerate(reasons) if r.verdict is Verdict.REFUSED]
        said = (f"action {number} of the transaction is refused: {why}" for number, why in refused)
        error = RequestRefusedError("; ".join(said), code="ValidationException")
        error.action = by_verdict[Verdict.REFUSED]
        return error
    if (number := by_verdict.get(Verdict.THROTTLED)) is not None:
        return ThrottledError(
            f"action {number} of the transaction is throttled: {reasons[number].message}",
            code="ThrottlingError",
        )
    number = by_verdict.get(Verdict.CONFLICT)
    return UnavailableError(
        f"another request is writing to the item of action {number} of the transaction",
        code="TransactionConflict",
    )


@attrs.frozen
class Page:
    """One page of a scan or query. An empty one with a `last_key` is not the end.

    Args:
        items: The items in the order in which the table or index has them; the list is whoever's
            who asked for the page.
        last_key: Where the next page starts, None at the end. Of an index, it is the index's key
            together with the table's.
        read_units: What the page cost.
    """

    items: list[WireItem]
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


BILLED = (Outcome.WRITTEN, Outcome.PRESENT)


@attrs.frozen
class Insert:
    """What became of one item: its outcome, and the server's reason where it was not taken."""

    outcome: Outcome
    reason: str = ""


@attrs.frozen
class InsertBatch:
    """The outcomes of a batch of inserts, in the order of its items, and what it cost.

    That is what the server has said, indexes included, and an estimate where it said nothing.
    """

    outcomes: Sequence[Insert]
    write_units: float


class Gateway(Protocol):
    """What the library asks of DynamoDB; all items, keys and values are in wire form.

    Every method raises `TableNotFoundError`, `AccessError`, `RequestRefusedError`,
    `ThrottledError` and `UnavailableError` as they apply.
    """

    async def describe_table(self, table: str) -> Description:
        """Return the ``Table`` structure of a table.

        Its ``TableName`` is what the caller called the table, which may be its ARN: requests that
        name it go where this one went.
        """

    async def create_table(self, definition: Definition) -> None:
        """Create a table and return when it is active; an existing one is left as it is."""

    async def describe_extras(self, table: str) -> Extras:
        """Return what ``DescribeTable`` does not say, as far as it can be known."""

    async def switch_ttl_on(self, table: str, attribute: str) -> None:
        """Let items of a table expire by an attribute.

        Raises:
            RequestRefusedError: Also: TTL is on already, or was changed within the last hour.
        """

    async def policy(self, table: str) -> Policy | None:
        """Return the resource policy of a table, None where it has none.

        Raises:
            RequestRefusedError: Also: the server knows no such policies.
        """

    async def put_policy(self, table: str, text: str, *, over: Policy | None) -> None:
        """Give a table a resource policy in place of the one that was read.

        Raises:
            RequestRefusedError: Also: it has another one by now, or the text is no policy.
        """

    async def delete_policy(self, table: str, *, over: Policy) -> None:
        """Take away the resource policy that was read.

        Raises:
            RequestRefusedError: Also: it has another one by now.
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

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        """Put an item; return what was there if `return_old`, else None.

        Raises:
            ConditionFailed: The condition does not hold.
        """

    async def update(
        self,
        table: str,
        key: WireKey,
        update: Update,
        condition: Condition | None = None,
        *,
        return_values: ReturnValues = "NONE",
    ) -> WireItem | None:
        """Update an item, which is created where there is none.

        The names and values of the condition are its own, whatever the update's are called.
        Return the attributes that `return_values` asks for, None where there are none. One whose
        answer got lost may have been applied: a caller who counts must see to that, by a condition
        or a transaction, since it is sent again.

        Raises:
            ConditionFailed: The condition does not hold.
            RequestRefusedError: Also: the update does not fit the item that is there.
        """

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        """Put up to 25 items with different keys; return those that were not processed."""

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        """Put each of up to 25 items with different keys only if its key is not there yet.

        `key_name` is the table's partition key, whose absence is the absence of the item.
        """

    async def delete(
        self,
        table: str,
        key: WireKey,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        """Delete an item; return what was there if `return_old`, else None.

        Raises:
            ConditionFailed: The condition does not hold.
        """

    async def scan(
        self,
        table: str,
        *,
        segment: int,
        total_segments: int,
        index: str | None = None,
        start_key: WireKey | None = None,
        limit: int | None = None,
        consistent_read: bool = False,
        attributes: Sequence[str] | None = None,
    ) -> Page:
        """Read one page of one segment; `attributes` are names at the root to be returned.

        Of an `index`, the items are what it projects, and a global one has no consistent reads.
        """

    async def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        index: str | None = None,
        start_key: WireKey | None = None,
        limit: int | None = None,
        descending: bool = False,
        consistent_read: bool = True,
    ) -> Page:
        """Read one page of the items that meet a key condition, in the order of the sort key.

        Of an `index`, they are what it projects. A global one has no consistent reads: to ask for
        them is refused.
        """

    async def transact_write(
        self, actions: Sequence[TransactAction], *, token: str | None = None
    ) -> None:
        """Take up to 100 actions on different items of any tables, all of them or none.

        Within ten minutes, the same actions under the same `token` (at most 36 characters) are
        taken once, however often they are sent.

        Raises:
            TransactionCancelled: A condition does not hold.
            UnavailableError: Also: another request was writing to one of the items.
        """

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        """Read up to 100 items of any tables as they are at one moment, in the order asked for.

        Raises:
            UnavailableError: Also: another request was writing to one of the items.
        """
