"""The command line as a user meets it: what it prints, what it returns, and how it stops."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import answers
import attrs
import orders
import pytest
from clocks import HandClock

from dualtable import DualTableError, Migration, MigrationStatus, Phase, read_status
from dualtable.__main__ import ALL_COMMANDS, main
from dualtable._cli.log import logged_to_stderr
from dualtable._control.control_table import Control, Heartbeat
from dualtable._control.run_records import Run, Word
from dualtable._control.segments import Lease, Segment
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._operations.precautions import check_precautions
from dualtable.testing import MemoryGateway

SECRET = "a-customer-s-secret"
WAIT_SECONDS = 60
YES = {"migrate": ("--yes",)}


@attrs.frozen
class Ended:
    """How a command ended."""

    command: str
    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """Standard output, which must be one JSON object; without what they all have."""
        data = json.loads(self.out)
        assert isinstance(data, dict)
        answers.check(self.command, data)
        assert data.pop("schema_version") == 1
        assert ("name" in data) == ("tables" in data)
        return {name: value for name, value in data.items() if name not in ("name", "tables")}


@attrs.frozen
class Shop:
    """A user's folder with the module of a migration, and the old table on a server."""

    plan: Migration
    module: str
    folder: Path
    endpoint: str
    capsys: pytest.CaptureFixture[str]

    @property
    def reference(self) -> str:
        return f"{self.module}:migration"

    def fill(self, *items: dict[str, Any]) -> None:
        """Create the old table with these items."""

        async def fill() -> None:
            async with connect({"endpoint_url": self.endpoint}, PRODUCTION) as gateway:
                await gateway.create_table(orders.table(self.plan.old))
                await orders.fill(gateway, self.plan.old, list(items))

        asyncio.run(fill())

    def put_into_new(self, item: dict[str, Any]) -> None:
        """Write to the new table past the library, as nobody should."""
        self._put(self.plan.new, item)

    def put_into_old(self, item: dict[str, Any]) -> None:
        """Write to the old table, as nobody should once it is copied."""
        self._put(self.plan.old, item)

    def _put(self, table: str, item: dict[str, Any]) -> None:
        async def put() -> None:
            async with connect({"endpoint_url": self.endpoint}, PRODUCTION) as gateway:
                await orders.fill(gateway, table, [item])

        asyncio.run(put())

    def status(self) -> MigrationStatus:
        return asyncio.run(read_status(self.plan, endpoint_url=self.endpoint))

    def run(self, command: str, *options: str) -> Ended:
        """Run a command on the migration in this process; `migrate` whatever speaks against it."""
        return run(self.capsys, command, self.reference, *options, *YES.get(command, ()))

    def start(self, command: str, *options: str) -> subprocess.Popen[str]:
        """Start a command on the migration as a user does."""
        arguments = [command, self.reference, *options, *YES.get(command, ())]
        return subprocess.Popen(
            [sys.executable, "-m", "dualtable", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    code = main(arguments)
    out, err = capsys.readouterr()
    return Ended(arguments[0], code, out, err)


def check_one_line(ended: Ended) -> None:
    """An error is one line on standard error, and nothing on standard output."""
    assert ended.out == ""
    said = [line for line in ended.err.splitlines() if "; account " not in line]  # where one is
    assert len(said) == 1, ended.err
    assert said[0].startswith("dualtable: ")
    assert "Traceback" not in ended.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's working directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def shop(
    endpoint: str,
    table_name: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shop:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    module = f"shop_{table_name.replace('-', '_')}"
    write_module(folder, module, f"migration = orders.migration({table_name!r})")
    return Shop(orders.migration(table_name), module, folder, endpoint, capsys)


def write_module(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(f"import orders\n{text}\n")


# What the commands say


def test_a_migration_by_hand(shop: Shop) -> None:
    """The whole job as processes of their own: each ends well and says what comes next."""
    shop.fill(*(orders.old_order(n) for n in range(50)))
    texts = {}
    for command in ("create", "migrate", "verify", "status"):
        process = shop.start(command)
        texts[command], err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, err
    assert texts["create"].startswith(f"{shop.plan.new}: created.\n")
    assert texts["create"].endswith(f"dualtable migrate {shop.reference}\n")
    assert re.search(r"items read +50\n", texts["migrate"])
    assert texts["migrate"].endswith(f"Next: dualtable verify {shop.reference}\n")
    assert "content verified in" in texts["verify"]
    assert texts["verify"].endswith(f"Next: dualtable advance {shop.reference} --wait\n")
    assert f"{shop.plan.new}, MIGRATING, 100.0 % done." in texts["status"]


def test_create_as_json(shop: Shop) -> None:
    """The fields of the answer; and that a second `create` changes nothing and is well."""
    shop.fill()
    assert shop.run("create", "--json").data == {
        "table": shop.plan.new,
        "created": True,
        "differences": [],
        "left_out": [],
        "ttl_attribute": None,
        "ttl_known": True,
        "tags_left_out": [],
        "tags_known": True,
        "queries_wait": None,
        "ok": True,
    }
    again = shop.run("create", "--json")
    assert (again.code, again.data["created"], again.data["ok"]) == (0, False, True)


def test_migrate_as_json(shop: Shop) -> None:
    """The fields of the answer, and what they are after a first run and a second one."""
    shop.fill(*(orders.old_order(n) for n in range(20)), orders.old_order(20, test=True))
    shop.run("create")
    first = shop.run("migrate", "--json", "--total-segments", "2")
    expected = {
        "scanned": 21,
        "written": 20,
        "already_present": 0,
        "dropped": 1,
        "failed": 0,
        "pages": 2,
        "empty_pages": 0,
        "throttled": 0,
        "retries": 0,
        "complete": True,
        "dead_letters": 0,
        "ok": True,
    }
    assert first.code == 0
    assert expected.items() <= first.data.items()
    assert {"read_units", "write_units", "seconds"} <= first.data.keys()
    second = shop.run("migrate", "--json")
    assert (second.code, second.data["scanned"], second.data["complete"]) == (0, 0, True)


def test_verify_as_json(shop: Shop) -> None:
    """The fields of the answer of both levels."""
    shop.fill(*(orders.old_order(n) for n in range(20)))
    shop.run("create")
    shop.run("migrate")
    for level in ("keys", "content"):
        ended = shop.run("verify", "--json", "--level", level)
        assert ended.code == 0
        assert ended.data["seconds"] > 0
        assert ended.data["read_units"] >= 0
        measured = ("seconds", "read_units")
        assert {name: ended.data[name] for name in ended.data if name not in measured} == {
            "level": level,
            "checked": 20,
            "missing": 0,
            "different": 0,
            "rewritten": 0,
            "deleted": 0,
            "extra": 0,
            "changed_old": 0,
            "dropped": 0,
            "repaired": 0,
            "share_done": 1.0,
            "examples": [],
            "complete": True,
            "ok": True,
        }


def test_a_change_of_the_old_table_is_told_by_every_command(shop: Shop) -> None:
    """It must not pass for a copy that differs, nor be forgotten once the verification is over."""
    shop.fill(*(orders.old_order(n) for n in range(20)))
    shop.run("create")
    shop.run("migrate")
    shop.put_into_old(orders.old_order(7, total="1.00"))
    ended = shop.run("verify", "--json")
    (example,) = ended.data["examples"]
    assert (ended.code, ended.data["changed_old"], ended.data["different"]) == (1, 1, 0)
    assert (example["kind"], example["key"], example["paths"]) == (
        "changed_old",
        {"id": {"S": "o-7"}},
        ["total"],
    )
    assert "  CHANGED IN THE OLD TABLE" in shop.run("verify").out
    assert "NOT well: 1 changed in the old table" in shop.run("status").out
    assert shop.run("status", "--json").data["verification"]["changed_old"] == 1
    assert "failed: 1 changed in the old table" in shop.run("advance", "--plan").out
    assert shop.run("report").code == 0
    page = (shop.folder / f"{shop.plan.name}.report.html").read_text(encoding="utf-8")
    assert "found something wrong: 1 changed in the old table" in page


def test_try_shows_items_and_writes_nothing(shop: Shop) -> None:
    """Before anything is begun: the new table need not even exist."""
    shop.fill(orders.old_order(7), orders.old_order(8, total="twelve"))
    well = shop.run("try", "--key", '{"id": "o-7"}')
    assert well.code == 0
    assert "region = 'us'" in well.out
    bad = shop.run("try", "--key", '{"id": {"S": "o-8"}}', "--json")
    (trial,) = bad.data["trials"]
    assert (bad.code, bad.data["ok"], trial["new"]) == (1, False, [])
    assert "TransformError" in trial["failure"]
    assert trial["old"]["total"] == {"S": "twelve"}
    both = shop.run("try", "--sample", "20", "--json")
    assert {t["key"]["id"]["S"] for t in both.data["trials"]} == {"o-7", "o-8"}
    gone = shop.run("try", "--key", '{"id": "o-9"}')
    assert (gone.code, "not in" in gone.out) == (1, True)
    assert shop.run("try").code == 2


def test_a_sample_and_a_repair_of_one_key(shop: Shop) -> None:
    """A quick look says what it is worth; a key comes in plain values or as --json shows it."""
    shop.fill(*(orders.old_order(n) for n in range(20)))
    shop.run("create")
    shop.run("migrate")
    sample = shop.run("verify", "--sample", "15", "--json")
    assert (sample.code, sample.data["missing"], sample.data["ok"]) == (0, 0, True)
    assert 0 < sample.data["share_at_most"] < 1
    assert "With 99% confidence fewer than" in shop.run("verify", "--sample").out
    for key in ('{"id": "o-7"}', '{"id": {"S": "o-7"}}'):
        ended = shop.run("verify", "--repair-key", key, "--json")
        assert (ended.code, ended.data["key"], ended.data["paths"]) == (0, {"id": {"S": "o-7"}}, [])
    assert "as it should be" in shop.run("verify", "--repair-key", '{"id": "o-7"}').out
    for wrong in ("o-7", "[1]", '{"id": {"S": 7, "N": 8}}', '{"no": "o-7"}', '{"id": "nobody"}'):
        assert shop.run("verify", "--repair-key", wrong).code == 2
    for both in (("--sample", "3", "--repair"), ("--repair", "--repair-key", '{"id": "o-7"}')):
        ended = shop.run("verify", *both)  # only one of them would be done, and without a word
        assert (ended.code, "not allowed with" in ended.err) == (2, True)


def test_the_rate_is_shown_changed_and_lifted(shop: Shop) -> None:
    """One command sets what all migrators go by; the other number stays, and `status` tells."""
    shop.fill(*(orders.old_order(n) for n in range(5)))
    shop.run("create")
    unlimited = {"max_read_units": None, "max_write_units": None}
    assert shop.run("rate", "--json").data == unlimited
    changed = shop.run("rate", "--json", "--max-write-units", "200", "--max-read-units", "0")
    assert changed.data == {"max_read_units": 0, "max_write_units": 200}
    lifted = shop.run("rate", "--max-read-units", "none")
    assert lifted.code == 0
    assert "any number of read units and 200 write units" in lifted.out
    assert shop.run("migrate", "--quiet").code == 0
    assert "200 write units a second" in shop.run("status").out
    assert shop.status().max_write_units == 200


@pytest.mark.parametrize("units", ["-1", "fast", "inf", "nan", ""])
def test_a_rate_that_is_none_is_refused(shop: Shop, units: str) -> None:
    """Before anything is sent, with the word that is wrong."""
    ended = shop.run("rate", f"--max-write-units={units}")
    assert ended.code == 2
    check_one_line(ended)
    assert "neither a number from 0 on nor 'none'" in ended.err


def test_status_as_json(shop: Shop) -> None:
    """The fields of the answer before the first run and after the last one."""
    shop.fill(*(orders.old_order(n) for n in range(20)))
    shop.run("create")
    expected = {
        "phase": "MIGRATING",
        "total_segments": 0,
        "segments_done": 0,
        "segments_held": 0,
        "workers": [],
        "made_anew": [],
        "swept": False,
        "scanned": 0,
        "written": 0,
        "already_present": 0,
        "dropped": 0,
        "dead_letters": 0,
        "estimated_items": 20,
        "max_read_units": None,
        "max_write_units": None,
        "ttl_attribute": None,
        "ttl_known": True,
        "complete": False,
        "share_done": None,
    }
    before = shop.run("status", "--json")
    assert before.code == 0
    assert expected.items() <= before.data.items()
    shop.run("migrate", "--total-segments", "3")
    counts = {"total_segments": 3, "segments_done": 3, "scanned": 20, "written": 20}
    after = shop.run("status", "--json").data
    assert (expected | counts | {"complete": True, "share_done": 1.0}).items() <= after.items()


def test_a_dry_run_writes_nothing(shop: Shop) -> None:
    """It says what would happen, and the next run does it."""
    shop.fill(*(orders.old_order(n) for n in range(20)))
    shop.run("create")
    ended = shop.run("migrate", "--dry-run")
    assert ended.code == 0
    assert "would be written" in ended.out
    assert "Nothing was written. Next: the same command without --dry-run." in ended.out
    assert shop.run("status", "--json").data["total_segments"] == 0


# What speaks against it


@pytest.fixture
def asked(shop: Shop) -> Shop:
    """A shop that nobody has said anything about."""
    shop.fill(*(orders.old_order(n) for n in range(5)))
    assert shop.run("create").code == 0
    return shop


def migrate(shop: Shop, *options: str) -> Ended:
    """Run `migrate` as somebody does who has not said yes."""
    return run(shop.capsys, "migrate", shop.reference, "--quiet", *options)


def open_a_repository(shop: Shop, *, close: bool = True, fingerprint: str = "") -> None:
    async def beat() -> None:
        async with connect({"endpoint_url": shop.endpoint}, PRODUCTION) as gateway:
            control = Control(gateway, shop.plan.control_table, shop.plan.name)
            await control.beat(Heartbeat("r-1", Phase.MIGRATING, 0, "host", 7, 0, fingerprint))
            if close:
                await control.forget_heartbeat("r-1")

    asyncio.run(beat())


def test_migrate_asks_where_no_repository_was_ever_open(asked: Shop) -> None:
    """Production may not have moved at all; exit 2, and nothing was copied."""
    ended = migrate(asked)
    check_one_line(ended)
    assert ended.code == 2
    assert "no repository of" in ended.err
    assert "--despite no-repository, or with --yes" in ended.err
    assert asked.status().total_segments == 0
    assert migrate(asked, "--dry-run").code == 0
    open_a_repository(asked)
    assert migrate(asked).code == 0


@pytest.mark.parametrize("option", [("--yes",), ("--despite", "no-repository")])
def test_who_knows_better_says_so(asked: Shop, option: tuple[str, ...]) -> None:
    """By the name of the reason, or whatever it is; what is under way is not asked about again."""
    assert migrate(asked, *option).code == 0
    assert migrate(asked).code == 0
    assert "no repository" in migrate(asked, "--restart").err


def test_migrate_asks_where_items_expire_meanwhile(asked: Shop) -> None:
    """Each reason is set aside by itself."""

    async def expire() -> None:
        async with connect({"endpoint_url": asked.endpoint}, PRODUCTION) as gateway:
            await gateway.switch_ttl_on(asked.plan.old, "until")

    asyncio.run(expire())
    ended = migrate(asked, "--despite", "no-repository")
    assert ended.code == 2
    assert "TTL is on in" in ended.err
    assert "no repository" not in ended.err
    assert migrate(asked, "--despite", "no-repository", "--despite", "ttl").code == 0


def test_migrate_asks_where_another_transform_is_in_use(asked: Shop) -> None:
    """What a repository reads of the old table would differ from the copy."""
    open_a_repository(asked, close=False, fingerprint="another")
    ended = migrate(asked)
    assert ended.code == 2
    assert "another transform than this one" in ended.err
    assert "r-1 on host, process 7" in ended.err
    open_a_repository(asked, close=False, fingerprint=asked.plan.fingerprint)
    assert migrate(asked).code == 0


async def test_migrate_asks_where_the_old_table_is_written_to() -> None:
    """What is written behind the copy is lost; some items are looked at twice."""
    gateway = MemoryGateway()
    plan = orders.migration("shop")
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(5)])

    class Clock(HandClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            await orders.fill(gateway, plan.old, [orders.old_order(3, note="old code")])

    with pytest.raises(DualTableError, match="1 of 5 items of shop-old"):
        await check_precautions(plan, despite=["no-repository"], clock=Clock(), gateway=gateway)
    await check_precautions(plan, despite=["no-repository"], clock=HandClock(), gateway=gateway)


# From phase to phase


@pytest.fixture
def settled(shop: Shop, table_name: str) -> Shop:
    """A shop whose phases settle within a second, after its copy and its verification."""
    shop.fill(*(orders.old_order(n) for n in range(5)))
    plan = f"migration = orders.migration({table_name!r}, settle_seconds=1)"
    write_module(shop.folder, f"{shop.module}_soon", plan)
    soon = attrs.evolve(shop, module=f"{shop.module}_soon")
    for command in ("create", "migrate", "verify"):
        assert soon.run(command, "--quiet").code == 0
    return soon


def test_every_command_answers_as_its_schema_says(settled: Shop) -> None:
    """A real answer of each, held against the schema of the reference by `Ended.data`."""
    (settled.folder / "job.py").write_text(f"table = resource.Table({settled.plan.old!r})")
    one = '{"id": "o-1"}'
    ended = [
        run(settled.capsys, "init", settled.plan.old, "--json"),
        run(settled.capsys, "list", "--control-table", settled.plan.control_table, "--json"),
        run(settled.capsys, "check-code", "job.py", "--table", settled.plan.old, "--json"),
        *(settled.run(command, "--json") for command in ("create", "plan", "status", "migrate")),
        settled.run("report", "--json"),
        *(settled.run(command, "--json") for command in ("pause", "resume", "rate", "freeze")),
        settled.run("freeze", "--undo", "--json"),
        settled.run("try", "--sample", "5", "--json"),
        *(settled.run("verify", *more, "--json") for more in ((), ("--sample", "3"))),
        settled.run("verify", "--repair-key", one, "--json"),
        settled.run("retry", "--json"),
        settled.run("advance", "--plan", "--json"),
        settled.run("advance", "--wait", "--to", "FINISHED", "--json"),
        settled.run("cleanup", "--json"),
    ]
    for each in ended:
        assert "error" not in each.data, (each.command, each.out)
    elsewhere = {"demo"}
    assert {each.command for each in ended} | elsewhere == {each.name for each in ALL_COMMANDS}


def test_a_closed_gate(shop: Shop) -> None:
    """It exits 1, says of each condition how it stands, and nothing has changed."""
    shop.fill(orders.old_order(1))
    shop.run("create")
    for options in (("--plan",), (), ("--to", "MIGRATED")):
        ended = shop.run("advance", *options)
        assert ended.code == 1
        assert "the gate to MIGRATED is closed" in ended.out
        assert re.search(
            r"^  NO   every segment is done: nothing has been copied", ended.out, re.MULTILINE
        )
        assert re.search(r"^  yes  no item is left", ended.out, re.MULTILINE)
    data = shop.run("advance", "--json").data
    assert (data["phase"], data["next_phase"], data["open"]) == ("MIGRATING", "MIGRATED", False)
    copied = next(each for each in data["conditions"] if each["requirement"] == "COPIED")
    assert (copied["state"], copied["data"]) == ("unmet", {"total_segments": 0, "segments_done": 0})
    assert shop.status().phase == "MIGRATING"


def test_a_migration_to_its_end(settled: Shop) -> None:
    """A plan changes nothing, waiting leads on, and each answer says what comes next."""
    ended = settled.run("advance", "--wait")
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"{settled.plan.name}: MIGRATED.")
    assert f"Next: dualtable advance {settled.reference}" in ended.out
    planned = settled.run("advance", "--plan", "--json")
    assert planned.data["next_phase"] == "FINISHED"
    assert settled.status().phase is Phase.MIGRATED
    waited = settled.run("advance", "--wait", "--to", "FINISHED", "--json")
    assert (waited.code, waited.data) == (0, {"phase": "FINISHED"})
    for options in ((), ("--to", "FINISHED")):  # a plan ends as what it plans
        assert settled.run("advance", *options).code == 0
        assert settled.run("advance", "--plan", *options).code == 0


def test_the_status_says_what_comes_next(settled: Shop) -> None:
    """Every phase has a command that leads on, and the status shows what is in its way."""
    while (said := settled.run("status").out).endswith(" as soon as the gate opens\n"):
        time.sleep(0.1)  # the phase has to last a second
    assert "a verification that began after the last segment was done has passed: a veri" in said
    assert said.endswith(f"\nNext: dualtable advance {settled.reference}\n")
    data = settled.run("status", "--json").data
    assert (data["gate"]["next_phase"], data["verification"]["ok"]) == ("MIGRATED", True)
    assert data["phase_seconds"] > 0
    settled.run("advance", "--wait")
    said = settled.run("status").out
    assert f"{settled.plan.new}, MIGRATED for " in said
    assert f"Next: dualtable advance {settled.reference}" in said
    settled.run("advance", "--wait")
    said = settled.run("status").out
    assert f"{settled.plan.new}, FINISHED for " in said
    assert f"Next: dualtable cleanup {settled.reference}" in said


def test_the_status_shows_each_repository(settled: Shop) -> None:
    """Whoever a gate waits for is named."""

    async def leave_behind() -> None:
        async with connect({"endpoint_url": settled.endpoint}, PRODUCTION) as gateway:
            control = Control(gateway, settled.plan.control_table, settled.plan.name)
            await control.beat(Heartbeat("r-1", Phase.MIGRATING, 0, "host", 7, 0))

    asyncio.run(leave_behind())
    said = "repository r-1 on host, process 7, by a transform whose source it cannot read, in MIGRA"
    assert said in settled.run("status").out
    (found,) = settled.run("status", "--json").data["repositories"]
    assert (found["name"], found["acknowledged"]) == ("r-1", True)


def test_waiting_says_for_what(settled: Shop) -> None:
    """Nobody sits before a command that says nothing."""
    ended = settled.run("advance", "--wait", "--to", "FINISHED")
    assert "waiting at the gate to=FINISHED condition=MIGRATED must last 1 s" in ended.err


def test_a_repository_is_declared_dead(settled: Shop) -> None:
    """The gate names it, and an operator who knows better says so in the same command."""

    async def leave_behind() -> None:
        async with connect({"endpoint_url": settled.endpoint}, PRODUCTION) as gateway:
            control = Control(gateway, settled.plan.control_table, settled.plan.name)
            await control.beat(Heartbeat("r-1", Phase.MIGRATING, 0, "host", 7, -1))

    asyncio.run(leave_behind())
    time.sleep(1)
    ended = settled.run("advance")
    assert ended.code == 1
    assert "r-1 on host, process 7" in ended.out
    for wrong in (
        ("--declare-dead", "r-2"),
        ("--declare-dead", "r-1", "--declare-dead", "r-2"),
        ("--declare-dead", "r-1", "--to", "ROLLING_OUT"),
        ("--declare-dead", "r-1", "--to", "FINISHED"),
    ):
        refused = settled.run("advance", *wrong)
        check_one_line(refused)
        assert refused.code == 2
        assert "r-1 on host, process 7" in settled.run("status").out  # nothing was written
    late = settled.run("advance", "--declare-dead", "r-1", "--wait", "--to", "ROLLING_OUT")
    assert late.code == 1  # it has been declared dead
    again = ("--declare-dead", "r-1", "--declare-dead", "r-1")
    assert settled.run("advance", *again).code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--plan", "--wait"), "--plan changes nothing"),
        (("--to", "READING_BOTH"), "READING_BOTH does not follow MIGRATING"),
        (("--to", "FINISHED"), "2 steps from MIGRATING"),
        (("--to", "DONE"), "there is no 'DONE'"),
    ],
)
def test_advance_used_wrongly(shop: Shop, options: tuple[str, ...], says: str) -> None:
    """Exit 2, and nothing was begun."""
    shop.fill()
    shop.run("create")
    ended = shop.run("advance", *options)
    check_one_line(ended)
    assert ended.code == 2
    assert says in ended.err


