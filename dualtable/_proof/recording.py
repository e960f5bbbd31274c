"""What a gate gets to know of a verification.

The rule: what counts is how the copy stood when the verification began, which all who share it have
agreed on then. Clocks of two machines are never compared. A verification of what nobody has begun
to copy is not recorded; one that cannot be recorded is a verification all the same: its report says
what it found, and the gate stays closed.
"""

from __future__ import annotations

import logging

from dualtable._clock import Clock
from dualtable._control.milestones import Milestones, Verification
from dualtable._proof.findings import VerificationReport
from dualtable._proof.shared import ProofRun
from dualtable.errors import DualTableError

_log = logging.getLogger("dualtable.proof")


async def record(
    milestones: Milestones, run: ProofRun, report: VerificationReport, clock: Clock
) -> None:
    """Store what was found by a verification that has ended."""
    if not run.copy:
        return
    try:
        await milestones.note_verification(_record(run, report, clock.now()))
    except DualTableError as error:
        _log.warning(
            "the verification could not be recorded, so no gate will open by it",
            extra={"error": type(error).__name__, "reason": str(error)},
        )


def _record(run: ProofRun, report: VerificationReport, now: float) -> Verification:
    return Verification(
        run=run.copy,
        fingerprint=run.fingerprint,
        copied=run.copied,
        level=report.level,
        began=run.began,
        ended=now,
        checked=report.checked,
        missing=report.missing,
        different=report.different,
        changed_old=report.changed_old,
        extra=report.extra,
        ok=report.ok,
    )
