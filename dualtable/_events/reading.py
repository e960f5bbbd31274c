"""Event files, read.

The rule: a line that cannot be read is left out and said, since a killed run may have torn one; a
file of a later version is refused, since its numbers may mean something else. Whoever gets what was
read finds each field to be of its kind, and no number that nothing can be reckoned with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from dualtable._clock import moment
from dualtable._events.file import SCHEMA_VERSION
from dualtable._events.interval import Interval
from dualtable._wire.json import NotJsonError, from_json
from dualtable.errors import InvalidSettingError

_MOST = 1e15  # of what is counted or measured
_NOTHING = Interval(at=0.0)


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
    lines = [_line(line) for line in _content(path).splitlines() if line]
    head = next((line for line in lines if line is not None), {})
    version = head.get("dualtable_events")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InvalidSettingError(
            f"{str(path)!r} is of version {version}, and this dualtable knows {SCHEMA_VERSION};"
            " upgrade it"
        )
    if not isinstance(version, int) or not _is_head(head):
        raise InvalidSettingError(f"{str(path)!r} is no event file of dualtable")
    others = [line for line in lines if line is not head]
    intervals = [_interval(line) for line in others if line is not None and "at" in line]
    ends = [line for line in others if line is not None and "ended" in line]
    sound = [end for end in ends if _has_objects(end, "report")]
    return ToldRun(
        path=path,
        head=head,
        intervals=tuple(each for each in intervals if each is not None),
        end=sound[0] if sound else {},
        unreadable=lines.count(None) + intervals.count(None) + len(ends) - len(sound),
    )


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InvalidSettingError(f"{str(path)!r} is no file, and no event file of dualtable")
        return path.read_bytes()
    except OSError as error:
        raise InvalidSettingError(f"{str(path)!r} cannot be read ({error.strerror})") from error


def _line(line: bytes) -> dict[str, Any] | None:
    try:
        found = from_json(line)
    except NotJsonError:
        return None
    return found if isinstance(found, dict) else None


def _is_head(line: Mapping[str, Any]) -> bool:
    """Tell whether a line says whose events it is that follow."""
    is_named = isinstance(line.get("kind", ""), str) and _is_moment(line.get("begun"))
    if not is_named or not _has_objects(line, "settings", "tables"):
        return False
    tables = line.get("tables", {})
    if not _has_objects(tables, *tables):
        return False
    units = (each.get(f"{kind}_units") for each in tables.values() for kind in ("read", "write"))
    return all(map(_is_number_or_none, units))


def _has_objects(line: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(line.get(name, {}), dict) for name in names)


def _interval(line: Mapping[str, Any]) -> Interval | None:
    """Return what a line holds; None where a field is not of its kind."""
    try:
        found = Interval.of(line)
        fields = attrs.asdict(found, recurse=False).items()
        is_sound = all(_is_sound(name, value) for name, value in fields)
    except (AttributeError, TypeError):
        return None
    return found if is_sound and _is_moment(found.at) else None


def _is_sound(name: str, value: Any) -> bool:
    """Tell whether a field of an interval is of the same kind as in one of nothing."""
    usual = getattr(_NOTHING, name)
    if isinstance(usual, str):
        return isinstance(value, str)
    if isinstance(usual, dict):
        members = [n for each in value.values() for n in (each if name == "latency" else [each])]
        return all(map(_is_number, members))
    return _is_number_or_none(value) if usual is None else _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= _MOST


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_moment(value: Any) -> bool:
    try:
        return _is_number(value) and bool(moment(value))
    except (OSError, OverflowError, ValueError):
        return False
