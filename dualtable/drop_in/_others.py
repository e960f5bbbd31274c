"""Other tables than the migrated one, of which ``table.meta.client`` may be asked, too.

The rule: what is not about the migrated table goes to boto3's own client, as it is; it is opened
when it is first needed, to the same place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from dualtable.drop_in._errors import DynamoDBError, of_our_class
from dualtable.drop_in._values import open_client
from dualtable.errors import RequestRefusedError


class Others:
    """boto3's own client, for other tables; `settings` are those of a connection."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._leads_elsewhere = self._settings.pop("gateway", None) is not None
        self._opening = asyncio.Lock()
        self._client: Any = None
        self._stack = AsyncExitStack()

    async def call(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Do what boto3's client does.

        Raises:
            RequestRefusedError: The drop-in has a gateway, which leads to its own tables alone.
        """
        if self._leads_elsewhere:
            named = ", ".join(map(repr, _tables(parameters)))
            raise RequestRefusedError(
                f"{method}: {named} is not the migrated table; boto3's own client would be asked,"
                " and this drop-in has a gateway in its place"
            )
        async with self._opening:
            if self._client is None:
                self._client = await self._stack.enter_async_context(open_client(self._settings))
        try:
            return await getattr(self._client, method)(**parameters)  # type: ignore[no-any-return]
        except DynamoDBError as error:  # of a class that boto3 makes for that client alone
            raise of_our_class(error) from error

    async def close(self) -> None:
        """Close what was opened."""
        self._client = None
        await self._stack.aclose()


def _tables(parameters: Mapping[str, Any]) -> Iterator[str]:
    if "TableName" in parameters:
        yield parameters["TableName"]
    yield from parameters.get("RequestItems", ())
    for action in parameters.get("TransactItems", ()):
        yield from (asked["TableName"] for asked in action.values())
