"""The ceilings of a migration, shared by all its migrators and changed while they run.

The rule: the control table holds what is in force. A migrator that is given a ceiling stores it
there; all read it every few seconds, and each takes an equal part: as many parts as there are
migrators that have said lately that they are at work. Who comes to others waits until they have
made room, and who comes out of a pause looks first whether all is as it was.
"""

from __future__ import annotations

import logging

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.control_table import Control, Limits
from dualtable._sharing.membership import Membership

_log = logging.getLogger("dualtable.sharing")

_REFRESH_SECONDS = 2.0


@attrs.define(eq=False)
class SharedLimits:
    """Keeps the paces of one migrator to its part of the ceilings."""

    control: Control
    membership: Membership
    clock: Clock
    paces: Paces
    migrators: int = attrs.field(init=False, default=1)  # at work, this one included
    _in_force: Limits = attrs.field(init=False, factory=Limits)

    @property
    def in_force(self) -> Limits:
        """The ceilings as they were last read."""
        return self._in_force

    async def join(self, given: Limits) -> None:
        """Store the ceilings that this migrator is given, and go by those in force."""
        changes = {name: value for name, value in attrs.asdict(given).items() if value is not None}
        if changes:
            ceilings = await self.control.ceilings()
            await self.control.set_ceilings(ceilings.changed(**changes))
        self._in_force = await self.control.limits()
        others = await self.membership.others()
        if others and self._in_force != Limits():
            self.paces.limit(0.0, 0.0)  # until they have noticed that there is one more
        else:
            self._go_by(self._in_force, others)

    async def follow(self) -> None:
        """Go by the ceilings in force until cancelled."""
        while True:
            await self.clock.sleep(_REFRESH_SECONDS)
            await self.membership.renew_if_due()
            limits = await self.control.limits()
            if limits != self._in_force:
                _log.info("ceilings", extra=attrs.asdict(limits))
                if self._in_force.pause and not limits.pause:
                    await self.membership.renew()
            self._go_by(limits, await self.membership.others())

    def _go_by(self, limits: Limits, others: int) -> None:
        self._in_force, self.migrators = limits, others + 1
        self.paces.limit(**attrs.asdict(limits), migrators=self.migrators)
