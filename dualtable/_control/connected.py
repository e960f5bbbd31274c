"""What repository, migrator and verifier are given alike: a migration, a clock, a connection.

The rule: settings are taken here and used on entering; making one of the three sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from dualtable._clock import Clock, clock_of
from dualtable._control.phases import Times
from dualtable._dynamodb.connect import Connection, Wrap, check_connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import OnRetry, RetryPolicy
from dualtable._metrics import Metrics
from dualtable._transforms.migration import Migration
from dualtable.errors import DualTableError


class Connected:
    """Something that works on the two tables of a migration."""

    def __init__(self, migration: Migration, clock: Clock | None, connection: Connection) -> None:
        if not isinstance(migration, Migration):
            raise DualTableError(
                f"migration must be a dualtable.Migration, not a {type(migration).__qualname__}"
            )
        check_connection(connection)
        self._migration = migration
        self._clock = clock_of(clock)
        self._connection = connection
        self._times = Times(migration.settle_seconds)
        self._metrics = Metrics.of(migration.name)

    def _connect(
        self,
        policy: RetryPolicy,
        on_retry: OnRetry = lambda _: None,
        wrap: Wrap = lambda gateway: gateway,
    ) -> AbstractAsyncContextManager[Gateway]:
        """Open the port that the connection leads to."""
        return connect(self._connection, policy, on_retry, wrap)


@contextmanager
def begun() -> Iterator[None]:
    """Let the errors of a block say that the work had begun."""
    try:
        yield
    except DualTableError as error:
        error.begun = True
        raise
