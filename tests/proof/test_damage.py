"""Planted damage of each class is found with key, class and path, and nothing else is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable import (
    Chain,
    Default,
    DualTableRepository,
    Lifecycle,
    Migrator,
    VerificationReport,
    Verifier,
)
from dualtable._control.digests import Digests
from dualtable._control.phases import Requirement
from dualtable._dynamodb.gateway import Gateway
from dualtable._expressions.texts import Condition
from dualtable._proof.findings import Findings
from dualtable._wire import codec
from dualtable.errors import (
    ConcurrentUpdateError,
    ConditionFailedError,
    InvalidItemError,
    MigrationMismatchError,
)
from dualtable.testing import MemoryGateway

PLAN = orders.migration("shop")
SIZE = 2_000
NOBODYS = 999_999  # the number of an order that the old table has never had


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


def rich(number: int) -> dict[str, Any]:
    """An order with a set, a text, and numbers in maps and lists."""
    return orders.old_order(
        number,
        tags={"autumn", f"cohort-{number % 7}"},
        codes={Decimal(1), Decimal("2.5")},
        note=f"Leave the parcel with the neighbour of number {number}",
    )


async def world(size: int) -> MemoryGateway:
    """Some orders, copied while production rewrote one in fifty and deleted another."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [rich(n) for n in range(size)])
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        for number in range(0, size, 50):
            await repository.put(orders.new_order(number, total=0))
            await repository.delete(orders.key(number + 1))
    report = await Migrator(PLAN, gateway=gateway, total_segments=16).run()
    assert report.ok
    return gateway


async def verified(gateway: Gateway, **settings: Any) -> VerificationReport:
    return await Verifier(PLAN, gateway=gateway, **settings).run()


Change = Callable[[dict[str, Any]], None]


def change(table: str, number: int, edit: Change) -> Callable[[Gateway], Awaitable[None]]:
    """Write to a table behind everybody's back."""

    async def write(gateway: Gateway) -> None:
        found = await gateway.get(table, codec.encode(orders.key(number)), consistent_read=True)
        assert found is not None
        item = codec.decode(found)
        edit(item)
        await gateway.put(table, codec.encode(item))

    return write


def vanish(table: str, number: int) -> Callable[[Gateway], Awaitable[None]]:
    async def write(gateway: Gateway) -> None:
        await gateway.delete(table, codec.encode(orders.key(number)))

    return write


async def resurrect(gateway: Gateway) -> None:
    """Put an item that production has deleted back, without a mark."""
    await orders.fill(gateway, PLAN.new, [orders.new_order(51, total=1)])


async def intrude(gateway: Gateway) -> None:
    await orders.fill(gateway, PLAN.new, [orders.new_order(NOBODYS)])


def number_in_a_list(item: dict[str, Any]) -> None:
    item["lines"][0]["count"] += 1


def set_member(item: dict[str, Any]) -> None:
    item["tags"] = {"autumn", "another"}


def number_in_a_set(item: dict[str, Any]) -> None:
    item["codes"] = {Decimal(1), Decimal("2.6")}


def truncated(item: dict[str, Any]) -> None:
    item["note"] = item["note"][:-1]


def name_taken_away(item: dict[str, Any]) -> None:
    del item["customer"]["name"]


def left_out(item: dict[str, Any]) -> None:
    item["test"] = True


def other_total(item: dict[str, Any]) -> None:
    item["total"] = "999.00"


DAMAGE: dict[str, tuple[Any, str, str, tuple[str, ...]]] = {
    "missing": (vanish(PLAN.new, 7), "missing", "o-7", ()),
    "one changed number": (
        change(PLAN.new, 8, number_in_a_list),
        "different",
        "o-8",
        ("lines[0].count",),
    ),
    "a changed set": (change(PLAN.new, 9, set_member), "different", "o-9", ("tags",)),
    "a changed set of numbers": (
        change(PLAN.new, 9, number_in_a_set),
        "different",
        "o-9",
        ("codes",),
    ),
    "a truncated text": (change(PLAN.new, 10, truncated), "different", "o-10", ("note",)),
    "a lost attribute": (
        change(PLAN.new, 12, name_taken_away),
        "different",
        "o-12",
        ("customer.name",),
    ),
    "an extra key": (intrude, "extra", f"o-{NOBODYS}", ()),
    "a resurrected delete": (resurrect, "different", "o-51", ("codes", "note", "tags", "total")),
    "an old item changed": (change(PLAN.old, 13, other_total), "changed_old", "o-13", ("total",)),
}