def test_a_finished_migration_is_cleaned_up(settled: Shop) -> None:
    """It says what is left, and what code replaces the repository."""
    early = settled.run("cleanup", "--quiet")
    check_one_line(early)
    assert early.code == 2
    assert "in phase MIGRATING, in which tombstones are needed" in early.err
    assert settled.run("advance", "--wait", "--to", "FINISHED").code == 0
    settled.run("cleanup")  # maybe too early: somebody could leave a further tombstone
    time.sleep(1)
    ended = settled.run("cleanup", "--max-write-units", "1000")
    assert ended.code == 0
    assert f"Table('{settled.plan.new}')" in ended.out
    assert "_dualtable_token" in ended.out
    data = settled.run("cleanup", "--json", "--tokens").data
    assert (data["scanned"], data["ok"], data["tokens_wanted"]) == (5, True, True)
    assert settled.status().max_write_units == 1000


def test_the_old_table_is_frozen_and_thawed(shop: Shop) -> None:
    """Each answer says how the policy stands now."""
    shop.fill()
    shop.run("create")
    ended = shop.run("freeze")
    assert (ended.code, "denies everybody to write" in ended.out) == (0, True)
    assert shop.run("freeze", "--json").data == {
        "table": shop.plan.old,
        "frozen": True,
        "roles": [],
        "changed": False,
    }
    assert "holds no denial" in shop.run("freeze", "--undo").out
    wrong = shop.run("freeze", "--role", "ann")
    check_one_line(wrong)
    assert wrong.code == 2


