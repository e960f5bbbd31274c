"""Dead letters are worked off: just those, with the transform as it is now, and no count lies."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orders
import pytest
from clocks import HandClock

from dualtable import (
    Convert,
    DualTableError,
    DualTableRepository,
    Migration,
    Migrator,
    Phase,
    RetryReport,
    Verifier,
    read_dead_letters,
    read_status,
    retry_dead_letters,
)
from dualtable._control.control_table import Control
from dualtable._control.digests import Digests
from dualtable._control.phases import Requirement
from dualtable._control.segments import Progress
from dualtable._control.state import State
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.gateway import Reason, TransactionCancelled, Verdict, cancellation
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._wire import codec
from dualtable.errors import InvalidKeyError, InvalidSettingError, MigrationMismatchError
from dualtable.testing import Faults, MemoryGateway

BAD = (3, 7, 8)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


def fails_on_some(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] in {f"o-{n}" for n in BAD}:
        raise ValueError(item["id"])
    return item


def mended(item: dict[str, Any]) -> dict[str, Any]:
    return item


def half_mended(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == "o-7":
        raise KeyError(item["id"])
    return item


def otherwise(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "more": True}


def by(transform: Any, **settings: Any) -> Migration:
    return orders.migration("shop", transform, **settings)


async def copied(count: int = 10, **settings: Any) -> MemoryGateway:
    """Return tables in which all is copied but what fails."""
    gateway, plan = MemoryGateway(), by(fails_on_some)
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    report = await Migrator(plan, **{"total_segments": 4, **settings}, gateway=gateway).run()
    assert (report.failed, report.dead_letters, report.ok) == (len(BAD), len(BAD), False)
    return gateway


async def retry(
    gateway: Any, transform: Any = mended, *, confirm: bool = True, **what: Any
) -> RetryReport:
    plan = by(transform)
    fingerprint = plan.fingerprint if confirm else None
    return await retry_dead_letters(plan, fingerprint=fingerprint, gateway=gateway, **what)


async def new_keys(gateway: MemoryGateway) -> set[str]:
    return {item["id"]["S"] for item in await orders.everything(gateway, "shop-new")}


async def open_letters(gateway: Any) -> set[str]:
    """Return the open letters, which are as many as the segments count."""
    letters = await read_dead_letters(by(mended), gateway=gateway)
    status = await read_status(by(mended), gateway=gateway)
    assert len(letters) == status.dead_letters
    assert not (letters and status.complete)
    return {letter.key["id"]["S"] for letter in letters}


async def test_retry_copies_just_the_dead_letters() -> None:
    """What is mended is copied, and nothing else is read of the old table or written."""
    gateway = await copied()
    report = await retry(gateway)
    assert (report.tried, report.written, report.failed, report.dead_letters) == (3, 3, 0, 0)
    assert report.ok
    assert await new_keys(gateway) == {f"o-{n}" for n in range(10)}
    assert await open_letters(gateway) == set()
    status = await read_status(by(mended), gateway=gateway)
    assert (status.scanned, status.written, status.complete) == (10, 10, True)
    assert (await Verifier(by(mended), gateway=gateway).run()).ok


async def test_a_letter_says_where_and_holds_no_values() -> None:
    """It is a record of the control table, with the place in the user's code."""
    gateway = await copied()
    letters = await read_dead_letters(by(mended), gateway=gateway)
    assert {letter.error for letter in letters} == {"TransformError"}
    line = fails_on_some.__code__.co_firstlineno + 2
    assert {letter.where for letter in letters} == {f"test_retry.py:{line}"}
    records = await orders.everything(gateway, "shop-control")
    stored = [str(item) for item in records if item["record"]["S"].startswith("letter#")]
    assert len(stored) == len(BAD)
    for text in stored:
        assert "Customer" not in text


