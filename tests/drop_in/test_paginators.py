"""The SDK's paginators over the drop-in, and what else of boto3 it has or refuses by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import boto3
import orders
import pytest
from boto3.dynamodb.conditions import Attr

from dualtable import Rename, create_table, drop_in, sync
from dualtable._wire import codec
from dualtable.errors import RequestRefusedError
from dualtable.testing import MemoryGateway

Asked = Callable[..., Any]
PLAN = orders.migration("orders", Rename("nme", "name"), indexes=[])
NAMES = [f"o-{number:02}" for number in range(20)]


async def half_copied() -> MemoryGateway:
    """Return tables of which old has one half of the items, and new the other."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table(PLAN.old, ("id", "S")))
    assert (await create_table(PLAN, gateway=gateway)).ok
    for number, name in enumerate(NAMES):
        table, called = (PLAN.new, "name") if number % 2 else (PLAN.old, "nme")
        await gateway.put(table, codec.encode({"id": name, called: str(number % 4)}))
    return gateway


@pytest.fixture(params=["asynchronous", "blocking"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """Ask a paginator of a table of its own for its pages, or for all of them in one."""
    return asynchronously if request.param == "asynchronous" else blocking


def asynchronously(gateway: MemoryGateway, *, whole: bool = False, **parameters: Any) -> Any:
    async def found() -> Any:
        async with drop_in.Table(PLAN, gateway=gateway) as table:
            pages = table.meta.client.get_paginator("scan").paginate(**parameters)
            return await pages.build_full_result() if whole else [page async for page in pages]

    return asyncio.run(found())


def blocking(gateway: MemoryGateway, *, whole: bool = False, **parameters: Any) -> Any:
    with sync.Table(PLAN, gateway=gateway) as table:
        pages = table.meta.client.get_paginator("scan").paginate(**parameters)
        return pages.build_full_result() if whole else list(pages)


@pytest.mark.parametrize("name", [PLAN.old, PLAN.new])
def test_each_item_comes_on_one_page(asked: Asked, name: str) -> None:
    """By either name of the table, each page of the size that was asked for."""
    gateway = asyncio.run(half_copied())
    pages = asked(gateway, TableName=name, PaginationConfig={"PageSize": 3})
    assert [page["Count"] for page in pages] == [3, 3, 3, 3, 3, 3, 2]
    assert sorted(item["id"] for page in pages for item in page["Items"]) == NAMES


def test_a_filter_makes_pages_shorter_and_not_fewer(asked: Asked) -> None:
    """What is counted in a page's size is what was read, as on one table."""
    gateway = asyncio.run(half_copied())
    parameters = {"FilterExpression": Attr("name").eq("1"), "PaginationConfig": {"PageSize": 5}}
    found = asked(gateway, whole=True, TableName=PLAN.new, **parameters)
    assert sorted(item["id"] for item in found["Items"]) == NAMES[1::4]
    assert (found["Count"], found["ScannedCount"]) == (5, 20)
    assert len(asked(gateway, TableName=PLAN.new, **parameters)) >= 4


@pytest.mark.parametrize("size", [1, 3, 4, 20])
def test_another_process_goes_on_behind_a_bound(asked: Asked, size: int) -> None:
    """``NextToken`` is text, and each item comes once, whatever the bound cuts."""
    gateway, found, token = asyncio.run(half_copied()), [], None
    while True:
        config = {"MaxItems": 7, "PageSize": size, "StartingToken": token}
        answer = asked(gateway, whole=True, TableName=PLAN.new, PaginationConfig=config)
        assert len(answer["Items"]) <= 7
        found += [item["id"] for item in answer["Items"]]
        if (token := answer.get("NextToken")) is None:
            break
        assert isinstance(token, str)
    assert sorted(found) == NAMES


@pytest.mark.parametrize("made", [drop_in.Table, sync.Table])
def test_what_has_no_paginator_says_what_has_one(made: Any) -> None:
    """``list_tables`` is about other tables, and ``get_item`` has no pages."""
    client = made(PLAN, gateway=MemoryGateway()).meta.client
    assert [client.can_paginate(name) for name in ("query", "scan", "get_item")] == [
        True,
        True,
        False,
    ]
    for name in ("list_tables", "get_item"):
        with pytest.raises(RequestRefusedError, match=f"{name}.* query and scan"):
            client.get_paginator(name)


@pytest.mark.parametrize("made", [drop_in.Table, sync.Table])
@pytest.mark.parametrize("part", ["", "meta", "meta.client"])
def test_what_boto3_has_is_here_or_refused_by_name(made: Any, part: str) -> None:
    """A caller hears what is missing from a class of ours; and ``hasattr`` says the truth."""
    plain, ours = boto3_table(), made(PLAN, gateway=MemoryGateway())
    for step in filter(None, part.split(".")):
        plain, ours = getattr(plain, step), getattr(ours, step)
    missing = {each for each in dir(plain) if not each.startswith("_")} - set(dir(ours))
    assert missing
    for name in missing:
        assert not hasattr(ours, name)
        with pytest.raises(RequestRefusedError, match=f"^{name}: .*{type(ours).__name__}"):
            getattr(ours, name)


@pytest.mark.parametrize("made", [drop_in.Table, sync.Table])
def test_a_table_of_boto3_has_little_more(made: Any) -> None:
    """All that it says of itself is here, and what is done with items."""
    waits = {"wait_until_exists", "wait_until_not_exists"}
    missing = set(dir(boto3_table())) - set(dir(made(PLAN, gateway=MemoryGateway())))
    public = {name for name in missing if not name.startswith("_")}
    assert public == waits | {"delete", "update", "get_available_subresources"}


def boto3_table() -> Any:
    where = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.resource("dynamodb", **where).Table("orders")
