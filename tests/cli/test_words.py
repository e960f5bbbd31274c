"""What every command has, and the small words: help, version, pause and resume."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import answers
import orders
import pytest

from dualtable import Migration, Migrator, create_table, read_status
from dualtable.__main__ import ALL_COMMANDS, main
from dualtable._control.control_table import Ceilings, Limits
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._operations.rate import change_limits, pause, resume
from dualtable.errors import MigrationMismatchError
from dualtable.testing import Faults, MemoryGateway

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def reference(
    endpoint: str, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A migration of an empty table, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    module = f"words_{table_name.replace('-', '_')}"
    text = f"import orders\nmigration = orders.migration({table_name!r})\n"
    (tmp_path / f"{module}.py").write_text(text)

    async def make() -> None:
        async with connect({"endpoint_url": endpoint}, PRODUCTION) as gateway:
            await gateway.create_table(orders.table(f"{table_name}-old"))

    asyncio.run(make())
    return f"{module}:migration"


def test_nothing_asked_for(run: Run) -> None:
    """Help, and the exit code that says that nothing was begun."""
    code, out, err = run()
    assert (code, err) == (2, "")
    assert all(f"    {command.name}" in out for command in ALL_COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """That of the package, and nothing else."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"dualtable {version('dualtable')}\n"


def test_each_answer_says_what_it_is_about(run: Run, reference: str, table_name: str) -> None:
    """Whoever keeps the answers of many migrations can tell them apart."""
    names = [f"{table_name}-{part}" for part in ("old", "new", "control")]
    about = {
        "schema_version": 1,
        "name": table_name,
        "tables": dict(zip(("old", "new", "control"), names, strict=True)),
    }
    words = ("plan", "create", "migrate", "verify", "status", "rate", "pause", "resume", "advance")
    for word in words:
        yes = ("--yes",) if word == "migrate" else ()
        _, out, err = run(word, reference, "--json", *yes)
        assert about.items() <= json.loads(out).items(), (word, out, err)
    _, out, _ = run("status", "nowhere:migration", "--json")
    assert json.loads(out).keys() == {"schema_version", "error", "message"}


def test_a_pause_and_its_end(run: Run, reference: str) -> None:
    """What was in force before the pause is in force after it."""
    run("create", reference)
    run("rate", reference, "--max-write-units", "300")
    code, out, _ = run("pause", reference)
    assert code == 0
    assert "may use 0 read units and 0 write units" in out
    assert out.endswith(f"Next: dualtable resume {reference}\n")
    run("pause", reference)
    _, out, _ = run("resume", reference)
    assert "may use any number of read units and 300 write units" in out


@pytest.mark.parametrize("word", ["rate", "pause", "resume"])
def test_a_migration_that_nobody_has_created(run: Run, reference: str, word: str) -> None:
    """A typing error in the name or the region changes nothing, and does not look like success."""
    code, out, err = run(word, reference)
    assert (code, out) == (2, "")
    assert "there is no migration" in err
    assert "dualtable create" in err


# The ceilings themselves


async def made() -> tuple[MemoryGateway, Migration]:
    gateway, plan = MemoryGateway(), orders.migration("plan")
    await gateway.create_table(orders.table(plan.old))
    await create_table(plan, gateway=gateway)
    return gateway, plan


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, Limits()),
        ({"max_read_units": 50.0}, Limits(50.0, None)),
        ({"max_write_units": 0.0}, Limits()),
        ({"max_read_units": 7.0, "max_write_units": 0.0}, Limits(7.0, None)),
    ],
)
async def test_what_a_resume_brings_back(before: dict[str, Any], after: Limits) -> None:
    """The ceilings of before; one that was a pause itself is lifted."""
    gateway, plan = await made()
    await change_limits(plan, before, gateway=gateway)
    assert await pause(plan, gateway=gateway) == Limits(0.0, 0.0)
    assert await pause(plan, gateway=gateway) == Limits(0.0, 0.0)
    assert await resume(plan, gateway=gateway) == after
    assert await resume(plan, gateway=gateway) == after


async def test_a_rate_that_is_set_during_a_pause() -> None:
    """It is what the migrators go by afterwards, and the other ceiling comes back as it was."""
    gateway, plan = await made()
    await change_limits(plan, {"max_read_units": 50, "max_write_units": 60}, gateway=gateway)
    await pause(plan, gateway=gateway)
    in_force = await change_limits(plan, {"max_write_units": 70}, gateway=gateway)
    assert in_force == Limits(0.0, 70.0)
    assert await resume(plan, gateway=gateway) == Limits(50.0, 70.0)


async def test_a_migrator_that_begins_with_a_ceiling_ends_no_pause() -> None:
    """Nor does one that takes the place of a lost one; its ceilings hold afterwards."""
    gateway, plan = await made()
    at_hand: dict[str, Any] = {"dead_letters": os.devnull, "gateway": gateway}
    await Migrator(plan, **at_hand).run()
    await pause(plan, gateway=gateway)
    await Migrator(plan, max_read_units=5, max_write_units=7, **at_hand).run()
    assert (await read_status(plan, gateway=gateway)).max_read_units == 0
    assert await resume(plan, gateway=gateway) == Limits(5.0, 7.0)


class PausedMeanwhile(Faults):
    """Somebody pauses a migration while another one changes its ceilings."""

    def __init__(self, plan: Migration, gateway: MemoryGateway) -> None:
        self.plan, self.gateway, self.paused = plan, gateway, False

    async def before(self, operation: str, table: str) -> None:
        if (operation, table, self.paused) == ("put", self.plan.control_table, False):
            self.paused = True
            await pause(self.plan, gateway=self.gateway)