# Done, and not well


def test_dead_letters(shop: Shop) -> None:
    """A run with dead letters exits 1, says where they are, and shows no value of an item."""
    shop.fill(orders.old_order(1), orders.old_order(2, total=SECRET))
    shop.run("create")
    ended = shop.run("migrate", "--verbose", "--dead-letters", "letters.jsonl")
    assert ended.code == 1
    assert "Next: read keys and reasons in letters.jsonl" in ended.out
    letter = json.loads((shop.folder / "letters.jsonl").read_text())
    assert letter["key"] == {"id": {"S": "o-2"}}
    for text in (ended.out, ended.err, json.dumps(letter), shop.run("status").out):
        assert SECRET not in text
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in ended.err.split()
    assert shop.run("migrate", "--json").code == 1
    elsewhere = shop.run("migrate", "--dead-letters", os.devnull).out
    assert f"read keys and reasons by dualtable retry {shop.reference} --list" in elsewhere


def test_dead_letters_alone_are_no_complete_copy(shop: Shop) -> None:
    """All segments are done, and `status` says what is wrong all the same."""
    shop.fill(*(orders.old_order(n, total=SECRET) for n in range(3)))
    shop.run("create")
    shop.run("migrate")
    said = shop.run("status").out
    assert "NOT well" in said
    assert "of 3 old items that could not be copied: dualtable retry" in said
    assert f"Then: dualtable retry {shop.reference}\n" in said
    data = shop.run("status", "--json").data
    assert (data["ok"], data["complete"], data["dead_letters"]) == (False, False, 3)


