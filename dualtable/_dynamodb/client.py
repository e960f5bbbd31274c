"""The SDK's client, speaking plain JSON, and the way past it; owns `aioboto3`.

The rule: botocore resolves credentials, region and endpoint, signs, and keeps the connections. A
request is sent the lean way where there is one, which the SDK shows; else the SDK sends it, and
four of its documented events keep its serializer, validator and parser out of the way:

- ``provide-client-params`` sets the parameters aside as a JSON body,
- ``before-call`` puts that body into the request,
- ``before-send`` asks the fence, at the last moment; or takes a request to show it,
- ``before-parse`` decodes the response.

The SDK's own retries are off: there is one layer of retries, and it is not here.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any

import aioboto3
import aiobotocore.session
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from botocore import xform_name
from botocore.config import Config

from dualtable._clock import SystemClock
from dualtable._dynamodb.bodies import ANSWER, Answer, encoded
from dualtable._dynamodb.endpoints import check_endpoint, without_passwords
from dualtable._dynamodb.fence import check_fence
from dualtable._dynamodb.lean import Credentials, LeanWay, Route, Shown
from dualtable._dynamodb.refusals import of_credentials, refusal, translated
from dualtable._wire.layouts import is_arn
from dualtable.errors import RequestRefusedError

_CONNECTIONS = 64


# What the library insists on, and what a caller's config may change.
_KEPT = Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=False)


_CONFIG = Config(
    max_pool_connections=_CONNECTIONS,
    connect_timeout=5,
    read_timeout=30,
    user_agent="dualtable",  # botocore's own is put together anew, twice for each call
)


# Name of a setting -> its type, and how that reads in an error.
_SETTINGS: dict[str, tuple[type, str]] = {
    "session": (
        aioboto3.Session,
        "an aioboto3.Session, which takes the same arguments as one of boto3",
    ),
    "profile_name": (str, "the name of a profile"),
    "endpoint_url": (str, "a URL such as http://localhost:8000"),
    "region_name": (str, "a name such as eu-west-1"),
    "config": (Config, "a botocore.config.Config, such as Config(read_timeout=5)"),
}


_BODY = "dualtable_body"


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the types of settings, and where an endpoint leads to.

    Raises:
        RequestRefusedError: One is not what the SDK needs, or is none of its settings.
    """
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise RequestRefusedError(
                f"{name!r} is no setting of a connection; there are {', '.join(_SETTINGS)} and"
                " gateway, and anything else is an aioboto3.Session's or a Config's"
            )
        kind, wanted = _SETTINGS[name]
        if value is not None and not isinstance(value, kind):
            raise RequestRefusedError(f"{name} must be {wanted}, not {shown_type(value)}")
    if settings.get("endpoint_url") is not None:
        check_endpoint(settings["endpoint_url"])


def shown_type(value: object) -> str:
    """Return what a value is, and nothing of what is in it."""
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{module}{kind.__qualname__}"
    return f"the class {name} itself" if isinstance(value, type) else f"a {name}"


@asynccontextmanager
async def open_client(
    *,
    session: aioboto3.Session | None = None,
    profile_name: str | None = None,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    config: Config | None = None,
) -> AsyncIterator[Client]:
    """Yield a client that speaks DynamoDB's JSON.

    Settings come as boto3 takes them; a caller's `config` counts but for retries and parameter
    validation, which the library needs off.

    Raises:
        AccessError: No region is set, or a profile does not exist.
    """
    settings = _merged(config)
    async with AsyncExitStack() as stack:
        where = without_passwords(endpoint_url or "DynamoDB")
        with translated(f"cannot open a client for {where}"):
            session = session or aioboto3.Session(profile_name=profile_name)
            with of_credentials():
                credentials = await session.get_credentials()
            sdk = await stack.enter_async_context(
                session.client(
                    "dynamodb", endpoint_url=endpoint_url, region_name=region_name, config=settings
                )
            )
        check_endpoint(sdk.meta.endpoint_url)  # also one of the environment, or of a profile
        _speak_json(sdk.meta.events)
        yield Client(sdk, credentials)


