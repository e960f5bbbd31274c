"""``dualtable check-code``: what in Python source goes past the repository.

The rule: as for `commands`; it needs no migration and no server.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.options import add_output
from dualtable._operations.code_check import CodeReport, check_code

_BLIND = "not seen: names that are read or handed in at run time, and code that is not Python"
_LOOK = "look whether it is the old one"


def _check_code(options: Namespace) -> Answer:
    report = check_code(options.paths, options.table)
    said = f"{len(report.uses)} found in {report.files} files, of {', '.join(report.old_tables)}"
    return Answer(
        NOT_WELL if report.uses else WELL,
        report,
        [*map(str, report.uses), *(f"{each}; {_LOOK}" for each in report.unknown), said, _BLIND],
    )


def _add_code(parser: ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a Python file, or a folder")
    parser.add_argument(
        "--table",
        metavar="NAME",
        action="append",
        default=[],
        help="an old table; those of the migrations in the source are known",
    )


CHECK_CODE = Command(
    "check-code",
    "Find what in Python source goes past the repository to the old table.",
    _check_code,
    (_add_code, add_output),
    (CodeReport,),
)
