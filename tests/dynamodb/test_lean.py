"""The way past the SDK sends what the SDK would have sent, and is taken only where it can."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import json
import secrets
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import aiobotocore.client
import aiobotocore.session
import attrs
import botocore
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientSession, web
from answering import Answer, Server, answer, error, hooked
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from clocks import HandClock
from hypothesis import given
from hypothesis import strategies as st
from orders import packed, table

from dualtable._dynamodb.aws import AwsGateway, open_gateway
from dualtable._dynamodb.client import Client, open_client
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.fence import fenced
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Gateway,
    TransactGet,
    TransactionCancelled,
    TransactPut,
)
from dualtable._dynamodb.lean import LeanWay, Shown
from dualtable._dynamodb.retry import RetryPolicy
from dualtable._dynamodb.signature import Signer
from dualtable._expressions.texts import Condition, Update
from dualtable.errors import (
    AccessError,
    DualTableError,
    RequestRefusedError,
    StalePhaseError,
    UnavailableError,
)

KEY = {"id": {"S": "o-1"}}
HERE = Path(__file__).parent
OPERATIONS = (
    *("BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "DeleteItem", "DescribeTable"),
    *("GetItem", "PutItem", "Query", "Scan", "TransactGetItems", "TransactWriteItems"),
    "UpdateItem",
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    server.answers("GetItem", answer({"Item": KEY}))
    async with server.running():
        yield server


@pytest.fixture(params=["lean", "sdk"])
def made(request: pytest.FixtureRequest) -> Callable[..., aioboto3.Session]:
    """What makes a session, for each way to the server in turn."""
    return aioboto3.Session if request.param == "lean" else hooked


async def ask(gateway: Any) -> Any:
    return await gateway.get("orders", KEY, consistent_read=True)


async def is_lean(client: Client, operation: str = "GetItem") -> bool:
    return await client.lean.model(operation) is not None


# -- which way -------------------------------------------------------------------------------------


async def test_every_request_goes_the_lean_way(server: Server) -> None:
    """With the SDK as it is installed; one that hides what is needed would show here."""
    async with open_client(endpoint_url=server.url) as client:
        assert [name for name in OPERATIONS if not await is_lean(client, name)] == []
    assert server.requests == [], "what is only shown is not sent"


async def test_both_ways_send_the_same(server: Server) -> None:
    """But for what differs from request to request anyway."""
    for session in (aioboto3.Session(), hooked()):
        async with open_gateway(endpoint_url=server.url, session=session) as gateway:
            await ask(gateway)
    lean, sdk = server.requests
    anew = {"Authorization", "X-Amz-Date", "amz-sdk-invocation-id", "amz-sdk-request"}
    assert lean.body == sdk.body
    assert {n: v for n, v in lean.headers.items() if n not in anew} == {
        n: v for n, v in sdk.headers.items() if n not in anew
    }
    assert (
        lean.headers["Authorization"].split("Signature")[0]
        == (sdk.headers["Authorization"].split("Signature")[0])
    )


HOOKS = ["before-call.dynamodb.GetItem", "request-created", "before-sign.*.*", "after-call"]


@pytest.mark.parametrize("event", HOOKS)
async def test_a_callers_hook_is_called(server: Server, event: str) -> None:
    """Whatever it is for: who has one relies on it, so the SDK sends, and shows nothing before."""
    session = aioboto3.Session()
    seen: list[str] = []
    session.events.register(event, lambda event_name, **_: seen.append(event_name))
    async with open_gateway(endpoint_url=server.url, session=session) as gateway:
        assert await ask(gateway) == KEY
    assert len(seen) == 1
    assert len(server.requests) == 1


async def test_a_hook_for_another_operation_is_nobodys_loss(server: Server) -> None:
    session = aioboto3.Session()
    session.events.register("before-call.dynamodb.PutItem", lambda **_: None)
    async with open_client(endpoint_url=server.url, session=session) as client:
        assert await is_lean(client, "GetItem")
        assert not await is_lean(client, "PutItem")


async def test_a_tracer_around_the_sdk_sees_each_call(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instrumentation puts its own around the SDK's method."""
    traced: list[str] = []
    original = aiobotocore.client.AioBaseClient._make_api_call

    async def tracing(self: Any, operation: str, parameters: Any) -> Any:
        traced.append(operation)
        return await original(self, operation, parameters)

    monkeypatch.setattr(aiobotocore.client.AioBaseClient, "_make_api_call", tracing)
    async with open_gateway(endpoint_url=server.url) as gateway:
        assert await ask(gateway) == KEY
    assert traced == ["GetItem"]


