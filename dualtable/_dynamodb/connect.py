"""Where a gateway comes from: AWS settings as boto3 takes them, or one that is given.

The rule: use cases get their gateway here, with the one retry layer on it, and know only the port.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypedDict, cast

import attrs

from dualtable._dynamodb.aws import open_gateway
from dualtable._dynamodb.client import check_settings, local_settings, shown_type
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import OnRetry, RetryingGateway, RetryPolicy
from dualtable._wire.types import Description
from dualtable.errors import DualTableError, RequestRefusedError

PORT = tuple(name for name in vars(Gateway) if not name.startswith("_"))
"""The names of the port's methods."""

_ASKING_SECONDS = 3.0

Wrap: TypeAlias = Callable[[Gateway], Gateway]


class Connection(TypedDict, total=False):
    """How to reach DynamoDB; each may be left out, then the SDK's own rules apply.

    Keys:
        session: An ``aioboto3.Session``.
        profile_name: A profile of the AWS configuration files, for a session of its own; does not
            count where ``session`` is given.
        endpoint_url: Such as ``http://localhost:8000``; else ``AWS_ENDPOINT_URL_DYNAMODB``.
        region_name: Such as ``eu-west-1``; else ``AWS_DEFAULT_REGION`` or the profile's.
        config: A ``botocore.config.Config``; its retries do not count, the library has its own.
        gateway: Used instead of AWS, such as `dualtable.testing.MemoryGateway`.
    """

    session: Any
    profile_name: str | None
    endpoint_url: str | None
    region_name: str | None
    config: Any
    gateway: Gateway | None


def check_connection(connection: Connection) -> None:
    """Check settings by themselves, before anything is made of them.

    Raises:
        RequestRefusedError: One has a wrong type, is unknown, or cannot lead anywhere.
    """
    settings: dict[str, Any] = dict(connection)
    gateway = settings.pop("gateway", None)
    check_settings(settings)
    is_one = not isinstance(gateway, type) and all(hasattr(gateway, name) for name in PORT)
    if gateway is not None and not is_one:
        raise RequestRefusedError(
            "gateway must be one such as dualtable.testing.MemoryGateway(), not"
            f" {shown_type(gateway)}"
        )


@asynccontextmanager
async def opened(connection: Connection) -> AsyncIterator[Gateway]:
    """Yield a gateway that does not retry, for several use cases that each do; close it."""
    check_connection(connection)
    settings: dict[str, Any] = dict(connection)
    given = settings.pop("gateway", None)
    if given is not None:
        yield given
        return
    async with open_gateway(**settings) as gateway:
        yield gateway


@asynccontextmanager
async def connect(
    connection: Connection,
    policy: RetryPolicy,
    on_retry: OnRetry = lambda _: None,
    wrap: Wrap = lambda gateway: gateway,
) -> AsyncIterator[Gateway]:
    """Yield a gateway that retries by the policy; close what was opened for it.

    Args:
        connection: How to reach DynamoDB.
        policy: How often to try again.
        on_retry: Hears of each further try.
        wrap: What is put around the gateway, below the tries.
    """
    async with opened(connection) as gateway:
        yield RetryingGateway(wrap(gateway), policy, on_retry)


@attrs.frozen
class Whereabouts:
    """Where requests go; the account is None where it could not be asked."""

    region: str
    endpoint: str
    account: str | None


async def whereabouts(connection: Connection, table: str | None) -> Whereabouts | None:
    """Return where requests go, for a person to look at; None where that is not known.

    Nothing is tried again, and nobody waits long for it: what is wrong, the work itself will say.
    """
    settings: dict[str, Any] = dict(connection)
    if settings.pop("gateway", None) is not None:
        return None
    try:
        async with open_gateway(**settings) as gateway, asyncio.timeout(_ASKING_SECONDS):
            account = None if table is None else _account(await gateway.describe_table(table))
            return Whereabouts(*gateway.place, account)
    except (DualTableError, TimeoutError):
        return None


def _account(table: Description) -> str | None:
    parts = str(table.get("TableArn", "")).split(":")
    return parts[4] if len(parts) > 4 else None


def local_connection(endpoint_url: str) -> Connection:
    """Return how to reach a server on this machine, whatever the environment says of AWS."""
    return cast("Connection", local_settings(endpoint_url))
