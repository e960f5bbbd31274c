"""What the slots look like; the only module that knows pygal.

The rule: a chart is SVG without a script, and its colours are names that the page gives a value to,
light or dark. pygal draws in Python alone, and passes on what a colour is called.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dualtable._report.slots import Slot
from dualtable._telling.words import count, duration
from dualtable.errors import DualTableError

WIDTH, HEIGHT = 420, 240
_MOST_LABELS = 5
_FONT = 13

Line = Sequence[float | None]


def chart(
    name: str,
    found: Sequence[Slot],
    lines: Mapping[str, Line],
    *,
    unit: str,
    stacked: bool = False,
) -> str:
    """Return a chart of some lines over the time of the slots, as SVG.

    Args:
        name: A name within the page.
        found: The slots.
        lines: What each line is called, and a number for each slot.
        unit: What the numbers are, for whoever cannot see the chart.
        stacked: Whether the lines add up; then they are bars.

    Raises:
        DualTableError: pygal is not installed.
    """
    pygal = _pygal()
    made = (pygal.StackedBar if stacked else pygal.Line)(**_settings(pygal, found, len(lines)))
    made.uuid = name
    made.x_labels = [duration(slot.at - found[0].at) for slot in found]
    made.x_labels_major = _major(made.x_labels)
    for title, line in lines.items():
        whole = len(lines) == 1 and None not in line  # an area with a gap would be closed across
        made.add(title, list(line), fill=whole, allow_interruptions=True)
    return _plain(made, f"{unit} over time: {', '.join(lines)}")


def _settings(pygal: Any, found: Sequence[Slot], lines: int) -> dict[str, Any]:
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "style": _style(pygal),
        "show_dots": len(found) == 1,
        "show_legend": lines > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": min(lines, 2),
        "legend_box_size": _FONT - 2,
        "truncate_legend": -1,
        "truncate_label": -1,
        "show_minor_x_labels": False,
        "include_x_axis": True,
        "min_scale": 3,
        "max_scale": 5,
        "value_formatter": _value,
        "js": (),
        "disable_xml_declaration": True,
        "margin": 8,
        "spacing": 8,
    }


def _style(pygal: Any) -> Any:
    sizes = ("label", "major_label", "legend", "value", "value_label", "tooltip", "title")
    return pygal.style.Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--quiet)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--grid)",
        guide_stroke_color="var(--grid)",
        major_guide_stroke_color="var(--grid)",
        guide_stroke_dasharray="0",
        major_guide_stroke_dasharray="0",
        font_family="inherit",
        opacity=".25",
        stroke_opacity="1",
        stroke_width="2",
        transition="0s",
        colors=tuple(f"var(--series-{n})" for n in range(1, 7)),
        **{f"{each}_font_size": _FONT for each in sizes},
    )


def _value(number: float) -> str:
    return count(number) if number == int(number) else f"{number:,.3g}"


def _major(labels: Sequence[str]) -> list[str]:
    """Return the labels that are shown, evenly."""
    step = max(1, -(-len(labels) // _MOST_LABELS))
    return list(labels[::step])


def _plain(made: Any, title: str) -> str:
    """Return the SVG without script, comments and size, and with words for who cannot see it."""
    root = made.render_tree()
    for parent in root.iter():
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.endswith(("script", "desc")):
                parent.remove(child)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    for found in list(root):
        if found.tag.endswith("title"):
            found.text = title
    return str(_pygal().etree.etree.tostring(root, encoding="unicode"))


def _pygal() -> Any:
    try:
        import pygal
        import pygal.etree
        import pygal.style
    except ImportError as error:
        raise DualTableError(
            "a report needs the extra `report`: pip install '.[report]' in a clone of dualtable"
        ) from error
    # It puts a finder of an outdated form into everybody's imports, for plugins that nobody needs.
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__.partition(".")[0] != "pygal"]
    return pygal
