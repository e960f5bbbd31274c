"""One verification, by any number of processes: what they have agreed on.

The rule: a verification that has not ended is gone on with by whoever would do just the same, and
by nobody else; one that has ended is begun anew. How the copy stood is noted when it begins, since
that is what it is worth to a gate. Once deletes leave no trace, nothing can be proved any more.
"""

from __future__ import annotations

import math
import secrets

import attrs

from dualtable._clock import Clock
from dualtable._control.milestones import Milestones
from dualtable._control.phases import ROUTES
from dualtable._control.run_records import Run, Word
from dualtable._control.segments import Segment, complete, total
from dualtable._dynamodb.gateway import Gateway
from dualtable._proof.findings import Findings, Level
from dualtable._sharing.heard import at_work
from dualtable._sharing.membership import check_same, end_run
from dualtable._transforms.migration import Migration, is_stated
from dualtable._wire.types import Description, Item
from dualtable.errors import MigrationMismatchError, TransformError

_ITEMS_EACH = 500  # in a part of the new table, at least


@attrs.frozen(kw_only=True)
class ProofRun(Run):
    """What all processes of one verification have agreed on.

    Args:
        level: ``keys`` or ``content``.
        segments_old: Parts of the old table, which come first; the others are of the new one.
        repairs: What is missing is copied.
        copy: The identity of the copy's run, empty where none was begun.
        copied: Every segment of it was done when the verification began.
        began: When, in seconds since 1970, by the clock of who began it.
    """

    level: Level
    segments_old: int
    repairs: bool
    copy: str
    copied: bool
    began: float

    @classmethod
    def of(cls, item: Item) -> ProofRun:
        """Return the run that a record holds."""
        numbers = {"segments_old": int(item["segments_old"]), "began": float(item["began"])}
        return super().of({**item, **numbers})

    def same_as(self, other: ProofRun) -> bool:
        """Tell whether whoever would begin this one may go on with the other.

        Into how many parts the new table was cut went by how many items it seemed to have then.
        """
        theirs = {name: getattr(other, name) for name in ("id", "began", "total_segments")}
        return attrs.evolve(self, **theirs) == other


class Proofs(Milestones):
    """The records of a migration's verification."""

    run_record = "proof"
    run_type = ProofRun
    progress_type = Findings

    copied: Copied | None = None
    """How the copy stood when a verification that repairs began to work; None for any other."""

    async def check_phase(self) -> None:
        """Raise `MigrationMismatchError` where nothing can be proved, or copied as it should be."""
        await self._check_provable()
        if self.copied is not None:
            await self.check_copying()
            self.copied.check_present(await self.copying.run(), self._migration)

    async def _check_provable(self) -> None:
        phase = (await self.state()).phase
        if ROUTES[phase].buries:
            return
        last = await self.verification()
        said = "none was recorded" if last is None else f"the last one, {last.when}, {last.verdict}"
        raise MigrationMismatchError(
            f"{self._migration} is in phase {phase}, in which a delete leaves no trace, so nobody"
            " can tell what is missing from what production has deleted: a verification belongs"
            f" before it; {said}. What is in doubt can be looked up in both tables by its key"
        )

    @property
    def copying(self) -> Milestones:
        """The records of the copy."""
        return Milestones(self._gateway, self._table, self._migration)

    async def words_for(self, run: Run) -> list[Word]:
        """Return the last words of those who are at work on a verification, and nobody else's."""
        return await self.of(run).words()


