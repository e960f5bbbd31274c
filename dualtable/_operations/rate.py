"""Change the ceilings of a migration while it runs.

The rule: a ceiling that is stored counts for every migrator, whoever started it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import attrs

from dualtable._control.control_table import Ceilings, Control, Limits
from dualtable._dynamodb.connect import Connection, connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._transforms.migration import Migration, check_range
from dualtable.errors import InvalidSettingError


async def change_limits(
    migration: Migration, changes: dict[str, float | None], **connection: Unpack[Connection]
) -> Limits:
    """Change the ceilings that all migrators of a migration go by, within seconds.

    Args:
        migration: The migration.
        changes: New values of ``max_read_units`` and ``max_write_units``, in units a second; 0
            pauses, None lifts the ceiling, and what is left out stays.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Returns:
        The ceilings in force now.

    Raises:
        InvalidSettingError: There is no such ceiling, or it is no number from 0.
        MigrationMismatchError: There is no such migration.
        GatewayError: DynamoDB refused a request or stayed out of reach.
    """
    _check(changes)
    return await _change(migration, connection, lambda found: found.changed(**changes))


async def pause(migration: Migration, **connection: Unpack[Connection]) -> Limits:
    """Let all migrators of a migration stand still, within seconds, until `resume`.

    Raises:
        MigrationMismatchError: There is no such migration.
        GatewayError: DynamoDB refused a request or stayed out of reach.
    """
    return await _change(migration, connection, Ceilings.paused)


async def resume(migration: Migration, **connection: Unpack[Connection]) -> Limits:
    """Let them go on as fast as before the pause; a ceiling that was 0 then is lifted.

    Raises:
        MigrationMismatchError: There is no such migration.
        GatewayError: DynamoDB refused a request or stayed out of reach.
    """
    return await _change(migration, connection, Ceilings.resumed)


async def _change(
    migration: Migration, connection: Connection, change: Callable[[Ceilings], Ceilings]
) -> Limits:
    async with connect(connection, ONE_OFF) as gateway:
        control = Control(gateway, migration.control_table, migration.name)
        await control.check_exists()
        return (await control.change_ceilings(change)).in_force


def _check(changes: dict[str, float | None]) -> None:
    known = [field.name for field in attrs.fields(Limits)]
    for name, value in changes.items():
        if name not in known:
            raise InvalidSettingError(f"{name!r} is no ceiling; there are {' and '.join(known)}")
        check_range(name, value, 0)
