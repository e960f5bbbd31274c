"""The tables in memory, and what is set on them rather than kept in them.

The rule: a setting that DynamoDB would refuse is refused here, and one that it would act upon in
its own time, such as expiry, only shows.
"""

from __future__ import annotations

import copy

from dualtable._dynamodb.fence import check_fence
from dualtable._dynamodb.gateway import Extras, Policy, TimeToLive
from dualtable._wire.sizes import item_bytes
from dualtable._wire.types import Definition, Description
from dualtable._wire.values import refused
from dualtable.errors import RequestRefusedError, TableNotFoundError
from dualtable.testing._faults import Faults
from dualtable.testing._policies import check_policy
from dualtable.testing._stored import StoredTable, described, own_name


class TableSettings:
    """The part of `MemoryGateway` that makes tables and sets them."""

    def __init__(self, faults: Faults) -> None:
        self.faults: Faults = faults
        self._tables: dict[str, StoredTable] = {}
        self._made = 0

    async def describe_table(self, table: str) -> Description:
        await self._begin("describe_table", table)
        found = self._table(table)
        sizes = [item_bytes(item) for item in found.items()]
        return {
            **copy.deepcopy(found.description),
            "TableName": table,
            "ItemCount": len(sizes),
            "TableSizeBytes": sum(sizes),
        }

    async def create_table(self, definition: Definition) -> None:
        await self._begin("create_table", definition["TableName"])
        name = own_name(definition["TableName"])
        if name not in self._tables:
            self._made += 1
            description = described(copy.deepcopy(definition), self._made)
            self._tables[name] = StoredTable(description)

    async def delete_table(self, table: str) -> None:
        """Delete a table with all its items; one of that name that is made later is another."""
        await self._begin("delete_table", table)
        self._table(table)
        del self._tables[own_name(table)]

    async def describe_extras(self, table: str) -> Extras:
        await self._begin("describe_extras", table)
        found = self._table(table)
        tags = copy.deepcopy(found.description.get("Tags", []))
        return Extras(TimeToLive(found.ttl_attribute), tuple(tags))

    async def switch_ttl_on(self, table: str, attribute: str) -> None:
        await self._begin("switch_ttl_on", table)
        found = self._table(table)
        if found.ttl_attribute is not None:
            raise refused("TimeToLive is already enabled")
        found.ttl_attribute = attribute
        await self.faults.after("switch_ttl_on", table)

    async def policy(self, table: str) -> Policy | None:
        await self._begin("policy", table)
        return self._table(table).policy

    async def put_policy(self, table: str, text: str, *, over: Policy | None) -> None:
        await self._begin("put_policy", table)
        self._check_revision(table, over)
        check_policy(text)
        self._made += 1
        self._table(table).policy = Policy(text, f"revision-{self._made}")
        await self.faults.after("put_policy", table)

    async def delete_policy(self, table: str, *, over: Policy) -> None:
        await self._begin("delete_policy", table)
        self._check_revision(table, over)
        self._table(table).policy = None
        await self.faults.after("delete_policy", table)

    def _check_revision(self, table: str, over: Policy | None) -> None:
        if self._table(table).policy != over:
            raise RequestRefusedError(
                "the policy has another revision", code="PolicyNotFoundException"
            )

    async def _begin(self, operation: str, table: str) -> None:
        """Let come what comes before an operation takes effect, and ask the fence after that."""
        await self.faults.before(operation, table)
        check_fence()

    def _table(self, name: str) -> StoredTable:
        found = self._tables.get(own_name(name))
        if found is None:
            raise TableNotFoundError(
                f"table {name} does not exist", code="ResourceNotFoundException"
            )
        return found
