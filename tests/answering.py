"""A server that answers over real HTTP what a test wants, and clients that reach it either way."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import attrs
from aiohttp import web


def hooked(**settings: Any) -> aioboto3.Session:
    """Return a session with an event hook of its own, which only the SDK knows to call."""
    session = aioboto3.Session(**settings)
    session.events.register("before-call.dynamodb", lambda **_: None)
    return session


@attrs.define
class Request:
    """What the server was asked."""

    operation: str
    body: dict[str, Any]
    headers: dict[str, str]


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """Answer in DynamoDB's JSON, or with a text as it is."""

    async def send(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if isinstance(body, str) else "application/x-amz-json-1.0"
        return web.Response(text=text, status=status, content_type=kind, headers=headers)

    return send


def error(code: str, message: str = "no", status: int = 400, **more: Any) -> Answer:
    """Answer with an error as DynamoDB spells one."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return answer({"__type": kind, "message": message, **more}, status)


async def hang_up(request: web.Request) -> web.Response:
    """Close the connection instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Promise more bytes than come."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"Item": {"id"')
    assert request.transport is not None
    request.transport.close()
    return response


async def say_nothing(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


class Server:
    """Answers each operation with what a test has put in line; the last answer stays."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self._answers: dict[str, list[Answer]] = {}

    def answers(self, operation: str, *answers: Answer) -> None:
        self._answers[operation] = list(answers)

    def forget(self) -> None:
        self.requests.clear()
        self._answers.clear()

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [request.body for request in self.requests if request.operation == operation]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        body = await request.json()
        self.requests.append(Request(operation, body, dict(request.headers)))
        line = self._answers.get(operation) or [error("UnknownOperationException")]
        return await (line.pop(0) if len(line) > 1 else line[0])(request)

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.url = site.name
        try:
            yield
        finally:
            await runner.cleanup()
