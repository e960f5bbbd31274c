"""aiodynamo, with conditional puts under way together."""

import asyncio
from contextlib import suppress
from decimal import Decimal

from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.errors import ConditionalCheckFailed
from aiodynamo.expressions import F
from aiodynamo.http.aiohttp import AIOHTTP
from aiohttp import ClientSession
from yarl import URL

from benchmarks.workload import CREDENTIALS, REGION, chunks_of, to_new


def migrate(url: str, old: str, new: str) -> None:
    asyncio.run(_migrate(url, old, new))


async def _migrate(url: str, old: str, new: str) -> None:
    async with ClientSession() as session:
        client = Client(
            AIOHTTP(session),
            StaticCredentials(Key(*CREDENTIALS)),
            REGION,
            URL(url),
            numeric_type=Decimal,
        )
        source, target = client.table(old), client.table(new)
        absent = F("id").does_not_exist()

        async def put(item):
            with suppress(ConditionalCheckFailed):
                await target.put_item(to_new(item), condition=absent)

        start = None
        while True:
            page = await source.scan_single_page(start_key=start)
            for chunk in chunks_of(list(page.items), 16):
                await asyncio.gather(*map(put, chunk))
            start = page.last_evaluated_key
            if start is None:
                return
