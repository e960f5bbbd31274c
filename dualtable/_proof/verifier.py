"""The proof at the end: what the old table holds has arrived, and nothing else has.

The rule: a verification only reads, unless it is asked to copy what is missing; what it found is
recorded for the gate of the next phase. Its work is shared and resumed like that of the copy:

    board -> segment -> scan -> page -> transform -> look up -> judge -> look again
      ^                                                                       |
      +-------- checkpoint, with what was found <-----------------------------+
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable
from typing import Unpack

from dualtable._clock import Clock
from dualtable._control.connected import Connected, begun
from dualtable._control.control_table import Control, Limits
from dualtable._control.milestones import Milestones
from dualtable._control.run_records import Run
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._events.folder import events_folder
from dualtable._events.metering import metered
from dualtable._events.requests import Requests, roles
from dualtable._proof.estimate import Estimate
from dualtable._proof.findings import Findings, Level, VerificationProgress, VerificationReport
from dualtable._proof.mending import mend
from dualtable._proof.passes import Passes
from dualtable._proof.recording import record
from dualtable._proof.reporting import Extent
from dualtable._proof.sampling import Ceiling, SampleReport, drawn, segments_for
from dualtable._proof.shared import Copied, ProofRun, Proofs, agreed, wanted_run
from dualtable._proof.tables import Tables
from dualtable._proof.telling import Telling, findings_measured, last_word
from dualtable._sharing.board import Board, ControlBoard, MemoryBoard, name_of_migrator
from dualtable._sharing.crew import Crew
from dualtable._sharing.limits import SharedLimits
from dualtable._sharing.membership import Membership, check_tables
from dualtable._sharing.process import heap_set_aside, stopping_on
from dualtable._sharing.retries import Retries
from dualtable._tasks import beside
from dualtable._transforms.migration import Migration, check_flags, check_observer, check_range
from dualtable._wire.keys import check_key
from dualtable._wire.types import Key
from dualtable.errors import AccessError, InvalidSettingError

_log = logging.getLogger("dualtable.verifier")


class Verifier(Connected):
    """Proves that the new table holds what the old one yields.

    It may run beside production and, with what is not copied yet counted as missing, beside the
    migrator: whatever looks bad is read again before it is said. It refuses in `FINISHED`, where a
    delete leaves no trace. It may be stopped or killed at any point and started again; a second one
    beside a running one shares its segments. A verifier runs once; make another to go on.

    Args:
        migration: What was migrated.
        level: ``"keys"``: every key that the old table yields is in the new one, live or deleted.
            ``"content"`` (default): also, what was copied and not rewritten equals what the
            transform yields, the old items are as they were copied, and the new table holds nothing
            that came from nowhere.
        total_segments: Parts of the old table's scan; the new one is cut into as many, fewer where
            it is small. Default: as many as the copy has, so that changes of the old table can be
            told; where nothing was copied, four for each of `concurrency`.
        concurrency: Segments worked on at once.
        max_read_units: Ceiling of read units per second on each of the two tables. Default: the
            one in force, as for the `Migrator`; copy and verification share it, and it is kept.
        repair: Copy what is missing, only if it is absent, and prove it at once; as the migrator
            may, in no other phase. What differs stays as it is.
        restart: Begin anew, whatever has been looked at.
        observer: Called with a `VerificationProgress` twice a second at most, and once a second at
            least; it says what all processes have found so far.
        events: Folder for the events of this process, for `write_report`; `os.devnull` for nowhere.
            Default: ``<name of the migration>.events`` in the working directory.
        lease_seconds: How long a segment stays with a process that has stopped responding.
            Default: 30.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: A setting is out of range.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, Verifier
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     for table in ("orders", "orders-v2"):
        ...         await gateway.create_table({
        ...             "TableName": table,
        ...             "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...             "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...             "BillingMode": "PAY_PER_REQUEST",
        ...         })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}})
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await Verifier(migration, gateway=gateway).run()
        >>> asyncio.run(main()).examples
        (Example(kind='missing', key={'id': 'o-1'}, reason='not in orders-v2', paths=()),)
    """

    def __init__(
        self,
        migration: Migration,
        *,
        level: Level = "content",
        total_segments: int | None = None,
        concurrency: int = 16,
        max_read_units: float | None = None,
        repair: bool = False,
        restart: bool = False,
        observer: Callable[[VerificationProgress], None] | None = None,
        events: str | os.PathLike[str] | None = None,
        lease_seconds: float = 30.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        if level not in ("keys", "content"):
            raise InvalidSettingError(f"level={level!r} must be 'keys' or 'content'")
        check_range("concurrency", concurrency, 1, 1_000, whole=True, optional=False)
        check_range("total_segments", total_segments, 1, 499_999, whole=True)
        check_range("max_read_units", max_read_units, 0.001)
        check_range("lease_seconds", lease_seconds, 0.001, 3600, optional=False)
        check_flags(repair=repair, restart=restart)
        check_observer(observer)
        super().__init__(migration, clock, connection)
        self._level: Level = level
        self._concurrency = concurrency
        self._total_segments = total_segments
        self._max_read_units = max_read_units
        self._repair = repair
        self._restart = restart
        self._observer = observer
        self._events = events_folder(migration, events)
        self._lease_seconds = lease_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` finish its pages, store what was found, and return."""
        self._stopping.set()

    async def run(
        self, *, stop_on: Iterable[signal.Signals] = (), only: str = ""
    ) -> VerificationReport:
        """Read both tables and return what was found.

        Args:
            stop_on: Signals that stop it in an orderly way, as for `Migrator.run`.
            only: What `begin` has returned: take part in that verification and in no other; one
                that has ended is reported again.

        Raises:
            TableNotFoundError: One of the tables does not exist.
            MigrationMismatchError: The migration is in `FINISHED`; one of the tables was made anew
                while it was read; others are at work on a verification that is another one; or
                something is to be copied in a phase in which nothing may be, or by another
                transform than that of the copy.
            GatewayError: DynamoDB refused a request or stayed out of reach; what is settled stays.
        """
        retries, requests = Retries(), Requests(roles(self._migration))
        by = self._metrics, "verifier", self._migration, self._clock
        heard = metered(*by, besides=requests, on_retry=retries.note)
        async with self._connect(ONE_OFF, *heard) as gateway:
            with stopping_on(stop_on, self.stop), heap_set_aside():
                return await self._verify(await self._described(gateway, retries, requests), only)

    async def begin(self) -> str:
        """Begin a verification, or find the one to go on with, and look at nothing yet.

        Returns:
            Its identity, for `run` in as many processes as one likes.

        Raises:
            DualTableError: As for `run`.
            AccessError: The role may not write to the control table, so it cannot be shared.
        """
        async with self._connect(ONE_OFF) as gateway:
            _, _, run = await self._agreed_upon(await self._described(gateway))
            return run.id

    async def _described(
        self, gateway: Gateway, retries: Retries | None = None, requests: Requests | None = None
    ) -> Tables:
        await gateway.describe_table(self._migration.new)  # it shows within seconds what is wrong
        await self._proofs(gateway).check_phase()
        return await Tables.described(gateway, self._migration, self._clock, retries, requests)

    def _proofs(self, gateway: Gateway) -> Proofs:
        return Proofs(gateway, self._migration.control_table, self._migration.name)

    async def sample(self, items: int = 5_000) -> SampleReport:
        """Look at some old items that are drawn at random, and say what follows for all.

        Nothing is recorded, and the rest of the table is not read. What came from nowhere is not
        looked for. The items of one partition are drawn together, so a few large partitions tell
        less than the confidence promises. It keeps to the read ceiling in force, and to
        `max_read_units` where that is lower; during a pause it waits.

        Args:
            items: How many old items, about; 5,000 that are all well say with 99 % confidence that
                fewer than 93 in 100,000 are missing or different.

        Raises:
            InvalidSettingError: `items` is out of range.
            MigrationMismatchError: As for `run`.
            TableNotFoundError: One of the tables does not exist.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        check_range("items", items, 1, whole=True, optional=False)
        retries = Retries()
        async with self._connect(ONE_OFF, retries.note) as gateway:
            tables = await self._described(gateway, retries)
            copied = await Copied.look(gateway, self._migration)
            copied.check_tables(tables.old, tables.new)
            control = self._proofs(gateway)
            ceiling = Ceiling(control, tables.paces, self._clock, self._max_read_units)
            await ceiling.look()
            drawing = drawn(
                tables.comparison(self._level),
                items=items,
                total_segments=segments_for(int(tables.old.get("ItemCount", 0))),
                concurrency=self._concurrency,
            )
            with begun():
                report = await beside(drawing, ceiling.follow())
                await control.check_phase()  # a delete may have left no trace meanwhile
            return report

    async def repair_key(self, key: Key) -> tuple[str, ...]:
        """Copy one old item again, over a copy that differs.

        It is put over just what was seen, and only where that is a copy: what production has
        written or deleted stays. Of an item with more than some 140 attributes those alone are
        compared and changed that are otherwise. What is missing is for ``repair=True``.

        Args:
            key: The key in the new table, in plain values.

        Returns:
            The paths at which the copy was otherwise; none where it was as it should be.

        Raises:
            InvalidKeyError: It is no key of the new table.
            ConditionFailedError: There is no copy under this key, or no old item yields it.
            ConcurrentUpdateError: Somebody has written to the item meanwhile.
            InvalidItemError: More attributes are otherwise than can be compared in one request.
            MigrationMismatchError: The phase allows no copy, or the copy went by another transform.
            TransformError: The old item cannot be transformed.
            TableNotFoundError: One of the tables does not exist.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        async with self._connect(ONE_OFF) as gateway:
            tables = await self._described(gateway)
            migration, lineage = self._migration, tables.lineage
            wire = check_key(key, lineage.new.key, lineage.new.table)
            control = Milestones(gateway, migration.control_table, migration.name)
            await control.check_copying()
            copied = await Copied.look(gateway, migration)
            copied.check_tables(tables.old, tables.new)
            copied.check_transform(migration)
            if copied.run is None:
                return tuple(await mend(gateway, lineage, wire))
            member = self._member(gateway, control, copied.run)
            try:
                return tuple(await member.acting(lambda: mend(gateway, lineage, wire)))
            finally:
                await member.leave()

    async def _verify(self, tables: Tables, only: str) -> VerificationReport:
        try:
            proofs, copied, run = await self._agreed_upon(tables, only)
        except AccessError as error:
            if self._repair or only:
                raise
            _log.warning(
                "the role may not write to the control table, so this verification is not shared,"
                " not resumed, and no gate will open by it",
                extra={"reason": str(error)},
            )
            with begun():
                return await self._alone(tables)
        with begun():
            return await self._shared(tables, proofs, copied, run)

    async def _agreed_upon(self, tables: Tables, only: str = "") -> tuple[Proofs, Copied, ProofRun]:
        """Return the records, how the copy stands, and the verification that is gone on with."""
        migration = self._migration
        proofs = self._proofs(tables.gateway)
        copied = await Copied.look(tables.gateway, migration)
        copied.check_tables(tables.old, tables.new)
        if self._repair:
            copied.check_transform(migration)
            proofs.copied = copied
        mine = self._wanted(tables, copied)
        _log.info(
            "verification begins", extra=Estimate.of(tables.old, tables.new, mine.level).shown()
        )
        await proofs.check_apart_from(tables.old, tables.new)
        await proofs.ensure_table()
        run = await agreed(
            proofs, mine, self._clock, name=migration.name, restart=self._restart, only=only
        )
        return proofs, copied, run

    def _wanted(self, tables: Tables, copied: Copied) -> ProofRun:
        return wanted_run(
            self._migration,
            copied,
            tables.identities,
            level=self._level,
            segments_old=self._total_segments or copied.total_segments or 4 * self._concurrency,
            items_new=max(copied.items, int(tables.new.get("ItemCount", 0))),
            repairs=self._repair,
            now=self._clock.now(),
        )

    async def _alone(self, tables: Tables) -> VerificationReport:
        copied = await Copied.look(tables.gateway, self._migration)
        run = self._wanted(tables, copied)
        tables.paces.limit(self._max_read_units, None)
        passes = self._passes(tables, copied, run, MemoryBoard(run.total_segments, Findings))
        async with self._telling(tables, run).of(passes) as recorder:
            await passes.work()
            await check_tables(tables.gateway, self._migration, *tables.identities)
            await self._proofs(tables.gateway).check_phase()
            passes.check()
            report = passes.report()
            recorder.report = last_word(report)
        return report

    async def _shared(
        self, tables: Tables, proofs: Proofs, copied: Copied, run: ProofRun
    ) -> VerificationReport:
        """Do this process's part of a verification, and record what was found if it has ended."""
        membership = self._member(tables.gateway, proofs, run)
        await membership.confirm()
        limits = SharedLimits(proofs, membership, self._clock, tables.paces)
        await limits.join(Limits(self._max_read_units))
        passes = self._passes(tables, copied, run, ControlBoard(membership), membership)
        async with self._telling(tables, run, limits).of(passes) as recorder:
            await passes.work(limits.follow())
            await membership.renew()  # of another table, or where deletes are real, it is no proof
            passes.check()
            report = passes.report()
            recorder.report = last_word(report)
        if report.complete:
            await record(proofs, run, report, self._clock)
        await membership.leave()
        return report

    def _member(self, gateway: Gateway, control: Control, run: Run) -> Membership:
        me = name_of_migrator(), self._clock, self._lease_seconds
        return Membership(gateway, self._migration, control, run, *me)

    def _passes(
        self,
        tables: Tables,
        copied: Copied,
        run: ProofRun,
        board: Board,
        membership: Membership | None = None,
    ) -> Passes:
        repairs = tables.repairs(membership) if membership and run.repairs else None
        estimate = Estimate.of(tables.old, tables.new, run.level)
        return Passes(
            comparison=tables.comparison(run.level, repairs),
            crew=Crew(
                board=board,
                stopping=self._stopping,
                clock=self._clock,
                store_seconds=self._lease_seconds / 3,
                rooms=self._concurrency,
                most_open=self._concurrency,
            ),
            extent=Extent(
                total_segments=run.total_segments,
                segments_old=run.segments_old,
                items=estimate.items,
            ),
            copied=copied.segments if copied.tells_of(run) else (),
            page_items=estimate.page_items(self._concurrency),
            observer=findings_measured(self._metrics, self._observer),
        )

    def _telling(
        self, tables: Tables, run: ProofRun, limits: SharedLimits | None = None
    ) -> Telling:
        settings = {"concurrency": self._concurrency, "restart": self._restart}
        return Telling(self._events, tables, run, settings, limits)