OVERLAID = ("a changed set",)
"""Damage to an item that another one damages, too."""


@pytest.mark.parametrize("damage", DAMAGE)
async def test_each_damage_is_found_with_key_class_and_path(damage: str) -> None:
    """A count is no help to whoever must mend it."""
    gateway = await world(SIZE)
    plant, kind, key, paths = DAMAGE[damage]
    await plant(gateway)
    report = await verified(gateway)
    counts = {k: getattr(report, k) for k in ("missing", "different", "changed_old", "extra")}
    assert counts == {**dict.fromkeys(counts, 0), kind: 1}
    (example,) = report.examples
    assert (example.kind, example.key["id"], example.paths) == (kind, key, paths)
    assert not report.ok


async def test_an_old_item_changed_below_a_rewritten_one_is_noticed() -> None:
    """Production has overtaken somebody's write to the frozen table: that one is lost."""
    gateway = await world(SIZE)
    await change(PLAN.old, 100, other_total)(gateway)
    report = await verified(gateway)
    assert (report.changed_old, report.different, report.ok) == (1, 0, False)
    assert report.checked == SIZE
    assert "production has rewritten or deleted" in report.examples[0].reason


async def one_segment(size: int) -> MemoryGateway:
    """Copied in one go, so that many items share each digest."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [rich(n) for n in range(size)])
    await Migrator(PLAN, gateway=gateway, total_segments=1).run()
    return gateway


def told(report: VerificationReport) -> dict[str, set[str]]:
    """Return the ids by kind; none where a finding has no key."""
    ids: dict[str, set[str]] = {}
    for example in report.examples:
        ids.setdefault(example.kind, set()).update(example.key.values())
    return ids


async def test_a_repair_hides_no_change_of_the_old_table() -> None:
    """What was missing is in the sums as it was copied, so it explains nothing away."""
    gateway = await one_segment(300)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.put(orders.new_order(5, total=1))
    await change(PLAN.old, 5, other_total)(gateway)
    for number in range(100, 200):
        await vanish(PLAN.new, number)(gateway)
    for repaired in (100, 0):
        report = await verified(gateway, repair=True)
        assert (report.repaired, report.missing, report.changed_old) == (repaired, 0, 1)
        assert (report.ok, report.checked) == (False, 300)
        gate = await Lifecycle(PLAN, gateway=gateway).gate()
        assert gate.lacks(Requirement.VERIFIED)


async def test_a_damaged_copy_is_not_blamed_on_the_old_table() -> None:
    """Also where an old item of the same digest has changed: only what is certain is called so."""
    gateway = await one_segment(100)
    damaged = set(range(20, 60))
    for number in damaged:
        await change(PLAN.new, number, truncated)(gateway)
    report = await verified(gateway)
    assert (report.different, report.changed_old) == (40, 0)
    await change(PLAN.old, 13, other_total)(gateway)
    report = await verified(gateway)
    assert (report.different, report.changed_old, report.checked) == (41, 1, 100)
    assert told(report)["changed_old"] == set()
    (example,) = (e for e in report.examples if e.kind == "changed_old")
    assert "cannot be told" in example.reason


@pytest.mark.parametrize("change_of", ["value", "attribute less", "attribute more"])
async def test_each_old_item_that_has_changed_is_named(change_of: str) -> None:
    """However many share a digest with it, changed or rewritten, as long as no copy is damaged."""
    edits: dict[str, Change] = {
        "value": other_total,
        "attribute less": lambda item: item.pop("note"),
        "attribute more": lambda item: item.update(gift=True),
    }
    gateway = await one_segment(100)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        for number in range(60, 100):
            await repository.put(orders.new_order(number, total=1))
    for number in range(20):
        await change(PLAN.old, number, edits[change_of])(gateway)
    report = await verified(gateway)
    assert (report.different, report.changed_old, report.checked) == (0, 20, 100)
    assert told(report) == {"changed_old": {f"o-{n}" for n in range(20)}}


async def test_an_item_added_to_the_old_table_is_a_change_of_it() -> None:
    """It is missing, and that is the lesser trouble: somebody still writes there."""
    gateway = await one_segment(50)
    await orders.fill(gateway, PLAN.old, [rich(NOBODYS)])
    report = await verified(gateway)
    assert (report.missing, report.changed_old, report.checked) == (1, 1, 51)
    assert told(report) == {"missing": {f"o-{NOBODYS}"}, "changed_old": set()}


async def test_what_was_found_before_copies_were_told_apart_is_read() -> None:
    """Records of an earlier version have no sums of what differs; then nothing is certain."""
    found = Findings(different=1, apart=Digests((1,) * 16))
    fields = found.fields()
    assert Findings.of(fields) == found
    del fields["apart"]
    assert Findings.of(fields) == Findings(different=1)


async def test_after_a_change_of_the_old_table_it_is_copied_anew() -> None:
    """The way out: a run that is begun anew takes the table as it is by then."""
    gateway = await one_segment(100)
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.put(orders.new_order(13, total=1))
    for number in (13, 14):
        await change(PLAN.old, number, other_total)(gateway)
    assert (await verified(gateway)).changed_old
    await Migrator(PLAN, gateway=gateway, total_segments=1, restart=True).run()
    report = await verified(gateway)
    assert told(report) == {"different": {"o-14"}}
    assert await Verifier(PLAN, gateway=gateway).repair_key(orders.key(14)) == ("total",)
    report = await verified(gateway)
    assert (report.ok, report.rewritten) == (True, 1)


async def test_a_copy_of_what_the_transform_leaves_out_is_extra() -> None:
    """Its old item is there, but yields nothing: another transform has copied it."""
    gateway = await world(200)
    await change(PLAN.old, 20, left_out)(gateway)
    report = await verified(gateway)
    assert (report.extra, report.dropped, report.changed_old) == (1, 1, 1)
    assert told(report) == {"extra": {"o-20"}, "changed_old": set()}
    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        await repository.put(orders.new_order(20))
    assert (await verified(gateway)).extra == 0


async def test_a_transform_that_moves_keys_is_looked_at_whole() -> None:
    """There the old item must be seen to know which keys it yields."""
    plan = orders.migration("moved", Split())
    gateway = MemoryGateway()
    await orders.create(gateway, plan)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in range(20)])
    await Migrator(plan, gateway=gateway, total_segments=2).run()
    report = await Verifier(plan, gateway=gateway).run()
    assert (report.ok, report.checked) == (True, 40)
    await orders.fill(gateway, plan.new, [{"id": "o-3/c"}])
    report = await Verifier(plan, gateway=gateway).run()
    assert (report.extra, report.examples[0].key) == (1, {"id": "o-3/c"})


class Split:
    """Makes two items of one."""

    def forward(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"id": f"{item['id']}/{part}", "total": item["total"]} for part in "ab"]

    def old_key(self, new_key: dict[str, Any]) -> dict[str, Any]:
        return {"id": new_key["id"].partition("/")[0]}


async def test_values_never_show() -> None:
    """Keys and paths, whatever differs."""
    gateway = await world(200)
    await change(PLAN.new, 8, truncated)(gateway)
    assert "parcel" not in repr(await verified(gateway))


class Shuffling:
    """Gives sets in another order at each read, and numbers of the new table in another spelling.

    DynamoDB itself spells numbers one way; other servers, and what goes past them, may not.
    """

    def __init__(self, gateway: MemoryGateway, seed: int) -> None:
        self._gateway = gateway
        self._random = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gateway, name)

        async def call(*arguments: Any, **settings: Any) -> Any:
            answer = await method(*arguments, **settings)
            if name in ("scan", "batch_get") and arguments[0] != PLAN.control_table:
                for item in answer.items:
                    for value in item.values():
                        self._shuffle(value)
                        if arguments[0] == PLAN.new:
                            self._respell(value)
            return answer

        return call

    def _shuffle(self, value: dict[str, Any]) -> None:
        for tag in ("SS", "NS"):
            if tag in value:
                self._random.shuffle(value[tag])

    def _respell(self, value: dict[str, Any]) -> None:
        ((tag, content),) = value.items()
        if tag == "N":
            value[tag] = self._spelled(content)
        elif tag == "NS":
            value[tag] = [self._spelled(number) for number in content]
        elif tag in ("L", "M"):
            for member in content if tag == "L" else content.values():
                self._respell(member)

    def _spelled(self, number: str) -> str:
        zeros = "00" if "." in number else ".00"
        return self._random.choice((number, f"{number}E0", f"{number}{zeros}", f"+{number}"))


async def test_numbers_have_no_spelling() -> None:
    """725, 725.00 and 725E0 are equal, wherever in an item they are; 726 is not."""
    gateway = await world(200)
    await change(PLAN.new, 8, number_in_a_list)(gateway)
    for seed in range(3):
        shuffling: Any = Shuffling(gateway, seed)
        report = await verified(shuffling)
        assert (report.different, report.changed_old) == (1, 0)
        assert [(e.key["id"], e.paths) for e in report.examples] == [("o-8", ("lines[0].count",))]


@pytest.mark.parametrize("seed", range(20))
async def test_no_false_alarm_beside_production_and_copy(seed: int) -> None:
    """Whatever looks bad is looked at again; sets have no order, and numbers no spelling."""
    await verified_beside_production(seed, items=300)


async def verified_beside_production(seed: int, *, items: int) -> None:
    chance = random.Random(seed)
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    await orders.fill(gateway, PLAN.old, [rich(n) for n in range(items)])
    for number, spelling in zip(range(items, items + 3), ("1.0", "1", "1E0"), strict=True):
        item = codec.encode(rich(number)) | {"weight": {"N": spelling}}
        await gateway.put(PLAN.old, item)
    await Migrator(PLAN, gateway=gateway, total_segments=4).run()

    async def produce() -> None:
        async with DualTableRepository(PLAN, gateway=gateway) as repository:
            for _ in range(items // 2):
                number = chance.randrange(items + 10)
                if chance.random() < 0.5:
                    await repository.put(orders.new_order(number, total=chance.randrange(9)))
                else:
                    await repository.delete(orders.key(number))
                await asyncio.sleep(0)

    shuffling: Any = Shuffling(gateway, seed)
    report, _ = await asyncio.gather(verified(shuffling, concurrency=3), produce())
    assert report.ok, report


async def test_repair_copies_what_is_missing_and_nothing_else() -> None:
    """And proves it at once; production's own writes stay, as does what differs."""
    gateway = await world(500)
    for number in (7, 8, 9):
        await vanish(PLAN.new, number)(gateway)
    before = {i["id"]["S"]: i for i in await orders.everything(gateway, PLAN.new)}
    report = await verified(gateway, repair=True)
    assert (report.repaired, report.missing, report.ok) == (3, 0, True)
    after = {i["id"]["S"]: i for i in await orders.everything(gateway, PLAN.new)}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"o-7", "o-8", "o-9"}
    again = await verified(gateway)
    assert (again.ok, again.repaired, again.rewritten) == (True, 0, report.rewritten)


