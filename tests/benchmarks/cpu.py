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
from typing import Any

import attrs

from benchmarks import workload
from benchmarks.processes import run_child
from dualtable._dynamodb.gateway import Gateway

OURS = "dualtable_steps"
# What this library's figure may be at most, as a share of the other's.
TARGETS = {
    "boto3_script": 1 / 16,
    "aioboto3_puts": 1 / 8,
    "aiodynamo_puts": 1 / 6,
    "pydynox_puts": 1 / 4,
    "floor": None,
    "floor_no_gc": 1.0,
    "floor_raw": 1.5,
}
# What others of ours may cost, as a multiple of the steps.
OWN_TARGETS = {"dualtable_callable": 1.25, "dualtable_copying": None, "dualtable_verify": None}
WHOLE_TARGET = 1.3  # of a whole process, as a multiple of that of `FLOOR`
FLOOR = "floor_no_gc"
_NEEDS = {
    "aiodynamo_puts": "aiodynamo",
    "pydynox_puts": "pydynox",
    "floor": "orjson",
    FLOOR: "orjson",
}
CONTENDERS = (*TARGETS, OURS, *OWN_TARGETS)


@attrs.frozen
class Sizes:
    """How much is measured: items of the two tables, and rounds.

    Both tables are scanned in as many segments as the migrator thinks right, which is the same for
    both; each has some pages of the large one. One process migrates the whole of a third table.
    """

    small: int = 3000
    large: int = 12000
    whole: int = 0
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
    gateway: Gateway, url: str, names: Sequence[str], sizes: Sizes, kind: str
) -> list[dict[str, float]]:
    """Return the CPU seconds per item of each contender, for each round."""
    olds = {count: f"{kind}-old-{count}" for count in (sizes.small, sizes.large)}
    for count, table in olds.items():
        await workload.fill(gateway, table, count, workload.WORKLOADS[kind])
    rounds = []
    for number in range(sizes.rounds):
        turns = [*names[number % len(names) :], *names[: number % len(names)]]
        place = f"{kind}-{number}"
        rounds.append({name: await _turn(gateway, url, olds, name, place) for name in turns})
        print(f"round {number + 1} of {sizes.rounds} is done", file=sys.stderr)
    return rounds


async def _turn(gateway: Gateway, url: str, olds: dict[int, str], name: str, place: str) -> float:
    """Migrate the small table twice, the first time to warm up, then the large one."""
    (small, _), (large, _) = sorted(olds.items())
    counts = (small, small, large)
    pairs = [(olds[count], f"{name}-{place}-{number}") for number, count in enumerate(counts)]
    result = await _migrated(gateway, url, name, pairs)
    for (_, new), count in zip(pairs, counts, strict=True):
        await workload.check(gateway, new, count, workload.WORKLOADS[place.partition("-")[0]])
    _, cheap, dear = result["cpu_seconds"]
    return float(dear - cheap) / (large - small)


async def _migrated(
    gateway: Gateway, url: str, name: str, pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Let a contender do its work; where that is to verify, on what the steps have migrated."""
    for _, new in pairs:
        await gateway.create_table(workload.orders.table(new))
    if name == "dualtable_verify":
        await run_child(OURS, url, pairs)
    return await run_child(name, url, pairs)


async def measure_whole(
    gateway: Gateway, url: str, sizes: Sizes, kind: str
) -> list[dict[str, float]]:
    """Return the CPU seconds of whole processes, start and imports included, for each round."""
    old = f"{kind}-whole"
    await workload.fill(gateway, old, sizes.whole, workload.WORKLOADS[kind])
    rounds = []
    for number in range(sizes.rounds):
        names = (OURS, FLOOR) if number % 2 else (FLOOR, OURS)
        rounds.append({name: await _whole(gateway, url, name, old, number) for name in names})
    return rounds


async def _whole(gateway: Gateway, url: str, name: str, old: str, number: int) -> float:
    result = await _migrated(gateway, url, name, [(old, f"{old}-{name}-{number}")])
    return float(result["process_seconds"])


def whole_ratio(rounds: Sequence[dict[str, float]]) -> float:
    """Return our whole process as a multiple of the floor's."""
    return statistics.median(each[OURS] / each[FLOOR] for each in rounds)


def rows(rounds: Sequence[dict[str, float]]) -> list[Row]:
    """Compare the contenders, each with ours of the same round."""
    table = []
    for name in rounds[0]:
        share = statistics.median(r[OURS] / r[name] for r in rounds)
        target = TARGETS.get(name)
        if name in OWN_TARGETS:
            share, target = 1 / share, OWN_TARGETS[name]
        cost = statistics.median(r[name] for r in rounds) * 1e6
        table.append(Row(name, cost, share, target))
    return sorted(table, key=lambda row: -row.microseconds)
