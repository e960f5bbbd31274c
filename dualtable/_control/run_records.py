"""The records of one run: its segments, and the word of each migrator that it is at work.

A copy is a run, and so is a verification. The rule: each record has the run's identity in its name,
so a process that was frozen while others have begun anew cannot touch, or take for its own, a
record of theirs. A segment is stored only over the revision that was read.

Many segments lie in groups, each under a partition key of its own, since a partition takes 1,000
write units a second and no more; a group has segments from all over the table. Whoever looks for
work reads one group, not all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import attrs

from dualtable._control import segments
from dualtable._control.letters import DeadLetter, LetterRecords
from dualtable._control.records import ABSENT, Records, brief, name, number
from dualtable._control.segments import Checkpoint, Lease, Progress, Segment
from dualtable._dynamodb.gateway import (
    ConditionFailed,
    Reason,
    TransactionCancelled,
    TransactPut,
    Verdict,
)
from dualtable._expressions.texts import Condition
from dualtable._tasks import run_all
from dualtable._wire import codec
from dualtable._wire.types import Item
from dualtable._wire.values import equal_items
from dualtable.errors import LeaseLostError

SEGMENT, _MIGRATOR = "segment#", "migrator#"
_DIGITS = 6
_GROUP = 100  # segments
_READ_AT_ONCE = 16


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
        earlier: Fingerprints of the transforms that it had before; what they have copied stays.
    """

    id: str
    fingerprint: str
    total_segments: int
    old: str
    new: str
    ended: bool = False
    earlier: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        fields = {**attrs.asdict(self), "earlier": list(self.earlier)}.items()
        return {
            name: number(value) if isinstance(value, float) else value for name, value in fields
        }

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return the run that a record holds."""
        fields = {"earlier": (), **item}
        fields = {field: fields[field] for field in attrs.fields_dict(cls)}
        whole = {"total_segments": segments.checked_count(fields["total_segments"])}
        return cls(**{**fields, **whole, "earlier": tuple(fields["earlier"])})


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
    """A migrator's word that it is at work.

    Others judge it by how long they have seen no further one, since clocks differ.

    Attributes:
        migrator: Whose it is.
        given: When, in seconds since 1970, by its clock.
        until: Until when it counts, by its clock.
        number: How many it has given; each is another.
        parts: Of each ceiling, the part that it goes by, and the part that it could use.
        doing: What its migrator has been doing lately; None where it has not said.
        paused_by: Why its throttle lets it stand still; nothing where it does not.
        run: The identity of the run that it was given for.
    """

    migrator: str
    given: float
    until: float
    number: int = 0
    parts: tuple[tuple[float, float], ...] = ()
    doing: Doing | None = None
    paused_by: str = ""
    run: str = ""

    @property
    def seconds(self) -> float:
        """For so long it counts."""
        return self.until - self.given


class RunRecords:
    """The records of one run of one migration."""

    def __init__(self, records: Records, run: Run, progress: type[Progress] = Progress) -> None:
        self.run = run
        self._progress = progress
        self.migration = records.migration
        self._records = records
        self._segment = f"{SEGMENT}{run.id}#"
        self.groups = max(1, run.total_segments // _GROUP)
        self._migrator = f"{_MIGRATOR}{run.id}#"
        self.letters = LetterRecords(records, run.id)

    async def segments(self) -> list[Segment]:
        """Return the segments that anybody has worked on, in order."""
        found: list[Segment] = []
        for first in range(0, self.groups, _READ_AT_ONCE):
            numbers = range(first, min(first + _READ_AT_ONCE, self.groups))
            for group in await run_all(map(self.segments_of, numbers)):
                found += group
        return sorted(found, key=lambda segment: segment.number)

    async def segments_of(self, group: int) -> list[Segment]:
        """Return those of one group."""
        return await self._of(group).list(self._segment, self._read)

    def _of(self, group: int) -> Records:
        if self.groups == 1:
            return self._records
        name = f"{self.migration}#{self.run.id}#{group:04}"
        return Records(self._records.gateway, self._records.table, name)

    def untouched(self, number: int) -> Segment:
        """Return a segment that nobody has worked on."""
        return Segment(number, progress=self._progress())

    async def store(self, segment: Segment) -> None:
        """Store the next revision of a segment.

        Raises:
            LeaseLostError: Somebody else has stored one in the meantime, or the run is forgotten.
        """
        records, record = self._place(segment.number)
        fields = _segment_fields(segment)
        try:
            await records.put(record, fields, _next_to(segment))
        except ConditionFailed as failure:
            stored = records.wire(record, fields)
            if failure.item is not None and equal_items(failure.item, stored):
                return  # a retry found what its first try had stored
            raise self._lost(segment) from None

    async def fail(self, segment: Segment, letters: Sequence[DeadLetter], lease: Lease) -> Segment:
        """Store dead letters of a segment, and count those that are new; return it as it is then.

        Raises:
            LeaseLostError: As for `store`.
        """
        new = list(letters)
        while new:
            failed = segments.fail(segment, len(new), lease)
            stored = [self.letters.stored(letter, self.run.fingerprint) for letter in new]
            try:
                await self._records.gateway.transact_write([*stored, self._next(failed)])
            except TransactionCancelled as cancelled:
                *of_letters, of_segment = cancelled.reasons
                if of_segment.verdict is Verdict.CONDITION_FAILED:
                    raise self._lost(segment) from None
                new = _left(new, of_letters)
            else:
                return failed
        return segment

    async def deliver(
        self, number: int, letters: Sequence[DeadLetter], done: Progress
    ) -> Sequence[DeadLetter]:
        """Take out dead letters of a segment, and count what became of their items.

        Returns:
            Those that it has taken out; another process may have done so with the others.

        Raises:
            LeaseLostError: The run is forgotten.
        """
        left = list(letters)
        while left:
            records, record = self._place(number)
            segment = await records.get(record, self._read)
            if segment is None:
                raise self._lost(self.untouched(number))
            delivered = segments.deliver(segment, len(left), done)
            out = [self.letters.taken_out(letter) for letter in left]
            try:
                await self._records.gateway.transact_write([*out, self._next(delivered)])
            except TransactionCancelled as cancelled:
                left = _left(left, cancelled.reasons[:-1])
            else:
                return left
        return ()

    def _place(self, number: int) -> tuple[Records, str]:
        """Return where a segment is stored: among which records, and under which name."""
        name = f"{self._segment}{number:06}"  # DynamoDB allows 1,000,000 segments
        return self._of(number % self.groups), name

    def _next(self, segment: Segment) -> TransactPut:
        """Return what stores the next revision of a segment, as a part of a transaction."""
        records, record = self._place(segment.number)
        wire = records.wire(record, _segment_fields(segment))
        return TransactPut(records.table, wire, _next_to(segment))

    def _lost(self, segment: Segment) -> LeaseLostError:
        return LeaseLostError(f"segment {segment.number} of {self.migration} has been taken over")

    async def words(self) -> list[Word]:
        """Return the last word of each migrator that has not ended in an orderly way."""
        return await self._records.list(self._migrator, _word)

    async def all_words(self, *, consistent_read: bool = True) -> list[Word]:
        """Return those of the migration's other runs as well: copy and verification."""
        return await self._records.list(_MIGRATOR, _word, consistent_read=consistent_read)

    async def give_word(self, word: Word) -> None:
        """Store a migrator's word over its last one."""
        fields: dict[str, Any] = {
            "given": number(word.given),
            "until": number(word.until),
            "number": word.number,
            "parts": [number(round(part, _DIGITS)) for pair in word.parts for part in pair],
            "paused_by": brief(word.paused_by),
        }
        if word.doing is not None:
            doing = attrs.asdict(word.doing).items()
            fields["doing"] = {n: number(v) if isinstance(v, float) else v for n, v in doing}
        await self._records.put(self._migrator + word.migrator, fields)

    async def take_word_back(self, migrator: str) -> None:
        """Delete the word of a migrator that has ended."""
        await self._records.delete(self._migrator + migrator)

    async def bury(self, word: Word) -> None:
        """Delete the word of a migrator that is gone, of any run, unless it has given another."""
        still = Condition("#n = :n", {"#n": "number"}, {":n": {"N": str(word.number)}})
        with suppress(ConditionFailed):
            await self._records.delete(f"{_MIGRATOR}{word.run}#{word.migrator}", still)

    def _read(self, item: Item) -> Segment:
        lease, last_key = item["lease"], item["last_key"]
        place = int(name(item).rpartition("#")[2])
        if place >= self.run.total_segments:
            raise ValueError(f"the run has {self.run.total_segments} segments")
        if isinstance(item["revision"], bool) or item["revision"] < 1:
            raise ValueError("revision must be 1 or more")
        if not isinstance(last_key, dict | None) or (last_key and item["done"]):
            raise ValueError("last_key must be a key, and none where the segment is done")
        return Segment(
            number=place,
            lease=lease and Lease(lease["owner"]),
            checkpoint=Checkpoint(last_key and codec.encode(last_key), item["done"]),
            progress=self._progress.of(item["progress"]),
            revision=int(item["revision"]),
        )

    async def forget(self) -> None:
        """Delete all of them; whoever goes on with the run after that finds nothing."""
        for group in range(self.groups):
            await _delete_all(self._of(group), self._segment)
        await _delete_all(self._records, self.letters.prefix)
        await _delete_all(self._records, self._migrator)