async def test_nothing_is_repaired_by_another_transform() -> None:
    """As with the migrator: else some copies would be in one format and some in another."""
    gateway = await world(20)
    await vanish(PLAN.new, 9)(gateway)
    before = await orders.digest(gateway, PLAN.new)
    other = attrs.evolve(PLAN, transform=Chain(PLAN.transform, Default("added", 1)))
    with pytest.raises(MigrationMismatchError, match="copied by another transform"):
        await Verifier(other, repair=True, gateway=gateway).run()
    with pytest.raises(MigrationMismatchError, match="copied by another transform"):
        await Verifier(other, gateway=gateway).repair_key(orders.key(8))
    assert await orders.digest(gateway, PLAN.new) == before
    stated = attrs.evolve(other, version="it does not matter")
    assert (await Verifier(stated, repair=True, gateway=gateway).run()).repaired == 1


async def test_the_old_table_is_not_blamed_for_another_transform() -> None:
    """What differs then is the transform's doing, and nobody has written to the old table."""
    gateway = await world(20)
    other = attrs.evolve(PLAN, transform=Chain(PLAN.transform, Default("added", 1)))
    report = await Verifier(other, gateway=gateway).run()
    touched = report.rewritten + report.deleted
    assert (report.different, report.changed_old) == (report.checked - touched, 0)
    assert {example.paths for example in report.examples} == {("added",)}


