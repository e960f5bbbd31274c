"""What a migration came to, and what it cost against the plan.

The rule: what was consumed is read off the events; a provisioned table is paid by the hour, used or
not, an on-demand one by the unit. A plan is what ``dualtable plan --json`` has said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import attrs

from dualtable._events.interval import Interval
from dualtable._events.reading import ToldRun
from dualtable._planning.prices import Prices
from dualtable._telling.words import count, duration
from dualtable.errors import InvalidSettingError

_HOUR, _MILLION = 3_600.0, 1e6
_NO_PLAN = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(OSError, RecursionError, StopIteration),
)
"""What comes of reading something else as one."""


@attrs.frozen(kw_only=True)
class Totals:
    """What all runs of a migration came to.

    Attributes:
        done: All that they did.
        seconds: In which any of them was at work.
        dollars: What it cost, reads and writes, in the currency of the prices.
    """

    done: Interval
    seconds: float
    dollars: float

    @classmethod
    def of(cls, runs: Sequence[ToldRun], seconds: float, prices: Prices) -> Totals:
        """Add all runs up."""
        every = [each for run in runs for each in run.intervals]
        done = reduce(add, every) if every else Interval(at=0.0)
        tables = runs[-1].head.get("tables", {}) if runs else {}
        return cls(done=done, seconds=seconds, dollars=_dollars(done, seconds, tables, prices))


def _dollars(done: Interval, seconds: float, tables: Mapping[str, Any], prices: Prices) -> float:
    old, new = tables.get("old", {}), tables.get("new", {})
    by_unit = (prices.million_read_units / _MILLION, prices.million_write_units / _MILLION)
    hours = seconds / _HOUR
    return sum(
        hours * provisioned * by_hour if provisioned else units * each
        for provisioned, units, each, by_hour in (
            (old.get("read_units"), done.old_read_units, by_unit[0], prices.read_unit_hour),
            (new.get("read_units"), done.new_read_units, by_unit[0], prices.read_unit_hour),
            (new.get("write_units"), done.write_units, by_unit[1], prices.write_unit_hour),
        )
    )


def read_plan(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Read what ``dualtable plan --json`` has said.

    Raises:
        InvalidSettingError: The file holds no plan.
    """
    try:
        with open(path, encoding="utf-8") as file:
            plan: Mapping[str, Any] = json.load(file)
        against_plan(Totals(done=Interval(at=0.0), seconds=0.0, dollars=0.0), plan)
    except _NO_PLAN as error:
        raise InvalidSettingError(
            f"{os.fspath(path)} holds no plan ({type(error).__name__}: {error}); make one with"
            " dualtable plan --json"
        ) from error
    return plan


def against_plan(totals: Totals, plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what was planned beside what came of it; the choice is that which is recommended."""
    chosen = next(each for each in plan["choices"] if each["name"] == plan["recommended"])
    done, currency = totals.done, str(plan["prices"]["currency"])
    reads = done.old_read_units + done.new_read_units
    return [
        ("read units", _range(plan["read_units"], count), count(reads)),
        ("write units", _range(plan["write_units"], count), count(done.write_units)),
        ("time", _range(chosen["seconds"], duration), duration(totals.seconds)),
        (
            f"cost, {currency}",
            _range(chosen["dollars"], lambda value: f"{value:,.2f}"),
            f"{totals.dollars:,.2f}",
        ),
    ]


def _range(estimate: Mapping[str, float], shown: Any) -> str:
    low, high = shown(float(estimate["low"])), shown(float(estimate["high"]))
    return low if low == high else f"{low} to {high}"
