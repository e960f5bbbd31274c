"""Where the events of a migration are.

The rule: beside its dead letters, in a folder of their own, since each process writes its own file.
Whoever throws the dead letters away wants no events either.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from dualtable._transforms.migration import Migration, check_path

_LONGEST_NAME_BYTES = 200  # of a file; file systems take 255


def named_after(migration: Migration, suffix: str) -> str:
    """Return the name of a file or folder that belongs to a migration."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in migration.name)
    if len(safe.encode()) > _LONGEST_NAME_BYTES:
        digest = hashlib.sha256(migration.name.encode()).hexdigest()[:16]
        safe = f"{safe.encode()[: _LONGEST_NAME_BYTES - 20].decode(errors='ignore')}-{digest}"
    return f"{safe}.{suffix}"


def events_folder(
    migration: Migration,
    given: str | os.PathLike[str] | None = None,
    *,
    beside: Path | None = None,
) -> Path | None:
    """Return where the events go; None for nowhere.

    Args:
        migration: The migration.
        given: What the caller asks for; `os.devnull` for nowhere, None for the default.
        beside: The file of the dead letters.

    Raises:
        InvalidSettingError: What is given is no path.
    """
    if given is not None:
        check_path("events", given)
        return None if os.fspath(given) == os.devnull else Path(given)
    if beside is not None and beside.exists() and not beside.is_file():
        return None  # no file that stays: a device, a pipe
    return (beside.parent if beside else Path()) / named_after(migration, "events")


def file_name(kind: str, begun: float, process: str) -> str:
    """Return what the file of one process is called; by their names, files are in order of time."""
    time = datetime.fromtimestamp(begun, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{kind}-{time}-{re.sub(r'[^A-Za-z0-9.]+', '-', process)[:120]}.jsonl"
