"""What a machine is told, and the schema that says so.

The rule: both are made from the class of a report, field by field, so neither can lack what the
other has. A key or an item is told in DynamoDB's notation, so that no type is lost.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from dualtable._operations.trial import Trial
from dualtable._planning.failures import LikelyFailure
from dualtable._proof.findings import Example
from dualtable._telling.answers import Failure, Mended
from dualtable._wire import codec

SCHEMA_VERSION = 1
"""Of the JSON object of every command; another number where a field goes or changes its sense."""

_PROPERTIES = (
    *("complete", "ok", "open", "paused", "share_done", "share_at_most"),
    *("items_per_second", "seconds_left"),
)
"""What is told of a class beside its fields, where it has it."""

_IN_NOTATION = {
    (Example, "key"),
    (LikelyFailure, "key"),
    (Mended, "key"),
    *((Trial, name) for name in ("key", "old", "new", "back")),
}

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

Schema = dict[str, Any]


def told(value: Any) -> Any:
    """Return what JSON has of a report."""
    kind = type(value)
    if attrs.has(kind):
        return {name: _told_of(kind, name, getattr(value, name)) for name in names(kind)}
    if isinstance(value, enum.Enum):
        return str(value) if isinstance(value, str) else value.name
    if isinstance(value, Mapping):
        return {str(key): told(member) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [told(member) for member in value]
    return value


def _told_of(kind: type, name: str, value: Any) -> Any:
    return _in_notation(value) if (kind, name) in _IN_NOTATION else told(value)


def _in_notation(value: Any) -> Any:
    if isinstance(value, Mapping):
        return codec.encode(dict(value))
    return None if value is None else [_in_notation(member) for member in value]


def names(kind: type) -> list[str]:
    """Return the names under which something of a class is told."""
    fields = [field.name for field in attrs.fields(kind)]
    return fields + [
        name for name in _PROPERTIES if isinstance(getattr(kind, name, None), property)
    ]


def schema_of_command(name: str, answers: Sequence[type], *, about: bool) -> Schema:
    """Return the schema of what a command answers.

    Args:
        name: Of the command.
        answers: The classes of its reports.
        about: Whether it is about a migration.
    """
    version: Schema = {"const": SCHEMA_VERSION, "description": "Of this schema."}
    common: Schema = {"schema_version": version}
    if about:
        tables = {role: {"type": "string"} for role in ("old", "new", "control")}
        common["name"] = {"type": "string", "description": "The migration's name."}
        common["tables"] = _object(tables)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"dualtable {name} --json",
        "anyOf": [
            *(_with(common, schema_of(answer)) for answer in answers),
            _with({"schema_version": version}, schema_of(Failure)),
        ],
    }


def _with(common: Schema, schema: Schema) -> Schema:
    properties = {**common, **schema["properties"]}
    return {**schema, **_object(properties)}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def schema_of(kind: Any) -> Schema:
    """Return the schema of a class, or of another annotation."""
    if attrs.has(kind):
        properties = {name: _member(kind, name) for name in names(kind)}
        return {"title": kind.__name__, "description": _first_line(kind), **_object(properties)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [told(member) for member in kind]}
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if all(argument in _SIMPLE for argument in arguments):
            return {"type": [_SIMPLE[argument] for argument in arguments]}
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": "array", "items": schema_of(arguments[0])}
    if kind is Any:
        return {}
    raise AssertionError(f"no schema for {kind!r}")


def _member(kind: type, name: str) -> Schema:
    accessor = getattr(kind, name, None)
    if isinstance(accessor, property):
        schema = schema_of(typing.get_type_hints(accessor.fget)["return"])
        return {**schema, "description": _first_line(accessor)}
    annotation = typing.get_type_hints(kind)[name]
    schema = _notation(annotation) if (kind, name) in _IN_NOTATION else schema_of(annotation)
    said = _descriptions(kind).get(name)
    return {**schema, "description": said} if said else schema


def _notation(annotation: Any) -> Schema:
    """Return the schema of an item, or of several, in DynamoDB's notation."""
    item: Schema = {"type": "object", "additionalProperties": {"type": "object"}}
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        return {"type": "array", "items": _notation(arguments[0])}
    return {"anyOf": [item, {"type": "null"}]} if type(None) in arguments else item


def _first_line(what: object) -> str:
    return (inspect.getdoc(what) or "").partition("\n\n")[0].replace("\n", " ")


_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:    .*\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): ((?:.*)(?:\n     .*)*)", re.MULTILINE)


def _descriptions(kind: type) -> dict[str, str]:
    """Return what a class says of its fields, and those above it."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        for section in _SECTION.findall(inspect.cleandoc(each.__doc__ or "") + "\n"):
            found |= {name: " ".join(text.split()) for name, text in _ENTRY.findall(section)}
    return found
