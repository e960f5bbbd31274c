"""The command ``dualtable``, also as ``python -m dualtable``, with all its subcommands."""

import sys
from collections.abc import Sequence

from dualtable._cli.commands import COMMANDS
from dualtable._cli.main import run
from dualtable._demo.command import DEMO

ALL_COMMANDS = (*COMMANDS, DEMO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; without `argv` that of this process, which ends."""
    if argv is None:
        return run(ALL_COMMANDS, sys.argv[1:], for_good=True)
    return run(ALL_COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
