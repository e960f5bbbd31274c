"""Numbers, keys and columns as people read them.

The rule: pure; what is not known is shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualtable._wire.types import Key

UNKNOWN = "—"


def count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}"


def percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%}".replace("%", " %")


def duration(seconds: float | None) -> str:
    """Return hours, minutes and seconds, such as ``1:03:07`` or ``0:42``."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def key_text(key: Key) -> str:
    """Return a key in words."""
    return ", ".join(
        f"{name}={value!r}" if isinstance(value, str | bytes) else f"{name}={value}"
        for name, value in key.items()
    )


def aligned(rows: Iterable[tuple[str, float]]) -> list[str]:
    """Return labels and numbers in two columns, a line each."""
    texts = [(label, count(number)) for label, number in rows]
    labels = max(len(label) for label, _ in texts)
    numbers = max(len(number) for _, number in texts)
    return [f"  {label:<{labels}}  {number:>{numbers}}" for label, number in texts]


def in_columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows of texts in columns, a line each."""
    found = list(rows)
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    return [
        "  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip()
        for row in found
    ]


def rows_if(wanted: bool, label: str, number: float) -> list[tuple[str, float]]:
    return [(label, number)] if wanted else []