def _left(letters: Sequence[DeadLetter], reasons: Sequence[Reason]) -> list[DeadLetter]:
    """Return the letters that stood in nobody's way: others may only have been in its company."""
    pairs = zip(letters, reasons, strict=True)
    return [letter for letter, reason in pairs if reason.verdict is not Verdict.CONDITION_FAILED]


async def _delete_all(records: Records, prefix: str) -> None:
    for record in await records.list(prefix, name):
        await records.delete(record)


def _next_to(segment: Segment) -> Condition:
    """The stored revision is the one before."""
    if segment.revision == 1:
        return ABSENT
    return Condition("#v = :v", {"#v": "revision"}, {":v": {"N": str(segment.revision - 1)}})


def _segment_fields(segment: Segment) -> dict[str, Any]:
    last_key = segment.checkpoint.last_key
    return {
        "lease": segment.lease and {"owner": segment.lease.owner},
        "last_key": last_key and codec.decode(last_key),
        "done": segment.checkpoint.done,
        "progress": segment.progress.fields(),
        "revision": segment.revision,
    }


def _word(item: Item) -> Word:
    parts = [float(part) for part in item.get("parts", ())]
    run, _, migrator = name(item).removeprefix(_MIGRATOR).rpartition("#")
    return Word(
        migrator=migrator,
        given=float(item["given"]),
        until=float(item["until"]),
        number=int(item.get("number", 0)),
        parts=tuple(zip(parts[::2], parts[1::2], strict=True)),
        doing=_doing(item.get("doing")),
        paused_by=str(item.get("paused_by", "")),
        run=run,
    )


def _doing(fields: Item | None) -> Doing | None:
    if fields is None:
        return None
    known: dict[str, Any] = {name: fields[name] for name in attrs.fields_dict(Doing)}
    numbers = {name: float(v) for name, v in known.items() if name != "held_back_by"}
    return Doing(**numbers, held_back_by=str(known["held_back_by"]))
