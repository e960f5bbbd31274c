"""What the command line says of a plan, to people and to machines.

The rule: pure; a number that is not known is shown with its range, and keys with no other value.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from dualtable._planning.choices import Choice
from dualtable._planning.extrapolation import Estimate
from dualtable._planning.failures import LikelyFailure
from dualtable._planning.plan import Cost, Plan, Sizes
from dualtable._planning.steps import steps
from dualtable._telling.words import count, duration, in_columns, key_text
from dualtable._transforms.migration import Migration

_LITTLE = 0.01  # money that is not worth its digits
_CLOSE = 0.005  # a range that is narrower is shown as one number


def plan_text(plan: Plan, migration: Migration, reference: str) -> list[str]:
    """Return a plan in lines: what there is, what it takes, what may fail, what is next."""
    return [
        f"{plan.name}: {plan.old.name} -> {plan.new.name}, planned from {_sample(plan)}.",
        *_sizes(plan),
        f"The copy reads {_units(plan.read_units)} and writes {_units(plan.write_units)} units,"
        " indexes included.",
        *_failures(plan.failures),
        *_choices(plan),
        f"{count(plan.total_segments)} segments; {plan.concurrency} batches at once;"
        f" {_processes(plan)}.",
        "Beside the copy:",
        *in_columns(_cost(cost, plan.prices.currency) for cost in plan.costs),
        *(f"Note: {warning}." for warning in plan.warnings),
        f"Prices: {plan.prices.region}, {plan.prices.date}, {plan.prices.source}. Not covered:"
        f" {'; '.join(plan.not_covered)}.",
        "Next:",
        *(f"  {n}. {step}" for n, step in enumerate(steps(migration, plan, reference), 1)),
    ]


def _sample(plan: Plan) -> str:
    sample = plan.sample
    cost = f"{count(sample.read_units)} read units"
    if sample.whole:
        return f"the whole table of {count(sample.items)} items ({cost})"
    return (
        f"a sample of {count(sample.items)} items ({cost}; {count(sample.segments)} of"
        f" {count(sample.total_segments)} segments)"
    )


def _sizes(plan: Plan) -> list[str]:
    rows = [_size("old table", plan.old), _size("new table", plan.new)]
    rows += [_size("index", index) for index in plan.indexes]
    head = ["", "", "items", "bytes", "median item", "95 in 100", "largest", "write units"]
    dropped = []
    if plan.dropped.high:
        dropped = [f"The transform leaves out {_units(plan.dropped)} old items."]
    return [*in_columns([head, *rows]), *dropped]


def _size(kind: str, sizes: Sizes) -> list[str]:
    units = "" if sizes.write_units is None else _units(sizes.write_units)
    numbers = (sizes.median, sizes.large, sizes.largest)
    return [kind, sizes.name, _units(sizes.items), _units(sizes.bytes), *map(count, numbers), units]


def _failures(failures: Sequence[LikelyFailure]) -> list[str]:
    if not failures:
        return ["Nothing in the sample would fail."]
    return [
        "Likely to fail:",
        *(
            f"  {_units(each.items)} items: {each.error}: {each.reason} (such as"
            f" {key_text(each.key)})"
            for each in failures
        ),
    ]


def _choices(plan: Plan) -> list[str]:
    return [
        f"Ways to give {plan.new.name} its capacity, in write units a second:",
        *in_columns(_choice(choice, plan) for choice in plan.choices),
        f"Recommended: {plan.recommended}; {plan.reason}.",
    ]


def _choice(choice: Choice, plan: Plan) -> list[str]:
    capacity = ", ".join(f"{name} {count(units)}" for name, units in choice.capacity.items())
    return [
        choice.name,
        duration(choice.seconds.likely) + _up_to(choice.seconds),
        _money(choice.dollars, plan.prices.currency),
        capacity + ("" if choice.within_quota else " (above the default quota)"),
    ]


def _up_to(seconds: Estimate) -> str:
    return "" if _is_close(seconds) else f" (up to {duration(seconds.high)})"


def _processes(plan: Plan) -> str:
    number = "one process" if plan.processes == 1 else f"{count(plan.processes)} processes"
    return f"{number}, as the transform and its writes take {duration(plan.cpu_seconds)} of a CPU"


def _cost(cost: Cost, currency: str) -> list[str]:
    units = "" if cost.read_units is None else f"{_units(cost.read_units)} read units"
    return [cost.what, _money(cost.dollars, currency), units]


def _units(estimate: Estimate) -> str:
    if _is_close(estimate):
        return count(round(estimate.likely))
    low, likely, high = (count(round(v)) for v in attrs.astuple(estimate))
    return f"{likely} ({low} to {high})"


def _money(estimate: Estimate, currency: str) -> str:
    if estimate.high < _LITTLE:
        return f"under {_LITTLE:g} {currency}"
    if _is_close(estimate):
        return f"{estimate.likely:,.2f} {currency}"
    return f"{estimate.likely:,.2f} ({estimate.low:,.2f} to {estimate.high:,.2f}) {currency}"


def _is_close(estimate: Estimate) -> bool:
    return estimate.high - estimate.low <= _CLOSE * max(estimate.likely, 1.0)
