"""``retry``: from a migration to its dead letters, and to what became of them.

The rule: whatever is wrong is said before anything is sent; a transform that has changed is the
run's only once somebody has confirmed just that one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, Unpack

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.connected import Connected, begun
from dualtable._control.control_table import Limits
from dualtable._control.inherited import check_marks
from dualtable._control.milestones import Milestones
from dualtable._control.run_records import Run, RunRecords
from dualtable._control.segments import total
from dualtable._copy.agreement import Agreement
from dualtable._copy.report import RetryReport
from dualtable._copy.retrial import Chosen, Retrial
from dualtable._copy.segment_copy import Destination
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import Gateway
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._sharing.board import name_of_migrator
from dualtable._sharing.costs import PaidReads
from dualtable._sharing.limits import SharedLimits
from dualtable._sharing.membership import Membership
from dualtable._sharing.process import stopping_on
from dualtable._sharing.retries import Retries
from dualtable._tasks import beside
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration, check_path, check_range
from dualtable._wire.layouts import identity, layout
from dualtable._wire.sizes import MOST_BATCH_GET_UNITS
from dualtable._wire.types import Description, Key
from dualtable.errors import InvalidSettingError

LEASE_SECONDS = 30.0
_T = TypeVar("_T")


async def retry_dead_letters(
    migration: Migration,
    *,
    keys: Iterable[Key] = (),
    files: Iterable[str | os.PathLike[str]] = (),
    fingerprint: str | None = None,
    concurrency: int = 16,
    max_read_units: float | None = None,
    max_write_units: float | None = None,
    stop_on: Iterable[signal.Signals] = (),
    clock: Clock | None = None,
    **connection: Unpack[Connection],
) -> RetryReport:
    """Try just the dead letters of the present run again, with the transform as it is now.

    What is copied then is no dead letter any more; the others stay, with their new reasons. It may
    be stopped or killed at any point and called again, and several may go on at once.

    Args:
        migration: The migration.
        keys: Keys in the old table, in plain values. Default, with no `files` either: all dead
            letters that the control table knows of the run, which is every one.
        files: Files of dead letters, such as several machines have left, or folders in S3
            (``s3://bucket/prefix``); those that are still open are tried. Lines of other runs, and
            of dry runs, do not count.
        fingerprint: Confirms the transform where it has changed since: the fingerprint of the
            migration as it is now. What the transform before it has copied stays as it is; no
            earlier verification counts any more, and the next one compares by the new transform
            and cannot tell changes of the old table from those of the transform.
        concurrency: Segments whose letters are tried at once. Default: 16.
        max_read_units: Ceiling of read units per second, as for the `Migrator`.
        max_write_units: The same for write units.
        stop_on: Signals that stop it in an orderly way, as for `Migrator.run`.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        MigrationMismatchError: Nothing was copied yet; the phase allows no copy; the transform has
            changed, and nobody has confirmed just this one, or migrators are at work with the one
            before.
        InvalidKeyError: One is no key of the old table, given as one or in a line of a file.
        InvalidSettingError: A file cannot be read or holds nothing of this run, a number is out of
            range, or one key or path is given where several are meant.
        TableNotFoundError: One of the tables does not exist.
        GatewayError: DynamoDB refused a request or stayed out of reach; what is copied stays.

    Example:
        >>> import asyncio, os
        >>> from dualtable import Migration, Migrator, create_table, retry_dead_letters
        >>> from dualtable.testing import MemoryGateway
        >>> def to_number(order):
        ...     return {**order, "total": int(order["total"])}
        >>> def to_any_number(order):
        ...     return {**order, "total": int(order["total"]) if order["total"].isdigit() else 0}
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     await gateway.put("orders", {"id": {"S": "o-1"}, "total": {"S": "none"}})
        ...     before = Migration("shop", "orders", "orders-v2", to_number, version="1")
        ...     await create_table(before, gateway=gateway)
        ...     await Migrator(before, dead_letters=os.devnull, gateway=gateway).run()
        ...     mended = Migration("shop", "orders", "orders-v2", to_any_number, version="2")
        ...     return await retry_dead_letters(
        ...         mended, fingerprint=mended.fingerprint, gateway=gateway
        ...     )
        >>> report = asyncio.run(main())
        >>> report.written, report.dead_letters
        (1, 0)
    """
    check_range("concurrency", concurrency, 1, 1_000, whole=True, optional=False)
    check_range("max_read_units", max_read_units, 0.001)
    check_range("max_write_units", max_write_units, 0.001)
    wanted = _several("keys", keys), _several("files", files)
    for file in wanted[1]:
        check_path("files", file)
    limits = Limits(max_read_units, max_write_units)
    retry = _Retry(migration, clock, connection, concurrency, limits)
    return await retry.run(wanted, fingerprint, stop_on)


def _several(name: str, given: Iterable[_T]) -> list[_T]:
    """Return what is given of a kind; one alone, a text or a key, would be taken to pieces."""
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
        raise InvalidSettingError(f"{name} must be several, such as [{given!r}]")
    return list(given)


class _Retry(Connected):
    """One call: comes to the tables, to the run, and to the letters."""

    def __init__(
        self,
        migration: Migration,
        clock: Clock | None,
        connection: Connection,
        concurrency: int,
        limits: Limits,
    ) -> None:
        super().__init__(migration, clock, connection)
        self._concurrency = concurrency
        self._limits = limits
        self._stopping = asyncio.Event()
        self._retries = Retries()

    async def run(
        self,
        wanted: tuple[Sequence[Key], Sequence[str | os.PathLike[str]]],
        fingerprint: str | None,
        stop_on: Iterable[signal.Signals],
    ) -> RetryReport:
        name = self._migration.name
        async with self._connect(ONE_OFF, self._retries.note) as gateway:
            with stopping_on(stop_on, self._stopping.set):
                old = await gateway.describe_table(self._migration.old)
                new = await gateway.describe_table(self._migration.new)
                control = Milestones(gateway, self._migration.control_table, name)
                await control.check_copying()
                await check_marks(gateway, self._migration, identity(old))
                agreement = Agreement(control, name, self._clock)
                run = await agreement.begun((identity(old), identity(new)))
                chosen = await Chosen.of(*wanted, run.id, layout(old), self._connection)
                if not await _open_letters(control.of(run)):
                    return RetryReport(fingerprint=run.fingerprint, not_open=len(chosen.keys))
                now = self._migration.fingerprint
                run = await agreement.confirmed(run, now, said=fingerprint)
                with begun():
                    return await self._retry(gateway, control, run, chosen, (old, new))

    async def _retry(
        self,
        gateway: Gateway,
        control: Milestones,
        run: Run,
        chosen: Chosen,
        tables: tuple[Description, Description],
    ) -> RetryReport:
        started, paces = self._clock.monotonic(), Paces.of(*tables, self._clock)
        self._retries.paces = paces
        membership = Membership(
            gateway, self._migration, control, run, name_of_migrator(), self._clock, LEASE_SECONDS
        )
        await membership.confirm()
        limits = SharedLimits(control, membership, self._clock, paces)
        await limits.join(self._limits)
        to = Destination.of(
            tables[1],
            paces,
            self._retries,
            membership,
            concurrency=self._concurrency,
            fresh=True,
        )
        retrial = Retrial(
            gateway=gateway,
            lineage=Lineage.of(self._migration, *map(layout, tables)),
            membership=membership,
            destination=to,
            reads=PaidReads(paces.reads.bucket, MOST_BATCH_GET_UNITS, paces.reads),
            concurrency=self._concurrency,
            is_stopped=self._stopping.is_set,
        )
        await beside(retrial.work(chosen), to.writer.run(), limits.follow())
        await membership.renew()
        await membership.leave()
        return attrs.evolve(
            retrial.report,
            dead_letters=await _open_letters(membership.records),
            fingerprint=run.fingerprint,
            transform_changed=bool(run.earlier),
            seconds=self._clock.monotonic() - started,
        )


async def _open_letters(records: RunRecords) -> int:
    """Return how many dead letters a run has."""
    return total(await records.segments()).failed
