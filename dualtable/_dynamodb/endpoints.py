"""Where requests go, by URL, and how a URL is told.

The rule: who is let in there, and by what password, is said nowhere.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from dualtable.errors import RequestRefusedError

_WHO = re.compile(r"(?<=://)\S*@")


def said_by(error: BaseException) -> tuple[str, BaseException | None]:
    """Return what an error of another library says, and what may be shown as the cause of ours.

    A URL in it, of a proxy say, may tell who is let in and by what password. That is left out, and
    then the error is no cause to be shown.
    """
    told = str(error) or type(error).__name__
    harmless = without_passwords(told)
    return harmless, error if harmless == told else None


def without_passwords(text: str) -> str:
    """Return a text whose URLs do not tell who is let in any more."""
    return _WHO.sub("", text)


def check_endpoint(url: str) -> None:
    """Raise `RequestRefusedError` where a URL is not scheme and host, and nothing of who asks."""
    try:
        parts = urlsplit(url)
        leads_somewhere = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        leads_somewhere = False
    if not leads_somewhere:
        raise RequestRefusedError(
            f"endpoint_url={without_passwords(url)!r} is no endpoint; give scheme and host, as in"
            " http://localhost:8000"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise RequestRefusedError(
            f"an endpoint is scheme and host, as in {parts.scheme}://{parts.hostname}, and nothing"
            " of who asks: requests are signed"
        )