def test_retry(shop: Shop) -> None:
    """Dead letters are shown, chosen and tried again; nothing shows a value of an item."""
    shop.fill(*(orders.old_order(n, total=SECRET) for n in range(3)))
    shop.run("create")
    shop.run("migrate")
    listed = shop.run("retry", "--list")
    assert listed.code == 0
    assert "3 dead letters are open" in listed.out
    letters = shop.run("retry", "--list", "--json").data["dead_letters"]
    assert {letter["error"] for letter in letters} == {"TransformError"}
    shop.fill(orders.old_order(0), orders.old_order(1))
    one = shop.run("retry", "--key", '{"id": "o-0"}', "--json")
    assert (one.code, one.data["written"], one.data["dead_letters"]) == (0, 1, 2)
    files = shop.run(
        "retry", "--dead-letters", f"{shop.plan.name}.dead-letters.jsonl", "--json"
    ).data
    assert (files["tried"], files["written"], files["failed"], files["not_open"]) == (2, 1, 1, 0)
    ended = shop.run("retry")
    assert ended.code == 1
    assert "id='o-2': TransformError: " in ended.out
    shop.fill(orders.old_order(2))
    assert f"Next: dualtable verify {shop.reference}" in shop.run("retry").out
    assert shop.run("status", "--json").data["complete"] is True
    for text in (listed.out, ended.out, ended.err, json.dumps(letters)):
        assert SECRET not in text


