"""Dead letters in S3: each page's are an object there before the page counts as settled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aioboto3
import orders
import pytest
from servers import s3

from dualtable import Migration, Migrator, retry_dead_letters, write_report
from dualtable.errors import DualTableError, InvalidSettingError
from dualtable.testing import MemoryGateway

WHERE = "s3://migrations/shop/letters"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as url:
        yield url


@pytest.fixture
async def bucket(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Any]:
    """An empty bucket, where the environment says that S3 is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    async with aioboto3.Session().resource("s3") as resource:
        bucket = await resource.create_bucket(Bucket="migrations")
        yield bucket
        await bucket.objects.all().delete()
        await bucket.delete()


async def shop(numbers: int = 60) -> tuple[Migration, MemoryGateway]:
    """Orders of which each tenth has a total that is no number."""
    plan, gateway = orders.migration("shop"), MemoryGateway()
    await orders.create(gateway, plan)
    bad = {"total": "twelve"}
    olds = [orders.old_order(n, **(bad if n % 10 == 0 else {})) for n in range(numbers)]
    await orders.fill(gateway, plan.old, olds)
    return plan, gateway


async def lines_in(bucket: Any) -> dict[str, list[dict[str, Any]]]:
    """Return what each object holds, by its name."""
    found = {}
    async for each in bucket.objects.all():
        answer = await (await bucket.Object(each.key)).get()
        text = await answer["Body"].read()
        found[each.key] = [json.loads(line) for line in text.splitlines()]
    return found


async def test_letters_of_several_processes_lie_side_by_side(bucket: Any) -> None:
    """Each has objects of its own, in the folder of the run; keys and reasons, never values."""
    plan, gateway = await shop()
    migrators = [
        Migrator(plan, gateway=gateway, total_segments=8, dead_letters=WHERE) for _ in range(2)
    ]
    reports = await asyncio.gather(*(migrator.run() for migrator in migrators))
    assert {report.dead_letters for report in reports} == {6}
    found = await lines_in(bucket)
    letters = [line for lines in found.values() for line in lines]
    assert {line["key"]["id"]["S"] for line in letters} == {f"o-{n}" for n in range(0, 60, 10)}
    (run,) = {line["run"] for line in letters}
    assert all(key.startswith(f"shop/letters/{run}/") for key in found)
    assert "twelve" not in json.dumps(found)


async def test_retry_reads_them_there(bucket: Any) -> None:
    """Only those of the present run are in its folder."""
    plan, gateway = await shop()
    dry = await Migrator(plan, gateway=gateway, dead_letters=WHERE, dry_run=True).run()
    report = await Migrator(plan, gateway=gateway, dead_letters=WHERE).run()
    assert (dry.dead_letters, report.dead_letters) == (6, 6)
    await orders.fill(gateway, plan.old, [orders.old_order(n) for n in (0, 10)])  # mended there
    retried = await retry_dead_letters(plan, files=[WHERE], gateway=gateway)
    assert (retried.tried, retried.written, retried.dead_letters) == (6, 2, 4)
    with pytest.raises(InvalidSettingError, match="holds no dead letter of this run"):
        await retry_dead_letters(plan, files=["s3://migrations/elsewhere"], gateway=gateway)


async def test_a_bucket_that_is_not_there_is_said_before_anything_is_copied(bucket: Any) -> None:
    """So is what is no address at all, when the migrator is made."""
    plan, gateway = await shop()
    with pytest.raises(InvalidSettingError, match="there is no bucket 'no-such-bucket'"):
        await Migrator(plan, gateway=gateway, dead_letters="s3://no-such-bucket/x").run()
    assert not list(gateway._tables[plan.new].items())
    with pytest.raises(InvalidSettingError, match="is no address of a folder in S3"):
        Migrator(plan, gateway=gateway, dead_letters="s3://UPPER/x")


async def test_what_s3_does_not_take_settles_no_page(bucket: Any) -> None:
    """The run ends with an error of ours; with a place to write to, the next one has them all."""
    plan, gateway = await shop()
    migrator = Migrator(plan, gateway=gateway, dead_letters=WHERE)
    check = type(migrator._dead_letters._folder).check

    async def check_and_take_away(folder: Any) -> None:
        await check(folder)
        await bucket.delete()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(migrator._dead_letters._folder), "check", check_and_take_away)
        with pytest.raises(DualTableError, match="PutObject of s3://migrations/shop/letters/"):
            await migrator.run()
    await bucket.create()
    report = await Migrator(plan, gateway=gateway, dead_letters=WHERE).run()
    assert (report.complete, report.dead_letters) == (True, 6)
    letters = [line for lines in (await lines_in(bucket)).values() for line in lines]
    assert len({line["key"]["id"]["S"] for line in letters}) == 6


async def test_the_report_wants_a_file(bucket: Any) -> None:
    """It does not say that there are none where it has not looked."""
    plan, gateway = await shop()
    await Migrator(plan, gateway=gateway, dead_letters=WHERE).run()
    with pytest.raises(InvalidSettingError, match="those in S3 have to be brought here first"):
        await write_report(plan, gateway=gateway, dead_letters=WHERE)