async def test_the_place_is_where_a_step_is_written_when_a_builtin_raised() -> None:
    """A step that calls Python's own code is found in the file that says so."""
    plan = by(Convert("total", int))
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(1, total="twelve")])
    await Migrator(plan, gateway=gateway).run()
    (letter,) = await read_dead_letters(plan, gateway=gateway)
    here = test_the_place_is_where_a_step_is_written_when_a_builtin_raised.__code__
    assert letter.where == f"test_retry.py:{here.co_firstlineno + 2}"
    assert letter.reason == "Convert('total') raised ValueError in int"


async def test_what_fails_again_stays_with_its_new_reason() -> None:
    """It is told by key, and the next retry finds it."""
    gateway = await copied()
    report = await retry(gateway, half_mended)
    assert (report.tried, report.written, report.failed, report.dead_letters) == (3, 2, 1, 1)
    assert not report.ok
    assert [letter.key for letter in report.examples] == [{"id": {"S": "o-7"}}]
    (letter,) = await read_dead_letters(by(half_mended), gateway=gateway)
    assert "KeyError" in letter.reason
    assert (await retry(gateway)).ok
    assert await open_letters(gateway) == set()


async def test_only_those_that_are_chosen_are_tried() -> None:
    """By key, or from files of several machines; what is no letter is counted as such."""
    gateway = await copied()
    report = await retry(gateway, keys=[{"id": "o-3"}, {"id": "o-1"}])
    assert (report.tried, report.written, report.not_open, report.ok) == (1, 1, 1, False)
    assert await open_letters(gateway) == {"o-7", "o-8"}
    lines = Path("shop.dead-letters.jsonl").read_text().splitlines()
    one, other = (line for line in lines if '"o-3"' not in line)
    Path("one.jsonl").write_text(f"{one}\n{{torn")
    Path("other.jsonl").write_text(f"{other}\n{other}\n")
    report = await retry(gateway, files=["one.jsonl", "other.jsonl"])
    assert (report.tried, report.written, report.not_open) == (2, 2, 0)
    assert await open_letters(gateway) == set()


async def test_a_changed_transform_must_be_confirmed() -> None:
    """Nothing is done before somebody has confirmed just this one."""
    gateway = await copied()
    with pytest.raises(MigrationMismatchError, match="confirm it by its fingerprint") as told:
        await retry(gateway, confirm=False)
    assert by(mended).fingerprint in str(told.value)
    assert not told.value.begun
    with pytest.raises(MigrationMismatchError, match="not 0123 as was confirmed"):
        await retry_dead_letters(by(mended), fingerprint="0123", gateway=gateway)
    assert len(await open_letters(gateway)) == 3
    await retry(gateway)
    assert (await Migrator(by(mended), gateway=gateway).run()).complete  # it is the run's by now


async def test_what_the_old_transform_has_copied_is_verified_under_the_new_one() -> None:
    """Its copies differ, by its doing: nobody says that the old table was changed."""
    gateway = await copied()
    early = await Verifier(by(fails_on_some), gateway=gateway).run()
    assert early.missing == 3
    report = await retry(gateway, otherwise)
    assert report.transform_changed
    found = await Verifier(by(otherwise), gateway=gateway).run()
    assert (found.different, found.changed_old, found.missing, found.checked) == (7, 0, 0, 10)
    assert {example.paths for example in found.examples} == {("more",)}


async def test_an_earlier_verification_counts_no_more() -> None:
    """The gate asks for one that has compared by the new transform."""
    gateway = await copied()
    await Verifier(by(fails_on_some), level="keys", gateway=gateway).run()
    await retry(gateway)
    status = await read_status(by(mended), gateway=gateway)
    assert status.gate is not None
    assert status.gate.lacks(Requirement.VERIFIED)
    await Verifier(by(mended), gateway=gateway).run()
    status = await read_status(by(mended), gateway=gateway)
    assert status.gate is not None
    assert not status.gate.lacks(Requirement.VERIFIED)