FORGED = "x\x1b[2J\n\x9b1mdone\u202e"


def test_nothing_that_others_wrote_steers_the_terminal(shop: Shop) -> None:
    """Keys, reasons and records are shown escaped, in texts, errors, logs and JSON alike."""
    shop.fill(orders.old_order(1, id=FORGED))
    shop.run("create")

    async def forge() -> None:
        async with connect({"endpoint_url": shop.endpoint}, PRODUCTION) as gateway:
            control = Control(gateway, shop.plan.control_table, shop.plan.name)
            run = Run(id="r", fingerprint=FORGED, total_segments=3, old=FORGED, new=FORGED)
            records = control.of(await control.begin(run))
            await records.give_word(Word(FORGED, time.time(), time.time() + 60))
            await records.store(Segment(1, lease=Lease(FORGED), revision=1))

    ended = [shop.run("verify"), shop.run("verify", "--json")]
    asyncio.run(forge())
    ended += [shop.run(c, *o) for c in ("status", "migrate") for o in ((), ("--json",))]
    for end in ended:
        assert [c for c in end.out + end.err if c != "\n" and not c.isprintable()] == [], end
    assert "id='x\\x1b[2J\\n\\x9b1mdone\\u202e'" in ended[0].out
    assert ended[1].data["examples"][0]["key"] == {"id": {"S": FORGED}}
    check_one_line(ended[4])


