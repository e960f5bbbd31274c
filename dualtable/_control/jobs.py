"""What one call on several workers says of itself: that it shall stop, and how each worker fares.

The rule: whoever began the call and its workers speak through the control table alone, so any
engine may lie between them; a worker that could not even begin says so here by name.

    migration (HASH)  record (RANGE)    what
    orders-v2         job#ID            whether the workers shall stop
    orders-v2         job#ID#0003       where a worker is, whether it has ended, and its error
"""

from __future__ import annotations

import attrs

from dualtable._control.records import Records, name
from dualtable._dynamodb.gateway import Gateway
from dualtable._wire.types import Item

_JOB = "job#"


@attrs.frozen(kw_only=True)
class WorkerWord:
    """What a worker says of itself: where it is, whether it has ended, and why if not well."""

    number: int
    host: str
    process: int
    ended: bool = False
    error: str = ""

    @property
    def place(self) -> str:
        """Where somebody would look for it."""
        return f"worker {self.number} on {self.host}, process {self.process}"


class Job:
    """The records of one call on several workers."""

    def __init__(self, gateway: Gateway, table: str, migration: str, job: str) -> None:
        self._records = Records(gateway, table, migration)
        self._record = f"{_JOB}{job}"

    async def stop(self) -> None:
        """Ask the workers to finish their pages and end."""
        await self._records.put(self._record, {"stop": True})

    async def is_stopped(self) -> bool:
        """Tell whether they were asked to."""
        return bool(await self._records.get(self._record, lambda item: item["stop"]))

    async def tell(self, word: WorkerWord) -> None:
        """Store a worker's word over its last one."""
        fields = attrs.asdict(word, filter=attrs.filters.exclude("number"))
        await self._records.put(f"{self._record}#{word.number:06}", fields)

    async def words(self) -> list[WorkerWord]:
        """Return the last word of each worker that has begun."""
        return await self._records.list(f"{self._record}#", _word)

    async def forget(self) -> None:
        """Delete the records: the call has ended."""
        for record in await self._records.list(self._record, name):
            await self._records.delete(record)


def _word(item: Item) -> WorkerWord:
    return WorkerWord(
        number=int(name(item).rpartition("#")[2]),
        host=item["host"],
        process=int(item["process"]),
        ended=item["ended"],
        error=item["error"],
    )
