"""Paginators of queries and scans; the only module here that knows those of the SDK.

The rule: the paginators are the SDK's own, over the drop-in's methods, so that page sizes, bounds
and tokens are what they are with a table of boto3.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aiobotocore.paginate import AioPaginator
from botocore.model import DenormalizedStructureBuilder
from botocore.paginate import Paginator

from dualtable.errors import RequestRefusedError

PAGINATED = ("query", "scan")

# What botocore says of both operations in its data.
_PAGES = {
    "input_token": "ExclusiveStartKey",
    "output_token": "LastEvaluatedKey",
    "limit_key": "Limit",
    "result_key": ["Items", "Count", "ScannedCount"],
    "non_aggregate_keys": ["ConsumedCapacity"],
}
_TAKES = DenormalizedStructureBuilder().with_members({"Limit": {"type": "integer"}})
_OPERATION = SimpleNamespace(input_shape=_TAKES.build_model())


def paginator(client: Any, operation_name: str) -> Any:
    """Return aioboto3's paginator of a method of the client."""
    return AioPaginator(_method(client, operation_name), _PAGES, _OPERATION)


def blocking_paginator(client: Any, operation_name: str) -> Any:
    """Return boto3's paginator of a method of the client."""
    return Paginator(_method(client, operation_name), _PAGES, _OPERATION)


def _method(client: Any, operation_name: str) -> Callable[..., Any]:
    if operation_name not in PAGINATED:
        raise RequestRefusedError(
            f"get_paginator({operation_name!r}): the drop-in has paginators of"
            f" {' and '.join(PAGINATED)}; for all else make boto3's own client"
        )
    method: Callable[..., Any] = getattr(client, operation_name)
    return method
