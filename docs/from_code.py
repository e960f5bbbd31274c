"""What the site says about the code, read off the code: Markdown and plain text.

The rule: nothing is typed by hand that a table, a class tree or a parser of the package knows. This
module needs no Sphinx, so that the tests run it; `directives.py` puts it on the pages.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dualtable import errors
from dualtable.__main__ import ALL_COMMANDS
from dualtable._cli.main import parser_of, schema_of
from dualtable._control.phases import ROUTES, TRANSITIONS, Phase, Route, Writes

_PROJECT = Path(__file__).parents[1]

PHASE_COLUMNS: dict[str, Callable[[Route], str]] = {
    "read": lambda route: route.reads.value,
    "write": lambda route: route.writes.value,
    "delete": lambda route: _DELETES[route.writes, route.buries],
    "migrator": lambda route: "may run" if route.copies else "refuses",
}

_DELETES = {
    (Writes.OLD, True): "real, in old",
    (Writes.OLD_UNTIL_NEW, True): "real in old; a tombstone where new has the key",
    (Writes.NEW_OVER_OLD, True): "tombstone",
    (Writes.NEW, True): "tombstone",
    (Writes.NEW, False): "real, in new",
}


def phase_table() -> str:
    """Return what each phase means for those who read, delete and copy."""
    rows = ["| phase | " + " | ".join(PHASE_COLUMNS) + " |"]
    rows.append("|---" * (1 + len(PHASE_COLUMNS)) + "|")
    for phase, route in ROUTES.items():
        cells = [column(route) for column in PHASE_COLUMNS.values()]
        rows.append(f"| `{phase}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def phase_diagram() -> str:
    """Draw the phases from top to bottom, with what must be so before each step."""
    width = max(len(phase) for phase in Phase)
    rows: list[str] = []
    for phase in Phase:
        if rows:
            before = list(Phase)[list(Phase).index(phase) - 1]
            rows += _steps(before, phase, width)
        rows += [f"┌{'─' * (width + 2)}┐", f"│ {phase:^{width}} │", f"└{'─' * (width + 2)}┘"]
    return "\n".join(rows)


def _steps(before: Phase, phase: Phase, width: int) -> list[str]:
    asked = [f"· {each.value}" for each in TRANSITIONS[before, phase]]
    back = "  ▲ and back, as long as no write has gone to the new table"
    stem = " " * (width // 2 + 1)
    lines = [f"{stem}│  {line}" for line in asked]
    if (phase, before) in TRANSITIONS:
        lines.append(f"{stem}│{back}")
    return [*lines, f"{stem}▼"]


def error_tree(root: type = errors.DualTableError, indent: str = "") -> Iterator[tuple[str, type]]:
    """Yield a class and those below it, each with its indentation."""
    yield indent, root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_tree(child, indent + "    ")


def command_line() -> str:
    """Return a section for each command with all its arguments."""
    (commands,) = (
        action
        for action in parser_of(ALL_COMMANDS)._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return "\n\n".join(_command(name, parser) for name, parser in commands.choices.items())


def json_schemas() -> str:
    """Return a section for each command with the schema of its answer."""
    schemas = ((command.name, schema_of(command)) for command in ALL_COMMANDS)
    return "\n\n".join(
        f"## {name}\n\n```json\n{json.dumps(schema, indent=2)}\n```" for name, schema in schemas
    )


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [action for action in parser._actions if action.dest != "help"]
    positional = [_shown(action) for action in actions if not action.option_strings]
    usage = " ".join(["dualtable", name, *positional, "[OPTION]…"])
    rows = [f"`{_shown(action)}`\n: {(action.help or '') % {}}" for action in actions]
    return "\n\n".join([f"## {name}", f"```text\n{usage}\n```", parser.description or "", *rows])


def _shown(action: argparse.Action) -> str:
    """Return an argument as it is typed."""
    value = action.metavar or "|".join(action.choices or ()) or action.dest.upper()
    forms = {"?": f"[{value}]", "*": f"[{value}]…", "+": f"{value}…", 0: ""}
    parts = [", ".join(action.option_strings), forms.get(action.nargs, str(value))]
    return " ".join(filter(None, parts))


RESULTS = _PROJECT / "tests" / "benchmarks" / "results.json"
_OURS = "dualtable_steps"
_WHO = {
    "boto3_script": "boto3, a page and an item at a time, as in the production report",
    "aioboto3_puts": "aioboto3, 16 conditional puts at once",
    "aiodynamo_puts": "aiodynamo, 16 conditional puts at once",
    "pydynox_puts": "pydynox (Rust), 16 conditional puts at once",
    "dualtable_copying": "**dualtable**, a plain function that copies the whole item",
    "dualtable_callable": "**dualtable**, one that touches three attributes and returns the item",
    _OURS: "**dualtable**, `Move` and `Convert`",
    "dualtable_verify": "**dualtable**, `verify` of what was copied",
    "floor": "aiohttp, orjson, a signature and batched inserts, no check, retry or checkpoint",
    "floor_no_gc": "the same with Python's garbage collector off",
    "floor_raw": "the same with msgspec, which decodes only the two attributes that change",
}


_KINDS = ("flat", "nested")


def cost_table() -> str:
    """Return what an item of each kind costs whom, on each server, as it was measured."""
    return _by_kind("rows", _WHO, _cost)


def whole_table() -> str:
    """Return what a whole process costs, its start included, as it was measured."""
    who = {_OURS: _WHO[_OURS], "floor_no_gc": "the loop with the garbage collector off"}
    return _by_kind("whole", who, _seconds)


def _by_kind(what: str, who: dict[str, str], shown: Callable[[str, dict[str, Any]], str]) -> str:
    """Return a table with a row for each of who did it, by server and kind of items."""
    servers = _measured()
    columns = [(server, kind) for server in servers for kind in _KINDS]
    rows = ["| who | " + " | ".join(f"{kind}, {server}" for server, kind in columns) + " |"]
    rows.append("|---" * (1 + len(columns)) + "|")
    for name, said in who.items():
        cells = [shown(name, servers[server][kind][what]) for server, kind in columns]
        rows.append(f"| {said} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _measured() -> dict[str, Any]:
    """Return the stored results by server."""
    servers: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))["servers"]
    return servers


def _cost(name: str, rows: dict[str, dict[str, float]]) -> str:
    """Return what an item costs one contender, and how many times that the steps take."""
    if name not in rows:
        return "not taken"
    found = rows[name]
    times = "" if name == _OURS else f" ({found['ours_as_multiple']:.2f})"
    return f"{found['microseconds']:.0f} µs{times}"


def _seconds(name: str, whole: dict[str, Any]) -> str:
    """Return what one contender's process took, and how many times that ours takes."""
    times = "" if name == _OURS else f" ({whole['ours_as_multiple']:.2f})"
    return f"{whole['seconds'][name]:.1f} s{times}"


