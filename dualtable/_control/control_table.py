"""The control table: phase, run, ceilings, heartbeats; one small record each.

The rule: what somebody may have changed meanwhile is stored only over what was read.

    migration (HASH)  record (RANGE)        what
    orders-v2         state                 phase, since when, TTL attribute of the old table
    orders-v2         run                   its identity, transform, total_segments, both tables
    orders-v2         segment#RUN#000012    lease, checkpoint, progress, revision; of many segments,
                                            under orders-v2#RUN#0003 for each group
    orders-v2         letter#RUN#…          an old item that was not copied, and why
    orders-v2         migrator#RUN#…        until when this migrator counts as being at work
    orders-v2         ceilings              read and write units a second for all migrators
    orders-v2         repository#…          phase that a running repository goes by, and since when

What belongs to a run has its identity in its name, so nothing that an earlier run began can count
in a later one; see `run_records`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import ClassVar

import attrs

from dualtable._control.phases import ROUTES, Phase, requirements
from dualtable._control.records import ABSENT, Records, name, number
from dualtable._control.run_records import Run, RunRecords, Word
from dualtable._control.segments import Progress
from dualtable._control.state import State
from dualtable._dynamodb.gateway import ConditionFailed, Gateway, TimeToLive
from dualtable._expressions.texts import Condition
from dualtable._wire.layouts import check_apart, check_usable, identity
from dualtable._wire.types import Definition, Description, Item
from dualtable._wire.values import equal_items
from dualtable.errors import MigrationMismatchError, TableNotFoundError

_REPOSITORY = "repository#"
REPOSITORIES = "repositories"
_CEILINGS = "ceilings"


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

    def acknowledges(self, state: State) -> bool:
        """Tell whether it was given under this state, or a later one."""
        return self.step >= state.step


@attrs.frozen
class Limits:
    """Ceilings in units a second for all migrators together; None is none, 0 is a pause.

    Attributes:
        max_read_units: Of reads, on each of the two tables.
        max_write_units: Of writes, the indexes of the new table included.
    """

    max_read_units: float | None = None
    max_write_units: float | None = None

    @property
    def pause(self) -> bool:
        """Whether nothing can be copied by them."""
        return 0 in (self.max_read_units, self.max_write_units)


@attrs.frozen
class Ceilings:
    """The ceilings in force, and those that a pause has set aside."""

    in_force: Limits = Limits()
    before: Limits | None = None
    revision: int = attrs.field(default=0, eq=False)  # as they were read

    def changed(self, **changes: float | None) -> Ceilings:
        """Return them with other numbers, which a pause's end does not take back."""
        before = self.before and attrs.evolve(self.before, **changes)
        return Ceilings(attrs.evolve(self.in_force, **changes), before)

    def given(self, **changes: float | None) -> Ceilings:
        """Return them as a migrator is given them: that one begins ends no pause."""
        if self.before is None or not self.in_force.pause:
            return self.changed(**changes)
        return attrs.evolve(self, before=attrs.evolve(self.before, **changes))

    def paused(self) -> Ceilings:
        """Return them at 0; what was in force before the first pause is kept."""
        return Ceilings(Limits(0.0, 0.0), self.before or self.in_force)

    def resumed(self) -> Ceilings:
        """Return them as before the pause; one that was 0 then is lifted, since all shall go on."""
        return Ceilings(Limits(*(v or None for v in attrs.astuple(self.before or self.in_force))))


