"""The ceilings of a migration, shared by all its migrators and changed while they run.

The rule: the control table holds what is in force. A migrator that is given a ceiling stores it
there; all read it every few seconds, and each takes an equal part: as many parts as there are
migrators that have said lately that they are at work.
"""

from __future__ import annotations

import logging

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.control_table import Control, Limits

_log = logging.getLogger("dualtable.migrator")

_REFRESH_SECONDS = 2.0
_PRESENCE_SECONDS = 20.0
"""How long a migrator counts after it was last heard of; it is heard of twice in that time."""


@attrs.define(eq=False)
class SharedLimits:
    """Keeps the paces of one migrator to its part of the ceilings."""

    control: Control
    migrator: str
    clock: Clock
    paces: Paces
    _said_at: float = attrs.field(init=False, default=float("-inf"))
    _in_force: Limits | None = attrs.field(init=False, default=None)

    async def join(self, given: Limits) -> None:
        """Say that this migrator is at work, store the ceilings it is given, and go by them."""
        await self._say_present()
        changes = {name: value for name, value in attrs.asdict(given).items() if value is not None}
        if changes:
            in_force = (await self.control.sharing(self.clock.now())).limits
            await self.control.set_limits(attrs.evolve(in_force, **changes))
        await self._refresh()

    async def follow(self) -> None:
        """Go by the ceilings in force until cancelled."""
        while True:
            await self.clock.sleep(_REFRESH_SECONDS)
            if self.clock.monotonic() >= self._said_at + _PRESENCE_SECONDS / 2:
                await self._say_present()
            await self._refresh()

    async def leave(self) -> None:
        """Leave the ceilings to the others."""
        await self.control.forget_migrator(self.migrator)

    async def _say_present(self) -> None:
        self._said_at = self.clock.monotonic()
        await self.control.note_migrator(self.migrator, self.clock.now() + _PRESENCE_SECONDS)

    async def _refresh(self) -> None:
        sharing = await self.control.sharing(self.clock.now())
        if sharing.limits != self._in_force:
            _log.info("ceilings", extra=attrs.asdict(sharing.limits))
        self._in_force = sharing.limits
        self.paces.limit(**attrs.asdict(sharing.limits), migrators=sharing.migrators)