def test_a_log_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What a record's message, data or traceback holds cannot forge another line."""
    log = logging.getLogger("dualtable.test")
    with logged_to_stderr(logging.INFO):
        try:
            raise ValueError(FORGED)
        except ValueError:
            log.exception("failed %s", FORGED, extra={"where": FORGED})
    err = capsys.readouterr().err
    assert all(c == "\n" or c.isprintable() for c in err)
    assert err.splitlines()[1].startswith("Traceback")


VANISHING = """
import contextlib, boto3

def vanish(item):
    with contextlib.suppress(Exception):
        boto3.client("dynamodb").delete_table(TableName="{table}")
    return item

migration = orders.migration("{name}", vanish)
"""


@pytest.mark.parametrize(("command", "which"), [("migrate", "old"), ("verify", "new")])
def test_a_table_that_vanishes_in_mid_run_is_no_wrong_use(
    shop: Shop, command: str, which: str
) -> None:
    """2 means that nothing was begun; what has begun and failed is 1, without advice on names."""
    shop.fill(*(orders.old_order(n) for n in range(3)))
    shop.run("create")
    module = f"{shop.module}_vanishing"
    table = getattr(shop.plan, which)
    write_module(shop.folder, module, VANISHING.format(table=table, name=shop.plan.name))
    ended = run(shop.capsys, command, f"{module}:migration", "--quiet", *YES.get(command, ()))
    check_one_line(ended)
    assert ended.code == 1
    assert table in ended.err
    assert "check the names" not in ended.err


