"""Token buckets in capacity units.

The rule: units are paid after they are known. A caller may go on while the balance is not
negative, then pays what the request really consumed; so the rate is exact in the long run even
though nobody knows the size of a page before it is read.
"""

from __future__ import annotations

from dualtable._clock import Clock

_NO_DEBT = -1e-9  # what is left of a debt after rounding


class TokenBucket:
    """So many units a second, with at most one second's worth saved up; None is no limit."""

    def __init__(self, units_per_second: float | None, clock: Clock) -> None:
        self._rate = units_per_second
        self._clock = clock
        self._balance = units_per_second or 0.0
        self._filled_at = clock.monotonic()

    async def admit(self) -> None:
        """Return when there is no debt."""
        if self._rate is None:
            return
        while (balance := self._refill(self._rate)) < _NO_DEBT:
            await self._clock.sleep(-balance / self._rate)

    def spend(self, units: float) -> None:
        """Pay for what was consumed."""
        if self._rate is not None:
            self._balance = self._refill(self._rate) - units

    def _refill(self, rate: float) -> float:
        now = self._clock.monotonic()
        self._balance = min(rate, self._balance + (now - self._filled_at) * rate)
        self._filled_at = now
        return self._balance
