"""Lines as a terminal shows them."""

from __future__ import annotations

import io
import json

import pytest

from dualtable._telling.terminal import fitted, is_steered, json_line


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_a_long_line_is_broken_at_its_words(columns: int) -> None:
    """And set in, so that it is seen what belongs together; nothing of it is lost."""
    line = "  NO   a verification that began after the last segment was done: none has ended yet"
    found = fitted(line, columns)
    assert max(map(len, found)) <= columns
    assert " ".join(" ".join(found).split()) == " ".join(line.split())
    assert all(part.startswith(" " * 6) for part in found[1:])


def test_a_command_stays_whole() -> None:
    """It is copied from the terminal, and a line break would run half of it."""
    line = "Next: dualtable advance orders_migration:migration --wait"
    assert fitted(line, 30) == [line]


def test_a_command_in_a_sentence_stays_whole() -> None:
    """The sentence around it is broken at its words, as any other."""
    line = (
        "Next: if dualtable status shop:migration says that the copy is not complete, migrate"
        " first; else copy what is missing with dualtable verify shop:migration --repair."
    )
    found = fitted(line, 60)
    assert max(map(len, found)) <= 60
    assert " ".join(" ".join(found).split()) == line
    for command in ("dualtable status shop:migration", "dualtable verify shop:migration --repair"):
        assert any(command in part for part in found)


def test_a_name_stays_whole() -> None:
    """Half a table's name is another table."""
    assert fitted("x " + "a" * 50, 30) == ["x", "    " + "a" * 50]


NAMES = {"name": "mü-✓ß", "table": "\U0001f600\u202e"}


@pytest.mark.parametrize("encoding", [None, "utf-8", "UTF8", "ascii", "latin-1", "cp1252"])
def test_json_in_any_encoding(encoding: str | None) -> None:
    """It says the same, and every encoding takes it; a character is shown where it can be."""
    line = json_line(NAMES, encoding)
    assert json.loads(line.encode(encoding or "utf-8").decode(encoding or "utf-8")) == NAMES
    assert ("ü" in line) == (encoding in (None, "utf-8", "UTF8"))
    assert "\u202e" not in line


def test_json_of_what_is_no_text() -> None:
    """The name of a file may be any bytes; it comes back as Python has it."""
    line = json_line({"path": "\udcff.py"})
    assert line == '{"path":"\\udcff.py"}'
    assert json.loads(line) == {"path": "\udcff.py"}


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "expected"), [("xterm", True), ("", True), ("dumb", False), ("unknown", False)]
)
def test_a_terminal_that_only_prints(
    kind: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor's window, say: nothing that was shown there can be replaced."""
    monkeypatch.setenv("TERM", kind)
    assert is_steered(Terminal()) is expected
    assert not is_steered(io.StringIO())
