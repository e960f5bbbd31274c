"""The commands that look at migrations: ``status`` and ``list``.

The rule: as for all commands; they read, and change nothing.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from dualtable._cli.command import WELL, Answer, Command
from dualtable._cli.options import add_connection, add_migration, add_output, connection_of
from dualtable._operations.reference import load_migration
from dualtable._standing.listing import Listing, list_migrations
from dualtable._standing.status import MigrationStatus, read_status
from dualtable._telling import statuses
from dualtable._telling.listings import listing_text
from dualtable._transforms.migration import DEFAULT_CONTROL_TABLE


def _status(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    status = asyncio.run(read_status(migration, **connection_of(options)))
    return Answer(
        WELL,
        status,
        statuses.status_text(status, options.reference),
    )


STATUS = Command(
    "status",
    "Show how far the migration has come.",
    _status,
    (add_migration, add_output),
    (MigrationStatus,),
)


def _add_control_table(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--control-table",
        metavar="NAME",
        default=DEFAULT_CONTROL_TABLE,
        help=f"the table that the migrations share (default: {DEFAULT_CONTROL_TABLE})",
    )


def _list(options: Namespace) -> Answer:
    listing = asyncio.run(list_migrations(options.control_table, **connection_of(options)))
    return Answer(WELL, listing, listing_text(listing))


LIST = Command(
    "list",
    "Show all migrations of a control table, each in a line.",
    _list,
    (_add_control_table, add_connection, add_output),
    (Listing,),
)
