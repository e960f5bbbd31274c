"""DynamoDB's JSON, as it goes out and comes in.

The rule: a body is written or read here and nowhere else, and what was damaged on its way is never
taken for an answer.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from dualtable._wire.json import NotJsonError, from_json, page_from_json, to_json

_CHECKSUM = "x-amz-crc32"
_PAGES = frozenset({"BatchGetItem", "Scan"})  # whose items are many, and seldom looked at whole
# What an answer has in any case; most operations may answer nothing.
_MEMBER = {
    "BatchExecuteStatement": "Responses",
    "BatchGetItem": "Responses",
    "DescribeTable": "Table",
    "DescribeTimeToLive": "TimeToLiveDescription",
    "GetResourcePolicy": "Policy",
    "Query": "Items",
    "Scan": "Items",
    "TransactGetItems": "Responses",
}
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
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take a body, and see that it is whole.

        Raises:
            NoAnswer: It is not what the server has sent.
        """
        checksum = headers.get(_CHECKSUM)
        if checksum is not None and checksum != str(zlib.crc32(body)):
            raise NoAnswer("the answer was damaged on its way (x-amz-crc32)", "ChecksumError")
        return cls(status, headers, body)

    def result(self, operation: str) -> dict[str, Any]:
        """Return what an operation has answered; the items of whole pages are raw.

        Raises:
            NoAnswer: It is none of DynamoDB's, but of something in between.
        """
        content = _decoded(self.body, page_from_json if operation in _PAGES else from_json)
        wanted = _MEMBER.get(operation)
        if content is None or (wanted is not None and wanted not in content):
            raise NoAnswer("the answer is not DynamoDB's JSON", "ResponseParserError")
        return content

    @property
    def content(self) -> dict[str, Any]:
        """What is said of an error; empty where that is no JSON."""
        return _decoded(self.body, from_json) or {}

    def code(self) -> str:
        """Return the code of an error, HTTP's status where the server says none."""
        code = self.content.get("__type")
        return str(code).partition(":")[0].rpartition("#")[2] if code else str(self.status)

    def message(self) -> str:
        """Return what is said of an error."""
        return str(self.content.get("message") or self.content.get("Message") or "")


def encoded(parameters: dict[str, Any]) -> bytes:
    """Return the body of a request."""
    return to_json(parameters)


def _decoded(body: bytes, read: Callable[[bytes], Any]) -> dict[str, Any] | None:
    """Decode JSON with the garbage collector at rest; None for a page of whatever is in between.

    A page of a query is up to some hundred thousand objects and has no cycles; that the collector
    walks through all of them time and again would cost as much as the decoding.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        content = read(body)
    except NotJsonError:
        return None
    finally:
        if at_work:
            gc.enable()
    return content if isinstance(content, dict) else None
