"""What is migrated: the one file that production, scripts and the command line share."""

from decimal import Decimal
from typing import Any

from dualtable import Chain, Convert, Drop, Index, KeySchema, Migration, Move


def add_status(order: dict[str, Any]) -> dict[str, Any]:
    """Say in words what the old format only implied."""
    return {**order, "status": "shipped" if "shipped_on" in order else "open"}


migration = Migration(
    name="orders-v2",
    old="orders",
    new="orders-v2",
    transform=Chain(
        Move("customer.region", "region"),  # to the root, where an index can use it
        Convert("total", Decimal, back=str),  # text in the old table
        Drop("legacy"),
        add_status,
    ),
    indexes=[Index("by-region", KeySchema("region", ("total", "N")))],
)
