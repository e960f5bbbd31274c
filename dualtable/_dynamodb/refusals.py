"""From what AWS and its SDK refuse to the errors and answers of the port.

The rule: no error of the SDK gets past this module, and each code has its class in one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.exceptions

from dualtable._dynamodb.bodies import ANSWER, Answer, NoAnswer
from dualtable._dynamodb.endpoints import said_by
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Insert,
    Outcome,
    Reason,
    Verdict,
    cancellation,
)
from dualtable.errors import (
    AccessError,
    GatewayError,
    RequestRefusedError,
    RetryableError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)

# Error code -> class; names as in
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html and, for
# single statements, API_BatchStatementError.html. Any other 5xx passes, any other code is refused.
_ERRORS: dict[str, type[GatewayError]] = {
    "AccessDenied": AccessError,
    "AccessDeniedException": AccessError,
    "ExpiredToken": AccessError,
    "ExpiredTokenException": AccessError,
    "IncompleteSignature": AccessError,
    "IncompleteSignatureException": AccessError,
    "InvalidClientTokenId": AccessError,
    "InvalidSignatureException": AccessError,
    "MissingAuthenticationToken": AccessError,
    "MissingAuthenticationTokenException": AccessError,
    "NotAuthorized": AccessError,
    "OptInRequired": AccessError,
    "RequestExpired": AccessError,
    "RequestInTheFuture": AccessError,
    "RequestTimeTooSkewed": AccessError,
    "SignatureDoesNotMatch": AccessError,
    "UnrecognizedClientException": AccessError,
    "ResourceNotFound": TableNotFoundError,
    "ResourceNotFoundException": TableNotFoundError,
    "LimitExceededException": ThrottledError,
    "ProvisionedThroughputExceeded": ThrottledError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingError": ThrottledError,
    "ThrottlingException": ThrottledError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "ReplicatedWriteConflictException": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "TransactionConflict": UnavailableError,
    "TransactionConflictException": UnavailableError,
    "TransactionInProgressException": UnavailableError,
}


NOT_PERMITTED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized"})
"""Codes of who is known, and may not do what is asked."""


# HTTP status -> class, where the code says nothing: an error page of whatever is in between.
_STATUSES: dict[int, type[GatewayError]] = {401: AccessError, 403: AccessError, 429: ThrottledError}


# Code of a cancellation reason -> what it says of the action; any other code is a refusal.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_VERDICTS = {
    "None": Verdict.FINE,
    "ConditionalCheckFailed": Verdict.CONDITION_FAILED,
    "TransactionConflict": Verdict.CONFLICT,
    "ProvisionedThroughputExceeded": Verdict.THROTTLED,
    "ThrottlingError": Verdict.THROTTLED,
}


# Of S3: what is asked for is not there.
_NOT_THERE = {"404", "NoSuchBucket", "NoSuchKey"}


# What these say themselves is nothing, or may be a secret.
_SAID: dict[type[Exception], str] = {
    json.JSONDecodeError: "what should be credentials is no JSON",
    EOFError: "the profile needs a code (MFA), and nobody is there to enter one",
}


# Of Python's own, what the SDK raises where there are no credentials to be had.
_KNOWN: tuple[type[Exception], ...] = (
    json.JSONDecodeError,  # of what a credential_process says
    FileNotFoundError,  # a web identity token, a credential_process
    PermissionError,
    EOFError,  # a code for MFA is asked for, and nobody is there
)


_WRITTEN = Insert(Outcome.WRITTEN)


def insert_of(table: str, member: dict[str, Any]) -> Insert:
    error = member.get("Error")
    if error is None:
        return _WRITTEN
    code = error.get("Code", "")
    if code == "DuplicateItem":
        return Insert(Outcome.PRESENT)
    kind = _ERRORS.get(code, RequestRefusedError)
    if issubclass(kind, RetryableError):
        return Insert(Outcome.RETRY, code)
    if kind is RequestRefusedError:
        return Insert(Outcome.REFUSED, error.get("Message", code))
    raise kind(f"insert into {table}: {error.get('Message', code)}", code=code)


def _reason(member: dict[str, Any]) -> Reason:
    code = member.get("Code", "None")
    verdict = _VERDICTS.get(code, Verdict.REFUSED)
    return Reason(verdict, member.get("Message") or "", member.get("Item"))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the library's errors for botocore's."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        answer = error.response.get(ANSWER)  # each answer of DynamoDB has it
        raise (refusal(what, answer) if answer else _from_others(what, error)) from error
    except NoAnswer as error:
        raise UnavailableError(f"{what}: {error}", code=error.code) from error
    except (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.TokenRetrievalError,
        botocore.exceptions.ProfileNotFound,
        botocore.exceptions.SSOError,
        botocore.exceptions.NoAuthTokenError,
        botocore.exceptions.MetadataRetrievalError,
        botocore.exceptions.RefreshWithMFAUnsupportedError,
        botocore.exceptions.UnknownCredentialError,
        botocore.exceptions.ConfigNotFound,
        botocore.exceptions.ConfigParseError,
        botocore.exceptions.InvalidConfigError,
        botocore.exceptions.MissingDependencyException,
        botocore.exceptions.ParamValidationError,  # of a role: our own requests are not looked at
        *_KNOWN,
    ) as error:
        raise _unanswered(what, error) from error
    except botocore.exceptions.NoRegionError as error:
        raise AccessError(
            f"{what}: no region; set AWS_DEFAULT_REGION or region_name=", code="NoRegionError"
        ) from error
    except (
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.ConnectionError,
    ) as error:
        said, cause = said_by(error)
        raise UnavailableError(f"{what}: {said}", code=type(error).__name__) from cause
    except (botocore.exceptions.BotoCoreError, ValueError) as error:  # one of a bad endpoint
        said, cause = said_by(error)
        raise RequestRefusedError(f"{what}: {said}", code=type(error).__name__) from cause


@contextmanager
def of_credentials() -> Iterator[None]:
    """Raise an error of the SDK's for whatever it lets through while it looks for credentials.

    What a process of somebody's own prints, or a file has, may be anything; it is not quoted.
    """
    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, *_KNOWN):
        raise
    except Exception as error:
        said = str(error) if isinstance(error, RuntimeError | OSError) else type(error).__name__
        raise botocore.exceptions.CredentialRetrievalError(
            provider="what the session names", error_msg=said
        ) from error


def _unanswered(what: str, error: Exception, code: str = "") -> AccessError:
    """Return the error of a request for which there were no credentials to be had."""
    said = next((said for kind, said in _SAID.items() if isinstance(error, kind)), str(error))
    return AccessError(
        f"{what}: {said}; set credentials as for any AWS SDK (AWS_PROFILE, a role, …)",
        code=code or type(error).__name__,
    )


def _from_others(what: str, error: botocore.exceptions.ClientError) -> GatewayError:
    """Return the error of a request of S3, or for which STS or SSO gave no credentials."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in _NOT_THERE:
        return RequestRefusedError(f"{what}: {error}", code=code)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _ERRORS.get(code) or _STATUSES.get(status) or AccessError
    if status >= 500 or code == "IDPCommunicationError":
        kind = UnavailableError
    if not issubclass(kind, RetryableError):
        return _unanswered(what, error, code)
    return kind(f"{what}: {error}", code=code)


def refusal(what: str, answer: Answer) -> Exception:
    """Return the error, or the answer of the port, that an answer is which is no success."""
    code, raw, status = answer.code(), answer.content, answer.status
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(raw.get("Item"))
    if code == "TransactionCanceledException" and (reasons := raw.get("CancellationReasons")):
        return cancellation([_reason(member) for member in reasons])
    said = (answer.message() or code) if raw else f"HTTP status {status}, and no DynamoDB"
    message = f"{what}: {said}"
    kind = _ERRORS.get(code) or _STATUSES.get(status)
    if kind is None:  # what DynamoDB has not said is no refusal of it
        kind = UnavailableError if status >= 500 or code == str(status) else RequestRefusedError
    if kind is ThrottledError:
        throttled = tuple(r.get("reason", "") for r in raw.get("ThrottlingReasons") or ())
        return ThrottledError(message, code=code, reasons=throttled)
    return kind(message, code=code)
