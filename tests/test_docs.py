"""What is written for users is true: every example runs, and nothing public is left out."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import boto3
import pages
import pytest

import dualtable
from dualtable._dynamodb.gateway import Gateway
from dualtable.testing import local_dynamodb

RUNNABLE = [
    page
    for page in pages.pages()
    if any(block.language in ("python", "pycon", "console") for block in pages.blocks(page))
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of their own, because pages name their tables."""
    with local_dynamodb() as url:
        yield url


@pytest.fixture
def reader(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pages.Reader]:
    """Somebody with an empty folder, an empty server, and the endpoint in the environment."""
    client = boto3.client("dynamodb", endpoint_url=server)
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    before = set(sys.modules)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield pages.Reader(tmp_path, os.environ)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_page(page: Path, reader: pages.Reader) -> None:
    """A reader who does what the page says gets what it shows."""
    reader.follow(page)


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_block_says_what_it_is(page: Path) -> None:
    """No code on a page is left out of the tests without a reason."""
    for block in pages.blocks(page):
        assert block.language in pages.LANGUAGES, f"{block}: {block.language!r}"
        assert block.reason or block.language != "sh", f"{block}: say why it is not run"


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_saved_file_is_used(page: Path) -> None:
    """A file that a page shows and nobody imports or runs is code that has not been tested."""
    blocks = list(pages.blocks(page))
    for number, block in enumerate(blocks):
        if name := block.file_name:
            later = "".join(b.code for b in blocks[number + 1 :])
            assert re.search(rf"\b{name.removesuffix('.py')}\b", later), f"{block}: {name}"


def docstring_examples() -> list[doctest.DocTest]:
    """Return the examples of all docstrings of the package, as it is installed."""
    names = [module.name for module in pkgutil.walk_packages(dualtable.__path__, "dualtable.")]
    modules = [importlib.import_module(name) for name in names if name != "dualtable.__main__"]
    found = [test for module in modules for test in doctest.DocTestFinder().find(module)]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", docstring_examples(), ids=lambda example: example.name)
def test_docstring(example: doctest.DocTest) -> None:
    """An example in a docstring prints what it shows."""
    lines: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=lines.append)
    assert not lines, "".join(lines)


PUBLIC_MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(dualtable.__path__, "dualtable.")
    if not re.search(r"\._|\.errors$", module.name)  # errors are told where they are raised
]
PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (dualtable, *PUBLIC_MODULES)
    for name in module.__all__
]


@pytest.mark.parametrize("thing", PUBLIC)
def test_public_name_has_an_example(thing: object) -> None:
    """Whoever looks a name up sees how it is used, in code that runs."""
    assert ">>> " in (inspect.getdoc(thing) or "")


@pytest.mark.parametrize("thing", PUBLIC)
def test_public_members_are_explained(thing: object) -> None:
    """No public method or property is left to be guessed; those of the port are told there."""
    members = vars(thing) if isinstance(thing, type) else {}
    shown = {name for name in members if not name.startswith("_")} - vars(Gateway).keys()
    kinds = (FunctionType, property, classmethod, staticmethod)
    assert not [n for n in shown if isinstance(members[n], kinds) and not members[n].__doc__]


@pytest.mark.parametrize("name", [*dualtable.__all__, *(m.__name__ for m in PUBLIC_MODULES)])
def test_is_in_the_reference(name: str) -> None:
    """What the reference leaves out does not exist to whoever looks there."""
    folder = pages.ROOT / "docs" / "reference"
    reference = "".join(page.read_text() for page in sorted(folder.glob("*.md")))
    entry = re.compile(rf"^\.\. auto(class|function|module):: {name}$", re.MULTILINE)
    assert name == "DualTableError" or entry.search(reference), (
        f"add '.. autoclass:: {name}' to a page of docs/reference"
    )
