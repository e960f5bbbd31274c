"""The control table: phase, run, segments, heartbeats; one small record each.

The rule: a record is stored only over the one that was read, holds keys at most and never an
item's values, and carries a schema version; a newer one than this code knows is refused.

    migration (HASH)  record (RANGE)   what
    orders-v2         state            phase, since when, TTL attribute of the old table
    orders-v2         run              transform fingerprint, total_segments, both tables
    orders-v2         segment#000012   lease, checkpoint, progress, revision
    orders-v2         repository#…     phase that a running repository goes by, when it said so
    orders-v2         migrators        ceilings in read and write units a second
    orders-v2         migrator#…       until when this migrator counts as being at work
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import attrs

from dualtable._control.phases import ROUTES, Phase, requirements
from dualtable._control.segments import Checkpoint, Lease, Progress, Segment
from dualtable._control.state import State
from dualtable._dynamodb.gateway import ConditionFailed, Gateway
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.types import Definition, Item, WireItem, WireKey
from dualtable._wire.values import equal_items
from dualtable.errors import LeaseLostError, MigrationMismatchError, TableNotFoundError

SCHEMA_VERSION = 1
_SEGMENT = "segment#"
_REPOSITORY = "repository#"
_LIMITS, _MIGRATOR = "migrators", "migrator#"
_ABSENT = Condition("attribute_not_exists(#m)", {"#m": "migration"})


@attrs.frozen
class Heartbeat:
    """A running repository's word that no operation of it will begin under an earlier phase."""

    repository: str
    phase: Phase
    at: float  # seconds since 1970
    host: str
    process: int
    step: int = 0  # of the migration; see `State`
    fingerprint: str = ""  # of the transform that it reads and writes by


@attrs.frozen
class Limits:
    """Ceilings in units a second for all migrators together; None is none, 0 is a pause."""

    max_read_units: float | None = None
    max_write_units: float | None = None


@attrs.frozen
class Sharing:
    """The ceilings, and how many migrators share them."""

    limits: Limits
    migrators: int


@attrs.frozen
class Run:
    """What all migrators of one migration must agree on; tables by `tables.identity`."""

    fingerprint: str
    total_segments: int
    old: str
    new: str


