"""Where a migration stands: its phase, since when, and what the cut-over needs to know.

The rule: it outlives single runs, and changes by `moved` alone, one step at a time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from dualtable._control.phases import ROUTES, Phase
from dualtable._dynamodb.gateway import TimeToLive
from dualtable._wire.types import Item


@attrs.frozen
class State:
    """What outlives single runs: the phase, and what the cut-over needs to know.

    `since` is when the phase began, in seconds since 1970; None where nobody has said. `step`
    counts the moves from phase to phase. `wrote_new` tells whether a phase was ever entered in
    which writes go to the new table. `ttl_attribute` is that of the old table, None where TTL is
    off, or where nobody could tell: see `ttl_known`.
    """

    phase: Phase = Phase.MIGRATING
    ttl_attribute: str | None = None
    since: float | None = None
    step: int = 0
    wrote_new: bool = False
    ttl_known: bool = False

    @classmethod
    def first(cls, *, rolling: bool, now: float, ttl: TimeToLive | None = None) -> State:
        """Return the state that a migration begins in."""
        phase = Phase.ROLLING_OUT if rolling else Phase.MIGRATING
        return cls(phase, since=now, wrote_new=not rolling).with_ttl(ttl)

    def with_ttl(self, ttl: TimeToLive | None) -> State:
        """Return the state with what is known of TTL; what was known before stays."""
        if self.ttl_known or ttl is None:
            return self
        return attrs.evolve(self, ttl_attribute=ttl.attribute, ttl_known=True)

    def moved(self, to: Phase, now: float) -> State:
        """Return the state after a step to another phase."""
        return attrs.evolve(
            self,
            phase=to,
            since=now,
            step=self.step + 1,
            wrote_new=self.wrote_new or not ROUTES[to].writes_old,
        )

    @classmethod
    def of(cls, item: Item, phase: Phase) -> State:
        """Return the state that a record holds."""
        since = item.get("since")
        return cls(
            phase,
            item.get("ttl_attribute"),
            None if since is None else float(since),
            int(item.get("step", 0)),
            item.get("wrote_new", not ROUTES[phase].writes_old),
            item.get("ttl_known", "ttl_attribute" in item),
        )

    def fields(self) -> dict[str, Any]:
        """Return what its record holds; what is None is left out."""
        since = None if self.since is None else Decimal(str(self.since))
        fields = {**attrs.asdict(self), "since": since}
        return {name: value for name, value in fields.items() if value is not None}
