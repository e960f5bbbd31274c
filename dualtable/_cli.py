"""The command line.

The rule: nothing else of the library prints. Standard output holds the answer of the command and
nothing more, as text or as one JSON object; logs, progress and errors go to standard error.

    exit 0   done, and well
    exit 1   done or begun, and not well: dead letters, a failed verification, stopped before the
             end, a new table that differs, DynamoDB refused or out of reach
    exit 2   wrong use: arguments, reference, tables or transform do not fit; nothing was begun
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, NoReturn

import attrs
import orjson

from dualtable import _summaries
from dualtable._connect import Connection
from dualtable._creation import create_table
from dualtable._migration import Migration
from dualtable._migrator import MigrationReport, Migrator, default_dead_letters
from dualtable._progress import of_migration, of_verification, shown
from dualtable._reference import load_migration
from dualtable._status import read_status
from dualtable._verifier import VerificationReport, Verifier
from dualtable.errors import (
    DualTableError,
    GatewayError,
    LeaseLostError,
    RetryableError,
    ServerNotStartedError,
    TableNotFoundError,
)

_log = logging.getLogger("dualtable.cli")

WELL, NOT_WELL, WRONG_USE = 0, 1, 2

_ENDINGS: dict[type[DualTableError], tuple[int, str]] = {
    DualTableError: (WRONG_USE, ""),  # all that are not listed: the command or the code must change
    TableNotFoundError: (
        WRONG_USE,
        "check the names, the region and the endpoint; 'dualtable create' makes the new table",
    ),
    ServerNotStartedError: (NOT_WELL, ""),
    LeaseLostError: (NOT_WELL, "run the same command again"),
    GatewayError: (NOT_WELL, ""),
    RetryableError: (NOT_WELL, "try again; a migration goes on where it was"),
}
"""Exit code and advice for an error; that of its nearest class counts."""

_STOP_ON = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)


@attrs.frozen
class _Answer:
    """How a command ended: for the shell, for machines, for people."""

    exit_code: int
    data: dict[str, Any]
    text: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        options = _parser().parse_args(arguments)
        options.say = partial(print, file=sys.stderr if options.json else sys.stdout, flush=True)
        # What a user's module prints must not get between the answer.
        with _logging_to_stderr(options), redirect_stdout(sys.stderr):
            answer: _Answer = options.command.run(options)
    except DualTableError as error:
        answer = _failure(error)
    except KeyboardInterrupt:
        answer = _told("KeyboardInterrupt", "stopped at once; what is settled stays", NOT_WELL)
    _print(answer, as_json="--json" in arguments)
    return answer.exit_code


def _print(answer: _Answer, *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(answer.data).decode())
    elif answer.text:
        print(answer.text)


def _failure(error: DualTableError) -> _Answer:
    exit_code, advice = next(_ENDINGS[kind] for kind in type(error).__mro__ if kind in _ENDINGS)
    message = "; ".join(filter(None, (" ".join(str(error).split()), advice)))
    return _told(type(error).__name__, message, exit_code)


def _told(error: str, message: str, exit_code: int) -> _Answer:
    print(f"dualtable: {message}", file=sys.stderr)
    return _Answer(exit_code, {"error": error, "message": message}, "")


# The commands


def _create(options: Namespace) -> _Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(create_table(migration, **_connection(options)))
    return _Answer(
        WELL if report.ok else NOT_WELL,
        _summaries.creation_data(report),
        _summaries.creation_text(report, migration, options.reference),
    )


def _migrate(options: Namespace) -> _Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(_run_migrator(migration, options))
    request = _summaries.MigrateRequest(
        reference=options.reference,
        dead_letters=options.dead_letters or default_dead_letters(migration),
        dry_run=options.dry_run,
        restart=options.restart,
    )
    return _Answer(
        WELL if report.ok else NOT_WELL,
        _summaries.migration_data(report),
        _summaries.migration_text(report, migration, request),
    )


class _TalkingMigrator(Migrator):
    """Says so when it is asked to stop."""

    def stop(self) -> None:
        _log.warning("finishing pages; again to stop at once")
        super().stop()


async def _run_migrator(migration: Migration, options: Namespace) -> MigrationReport:
    async with shown("migrating", live=not options.quiet) as show:
        migrator = _TalkingMigrator(
            migration,
            total_segments=options.total_segments,
            concurrency=options.concurrency,
            max_read_units=options.max_read_units,
            max_write_units=options.max_write_units,
            dead_letters=options.dead_letters,
            dry_run=options.dry_run,
            restart=options.restart,
            observer=lambda progress: show(of_migration(progress)),
            **_connection(options),
        )
        return await migrator.run(stop_on=_STOP_ON)


def _verify(options: Namespace) -> _Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(_run_verifier(migration, options))
    return _Answer(
        WELL if report.ok else NOT_WELL,
        _summaries.verification_data(report),
        _summaries.verification_text(report, migration, options.reference),
    )


async def _run_verifier(migration: Migration, options: Namespace) -> VerificationReport:
    async with shown("verifying", live=not options.quiet) as show:
        return await Verifier(
            migration,
            level=options.level,
            total_segments=options.total_segments,
            concurrency=options.concurrency,
            max_read_units=options.max_read_units,
            observer=lambda report: show(of_verification(report)),
            **_connection(options),
        ).run()


def _status(options: Namespace) -> _Answer:
    migration = load_migration(options.reference)
    status = asyncio.run(read_status(migration, **_connection(options)))
    return _Answer(
        WELL,
        _summaries.status_data(status),
        _summaries.status_text(status, options.reference),
    )


def _demo(options: Namespace) -> _Answer:
    try:
        from dualtable._demo import run_demo  # needs the extra `demo`
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dualtable"):
            raise
        raise DualTableError(
            f"the demo needs {error.name}; install it with: pip install 'dualtable[demo]'"
        ) from error
    report = run_demo(options.say, live=not options.quiet)
    return _Answer(WELL if report.ok else NOT_WELL, _summaries.demo_data(report), "")


def _connection(options: Namespace) -> Connection:
    return {
        "endpoint_url": options.endpoint_url,
        "region_name": options.region,
        "profile_name": options.profile,
    }


# Logging


@contextmanager
def _logging_to_stderr(options: Namespace) -> Iterator[None]:
    """Show the library's log on standard error; that of others is theirs to set up."""
    library, handler = logging.getLogger("dualtable"), _StderrHandler()
    before = library.level, library.propagate
    library.setLevel(_log_level(options))
    library.propagate = False
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.level, library.propagate = before


