"""DynamoDB's JSON, as it goes out and comes in.

The rule: a body is written or read here and nowhere else, and what was damaged on its way is never
taken for an answer.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

_CHECKSUM = "x-amz-crc32"
ANSWER = "DualtableAnswer"
"""Where a response of the SDK's client carries what DynamoDB itself has said."""


class NoAnswer(Exception):  # noqa: N818 - as `refusals` knows it, one of many
    """No answer has come, or none that can be one; `code` is the SDK's word for that."""

    def __init__(self, said: str, code: str) -> None:
        super().__init__(said)
        self.code = code


@attrs.frozen
class Answer:
    """What came back of a request.

    Args:
        status: Of HTTP.
        headers: By their names in lower case.
        content: The JSON that the body is; empty where it is none.
        has_content: Whether it is.
    """

    status: int
    headers: Mapping[str, str]
    content: dict[str, Any]
    has_content: bool

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """Read a body.

        Raises:
            NoAnswer: It is not what the server has sent.
        """
        checksum = headers.get(_CHECKSUM)
        if checksum is not None and checksum != str(zlib.crc32(body)):
            raise NoAnswer("the answer was damaged on its way (x-amz-crc32)", "ChecksumError")
        content = _decoded(body)
        return cls(status, headers, content or {}, content is not None)

    def code(self) -> str:
        """Return the code of an error, HTTP's status where the server says none."""
        code = self.content.get("__type")
        return str(code).partition(":")[0].rpartition("#")[2] if code else str(self.status)

    def message(self) -> str:
        """Return what is said of an error."""
        return str(self.content.get("message") or self.content.get("Message") or "")


def encoded(parameters: dict[str, Any]) -> bytes:
    """Return the body of a request."""
    return orjson.dumps(parameters)


def _decoded(body: bytes) -> dict[str, Any] | None:
    """Decode JSON with the garbage collector at rest; None for a page of whatever is in between.

    A page of a scan is some hundred thousand objects and has no cycles; that the collector walks
    through all of them time and again would cost as much as the decoding.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    finally:
        if at_work:
            gc.enable()
    return content if isinstance(content, dict) else None
