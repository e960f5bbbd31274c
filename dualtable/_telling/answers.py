"""Answers of commands that are no report of the library's as it is.

The rule: what a command tells a machine has a class, so that it has a schema.
"""

from __future__ import annotations

from typing import Any

import attrs

from dualtable._control.letters import DeadLetter
from dualtable._control.phases import Phase
from dualtable._operations.trial import Trial
from dualtable._planning.plan import Plan
from dualtable._standing.status import MigrationStatus
from dualtable._wire.types import Key


@attrs.frozen
class Failure:
    """Why a command did not do what it was asked for.

    Attributes:
        error: The name of the error's class.
        message: What was wrong, where, and what to do.
    """

    error: str
    message: str


@attrs.frozen
class Trials:
    """What the transform makes of some items.

    Attributes:
        trials: One for each item.
        ok: Whether none would be a dead letter, nor lack a way back that it needs.
    """

    trials: tuple[Trial, ...]
    ok: bool


@attrs.frozen
class Mended:
    """An item that was copied again.

    Attributes:
        key: Its key in the new table.
        paths: Where it was otherwise; none where nothing was to be done.
        ok: Whether it is as it should be now.
    """

    key: Key
    paths: tuple[str, ...]
    ok: bool = True


@attrs.frozen
class Entered:
    """A phase that was entered.

    Attributes:
        phase: The phase.
    """

    phase: Phase


@attrs.frozen(kw_only=True)
class StatusAndSteps(MigrationStatus):
    """How a migration stands, and what comes next.

    Attributes:
        next: What is to be done, in order; the commands are as they are typed.
    """

    next: tuple[str, ...]

    @classmethod
    def of(cls, status: MigrationStatus, steps: tuple[str, ...]) -> StatusAndSteps:
        """Return a status with what comes next."""
        return cls(**_fields(status, MigrationStatus), next=steps)


@attrs.frozen(kw_only=True)
class PlannedSteps(Plan):
    """What a migration will take, and what to run for it.

    Attributes:
        steps: The commands, and what else there is to do, in their order.
    """

    steps: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, steps: tuple[str, ...]) -> PlannedSteps:
        """Return a plan with its steps."""
        return cls(**_fields(plan, Plan), steps=steps)


@attrs.frozen
class OpenLetters:
    """The dead letters that are open.

    Attributes:
        dead_letters: One for each old item that is not copied.
    """

    dead_letters: tuple[DeadLetter, ...]


def _fields(value: Any, kind: type) -> dict[str, Any]:
    """Return the fields of an instance, as its class takes them."""
    return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}
