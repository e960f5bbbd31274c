"""The SDK's client, with its serializer, validator and parser out of the way.

The rule: requests and responses pass botocore in DynamoDB's own JSON. botocore resolves
credentials, region and endpoint, signs, and keeps the connections; four of its documented events
do the rest:

- ``provide-client-params`` sets the parameters aside as a JSON body,
- ``before-call`` puts that body into the request,
- ``before-send`` asks the fence, at the last moment,
- ``before-parse`` decodes the response.

The SDK's own retries are off: there is one layer of retries, and it is not here.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aioboto3
import aiobotocore.session
import orjson
from botocore import xform_name
from botocore.config import Config
from botocore.parsers import ResponseParserError

from dualtable._dynamodb.answers import RAW
from dualtable._dynamodb.fence import check_fence
from dualtable._dynamodb.refusals import translated
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
        _check_endpoint(settings["endpoint_url"])


def _check_endpoint(url: str) -> None:
    try:
        parts = urlsplit(url)
        leads_somewhere = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        leads_somewhere = False
    if not leads_somewhere:
        raise RequestRefusedError(
            f"endpoint_url={url!r} is no endpoint; give scheme and host, as in"
            " http://localhost:8000"
        )


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
) -> AsyncIterator[Any]:
    """Yield a client that speaks DynamoDB's JSON, with each answer under `RAW`.

    Settings come as boto3 takes them; a caller's `config` counts but for retries and parameter
    validation, which the library needs off.

    Raises:
        AccessError: No region is set, or a profile does not exist.
    """
    settings = _CONFIG.merge(config or Config()).merge(_KEPT)
    async with AsyncExitStack() as stack:
        with translated(f"cannot open a client for {endpoint_url or 'DynamoDB'}"):
            client = await stack.enter_async_context(
                (session or aioboto3.Session(profile_name=profile_name)).client(
                    "dynamodb", endpoint_url=endpoint_url, region_name=region_name, config=settings
                )
            )
        _speak_json(client.meta.events)
        yield client


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
    events.register("before-send.dynamodb.*", _look_once_more)


def _set_body_aside(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    context[_BODY] = orjson.dumps(params)
    return _called(params)


def _called(params: dict[str, Any]) -> dict[str, Any]:
    """Return what the endpoint rules look at, and need to be there: how tables are called.

    One that is called by its ARN may be another account's, which has an endpoint of its own.
    """
    if "RequestItems" in params:
        tables = params["RequestItems"]
        return {"RequestItems": {t: {} for t in tables} if any(map(is_arn, tables)) else {}}
    if "TransactItems" in params:
        called = [
            (kind, a["TableName"]) for each in params["TransactItems"] for kind, a in each.items()
        ]
        by_arn = any(is_arn(table) for _, table in called)
        return {"TransactItems": [{k: {"TableName": t}} for k, t in called] if by_arn else []}
    table = params.get("TableName", "")
    return {"TableName": table} if is_arn(table) else {}


def _put_body_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context[_BODY]


def _look_once_more(**_: Any) -> None:
    """Let nothing out that has been overtaken; the request is signed already."""
    check_fence()


def _decode_response(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    try:
        raw = _loads(response_dict["body"])
    except orjson.JSONDecodeError:
        raw = None  # a page of whatever is in between
    customized_response_dict[RAW] = raw if isinstance(raw, dict) else {}
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


async def call(
    client: Any, operation: str, table: str | None, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Send a request and return DynamoDB's own answer."""
    if table is not None:
        parameters = {"TableName": table, **parameters}
    with translated(f"{operation} on {table}" if table else operation):
        response = await getattr(client, xform_name(operation))(**parameters)
    return response[RAW]  # type: ignore[no-any-return]