async def test_what_differs_is_mended_by_its_key_alone() -> None:
    """Over the state that was seen, and nothing of production's."""
    gateway = await world(200)
    await change(PLAN.new, 8, truncated)(gateway)
    await vanish(PLAN.new, 9)(gateway)
    assert (await verified(gateway, repair=True)).different == 1
    verifier = Verifier(PLAN, gateway=gateway)
    assert await verifier.repair_key(orders.key(8)) == ("note",)
    assert await verifier.repair_key(orders.key(8)) == ()
    assert (await verified(gateway)).ok
    await change(PLAN.new, 8, truncated)(gateway)
    assert (await verified(gateway)).different == 1
    assert await verifier.repair_key(orders.key(8)) == ("note",)
    for number, words in ((50, "production has written"), (51, "production"), (999, "no item of")):
        with pytest.raises(ConditionFailedError, match=words):
            await verifier.repair_key(orders.key(number))
    await vanish(PLAN.new, 9)(gateway)
    with pytest.raises(ConditionFailedError, match="--repair copies what is missing"):
        await verifier.repair_key(orders.key(9))


async def wide(attributes: int) -> tuple[MemoryGateway, Any]:
    """Copied, and one copy then damaged where a wide item may be: otherwise, less and more."""
    gateway = MemoryGateway()
    await orders.create(gateway, PLAN)
    many = {f"a{n}": n for n in range(attributes)}
    await orders.fill(gateway, PLAN.old, [orders.old_order(8, **many)])
    await Migrator(PLAN, gateway=gateway).run()
    good = await gateway.get(PLAN.new, codec.encode(orders.key(8)), consistent_read=True)
    await change(PLAN.new, 8, spoil)(gateway)
    return gateway, good