async def test_a_method_of_somebodys_own_is_called(server: Server) -> None:
    """A class of clients may be given others, by another of the SDK's events."""
    called: list[Any] = []
    session = aioboto3.Session()

    def put_around(class_attributes: dict[str, Any], **_: Any) -> None:
        original = class_attributes["get_item"]

        async def get_item(self: Any, **parameters: Any) -> Any:
            called.append(parameters["TableName"])
            return await original(self, **parameters)

        class_attributes["get_item"] = get_item

    session.events.register("creating-client-class.dynamodb", put_around)
    async with open_gateway(endpoint_url=server.url, session=session) as gateway:
        assert await ask(gateway) == KEY
    assert called == ["orders"]


async def test_connections_of_another_kind_stay_in_use(server: Server) -> None:
    """A caller's own class of connections is asked by the SDK."""
    sent: list[str] = []

    class Own(AIOHTTPSession):
        async def send(self, request: Any) -> Any:
            sent.append(request.url)
            return await super().send(request)

    core = aiobotocore.session.get_session()
    core.set_default_client_config(AioConfig(http_session_cls=Own))
    async with open_client(
        endpoint_url=server.url, session=aioboto3.Session(botocore_session=core)
    ) as client:
        if type(client.sdk._endpoint.http_session) is Own:  # else the SDK itself has dropped it
            assert not await is_lean(client)


@pytest.mark.parametrize("version", [botocore.UNSIGNED, "s3v4"])
async def test_what_is_signed_otherwise_goes_the_sdks_way(server: Server, version: Any) -> None:
    """Or not at all: no scheme but the one that is known is signed here."""
    config = Config(signature_version=version)
    async with open_gateway(endpoint_url=server.url, config=config) as gateway:
        assert not await is_lean(gateway._client)
        assert await ask(gateway) == KEY


async def test_a_signer_of_somebodys_own_goes_the_sdks_way(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out by what it signs, whatever it is."""

    class Own(SigV4Auth):
        def signature(self, string_to_sign: str, request: Any) -> str:
            return "0" * 64

    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "v4", Own)
    async with open_gateway(endpoint_url=server.url) as gateway:
        assert await ask(gateway) == KEY
    (request,) = server.requests
    assert request.headers["Authorization"].endswith("Signature=" + "0" * 64)


async def test_an_odd_endpoint_goes_the_sdks_way() -> None:
    """What may be spelled in two ways is left to who has spelled it."""
    async with open_client(endpoint_url="http://127.0.0.1:1/a%20b") as client:
        assert not await is_lean(client)


async def test_a_lambda_function_goes_the_sdks_way(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK adds a header that is another one in each invocation, and none before the first."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "job")
    async with open_gateway(endpoint_url=server.url) as gateway:
        await ask(gateway)
        for trace in ("Root=1", "Root=2"):
            monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
            await ask(gateway)
    traces = [request.headers.get("X-Amzn-Trace-Id") for request in server.requests]
    assert traces == [None, "Root=1", "Root=2"]


async def test_a_header_that_is_unknown_goes_the_sdks_way(server: Server) -> None:
    """What it is for is not known either, such as to be another one each time."""
    async with open_client(endpoint_url=server.url) as client:
        sdk = client.lean._sdk
        shown = await sdk.show("GetItem")
        assert shown is not None
        more = attrs.evolve(shown, headers={**shown.headers, "X-New": "1"})

        async def show(_: str) -> Shown:
            return more

        sdk.show = show  # type: ignore[method-assign]
        assert not await is_lean(client)


async def test_an_account_has_its_endpoint() -> None:
    """Which the SDK shows; a table by ARN may be another account's and is left to the SDK."""
    own = aioboto3.Session("me", "secret", region_name="eu-west-1", aws_account_id="1" * 12)
    async with open_client(session=own) as client:
        model = await client.lean.model("GetItem")
    assert model is not None
    assert model.url == f"https://{'1' * 12}.ddb.eu-west-1.amazonaws.com/"


# -- the signature ---------------------------------------------------------------------------------

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
URLS = [
    *("http://localhost", "http://localhost:80", "http://127.0.0.1:8000", "http://LOCALHOST:443/"),
    *(
        "https://a.b.amazonaws.com",
        "https://a.b:443/x/y",
        "https://[::1]:8000",
        "https://[::1]:443",
    ),
]


@given(
    url=st.sampled_from(URLS),
    body=st.binary(max_size=200),
    secret=WORDS,
    token=st.none() | WORDS,
    region=WORDS.filter(lambda text: "/" not in text and "," not in text),
    target=WORDS,
)
def test_a_signature_is_botocores(
    *, url: str, body: bytes, secret: str, token: str | None, region: str, target: str
) -> None:
    """Of any request, by the SDK's public signer; and the next day's, too."""
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
    request = AWSRequest("POST", url if url.endswith("/") else f"{url}/", headers, data=body)
    SigV4Auth(Credentials("me", secret, token), "dynamodb", region).add_auth(request)
    same = {n.lower(): v for n, v in headers.items()}
    if token:
        same["x-amz-security-token"] = token
    signer = Signer(request.url, same, "me", secret, f"{region}/dynamodb")
    signer.authorization(body, "20200101T000000Z")  # another day's key
    moment = request.headers["X-Amz-Date"]
    assert signer.agrees(body, moment, request.headers["Authorization"])
    assert not signer.agrees(body + b" ", moment, request.headers["Authorization"])


# -- credentials -----------------------------------------------------------------------------------


async def test_credentials_are_refreshed_in_mid_run(
    server: Server, made: Callable[..., aioboto3.Session]
) -> None:
    """The SDK sees to it; what was learnt with the old ones counts no more."""
    keys = iter(["first", "second", "third"])
    refresh_soon = 60  # seconds; the SDK refreshes what lasts less than 15 minutes

    async def fetch() -> dict[str, str]:
        name = next(keys)
        lasts = refresh_soon if name == "first" else 3_600
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=lasts)
        secret = {"access_key": name, "secret_key": f"of {name}", "token": f"token of {name}"}
        return {**secret, "expiry_time": until.isoformat()}

    session = made()
    session._session._credentials = AioRefreshableCredentials.create_from_metadata(
        await fetch(), refresh_using=fetch, method="test"
    )
    async with open_gateway(endpoint_url=server.url, session=session) as gateway:
        for _ in range(3):
            assert await ask(gateway) == KEY
    who = [
        r.headers["Authorization"].split("Credential=")[1].split("/")[0] for r in server.requests
    ]
    assert who == ["second", "second", "second"]
    assert {r.headers["X-Amz-Security-Token"] for r in server.requests} == {"token of second"}