@attrs.frozen
class Copied:
    """How the copy stands: its run and segments, as far as there are any."""

    run: Run | None
    segments: tuple[Segment, ...] = ()

    @classmethod
    async def look(cls, gateway: Gateway, migration: Migration) -> Copied:
        """Read how the copy stands."""
        control = Milestones(gateway, migration.control_table, migration.name)
        run = await control.run()
        return cls(run, () if run is None else tuple(await control.of(run).segments()))

    def check_tables(self, *tables: Description) -> None:
        """Raise `MigrationMismatchError` where one has been made anew since it was copied."""
        if self.run is not None:
            for table, then in zip(tables, (self.run.old, self.run.new), strict=True):
                check_same(table, then)

    def check_present(self, present: Run | None, migration: str) -> None:
        """Raise `MigrationMismatchError` where the copy's run is another one by now."""
        if present != self.run:
            raise MigrationMismatchError(
                f"{migration} has been begun anew, or copies by another transform, since this"
                " verification began, which copies what is missing; it has stopped, and touches"
                " nothing more: verify again"
            )

    def check_transform(self, migration: Migration) -> None:
        """Raise `MigrationMismatchError` where a repair would copy otherwise than the copy did."""
        if self.run is not None and not _is_one(self.run.fingerprint, migration.fingerprint):
            raise MigrationMismatchError(
                f"{migration.name} was copied by another transform ({self.run.fingerprint}, now"
                f" {migration.fingerprint}), so what is repaired would differ from other copies; go"
                " on with the old one, or state Migration(version=…) if the change does not matter"
            )

    @property
    def complete(self) -> bool:
        """Whether every segment is done."""
        return self.run is not None and complete(self.segments, self.run.total_segments)

    @property
    def total_segments(self) -> int:
        """Parts of the copy's scan; 0 where there is no copy."""
        return 0 if self.run is None else self.run.total_segments

    @property
    def items(self) -> int:
        """How many items it has found their place in the new table for."""
        done = total(self.segments)
        return done.written + done.already_present

    def tells_of(self, proof: ProofRun) -> bool:
        """Whether what it knows of its segments can be compared with what a verification finds.

        Not where the segments are others, nor where another transform has copied any of the items.
        """
        if self.run is None or self.run.earlier:
            return False
        one_transform = _is_one(self.run.fingerprint, proof.fingerprint)
        return one_transform and proof.segments_old == self.total_segments


def wanted_run(
    migration: Migration,
    copied: Copied,
    tables: tuple[str, str],
    *,
    level: Level,
    segments_old: int,
    items_new: int,
    repairs: bool,
    now: float,
) -> ProofRun:
    """Return the verification that somebody would begin; about `items_new` are in the new table."""
    segments_new = parts_of_new(segments_old, items_new) if level == "content" else 0
    return ProofRun(
        id=secrets.token_hex(8),
        fingerprint=_fingerprint(migration),
        total_segments=segments_old + segments_new,
        old=tables[0],
        new=tables[1],
        level=level,
        segments_old=segments_old,
        repairs=repairs,
        copy="" if copied.run is None else copied.run.id,
        copied=copied.complete,
        began=now,
    )


def parts_of_new(parts_of_old: int, items: float) -> int:
    """Return into how many parts the new table is cut.

    As many as the old one, whose number lets its changes be told; but each has requests of its own,
    so no more than a small table is worth. Where nothing is known of its size, it may be large.
    """
    return min(parts_of_old, math.ceil(items / _ITEMS_EACH) or parts_of_old)


async def agreed(
    proofs: Proofs, mine: ProofRun, clock: Clock, *, name: str, restart: bool, only: str = ""
) -> ProofRun:
    """Return the verification that is gone on with, or that is begun now.

    Args:
        proofs: The records.
        mine: The one that would be begun.
        clock: Where time comes from.
        name: The migration's name.
        restart: Begin anew in any case.
        only: The identity of the one to take part in, though it may have ended; empty for any.

    Raises:
        MigrationMismatchError: Others are at work on one that is another.
    """
    earlier = await proofs.run()
    if only:
        return _joined(earlier, mine, only, name)
    if isinstance(earlier, ProofRun):
        records = proofs.of(earlier)
        ended = earlier.ended or complete(await records.segments(), earlier.total_segments)
        if not ended and not restart and mine.same_as(earlier):
            return earlier
        if not ended and (words := await at_work(records, clock)):
            names = ", ".join(sorted(word.migrator for word in words))
            raise MigrationMismatchError(
                f"processes, {names} for one, are at work on a verification of {name} that"
                f" is another one (level {earlier.level}, {earlier.segments_old} segments"
                f"{', with repair' if earlier.repairs else ''}); run the same, or stop them"
            )
        await end_run(proofs, earlier, clock)
    run = await proofs.begin(mine)
    if not isinstance(run, ProofRun) or not mine.same_as(run):
        raise MigrationMismatchError(
            f"somebody else has begun another verification of {name} meanwhile; run the"
            " same, or wait for its end"
        )
    return run


def _joined(earlier: Run | None, mine: ProofRun, only: str, name: str) -> ProofRun:
    if isinstance(earlier, ProofRun) and earlier.id == only and mine.same_as(earlier):
        return earlier
    raise MigrationMismatchError(
        f"the verification of {name} that this process should take part in is not the present one:"
        " it has been begun anew, or this process has other settings or another transform"
    )


def _is_one(copied_by: str, present: str) -> bool:
    """Tell whether two fingerprints are of one transform; a version that is stated may say so."""
    return copied_by == present or (is_stated(present) and not is_stated(copied_by))


def _fingerprint(migration: Migration) -> str:
    try:
        return migration.fingerprint
    except TransformError:
        return ""
