"""pydynox, whose core is in Rust, with conditional puts under way together."""

import asyncio
from contextlib import suppress

from pydynox import DynamoDBClient
from pydynox.exceptions import ConditionalCheckFailedException

from benchmarks.workload import CREDENTIALS, REGION, to_new


def migrate(url: str, old: str, new: str) -> None:
    asyncio.run(_migrate(url, old, new))


async def _migrate(url: str, old: str, new: str) -> None:
    key, secret = CREDENTIALS
    client = DynamoDBClient(region=REGION, access_key=key, secret_key=secret, endpoint_url=url)

    async def put(item):
        with suppress(ConditionalCheckFailedException):
            await client.put_item(
                new,
                to_new(item),
                condition_expression="attribute_not_exists(#k)",
                expression_attribute_names={"#k": "id"},
            )

    waiting = []
    async for item in client.scan(old):
        waiting.append(item)
        if len(waiting) == 16:
            await asyncio.gather(*map(put, waiting))
            waiting.clear()
    await asyncio.gather(*map(put, waiting))