async def test_nothing_secret_is_shown(server: Server) -> None:
    """What is kept for the next request may end up in a traceback's locals."""
    session = aioboto3.Session("me", "top-secret", "my-token")
    config = Config(proxies={"http": "http://me:password@127.0.0.1:9"})
    async with open_client(endpoint_url=server.url, session=session, config=config) as client:
        model = await client.lean.model("GetItem")
        shown = await client.lean._sdk.show("GetItem")
    for secret in ("top-secret", "my-token", "Signature", "password"):
        assert secret not in repr((model, shown))


async def test_other_credentials_are_another_model(server: Server) -> None:
    """Between two requests, as when a refresh has happened."""
    session = aioboto3.Session("one", "secret-1")
    async with open_gateway(endpoint_url=server.url, session=session) as gateway:
        await ask(gateway)
        credentials = await session.get_credentials()
        credentials.access_key, credentials.secret_key = "two", "secret-2"
        await ask(gateway)
        assert await is_lean(gateway._client)
    who = [
        r.headers["Authorization"].split("Credential=")[1].split("/")[0] for r in server.requests
    ]
    assert who == ["one", "two"]


# -- proxies and certificates ----------------------------------------------------------------------


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """Pass requests on, and note who asked for what."""
    passed: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        passed.append(request.headers.get("Proxy-Authorization", ""))
        headers = {n: v for n, v in request.headers.items() if n != "Proxy-Authorization"}
        async with (
            ClientSession(skip_auto_headers={"Content-Type"}) as session,
            session.post(request.url, data=await request.read(), headers=headers) as response,
        ):
            return web.Response(body=await response.read(), status=response.status)

    server = web.Server(handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name.replace("http://", "http://me:pw@"), passed
    await runner.cleanup()


async def test_a_proxy_is_passed_through(
    server: Server, made: Callable[..., aioboto3.Session]
) -> None:
    """As the config says, with what the proxy wants to know."""
    async with proxy() as (url, passed):
        config = Config(proxies={"http": url})
        async with open_gateway(endpoint_url=server.url, session=made(), config=config) as gateway:
            assert await ask(gateway) == KEY
    assert passed == ["Basic bWU6cHc="]
    assert len(server.requests) == 1


async def test_a_proxy_that_is_not_there(
    server: Server, made: Callable[..., aioboto3.Session]
) -> None:
    """It is named, and its password is not."""
    config = Config(proxies={"http": "http://me:password@127.0.0.1:9"})
    async with open_gateway(endpoint_url=server.url, session=made(), config=config) as gateway:
        with pytest.raises(UnavailableError) as caught:
            await ask(gateway)
    assert caught.value.code == "ProxyConnectionError"
    assert "password" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
async def test_a_proxy_that_lets_nobody_through(
    made: Callable[..., aioboto3.Session], status: str
) -> None:
    """Its URL is in the error of the library below, and in whatever prints that as the cause."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        config = Config(proxies={"https": f"http://me:password@127.0.0.1:{port}"})
        url = "https://127.0.0.1:1"
        async with open_gateway(endpoint_url=url, session=made(), config=config) as gateway:
            with pytest.raises(UnavailableError) as caught:
                await ask(gateway)
    assert caught.value.code == "ProxyConnectionError"
    assert "password" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("proxy_url", ["http://me:password@proxy:port", "http://me:password@"])
async def test_a_malformed_proxy(made: Callable[..., aioboto3.Session], proxy_url: str) -> None:
    """Whatever takes its URL apart quotes it."""
    config = Config(proxies={"http": proxy_url})
    url = "http://127.0.0.1:9"
    with pytest.raises(DualTableError) as caught:
        async with open_gateway(endpoint_url=url, session=made(), config=config) as gateway:
            await ask(gateway)
    assert "password" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", [":0", "127.0.0.1:9"])
async def test_an_endpoint_with_a_password(host: str) -> None:
    """Be it malformed, or nobody there."""
    secret = secrets.token_hex()
    with pytest.raises(DualTableError) as caught:
        async with connect(
            {"endpoint_url": f"http://me:{secret}@{host}"}, RetryPolicy(tries=1)
        ) as gateway:
            await ask(gateway)
    assert secret not in "".join(traceback.format_exception(caught.value))


async def test_what_only_an_aio_config_has_is_kept(server: Server) -> None:
    """How connections are made, and by whom."""

    class Own(AIOHTTPSession):
        pass

    config = AioConfig({"force_close": True}, http_session_cls=Own, read_timeout=7)
    async with open_client(endpoint_url=server.url, config=config) as client:
        assert type(client.sdk._endpoint.http_session) is Own
        assert client.sdk.meta.config.connector_args["force_close"]
        assert client.sdk.meta.config.read_timeout == 7
        assert client.sdk.meta.config.retries["total_max_attempts"] == 1


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "localhost.pem")
    return context


async def test_a_bundle_of_certificates(
    made: Callable[..., aioboto3.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who signed the server's is believed where the SDK is told so, and else not."""
    server = Server()
    server.answers("GetItem", answer({"Item": KEY}))
    async with server.running(tls()):
        async with open_gateway(endpoint_url=server.url, session=made()) as gateway:
            with pytest.raises(UnavailableError) as caught:
                await ask(gateway)
        assert caught.value.code == "SSLError"
        monkeypatch.setenv("AWS_CA_BUNDLE", str(HERE / "localhost.pem"))
        async with open_gateway(endpoint_url=server.url, session=made()) as gateway:
            assert await ask(gateway) == KEY
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("settings", "file"), [("ca", "junk.pem"), ("ca", ""), ("ca", "nowhere"), ("own", "junk.pem")]
)
async def test_certificates_that_cannot_be_used(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str, file: str
) -> None:
    """Be the file none of certificates, a folder or not there: the settings are named."""
    (tmp_path / "junk.pem").write_text("no certificate")
    path = str(tmp_path / file)
    if settings == "ca":
        monkeypatch.setenv("AWS_CA_BUNDLE", path)
    config = Config(client_cert=path) if settings == "own" else None
    async with open_gateway(endpoint_url=server.url, config=config) as gateway:
        with pytest.raises(RequestRefusedError, match="AWS_CA_BUNDLE"):
            await ask(gateway)


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_redirect_is_not_followed(server: Server, status: int) -> None:
    """It would hand the items, and the token of the session, to whoever it leads to."""
    elsewhere = Server()
    elsewhere.answers("PutItem", answer({}))
    async with elsewhere.running(), open_gateway(endpoint_url=server.url) as gateway:
        server.answers("PutItem", answer("", status, Location=elsewhere.url))
        with pytest.raises(UnavailableError) as caught:
            await gateway.put("orders", KEY)
    assert caught.value.code == str(status)
    assert elsewhere.requests == []


