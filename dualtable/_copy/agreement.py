"""What all migrators of a run have in common: its segments, its transform, both tables.

The rule: what the first one has fixed counts; who would do something else does nothing. Before
there is a first one, what was noted of the tables counts: production may have written to them.
"""

from __future__ import annotations

import attrs

from dualtable._clock import Clock
from dualtable._control.connected import begun
from dualtable._control.milestones import Milestones
from dualtable._control.run_records import Run
from dualtable._sharing.heard import at_work
from dualtable._sharing.membership import change_transform, end_run
from dualtable._transforms.migration import is_stated
from dualtable.errors import MigrationMismatchError


@attrs.frozen
class Agreement:
    """Finds the run that a migrator joins, or begins it.

    Args:
        control: The records of the migration.
        name: The migration's name.
        clock: Where time comes from.
    """

    control: Milestones
    name: str
    clock: Clock

    async def earlier(self, mine: Run, *, restart: bool) -> Run | None:
        """Return the run that was begun earlier and goes on; None where one is to be begun.

        Args:
            mine: What this migrator would fix.
            restart: Whether it begins anew, with the tables as they are now.

        Raises:
            MigrationMismatchError: Others are at work; or nobody has begun, and one of the tables
                is not the one that was there before.
        """
        earlier = await self.control.run()
        if earlier is not None and not (restart or earlier.ended):
            return earlier
        if earlier is not None and not earlier.ended:
            await self._check_nobody_works(earlier)
        if not restart:
            await self._check_noted(mine)
        with begun():
            if restart:
                await self.control.note_tables(mine.old, mine.new)
            if earlier is not None:
                await end_run(self.control, earlier, self.clock)
        return None

    async def _check_noted(self, mine: Run) -> None:
        noted = await self.control.tables()
        if noted not in (None, (mine.old, mine.new)):
            raise MigrationMismatchError(
                f"{self.name} was created from {noted[0]} to {noted[1]}, and these tables are"
                f" {mine.old} and {mine.new}: what production has written to the ones before is not"
                " there; begin with restart if nothing is missing"
            )

    async def _check_nobody_works(self, run: Run) -> None:
        if words := await at_work(self.control.of(run), self.clock):
            names = ", ".join(sorted(word.migrator for word in words))
            raise MigrationMismatchError(
                f"{self.name} is being worked on, by {names} for one; stop all that are at work"
                " first (dualtable status names them)"
            )

    async def of(self, mine: Run, earlier: Run | None, *, total_segments: int | None) -> Run:
        """Return what was fixed first, unless a migrator would do something else.

        Args:
            mine: What this migrator would fix.
            earlier: The run that goes on, if there is one.
            total_segments: The number that it insists on, if it does.
        """
        run = earlier or await self.control.begin(mine)
        self._check_same_tables(run, (mine.old, mine.new))
        if total_segments not in (None, run.total_segments):
            raise MigrationMismatchError(
                f"{self.name} was begun with total_segments={run.total_segments}, not"
                f" {total_segments}; leave total_segments out to go on"
            )
        if is_stated(mine.fingerprint) and not is_stated(run.fingerprint):
            run = await self.control.restate(run, mine.fingerprint)
        if run.fingerprint != mine.fingerprint:
            raise MigrationMismatchError(
                f"{self.name} was begun with another transform ({run.fingerprint}, now"
                f" {mine.fingerprint}), so old and new copies would differ; go on with the old one,"
                " state Migration(version=…) if the change does not matter, or retry the dead"
                " letters with it if it is there for them"
            )
        return run

    async def begun(self, tables: tuple[str, str]) -> Run:
        """Return the run that was begun with these tables, and goes on.

        Raises:
            MigrationMismatchError: There is none, or it was begun with others.
        """
        run = await self.control.run()
        if run is None or run.ended:
            raise MigrationMismatchError(
                f"nothing of {self.name} has been copied yet; migrate first"
            )
        self._check_same_tables(run, tables)
        return run

    async def confirmed(self, run: Run, fingerprint: str, *, said: str | None) -> Run:
        """Return the run as it goes on with a transform that somebody has confirmed.

        Args:
            run: As it was begun.
            fingerprint: Of the transform as it is now.
            said: What somebody has confirmed.

        Raises:
            MigrationMismatchError: The transform is another one and nobody has confirmed just that;
                or others are at work with the one before.
        """
        if said not in (None, fingerprint):
            raise MigrationMismatchError(
                f"the transform of {self.name} is {fingerprint}, and not {said} as was confirmed;"
                " look at it again"
            )
        if run.fingerprint == fingerprint:
            return run
        if said is None:
            raise MigrationMismatchError(
                f"the transform of {self.name} has changed: it was {run.fingerprint} and is"
                f" {fingerprint}. What the one before has copied stays, and is to be verified under"
                " the new one. To retry the dead letters with it, confirm it by its fingerprint"
                f" (--fingerprint {fingerprint})"
            )
        await self._check_nobody_works(run)
        with begun():
            return await change_transform(self.control, run, fingerprint, self.clock)

    def _check_same_tables(self, run: Run, tables: tuple[str, str]) -> None:
        if (run.old, run.new) != tables:
            raise MigrationMismatchError(
                f"{self.name} was begun from {run.old} to {run.new}, and these tables are"
                f" {tables[0]} and {tables[1]}; give this migration another name, or begin anew"
                " with restart if they have been made anew"
            )
