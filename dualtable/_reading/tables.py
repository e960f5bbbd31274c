"""What queries and scans need of the two tables: the port that production fills.

The rule: whoever reads many items at once decides nothing about a single one. What `new` has, and
how long `old` may be believed, is asked here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol, Self

from dualtable._control.phases import Route
from dualtable._dynamodb.gateway import Gateway
from dualtable._transforms.lineage import Lineage
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable._wire.types import WireItem, WireKey


class Tables(Protocol):
    """The two tables of a migration as one operation sees them."""

    @property
    def gateway(self) -> Gateway: ...

    @property
    def lineage(self) -> Lineage: ...

    @property
    def route(self) -> Route: ...

    @property
    def new(self) -> Layout: ...

    @property
    def old(self) -> Layout: ...

    @property
    def marks(self) -> Marks: ...

    async def current(self) -> Self:
        """Return the tables as an operation that begins now must see them."""

    async def confirm(self) -> None:
        """Raise `StalePhaseError` where what `old` has said may not be believed any more."""

    async def newer(
        self, keys: Mapping[Hashable, WireKey], *, consistent_read: bool
    ) -> dict[Hashable, WireItem]:
        """Return what `new` has of keys that `old` yields; a miss is confirmed (I1)."""

    async def fetch(
        self, layout: Layout, keys: Mapping[Hashable, WireKey], *, consistent_read: bool
    ) -> dict[Hashable, WireItem]:
        """Read any number of different keys of one of the two tables."""
