"""What an operator reads before a migration is begun.

The rule: every number that is not known is a range, and the sample that it comes from is named.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from dualtable._planning.choices import Choice
from dualtable._planning.extrapolation import Estimate
from dualtable._planning.failures import LikelyFailure
from dualtable._planning.prices import Prices


@attrs.frozen(kw_only=True)
class SampleTaken:
    """What a plan was read from.

    Attributes:
        most_units: Read units that it could cost at most, said before it was taken.
        read_units: Read units that it did cost.
        items: Items in it.
        segments: Segments that they are from.
        total_segments: Segments that there are.
        whole: Whether it is the whole table; then nothing is extrapolated.
    """

    most_units: float
    read_units: float
    items: int
    segments: int
    total_segments: int
    whole: bool


@attrs.frozen(kw_only=True)
class Sizes:
    """How large the items of a table or an index are.

    Attributes:
        name: The table's or the index's name.
        items: How many there are.
        bytes: What they have together.
        median: Half of the sample's items are smaller, in bytes.
        large: 95 in 100 of the sample's items are smaller, in bytes.
        largest: The largest item of the sample, in bytes; DynamoDB allows 409,600.
        write_units: What putting them costs; None for the old table.
    """

    name: str
    items: Estimate
    bytes: Estimate
    median: int = 0
    large: int = 0
    largest: int = 0
    write_units: Estimate | None = None

    @classmethod
    def of(
        cls,
        name: str,
        sample: Sequence[int],
        items: Estimate,
        size: Estimate,
        write_units: Estimate | None = None,
    ) -> Sizes:
        """Return the sizes of a table of which these are the sample's."""
        found = sorted(sample) or [0]
        return cls(
            name=name,
            items=items,
            bytes=size,
            median=found[len(found) // 2],
            large=found[len(found) * 95 // 100],
            largest=found[-1],
            write_units=write_units,
        )


@attrs.frozen(kw_only=True)
class Cost:
    """What something beside the copy costs.

    Attributes:
        what: What it is.
        dollars: In the currency of the prices.
        read_units: Read units of both tables; None where it is none that reads.
    """

    what: str
    dollars: Estimate
    read_units: Estimate | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """What a migration will take, as far as a sample tells.

    Attributes:
        name: The migration's name.
        old: The old table.
        new: The new table; what it would be, where it does not exist yet.
        new_exists: Whether it does.
        indexes: The indexes of the new table; of a sparse one, the items that are in it.
        sample: What all this was read from.
        read_units: Read units of the copy.
        write_units: Write units of the copy, indexes included.
        dropped: Old items that the transform leaves out.
        failures: What is likely to become a dead letter, and for `rolling` what cannot be written
            back (I9), the most frequent first.
        choices: Capacities to choose from, the new table as it is first.
        recommended: The name of one of them.
        reason: Why it is this one.
        total_segments: Segments of the scan, as the migrator chooses them by itself.
        concurrency: Batches at once of one process; the migrator's default.
        processes: Processes that the recommended choice keeps busy.
        cpu_seconds: What the transform alone takes of one processor for all items.
        costs: What a dry run, a verification, a restart and a week with two tables cost.
        warnings: What to know first, a line each.
        prices: The prices that all this is reckoned with.
        not_covered: What is in none of the costs.

    Example:
        >>> import asyncio
        >>> from dualtable import Migration, Move, Planner
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     return await Planner(migration, gateway=gateway).run()
        >>> plan = asyncio.run(main())
        >>> plan.ok, plan.recommended
        (True, 'on demand')
    """

    name: str
    old: Sizes
    new: Sizes
    new_exists: bool
    indexes: tuple[Sizes, ...]
    sample: SampleTaken
    read_units: Estimate
    write_units: Estimate
    dropped: Estimate
    failures: tuple[LikelyFailure, ...]
    choices: tuple[Choice, ...]
    recommended: str
    reason: str
    total_segments: int
    concurrency: int
    processes: int
    cpu_seconds: float
    costs: tuple[Cost, ...]
    warnings: tuple[str, ...]
    prices: Prices
    not_covered: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing in the sample would fail."""
        return not self.failures

    @property
    def choice(self) -> Choice:
        """The recommended choice."""
        return next(each for each in self.choices if each.name == self.recommended)