class Control:
    """The records of one migration."""

    def __init__(self, gateway: Gateway, table: str, migration: str) -> None:
        self._gateway = gateway
        self._table = table
        self._migration = migration

    async def ensure_table(self) -> None:
        """Create the control table where it does not exist."""
        try:
            await self._gateway.describe_table(self._table)
        except TableNotFoundError:
            await self._gateway.create_table(_definition(self._table))

    async def state(self) -> State:
        """Return the stored state; that of a migration that does not roll where there is none."""
        return await self.known_state() or State()

    async def known_state(self) -> State | None:
        """Return the stored state, None where there is none."""
        item = await self._get("state")
        if item is None:
            return None
        return State.of(item, self._phase(item))

    async def note_state(self, state: State) -> None:
        """Store the state of a new migration; one that is there already stays."""
        with suppress(ConditionFailed):
            await self._put("state", state.fields(), _ABSENT)

    async def check_copying(self) -> None:
        """Raise `MigrationMismatchError` in a phase in which the migrator may not run."""
        phase = (await self.state()).phase
        if not ROUTES[phase].copies:
            raise MigrationMismatchError(
                f"{self._migration} is in phase {phase}, in which nothing may be copied"
            )

    async def move(self, before: State, to: Phase, now: float) -> State:
        """Move from a state to another phase, unless somebody else has moved meanwhile.

        Args:
            before: The state as it was read.
            to: A phase that may follow.
            now: Seconds since 1970; when the new phase begins.

        Raises:
            MigrationMismatchError: The phase may never follow, or somebody else has moved.
        """
        requirements(before.phase, to)
        moved = before.moved(to, now)
        record = self._record("state", moved.fields())
        try:
            await self._gateway.put(self._table, record, _still(before))
        except ConditionFailed as failure:
            if failure.item is None or not equal_items(failure.item, record):
                raise MigrationMismatchError(
                    f"{self._migration} was moved from phase {before.phase} by somebody else"
                    " meanwhile; look at the status again"
                ) from None
        return moved

    async def advance(self, to: Phase, now: float) -> State:
        """Move to another phase from the one that is stored; see `move`."""
        return await self.move(await self.state(), to, now)

    async def heartbeats(self) -> list[Heartbeat]:
        """Return the last heartbeat of each repository that is open or was not closed cleanly."""
        return [_heartbeat(item) for item in await self._records(_REPOSITORY)]

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Store a repository's heartbeat over its last one."""
        fields = attrs.asdict(heartbeat, filter=attrs.filters.exclude("repository"))
        name = _REPOSITORY + heartbeat.repository
        await self._put(name, {**fields, "at": _number(heartbeat.at)})

    async def forget_heartbeat(self, repository: str) -> None:
        """Delete the heartbeat of a repository that has been closed, or is known to be dead."""
        await self._gateway.delete(self._table, self._key(_REPOSITORY + repository))

    async def run(self) -> Run | None:
        """Return what the first migrator has fixed, or None before there was one."""
        item = await self._get("run")
        if item is None:
            return None
        return Run(item["fingerprint"], int(item["total_segments"]), item["old"], item["new"])

    async def begin(self, run: Run) -> Run:
        """Fix what all migrators must agree on; return what was fixed first."""
        with suppress(ConditionFailed):
            await self._put("run", attrs.asdict(run), _ABSENT)
        return await self.run() or run

    async def restate(self, run: Run, fingerprint: str) -> Run:
        """Fix another fingerprint, unless somebody has by now; return what is fixed then."""
        wanted = attrs.evolve(run, fingerprint=fingerprint)
        still = Condition("#f = :f", {"#f": "fingerprint"}, {":f": {"S": run.fingerprint}})
        with suppress(ConditionFailed):
            await self._put("run", attrs.asdict(wanted), still)
        return await self.run() or wanted

    async def sharing(self, now: float) -> Sharing:
        """Return the ceilings and the number of migrators at work."""
        records = {item["record"]: item for item in await self._records(_MIGRATOR[:-1])}
        stored = records.pop(_LIMITS, {})
        limits = {name: stored.get(name) for name in attrs.fields_dict(Limits)}
        return Sharing(
            Limits(**{name: None if v is None else float(v) for name, v in limits.items()}),
            sum(item["until"] > now for item in records.values()),
        )

    async def set_limits(self, limits: Limits) -> None:
        """Store the ceilings; the last word counts."""
        fields = {name: v if v is None else _number(v) for name, v in attrs.asdict(limits).items()}
        await self._put(_LIMITS, fields)

    async def note_migrator(self, migrator: str, until: float) -> None:
        """Store until when a migrator counts as being at work."""
        await self._put(_MIGRATOR + migrator, {"until": _number(until)})

    async def forget_migrator(self, migrator: str) -> None:
        """Delete the record of a migrator that has ended."""
        await self._gateway.delete(self._table, self._key(_MIGRATOR + migrator))

    async def segments(self) -> list[Segment]:
        """Return the segments that anybody has worked on, in order."""
        return [_segment(item) for item in await self._records(_SEGMENT)]

    async def store(self, segment: Segment) -> None:
        """Store the next revision of a segment.

        Raises:
            LeaseLostError: Somebody else has stored one in the meantime.
        """
        condition = _ABSENT if segment.revision == 1 else _revision(segment.revision - 1)
        record = self._record(_segment_name(segment.number), _segment_fields(segment))
        try:
            await self._gateway.put(self._table, record, condition)
        except ConditionFailed as failure:
            if failure.item is not None and equal_items(failure.item, record):
                return  # a retry found what its first try had stored
            raise LeaseLostError(
                f"segment {segment.number} of {self._migration} has been taken over"
            ) from None

    async def forget_run(self) -> None:
        """Delete the run and its segments; state stays. The run goes last, so this can resume."""
        for item in await self._records(_SEGMENT):
            await self._gateway.delete(self._table, self._key(item["record"]))
        await self._gateway.delete(self._table, self._key("run"))

    async def _get(self, record: str) -> Item | None:
        try:
            item = await self._gateway.get(self._table, self._key(record), consistent_read=True)
        except TableNotFoundError:
            return None
        return None if item is None else self._read(item)

    async def _records(self, prefix: str) -> list[Item]:
        condition = Condition(
            "#m = :m AND begins_with(#r, :r)",
            {"#m": "migration", "#r": "record"},
            {":m": {"S": self._migration}, ":r": {"S": prefix}},
        )
        items: list[Item] = []
        start_key: WireKey | None = None
        while True:
            try:
                page = await self._gateway.query(self._table, condition, start_key=start_key)
            except TableNotFoundError:
                return []
            items += [self._read(item) for item in page.items]
            start_key = page.last_key
            if start_key is None:
                return items

    async def _put(
        self, record: str, fields: Mapping[str, Any], condition: Condition | None = None
    ) -> None:
        await self._gateway.put(self._table, self._record(record, fields), condition)

    def _phase(self, item: Item) -> Phase:
        try:
            return Phase(item["phase"])
        except ValueError:
            raise MigrationMismatchError(
                f"{self._migration} is in phase {item['phase']!r}, which this dualtable does not"
                " know; upgrade it"
            ) from None

    def _key(self, record: str) -> WireKey:
        return {"migration": {"S": self._migration}, "record": {"S": record}}

    def _record(self, record: str, fields: Mapping[str, Any]) -> WireItem:
        return {**self._key(record), **codec.encode({"schema_version": SCHEMA_VERSION, **fields})}

    def _read(self, wire: WireItem) -> Item:
        item = codec.decode(wire)
        if item["schema_version"] > SCHEMA_VERSION:
            raise MigrationMismatchError(
                f"{self._table} holds records of {self._migration} in schema"
                f" {item['schema_version']}, this dualtable knows {SCHEMA_VERSION}; upgrade it"
            )
        return item


