"""Several processes at work on a real server while migrators are killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proof import fleet, rolling_fleet
from proof.fleet import Fleet, judge, judge_scans
from proof.rolling_fleet import RollingFleet

PUT = ["v-0", "put", "a", 0, 1, "done"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["dynamodb-local"])
async def test_a_fleet(
    running: Callable[[str], str], name: str, table_name: str, tmp_path: Path
) -> None:
    """No lost update, no resurrected delete, no missing or doubled key, whoever is killed."""
    report = await fleet.run(running(name), table_name, tmp_path, Fleet(seconds=3, keys=40))
    assert report.violations == []
    assert report.kills > 0
    assert report.operations > 100


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["dynoxide"])
async def test_a_fleet_that_rolls(
    running: Callable[[str], str], name: str, table_name: str, tmp_path: Path
) -> None:
    """Old code is replaced, all phases pass, processes freeze: one table would say the same."""
    few = RollingFleet(workers=2, keys=8, settle_seconds=1, seconds_a_phase=0, stopped=1)
    report = await rolling_fleet.run(running(name), table_name, tmp_path, few)
    assert report.violations == []
    assert (report.replaced, report.moves, report.freezes) == (1, 5, 5)
    assert report.operations > 100


BLIND_PUT = ["k-1", "old code's put", "w1.1", 0, 1, "done"]
BEFORE_IT = ["k-1", "get strongly", "w2.1", 2, 3, None]
STALE_PUT = ["k-1", "put", "w2.1", 2, 3, "stale"]


@pytest.mark.parametrize(
    ("history", "final", "complaint"),
    [
        ([BLIND_PUT], ("w1.1",), None),
        ([BLIND_PUT], None, "one table"),
        ([BLIND_PUT, BEFORE_IT], ("w1.1",), "one table"),
        ([BLIND_PUT, STALE_PUT], ("w1.1",), None),
        ([BLIND_PUT, STALE_PUT], ("w2.1",), "one table"),
    ],
)
def test_the_judge_of_a_fleet_that_rolls(history: Any, final: Any, complaint: str | None) -> None:
    """It must find a lost write of old code, a read of what was before, and what was refused."""
    found = "\n".join(rolling_fleet.judge(history, {"k-1": final}, []))
    assert (complaint or "") in found
    assert bool(found) is (complaint is not None)


@pytest.mark.parametrize(
    ("history", "final", "complaint"),
    [
        (
            [["v-0", "put", "a", 0, 1, "done"], ["v-0", "get strongly", "", 2, 3, ["a"]]],
            ("a",),
            None,
        ),
        ([["v-0", "delete", "a", 0, 1, "done"]], ("old",), "one table"),
        (
            [["v-0", "put", "a", 0, 1, "done"], ["v-0", "get strongly", "", 2, 3, None]],
            ("a",),
            "one tab",
        ),
        (
            [
                ["s-0", "update", "a", 0, 2, ["old", "a"]],
                ["s-0", "update", "b", 1, 3, ["old", "b"]],
            ],
            ("old", "b"),
            "lost or doubled",
        ),
        ([["s-0", "update", "a", 0, 2, "overtaken"]], ("old",), None),
    ],
)
def test_the_judge_of_histories(history: Any, final: Any, complaint: str | None) -> None:
    """The judge must be able to find each of the faults, and nothing in a good history."""
    key = history[0][0]
    found = "\n".join(judge(history, {key: final}, [key]))
    assert (complaint or "") in found
    assert bool(found) is (complaint is not None)


def test_the_judge_of_scans() -> None:
    """A scan must bring each key that exists throughout, and no key twice."""
    good = ["s-0", "s-1", "v-3"]
    assert not list(judge_scans([["scan", "", "", 0, 1, good]], 2))
    missed, doubled = judge_scans([["scan", "", "", 0, 1, ["s-0", "v-3", "v-3"]]], 2)
    assert "missed ['s-1']" in missed
    assert "['v-3'] more than once" in doubled
