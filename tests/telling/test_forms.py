"""What a machine is told of a report, and that its schema says so."""

from __future__ import annotations

from decimal import Decimal

import answers
import fastjsonschema
import pytest
from from_code import json_schemas

from dualtable import Gate, MigrationStatus, Phase, VerificationReport
from dualtable.__main__ import ALL_COMMANDS
from dualtable._cli.command import Command
from dualtable._cli.main import schema_of
from dualtable._proof.findings import Example
from dualtable._telling.answers import Failure, StatusAndSteps
from dualtable._telling.forms import told


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=lambda command: command.name)
def test_each_command_has_a_schema_whose_fields_are_explained(command: Command) -> None:
    """A field that nobody explains is no documentation."""
    schema = schema_of(command)
    fastjsonschema.compile(schema)
    assert command.answers
    for answer in schema["anyOf"]:
        assert answer["description"]
        unexplained = [
            name
            for name, field in answer["properties"].items()
            if "description" not in field and name != "tables"
        ]
        assert not unexplained, answer["title"]
    assert f"## {command.name}\n" in json_schemas()


def test_an_answer_that_lacks_something_or_has_too_much_is_found_out() -> None:
    """Else the tests that hold answers against their schemas could not fail."""
    status = MigrationStatus(name="orders-v2", phase=Phase.MIGRATING)
    tables = {"old": "orders", "new": "orders-v2", "control": "dualtable-control"}
    answer = told(StatusAndSteps.of(status, ()))
    whole = {"schema_version": 1, "name": "orders-v2", "tables": tables, **answer}
    answers.check("status", whole)
    without = {name: value for name, value in whole.items() if name != "ok"}
    for wrong in (without, {**whole, "more": 1}, {**whole, "phase": "BEGUN"}, {}):
        with pytest.raises(fastjsonschema.JsonSchemaException):
            answers.check("status", wrong)
    answers.check("status", {"schema_version": 1, **told(Failure("SomeError", "went wrong"))})


def test_keys_keep_their_types_and_phases_their_names() -> None:
    """JSON knows neither binary keys nor long numbers."""
    key = {"id": Decimal(12345678901234567890), "part": b"\x00"}
    report = VerificationReport(
        level="keys", examples=(Example(kind="missing", key=key, paths=("a.b",)),)
    )
    (example,) = told(report)["examples"]
    assert example["key"] == {"id": {"N": "12345678901234567890"}, "part": {"B": "AA=="}}
    assert example["paths"] == ["a.b"]
    assert told(Gate(Phase.FINISHED, None)) == {
        "phase": "FINISHED",
        "next_phase": None,
        "conditions": [],
        "open": False,
    }
