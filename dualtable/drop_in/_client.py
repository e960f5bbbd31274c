"""``table.meta.client``: the item operations of a client, for the migrated table and others.

The rule: the table may be called by its new name or by its old one, and is answered by the name
that it was called by; it is the migrated one in either case. What is about other tables alone goes
to boto3's own client; a transaction over both is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import attrs

from dualtable._dynamodb.gateway import MAX_BATCH_GET, MAX_BATCH_WRITE, MAX_TRANSACTION
from dualtable._expressions.actions import Action, ConditionCheck, Delete, Get, Put, Update
from dualtable.drop_in import _parameters
from dualtable.drop_in._attributes import Bounded
from dualtable.drop_in._errors import (
    DynamoDBError,
    Exceptions,
    answered,
    cancelled_by,
    is_not_valid,
    not_valid,
    wrong_parameter,
)
from dualtable.drop_in._others import Others
from dualtable.drop_in._paginators import PAGINATED, paginator
from dualtable.drop_in._parameters import check, check_kind
from dualtable.drop_in._repository import Repository
from dualtable.drop_in._values import metadata, shown
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


class Client(Bounded):
    """What ``table.meta.client`` can do: the item operations of boto3's client.

    The migrated table has the repository under it, every other one boto3's own client. Values are
    plain ones, as with the client of a boto3 resource. ``exceptions`` has the classes
    of errors by DynamoDB's codes.

    Example:
        >>> from dualtable import Migration, Move, drop_in
        >>> migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        >>> table = drop_in.Table(migration)
        >>> client = table.meta.client
        >>> client.exceptions.ConditionalCheckFailedException.__name__
        'ConditionalCheckFailedException'
    """

    def __init__(self, table: Operations, repository: Repository, others: Others) -> None:
        self._table = table
        self._repository = repository
        self._others = others
        self.exceptions: Exceptions = Exceptions()

    async def get_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.get_item` does, of ``TableName``."""
        return await self._of_table("get_item", parameters)

    async def put_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.put_item` does, of ``TableName``."""
        return await self._of_table("put_item", parameters)

    async def update_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.update_item` does, of ``TableName``."""
        return await self._of_table("update_item", parameters)

    async def delete_item(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.delete_item` does, of ``TableName``."""
        return await self._of_table("delete_item", parameters)

    async def query(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.query` does, of ``TableName``."""
        return await self._of_table("query", parameters)

    async def scan(self, **parameters: Any) -> dict[str, Any]:
        """Do what `Table.scan` does, of ``TableName``."""
        return await self._of_table("scan", parameters)

    def can_paginate(self, operation_name: str) -> bool:
        """Tell whether `get_paginator` has one for an operation: ``query`` and ``scan``."""
        return operation_name in PAGINATED

    def get_paginator(self, operation_name: str) -> Any:
        """Return the SDK's own paginator of ``query`` or ``scan``.

        Its ``paginate`` takes what the method takes, and ``PaginationConfig`` with ``MaxItems``,
        ``PageSize`` and ``StartingToken``; it gives pages, or all at once by
        ``build_full_result``.

        Args:
            operation_name: ``query`` or ``scan``.
        """
        return paginator(self, operation_name)

    async def batch_get_item(self, **parameters: Any) -> dict[str, Any]:
        """Return ``Responses``, in no order; ``UnprocessedKeys`` has none of the migrated table.

        Args:
            **parameters: ``RequestItems``: ``Keys``, ``ConsistentRead``, ``ProjectionExpression``
                and ``ExpressionAttributeNames`` by the name of the table.
        """
        check(_parameters.BATCH_GET, parameters)
        own, others = self._divided("BatchGetItem", parameters)
        if own is None:
            return await self._others.call("batch_get_item", parameters)
        name, asked = own
        check(_parameters.GETS, asked)
        more = list(map(_keys_of, others.values()))
        _check_number("BatchGetItem", "Keys", asked["Keys"], MAX_BATCH_GET, beside=more)
        with answered("BatchGetItem", parameters):
            keys = list(map(self._repository.identity_of, asked["Keys"]))
            _check_different("BatchGetItem", keys)
            answer = await self._beside("batch_get_item", others)
            found = await self._repository.batch_get(
                asked["Keys"],
                projection=asked.get("ProjectionExpression"),
                names=asked.get("ExpressionAttributeNames"),
                consistent_read=asked.get("ConsistentRead", False),
            )
        items = [shown(item) for item in found if item is not None]
        return _response(
            Responses={**answer.get("Responses", {}), name: items},
            UnprocessedKeys=answer.get("UnprocessedKeys", {}),
        )

    async def batch_write_item(self, **parameters: Any) -> dict[str, Any]:
        """Put and delete up to 25 items; ``UnprocessedItems`` has none of the migrated table.

        Args:
            **parameters: ``RequestItems``: a list of ``PutRequest`` and ``DeleteRequest`` by the
                name of the table.
        """
        check(_parameters.BATCH_WRITE, parameters)
        own, others = self._divided("BatchWriteItem", parameters)
        if own is None:
            return await self._others.call("batch_write_item", parameters)
        _, requests = own
        more = list(others.values())
        _check_number("BatchWriteItem", "RequestItems", requests, MAX_BATCH_WRITE, beside=more)
        puts, deletes = _puts_and_deletes(requests)
        with answered("BatchWriteItem", parameters):
            identities = [
                *map(self._repository.identity_in, puts),
                *map(self._repository.identity_of, deletes),
            ]
            _check_different("BatchWriteItem", identities)
            answer = await self._beside("batch_write_item", others)
            await self._repository.batch_put(puts)
            await self._repository.batch_delete(deletes)
        return _response(UnprocessedItems=answer.get("UnprocessedItems", {}))

    async def transact_write_items(self, **parameters: Any) -> dict[str, Any]:
        """Write up to 100 items, all of them or none; fewer in some phases.

        In ``READING_BOTH`` and ``WRITING_NEW`` an action may take two of the 100; where there is no
        room for so many, that is a ``ValidationException``, too.

        Args:
            **parameters: ``TransactItems``, and ``ClientRequestToken``: with the same one, another
                call does nothing, as long as one item of the migrated table is still as the first
                has put or updated it. Another transaction with it is refused where it names such
                an item, and else it is done.
        """
        check(_parameters.TRANSACT_WRITE, parameters)
        asked = self._in_transaction("TransactWriteItems", parameters["TransactItems"])
        if self._is_elsewhere(asked):
            return await self._others.call("transact_write_items", parameters)
        actions = [_action(kind, each) for kind, each in asked]
        with (
            self._cancelling("TransactWriteItems", actions),
            answered("TransactWriteItems", parameters, actions=len(actions)),
        ):
            await self._repository.transact_write(
                actions, client_token=parameters.get("ClientRequestToken")
            )
        return _response()

    async def transact_get_items(self, **parameters: Any) -> dict[str, Any]:
        """Return ``Responses``: up to 100 items as they are at one moment; fewer in some phases.

        In ``READING_BOTH`` and ``WRITING_NEW`` each takes two of the 100; where there is no room
        for so many, that is a ``ValidationException``, too.

        Args:
            **parameters: ``TransactItems``.
        """
        check(_parameters.TRANSACT_GET, parameters)
        asked = self._in_transaction("TransactGetItems", parameters["TransactItems"])
        if self._is_elsewhere(asked):
            return await self._others.call("transact_get_items", parameters)
        gets = [_get(each) for _, each in asked]
        with (
            self._cancelling("TransactGetItems", gets),
            answered("TransactGetItems", parameters),
        ):
            found = await self._repository.transact_get(gets)
        return _response(
            Responses=[{} if item is None else {"Item": shown(item)} for item in found]
        )

    @contextmanager
    def _cancelling(
        self, operation: str, actions: Sequence[Action] | Sequence[Get]
    ) -> Iterator[None]:
        """Raise the error of a cancelled transaction where the key of an action is to blame."""
        try:
            yield
        except DynamoDBError as error:
            misfits = list(map(self._repository.misfit, actions)) if is_not_valid(error) else []
            if any(misfits):
                raise cancelled_by(misfits, operation) from error
            raise

    async def _of_table(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if "TableName" not in parameters:
            raise wrong_parameter('Missing required parameter in input: "TableName"')
        check_kind("TableName", parameters["TableName"])
        if not self._repository.is_called(parameters["TableName"]):
            return await self._others.call(method, parameters)
        given = {name: value for name, value in parameters.items() if name != "TableName"}
        return await getattr(self._table, method)(**given)  # type: ignore[no-any-return]

    def _divided(
        self, operation: str, parameters: Mapping[str, Any]
    ) -> tuple[tuple[str, Any] | None, dict[str, Any]]:
        """Return the migrated table's part of a batch, and that of the others."""
        by_table = parameters["RequestItems"]
        if not by_table:
            raise not_valid("RequestItems must name a table", operation)
        own = [name for name in by_table if self._repository.is_called(name)]
        if len(own) > 1:
            raise RequestRefusedError(f"{operation}: the migrated table has two names; use one")
        others = {name: asked for name, asked in by_table.items() if name not in own}
        return next(((name, by_table[name]) for name in own), None), others

    async def _beside(self, method: str, others: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for the part of other tables, which comes first: it may be refused."""
        return await self._others.call(method, {"RequestItems": others}) if others else {}

    def _is_elsewhere(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
        return not any(self._repository.is_called(each["TableName"]) for _, each in asked)

    def _in_transaction(
        self, operation: str, actions: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        _check_number(operation, "TransactItems", actions, MAX_TRANSACTION)
        asked = [pair for action in actions for pair in action.items()]
        for kind, each in asked:
            taken = _parameters.IN_TRANSACTION.get(kind)
            if taken is None or taken.operation != operation:
                raise wrong_parameter(f'Unknown parameter in TransactItems: "{kind}"')
            check(taken, each)
        if any(len(action) != 1 for action in actions):
            raise not_valid("an action of a transaction is one thing", operation)
        return asked


@attrs.frozen
class Meta(Bounded):
    """What ``table.meta`` has of boto3's: the client."""

    client: Client


def _check_different(operation: str, identities: Collection[Hashable]) -> None:
    if len(set(identities)) < len(identities):
        raise not_valid(_DOUBLED, operation)


def _check_number(
    operation: str, name: str, members: Any, most: int, beside: Iterable[Any] = ()
) -> None:
    counted = [members, *beside]
    if not all(isinstance(some, list | tuple) for some in counted):
        raise wrong_parameter(f"Invalid type for parameter {name}, valid types: list, tuple")
    if not members:
        raise wrong_parameter(f"Invalid length for parameter {name}, value: 0, valid min length: 1")
    number = sum(map(len, counted))
    if number > most:
        raise not_valid(f"{name} has {number} members; DynamoDB takes {most}", operation)


def _keys_of(asked: Any) -> Any:
    if not isinstance(asked, Mapping):
        raise wrong_parameter(f"Invalid type for a member of RequestItems, valid types: {dict}")
    return asked.get("Keys", ())


def _puts_and_deletes(requests: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Return the items of the puts, and the keys of the deletes."""
    puts, deletes = [], []
    for request in requests:
        if not isinstance(request, Mapping) or request.keys() - _parameters.IN_BATCH.keys():
            raise wrong_parameter("a request is a PutRequest or a DeleteRequest")
        for kind, each in request.items():
            check(_parameters.IN_BATCH[kind], each)
        if len(request) != 1:
            raise not_valid("a request is one of PutRequest and DeleteRequest", "BatchWriteItem")
        if "PutRequest" in request:
            puts.append(request["PutRequest"]["Item"])
        else:
            deletes.append(request["DeleteRequest"]["Key"])
    return puts, deletes


def _action(kind: str, asked: Mapping[str, Any]) -> Action:
    condition = asked.get("ConditionExpression")
    given = {
        "names": asked.get("ExpressionAttributeNames", {}),
        "values": asked.get("ExpressionAttributeValues", {}),
        "table": asked["TableName"],
    }
    if kind == "Put":
        return Put(asked["Item"], condition, **given)
    if kind == "Update":
        return Update(asked["Key"], asked["UpdateExpression"], condition, **given)
    if kind == "Delete":
        return Delete(asked["Key"], condition, **given)
    return ConditionCheck(asked["Key"], asked["ConditionExpression"], **given)


def _get(asked: Mapping[str, Any]) -> Get:
    names = asked.get("ExpressionAttributeNames", {})
    return Get(
        asked["Key"], asked.get("ProjectionExpression"), names=names, table=asked["TableName"]
    )


def _response(**parts: Any) -> dict[str, Any]:
    return {**parts, "ResponseMetadata": metadata()}