def call_table() -> str:
    """Return what a call of the repository costs beside the bare one, as it was measured."""
    servers = _measured()
    rows = ["| call | requests | " + " | ".join(servers) + " |", "|---" * (2 + len(servers)) + "|"]
    first = next(iter(servers.values()))["reads"]
    for way, found in first.items():
        shares = [f"{each['reads'][way]['ratio']:.2f}" for each in servers.values()]
        rows.append(f"| {way} | {found['requests']:g} | " + " | ".join(shares) + " |")
    return "\n".join(rows)


MAP_BEGINS, MAP_ENDS = "<!-- made by: python docs/from_code.py -->", "<!-- end -->"
_ABOVE_ALL = ("__main__",)


def map_of_rooms() -> str:
    """Return each room with what its face says of it and its modules, from the ground up."""
    rooms = [room for room in _rooms() if room not in _ABOVE_ALL]
    return "\n\n".join([MAP_BEGINS, *map(_room, rooms), MAP_ENDS])


def _rooms() -> list[str]:
    """Return the rooms and ground modules in the order of the layers, lowest first."""
    text = (_PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [room for layer in reversed(layers) for room in layer.split(" | ")]


def _room(name: str) -> str:
    face = inspect.cleandoc(importlib.import_module(f"dualtable.{name}").__doc__ or "")
    first, _, rest = face.partition("\n\n")
    modules = [line for line in rest.splitlines() if line.startswith("- `")]
    heading = f"**`{name}`** {' '.join(first.splitlines())}"
    return "\n".join([heading, *([""] if modules else []), *modules])


def write_map() -> None:
    """Put the map into CONTRIBUTING.md."""
    page = _PROJECT / "CONTRIBUTING.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(MAP_BEGINS)
    page.write_text(before + map_of_rooms() + rest.partition(MAP_ENDS)[2], encoding="utf-8")


if __name__ == "__main__":
    write_map()
