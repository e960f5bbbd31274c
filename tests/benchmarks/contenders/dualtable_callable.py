"""This library with a plain function as the transform."""

from benchmarks.contenders.dualtable_steps import SEGMENTS, run
from benchmarks.workload import to_new


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, to_new, total_segments=SEGMENTS)
