"""The phases of a migration: the only place that knows their rules.

The rule: both rules are tables. `ROUTES` says what a phase means for those who read and write,
`TRANSITIONS` says which phase may follow which, and what must be so before it does. Nothing else
branches on a phase.

Two repositories one step apart are safe together, two steps apart are not: hence steps are taken
one at a time. And hence times: whoever wants to take a second step waits longer than anybody goes
by what he knew before the first.

Why neighbours are safe together:

- `ROLLING_OUT` and `READING_BOTH`: nobody writes to `new`.
- `READING_BOTH` and `WRITING_NEW`: every write to `old` proves in its own transaction that `new`
  lacks the key, and every write to `new` that builds on `old` proves in its own that `old` is as it
  was read; so each key has one order of writes.
- `WRITING_NEW` and `MIGRATING`: nobody writes to `old`.
- `MIGRATING` and `MIGRATED`: every key is in `new`, and deletes leave tombstones.
- `MIGRATED` and `FINISHED`: nobody believes `old`.

Three gates keep nobody apart, and ask all the same whether all have acknowledged the phase and how
long it has lasted: before `READING_BOTH` there is but one phase, the step back from it leads to
where whoever has not heard of it would be left, and whoever still goes by `WRITING_NEW` in
`MIGRATED` does what `MIGRATING` does, with more checks. The gates after them would have to wait as
long, and an operator sees who is alive before reads depend on it.
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

    ROLLING_OUT = "ROLLING_OUT"
    """Old code runs too; the old table is read and written, in its own format."""
    READING_BOTH = "READING_BOTH"
    """Old code is gone; reads ask the new table first, writes still go to the old one."""
    WRITING_NEW = "WRITING_NEW"
    """Writes go to the new table, and see that nobody writes to the old one meanwhile."""
    MIGRATING = "MIGRATING"
    """The old table is frozen; reads fall back to it, and the migrator may run."""
    MIGRATED = "MIGRATED"
    """Every item is in the new table; reads ask it alone, deletes still leave tombstones."""
    FINISHED = "FINISHED"
    """Deletes are real; tombstones may be swept, the old table is not needed any more."""


class Reads(enum.Enum):
    """Where an item is looked for."""

    OLD = "old"
    BOTH = "new, then old"
    NEW = "new only"


class Writes(enum.Enum):
    """Where an item is written to."""

    OLD = "old"
    OLD_UNTIL_NEW = "old, if new still lacks the key; else new"
    NEW_OVER_OLD = "new; what builds on old checks that old is unchanged"
    NEW = "new"


@attrs.frozen
class Route:
    """What a phase means for those who read and write."""

    reads: Reads
    writes: Writes
    buries: bool
    """A delete in `new` leaves a tombstone."""
    copies: bool
    """The migrator may run, and a read may copy what it found."""

    @property
    def asks_new(self) -> bool:
        """`new` may have items."""
        return self.reads is not Reads.OLD

    @property
    def asks_old(self) -> bool:
        """`old` has items that `new` may lack."""
        return self.reads is not Reads.NEW

    @property
    def falls_back(self) -> bool:
        """A miss in `new` is looked up in `old`."""
        return self.reads is Reads.BOTH

    @property
    def writes_old(self) -> bool:
        """What `new` lacks is written to `old`."""
        return self.writes in (Writes.OLD, Writes.OLD_UNTIL_NEW)

    @property
    def old_moves(self) -> bool:
        """Somebody may still write to `old`: what was read there must be checked once more."""
        return self.writes is not Writes.NEW


ROUTES = MappingProxyType(
    {
        Phase.ROLLING_OUT: Route(Reads.OLD, Writes.OLD, buries=True, copies=False),
        Phase.READING_BOTH: Route(Reads.BOTH, Writes.OLD_UNTIL_NEW, buries=True, copies=False),
        Phase.WRITING_NEW: Route(Reads.BOTH, Writes.NEW_OVER_OLD, buries=True, copies=False),
        Phase.MIGRATING: Route(Reads.BOTH, Writes.NEW, buries=True, copies=True),
        Phase.MIGRATED: Route(Reads.NEW, Writes.NEW, buries=True, copies=False),
        Phase.FINISHED: Route(Reads.NEW, Writes.NEW, buries=False, copies=False),
    }
)


class Requirement(enum.Enum):
    """What must be so before a phase may follow another."""

    TABLES = "both tables are those that the migration began with"
    ACKNOWLEDGED = "every repository that is alive has acknowledged the phase"
    SETTLED = "the phase has lasted longer than anybody can go by the one before"
    ONE_TRANSFORM = "every repository that is alive has the same transform as the copy"
    OLD_CODE_GONE = "no process runs that does not use the repository"
    NEVER_WROTE_NEW = "no write has gone to the new table"
    COPIED = "every segment is done"
    NO_DEAD_LETTERS = "no item is left that could not be copied"
    VERIFIED = "a verification that began after the last segment was done has passed"
    EXPIRY = "it is known by which attribute items shall expire in the new table"


_EVERY_STEP = (Requirement.TABLES, Requirement.ACKNOWLEDGED, Requirement.SETTLED)
_UNTIL_COPIED = (*_EVERY_STEP, Requirement.ONE_TRANSFORM)

TRANSITIONS = MappingProxyType(
    {
        (Phase.ROLLING_OUT, Phase.READING_BOTH): (*_UNTIL_COPIED, Requirement.OLD_CODE_GONE),
        (Phase.READING_BOTH, Phase.ROLLING_OUT): (*_EVERY_STEP, Requirement.NEVER_WROTE_NEW),
        (Phase.READING_BOTH, Phase.WRITING_NEW): _UNTIL_COPIED,
        (Phase.WRITING_NEW, Phase.MIGRATING): _UNTIL_COPIED,
        (Phase.MIGRATING, Phase.MIGRATED): (
            *_UNTIL_COPIED,
            Requirement.COPIED,
            Requirement.NO_DEAD_LETTERS,
            Requirement.VERIFIED,
            Requirement.EXPIRY,
        ),
        (Phase.MIGRATED, Phase.FINISHED): (*_EVERY_STEP, Requirement.EXPIRY),
    }
)


@attrs.frozen
class Times:
    """How long anybody may go by what he knew; all derived from one number.

    Whoever was frozen must not do harm when he goes on. What a process knows of the phase counts
    for `stale_seconds`; a request that it sent or signed in the last moment of these is refused by
    DynamoDB once its signature is some minutes old
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html: five);
    the rest of `settle_seconds` is for clocks that differ.
    """

    settle_seconds: float = 900.0

    @property
    def refresh_seconds(self) -> float:
        """For so long a repository goes by a phase before it reads it again: 30 s of 900."""
        return self.settle_seconds / 30

    @property
    def stale_seconds(self) -> float:
        """After so long without a refresh nothing is sent that depends on the phase: 300 of 900.

        Ten refreshes may fail in a row: an outage of the control table alone, or a short one of the
        network, stops no operation.
        """
        return self.settle_seconds / 3


@attrs.frozen
class Sighting:
    """A phase as it was read, and when the read began, by both clocks.

    Both, because the one may stand still while a machine is frozen, and the other may be set back.
    `step` counts the moves of the migration: a later one is the newer.
    """

    phase: Phase
    monotonic: float
    now: float
    step: int = 0

    @property
    def route(self) -> Route:
        return ROUTES[self.phase]

    def age_seconds(self, monotonic: float, now: float) -> float:
        """Return how old it is, at the most."""
        return max(monotonic - self.monotonic, now - self.now)


def requirements(phase: Phase, following: Phase) -> tuple[Requirement, ...]:
    """Return what must be so before one phase may follow another.

    Raises:
        MigrationMismatchError: It never may.
    """
    try:
        return TRANSITIONS[phase, following]
    except KeyError:
        raise MigrationMismatchError(
            f"{following} does not follow {phase}; steps are taken one at a time, so look at the"
            " status again"
        ) from None


def next_phase(phase: Phase) -> Phase | None:
    """Return the phase that comes next on the way to the end; None where it is reached."""
    order = list(Phase)
    at = order.index(phase) + 1
    return order[at] if at < len(order) else None
