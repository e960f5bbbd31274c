"""Lines as a terminal shows them."""

from __future__ import annotations

import pytest

from dualtable._telling.terminal import fitted


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
