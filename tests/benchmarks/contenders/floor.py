"""As bare as Python gets: aiohttp, orjson, a signature and batched INSERTs, no library at all.

No retries, no checks, no checkpoints, no counts: what the work itself costs.
"""

import asyncio
import datetime
import hashlib
import hmac
from decimal import Decimal

import orjson
from aiohttp import ClientSession
from yarl import URL

from benchmarks.workload import CREDENTIALS, REGION, chunks_of


def migrate(url: str, old: str, new: str) -> None:
    asyncio.run(_migrate(url, old, new))


async def _migrate(url: str, old: str, new: str) -> None:
    async with ClientSession(auto_decompress=False) as session:
        server = Server(session, url)
        scan = {"TableName": old}
        while True:
            page = await server.call("Scan", scan)
            async with asyncio.TaskGroup() as group:
                for chunk in chunks_of(page["Items"], 25):
                    group.create_task(_insert(server, new, chunk))
            if "LastEvaluatedKey" not in page:
                return
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]


async def _insert(server, new, items):
    statements = []
    for item in map(_to_new, items):
        names = ", ".join([f"'{name}': ?" for name in item])
        text = f'INSERT INTO "{new}" VALUE {{{names}}}'
        statements.append({"Statement": text, "Parameters": list(item.values())})
    answer = await server.call("BatchExecuteStatement", {"Statements": statements})
    for member in answer["Responses"]:
        if "Error" in member and member["Error"]["Code"] != "DuplicateItem":
            raise RuntimeError(member)


def _to_new(item):
    customer = dict(item["customer"]["M"])
    item["region"] = customer.pop("region")
    item["customer"] = {"M": customer}
    item["total"] = {"N": str(Decimal(item["total"]["N"]) / 100)}
    return item


class Server:
    def __init__(self, session, url):
        self.session = session
        self.url = URL(url)
        self.host = url.partition("//")[2]
        self.key, self.secret = CREDENTIALS

    async def call(self, operation, parameters):
        return orjson.loads(await self.send(operation, orjson.dumps(parameters)))

    async def send(self, operation, body):
        headers = self.signed(f"DynamoDB_20120810.{operation}", body)
        async with self.session.post(self.url, data=body, headers=headers) as response:
            content = await response.read()
            if response.status != 200:
                raise RuntimeError(content)
        return content

    def signed(self, target, body):
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/dynamodb/aws4_request"
        names = "content-type;host;x-amz-date;x-amz-target"
        kind = "application/x-amz-json-1.0"
        request = (
            f"POST\n/\n\ncontent-type:{kind}\nhost:{self.host}\nx-amz-date:{now}\n"
            f"x-amz-target:{target}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
        )
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret}".encode()
        for part in (now[:8], REGION, "dynamodb", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode()
        signature = hmac.digest(key, text, "sha256").hex()
        return {
            "Content-Type": kind,
            "X-Amz-Date": now,
            "X-Amz-Target": target,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/{scope},"
            f" SignedHeaders={names}, Signature={signature}",
        }
