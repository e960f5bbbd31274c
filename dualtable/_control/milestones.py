"""What gates depend on and no run holds: what was seen, found and said, one small record each.

The rule: a record says what was so when somebody looked; the gate judges whether it still counts.

    migration (HASH)  record (RANGE)   what
    orders-v2         tables           both tables as they were in the beginning
    orders-v2         verification     the last one that ended: of which run, and what it found
    orders-v2         expiry           the attribute by which items shall expire in the new table
    orders-v2         policy           the old table's policy before a denial of ours was added
    orders-v2         cleanup          the last sweep that was begun; its segments are a run.s
    orders-v2         repositories     a repository was closed; there has been one
    orders-v2         dead#…           a repository that an operator has declared dead, and when
"""

from __future__ import annotations

from contextlib import suppress

import attrs

from dualtable._clock import moment
from dualtable._control.control_table import REPOSITORIES, Control, Heartbeat
from dualtable._control.records import ABSENT, name, number
from dualtable._control.segments import Progress, checked_count
from dualtable._dynamodb.gateway import ConditionFailed
from dualtable._expressions.texts import Condition
from dualtable._transforms.migration import Migration
from dualtable._wire.layouts import name_in, short_name
from dualtable._wire.types import Item
from dualtable.errors import MigrationMismatchError

_DEAD = "dead#"
_COUNTS = ("checked", "missing", "different", "extra", "changed_old")  # of a verification


@attrs.frozen(kw_only=True)
class Verification:
    """What the last verification was of, and what it found.

    Args:
        run: The identity of the run whose copy it looked at.
        fingerprint: Of the transform by which it compared; empty where nobody could read it.
        copied: Every segment was done when it began.
        level: ``keys`` or ``content``.
        began: When, in seconds since 1970, by the clock of its machine.
        ended: The same for its end.
        checked: New items that were looked up.
        missing: Of those, not there.
        different: Of those, otherwise than they should be.
        changed_old: Old items, at least, that are not as they were copied; 0 too in the record of
            an earlier version, which counted them as different.
        extra: Items that came from nowhere.
        ok: It found nothing wrong.
    """

    run: str
    fingerprint: str
    copied: bool
    level: str
    began: float
    ended: float
    checked: int
    missing: int
    different: int
    extra: int
    ok: bool
    changed_old: int = 0

    @property
    def when(self) -> str:
        """When it ended, in words."""
        return moment(self.ended)

    @property
    def verdict(self) -> str:
        """What it found, in words that follow its name."""
        return "found nothing wrong" if self.ok else f"found something wrong: {self.faults}"

    @property
    def faults(self) -> str:
        """What it found wrong, in words; the gravest first."""
        kinds = {
            "changed in the old table": self.changed_old,
            "missing": self.missing,
            "different": self.different,
            "extra": self.extra,
        }
        found = [f"{number:,} {kind}" for kind, number in kinds.items() if number]
        return ", ".join(found) or "it was not ended"


@attrs.frozen
class Expiry:
    """By which attribute items shall expire in the new table; None for not at all."""

    attribute: str | None


@attrs.frozen(kw_only=True)
class Cleanup:
    """A sweep of the new table that may be gone on with.

    Args:
        id: Its identity.
        total_segments: Parts of its scan.
        new: The new table, by `layouts.identity`.
        tokens: Write tokens are removed, too.
        settled: Nobody could leave a further tombstone when it began.
    """

    id: str
    total_segments: int
    new: str
    tokens: bool
    settled: bool


@attrs.frozen(kw_only=True)
class Swept(Progress):
    """What a sweep has done with the items that it has looked at; see `CleanupReport`."""

    tombstones: int = attrs.field(default=0, converter=int)
    tokens: int = attrs.field(default=0, converter=int)
    overtaken: int = attrs.field(default=0, converter=int)


@attrs.frozen
class Dead:
    """A repository that an operator has declared dead (in seconds since 1970)."""

    repository: str
    at: float
    host: str
    process: int