async def test_a_pause_is_not_lost_beside_another_change() -> None:
    """Ceilings are stored over just those that were read."""
    gateway, plan = await made()
    gateway.faults = PausedMeanwhile(plan, gateway)
    in_force = await change_limits(plan, {"max_write_units": 70}, gateway=gateway)
    assert in_force == Limits(0.0, 70.0)
    assert await resume(plan, gateway=gateway) == Limits(None, 70.0)


def test_a_pause_is_forgotten_when_it_ends() -> None:
    """A later pause keeps what is in force then."""
    once = Ceilings(Limits(1.0, 2.0)).paused().resumed()
    assert once == Ceilings(Limits(1.0, 2.0))
    assert once.changed(max_read_units=3.0).paused().resumed().in_force == Limits(3.0, 2.0)


async def test_only_what_exists_is_changed() -> None:
    """By a `create` or by a migrator that has begun; else nothing is written."""
    gateway, plan = MemoryGateway(), orders.migration("plan")
    for change in (pause, resume):
        with pytest.raises(MigrationMismatchError, match="there is no migration 'plan'"):
            await change(plan, gateway=gateway)
    assert not gateway._tables


def test_from_an_empty_folder_to_a_migration(
    run: Run, reference: str, table_name: str, tmp_path: Path
) -> None:
    """What init writes, the next command takes; and list shows what was begun, by its name."""
    old, new, module = f"{table_name}-old", f"{table_name}-new", f"begun_{len(table_name)}"
    code, out, err = run("init", old, new, "--file", f"{module}_{os.getpid()}.py")
    assert (code, len(err.splitlines())) == (0, 1)  # where one is
    assert "Next: " in out
    begun = f"{module}_{os.getpid()}:migration"
    assert begun in out
    assert run("init", old, new, "--file", f"{module}_{os.getpid()}.py")[0] == 2
    assert run("create", begun, "--quiet")[0] == 0
    code, out, _ = run("list", "--json")
    assert code == 0
    assert {"dualtable-control"} == {json.loads(out)["control_table"]}
    listed = {each["name"]: each["phase"] for each in json.loads(out)["migrations"]}
    assert listed[new] == "MIGRATING"
    assert new in run("list")[1]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["statsu", "m:a"], "status"),
        (["lst"], "list"),
        (["migrate", "m:a", "--max-write-unit", "3"], "--max-write-units"),
        (["advance", "m:a", "--to", "MIGRATD"], "MIGRATED"),
        (["verify", "m:a", "--level", "contents"], "content"),
        (["migrate", "m:a", "--despite", "ttll"], "ttl"),
    ],
)
def test_a_mistyped_word(run: Run, words: list[str], meant: str) -> None:
    """A command, an option or its value: what is likely to be meant is offered."""
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert f"did you mean {meant}?" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_status_is_watched_until_it_is_stopped(
    reference: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Each look is said; Ctrl-C is how one leaves, and no failure."""
    main(["create", reference, "--quiet"])
    watching = subprocess.Popen(
        [sys.executable, "-m", "dualtable", "status", reference, "--watch", "1", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    first = watching.stdout.readline()
    while not watching.stdout.readline().startswith(first[:20]):
        assert watching.poll() is None
    watching.send_signal(signal.SIGINT)
    rest, err = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert len(err.splitlines()) == (0 if options else 1)  # where one is
    if options:
        answers.check("status", json.loads(first))
    else:
        assert "not begun" in first
        assert "\x1b" not in first + rest


@pytest.mark.parametrize("command", ["migrate", "verify", "retry", "cleanup", "rate"])
def test_help_says_that_ceilings_are_kept(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is set for a night also holds the next run back; who sets it must know."""
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = [line for line in capsys.readouterr().out.splitlines() if "-units N  " in line]
    assert said
    assert all("kept for later runs" in line for line in said)


ASKS_NOBODY = {"demo", "check-code"}
MORE = {
    "migrate": [["--yes"]],
    "try": [["--sample", "1"]],
    "advance": [["--plan"]],
    "verify": [[], ["--sample"], ["--repair-key", '{"id": "o-1"}']],
    "retry": [[], ["--list"]],
}


@pytest.mark.parametrize(
    "words",
    [
        [command.name, *more]
        for command in ALL_COMMANDS
        if command.name not in ASKS_NOBODY
        for more in MORE.get(command.name, [[]])
    ],
    ids=" ".join,
)
def test_the_first_line_says_where_one_is(
    run: Run, reference: str, table_name: str, endpoint: str, words: list[str]
) -> None:
    """The right command in the wrong account is a bad night; machines get no such line."""
    command, *more = words
    run("create", reference, "--quiet")
    old, new = f"{table_name}-old", f"{table_name}-new"
    about = {"list": [], "init": [old, new]}.get(command, [reference])
    place = f"account 000000000000, eu-west-1, {endpoint}"
    expected = {"list": f"eu-west-1, {endpoint}", "init": f"{old} -> {new}; {place}"}
    first = run(command, *about, *more)[2].splitlines()[0]
    default = f"{table_name}: {old} -> {new}; {place}"
    assert first.partition(" ")[2] == expected.get(command, default)
    for silent in ("--quiet", "--json"):
        assert endpoint not in run(command, *about, *more, silent)[2]


def test_offline_asks_nobody(run: Run, reference: str, endpoint: str) -> None:
    """Nor is it said where that would be."""
    assert endpoint not in run("report", reference, "--offline")[2]


def test_where_nothing_is_there_the_error_is_the_only_line(run: Run, reference: str) -> None:
    """What is wrong is said once, by the command itself."""
    code, _, err = run("status", reference, "--endpoint-url", "http://127.0.0.1:1")
    assert code == 1
    assert len(err.splitlines()) == 1
