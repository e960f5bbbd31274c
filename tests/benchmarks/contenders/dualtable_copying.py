"""This library with a plain function that copies the whole item, the dearest that there is."""

from benchmarks.contenders.dualtable_steps import run
from benchmarks.workload import to_new


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, to_new)
