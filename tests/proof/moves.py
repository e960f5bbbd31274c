"""What can happen next, and the calls that wait for it.

The rule: a call of a process waits until it is granted; a move grants one, or lets something else
happen. What moves there are, the stage says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from proof.history import Operation
from proof.tables import NEW, tables_of

if TYPE_CHECKING:
    from proof.stage import Stage

OPERATION: ContextVar[Operation | None] = ContextVar("operation", default=None)
"""The repository's operation that the current task is in."""

PROCESS: ContextVar[str] = ContextVar("process", default="")
"""What tells the current task's process, and its operation, from all others."""


UNSEEN: ContextVar[bool] = ContextVar("unseen", default=False)
"""The current task's calls are no moves: they are made at once."""


class Pruned(Exception):
    """What follows from here has been explored before."""


@attrs.frozen
class Budget:
    """How often what may happen at any moment happens in one run."""

    crashes: int = 0
    losses: int = 0
    expiries: int = 0
    conflicts: int = 0
    """Others are at an item of a transaction, which is cancelled for that alone."""
    freezes: int = 0
    """Everybody is frozen wherever he is, for longer than anybody goes by what he knew; where runs
    play (`runs`), the first migrator alone, while others go on."""

    remakes: int = 0
    """Somebody deletes the new table and makes it anew."""

    def less(self, name: str) -> Budget:
        return attrs.evolve(self, **{name: getattr(self, name) - 1})


@attrs.frozen
class Grant:
    """How a call is let through: what a stale read sees, and whether its response arrives."""

    version: int = -1
    lost: bool = False
    conflict: bool = False


@attrs.frozen(eq=False)
class Pending:
    """A call that waits for its grant."""

    gateway: StageGateway
    operation: str
    arguments: Mapping[str, Any]
    granted: asyncio.Future[Grant]
    inside: Operation | None
    visible: bool = True

    @property
    def actor(self) -> str:
        return self.gateway.actor if self.inside is None else self.inside.actor

    @property
    def tables(self) -> Sequence[str]:
        return tables_of(self.arguments)

    @property
    def table(self) -> str:
        return NEW if NEW in self.tables else self.tables[0]


@attrs.frozen
class Move:
    """Something that can happen next."""

    text: str
    make: Callable[[], None]


class Gate(Protocol):
    """An operator who moves the migration on, when a rule lets him."""

    @property
    def by_time(self) -> bool:
        """Tell whether he looks at the clock."""

    def moves(self, stage: Stage) -> list[Move]:
        """Return what he may do now, and what time may do to all others."""

    def counts(self, record: str) -> bool:
        """Tell whether what is written to a record of the control table may change that."""


class StageGateway:
    """The gateway of one process: each of its calls waits for the scheduler."""

    def __init__(self, stage: Stage, actor: str) -> None:
        self.actor = actor
        self.dead = False
        self.mind: Callable[[], object] = lambda: None
        """What the process knows beside the answers that it got, where it is more."""
        self._stage = stage

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        return partial(self._stage.call, self, operation)
