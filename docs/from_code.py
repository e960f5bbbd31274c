"""What the site says about the code, read off the code: Markdown and plain text.

The rule: nothing is typed by hand that a table, a class tree or a parser of the package knows. This
module needs no Sphinx, so that the tests run it; `directives.py` puts it on the pages.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from dualtable import errors
from dualtable.__main__ import ALL_COMMANDS
from dualtable._cli.main import parser_of
from dualtable._control.phases import ROUTES, TRANSITIONS, Phase, Route

_PROJECT = Path(__file__).parents[1]

PHASE_COLUMNS: dict[str, Callable[[Route], str]] = {
    "read": lambda route: "new, then old" if route.falls_back else "new only",
    "delete": lambda route: "tombstone" if route.buries else "real delete",
    "migrator": lambda route: "may run" if route.copies else "refuses",
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
    """Draw the phases from left to right, with the events that lead from one to the next."""
    following = {phase: (event, after) for (phase, event), after in TRANSITIONS.items()}
    rows = ["", "", ""]
    phase: Phase | None = next(p for p in Phase if p not in TRANSITIONS.values())
    while phase is not None:
        event, after = following.get(phase, (None, None))
        edge = "─" * (len(phase) + 2)
        arrow = f"── {event.value} ─▶" if event else ""
        for number, text in enumerate((f"┌{edge}┐", f"│ {phase} │{arrow}", f"└{edge}┘")):
            rows[number] += text
        width = max(map(len, rows))
        rows = [row.ljust(width) for row in rows]
        phase = after
    return "\n".join(row.rstrip() for row in rows)


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


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [action for action in parser._actions if action.dest != "help"]
    positional = [_shown(action) for action in actions if not action.option_strings]
    usage = " ".join(["dualtable", name, *positional, "[OPTION]…"])
    rows = [f"`{_shown(action)}`\n: {action.help}" for action in actions]
    return "\n\n".join([f"## {name}", f"```text\n{usage}\n```", parser.description or "", *rows])


def _shown(action: argparse.Action) -> str:
    """Return an argument as it is typed."""
    value = action.metavar or "|".join(action.choices or ()) or action.dest.upper()
    parts = [", ".join(action.option_strings), "" if action.nargs == 0 else str(value)]
    return " ".join(filter(None, parts))


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
