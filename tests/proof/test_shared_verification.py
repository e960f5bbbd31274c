"""One verification: by several processes, killed and resumed, steered while it runs, recorded."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

import attrs
import orders
import pytest
import simulated
from clocks import HandClock

from dualtable import (
    DualTableRepository,
    Migration,
    Migrator,
    Phase,
    VerificationProgress,
    VerificationReport,
    Verifier,
    read_status,
)
from dualtable._control.control_table import Control, Limits
from dualtable._control.milestones import Milestones
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._events.told import ON_REQUEST
from dualtable._operations.rate import pause, resume
from dualtable._proof.shared import ProofRun, Proofs
from dualtable._wire import codec
from dualtable.errors import AccessError, MigrationMismatchError
from dualtable.testing import MemoryGateway

PLAN = orders.migration("shop")
ITEMS = 400
UNTOLD: dict[str, Any] = {"events": os.devnull}  # whose clock jumps would tell all the time
KILLS = int(os.environ.get("DUALTABLE_TEST_KILLS", "5"))  # 20 in `nox -s prove`


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


async def world(plan: Migration = PLAN, segments: int = 8) -> MemoryGateway:
    """A migrated table with one item missing and one otherwise."""
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(ITEMS)])
    await Migrator(plan, gateway=gateway, total_segments=segments).run()
    await gateway.delete(plan.new, codec.encode(orders.key(7)))
    await orders.fill(gateway, plan.new, [orders.new_order(8, total=0)])
    return gateway


def found(report: VerificationReport) -> dict[str, Any]:
    """Return what a report says of the tables, whoever did it and at what cost."""
    of_the_run = attrs.filters.exclude("seconds", "read_units", "examples")
    examples = {(e.kind, e.key["id"], e.paths) for e in report.examples}
    return {**attrs.asdict(report, filter=of_the_run), "examples": examples}


async def test_three_share_one() -> None:
    """Each segment is looked at once, and all of them say the same in the end."""
    gateway = await world()
    alone = await Verifier(PLAN, gateway=gateway, concurrency=2).run()
    reports = await asyncio.gather(
        *(Verifier(PLAN, gateway=gateway, concurrency=2).run() for _ in range(3))
    )
    assert [found(report) for report in reports] == [found(alone)] * 3
    assert reports[0].read_units == alone.read_units
    assert (alone.missing, alone.different, alone.checked) == (1, 1, ITEMS)


@pytest.mark.parametrize("limit", [1, 3, 10])
async def test_stopped_and_gone_on_with(limit: int) -> None:
    """What has been looked at is not looked at again, and the counts are those of one go."""
    gateway = await world()
    whole = found(await Verifier(PLAN, gateway=gateway).run())
    clock, before = HandClock(), 0.0
    for _ in range(30):
        seen: set[float] = set()

        def stop_soon(report: VerificationReport) -> None:
            clock.move(1)
            seen.add(max(before, report.share_done))
            if len(seen - {before}) >= limit:  # it is told of waits, too, without a further page
                verifier.stop()

        settings: dict[str, Any] = {"observer": stop_soon, "clock": clock, **UNTOLD}
        verifier = Verifier(PLAN, gateway=gateway, concurrency=1, **settings)
        report = await verifier.run()
        if report.complete:
            break
        before = report.share_done
        assert not report.ok
    assert found(report) == whole


async def test_a_pause_is_told_while_it_lasts() -> None:
    """Whoever watches sees who lets it stand still, before the first page and after it."""
    gateway, clock = await world(), HandClock()
    await pause(PLAN, gateway=gateway)
    told: list[VerificationProgress] = []

    async def end_it() -> None:
        while len(told) < 3:
            await asyncio.sleep(0)
        await resume(PLAN, gateway=gateway)

    async with asyncio.TaskGroup() as group:
        group.create_task(end_it())
        verifier = Verifier(PLAN, gateway=gateway, clock=clock, observer=told.append, **UNTOLD)
        report = await verifier.run()
    assert report.complete
    assert {each.paused_by for each in told[:3]} == {ON_REQUEST}
    assert told[2].checked == 0
    assert told[-1].paused_by == ""
    assert any(each.used_read_units for each in told)


async def stopped_at_once(gateway: MemoryGateway) -> VerificationReport:
    """Begin a verification, and stop it after its first page."""
    verifier = Verifier(
        PLAN,
        gateway=gateway,
        concurrency=1,
        observer=lambda _: verifier.stop(),
        clock=HandClock(),
        **UNTOLD,
    )
    return await verifier.run()


async def test_a_small_new_table_is_cut_into_few_parts() -> None:
    """Each has requests of its own, and only those of the old table are tied to the copy's."""
    gateway = await world(segments=32)
    report = await Verifier(PLAN, gateway=gateway).run()
    run = await Proofs(gateway, PLAN.control_table, PLAN.name).run()
    assert isinstance(run, ProofRun)
    assert (run.segments_old, run.total_segments) == (32, 33)
    assert (report.complete, report.checked) == (True, ITEMS)


