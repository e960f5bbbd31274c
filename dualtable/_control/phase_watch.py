"""How a running repository knows the phase, and what it does when it cannot know.

The rule: nothing is believed because a timer runs, so that a frozen process is no special case.
Whoever begins an operation looks here; when what is known is older than `Times.refresh_seconds`,
the look begins to read it anew, in one task for all, which also says so in a heartbeat. Nobody
needs news for minutes, so whoever began it waits for a moment and the others not at all: a control
table that hangs holds nobody up. Where nobody begins anything, a timer looks as an operation would,
so that no gate waits for a repository that rests; it is no operation, and waits for nothing.

What is older than `Times.stale_seconds` is not enough to believe `old`, or to write to it: by then
the migration may be two steps further. What `new` alone can answer goes on; what needs `old` waits
for the news, and is refused where there are none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections import Counter
from contextlib import suppress
from typing import Self

import attrs

from dualtable._clock import Clock
from dualtable._control.control_table import Control, Heartbeat
from dualtable._control.phases import Sighting, Times
from dualtable._control.state import State
from dualtable.errors import DualTableError, StalePhaseError, TableNotFoundError

_log = logging.getLogger("dualtable.phases")

_MOMENT_SECONDS = 0.25
"""The operation that finds the phase due waits no longer for it: it can do without for minutes."""

_PATIENCE_SECONDS = 5.0
"""What the control table has not answered by then has failed."""

_PAUSE_SECONDS = 5.0
"""And is not tried again for so long."""


_UNKNOWN = State()  # what nobody has stored
_LOST = State(step=-1)  # comes before any that has been seen


class PhaseWatch:
    """The phase of one migration as one repository knows it; use `open` to get one."""

    def __init__(
        self, control: Control, clock: Clock, times: Times, fingerprint: str, first: Sighting
    ) -> None:
        self._control = control
        self._clock = clock
        self._times = times
        self._fingerprint = fingerprint
        self._latest = first
        self._name = secrets.token_hex(8)
        self._refreshing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused_until = first.monotonic
        self._failure: BaseException | None = None
        self._under_way: Counter[int] = Counter()
        self._phases = {first.step: first.phase}
        self._beaten = False
        self._closed = False
        self._warned = False

    @classmethod
    async def open(cls, control: Control, clock: Clock, times: Times, fingerprint: str) -> Self:
        """Look for the first time.

        Raises:
            DualTableError: The phase cannot be read; later looks go on with what is known.
        """
        watch = cls(control, clock, times, fingerprint, await _read(control, clock, _UNKNOWN))
        await watch._acknowledge()
        watch._look_later()
        return watch

    async def look(self) -> Sighting:
        """Return what is known of the phase; when it is time, one task reads it anew for all."""
        if self._age(self._latest) < self._times.refresh_seconds:  # nearly always
            return self._latest
        if self._begin_if_due():
            await self._refreshed(_MOMENT_SECONDS)
        if self._failure is None and self._is_stale(self._latest):
            await self._refreshed()  # it has been idle, and news are to be had
        return self._latest

    async def begin(self) -> int:
        """Count an operation until its `end`; until then no later phase is acknowledged.

        Raises:
            DualTableError: The repository is closed: nobody would take back what is said here.
        """
        self.check_open()
        step = (await self.look()).step
        self._under_way[step] += 1
        return step

    def check_open(self) -> None:
        """Raise `DualTableError` where the repository is closed."""
        if self._closed:
            raise DualTableError("the repository is closed, and what was opened by it with it")

    def end(self, step: int) -> None:
        """Count it no more."""
        self._under_way[step] -= 1

    def check(self, sighting: Sighting) -> None:
        """Check, without waiting, that a request may still be sent that a sighting decided.

        Raises:
            StalePhaseError: What is known of the phase is too old.
        """
        latest = self._latest
        believed = latest if latest.phase is sighting.phase else sighting
        if self._is_stale(believed):
            complaint = self._complaint(sighting, latest, self._age(believed))
            raise StalePhaseError(complaint) from self._failure

    async def confirm(self, sighting: Sighting) -> None:
        """Check that what was done by a sighting may still be believed.

        Raises:
            StalePhaseError: It is too old, and there is no newer one of the same phase.
        """
        if self._is_stale(await self.look()):
            await self._refreshed()
        self.check(sighting)

    async def close(self) -> None:
        """Let no refresh begin or go on, and take the heartbeat back; else its age tells."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})
        if not self._beaten:
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._control.forget_heartbeat(self._name)
        except (DualTableError, TimeoutError) as error:
            _log.warning("the repository's heartbeat stays behind", extra=_about(error))

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._times.refresh_seconds, self._look_at_rest)

    def _look_at_rest(self) -> None:
        self._begin_if_due()
        self._look_later()

    def _begin_if_due(self) -> bool:
        """Begin to read the phase anew when it is time, in one task for all; tell whether."""
        if not self._is_due():
            return False
        self._refreshing = asyncio.create_task(self._refresh())
        return True

    def _is_due(self) -> bool:
        if self._age(self._latest) < self._times.refresh_seconds:
            return False
        paused = self._clock.monotonic() < self._paused_until
        return not paused and (self._refreshing is None or self._refreshing.done())

    def _is_stale(self, sighting: Sighting) -> bool:
        return self._age(sighting) > self._times.stale_seconds

    @property
    def age_seconds(self) -> float:
        """How old what is known of the phase is."""
        return self._age(self._latest)

    def _age(self, sighting: Sighting) -> float:
        return sighting.age_seconds(self._clock.monotonic(), self._clock.now())

    async def _refreshed(self, seconds: float | None = None) -> None:
        """Wait for the refresh that is under way; it goes on where the waiting is given up."""
        if self._refreshing is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.wait({self._refreshing})

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await _read(self._control, self._clock, _LOST)
        except (DualTableError, TimeoutError) as error:
            self._failure = error
            self._paused_until = self._clock.monotonic() + _PAUSE_SECONDS
            _log.warning("the phase could not be refreshed", extra=_about(error))
            return
        self._failure = None
        if found.step < self._latest.step:
            if (self._latest.phase, self._latest.step) != (_UNKNOWN.phase, _UNKNOWN.step):
                _log.warning(
                    "the control table has lost the phase", extra={"phase": self._latest.phase}
                )
            found = attrs.evolve(found, phase=self._latest.phase, step=self._latest.step)
        self._latest = found
        self._phases[found.step] = found.phase
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Say by which phase operations go, the earliest that are under way; to fail is no harm."""
        step = min([self._latest.step, *+self._under_way])
        beat = Heartbeat(
            repository=self._name,
            phase=self._phases[step],
            step=step,
            fingerprint=self._fingerprint,
            at=self._clock.now(),
            host=socket.gethostname(),
            process=os.getpid(),
        )
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._control.beat(beat)
        except TableNotFoundError:
            return  # the migration has not begun: nobody waits for a word
        except (DualTableError, TimeoutError) as error:
            if not self._warned:
                _log.warning("the phase could not be acknowledged", extra=_about(error))
            self._warned = True
        else:
            self._beaten, self._warned = True, False

    def _complaint(self, sighting: Sighting, latest: Sighting, age: float) -> str:
        if latest.phase is not sighting.phase:
            return (
                f"the migration went on to {latest.phase} while an operation of {age:.0f} s was"
                " under way; call it again"
            )
        return (
            f"the phase of the migration was last read {age:.0f} s ago, more than"
            f" {self._times.stale_seconds:g}, so the old table cannot be believed: {self._failure}"
        )


async def _read(control: Control, clock: Clock, otherwise: State) -> Sighting:
    """Read the phase; where there is no record of it, it is another."""
    monotonic, now = clock.monotonic(), clock.now()
    state = await control.known_state() or otherwise
    return Sighting(state.phase, monotonic, now, state.step)


def _about(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__, "reason": str(error)}
