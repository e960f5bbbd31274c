"""How a migration stands, read off the control table, and what keeps the next gate closed.

The rule: it only reads, and what it says is what has been settled, by all runs on all machines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Self, Unpack

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._control.control_table import Limits
from dualtable._control.letters import DeadLetter
from dualtable._control.milestones import Milestones, Verification
from dualtable._control.phases import ROUTES, Phase, next_phase
from dualtable._control.run_records import Run
from dualtable._control.segments import Segment, total
from dualtable._copy.report import MigrationProgress, MigrationReport
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.cleanup import is_swept
from dualtable._operations.facts import Facts, Observatory, Word
from dualtable._operations.gates import Gate, judge, repositories
from dualtable._proof.shared import Proofs
from dualtable._sharing.heard import Heard, heard
from dualtable._transforms.migration import Migration
from dualtable._wire.layouts import identity
from dualtable._wire.types import Description
from dualtable.errors import TableNotFoundError


@attrs.frozen(kw_only=True)
class MigratorStatus:
    """A migrator that has not ended in an orderly way.

    Attributes:
        name: Host, process and a random part.
        alive: Whether it gives word in time; one that was killed does not.
        silent_seconds: How old its last word is.
        segments: How many segments it holds.
        leases_seconds: After how long about they come free, if it gives no further word; None
            where it holds none.
        items_per_second: Old items that it settled in the seconds before its last word; None, as
            are the others, where it has not said.
        read_units_per_second: Read units that it used on both tables.
        write_units_per_second: Write units.
        throttled_per_second: Requests and statements that DynamoDB throttled.
        held_back_by: What held it back.
        paused_by: Why its throttle lets it stand still; nothing where it does not.
    """

    name: str
    alive: bool
    silent_seconds: float
    segments: int
    leases_seconds: float | None = None
    items_per_second: float | None = None
    read_units_per_second: float | None = None
    write_units_per_second: float | None = None
    throttled_per_second: float | None = None
    held_back_by: str | None = None
    paused_by: str = ""

    @classmethod
    def of(cls, heard: Heard, segments: Iterable[Segment]) -> Self:
        """Return what a migrator's last word and its leases say of it."""
        word, silent = heard.word, heard.silent_seconds
        leases = [s.lease for s in segments if s.lease and s.lease.owner == word.migrator]
        return cls(
            name=word.migrator,
            alive=heard.at_work,
            silent_seconds=silent,
            segments=len(leases),
            leases_seconds=max(0.0, word.seconds - silent) if leases else None,
            paused_by=word.paused_by,
            **({} if word.doing is None else attrs.asdict(word.doing)),
        )


