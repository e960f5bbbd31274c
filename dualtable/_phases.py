"""The phases of a migration: the only place that knows their rules.

The rule: both rules are tables. `ROUTES` says what a phase means for those who read and write,
`TRANSITIONS` says which event leads from one phase to the next. Nothing else branches on a phase.

Two repositories one step apart are safe together, two steps apart are not: hence each phase has at
most one successor, and the way back is a new migration that runs from `new` to a fresh table.
"""

from __future__ import annotations

import enum
from types import MappingProxyType

import attrs

from dualtable.errors import MigrationMismatchError


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
