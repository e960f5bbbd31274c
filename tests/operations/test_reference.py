"""Whatever is wrong with ``MODULE:ATTRIBUTE`` is one error that says what, and what to say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualtable._operations.reference import load, load_migration
from dualtable.errors import DualTableError, InvalidSettingError, TableMismatchError

PLAN = (
    'from dualtable import Chain, Migration\nmigration = Migration("shop", "old", "new", Chain())\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with modules, which nobody remembers afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        ("class Skipped(BaseException): ...\nraise Skipped('not here')", "Skipped: not here"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise GeneratorExit", "GeneratorExit"),
    ],
)
@pytest.mark.parametrize("when", ["import", "get"])
def test_whatever_a_module_raises_is_told(folder: Path, text: str, error: str, when: str) -> None:
    """At its import, or when it makes its attributes on demand; with the place in its source."""
    body = text.replace("\n", "\n    ")
    lazy = f"def __getattr__(name):\n    {body}\n"
    (folder / "odd_plan.py").write_text(lazy if when == "get" else text)
    with pytest.raises(DualTableError, match=rf"cannot {when} .*{error}.*odd_plan\.py:\d") as told:
        load_migration("odd_plan:migration")
    assert told.value.__cause__ is not None


@pytest.mark.parametrize(
    "text",
    [
        "raise KeyboardInterrupt",
        "from dualtable import Chain, Migration\nMigration('shop', 'same', 'same', Chain())",
    ],
)
def test_who_stops_it_and_what_the_library_says_pass(folder: Path, text: str) -> None:
    """Control-C is no fault of the module's, and the library's errors say enough."""
    (folder / "odd_plan.py").write_text(text)
    with pytest.raises((KeyboardInterrupt, TableMismatchError)) as told:
        load("odd_plan:migration")
    assert "cannot import" not in str(told.value)


@pytest.mark.parametrize(
    ("reference", "right"),
    [
        ("plan.py:migration", "plan:migration"),
        ("./plan.py:migration", "plan:migration"),
        ("shop/plan.py:migration", "shop.plan:migration"),
        ("shop/plan:migration", "shop.plan:migration"),
        ("../elsewhere.py:migration", "elsewhere:migration"),
    ],
)
def test_a_file_is_told_from_its_module(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reference: str, right: str
) -> None:
    """Who names the file hears what to name; and what is named so is found."""
    (folder / "work" / "shop").mkdir(parents=True)
    for name in ("work/plan.py", "work/shop/plan.py", "elsewhere.py"):
        (folder / name).write_text(PLAN)
    monkeypatch.chdir(folder / "work")
    with pytest.raises(InvalidSettingError, match=f"is a file, .*: {right}, in ") as told:
        load_migration(reference)
    monkeypatch.chdir(str(told.value).rpartition(" in ")[2])
    assert load_migration(right).name == "shop"


def test_a_working_directory_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules elsewhere are found all the same, and what is not found is said."""
    (folder / "gone").mkdir()
    (folder / "plan.py").write_text(PLAN)
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    with pytest.raises(DualTableError, match="no module 'plan' in the working directory, which"):
        load_migration("plan:migration")
    sys.path.append(str(folder))
    assert load_migration("plan:migration").name == "shop"
