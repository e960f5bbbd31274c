"""The proof at the end: what the old table holds has arrived, and nothing else has.

The rule: a verification only reads; what it found is recorded for the gate of the next phase. It
judges an item of `new` by its marks: a tombstone was deleted by production, a write token says that
production has rewritten it, and what has neither was copied and must still equal what the transform
yields. Memory does not grow with the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from dualtable._clock import Clock
from dualtable._control.capacity import TokenBucket
from dualtable._control.connected import Connected, begun
from dualtable._control.inherited import check_marks
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._proof.comparison import Comparison, Reader
from dualtable._proof.findings import Level, VerificationReport
from dualtable._proof.recording import Recording
from dualtable._sharing.membership import check_tables
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration, check_range
from dualtable._wire.layouts import identity, layout
from dualtable.errors import InvalidSettingError


class Verifier(Connected):
    """Proves that the new table holds what the old one yields.

    It may run beside production and, with what is not copied yet counted as missing, beside the
    migrator.

    Args:
        migration: What was migrated.
        level: ``"keys"``: every key that the old table yields is in the new one, live or deleted.
            ``"content"`` (default): also, what was copied and not rewritten equals what the
            transform yields, and the new table holds nothing that came from nowhere.
        total_segments: Parts of each scan, taken in random order. Default: four for each of
            `concurrency`.
        concurrency: Segments worked on at once.
        max_read_units: Ceiling of read units per second on each of the two tables; None for none.
        observer: Called with a `VerificationReport` after each page.
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
        (Example(kind='missing', key={'id': 'o-1'}, reason='not in orders-v2'),)
    """

    def __init__(
        self,
        migration: Migration,
        *,
        level: Level = "content",
        total_segments: int | None = None,
        concurrency: int = 16,
        max_read_units: float | None = None,
        observer: Callable[[VerificationReport], None] | None = None,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        if level not in ("keys", "content"):
            raise InvalidSettingError(f"level={level!r} must be 'keys' or 'content'")
        check_range("concurrency", concurrency, 1, 1_000, whole=True, optional=False)
        check_range("total_segments", total_segments, 1, 1_000_000, whole=True)
        check_range("max_read_units", max_read_units, 0.001)
        super().__init__(migration, clock, connection)
        self._level: Level = level
        self._concurrency = concurrency
        self._total_segments = total_segments or 4 * concurrency
        self._max_read_units = max_read_units
        self._observer = observer

    async def run(self) -> VerificationReport:
        """Read both tables and return what was found.

        Raises:
            TableNotFoundError: One of the tables does not exist.
            MigrationMismatchError: One of them was made anew while it was read.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        async with self._connect(ONE_OFF) as gateway:
            seen = [
                await gateway.describe_table(name)
                for name in (self._migration.old, self._migration.new)
            ]
            old, new = map(layout, seen)
            await check_marks(gateway, self._migration, identity(seen[0]))
            run = Comparison(
                level=self._level,
                lineage=Lineage.of(self._migration, old, new),
                old=Reader(gateway, old, TokenBucket(self._max_read_units, self._clock)),
                new=Reader(gateway, new, TokenBucket(self._max_read_units, self._clock)),
                observer=self._observer,
                clock=self._clock,
            )
            recording = Recording(gateway, self._migration, self._clock)
            await recording.begin()
            with begun():
                await run.each_page(run.old, run.compare, self._total_segments, self._concurrency)
                if self._level == "content":
                    await run.each_page(
                        run.new, run.find_extra, self._total_segments, self._concurrency
                    )
                await check_tables(gateway, self._migration, *map(identity, seen))
                report = run.report()
                await recording.end(report)
                return report
