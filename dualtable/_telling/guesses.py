"""What a mistyped word may have meant.

The rule: pure; a guess is offered, and never acted upon.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_command(word: str, commands: Iterable[str]) -> str:
    """Return what to say of a first word that is no command."""
    known = list(commands)
    meant = guess(word, known) or f"; there are {', '.join(known)}"
    return f"there is no command {word!r}{meant}"


def unknown_options(words: Iterable[str], options: Iterable[str]) -> str:
    """Return what to say of arguments that a command does not take."""
    found, known = list(words), list(options)
    first = next((word for word in found if word.startswith("-")), found[0])
    return f"unrecognized arguments: {' '.join(found)}{guess(first.partition('=')[0], known)}"


def guess(word: str, known: Iterable[str]) -> str:
    """Return the known word that is likely to be meant, as a question; nothing if none is."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
