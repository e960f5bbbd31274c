"""Parts of a long run, chosen by their names on the command line.

The rule: a name that is none of them is refused, so that nobody takes nothing for a proof.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Part = TypeVar("Part", bound=Callable[..., Any])


def chosen(parts: Sequence[Part], names: Sequence[str], description: str | None) -> list[Part]:
    """Return the parts that are named, in their own order; all where none is."""
    known = {part.__name__: part for part in parts}
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(known))
    named = parser.parse_args(names).parts
    for name in named:
        if name not in known:
            parser.error(f"{name!r} is none of {', '.join(known)}")
    return [part for name, part in known.items() if not named or name in named]
