"""The commands before anything is begun: its file, what becomes of real items, what it will take.

The rule: as for all commands; they read a sample and write to no table. `try` is the only one that
shows values of items: who runs it has asked to see them.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.options import (
    add_connection,
    add_migration,
    add_output,
    connection_of,
    key_from_json,
)
from dualtable._operations.reference import load_migration
from dualtable._operations.trial import try_transform
from dualtable._planning.draft import Draft, draft_migration
from dualtable._planning.planner import Planner
from dualtable._planning.prices import Prices
from dualtable._planning.steps import steps
from dualtable._telling import plans
from dualtable._telling.answers import PlannedSteps, Trials
from dualtable._telling.listings import draft_text
from dualtable._telling.trials import is_well, trial_text
from dualtable.errors import InvalidSettingError


def _add_drafting(parser: ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="the old table, by its name or ARN")
    parser.add_argument(
        "new", metavar="NEW", nargs="?", help="the new table's name (default: OLD-v2)"
    )
    parser.add_argument(
        "--file",
        metavar="PATH",
        help="where to write it (default: after the old table, in the working directory)",
    )


def _init(options: Namespace) -> Answer:
    draft = asyncio.run(
        draft_migration(options.old, options.new, path=options.file, **connection_of(options))
    )
    return Answer(WELL, draft, draft_text(draft))


INIT = Command(
    "init",
    "Write the file of a migration from what the old table and some of its items look like.",
    _init,
    (_add_drafting, add_connection, add_output),
    (Draft,),
)


def add_plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--prices",
        metavar="PATH",
        help="JSON file with other prices than those of us-east-1, in the form of dualtable.Prices",
    )
    parser.add_argument(
        "--items",
        type=int,
        metavar="N",
        help="items of the old table, where DynamoDB's own count is known to be wrong",
    )
    parser.add_argument(
        "--max-sample-units",
        type=float,
        metavar="N",
        help="read units that the sample may cost (default: 2 %% of the table's, from 1,024 to"
        " 4,096)",
    )


def _plan(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    planner = Planner(
        migration,
        prices=None if options.prices is None else Prices.read(options.prices),
        items=options.items,
        max_sample_units=options.max_sample_units,
        **connection_of(options),
    )
    plan = asyncio.run(planner.run())
    return Answer(
        WELL if plan.ok else NOT_WELL,
        PlannedSteps.of(plan, tuple(steps(migration, plan, options.reference))),
        plans.plan_text(plan, migration, options.reference),
    )


PLAN = Command(
    "plan",
    "Tell what it will take: units, time, money, what would fail, and the commands to run.",
    _plan,
    (add_migration, add_plan, add_output),
    (PlannedSteps,),
)


def _add_trying(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        dest="keys",
        type=key_from_json,
        action="append",
        default=[],
        metavar="JSON",
        help="""an item's key in the old table, such as '{"id": "o-7"}'; may be repeated""",
    )
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="N items drawn at random as well"
    )


def _try(options: Namespace) -> Answer:
    """Show what the transform makes of some items."""
    if not options.keys and not options.sample:
        raise InvalidSettingError("say which items to try: --key JSON, or --sample 20")
    migration = load_migration(options.reference)
    trials = asyncio.run(
        try_transform(migration, keys=options.keys, sample=options.sample, **connection_of(options))
    )
    well = bool(trials) and all(is_well(trial, migration) for trial in trials)
    return Answer(
        WELL if well else NOT_WELL,
        Trials(trials, ok=well),
        trial_text(trials, migration, well=well),
    )


TRY = Command(
    "try",
    "Show old item, new items and way back of some real items; shows values, writes nothing.",
    _try,
    (add_migration, _add_trying, add_output),
    (Trials,),
)
