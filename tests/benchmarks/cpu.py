"""Client CPU for each migrated item.

The rule: a contender's figure is what a further item costs, the difference between a large and a
small table divided by the difference in items, so that start-up counts for nobody. The contenders
take turns for several rounds; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Sequence

import attrs

from benchmarks import workload
from benchmarks.processes import run_child
from dualtable._dynamodb.gateway import Gateway

OURS = "dualtable_steps"
# What this library's figure may be at most, as a share of the other's; and the callable's of ours.
TARGETS = {
    "boto3_script": 1 / 12,
    "aioboto3_puts": 1 / 8,
    "aiodynamo_puts": 1 / 5,
    "pydynox_puts": 2 / 5,
    "floor": 1.5,
}
CALLABLE, CALLABLE_TARGET = "dualtable_callable", 1.25
_NEEDS = {"aiodynamo_puts": "aiodynamo", "pydynox_puts": "pydynox"}
CONTENDERS = (*TARGETS, "floor_no_gc", OURS, CALLABLE)


@attrs.frozen
class Sizes:
    """How much is measured: items of the two tables, and rounds.

    A full page is some 285 items: of eight segments, each has half a page of the small table, and
    two of the large one.
    """

    small: int = 1200
    large: int = 4800
    rounds: int = 3


@attrs.frozen
class Row:
    """One contender: CPU per item, ours as a share of it, and what that share may be at most."""

    contender: str
    microseconds: float
    share: float
    target: float | None

    @property
    def met(self) -> bool:
        """Whether the target is met; a row without one meets it."""
        return self.target is None or self.share <= self.target


def available(names: Sequence[str] = CONTENDERS) -> tuple[list[str], dict[str, str]]:
    """Return who can take part, and for the others why not."""
    missing = {n: f"{_NEEDS[n]} is not installed" for n in names if not _installed(n)}
    return [name for name in names if name not in missing], missing


def _installed(name: str) -> bool:
    return name not in _NEEDS or importlib.util.find_spec(_NEEDS[name]) is not None


async def measure(
    gateway: Gateway, url: str, names: Sequence[str], sizes: Sizes
) -> list[dict[str, float]]:
    """Return the CPU seconds per item of each contender, for each round."""
    olds = {count: f"old-{count}" for count in (sizes.small, sizes.large)}
    for count, table in olds.items():
        await workload.fill(gateway, table, count)
    rounds = []
    for number in range(sizes.rounds):
        turns = [*names[number % len(names) :], *names[: number % len(names)]]
        rounds.append({name: await _turn(gateway, url, olds, f"{name}-{number}") for name in turns})
        print(f"round {number + 1} of {sizes.rounds} is done", file=sys.stderr)
    return rounds


async def _turn(gateway: Gateway, url: str, olds: dict[int, str], turn: str) -> float:
    """Migrate the small table twice, the first time to warm up, then the large one."""
    (small, _), (large, _) = sorted(olds.items())
    counts = (small, small, large)
    pairs = [(olds[count], f"{turn}-{place}") for place, count in enumerate(counts)]
    for _, new in pairs:
        await gateway.create_table(workload.orders.table(new))
    result = await run_child(turn.partition("-")[0], url, pairs)
    for (_, new), count in zip(pairs, counts, strict=True):
        await workload.check(gateway, new, count)
    _, cheap, dear = result["cpu_seconds"]
    return float(dear - cheap) / (large - small)


def rows(rounds: Sequence[dict[str, float]]) -> list[Row]:
    """Compare the contenders, each with ours of the same round."""
    table = []
    for name in rounds[0]:
        share = statistics.median(r[OURS] / r[name] for r in rounds)
        target = TARGETS.get(name)
        if name == CALLABLE:
            share, target = 1 / share, CALLABLE_TARGET
        cost = statistics.median(r[name] for r in rounds) * 1e6
        table.append(Row(name, cost, share, target))
    return sorted(table, key=lambda row: -row.microseconds)
