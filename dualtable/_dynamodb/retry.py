"""One retry layer: a gateway that tries again; the only module that knows backoff.

The rule: what is throttled or unavailable is tried again, after a pause with full jitter, until
the policy's tries are used up; then the last error is raised and says so. What a batch left over
is sent again by itself. Nothing above this layer retries a request; only the statements that a
batch of inserts leaves over are the migrator's to send again, among others.

Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import attrs
import backoff

from dualtable._dynamodb.gateway import (
    BatchGet,
    Extras,
    Gateway,
    InsertBatch,
    Page,
    Policy,
    ReturnValues,
    TransactAction,
    TransactGet,
)
from dualtable._expressions.texts import Condition, Update
from dualtable._wire.packed import PackedItem
from dualtable._wire.types import Definition, Description, WireItem, WireKey
from dualtable.errors import RetryableError, ThrottledError

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)
OnRetry = Callable[[RetryableError], None]


@attrs.frozen
class RetryPolicy:
    """How often and how patiently.

    The pause before try n is random between 0 and ``min(base_seconds * 2**n, cap_seconds)``.
    """

    tries: int
    base_seconds: float = 0.05
    cap_seconds: float = 20.0


PRODUCTION = RetryPolicy(tries=10, cap_seconds=5.0)
"""As many tries as the AWS SDKs make for DynamoDB; a caller is waiting."""

ONE_OFF = RetryPolicy(tries=40)
"""Rides out minutes of throttling or an outage; nobody is waiting."""

OVERTAKEN = RetryPolicy(tries=10, base_seconds=0.01, cap_seconds=0.5)
"""For read-modify-write that others overtake: they are done within one round trip."""

FIRST_CONTACT = RetryPolicy(tries=4)
"""For the first request, until a table has been seen: a wrong endpoint should show within seconds.
"""


class RetryingGateway:
    """A gateway whose calls are retried; `on_retry` hears of each one."""

    def __init__(
        self, gateway: Gateway, policy: RetryPolicy, on_retry: OnRetry = lambda _: None
    ) -> None:
        self._gateway = gateway
        self._policy = policy
        self._on_retry = on_retry
        self._has_answered = False

    async def describe_table(self, table: str) -> Description:
        policy = None if self._has_answered else FIRST_CONTACT
        found = await self._retried(lambda: self._gateway.describe_table(table), policy=policy)
        self._has_answered = True
        return found

    async def create_table(self, definition: Definition) -> None:
        await self._retried(lambda: self._gateway.create_table(definition))

    async def describe_extras(self, table: str) -> Extras:
        return await self._retried(lambda: self._gateway.describe_extras(table))

    async def switch_ttl_on(self, table: str, attribute: str) -> None:
        await self._retried(lambda: self._gateway.switch_ttl_on(table, attribute))

    async def policy(self, table: str) -> Policy | None:
        return await self._retried(lambda: self._gateway.policy(table))

    async def put_policy(self, table: str, text: str, *, over: Policy | None) -> None:
        await self._retried(lambda: self._gateway.put_policy(table, text, over=over))

    async def delete_policy(self, table: str, *, over: Policy) -> None:
        await self._retried(lambda: self._gateway.delete_policy(table, over=over))

    async def get(self, table: str, key: WireKey, *, consistent_read: bool) -> WireItem | None:
        return await self._retried(
            lambda: self._gateway.get(table, key, consistent_read=consistent_read)
        )

    async def put(
        self,
        table: str,
        item: WireItem,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        return await self._retried(
            lambda: self._gateway.put(table, item, condition, return_old=return_old)
        )

    async def update(
        self,
        table: str,
        key: WireKey,
        update: Update,
        condition: Condition | None = None,
        *,
        return_values: ReturnValues = "NONE",
    ) -> WireItem | None:
        return await self._retried(
            lambda: self._gateway.update(table, key, update, condition, return_values=return_values)
        )

    async def delete(
        self,
        table: str,
        key: WireKey,
        condition: Condition | None = None,
        *,
        return_old: bool = False,
    ) -> WireItem | None:
        return await self._retried(
            lambda: self._gateway.delete(table, key, condition, return_old=return_old)
        )

    async def scan(self, table: str, **parameters: Any) -> Page:
        return await self._retried(lambda: self._gateway.scan(table, **parameters))

    async def query(self, table: str, key_condition: Condition, **parameters: Any) -> Page:
        return await self._retried(lambda: self._gateway.query(table, key_condition, **parameters))

    async def transact_write(
        self, actions: Sequence[TransactAction], *, token: str | None = None
    ) -> None:
        token = token or secrets.token_hex(16)  # one for all tries: a lost answer does no harm
        await self._retried(lambda: self._gateway.transact_write(actions, token=token))

    async def transact_get(self, gets: Sequence[TransactGet]) -> Sequence[WireItem | None]:
        return await self._retried(lambda: self._gateway.transact_get(gets))

    async def batch_get(
        self,
        table: str,
        keys: Sequence[WireKey],
        *,
        consistent_read: bool,
        attributes: Sequence[str] | None = None,
    ) -> BatchGet:
        found: list[WireItem] = []
        units = 0.0
        left = keys

        async def attempt() -> None:
            nonlocal left, units
            batch = await self._gateway.batch_get(
                table, left, consistent_read=consistent_read, attributes=attributes
            )
            found.extend(batch.items)
            units += batch.read_units
            left = batch.unprocessed
            _raise_if_left(table, "BatchGetItem", left)

        await self._retried(attempt)
        return BatchGet(found, (), units)

    async def batch_put(self, table: str, items: Sequence[WireItem]) -> Sequence[WireItem]:
        left = items

        async def attempt() -> None:
            nonlocal left
            left = await self._gateway.batch_put(table, left)
            _raise_if_left(table, "BatchWriteItem", left)

        await self._retried(attempt)
        return ()

    async def insert(
        self, table: str, items: Sequence[PackedItem], *, key_name: str
    ) -> InsertBatch:
        """Send a batch again only as a whole; what it left over is for the caller to send."""
        return await self._retried(lambda: self._gateway.insert(table, items, key_name=key_name))

    async def _retried(
        self, call: Callable[[], Awaitable[_T]], *, policy: RetryPolicy | None = None
    ) -> _T:
        return await retried(call, policy or self._policy, RetryableError, self._on_retry)


async def retried(
    call: Callable[[], Awaitable[_T]],
    policy: RetryPolicy,
    error: type[_E],
    on_retry: Callable[[_E], None] = lambda _: None,
) -> _T:
    """Call until there is no such error, or the policy's tries are used up."""
    try:
        return await call()  # nearly all are done with this: what retries is not even made
    except error as first:
        failed: _E | None = first

    async def again() -> _T:
        nonlocal failed
        if failed is not None:
            told, failed = failed, None
            raise told
        return await call()

    tried = backoff.on_exception(
        backoff.expo,
        error,
        max_tries=policy.tries,
        jitter=backoff.full_jitter,
        on_backoff=lambda details: on_retry(details["exception"]),
        logger=None,
        factor=policy.base_seconds,
        max_value=policy.cap_seconds,
    )(again)
    return await tried()


def _raise_if_left(table: str, operation: str, left: Sequence[object]) -> None:
    if left:
        raise ThrottledError(f"{operation} on {table} left {len(left)} undone", code="Unprocessed")
