"""This library as it comes, for its memory: as many segments and workers as it thinks right."""

from benchmarks.contenders.dualtable_steps import STEPS, run


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, STEPS)
