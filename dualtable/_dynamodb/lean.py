"""A request as the SDK would send it, posted without the SDK's machinery; owns `aiohttp`.

The rule: it repeats what the SDK has shown, and what it has not understood it leaves to the SDK.
Before the first request of an operation the SDK is asked to sign one, which is not sent. If one
signed here comes out the same, with the same credentials and no header that is unknown, it is the
`Model` of all others: they differ in body, time and signature alone. With other credentials the SDK
is asked again. Connections, with their timeouts, proxies and certificates, are the SDK's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp
import attrs
from aiohttp.abc import AbstractStreamWriter

from dualtable._clock import Clock
from dualtable._dynamodb.bodies import Answer, NoAnswer
from dualtable._dynamodb.endpoints import said_by
from dualtable._dynamodb.fence import check_fence, is_fenced
from dualtable._dynamodb.signature import Signer, scope_of, timestamp
from dualtable.errors import DualTableError

# Headers of a request, in lower case: those that are the same in each, and those that are not.
_SAME = frozenset({"content-type", "user-agent", "x-amz-security-token", "x-amz-target"})
_MADE_ANEW = frozenset(
    {
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "content-length",
        "x-amz-date",
    }
)
_UNSIGNED = frozenset({"user-agent"})
_ODD = frozenset("?%@")  # in a URL: what signatures and connections may spell otherwise

# Codes of a signature that is refused, its time among the possible reasons.
_OF_TIME = frozenset(
    {
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_TRIFLING_SECONDS = 240  # as the AWS SDKs that correct clocks: what DynamoDB bears is more
_QUICK_SECONDS = 60  # a slower answer, or one that waited for a frozen process, tells no time

# What keeps an answer away -> what the SDK calls it; the first that fits.
_FAILURES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((aiohttp.ClientSSLError,), "SSLError"),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), "ProxyConnectionError"),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError), "ConnectionClosedError"),
    ((aiohttp.http_exceptions.HttpProcessingError,), "ConnectionClosedError"),
    ((aiohttp.ConnectionTimeoutError,), "ConnectTimeoutError"),
    ((asyncio.TimeoutError,), "ReadTimeoutError"),
    ((aiohttp.ClientConnectionError, OSError), "EndpointConnectionError"),
    ((aiohttp.ClientError, RuntimeError), "HTTPClientError"),
)
_ANY_FAILURE = tuple(kind for kinds, _ in _FAILURES for kind in kinds)


class Credentials(Protocol):
    """Three words, as they are at the moment; they are equal where all three are."""

    access_key: str
    secret_key: str
    token: str | None


@attrs.frozen
class Shown:
    """A request that the SDK has signed, and not sent."""

    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes


@attrs.frozen
class Route:
    """The connections of the SDK that lead to a URL."""

    session: aiohttp.ClientSession
    proxy: str | None = attrs.field(repr=False)
    proxy_headers: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen
class Model:
    """What all requests of an operation have in common, as long as the credentials last."""

    credentials: Credentials = attrs.field(repr=False)
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    signer: Signer
    route: Route


class Sdk(Protocol):
    """What is asked of the SDK."""

    async def credentials(self) -> Credentials | None:
        """Return those that a request would be signed with now; None where there are none."""

    def is_plain(self, operation: str) -> bool:
        """Tell whether nobody but the SDK has a hand in its requests."""

    async def show(self, operation: str) -> Shown | None:
        """Return a request of an operation with an empty body, which is not sent."""

    async def route(self, url: str) -> Route | None:
        """Return the connections to a URL; None where they cannot be used."""


class _Fenced(aiohttp.BytesPayload):
    """A body that asks the fence again when there is a connection for it, which may take long.

    Without its body a request has no effect.
    """

    refused: DualTableError | None = None

    async def write_with_length(self, writer: AbstractStreamWriter, length: int | None) -> None:
        try:
            check_fence()
        except DualTableError as error:
            self.refused = error
            raise
        await super().write_with_length(writer, length)


class LeanWay:
    """The way past the SDK, operation by operation, where there is one."""

    def __init__(self, sdk: Sdk, clock: Clock) -> None:
        self._sdk = sdk
        self._clock = clock
        self._models: dict[str, Model] = {}
        self._closed: dict[str, Credentials | None] = {}  # not to be asked again with these
        self._ahead_seconds = 0.0  # of the server, before this machine

    async def model(self, operation: str) -> Model | None:
        """Return how a request is sent; None where it must go the SDK's way."""
        credentials = await self._sdk.credentials()
        model = self._models.get(operation)
        if model is not None and model.credentials == credentials:
            return model
        if operation in self._closed and self._closed[operation] == credentials:
            return None
        model = await self._learn(operation, credentials)
        if model is None:
            self._closed[operation] = credentials
        else:
            self._models[operation] = model
        return model

    async def _learn(self, operation: str, credentials: Credentials | None) -> Model | None:
        if credentials is None or not self._sdk.is_plain(operation):
            return None
        shown = await self._sdk.show(operation)
        if shown is None or (signer := _signer(shown, credentials)) is None:
            return None
        route = await self._sdk.route(shown.url)
        if route is None:
            return None
        headers = {n: v for n, v in shown.headers.items() if n.lower() in _SAME}
        headers["Accept-Encoding"] = "identity"
        return Model(credentials, shown.url, headers, signer, route)

    async def send(self, model: Model, body: bytes) -> Answer:
        """Sign a request, ask the fence, send it and return the answer.

        Where the server refuses the signature and its clock shows why, this is done once more.

        Raises:
            NoAnswer: None came; its code is the SDK's name for that.
        """
        began, ahead = self._clock.monotonic(), self._ahead_seconds
        answer = await self._send_once(model, body, ahead)
        if answer.status >= 400 and self._learns_the_time(answer, began, ahead):
            return await self._send_once(model, body, self._ahead_seconds)
        return answer

    async def _send_once(self, model: Model, body: bytes, ahead_seconds: float) -> Answer:
        moment = timestamp(self._clock.now() + ahead_seconds)
        signed = {
            **model.headers,
            "X-Amz-Date": moment,
            "Authorization": model.signer.authorization(body, moment),
        }
        check_fence()
        sent = _Fenced(body) if is_fenced() else body
        try:
            async with model.route.session.post(
                model.url,
                data=sent,
                headers=signed,
                proxy=model.route.proxy,
                proxy_headers=model.route.proxy_headers,
                allow_redirects=False,  # it would take items, and who we are, somewhere else
            ) as response:
                content = await response.read()
        except _ANY_FAILURE as error:
            if isinstance(sent, _Fenced) and sent.refused is not None:
                raise sent.refused from None
            code = next(code for kinds, code in _FAILURES if isinstance(error, kinds))
            said, cause = said_by(error)
            raise NoAnswer(f"no answer from {model.url}: {said}", code) from cause
        return Answer.of(response.status, response.headers, content)

    def _learns_the_time(self, answer: Answer, began: float, signed_ahead: float) -> bool:
        """Tell whether the clock was what the server refused, and go by the server's from now on.

        Another may have learned it meanwhile; what counts is what this request was signed by. A
        signature dies as before, some minutes after it was made: the server's clock says when.
        """
        server = _moment(answer.headers.get("date", ""))
        if answer.code() not in _OF_TIME or server is None:
            return False
        if self._clock.monotonic() - began > _QUICK_SECONDS:
            return False
        ahead = server - self._clock.now()
        if abs(ahead - signed_ahead) < _TRIFLING_SECONDS:
            return False
        self._ahead_seconds = ahead
        return True


def _signer(shown: Shown, credentials: Credentials) -> Signer | None:
    """Return what signs as the SDK has done; None where that cannot be repeated."""
    headers = {name.lower(): value for name, value in shown.headers.items()}
    authorization = headers.get("authorization", "")
    scope = scope_of(authorization)
    if scope is None or not headers.keys() <= _SAME | _MADE_ANEW or _ODD & {*shown.url}:
        return None
    same = {name: headers[name] for name in headers.keys() & _SAME - _UNSIGNED}
    signer = Signer(shown.url, same, credentials.access_key, credentials.secret_key, scope)
    agrees = signer.agrees(shown.body, headers.get("x-amz-date", ""), authorization)
    return signer if agrees else None


def _moment(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
