"""The gateway to real DynamoDB; the only module that knows aioboto3.

The rule: requests and responses pass botocore in DynamoDB's own JSON. botocore resolves
credentials, region and endpoint, signs, and keeps the connections; its shape-driven serializer,
validator and parser stay out of the way by three of its documented events:

- ``provide-client-params`` sets the parameters aside as a JSON body,
- ``before-call`` puts that body into the request,
- ``before-parse`` decodes the response.

The SDK's own retries are off: there is one layer of retries, and it is not here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import aioboto3
import aiobotocore.session
import botocore.exceptions
import orjson
from botocore import xform_name
from botocore.config import Config
from botocore.parsers import ResponseParserError

from dualtable._gateway import (
    BatchGet,
    ConditionFailed,
    Gateway,
    Insert,
    InsertBatch,
    Outcome,
    Page,
    Reason,
    ReturnValues,
    TransactAction,
    TransactDelete,
    TransactGet,
    TransactPut,
    TransactUpdate,
    Verdict,
    cancellation,
)
from dualtable._packed import PackedItem, batch_write_units
from dualtable._partiql import insert_statement
from dualtable._tasks import run_all
from dualtable._texts import Condition, Update, names_and_values
from dualtable._types import Definition, Description, WireItem, WireKey
from dualtable.errors import (
    AccessError,
    GatewayError,
    RequestRefusedError,
    RetryableError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)

_T = TypeVar("_T")
_log = logging.getLogger("dualtable.aws")

_CONNECTIONS = 64
# What the library insists on, and what a caller's config may change.
_KEPT = Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=False)
_CONFIG = Config(
    max_pool_connections=_CONNECTIONS,
    connect_timeout=5,
    read_timeout=30,
    user_agent="dualtable",  # botocore's own is put together anew, twice for each call
)
_POLL_SECONDS = 0.5
_POLLS_UNSEEN = 20
_LOOKED_THROUGH: dict[str, type] = {"RequestItems": dict, "TransactItems": list}
_BODY = "dualtable_body"
_RAW = "DualtableRaw"

# Error code -> class; names as in
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html and, for
# single statements, API_BatchStatementError.html. Any other 5xx passes, anything else is refused.
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


@asynccontextmanager
async def open_gateway(
    *,
    session: aioboto3.Session | None = None,
    profile_name: str | None = None,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    config: Config | None = None,
) -> AsyncIterator[Gateway]:
    """Open a client for one use and yield the gateway on it; close it at the end.

    Settings come as boto3 takes them; a caller's `config` counts but for retries and parameter
    validation, which the library needs off.

    Raises:
        AccessError: No region is set, or a profile does not exist.
    """
    settings = _CONFIG.merge(config or Config()).merge(_KEPT)
    async with AsyncExitStack() as stack:
        with _translated(f"cannot open a client for {endpoint_url or 'DynamoDB'}"):
            client = await stack.enter_async_context(
                (session or aioboto3.Session(profile_name=profile_name)).client(
                    "dynamodb", endpoint_url=endpoint_url, region_name=region_name, config=settings
                )
            )
        _speak_json(client.meta.events)
        yield AwsGateway(client)


def local_settings(endpoint_url: str) -> dict[str, Any]:
    """Return settings for a server on this machine; nothing of the environment counts.

    Such a server asks for credentials and looks at none.
    """
    known = aiobotocore.session.AioSession.SESSION_VARIABLES
    unset = {name: (None, None, default, kind) for name, (_, _, default, kind) in known.items()}
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    core = aiobotocore.session.AioSession(session_vars=unset | nowhere)
    return {
        "session": aioboto3.Session("local", "local", region_name="local", botocore_session=core),
        "endpoint_url": endpoint_url,
        "config": Config(proxies={}),
    }


def _speak_json(events: Any) -> None:
    """Take botocore's serializer and parser out of the way; see the module's rule."""
    events.register("provide-client-params.dynamodb.*", _set_body_aside)
    events.register("before-call.dynamodb.*", _put_body_in)
    events.register("before-parse.dynamodb.*", _decode_response)


def _set_body_aside(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    context[_BODY] = orjson.dumps(params)
    # The endpoint rules look for table names among these and need them to be there.
    return {name: kind() for name, kind in _LOOKED_THROUGH.items() if name in params}


def _put_body_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context[_BODY]


def _decode_response(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    try:
        raw = _loads(response_dict["body"])
    except orjson.JSONDecodeError:
        raw = None  # a page of whatever is in between
    customized_response_dict[_RAW] = raw if isinstance(raw, dict) else {}
    if response_dict["status_code"] < 300:
        if not isinstance(raw, dict):
            raise ResponseParserError("the answer is not DynamoDB's JSON")
        response_dict["body"] = b"{}"  # nothing is left for the parser


def _loads(body: bytes) -> Any:
    """Decode JSON with the garbage collector at rest.

    A page of a scan is some hundred thousand objects and has no cycles; that the collector walks
    through all of them time and again would cost as much as the decoding.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        if at_work:
            gc.enable()


