"""What is said of items on which the transform was tried.

The rule: pure; the only place where values of items are shown, as somebody has asked to see them.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualtable._operations.trial import Trial
from dualtable._telling.words import key_text
from dualtable._transforms.migration import Migration
from dualtable._wire.types import Item


def is_well(trial: Trial, migration: Migration) -> bool:
    return not trial.failure and not (migration.rolling and trial.no_way_back)


def trial_text(trials: Sequence[Trial], migration: Migration, *, well: bool) -> list[str]:
    lines = [line for trial in trials for line in _lines(trial, rolling=migration.rolling)]
    verdict = "all is well" if well else "NOT well"
    return [*lines, f"{migration.name}: {len(trials)} items tried, {verdict}; nothing was written."]


def _lines(trial: Trial, *, rolling: bool) -> list[str]:
    lines = [key_text(trial.key), *_shown("old", trial.old)]
    if trial.failure:
        return [*lines, f"  would be a dead letter: {trial.failure}"]
    if not trial.new:
        return [*lines, "  is left out by the transform"]
    for item in trial.new:
        lines += _shown("new", item)
    for old in trial.back:
        lines += _shown("back", old)
    if trial.no_way_back and rolling:
        lines.append(f"  does not come back: {trial.no_way_back}")
    elif trial.no_way_back:
        lines.append(f"  does not come back, and need not: {trial.no_way_back}")
    return lines


def _shown(label: str, item: Item | None) -> list[str]:
    if item is None:
        return []
    return [f"  {label:<4}  {name} = {value!r}" for name, value in sorted(item.items())]
