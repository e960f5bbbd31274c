"""``python -m benchmarks``: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import attrs
from servers import SERVERS, ServerUnavailable

from benchmarks import cpu, memory, reads, workload
from benchmarks.processes import SETTINGS
from dualtable._dynamodb.aws import open_gateway


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where every target is met, 1 where one is missed."""
    options = _parser().parse_args(arguments)
    os.environ.update(SETTINGS)
    results: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    met = True
    for name in options.server:
        try:
            with SERVERS[name]() as url:
                results[name], well = asyncio.run(_measured(name, url, options))
                met &= well
        except ServerUnavailable as reason:
            print(f"{name}: left out, {reason}")
    options.json.write_text(json.dumps(results, indent=2))
    print(f"written to {options.json}")
    return 0 if met else 1


def _parser() -> argparse.ArgumentParser:
    sizes = cpu.Sizes()
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--server", nargs="+", choices=SERVERS, default=["dynoxide"])
    parser.add_argument("--contender", nargs="+", choices=cpu.CONTENDERS, default=cpu.CONTENDERS)
    parser.add_argument("--small", type=int, default=sizes.small, help="items of the small table")
    parser.add_argument("--large", type=int, default=sizes.large, help="items of the large table")
    parser.add_argument("--whole", type=int, default=sizes.whole, help="items of a whole process")
    kinds = workload.WORKLOADS
    parser.add_argument("--workload", nargs="+", choices=kinds, default=[*kinds])
    parser.add_argument("--rounds", type=int, default=sizes.rounds)
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[], help="items, e.g. 20000 200000"
    )
    parser.add_argument("--reads", type=int, default=0, help="calls of each way, in each round")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    return parser


async def _measured(
    server: str, url: str, options: argparse.Namespace
) -> tuple[dict[str, Any], bool]:
    results: dict[str, Any] = {}
    met = True
    async with open_gateway(endpoint_url=url) as gateway:
        if options.rounds:
            names, missing = cpu.available([*dict.fromkeys([cpu.OURS, *options.contender])])
            sizes = cpu.Sizes(options.small, options.large, options.whole, options.rounds)
            for kind in options.workload:
                rounds = await cpu.measure(gateway, url, names, sizes, kind)
                rows = cpu.rows(rounds)
                _print_cpu(server, kind, rows, missing)
                results[f"cpu {kind}"] = [attrs.asdict(row) for row in rows]
                results[f"cpu_seconds_per_item {kind}"] = rounds
                met &= all(row.met for row in rows)
            for kind in options.workload if sizes.whole else ():
                whole = await cpu.measure_whole(gateway, url, sizes, kind)
                _print_whole(server, kind, sizes.whole, whole)
                results[f"whole {kind}"] = whole
                met &= cpu.whole_ratio(whole) <= cpu.WHOLE_TARGET
        if options.reads:
            ways = await reads.measure(url, options.reads, max(1, options.rounds))
            _print_reads(server, ways)
            results["reads"] = [attrs.asdict(row) for row in ways]
            met &= all(row.met for row in ways)
        if options.memory:
            peaks = await memory.measure(gateway, url, options.memory)
            _print_memory(server, peaks)
            results["memory"] = [attrs.asdict(peak) for peak in peaks]
            met &= memory.met(peaks)
    return results, met


def _print_cpu(server: str, kind: str, rows: list[cpu.Row], missing: dict[str, str]) -> None:
    print(f"\nclient CPU per {kind} item on {server}")
    print(f"{'contender':20}{'µs':>8}{'ratio':>9}{'at most':>9}")
    for row in rows:
        target = "" if row.target is None else f"{row.target:.3f}"
        miss = "" if row.met else "  missed"
        print(f"{row.contender:20}{row.microseconds:8.0f}{row.share:9.3f}{target:>9}{miss}")
    for name, reason in missing.items():
        print(f"{name:20} left out: {reason}")


def _print_whole(server: str, kind: str, items: int, rounds: list[dict[str, float]]) -> None:
    print(f"\nCPU of a whole process on {server}, {items:,} {kind} items")
    for name in rounds[0]:
        print(f"{name:20}" + "".join(f"{each[name]:8.2f} s" for each in rounds))
    print(f"ours is {cpu.whole_ratio(rounds):.2f} times the floor's, at most {cpu.WHOLE_TARGET}")


def _print_reads(server: str, ways: list[reads.Row]) -> None:
    print(f"\na call of the repository on {server}")
    print(f"{'way':30}{'µs':>8}{'ratio':>9}{'requests':>10}{'round trips':>13}{'at most':>9}")
    for row in ways:
        target = "" if row.target is None else f"{row.target:.3f}"
        miss = "" if row.met else "  missed"
        sent = f"{row.requests:10}{row.round_trips:13}"
        print(f"{row.way:30}{row.microseconds:8.0f}{row.ratio:9.3f}{sent}{target:>9}{miss}")


def _print_memory(server: str, peaks: list[memory.Peak]) -> None:
    print(f"\npeak memory of the migrator on {server}")
    for peak in peaks:
        print(f"{peak.items:>10,} items {peak.peak_bytes / 10**6:8.1f} MB")
    print("flat and small" if memory.met(peaks) else "missed: it grows, or is too much")


if __name__ == "__main__":
    sys.exit(main())
