"""The items that could not be copied, as JSON lines: key, error, reason, segment.

The rule: a line holds a key and never another value of the item, and it is on disk before the page
that it belongs to counts as settled. A page that is copied again may repeat its lines.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import orjson

from dualtable._wire.types import WireKey
from dualtable.errors import DualTableError


@attrs.frozen
class DeadLetter:
    """One old item that was not copied; its key is in wire form, so that no type is lost."""

    key: WireKey
    error: str
    reason: str
    segment: int


class DeadLetterFile:
    """Appends dead letters to a file, which is made when the first one comes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        folder = self.path.absolute().parent
        if not os.access(folder, os.W_OK) or self.path.is_dir():
            raise DualTableError(
                f"dead_letters={str(path)!r} cannot be written; give a path in an existing folder"
            )

    async def append(self, letters: Sequence[DeadLetter]) -> None:
        """Write the letters and return when they are on disk."""
        if letters:
            await asyncio.to_thread(self._write, letters)

    def _write(self, letters: Sequence[DeadLetter]) -> None:
        lines = b"".join(orjson.dumps(attrs.asdict(letter)) + b"\n" for letter in letters)
        with self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
