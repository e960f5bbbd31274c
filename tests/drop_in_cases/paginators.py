"""Pages of the SDK's paginators, which a plain table and the drop-in must give alike."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.conditions import Attr, Key

from drop_in_cases.programs import Program, days, numbers
from drop_in_cases.words import C7, Case


def paginated(table: Any, operation: str, **parameters: Any) -> Any:
    paginator = table.meta.client.get_paginator(operation)
    return paginator.paginate(TableName=table.name, **parameters)


async def of_a_query(table: Any) -> Any:
    return [
        numbers(
            [
                page
                async for page in paginated(
                    table,
                    "query",
                    KeyConditionExpression=C7,
                    ScanIndexForward=forward,
                    PaginationConfig={"PageSize": size},
                )
            ]
        )
        for size in (1, 3, "4", 20)
        for forward in (True, False)
    ]


async def of_an_index(table: Any) -> Any:
    found = paginated(
        table,
        "query",
        IndexName="by-state",
        KeyConditionExpression=Key("state").eq("open"),
        FilterExpression=Attr("amount").gt(1),
        Limit=2,
    )
    return numbers([page async for page in found])


async def in_one(table: Any) -> Any:
    """The sums are those of all pages."""
    found = await paginated(table, "query", KeyConditionExpression=C7).build_full_result()
    return found["Items"], found["Count"], found["ScannedCount"], sorted(found)


async def of_a_scan(table: Any) -> Any:
    found = paginated(table, "scan", PaginationConfig={"PageSize": 2})
    return days([item async for item in found.search("Items[]")])


async def that_count(table: Any) -> Any:
    found = paginated(table, "query", KeyConditionExpression=C7, Select="COUNT", Limit=3)
    return await found.build_full_result()


async def with_a_bound(table: Any) -> Any:
    """Where the bound is what ends it, botocore has no token for a number, on one table either."""
    bounded = {"MaxItems": 2, "PageSize": 1}
    found = paginated(table, "query", KeyConditionExpression=C7, PaginationConfig=bounded)
    return [page["Items"] async for page in found]


async def up_to_the_end(table: Any) -> Any:
    bounded = {"MaxItems": 1000, "PageSize": 5}
    found = paginated(table, "query", KeyConditionExpression=C7, PaginationConfig=bounded)
    return found.resume_token, await found.build_full_result()


async def behind_a_token(table: Any) -> Any:
    """One that is no token is passed on as a key, and refused."""
    config = {"StartingToken": "nonsense"}
    found = paginated(table, "query", KeyConditionExpression=C7, PaginationConfig=config)
    return await found.build_full_result()


async def of_no_table(table: Any) -> Any:
    return await table.meta.client.get_paginator("scan").paginate().build_full_result()


async def of_a_wrong_condition(table: Any) -> Any:
    found = paginated(table, "query", KeyConditionExpression=Key("nope").eq("x"))
    return await found.build_full_result()


_ALL: tuple[Program, ...] = (
    of_a_query,
    of_an_index,
    in_one,
    of_a_scan,
    that_count,
    with_a_bound,
    up_to_the_end,
    behind_a_token,
    of_no_table,
    of_a_wrong_condition,
)

PAGINATORS: list[Case] = [
    (f"paginator: {run.__name__.replace('_', ' ')}", "program", {"run": run}) for run in _ALL
]
