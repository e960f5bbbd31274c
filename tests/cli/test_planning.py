"""`dualtable plan` as an operator meets it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import orders
import pytest

from dualtable.__main__ import main
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION


@pytest.fixture
def reference(
    endpoint: str, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A migration in a folder of its own, and its old table with three orders that are well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    module = f"plan_{table_name.replace('-', '_')}"
    text = f"import orders\nmigration = orders.migration({table_name!r})\n"
    (tmp_path / f"{module}.py").write_text(text)
    fill(endpoint, table_name, [orders.old_order(n) for n in range(3)])
    return f"{module}:migration"


def fill(endpoint: str, name: str, items: list[dict[str, Any]]) -> None:
    async def fill() -> None:
        async with connect({"endpoint_url": endpoint}, PRODUCTION) as gateway:
            await gateway.create_table(orders.table(f"{name}-old"))
            await orders.fill(gateway, f"{name}-old", items)

    asyncio.run(fill())


def test_a_plan_says_what_next(reference: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well, with the cost of the sample first and the commands last."""
    assert main(["plan", reference]) == 0
    out, err = capsys.readouterr()
    assert "reading a sample read_units_at_most=1024" in err
    assert "planned from the whole table of 3 items" in out
    assert "Nothing in the sample would fail." in out
    assert out.index("Move every writer first") < out.index(f"migrate {reference}\n")


def test_a_plan_that_foresees_dead_letters(
    reference: str, endpoint: str, table_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits 1 and names a key, and its JSON has every number as a range."""
    secret = "a-customer-s-secret"
    fill(endpoint, table_name, [orders.old_order(7, total=secret)])
    assert main(["plan", reference]) == 1
    out, _ = capsys.readouterr()
    assert "1 items: TransformError: " in out
    assert "id='o-7'" in out
    assert secret not in out
    assert main(["plan", reference, "--json", "--max-sample-units", "50"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["failures"][0]["key"] == {"id": {"S": "o-7"}}
    assert data["write_units"] == {"low": 6.0, "likely": 6.0, "high": 6.0}
    assert data["steps"][0].startswith("Mend the transform")
    assert data["ok"] is False


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--prices", "nowhere.json"), "nowhere.json holds no prices"),
        (("--items", "-1"), "items=-1 must be a whole number"),
        (("--max-sample-units", "0"), "max_sample_units=0.0 must be a number"),
    ],
)
def test_a_plan_used_wrongly(
    reference: str, capsys: pytest.CaptureFixture[str], options: tuple[str, str], says: str
) -> None:
    """Exit 2, and one line that says what is wrong."""
    assert main(["plan", reference, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
