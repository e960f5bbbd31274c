"""What a ``Table`` says of itself, as ``DescribeTable`` has it, and what it has not at all.

The rule: it is the new table that is described; the number of items is the larger one of both
tables, since neither knows of the other. What boto3 has and the drop-in has not fails by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dualtable.errors import RequestRefusedError


class NotHereError(RequestRefusedError, AttributeError):
    """boto3 may have it, and the drop-in has not; an `AttributeError` too, as ``hasattr`` asks."""


class Bounded:
    """Something of boto3's of which the drop-in has a part; all else is refused by name."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a checker finds what is missing by itself

        def __getattr__(self, name: str) -> Any:
            """Refuse what is not there."""
            kind = type(self).__name__
            if name.startswith("_"):
                raise AttributeError(f"{kind!r} object has no attribute {name!r}")
            raise NotHereError(
                f"{name}: the drop-in's {kind} has no such thing, it has what is done with items;"
                f" for all else make boto3's own {kind}"
            )


class Attribute:
    """An attribute of the description: ``table.key_schema``, to be awaited as with aioboto3."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = f"``{name}`` of the description."

    def __get__(self, table: Described | None, owner: type) -> Any:
        """Return the value, or what is to be awaited."""
        return self if table is None else table.attribute(self.name)


class Described(Bounded):
    """A table that has been asked what it is like, or asks when it needs to."""

    archival_summary: Attribute = Attribute("ArchivalSummary")
    attribute_definitions: Attribute = Attribute("AttributeDefinitions")
    billing_mode_summary: Attribute = Attribute("BillingModeSummary")
    creation_date_time: Attribute = Attribute("CreationDateTime")
    deletion_protection_enabled: Attribute = Attribute("DeletionProtectionEnabled")
    global_secondary_indexes: Attribute = Attribute("GlobalSecondaryIndexes")
    global_table_version: Attribute = Attribute("GlobalTableVersion")
    global_table_witnesses: Attribute = Attribute("GlobalTableWitnesses")
    item_count: Attribute = Attribute("ItemCount")
    key_schema: Attribute = Attribute("KeySchema")
    latest_stream_arn: Attribute = Attribute("LatestStreamArn")
    latest_stream_label: Attribute = Attribute("LatestStreamLabel")
    local_secondary_indexes: Attribute = Attribute("LocalSecondaryIndexes")
    multi_region_consistency: Attribute = Attribute("MultiRegionConsistency")
    on_demand_throughput: Attribute = Attribute("OnDemandThroughput")
    provisioned_throughput: Attribute = Attribute("ProvisionedThroughput")
    replicas: Attribute = Attribute("Replicas")
    restore_summary: Attribute = Attribute("RestoreSummary")
    sse_description: Attribute = Attribute("SSEDescription")
    stream_specification: Attribute = Attribute("StreamSpecification")
    table_arn: Attribute = Attribute("TableArn")
    table_class_summary: Attribute = Attribute("TableClassSummary")
    table_id: Attribute = Attribute("TableId")
    table_size_bytes: Attribute = Attribute("TableSizeBytes")
    table_status: Attribute = Attribute("TableStatus")
    warm_throughput: Attribute = Attribute("WarmThroughput")

    def attribute(self, name: str) -> Any:
        """Return what the description says by one of DynamoDB's names, None for nothing."""
        raise NotImplementedError


def described(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description as boto3 gives it: a time is a datetime."""
    return {name: _given(name, value) for name, value in description.items()}


def _given(name: str, value: Any) -> Any:
    if name.endswith("DateTime") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, tz=UTC)
    if isinstance(value, dict):
        return described(value)
    return [_given(name, each) for each in value] if isinstance(value, list) else value
