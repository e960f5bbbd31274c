"""Makes the report of a migration: reads what its runs have told, and writes one page.

The rule: what is on the page stands in the events, in the dead letters, in a plan that is given, or
in the control table; nothing is measured here, and no table is read but the control table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Unpack

import attrs

from dualtable._clock import Clock, moment
from dualtable._copy.dead_letters import default_dead_letters
from dualtable._dynamodb.connect import Connection
from dualtable._events.folder import named_after
from dualtable._events.reading import ToldRun, read_events
from dualtable._planning.prices import Prices
from dualtable._report import sections
from dualtable._report.findings import sags, shares
from dualtable._report.letters import Letters, read_letters
from dualtable._report.page import page
from dualtable._report.proofs import verification
from dualtable._report.rehearsals import dry_runs, is_dry
from dualtable._report.slots import at_work, slots
from dualtable._report.sweeps import cleanup
from dualtable._report.totals import Totals, read_plan
from dualtable._standing.status import MigrationStatus, read_status
from dualtable._telling.words import count, duration
from dualtable._transforms.migration import Migration
from dualtable.errors import InvalidSettingError

PathLike = str | os.PathLike[str]


@attrs.frozen(kw_only=True)
class ReportWritten:
    """A report that was written.

    Attributes:
        path: Where it is.
        runs: How many runs it is about, verifications and cleanups included.
        held_back_by: What held the migration back most.
        findings: Sentences: where the writes sank, and for what.

    Example:
        >>> from dualtable import ReportWritten
        >>> ReportWritten(path="r.html", runs=1, held_back_by="write ceiling", findings=()).runs
        1
    """

    path: str
    runs: int
    held_back_by: str
    findings: tuple[str, ...]


async def write_report(
    migration: Migration,
    *,
    events: Iterable[PathLike] = (),
    dead_letters: PathLike | None = None,
    plan: PathLike | None = None,
    prices: Prices | None = None,
    out: PathLike | None = None,
    offline: bool = False,
    clock: Clock | None = None,
    **connection: Unpack[Connection],
) -> ReportWritten:
    """Write what a migration did as one HTML page that needs nothing else.

    Args:
        migration: The migration.
        events: Event files, or folders of them, such as those of several machines. Default: the
            folder in the working directory that is named after the migration.
        dead_letters: The file of dead letters. Default: as for `Migrator`, if there is one.
        plan: What ``dualtable plan --json`` has said, to be compared with.
        prices: What units cost. Default: `Prices.published`.
        out: Where the page goes. Default: ``<name of the migration>.report.html`` in the working
            directory.
        offline: Leave out what the control table says: phase, verification, and how many dead
            letters are still open.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        InvalidSettingError: There are no events, or a file is of another kind.
        DualTableError: The extra ``report`` is not installed, or the page cannot be written.
        GatewayError: DynamoDB refused a request or stayed out of reach.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Migrator, Move, write_report
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
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     await Migrator(migration, gateway=gateway).run()
        ...     return await write_report(migration, gateway=gateway)
        >>> asyncio.run(main()).path
        'orders-v2.report.html'
    """
    places = [Path(each) for each in events] or [Path(named_after(migration, "events"))]
    runs = [run for run in read_events(places) if run.head.get("name") == migration.name]
    of_kind = {k: [r for r in runs if r.head.get("kind") == k] for k in ("verify", "cleanup")}
    checks, sweeps = of_kind["verify"], of_kind["cleanup"]
    others = [run for run in runs if run.head.get("kind") not in of_kind]
    rehearsed, copies = ([r for r in others if is_dry(r) is dry] for dry in (True, False))
    found, tried, looked, swept = map(slots, (copies, rehearsed, checks, sweeps))
    if not any((found, tried, looked, swept)):
        raise InvalidSettingError(
            f"no run of {migration.name} has told anything in"
            f" {', '.join(str(place) for place in places)};"
            " dualtable migrate, verify and cleanup leave events there"
        )
    status = None if offline else await read_status(migration, clock=clock, **connection)
    prices = prices or Prices.published()
    totals = Totals.of(copies, at_work(found), prices)
    compared = Totals.of(checks, at_work(looked), prices)
    planned = None if plan is None else read_plan(plan)
    letters = _letters(migration, dead_letters)
    parts = [
        *([sections.held_back(found), sections.over_time(found)] if found else []),
        sections.totals(totals, planned, prices),
        sections.dead_letters(letters, None if status is None else status.dead_letters),
        *dry_runs(rehearsed, tried, prices),
        *verification(status, looked, compared, prices),
        *cleanup(sweeps, Totals.of(sweeps, at_work(swept), prices), prices),
        sections.runs(runs),
    ]
    path = Path(out or named_after(migration, "report.html"))
    title = f"{migration.name}: {migration.old} to {migration.new}"
    _write(path, page(title, _headline(copies, rehearsed, totals, status), parts))
    first = next((str(cause) for cause, _ in shares(found or tried or looked)), "")
    return ReportWritten(
        path=str(path), runs=len(runs), held_back_by=first, findings=tuple(sags(found))
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidSettingError(
            f"the report cannot be written to {str(path)!r} ({error.strerror}); give another --out"
        ) from error


def _headline(
    runs: Sequence[ToldRun],
    rehearsed: Sequence[ToldRun],
    totals: Totals,
    status: MigrationStatus | None,
) -> str:
    phase = "" if status is None else f", in phase {status.phase}"
    if not runs and rehearsed:
        return f"Only dry runs were told of{phase}: nothing was copied, and nothing was written."
    if not runs:
        return f"No events of the copy were given{phase}."
    begun = moment(float(runs[0].head["begun"]))
    end = "complete" if runs[-1].end.get("outcome") == "complete" else "not complete"
    copied = totals.done.counts.get("scanned", 0.0)
    return (
        f"Begun {begun}, {end}{phase}: {count(copied)} items in {duration(totals.seconds)} of work."
    )


def _letters(migration: Migration, given: PathLike | None) -> Letters:
    if given is not None and not Path(given).exists():
        raise InvalidSettingError(
            f"there is no file of dead letters {os.fspath(given)!r}; those in S3 have to be brought"
            " here first, and the control table knows all that are open: dualtable retry --list"
        )
    return read_letters(Path(given or default_dead_letters(migration)))
