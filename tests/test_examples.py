"""The programs of `examples/` do what they say, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from boto3.dynamodb.conditions import Key

from dualtable.testing import local_dynamodb

FOLDER = Path(__file__).parent.parent / "examples"
MAX_LINES = {"order_service.py": 220, "scene.py": 100}  # what there was before; for all engines

Run = Callable[..., str]


@pytest.fixture
def server() -> Iterator[str]:
    """A server of its own, because the examples name their tables."""
    with local_dynamodb() as url:
        yield url


@pytest.fixture
def run(server: str, tmp_path: Path) -> Run:
    """Runs an example from a folder of the user's and returns what it prints."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL_DYNAMODB": server,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def run(name: str, *arguments: str, **settings: str) -> str:
        command = [sys.executable, str(FOLDER / name), *arguments]
        more = environment | {name.upper(): value for name, value in settings.items()}
        return subprocess.check_output(command, cwd=tmp_path, env=more, text=True)

    return run


@pytest.mark.slow
def test_a_migration_with_the_job_before_between_and_after(run: Run, server: str) -> None:
    """Whoever follows the examples ends with a verified table and an index that answers."""
    assert run("load_orders.py") == "500 orders loaded\n"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run("load_orders.py")
    assert caught.value.returncode == 1
    assert run("migrate_orders.py", "create") == "orders-v2: created\n"
    assert run("hourly_job.py") == "3 shipped, 1 added, 1 cancelled\n"
    assert run("migrate_orders.py", "copy") == (
        "500 read, 496 written, 4 there already, 0 dead letters\n"
        "500 checked, 0 missing, 0 different, 0 extra\n"
    )
    assert run("hourly_job.py") == "3 shipped, 1 added, 1 cancelled\n"
    assert run("migrate_orders.py", "copy") == (
        "0 read, 0 written, 0 there already, 0 dead letters\n"
        "500 checked, 0 missing, 0 different, 0 extra\n"
    )
    table = boto3.resource("dynamodb", endpoint_url=server).Table("orders-v2")
    asked = Key("region").eq("eu") & Key("total").gte(490)
    found = table.query(IndexName="by-region", KeyConditionExpression=asked)["Items"]
    assert [item["id"] for item in found] == ["o-490", "o-493", "o-496", "o-499"]


@pytest.mark.slow
def test_a_service_cannot_tell_the_migrated_table_from_one(run: Run, server: str) -> None:
    """It prints the same on a plain table and through the drop-in, before the copy and after it."""
    run("load_orders.py")
    run("migrate_orders.py", "create")
    plain = boto3.resource("dynamodb", endpoint_url=server).create_table(
        TableName="plain",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "region", "AttributeType": "S"},
            {"AttributeName": "total", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-region",
                "KeySchema": [
                    {"AttributeName": "region", "KeyType": "HASH"},
                    {"AttributeName": "total", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    first = run("order_service.py", plain.name)
    assert "refused ['None', 'ConditionalCheckFailed']" in first
    assert run("order_service.py") == first
    run("migrate_orders.py", "copy")
    assert run("order_service.py") == run("order_service.py", plain.name)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["on_processes", "on_dask"])
def test_an_engine_of_which_one_worker_is_killed(run: Run, engine: str) -> None:
    """Beside production, and proved; `nox -s engines` does it on Ray and Spark too."""
    said = run(f"engines/{engine}.py", orders="150")
    assert "150 checked, 0 missing, 0 different\none worker was killed\n" in said


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_is_short(path: Path) -> None:
    """An example is read at one glance, or it is none."""
    assert len(path.read_text().splitlines()) < MAX_LINES.get(path.name, 60)
