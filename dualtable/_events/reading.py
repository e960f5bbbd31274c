"""Event files, read.

The rule: a line that cannot be read is left out and said, since a killed run may have torn one; a
file of a later version is refused, since its numbers may mean something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from dualtable._events.file import SCHEMA_VERSION
from dualtable._events.interval import Interval
from dualtable._wire.json import NotJsonError, from_json
from dualtable.errors import InvalidSettingError


@attrs.frozen(kw_only=True)
class ToldRun:
    """What one process has told of one run.

    Attributes:
        path: The file.
        head: Its first line: whose events they are.
        intervals: In order.
        end: Its last line; nothing of a run that was killed, or still goes on.
        unreadable: How many lines could not be read.
    """

    path: Path
    head: Mapping[str, Any]
    intervals: tuple[Interval, ...]
    end: Mapping[str, Any]
    unreadable: int = 0


def read_events(places: Iterable[Path]) -> list[ToldRun]:
    """Read files, and the files in folders, in order of time.

    Raises:
        InvalidSettingError: There is no such place, or a file of another kind or a later version.
    """
    runs = [_read(path) for path in _files(places)]
    return sorted(runs, key=lambda run: float(run.head["begun"]))


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(place.glob("*.jsonl"))
        elif place.is_file():
            yield place
        else:
            raise InvalidSettingError(
                f"there are no events in {str(place)!r}; each run of dualtable migrate, verify"
                " or cleanup leaves some in its working directory, or where --events says"
            )


def _read(path: Path) -> ToldRun:
    lines = [_line(line) for line in path.read_bytes().splitlines() if line]
    known = [line for line in lines if line is not None]
    head = known[0] if known else {}
    if not isinstance(head.get("dualtable_events"), int) or "begun" not in head:
        raise InvalidSettingError(f"{str(path)!r} is no event file of dualtable")
    if head["dualtable_events"] > SCHEMA_VERSION:
        raise InvalidSettingError(
            f"{str(path)!r} is of version {head['dualtable_events']}, and this dualtable knows"
            f" {SCHEMA_VERSION}; upgrade it"
        )
    return ToldRun(
        path=path,
        head=head,
        intervals=tuple(Interval.of(line) for line in known[1:] if "at" in line),
        end=next((line for line in known[1:] if "ended" in line), {}),
        unreadable=len(lines) - len(known),
    )


def _line(line: bytes) -> dict[str, Any] | None:
    try:
        found = from_json(line)
    except NotJsonError:
        return None
    return found if isinstance(found, dict) else None
