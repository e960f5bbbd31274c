"""What a gate gets to know of a verification.

The rule: what counts is how the copy stood when the verification began; so that is read first, and
is stored with what was found. Clocks of two machines are never compared. A verification that cannot
be recorded is a verification all the same: its report says what it found, and the gate stays
closed.
"""

from __future__ import annotations

import logging

import attrs

from dualtable._clock import Clock
from dualtable._control.milestones import Milestones, Verification
from dualtable._control.segments import complete
from dualtable._dynamodb.gateway import Gateway
from dualtable._proof.findings import VerificationReport
from dualtable._transforms.migration import Migration
from dualtable.errors import DualTableError, TransformError

_log = logging.getLogger("dualtable.proof")


@attrs.frozen(kw_only=True)
class Beginning:
    """How the copy stood when a verification began."""

    run: str
    fingerprint: str
    copied: bool
    at: float


class Recording:
    """The record of one verification."""

    def __init__(self, gateway: Gateway, migration: Migration, clock: Clock) -> None:
        self._milestones = Milestones(gateway, migration.control_table, migration.name)
        self._migration = migration
        self._clock = clock
        self._beginning: Beginning | None = None

    async def begin(self) -> None:
        """Look how the copy stands; there is nothing to record where it has not begun."""
        try:
            self._beginning = await self._look()
        except DualTableError as error:
            _warn(error)

    async def end(self, report: VerificationReport) -> None:
        """Store what was found."""
        if self._beginning is None:
            return
        try:
            await self._milestones.note_verification(self._record(self._beginning, report))
        except DualTableError as error:
            _warn(error)

    async def _look(self) -> Beginning | None:
        run = await self._milestones.run()
        if run is None:
            return None
        segments = await self._milestones.of(run).segments()
        return Beginning(
            run=run.id,
            fingerprint=_fingerprint(self._migration),
            copied=complete(segments, run.total_segments),
            at=self._clock.now(),
        )

    def _record(self, beginning: Beginning, report: VerificationReport) -> Verification:
        return Verification(
            run=beginning.run,
            fingerprint=beginning.fingerprint,
            copied=beginning.copied,
            level=report.level,
            began=beginning.at,
            ended=self._clock.now(),
            checked=report.checked,
            missing=report.missing,
            different=report.different,
            extra=report.extra,
            ok=report.ok,
        )


def _fingerprint(migration: Migration) -> str:
    try:
        return migration.fingerprint
    except TransformError:
        return ""


def _warn(error: DualTableError) -> None:
    _log.warning(
        "the verification could not be recorded, so no gate will open by it",
        extra={"error": type(error).__name__, "reason": str(error)},
    )