def _log_level(options: Namespace) -> int:
    """Return the least level that is shown; who asks for JSON is no person who watches."""
    if options.verbose:
        return logging.DEBUG
    return logging.WARNING if options.quiet or options.json else logging.INFO


class _StderrHandler(logging.Handler):
    """Writes to what is standard error at that moment, so that lines go above a live display."""

    _STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: v for name, v in vars(record).items() if name not in self._STANDARD}
        return " ".join([super().format(record), *(f"{name}={v}" for name, v in extra.items())])


# The arguments


class _Parser(ArgumentParser):
    """Reports wrong arguments as every other error, and takes no abbreviations."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise DualTableError(f"{message}; see {self.prog} --help")


@attrs.frozen
class _Command:
    """A subcommand: what it does, how it is run, and the groups of options that it takes."""

    name: str
    purpose: str
    run: Callable[[Namespace], _Answer]
    options: tuple[Callable[[ArgumentParser], None], ...]


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="dualtable",
        description="Change the format of a DynamoDB table without downtime.",
        epilog="Exit codes: 0 done and well, 1 done or begun but not well, 2 wrong use.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        sub = commands.add_parser(command.name, help=command.purpose, description=command.purpose)
        sub.set_defaults(command=command)
        for add_options in command.options:
            add_options(sub)
    return parser


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quiet", action="store_true", help="no progress, only the answer")
    how_much.add_argument("--verbose", action="store_true", help="log more, also with --json")


def _add_migration(parser: ArgumentParser) -> None:
    parser.add_argument(
        "reference",
        metavar="MODULE:ATTRIBUTE",
        help="the migration, such as orders_migration:migration; the working directory is on"
        " the Python path",
    )
    parser.add_argument("--endpoint-url", metavar="URL", type=_url, help="another DynamoDB server")
    parser.add_argument("--region", help="AWS region")
    parser.add_argument("--profile", help="profile of the AWS configuration files")


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


def _add_scan(parser: ArgumentParser) -> None:
    parser.add_argument("--total-segments", type=int, metavar="N", help="parts of the scan")
    parser.add_argument(
        "--concurrency", type=int, default=16, metavar="N", help="segments at once (default: 16)"
    )
    parser.add_argument(
        "--max-read-units", type=float, metavar="N", help="ceiling of read units per second"
    )


def _add_copy(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--max-write-units", type=float, metavar="N", help="ceiling of write units per second"
    )
    parser.add_argument(
        "--dead-letters",
        metavar="PATH",
        help="JSON lines file for what could not be copied (default: named after the migration)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="scan and transform, write to no table"
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget the checkpoints; what is copied stays"
    )


def _add_level(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        choices=("keys", "content"),
        default="content",
        help="keys: every key has arrived; content (default): also unchanged, and nothing else has",
    )


_COMMANDS = (
    _Command(
        "create",
        "Create the new table and the control table.",
        _create,
        (_add_migration, _add_output),
    ),
    _Command(
        "migrate",
        "Copy what is not in the new table yet; go on where an earlier run stopped.",
        _migrate,
        (_add_migration, _add_scan, _add_copy, _add_output),
    ),
    _Command(
        "verify",
        "Prove that what the old table holds has arrived.",
        _verify,
        (_add_migration, _add_level, _add_scan, _add_output),
    ),
    _Command(
        "status", "Show how far the migration has come.", _status, (_add_migration, _add_output)
    ),
    _Command("demo", "Watch a migration of real data on this machine.", _demo, (_add_output,)),
)
