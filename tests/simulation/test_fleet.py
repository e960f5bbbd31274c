"""Many migrators on one table: ceilings hold as a sum, crashes lose nothing, clocks may differ."""

from __future__ import annotations

import pytest

from simulation.fleet import crowd


@pytest.mark.slow
def test_ceilings_hold_as_a_sum_while_workers_crash_and_clocks_differ() -> None:
    """A fifth of them dies each minute, others come, and clocks are up to 30 s apart.

    `python -m simulation --fleet` does the same with 50 workers for minutes on end.
    """
    came = crowd(
        workers=10,
        items=3_600,
        size=15_000,
        segments=300,
        units=4_000,
        seconds=120,
        partitions=4,
        ceiling=400.0,
        crashes_a_minute=2,
        skew_seconds=30,
        to_the_end=True,
    )
    assert 0.9 <= came.minutes[1].share <= 1.02
    assert came.crashes >= 2
    assert came.missing == 0
    assert came.twice <= came.crashes * 4 * 8  # four pages are under way at each
    assert came.minutes[1].throttled == 0
