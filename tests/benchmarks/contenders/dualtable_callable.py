"""This library with a plain function that touches three attributes and returns the item."""

from benchmarks.contenders.dualtable_steps import run
from benchmarks.workload import to_new_in_place


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, to_new_in_place)
