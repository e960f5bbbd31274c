"""What a command answers with ``--json``, held against the schema that the reference shows."""

from __future__ import annotations

from functools import cache
from typing import Any

import fastjsonschema

from dualtable.__main__ import ALL_COMMANDS
from dualtable._cli.main import schema_of


@cache
def _validator(name: str) -> Any:
    commands = {each.name: each for each in ALL_COMMANDS}
    command = commands.get(name, ALL_COMMANDS[0])  # of a wrong word there is a failure alone
    return fastjsonschema.compile(strict(schema_of(command)))


def strict(schema: Any) -> Any:
    """Return a schema that allows nothing but what it names: what is told is documented."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: strict(each) for name, each in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return {**inside, "additionalProperties": False} if named else inside


def check(name: str, data: dict[str, Any]) -> None:
    """Fail where an answer is not as its schema says."""
    _validator(name)(data)