# -- damage, time, the fence -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checksum", "code"), [("3808858755", "ChecksumError"), ("x", "ChecksumError")]
)
async def test_a_damaged_answer_is_none(
    server: Server, made: Callable[..., aioboto3.Session], checksum: str, code: str
) -> None:
    """DynamoDB sends a checksum, and the request is made again where it is another one."""
    good = answer({"Item": KEY}, **{"x-amz-crc32": "2386955068"})
    server.answers("GetItem", answer({"Item": KEY}, **{"x-amz-crc32": checksum}), good)
    async with open_gateway(endpoint_url=server.url, session=made()) as gateway:
        with pytest.raises(UnavailableError) as caught:
            await ask(gateway)
        assert caught.value.code == code
        assert await ask(gateway) == KEY


def strict(server_ahead: float, clock: HandClock, code: str, seconds: float = 0.0) -> Answer:
    """Refuse a signature whose time is not the server's; answer after so many seconds."""

    async def judge(request: web.Request) -> web.StreamResponse:
        signed = datetime.datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        now = clock.now() + server_ahead
        clock.move(seconds)
        if abs(signed.timestamp() - now) < 300:
            return await answer({"Item": KEY})(request)
        response = await error(code)(request)
        response.headers["Date"] = email.utils.formatdate(now, usegmt=True)
        return response

    return judge


