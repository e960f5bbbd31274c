"""What to know before one begins, in a line each.

The rule: pure; a line says what is so and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dualtable._planning.choices import QUOTA_UNITS, Choice, is_on_demand, warm_units
from dualtable._planning.plan import Sizes
from dualtable._transforms.migration import Migration
from dualtable._wire.sizes import MAX_ITEM_BYTES
from dualtable._wire.types import Description

_CLOSE = 0.9  # of the size that DynamoDB allows


def of(
    migration: Migration,
    new: Description,
    *,
    exists: bool,
    best: Choice,
    sizes: Sizes,
    waits: str | None,
    changes: bool,
) -> Iterator[str]:
    """Yield what to know of this migration."""
    yield _throughput(migration, new, exists=exists)
    granted = exists and best.is_there  # what a table has, AWS has allowed
    if max(best.capacity.values()) > QUOTA_UNITS and not granted:
        yield (
            f"it needs more than the {QUOTA_UNITS:,} units a second that an account gives a table"
            " by default; ask AWS for more first (Service Quotas)"
        )
    if sizes.largest > _CLOSE * MAX_ITEM_BYTES:
        yield (
            f"new items of {sizes.largest:,} bytes are close to the {MAX_ITEM_BYTES:,} that"
            " DynamoDB allows; larger ones become dead letters"
        )
    if not changes:
        yield (
            f"{migration.transform!r} leaves every item of the sample as it is, so {migration.new}"
            f" becomes a plain copy of {migration.old}; if it should change something, see with"
            " 'dualtable try' what it makes of an item"
        )
    if waits:
        yield f"queries of {migration.new} must wait until the cut-over: {waits}"


def _throughput(migration: Migration, new: Description, *, exists: bool) -> str:
    if is_on_demand(new):
        known = "WarmThroughput" in new
        said = "gives" if known else "is taken to give"
        return (
            f"{migration.new} {said} {warm_units(new, 'Write'):,.0f} write units a second at once,"
            " each of its indexes likewise, and more as it is used; pre-warm it (WarmThroughput)"
            " to be faster from the start"
        )
    where = "has" if exists else "would be made with"
    units = new["ProvisionedThroughput"]["WriteCapacityUnits"]
    return (
        f"{migration.new} {where} {units:,} provisioned write units a second, which it shares with"
        " production"
    )
