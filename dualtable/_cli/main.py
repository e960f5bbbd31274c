"""The command line.

The rule: nothing else of the library prints. Standard output holds the answer of the command and
nothing more, as text or as one JSON object, which also has its `schema_version`, and the name and
tables of the migration; logs, progress, errors and whatever a user's module prints go to standard
error.

    exit 0   done, and well
    exit 1   done or begun, and not well: dead letters, a failed verification, stopped before the
             end, a new table that differs, a table gone in mid-run; or DynamoDB was out of reach,
             or standard output took no answer
    exit 2   nothing was begun: arguments, reference, region, access, tables or transform do not fit
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib.metadata import version
from typing import Any, NoReturn, TextIO, cast

from dualtable._cli.command import NOT_WELL, WELL, WRONG_USE, Answer, Command
from dualtable._cli.log import logged_to_stderr
from dualtable._cli.options import add_migration
from dualtable._cli.streams import set_aside
from dualtable._cli.where import say_where
from dualtable._operations.reference import load_migration
from dualtable._sharing.process import SteadyStream
from dualtable._telling.answers import Failure
from dualtable._telling.forms import SCHEMA_VERSION, schema_of_command, told
from dualtable._telling.guesses import unknown_command, unknown_options
from dualtable._telling.terminal import fitted, is_steered, json_line, shown_plainly
from dualtable.errors import (
    DualTableError,
    LeaseLostError,
    RetryableError,
    ServerNotStartedError,
    TableNotFoundError,
)

_ADVICE: dict[type[DualTableError], str] = {
    DualTableError: "",
    TableNotFoundError: (
        "check the names, the region and the endpoint; 'dualtable create' makes the new table"
    ),
    LeaseLostError: "run the same command again",
    RetryableError: "try again; a migration goes on where it was",
}
"""What to do about an error with which nothing was begun; that of its nearest class counts."""

_CLEAR = "\x1b[H\x1b[J"  # from the upper left corner on

_MAY_PASS = (RetryableError, LeaseLostError, ServerNotStartedError)
"""Errors that are not about the command, the code or the settings."""


def run(commands: Sequence[Command], arguments: Sequence[str], *, for_good: bool = False) -> int:
    """Run the command that the arguments ask for and return its exit code.

    Args:
        commands: All that there are.
        arguments: The words of the command line.
        for_good: The process ends with it: what is printed after the answer is none, either.
    """
    with set_aside(for_good=for_good) as out:
        if not arguments:
            print(parser_of(commands).format_help(), file=out)
            return _exit_code(WRONG_USE, out)
        answer, about = _answered(commands, arguments, out)
        if not answer.is_told:
            _print(answer, about, as_json="--json" in arguments, file=out)
        return _exit_code(answer.exit_code, out)


def _answered(
    commands: Sequence[Command], arguments: Sequence[str], out: SteadyStream
) -> tuple[Answer, dict[str, Any]]:
    """Return how the command ended, and what it was about."""
    try:
        options = _options(commands, arguments, out)
        options.say = partial(_say, file=sys.stderr if options.json else out)
        options.tell = partial(_tell, options=options, file=out)
        with logged_to_stderr(_log_level(options)), _sigterm_as_sigint():
            say_where(options)
            answer: Answer = options.command.run(options)
            return answer, _about(options)
    except DualTableError as error:
        return _failure(error), {}
    except KeyboardInterrupt:
        return _told("KeyboardInterrupt", "stopped at once; what is settled stays", NOT_WELL), {}


def _exit_code(code: int, out: SteadyStream) -> int:
    """Return an exit code, or another one where the answer was lost; who has read enough may go."""
    out.flush()
    if out.failure is None or isinstance(out.failure, BrokenPipeError):
        return code
    reason = getattr(out.failure, "strerror", None) or out.failure
    _say(f"dualtable: standard output does not take the answer: {reason}", file=sys.stderr)
    return max(code, NOT_WELL)


def _log_level(options: Namespace) -> int:
    """Return the least level that is shown; who asks for JSON is no person who watches."""
    if options.verbose:
        return logging.DEBUG
    return logging.WARNING if options.quiet or options.json else logging.INFO


def _interrupt(*_: object) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in the background, as by nohup
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that this cuts off
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def _sigterm_as_sigint() -> Iterator[None]:
    """Let SIGTERM unwind what runs as SIGINT does, so that the embedded server stops with it."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _about(options: Namespace) -> dict[str, Any]:
    """Return what an answer is about; a command that has run has its migration at hand."""
    if "reference" not in options:
        return {}
    migration = load_migration(options.reference)
    names = {"old": migration.old, "new": migration.new, "control": migration.control_table}
    return {"name": migration.name, "tables": names}