class Control:
    """The records of one migration; `run` is the copy's, unless a subclass is about another run."""

    run_record: ClassVar[str] = "run"
    run_type: ClassVar[type[Run]] = Run
    progress_type: ClassVar[type[Progress]] = Progress

    def __init__(self, gateway: Gateway, table: str, migration: str) -> None:
        self._records = Records(gateway, table, migration)
        self._gateway = gateway
        self._table = table
        self._migration = migration

    async def check_apart_from(self, *tables: Description) -> None:
        """Raise `TableMismatchError` where the control table is one of these."""
        with suppress(TableNotFoundError):
            own = await self._gateway.describe_table(self._table)
            check_apart({t["TableName"]: identity(t) for t in (*tables, own)})

    async def ensure_table(self) -> None:
        """Create the control table where it does not exist."""
        try:
            check_usable(await self._gateway.describe_table(self._table))
        except TableNotFoundError:
            await self._gateway.create_table(_definition(self._table))

    async def state(self) -> State:
        """Return the stored state; that of a migration that does not roll where there is none."""
        return await self.known_state() or State()

    async def known_state(self) -> State | None:
        """Return the stored state, None where there is none."""
        return await self._records.get("state", self._state)

    async def note_state(self, state: State) -> None:
        """Store the state of a new migration; one that is there already stays."""
        with suppress(ConditionFailed):
            await self._records.put("state", state.fields(), ABSENT)

    async def note_ttl(self, ttl: TimeToLive | None) -> None:
        """Add to the state what could not be known of TTL when it was first stored."""
        state = await self.state()
        known = state.with_ttl(ttl)
        if known is not state:  # whoever moves it meanwhile will be asked again by `create`
            with suppress(ConditionFailed):
                await self._records.put("state", known.fields(), _still(state))

    async def check_copying(self) -> None:
        """Raise `MigrationMismatchError` in a phase in which the migrator may not run."""
        phase = (await self.state()).phase
        if not ROUTES[phase].copies:
            raise MigrationMismatchError(
                f"{self._migration} is in phase {phase}, in which nothing may be copied;"
                " dualtable status says how to go on"
            )

    async def check_phase(self) -> None:
        """Raise `MigrationMismatchError` in a phase in which nobody may work on the run."""
        await self.check_copying()

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
        record = self._records.wire("state", moved.fields())
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
        return await self._records.list(_REPOSITORY, _heartbeat)

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Store a repository's heartbeat over its last one."""
        fields = attrs.asdict(heartbeat, filter=attrs.filters.exclude("repository"))
        record = _REPOSITORY + heartbeat.repository
        await self._records.put(record, {**fields, "at": number(heartbeat.at)})

    async def forget_heartbeat(self, repository: str) -> None:
        """Delete the heartbeat of a repository that has been closed, or is known to be dead.

        That there has been one stays.
        """
        await self._records.put(REPOSITORIES, {})
        await self._records.delete(_REPOSITORY + repository)

    async def run(self) -> Run | None:
        """Return what the first migrator has fixed, or None before there was one."""
        return await self._records.get(self.run_record, self.run_type.of)

    async def begin(self, run: Run) -> Run:
        """Fix what all migrators must agree on; return what was fixed first."""
        with suppress(ConditionFailed):
            await self._records.put(self.run_record, run.fields(), ABSENT)
        return await self.run() or run

    async def words_for(self, run: Run) -> list[Word]:
        """Return the last words of all who may copy for a run: some who verify copy, too."""
        return await self.of(run).all_words()

    async def restate(self, run: Run, fingerprint: str) -> Run:
        """Fix another fingerprint, unless somebody has by now; return what is fixed then."""
        wanted = attrs.evolve(run, fingerprint=fingerprint)
        with suppress(ConditionFailed):
            await self._records.put(self.run_record, wanted.fields(), _still_of(run))
        return await self.run() or wanted

    async def change_transform(self, run: Run, fingerprint: str) -> Run:
        """Let the run go on with another transform; what the present one has copied stays.

        Raises:
            MigrationMismatchError: Somebody else has changed it, or begun anew, meanwhile.
        """
        changed = attrs.evolve(
            run, fingerprint=fingerprint, earlier=(*run.earlier, run.fingerprint)
        )
        return await self._changed(run, changed)

    async def end(self, run: Run) -> Run:
        """Let nobody join a run, or go on with it, any more; return it as it is then.

        Raises:
            MigrationMismatchError: Somebody else has begun anew in the meantime.
        """
        return await self._changed(run, attrs.evolve(run, ended=True))

    async def _changed(self, run: Run, changed: Run) -> Run:
        """Store a run otherwise, over what was read of it."""
        try:
            await self._records.put(self.run_record, changed.fields(), _still_of(run))
        except ConditionFailed:
            if await self.run() != changed:
                raise MigrationMismatchError(
                    f"somebody else has begun {self._migration} anew, or changed its transform;"
                    " look at the status again"
                ) from None
        return changed

    async def forget(self, run: Run) -> None:
        """Delete a run that has ended; state and ceilings stay. Its own record goes last."""
        await self.of(run).forget()
        with suppress(ConditionFailed):  # somebody else was as far
            await self._records.delete(self.run_record, _still_of(run))

    def of(self, run: Run, progress: type[Progress] | None = None) -> RunRecords:
        """Return the records of one run; of another kind of work where its progress says so."""
        return RunRecords(self._records, run, progress or self.progress_type)

    async def limits(self) -> Limits:
        """Return the ceilings in force."""
        return (await self.ceilings()).in_force

    async def set_limits(self, limits: Limits) -> None:
        """Store ceilings that hold from now on, and forget a pause."""
        await self.change_ceilings(lambda _: Ceilings(limits))

    async def ceilings(self) -> Ceilings:
        """Return the ceilings in force, and those of before a pause."""
        return await self._records.get(_CEILINGS, _ceilings) or Ceilings()

    async def change_ceilings(self, change: Callable[[Ceilings], Ceilings]) -> Ceilings:
        """Store what becomes of the ceilings, over just those that it was made of; return it."""
        while (changed := change(found := await self.ceilings())) != found:
            before = changed.before and _numbers(changed.before)
            fields = {"before": before, "revision": found.revision + 1}
            with suppress(ConditionFailed):  # somebody else has changed them meanwhile
                await self._records.put(
                    _CEILINGS, _numbers(changed.in_force) | fields, _still_so(found)
                )
                break
        return changed

    async def check_exists(self) -> None:
        """Raise `MigrationMismatchError` where nobody has created or begun the migration."""
        if await self.known_state() is None and await self.run() is None:
            raise MigrationMismatchError(
                f"there is no migration {self._migration!r} in {self._table}; create it first"
                " (dualtable create), or look at its name and at the region"
            )

    def _state(self, item: Item) -> State:
        return State.of(item, self._phase(item))

    def _phase(self, item: Item) -> Phase:
        try:
            return Phase(item["phase"])
        except ValueError:
            raise MigrationMismatchError(
                f"{self._migration} is in phase {item['phase']!r}, which this dualtable does not"
                " know; upgrade it"
            ) from None


