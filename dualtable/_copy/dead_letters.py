"""The items that could not be copied, as JSON lines, beside what the control table knows of them.

The rule: a line holds a key and never another value of the item, and it is on disk, or in S3,
before the page that it belongs to counts as settled. A page that is copied again may repeat its
lines; a line that was torn by a full disk stays by itself. A file holds the lines of one run, or
one dry run: where there are those of another, they are moved beside it first. In S3 each run has a
folder, and each page with dead letters an object.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import stat
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import attrs

from dualtable._control.letters import DeadLetter
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.objects import SCHEME, Folder
from dualtable._events.folder import named_after
from dualtable._transforms.migration import Migration
from dualtable._wire.json import NotJsonError, from_json, to_json_lines
from dualtable.errors import DualTableError, InvalidSettingError

_DRY = "dry-run"


class DeadLetters(Protocol):
    """Where dead letters are written; as a text, how that place is called."""

    @property
    def path(self) -> Path | None:
        """The file; None where it is none."""

    async def begin(self, run: str | None) -> None:
        """Take the lines of a run, or of a dry run; see that no others are among them."""

    async def append(self, letters: Sequence[DeadLetter]) -> None:
        """Write the letters and return when they are there to stay."""


def dead_letters_at(where: str | os.PathLike[str], connection: Connection) -> DeadLetters:
    """Return what writes dead letters to a file, or to a folder in S3.

    Raises:
        InvalidSettingError: It is plain already that they cannot be written there.
    """
    folder = _folder(where, connection)
    return DeadLetterFile(where) if folder is None else DeadLetterObjects(folder)


def _folder(where: str | os.PathLike[str], connection: Connection) -> Folder | None:
    """Return the folder in S3 that is meant; None for a file."""
    url = os.fspath(where)
    return Folder.at(url, connection) if str(url).startswith(SCHEME) else None


class DeadLetterObjects:
    """Writes the dead letters of each page to an object of its own in S3."""

    path = None

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._run = _DRY

    def __str__(self) -> str:
        return str(self._folder)

    async def begin(self, run: str | None) -> None:
        """Take the lines of a run, or of a dry run; each has its folder.

        Raises:
            InvalidSettingError: There is no such bucket.
        """
        self._run = run or f"{_DRY}-{self._process}"
        await self._folder.check()

    async def append(self, letters: Sequence[DeadLetter]) -> None:
        """Write the letters and return when S3 has them.

        Raises:
            DualTableError: It has not; the page that they belong to is not settled.
        """
        if letters:
            name = f"{self._run}/{self._process}-{next(self._numbers):06}.jsonl"
            await self._folder.put(name, _lines(letters, self._run))


class DeadLetterFile:
    """Appends dead letters to a file, which is made when the first one comes.

    Raises:
        DualTableError: It is plain already that the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._run = _DRY
        if reason := _refusal(self.path):
            raise InvalidSettingError(
                f"dead_letters={os.fspath(path)!r} cannot be written ({reason}); give a path in an"
                " existing folder"
            )

    def __str__(self) -> str:
        return str(self.path)

    async def begin(self, run: str | None) -> None:
        """Take the lines of a run, or of a dry run; see that no others are among them.

        Lines of an earlier dry run go; those of another run are moved to a file that has its name
        behind this one's.

        Raises:
            DualTableError: They cannot be moved.
        """
        self._run = run or _DRY
        try:
            await asyncio.to_thread(self._set_apart)
        except OSError as error:
            raise DualTableError(
                f"{str(self.path)!r} holds the dead letters of another run, which cannot be moved"
                f" out of the way ({error.strerror}); give another path"
            ) from error

    def _set_apart(self) -> None:
        earlier = _run_of(self.path)
        if earlier == _DRY:
            self.path.unlink(missing_ok=True)
        elif earlier not in (None, self._run):
            aside = self.path.with_name(f"{self.path.name}.{earlier}")
            if not aside.exists():  # as where another process of this run was quicker
                self.path.rename(aside)

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
        lines = _lines(letters, self._run)
        is_file = self.path.is_file() or not self.path.exists()
        with self.path.open("ab") as file:
            file.write(b"\n" + lines if is_file and _is_torn(self.path) else lines)
            file.flush()
            if is_file:  # and no terminal or pipe, which has no disk
                os.fsync(file.fileno())


def _lines(letters: Iterable[DeadLetter], run: str) -> bytes:
    return to_json_lines([attrs.asdict(letter) | {"run": run} for letter in letters])


async def read_keys(
    path: str | os.PathLike[str], run: str, connection: Connection
) -> list[dict[str, Any]]:
    """Return the keys in a file or a folder in S3, in wire form, of what a run has written.

    Raises:
        InvalidSettingError: It cannot be read, or none of its lines is of this run.
        GatewayError: S3 refuses it, or cannot be reached.
    """
    folder = _folder(path, connection)
    if folder is None:
        content = await asyncio.to_thread(_content, path)
    else:
        content = b"\n".join(await folder.read(run))
    read = [line for line in map(_line, content.splitlines()) if line]
    keys = [line["key"] for line in read if line.get("run") == run]
    if not keys:
        others = sorted({str(line.get("run")) for line in read})
        raise InvalidSettingError(
            f"{os.fspath(path)!r} holds no dead letter of this run ({run}):"
            f" {', '.join(others) if others else 'nothing'}; leave the file out to retry all that"
            " the control table knows"
        )
    return keys


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidSettingError(
            f"the dead letters in {os.fspath(path)!r} cannot be read"
            f" ({getattr(error, 'strerror', None) or error})"
        ) from error


def _run_of(path: Path) -> str | None:
    """Return which run a file's lines are of; None where it has none that say so."""
    if not path.is_file():  # nothing, a pipe, a terminal
        return None
    with path.open("rb") as file:
        runs = (line.get("run") for line in map(_line, file) if line)
        return next((run for run in runs if isinstance(run, str)), None)


def _line(text: bytes) -> dict[str, Any]:
    """Return what a line says; nothing where it is torn, or none of ours."""
    try:
        line = from_json(text)
    except NotJsonError:
        return {}
    ours = isinstance(line, dict) and isinstance(line.get("key"), dict)
    return line if ours else {}


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


def default_dead_letters(migration: Migration, *, dry_run: bool = False) -> str:
    """Return where the dead letters of a migration go when nobody says where."""
    return named_after(migration, f"{_DRY}.dead-letters.jsonl" if dry_run else "dead-letters.jsonl")
