"""The items that could not be copied, as JSON lines, beside what the control table knows of them.

The rule: a line holds a key and never another value of the item, and it is on disk, or in S3,
before the page that it belongs to counts as settled. A page that is copied again may repeat its
lines; a line that was torn by a full disk stays by itself. A file holds the lines of one run, or
one dry run: where there are those of another run alone, they are moved beside it first. Lines of a
run are never deleted, and no dry run moves them. In S3 each run has a folder, and each page with
dead letters an object.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import attrs

from dualtable._control.letters import DeadLetter
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.objects import SCHEME, Folder
from dualtable._events.folder import named_after
from dualtable._transforms.migration import Migration, check_path
from dualtable._wire import codec
from dualtable._wire.json import NotJsonError, from_json, to_json_lines
from dualtable._wire.keys import check_key
from dualtable._wire.layouts import Layout
from dualtable._wire.types import WireKey
from dualtable.errors import DualTableError, InvalidKeyError, InvalidSettingError

_DRY = "dry-run"
_OF_KEYS = ("S", "N", "B")


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
    check_path("dead_letters", where)
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

        Lines of earlier dry runs go; those of another run are moved to a file that has its name
        behind this one's.

        Raises:
            InvalidSettingError: A dry run is to write where the lines of a run are.
            DualTableError: They cannot be read, or moved.
        """
        self._run = run or _DRY
        try:
            runs = await asyncio.to_thread(lambda: list(dict.fromkeys(_runs_in(self.path))))
        except OSError as error:
            raise DualTableError(
                f"{str(self.path)!r} cannot be read, to see whose dead letters it holds"
                f" ({error.strerror}); give another path"
            ) from error
        real = [each for each in runs if each != _DRY]
        if real and run is None:
            raise InvalidSettingError(
                f"dead_letters={str(self.path)!r} holds those of a run ({real[0]}), which a dry run"
                " leaves alone; give it another path"
            )
        try:
            await asyncio.to_thread(self._set_apart, real)
        except (OSError, ValueError) as error:  # such as the name of a run that is none of ours
            raise DualTableError(
                f"{str(self.path)!r} holds the dead letters of another run, which cannot be moved"
                f" out of the way ({getattr(error, 'strerror', None) or error}); give another path"
            ) from error

    def _set_apart(self, runs: Sequence[str]) -> None:
        """Make room where the lines of these runs are, and of dry runs."""
        if not runs:
            if next(_runs_in(self.path), None) == _DRY:  # still: others may have begun meanwhile
                self.path.unlink(missing_ok=True)
        elif self._run not in runs:
            aside = self.path.with_name(f"{self.path.name}.{runs[0]}")
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
        with open(self.path, "ab", opener=_opened) as file:
            file.write(b"\n" + lines if is_file and _is_torn(self.path) else lines)
            file.flush()
            if is_file:  # and no terminal or pipe, which has no disk
                os.fsync(file.fileno())


def _lines(letters: Iterable[DeadLetter], run: str) -> bytes:
    return to_json_lines([attrs.asdict(letter) | {"run": run} for letter in letters])


async def read_keys(
    path: str | os.PathLike[str], run: str, old: Layout, connection: Connection
) -> list[WireKey]:
    """Return the keys in a file or a folder in S3, in wire form, of what a run has written.

    Raises:
        InvalidSettingError: It cannot be read, or none of its lines is of this run.
        InvalidKeyError: A line of this run has none of the old table.
        GatewayError: S3 refuses it, or cannot be reached.
    """
    folder = _folder(path, connection)
    if folder is None:
        content = await asyncio.to_thread(_content, path)
    else:
        content = b"\n".join(await folder.read(run))
    lines = list(map(_line, content.splitlines()))
    keys = []
    for number, line in enumerate(lines, 1):
        if line.get("run") == run:
            try:
                keys.append(_key(line["key"], old))
            except InvalidKeyError as error:
                raise InvalidKeyError(f"line {number} of {os.fspath(path)!r}: {error}") from error
    if not keys:
        others = sorted({str(line.get("run")) for line in lines if line})
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


def _runs_in(path: Path) -> Iterator[str]:
    """Yield of each line in a file which run it is of, as far as it says so."""
    if not path.is_file():  # nothing, a pipe, a terminal
        return
    with path.open("rb") as file:
        runs = (line.get("run") for line in map(_line, file))
        yield from (run for run in runs if isinstance(run, str))


def _line(text: bytes) -> dict[str, Any]:
    """Return what a line says; nothing where it is torn, or none of ours."""
    try:
        line = from_json(text)
    except NotJsonError:
        return {}
    return line if isinstance(line, dict) and "key" in line else {}


def _key(given: object, old: Layout) -> WireKey:
    """Return a key of the old table that a line gives, as DynamoDB's own API writes it."""
    if not isinstance(given, dict) or not all(map(_is_of_key, given.values())):
        raise InvalidKeyError(
            'a key in such a file is written {"id": {"S": "o-1"}}, with the type of each value;'
            " one in plain values is for keys, or --key"
        )
    try:
        key = codec.decode(given)
    except (ArithmeticError, ValueError) as error:
        raise InvalidKeyError("a value is no number, or no base64, though its type is") from error
    return check_key(key, old.key, old.table)


def _is_of_key(value: object) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((tag, content),) = value.items()
    return tag in _OF_KEYS and isinstance(content, str)


def _opened(path: str, flags: int) -> int:
    """Open a file to write to; a pipe that nobody reads would be waited for without end."""
    if not Path(path).is_fifo():
        return os.open(path, flags, 0o666)
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from this pipe") from error
        raise
    os.set_blocking(descriptor, True)
    return descriptor


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
