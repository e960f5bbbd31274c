"""A gateway that tells how long each request took, and what came of it.

The rule: it lies below the retry layer, so each try is a request of its own and a pause before the
next one is none. Who listens adds up; nothing is kept here, and nothing of an item is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from dualtable._clock import Clock
from dualtable._dynamodb.connect import PORT, Wrap
from dualtable._dynamodb.gateway import Gateway


class Listener(Protocol):
    """Whoever hears of requests."""

    def __call__(
        self,
        operation: str,
        table: str,
        asked: Mapping[str, Any],
        seconds: float,
        outcome: Any,
    ) -> None:
        """Hear of one.

        Args:
            operation: The method of the port.
            table: The table that it is about; nothing where it may be about several.
            asked: What the method was asked by name, such as the ``limit`` of a scan.
            seconds: From sending to the answer.
            outcome: What the method returned, or the exception with which it failed.
        """


def measured(listener: Listener, clock: Clock) -> Wrap:
    """Return what lets a listener hear of a gateway's requests."""
    return lambda gateway: cast("Gateway", _Measured(gateway, listener, clock))


class _Measured:
    def __init__(self, gateway: Gateway, listener: Listener, clock: Clock) -> None:
        for name in PORT:
            setattr(self, name, _timed(name, getattr(gateway, name), listener, clock))


def _timed(
    operation: str, call: Callable[..., Awaitable[Any]], tell: Listener, clock: Clock
) -> Callable[..., Awaitable[Any]]:
    async def timed(*args: Any, **kwargs: Any) -> Any:
        table = args[0] if args and isinstance(args[0], str) else ""
        begun = clock.monotonic()
        try:
            answer = await call(*args, **kwargs)
        except Exception as error:
            tell(operation, table, kwargs, clock.monotonic() - begun, error)
            raise
        tell(operation, table, kwargs, clock.monotonic() - begun, answer)
        return answer

    return timed
