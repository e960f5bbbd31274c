"""What a subcommand is, and how one ends.

The rule: a command gets its options and returns an answer; it prints nothing.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import attrs

WELL, NOT_WELL, WRONG_USE = 0, 1, 2


@attrs.frozen
class Answer:
    """How a command ended: for the shell, for machines, for people.

    A line is one line, whatever is in it: what would break it is shown escaped.
    """

    exit_code: int
    report: Any  # of an attrs class
    lines: list[str] = attrs.field(factory=list)
    is_told: bool = False  # by the command itself, as it went on


@attrs.frozen
class Command:
    """A subcommand.

    Attributes:
        name: The word for it.
        purpose: What it does, in a sentence.
        run: Does it.
        options: Groups of options that it takes.
        answers: The classes of its reports.
    """

    name: str
    purpose: str
    run: Callable[[Namespace], Answer]
    options: tuple[Callable[[ArgumentParser], None], ...]
    answers: tuple[type, ...]
