"""What the last seconds of a run held, for whoever watches and for those who look from elsewhere.

The rule: it is the difference of two looks at counters that the run keeps anyway, and nobody looks
more often than once a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import attrs

from dualtable._control.run_records import Doing
from dualtable._events.interval import Interval
from dualtable._events.verdict import held_back_by

_WATCHED_SECONDS = 10.0
_SHORTEST_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class Present:
    """How a run is at this moment; see `MigrationProgress` for the fields."""

    held_back_by: str = ""
    paused_by: str = ""
    migrators: int = 1
    may_read_units: float | None = None
    may_write_units: float | None = None
    throttles: Mapping[str, int] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Lately:
    """Looks at a run again and again.

    Args:
        so_far: Returns what the run has done, as one interval that began with it.
    """

    so_far: Callable[[], Interval]
    _looks: deque[Interval] = attrs.field(init=False, factory=deque)
    _doing: Doing | None = attrs.field(init=False, default=None)

    def present(self) -> Present:
        """Look, and return how it is; for once a second."""
        now, lately = self._look(_WATCHED_SECONDS)
        return Present(
            held_back_by=str(held_back_by(lately)) if lately.seconds >= _SHORTEST_SECONDS else "",
            paused_by=now.paused_by,
            migrators=max(1, now.workers),
            may_read_units=now.read_rate,
            may_write_units=now.write_rate,
            throttles={reason: int(number) for reason, number in now.throttles.items()},
        )

    def doing(self) -> Doing | None:
        """Look, and return what it has been doing; for words to others."""
        _, lately = self._look(_WATCHED_SECONDS)
        if lately.seconds >= _SHORTEST_SECONDS:
            self._doing = _doing(lately)
        return self._doing

    def _look(self, seconds: float) -> tuple[Interval, Interval]:
        """Return all so far, and what came in the last seconds, or a little more."""
        now = self.so_far()
        self._looks.append(now)
        while len(self._looks) > 2 and self._looks[1].seconds <= now.seconds - seconds:
            self._looks.popleft()
        return now, now - self._looks[0]


def _doing(lately: Interval) -> Doing:
    seconds = lately.seconds
    return Doing(
        items_per_second=lately.counts.get("scanned", 0.0) / seconds,
        read_units_per_second=(lately.old_read_units + lately.new_read_units) / seconds,
        write_units_per_second=lately.write_units / seconds,
        throttled_per_second=sum(lately.throttles.values()) / seconds,
        held_back_by=str(held_back_by(lately)),
    )
