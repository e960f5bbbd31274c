"""What may reach a terminal: text, and nothing that a terminal acts upon.

The rule: names, keys, records and reasons are written by others. Whatever of them cannot be shown
as it is, line breaks and escape sequences above all, is shown as Python writes it; so one line that
is printed stays one line, and says what it says.
"""

from __future__ import annotations

import textwrap
from typing import Any

import orjson


def shown_plainly(line: str) -> str:
    """Return one line as a terminal may have it."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else _as_python_writes_it(c) for c in line)


def fitted(line: str, columns: int) -> list[str]:
    """Return a line as a terminal of so many columns shows it: broken at words, and set in.

    A line with a command stays whole, so that it can be copied.
    """
    if len(line) <= columns or "dualtable " in line:
        return [line]
    inset = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(
        line,
        max(20, columns),
        subsequent_indent=inset,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def json_line(data: dict[str, Any]) -> str:
    """Return one JSON object in one line; JSON has its own way to write such characters."""
    text = orjson.dumps(data).decode()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _as_json_writes_it(c) for c in text)


def _as_python_writes_it(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _as_json_writes_it(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
