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
    data: dict[str, Any]
    lines: list[str] = attrs.field(factory=list)


@attrs.frozen
class Command:
    """A subcommand: what it does, how it is run, and the groups of options that it takes."""

    name: str
    purpose: str
    run: Callable[[Namespace], Answer]
    options: tuple[Callable[[ArgumentParser], None], ...]
