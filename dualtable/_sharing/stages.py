"""For how long somebody has been at what.

The rule: one is at one thing at a time, and a change costs one look at the clock.
"""

from __future__ import annotations

import attrs

from dualtable._clock import Clock

SENDING, ANSWERS, UNITS = "sending", "waiting for answers", "waiting for write units"
KEY_RANGES, PAGES = "waiting for key ranges", "waiting for pages"
"""What the one task that sends may be at; what it waits for most holds the run back."""


@attrs.define
class Stages:
    """The seconds of each stage so far, and the one that is on."""

    _clock: Clock
    _seconds: dict[str, float] = attrs.field(init=False, factory=dict)
    _stage: str | None = attrs.field(init=False, default=None)
    _since: float = attrs.field(init=False, default=0.0)

    def enter(self, stage: str | None) -> None:
        """Begin another stage; None where nothing is done any more."""
        now = self._clock.monotonic()
        if self._stage is not None:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage up to this moment."""
        self.enter(self._stage)
        return dict(self._seconds)