def _definition(table: str) -> Definition:
    names = (("migration", "HASH"), ("record", "RANGE"))
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n, _ in names],
        "KeySchema": [{"AttributeName": n, "KeyType": kind} for n, kind in names],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _still(before: State) -> Condition:
    """The stored state is this one; one that nobody has stored is the default."""
    step = Condition("#s = :s", {"#s": "step"}, {":s": {"N": str(before.step)}})
    if before.step:
        return step
    names = {"#p": "phase", **step.names, **ABSENT.names}
    return Condition(
        f"#p = :p AND ({step.expression} OR attribute_not_exists(#s)) OR {ABSENT.expression}",
        names,
        {":p": {"S": before.phase.value}, **step.values},
    )


def _still_of(run: Run) -> Condition:
    """The stored run is this one, and as it was read."""
    return Condition(
        "#i = :i AND #f = :f AND #e = :e",
        {"#i": "id", "#f": "fingerprint", "#e": "ended"},
        {":i": {"S": run.id}, ":f": {"S": run.fingerprint}, ":e": {"BOOL": run.ended}},
    )


def _still_so(found: Ceilings) -> Condition:
    """The stored ceilings are these; or there are none."""
    if not found.revision:
        return Condition("attribute_not_exists(#v)", {"#v": "revision"})
    return Condition("#v = :v", {"#v": "revision"}, {":v": {"N": str(found.revision)}})


def _heartbeat(item: Item) -> Heartbeat:
    return Heartbeat(
        repository=name(item).removeprefix(_REPOSITORY),
        phase=Phase(item["phase"]),
        at=float(item["at"]),
        host=item["host"],
        process=int(item["process"]),
        step=int(item.get("step", 0)),
        fingerprint=item.get("fingerprint", ""),
    )


def _ceilings(item: Item) -> Ceilings:
    before = item.get("before")
    revision = int(item.get("revision", 0))
    return Ceilings(_limits(item), None if before is None else _limits(before), revision)


def _limits(item: Item) -> Limits:
    stored = {field: item.get(field) for field in attrs.fields_dict(Limits)}
    return Limits(**{field: None if v is None else float(v) for field, v in stored.items()})


def _numbers(limits: Limits) -> dict[str, Decimal | None]:
    return {name: v if v is None else number(v) for name, v in attrs.asdict(limits).items()}