@asynccontextmanager
async def with_clock(server: Server, clock: HandClock) -> AsyncIterator[AwsGateway]:
    async with open_client(endpoint_url=server.url) as client:
        client.lean = LeanWay(client.lean._sdk, clock)
        yield AwsGateway(client)


@pytest.mark.parametrize("code", ["InvalidSignatureException", "RequestTimeTooSkewed"])
@pytest.mark.parametrize("ahead", [3_600.0, -86_400.0])
async def test_a_clock_that_is_off_is_set_right(server: Server, code: str, ahead: float) -> None:
    """Once, by what the server's refusal says of its own."""
    clock = HandClock()
    server.answers("GetItem", strict(ahead, clock, code))
    async with with_clock(server, clock) as gateway:
        for _ in range(3):
            assert await ask(gateway) == KEY
    assert len(server.requests) == 4


async def test_a_clock_that_is_off_is_set_right_for_all_under_way(server: Server) -> None:
    """One learns the server's time; the others were signed by the wrong one like it."""
    clock, all_signed = HandClock(), asyncio.Event()
    judge = strict(3_600, clock, "InvalidSignatureException")

    async def together(request: web.Request) -> web.StreamResponse:
        if len(server.requests) >= 5:
            all_signed.set()
        await all_signed.wait()
        return await judge(request)

    server.answers("GetItem", together)
    async with with_clock(server, clock) as gateway:
        assert await asyncio.gather(*(ask(gateway) for _ in range(5))) == [KEY] * 5
    assert len(server.requests) == 10


async def test_a_server_that_is_never_content(server: Server) -> None:
    """Two tries, and then it is no matter of time: the SDK's way would have said so as well."""
    server.answers("GetItem", error("InvalidSignatureException"))
    async with with_clock(server, HandClock()) as gateway:
        with pytest.raises(AccessError):
            await ask(gateway)
        with pytest.raises(AccessError):
            await ask(gateway)
    assert len(server.requests) <= 3


async def test_a_late_refusal_tells_no_time(server: Server) -> None:
    """It waited for a process that was frozen: by its date the clock would be set wrong."""
    clock = HandClock()
    server.answers("GetItem", strict(3_600, clock, "InvalidSignatureException", seconds=1_200))
    async with with_clock(server, clock) as gateway:
        with pytest.raises(AccessError):
            await ask(gateway)
    assert len(server.requests) == 1


async def test_the_fence_is_asked_at_each_try_after_signing(server: Server) -> None:
    """The second try of a clock that was set right is one, too."""
    clock = HandClock()
    server.answers("GetItem", strict(3_600, clock, "InvalidSignatureException"))
    asked: list[int] = []
    async with with_clock(server, clock) as gateway:
        await gateway._client.lean.model("GetItem")
        with fenced(lambda: asked.append(len(server.requests))):
            await ask(gateway)
    assert asked == [0, 0, 1, 1]  # before it waits for a connection, and when it has one