def test_a_failed_verification(shop: Shop) -> None:
    """It exits 1 and names keys, in wire form for machines, without any other value."""
    shop.fill(*(orders.old_order(n) for n in range(3)))
    shop.run("create")
    shop.run("migrate")
    shop.put_into_new(orders.new_order(1, note=SECRET))
    shop.put_into_new(orders.new_order(9, note=SECRET))
    ended = shop.run("verify")
    assert ended.code == 1
    assert "content NOT verified" in ended.out
    assert "different: id='o-1'" in ended.out
    assert "extra: id='o-9'" in ended.out
    as_json = shop.run("verify", "--json")
    assert as_json.code == 1
    kinds = {example["kind"]: example["key"] for example in as_json.data["examples"]}
    assert kinds == {"different": {"id": {"S": "o-1"}}, "extra": {"id": {"S": "o-9"}}}
    assert SECRET not in ended.out + ended.err + as_json.out + as_json.err


def test_a_new_table_that_differs(shop: Shop) -> None:
    """`create` changes no table that exists, says how it differs, and exits 1."""
    shop.fill()

    async def create_otherwise() -> None:
        async with connect({"endpoint_url": shop.endpoint}, PRODUCTION) as gateway:
            await gateway.create_table(orders.table(shop.plan.new))

    asyncio.run(create_otherwise())
    ended = shop.run("create")
    assert ended.code == 1
    assert "index by-region: wanted (region:S, total:N; ALL), found None" in ended.out


@pytest.mark.parametrize("command", ["create", "migrate", "verify", "status", "advance"])
def test_a_server_out_of_reach(shop: Shop, command: str) -> None:
    """One clear line within seconds, and exit 1: it may pass by itself."""
    ended = shop.run(command, "--endpoint-url", "http://127.0.0.1:1")
    check_one_line(ended)
    assert ended.code == 1
    assert "http://127.0.0.1:1" in ended.err


@pytest.mark.parametrize(
    ("unset", "says"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "set credentials"),
        (("AWS_DEFAULT_REGION",), "no region; set AWS_DEFAULT_REGION"),
    ],
)
def test_no_access(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, unset: tuple[str, ...], says: str
) -> None:
    """Without credentials or a region nothing is begun; one clear line says what to set."""
    for name in unset:
        monkeypatch.delenv(name)
    for command in ("create", "migrate", "verify", "status", "rate", "advance"):
        ended = shop.run(command)
        check_one_line(ended)
        assert ended.code == 2
        assert says in ended.err


def test_an_unknown_profile(shop: Shop) -> None:
    """A profile that does not exist is named."""
    ended = shop.run("status", "--profile", "nobody")
    check_one_line(ended)
    assert ended.code == 2
    assert "nobody" in ended.err


# Wrong use


@pytest.mark.parametrize("command", ["create", "migrate", "verify", "status"])
def test_a_missing_table(shop: Shop, command: str) -> None:
    """The message names the table and what to check; nothing was begun."""
    ended = shop.run(command)
    check_one_line(ended)
    assert ended.code == 2
    assert (shop.plan.new if command == "verify" else shop.plan.old) in ended.err
    assert "'dualtable create' makes the new table" in ended.err


