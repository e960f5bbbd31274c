"""``dualtable demo`` as a subcommand.

The rule: the demo brings its own command and words; the command line knows nothing of it.
"""

from __future__ import annotations

from argparse import Namespace

from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.options import add_output
from dualtable._demo.report import DemoReport
from dualtable.errors import DualTableError


def _demo(options: Namespace) -> Answer:
    try:
        from dualtable._demo.story import run_demo  # needs the extra `demo`
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dualtable"):
            raise
        raise DualTableError(
            f"the demo needs {error.name}; in a clone of dualtable, install it with:"
            " pip install '.[demo]'"
        ) from error
    report = run_demo(options.say, live=not options.quiet)
    return Answer(WELL if report.ok else NOT_WELL, report)


DEMO = Command(
    "demo",
    "Watch a migration of real data on this machine.",
    _demo,
    (add_output,),
    (DemoReport,),
)
