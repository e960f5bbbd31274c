"""Where a query or scan goes on in another process: a text that may travel through JSON and URLs.

The rule: a token names what was yielded last, by keys, and never a number of anything: what stands
before and behind it may be another thing by now. It carries a digest of what was asked, and is
believed in nothing: whatever is no token of ours for this question is refused by one error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dualtable._wire.json import from_json, to_json, to_sorted_json
from dualtable._wire.keys import key_of
from dualtable._wire.layouts import KeySchema
from dualtable._wire.types import WireKey
from dualtable._wire.values import normal_item
from dualtable.errors import DualTableError, InvalidTokenError

Position: TypeAlias = Mapping[str, Any]
"""The fields of a place, as plain data."""

Digest: TypeAlias = Callable[[], str]
"""Tells a text that stands for a question; most are asked without a token."""

_VERSION = 2


def digest(question: object) -> Digest:
    """Return what tells a short text that is equal for equal questions, which are plain data."""

    def told() -> str:
        asked = to_sorted_json(question)
        return hashlib.sha256(asked).hexdigest()[:16]

    return told


def to_token(position: Position, question: Digest) -> str:
    """Return the token for a position in the answer to the question with that digest."""
    content = to_json([_VERSION, question(), position])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_token(token: str, question: Digest) -> Position:
    """Return the position, whose fields are still to be checked.

    Raises:
        InvalidTokenError: It is no token, or was given out for another query or scan.
    """
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        version, asked, position = from_json(content)
    except (TypeError, ValueError, binascii.Error) as error:
        raise damaged() from error
    if type(version) is not int or not isinstance(asked, str) or not isinstance(position, dict):
        raise damaged()
    if version != _VERSION:
        raise InvalidTokenError(
            "the page token was given out by another version of dualtable; begin anew without it"
        )
    if asked != question():
        raise InvalidTokenError(
            "the page token was given out for another query or scan; repeat that one to go on"
        )
    return position


def damaged() -> InvalidTokenError:
    """Return the error for what no token of ours can hold."""
    return InvalidTokenError("this is no page token; pass on what `.token` gave")


def checked_names(position: Position, names: set[str]) -> None:
    """Raise `InvalidTokenError` where a position has other fields than these."""
    if position.keys() != names:
        raise damaged()


def key_in(position: Position, name: str, *schemas: KeySchema) -> WireKey | None:
    """Return a key of these schemas out of a position, None where it holds none.

    Raises:
        InvalidTokenError: It is no such key.
    """
    key = position[name]
    if key is None:
        return None
    names = {part for schema in schemas for part in schema.names}
    if not isinstance(key, dict) or key.keys() != names:
        raise damaged()
    try:
        normal = normal_item(key)
        for schema in schemas:
            key_of(normal, schema, "a page token")
    except (DualTableError, ArithmeticError, ValueError) as error:
        raise damaged() from error
    return normal
