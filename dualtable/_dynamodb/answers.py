"""From DynamoDB's answers to the port's.

The rule: what the server did not say is nothing, never a guess.
"""

from __future__ import annotations

from typing import Any

from dualtable._dynamodb.gateway import Page
from dualtable._wire.types import WireItem

ANSWER = "DualtableAnswer"
"""Where a response of the SDK's client carries what DynamoDB itself has said."""


def attributes_of(response: dict[str, Any]) -> WireItem | None:
    return response.get("Attributes") or None


def page_of(response: dict[str, Any]) -> Page:
    return Page(response["Items"], response.get("LastEvaluatedKey"), consumed_units(response))


def consumed_units(response: dict[str, Any]) -> float:
    """Return the units that a response reports, 0 where it reports none."""
    capacity = response.get("ConsumedCapacity") or []
    tables = capacity if isinstance(capacity, list) else [capacity]
    return float(sum(table.get("CapacityUnits", 0) for table in tables))