async def test_digests_of_a_segment_with_a_retried_letter_are_unknown() -> None:
    """Also where the transform has kept its fingerprint: the item is in none of them."""
    state = {"bad": True}

    def moody(item: dict[str, Any]) -> dict[str, Any]:
        if state["bad"] and item["id"] == "o-3":
            raise ValueError
        return item

    plan = by(moody, version="1")
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(5)])
    await Migrator(plan, total_segments=1, gateway=gateway).run()
    state["bad"] = False
    report = await retry_dead_letters(plan, gateway=gateway)
    assert (report.written, report.transform_changed) == (1, False)
    await gateway.put("shop-new", codec.encode({"id": "o-3", "wrong": True}))
    found = await Verifier(plan, gateway=gateway).run()
    assert (found.different, found.changed_old) == (1, 0)
    assert Digests.from_bytes((Digests.lost() + Digests((1,) * 16)).to_bytes()).unknown


async def test_retry_never_overwrites_and_never_brings_back() -> None:
    """I2, I3: what production has written or deleted meanwhile stays."""
    gateway = await copied()
    async with DualTableRepository(by(mended), gateway=gateway) as shop:
        await shop.put({"id": "o-3", "mine": True})
        await shop.delete({"id": "o-7"})
    report = await retry(gateway)
    assert (report.written, report.already_present, report.dead_letters) == (1, 2, 0)
    async with DualTableRepository(by(mended), gateway=gateway) as shop:
        assert await shop.get({"id": "o-3"}) == {"id": "o-3", "mine": True}
        assert await shop.get({"id": "o-7"}) is None


async def test_an_item_that_is_gone_is_no_letter_any_more() -> None:
    """There is nothing left of it to copy."""
    gateway = await copied()
    await gateway.delete("shop-old", {"id": {"S": "o-7"}})
    report = await retry(gateway)
    assert (report.gone, report.written, report.dead_letters) == (1, 2, 0)


class Killed(BaseException):
    """Nothing that this process sends arrives any more, as after a SIGKILL."""


class KilledAt(Faults):
    """Kills whoever sends a request, before it was taken or after; nothing arrives after that."""

    def __init__(self, operation: str, number: int, *, taken: bool) -> None:
        self.operation, self.left, self.taken, self.dead = operation, number, taken, False

    def _count(self, operation: str, *, taken: bool) -> None:
        if operation == self.operation and taken is self.taken:
            self.left -= 1
            self.dead = self.dead or self.left == 0
        if self.dead:
            raise Killed

    async def before(self, operation: str, table: str) -> None:
        await super().before(operation, table)
        self._count(operation, taken=False)

    async def after(self, operation: str, table: str) -> None:
        self._count(operation, taken=True)


