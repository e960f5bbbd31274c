"""Every error that callers may want to catch.

The rule: a message says what was wrong, where, and what to do next, and never holds an item's
values. Data is in attributes. Every error survives pickling.

    DualTableError
    ├── InvalidItemError (ValueError)        an item that DynamoDB would refuse
    ├── InvalidKeyError (ValueError)         a key that does not fit the table
    ├── InvalidSettingError (ValueError)     an argument that is out of range, or no such choice
    ├── TransformError                       a transform failed or broke its contract (I8)
    ├── MigrationMismatchError               the stored state belongs to another transform or run
    ├── TableMismatchError (ValueError)      tables that are missing, equal, or not as declared
    ├── ItemExistsError                      put(if_absent=True) found the item
    ├── ItemNotFoundError (LookupError)      update found nothing to update
    ├── ConcurrentUpdateError                update lost the race too often
    ├── ConditionFailedError                 the caller's own condition does not hold
    ├── UnknownIndexError (LookupError)      the new table has no such index
    ├── InvalidTokenError (ValueError)       a page token is damaged or of another query
    ├── IndexNotReadyError                   an index of the new table is not complete yet
    ├── StalePhaseError                      the phase could not be refreshed for too long
    ├── GateClosedError                      something is in the way of the next phase
    ├── LeaseLostError                       another migrator has taken the segment over
    ├── WorkerError                          a worker of several could not begin, or was lost
    ├── ServerNotStartedError (RuntimeError) the embedded server did not come up
    └── GatewayError                         DynamoDB refused or could not be reached
        ├── AccessError                      credentials missing, wrong, or without permission
        ├── TableNotFoundError (LookupError)
        ├── RequestRefusedError (ValueError) DynamoDB called the request invalid
        └── RetryableError                   may pass by itself; raised once retries are used up
            ├── ThrottledError               capacity or rate exceeded
            └── UnavailableError             no connection, a timeout, or a server-side failure
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = [
    "AccessError",
    "ActionReason",
    "ConcurrentUpdateError",
    "ConditionFailedError",
    "DualTableError",
    "GateClosedError",
    "GatewayError",
    "IndexNotReadyError",
    "InvalidItemError",
    "InvalidKeyError",
    "InvalidSettingError",
    "InvalidTokenError",
    "ItemExistsError",
    "ItemNotFoundError",
    "LeaseLostError",
    "MigrationMismatchError",
    "RequestRefusedError",
    "RetryableError",
    "ServerNotStartedError",
    "StalePhaseError",
    "TableMismatchError",
    "TableNotFoundError",
    "ThrottledError",
    "TransformError",
    "UnavailableError",
    "UnknownIndexError",
    "WorkerError",
]


class DualTableError(Exception):
    """Root of all errors that the library raises on purpose.

    Attributes:
        key: The key of the item in question as plain values, or None.
        begun: Whether the work had begun that it has ended, so that something may have been done;
            False where nothing was begun, and nothing written.
        action: The number of the action that a transaction was refused for, by what its item is;
            None for whatever else is wrong.

    Example:
        >>> from dualtable import DualTableError
        >>> from dualtable.errors import ItemExistsError
        >>> issubclass(ItemExistsError, DualTableError)
        True
    """

    def __init__(self, message: str = "", *, key: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.begun = False
        self.action: int | None = None


class InvalidItemError(DualTableError, ValueError):
    """An item cannot be stored in DynamoDB: a float, an empty set, too many bytes."""


class InvalidKeyError(DualTableError, ValueError):
    """A key lacks an attribute, has one too many, or one of the wrong type."""


class InvalidSettingError(DualTableError, ValueError):
    """A setting is out of range, of the wrong kind, or none of its choices."""


class TransformError(DualTableError):
    """A transform raised, returned something that is no item, or broke I8.

    The message names the exception's type and where it was raised, not its text: that may quote
    an item's values. The exception itself is the ``__cause__``.

    Attributes:
        where: File and line in the user's code: where it was raised, or where the step is written
            that has called Python or another library; empty where neither is known.
    """

    where: str = ""


class MigrationMismatchError(DualTableError):
    """The control table's record was made by another transform or with other settings."""


