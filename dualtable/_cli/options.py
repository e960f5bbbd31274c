"""The options of the command line, in groups that several commands share.

The rule: a group only declares; what is out of range, the library says when it gets it.
"""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from decimal import Decimal

from dualtable._control.phases import Phase
from dualtable._dynamodb.connect import Connection
from dualtable._operations.precautions import CONCERNS
from dualtable._progress.shown import AUTO, KINDS, NONE
from dualtable._telling.guesses import guess
from dualtable._wire import codec
from dualtable._wire.types import Key

UNLIMITED = "none"
_KEPT = (
    "kept for later runs, too, until 'dualtable rate' changes it; not by a dry run or a sample"
    " (default: the one that is kept)"
)
LEVELS = ("keys", "content")


def add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quiet", action="store_true", help="no progress, only the answer")
    how_much.add_argument("--verbose", action="store_true", help="log more, also with --json")


def add_migration(parser: ArgumentParser) -> None:
    parser.add_argument(
        "reference",
        metavar="MODULE:ATTRIBUTE",
        help="the migration, such as orders_migration:migration; the working directory is on"
        " the Python path",
    )
    add_connection(parser)


def add_connection(parser: ArgumentParser) -> None:
    parser.add_argument("--endpoint-url", metavar="URL", type=_url, help="another DynamoDB server")
    parser.add_argument("--region", help="AWS region")
    parser.add_argument("--profile", help="profile of the AWS configuration files")


def add_progress(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--progress",
        metavar="|".join(KINDS),
        type=_one_of(KINDS),
        default=AUTO,
        help="on standard error: auto (default) moves where there is a terminal, and is a line each"
        " five seconds elsewhere; json is such lines for a program",
    )


def progress_kind(options: Namespace) -> str:
    """Return how progress is shown."""
    return NONE if options.quiet else str(options.progress)


def connection_of(options: Namespace) -> Connection:
    """Return how to reach DynamoDB, as the options say."""
    return {
        "endpoint_url": options.endpoint_url,
        "region_name": options.region,
        "profile_name": options.profile,
    }


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return what reads one of some words."""

    def read(text: str) -> str:
        if text not in words:
            meant = guess(text, words) or f"; there are {', '.join(words)}"
            raise argparse.ArgumentTypeError(f"there is no {text!r}{meant}")
        return text

    return read


def positive_seconds(text: str) -> float:
    """Return a pause in seconds, of one at least: each look is some requests."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 on")
    return seconds


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


def add_scan(parser: ArgumentParser) -> None:
    parser.add_argument("--total-segments", type=int, metavar="N", help="parts of the scan")
    parser.add_argument(
        "--concurrency", type=int, default=16, metavar="N", help="requests at once (default: 16)"
    )
    add_ceilings(parser, "read")


def add_ceilings(parser: ArgumentParser, *kinds: str) -> None:
    for kind in kinds:
        parser.add_argument(
            f"--max-{kind}-units",
            type=float,
            metavar="N",
            help=f"ceiling of {kind} units per second for all processes together; {_KEPT}",
        )


def add_processes(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes of this machine that share the work, each with as many requests at once"
        " (default: 1)",
    )


def add_copy(parser: ArgumentParser) -> None:
    add_ceilings(parser, "write")
    parser.add_argument(
        "--dead-letters",
        metavar="PATH",
        help="JSON lines file, or s3://BUCKET/PREFIX, for what could not be copied"
        " (default: named after the migration)",
    )
    parser.add_argument(
        "--throttle",
        metavar="MODULE:ATTRIBUTE",
        help="a callable that returns True or a reason to let this process stand still",
    )
    add_events(parser, "named after the migration, beside the dead letters")
    parser.add_argument(
        "--dry-run", action="store_true", help="scan and transform, write to no table"
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget the checkpoints; what is copied stays"
    )
    parser.add_argument(
        "--yes", action="store_true", help="copy whatever speaks against it; without, that is said"
    )
    parser.add_argument(
        "--despite",
        metavar="CONCERN",
        action="append",
        type=_one_of(CONCERNS),
        default=[],
        help=f"copy although this speaks against it: {', '.join(CONCERNS)}; may be given"
        " repeatedly",
    )


def add_events(parser: ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--events",
        metavar="FOLDER",
        help=f"where this run tells of itself, for 'dualtable report' (default: {default};"
        " /dev/null for nowhere)",
    )


def add_rate(parser: ArgumentParser) -> None:
    for kind in ("read", "write"):
        parser.add_argument(
            f"--max-{kind}-units",
            type=_ceiling,
            metavar="N",
            help=f"new ceiling of {kind} units per second for all processes together; 0 pauses"
            f" them, {UNLIMITED!r} lifts it; kept for later runs, too",
        )


def _ceiling(text: str) -> float | str:
    if text == UNLIMITED:
        return text
    try:
        units = float(text)
    except ValueError:
        units = -1.0
    if not 0 <= units < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor 'none'")
    return units


def add_proof(parser: ArgumentParser) -> None:
    add_level(parser)
    only_one = parser.add_mutually_exclusive_group()
    only_one.add_argument(
        "--sample",
        type=int,
        nargs="?",
        const=5_000,
        metavar="N",
        help="only look at about N items drawn at random (default: 5000), and say what follows",
    )
    only_one.add_argument(
        "--repair", action="store_true", help="copy what is missing, and prove it at once"
    )
    only_one.add_argument(
        "--repair-key",
        type=key_from_json,
        metavar="JSON",
        help="copy one old item again, over a copy that differs: its key in the new table, such as"
        """ '{"id": "o-7"}' or as --json shows it""",
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget what an interrupted one has looked at"
    )
    add_events(parser, "named after the migration")


def key_from_json(text: str) -> Key:
    """Return a key from JSON, in plain values or in DynamoDB's notation."""
    try:
        key = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        if isinstance(key, dict) and all(isinstance(value, dict) for value in key.values()):
            return codec.decode(key)
    except (ValueError, KeyError, TypeError, ArithmeticError):
        key = None
    if not isinstance(key, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object of key attributes")
    return key


def add_level(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--level",
        metavar="|".join(LEVELS),
        type=_one_of(LEVELS),
        default="content",
        help="keys: every key has arrived; content (default): also unchanged, and nothing else has",
    )


def add_freeze(parser: ArgumentParser) -> None:
    parser.add_argument("--role", metavar="ARN", help="deny the writes of this role alone")
    parser.add_argument(
        "--undo", action="store_true", help="take the denial away; the policy is then as it was"
    )


def add_cleanup(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tokens",
        action="store_true",
        help="remove the write tokens, too; for when production has taken the library out",
    )
    add_ceilings(parser, "read", "write")
    add_events(parser, "named after the migration")


def add_advance(parser: ArgumentParser) -> None:
    parser.add_argument("--plan", action="store_true", help="show the gate and change nothing")
    parser.add_argument(
        "--wait", action="store_true", help="wait at the gate for what may still come true"
    )
    parser.add_argument(
        "--to",
        metavar="PHASE",
        type=_one_of([phase.value for phase in Phase]),
        help="the phase to arrive at (default: the next one); several steps need --wait",
    )
    parser.add_argument(
        "--old-code-is-gone",
        action="store_true",
        help="state that no process runs that does not use the repository; nobody can see that",
    )
    parser.add_argument(
        "--ttl-attribute",
        metavar="NAME",
        help="by which attribute items shall expire in the new table, where it cannot be found;"
        " '' for not at all",
    )
    parser.add_argument(
        "--declare-dead",
        metavar="NAME",
        action="append",
        default=[],
        help="state that a repository is dead and will do nothing more; may be given repeatedly",
    )