def spoil(item: dict[str, Any]) -> None:
    item["a3"], item["stray"] = 99, True
    del item["a4"]


async def in_new(gateway: Gateway, number: int) -> Any:
    return await gateway.get(PLAN.new, codec.encode(orders.key(number)), consistent_read=True)


@pytest.mark.parametrize("attributes", [100, 142, 150, 400])
async def test_a_wide_item_is_mended_whatever_a_condition_can_compare(attributes: int) -> None:
    """A comparison for each attribute is more than DynamoDB takes from about 150 on."""
    gateway, good = await wide(attributes)
    paths = await Verifier(PLAN, gateway=gateway).repair_key(orders.key(8))
    assert paths == ("a3", "a4", "stray")
    after = await in_new(gateway, 8)
    assert PLAN.marks.is_copy(after)
    assert PLAN.marks.strip(after) == good
    assert after.keys() - good.keys() == {PLAN.token_attribute}
    assert (await verified(gateway)).ok
    await change(PLAN.new, 8, spoil)(gateway)  # now over a copy with a token
    assert await Verifier(PLAN, gateway=gateway).repair_key(orders.key(8)) == paths


@pytest.mark.parametrize("write", ["by production", "past it", "deleted", "gone"])
async def test_a_write_to_a_wide_item_in_between_is_not_lost(write: str) -> None:
    """What is compared there is what is changed, and that it is still a copy at all."""
    gateway, _ = await wide(200)
    late: Any = _Late(gateway, write, edit=lambda item: item.update(a3=77))
    with pytest.raises(ConcurrentUpdateError, match="written to meanwhile"):
        await Verifier(PLAN, gateway=late).repair_key(orders.key(8))
    assert await in_new(gateway, 8) == late.written