class AwsGateway:
    """The port on an aioboto3 client; see `dualtable._gateway.Gateway` for its methods."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._partiql = True

    async def describe_table(self, table: str) -> Description:
        response = await self._call("DescribeTable", table, {})
        return response["Table"]  # type: ignore[no-any-return]

    async def create_table(self, definition: Definition) -> None:
        table = definition["TableName"]
        try:
            await self._call("CreateTable", table, definition)
        except GatewayError as error:
            if error.code != "ResourceInUseException":
                raise
        unseen = 0  # a table that has just been created may not be known everywhere yet
        while True:
            try:
                if (await self.describe_table(table))["TableStatus"] == "ACTIVE":
                    return
            except TableNotFoundError:
                unseen += 1
                if unseen == _POLLS_UNSEEN:
                    raise
            await asyncio.sleep(_POLL_SECONDS)

    async def describe_extras(self, table: str) -> dict[str, Any]:
        extras: dict[str, Any] = {}
        description = await self.describe_table(table)
        with suppress(RequestRefusedError, AccessError):  # some servers and roles lack these
            ttl = await self._call("DescribeTimeToLive", table, {})
            if ttl["TimeToLiveDescription"].get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
                extras["ttl_attribute"] = ttl["TimeToLiveDescription"]["AttributeName"]
        with suppress(RequestRefusedError, AccessError):
            tags = await self._call(
                "ListTagsOfResource", None, {"ResourceArn": description["TableArn"]}
            )
            extras["tags"] = tags.get("Tags", [])
        return extras

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        parameters = {"Key": key, "ConsistentRead": consistent_read}
        response = await self._call("GetItem", table, parameters)
        return response.get("Item")

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        request: dict[str, Any] = {"Keys": keys, "ConsistentRead": consistent_read}
        if attributes is not None:
            names = {f"#a{number}": name for number, name in enumerate(attributes)}
            request["ExpressionAttributeNames"] = names
            request["ProjectionExpression"] = ", ".join(names)
        response = await self._call(
            "BatchGetItem",
            None,
            {"RequestItems": {table: request}, "ReturnConsumedCapacity": "TOTAL"},
        )
        items = response["Responses"].get(table, [])
        left = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        return BatchGet(items, left, _consumed(response))

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        parameters = {"Item": item, **_conditional(condition), **_returning_old(return_old)}
        return _attributes(await self._call("PutItem", table, parameters))

    async def update(
        self,
        table: str,
        key: WireKey,
        update: Update,
        condition: Condition | None = None,
        *,
        return_values: ReturnValues = "NONE",
    ) -> WireItem | None:
        parameters = {"Key": key, **_updating(update, condition), "ReturnValues": return_values}
        return _attributes(await self._call("UpdateItem", table, parameters))

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        requests = [{"PutRequest": {"Item": item}} for item in items]
        response = await self._call("BatchWriteItem", None, {"RequestItems": {table: requests}})
        left = response.get("UnprocessedItems", {}).get(table, [])
        return [request["PutRequest"]["Item"] for request in left]

    async def delete(
        self,
        table: str,
        key: WireKey,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        parameters = {"Key": key, **_conditional(condition), **_returning_old(return_old)}
        return _attributes(await self._call("DeleteItem", table, parameters))

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
        parameters: dict[str, Any] = {
            "Segment": segment,
            "TotalSegments": total_segments,
            "ConsistentRead": consistent_read,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if start_key is not None:
            parameters["ExclusiveStartKey"] = start_key
        if limit is not None:
            parameters["Limit"] = limit
        return _page(await self._call("Scan", table, parameters))

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
        parameters: dict[str, Any] = {
            "KeyConditionExpression": key_condition.expression,
            **_placeholders(key_condition),
            "ConsistentRead": consistent_read,
            "ScanIndexForward": not descending,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if index is not None:
            parameters["IndexName"] = index
        if start_key is not None:
            parameters["ExclusiveStartKey"] = start_key
        if limit is not None:
            parameters["Limit"] = limit
        return _page(await self._call("Query", table, parameters))

    async def transact_write(
        self, actions: Sequence[TransactAction], *, token: str | None = None
    ) -> None:
        parameters: dict[str, Any] = {"TransactItems": [_transact_item(a) for a in actions]}
        if token is not None:
            parameters["ClientRequestToken"] = token
        await self._call("TransactWriteItems", None, parameters)

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        items = [{"Get": {"TableName": get.table, "Key": get.key}} for get in gets]
        response = await self._call("TransactGetItems", None, {"TransactItems": items})
        return [answer.get("Item") for answer in response["Responses"]]

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        statements = [insert_statement(table, item.names) for item in items]
        batched = [n for n, text in enumerate(statements) if text is not None and self._partiql]
        outcomes: dict[int, Insert] = {}
        units = 0.0
        if batched:
            requests = [
                {"Statement": statements[n], "Parameters": orjson.Fragment(items[n].values)}
                for n in batched
            ]
            try:
                answers, units = await self._insert_statements(table, requests)
                outcomes.update(zip(batched, answers, strict=True))
            except AccessError as error:
                self._give_up_partiql(error)
            except RequestRefusedError:
                pass  # one member spoils the batch: each goes by itself, and the bad one fails
        units = units or batch_write_units([items[n] for n in outcomes])
        single = [n for n in range(len(items)) if n not in outcomes]
        answers = await run_all(self._insert_one(table, items[n].item(), key_name) for n in single)
        outcomes.update(zip(single, answers, strict=True))
        units += batch_write_units([items[n] for n in single])
        return InsertBatch([outcomes[n] for n in range(len(items))], units)

    def _give_up_partiql(self, error: AccessError) -> None:
        if self._partiql:
            _log.warning(
                "batched inserts are not permitted (dynamodb:PartiQLInsert);"
                " items go by single conditional puts, which are slower",
                extra={"code": error.code},
            )
        self._partiql = False

    async def _insert_statements(
        self, table: str, statements: list[dict[str, Any]]
    ) -> tuple[list[Insert], float]:
        response = await self._call(
            "BatchExecuteStatement",
            None,
            {"Statements": statements, "ReturnConsumedCapacity": "TOTAL"},
        )
        answers = [_statement_outcome(table, member) for member in response["Responses"]]
        return answers, _consumed(response)

    async def _insert_one(self, table: str, item: WireItem, key_name: str) -> Insert:
        absent = Condition("attribute_not_exists(#k)", {"#k": key_name})
        try:
            await self.put(table, item, absent)
        except ConditionFailed:
            return Insert(Outcome.PRESENT)
        except RetryableError as error:
            return Insert(Outcome.RETRY, error.code)
        except RequestRefusedError as error:
            return Insert(Outcome.REFUSED, str(error))
        return Insert(Outcome.WRITTEN)

    async def _call(
        self, operation: str, table: str | None, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        if table is not None:
            parameters = {"TableName": table, **parameters}
        with _translated(f"{operation} on {table}" if table else operation):
            response = await getattr(self._client, xform_name(operation))(**parameters)
        return response[_RAW]  # type: ignore[no-any-return]


def _placeholders(*expressions: Condition | Update | None) -> dict[str, Any]:
    """Return the parameters of all names and values; DynamoDB refuses either where it is empty."""
    names, values = names_and_values(*expressions)
    parameters: dict[str, Any] = {}
    if names:
        parameters["ExpressionAttributeNames"] = names
    if values:
        parameters["ExpressionAttributeValues"] = values
    return parameters


def _conditional(condition: Condition | None) -> dict[str, Any]:
    return {**_judging(condition), **_placeholders(condition)}


def _updating(update: Update, condition: Condition | None) -> dict[str, Any]:
    return {
        "UpdateExpression": update.expression,
        **_judging(condition),
        **_placeholders(update, condition),
    }


def _judging(condition: Condition | None) -> dict[str, Any]:
    if condition is None:
        return {}
    return {
        "ConditionExpression": condition.expression,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _returning_old(return_old: bool) -> dict[str, Any]:
    return {"ReturnValues": "ALL_OLD"} if return_old else {}


def _attributes(response: dict[str, Any]) -> WireItem | None:
    return response.get("Attributes") or None


def _transact_item(action: TransactAction) -> dict[str, Any]:
    """Return one member of a transaction as the API names it."""
    if isinstance(action, TransactPut):
        kind, parameters = "Put", {"Item": action.item, **_conditional(action.condition)}
    elif isinstance(action, TransactUpdate):
        kind, parameters = (
            "Update",
            {
                "Key": action.key,
                **_updating(action.update, action.condition),
            },
        )
    else:
        kind = "Delete" if isinstance(action, TransactDelete) else "ConditionCheck"
        parameters = {"Key": action.key, **_conditional(action.condition)}
    return {kind: {"TableName": action.table, **parameters}}


def _page(response: dict[str, Any]) -> Page:
    return Page(response["Items"], response.get("LastEvaluatedKey"), _consumed(response))


def _consumed(response: dict[str, Any]) -> float:
    """Return the units that a response reports, 0 where it reports none."""
    capacity = response.get("ConsumedCapacity") or []
    tables = capacity if isinstance(capacity, list) else [capacity]
    return float(sum(table.get("CapacityUnits", 0) for table in tables))


def _statement_outcome(table: str, member: dict[str, Any]) -> Insert:
    error = member.get("Error")
    if error is None:
        return Insert(Outcome.WRITTEN)
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
def _translated(what: str) -> Iterator[None]:
    """Raise the library's errors for botocore's."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _from_response(what, error) from error
    except (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.TokenRetrievalError,
        botocore.exceptions.ProfileNotFound,
    ) as error:
        raise AccessError(
            f"{what}: {error}; set credentials as for any AWS SDK (AWS_PROFILE, a role, …)",
            code=type(error).__name__,
        ) from error
    except botocore.exceptions.NoRegionError as error:
        raise AccessError(
            f"{what}: no region; set AWS_DEFAULT_REGION or region_name=", code="NoRegionError"
        ) from error
    except (
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.ConnectionError,
        ResponseParserError,
    ) as error:
        raise UnavailableError(f"{what}: {error}", code=type(error).__name__) from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:  # one of a bad endpoint
        raise RequestRefusedError(f"{what}: {error}", code=type(error).__name__) from error


def _from_response(what: str, error: botocore.exceptions.ClientError) -> Exception:
    response: dict[str, Any] = {**error.response}
    raw = response.get(_RAW, {})
    details = response.get("Error", {})
    code = details.get("Code", "")
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(raw.get("Item"))
    if code == "TransactionCanceledException" and (reasons := raw.get("CancellationReasons")):
        return cancellation([_reason(member) for member in reasons])
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = (details.get("Message") or code) if raw else f"HTTP status {status}, and no DynamoDB"
    message = f"{what}: {said}"
    kind = _ERRORS.get(code) or _STATUSES.get(status, RequestRefusedError)
    if status >= 500 and code not in _ERRORS:
        kind = UnavailableError
    if kind is ThrottledError:
        reasons = tuple(r.get("reason", "") for r in raw.get("ThrottlingReasons") or ())
        return ThrottledError(message, code=code, reasons=reasons)
    return kind(message, code=code)
