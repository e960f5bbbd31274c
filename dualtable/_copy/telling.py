"""What a run of the migrator tells while it goes on.

The rule: it reads off what the run counts anyway, and adds to `_events.told` what is a copy's own.
"""

from __future__ import annotations

from typing import Any

import attrs

from dualtable._copy.run import Run
from dualtable._events import told
from dualtable._events.interval import Interval
from dualtable._sharing.throttle import Throttling

_COUNTS = ("scanned", "written", "already_present", "dropped", "failed")


@attrs.define(eq=False, kw_only=True)
class Told(told.Told):
    """A run, and all that is told of it.

    Args:
        run: The run; without a destination it is a dry one.
        throttling: What lets it stand still, beside the ceilings.
    """

    run: Run
    throttling: Throttling

    def so_far(self, **more: Any) -> Interval:
        """Return what the run has done, from its beginning on."""
        done, to = self.run.settled, self.run.destination
        return super().so_far(
            counts={name: getattr(done, name) for name in _COUNTS},
            stages={} if to is None else to.writer.stages.seconds(),
            transform_seconds=self.run.transform_seconds,
            segments_done=self.run.board.known.done,
            segments_held=self.run.segments_held,
            **more,
        )

    def _consumed(self) -> dict[str, Any]:
        consumed = super()._consumed()
        if self.run.destination is None:  # what it would have written
            consumed["write_units"] = self.run.settled.write_units
        return consumed

    def _paused_by(self) -> str:
        return self.throttling.reason or super()._paused_by()
