"""The benchmark runs, on tables too small to say anything, so that it cannot rot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import cpu, memory, telling, workers, workload
from benchmarks.__main__ import main
from benchmarks.processes import SETTINGS


@pytest.fixture(params=["ministack"])
def server(request: pytest.FixtureRequest, running: Callable[[str], str]) -> str:
    """The server that the benchmark will start for itself, if it can be had here."""
    running(request.param)
    return str(request.param)


@pytest.mark.timeout(400)  # dozens of processes, one after the other
@pytest.mark.thorough
@pytest.mark.parametrize("kind", workload.WORKLOADS)
def test_every_contender_does_the_whole_job(server: str, kind: str, tmp_path: Path) -> None:
    """Each is checked item by item; one that is not installed is left out."""
    result = tmp_path / "bench.json"
    sizes = ["--rounds", "1", "--small", "3", "--large", "30", "--whole", "9"]
    main([*sizes, "--server", server, "--workload", kind, "--json", str(result)])
    found = json.loads(result.read_text())[server]
    rows = found[f"cpu {kind}"]
    assert {row["contender"] for row in rows} == set(cpu.available()[0])
    assert set(found[f"whole {kind}"][0]) == {cpu.OURS, cpu.FLOOR}


@pytest.mark.thorough
def test_two_processes_are_measured_beside_one(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each, with what the server takes of the machine."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    workers.main(["--server", server, "--small", "5", "--large", "50", "--rounds", "1"])
    head, one, two = capsys.readouterr().out.splitlines()
    assert "server's share" in head
    assert (one.split()[0], two.split()[0]) == ("1", "2")


def test_telling_is_measured(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is called to tell is timed, and is as it was afterwards."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    before = [getattr(owner, name) for owner, name in telling.TOLD]
    found = telling.cost(endpoint, 30)
    assert 0 < found.share < 0.9
    assert found.by_the_run.calls > 100
    assert found.by_the_clock.calls >= len(telling.BY_THE_CLOCK) - 1  # metrics want an SDK
    assert [getattr(owner, name) for owner, name in telling.TOLD] == before


def test_reads_are_measured(server: str, tmp_path: Path) -> None:
    """What is sent for each way to read: the figures that do not depend on the machine."""
    result = tmp_path / "bench.json"
    main(["--rounds", "0", "--reads", "3", "--server", server, "--json", str(result)])
    rows = json.loads(result.read_text())[server]["reads"]
    assert {row["way"]: (row["requests"], row["round_trips"]) for row in rows} == {
        "aioboto3 get_item": (1, 1),
        "hit": (1, 1),
        "hit, finished": (1, 1),
        "hit, consistent": (1, 1),
        "miss, falls back": (3, 3),
        "miss, falls back, consistent": (2, 2),
        "nowhere": (2, 2),
        "one round trip, hit": (2, 1),
        "one round trip, falls back": (2, 1),
        "aioboto3 put_item": (1, 1),
        "put": (1, 1),
        "aioboto3 update_item": (1, 1),
        "update, hit": (1, 1),
        "aioboto3 get, put if same": (2, 2),
        "update by a callable, hit": (2, 2),
        "aioboto3 query": (1, 1),
        "aioboto3 query of both": (2, 1),
        "query": (2, 1),
        "query, finished": (1, 1),
        "aioboto3 Table.get_item": (1, 1),
        "drop-in, hit": (1, 1),
    }


def test_memory_is_measured(server: str, tmp_path: Path) -> None:
    """A peak for each size, of the migrator's own process."""
    result = tmp_path / "bench.json"
    sizes = ["--rounds", "0", "--memory", "3", "30"]
    main([*sizes, "--server", server, "--json", str(result)])
    peaks = json.loads(result.read_text())[server]["memory"]
    assert [peak["items"] for peak in peaks] == [3, 30]
    assert all(peak["peak_bytes"] > 10**6 for peak in peaks)


def test_ratios_are_medians_of_rounds() -> None:
    """A round in which the machine was slow for everybody changes nothing."""
    callable_ = "dualtable_callable"
    quick = {cpu.OURS: 1.0, "floor_no_gc": 1.0, "floor_raw": 0.8, callable_: 1.2}
    slow = {name: 3 * cost for name, cost in quick.items()}
    rows = {row.contender: row for row in cpu.rows([quick, slow, quick])}
    assert rows["floor_raw"].share == pytest.approx(1.25)
    assert rows[callable_].share == pytest.approx(1.2)
    assert all(row.met for row in rows.values())


def test_memory_that_grows_is_a_miss() -> None:
    """The two limits that the report is judged by."""
    flat = [memory.Peak(20_000, 80 * 10**6), memory.Peak(200_000, 85 * 10**6)]
    assert memory.met(flat)
    assert not memory.met([flat[0], memory.Peak(200_000, 89 * 10**6 + 10**6 + 1)])
    assert not memory.met([memory.Peak(20_000, 60 * 10**6), memory.Peak(200_000, 71 * 10**6)])
