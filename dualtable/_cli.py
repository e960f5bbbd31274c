"""The command line: one command for each step of a migration.

The rule: a command does what its name says and nothing else, says what to do next, and ends with
0 (done and well), 1 (done but not well) or 2 (wrong use). Results go to stdout, all else to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import attrs

from dualtable._connect import Connection
from dualtable._creation import CreationReport, create_table
from dualtable._migration import Migration
from dualtable._migrator import MigrationReport, Migrator, default_dead_letters
from dualtable._progress import MigrationLines, display, duration, verification_line
from dualtable._status import MigrationStatus, read_status
from dualtable._verifier import VerificationReport, Verifier
from dualtable.errors import (
    DualTableError,
    GatewayError,
    MigrationMismatchError,
    TableMismatchError,
    TableNotFoundError,
    TransformError,
)

WELL, NOT_WELL, WRONG_USE = 0, 1, 2

# What the caller can only mend by calling otherwise; whatever else fails was worth trying.
_MISUSE = (MigrationMismatchError, TableMismatchError, TableNotFoundError, TransformError)

Arguments: TypeAlias = argparse.Namespace
Report: TypeAlias = CreationReport | MigrationReport | VerificationReport | MigrationStatus


class _WrongReferenceError(DualTableError):
    """MODULE:ATTRIBUTE leads to no migration."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    chosen = build_parser().parse_args(arguments)
    _start_logging(chosen.verbose)
    try:
        code: int = chosen.command(chosen)
    except DualTableError as error:
        return _fail(error, as_json=chosen.json)
    except KeyboardInterrupt:
        return NOT_WELL
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="dualtable",
        description="Change the format of a DynamoDB table without downtime.",
        epilog="Exit code: 0 done and well, 1 done but not well, 2 wrong use.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, text, add_options) in _COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        add_options(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--verbose", action="store_true", help="log more, on stderr")
    return parser


# -- commands ------------------------------------------------------------------------------------


def _create(chosen: Arguments) -> int:
    migration = _load(chosen.migration)
    report = asyncio.run(create_table(migration, **_connection(chosen)))
    _print(chosen, report, _creation_text(report))
    return WELL if report.ok else NOT_WELL


def _migrate(chosen: Arguments) -> int:
    migration = _load(chosen.migration)
    report = asyncio.run(_run_migrator(migration, chosen))
    letters = chosen.dead_letters or default_dead_letters(migration)
    _print(chosen, report, _migration_text(report, letters, dry_run=chosen.dry_run))
    return WELL if report.ok else NOT_WELL


async def _run_migrator(migration: Migration, chosen: Arguments) -> MigrationReport:
    lines = MigrationLines()
    with display(sys.stderr) as show:
        migrator = Migrator(
            migration,
            total_segments=chosen.total_segments,
            concurrency=chosen.concurrency,
            page_items=chosen.page_items,
            max_read_units=chosen.max_read_units,
            max_write_units=chosen.max_write_units,
            dead_letters=chosen.dead_letters,
            dry_run=chosen.dry_run,
            restart=chosen.restart,
            observer=lambda progress: show(lines.line(progress)),
            **_connection(chosen),
        )
        return await migrator.run(stop_on=(signal.SIGINT, signal.SIGTERM))


def _verify(chosen: Arguments) -> int:
    migration = _load(chosen.migration)
    with display(sys.stderr) as show:
        verifier = Verifier(
            migration,
            level=chosen.level,
            total_segments=chosen.total_segments,
            concurrency=chosen.concurrency,
            max_read_units=chosen.max_read_units,
            observer=lambda report: show(verification_line(report)),
            **_connection(chosen),
        )
        report = asyncio.run(verifier.run())
    _print(chosen, report, _verification_text(report))
    return WELL if report.ok else NOT_WELL


def _status(chosen: Arguments) -> int:
    status = asyncio.run(read_status(_load(chosen.migration), **_connection(chosen)))
    _print(chosen, status, _status_text(status))
    return NOT_WELL if status.dead_letters else WELL


def _demo(chosen: Arguments) -> int:
    from dualtable._demo import run_demo  # its packages are an extra

    say = _to_stderr if chosen.json else print
    well = asyncio.run(run_demo(say=say))
    if chosen.json:
        print(json.dumps({"ok": well}))
    return WELL if well else NOT_WELL


# -- options -------------------------------------------------------------------------------------


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "migration",
        metavar="MODULE:ATTRIBUTE",
        help="where the Migration is, such as orders_migration:migration",
    )
    parser.add_argument("--endpoint-url", help="another DynamoDB, such as http://localhost:8000")
    parser.add_argument("--region", help="AWS region; else as for any AWS SDK")
    parser.add_argument("--profile", help="AWS profile; else as for any AWS SDK")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    parser.add_argument("--total-segments", type=int, help="parts of the scan")
    parser.add_argument("--concurrency", type=int, default=16, help="parts worked on at once")
    parser.add_argument("--max-read-units", type=float, help="ceiling of read units per second")


def _add_migrate(parser: argparse.ArgumentParser) -> None:
    _add_scan(parser)
    parser.add_argument("--max-write-units", type=float, help="ceiling of write units per second")
    parser.add_argument("--page-items", type=int, help="items read at once, at most")
    parser.add_argument("--dead-letters", help="file for items that cannot be copied")
    parser.add_argument("--dry-run", action="store_true", help="transform all, write nothing")
    parser.add_argument("--restart", action="store_true", help="forget the checkpoints")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_scan(parser)
    parser.add_argument(
        "--level", choices=("keys", "content"), default="content", help="default: content"
    )


