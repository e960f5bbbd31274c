"""How a view reads: in one line for a log, in a few for a terminal, in JSON for a machine.

The rule: pure; a terminal's lines are broken between figures and never within one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from dualtable._progress.meter import View
from dualtable._progress.readings import BEGUN, DONE, MINE, OTHERS, UNTOUCHED
from dualtable._telling.words import count, duration, percent

_GAP = "   "
_STRIP = {UNTOUCHED: "·", BEGUN: "░", OTHERS: "▒", MINE: "▓", DONE: "█"}
STRIP_FROM_COLUMNS = 100
"""Narrower terminals have no strip: each column would stand for too much."""


def line(view: View) -> str:
    """Return everything in one line, for a log."""
    figures = [*how_far(view), *how_fast(view), *how_well(view), view.state]
    return ", ".join(filter(None, figures))


def rows(view: View, columns: int) -> list[str]:
    """Return everything but the bar in lines of so many columns."""
    figures = [how_fast(view), how_well(view), [view.state]]
    lines = [text for group in figures for text in broken(filter(None, group), columns)]
    if view.segments and columns >= STRIP_FROM_COLUMNS:
        lines.append(strip(view.segments, columns))
    return lines


def data(title: str, view: View) -> dict[str, Any]:
    """Return a view as a machine gets it."""
    fields = attrs.asdict(view, filter=attrs.filters.exclude("segments", "stands_still"))
    return {"progress": title, **fields}


def how_far(view: View) -> list[str]:
    """Return the share done and the time left; nothing where the end is not known."""
    if view.share is None:
        return []
    done = f"{percent(view.share)} done"
    return [done] if view.stands_still else [done, f"{duration(view.seconds_left)} left"]


def how_fast(view: View) -> list[str]:
    """Return the items and the rates; who stands still has none."""
    if view.items is None:
        return ["begins"]
    if view.stands_still:
        return [f"{count(view.items)} items"]
    rates = [f"{count(view.items)} items", f"{count(view.items_per_second)}/s"]
    for kind, used, may in (
        ("read", view.read_units_per_second, view.may_read),
        ("write", view.write_units_per_second, view.may_write),
    ):
        if used is not None:
            of = "" if may is None else f" of {count(may)}"
            rates.append(f"{count(used)}{of} {kind} units/s")
    return rates


def how_well(view: View) -> list[str]:
    """Return what there is besides items."""
    return [f"{count(number)} {_named(name, number)}" for name, number in view.counts.items()]


_ONE = {
    "pages": "page",
    "empty pages": "empty page",
    "retries": "retry",
    "other retries": "other retry",
    "dead letters": "dead letter",
    "migrators": "migrator",
    "segments in hand": "segment in hand",
}


def _named(name: str, number: int) -> str:
    return _ONE.get(name, name) if number == 1 else name


def broken(figures: Iterable[str], columns: int) -> Iterator[str]:
    """Yield lines of as many figures as fit; one that is too long is broken at its words."""
    text = ""
    for figure in figures:
        for part in _parts(figure, columns - 2):
            longer = f"{text}{_GAP}{part}" if text else f"  {part}"
            if len(longer) > columns and text:
                yield text
                longer = f"  {part}"
            text = longer
    if text:
        yield text


def _parts(figure: str, columns: int) -> Iterator[str]:
    if len(figure) <= columns:
        yield figure
        return
    text = ""
    for word in figure.split(" "):
        longer = f"{text} {word}" if text else word
        if len(longer) > columns and text:
            yield text
            longer = word
        text = longer
    yield text


def strip(segments: bytes, columns: int) -> str:
    """Return the segments in their order along the table; each column shows how its part is.

    ``█`` done, ``▓`` in hand here, ``▒`` in the hands of others, ``░`` begun, ``·`` not begun.
    """
    width = min(columns - 4, len(segments))
    bounds = [n * len(segments) // width for n in range(width + 1)]
    parts = (segments[a:b] for a, b in itertools.pairwise(bounds))
    return "  " + "".join(_STRIP[_stage(part)] for part in parts)


def _stage(part: bytes) -> int:
    """Return what one column shows: who is at work there, else what is not done yet."""
    for stage in (MINE, OTHERS):
        if stage in part:
            return stage
    if not part.strip(bytes([DONE])):
        return DONE
    return BEGUN if DONE in part or BEGUN in part else UNTOUCHED
