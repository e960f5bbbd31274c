"""aioboto3's resource, with as many conditional puts under way as the migrator has batches."""

import asyncio

import aioboto3
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from benchmarks.workload import chunks_of, to_new


def migrate(url: str, old: str, new: str) -> None:
    asyncio.run(_migrate(url, old, new))


async def _migrate(url: str, old: str, new: str) -> None:
    async with aioboto3.Session().resource("dynamodb", endpoint_url=url) as dynamodb:
        source, target = await dynamodb.Table(old), await dynamodb.Table(new)

        async def put(item):
            try:
                await target.put_item(
                    Item=to_new(item), ConditionExpression=Attr("id").not_exists()
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise

        start = {}
        while True:
            page = await source.scan(**start)
            for chunk in chunks_of(page["Items"], 16):
                await asyncio.gather(*map(put, chunk))
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