@pytest.mark.parametrize("taken", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", ["insert", "transact_write", "put", "batch_get"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_killed_retry_loses_nothing(operation: str, number: int, taken: bool) -> None:
    """Wherever it stops, the count is that of the letters, and the next one does the rest."""
    gateway = await copied(total_segments=2)
    gateway.faults = KilledAt(operation, number, taken=taken)
    with suppress(Killed):
        await retry(gateway)
    gateway.faults = Faults()
    left = await open_letters(gateway)
    assert left | await new_keys(gateway) == {f"o-{n}" for n in range(10)}
    assert (await retry(gateway)).dead_letters == 0
    assert await open_letters(gateway) == set()
    assert await new_keys(gateway) == {f"o-{n}" for n in range(10)}


@pytest.mark.parametrize("taken", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("operation", ["transact_write", "put"])
async def test_a_killed_copy_counts_each_letter_once(
    operation: str, number: int, taken: bool
) -> None:
    """A page whose letters are stored and whose checkpoint is not is read again, not counted so."""
    gateway, plan = MemoryGateway(), by(fails_on_some)
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    gateway.faults = KilledAt(operation, number, taken=taken)
    with suppress(Killed):
        await Migrator(plan, total_segments=2, page_items=3, gateway=gateway).run()
    gateway.faults = Faults()
    await open_letters(gateway)
    clock = HandClock()
    clock.wall_seconds = time.time() + 60  # leases have run out
    report = await Migrator(plan, clock=clock, gateway=gateway).run()
    assert report.dead_letters == len(BAD)
    assert await open_letters(gateway) == {f"o-{n}" for n in BAD}


class Busy(MemoryGateway):
    """Where a transaction is cancelled, what does not stand in its way is busy besides."""

    def __init__(self, busy: Verdict) -> None:
        super().__init__()
        self.busy, self.cancelled = busy, 0

    async def transact_write(self, actions: Any, *, token: str | None = None) -> None:
        try:
            await super().transact_write(actions, token=token)
        except TransactionCancelled as cancelled:
            self.cancelled += 1
            fine, busy = Reason(Verdict.FINE), Reason(self.busy)
            raise cancellation([busy if r == fine else r for r in cancelled.reasons]) from None


def fails_on_one(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == "o-3":
        raise ValueError
    return item


@pytest.mark.parametrize("busy", [Verdict.THROTTLED, Verdict.CONFLICT])
async def test_a_letter_in_bad_company_is_stored(busy: Verdict) -> None:
    """A page is copied again: one of its letters is known, and the others are no less so."""
    gateway, plan = Busy(busy), by(fails_on_some, version="1")
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    gateway.faults = KilledAt("transact_write", 1, taken=True)
    with suppress(Killed):
        await Migrator(by(fails_on_one, version="1"), total_segments=1, gateway=gateway).run()
    gateway.faults = Faults()
    clock = HandClock()
    clock.wall_seconds = time.time() + 60  # leases have run out
    report = await Migrator(plan, clock=clock, gateway=gateway).run()
    assert (report.dead_letters, gateway.cancelled) == (len(BAD), 1)
    assert await open_letters(gateway) == {f"o-{n}" for n in BAD}


@pytest.mark.parametrize("busy", [Verdict.THROTTLED, Verdict.CONFLICT])
async def test_a_letter_in_bad_company_is_taken_out(busy: Verdict) -> None:
    """Another retry has delivered one of them meanwhile."""
    gateway, plan = Busy(busy), by(fails_on_some, version="1")
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    await Migrator(plan, total_segments=1, gateway=gateway).run()
    first = await read_dead_letters(plan, gateway=gateway)
    control = Control(gateway, plan.control_table, plan.name)
    run = await control.run()
    assert run is not None
    records = control.of(run)
    assert len(await records.deliver(0, first[:1], Progress(written=1))) == 1
    out = await records.deliver(0, first, Progress(written=2))
    assert (list(out), gateway.cancelled) == (list(first[1:]), 1)
    assert await open_letters(gateway) == set()


async def test_several_retries_share_the_letters() -> None:
    """Each letter is taken out once, however many try it."""
    gateway = await copied()
    await retry(gateway, keys=[{"id": "o-3"}])  # the transform is confirmed by now
    reports = await asyncio.gather(*(retry(gateway, confirm=False) for _ in range(3)))
    assert sum(report.written for report in reports) == 2
    assert await open_letters(gateway) == set()
    status = await read_status(by(mended), gateway=gateway)
    assert (status.scanned, status.written) == (10, 10)


class RetriedAt(Faults):
    """Dead letters are retried while a migrator reads the next page of their segment."""

    def __init__(self, gateway: MemoryGateway, scan: int) -> None:
        self.gateway, self.scans = gateway, scan
        self.report: RetryReport | None = None

    async def before(self, operation: str, table: str) -> None:
        if operation == "scan" and table == "shop-old":
            self.scans -= 1
            if not self.scans:
                self.report = await retry_dead_letters(
                    by(mended, version="1"), gateway=self.gateway
                )


async def test_a_migrator_goes_on_with_a_segment_whose_letters_are_retried() -> None:
    """The count changes under its hands; the segment is its own as before, and not left lying."""
    gateway, plan = MemoryGateway(), by(fails_on_some, version="1")
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    gateway.faults = faults = RetriedAt(gateway, scan=10)
    report = await Migrator(plan, total_segments=1, page_items=1, gateway=gateway).run()
    assert faults.report is not None
    assert faults.report.written > 0
    assert report.complete
    letters = await open_letters(gateway)
    assert len(letters) == report.dead_letters == len(BAD) - faults.report.written
    assert letters | await new_keys(gateway) == {f"o-{n}" for n in range(10)}


async def test_restart_forgets_the_letters_of_the_earlier_run() -> None:
    """They are of a run that has ended; the new one has its own."""
    gateway = await copied()
    report = await Migrator(by(fails_on_some), restart=True, gateway=gateway).run()
    assert report.dead_letters == len(BAD)
    assert await open_letters(gateway) == {f"o-{n}" for n in BAD}
    report = await Migrator(by(mended), restart=True, gateway=gateway).run()
    assert report.dead_letters == 0
    assert await open_letters(gateway) == set()


async def test_a_dry_run_keeps_its_letters_apart() -> None:
    """It has a file of its own, no records, and a second one begins anew."""
    gateway, plan = MemoryGateway(), by(fails_on_some)
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    for _ in range(2):
        report = await Migrator(plan, dry_run=True, gateway=gateway).run()
        assert report.dead_letters == len(BAD)
        lines = Path("shop.dry-run.dead-letters.jsonl").read_text().splitlines()
        assert len(lines) == len(BAD)
    assert not Path("shop.dead-letters.jsonl").exists()
    assert await read_dead_letters(plan, gateway=gateway) == []


async def test_a_file_holds_the_letters_of_one_run() -> None:
    """Whatever path is given: those of a dry run go, those of another run are set aside."""
    gateway, plan = MemoryGateway(), by(fails_on_some)
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(10)])
    given: dict[str, Any] = {"dead_letters": "mine.jsonl", "gateway": gateway}
    await Migrator(plan, dry_run=True, **given).run()
    await Migrator(plan, **given).run()
    await Migrator(plan, restart=True, **given).run()
    files = sorted(Path().glob("mine.jsonl*"))
    assert [len(file.read_text().splitlines()) for file in files] == [len(BAD)] * 2
    runs = [{json.loads(line)["run"] for line in file.read_text().splitlines()} for file in files]
    assert files[1].name == f"mine.jsonl.{runs[1].pop()}"
    with pytest.raises(InvalidSettingError, match="no dead letter of this run"):
        await retry(gateway, files=[files[1]])


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ({"id": "o-3"}, "with the type of each value"),
        ("o-3", "with the type of each value"),
        (None, "with the type of each value"),
        ([1], "with the type of each value"),
        ({"id": None}, "with the type of each value"),
        ({"id": {}}, "with the type of each value"),
        ({"id": {"S": 5}}, "with the type of each value"),
        ({"id": {"S": None}}, "with the type of each value"),
        ({"id": {"S": ["x"]}}, "with the type of each value"),
        ({"id": {"S": "o-3", "N": "1"}}, "with the type of each value"),
        ({"id": {"L": "o-3"}}, "with the type of each value"),
        ({"id": {"N": "three"}}, "no number"),
        ({"id": {"B": "\u00e9"}}, "no base64"),
        ({"id": {"N": "NaN"}}, "not DynamoDB numbers"),
        ({"id": {"N": "3"}}, "'id' must be text"),
        ({"id": {"S": ""}}, "'id' is empty"),
        ({}, "'id' is missing"),
        ({"order": {"S": "o-3"}}, "'order' is no key attribute"),
    ],
)
async def test_a_line_that_is_wrong_is_told_by_its_place(key: Any, says: str) -> None:
    """Somebody has written it by hand, or the file is damaged; nothing is tried before."""
    gateway = await copied()
    lines = Path("shop.dead-letters.jsonl").read_text().splitlines()
    wrong = json.dumps({**json.loads(lines[0]), "key": key})
    Path("mine.jsonl").write_text("\n".join([lines[0], "{torn", wrong]))
    with pytest.raises(InvalidKeyError, match=r"^line 3 of 'mine.jsonl': ") as told:
        await retry(gateway, files=["mine.jsonl"])
    assert says in str(told.value)
    assert len(await open_letters(gateway)) == len(BAD)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"files": [5]}, "files=5 must be a path"),
        ({"files": [None]}, "files=None must be a path"),
        ({"files": [b"x"]}, "files=b'x' must be a path"),
        ({"files": 5}, r"files must be several, such as \[5\]"),
        ({"files": "dl"}, r"files must be several, such as \['dl'\]"),
        ({"files": Path("dl")}, "files must be several"),
        ({"keys": 5}, r"keys must be several, such as \[5\]"),
        ({"keys": {"id": "o-3"}}, r"keys must be several, such as \[\{'id': 'o-3'\}\]"),
    ],
)
async def test_one_is_not_taken_for_several(wanted: dict[str, Any], says: str) -> None:
    """A text is no list of paths, and a key no list of keys; said before anything is sent."""
    with pytest.raises(InvalidSettingError, match=says):
        await retry(MemoryGateway(), **wanted)


