"""The first line of what takes a while: which account, region and endpoint, and which tables.

The rule: it is for a person who may be about to do the right thing in the wrong place; machines get
none, and whatever cannot be found out is left out.
"""

from __future__ import annotations

import logging
from argparse import Namespace

from dualtable._cli.options import connection_of
from dualtable._dynamodb.connect import Whereabouts, whereabouts
from dualtable._transforms.migration import Migration

_log = logging.getLogger("dualtable.cli")


async def say_where(options: Namespace, migration: Migration | None = None) -> None:
    """Log where the requests of a command go."""
    if options.quiet or options.json:
        return
    found = await whereabouts(connection_of(options), None if migration is None else migration.old)
    if found is not None:
        _log.info("%s", where_text(found, migration))


def where_text(found: Whereabouts, migration: Migration | None) -> str:
    """Return the line."""
    account = f"account {found.account}, " if found.account else ""
    place = f"{account}{found.region}, {found.endpoint}"
    if migration is None:
        return place
    return f"{migration.name}: {migration.old} -> {migration.new}; {place}"
