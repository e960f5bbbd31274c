"""The first line of a command that sends requests: which account, region, endpoint and tables.

The rule: it is for a person who may be about to do the right thing in the wrong place; machines get
none, and whatever cannot be found out is left out.
"""

from __future__ import annotations

import asyncio
import logging
from argparse import Namespace

from dualtable._cli.options import connection_of
from dualtable._dynamodb.connect import Whereabouts, whereabouts
from dualtable._operations.reference import load_migration

_log = logging.getLogger("dualtable.cli")


def say_where(options: Namespace) -> None:
    """Log where the requests of a command go, if it sends any and a person watches."""
    given = vars(options)
    if options.quiet or options.json or "endpoint_url" not in given or given.get("offline"):
        return
    about, old = _about(options)
    found = asyncio.run(whereabouts(connection_of(options), old))
    if found is not None:
        _log.info("%s", "; ".join(filter(None, [about, where_text(found)])))


def _about(options: Namespace) -> tuple[str, str | None]:
    """Return the tables that a command is about, in words, and the old one; none for any."""
    if "reference" in options:
        migration = load_migration(options.reference)
        return f"{migration.name}: {migration.old} -> {migration.new}", migration.old
    old = getattr(options, "old", None)  # of a migration that is not written yet
    new = getattr(options, "new", None)
    return " -> ".join(filter(None, [old, new])), old


def where_text(found: Whereabouts) -> str:
    """Return a place in words."""
    account = f"account {found.account}, " if found.account else ""
    return f"{account}{found.region}, {found.endpoint}"