@attrs.frozen(kw_only=True)
class MigrationStatus:
    """How a migration stands.

    Attributes:
        name: The migration's name.
        phase: Its phase.
        phase_seconds: How long it has lasted; None where nobody has noted when it began.
        gate: The gate of the next phase; None where the new table does not exist yet.
        repositories: The repositories that are open or were not closed cleanly, as a gate has them.
        had_repositories: Whether a repository was ever open.
        verification: What the last verification found, and of what; None before one has ended.
        verification_counts: Whether it began after the last segment of this copy was done.
        total_segments: Segments of the scan; 0 before the first run.
        segments_done: Those that are done.
        segments_held: Those that a migrator is working on now.
        workers: The migrators that are at work; one that was killed is missing here as soon as
            half of its lease, 15 seconds by default, has passed without a word of it.
        migrators: What is known of each migrator that has not ended in an orderly way.
        verifiers: The same of those who are at work on a verification.
        verified_share: The share of it that is done, by segments; None where none is under way.
        made_anew: Names of the tables that have been made anew since the run began; what was done
            with them counts no more.
        swept: In ``FINISHED``, a cleanup has deleted all tombstones and nobody leaves any more.
        scanned: Old items settled by all runs; the next four say what became of them.
        written: New items put.
        already_present: New items whose key was there.
        dropped: Old items that the transform leaves out.
        dead_letters: Old items that could not be copied and have not been retried well since.
        estimated_items: Items of the old table as DynamoDB counts them every six hours or so.
        max_read_units: Ceiling of read units per second for all migrators together, None for none;
            0 is a pause.
        max_write_units: The same for write units.
        ttl_attribute: TTL attribute of the old table that the cut-over switches on in the new one.
        ttl_known: Whether that could be told; where not, TTL may be on in the old table.

    Example:
        >>> from dualtable import MigrationStatus, Phase
        >>> MigrationStatus(name="orders-v2", phase=Phase.MIGRATING).complete
        False
    """

    name: str
    phase: Phase
    phase_seconds: float | None = None
    gate: Gate | None = None
    repositories: tuple[Mapping[str, Any], ...] = ()
    had_repositories: bool = False
    verification: Verification | None = None
    verification_counts: bool = False
    total_segments: int = 0
    segments_done: int = 0
    segments_held: int = 0
    workers: tuple[str, ...] = ()
    migrators: tuple[MigratorStatus, ...] = ()
    verifiers: tuple[MigratorStatus, ...] = ()
    verified_share: float | None = None
    made_anew: tuple[str, ...] = ()
    swept: bool = False
    scanned: int = 0
    written: int = 0
    already_present: int = 0
    dropped: int = 0
    dead_letters: int = 0
    estimated_items: int = 0
    max_read_units: float | None = None
    max_write_units: float | None = None
    ttl_attribute: str | None = None
    ttl_known: bool = False

    @property
    def scan_done(self) -> bool:
        """Whether every segment is done; there may be dead letters all the same."""
        return 0 < self.total_segments == self.segments_done and not self.made_anew

    @property
    def paused(self) -> bool:
        """Whether a ceiling of 0 lets all migrators stand still."""
        return Limits(self.max_read_units, self.max_write_units).pause

    @property
    def items_per_second(self) -> float | None:
        """How many items all migrators together settle; None where none has said."""
        rates = [each.items_per_second for each in self.migrators if each.alive]
        known = [rate for rate in rates if rate is not None]
        return sum(known) if known else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on like this; None where that is not known."""
        if self.scan_done or not self.items_per_second or not self.estimated_items:
            return 0.0 if self.scan_done else None
        left = max(self.estimated_items - self.scanned, self.estimated_items * 0.01)
        return left / self.items_per_second

    @property
    def share_done(self) -> float | None:
        """The share of all runs, from 0 to 1; None before the first one."""
        if not self.total_segments:
            return None
        return MigrationProgress(
            report=MigrationReport(),
            scanned=self.scanned,
            estimated_items=self.estimated_items,
            segments_done=self.segments_done,
            total_segments=self.total_segments,
        ).share_done

    @property
    def complete(self) -> bool:
        """Whether every segment is done and no dead letter is open."""
        return self.scan_done and not self.dead_letters

    @property
    def ok(self) -> bool:
        """The same as `complete`."""
        return self.complete


async def read_status(
    migration: Migration, *, clock: Clock | None = None, **connection: Unpack[Connection]
) -> MigrationStatus:
    """Read how a migration stands.

    Args:
        migration: The migration.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        TableNotFoundError: The old table does not exist, and is still needed.
        MigrationMismatchError: It begins with a phase that somebody must note, and nobody has.
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, create_table, read_status
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     await create_table(migration, gateway=gateway)
        ...     return await read_status(migration, gateway=gateway)
        >>> asyncio.run(main()).phase.name
        'MIGRATING'
    """
    async with connect(connection, ONE_OFF) as gateway:
        clock = clock or SystemClock()
        observatory = Observatory(gateway, migration)
        old = await observatory.old_table()
        control, state = observatory.milestones, await observatory.state()
        if old is None and ROUTES[state.phase].asks_old:
            old = await gateway.describe_table(migration.old)
        limits, run = await control.limits(), await control.run()
        segments = await control.of(run).segments() if run else []
        everybody = await heard(control.of(run), clock) if run else ()
        now = clock.now()
        facts = await _facts(observatory, now)
        verification = await control.verification()
        alive = {each.word.migrator for each in everybody if each.at_work}
        done = total(segments)
        return MigrationStatus(
            name=migration.name,
            phase=state.phase,
            phase_seconds=None if state.since is None else max(0.0, now - state.since),
            gate=None if facts is None else judge(facts, next_phase(facts.state.phase)),
            repositories=() if facts is None else tuple(repositories(facts)),
            had_repositories=await control.had_repositories(),
            verification=verification,
            verification_counts=verification is not None
            and run is not None
            and verification.run == run.id
            and verification.copied,
            total_segments=run.total_segments if run else 0,
            segments_done=sum(segment.checkpoint.done for segment in segments),
            segments_held=sum(is_held(segment, alive) for segment in segments),
            workers=tuple(sorted(alive)),
            migrators=tuple(MigratorStatus.of(each, segments) for each in everybody),
            **await _under_way(gateway, migration, clock),
            made_anew=await _made_anew(gateway, migration, run, old) if old else (),
            swept=state.phase is Phase.FINISHED and await is_swept(control),
            scanned=done.scanned,
            written=done.written,
            already_present=done.already_present,
            dropped=done.dropped,
            dead_letters=done.failed,
            estimated_items=old.get("ItemCount", 0) if old else 0,
            **attrs.asdict(limits),
            ttl_attribute=state.ttl_attribute,
            ttl_known=state.ttl_known,
        )


async def read_dead_letters(
    migration: Migration, **connection: Unpack[Connection]
) -> list[DeadLetter]:
    """Read the dead letters of the present run that are open, from the control table.

    Args:
        migration: The migration.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Returns:
        One for each old item that is not copied, in no order, with its key and why, and never
        with its values.

    Raises:
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio, os
        >>> from decimal import Decimal
        >>> from dualtable import Convert, Migration, Migrator, create_table, read_dead_letters
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "total": {"S": "twelve"}})
        ...     migration = Migration("shop", "orders", "orders-v2", Convert("total", Decimal))
        ...     await create_table(migration, gateway=gateway)
        ...     await Migrator(migration, dead_letters=os.devnull, gateway=gateway).run()
        ...     return await read_dead_letters(migration, gateway=gateway)
        >>> (letter,) = asyncio.run(main())
        >>> letter.key, letter.reason
        ({'id': {'S': 'o-1'}}, "Convert('total') raised InvalidOperation in Decimal")
    """
    async with connect(connection, ONE_OFF) as gateway:
        control = Milestones(gateway, migration.control_table, migration.name)
        run = await control.run()
        if run is None:
            return []
        async with aclosing(control.of(run).letters.pages()) as pages:
            return [letter async for page in pages for letter in page]


async def _under_way(gateway: Gateway, migration: Migration, clock: Clock) -> dict[str, Any]:
    """Return who is at work on a verification, and how far it has come; nothing where none is."""
    proofs = Proofs(gateway, migration.control_table, migration.name)
    run = await proofs.run()
    everybody = await heard(proofs.of(run), clock) if run else ()
    if run is None or not everybody:
        return {}
    segments = await proofs.of(run).segments()
    done = sum(segment.checkpoint.done for segment in segments)
    return {
        "verifiers": tuple(MigratorStatus.of(each, segments) for each in everybody),
        "verified_share": done / run.total_segments,
    }


async def _facts(observatory: Observatory, now: float) -> Facts | None:
    try:
        return await observatory.look(Word(), now, None)
    except TableNotFoundError:
        return None


async def _made_anew(
    gateway: Gateway, migration: Migration, run: Run | None, old: Description
) -> tuple[str, ...]:
    """Return the names of the tables that are not those that the run began with."""
    if run is None:
        return ()
    try:
        new = identity(await gateway.describe_table(migration.new))
    except TableNotFoundError:
        new = ""
    pairs = ((migration.old, run.old, identity(old)), (migration.new, run.new, new))
    return tuple(name for name, before, now in pairs if before != now)


def is_held(segment: Segment, alive: Collection[str]) -> bool:
    """Tell whether a migrator that is alive works on a segment."""
    return segment.lease is not None and segment.lease.owner in alive
