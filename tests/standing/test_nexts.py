"""What status says is to be done, in each state that a migration can be in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest
from clocks import HandClock

from dualtable import (
    DualTableRepository,
    Lifecycle,
    Migration,
    Migrator,
    Phase,
    Rename,
    Verifier,
    clean_up,
    create_table,
    read_status,
)
from dualtable._clock import moment
from dualtable._control.control_table import Control
from dualtable._control.phases import Requirement
from dualtable._control.run_records import Doing, Word
from dualtable._control.segments import Lease, claim
from dualtable._operations.rate import pause, resume
from dualtable._proof.shared import Proofs
from dualtable._standing.nexts import next_in, next_steps
from dualtable._telling.creations import creation_text
from dualtable._telling.statuses import status_text
from dualtable.errors import DualTableError
from dualtable.testing import MemoryGateway

NOW = 1_800_000_000.0
REF = "shop:migration"


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


@attrs.define
class Shop:
    """A migration in memory."""

    plan: Migration = attrs.field(factory=lambda: orders.migration("shop"))
    gateway: MemoryGateway = attrs.field(factory=MemoryGateway)
    clock: HandClock = attrs.field(factory=HandClock)

    async def open(self, *items: dict[str, Any]) -> None:
        await self.gateway.create_table(orders.table(self.plan.old))
        await orders.fill(self.gateway, self.plan.old, list(items) or [orders.old_order(1)])
        await create_table(self.plan, gateway=self.gateway, clock=self.clock)

    async def used(self) -> None:
        async with DualTableRepository(self.plan, gateway=self.gateway, clock=self.clock):
            pass

    async def copied(self) -> None:
        await Migrator(self.plan, gateway=self.gateway, total_segments=3, clock=self.clock).run()

    async def verified(self) -> None:
        await Verifier(self.plan, gateway=self.gateway, clock=self.clock).run()

    async def stopped(self) -> None:
        migrator = Migrator(self.plan, gateway=self.gateway, total_segments=3, clock=self.clock)
        migrator.stop()
        await migrator.run()

    async def working(self, *, killed: bool, doing: Doing | None = None) -> None:
        """Leave the records of a migrator that is at work, or was killed a while ago."""
        await self.stopped()
        control = Control(self.gateway, self.plan.control_table, self.plan.name)
        run = await control.run()
        assert run is not None
        now = self.clock.now()
        given = now - 18 * killed
        word = Word("host-7:4711:cafe", given, given + 30, doing=doing)
        await control.of(run).give_word(word)
        for number in (0, 1):
            lease = Lease(word.migrator)
            await control.of(run).store(claim(control.of(run).untouched(number), lease))

    async def next(self) -> list[str]:
        status = await read_status(self.plan, gateway=self.gateway, clock=self.clock)
        return list(next_steps(status, self.plan, REF))

    async def lines(self) -> list[str]:
        status = await read_status(self.plan, gateway=self.gateway, clock=self.clock)
        return status_text(status, self.plan, next_steps(status, self.plan, REF))


def in_state(*make: Callable[[Shop], Coroutine[Any, Any, None]], **settings: Any) -> Shop:
    """Return a shop after these steps."""
    shop = Shop(orders.migration("shop", **settings))

    async def run() -> None:
        for step in make:
            await step(shop)

    asyncio.run(run())
    return shop


async def without_new_table(shop: Shop) -> None:
    await shop.gateway.create_table(orders.table(shop.plan.old))


async def with_bad_orders(shop: Shop) -> None:
    await shop.open(*(orders.old_order(n, total="much") for n in range(4)))


async def paused(shop: Shop) -> None:
    await pause(shop.plan, gateway=shop.gateway)


async def killed(shop: Shop) -> None:
    await shop.working(killed=True)


async def at_work(shop: Shop) -> None:
    await shop.working(killed=False)


async def one_lost(shop: Shop) -> None:
    await shop.gateway.delete(shop.plan.new, {"id": {"S": "o-1"}})


async def one_changed(shop: Shop) -> None:
    """Write to the old table, which nobody may any more."""
    await orders.fill(shop.gateway, shop.plan.old, [orders.old_order(1, total="7.00")])


async def resumed(shop: Shop) -> None:
    await resume(shop.plan, gateway=shop.gateway)


async def verifying(shop: Shop) -> None:
    """Leave the records of a verifier that is at work."""
    verifier = Verifier(shop.plan, gateway=shop.gateway, clock=shop.clock)
    await verifier.begin()
    proofs = Proofs(shop.gateway, shop.plan.control_table, shop.plan.name)
    run = await proofs.run()
    assert run is not None
    now, records = shop.clock.now(), proofs.of(run)
    await records.give_word(Word("host-8:4712:beef", now, now + 30))
    await records.store(claim(records.untouched(0), Lease("host-8:4712:beef")))


async def one_too_much(shop: Shop) -> None:
    await orders.fill(shop.gateway, shop.plan.new, [{"id": "o-99", "region": "eu", "total": 1}])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((without_new_table,), ["dualtable create shop:migration"]),
        (
            (Shop.open,),
            ["let production use DualTableRepository", "dualtable migrate shop:migration"],
        ),
        ((Shop.open, Shop.used), ["dualtable migrate shop:migration"]),
        (
            (Shop.open, Shop.used, paused),
            ["dualtable resume shop:migration", "dualtable migrate shop:migration"],
        ),
        ((Shop.open, Shop.used, Shop.stopped), ["dualtable migrate shop:migration"]),
        (
            (Shop.open, Shop.used, killed),
            [
                "dualtable migrate shop:migration; 2 segments of a migrator that was killed come"
                " free within 12 s"
            ],
        ),
        (
            (Shop.open, Shop.used, at_work),
            ["nothing but wait; to watch it: dualtable status shop:migration --watch"],
        ),
        ((Shop.open, Shop.used, at_work, paused), ["dualtable resume shop:migration"]),
        (
            (with_bad_orders, Shop.copied),
            [
                "read keys and reasons of 4 old items that could not be copied: dualtable retry"
                " shop:migration --list; and mend the transform",
                "dualtable retry shop:migration",
            ],
        ),
        ((Shop.open, Shop.copied), ["dualtable verify shop:migration"]),
        ((Shop.open, Shop.copied, Shop.verified), ["dualtable advance shop:migration --wait"]),
        (
            (Shop.open, Shop.copied, paused),
            ["dualtable resume shop:migration", "dualtable verify shop:migration"],
        ),
        (
            (with_bad_orders, Shop.copied, paused),
            ["dualtable resume", "read keys and reasons of 4", "dualtable retry"],
        ),
        ((Shop.open, Shop.copied, Shop.verified, paused), ["dualtable advance"]),
        ((Shop.open, Shop.copied, verifying), ["nothing but wait; to watch it"]),
        ((Shop.open, Shop.copied, verifying, paused), ["dualtable resume shop:migration"]),
        (
            (Shop.open, Shop.copied, one_lost, Shop.verified, paused),
            ["dualtable resume shop:migration", "dualtable verify shop:migration --repair"],
        ),
        (
            (Shop.open, Shop.copied, one_lost, Shop.verified),
            ["dualtable verify shop:migration --repair, which copies the 1 item that is missing"],
        ),
        (
            (Shop.open, Shop.copied, one_too_much, Shop.verified),
            ["find out what wrote the items", "dualtable verify shop:migration"],
        ),
        (
            (Shop.open, Shop.copied, one_changed, one_too_much, Shop.verified),
            [
                "find out who has written to the old table since it was copied, and see to it that"
                " nobody can: 1 changed there",
                "dualtable migrate shop:migration --restart, which takes the old table as it is",
                "dualtable verify shop:migration",
            ],
        ),
    ],
    ids=lambda value: "" if isinstance(value, list) else "-".join(s.__name__ for s in value),
)
def test_what_is_to_be_done(
    steps: tuple[Callable[[Shop], Coroutine[Any, Any, None]], ...], expected: list[str]
) -> None:
    """The right next command, whatever has gone before; a wrong one costs an operator his night."""
    found = asyncio.run(in_state(*steps).next())
    assert len(found) == len(expected), found
    for step, begins in zip(found, expected, strict=True):
        assert step.startswith(begins)


async def verified_at(shop: Shop) -> str:
    """Return when the last verification ended, in words."""
    status = await read_status(shop.plan, gateway=shop.gateway, clock=shop.clock)
    assert status.verification is not None
    return moment(status.verification.ended)


async def test_a_change_of_the_old_table_stays_loud() -> None:
    """Whoever looks later, at the status or the gate, learns of it, and when that was found."""
    shop = Shop()
    await shop.open()
    await shop.copied()
    await one_changed(shop)
    await one_too_much(shop)
    await shop.verified()
    when = await verified_at(shop)
    assert (
        f"  last verification (content, {when}): 1 checked, NOT well: 1 changed in the old table,"
        " 1 extra"
    ) in await shop.lines()
    gate = await Lifecycle(shop.plan, gateway=shop.gateway, clock=shop.clock).gate()
    (verified,) = (c for c in gate.closed_by if c.requirement is Requirement.VERIFIED)
    assert verified.words == (
        f"the last verification, {when}, failed: 1 changed in the old table, 1 extra; mend that;"
        " verify again"
    )
    assert (verified.data["changed_old"], verified.data["different"]) == (1, 0)


async def test_a_gate_that_is_open_says_when_it_was_verified() -> None:
    """As the guide promises."""
    shop = Shop()
    await shop.open()
    await shop.copied()
    await shop.verified()
    gate = await Lifecycle(shop.plan, gateway=shop.gateway, clock=shop.clock).gate()
    words = next(c.words for c in gate.conditions if c.requirement is Requirement.VERIFIED)
    when = await verified_at(shop)
    assert words == f"a verification at level content has passed, {when}: 1 items checked"


async def test_a_verification_that_an_earlier_version_has_recorded() -> None:
    """It counted as different what was changed in the old table."""
    shop = Shop()
    await shop.open()
    await shop.copied()
    await one_lost(shop)
    await shop.verified()
    key = {"migration": {"S": "shop"}, "record": {"S": "verification"}}
    stored = await shop.gateway.get(shop.plan.control_table, key, consistent_read=True)
    assert stored is not None
    del stored["changed_old"]
    await shop.gateway.put(shop.plan.control_table, stored)
    status = await read_status(shop.plan, gateway=shop.gateway, clock=shop.clock)
    assert status.verification is not None
    assert (status.verification.missing, status.verification.changed_old) == (1, 0)


async def test_a_verification_that_began_before_the_end_of_the_copy_is_no_proof() -> None:
    """Nor one of an earlier run; it is said why another one is needed."""
    shop = Shop()
    await shop.open(*(orders.old_order(n) for n in range(9)))
    await shop.stopped()
    await shop.verified()
    await shop.copied()
    assert await shop.next() == [
        "dualtable verify shop:migration; the last one did not look at the whole of this copy"
    ]


async def test_a_table_that_was_made_anew() -> None:
    """What was done with it counts no more."""
    shop = Shop()
    await shop.open()
    await shop.copied()
    del shop.gateway._tables[shop.plan.new]
    await create_table(shop.plan, gateway=shop.gateway)
    (step,) = await shop.next()
    assert step.startswith("dualtable migrate shop:migration --restart; shop-new has been made")


async def test_each_phase_says_how_to_leave_it() -> None:
    """From the first to the last: the command that can be run now, or what it waits for."""
    shop = Shop(orders.migration("shop", Rename("nme", "name"), rolling=True, indexes=None))
    await shop.open()
    assert await shop.next() == [next_in(Phase.ROLLING_OUT, REF)]
    for phase in (Phase.READING_BOTH, Phase.WRITING_NEW, Phase.MIGRATING):
        shop.clock.move(shop.plan.settle_seconds + 1)
        lifecycle = Lifecycle(shop.plan, gateway=shop.gateway, clock=shop.clock)
        await lifecycle.advance(to=phase, old_code_is_gone=True)
        if phase is not Phase.MIGRATING:
            (waiting,) = await shop.next()
            assert waiting.startswith("dualtable advance shop:migration --wait")
            shop.clock.move(shop.plan.settle_seconds + 1)
            assert await shop.next() == ["dualtable advance shop:migration"]
    await shop.copied()
    await shop.verified()
    for phase in (Phase.MIGRATED, Phase.FINISHED):
        shop.clock.move(shop.plan.settle_seconds + 1)
        assert await shop.next() == ["dualtable advance shop:migration"]
        await Lifecycle(shop.plan, gateway=shop.gateway, clock=shop.clock).advance(to=phase)
    (last,) = await shop.next()
    assert last.startswith("dualtable cleanup shop:migration")
    shop.clock.move(shop.plan.settle_seconds + 1)
    await clean_up(shop.plan, gateway=shop.gateway, clock=shop.clock)
    use, ignore, delete = await shop.next()
    assert use.startswith("Use shop-new directly: boto3.resource('dynamodb').Table('shop-new')")
    assert "have the attribute _dualtable_token" in ignore
    assert delete.startswith("Delete shop-old")


async def test_what_status_says_of_a_run() -> None:
    """Who is at work, how fast, what holds it back, and how long it will take."""
    doing = Doing(
        items_per_second=125.0,
        read_units_per_second=60.0,
        write_units_per_second=250.0,
        throttled_per_second=2.0,
        held_back_by="write ceiling",
    )
    shop = Shop()
    await shop.open(*(orders.old_order(n) for n in range(500)))
    await shop.working(killed=False, doing=doing)
    status = await read_status(shop.plan, gateway=shop.gateway, clock=shop.clock)
    assert status.items_per_second == 125
    assert status.seconds_left == 4
    (migrator,) = status.migrators
    assert (migrator.alive, migrator.segments, migrator.held_back_by) == (True, 2, "write ceiling")
    lines = await shop.lines()
    assert lines[0] == (
        "shop: shop-old -> shop-new, MIGRATING, 0.0 % done, 125 items/s, 0:04 left."
    )
    assert (
        "  migrator on host-7, process 4711: 2 segments, 125 items/s, 60 read and 250 write"
        " units/s, 2 throttled/s, held back by write ceiling, 0 s ago"
    ) in lines
    shop.clock.move(20)
    lines = await shop.lines()
    assert "nobody is at work" in lines[0]
    assert (
        "  migrator on host-7, process 4711 has been SILENT for 0:20: 2 segments come free in 10 s"
    ) in lines


async def test_a_verification_at_work_is_seen() -> None:
    """Who looks from elsewhere sees that it goes on, how far and by whom, or was killed."""
    shop = Shop()
    await shop.open(*(orders.old_order(n) for n in range(9)))
    await shop.copied()
    assert not any("under way" in line for line in await shop.lines())
    await verifying(shop)
    status = await read_status(shop.plan, gateway=shop.gateway, clock=shop.clock)
    assert (status.workers, status.verified_share) == ((), 0.0)
    (verifier,) = status.verifiers
    assert (verifier.alive, verifier.segments) == (True, 1)
    lines = await shop.lines()
    assert "  verification under way: 0.0 % done, 1 process at work" in lines
    assert "  verifier on host-8, process 4712: 1 segments, 0 s ago" in lines
    await paused(shop)
    said = "  verification under way: PAUSED, 0.0 % done, 1 process at work"
    assert said in await shop.lines()
    await resumed(shop)
    shop.clock.move(20)
    lines = await shop.lines()
    assert "  verification under way: 0.0 % done, nobody is at work" in lines
    assert lines[-1] == "Next: dualtable verify shop:migration"


async def test_what_was_found_after_the_cut_over_is_looked_into_first() -> None:
    """From FINISHED on, what is missing looks like what was deleted; a pause goes first."""
    shop = Shop()
    await shop.open()
    await shop.copied()
    await shop.verified()
    for phase in (Phase.MIGRATED, Phase.FINISHED):
        shop.clock.move(shop.plan.settle_seconds + 1)
        if phase is Phase.FINISHED:
            assert await shop.next() == ["dualtable advance shop:migration"]
            await one_lost(shop)
            await shop.verified()
            look, advance = await shop.next()
            assert look.startswith(
                "look into what the last verification found first (1 missing): dualtable verify"
                " shop:migration lists it."
            )
            assert advance == "dualtable advance shop:migration"
        await Lifecycle(shop.plan, gateway=shop.gateway, clock=shop.clock).advance(to=phase)
    await paused(shop)
    resume_first, sweep = await shop.next()
    assert resume_first.startswith("dualtable resume shop:migration")
    assert sweep.startswith("dualtable cleanup shop:migration")


async def test_what_is_next_after_a_table_was_made() -> None:
    """The step into the phase that the migration begins in; `status` says the same."""
    shop = Shop(orders.migration("shop", Rename("nme", "name"), rolling=True, indexes=None))
    await shop.open()
    report = await create_table(shop.plan, gateway=shop.gateway, clock=shop.clock)
    assert creation_text(report, shop.plan, REF)[-1:] == [
        f"Next: {line}" for line in await shop.next()
    ]


async def test_status_of_no_phase() -> None:
    """A migration that must begin by `create` says so."""
    shop = Shop(orders.migration("shop", Rename("nme", "name"), rolling=True, indexes=None))
    await shop.gateway.create_table(orders.table(shop.plan.old))
    with pytest.raises(DualTableError, match="dualtable create"):
        await shop.next()