class Milestones(Control):
    """The records of one migration, these included."""

    async def tables(self) -> tuple[str, str] | None:
        """Return both tables as they were noted, by `tables.identity`."""
        return await self._records.get("tables", _tables)

    async def note_tables(self, old: str, new: str) -> None:
        """Store what the tables are by now."""
        await self._records.put("tables", {"old": old, "new": new})

    async def check_tables(self, migration: Migration) -> None:
        """Raise `MigrationMismatchError` where it is recorded as one of other tables."""
        check_noted(migration, await self.tables())

    async def verification(self) -> Verification | None:
        """Return the last verification that has ended."""
        return await self._records.get("verification", _verification)

    async def note_verification(self, verification: Verification) -> None:
        """Store a verification over the last one, whichever began first."""
        times = {"began": number(verification.began), "ended": number(verification.ended)}
        await self._records.put("verification", {**attrs.asdict(verification), **times})

    async def expiry(self) -> Expiry | None:
        """Return what was decided on the expiry of items, None where nothing was."""
        return await self._records.get("expiry", lambda item: Expiry(item["attribute"]))

    async def note_expiry(self, expiry: Expiry) -> None:
        """Store what was decided."""
        await self._records.put("expiry", attrs.asdict(expiry))

    async def policy(self) -> str | None:
        """Return the old table's policy as it was before a denial of ours."""
        return await self._records.get("policy", _policy)

    async def note_policy(self, text: str | None) -> None:
        """Store what it is before a denial of ours; None for none."""
        await self._records.put("policy", {"text": text})

    async def cleanup(self) -> Cleanup | None:
        """Return the last sweep that was begun."""
        return await self._records.get("cleanup", _cleanup)

    async def note_cleanup(self, cleanup: Cleanup, *, over: Cleanup | None) -> bool:
        """Store a sweep over the last one, as it was read; tell whether it is the present one."""
        still = ABSENT
        if over is not None:
            still = Condition("#i = :i", {"#i": "id"}, {":i": {"S": over.id}})
        with suppress(ConditionFailed):
            await self._records.put("cleanup", attrs.asdict(cleanup), still)
        return await self.cleanup() == cleanup

    async def had_repositories(self) -> bool:
        """Tell whether a repository was ever open."""
        return bool(await self._records.get(REPOSITORIES, name) or await self.heartbeats())

    async def declare_dead(self, heartbeat: Heartbeat, now: float) -> None:
        """Note that a repository is dead, then forget it."""
        fields = {"at": number(now), "host": heartbeat.host, "process": heartbeat.process}
        await self._records.put(_DEAD + heartbeat.repository, fields)
        await self.forget_heartbeat(heartbeat.repository)

    async def dead(self) -> list[Dead]:
        """Return the repositories that were declared dead; one of them may speak again."""
        return await self._records.list(_DEAD, _dead)


def check_noted(migration: Migration, noted: tuple[str, str] | None) -> None:
    """Raise `MigrationMismatchError` where the tables that were noted have other names.

    Else a name that is used again would lend its phase to tables that have nothing to do with it:
    nobody asks the old one any more where an earlier migration has finished.
    """
    names = (short_name(migration.old), migration.new)
    before = names if noted is None else (name_in(noted[0]), name_in(noted[1]))
    if before != names:
        raise MigrationMismatchError(
            f"{migration.name} is recorded in {migration.control_table} as the migration from"
            f" {before[0]} to {before[1]}, and this is one from {names[0]} to {names[1]}: give it a"
            " name of its own. Where it is the same one, with its tables restored under other"
            " names, delete its record 'tables'"
        )


def _tables(item: Item) -> tuple[str, str]:
    return _text(item["old"]), _text(item["new"])


def _text(value: object) -> str:
    """Return a text.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} is no text")
    return value


def _verification(item: Item) -> Verification:
    known = {"changed_old": 0, **item}
    fields = {field: known[field] for field in attrs.fields_dict(Verification)}
    counts = {field: int(known[field]) for field in _COUNTS}
    times = {field: float(item[field]) for field in ("began", "ended")}
    moment(times["ended"])  # refuses what is none
    return Verification(**(fields | counts | times))


def _cleanup(item: Item) -> Cleanup:
    fields = {field: item[field] for field in attrs.fields_dict(Cleanup)}
    return Cleanup(**{**fields, "total_segments": checked_count(fields["total_segments"])})


def _policy(item: Item) -> str | None:
    text = item["text"]
    return None if text is None else _text(text)


def _dead(item: Item) -> Dead:
    return Dead(
        name(item).removeprefix(_DEAD), float(item["at"]), item["host"], int(item["process"])
    )
