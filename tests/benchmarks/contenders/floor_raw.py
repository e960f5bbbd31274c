"""The true floor: the collector at rest, and what nobody touches stays the bytes that it came as.

msgspec slices a page into items of raw values; only what is changed is decoded.
"""

import asyncio
import gc
from decimal import Decimal

import msgspec
from aiohttp import ClientSession

from benchmarks.contenders.floor import Server
from benchmarks.workload import chunks_of

_DECODE = msgspec.json.decode
_ENCODE = msgspec.json.encode


class _Page(msgspec.Struct):
    Items: list[dict[str, msgspec.Raw]]
    LastEvaluatedKey: dict | None = None


def migrate(url: str, old: str, new: str) -> None:
    gc.disable()
    try:
        asyncio.run(_migrate(url, old, new))
    finally:
        gc.enable()


async def _migrate(url: str, old: str, new: str) -> None:
    async with ClientSession(auto_decompress=False) as session:
        server = Server(session, url)
        scan = {"TableName": old}
        while True:
            page = _DECODE(await server.send("Scan", _ENCODE(scan)), type=_Page)
            async with asyncio.TaskGroup() as group:
                for chunk in chunks_of(page.Items, 25):
                    group.create_task(_insert(server, new, chunk))
            if page.LastEvaluatedKey is None:
                return
            scan["ExclusiveStartKey"] = page.LastEvaluatedKey


async def _insert(server, new, items):
    statements = []
    for item in map(_to_new, items):
        names = ", ".join([f"'{name}': ?" for name in item])
        text = f'INSERT INTO "{new}" VALUE {{{names}}}'
        statements.append({"Statement": text, "Parameters": list(item.values())})
    content = await server.send("BatchExecuteStatement", _ENCODE({"Statements": statements}))
    for member in _DECODE(content)["Responses"]:
        if "Error" in member and member["Error"]["Code"] != "DuplicateItem":
            raise RuntimeError(member)


def _to_new(item):
    customer = _DECODE(item["customer"])["M"]
    item["region"] = customer.pop("region")
    item["customer"] = {"M": customer}
    item["total"] = {"N": str(Decimal(_DECODE(item["total"])["N"]) / 100)}
    return item
