"""The one-off copy: scan the old table, transform, put into the new one what is not there yet.

The rule: the copy never overwrites (I2) and never writes to `old` (I5), and it begins only where
all that an earlier run has fixed is still the same. How it goes on from there:

    board -> segment -> scan -> page -> transform -> shuffle -> batch -> new table
      ^                          |                                         |
      +-------- checkpoint <-----+----------- every copy is settled <------+
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Unpack

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.connected import Connected, begun
from dualtable._control.control_table import Control, Limits
from dualtable._control.inherited import check_marks, note_marks
from dualtable._control.milestones import Milestones
from dualtable._control.run_records import Run as RunRecord
from dualtable._copy.agreement import Agreement
from dualtable._copy.dead_letters import dead_letters_at, default_dead_letters
from dualtable._copy.lately import Lately
from dualtable._copy.page_size import PageSize, default_segments, told_item_bytes
from dualtable._copy.report import MigrationReport, Observer
from dualtable._copy.run import ROOMS_EACH, Run
from dualtable._copy.segment_copy import Destination
from dualtable._copy.telling import Told
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._events.folder import events_folder
from dualtable._events.metering import IntervalMeter, metered
from dualtable._events.recorder import Recorder
from dualtable._events.requests import Requests, roles
from dualtable._events.told import event_file
from dualtable._sharing.board import Board, ControlBoard, MemoryBoard, name_of_migrator
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.limits import SharedLimits
from dualtable._sharing.membership import Membership, check_tables
from dualtable._sharing.process import heap_set_aside, stopping_on
from dualtable._sharing.retries import Retries
from dualtable._sharing.throttle import Throttle, Throttling, checked
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration, check_flags, check_observer, check_range
from dualtable._wire.layouts import check_usable, identity, layout
from dualtable._wire.sizes import MOST_SCAN_UNITS
from dualtable._wire.types import Description
from dualtable.errors import InvalidSettingError

DEFAULT_CONCURRENCY = 16


class Migrator(Connected):
    """Copies every item of the old table that is not in the new one yet.

    It may be stopped or killed at any point and started again, on this machine or another; a second
    one beside a running one shares its segments. A segment whose migrator was killed is taken over
    once its lease of `lease_seconds` has run out. A migrator runs once; make another to go on.

    Args:
        migration: What to migrate. Both tables must exist.
        total_segments: Parts of the scan; fixed by the first run. Default: four for each of
            `concurrency`; more where each still has 4 MB, up to 64 for each of `concurrency`; and
            one for each GB in any case, at most 10,000. Each is sent no faster than one partition
            takes it, 1,000 write units a second, so a few alone leave a large table idle.
        concurrency: Batches under way to the new table at once. Twice as many segments are worked
            on, and others in place of those whose key range is throttled. Default: 16.
        page_items: Old items read at once, at most; after each page a checkpoint is stored.
            Default: so many that all pages on their way have 8 MB and are written in five seconds;
            a number of yours sets both bounds aside.
        max_read_units: Ceiling of read units per second on each of the two tables. Default: the
            one in force; where there is none, 97 % of what is provisioned, or what an on-demand
            table turns out to give.
        max_write_units: Ceiling of write units per second on the new table, its indexes included.
            Default: as for `max_read_units`. Ceilings hold for all migrators of the migration
            together, are kept in the control table, and can be changed there while they run.
        dead_letters: Path of the JSON lines file for items that could not be copied, beside what
            the control table knows of them. Default: ``<name of the migration>.dead-letters.jsonl``
            in the working directory, with ``.dry-run`` before it for a dry run. Lines of another
            run are moved to a file of that run's name; a dry run leaves them alone and refuses the
            path. ``s3://bucket/prefix`` is a folder in S3, by the same session: an object for each
            page that has dead letters, in a folder of the run.
        events: Folder for the events of this run, from which ``dualtable report`` is made: a small
            file of numbers, never of keys or values. Default: ``<name of the migration>.events``
            beside the dead letters, or in the working directory where those are in S3; `os.devnull`
            for none.
        throttle: Asked every two seconds whether to stand still: a callable, asynchronous or not,
            that returns True or the reason to pause, and False or None to go on. An error of it
            pauses, too, as does an answer that takes over 10 s; ``dualtable status`` says why.
        dry_run: Scan and transform everything, and write nothing to any table; failures go to the
            dead letters. It goes by the ceilings that are given here, not by those that are kept.
        restart: Forget the checkpoints, the transform's fingerprint and the tables, and begin anew;
            items in the new table stay as they are.
        observer: Called with a `MigrationProgress` after each page, and each second in which there
            was none; on the event loop, so it must not take long.
        lease_seconds: How long a segment stays with a migrator that has stopped responding.
            Default: 30.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: A setting is out of range or of another kind, or the dead letters
            cannot be written.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Migrator, Move
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
        ...     return await Migrator(migration, gateway=gateway).run()
        >>> asyncio.run(main()).written
        1
    """

    def __init__(
        self,
        migration: Migration,
        *,
        total_segments: int | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        page_items: int | None = None,
        max_read_units: float | None = None,
        max_write_units: float | None = None,
        dead_letters: str | os.PathLike[str] | None = None,
        events: str | os.PathLike[str] | None = None,
        throttle: Throttle | None = None,
        dry_run: bool = False,
        restart: bool = False,
        observer: Observer | None = None,
        lease_seconds: float = 30.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        check_range("total_segments", total_segments, 1, 1_000_000, whole=True)
        check_range("concurrency", concurrency, 1, 1_000, whole=True, optional=False)
        check_range("page_items", page_items, 1, 1_000_000, whole=True)
        check_range("max_read_units", max_read_units, 0.001)
        check_range("max_write_units", max_write_units, 0.001)
        check_range("lease_seconds", lease_seconds, 0.001, 3600, optional=False)
        check_flags(dry_run=dry_run, restart=restart)
        check_observer(observer)
        super().__init__(migration, clock, connection)
        self._total_segments = total_segments
        self._concurrency = concurrency
        self._page_items = page_items
        self._limits = Limits(max_read_units, max_write_units)
        if dead_letters in (None, ""):
            dead_letters = default_dead_letters(migration, dry_run=dry_run)
        self._dead_letters = dead_letters_at(dead_letters, connection)
        self._events = events_folder(migration, events, beside=self._dead_letters.path)
        self._throttle = checked(throttle)
        self._dry_run, self._restart = dry_run, restart
        self._observer = observer
        self._lease_seconds = lease_seconds
        self._stopping = asyncio.Event()
        self._workers = 1

    def stop(self) -> None:
        """Let `run` finish its pages, store their checkpoints, and return."""
        self._stopping.set()

    async def run(self, *, stop_on: Iterable[signal.Signals] = ()) -> MigrationReport:
        """Copy until every segment is done or `stop` is called.

        Args:
            stop_on: Signals that stop the run in an orderly way, such as ``SIGINT, SIGTERM``; a
                second one has its usual effect. Only in the main thread.

        Returns:
            What this run did. A finished migration returns at once with ``complete=True``.

        Raises:
            DualTableError: The dead letters cannot be written, or `stop_on` cannot be handled.
            TableNotFoundError: One of the tables does not exist.
            TableMismatchError: One is being deleted; or an earlier migration has filled the old one
                with tombstones or tokens of other names.
            MigrationMismatchError: An earlier run had another transform or number of segments; the
                phase allows no copy; or, in mid-run, somebody has begun anew, or a table has been
                made anew.
            GatewayError: DynamoDB refused a request or stayed out of reach; what is settled stays.
        """
        retries, requests = Retries(), Requests(roles(self._migration))
        by = self._metrics, "migrator", self._migration, self._clock
        heard = metered(*by, requests, on_retry=retries.note)
        async with self._connect(ONE_OFF, *heard) as gateway:
            with stopping_on(stop_on, self.stop), heap_set_aside():
                tables = await self._described(gateway, retries, requests)
                return await (self._rehearse(tables) if self._dry_run else self._copy(tables))

    async def begin(self, *, workers: int = 1) -> str:
        """Fix what all migrators must agree on, and copy nothing yet.

        So whatever stands in the way shows before any worker has begun, and with ``restart=True``
        only one process forgets what there was; the migrators that follow just go on.

        Args:
            workers: How many migrators will follow; a new run gets segments enough for them.

        Returns:
            The identity of the run.

        Raises:
            DualTableError: As for `run`; or it is a dry run, which fixes nothing.
        """
        check_range("workers", workers, 1, 10_000, whole=True, optional=False)
        if self._dry_run:
            raise InvalidSettingError("dry_run=True begins no run: it writes nothing; call run()")
        self._workers = workers
        async with self._connect(ONE_OFF) as gateway:
            tables = await self._described(gateway, Retries(), Requests({}))
            _, run, _ = await self._agreed_upon(tables)
            return run.id

    async def _described(self, gateway: Gateway, retries: Retries, requests: Requests) -> _Tables:
        old = await gateway.describe_table(self._migration.old)
        new = await gateway.describe_table(self._migration.new)
        for table in (old, new):
            check_usable(table)
        retries.paces = Paces.of(old, new, self._clock)
        return _Tables(gateway, old, new, retries.paces, retries, requests)

    async def _rehearse(self, tables: _Tables) -> MigrationReport:
        await check_marks(tables.gateway, self._migration, identity(tables.old))
        tables.paces.limit(self._limits.max_read_units, self._limits.max_write_units)
        await self._dead_letters.begin(None)
        board = MemoryBoard(self._wanted_segments(tables.old))
        with begun():
            run = self._run(tables, board, None)
            throttling = Throttling(self._throttle, self._clock, tables.paces)
            async with self._telling(tables, run, throttling) as recorder:
                await throttling.ask()
                report = await run.work(throttling.follow())
                recorder.report = attrs.asdict(report)
                await check_tables(tables.gateway, self._migration, *tables.identities)
                run.check()
            return report

    async def _agreed_upon(self, tables: _Tables) -> tuple[Control, RunRecord, bool]:
        """Return the records, the run that is gone on with, and whether it is begun just now."""
        control = Milestones(tables.gateway, self._migration.control_table, self._migration.name)
        await control.check_apart_from(tables.old, tables.new)
        await control.ensure_table()
        await control.check_copying()
        await check_marks(tables.gateway, self._migration, identity(tables.old), filled=True)
        old, new = tables.identities
        mine = RunRecord(
            id=secrets.token_hex(8),
            fingerprint=self._migration.fingerprint,
            total_segments=self._wanted_segments(tables.old),
            old=old,
            new=new,
        )
        agreement = Agreement(control, self._migration.name, self._clock)
        earlier = await agreement.earlier(mine, restart=self._restart)
        run = await agreement.of(mine, earlier, total_segments=self._total_segments)
        return control, run, earlier is None

    async def _copy(self, tables: _Tables) -> MigrationReport:
        control, run, fresh = await self._agreed_upon(tables)
        clock, seconds = self._clock, self._lease_seconds
        membership = Membership(
            tables.gateway, self._migration, control, run, name_of_migrator(), clock, seconds
        )
        await self._dead_letters.begin(run.id)
        with begun():
            return await self._copy_as(membership, tables, fresh=fresh)

    async def _copy_as(
        self, membership: Membership, tables: _Tables, *, fresh: bool
    ) -> MigrationReport:
        """Do this migrator's part of a run."""
        await membership.confirm()
        await note_marks(tables.gateway, self._migration, membership.run.new)
        limits = SharedLimits(membership.control, membership, self._clock, tables.paces)
        await limits.join(self._limits)
        to = Destination.of(
            tables.new,
            tables.paces,
            tables.retries,
            membership,
            concurrency=self._concurrency,
            fresh=fresh and not self._restart,
        )
        run = self._run(tables, ControlBoard(membership), to)
        throttling = Throttling(self._throttle, self._clock, tables.paces)
        membership.paused_by = lambda: throttling.reason
        async with self._telling(tables, run, throttling, limits) as recorder:
            await throttling.ask()
            report = await run.work(to.writer.run(), limits.follow(), throttling.follow())
            recorder.report = attrs.asdict(report)
            await membership.renew()  # what has been copied into another table is not complete
            await membership.leave()
            run.check()
        return report

    def _telling(
        self,
        tables: _Tables,
        run: Run,
        throttling: Throttling,
        limits: SharedLimits | None = None,
    ) -> AbstractAsyncContextManager[Recorder]:
        """Tell of a run what goes on inside the block."""
        consumed = self._clock, tables.requests, tables.paces, tables.retries, limits
        told = Told(*consumed, run=run, throttling=throttling)
        run.lately = Lately(told.so_far)
        if limits is not None:
            limits.membership.doing = Lately(told.so_far).doing
        file = event_file(
            self._events,
            "migrate",
            self._migration,
            name_of_migrator() if limits is None else limits.membership.migrator,
            self._clock,
            tables={"old": tables.old, "new": tables.new},
            total_segments=run.board.total_segments,
            settings={
                "concurrency": self._concurrency,
                "page_items": self._page_items,
                "dry_run": self._dry_run,
                "restart": self._restart,
                "dead_letters": str(self._dead_letters),
            },
        )
        meter = None if self._metrics is None else IntervalMeter(self._metrics)
        return Recorder(self._clock, told.so_far, file, meter).telling()

    def _run(self, tables: _Tables, board: Board, destination: Destination | None) -> Run:
        reads = tables.paces.reads
        return Run(
            gateway=tables.gateway,
            board=board,
            lineage=Lineage.of(self._migration, layout(tables.old), layout(tables.new)),
            destination=destination,
            reads=PaidReads(reads.bucket, MOST_SCAN_UNITS, reads),
            page_size=PageSize(
                self._page_items,
                told_item_bytes(tables.old),
                min(ROOMS_EACH * self._concurrency, board.total_segments),
                tables.paces,
            ),
            dead_letters=self._dead_letters,
            observer=self._observer,
            stopping=self._stopping,
            retries=tables.retries,
            clock=self._clock,
            concurrency=self._concurrency,
            store_seconds=self._lease_seconds / 3,
            estimated_items=tables.old.get("ItemCount", 0),
        )

    def _wanted_segments(self, old: Description) -> int:
        if self._total_segments is not None:
            return self._total_segments
        return default_segments(old, self._concurrency * self._workers)


@attrs.frozen
class _Tables:
    """The two tables of one run, and how they are dealt with."""

    gateway: Gateway
    old: Description
    new: Description
    paces: Paces
    retries: Retries
    requests: Requests

    @property
    def identities(self) -> tuple[str, str]:
        """What tells both tables from others that may have their names later."""
        return identity(self.old), identity(self.new)