class TableMismatchError(DualTableError, ValueError):
    """The tables of a migration are missing, the same one, or not as the migration declares."""


class ItemExistsError(DualTableError):
    """``put(if_absent=True)`` found an item with that key in the logical table."""


class ItemNotFoundError(DualTableError, LookupError):
    """``update`` found no item with that key in the logical table."""


class ConcurrentUpdateError(DualTableError):
    """``update`` was overtaken by other writers on each of its attempts; nothing was written."""


@attrs.frozen
class ActionReason:
    """What one action has to do with the failure of its transaction.

    Attributes:
        code: DynamoDB's word: ``ConditionalCheckFailed``; ``None`` where nothing was wrong;
            ``TransactionConflict`` where somebody else wrote the item at the same time.
        key: The key of the action's item as plain values.
        item: The item for which its condition does not hold, as plain values; None where there is
            none, and where the condition is not what failed. No message quotes it.
    """

    code: str
    key: dict[str, Any]
    item: dict[str, Any] | None = None


class ConditionFailedError(DualTableError):
    """The caller's condition does not hold for the logical item; nothing was written.

    Attributes:
        reasons: Of a transaction, one `ActionReason` for each action in their order, each as it was
            when it was looked at; empty otherwise. `key` is that of the first that failed.
        item: The item for which it does not hold, as plain values; None where there is none. Of a
            transaction, look into the `reasons`. No message quotes it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        key: dict[str, Any] | None = None,
        reasons: tuple[ActionReason, ...] = (),
        item: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, key=key)
        self.reasons = reasons
        self.item = item


class UnknownIndexError(DualTableError, LookupError):
    """The new table has no index of that name."""


class InvalidTokenError(DualTableError, ValueError):
    """A page token is damaged, or was given out for another query or scan."""


class IndexNotReadyError(DualTableError):
    """An index of the new table does not hold all items before the cut-over."""


class StalePhaseError(DualTableError):
    """The migration's phase could not be refreshed for so long that a fallback is not safe."""


class GateClosedError(DualTableError):
    """Something must be so before the next phase, and is not.

    Attributes:
        gate: The `dualtable.Gate`, with each condition and how it stands.
    """

    def __init__(self, message: str = "", *, gate: Any = None) -> None:
        super().__init__(message)
        self.gate = gate


class LeaseLostError(DualTableError):
    """Another migrator holds the segment now; this one must leave it alone."""


class WorkerError(DualTableError):
    """A worker of several could not begin, or was lost before the work was done.

    What is settled stays; the same call goes on from there.
    """


class ServerNotStartedError(DualTableError, RuntimeError):
    """The embedded DynamoDB server is not installed or did not come up."""


class GatewayError(DualTableError):
    """DynamoDB refused a request or could not be reached.

    Attributes:
        code: The error code that DynamoDB or the SDK gave, such as ``ValidationException``.
    """

    def __init__(
        self, message: str = "", *, code: str = "", key: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, key=key)
        self.code = code


class AccessError(GatewayError):
    """Credentials are missing, wrong or expired, or lack the permission."""


class TableNotFoundError(GatewayError, LookupError):
    """The table does not exist in this account and region."""


class RequestRefusedError(GatewayError, ValueError):
    """DynamoDB called the request invalid, or the SDK a setting; trying again would not help."""


class RetryableError(GatewayError):
    """A failure that may pass by itself. Callers see it once the retries are used up."""


class ThrottledError(RetryableError):
    """Table, index, partition or account capacity is exceeded.

    Attributes:
        reasons: DynamoDB's ``ThrottlingReasons``, such as ``TableWriteKeyRangeThroughputExceeded``.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        key: dict[str, Any] | None = None,
        reasons: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, code=code, key=key)
        self.reasons = reasons


class UnavailableError(RetryableError):
    """No connection, a timeout, or a failure on the server's side."""
