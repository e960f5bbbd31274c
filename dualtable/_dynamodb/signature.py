"""The signature of a request by AWS's scheme, version 4, where most of it stays the same.

The rule: nothing is signed here but what the SDK would sign alike; whoever has a request that the
SDK has signed can tell, by `Signer.agrees`. The key of a day is derived once.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

_SCHEME = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Signer:
    """Signs requests of one kind, which differ in their bodies and times alone.

    Args:
        url: Where they go.
        headers: Those that are signed with each, by their names in lower case; not the time.
        secret_key: Of whoever signs.
        scope: Region and service, as in ``"eu-west-1/dynamodb"``.
        access_key: Of whoever signs.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], access_key: str, secret_key: str, scope: str
    ) -> None:
        parts = urlsplit(url)
        signed = {**headers, "host": _host(url)}
        names = sorted({*signed, "x-amz-date"})
        before = [f"{n}:{signed[n]}\n" for n in names if n < "x-amz-date"]
        after = [f"{n}:{signed[n]}\n" for n in names if n > "x-amz-date"]
        self._before = f"POST\n{parts.path or '/'}\n\n{''.join(before)}x-amz-date:"
        self._after = f"\n{''.join(after)}\n{';'.join(names)}\n"
        self._secret = f"AWS4{secret_key}".encode()
        self._scope = f"{scope}/aws4_request"
        self._said = f"{_SCHEME} Credential={access_key}/", f", SignedHeaders={';'.join(names)}"
        self._day = ""
        self._key = b""

    def authorization(self, body: bytes, timestamp: str) -> str:
        """Return the header ``Authorization`` of a request at a time such as 20261126T042330Z."""
        day = timestamp[:8]
        if day != self._day:
            self._key, self._day = self._key_of(day), day
        scope = f"{day}/{self._scope}"
        request = f"{self._before}{timestamp}{self._after}{sha256(body).hexdigest()}"
        digest = sha256(request.encode()).hexdigest()
        text = f"{_SCHEME}\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        who, signed = self._said
        return f"{who}{scope}{signed}, Signature={signature}"

    def agrees(self, body: bytes, timestamp: str, authorization: str) -> bool:
        """Tell whether somebody else has signed the same in the same way."""
        return hmac.compare_digest(
            self.authorization(body, timestamp).encode(), authorization.encode()
        )

    def _key_of(self, day: str) -> bytes:
        key = self._secret
        for part in (day, *self._scope.split("/")):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def timestamp(seconds: float) -> str:
    """Return a moment, in seconds since 1970, as signatures spell it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def scope_of(authorization: str) -> str | None:
    """Return region and service of a signature, None where it is of another scheme."""
    scheme, _, rest = authorization.partition(" Credential=")
    scope = rest.partition(",")[0].rsplit("/", 4)  # an access key may be anything
    return f"{scope[2]}/{scope[3]}" if scheme == _SCHEME and len(scope) == 5 else None


def _host(url: str) -> str:
    parts = urlsplit(url)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    is_default = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return host if is_default else f"{host}:{parts.port}"
