"""What may reach a terminal: text, and nothing that a terminal acts upon.

The rule: names, keys, records and reasons are written by others. Whatever of them cannot be shown
as it is, line breaks and escape sequences above all, is shown as Python writes it; so one line that
is printed stays one line, and says what it says.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from typing import Any, TextIO

from dualtable._sharing.process import SteadyStream
from dualtable._wire.json import to_json

_COMMAND = re.compile(r"dualtable [a-z-]+(?: \S+:\S+)?(?: --\S+)*")
_GLUE = "\0"  # in place of a blank at which nothing is broken; no line that is shown has one
_LITTLE = 10  # characters beside a command, such as ``Next: ``


def shown_plainly(line: str) -> str:
    """Return one line as a terminal may have it."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else _as_python_writes_it(c) for c in line)


def fitted(line: str, columns: int) -> list[str]:
    """Return a line as a terminal of so many columns shows it: broken at words, and set in.

    A command stays whole, so that it can be copied; so does a line that is little else.
    """
    if len(line) <= columns or len(_COMMAND.sub("", line)) < _LITTLE:
        return [line]
    inset = " " * (len(line) - len(line.lstrip()) + 4)
    lines = textwrap.wrap(
        _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), line),
        max(20, columns),
        subsequent_indent=inset,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return [part.replace(_GLUE, " ") for part in lines]


def json_line(data: dict[str, Any], encoding: str | None = None) -> str:
    """Return one JSON object in one line, for a stream of that encoding.

    JSON has its own way to write such characters, and those that an encoding may lack.
    """
    text = _json(data)
    can_show = str.isprintable if _has_all(encoding) else _is_plain_ascii
    if can_show(text):
        return text
    return "".join(c if can_show(c) else _as_json_writes_it(c) for c in text)


def is_steered(stream: TextIO | SteadyStream) -> bool:
    """Tell whether a stream is a terminal on which what was shown can be replaced."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _json(data: dict[str, Any]) -> str:
    try:
        return to_json(data).decode()
    except UnicodeEncodeError:  # as in the name of a file whose bytes are no text
        return json.dumps(data, separators=(",", ":"), default=str)


def _has_all(encoding: str | None) -> bool:
    return encoding is None or encoding.lower().startswith("utf")


def _is_plain_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _as_python_writes_it(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _as_json_writes_it(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
