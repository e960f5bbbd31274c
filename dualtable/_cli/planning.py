"""The command that tells what a migration will take.

The rule: as for all commands; it reads a sample and writes nothing.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from dualtable._cli import plans
from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.options import add_migration, add_output, connection_of
from dualtable._operations.reference import load_migration
from dualtable._planning.planner import Planner
from dualtable._planning.prices import Prices


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
        plans.plan_data(plan, migration, options.reference),
        plans.plan_text(plan, migration, options.reference),
    )


PLAN = Command(
    "plan",
    "Tell what it will take: units, time, money, what would fail, and the commands to run.",
    _plan,
    (add_migration, add_plan, add_output),
)
