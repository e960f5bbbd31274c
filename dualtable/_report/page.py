"""The page: HTML that needs nothing else, light and dark, for a desk and for a phone.

The rule: whatever comes from a table, a file or a user is escaped here, once; a chart is SVG that
was escaped where it was drawn. No script, no font, no picture is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from itertools import zip_longest

import attrs

from dualtable._events.verdict import Cause
from dualtable._report.findings import ADVICE, Span
from dualtable._telling.terminal import shown_plainly
from dualtable._telling.words import duration, percent


@attrs.frozen
class Html:
    """Text that is HTML already."""

    text: str


Cell = str | Html


@attrs.frozen(kw_only=True)
class Table:
    """Rows under a heading; the first cell of each says what it is about."""

    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    wide: bool = False  # too wide for a phone, where each row becomes a paragraph


@attrs.frozen(kw_only=True)
class Section:
    """A part of the page: sentences, then what is shown, then tables."""

    title: str
    sentences: Sequence[str] = ()
    shown: Sequence[Html] = ()
    tables: Sequence[Table] = ()


def page(title: str, headline: str, sections: Iterable[Section]) -> str:
    """Return the whole page."""
    style = resources.files("dualtable._report").joinpath("page.css").read_text("utf-8")
    body = "".join(_section(each) for each in sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_safe(title)}</h1>\n<p class=headline>{_safe(headline)}</p>\n{body}"
        "</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<section>\n<h2>{_safe(section.title)}</h2>\n"]
    parts += [f"<p>{_safe(sentence)}</p>\n" for sentence in section.sentences]
    parts += [shown.text for shown in section.shown]
    parts += [_table(table) for table in section.tables if table.rows]
    return "".join([*parts, "</section>\n"])


def _table(table: Table) -> str:
    heads = "".join(f"<th scope=col>{_safe(head)}</th>" for head in table.heads)
    head = f"<thead><tr>{heads}</tr></thead>" if heads else ""
    rows = "".join(_row(row, table.heads) for row in table.rows)
    kind = " class=wide" if table.wide else ""
    return f"<div class=scrolls><table{kind}>{head}<tbody>{rows}</tbody></table></div>\n"


def _row(row: Sequence[Cell], heads: Sequence[str]) -> str:
    first, *others = row
    named = zip_longest(others, heads[1:], fillvalue="")
    cells = "".join(f'<td data-head="{_safe(head)}">{_safe(cell)}</td>' for cell, head in named)
    return f"<tr><th scope=row>{_safe(first)}</th>{cells}</tr>"


def _safe(text: Cell) -> str:
    if isinstance(text, Html):
        return text.text
    return escape(shown_plainly(text)).replace(" %", "&nbsp;%")


def unbroken(text: str) -> Html:
    """Return a text without words, such as a key, that may be broken anywhere."""
    return Html(f"<span class=key>{_safe(text)}</span>")


def charts(found: Iterable[tuple[str, str]]) -> Html:
    """Return charts beside each other, each with its title."""
    figures = "".join(
        f"<figure><figcaption>{_safe(title)}</figcaption>{svg}</figure>\n" for title, svg in found
    )
    return Html(f"<div class=charts>\n{figures}</div>\n")


def strip(spans: Sequence[Span]) -> Html:
    """Return the spans as a strip of colours, in the order of time."""
    whole = sum(span.seconds for span in spans) or 1.0
    parts = "".join(
        f'<i class="{_class(span.cause)}" style="flex:{span.seconds / whole:.4f}"'
        f' title="{_safe(_title(span))}"></i>'
        for span in spans
    )
    return Html(f"<div class=strip>{parts}</div>\n")


def _title(span: Span) -> str:
    return f"{duration(span.start)} to {duration(span.end)}: {span.cause or 'nobody at work'}"


def legend(shares: Sequence[tuple[Cause, float]]) -> Table:
    """Return what the colours of the strip mean, for how much of the time, and what to do."""
    rows = [
        (Html(f'<i class="dot {_class(cause)}"></i>{_safe(str(cause))}'), percent(share), advice)
        for cause, share in shares
        for advice in (ADVICE[cause],)
    ]
    return Table(heads=("held back by", "of the time", "that is"), rows=rows)


def _class(cause: Cause | None) -> str:
    return "none" if cause is None else f"cause-{list(Cause).index(cause) % 7 + 1}"