def _merged(config: Config | None) -> Config:
    """Return a caller's config with what is ours; an `AioConfig` keeps what only it has."""
    merged: Config = _CONFIG.merge(config or Config()).merge(_KEPT)
    if merged.max_pool_connections < 1:
        raise RequestRefusedError("max_pool_connections of the config must be 1 or more")
    if isinstance(config, AioConfig):
        merged = AioConfig(config.connector_args).merge(merged)
        merged.http_session_cls = config.http_session_cls  # which it leaves out
    return merged


@asynccontextmanager
async def open_s3(
    *,
    session: aioboto3.Session | None = None,
    profile_name: str | None = None,
    region_name: str | None = None,
) -> AsyncIterator[Any]:
    """Yield the SDK's own client of S3; where that is, ``AWS_ENDPOINT_URL_S3`` may say."""
    session = session or aioboto3.Session(profile_name=profile_name)
    async with session.client("s3", region_name=region_name) as sdk:
        yield sdk


class Client:
    """Sends requests, each by the shorter of two ways that is open to it."""

    def __init__(self, sdk: Any, credentials: Any) -> None:
        self.sdk = sdk
        self.lean = LeanWay(_Shows(sdk, credentials), SystemClock())

    async def call(
        self, operation: str, table: str | None, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """Send a request and return DynamoDB's own answer."""
        if table is not None:
            parameters = {"TableName": table, **parameters}
        what = f"{operation} on {table}" if table else operation
        with translated(what):
            answer = await self._answer(operation, parameters)
            if answer.status < 300:
                return answer.result(operation)
        raise refusal(what, answer)

    async def _answer(self, operation: str, parameters: dict[str, Any]) -> Answer:
        model = await self.lean.model(operation)
        # A table that is called by its ARN may have another endpoint than all others.
        if model is not None and not _names_arn(parameters):
            return await self.lean.send(model, encoded(parameters))
        response = await getattr(self.sdk, xform_name(operation))(**parameters)
        return response[ANSWER]  # type: ignore[no-any-return]


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


class _Shown(Exception):  # noqa: N818 - no error: it ends a request that is only to be shown
    """A request that is signed and shall not be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__("shown, not sent")
        self.request = request


_showing: ContextVar[bool] = ContextVar("showing", default=False)

# What a request passes on its way through the SDK, where others may have a hand in it.
_EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-call", "request-created"),
    *("before-endpoint-resolution", "choose-signer", "before-sign", "before-send", "before-parse"),
    *("response-received", "needs-retry", "after-call", "after-call-error"),
)
_METHODS = ("_make_api_call", "_make_request", "_convert_to_request_dict")

# Whose handlers do nothing to a request that a model of it has not.
_KNOWN = frozenset(
    {
        __name__,
        "aiobotocore.handlers",
        "aiobotocore.retries.standard",
        "aiobotocore.signers",
        "botocore.handlers",
        "botocore.retries.standard",
        "botocore.useragent",
    }
)
# Where these are set, the SDK sends what differs from request to request.
_OTHERWISE = {"AWS_LAMBDA_FUNCTION_NAME", "BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER"}
_HARMLESS = "block_endpoint_discovery_required_operations"  # of a module that does change requests


# What the endpoint rules need to see of a request, see `_called`.
_ENOUGH: dict[str, dict[str, Any]] = {
    "BatchGetItem": {"RequestItems": {}},
    "BatchWriteItem": {"RequestItems": {}},
    "TransactGetItems": {"TransactItems": []},
    "TransactWriteItems": {"TransactItems": []},
}


class _Shows:
    """The SDK's client, as `LeanWay` asks it.

    What it has no public name for is looked for under a private one; where that is gone, or is not
    what it was, there is no lean way.
    """

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client = client
        self._credentials = credentials  # the session's, which renew themselves; None without

    async def credentials(self) -> Credentials | None:
        if self._credentials is None:
            return None
        with of_credentials():
            return await self._credentials.get_frozen_credentials()  # type: ignore[no-any-return]

    def is_plain(self, operation: str) -> bool:
        if not _OTHERWISE.isdisjoint(os.environ):
            return False
        try:
            find = self._client.meta.events._emitter._handlers.prefix_search
            handlers = [each for event in _EVENTS for each in find(f"{event}.dynamodb.{operation}")]
            endpoint, http = self._client._endpoint, self._client._endpoint.http_session
            methods = [
                getattr(type(self._client), name) for name in (*_METHODS, xform_name(operation))
            ]
            methods += [type(endpoint)._send_request, type(endpoint)._send, type(http).send]
        except (AttributeError, TypeError):
            return False
        return all(map(_is_known, handlers)) and all(map(_is_the_sdks, methods))

    async def show(self, operation: str) -> Shown | None:
        token = _showing.set(True)
        try:
            await getattr(self._client, xform_name(operation))(**_ENOUGH.get(operation, {}))
        except _Shown as shown:
            headers = {n: _text(v) for n, v in shown.request.headers.items()}
            return Shown(shown.request.url, headers, shown.request.body)
        finally:
            _showing.reset(token)
        return None

    async def route(self, url: str) -> Route | None:
        http = self._client._endpoint.http_session
        if type(http) is not AIOHTTPSession:
            return None
        try:
            proxy = http._proxy_config.proxy_url_for(url)
            proxy_headers = http._proxy_config.proxy_headers_for(url)
            return Route(await http._get_session(proxy), proxy, proxy_headers)
        except AttributeError:
            return None
        except OSError as error:
            raise RequestRefusedError(
                "the certificates of the connection cannot be used (ca_bundle or AWS_CA_BUNDLE,"
                f" Config(client_cert=…)): {error}"
            ) from error


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _is_known(handler: Any) -> bool:
    while isinstance(handler, functools.partial):
        handler = handler.func
    name = getattr(handler, "__name__", "")
    return getattr(handler, "__module__", "") in _KNOWN or name == _HARMLESS


def _is_the_sdks(method: Any) -> bool:
    """Tell whether a method is as the SDK has it: tracers put theirs around it."""
    if type(method) is not FunctionType:
        return False
    return method.__globals__["__name__"].partition(".")[0] in ("aiobotocore", "botocore")


def _speak_json(events: Any) -> None:
    """Take botocore's serializer and parser out of the way; see the module's rule."""
    events.register("provide-client-params.dynamodb.*", _set_body_aside)
    events.register("before-call.dynamodb.*", _put_body_in)
    events.register("before-parse.dynamodb.*", _decode_response)
    events.register("before-send.dynamodb.*", _look_once_more)


def _set_body_aside(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    context[_BODY] = encoded(params)
    return _called(params)


def _called(params: dict[str, Any]) -> dict[str, Any]:
    """Return what the endpoint rules look at, and need to be there: how tables are called.

    One that is called by its ARN may be another account's, which has an endpoint of its own.
    """
    by_arn = _names_arn(params)
    if "RequestItems" in params:
        return {"RequestItems": {t: {} for t in params["RequestItems"]} if by_arn else {}}
    if "TransactItems" in params:
        called = [{k: {"TableName": t}} for k, t in _called_by(params["TransactItems"])]
        return {"TransactItems": called if by_arn else []}
    name = "ResourceArn" if "ResourceArn" in params else "TableName"
    return {name: params[name]} if by_arn else {}


def _names_arn(params: dict[str, Any]) -> bool:
    """Tell whether a table is called by its ARN."""
    if "RequestItems" in params:
        return any(map(is_arn, params["RequestItems"]))
    if "TransactItems" in params:
        return any(is_arn(table) for _, table in _called_by(params["TransactItems"]))
    return "ResourceArn" in params or is_arn(params.get("TableName", ""))


def _called_by(members: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(kind, action["TableName"]) for each in members for kind, action in each.items()]


def _put_body_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context[_BODY]


def _look_once_more(request: Any, **_: Any) -> None:
    """Let nothing out that has been overtaken; the request is signed already."""
    if _showing.get():
        raise _Shown(request)
    check_fence()


def _decode_response(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    answer = Answer.of(response_dict["status_code"], headers, response_dict["body"])
    customized_response_dict[ANSWER] = answer
    if answer.status < 300:
        response_dict["body"] = b"{}"  # nothing is left for the parser
