"""The commands that look at migrations: ``status`` and ``list``.

The rule: as for all commands; they read, and change nothing.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from contextlib import suppress

import attrs

from dualtable._cli.command import WELL, Answer, Command
from dualtable._cli.options import (
    add_connection,
    add_migration,
    add_output,
    connection_of,
    positive_seconds,
)
from dualtable._operations.reference import load_migration
from dualtable._standing.listing import Listing, list_migrations
from dualtable._standing.nexts import next_steps
from dualtable._standing.status import MigrationStatus, read_status
from dualtable._telling import statuses
from dualtable._telling.answers import StatusAndSteps
from dualtable._telling.listings import listing_text
from dualtable._transforms.migration import DEFAULT_CONTROL_TABLE, Migration


def _status(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    if options.watch is None:
        return asyncio.run(_look(migration, options))
    watch = _Watch(migration, options)
    with suppress(KeyboardInterrupt):
        asyncio.run(watch.go_on())
    if watch.last is None:  # it was stopped before it had seen anything
        raise KeyboardInterrupt
    return attrs.evolve(watch.last, is_told=True)


async def _look(migration: Migration, options: Namespace) -> Answer:
    status = await read_status(migration, **connection_of(options))
    return _answer(status, migration, options.reference)


@attrs.define
class _Watch:
    """Looks again and again, and says each time what it has seen, while somebody hears it."""

    migration: Migration
    options: Namespace
    last: Answer | None = None

    async def go_on(self) -> None:
        self.last = await _look(self.migration, self.options)
        while self.options.tell(self.last):
            await asyncio.sleep(self.options.watch)
            self.last = await _look(self.migration, self.options)


def _answer(status: MigrationStatus, migration: Migration, reference: str) -> Answer:
    steps = next_steps(status, migration, reference)
    lines = statuses.status_text(status, migration, steps)
    return Answer(WELL, StatusAndSteps.of(status, steps), lines)


def _add_watch(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        type=positive_seconds,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="look again every so many seconds (default: 5), until Ctrl-C; with --json, an object"
        " each time",
    )


STATUS = Command(
    "status",
    "Show how far the migration has come.",
    _status,
    (add_migration, _add_watch, add_output),
    (StatusAndSteps,),
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
