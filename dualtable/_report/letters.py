"""The dead letters, counted.

The rule: keys, errors and reasons, as the file has them; a page that was copied again has repeated
its lines, so keys count, not lines. What cannot be read is left out and said.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from dualtable._wire.json import NotJsonError, from_json, to_sorted_json
from dualtable.errors import InvalidSettingError

_MOST_EXAMPLES = 20


@attrs.frozen
class Letters:
    """What is in a file of dead letters.

    Attributes:
        reasons: How many keys there are of each error and reason, the most frequent first.
        examples: Some keys, as JSON, with the reason.
        unreadable: Lines that could not be read.
    """

    reasons: tuple[tuple[str, str, int], ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    unreadable: int = 0

    @property
    def number(self) -> int:
        """How many keys there are."""
        return sum(number for _, _, number in self.reasons)


def read_letters(path: Path) -> Letters:
    """Read a file of dead letters; one that is not there has none.

    Raises:
        InvalidSettingError: It cannot be read, or is of another kind: no line is a letter.
    """
    lines = [_letter(line) for line in _content(path).splitlines() if line.strip()]
    if len(lines) > 1 and not any(lines):  # a single one may be torn
        raise InvalidSettingError(
            f"{str(path)!r} holds no dead letter in any of its {len(lines)} lines; give the file"
            " that dualtable migrate has left, or leave it out"
        )
    last = {key: letter for line in lines if line is not None for key, letter in (line,)}
    counted = Counter((letter["error"], letter["reason"]) for letter in last.values())
    some = list(last.items())[:_MOST_EXAMPLES]
    return Letters(
        reasons=tuple((*what, number) for what, number in counted.most_common()),
        examples=tuple((key, letter["reason"]) for key, letter in some),
        unreadable=lines.count(None),
    )


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or str(path) == os.devnull):  # as a pipe is
            raise OSError(errno.EINVAL, "it is no file")
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise InvalidSettingError(
            f"the dead letters in {str(path)!r} cannot be read ({error.strerror})"
        ) from error


def _letter(line: bytes) -> tuple[str, Mapping[str, Any]] | None:
    try:
        found = from_json(line)
        key = to_sorted_json(found["key"]).decode()
        return key, {"error": str(found["error"]), "reason": str(found["reason"])}
    except (NotJsonError, KeyError, TypeError):
        return None
