"""Where a query or scan goes on in another process: a text that may travel through JSON and URLs.

The rule: a token holds a position, which is made of keys, and a digest of what was asked. One that
is damaged, or belongs to another question, is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, TypeAlias

import orjson

from dualtable.errors import InvalidTokenError

Position: TypeAlias = dict[str, Any]
_VERSION = 1


def digest(question: object) -> str:
    """Return a short text that is equal for equal questions, which are plain data."""
    return hashlib.sha256(orjson.dumps(question, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def to_token(position: Position, question: str) -> str:
    """Return the token for a position in the answer to the question with that digest."""
    content = orjson.dumps([_VERSION, question, position])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def from_token(token: str, question: str) -> Position:
    """Return the position.

    Raises:
        InvalidTokenError: It is no token, or was given out for another query or scan.
    """
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        version, asked, position = orjson.loads(content)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidTokenError("this is no page token; pass on what `.token` gave") from error
    if (version, asked) != (_VERSION, question) or not isinstance(position, dict):
        raise InvalidTokenError(
            "the page token was given out for another query or scan; repeat that one to go on"
        )
    return position
