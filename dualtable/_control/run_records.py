"""The records of one run: its segments, and the word of each migrator that it is at work.

A copy is a run, and so is a verification. The rule: each record has the run's identity in its name,
so a process that was frozen while others have begun anew cannot touch, or take for its own, a
record of theirs. A segment is stored only over the revision that was read.
"""

from __future__ import annotations

from typing import Any, Self

import attrs

from dualtable._control.records import ABSENT, Records, name, number
from dualtable._control.segments import Checkpoint, Lease, Progress, Segment
from dualtable._dynamodb.gateway import ConditionFailed
from dualtable._expressions.texts import Condition
from dualtable._wire import codec
from dualtable._wire.types import Item
from dualtable._wire.values import equal_items
from dualtable.errors import LeaseLostError

_SEGMENT, _MIGRATOR = "segment#", "migrator#"


@attrs.frozen(kw_only=True)
class Run:
    """What all migrators of one run have agreed on.

    Args:
        id: Its identity; no other run of any migration has it.
        fingerprint: Of the transform.
        total_segments: Parts of the scan.
        old: The old table, by `tables.identity`.
        new: The new table.
        ended: Somebody begins anew; nobody may go on with it.
    """

    id: str
    fingerprint: str
    total_segments: int
    old: str
    new: str
    ended: bool = False

    def fields(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        fields = attrs.asdict(self).items()
        return {
            name: number(value) if isinstance(value, float) else value for name, value in fields
        }

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return the run that a record holds."""
        fields = {field: item[field] for field in attrs.fields_dict(cls)}
        return cls(**{**fields, "total_segments": int(fields["total_segments"])})


@attrs.frozen(kw_only=True)
class Doing:
    """What a migrator has been doing in the seconds before its word.

    Attributes:
        items_per_second: Old items that it settled.
        read_units_per_second: Read units that it used on both tables.
        write_units_per_second: Write units.
        throttled_per_second: Requests and statements that DynamoDB throttled.
        held_back_by: What held it back.
    """

    items_per_second: float
    read_units_per_second: float
    write_units_per_second: float
    throttled_per_second: float
    held_back_by: str


@attrs.frozen
class Word:
    """A migrator's word that it is at work: given when, and until when it counts (since 1970)."""

    migrator: str
    given: float
    until: float
    doing: Doing | None = None

    def counts(self, now: float) -> bool:
        """Tell whether its migrator may still write by it."""
        return now < self.until

    def is_fresh(self, now: float) -> bool:
        """Tell whether its migrator seems to be alive: it gives a word in each third of the time.

        A third and a half, for one that is on its way.
        """
        return now < self.given + (self.until - self.given) / 2


class RunRecords:
    """The records of one run of one migration."""

    def __init__(self, records: Records, run: Run, progress: type[Progress] = Progress) -> None:
        self.run = run
        self._progress = progress
        self.migration = records.migration
        self._records = records
        self._segment = f"{_SEGMENT}{run.id}#"
        self._migrator = f"{_MIGRATOR}{run.id}#"

    async def segments(self) -> list[Segment]:
        """Return the segments that anybody has worked on, in order."""
        return await self._records.list(self._segment, self._read)

    def untouched(self, number: int) -> Segment:
        """Return a segment that nobody has worked on."""
        return Segment(number, progress=self._progress())

    async def store(self, segment: Segment) -> None:
        """Store the next revision of a segment.

        Raises:
            LeaseLostError: Somebody else has stored one in the meantime, or the run is forgotten.
        """
        record = f"{self._segment}{segment.number:06}"  # DynamoDB allows 1,000,000 segments
        fields = _segment_fields(segment)
        condition = ABSENT if segment.revision == 1 else _revision(segment.revision - 1)
        try:
            await self._records.put(record, fields, condition)
        except ConditionFailed as failure:
            stored = self._records.wire(record, fields)
            if failure.item is not None and equal_items(failure.item, stored):
                return  # a retry found what its first try had stored
            raise LeaseLostError(
                f"segment {segment.number} of {self.migration} has been taken over"
            ) from None

    async def words(self) -> list[Word]:
        """Return the last word of each migrator that has not ended in an orderly way."""
        return await self._records.list(self._migrator, _word)

    async def all_words(self) -> list[Word]:
        """Return those of the migration's other runs as well: copy and verification."""
        return await self._records.list(_MIGRATOR, _word)

    async def give_word(self, word: Word) -> None:
        """Store a migrator's word over its last one."""
        fields: dict[str, Any] = {"given": number(word.given), "until": number(word.until)}
        if word.doing is not None:
            doing = attrs.asdict(word.doing).items()
            fields["doing"] = {n: number(v) if isinstance(v, float) else v for n, v in doing}
        await self._records.put(self._migrator + word.migrator, fields)

    async def take_word_back(self, migrator: str) -> None:
        """Delete the word of a migrator that has ended."""
        await self._records.delete(self._migrator + migrator)

    def _read(self, item: Item) -> Segment:
        lease, last_key = item["lease"], item["last_key"]
        return Segment(
            number=int(name(item).rpartition("#")[2]),
            lease=lease and Lease(lease["owner"], float(lease["until"])),
            checkpoint=Checkpoint(last_key and codec.encode(last_key), item["done"]),
            progress=self._progress.of(item["progress"]),
            revision=int(item["revision"]),
        )

    async def forget(self) -> None:
        """Delete all of them; whoever goes on with the run after that finds nothing."""
        for prefix in (self._segment, self._migrator):
            for record in await self._records.list(prefix, name):
                await self._records.delete(record)


def _revision(revision: int) -> Condition:
    return Condition("#v = :v", {"#v": "revision"}, {":v": {"N": str(revision)}})


def _segment_fields(segment: Segment) -> dict[str, Any]:
    last_key = segment.checkpoint.last_key
    return {
        "lease": segment.lease
        and {"owner": segment.lease.owner, "until": number(segment.lease.until)},
        "last_key": last_key and codec.decode(last_key),
        "done": segment.checkpoint.done,
        "progress": segment.progress.fields(),
        "revision": segment.revision,
    }


def _word(item: Item) -> Word:
    migrator = name(item).rpartition("#")[2]
    return Word(migrator, float(item["given"]), float(item["until"]), _doing(item.get("doing")))


def _doing(fields: Item | None) -> Doing | None:
    if fields is None:
        return None
    known: dict[str, Any] = {name: fields[name] for name in attrs.fields_dict(Doing)}
    numbers = {name: float(v) for name, v in known.items() if name != "held_back_by"}
    return Doing(**numbers, held_back_by=str(known["held_back_by"]))