def _print(answer: Answer, about: dict[str, Any], *, as_json: bool, file: SteadyStream) -> None:
    data = {"schema_version": SCHEMA_VERSION, **about, **told(answer.report)}
    if as_json:
        print(json_line(data, file.encoding), file=file, flush=True)
        return
    for line in answer.lines:
        _say(line, file=file)


def _tell(answer: Answer, options: Namespace, file: SteadyStream) -> bool:
    """Say what a command has seen so far; on a terminal in place of what it said before.

    Return whether somebody still hears it.
    """
    if is_steered(file) and not options.json:
        print(_CLEAR, end="", file=file)
    _print(answer, _about(options), as_json=options.json, file=file)
    return file.failure is None


def _say(line: str, *, file: SteadyStream | TextIO) -> None:
    plain = shown_plainly(line)
    shown = fitted(plain, _columns(file)) if file.isatty() else [plain]
    print("\n".join(shown), file=file, flush=True)


def _columns(file: SteadyStream | TextIO) -> int:
    """Return how wide a terminal is; COLUMNS goes before what it says of itself."""
    try:
        own = os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):
        own = 0
    return shutil.get_terminal_size((own or 80, 24)).columns


def _failure(error: DualTableError) -> Answer:
    exit_code = NOT_WELL if error.begun or isinstance(error, _MAY_PASS) else WRONG_USE
    advice = next(_ADVICE[kind] for kind in type(error).__mro__ if kind in _ADVICE)
    if error.begun and not isinstance(error, _MAY_PASS):
        advice = ""
    message = "; ".join(filter(None, (" ".join(str(error).split()), advice)))
    return _told(type(error).__name__, message, exit_code)


def _told(error: str, message: str, exit_code: int) -> Answer:
    _say(f"dualtable: {message}", file=sys.stderr)
    return Answer(exit_code, Failure(error, message))


# The arguments


def _options(commands: Sequence[Command], words: Sequence[str], out: SteadyStream) -> Namespace:
    with redirect_stdout(cast("TextIO", out)):
        try:
            return _read(parser_of(commands), commands, words)
        except SystemExit as asked:  # for help, or the version, which has been said
            raise SystemExit(_exit_code(WELL, out)) from asked


def _read(parser: ArgumentParser, commands: Sequence[Command], words: Sequence[str]) -> Namespace:
    names = [command.name for command in commands]
    if odd := [word for word in words if not _is_text(word)]:
        parser.error(f"{odd[0]!r} is not valid Unicode")
    if not words[0].startswith("-") and words[0] not in names:
        parser.error(unknown_command(words[0], names))
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.parser.error(unknown_options(unknown, options.known_options))
    return options


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Parser(ArgumentParser):
    """Reports wrong arguments as every other error, and takes no abbreviations."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise DualTableError(f"{message}; see {self.prog} --help")


def schema_of(command: Command) -> dict[str, Any]:
    """Return the JSON Schema of what a command answers with ``--json``."""
    about = add_migration in command.options
    return schema_of_command(command.name, command.answers, about=about)


def parser_of(commands: Sequence[Command]) -> ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="dualtable",
        description="Change the format of a DynamoDB table without downtime.",
        epilog="Exit codes: 0 done and well, 1 done or begun but not well, 2 nothing was begun.",
    )
    parser.add_argument("--version", action="version", version=f"dualtable {version('dualtable')}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        sub = subparsers.add_parser(command.name, help=command.purpose, description=command.purpose)
        sub.set_defaults(command=command)
        for add_options in command.options:
            add_options(sub)
        known = [word for action in sub._actions for word in action.option_strings]  # noqa: SLF001
        sub.set_defaults(known_options=known, parser=sub)
    return parser
