"""``table.meta.client``: the item operations of a client, for the migrated table.

The rule: the table may be called by its new name or by its old one, and is answered by the name
that it was called by; it is the migrated one in either case. Any other table is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from dualtable._dynamodb.gateway import MAX_BATCH_GET, MAX_BATCH_WRITE, MAX_TRANSACTION
from dualtable._expressions.actions import Action, ConditionCheck, Delete, Put, Update
from dualtable._expressions.grammar import Placeholders
from dualtable._expressions.parser import parse_projection
from dualtable._tasks import run_all
from dualtable._wire import codec
from dualtable.drop_in import _parameters
from dualtable.drop_in._errors import Exceptions, answered, not_valid, wrong_parameter
from dualtable.drop_in._parameters import check
from dualtable.drop_in._repository import Repository
from dualtable.drop_in._values import shown
from dualtable.errors import RequestRefusedError

_DOUBLED = "Provided list of item keys contains duplicates"


class Operations(Protocol):
    """What a table does with one item, or with many of them."""

    async def get_item(self, **parameters: Any) -> dict[str, Any]: ...

    async def put_item(self, **parameters: Any) -> dict[str, Any]: ...

    async def update_item(self, **parameters: Any) -> dict[str, Any]: ...

    async def delete_item(self, **parameters: Any) -> dict[str, Any]: ...

    async def query(self, **parameters: Any) -> dict[str, Any]: ...

    async def scan(self, **parameters: Any) -> dict[str, Any]: ...


class Client:
    """What ``table.meta.client`` can do: the item operations of boto3's client, on this table.

    Values are plain ones, as with the client of a boto3 resource. ``exceptions`` has the classes
    of errors by DynamoDB's codes.

    Example:
        >>> from dualtable import Migration, Move, drop_in
        >>> migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        >>> table = drop_in.Table(migration)
        >>> client = table.meta.client
        >>> client.exceptions.ConditionalCheckFailedException.__name__
        'ConditionalCheckFailedException'
    """

    def __init__(self, table: Operations, repository: Repository, names: Collection[str]) -> None:
        self._table = table
        self._repository = repository
        self._names = names
        self.exceptions: Exceptions = Exceptions()

    async def get_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.get_item` does, of ``TableName``."""
        return await self._table.get_item(**self._of_table("GetItem", parameters))

    async def put_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.put_item` does, of ``TableName``."""
        return await self._table.put_item(**self._of_table("PutItem", parameters))

    async def update_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.update_item` does, of ``TableName``."""
        return await self._table.update_item(**self._of_table("UpdateItem", parameters))

    async def delete_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.delete_item` does, of ``TableName``."""
        return await self._table.delete_item(**self._of_table("DeleteItem", parameters))

    async def query(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.query` does, of ``TableName``."""
        return await self._table.query(**self._of_table("Query", parameters))

    async def scan(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.scan` does, of ``TableName``."""
        return await self._table.scan(**self._of_table("Scan", parameters))

    async def batch_get_item(self, **parameters: Any) -> dict[str, Any]:
        """Return ``Responses``, in no order; ``UnprocessedKeys`` is always empty.

        Args:
            **parameters: ``RequestItems``: ``Keys``, ``ConsistentRead``, ``ProjectionExpression``
                and ``ExpressionAttributeNames`` by the name of the table.
        """
        check(_parameters.BATCH_GET, parameters)
        name, asked = self._only_table("BatchGetItem", parameters["RequestItems"])
        if not isinstance(asked, Mapping):
            raise wrong_parameter("Invalid type for a member of RequestItems, valid types: dict")
        check(_parameters.GETS, asked)
        _check_number("BatchGetItem", "Keys", asked["Keys"], MAX_BATCH_GET)
        with answered("BatchGetItem", parameters):
            keys = list(map(self._repository.identity_of, asked["Keys"]))
            _check_different("BatchGetItem", keys)
            found = await self._repository.batch_get(
                asked["Keys"],
                projection=asked.get("ProjectionExpression"),
                names=asked.get("ExpressionAttributeNames"),
                consistent_read=asked.get("ConsistentRead", False),
            )
        items = [shown(item) for item in found if item is not None]
        return _response(Responses={name: items}, UnprocessedKeys={})

    async def batch_write_item(self, **parameters: Any) -> dict[str, Any]:
        """Put and delete up to 25 items; ``UnprocessedItems`` is always empty.

        Args:
            **parameters: ``RequestItems``: a list of ``PutRequest`` and ``DeleteRequest`` by the
                name of the table.
        """
        check(_parameters.BATCH_WRITE, parameters)
        _, requests = self._only_table("BatchWriteItem", parameters["RequestItems"])
        _check_number("BatchWriteItem", "RequestItems", requests, MAX_BATCH_WRITE)
        puts = [each["PutRequest"]["Item"] for each in requests if "PutRequest" in each]
        deletes = [each["DeleteRequest"]["Key"] for each in requests if "DeleteRequest" in each]
        if len(puts) + len(deletes) != len(requests):
            raise wrong_parameter("a request is a PutRequest or a DeleteRequest")
        with answered("BatchWriteItem", parameters):
            identities = [
                *map(self._repository.identity_in, puts),
                *map(self._repository.identity_of, deletes),
            ]
            _check_different("BatchWriteItem", identities)
            await self._repository.batch_put(puts)
            await run_all(self._repository.delete(key) for key in deletes)
        return _response(UnprocessedItems={})

    async def transact_write_items(self, **parameters: Any) -> dict[str, Any]:
        """Write up to 100 items, all of them or none.

        Args:
            **parameters: ``TransactItems``, and ``ClientRequestToken``: with the same one, another
                call does nothing, as long as one item is still as the first has put or updated it.
        """
        check(_parameters.TRANSACT_WRITE, parameters)
        asked = self._in_transaction("TransactWriteItems", parameters["TransactItems"])
        actions = [_action(kind, each) for kind, each in asked]
        with answered("TransactWriteItems", parameters, actions=len(actions)):
            await self._repository.transact_write(
                actions, client_token=parameters.get("ClientRequestToken")
            )
        return _response()

    async def transact_get_items(self, **parameters: Any) -> dict[str, Any]:
        """Return ``Responses``: up to 100 items as they are at one moment.

        Args:
            **parameters: ``TransactItems``.
        """
        check(_parameters.TRANSACT_GET, parameters)
        gets = self._in_transaction("TransactGetItems", parameters["TransactItems"])
        asked = [each for _, each in gets]
        with answered("TransactGetItems", parameters):
            cuts = list(map(_cut, asked))
            found = await self._repository.transact_get([each["Key"] for each in asked])
        pairs = zip(cuts, found, strict=True)
        answers = [{} if item is None else {"Item": shown(cut(item))} for cut, item in pairs]
        return _response(Responses=answers)

    def _of_table(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if "TableName" not in parameters:
            raise wrong_parameter('Missing required parameter in input: "TableName"')
        self._check_table(operation, parameters["TableName"])
        return {name: value for name, value in parameters.items() if name != "TableName"}

    def _only_table(self, operation: str, by_table: Mapping[str, Any]) -> tuple[str, Any]:
        if not by_table:
            raise not_valid("RequestItems must name a table", operation)
        for name in by_table:
            self._check_table(operation, name)
        if len(by_table) > 1:
            raise RequestRefusedError(f"{operation}: the migrated table has two names; use one")
        ((name, asked),) = by_table.items()
        return name, asked

    def _check_table(self, operation: str, name: Any) -> None:
        if name not in self._names:
            raise RequestRefusedError(
                f"{operation}: {name!r} is not the migrated table; use a client of boto3 for it"
            )

    def _in_transaction(
        self, operation: str, actions: Sequence[Any]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        _check_number(operation, "TransactItems", actions, MAX_TRANSACTION)
        asked = []
        for action in actions:
            if not isinstance(action, Mapping) or len(action) != 1:
                raise not_valid("an action of a transaction is one thing", operation)
            ((kind, each),) = action.items()
            taken = _parameters.IN_TRANSACTION.get(kind)
            if taken is None or taken.operation != operation:
                raise wrong_parameter(f'Unknown parameter in TransactItems: "{kind}"')
            check(taken, each)
            self._check_table(operation, each["TableName"])
            asked.append((kind, each))
        return asked


@attrs.frozen
class Meta:
    """What ``table.meta`` has of boto3's: the client."""

    client: Client


def _check_different(operation: str, identities: Collection[Hashable]) -> None:
    if len(set(identities)) < len(identities):
        raise not_valid(_DOUBLED, operation)


def _check_number(operation: str, name: str, members: Any, most: int) -> None:
    if not isinstance(members, list | tuple):
        raise wrong_parameter(f"Invalid type for parameter {name}, valid types: list, tuple")
    if not members:
        raise wrong_parameter(f"Invalid length for parameter {name}, value: 0, valid min length: 1")
    if len(members) > most:
        raise not_valid(f"{name} has {len(members)} members; DynamoDB takes {most}", operation)


def _action(kind: str, asked: Mapping[str, Any]) -> Action:
    condition = asked.get("ConditionExpression")
    given = {
        "names": asked.get("ExpressionAttributeNames", {}),
        "values": asked.get("ExpressionAttributeValues", {}),
    }
    if kind == "Put":
        return Put(asked["Item"], condition, **given)
    if kind == "Update":
        return Update(asked["Key"], asked["UpdateExpression"], condition, **given)
    if kind == "Delete":
        return Delete(asked["Key"], condition, **given)
    return ConditionCheck(asked["Key"], asked["ConditionExpression"], **given)


def _cut(asked: Mapping[str, Any]) -> Any:
    """Return what makes of an item what one of several reads wants of it."""
    given = Placeholders(asked.get("ExpressionAttributeNames", {}), {})
    text = asked.get("ProjectionExpression")
    wanted = None if text is None else parse_projection(text, given)
    given.check_all_used()
    if wanted is None:
        return lambda item: item
    return lambda item: codec.decode(wanted.apply(codec.encode(item)))


def _response(**parts: Any) -> dict[str, Any]:
    metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return {**parts, "ResponseMetadata": metadata}