async def test_a_fence_that_falls_while_signing(
    server: Server, made: Callable[..., aioboto3.Session]
) -> None:
    """Nothing leaves, either way."""

    def fallen() -> None:
        raise StalePhaseError("too late")

    async with open_gateway(endpoint_url=server.url, session=made()) as gateway:
        for _ in range(2):
            with fenced(fallen), pytest.raises(StalePhaseError):
                await ask(gateway)
        assert server.requests == []
        assert await ask(gateway) == KEY


async def test_a_fence_that_falls_while_it_waits_for_a_connection(server: Server) -> None:
    """However long a caller's config lets others hold it: nothing arrives."""
    begun, going = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await going.wait()
        return await answer({"Item": KEY})(request)

    is_up = True

    def fence() -> None:
        if not is_up:
            raise StalePhaseError("too late")

    config = Config(max_pool_connections=1, read_timeout=600)
    async with open_gateway(endpoint_url=server.url, config=config) as gateway:
        await ask(gateway)
        server.answers("GetItem", slow, answer({"Item": KEY}))
        first = asyncio.create_task(ask(gateway))
        await begun.wait()
        with fenced(fence):
            second = asyncio.create_task(ask(gateway))
        await asyncio.sleep(0.01)  # it waits by now
        is_up = False
        going.set()
        assert await first == KEY
        with pytest.raises(StalePhaseError):
            await second
        before = len(server.requests)
        assert await ask(gateway) == KEY
    assert len(server.requests) == before + 1


async def test_many_at_once_learn_once_or_more_and_all_arrive(server: Server) -> None:
    """The first requests of a migrator start together."""
    async with open_gateway(endpoint_url=server.url) as gateway:
        found = await asyncio.gather(*(ask(gateway) for _ in range(100)))
    assert found == [KEY] * 100
    assert len(server.requests) == 100


# -- real servers ----------------------------------------------------------------------------------


async def test_both_ways_mean_the_same_on_a_real_server(
    running: Callable[[str], str], table_name: str
) -> None:
    """Requests of each kind, answers and refusals, in a row that leaves the table as it was."""
    url, said = running("dynoxide"), []
    for session in (aioboto3.Session(), hooked()):
        async with open_gateway(endpoint_url=url, session=session) as gateway:
            await gateway.create_table(table(table_name))
            said.append([await told(attempt) for attempt in attempts(gateway, table_name)])
    assert said[0] == said[1]


def attempts(gateway: Gateway, name: str) -> list[Awaitable[Any]]:
    item, absent = {**KEY, "n": {"N": "1"}}, Condition("attribute_not_exists(#k)", {"#k": "id"})
    has_id = Condition("#k = :k", {"#k": "id"}, {":k": KEY["id"]})
    add = Update("ADD #n :one", {"#n": "n"}, {":one": {"N": "1"}})
    return [
        gateway.put(name, item, absent),
        gateway.put(name, item, absent),
        gateway.insert(name, packed([item, {"id": {"S": "o-2"}}]), key_name="id"),
        gateway.update(name, KEY, add, return_values="ALL_NEW"),
        gateway.batch_get(name, [KEY], consistent_read=True),
        gateway.scan(name, segment=0, total_segments=1, limit=1),
        gateway.query(name, has_id),
        gateway.transact_get([TransactGet(name, KEY)]),
        gateway.transact_write([TransactPut(name, item, absent)]),
        gateway.batch_put(name, [item]),
        gateway.get(f"no-{name}", KEY, consistent_read=True),
        gateway.get(name, {"id": {"N": "1"}}, consistent_read=True),
        gateway.delete(name, KEY, return_old=True),
        gateway.delete(name, {"id": {"S": "o-2"}}),
    ]


async def told(attempt: Awaitable[Any]) -> str:
    """Return what came of an attempt, whatever that is; names are in order."""
    try:
        found = await attempt
    except (DualTableError, ConditionFailed, TransactionCancelled) as error:
        found = [type(error).__name__, str(error), vars(error)]
    return json.dumps(found, sort_keys=True, default=_fields)


def _fields(value: Any) -> Any:
    if isinstance(value, Mapping):  # a raw item
        return dict(value)
    return attrs.asdict(value, recurse=False) if attrs.has(type(value)) else str(value)
