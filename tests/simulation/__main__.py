"""``python -m simulation``: run every proof at full size, print tables, write JSON and a plot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from simulation import fleet, proofs

FULL: dict[str, Callable[[], Sequence[Any]]] = {
    "the report's case": lambda: proofs.report_case(150_000),
    "16 partitions, 16,000 WCU": lambda: proofs.spread(240_000),
    "two of 16 partitions ten times slower": lambda: proofs.slow_partitions(240_000),
    "on-demand, split after 200 s": lambda: proofs.on_demand(240_000, 200.0),
    "half of the table is empty pages": lambda: proofs.empty_pages(20_000),
}


def _crashing() -> fleet.Crowd:
    """Return 50 workers under a ceiling, to the end of the copy."""
    return fleet.crowd(
        workers=50,
        items=32_000,
        size=16_000,
        segments=2_000,
        units=40_000,
        ceiling=2_000.0,
        crashes_a_minute=5.0,
        skew_seconds=30.0,
    )


def _grown(workers: int) -> Callable[[], fleet.Crowd]:
    """Return a fleet on a table of 320 units a second for each of its workers.

    Its first minute is that of its beginning, the second one of those that follow.
    """
    units, seconds = 320.0 * workers, 120
    return lambda: fleet.crowd(
        workers=workers,
        items=int(1.1 * units * seconds / 370),  # the end is another question
        size=380_000,
        segments=10_000,
        units=units,
        seconds=seconds,
        partitions=160,
    )


FLEETS: dict[str, Callable[[], fleet.Crowd]] = {
    "50 workers, a tenth crashing each minute, clocks 30 s apart": _crashing,
    "10 workers, 3,200 units": _grown(10),
    "100 workers, 32,000 units": _grown(100),
    "500 workers, 160,000 units": _grown(500),
}
CONCURRENCIES = (1, 2, 4, 8, 16, 32)
SEGMENTS = (16, 64, 512)


def main() -> None:
    """Run what is asked for."""
    options = _parser().parse_args()
    results: dict[str, Any] = {}
    for title, proof in FULL.items() if options.proofs else ():
        results[title] = [attrs.asdict(row) for row in proof()]
        _print(title, results[title])
    for title, proof in FLEETS.items() if options.fleet else ():
        came = proof()
        results[title] = attrs.asdict(came)
        _print(title, results[title]["minutes"])
        print(
            f"{came.crashes} crashes, {came.twice} sent twice, {came.beyond} of them of no page"
            f" under way, {came.missing} missing"
        )
    if options.plot is not None:
        grown = proofs.growth(60_000, CONCURRENCIES, SEGMENTS)
        results["growth"] = [attrs.asdict(row) for row in grown]
        _print("throughput by concurrency and segments", results["growth"])
        _plot(grown, options.plot)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--no-proofs", dest="proofs", action="store_false", help="only the plot")
    parser.add_argument("--fleet", action="store_true", help="fleets, too: some fifteen minutes")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="where the plot goes")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser


def _print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{title}")
    print("".join(f"{name.replace('_', ' '):>16}" for name in rows[0]))
    for row in rows:
        print("".join(f"{_text(name, value):>16}" for name, value in row.items()))


def _text(name: str, value: Any) -> str:
    if name in ("share", "first_half", "worst_minute", "throttled"):
        return f"{value:.1%}"
    return value[:15] if isinstance(value, str) else f"{value:,.0f}"


def _plot(grown: Sequence[proofs.Grown], path: Path) -> None:
    from matplotlib import pyplot, rcParams

    rcParams["svg.hashsalt"] = "dualtable"  # the same figures make the same file
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for segments in sorted({row.total_segments for row in grown}):
        line = [row for row in grown if row.total_segments == segments]
        axes.plot(
            [row.concurrency for row in line],
            [row.write_units for row in line],
            marker="o",
            label=f"{segments} segments",
        )
    axes.axhline(16_000, color="grey", linestyle="--", label="provisioned")
    axes.set(xscale="log", xlabel="concurrency", ylabel="write units a second", ylim=(0, None))
    axes.set_xticks(CONCURRENCIES, [str(n) for n in CONCURRENCIES])
    axes.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
