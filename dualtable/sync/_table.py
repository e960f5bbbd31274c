"""`Table` for code that is not asynchronous: boto3's, as `dualtable.drop_in.Table` is aioboto3's.

The rule: nothing is decided here. Every method is the one of `dualtable.drop_in`, run on an event
loop in a thread of its own; what is awaited there is the value itself here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from dualtable import drop_in
from dualtable._home import stays
from dualtable._transforms.migration import Migration
from dualtable.drop_in._attributes import Bounded, Described
from dualtable.drop_in._errors import Exceptions
from dualtable.drop_in._paginators import blocking_paginator
from dualtable.drop_in._values import BlockingBatchWriter
from dualtable.sync._loop_thread import LoopThread

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _documented(twin: type) -> Callable[[_Method], _Method]:
    """Give a method the words of its asynchronous twin."""

    def give(method: _Method) -> _Method:
        method.__doc__ = getattr(twin, method.__name__).__doc__
        return method

    return give


_as_table = _documented(drop_in.Table)
_as_client = _documented(drop_in.Client)


class Table(Described):
    """The migrated table as code knows it that is written for boto3's ``Table``.

    The blocking twin of `dualtable.drop_in.Table`, with the same settings, methods and errors.
    Make it where the code has made ``dynamodb.Table("orders")``; it is a context manager, and holds
    one client and one thread for it. It is safe to share between threads.

    Args:
        migration: As for `dualtable.drop_in.Table`.
        **options: As for `dualtable.drop_in.Table`.

    Raises:
        RequestRefusedError: A parameter is not done here; the message has its name.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, sync
        >>> from dualtable.testing import MemoryGateway
        >>> gateway = MemoryGateway()
        >>> for table in ("orders", "orders-v2"):
        ...     asyncio.run(gateway.create_table({
        ...         "TableName": table,
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     }))
        >>> asyncio.run(gateway.put("orders", {"id": {"S": "o-1"}, "nme": {"S": "Ann"}}))
        >>> migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        >>> with sync.Table(migration, gateway=gateway) as table:
        ...     with table.batch_writer() as batch:
        ...         batch.put_item(Item={"id": "o-2", "name": "Bob"})
        ...     print(sorted(order["name"] for order in table.scan()["Items"]))
        ['Ann', 'Bob']
    """

    def __init__(self, migration: Migration, **options: Any) -> None:
        self._table = drop_in.Table(migration, **options)
        self._thread = LoopThread()
        self.meta: Meta = Meta(Client(self._table.meta.client, self._thread))

    @property
    def name(self) -> str:
        """The name of the new table, whose format the items have."""
        return self._table.name

    @property
    def table_name(self) -> str:
        """The same as `name`."""
        return self.name

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._thread.run(self._table.__aenter__())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_forked:
            return  # what another process has opened is not this one's to close
        try:
            self._thread.run(self._table.__aexit__(kind, error, trace))
        finally:
            self._thread.stop()

    @_as_table
    def get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.get_item(**parameters))

    @_as_table
    def put_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.put_item(**parameters))

    @_as_table
    def update_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.update_item(**parameters))

    @_as_table
    def delete_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.delete_item(**parameters))

    @_as_table
    def query(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.query(**parameters))

    @_as_table
    def scan(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._table.scan(**parameters))

    @_as_table
    def load(self) -> None:
        self._thread.run(self._table.load())

    @_as_table
    def reload(self) -> None:
        self._thread.run(self._table.reload())

    @_as_table
    def attribute(self, name: str) -> Any:
        return self._thread.run(self._table.attribute(name))

    def batch_writer(
        self, overwrite_by_pkeys: list[str] | None = None, flush_amount: int = 25
    ) -> Any:
        """Return boto3's own batch writer, to be used as a context manager.

        Args:
            overwrite_by_pkeys: Names of the key attributes, to let the last of several requests
                for one key count.
            flush_amount: Requests that are sent at once.
        """
        return BlockingBatchWriter(
            self.name,
            self.meta.client,
            flush_amount=flush_amount,
            overwrite_by_pkeys=overwrite_by_pkeys,
        )

    def __reduce__(self) -> NoReturn:
        stays("a table")


class Client(Bounded):
    """What ``table.meta.client`` can do: the item operations of boto3's client, on this table."""

    def __init__(self, client: drop_in.Client, thread: LoopThread) -> None:
        self._client = client
        self._thread = thread
        self.exceptions: Exceptions = client.exceptions

    @_as_client
    def get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.get_item(**parameters))

    @_as_client
    def put_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.put_item(**parameters))

    @_as_client
    def update_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.update_item(**parameters))

    @_as_client
    def delete_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.delete_item(**parameters))

    @_as_client
    def query(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.query(**parameters))

    @_as_client
    def scan(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.scan(**parameters))

    @_as_client
    def can_paginate(self, operation_name: str) -> bool:
        return self._client.can_paginate(operation_name)

    @_as_client
    def get_paginator(self, operation_name: str) -> Any:
        return blocking_paginator(self, operation_name)

    @_as_client
    def batch_get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.batch_get_item(**parameters))

    @_as_client
    def batch_write_item(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.batch_write_item(**parameters))

    @_as_client
    def transact_write_items(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.transact_write_items(**parameters))

    @_as_client
    def transact_get_items(self, **parameters: Any) -> dict[str, Any]:
        return self._thread.run(self._client.transact_get_items(**parameters))


class Meta(Bounded):
    """What ``table.meta`` has of boto3's: the client."""

    def __init__(self, client: Client) -> None:
        self.client = client
