"""The items that could not be copied, as JSON lines: key, error, reason, segment.

The rule: a line holds a key and never another value of the item, and it is on disk before the page
that it belongs to counts as settled. A page that is copied again may repeat its lines; a line that
was torn by a full disk stays by itself.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import attrs
import orjson

from dualtable._events.folder import named_after
from dualtable._transforms.migration import Migration
from dualtable._wire.types import WireKey
from dualtable.errors import DualTableError, InvalidSettingError


@attrs.frozen
class DeadLetter:
    """One old item that was not copied; its key is in wire form, so that no type is lost."""

    key: WireKey
    error: str
    reason: str
    segment: int


class DeadLetterFile:
    """Appends dead letters to a file, which is made when the first one comes.

    Raises:
        DualTableError: It is plain already that the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if reason := _refusal(self.path):
            raise InvalidSettingError(
                f"dead_letters={os.fspath(path)!r} cannot be written ({reason}); give a path in an"
                " existing folder"
            )

    async def append(self, letters: Sequence[DeadLetter]) -> None:
        """Write the letters and return when they are on disk.

        Raises:
            DualTableError: They cannot be written; the page that they belong to is not settled.
        """
        if not letters:
            return
        try:
            await asyncio.to_thread(self._write, letters)
        except OSError as error:
            raise DualTableError(
                f"the dead letters cannot be written to {str(self.path)!r}: {error.strerror}; make"
                " room or choose another path, and run again: what is settled stays"
            ) from error

    def _write(self, letters: Sequence[DeadLetter]) -> None:
        lines = b"".join(orjson.dumps(attrs.asdict(letter)) + b"\n" for letter in letters)
        is_file = self.path.is_file() or not self.path.exists()
        with self.path.open("ab") as file:
            file.write(b"\n" + lines if is_file and _is_torn(self.path) else lines)
            file.flush()
            if is_file:  # and no terminal or pipe, which has no disk
                os.fsync(file.fileno())


def _refusal(path: Path) -> str:
    """Say why a file cannot be written, as far as that shows before it is."""
    folder = path.absolute().parent
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return "" if folder.is_dir() and os.access(folder, os.W_OK) else f"no writing to {folder}"
    except (OSError, ValueError) as error:  # too long, a file in place of a folder, a NUL
        return getattr(error, "strerror", None) or str(error)
    if is_folder:
        return "it is a folder"
    return "" if os.access(path, os.W_OK) else "no permission"


def _is_torn(path: Path) -> bool:
    """Tell whether the last line lacks its end, because there was no room for it."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def default_dead_letters(migration: Migration) -> str:
    """Return where the dead letters of a migration go when nobody says where."""
    return named_after(migration, "dead-letters.jsonl")
