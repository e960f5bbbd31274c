"""Objects in S3, for what many machines leave in one place; by the session that reaches DynamoDB.

The rule: an object is written once and whole, by one process, under a name that no other uses. The
SDK's own client sends it, with its own retries: it is no request of the hot path.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import attrs

from dualtable._dynamodb.client import open_s3
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.refusals import translated
from dualtable.errors import AccessError, InvalidSettingError, RequestRefusedError

SCHEME = "s3://"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@attrs.frozen
class Folder:
    """What begins with a prefix in a bucket."""

    bucket: str
    prefix: str
    connection: Connection = attrs.field(repr=False)

    @classmethod
    def at(cls, url: str, connection: Connection) -> Self:
        """Return the folder of an address such as ``s3://migrations/orders-v2``.

        Raises:
            InvalidSettingError: It is none.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
            raise InvalidSettingError(
                f"{url!r} is no address of a folder in S3, such as s3://migrations/orders-v2"
            )
        return cls(bucket, prefix.strip("/"), connection)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    async def check(self) -> None:
        """Check that there is the bucket; whoever may not ask finds out when he writes.

        Raises:
            InvalidSettingError: There is none.
        """
        try:
            async with self._client(f"HeadBucket of {self.bucket}") as s3:
                await s3.head_bucket(Bucket=self.bucket)
        except AccessError:
            return
        except RequestRefusedError as error:
            if error.code != "404":
                raise
            raise InvalidSettingError(
                f"{self}: there is no bucket {self.bucket!r}; make it, or give another"
            ) from error

    async def put(self, name: str, content: bytes) -> None:
        """Write an object; return when S3 has it.

        Raises:
            GatewayError: S3 refuses it, or cannot be reached.
        """
        key = self._key(name)
        async with self._client(f"PutObject of s3://{self.bucket}/{key}") as s3:
            await s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    async def read(self, name: str) -> list[bytes]:
        """Return the content of each object in a folder of this one.

        Raises:
            GatewayError: S3 refuses it, or cannot be reached.
        """
        found = []
        async with self._client(f"the objects of {self}/{name}") as s3:
            pages = s3.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self._key(name)}/"):
                for each in page.get("Contents", ()):
                    answer = await s3.get_object(Bucket=self.bucket, Key=each["Key"])
                    found.append(await answer["Body"].read())
        return found

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    @asynccontextmanager
    async def _client(self, what: str) -> AsyncIterator[Any]:
        reached = {"session", "profile_name", "region_name"}
        settings: dict[str, Any] = {n: v for n, v in self.connection.items() if n in reached}
        with translated(what):
            async with open_s3(**settings) as s3:
                yield s3
