"""The command that works off dead letters: ``retry``.

The rule: as for all commands. It changes nothing before the transform is confirmed where it has
changed, and what it says of a letter is its key, its reason and its place, never a value.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.options import (
    add_ceilings,
    add_migration,
    add_output,
    connection_of,
    key_from_json,
)
from dualtable._cli.processes import STOP_ON
from dualtable._copy.report import RetryReport
from dualtable._copy.retrying import retry_dead_letters
from dualtable._operations.reference import load_migration
from dualtable._standing.status import read_dead_letters
from dualtable._telling.answers import OpenLetters
from dualtable._telling.copies import letters_text, retry_text
from dualtable._transforms.migration import Migration


def _add_retry(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        type=key_from_json,
        metavar="JSON",
        help="""only this one: its key in the old table, such as '{"id": "o-7"}', or as the dead"""
        " letters have it; may be given several times",
    )
    parser.add_argument(
        "--dead-letters",
        action="extend",
        default=[],
        nargs="+",
        metavar="PATH",
        help="only those in these files, such as each machine has left one, or in s3://BUCKET/PREFIX",
    )
    parser.add_argument(
        "--fingerprint",
        metavar="TEXT",
        help="confirm the transform where it has changed since the copy began",
    )
    parser.add_argument("--list", action="store_true", help="only show those that are open")
    add_ceilings(parser, "read", "write")


def _retry(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    if options.list:
        return _list(migration, options)
    report = asyncio.run(
        retry_dead_letters(
            migration,
            keys=options.key,
            files=options.dead_letters,
            fingerprint=options.fingerprint,
            max_read_units=options.max_read_units,
            max_write_units=options.max_write_units,
            stop_on=STOP_ON,
            **connection_of(options),
        )
    )
    lines = retry_text(report, migration, options.reference)
    return Answer(WELL if report.ok else NOT_WELL, report, lines)


def _list(migration: Migration, options: Namespace) -> Answer:
    letters = asyncio.run(read_dead_letters(migration, **connection_of(options)))
    return Answer(WELL, OpenLetters(tuple(letters)), letters_text(letters, migration))


RETRY = Command(
    "retry",
    "Try just the dead letters again, with the transform as it is now.",
    _retry,
    (add_migration, _add_retry, add_output),
    (RetryReport, OpenLetters),
)
