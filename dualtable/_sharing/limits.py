"""The ceilings of a migration, shared by all its migrators and changed while they run.

The rule: the control table holds what is in force. A migrator that is given a ceiling stores it
there; all read it every few seconds, and each says then which part of it he goes by and could use.
Who uses little is left little, who comes gets what the others have given up by then, and the part
of one who is not heard of any more is free for all; see `shares`.
"""

from __future__ import annotations

import logging

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Pace, Paces
from dualtable._control.control_table import Control, Limits
from dualtable._sharing.membership import Membership
from dualtable._sharing.shares import ALL, Part, next_part, wanted_part

_log = logging.getLogger("dualtable.sharing")

_TICK_SECONDS = 2.0
_MEMBERS_A_SECOND = 100.0
"""So many say how they fare in a second at most, or the control table would do little else: with
more than 200 of them each does so less often."""

_QUIET_TICKS = 4.0
"""After so many ticks without a word, somebody's part is free for others."""


@attrs.define(eq=False)
class SharedLimits:
    """Keeps the paces of one migrator to its parts of the ceilings."""

    control: Control
    membership: Membership
    clock: Clock
    paces: Paces
    _in_force: Limits = attrs.field(init=False, factory=Limits)
    _parts: list[Part] = attrs.field(init=False, factory=list)

    @property
    def in_force(self) -> Limits:
        """The ceilings as they were last read."""
        return self._in_force

    @property
    def migrators(self) -> int:
        """How many are at work, this one included."""
        return 1 + len(self._others())

    async def join(self, given: Limits) -> None:
        """Store the ceilings that this migrator is given, and go by those in force."""
        changes = {name: value for name, value in attrs.asdict(given).items() if value is not None}
        if changes:
            await self.control.change_ceilings(lambda found: found.given(**changes))
        self._in_force = await self.control.limits()
        await self.membership.look()
        alone = not self._others()
        parts = [Part(ALL if alone else 0.0, ALL) for _ in self._ceilings()]
        await self._go_by(parts)

    async def follow(self) -> None:
        """Go by the ceilings in force, and by what the others say, until cancelled."""
        while True:
            await self.clock.sleep(self._tick_seconds())
            await self._follow()

    async def _follow(self) -> None:
        used = [pace.bucket.used_share() for pace, _ in self._ceilings()]
        await self.membership.look(consistent_read=False)
        limits = await self.control.limits()
        if limits != self._in_force:
            _log.info("ceilings", extra=attrs.asdict(limits))
            if self._in_force.pause and not limits.pause:
                await self.membership.renew()
            self._in_force = limits
        others = self._others()
        await self._go_by(
            [
                _next(mine, share, [parts[n] for parts in others])
                for n, (mine, share) in enumerate(zip(self._parts, used, strict=True))
            ]
        )

    async def _go_by(self, parts: list[Part]) -> None:
        """Go by less at once, and by more when the others can hear of it."""
        before = self._parts or [Part(0.0, ALL) for _ in parts]
        self._parts = [
            attrs.evolve(part, held=min(part.held, old.held))
            for part, old in zip(parts, before, strict=True)
        ]
        self._apply()
        self.membership.parts = tuple((part.held, part.wanted) for part in parts)
        await self.membership.beat()
        self._parts = parts
        self._apply()

    def _apply(self) -> None:
        for (pace, ceiling), part in zip(self._ceilings(), self._parts, strict=True):
            pace.limit(ceiling, part.held)

    def _ceilings(self) -> list[tuple[Pace, float | None]]:
        """Return each pace with its ceiling; that of reads counts for each table."""
        reads, writes = self._in_force.max_read_units, self._in_force.max_write_units
        paces = self.paces
        return [(paces.reads, reads), (paces.looks, reads), (paces.writes, writes)]

    def _others(self) -> list[list[Part]]:
        """Return the parts of the others that are at work, as they say them."""
        words = self.membership.roster.others(_QUIET_TICKS * self._tick_seconds())
        return [
            [Part(*pair) for pair in word.parts] or [Part(0.0, ALL)] * len(self._ceilings())
            for word in words
        ]

    def _tick_seconds(self) -> float:
        members = 1 + len(self.membership.roster)
        most = self.membership.lease_seconds / 3
        return min(most, max(_TICK_SECONDS, members / _MEMBERS_A_SECOND))


def _next(mine: Part, used: float, others: list[Part]) -> Part:
    wanted = wanted_part(mine.held, used, mine.wanted, len(others) + 1)
    return Part(next_part(attrs.evolve(mine, wanted=wanted), others), wanted)
