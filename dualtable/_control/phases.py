"""The phases of a migration: the only place that knows their rules.

The rule: both rules are tables. `ROUTES` says what a phase means for those who read and write,
`TRANSITIONS` says which event leads from one phase to the next. Nothing else branches on a phase.

Two repositories one step apart are safe together, two steps apart are not: hence each phase has at
most one successor, and the way back is a new migration that runs from `new` to a fresh table. And
hence times: whoever wants to take a second step waits longer than anybody goes by what he knew
before the first.
"""

from __future__ import annotations

import enum
from types import MappingProxyType

import attrs

from dualtable.errors import MigrationMismatchError

REFRESH_SECONDS = 30.0
"""A repository goes by the phase that it has read for so long before it reads it again."""

STALE_SECONDS = 300.0
"""After so long without a successful refresh nobody believes `old` any more.

Ten refreshes may fail in a row: an outage of the control table alone, or a short one of the
network, stops no read.
"""

SETTLE_SECONDS = 900.0
"""`MIGRATED` must have lasted for so long before `FINISHED`, whoever has acknowledged it.

The stale limit, and twice that again for a write that was checked just before it: its ten tries of
at most 35 seconds (5 to connect, 30 to read) and the pauses between them take under seven minutes.
"""


class Phase(enum.StrEnum):
    """How far a migration has come; stored in the control table.

    Example:
        >>> from dualtable import Phase
        >>> Phase("MIGRATING") is Phase.MIGRATING
        True
    """

    MIGRATING = "MIGRATING"
    """Reads fall back to the old table, deletes leave tombstones, the migrator may run."""
    MIGRATED = "MIGRATED"
    """Every item is in the new table; reads ask it alone, deletes still leave tombstones."""
    FINISHED = "FINISHED"
    """Deletes are real; tombstones may be swept, the old table is not needed any more."""


class Event(enum.Enum):
    """What moves a migration from one phase to the next."""

    COMPLETE = "complete"
    FINISH = "finish"


@attrs.frozen
class Route:
    """What a phase means for those who read and write."""

    falls_back: bool
    """A miss in the new table is looked up in the old one."""
    buries: bool
    """A delete leaves a tombstone."""
    copies: bool
    """The migrator may run."""


ROUTES = MappingProxyType(
    {
        Phase.MIGRATING: Route(falls_back=True, buries=True, copies=True),
        Phase.MIGRATED: Route(falls_back=False, buries=True, copies=False),
        Phase.FINISHED: Route(falls_back=False, buries=False, copies=False),
    }
)

TRANSITIONS = MappingProxyType(
    {
        (Phase.MIGRATING, Event.COMPLETE): Phase.MIGRATED,
        (Phase.MIGRATED, Event.FINISH): Phase.FINISHED,
    }
)


@attrs.frozen
class Sighting:
    """A phase as it was read, and when the read began, by both clocks.

    Both, because the one may stand still while a machine is frozen, and the other may be set back.
    """

    phase: Phase
    monotonic: float
    now: float

    @property
    def route(self) -> Route:
        return ROUTES[self.phase]

    def age_seconds(self, monotonic: float, now: float) -> float:
        """Return how old it is, at the most."""
        return max(monotonic - self.monotonic, now - self.now)


def furthest(one: Phase, other: Phase) -> Phase:
    """Return the later of two phases."""
    return max(one, other, key=list(Phase).index)


def after(phase: Phase, event: Event) -> Phase:
    """Return the phase that an event leads to.

    Raises:
        MigrationMismatchError: The event does not happen in that phase.
    """
    try:
        return TRANSITIONS[phase, event]
    except KeyError:
        raise MigrationMismatchError(
            f"nothing leads from phase {phase} by {event.value!r}; look at the status again"
        ) from None
