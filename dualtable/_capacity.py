"""Token buckets in capacity units.

The rule: units are paid after they are known. A caller may go on while the balance is not
negative, then pays what the request really consumed; so the rate is exact in the long run even
though nobody knows the size of a page before it is read.
"""

from __future__ import annotations

from dualtable._clock import Clock


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
        while (debt := -self._refilled()) > 0:
            await self._clock.sleep(debt / self._rate)

    def spend(self, units: float) -> None:
        """Pay for what was consumed."""
        if self._rate is not None:
            self._balance = self._refilled() - units

    def _refilled(self) -> float:
        assert self._rate is not None
        now = self._clock.monotonic()
        gained = (now - self._filled_at) * self._rate
        self._balance = min(self._rate, self._balance + gained)
        self._filled_at = now
        return self._balance
