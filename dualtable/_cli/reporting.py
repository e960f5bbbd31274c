"""The command that makes a page of what a migration did: `report`.

The rule: as for all commands; it reads files and the control table, and writes one file.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from dualtable._cli.command import WELL, Answer, Command
from dualtable._cli.options import add_migration, add_output, connection_of
from dualtable._operations.reference import load_migration
from dualtable._planning.prices import Prices
from dualtable._report.writing import ReportWritten, write_report


def _add_report(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--events",
        metavar="PATH",
        action="append",
        default=[],
        help="an event file or a folder of them; may be repeated, as for several machines"
        " (default: the folder that is named after the migration)",
    )
    parser.add_argument("--dead-letters", metavar="PATH", help="the file of dead letters")
    parser.add_argument(
        "--plan", metavar="PATH", help="what 'dualtable plan --json' has said, to compare with"
    )
    parser.add_argument(
        "--prices", metavar="PATH", help="JSON file with other prices, as for 'dualtable plan'"
    )
    parser.add_argument(
        "--out", metavar="PATH", help="where the page goes (default: named after the migration)"
    )
    parser.add_argument(
        "--offline", action="store_true", help="ask no server: leave phase and verification out"
    )


def _report(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    written = asyncio.run(
        write_report(
            migration,
            events=options.events,
            dead_letters=options.dead_letters,
            plan=options.plan,
            prices=None if options.prices is None else Prices.read(options.prices),
            out=options.out,
            offline=options.offline,
            **connection_of(options),
        )
    )
    return Answer(WELL, written, _text(written, migration.name))


def _text(written: ReportWritten, name: str) -> list[str]:
    runs = "1 run" if written.runs == 1 else f"{written.runs} runs"
    return [
        f"{name}: {runs}, held back most by {written.held_back_by}.",
        *(f"  {finding}" for finding in written.findings),
        f"The report is {written.path}.",
    ]


REPORT = Command(
    "report",
    "Make one HTML page of what the migration did, minute by minute, and what held it back.",
    _report,
    (add_migration, _add_report, add_output),
    (ReportWritten,),
)