async def test_one_is_gone_on_with_though_the_new_table_has_grown() -> None:
    """How large it seems is no setting, and changes while production is at work."""
    gateway = await world()
    await stopped_at_once(gateway)
    first = await Proofs(gateway, PLAN.control_table, PLAN.name).run()
    await orders.fill(gateway, PLAN.new, [orders.new_order(n) for n in range(ITEMS, 4 * ITEMS)])
    report = await Verifier(PLAN, gateway=gateway).run()
    assert await Proofs(gateway, PLAN.control_table, PLAN.name).run() == first
    assert (report.complete, report.checked) == (True, ITEMS)


async def test_what_was_found_is_recorded_for_status_and_gate() -> None:
    """With its time, by whichever process came last."""
    gateway = await world()
    await Verifier(PLAN, gateway=gateway).run()
    milestones = Milestones(gateway, PLAN.control_table, PLAN.name)
    recorded, run = await milestones.verification(), await milestones.run()
    assert recorded is not None
    assert run is not None
    assert (recorded.run, recorded.fingerprint) == (run.id, PLAN.fingerprint)
    assert (recorded.copied, recorded.ok, recorded.missing) == (True, False, 1)
    assert recorded.ended >= recorded.began
    status = await read_status(PLAN, gateway=gateway)
    assert status.verification == recorded


async def test_another_verification_is_not_gone_on_with() -> None:
    """Another level, transform or segmentation would mix two proofs."""
    gateway = await world()
    assert not (await stopped_at_once(gateway)).complete
    first = await Proofs(gateway, PLAN.control_table, PLAN.name).run()
    report = await Verifier(PLAN, gateway=gateway, level="keys", clock=HandClock(), **UNTOLD).run()
    second = await Proofs(gateway, PLAN.control_table, PLAN.name).run()
    assert (report.complete, report.checked) == (True, ITEMS)
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_others_at_work_on_another_one_are_told_of() -> None:
    """Two different verifications at once would forget each other's checkpoints."""

    async def at_once() -> None:
        gateway = await world()
        begun = asyncio.Event()
        first = Verifier(PLAN, gateway=gateway, max_read_units=5, observer=lambda _: begun.set())
        running = asyncio.create_task(first.run())
        await begun.wait()
        with pytest.raises(MigrationMismatchError, match="at work on a verification of shop that"):
            await Verifier(PLAN, gateway=gateway, level="keys").run()
        first.stop()
        await Control(gateway, PLAN.control_table, PLAN.name).set_limits(Limits())
        await running

    simulated.run(at_once())


def test_rate_steers_it() -> None:
    """A pause holds it, and nobody has to start it again."""

    async def steered() -> tuple[float, float]:
        gateway = await world()
        control = Control(gateway, PLAN.control_table, PLAN.name)
        await control.set_limits(Limits(max_read_units=0.0))
        running = asyncio.create_task(Verifier(PLAN, gateway=gateway).run())
        await asyncio.sleep(100)
        paused = simulated.seconds()
        assert not running.done()
        await control.set_limits(Limits(max_read_units=20.0))
        report = await running
        return report.read_units, simulated.seconds() - paused

    units, seconds = simulated.run(steered())
    assert units / seconds < 2 * 20 * 1.1  # a ceiling for each of the two tables


async def test_a_repair_is_refused_where_nothing_may_be_copied() -> None:
    """After the cut-over what is missing is production's business."""
    gateway = await world()
    control = Control(gateway, PLAN.control_table, PLAN.name)
    await control.advance(Phase.MIGRATED, 0.0)
    with pytest.raises(MigrationMismatchError, match="in which nothing may be copied"):
        await Verifier(PLAN, gateway=gateway, repair=True).run()
    assert (await Verifier(PLAN, gateway=gateway).run()).missing == 1


async def finished(gateway: MemoryGateway) -> None:
    """Go on to the last phase."""
    control = Control(gateway, PLAN.control_table, PLAN.name)
    await control.advance(Phase.MIGRATED, 0.0)
    await control.advance(Phase.FINISHED, 0.0)