_COMMANDS: Mapping[
    str,
    tuple[Callable[[Arguments], int], str, Callable[[argparse.ArgumentParser], None]],
] = {
    "create": (_create, "Make the new table like the old one, and the control table.", _add_common),
    "migrate": (_migrate, "Copy what the new table does not have yet.", _add_migrate),
    "verify": (_verify, "Prove that everything has arrived.", _add_verify),
    "status": (_status, "Show how the migration stands.", _add_common),
    "demo": (_demo, "Watch a live migration on the embedded server.", lambda _: None),
}


def _connection(chosen: Arguments) -> Connection:
    given = {
        "endpoint_url": chosen.endpoint_url,
        "region_name": chosen.region,
        "profile_name": chosen.profile,
    }
    return cast("Connection", {name: value for name, value in given.items() if value})


def _load(reference: str) -> Migration:
    """Return the migration that MODULE:ATTRIBUTE names; the working directory is importable."""
    module_name, colon, attribute = reference.partition(":")
    if not (module_name and colon and attribute):
        raise _WrongReferenceError(
            f"{reference!r} is not MODULE:ATTRIBUTE, such as orders_migration:migration"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise _WrongReferenceError(
            f"{reference!r}: no module {error.name!r} in {os.getcwd()} or on the Python path"
        ) from error
    except AttributeError as error:
        raise _WrongReferenceError(f"{reference!r}: {error}") from error
    except DualTableError:
        raise
    except Exception as error:
        raise _WrongReferenceError(
            f"{reference!r}: importing it raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Migration):
        raise _WrongReferenceError(
            f"{reference!r} is a {type(found).__name__}, not a dualtable.Migration"
        )
    return found


# -- output --------------------------------------------------------------------------------------


def _print(chosen: Arguments, report: Report, text: str) -> None:
    if chosen.json:
        fields = attrs.asdict(report)
        fields |= {name: getattr(report, name) for name in ("ok",) if hasattr(report, name)}
        print(json.dumps(fields, default=_jsonable))
    else:
        print(text)


def _jsonable(value: Any) -> Any:
    """Numbers of a key as text, which loses no digit; binary as base64 does."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _fail(error: DualTableError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": type(error).__name__.lstrip("_"), "message": str(error)}))
    _to_stderr(f"dualtable: {error}")
    if isinstance(error, GatewayError) and not isinstance(error, _MISUSE):
        return NOT_WELL
    return WRONG_USE


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _table(rows: Mapping[str, object]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in rows.items())


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _creation_text(report: CreationReport) -> str:
    if report.created:
        text = f"{report.table} has been created."
    elif report.ok:
        text = f"{report.table} exists and is as it should be."
    else:
        lines = "\n".join(f"  {line}" for line in report.differences)
        text = f"{report.table} exists and was not changed. It differs:\n{lines}"
    if report.ttl_attribute:
        text += (
            f"\nTTL on {report.ttl_attribute!r} stays off until the cut-over:"
            " an item that expired in the new table would come back from the old one."
        )
    return text


def _migration_text(report: MigrationReport, letters: str, *, dry_run: bool) -> str:
    rows = {
        "scanned": report.scanned,
        "would be written" if dry_run else "written": report.written,
        "already present": report.already_present,
        "dropped": report.dropped,
        "failed": report.failed,
        "pages": f"{report.pages:,} ({report.empty_pages:,} empty)",
        "throttled": report.throttled,
        "units": f"{report.read_units:,.1f} read, {report.write_units:,.1f} write",
        "time": duration(report.seconds),
    }
    return f"{_table(rows)}\n{_next_step(report, letters, dry_run=dry_run)}"


def _next_step(report: MigrationReport, letters: str, *, dry_run: bool) -> str:
    if not report.complete:
        return "Stopped before the end; run the same command again to go on."
    if report.dead_letters:
        return (
            f"{report.dead_letters:,} items could not be copied; see {letters}."
            " Mend the transform, then begin anew with --restart."
        )
    return "The transform fits every item." if dry_run else "Complete. Next: dualtable verify."


def _verification_text(report: VerificationReport) -> str:
    names = ("checked", "missing", "different", "rewritten", "deleted", "extra")
    rows: dict[str, object] = {name: getattr(report, name) for name in names}
    lines = [_table(rows | {"time": duration(report.seconds)})]
    lines += [
        f"  {e.kind}: {json.dumps(e.key, default=_jsonable)} {e.reason}" for e in report.examples
    ]
    lines.append("Verified." if report.ok else "Not verified.")
    return "\n".join(lines)


def _status_text(status: MigrationStatus) -> str:
    if not status.total_segments:
        return f"{status.name} is in phase {status.phase}; nothing has been copied yet."
    rows = {
        "phase": status.phase,
        "segments": f"{status.segments_done:,} of {status.total_segments:,} done,"
        f" {status.segments_held:,} being worked on",
        "migrators": ", ".join(status.workers) or "none at work",
        "scanned": f"{status.scanned:,} of about {status.estimated_items:,}",
        "written": status.written,
        "already present": status.already_present,
        "dropped": status.dropped,
        "dead letters": status.dead_letters,
    }
    return _table(rows)


def _start_logging(verbose: bool) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("dualtable").setLevel(logging.DEBUG if verbose else logging.INFO)
