"""The repository for code that is not asynchronous: the same methods, blocking.

The rule: nothing is decided here. Every method is the one of `dualtable.DualTableRepository`, run
on an event loop in a thread of its own. What the caller hands in to be called or iterated over is
so in the caller's thread, where it may use the repository again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType, UnionType
from typing import Any, Generic, NoReturn, Self, TypeAlias, TypeVar, Unpack, overload

from dualtable._clock import Clock
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import ReturnValues
from dualtable._expressions.actions import Action, Get, Projected
from dualtable._expressions.boto3_conditions import ConditionBase
from dualtable._home import stays
from dualtable._production import repository
from dualtable._production.shadow import ShadowCounts
from dualtable._transforms.migration import Migration
from dualtable._transforms.models import Model
from dualtable._wire.types import Item, Key
from dualtable.sync._iterator import ItemIterator, OnError, Told
from dualtable.sync._loop_thread import LoopThread

_T = TypeVar("_T")
_Method = TypeVar("_Method", bound=Callable[..., Any])
_Asynchronous = repository.DualTableRepository

Change: TypeAlias = Callable[[Model], Model]


def _documented(method: _Method) -> _Method:
    """Give a method the words of its asynchronous twin."""
    method.__doc__ = getattr(_Asynchronous, method.__name__).__doc__
    return method


class DualTableRepository(Generic[Model]):
    """Reads, updates, adds and deletes items while they move from the old table to the new one.

    The blocking twin of `dualtable.DualTableRepository`, with the same settings and methods. Use it
    as a context manager; it holds one client and one thread for it, and both are gone at the end.
    It is safe to share between threads, and may be used in a process that runs an event loop,
    though not on that loop's thread: it would stand still for the time of each call.

    Args:
        migration: As for `dualtable.DualTableRepository`, and so are all others.
        model: An attrs class or a union of some; then all methods return and take instances of it.
        one_round_trip: Let `get` and `batch_get` ask both tables at once.
        copy_on_read: Let `get` and `batch_get` copy what they found in the old table only.
        shadow_share: Of the hits, the share that is compared with the old table in the background.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Raises:
        DualTableError: As for `dualtable.DualTableRepository`; also where it is closed during a
            call of another thread.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move
        >>> from dualtable.sync import DualTableRepository
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
        >>> with DualTableRepository(migration, gateway=gateway) as orders:
        ...     orders.put({"id": "o-2", "name": "Bob"})
        ...     ann = orders.update({"id": "o-1"}, lambda order: {**order, "name": "Anne"})
        ...     print(sorted(order["name"] for order in orders.scan()))
        ['Anne', 'Bob']
    """

    @overload
    def __init__(
        self: DualTableRepository[Item],
        migration: Migration,
        *,
        model: None = None,
        one_round_trip: bool = False,
        copy_on_read: bool = False,
        shadow_share: float = 0.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    @overload
    def __init__(
        self,
        migration: Migration,
        *,
        model: type[Model] | UnionType,
        one_round_trip: bool = False,
        copy_on_read: bool = False,
        shadow_share: float = 0.0,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None: ...

    def __init__(self, migration: Migration, **settings: Any) -> None:
        self._repository: repository.DualTableRepository[Model]
        self._repository = _Asynchronous(migration, **settings)
        self._thread = LoopThread()

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._thread.run(self._repository.__aenter__())
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
            self._thread.run(self._repository.__aexit__(kind, error, trace))
        finally:
            self._thread.stop()

    @property
    def shadow_counts(self) -> ShadowCounts:
        """What the shadow reads have found since the repository was opened; see `shadow_share`."""
        return self._repository.shadow_counts

    @_documented
    def get(
        self,
        key: Key,
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> Model | None:
        return self._run(
            self._repository.get(
                key, projection=projection, names=names, consistent_read=consistent_read
            )
        )

    @_documented
    def batch_get(
        self,
        keys: Iterable[Key],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        consistent_read: bool = False,
    ) -> list[Model | None]:
        return self._run(
            self._repository.batch_get(
                _listed(keys), projection=projection, names=names, consistent_read=consistent_read
            )
        )

    @_documented
    def put(
        self,
        item: Model,
        *,
        if_absent: bool = False,
        condition: ConditionBase | str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_old: bool = False,
    ) -> Model | None:
        return self._run(
            self._repository.put(
                item,
                if_absent=if_absent,
                condition=condition,
                names=names,
                values=values,
                return_old=return_old,
            )
        )

    @_documented
    def batch_delete(self, keys: Iterable[Key]) -> None:
        self._run(self._repository.batch_delete(_listed(keys)))

    @_documented
    def batch_put(self, items: Iterable[Model]) -> None:
        self._run(self._repository.batch_put(_listed(items)))

    @_documented
    def update(self, key: Key, change: Change[Model], *, create: bool = False) -> Model:
        return self._thread.run_calling(
            change, lambda relayed: self._repository.update(key, relayed, create=create)
        )

    @_documented
    def update_item(
        self,
        key: Key,
        *,
        UpdateExpression: str | None,  # noqa: N803 - DynamoDB's own names, as boto3 takes them
        ConditionExpression: ConditionBase | str | None = None,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] | None = None,  # noqa: N803
        ReturnValues: ReturnValues = "NONE",  # noqa: N803
    ) -> Item | None:
        return self._run(
            self._repository.update_item(
                key,
                UpdateExpression=UpdateExpression,
                ConditionExpression=ConditionExpression,
                ExpressionAttributeNames=ExpressionAttributeNames,
                ExpressionAttributeValues=ExpressionAttributeValues,
                ReturnValues=ReturnValues,
            )
        )

    @_documented
    def delete(
        self,
        key: Key,
        *,
        condition: ConditionBase | str | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        return_old: bool = False,
    ) -> Model | None:
        return self._run(
            self._repository.delete(
                key, condition=condition, names=names, values=values, return_old=return_old
            )
        )

    @_documented
    def query(
        self,
        key_condition: ConditionBase | str,
        *,
        index: str | None = None,
        filter: ConditionBase | str | None = None,  # noqa: A002 - DynamoDB's word
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        limit: int | None = None,
        max_read_items: int | None = None,
        max_read_bytes: int | None = None,
        descending: bool = False,
        consistent_read: bool = False,
        token: str | None = None,
        after: Key | None = None,
        on_error: OnError | None = None,
    ) -> ItemIterator[Model]:
        told = None if on_error is None else Told(on_error)
        items = self._repository.query(
            key_condition,
            index=index,
            filter=filter,
            projection=projection,
            names=names,
            values=values,
            limit=limit,
            max_read_items=max_read_items,
            max_read_bytes=max_read_bytes,
            descending=descending,
            consistent_read=consistent_read,
            token=token,
            after=after,
            on_error=told,
        )
        return ItemIterator(items, self._thread, told)

    @_documented
    def scan(
        self,
        *,
        index: str | None = None,
        filter: ConditionBase | str | None = None,  # noqa: A002
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        limit: int | None = None,
        max_read_items: int | None = None,
        max_read_bytes: int | None = None,
        segment: int = 0,
        total_segments: int = 1,
        consistent_read: bool = False,
        token: str | None = None,
        after: Key | None = None,
        on_error: OnError | None = None,
    ) -> ItemIterator[Model]:
        told = None if on_error is None else Told(on_error)
        items = self._repository.scan(
            index=index,
            filter=filter,
            projection=projection,
            names=names,
            values=values,
            limit=limit,
            max_read_items=max_read_items,
            max_read_bytes=max_read_bytes,
            segment=segment,
            total_segments=total_segments,
            consistent_read=consistent_read,
            token=token,
            after=after,
            on_error=told,
        )
        return ItemIterator(items, self._thread, told)

    @_documented
    def transact_write(self, actions: Iterable[Action], *, client_token: str | None = None) -> None:
        self._run(self._repository.transact_write(_listed(actions), client_token=client_token))

    @overload
    def transact_get(
        self,
        keys: Iterable[Key],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Model | None]: ...

    @overload
    def transact_get(
        self,
        keys: Iterable[Key | Get],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Any]: ...

    @_documented
    def transact_get(
        self,
        keys: Iterable[Key | Get],
        *,
        projection: Projected | None = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Any]:
        return self._run(
            self._repository.transact_get(_listed(keys), projection=projection, names=names)
        )

    def _run(self, call: Coroutine[Any, Any, _T]) -> _T:
        return self._thread.run(call)

    def __reduce__(self) -> NoReturn:
        stays("a repository")


def _listed(values: Any) -> Any:
    """Return what an iterable has, read on the caller's thread; what is none is told later."""
    return list(values) if isinstance(values, Iterable) else values
