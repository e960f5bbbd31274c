"""What speaks against a copy that could begin: somebody should know it before, and say so.

The rule: nothing here is wrong by itself, so the migrator does not ask; only who types a command
does. Each concern has a name, by which alone it can be set aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

import attrs

from dualtable._clock import Clock, SystemClock
from dualtable._control.segments import complete
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.facts import BETWEEN_LOOKS_SECONDS, Observatory, Places, take
from dualtable._transforms.migration import Migration, known_fingerprint
from dualtable.errors import DualTableError

NO_REPOSITORY, TTL, OTHER_TRANSFORM, OLD_WRITES = CONCERNS = (
    "no-repository",
    "ttl",
    "other-transform",
    "old-writes",
)


@attrs.frozen
class Concern:
    """One thing that speaks against beginning: its name, and what is so."""

    name: str
    words: str


async def check_precautions(
    migration: Migration,
    *,
    despite: Iterable[str] = (),
    restart: bool = False,
    clock: Clock | None = None,
    **connection: Unpack[Connection],
) -> None:
    """Raise `DualTableError` where something speaks against a copy that nobody has set aside.

    Once a copy has begun, only that counts which may have changed since.

    Args:
        migration: What is to be copied.
        despite: Names of the concerns that are set aside.
        restart: Whether the copy begins anew.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        DualTableError: Something does; the message says what, and how to go on.
    """
    async with connect(connection, ONE_OFF) as gateway:
        observatory = Observatory(gateway, migration)
        found = await _concerns(observatory, clock or SystemClock(), restart=restart)
    if left := [concern for concern in found if concern.name not in set(despite)]:
        options = " ".join(f"--despite {concern.name}" for concern in left)
        raise DualTableError(
            f"nothing was copied, since: {'; '.join(concern.words for concern in left)}. If that is"
            f" as it should be, run it again with {options}, or with --yes"
        )


async def _concerns(observatory: Observatory, clock: Clock, *, restart: bool) -> list[Concern]:
    milestones = observatory.milestones
    await observatory.new_table()
    await observatory.state()
    await milestones.check_copying()
    run = await milestones.run()
    if run is not None and not restart:
        segments = await milestones.of(run).segments()
        if complete(segments, run.total_segments):
            return []
    found = [] if run is not None and not restart else await _at_the_beginning(observatory)
    found += await _other_transforms(observatory)
    return found + await _writes(observatory, clock)


async def _at_the_beginning(observatory: Observatory) -> list[Concern]:
    found = []
    migration = observatory.migration
    if not await observatory.milestones.had_repositories():
        words = (
            f"no repository of {migration.name} was ever open, so production may still write to"
            f" {migration.old}, and lose what it writes behind the copy"
        )
        found.append(Concern(NO_REPOSITORY, words))
    ttl = (await observatory.gateway.describe_extras(migration.old)).ttl
    if ttl is not None and ttl.attribute is not None:
        words = (
            f"TTL is on in {migration.old} by {ttl.attribute!r}, so it changes while it is copied:"
            f" what expires there stays in {migration.new} where it was copied before"
        )
        found.append(Concern(TTL, words))
    return found


async def _other_transforms(observatory: Observatory) -> list[Concern]:
    mine = known_fingerprint(observatory.migration)
    others = [
        f"{beat.repository} on {beat.host}, process {beat.process}"
        for beat in await observatory.milestones.heartbeats()
        if not mine or beat.fingerprint != mine
    ]
    words = (
        f"{len(others)} open repositories read by another transform than this one, or by one whose"
        f" source is not at hand, so that they and the copy may differ: {'; '.join(others)}"
    )
    return [Concern(OTHER_TRANSFORM, words)] if others else []


async def _writes(observatory: Observatory, clock: Clock) -> list[Concern]:
    """Look at some items of the old table twice; nobody writes to it any more, or should."""
    old = await observatory.gateway.describe_table(observatory.migration.old)
    places = Places.of(old)
    first = await take(observatory.gateway, old, places)
    await clock.sleep(BETWEEN_LOOKS_SECONDS)
    written = first.written(await take(observatory.gateway, old, places))
    words = (
        f"{written} of {len(first.items)} items of {observatory.migration.old} that were looked at"
        " twice were written in between; stop whoever writes there, and see dualtable freeze"
    )
    return [Concern(OLD_WRITES, words)] if written else []
