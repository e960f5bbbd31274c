"""Rules of the code that no other test would notice to be broken."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import from_code
import pytest

import dualtable
from dualtable._control.phases import ROUTES, TRANSITIONS, Phase

PACKAGE = Path(dualtable.__file__).parent
PROJECT = Path(__file__).parents[1]
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))


def settings() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


# -- rooms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_is_small(room: Path) -> None:
    """A room is walked through in minutes; what grows further is two rooms."""
    assert 1 <= len(list(room.glob("[!_]*.py")) + list(room.glob("_[!_]*.py"))) <= 14


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if room.name.startswith("_")], ids=lambda room: room.name
)
def test_a_face_names_each_module(room: Path) -> None:
    """The first page of a room says what is in it, and nothing else is on it."""
    tree = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
    assert len(tree.body) == 1
    face = ast.get_docstring(tree) or ""
    assert len(face.splitlines()) <= 40
    named = re.findall(r"^- `(\w+)`: ", face, re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in room.glob("[!_]*.py"))
    assert "May know: " in face


def test_the_map_is_made_from_the_faces() -> None:
    """`python docs/from_code.py` writes it anew; nobody keeps it up by hand."""
    contributing = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert from_code.map_of_rooms() in contributing


def test_the_phases_on_the_site_are_all_that_there_are() -> None:
    """Each has a row and a box; each step shows what must be so before it, and the way back."""
    table, drawn = from_code.phase_table(), from_code.phase_diagram()
    rows = re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
    _, *between = re.split(r"^│ +([A-Z_]+) +│$", drawn, flags=re.MULTILINE)
    boxes, steps = between[::2], between[1::2]
    assert rows == boxes == list(ROUTES) == list(Phase)
    forward = list(pairwise(Phase))
    for step, shown in zip(forward, steps, strict=False):
        assert re.findall(r"· (.+)", shown) == [each.value for each in TRANSITIONS[step]]
    back = [step for step, shown in zip(forward, steps, strict=False) if "and back" in shown]
    assert {*forward, *((later, earlier) for earlier, later in back)} == TRANSITIONS.keys()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_large(module: Path) -> None:
    """Over 400 lines of which more than half is code, a module holds two things."""
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400 or code_lines(text) * 2 <= len(text.splitlines())


def code_lines(text: str) -> int:
    """Count the lines that hold neither comment nor docstring nor nothing."""
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {
        line
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    said = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = {token.start[0] for token in tokens if token.type not in said | {tokenize.ENDMARKER}}
    return len(lines - prose)


# -- imports ---------------------------------------------------------------------------------------

# A line for each contract that breaks it, by the module that it is planted in.
PLANTED = {
    "Rooms lie in layers": ("_wire/sizes.py", "import dualtable._dynamodb.gateway"),
    "The hot path and production": ("_copy/run.py", "import dualtable._standing.status"),
    "Production and the copy": ("_copy/run.py", "import dualtable._production.overlay"),
    "Pure rooms are pure": ("_transforms/steps.py", "import asyncio"),
    "Only connect knows": ("_copy/writer.py", "import dualtable._dynamodb.aws"),
}


def contracts() -> list[str]:
    return [contract["name"] for contract in settings()["tool"]["importlinter"]["contracts"]]


def planted(name: str) -> tuple[str, str]:
    if name.endswith(" has its owner"):
        return "_control/capacity.py", f"import {name.partition(' ')[0]}"
    return next(line for start, line in PLANTED.items() if name.startswith(start))


def test_each_import_contract_can_fail(tmp_path: Path) -> None:
    """A contract that holds whatever is imported guards nothing."""
    shutil.copytree(PACKAGE, tmp_path / "dualtable")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    assert set(lint_imports(tmp_path).values()) == {"KEPT"}
    for name in contracts():
        module, line = planted(name)
        with (tmp_path / "dualtable" / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    assert lint_imports(tmp_path) == dict.fromkeys(contracts(), "BROKEN")


def lint_imports(folder: Path) -> dict[str, str]:
    """Return what import-linter says of each contract."""
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    found = re.findall(r"^(.+?) (KEPT|BROKEN)\b", run.stdout, re.MULTILINE)
    assert found, run.stdout + run.stderr
    return dict(found)


def test_each_foreign_library_has_an_owner() -> None:
    """Whoever brings a library in says in pyproject.toml which module may know it."""
    owned = {name.partition(" ")[0] for name in contracts() if name.endswith(" has its owner")}
    common = sys.stdlib_module_names | {"attrs", "dualtable"}
    found = {
        library
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        for library in imported(node)
    }
    assert found - common == owned


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [(node.module or "").partition(".")[0]] if isinstance(node, ast.ImportFrom) else []


# -- names -----------------------------------------------------------------------------------------


def public_modules() -> list[str]:
    rooms = ("distributed", "drop_in", "errors", "sync", "testing")
    return ["dualtable", *(f"dualtable.{name}" for name in rooms)]


@pytest.mark.parametrize("name", public_modules())
def test_public_names_are_listed_sorted_and_there(name: str) -> None:
    """`__all__` is the contract: complete, in order, and nothing but a name that exists."""
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(set(module.__all__), key=_order)
    for public in module.__all__:
        assert not public.startswith("_")
        getattr(module, public)
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    assert _made_public(tree, face=name != "dualtable.errors") <= set(module.__all__)


def test_what_a_checker_is_told_is_what_there_is() -> None:
    """The face says three times what there is: to type checkers, to readers, and to Python."""
    face = ast.parse(Path(dualtable.__file__).read_text(encoding="utf-8"))
    told = {
        alias.name: node.module
        for block in face.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == dualtable._HOMES
    assert (
        sorted([*told, "DualTableError"])
        == sorted(dualtable.__all__)
        == sorted(name for name in dir(dualtable) if name in dualtable.__all__)
    )
    with pytest.raises(AttributeError, match="'dualtable' has no attribute 'Migrater'"):
        _ = dualtable.Migrater


@pytest.mark.parametrize(
    ("names", "left_out"),
    [
        ("DualTableRepository, Migration, Move", "copy operations planning proof report standing"),
        ("Chain, Convert, Migration, Migrator, Move", "planning production proof report standing"),
    ],
)
def test_a_process_starts_with_what_it_needs(names: str, left_out: str) -> None:
    """Neither production nor the copy waits for planner, verifier and report to be loaded."""
    program = f"from dualtable import {names}; import dualtable, sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "dualtable.errors" in loaded
    assert {f"dualtable._{room}" for room in left_out.split()}.isdisjoint(loaded)


def test_public_modules_stay_few() -> None:
    """Every other module may be moved at any time."""
    public = {path.stem for path in PACKAGE.glob("[!_]*") if path.name != "py.typed"}
    assert {f"dualtable.{name}" for name in public} | {"dualtable"} == set(public_modules())


def _order(name: str) -> tuple[bool, str]:
    return name.upper() != name, name  # constants first, as Ruff sorts them


def _is_ours(node: ast.ImportFrom) -> bool:
    return (node.module or "").partition(".")[0] == "dualtable"


def _made_public(tree: ast.Module, *, face: bool) -> set[str]:
    """Return what a module defines by a public name; a face, what it imports."""
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    brought = {
        alias.asname or alias.name
        for node in tree.body
        if face and isinstance(node, ast.ImportFrom) and _is_ours(node)
        for alias in node.names
    }
    return {name for name in defined | brought if not name.startswith("_")} - {"annotations"}


def test_the_package_is_typed_and_brings_no_tests() -> None:
    """What users install, where it is installed; in a source tree, what there is to be packed."""
    assert (PACKAGE / "py.typed").exists()
    try:
        files = importlib.metadata.files("dualtable") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("dualtable runs from its source tree; nox installs the wheel")
    names = {str(file) for file in files}
    if "dualtable/__init__.py" not in names:
        return  # an editable install: the package is its source tree
    assert "dualtable/py.typed" in names
    roots = {name.partition("/")[0] for name in names if not name.startswith("..")}
    assert {root for root in roots if not root.startswith("dualtable")} == set()


def test_the_tests_stay_strict() -> None:
    """Warnings are errors, typos in marks are errors, and no test runs for ever."""
    tools = settings()["tool"]
    pytest_settings = tools["pytest"]["ini_options"]
    assert pytest_settings["filterwarnings"] == ["error"]
    assert {"--strict-config", "--strict-markers"} <= set(pytest_settings["addopts"])
    assert pytest_settings["timeout"] <= 120
    assert tools["coverage"]["run"]["branch"] is True
    assert tools["mypy"]["strict"] is True


def test_the_core_depends_on_six_packages() -> None:
    """Production imports it, so it stays small."""
    names = {r.partition(">=")[0] for r in settings()["project"]["dependencies"]}
    assert names == {"aioboto3", "aiohttp", "attrs", "backoff", "cattrs", "msgspec"}
