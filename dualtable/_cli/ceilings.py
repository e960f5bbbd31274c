"""The commands that change how fast a migration goes, while it runs.

The rule: as for all commands. What they set is kept in the control table and holds for every
migrator, also for those that are started later.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace

from dualtable._cli.command import WELL, Answer, Command
from dualtable._cli.options import UNLIMITED, add_migration, add_output, add_rate, connection_of
from dualtable._control.control_table import Limits
from dualtable._operations.rate import change_limits, pause, resume
from dualtable._operations.reference import load_migration
from dualtable._telling.limits import limits_text


def _rate(options: Namespace) -> Answer:
    names = ("max_read_units", "max_write_units")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    changes = {name: None if value == UNLIMITED else value for name, value in given.items()}
    migration = load_migration(options.reference)
    limits = asyncio.run(change_limits(migration, changes, **connection_of(options)))
    return _answer(limits, options)


def _pause(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    limits = asyncio.run(pause(migration, **connection_of(options)))
    return _answer(limits, options, f"Next: dualtable resume {options.reference}")


def _resume(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    return _answer(asyncio.run(resume(migration, **connection_of(options))), options)


def _answer(limits: Limits, options: Namespace, *more: str) -> Answer:
    name = load_migration(options.reference).name
    return Answer(WELL, limits, [limits_text(limits, name), *more])


CEILINGS = (
    Command(
        "rate",
        "Show or change how fast all running migrators may go; kept for later runs, too.",
        _rate,
        (add_migration, add_rate, add_output),
        (Limits,),
    ),
    Command(
        "pause",
        "Let all running migrators stand still, until 'resume'; production goes on.",
        _pause,
        (add_migration, add_output),
        (Limits,),
    ),
    Command(
        "resume",
        "Let them go on as fast as before the pause.",
        _resume,
        (add_migration, add_output),
        (Limits,),
    ),
)
