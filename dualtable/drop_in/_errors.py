"""The library's errors as botocore's; the only module here that knows those of `botocore`.

The rule: what DynamoDB would have said of one table is a ``ClientError`` with DynamoDB's code; what
only a migration can be wrong about keeps its own class, since no code that is written for one table
knows what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from dualtable.drop_in._values import (
    check_as_boto3,
    check_numbers,
    metadata,
    names_in,
    typed,
)
from dualtable.errors import (
    AccessError,
    ActionReason,
    ConcurrentUpdateError,
    ConditionFailedError,
    DualTableError,
    GatewayError,
    InvalidItemError,
    InvalidKeyError,
    InvalidSettingError,
    InvalidTokenError,
    RequestRefusedError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
    UnknownIndexError,
)

DynamoDBError = ClientError

_NOT_VALID = "ValidationException"
_FAILED = "The conditional request failed"

# Class -> DynamoDB's code, where the error brings none; the first that fits counts.
_CODES: tuple[tuple[type[DualTableError], str], ...] = (
    (InvalidItemError, _NOT_VALID),
    (InvalidKeyError, _NOT_VALID),
    (InvalidSettingError, _NOT_VALID),
    (InvalidTokenError, _NOT_VALID),
    (UnknownIndexError, _NOT_VALID),
    (RequestRefusedError, _NOT_VALID),
    (TableNotFoundError, "ResourceNotFoundException"),
    (AccessError, "AccessDeniedException"),
    (ThrottledError, "ProvisionedThroughputExceededException"),
    (UnavailableError, "InternalServerError"),
    (ConcurrentUpdateError, "TransactionConflictException"),
)

# What a client of boto3 has a class for.
_MODELLED = frozenset(
    {
        "ConditionalCheckFailedException",
        "IdempotentParameterMismatchException",
        "InternalServerError",
        "ItemCollectionSizeLimitExceededException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ResourceNotFoundException",
        "ThrottlingException",
        "TransactionCanceledException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

# Which of these say their message under a name of their own, too, with a capital letter.
_CAPITAL = frozenset(
    {
        "IdempotentParameterMismatchException",
        "TransactionCanceledException",
        "TransactionInProgressException",
    }
)


class Exceptions:
    """The classes of errors, by DynamoDB's codes, as ``client.exceptions`` of boto3 has them."""

    def __getattr__(self, code: str) -> type[Exception]:
        """Return the class of a code."""
        if code == "ClientError":
            return _class_of(code)
        if code not in _MODELLED:
            raise AttributeError(f"there is no error {code!r}; there are {sorted(_MODELLED)}")
        return _class_of(code)


@cache
def _class_of(code: str) -> type[ClientError]:
    return (
        type(code, (ClientError,), {"__reduce__": _reduced}) if code in _MODELLED else ClientError
    )


def _reduced(error: ClientError) -> tuple[Any, ...]:
    return _again, (error.response, error.operation_name)


def _again(response: dict[str, Any], operation: str) -> Exception:
    error: Exception = _class_of(response["Error"]["Code"])(response, operation)
    return error


def of_our_class(error: ClientError) -> Exception:
    """Return an error of another client as one that ``exceptions`` has the class of."""
    return _again(error.response, error.operation_name)


def client_error(code: str, message: str, operation: str, **more: Any) -> Exception:
    """Return DynamoDB's error of a code."""
    status = 500 if code in ("InternalServerError", "ServiceUnavailable") else 400
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": metadata(status),
        **({"Message" if code in _CAPITAL else "message": message} if code in _MODELLED else {}),
        **more,
    }
    error: Exception = _class_of(code)(response, operation)
    return error


def not_valid(message: str, operation: str) -> Exception:
    """Return DynamoDB's error for a request that it does not take."""
    return client_error(_NOT_VALID, message, operation)


def is_not_valid(error: ClientError) -> bool:
    """Tell whether it is DynamoDB's error for a request that it does not take."""
    return bool(error.response["Error"]["Code"] == _NOT_VALID)


def cancelled_by(misfits: Sequence[str], operation: str) -> Exception:
    """Return DynamoDB's error for a transaction, by what is wrong with each of its actions."""
    reasons = [
        {"Code": "ValidationError", "Message": what} if what else {"Code": "None"}
        for what in misfits
    ]
    return _cancelled(operation, reasons)


def wrong_parameter(report: str) -> Exception:
    """Return botocore's error for parameters that it does not send."""
    error: Exception = ParamValidationError(report=report)
    return error


@contextmanager
def answered(
    operation: str, parameters: Mapping[str, Any], *, actions: int | None = None
) -> Iterator[None]:
    """Raise botocore's errors for those of the repository, of a transaction of so many actions.

    What boto3 would not have sent fails as it does there, before the repository is asked.
    """
    check_numbers(parameters)
    try:
        yield
    except DualTableError as error:
        if isinstance(error, InvalidItemError | InvalidKeyError | InvalidTokenError):
            check_as_boto3(parameters)
            _check_names(parameters)
        raise _translated(error, operation, parameters, actions) from error


def _check_names(parameters: Mapping[str, Any]) -> None:
    for name in names_in(parameters):
        if not isinstance(name, str):
            raise wrong_parameter(f"Invalid type for a name, valid types: {str}")


def _translated(
    error: DualTableError, operation: str, parameters: Mapping[str, Any], actions: int | None
) -> Exception:
    if isinstance(error, ConditionFailedError) and error.reasons:
        return _cancelled(operation, [*map(_reason, error.reasons, _shows(parameters))])
    if isinstance(error, ConditionFailedError):
        more = {"Item": typed(error.item)} if shows_item(parameters) and error.item else {}
        return client_error("ConditionalCheckFailedException", _FAILED, operation, **more)
    if isinstance(error, ConcurrentUpdateError) and actions is not None:
        conflict = {"Code": "TransactionConflict", "Message": str(error)}
        return _cancelled(operation, [conflict, *[{"Code": "None"}] * (actions - 1)])
    if actions is not None and error.action is not None:
        misfits = [str(error) if n == error.action else "" for n in range(actions)]
        return cancelled_by(misfits, operation)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is None:
        return error
    given = error.code if isinstance(error, GatewayError) else ""
    return client_error(given or code, str(error), operation)


def shows_item(parameters: Mapping[str, Any]) -> bool:
    """Tell whether the item that fails a condition is asked for."""
    return bool(parameters.get("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD")


def _shows(parameters: Mapping[str, Any]) -> list[bool]:
    return [shows_item(next(iter(each.values()))) for each in parameters["TransactItems"]]


def _reason(reason: ActionReason, shows: bool) -> dict[str, Any]:
    if reason.code == "None":
        return {"Code": "None"}
    item = {"Item": typed(reason.item)} if shows and reason.item else {}
    failed = reason.code == "ConditionalCheckFailed"
    said = _FAILED if failed else "Transaction is ongoing for the item"
    return {**item, "Code": reason.code, "Message": said}


def _cancelled(operation: str, reasons: Sequence[Mapping[str, Any]]) -> Exception:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return client_error(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        operation,
        CancellationReasons=reasons,
    )