def test_the_new_table_is_missing(shop: Shop) -> None:
    """Who forgets `create` is told so."""
    shop.fill(orders.old_order(1))
    ended = shop.run("migrate")
    check_one_line(ended)
    assert ended.code == 2
    assert shop.plan.new in ended.err


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("plan", "no MODULE:ATTRIBUTE"),
        (":migration", "no MODULE:ATTRIBUTE"),
        ("plan:", "no MODULE:ATTRIBUTE"),
        ("plan_missing:migration", "there is no module 'plan_missing'"),
        ("plan_fine:migrations", "has no attribute 'migrations'"),
        ("plan_fine:number", "is a int, not a dualtable.Migration"),
        ("plan_raises:migration", "ValueError: what is this (plan_raises.py:2)"),
        ("plan_leaves:migration", "SystemExit"),
        ("plan_broken:migration", "SyntaxError"),
        ("plan_needs:migration", "No module named 'not_installed'"),
        ("plan_equal:migration", "they must be two tables"),
        ("plan_class:migration", "give an instance of it as transform"),
    ],
)
def test_a_wrong_reference(
    folder: Path, capsys: pytest.CaptureFixture[str], reference: str, says: str
) -> None:
    """Whatever is wrong with MODULE:ATTRIBUTE is one line that says what, and exit 2."""
    modules = {
        "plan_fine": "number = 1",
        "plan_raises": "raise ValueError('what is this')",
        "plan_leaves": "raise SystemExit(0)",
        "plan_broken": "migration = (",
        "plan_needs": "import not_installed",
        "plan_equal": "migration = orders.migration('x', old='orders', new='orders')",
        "plan_class": "migration = orders.migration('x', orders.Chain)",
    }
    for name, text in modules.items():
        write_module(folder, name, text)
    ended = run(capsys, "status", reference)
    check_one_line(ended)
    assert ended.code == 2
    assert says.replace("plan_raises.py", str(folder / "plan_raises.py")) in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("migrat", "m:m"), "no command 'migrat'; did you mean migrate?"),
        (("quux",), "no command 'quux'; there are init, try, plan"),
        (("migrate",), "required: MODULE:ATTRIBUTE"),
        (("migrate", "m:m", "--colour"), "unrecognized arguments: --colour;"),
        (("migrate", "m:m", "--dryrun"), "--dryrun; did you mean --dry-run?"),
        (("migrate", "m:m", "--conc", "4"), "unrecognized arguments: --conc"),
        (("migrate", "m:m", "--concurrency", "many"), "invalid int value: 'many'"),
        (("verify", "m:m", "--level", "all"), "there is no 'all'; there are keys, content"),
        (("status", "m:m", "--endpoint-url", "localhost:8000"), "does not begin with http://"),
        (("status", "m:m", "--quiet", "--verbose"), "not allowed with argument"),
    ],
)
def test_wrong_arguments(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    """One line that says what is wrong and where help is; the same as JSON."""
    ended = run(capsys, *arguments)
    check_one_line(ended)
    assert ended.code == 2
    assert says in ended.err
    assert "--help" in ended.err
    as_json = run(capsys, *arguments, "--json")
    assert as_json.code == 2
    assert as_json.data.keys() == {"error", "message"}


@pytest.mark.parametrize(
    "option",
    [
        ("--concurrency", "0"),
        ("--total-segments", "0"),
        ("--max-read-units", "-1"),
        ("--max-write-units", "0"),
        ("--dead-letters", "no/such/folder/letters.jsonl"),
    ],
)
def test_an_option_out_of_range(shop: Shop, option: tuple[str, str]) -> None:
    """The library's own checks come through as one line, before anything is begun."""
    ended = shop.run("migrate", *option)
    assert ended.code == 2
    assert f"{option[0][2:].replace('-', '_')}=" in ended.err
    assert "Traceback" not in ended.err


def test_another_transform(shop: Shop, table_name: str) -> None:
    """A resume with a changed transform is refused, and `--json` says which error it is."""
    shop.fill(orders.old_order(1))
    shop.run("create")
    shop.run("migrate")
    changed = f"migration = orders.migration({table_name!r}, orders.Drop('legacy'))"
    write_module(shop.folder, f"{shop.module}_changed", changed)
    ended = run(shop.capsys, "migrate", f"{shop.module}_changed:migration", "--json")
    assert (ended.code, ended.data["error"]) == (2, "MigrationMismatchError")


def test_what_a_module_prints_is_no_answer(shop: Shop) -> None:
    """A module's print goes to standard error, so that machines can read the answer."""
    shop.fill()
    loud = f"{shop.module}_loud"
    text = f"print('imported')\nmigration = orders.migration({shop.plan.name!r})"
    write_module(shop.folder, loud, text)
    ended = run(shop.capsys, "create", f"{loud}:migration", "--json")
    assert ended.data["ok"]
    assert "imported" in ended.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for help gets it on standard output with exit 0."""
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    for name in ("create", "migrate", "verify", "status", "demo"):
        assert f"\n    {name} " in text


# Stopped


@pytest.fixture
def start(shop: Shop) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a migrator that a low ceiling keeps busy, and waits until it has settled a page."""
    started: list[subprocess.Popen[str]] = []
    shop.fill(*(orders.old_order(n) for n in range(600)))
    shop.run("create")

    def start_it(*options: str) -> subprocess.Popen[str]:
        process = shop.start("migrate", "--total-segments", "8", "--concurrency", "4", *options)
        started.append(process)
        give_up = time.monotonic() + WAIT_SECONDS
        while not shop.status().scanned:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        return process

    yield start_it
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order(
    shop: Shop, start: Callable[..., subprocess.Popen[str]], name: signal.Signals
) -> None:
    """It exits 1, has given its segments back, and the next run does the rest and no more."""
    process = start("--max-write-units", "40", "--json")
    process.send_signal(name)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    stopped = Ended("migrate", process.returncode, out, err)
    assert stopped.code == 1
    assert stopped.data["complete"] is False
    assert "finishing pages; again to stop at once" in err
    assert shop.status().segments_held == 0
    resumed = shop.run("migrate", "--json")
    assert resumed.code == 0
    assert stopped.data["scanned"] + resumed.data["scanned"] == 600


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(
    shop: Shop,
    start: Callable[..., subprocess.Popen[str]],
    first: signal.Signals,
    second: signal.Signals,
    processes: str,
) -> None:
    """Who cannot wait for the pages need not; it answers, and what is settled stays."""
    process = start("--max-write-units", "20", "--json", "--processes", processes)
    process.send_signal(first)
    assert process.stderr is not None
    for line in process.stderr:
        if "again to stop at once" in line:
            break
    settled = shop.status().scanned
    process.send_signal(second)
    out, err = process.communicate(timeout=WAIT_SECONDS)  # the workers hold its streams, too
    stopped = Ended("migrate", process.returncode, out, err)
    assert (stopped.code, stopped.data["error"]) == (1, "KeyboardInterrupt")
    assert "Traceback" not in err
    assert settled <= shop.status().scanned < 600