async def test_what_cannot_be_retried_is_refused_before_anything() -> None:
    """No run, a wrong key, no file, a wrong phase, migrators at work: each by its name."""
    plan, gateway = by(mended), MemoryGateway()
    await orders.create(gateway, plan)
    with pytest.raises(MigrationMismatchError, match="migrate first"):
        await retry(gateway)
    gateway = await copied()
    with pytest.raises(InvalidKeyError, match="no key attribute"):
        await retry(gateway, keys=[{"order": "o-3"}])
    with pytest.raises(InvalidSettingError, match="cannot be read"):
        await retry(gateway, files=["nowhere.jsonl"])
    control = Control(gateway, plan.control_table, plan.name)
    await control.note_state(State(Phase.MIGRATED))
    with pytest.raises(MigrationMismatchError, match="nothing may be copied"):
        await retry(gateway)
    assert len(await open_letters(gateway)) == 3
    assert issubclass(InvalidKeyError, DualTableError)


def fails_on_most(item: dict[str, Any]) -> dict[str, Any]:
    if int(item["id"][2:]) >= 20:
        raise ValueError
    return item


async def test_more_letters_than_a_transaction_takes(server: str, table_name: str) -> None:
    """On real servers: all letters of a segment are stored, counted and worked off."""
    plan = orders.migration(table_name, fails_on_most)
    count, bad = 125, 105
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        await orders.create(gateway, plan)
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(count)])
    report = await Migrator(plan, total_segments=1, endpoint_url=server).run()
    assert (report.failed, report.dead_letters) == (bad, bad)
    assert len(await read_dead_letters(plan, endpoint_url=server)) == bad
    plan = orders.migration(table_name, mended)
    retried = await retry_dead_letters(plan, fingerprint=plan.fingerprint, endpoint_url=server)
    assert (retried.tried, retried.written, retried.dead_letters) == (bad, bad, 0)
    assert (await read_status(plan, endpoint_url=server)).complete
    assert (await Verifier(plan, endpoint_url=server).run()).ok


async def test_five_hundred_letters_cost_what_they_are() -> None:
    """Letters of one in sixty are retried for 3 % of what a pass over the table reads."""
    items, every = 1_200, 60

    def fails(item: dict[str, Any]) -> dict[str, Any]:
        if int(item["id"][2:]) % every == 0:
            raise ValueError
        return item

    gateway, plan = MemoryGateway(), by(fails)
    await orders.create(gateway, plan)
    rest = "x" * 3_300
    await orders.fill(gateway, plan.old, [orders.old_order(n, rest=rest) for n in range(items)])
    full = await Migrator(plan, total_segments=4, gateway=gateway).run()
    report = await retry(gateway)
    assert (report.written, report.dead_letters) == (items // every, 0)
    assert report.read_units <= 0.03 * full.read_units