at_every_door = pytest.mark.parametrize(
    "look", [Verifier.run, Verifier.begin, Verifier.sample], ids=lambda look: look.__name__
)


@at_every_door
@pytest.mark.parametrize("ok", [True, False, None])
async def test_nothing_is_proved_once_deletes_leave_no_trace(look: Any, ok: bool | None) -> None:
    """What production deletes would count as missing, and the record would say so for ever."""
    gateway = await world()
    if ok:
        await Migrator(PLAN, gateway=gateway, restart=True).run()
    if ok is not None:
        await Verifier(PLAN, gateway=gateway, level="keys").run()
    await finished(gateway)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.delete(orders.key(2))
    before = await read_status(PLAN, gateway=gateway)
    said = {True: "found nothing wrong", False: "wrong: 1 missing", None: "none was recorded"}[ok]
    with pytest.raises(MigrationMismatchError, match=f"leaves no trace.* belongs before.*{said}"):
        await look(Verifier(PLAN, gateway=gateway))
    after = await read_status(PLAN, gateway=gateway)
    assert after.verification == before.verification
    assert after.verifiers == ()


async def test_without_the_old_table_it_says_the_same() -> None:
    """It may have been deleted by then, and to miss it would help nobody."""
    gateway = await world()
    await finished(gateway)
    del gateway._tables[PLAN.old]
    with pytest.raises(MigrationMismatchError, match="leaves no trace"):
        await Verifier(PLAN, gateway=gateway).run()


@pytest.mark.parametrize("look", [Verifier.run, Verifier.sample], ids=lambda look: look.__name__)
@pytest.mark.parametrize("records", [True, False])
async def test_nothing_is_proved_where_that_phase_comes_meanwhile(look: Any, records: bool) -> None:
    """A delete in between would be a false alarm as well; a role without records is no other."""
    gateway = await world()
    ending: Any = _Ending(gateway if records else cast("Any", _ReadOnly(gateway)), gateway)
    with pytest.raises(MigrationMismatchError, match="leaves no trace"):
        await look(Verifier(PLAN, gateway=ending))
    assert (await read_status(PLAN, gateway=gateway)).verification is None


class _Ending:
    """Goes on to the last phase as soon as a table is scanned."""

    def __init__(self, gateway: MemoryGateway, whole: MemoryGateway) -> None:
        self._gateway, self._whole, self._ended = gateway, whole, False

    async def scan(self, *given: Any, **more: Any) -> Any:
        if not self._ended:
            self._ended = True
            await finished(self._whole)
        return await self._gateway.scan(*given, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


async def test_a_role_that_may_not_write_records_verifies_all_the_same() -> None:
    """It is told that nothing is shared and no gate opens."""
    gateway = await world()
    refused: Any = _ReadOnly(gateway)
    report = await Verifier(PLAN, gateway=refused).run()
    assert (report.missing, report.different, report.complete) == (1, 1, True)
    milestones = Milestones(gateway, PLAN.control_table, PLAN.name)
    assert await milestones.verification() is None


class _ReadOnly:
    def __init__(self, gateway: MemoryGateway) -> None:
        self._gateway = gateway

    async def put(self, *_: Any, **__: Any) -> None:
        raise AccessError("not authorized to perform: dynamodb:PutItem")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


@pytest.mark.slow
async def test_killed_again_and_again(endpoint: str, table_name: str) -> None:
    """SIGKILL at any point: the counts are those of a verification that nobody has touched."""
    plan = orders.migration(table_name)
    async with connect({"endpoint_url": endpoint}, ONE_OFF) as gateway:
        await orders.create(gateway, plan)
        await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(ITEMS)])
        await Migrator(plan, endpoint_url=endpoint, total_segments=40).run()
        await gateway.delete(plan.new, codec.encode(orders.key(7)))
        whole = await Verifier(plan, endpoint_url=endpoint).run()
        kills = 0
        said = ""
        while kills < KILLS and not said.startswith("done"):
            worker = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).parents[1] / "verify_worker.py"),
                table_name,
                endpoint,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert worker.stdout is not None
            said = (await worker.stdout.readline()).decode()
            if not said.startswith("done"):
                worker.send_signal(signal.SIGKILL)
                kills += 1
            await worker.wait()
        assert kills
        reports = await asyncio.gather(
            *(Verifier(plan, endpoint_url=endpoint).run() for _ in range(3))
        )
        assert [found(report) for report in reports] == [found(whole)] * 3