def _definition(table: str) -> Definition:
    names = (("migration", "HASH"), ("record", "RANGE"))
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n, _ in names],
        "KeySchema": [{"AttributeName": n, "KeyType": kind} for n, kind in names],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _segment_name(number: int) -> str:
    return f"{_SEGMENT}{number:06}"  # DynamoDB allows 1,000,000 segments


def _still(before: State) -> Condition:
    """The stored state is this one; one that nobody has stored is the default."""
    step = Condition("#s = :s", {"#s": "step"}, {":s": {"N": str(before.step)}})
    if before.step:
        return step
    names = {"#p": "phase", **step.names, **_ABSENT.names}
    return Condition(
        f"#p = :p AND ({step.expression} OR attribute_not_exists(#s)) OR {_ABSENT.expression}",
        names,
        {":p": {"S": before.phase.value}, **step.values},
    )


def _heartbeat(item: Item) -> Heartbeat:
    return Heartbeat(
        repository=item["record"].removeprefix(_REPOSITORY),
        phase=Phase(item["phase"]),
        at=float(item["at"]),
        host=item["host"],
        process=int(item["process"]),
        step=int(item.get("step", 0)),
        fingerprint=item.get("fingerprint", ""),
    )


def _revision(revision: int) -> Condition:
    return Condition("#v = :v", {"#v": "revision"}, {":v": {"N": str(revision)}})


def _segment_fields(segment: Segment) -> dict[str, Any]:
    last_key = segment.checkpoint.last_key
    return {
        "lease": segment.lease
        and {"owner": segment.lease.owner, "until": _number(segment.lease.until)},
        "last_key": last_key and codec.decode(last_key),
        "done": segment.checkpoint.done,
        "progress": {
            name: _number(count) for name, count in attrs.asdict(segment.progress).items()
        },
        "revision": segment.revision,
    }


def _segment(item: Item) -> Segment:
    lease, last_key = item["lease"], item["last_key"]
    return Segment(
        number=int(item["record"].removeprefix(_SEGMENT)),
        lease=lease and Lease(lease["owner"], float(lease["until"])),
        checkpoint=Checkpoint(last_key and codec.encode(last_key), item["done"]),
        progress=Progress(**item["progress"]),
        revision=int(item["revision"]),
    )


def _number(value: float) -> Decimal:
    return Decimal(str(value))
