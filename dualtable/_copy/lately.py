"""What the last seconds of a run held, for whoever watches and for those who look from elsewhere.

The rule: it is the difference of two looks at counters that the run keeps anyway, and nobody looks
more often than once a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from dualtable._control.run_records import Doing
from dualtable._events.interval import Interval
from dualtable._events.verdict import held_back_by

_WATCHED_SECONDS = 10.0
_RESTING_SECONDS = 30.0
_SHORTEST_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class Present:
    """How a run is at this moment; see `MigrationProgress` for the fields."""

    held_back_by: str = ""
    paused_by: str = ""
    migrators: int = 1
    may_read_units: float | None = None
    may_write_units: float | None = None
    used_read_units: float = 0.0
    used_write_units: float = 0.0
    throttles: Mapping[str, int] = attrs.field(factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return all of it by name; for each page, so it must be quick."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = list(attrs.fields_dict(Present))


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
        now, lately = self._look()
        return Present(
            held_back_by=str(held_back_by(lately)) if lately.seconds >= _SHORTEST_SECONDS else "",
            paused_by=now.paused_by,
            migrators=max(1, now.workers),
            may_read_units=now.read_rate,
            may_write_units=now.write_rate,
            used_read_units=now.old_read_units + now.new_read_units,
            used_write_units=now.write_units,
            throttles={reason: int(number) for reason, number in now.throttles.items()},
        )

    def doing(self) -> Doing | None:
        """Look, and return what it has been doing; for words to others."""
        now, lately = self._look()
        if lately.seconds >= _SHORTEST_SECONDS:
            self._doing = _doing(lately, min(now.seconds, _RESTING_SECONDS))
        return self._doing

    def _look(self) -> tuple[Interval, Interval]:
        """Return all so far, and what came lately.

        What was throttled may rest for twenty seconds before it is sent again, so of throttles and
        requests half a minute counts.
        """
        now = self.so_far()
        self._looks.append(now)
        while len(self._looks) > 2 and self._looks[1].seconds <= now.seconds - _RESTING_SECONDS:
            self._looks.popleft()
        lately, longer = now - self._before(now.seconds - _WATCHED_SECONDS), now - self._looks[0]
        return now, attrs.evolve(lately, throttles=longer.throttles, latency=longer.latency)

    def _before(self, seconds: float) -> Interval:
        """Return the last look that is so old, or the oldest."""
        old = (look for look in reversed(self._looks) if look.seconds <= seconds)
        return next(old, self._looks[0])


def _doing(lately: Interval, throttle_seconds: float) -> Doing:
    seconds = lately.seconds
    return Doing(
        items_per_second=lately.counts.get("scanned", 0.0) / seconds,
        read_units_per_second=(lately.old_read_units + lately.new_read_units) / seconds,
        write_units_per_second=lately.write_units / seconds,
        throttled_per_second=sum(lately.throttles.values()) / throttle_seconds,
        held_back_by=str(held_back_by(lately)),
    )