async def test_a_write_to_the_rest_of_a_wide_item_stays() -> None:
    """There is no room to notice it, so it is not written over."""
    gateway, good = await wide(200)
    late: Any = _Late(gateway, "past it", edit=lambda item: item.update(a9=77))
    await Verifier(PLAN, gateway=late).repair_key(orders.key(8))
    assert PLAN.marks.strip(await in_new(gateway, 8)) == {**good, "a9": {"N": "77"}}


async def test_a_wide_item_that_differs_throughout_is_refused() -> None:
    """With what to do instead; and that works."""
    gateway, _ = await wide(400)
    await change(PLAN.new, 8, lambda item: item.update({f"a{n}": "x" for n in range(300)}))(gateway)
    before = await in_new(gateway, 8)
    with pytest.raises(InvalidItemError, match=r"delete it there.*--repair copies it anew"):
        await Verifier(PLAN, gateway=gateway).repair_key(orders.key(8))
    assert await in_new(gateway, 8) == before
    still = Condition("attribute_not_exists(#t)", {"#t": PLAN.token_attribute})
    await gateway.delete(PLAN.new, codec.encode(orders.key(8)), still)
    report = await verified(gateway, repair=True)
    assert (report.repaired, report.ok) == (1, True)


async def test_an_update_of_the_damaged_copy_notices_that_it_was_mended() -> None:
    """I4: a copy without a token is taken for the one that was read, so a mended one has one."""
    gateway = await world(200)
    await change(PLAN.new, 8, truncated)(gateway)
    seen: list[Any] = []

    async def note(item: dict[str, Any]) -> dict[str, Any]:
        seen.append(item["note"])
        if len(seen) == 1:
            await Verifier(PLAN, gateway=gateway).repair_key(orders.key(8))
        return {**item, "shipped": True}

    async with DualTableRepository(PLAN, gateway=gateway) as repository:
        after = await repository.update(orders.key(8), note)
    assert len(seen) == 2
    assert after["note"] == seen[1] != seen[0]


@pytest.mark.parametrize("write", ["by production", "past it", "deleted", "gone"])
async def test_a_write_in_between_is_not_lost(write: str) -> None:
    """The guard is the state that was seen, whoever has changed it."""
    gateway = await world(200)
    await change(PLAN.new, 8, truncated)(gateway)
    late: Any = _Late(gateway, write)
    with pytest.raises(ConcurrentUpdateError, match="written to meanwhile"):
        await Verifier(PLAN, gateway=late).repair_key(orders.key(8))
    after = await gateway.get(PLAN.new, codec.encode(orders.key(8)), consistent_read=True)
    assert after == late.written


class _Late:
    """Lets somebody else write just before the repair does."""

    def __init__(self, gateway: MemoryGateway, write: str, edit: Change = number_in_a_list) -> None:
        self._gateway, self._write, self._edit = gateway, write, edit
        self.written: Any = None

    async def put(self, *arguments: Any, **settings: Any) -> Any:
        if arguments[0] == PLAN.new:
            await self._write_first()
        return await self._gateway.put(*arguments, **settings)

    async def update(self, *arguments: Any, **settings: Any) -> Any:
        if arguments[0] == PLAN.new:
            await self._write_first()
        return await self._gateway.update(*arguments, **settings)

    async def _write_first(self) -> None:
        async with DualTableRepository(PLAN, gateway=self._gateway) as repository:
            if self._write == "by production":
                await repository.put(orders.new_order(8, total=5))
            elif self._write == "deleted":
                await repository.delete(orders.key(8))
            elif self._write == "gone":
                await vanish(PLAN.new, 8)(self._gateway)
            else:
                await change(PLAN.new, 8, self._edit)(self._gateway)
        self.written = await in_new(self._gateway, 8)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)
